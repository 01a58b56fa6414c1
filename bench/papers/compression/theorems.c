/* Theorems 2 and 3, by trials: samples of grid_cr as edges of a graph.
 *
 *     A_1t  A_2t  ...  A_mt          a sample of block (i, j) is a pair A_it B_tj: an edge. Blocks of A and
 *        \  / \       /              B meet only where t is the same, so that the graph is q graphs of
 *     B_t1  B_t2  ...  B_tn          m + n vertices each, of m n possible edges
 *
 * Theorem 2: of k' = v gamma r log r samples, r = max(1 / delta, (m + n) q) (its p is q here, as
 * everywhere else in the paper), every block is in v at least with probability 1 - v / r^(gamma -
 * 1). It can be read in more ways than one:
 *
 *     all      k' samples in all, each block of C getting as many; delta the least p_t of any block
 *              of C
 *     each     k' samples for each block of C
 *     mended   in all, but delta the least probability with which a sample has a certain block:
 *              what the proof uses
 *
 * and "every block" are those that there are (the proof), those that were sampled (eq. 3), or
 * either of these where the same pair counts once (nothing is computed twice).
 *
 * Theorem 3: (m + n) q samples have a circle. A forest has q (m + n - 1) edges at most, so that a
 * sample more than that is enough, where none is there twice; two that are the same are a circle to
 * the proof.
 */
#include "bench/papers/compression/operands.h"

#include "bench/bench.h"
#include "common/base/rng.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TRIALS_FACTOR = 5 }; // of these there are more: each costs little

typedef struct grid {
    size_t m, q, n;
} grid;

static void
print_grid(FILE *file, grid g)
{
    fprintf(file, "%zu;%zu;%zu", g.m, g.q, g.n);
}

static size_t
count_pairs(grid g)
{
    return g.m * g.q * g.n;
}

static size_t
count_blocks(grid g)
{
    return (g.m + g.n) * g.q;
}

/* Wilson's interval for `hits` of `trials`, 99.9 %: a hundred lines are held against it. */
static void
print_share(FILE *file, size_t hits, size_t trials)
{
    const double z = 3.29, n = (double)trials, p = (double)hits / n;
    const double middle = (p + z * z / (2 * n)) / (1 + z * z / n);
    const double half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    fprintf(file, ",%.5f,%.5f,%.5f", p, fmax(middle - half, 0), fmin(middle + half, 1));
}

/* ---- Theorem 2 ------------------------------------------------------------------------------- */

typedef struct sampling {
    grid g;
    double rare; // probability of t = 0 in each block of C; all others share the rest
    double r;
    size_t samples, v;
} sampling;

static size_t
draw_inner(const sampling *s, kofn_rng *rng)
{
    const double unit = kofn_rng_unit(rng);
    if (unit < s->rare || s->g.q == 1)
        return 0;
    const size_t t = 1 + (size_t)((unit - s->rare) / (1 - s->rare) * (double)(s->g.q - 1));
    return t < s->g.q ? t : s->g.q - 1;
}

/* pairs [m, q, n]: how often each was sampled, blocks of C in turn. */
static void
draw_pairs(const sampling *s, kofn_rng *rng, size_t *pairs)
{
    const grid g = s->g;
    memset(pairs, 0, count_pairs(g) * sizeof *pairs);
    for (size_t k = 0; k < s->samples; k++) {
        const size_t block = k % (g.m * g.n), t = draw_inner(s, rng);
        pairs[(block / g.n * g.q + t) * g.n + block % g.n]++;
    }
}

/* How often each block of A [m q] and B [q n] is in a pair. */
static void
count_uses(grid g, const size_t *pairs, bool once, size_t *uses)
{
    memset(uses, 0, count_blocks(g) * sizeof *uses);
    for (size_t i = 0; i < g.m; i++)
        for (size_t t = 0; t < g.q; t++)
            for (size_t j = 0; j < g.n; j++) {
                const size_t seen = pairs[(i * g.q + t) * g.n + j];
                const size_t counted = once ? seen > 0 : seen;
                uses[i * g.q + t] += counted;
                uses[g.m * g.q + t * g.n + j] += counted;
            }
}

/* Is each block in v pairs; or where `sampled`, each that is in one? */
static bool
have_all(grid g, const size_t *uses, size_t v, bool sampled)
{
    bool all = true;
    for (size_t b = 0; b < count_blocks(g); b++)
        all = all && (uses[b] >= v || (sampled && uses[b] == 0));
    return all;
}

