/* Bilinear algorithms against the definition, for tests. */
#ifndef KOFN_TESTS_BILINEAR_BRUTE_H
#define KOFN_TESTS_BILINEAR_BRUTE_H

#include "common/base/rng.h"
#include "common/code/bilinear.h"
#include "tests/assert.h"

/* sum over i of numbers[i] blocks[i] */
static inline int64_t
mix(const int32_t *numbers, const int64_t *blocks, size_t count)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += numbers[i] * blocks[i];
    return sum;
}

/* One product of random matrices of small numbers, by the algorithm and by three loops. */
static inline void
assert_multiplies(const kofn_bilinear *f, kofn_rng *rng)
{
    const size_t x = f->x, z = f->z, y = f->y;
    int64_t a[1024], b[1024], c[1024] = {0};
    for (size_t i = 0; i < x * z; i++)
        a[i] = (int64_t)kofn_rng_below(rng, 2001) - 1000;
    for (size_t i = 0; i < z * y; i++)
        b[i] = (int64_t)kofn_rng_below(rng, 2001) - 1000;
    for (size_t t = 0; t < f->rank; t++) {
        const int64_t product = mix(f->u + t * x * z, a, x * z) * mix(f->v + t * z * y, b, z * y);
        for (size_t i = 0; i < x * y; i++)
            c[i] += f->w[t * x * y + i] * product;
    }
    for (size_t i = 0; i < x; i++)
        for (size_t j = 0; j < y; j++) {
            int64_t sum = 0;
            for (size_t k = 0; k < z; k++)
                sum += a[i * z + k] * b[k * y + j];
            assert_true(c[i * y + j] == sum * f->denominator);
        }
}

#endif
