/* Batches: what is taken, what is merged, and which columns of G each block of C is a sum of. */
#include "common/code/batch.h"
#include "tests/unit/field_brute.h"

#include <float.h>
#include <math.h>

enum { TERMS_MAX = 64 };

/* A batch as tests write it. */
typedef struct draft {
    kofn_batch batch;
    size_t first[3][TERMS_MAX + 1], column[3][TERMS_MAX];
    double coef[3][TERMS_MAX];
} draft;

static kofn_sums *
sums_of(draft *d, size_t which)
{
    return which < 2 ? &d->batch.side[which] : &d->batch.weights;
}

/* Dense rows, 0 for no term. */
static void
set_sums(draft *d, size_t which, size_t rows, size_t cols, const double *dense)
{
    size_t at = 0;
    *sums_of(d, which) = (kofn_sums){.rows = rows,
                                     .cols = cols,
                                     .first = d->first[which],
                                     .column = d->column[which],
                                     .coef = d->coef[which]};
    for (size_t i = 0; i < rows * cols; i++) {
        if (i % cols == 0)
            d->first[which][i / cols] = at;
        if (dense[i] == 0)
            continue;
        assert_true(at < TERMS_MAX);
        d->column[which][at] = i % cols;
        d->coef[which][at++] = dense[i];
    }
    d->first[which][rows] = at;
}

/* The three products of the 3M method, Re C above Im C. */
static void
write_3m(draft *d)
{
    static const double sides[] = {1, 0, 0, 1, 1, 1}, weights[] = {1, -1, 0, -1, -1, 1};
    *d = (draft){.batch = {.grid = {{2, 1}, {2, 1}}, .out = {2, 1}, .count = 3}};
    set_sums(d, 0, 3, 2, sides);
    set_sums(d, 1, 3, 2, sides);
    set_sums(d, 2, 2, 3, weights);
}

static kofn_batch *
new_batch(const draft *d, const char *field)
{
    kofn_error error;
    kofn_batch *batch = NULL;
    const kofn_field *f = new_field(field);
    assert_ok(kofn_batch_new(&d->batch, f, &batch, &error));
    kofn_field_destroy(&f);
    return batch;
}

static void
assert_refused(const draft *d, const char *field, kofn_status expected, const char *says)
{
    kofn_error error;
    kofn_batch *batch = NULL;
    const kofn_field *f = new_field(field);
    assert_fails(kofn_batch_new(&d->batch, f, &batch, &error), expected);
    if (!strstr(error.text, says))
        fail_msg("'%s' does not say '%s'", error.text, says);
    assert_null(batch);
    kofn_field_destroy(&f);
}

static void
assert_row(const kofn_sums *sums, size_t row, size_t count, const size_t *columns,
           const double *coefs)
{
    assert_int_equal(sums->first[row + 1] - sums->first[row], count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sums->column[sums->first[row] + i], columns[i]);
        assert_true(sums->coef[sums->first[row] + i] == coefs[i]);
    }
}

/* ---- what is kept ---------------------------------------------------------------------------- */

static void
stacked_products_are_their_own_targets(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_field *f = kofn_field_find("f64");
    const size_t left[] = {0, 0, 1}, right[] = {0, 2, 1};
    kofn_batch *batch;
    kofn_sums targets;
    assert_ok(kofn_batch_new_stacked(2, 3, 3, left, right, NULL, f, &batch, &error));
    assert_int_equal(batch->count, 3);
    assert_int_equal(batch->out.rows, 3);
    assert_int_equal(kofn_batch_get_block(batch, 0, 2), 1);
    assert_int_equal(kofn_batch_get_block(batch, 1, 1), 2);
    assert_ok(kofn_batch_make_targets(batch, f, &targets, &error));
    assert_int_equal(targets.rows, 3);
    assert_int_equal(targets.cols, 6);
    for (size_t t = 0; t < 3; t++)
        assert_row(&targets, t, 1, (size_t[]){left[t] * 3 + right[t]}, (double[]){1});
    free(targets.first);
    kofn_batch_destroy(&batch);
    assert_null(batch);
}