static void
run_theorem2(FILE *file, const sampling *s, double gamma, size_t trials, uint64_t first_seed)
{
    size_t hits[4] = {0}; // pairs as often as they came or once; of all blocks or of those sampled
    size_t *pairs = bench_alloc(count_pairs(s->g) * sizeof *pairs);
    size_t *uses = bench_alloc(count_blocks(s->g) * sizeof *uses);
    for (size_t t = 0; t < trials; t++) {
        kofn_rng rng;
        kofn_rng_init(&rng, first_seed + t, 0);
        draw_pairs(s, &rng, pairs);
        for (size_t h = 0; h < 4; h++) {
            count_uses(s->g, pairs, h >= 2, uses);
            hits[h] += have_all(s->g, uses, s->v, h % 2);
        }
    }
    const double bound = 1 - (double)s->v / pow(s->r, gamma - 1);
    fprintf(file, ",%.0f,%zu,%zu,%.5f", s->r, s->samples, count_pairs(s->g), bound);
    print_share(file, hits[0], trials);
    for (size_t h = 1; h < 4; h++)
        fprintf(file, ",%.5f", (double)hits[h] / (double)trials);
    fprintf(file, ",%zu,%ju\n", trials, (uintmax_t)first_seed);
    free(pairs);
    free(uses);
}

static const char *const readings[] = {"all", "each", "mended"};

/* The least probability that a block of C has for a pair, or with which a sample has a certain
 * block. */
static double
get_r(grid g, double rare, bool mended)
{
    const double side = g.m > g.n ? (double)g.m : (double)g.n;
    const double delta = mended ? rare / side : rare, blocks = (double)count_blocks(g);
    return 1 / delta > blocks ? 1 / delta : blocks;
}

void
figure_theorem2(FILE *file, const paper_options *o)
{
    static const grid grids[] = {{2, 4, 2}, {4, 8, 4}};
    static const double gammas[] = {1.1, 1.5, 2, 3};
    uint64_t seed = o->seed;
    fprintf(file, "grid,norms,reading,v,gamma,r,samples,pairs,bound,share,low,high,sampled,once,"
                  "sampled_once,trials,first_seed\n");
    for (size_t i = 0; i < 2 * 2 * 3 * 2 * 4; i++, seed += PAPER_SEEDS_A_SETTING) {
        const grid g = grids[i / 48];
        const size_t v = 1 + i / 4 % 2, reading = i / 8 % 3;
        const bool skewed = i / 24 % 2;
        const double gamma = gammas[i % 4], rare = skewed ? 0.01 : 1 / (double)g.q;
        sampling s = {.g = g, .rare = rare, .v = v, .r = get_r(g, rare, reading == 2)};
        s.samples =
            (size_t)ceil((double)v * gamma * s.r * log(s.r)) * (reading == 1 ? g.m * g.n : 1);
        print_grid(file, g);
        fprintf(file, ",%s,%s,%zu,%g", skewed ? "skewed" : "equal", readings[reading], v, gamma);
        run_theorem2(file, &s, gamma, TRIALS_FACTOR * o->trials, seed);
    }
}

/* ---- of real operands ------------------------------------------------------------------------ */

/* The least probability of a pair that is not zero in its block of C. */
static double
find_least(const block_norms *norms)
{
    const kofn_partition p = norms->part;
    double least = 1;
    for (size_t i = 0; i < p.x; i++)
        for (size_t j = 0; j < p.y; j++) {
            double sum = 0, smallest = INFINITY;
            for (size_t t = 0; t < p.z; t++) {
                const double norm = norms->a[i * p.z + t] * norms->b[t * p.y + j];
                sum += norm;
                smallest = norm > 0 && norm < smallest ? norm : smallest;
            }
            if (sum > 0 && smallest / sum < least)
                least = smallest / sum;
        }
    return least;
}

/* How many samples Theorem 2 asks for where all are to be u = 1, and gamma = 1.1. */
void
figure_asked(FILE *file, const paper_options *o)
{
    static const kofn_partition parts[] = {{10, 28, 10}, {4, 7, 4}, {8, 64, 8}};
    static const char *const names[] = {"digits", "digits_coarse", "flow"};
    operands of[2] = {operands_load_digits(o), operands_load_flow(o)};
    fprintf(file, "matrix,delta,r,samples,products\n");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        block_norms norms = operands_measure(&of[i / 2], parts[i]);
        const grid g = {parts[i].x, parts[i].z, parts[i].y};
        const double delta = find_least(&norms), blocks = (double)count_blocks(g);
        const double r = 1 / delta > blocks ? 1 / delta : blocks;
        fprintf(file, "%s,%.3g,%.4g,%.4g,%zu\n", names[i], delta, r, 1.1 * r * log(r),
                count_pairs(g));
        block_norms_fini(&norms);
    }
    operands_fini(&of[0]);
    operands_fini(&of[1]);
}

