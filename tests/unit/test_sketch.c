/* Sketches against what they estimate: means over many seeds, the exact mean square error, and
 * bounds.
 *
 * A product is estimated by hand from what a sketch says, not by the code that will use it. */
#include "common/code/sketch.h"
#include "common/base/rng.h"
#include "common/code/sketch_elements.h"
#include "tests/assert.h"

#include <math.h>

static kofn_error error;

enum { ROWS = 4, INNER = 12, COLS = 6, TRIALS = 20000 };

/* A [ROWS, INNER] in x by z blocks, B [INNER, COLS] in z by y; block t of the inner dimension is
 * about t + 1 times as large as the first. */
typedef struct product {
    kofn_partition part;
    double a[ROWS * INNER], b[INNER * COLS], c[ROWS * COLS];
    double norm_a[ROWS * INNER], norm_b[INNER * COLS]; // of blocks
} product;

/* Norms of the blocks of m [rows, cols] in this grid; by their definition. */
static void
measure_blocks(const double *m, size_t rows, size_t cols, kofn_grid grid, double *ret)
{
    const size_t high = rows / grid.rows, wide = cols / grid.cols;
    for (size_t i = 0; i < grid.rows; i++)
        for (size_t j = 0; j < grid.cols; j++) {
            double sum = 0;
            for (size_t r = 0; r < high; r++)
                for (size_t k = 0; k < wide; k++)
                    sum += pow(m[(i * high + r) * cols + j * wide + k], 2);
            ret[i * grid.cols + j] = sqrt(sum);
        }
}

/* C += weight A_it B_tj, in its place. */
static void
add_pair(const product *p, size_t i, size_t t, size_t j, double weight, double *c)
{
    const size_t high = ROWS / p->part.x, deep = INNER / p->part.z, wide = COLS / p->part.y;
    for (size_t r = i * high; r < (i + 1) * high; r++)
        for (size_t k = t * deep; k < (t + 1) * deep; k++)
            for (size_t q = j * wide; q < (j + 1) * wide; q++)
                c[r * COLS + q] += weight * p->a[r * INNER + k] * p->b[k * COLS + q];
}

static void
make_product(kofn_partition part, uint64_t seed, product *ret)
{
    product p = {.part = part};
    kofn_rng rng;
    kofn_rng_init(&rng, seed, 0);
    for (size_t i = 0; i < ROWS * INNER; i++)
        p.a[i] = kofn_rng_normal(&rng) * (double)(i % INNER + 1);
    for (size_t i = 0; i < INNER * COLS; i++)
        p.b[i] = kofn_rng_normal(&rng);
    for (size_t i = 0; i < part.x; i++)
        for (size_t j = 0; j < part.y; j++)
            for (size_t t = 0; t < part.z; t++)
                add_pair(&p, i, t, j, 1, p.c);
    *ret = p;
    measure_blocks(p.a, ROWS, INNER, (kofn_grid){part.x, part.z}, ret->norm_a);
    measure_blocks(p.b, INNER, COLS, (kofn_grid){part.z, part.y}, ret->norm_b);
}

static kofn_sketch_args
args_of(const product *p, size_t samples, double most, uint64_t seed)
{
    return (kofn_sketch_args){.part = p->part,
                              .a = p->norm_a,
                              .b = p->norm_b,
                              .samples = samples,
                              .error = most,
                              .seed = seed};
}

/* C' by what was drawn. */
static void
estimate(const product *p, const kofn_sketched *s, double *ret_c)
{
    memset(ret_c, 0, ROWS * COLS * sizeof *ret_c);
    for (size_t i = 0; i < s->kept; i++)
        add_pair(p, 0, s->column[i], 0, s->scale[i], ret_c);
    if (!s->batch)
        return;
    const kofn_sums *w = &s->batch->weights;
    for (size_t target = 0; target < w->rows; target++)
        for (size_t k = w->first[target]; k < w->first[target + 1]; k++) {
            const size_t left = kofn_batch_get_block(s->batch, 0, w->column[k]);
            const size_t right = kofn_batch_get_block(s->batch, 1, w->column[k]);
            const size_t t = left % p->part.z;
            assert_int_equal(left / p->part.z, target / p->part.y);
            assert_int_equal(right, t * p->part.y + target % p->part.y);
            add_pair(p, target / p->part.y, t, target % p->part.y, w->coef[k], ret_c);
        }
}

