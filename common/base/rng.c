#include "common/base/rng.h"

#include <assert.h>
#include <endian.h>
#include <math.h>
#include <sodium.h>
#include <string.h>

void
kofn_rng_init(kofn_rng *rng, uint64_t seed, uint64_t stream)
{
    *rng = (kofn_rng){.seed = seed, .stream = stream, .next = KOFN_RNG_WORDS};
}

/* Each refill has a key of its own, so that a generator is a counter and needs no cipher state. */
static void
refill(kofn_rng *rng)
{
    const uint64_t parts[4] = {htole64(rng->seed), htole64(rng->stream), htole64(rng->refills)};
    unsigned char key[randombytes_SEEDBYTES];
    static_assert(sizeof key == sizeof parts, "a key is four words");
    memcpy(key, parts, sizeof key);
    (void)!sodium_init(); // or its slowest ChaCha20 is taken; once it is done, a lock and no more
    randombytes_buf_deterministic(rng->words, sizeof rng->words, key);
    rng->refills++;
    rng->next = 0;
}

uint64_t
kofn_rng_u64(kofn_rng *rng)
{
    if (rng->next == KOFN_RNG_WORDS)
        refill(rng);
    return le64toh(rng->words[rng->next++]);
}

uint64_t
kofn_rng_below(kofn_rng *rng, uint64_t bound)
{
    assert(bound > 0);
    const uint64_t excess = -bound % bound; // 2^64 mod bound: that many values would favour some
    uint64_t word;
    do
        word = kofn_rng_u64(rng);
    while (word < excess);
    return word % bound;
}

double
kofn_rng_unit(kofn_rng *rng)
{
    return (double)(kofn_rng_u64(rng) >> 11) * 0x1p-53;
}

/* Marsaglia's polar method: a point in the unit disc gives two independent normals. Only log() and
 * sqrt(), of which the second is exact everywhere. */
double
kofn_rng_normal(kofn_rng *rng)
{
    if (rng->has_spare) {
        rng->has_spare = false;
        return rng->spare;
    }
    double u, v, s;
    do {
        u = 2 * kofn_rng_unit(rng) - 1;
        v = 2 * kofn_rng_unit(rng) - 1;
        s = u * u + v * v;
    } while (s >= 1 || s == 0);
    const double scale = sqrt(-2 * log(s) / s);
    rng->spare = (float)(v * scale);
    rng->has_spare = true;
    return (float)(u * scale);
}

uint64_t
kofn_rng_fresh_seed(void)
{
    uint64_t seed;
    randombytes_buf(&seed, sizeof seed);
    return seed;
}
