/* coefs.csv: what products of l numbers, one from each factor's vector, look like when numbers are
 * drawn by the paper's distribution, uniformly, or vectors uniformly among those that are not zero.
 *
 *     zero       P(a product is zero); 1 / q if products are uniform
 *     both_zero  P(two products that differ in one factor only are both zero); 1 / q^2 if they are
 *                uniform together
 *     spread     of rows of rank one that are not zero, factors of two numbers each: the largest
 *                probability over the smallest; 1 if all such rows are as likely
 *     z          chi square of measured products against uniform ones, in standard deviations */
#include "bench/bench.h"
#include "bench/papers/alloy/draws.h"
#include "bench/papers/alloy/paper.h"

#include <math.h>
#include <stdlib.h>

enum { ORDER_MAX = 3, CELLS_MAX = 16 };

typedef struct sample {
    double zero, both_zero; // shares
    size_t cells, count[CELLS_MAX];
} sample;

static double
both_zero(draw d, double q)
{
    const double other = pow(1 - draw_zero(d, q, 2), (double)d.order - 1); // not zero
    return 1 - other + other * draw_all_zero(d, q, 2);
}

static double
spread(draw d, double q)
{
    const double ratio = draw_axis(d, q) / draw_slope(d, q);
    return pow(fmax(ratio, 1 / ratio), (double)d.order);
}

/* Products a_1 b_1 .. and a_1 b_1 .. z_2: they share all factors but the last. */
static void
measure(const kofn_field *f, draw d, size_t trials, uint64_t seed, sample *ret)
{
    const size_t q = (size_t)f->order;
    kofn_rng rng;
    kofn_rng_init(&rng, seed, 0);
    *ret = (sample){.cells = q < CELLS_MAX ? q : CELLS_MAX};
    for (size_t t = 0; t < trials; t++) {
        double one = 1, other = 1, vector[2];
        for (size_t o = 0; o < d.order; o++) {
            draw_vector(f, d, &rng, 2, vector);
            one = f->multiply(f, one, vector[0]);
            other = f->multiply(f, other, vector[o + 1 == d.order]);
        }
        ret->zero += one == 0;
        ret->both_zero += one == 0 && other == 0;
        ret->count[(size_t)one * ret->cells / q]++;
    }
    ret->zero /= (double)trials;
    ret->both_zero /= (double)trials;
}

/* Field elements in cell c, of q that lie as evenly as may be. */
static size_t
size_of_cell(size_t q, size_t cells, size_t c)
{
    return ((c + 1) * q + cells - 1) / cells - (c * q + cells - 1) / cells;
}

static double
chi_square(const sample *s, size_t q, size_t trials)
{
    double sum = 0;
    for (size_t c = 0; c < s->cells; c++) {
        const double size = (double)size_of_cell(q, s->cells, c);
        const double expected = (double)trials * size / (double)q;
        sum += ((double)s->count[c] - expected) * ((double)s->count[c] - expected) / expected;
    }
    const double freedom = (double)s->cells - 1;
    return (sum - freedom) / sqrt(2 * freedom);
}

static void
print_line(FILE *file, size_t q, draw d, size_t trials, uint64_t seed)
{
    const kofn_field *f = paper_field(paper_field_name(q));
    const double order = f->order, zero = draw_zero(d, order, 2);
    sample s;
    measure(f, d, trials, seed, &s);
    fprintf(file, "%zu,%zu,%s,%.8g,%.8g,%.6g,%.6f,%.6f,%.2f,%zu,%ju\n", d.order, q,
            draw_name(d.kind), 1 - pow(1 - zero, (double)d.order), both_zero(d, order),
            spread(d, order), s.zero, s.both_zero, chi_square(&s, q, trials), trials,
            (uintmax_t)seed);
    kofn_field_destroy(&f);
}

void
figure_coefs(FILE *file, const paper_options *o)
{
    static const size_t orders[] = {2, 3, 4, 5, 16, 256, 65537};
    uint64_t seed = o->seed;
    fprintf(file, "order,q,draw,zero,both_zero,spread,measured_zero,measured_both_zero,z,trials,"
                  "first_seed\n");
    for (size_t order = 2; order <= ORDER_MAX; order++)
        for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
            for (kofn_alloy_draw kind = DRAWS_FIRST; kind < DRAWS_END; kind++)
                print_line(file, orders[i], (draw){kind, order}, 5 * o->trials, seed++);
}
