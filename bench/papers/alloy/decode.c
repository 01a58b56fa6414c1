/* decode.csv: how often n rows of an outer product span its columns, that is decode it: exactly for
 * 2 x 2, by trial for every shape; beside it the formula of Theorems 1 to 3. counts.csv: the counts
 * that the formula is made from. */
#include "bench/bench.h"
#include "bench/papers/alloy/paper.h"
#include "bench/papers/alloy/quadric.h"
#include "common/linalg/span.h"

#include <math.h>
#include <stdlib.h>

enum { ORDER_MAX = 3, COLUMNS_MAX = 9, MORE = 6 };

/* Rows beyond the columns. */
static const size_t more[MORE] = {0, 1, 2, 3, 4, 8};

typedef struct shape {
    const char *name;
    size_t order, size[ORDER_MAX], columns;
} shape;

static const shape shapes[] = {
    {"2x2", 2, {2, 2}, 4},
    {"3x2", 2, {3, 2}, 6},
    {"3x3", 2, {3, 3}, 9},
    {"2x2x2", 3, {2, 2, 2}, 8},
};
static const size_t orders[] = {2, 3, 4, 5, 16, 256, 65537};

/* ---- by trial -------------------------------------------------------------------------------- */

/* One row of G: the Kronecker product of a vector for each factor. */
static void
draw_row(const kofn_field *f, const shape *s, kofn_alloy_draw kind, kofn_rng *rng, double *ret)
{
    double vector[COLUMNS_MAX];
    size_t len = 1;
    ret[0] = 1;
    for (size_t o = 0; o < s->order; o++) {
        draw_vector(f, (draw){kind, s->order}, rng, s->size[o], vector);
        for (size_t i = len; i-- > 0;)
            for (size_t j = s->size[o]; j-- > 0;)
                ret[i * s->size[o] + j] = f->multiply(f, ret[i], vector[j]);
        len *= s->size[o];
    }
}

/* How many rows it takes until they span, or `most` + 1: the decoder's elimination, for the targets
 * of a product whose blocks are all wanted. */
static size_t
count_rows(const kofn_field *f, const shape *s, kofn_alloy_draw kind, uint64_t seed, size_t most)
{
    double row[COLUMNS_MAX];
    kofn_span *span = NULL;
    kofn_rng rng;
    size_t rows = 0;
    kofn_rng_init(&rng, seed, 0);
    paper_must(kofn_span_new(f, s->columns, 0, NULL, &span, &paper_error));
    while (rows <= most && kofn_span_rank(span) < s->columns) {
        bool grew;
        draw_row(f, s, kind, &rng, row);
        paper_must(kofn_span_add(span, row, &grew, &paper_error));
        rows++;
    }
    kofn_span_destroy(&span);
    return rows;
}

/* ret[i]: the share of trials in which columns + more[i] rows sufficed. */
static void
measure(const kofn_field *f, const shape *s, kofn_alloy_draw kind, size_t trials,
        uint64_t first_seed, double *ret)
{
    size_t found[MORE] = {0};
    for (size_t t = 0; t < trials; t++) {
        const size_t rows = count_rows(f, s, kind, first_seed + t, s->columns + more[MORE - 1]);
        for (size_t i = 0; i < MORE; i++)
            found[i] += rows <= s->columns + more[i];
    }
    for (size_t i = 0; i < MORE; i++)
        ret[i] = (double)found[i] / (double)trials;
}

/* ---- by theory ------------------------------------------------------------------------------- */

/* Equation (4), i from 0 to d - 1. A factor that is not positive means that no set of d rows is
 * independent. */
static double
theorem_1(const shape *s, double q)
{
    double product = 1, sum = 0;
    for (size_t o = 0; o < s->order; o++)
        sum += (double)s->size[o];
    for (size_t i = 0; i < s->columns; i++)
        product *= fmax(0, 1 - pow(q, (double)i - sum));
    return product;
}

