#include "common/code/sketch_draw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double
get_importance(const kofn_sketch_args *args, size_t i, size_t t, size_t j)
{
    return args->a[i * args->part.z + t] * args->b[t * args->part.y + j];
}

static double
sum_squares(const double *at, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += at[i] * at[i];
    return sum;
}

double
kofn_sketch_get_size(const kofn_sketch_args *args)
{
    const kofn_partition p = args->part;
    return sqrt(sum_squares(args->a, p.x * p.z)) * sqrt(sum_squares(args->b, p.z * p.y));
}

/* Sums and pairs of each block; the sum of sums. */
static double
weigh_blocks(const kofn_sketch_args *args, kofn_sketch_block *blocks)
{
    const kofn_partition p = args->part;
    double total = 0;
    for (size_t i = 0; i < p.x; i++)
        for (size_t j = 0; j < p.y; j++) {
            kofn_sketch_block block = {0};
            for (size_t t = 0; t < p.z; t++) {
                const double importance = get_importance(args, i, t, j);
                block.sum += importance;
                block.pairs += importance > 0;
            }
            blocks[i * p.y + j] = block;
            total += block.sum;
        }
    return total;
}

/* ---- shares ---------------------------------------------------------------------------------- */

typedef struct claim { // of a block that is not zero
    size_t block;
    double sum, rest; // S_ij; of its share, what rounding down left over
} claim;

static int
compare_sums(const void *left, const void *right)
{
    const claim *a = left, *b = right;
    if (a->sum != b->sum)
        return a->sum < b->sum ? -1 : 1;
    return (a->block > b->block) - (a->block < b->block);
}

static int
compare_rests(const void *left, const void *right)
{
    const claim *a = left, *b = right;
    if (a->rest != b->rest)
        return a->rest > b->rest ? -1 : 1;
    return (a->block > b->block) - (a->block < b->block);
}

/* k_ij in proportion to S_ij, as many as args->samples in all, which are one for each claim at
 * least. From the smallest up, who would get less than one gets one, and the others share what is
 * left; what is over after rounding down goes to those that lost most by it. */
static void
share_samples(const kofn_sketch_args *args, double total, claim *claims, size_t count,
              kofn_sketch_block *blocks)
{
    size_t left = args->samples, first = 0;
    qsort(claims, count, sizeof *claims, compare_sums);
    for (; first + 1 < count && claims[first].sum / total * (double)left < 1; first++, left--) {
        blocks[claims[first].block].samples = 1;
        total -= claims[first].sum;
    }
    size_t over = left;
    for (size_t i = first; i < count; i++) {
        const double share = claims[i].sum / total * (double)left;
        const double whole = fmin(floor(share), (double)over); // sums of shares are rounded
        blocks[claims[i].block].samples = (size_t)whole;
        claims[i].rest = share - whole;
        over -= (size_t)whole;
    }
    qsort(claims + first, count - first, sizeof *claims, compare_rests);
    for (size_t i = first; over > 0; i = i + 1 < count ? i + 1 : first, over--)
        blocks[claims[i].block].samples++;
}

static kofn_status
share_out(const char *name, const kofn_sketch_args *args, double total, kofn_sketch_block *blocks,
          kofn_error *err)
{
    const size_t count = args->part.x * args->part.y;
    size_t needed = 0;
    claim *claims = malloc(count * sizeof *claims);
    if (!claims)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a sketch of %zu blocks",
                         count);
    for (size_t b = 0; b < count; b++)
        if (blocks[b].sum > 0)
            claims[needed++] = (claim){.block = b, .sum = blocks[b].sum};
    kofn_status status = KOFN_OK;
    if (args->samples < needed)
        status = kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: %zu samples for %zu blocks of C that are not zero; take %zu at least, or "
            "fewer blocks",
            name, args->samples, needed, needed);
    else
        share_samples(args, total, claims, needed, blocks);
    free(claims);
    return status;
}

/* As few as make the sum of S_ij^2 / k_ij the square of error |A| |B|: k_ij is S_ij times their sum
 * over that. No block has more than all of its pairs. */
