#include "common/code/sketch.h"
#include "common/code/sketch_cr.h"
#include "common/code/sketch_grid_cr.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const kofn_sketch *const sketches[] = {
    &kofn_cr_sketch,
    &kofn_block_cr_sketch,
    &kofn_grid_cr_sketch,
};

/* ---- arguments ------------------------------------------------------------------------------- */

static kofn_status
check_numbers(const char *name, const kofn_sketch_args *args, kofn_error *err)
{
    if (args->samples > KOFN_SAMPLES_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "%s: %zu samples, at most %d are drawn; the product itself takes less",
                         name, args->samples, KOFN_SAMPLES_MAX);
    if (args->samples > 0 || (args->error > 0 && isfinite(args->error)))
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%s: neither samples nor an error is given (error %g): say how many pairs to "
                     "draw, or how large the error may be",
                     name, args->error);
}

static kofn_status
check_norms(const char *name, const char *operand, const double *at, size_t count, kofn_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(at[i]) || at[i] < 0)
            return kofn_fail(
                err, KOFN_INVALID_ARGUMENT,
                "%s: block %zu of %s has no norm (%g): it holds NaN or Inf, or numbers "
                "that are too large; nothing can be said of what it is worth",
                name, i, operand, at[i]);
    return KOFN_OK;
}

/* Times a power of two, which changes no draw, no weight and no error: the largest is near 1, so
 * that neither squares nor sums leave the range of a double. What is lost at the lower end is below
 * any rounding. */
static void
bring_near_one(const double *from, size_t count, double *to)
{
    double most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmax(most, from[i]);
    const int exponent = most > 0 ? ilogb(most) : 0;
    const double scale = ldexp(1, exponent < -1000 ? 1000 : exponent > 1000 ? -1000 : -exponent);
    for (size_t i = 0; i < count; i++)
        to[i] = from[i] * scale;
}

kofn_status
kofn_sketch_compress(const kofn_sketch *sketch, const kofn_sketch_args *args, kofn_sketched *ret,
                     kofn_error *err)
{
    const size_t lefts = args->part.x * args->part.z, rights = args->part.z * args->part.y;
    kofn_status status = check_numbers(sketch->name, args, err);
    if (!status)
        status = check_norms(sketch->name, "A", args->a, lefts, err);
    if (!status)
        status = check_norms(sketch->name, "B", args->b, rights, err);
    if (status)
        return status;
    double *norms = malloc((lefts + rights) * sizeof *norms);
    if (!norms)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu norms", lefts + rights);
    bring_near_one(args->a, lefts, norms);
    bring_near_one(args->b, rights, norms + lefts);
    kofn_sketch_args scaled = *args;
    scaled.a = norms;
    scaled.b = norms + lefts;
    status = sketch->compress(&scaled, ret, err);
    free(norms);
    return status;
}

void
kofn_sketched_fini(kofn_sketched *sketched)
{
    kofn_batch_destroy(&sketched->batch);
    free(sketched->column);
    free(sketched->scale);
    *sketched = (kofn_sketched){0};
}

/* Let V := E |C' - C|^2 over all blocks, so that E |C'|^2 = |C|^2 + V, each block being unbiased; K
 * the largest k_ij; bound^2 = sum S_ij^2 / k_ij (norms relative to |A| |B|). With |A_t B_t| <=
 * |A_t| |B_t| in the formula of sketch.h
 *
 *     V <= sum (S_ij^2 - |C_ij|^2) / k_ij <= U := bound^2 - |C|^2 / K
 *
 * and e := (bound^2 - |C'|^2 / K) K / (K - 1) has the mean (U - V / K) K / (K - 1) >= U >= V. Of
 * one block whose pairs have rank one, as those of cr have, all of these are equal, and e is
 * unbiased. One sample says nothing of its own spread. Of blocks that are exact C' holds nothing
 * that could be subtracted, so where there are some the bound is all that is said. What is said may
 * be above bound, by no more than K / (K - 1): cutting it off there would make the mean too
 * small. */
double
kofn_sketch_expect(double bound, size_t most, double norm)
{
    if (most < 2 || !isfinite(norm))
        return bound;
    const double k = (double)most, square = (bound * bound - norm * norm / k) * k / (k - 1);
    return sqrt(fmax(0, square)); // |C'_ij| <= S_ij: below 0 by rounding alone
}

/* Only what is coded matters to a family: which pairs there are is none of its business. */
kofn_status
kofn_sketch_admit(const kofn_sketch *sketch, const kofn_family *family, kofn_error *err)
{
    static const kofn_batch some;
    const kofn_family_args args = {.field = kofn_field_find("f64"),
                                   .batch = sketch->columns ? NULL : &some};
    if (kofn_family_check_form(family, &args, err) == KOFN_OK)
        return KOFN_OK;
    return kofn_fail_within(err, "what %s leaves is a %s", sketch->name,
                            sketch->columns ? "product" : "batch");
}

/* ---- all of them ----------------------------------------------------------------------------- */

const kofn_sketch *
kofn_sketch_find(const char *name)
{
    for (size_t i = 0; i < kofn_sketch_count(); i++)
        if (strcmp(sketches[i]->name, name) == 0)
            return sketches[i];
    return NULL;
}

size_t
kofn_sketch_count(void)
{
    return sizeof sketches / sizeof sketches[0];
}

const kofn_sketch *
kofn_sketch_at(size_t index)
{
    assert(index < kofn_sketch_count());
    return sketches[index];
}