static void
a_weighted_sum_has_one_target(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_field *f = kofn_field_find("f64");
    const size_t left[] = {0, 1, 0}, right[] = {1, 0, 0};
    const double weights[] = {0.5, -2, 3};
    kofn_batch *batch;
    kofn_sums targets;
    assert_ok(kofn_batch_new_stacked(2, 2, 3, left, right, weights, f, &batch, &error));
    assert_ok(kofn_batch_make_targets(batch, f, &targets, &error));
    assert_int_equal(targets.rows, 1);
    assert_row(&targets, 0, 3, (size_t[]){0, 1, 2}, (double[]){3, 0.5, -2});
    free(targets.first);
    kofn_batch_destroy(&batch);
}

static void
pairs_that_are_the_same_are_merged(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_field *f = kofn_field_find("f64");
    const size_t left[] = {1, 0, 1, 1}, right[] = {0, 0, 0, 1};
    const double weights[] = {2, 1, 0.25, 1};
    kofn_batch *all, *sum;
    assert_ok(kofn_batch_new_stacked(2, 2, 4, left, right, NULL, f, &all, &error));
    assert_int_equal(all->count, 3);
    assert_int_equal(all->weights.rows, 4);
    assert_row(&all->weights, 0, 1, (size_t[]){0}, (double[]){1});
    assert_row(&all->weights, 1, 1, (size_t[]){1}, (double[]){1});
    assert_row(&all->weights, 2, 1, (size_t[]){0}, (double[]){1});
    assert_row(&all->weights, 3, 1, (size_t[]){2}, (double[]){1});
    assert_ok(kofn_batch_new_stacked(2, 2, 4, left, right, weights, f, &sum, &error));
    assert_int_equal(sum->count, 3);
    assert_row(&sum->weights, 0, 3, (size_t[]){0, 1, 2}, (double[]){2.25, 1, 1});
    kofn_batch_destroy(&all);
    kofn_batch_destroy(&sum);
}

static void
pairs_without_a_weight_are_left_out(void **state)
{
    (void)state;
    /* Pairs 0 and 2 are the same, and their weights cancel; nobody wants pair 1. */
    static const double left[] = {1, 0, 0, 1, 1, 0, 1, 1}, right[] = {1, 0, 1, 0, 1, 0, 0, 1},
                        weights[] = {1, 0, -1, 4};
    draft d = {.batch = {.grid = {{2, 1}, {1, 2}}, .out = {1, 1}, .count = 4}};
    set_sums(&d, 0, 4, 2, left);
    set_sums(&d, 1, 4, 2, right);
    set_sums(&d, 2, 1, 4, weights);
    kofn_batch *batch = new_batch(&d, "f64");
    assert_int_equal(batch->count, 1);
    assert_row(&batch->side[0], 0, 2, (size_t[]){0, 1}, (double[]){1, 1});
    assert_row(&batch->side[1], 0, 1, (size_t[]){1}, (double[]){1});
    assert_row(&batch->weights, 0, 1, (size_t[]){0}, (double[]){4});
    kofn_batch_destroy(&batch);
    d.first[2][1] = 2; // without the last weight nothing is left
    assert_refused(&d, "f64", KOFN_INVALID_ARGUMENT, "no pair has a weight");
}

static void
a_block_of_c_that_nobody_adds_to_is_an_empty_row(void **state)
{
    (void)state;
    kofn_error error;
    static const double sides[] = {1}, weights[] = {0, 1, 0};
    draft d = {.batch = {.grid = {{1, 1}, {1, 1}}, .out = {3, 1}, .count = 1}};
    set_sums(&d, 0, 1, 1, sides);
    set_sums(&d, 1, 1, 1, sides);
    set_sums(&d, 2, 3, 1, weights);
    kofn_batch *batch = new_batch(&d, "f64");
    kofn_sums targets;
    assert_ok(kofn_batch_make_targets(batch, kofn_field_find("f64"), &targets, &error));
    assert_row(&targets, 0, 0, NULL, NULL);
    assert_row(&targets, 1, 1, (size_t[]){0}, (double[]){1});
    assert_row(&targets, 2, 0, NULL, NULL);
    free(targets.first);
    kofn_batch_destroy(&batch);
}

