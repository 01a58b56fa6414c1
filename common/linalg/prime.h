/* Primes of 32 bits, exactly: no probability is involved.
 *
 * Source     Miller, Rabin; bases 2, 7 and 61 leave no composite below 4,759,123,141 undetected
 *            (Jaeschke, "On strong pseudoprimes to several bases", 1993).
 * Cost       About a microsecond; the next prime is at most 335 away.
 * Threads    Any thread.
 */
#ifndef KOFN_LINALG_PRIME_H
#define KOFN_LINALG_PRIME_H

#include <stdbool.h>
#include <stdint.h>

bool kofn_is_prime(uint32_t n);

/* The smallest prime >= n, and the largest <= n; 0 when there is none of 32 bits. */
uint32_t kofn_next_prime(uint32_t n);
uint32_t kofn_previous_prime(uint32_t n);

/* a^exponent mod n, n > 0. */
uint32_t kofn_power_mod(uint32_t a, uint32_t exponent, uint32_t n);

#endif