static double
square_distance(const double *x, const double *y, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (x[i] - y[i]) * (x[i] - y[i]);
    return sum;
}

static double
square_norm(const double *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += x[i] * x[i];
    return sum;
}

/* What E |C' - C|^2 is for one block of C and k draws: the formula on top of sketch.h. */
static double
exact_error(const product *p, size_t k)
{
    double sums = 0, squares = 0;
    for (size_t t = 0; t < p->part.z; t++) {
        double c[ROWS * COLS] = {0};
        const double importance = p->norm_a[t] * p->norm_b[t];
        add_pair(p, 0, t, 0, 1, c);
        sums += importance;
        squares += square_norm(c, ROWS * COLS) / importance;
    }
    return (sums * squares - square_norm(p->c, ROWS * COLS)) / (double)k;
}

/* Means over seeds: of C', and of |C' - C|^2. */
static double
try_seeds(const kofn_sketch *sketch, const product *p, size_t samples, double *ret_mean)
{
    double sum = 0, c[ROWS * COLS];
    memset(ret_mean, 0, ROWS * COLS * sizeof *ret_mean);
    for (uint64_t seed = 0; seed < TRIALS; seed++) {
        const kofn_sketch_args args = args_of(p, samples, 0, seed);
        kofn_sketched s;
        assert_ok(kofn_sketch_compress(sketch, &args, &s, &error));
        assert_int_equal(s.samples, samples);
        estimate(p, &s, c);
        for (size_t i = 0; i < ROWS * COLS; i++)
            ret_mean[i] += c[i] / TRIALS;
        sum += square_distance(c, p->c, ROWS * COLS);
        kofn_sketched_fini(&s);
    }
    return sum / TRIALS;
}

/* Five standard errors of the mean of TRIALS estimates. */
static void
assert_unbiased(const product *p, const double *mean, double square_error)
{
    assert_at_most(sqrt(square_distance(mean, p->c, ROWS * COLS)), 5 * sqrt(square_error / TRIALS));
}

static void
one_block_is_unbiased_with_the_error_of_the_formula(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t z;
    } cases[] = {{"cr", INNER}, {"block_cr", 6}, {"grid_cr", 6}};
    for (size_t i = 0; i < 3; i++) {
        product p;
        double mean[ROWS * COLS];
        make_product((kofn_partition){1, cases[i].z, 1}, 7, &p);
        const double found = try_seeds(kofn_sketch_find(cases[i].name), &p, 3, mean);
        const double expected = exact_error(&p, 3);
        print_message("%s: %.4g, by the formula %.4g\n", cases[i].name, found, expected);
        assert_unbiased(&p, mean, expected);
        assert_at_most(fabs(found / expected - 1),
                       0.05); // square errors spread by about their mean
    }
}

static void
a_grid_is_unbiased_and_within_its_bound(void **state)
{
    (void)state;
    product p;
    double mean[ROWS * COLS];
    kofn_sketched s;
    make_product((kofn_partition){2, 6, 3}, 8, &p);
    const kofn_sketch_args args = args_of(&p, 18, 0, 1);
    assert_ok(kofn_sketch_compress(kofn_sketch_find("grid_cr"), &args, &s, &error));
    const double norms = sqrt(square_norm(p.a, ROWS * INNER) * square_norm(p.b, INNER * COLS));
    const double found = try_seeds(kofn_sketch_find("grid_cr"), &p, 18, mean);
    print_message("grid_cr: %.4g, bound %.4g, lemma %.4g\n", sqrt(found) / norms, s.bound, s.lemma);
    assert_unbiased(&p, mean, found);
    assert_at_most(sqrt(found) / norms, s.bound);
    assert_at_most(s.bound, s.lemma);
    assert_at_most(0.5 * s.bound, sqrt(found) / norms); // and it says something
    kofn_sketched_fini(&s);
}

static void
an_error_that_is_asked_for_is_kept(void **state)
{
    (void)state;
    static const double errors[] = {0.5, 0.2, 0.1};
    product p;
    make_product((kofn_partition){2, 12, 2}, 9, &p);
    for (size_t i = 0; i < 3; i++) {
        const kofn_sketch_args args = args_of(&p, 0, errors[i], 3);
        kofn_sketched s, less;
        assert_ok(kofn_sketch_compress(kofn_sketch_find("grid_cr"), &args, &s, &error));
        assert_at_most(s.bound, errors[i] * (1 + 1e-12));
        if (s.bound > 0 && s.samples > 8) { // it takes no more than it must, but for rounding up
            const kofn_sketch_args fewer = args_of(&p, s.samples - 5, 0, 3);
            assert_ok(kofn_sketch_compress(kofn_sketch_find("grid_cr"), &fewer, &less, &error));
            assert_at_most(errors[i], less.bound);
            kofn_sketched_fini(&less);
        }
        kofn_sketched_fini(&s);
    }
}

