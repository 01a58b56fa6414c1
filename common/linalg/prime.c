#include "common/linalg/prime.h"

#include <stddef.h>

uint32_t
kofn_power_mod(uint32_t a, uint32_t exponent, uint32_t n)
{
    uint64_t result = 1 % n, square = a % n;
    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1)
            result = result * square % n;
        square = square * square % n;
    }
    return (uint32_t)result;
}

/* Is n - 1 = odd 2^twos what it would be for a prime: a^odd = 1, or some square of it on the way to
 * a^(n-1) is -1? */
static bool
passes(uint32_t n, uint32_t odd, int twos, uint32_t base)
{
    uint64_t power = kofn_power_mod(base, odd, n);
    if (base % n == 0 || power == 1)
        return true;
    for (int i = 0; i < twos; i++) {
        if (power == n - 1)
            return true;
        power = power * power % n;
    }
    return false;
}

bool
kofn_is_prime(uint32_t n)
{
    static const uint32_t bases[] = {2, 7, 61};
    if (n < 4)
        return n >= 2;
    if (n % 2 == 0)
        return false;
    const int twos = __builtin_ctz(n - 1);
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++)
        if (!passes(n, (n - 1) >> twos, twos, bases[i]))
            return false;
    return true;
}

uint32_t
kofn_next_prime(uint32_t n)
{
    for (; !kofn_is_prime(n); n++)
        if (n == UINT32_MAX)
            return 0;
    return n;
}

uint32_t
kofn_previous_prime(uint32_t n)
{
    while (n > 0 && !kofn_is_prime(n))
        n--;
    return n;
}