/* ---- Theorem 3 ------------------------------------------------------------------------------- */

/* Union of trees; over[v] is another vertex of its tree, or v at its root. */
static size_t
find_root(size_t *over, size_t v)
{
    while (over[v] != v)
        v = over[v] = over[over[v]];
    return v;
}

static bool
has_circle(grid g, const size_t *pairs, size_t *over)
{
    for (size_t v = 0; v < count_blocks(g); v++)
        over[v] = v;
    for (size_t pair = 0; pair < count_pairs(g); pair++) {
        if (pairs[pair] == 0)
            continue;
        const size_t left = find_root(over, pair / g.n);
        const size_t right = find_root(over, g.m * g.q + pair % (g.q * g.n));
        if (left == right)
            return true;
        over[left] = right;
    }
    return false;
}

static void
run_theorem3(FILE *file, grid g, size_t samples, size_t trials, uint64_t first_seed)
{
    size_t *pairs = bench_alloc(count_pairs(g) * sizeof *pairs), circles = 0, repeats = 0;
    size_t *over = bench_alloc(count_blocks(g) * sizeof *over);
    double distinct = 0;
    for (size_t t = 0; t < trials; t++) {
        const sampling s = {.g = g, .rare = 1 / (double)g.q, .samples = samples};
        kofn_rng rng;
        bool twice = false;
        kofn_rng_init(&rng, first_seed + t, 0);
        draw_pairs(&s, &rng, pairs);
        for (size_t p = 0; p < count_pairs(g); p++) {
            distinct += (double)(pairs[p] > 0) / (double)trials;
            twice = twice || pairs[p] > 1;
        }
        const bool circle = has_circle(g, pairs, over);
        circles += circle;
        repeats += circle || twice;
    }
    fprintf(file, ",%zu,%zu,%.2f,%.5f", samples, count_blocks(g), distinct,
            (double)repeats / (double)trials);
    print_share(file, circles, trials);
    fprintf(file, ",%zu,%ju\n", trials, (uintmax_t)first_seed);
    free(pairs);
    free(over);
}

void
figure_theorem3(FILE *file, const paper_options *o)
{
    static const grid grids[] = {{2, 8, 2}, {4, 8, 4}, {10, 28, 10}};
    static const size_t percent[] = {10, 20, 30, 40, 50, 60, 80, 100, 125, 150, 200};
    uint64_t seed = o->seed;
    fprintf(file,
            "grid,percent,samples,blocks,pairs,with_repeats,share,low,high,trials,first_seed\n");
    for (size_t i = 0; i < sizeof grids / sizeof grids[0]; i++)
        for (size_t p = 0; p < sizeof percent / sizeof percent[0]; p++) {
            const size_t samples = (count_blocks(grids[i]) * percent[p] + 99) / 100;
            print_grid(file, grids[i]);
            fprintf(file, ",%zu", percent[p]);
            run_theorem3(file, grids[i], samples, TRIALS_FACTOR * o->trials, seed);
            seed += PAPER_SEEDS_A_SETTING;
        }
}

/* ---- all sets -------------------------------------------------------------------------------- */

/* The largest set of different pairs without a circle, of all sets. */
void
figure_forests(FILE *file, const paper_options *o)
{
    static const grid grids[] = {{2, 1, 2}, {2, 2, 2}, {2, 4, 2}, {3, 2, 2}, {3, 1, 5}, {3, 2, 3}};
    (void)o; // nothing is drawn
    fprintf(file, "grid,pairs,sets,forest,formula,blocks\n");
    for (size_t i = 0; i < sizeof grids / sizeof grids[0]; i++) {
        const grid g = grids[i];
        const size_t count = count_pairs(g), sets = (size_t)1 << count;
        size_t *pairs = bench_alloc(count * sizeof *pairs), most = 0;
        size_t *over = bench_alloc(count_blocks(g) * sizeof *over);
        for (size_t set = 0; set < sets; set++) {
            const size_t size = (size_t)__builtin_popcountll(set);
            for (size_t p = 0; p < count; p++)
                pairs[p] = set >> p & 1;
            if (size > most && !has_circle(g, pairs, over))
                most = size;
        }
        print_grid(file, g);
        fprintf(file, ",%zu,%zu,%zu,%zu,%zu\n", count, sets, most, g.q * (g.m + g.n - 1),
                count_blocks(g));
        free(pairs);
        free(over);
    }
}