/* What C' says of its error, as a mean square over seeds, relative to |A| |B|. */
static double
expect_by_seeds(const kofn_sketch *sketch, const product *p, size_t samples, double norms)
{
    double sum = 0, c[ROWS * COLS];
    for (uint64_t seed = 0; seed < TRIALS; seed++) {
        const kofn_sketch_args args = args_of(p, samples, 0, seed);
        kofn_sketched s;
        assert_ok(kofn_sketch_compress(sketch, &args, &s, &error));
        estimate(p, &s, c);
        const double said =
            kofn_sketch_expect(s.bound, s.most, sqrt(square_norm(c, ROWS * COLS)) / norms);
        sum += said * said;
        kofn_sketched_fini(&s);
    }
    return sum / TRIALS;
}

static void
the_estimate_itself_says_how_far_it_is_off(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        kofn_partition part;
        size_t samples;
        double most; // of what is said over what is
    } cases[] = {{"cr", {1, INNER, 1}, 6, 1.05},
                 {"block_cr", {1, 6, 1}, 4, 3},
                 {"grid_cr", {2, 6, 3}, 20, 3}};
    for (size_t i = 0; i < 3; i++) {
        product p;
        double mean[ROWS * COLS];
        const kofn_sketch *sketch = kofn_sketch_find(cases[i].name);
        make_product(cases[i].part, 14, &p);
        const double norms =
            sqrt(square_norm(p.a, ROWS * INNER)) * sqrt(square_norm(p.b, INNER * COLS));
        const double is = try_seeds(sketch, &p, cases[i].samples, mean) / (norms * norms);
        const double said = expect_by_seeds(sketch, &p, cases[i].samples, norms);
        print_message("%s: %.4g, and C' says %.4g\n", cases[i].name, is, said);
        assert_at_most(0.95 * is, said);
        assert_at_most(said, cases[i].most * is);
    }
    assert_true(kofn_sketch_expect(0.25, 1, 0.5) == 0.25); // one sample has no spread
    assert_true(kofn_sketch_expect(0.25, 0, 0.5) == 0.25); // some block is exact
    assert_true(kofn_sketch_expect(0.25, 9, NAN) == 0.25);
    assert_true(kofn_sketch_expect(0.25, 9, 2) == 0);
}

/* Powers of two change nothing at all, up to where a double ends. */
static void
norms_far_from_one_draw_the_same(void **state)
{
    (void)state;
    static const int shifts[][2] = {{300, 300}, {-300, -300}, {-1000, 1000}, {560, 0}, {0, -900}};
    static const char *const names[] = {"cr", "block_cr", "grid_cr"};
    for (size_t n = 0; n < 3; n++)
        for (size_t i = 0; i < sizeof shifts / sizeof shifts[0]; i++)
            for (size_t by_error = 0; by_error < 2; by_error++) {
                product p;
                kofn_sketched near, far;
                make_product((kofn_partition){1, 12, 1}, 15, &p);
                const kofn_sketch_args args = args_of(&p, by_error ? 0 : 3, 0.5, 4);
                assert_ok(kofn_sketch_compress(kofn_sketch_find(names[n]), &args, &near, &error));
                for (size_t t = 0; t < 12; t++) {
                    p.norm_a[t] = ldexp(p.norm_a[t], shifts[i][0]);
                    p.norm_b[t] = ldexp(p.norm_b[t], shifts[i][1]);
                }
                assert_ok(kofn_sketch_compress(kofn_sketch_find(names[n]), &args, &far, &error));
                assert_int_equal(far.samples, near.samples);
                assert_true(near.bound > 0 && far.bound == near.bound);
                assert_true(far.lemma == near.lemma);
                assert_int_equal(far.kept, near.kept);
                if (near.kept > 0)
                    assert_memory_equal(far.scale, near.scale, near.kept * sizeof *near.scale);
                else
                    assert_int_equal(far.batch->count, near.batch->count);
                kofn_sketched_fini(&near);
                kofn_sketched_fini(&far);
            }
}