static kofn_status
fit_error(const char *name, const kofn_sketch_args *args, double total, double norms,
          kofn_sketch_block *blocks, kofn_error *err)
{
    for (size_t b = 0; b < args->part.x * args->part.y; b++) {
        const double share = blocks[b].sum / norms * (total / norms) / args->error / args->error;
        const double samples = fmin(fmax(ceil(share), 1), (double)blocks[b].pairs);
        if (samples > KOFN_SAMPLES_MAX)
            return kofn_fail(err, KOFN_OUT_OF_RANGE,
                             "%s: an error of %g takes %.0f samples of one block of C, at most %d "
                             "are drawn; take a larger error, or the product itself",
                             name, args->error, samples, KOFN_SAMPLES_MAX);
        blocks[b].samples = (size_t)samples; // none, of one without pairs
    }
    return KOFN_OK;
}

/* What is as many as all is all; and what is known of the error, block by block. */
static void
account(const kofn_sketch_args *args, double norms, kofn_sketch_block *blocks, kofn_sketched *ret)
{
    const kofn_partition p = args->part;
    bool whole = false;
    for (size_t i = 0; i < p.x; i++)
        for (size_t j = 0; j < p.y; j++) {
            kofn_sketch_block *block = &blocks[i * p.y + j];
            if (block->samples == 0)
                continue;
            const double draws = sqrt((double)block->samples);
            double column = 0; // |B_j|^2
            for (size_t t = 0; t < p.z; t++)
                column += args->b[t * p.y + j] * args->b[t * p.y + j];
            const double row = sum_squares(args->a + i * p.z, p.z);
            ret->lemma = hypot(ret->lemma, sqrt(row * column) / draws / norms);
            ret->samples += block->samples;
            block->whole = block->samples >= block->pairs;
            whole |= block->whole;
            if (block->whole)
                continue;
            ret->bound = hypot(ret->bound, block->sum / draws / norms);
            ret->most = block->samples > ret->most ? block->samples : ret->most;
        }
    ret->lemma = fmax(ret->lemma, ret->bound); // where rounding decides
    if (whole)
        ret->most = 0;
}

kofn_status
kofn_sketch_plan(const char *name, const kofn_sketch_args *args, kofn_sketch_block *ret_blocks,
                 kofn_sketched *ret, kofn_error *err)
{
    const double norms = kofn_sketch_get_size(args);
    const double total = weigh_blocks(args, ret_blocks);
    if (total == 0)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: every pair of blocks has a factor of zeros, so the product is zero, and "
            "no probability fits; leave the sketch out",
            name);
    const kofn_status status = args->samples > 0
                                   ? share_out(name, args, total, ret_blocks, err)
                                   : fit_error(name, args, total, norms, ret_blocks, err);
    if (!status)
        account(args, norms, ret_blocks, ret);
    return status;
}

/* ---- draws ----------------------------------------------------------------------------------- */

/* The first of the ascending sums that is above the number: a pair whose importance is not zero. */
static size_t
find_pair(const double *sums, size_t count, double number)
{
    size_t first = 0, end = count - 1; // rounded up to the last sum: the last pair
    while (first < end) {
        const size_t middle = first + (end - first) / 2;
        if (number < sums[middle])
            end = middle;
        else
            first = middle + 1;
    }
    while (first > 0 && sums[first] == sums[first - 1]) // the last pair may be zero
        first--;
    return first;
}

/* Counts into weight, by sums in the room behind it. */
static void
draw_counts(const kofn_sketch_args *args, const kofn_sketch_block *blocks, size_t i, size_t j,
            double *weight)
{
    const size_t number = i * args->part.y + j, z = args->part.z;
    double *sums = weight + z, sum = 0;
    kofn_rng rng;
    kofn_rng_init(&rng, args->seed, number);
    for (size_t t = 0; t < z; t++)
        sums[t] = sum += get_importance(args, i, t, j);
    for (size_t k = 0; k < blocks[number].samples; k++)
        weight[find_pair(sums, z, kofn_rng_unit(&rng) * sum)]++;
}

size_t
kofn_sketch_draw(const kofn_sketch_args *args, const kofn_sketch_block *blocks, size_t i, size_t j,
                 double *weight)
{
    const kofn_sketch_block *block = &blocks[i * args->part.y + j];
    size_t drawn = 0;
    memset(weight, 0, args->part.z * sizeof *weight);
    if (!block->whole && block->samples > 0)
        draw_counts(args, blocks, i, j, weight);
    for (size_t t = 0; t < args->part.z; t++) {
        const double importance = get_importance(args, i, t, j);
        if (block->whole)
            weight[t] = importance > 0;
        else if (weight[t] > 0) // count over k p
            weight[t] *= block->sum / ((double)block->samples * importance);
        drawn += weight[t] > 0;
    }
    return drawn;
}