/* P(n rows do not span): NAN where it is not known. */
static void
find_miss(const kofn_field *f, const shape *s, kofn_alloy_draw kind, double *ret)
{
    size_t n[MORE];
    for (size_t i = 0; i < MORE; i++) {
        n[i] = s->columns + more[i];
        ret[i] = NAN;
    }
    if (s->columns != 4)
        return;
    if (f->order <= QUADRIC_ENUMERATE_MAX)
        quadric_enumerate(f, kind, MORE, n, ret);
    else
        for (size_t i = 0; i < MORE; i++)
            ret[i] = quadric_closed(f->order, kind, n[i]);
}

/* Standard errors between what was measured and what is known; NAN where nothing is, or where too
 * few trials are to miss for that to mean anything. */
static double
z_of(double missed, double miss, size_t trials)
{
    const double few = fmin(miss, 1 - miss) * (double)trials;
    return few >= 5 ? (missed - miss) / sqrt(miss * (1 - miss) / (double)trials) : NAN;
}

static void
print_lines(FILE *file, const shape *s, size_t q, kofn_alloy_draw kind, size_t trials,
            uint64_t first_seed)
{
    const kofn_field *f = paper_field(paper_field_name(q));
    const bool small = s->columns == 4 && q <= QUADRIC_BRUTE_MAX;
    double miss[MORE], measured[MORE];
    find_miss(f, s, kind, miss);
    measure(f, s, kind, trials, first_seed, measured);
    for (size_t i = 0; i < MORE; i++) {
        const size_t rows = s->columns + more[i];
        fprintf(file, "%s,%zu,%s,%zu,%zu,%.10g,%.6g,%.10g,%.10g,%.6f,%.2f,%.10g,%zu,%ju\n", s->name,
                q, draw_name(kind), more[i], rows, 1 - miss[i], miss[i],
                s->columns == 4 ? 1 - quadric_closed(f->order, kind, rows) : NAN,
                small && more[i] == 0 ? 1 - quadric_brute(f, kind) : NAN, measured[i],
                z_of(1 - measured[i], miss[i], trials), more[i] == 0 ? theorem_1(s, f->order) : NAN,
                trials, (uintmax_t)first_seed);
    }
    kofn_field_destroy(&f);
}

void
figure_decode(FILE *file, const paper_options *o)
{
    uint64_t first_seed = o->seed;
    fprintf(
        file,
        "shape,q,draw,more,rows,exact,miss,closed,brute,measured,z,theorem,trials,first_seed\n");
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
            for (kofn_alloy_draw kind = DRAWS_FIRST; kind < DRAWS_END; kind++) {
                print_lines(file, &shapes[s], orders[i], kind, o->trials, first_seed);
                first_seed += PAPER_SEEDS_A_SETTING;
            }
}

/* ---- counts ---------------------------------------------------------------------------------- */

/* Ways to write k independent rows of 2 x 2 as pairs of vectors: sets of points in any order, each
 * point as (q - 1)^2 pairs. The paper: N(k, d) = prod_i (q^(d1 + d2) - q^i). */
void
figure_counts(FILE *file, const paper_options *o)
{
    (void)o;
    fprintf(file, "q,k,pairs,theorem\n");
    for (size_t i = 0; orders[i] <= QUADRIC_BRUTE_MAX; i++) {
        const double q = (double)orders[i];
        const kofn_field *f = paper_field(paper_field_name(orders[i]));
        double factor = 1, theorem = 1;
        for (size_t k = 1; k <= 4; k++) {
            factor *= (double)k * (q - 1) * (q - 1);
            theorem *= pow(q, 4) - pow(q, (double)k - 1);
            fprintf(file, "%zu,%zu,%.0f,%.0f\n", orders[i], k,
                    factor * (double)quadric_count_sets(f, k), theorem);
        }
        kofn_field_destroy(&f);
    }
}