static void
refs_keep_a_batch(void **state)
{
    (void)state;
    draft d;
    write_3m(&d);
    kofn_batch *batch = new_batch(&d, "f64"), *other = kofn_batch_ref(batch);
    kofn_batch_destroy(&batch);
    assert_int_equal(other->count, 3);
    kofn_batch_destroy(&other);
    kofn_batch_destroy(&other); // NULL
}

/* ---- targets --------------------------------------------------------------------------------- */

static void
three_products_make_a_complex_one(void **state)
{
    (void)state;
    kofn_error error;
    draft d;
    write_3m(&d);
    kofn_batch *batch = new_batch(&d, "f64");
    kofn_sums targets;
    assert_int_equal(kofn_batch_get_block(batch, 0, 1), 1);
    assert_int_equal(kofn_batch_get_block(batch, 0, 2), SIZE_MAX);
    assert_ok(kofn_batch_make_targets(batch, kofn_field_find("f64"), &targets, &error));
    assert_row(&targets, 0, 2, (size_t[]){0, 3}, (double[]){1, -1}); // Re Re - Im Im
    assert_row(&targets, 1, 2, (size_t[]){1, 2}, (double[]){1, 1});  // Re Im + Im Re
    free(targets.first);
    kofn_batch_destroy(&batch);
}

static void
a_multiple_of_a_block_is_no_block(void **state)
{
    (void)state;
    static const double one[] = {1}, two[] = {2};
    draft d = {.batch = {.grid = {{1, 1}, {1, 1}}, .out = {1, 1}, .count = 1}};
    set_sums(&d, 0, 1, 1, two);
    set_sums(&d, 1, 1, 1, one);
    set_sums(&d, 2, 1, 1, one);
    kofn_batch *batch = new_batch(&d, "gfp:5");
    assert_int_equal(kofn_batch_get_block(batch, 0, 0), SIZE_MAX);
    assert_int_equal(kofn_batch_get_block(batch, 1, 0), 0);
    kofn_batch_destroy(&batch);
}

static void
what_rounding_leaves_of_a_sum_is_nothing(void **state)
{
    (void)state;
    kofn_error error;
    /* 0.1 + 0.2 - 0.3 is 5.6e-17 in doubles; the pairs differ on the other side. */
    static const double left[] = {0.1, 0, 0.2, 0, 0.3, 1}, right[] = {1, 1, 1},
                        weights[] = {1, 1, -1};
    draft d = {.batch = {.grid = {{2, 1}, {1, 1}}, .out = {1, 1}, .count = 3}};
    set_sums(&d, 0, 3, 2, left);
    set_sums(&d, 1, 3, 1, right);
    set_sums(&d, 2, 1, 3, weights);
    kofn_batch *batch = new_batch(&d, "f64");
    kofn_sums targets;
    assert_int_equal(batch->count, 3);
    assert_ok(kofn_batch_make_targets(batch, kofn_field_find("f64"), &targets, &error));
    assert_row(&targets, 0, 1, (size_t[]){1}, (double[]){-1});
    free(targets.first);
    kofn_batch_destroy(&batch);
}

/* T = W (L x R) row by row, written out. */
static void
fill_wants(const kofn_field *f, const kofn_batch *from, double dense[3][16], double *wants)
{
    const size_t left = from->side[0].cols, right = from->side[1].cols;
    for (size_t t = 0; t < from->weights.rows; t++)
        for (size_t i = 0; i < from->count; i++)
            for (size_t c = 0; c < left * right; c++) {
                const double product =
                    f->multiply(f, dense[0][i * left + c / right], dense[1][i * right + c % right]);
                double *at = &wants[t * left * right + c];
                *at = f->add(f, *at, f->multiply(f, dense[2][t * from->count + i], product));
            }
}

