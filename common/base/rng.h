/* Random numbers that can be replayed: the same seed and stream give the same numbers everywhere.
 *
 * Source     libsodium's randombytes_buf_deterministic (ChaCha20), keyed by (seed, stream).
 * Accuracy   Normals (polar method) are rounded to f32 precision, so that a last bit of the
 *            platform's log() does not change a code between machines.
 * Threads    One thread for each generator; no shared state.
 */
#ifndef KOFN_BASE_RNG_H
#define KOFN_BASE_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KOFN_RNG_WORDS = 64 };

typedef struct kofn_rng {
    uint64_t seed, stream, refills;
    size_t next; // index of the next unused word
    uint64_t words[KOFN_RNG_WORDS];
    double spare; // the polar method makes normals in pairs
    bool has_spare;
} kofn_rng;

/* Stream separates uses of one seed: row i of a code draws from stream i. */
void kofn_rng_init(kofn_rng *rng, uint64_t seed, uint64_t stream);

uint64_t kofn_rng_u64(kofn_rng *rng);
uint64_t kofn_rng_below(kofn_rng *rng,
                        uint64_t bound); // uniform in [0, bound), bound > 0, unbiased
double kofn_rng_unit(kofn_rng *rng);     // uniform in [0, 1), 53 bits
double kofn_rng_normal(kofn_rng *rng);   // mean 0, variance 1

/* A seed from the operating system, for a job that names none (it is recorded with the job). */
uint64_t kofn_rng_fresh_seed(void);

#endif