/* k samples are k, also where small blocks take one each that their size does not give them. */
static void
samples_are_as_many_as_were_asked_for(void **state)
{
    (void)state;
    double a[] = {9.96, 0.01, 0.01, 0.01, 0.01, 3, 3}; // a block of C each
    double b[200];
    kofn_sketched s;
    for (size_t t = 0; t < 200; t++)
        b[t] = 1;
    for (size_t k = 5; k < 40; k++) {
        double wide[5 * 40];
        for (size_t i = 0; i < 5; i++)
            for (size_t t = 0; t < 40; t++)
                wide[i * 40 + t] = a[i];
        const kofn_sketch_args args = {
            .part = {5, 40, 1}, .a = wide, .b = b, .samples = k, .seed = k};
        assert_ok(kofn_sketch_compress(kofn_sketch_find("grid_cr"), &args, &s, &error));
        assert_int_equal(s.samples, k);
        assert_int_equal(s.most, k - 4);
        kofn_sketched_fini(&s);
    }
    const kofn_sketch_args too_many = {
        .part = {1, 7, 1}, .a = a, .b = b, .samples = KOFN_SAMPLES_MAX + 1, .seed = 1};
    assert_fails(kofn_sketch_compress(kofn_sketch_find("cr"), &too_many, &s, &error),
                 KOFN_OUT_OF_RANGE);
}

static void
families_that_can_code_it_are_admitted(void **state)
{
    (void)state;
    const kofn_sketch *cr = kofn_sketch_find("cr"), *grid = kofn_sketch_find("grid_cr");
    assert_ok(kofn_sketch_admit(cr, kofn_family_find("polynomial"), &error));
    assert_ok(kofn_sketch_admit(cr, kofn_family_find("rkrp"), &error));
    assert_ok(kofn_sketch_admit(grid, kofn_family_find("rkrp"), &error));
    assert_ok(kofn_sketch_admit(grid, kofn_family_find("locality"), &error));
    assert_fails(kofn_sketch_admit(cr, kofn_family_find("locality"), &error),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_sketch_admit(grid, kofn_family_find("polynomial"), &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "what grid_cr leaves is a batch"));
}

static void
all_samples_are_the_product(void **state)
{
    (void)state;
    static const char *const names[] = {"cr", "block_cr", "grid_cr"};
    for (size_t i = 0; i < 3; i++) {
        product p;
        double c[ROWS * COLS];
        kofn_sketched s;
        make_product((kofn_partition){1, INNER, 1}, 10, &p);
        const kofn_sketch_args args = args_of(&p, INNER, 0, 1);
        assert_ok(kofn_sketch_compress(kofn_sketch_find(names[i]), &args, &s, &error));
        estimate(&p, &s, c);
        assert_true(s.bound == 0);
        const double most = INNER * 0x1p-52 * sqrt(square_norm(p.a, ROWS * INNER)) *
                            sqrt(square_norm(p.b, INNER * COLS));
        assert_at_most(sqrt(square_distance(c, p.c, ROWS * COLS)), most);
        kofn_sketched_fini(&s);
    }
}

static void
zeros_are_never_drawn(void **state)
{
    (void)state;
    product p;
    make_product((kofn_partition){2, 6, 2}, 11, &p);
    for (size_t t = 0; t < 6; t++)
        p.norm_a[6 + t] = 0; // the second row of blocks
    p.norm_b[5 * 2] = 0;     // and A_05 B_50
    for (uint64_t seed = 0; seed < 200; seed++) {
        const kofn_sketch_args args = args_of(&p, 6, 0, seed);
        kofn_sketched s;
        assert_ok(kofn_sketch_compress(kofn_sketch_find("grid_cr"), &args, &s, &error));
        const kofn_sums *w = &s.batch->weights;
        assert_int_equal(w->first[2], w->first[4]); // nothing for the second row of C
        for (size_t k = w->first[0]; k < w->first[1]; k++)
            assert_true(kofn_batch_get_block(s.batch, 0, w->column[k]) != 5);
        kofn_sketched_fini(&s);
    }
}