static void
check_random_batch(const kofn_field *f, kofn_rng *rng)
{
    kofn_error error;
    const size_t blocks[] = {1 + kofn_rng_below(rng, 3), 1 + kofn_rng_below(rng, 3)},
                 count = 1 + kofn_rng_below(rng, 4), outs = 1 + kofn_rng_below(rng, 3);
    double dense[3][16] = {0};
    const size_t sizes[] = {count * blocks[0], count * blocks[1], outs * count};
    for (size_t which = 0; which < 3; which++)
        for (size_t i = 0; i < sizes[which]; i++) // small numbers, so that pairs are the same
            dense[which][i] = (double)kofn_rng_below(rng, 3);
    for (size_t i = 0; i < count; i++) {
        dense[0][i * blocks[0]] = dense[1][i * blocks[1]] = 1;
        dense[2][i] = 1;
    }
    draft d = {.batch = {.grid = {{blocks[0], 1}, {1, blocks[1]}}, .out = {outs, 1}}};
    d.batch.count = count;
    set_sums(&d, 0, count, blocks[0], dense[0]);
    set_sums(&d, 1, count, blocks[1], dense[1]);
    set_sums(&d, 2, outs, count, dense[2]);
    kofn_batch *batch;
    kofn_sums targets;
    const size_t columns = blocks[0] * blocks[1];
    double wants[32] = {0}, has[32] = {0};
    fill_wants(f, &d.batch, dense, wants);
    if (kofn_batch_new(&d.batch, f, &batch, &error)) { // all weights cancel
        for (size_t i = 0; i < outs * columns; i++)
            assert_true(wants[i] == 0);
        return;
    }
    assert_ok(kofn_batch_make_targets(batch, f, &targets, &error));
    assert_in_range(batch->count, 1, count);
    for (size_t t = 0; t < outs; t++)
        for (size_t i = targets.first[t]; i < targets.first[t + 1]; i++) {
            assert_true(targets.coef[i] != 0);
            assert_true(i == targets.first[t] || targets.column[i] > targets.column[i - 1]);
            has[t * columns + targets.column[i]] = targets.coef[i];
        }
    assert_memory_equal(wants, has, sizeof has);
    for (size_t i = 0; i < batch->count; i++)
        for (size_t j = 0; j < i; j++) { // no two are the same
            bool same = true;
            for (size_t side = 0; side < 2; side++) {
                const kofn_sums *s = &batch->side[side];
                const size_t len = s->first[i + 1] - s->first[i];
                same &=
                    len == s->first[j + 1] - s->first[j] &&
                    !memcmp(s->column + s->first[i], s->column + s->first[j],
                            len * sizeof *s->column) &&
                    !memcmp(s->coef + s->first[i], s->coef + s->first[j], len * sizeof *s->coef);
            }
            assert_false(same);
        }
    free(targets.first);
    kofn_batch_destroy(&batch);
}

static void
random_batches_mean_what_is_written(void **state)
{
    (void)state;
    static const char *const names[] = {"f64", "gfp:3", "gf4", "gfp:65537"};
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(20261122), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const kofn_field *f = new_field(names[i]);
        for (int round = 0; round < 500; round++)
            check_random_batch(f, &rng);
        kofn_field_destroy(&f);
    }
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void
sizes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    draft d;
    write_3m(&d);
    d.batch.grid[0].rows = 3;
    assert_refused(&d, "f64", KOFN_INVALID_ARGUMENT, "left side");
    write_3m(&d);
    d.batch.side[1].rows = 2;
    assert_refused(&d, "f64", KOFN_INVALID_ARGUMENT, "right side");
    write_3m(&d);
    d.batch.out.cols = 2;
    assert_refused(&d, "f64", KOFN_INVALID_ARGUMENT, "weights");
    write_3m(&d);
    d.batch.count = 2;
    assert_refused(&d, "f64", KOFN_INVALID_ARGUMENT, "left side");
    write_3m(&d);
    d.batch.grid[1].cols = 0;
    assert_refused(&d, "f64", KOFN_INVALID_ARGUMENT, "B is cut into 2 by 0");
    write_3m(&d);
    d.batch.count = 0;
    assert_refused(&d, "f64", KOFN_INVALID_ARGUMENT, "no pairs");
}

