#include "common/code/sketch_draw.h"

#include <math.h>
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

static kofn_status
check_args(const char *name, const kofn_sketch_args *args, kofn_error *err)
{
    const kofn_partition p = args->part;
    kofn_status status = check_norms(name, "A", args->a, p.x * p.z, err);
    if (!status)
        status = check_norms(name, "B", args->b, p.z * p.y, err);
    if (status || args->samples > 0 || args->error > 0)
        return status;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%s: neither samples nor an error is given (error %g): say how many pairs to "
                     "draw, or how large the error may be",
                     name, args->error);
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

/* k_ij before it is a whole number: S_ij over S times k, or what makes the sum of S_ij^2 / k_ij the
 * square of error |A| |B|. */
static double
get_share(const kofn_sketch_args *args, double total, double norms)
{
    if (args->samples > 0)
        return (double)args->samples / total;
    const double most = args->error * norms;
    return total / (most * most);
}

/* As many as are left over by rounding down go to the blocks that lost most, the first ones first. */
static void
spread_rest(const kofn_sketch_args *args, double share, size_t given, kofn_sketch_block *blocks)
{
    const size_t count = args->part.x * args->part.y;
    for (; given < args->samples; given++) {
        size_t best = count;
        double most = -INFINITY;
        for (size_t b = 0; b < count; b++) {
            const double lost = blocks[b].sum * share - (double)blocks[b].samples;
            if (blocks[b].sum > 0 && lost > most)
                best = b, most = lost;
        }
        blocks[best].samples++;
    }
}

static kofn_status
share_out(const char *name, const kofn_sketch_args *args, double share, kofn_sketch_block *blocks,
          kofn_error *err)
{
    const size_t count = args->part.x * args->part.y;
    size_t given = 0, needed = 0;
    for (size_t b = 0; b < count; b++) {
        const double exact = blocks[b].sum * share;
        const double whole = args->samples > 0 ? floor(exact) : ceil(exact);
        if (blocks[b].sum == 0)
            continue;
        needed++;
        blocks[b].samples = whole < 1                  ? 1
                            : whole > KOFN_SAMPLES_MAX ? KOFN_SAMPLES_MAX
                                                       : (size_t)whole;
        given += blocks[b].samples;
    }
    if (args->samples > 0 && args->samples < needed)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: %zu samples for %zu blocks of C that are not zero; take %zu at least, or "
            "fewer blocks",
            name, args->samples, needed, needed);
    if (args->samples > 0)
        spread_rest(args, share, given, blocks);
    return KOFN_OK;
}

/* What is as many as all is all; and what is known of the error, block by block. */
static void
account(const kofn_sketch_args *args, double norms, kofn_sketch_block *blocks, kofn_sketched *ret)
{
    const kofn_partition p = args->part;
    double bound = 0, lemma = 0;
    for (size_t i = 0; i < p.x; i++)
        for (size_t j = 0; j < p.y; j++) {
            kofn_sketch_block *block = &blocks[i * p.y + j];
            if (block->samples == 0)
                continue;
            ret->samples += block->samples;
            double column = 0; // |B_j|^2
            for (size_t t = 0; t < p.z; t++)
                column += args->b[t * p.y + j] * args->b[t * p.y + j];
            lemma += sum_squares(args->a + i * p.z, p.z) * column / (double)block->samples;
            block->whole = block->samples >= block->pairs;
            if (!block->whole)
                bound += block->sum * block->sum / (double)block->samples;
        }
    ret->bound = norms > 0 ? sqrt(bound) / norms : 0;
    ret->lemma = norms > 0 ? sqrt(lemma) / norms : 0;
}

kofn_status
kofn_sketch_plan(const char *name, const kofn_sketch_args *args, kofn_sketch_block *ret_blocks,
                 kofn_sketched *ret, kofn_error *err)
{
    const kofn_partition p = args->part;
    const kofn_status status = check_args(name, args, err);
    if (status)
        return status;
    const double norms = sqrt(sum_squares(args->a, p.x * p.z) * sum_squares(args->b, p.z * p.y));
    const double total = weigh_blocks(args, ret_blocks);
    if (total == 0)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s: every pair of blocks has a factor of zeros, so the product is zero, and "
            "no probability fits; leave the sketch out",
            name);
    const kofn_status shared =
        share_out(name, args, get_share(args, total, norms), ret_blocks, err);
    if (!shared)
        account(args, norms, ret_blocks, ret);
    return shared;
}

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