static void
a_seed_draws_the_same_again(void **state)
{
    (void)state;
    product p;
    kofn_sketched s, again, other;
    make_product((kofn_partition){1, INNER, 1}, 12, &p);
    kofn_sketch_args args = args_of(&p, 5, 0, 77);
    assert_ok(kofn_sketch_compress(kofn_sketch_find("cr"), &args, &s, &error));
    assert_ok(kofn_sketch_compress(kofn_sketch_find("cr"), &args, &again, &error));
    args.seed = 78;
    assert_ok(kofn_sketch_compress(kofn_sketch_find("cr"), &args, &other, &error));
    assert_int_equal(s.kept, again.kept);
    assert_memory_equal(s.column, again.column, s.kept * sizeof *s.column);
    assert_memory_equal(s.scale, again.scale, s.kept * sizeof *s.scale);
    assert_true(other.kept != s.kept ||
                memcmp(other.column, s.column, s.kept * sizeof *s.column) != 0);
    kofn_sketched_fini(&s);
    kofn_sketched_fini(&again);
    kofn_sketched_fini(&other);
}

static void
assert_refused(const char *name, const kofn_sketch_args *args, kofn_status status, const char *says)
{
    kofn_sketched s;
    assert_fails(kofn_sketch_compress(kofn_sketch_find(name), args, &s, &error), status);
    if (!strstr(error.text, says))
        fail_msg("'%s' does not say '%s'", error.text, says);
}

static void
what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    product p;
    make_product((kofn_partition){2, 6, 2}, 13, &p);
    kofn_sketch_args args = args_of(&p, 0, 0, 1);
    assert_refused("grid_cr", &args, KOFN_INVALID_ARGUMENT, "neither");
    args.error = -1;
    assert_refused("grid_cr", &args, KOFN_INVALID_ARGUMENT, "neither");
    args.samples = 3;
    assert_refused("grid_cr", &args, KOFN_INVALID_ARGUMENT, "take 4 at least");
    args.samples = 4;
    assert_refused("block_cr", &args, KOFN_INVALID_ARGUMENT, "grid_cr");
    assert_refused("cr", &args, KOFN_INVALID_ARGUMENT, "columns");
    p.norm_b[3] = NAN;
    assert_refused("grid_cr", &args, KOFN_INVALID_ARGUMENT, "block 3 of B");
    memset(p.norm_b, 0, sizeof p.norm_b);
    assert_refused("grid_cr", &args, KOFN_INVALID_ARGUMENT, "zero");
    assert_null(kofn_sketch_find("rc"));
}

static void
more_pairs_than_fit_a_job_are_refused_with_what_fits(void **state)
{
    (void)state;
    static double ones[8192];
    kofn_sketched s;
    for (size_t t = 0; t < 8192; t++)
        ones[t] = 1;
    kofn_sketch_args args = {
        .part = {1, 8192, 1}, .a = ones, .b = ones, .samples = 5000, .seed = 1};
    assert_refused("block_cr", &args, KOFN_OUT_OF_RANGE, "at most 4096");
    assert_ok(kofn_sketch_compress(kofn_sketch_find("cr"), &args, &s,
                                   &error)); // one product, however many
    assert_true(s.kept > 3000 && s.kept < 5000);
    kofn_sketched_fini(&s);
}

/* ---- elements -------------------------------------------------------------------------------- */

/* A matrix in bands of three rows. */
static void
cut_bands(const double *at, size_t rows, size_t cols, kofn_bands *ret_bands)
{
    kofn_bands_init(ret_bands, KOFN_F64, rows, cols);
    for (size_t first = 0; first < rows; first += 3) {
        const size_t high = rows - first < 3 ? rows - first : 3;
        kofn_mat mat = kofn_mat_wrap((void *)(uintptr_t)(at + first * cols), KOFN_F64, high, cols);
        assert_ok(kofn_bands_append(ret_bands, &mat, NULL, 0, &error));
    }
}

static void
norms_are_those_of_the_blocks_of_the_factor(void **state)
{
    (void)state;
    static const kofn_grid grids[] = {{1, 1}, {2, 3}, {4, 12}, {1, 12}, {4, 1}, {2, 6}};
    product p;
    double turned[ROWS * INNER], expected[ROWS * INNER], norms[ROWS * INNER];
    make_product((kofn_partition){1, 1, 1}, 20, &p);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < INNER; j++)
            turned[j * ROWS + i] = p.a[i * INNER + j];
    for (size_t g = 0; g < sizeof grids / sizeof grids[0]; g++) {
        const size_t count = grids[g].rows * grids[g].cols;
        kofn_bands plain, transposed;
        cut_bands(p.a, ROWS, INNER, &plain);
        cut_bands(turned, INNER, ROWS, &transposed);
        measure_blocks(p.a, ROWS, INNER, grids[g], expected);
        kofn_sketch_measure(kofn_field_find("f64"), &plain, false, grids[g], norms);
        for (size_t i = 0; i < count; i++)
            assert_at_most(fabs(norms[i] - expected[i]), 1e-14 * expected[i]);
        kofn_sketch_measure(kofn_field_find("f64"), &transposed, true, grids[g], norms);
        for (size_t i = 0; i < count; i++)
            assert_at_most(fabs(norms[i] - expected[i]), 1e-14 * expected[i]);
        kofn_bands_fini(&plain);
        kofn_bands_fini(&transposed);
    }
}