static void
hostile_numbers_are_refused(void **state)
{
    (void)state;
    static const double reals[] = {0, NAN, INFINITY, -INFINITY}, finite[] = {0, 7, -1, 0.5, NAN};
    draft d;
    for (size_t which = 0; which < 3; which++) {
        for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
            write_3m(&d);
            d.coef[which][1] = reals[i];
            assert_refused(&d, "f64", KOFN_INVALID_ARGUMENT, "coefficient");
        }
        for (size_t i = 0; i < sizeof finite / sizeof finite[0]; i++) {
            write_3m(&d);
            for (size_t k = 0; k < TERMS_MAX; k++)
                d.coef[2][k] = fabs(d.coef[2][k]);
            d.coef[which][1] = finite[i];
            assert_refused(&d, "gfp:7", KOFN_INVALID_ARGUMENT, "coefficient");
        }
        write_3m(&d);
        d.coef[which][0] = 1e39;
        assert_refused(&d, "f32", KOFN_INVALID_ARGUMENT, "coefficient");
    }
}

static void
columns_that_do_not_ascend_or_are_not_there_are_refused(void **state)
{
    (void)state;
    draft d;
    for (size_t which = 0; which < 3; which++) {
        write_3m(&d);
        d.column[which][0] = SIZE_MAX;
        assert_refused(&d, "f64", KOFN_INVALID_ARGUMENT, "need less than");
        write_3m(&d);
        const size_t last = d.first[which][sums_of(&d, which)->rows] - 1;
        d.column[which][last - 1] = d.column[which][last];
        assert_refused(&d, "f64", KOFN_INVALID_ARGUMENT, "ascending");
        write_3m(&d);
        d.first[which][1] = SIZE_MAX;
        assert_refused(&d, "f64", KOFN_INVALID_ARGUMENT, "ends before it begins");
        write_3m(&d);
        d.first[which][sums_of(&d, which)->rows] = SIZE_MAX;
        assert_refused(&d, "f64", KOFN_OUT_OF_RANGE, "at most 65536");
        write_3m(&d);
        d.first[which][0] = 1;
        assert_refused(&d, "f64", KOFN_INVALID_ARGUMENT, "");
    }
}

static void
a_side_without_blocks_is_refused(void **state)
{
    (void)state;
    static const double left[] = {1, 0, 0, 0, 1, 1};
    draft d;
    write_3m(&d);
    set_sums(&d, 0, 3, 2, left);
    assert_refused(&d, "f64", KOFN_INVALID_ARGUMENT, "left side of pair 1 has no blocks");
}