/* Elements whose squares are no doubles, beside ordinary ones. */
static void
norms_do_not_overflow_and_do_not_vanish(void **state)
{
    (void)state;
    static const double sizes[] = {1e200, 1e-200, 1, 0, 5e-324, 3e-160};
    enum { WIDE = 6, HIGH = 2 };
    double m[HIGH * WIDE], norms[WIDE];
    kofn_bands bands;
    for (size_t i = 0; i < HIGH; i++)
        for (size_t j = 0; j < WIDE; j++)
            m[i * WIDE + j] = (i == 0 ? 3 : -4) * sizes[j];
    cut_bands(m, HIGH, WIDE, &bands);
    kofn_sketch_measure(kofn_field_find("f64"), &bands, false, (kofn_grid){1, WIDE}, norms);
    for (size_t j = 0; j < WIDE; j++)
        assert_at_most(fabs(norms[j] - 5 * sizes[j]), 1e-14 * norms[j] + 5e-324);
    kofn_sketch_measure(kofn_field_find("f64"), &bands, true, (kofn_grid){WIDE, 1}, norms);
    for (size_t j = 0; j < WIDE; j++)
        assert_at_most(fabs(norms[j] - 5 * sizes[j]), 1e-14 * norms[j] + 5e-324);
    kofn_sketch_measure(kofn_field_find("f64"), &bands, false, (kofn_grid){1, 3}, norms);
    assert_at_most(fabs(norms[0] - 5e200), 1e187);
    assert_at_most(fabs(norms[1] - 5), 1e-14);
    assert_at_most(fabs(norms[2] - 1.5e-159), 1e-172);
    kofn_bands_fini(&bands);
}

static void
kept_rows_and_columns_are_scaled_copies(void **state)
{
    (void)state;
    static const size_t kept[] = {0, 2, 3};
    static const double scale[] = {2, 0.5, -1};
    product p;
    double made[INNER * ROWS];
    kofn_bands from, into;
    make_product((kofn_partition){1, 1, 1}, 21, &p);
    cut_bands(p.a, ROWS, INNER, &from);
    cut_bands(made, 3, INNER, &into);
    kofn_sketch_keep(&from, false, 3, kept, scale, &into);
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < INNER; j++)
            assert_true(made[i * INNER + j] == scale[i] * p.a[kept[i] * INNER + j]);
    kofn_bands_fini(&into);
    cut_bands(made, ROWS, 3, &into);
    kofn_sketch_keep(&from, true, 3, kept, NULL, &into);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < 3; j++)
            assert_true(made[i * 3 + j] == p.a[i * INNER + kept[j]]);
    kofn_bands_fini(&into);
    kofn_bands_fini(&from);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_block_is_unbiased_with_the_error_of_the_formula),
        cmocka_unit_test(a_grid_is_unbiased_and_within_its_bound),
        cmocka_unit_test(an_error_that_is_asked_for_is_kept),
        cmocka_unit_test(the_estimate_itself_says_how_far_it_is_off),
        cmocka_unit_test(norms_far_from_one_draw_the_same),
        cmocka_unit_test(samples_are_as_many_as_were_asked_for),
        cmocka_unit_test(families_that_can_code_it_are_admitted),
        cmocka_unit_test(all_samples_are_the_product),
        cmocka_unit_test(zeros_are_never_drawn),
        cmocka_unit_test(a_seed_draws_the_same_again),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(more_pairs_than_fit_a_job_are_refused_with_what_fits),
        cmocka_unit_test(norms_are_those_of_the_blocks_of_the_factor),
        cmocka_unit_test(norms_do_not_overflow_and_do_not_vanish),
        cmocka_unit_test(kept_rows_and_columns_are_scaled_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