static void
sizes_above_the_limits_are_refused(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_field *f = kofn_field_find("f64");
    kofn_batch *batch = NULL;
    draft d;
    write_3m(&d);
    d.batch.count = KOFN_PAIRS_MAX + 1;
    assert_refused(&d, "f64", KOFN_OUT_OF_RANGE, "4097 pairs");
    write_3m(&d);
    d.batch.grid[0] = (kofn_grid){SIZE_MAX / 2, 4};
    assert_refused(&d, "f64", KOFN_OUT_OF_RANGE, "at most 65536");
    write_3m(&d);
    d.batch.out = (kofn_grid){1 << 16, 2};
    assert_refused(&d, "f64", KOFN_OUT_OF_RANGE, "at most 65536");
    const size_t one = 0;
    assert_fails(kofn_batch_new_stacked(1, 1, SIZE_MAX, &one, &one, NULL, f, &batch, &error),
                 KOFN_OUT_OF_RANGE);
    assert_fails(kofn_batch_new_stacked(0, 1, 1, &one, &one, NULL, f, &batch, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_batch_new_stacked(1, 1, 1, &one, (size_t[]){1}, NULL, f, &batch, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_null(batch);
}

/* Two sides of 2^11 blocks are 2^22 products. */
static void
targets_of_too_many_products_are_refused(void **state)
{
    (void)state;
    kofn_error error;
    enum { BLOCKS = 1 << 11 };
    const kofn_field *f = kofn_field_find("f64");
    kofn_batch from = {.grid = {{BLOCKS, 1}, {BLOCKS, 1}}, .out = {1, 1}, .count = 1}, *batch;
    kofn_sums side, weights, targets;
    assert_true(kofn_sums_alloc(1, BLOCKS, BLOCKS, &side));
    assert_true(kofn_sums_alloc(1, 1, 1, &weights));
    for (size_t i = 0; i < BLOCKS; i++) {
        side.column[i] = i;
        side.coef[i] = 1;
    }
    side.first[1] = BLOCKS;
    weights.first[1] = 1;
    weights.column[0] = 0;
    weights.coef[0] = 1;
    from.side[0] = from.side[1] = side;
    from.weights = weights;
    assert_ok(kofn_batch_new(&from, f, &batch, &error));
    assert_fails(kofn_batch_make_targets(batch, f, &targets, &error), KOFN_RESOURCE_EXHAUSTED);
    kofn_batch_destroy(&batch);
    free(side.first);
    free(weights.first);
}

static void
numbers_that_overflow_are_refused(void **state)
{
    (void)state;
    kofn_error error;
    const size_t zero[] = {0, 0};
    const double weights[] = {DBL_MAX, DBL_MAX};
    const kofn_field *f = kofn_field_find("f64");
    kofn_batch *batch = NULL;
    assert_fails(kofn_batch_new_stacked(1, 1, 2, zero, zero, weights, f, &batch, &error),
                 KOFN_INVALID_ARGUMENT);
    const double tiny[] = {1, 0x1p-1074}; // its inverse is no number
    const size_t both[] = {0, 1};
    assert_fails(kofn_batch_new_stacked(2, 2, 2, both, both, tiny, f, &batch, &error),
                 KOFN_INVALID_ARGUMENT);
    static const double large[] = {1e70}, one[] = {1};
    draft d = {.batch = {.grid = {{1, 1}, {1, 1}}, .out = {1, 1}, .count = 1}};
    set_sums(&d, 0, 1, 1, large);
    set_sums(&d, 1, 1, 1, large);
    set_sums(&d, 2, 1, 1, one);
    batch = new_batch(&d, "f64");
    kofn_sums targets;
    assert_fails(kofn_batch_make_targets(batch, f, &targets, &error), KOFN_OUT_OF_RANGE);
    kofn_batch_destroy(&batch);
}

/* ---- codes of them --------------------------------------------------------------------------- */

static void
a_code_takes_grids_and_targets_of_its_batch(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_field *f = kofn_field_find("f64");
    const size_t left[] = {0, 1, 1}, right[] = {0, 0, 2};
    kofn_batch *batch;
    kofn_code *code;
    assert_ok(kofn_batch_new_stacked(2, 3, 3, left, right, NULL, f, &batch, &error));
    assert_ok(kofn_code_alloc_batch("test", f, batch, 5, &code, &error));
    kofn_batch_destroy(&batch);
    assert_int_equal(code->pairs, 3);
    assert_int_equal(code->part.x, 3);
    assert_int_equal(code->part.z, 1);
    assert_int_equal(code->part.y, 1);
    assert_int_equal(code->parts.count, 0);
    assert_int_equal(code->e[0].rows, 5);
    assert_int_equal(code->e[0].cols, 2);
    assert_int_equal(code->e[1].cols, 3);
    assert_int_equal(code->grid[1].rows, 3);
    assert_int_equal(code->out.rows, 3);
    assert_int_equal(kofn_code_columns(code), 6);
    assert_row(&code->targets, 2, 1, (size_t[]){5}, (double[]){1});
    kofn_code_destroy(&code);
}

static void
codes_of_batches_have_limits(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_field *f = kofn_field_find("f64");
    enum { MANY = 1200 }; // 1200^2 columns are more than 2^20
    size_t blocks[MANY];
    kofn_batch *batch;
    kofn_code *code = NULL;
    for (size_t i = 0; i < MANY; i++)
        blocks[i] = i;
    assert_ok(kofn_batch_new_stacked(MANY, MANY, MANY, blocks, blocks, NULL, f, &batch, &error));
    assert_int_equal(kofn_code_most_batch_tasks(batch, f), 0);
    assert_fails(kofn_code_alloc_batch("test", f, batch, 5, &code, &error), KOFN_OUT_OF_RANGE);
    kofn_batch_destroy(&batch);
    assert_ok(kofn_batch_new_stacked(2, 2, 2, blocks, blocks, NULL, f, &batch, &error));
    assert_int_equal(kofn_code_most_batch_tasks(batch, f), KOFN_TASKS_MAX);
    assert_fails(kofn_code_alloc_batch("test", f, batch, 0, &code, &error), KOFN_OUT_OF_RANGE);
    assert_fails(kofn_code_alloc_batch("test", f, batch, KOFN_TASKS_MAX + 1, &code, &error),
                 KOFN_OUT_OF_RANGE);
    kofn_batch_destroy(&batch);
    assert_null(code);

    /* In between coefficients are counted, 2^25 in all: of 800 pairs c = 816 + n + n / 4 columns of
     * 800 targets, and for each of n tasks 1600 blocks and all columns but 800. */
    assert_ok(kofn_batch_new_stacked(800, 800, 800, blocks, blocks, NULL, f, &batch, &error));
    size_t most = 0;
    for (size_t n = 1, c = 817; 800 * c + n * (1600 + c - 800) <= 1 << 25; n++, c = 816 + n + n / 4)
        most = n;
    assert_int_equal(kofn_code_most_batch_tasks(batch, f), most);
    assert_ok(kofn_code_alloc_batch("test", f, batch, most, &code, &error));
    kofn_code_destroy(&code);
    assert_fails(kofn_code_alloc_batch("test", f, batch, most + 1, &code, &error),
                 KOFN_OUT_OF_RANGE);
    kofn_batch_destroy(&batch);

    /* One sum: where mixtures do not fit all columns do. */
    double weights[256];
    for (size_t i = 0; i < 256; i++)
        weights[i] = 1;
    assert_ok(kofn_batch_new_stacked(256, 256, 256, blocks, blocks, weights, f, &batch, &error));
    assert_int_equal(kofn_code_most_batch_tasks(batch, f), ((1 << 25) - 256 * 256) / 512);
    for (size_t tasks = 4000; tasks < 20000; tasks += 1000) {
        assert_ok(kofn_code_alloc_batch("test", f, batch, tasks, &code, &error));
        assert_int_equal(code->columns != NULL, tasks < 5000);
        kofn_code_destroy(&code);
    }
    kofn_batch_destroy(&batch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stacked_products_are_their_own_targets),
        cmocka_unit_test(a_weighted_sum_has_one_target),
        cmocka_unit_test(pairs_that_are_the_same_are_merged),
        cmocka_unit_test(pairs_without_a_weight_are_left_out),
        cmocka_unit_test(a_block_of_c_that_nobody_adds_to_is_an_empty_row),
        cmocka_unit_test(refs_keep_a_batch),
        cmocka_unit_test(three_products_make_a_complex_one),
        cmocka_unit_test(a_multiple_of_a_block_is_no_block),
        cmocka_unit_test(what_rounding_leaves_of_a_sum_is_nothing),
        cmocka_unit_test(random_batches_mean_what_is_written),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused),
        cmocka_unit_test(hostile_numbers_are_refused),
        cmocka_unit_test(columns_that_do_not_ascend_or_are_not_there_are_refused),
        cmocka_unit_test(a_side_without_blocks_is_refused),
        cmocka_unit_test(sizes_above_the_limits_are_refused),
        cmocka_unit_test(targets_of_too_many_products_are_refused),
        cmocka_unit_test(numbers_that_overflow_are_refused),
        cmocka_unit_test(a_code_takes_grids_and_targets_of_its_batch),
        cmocka_unit_test(codes_of_batches_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
