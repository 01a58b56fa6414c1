/* Batches with real daemons, beside a reference that shares no code with them: pair by pair, element by
 * element. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"
#include "tests/integration/reference.h"

#include "common/base/rng.h"

#include <math.h>

enum { PAIRS_MAX = 16 };

static kofn_error error;

/* ---- pairs ------------------------------------------------------------------------------------- */

typedef struct wish {
    const char *field, *family, *policy;
    size_t count, rows, inner, cols;
    bool transposed[2];
    size_t distinct[2]; // blocks of X and of Y: pair i has those that are i modulo these; 0: count
    const double *weights; // NULL: all products
    uint64_t tasks;
    kofn_dependency depends; // count 0: none
} wish;

typedef struct rig { // the blocks of a wish
    const wish *w;
    void *block[2][PAIRS_MAX];
    kofn_matrix side[2][PAIRS_MAX];
    kofn_pairs pairs;
} rig;

static size_t
rows_of(const wish *w, size_t side)
{
    return side == 0 ? w->rows : w->inner;
}

static size_t
cols_of(const wish *w, size_t side)
{
    return side == 0 ? w->inner : w->cols;
}

static double
draw(const char *field, kofn_rng *rng)
{
    const uint64_t q = reference_order(field);
    return q == 0 ? (double)(float)(2 * kofn_rng_unit(rng) - 1) : (double)kofn_rng_below(rng, q);
}

/* One block a pair, in memory of its own, though it may be equal to an earlier one. */
static void
make_block(rig *r, size_t side, size_t pair, kofn_rng *rng)
{
    const wish *w = r->w;
    const size_t rows = rows_of(w, side), cols = cols_of(w, side), of = w->distinct[side];
    const kofn_dtype dtype = reference_dtype(w->field);
    void *at = calloc(rows * cols + 1, sizeof(double));
    assert_non_null(at);
    for (size_t i = 0; i < rows * cols; i++)
        reference_store(at, dtype, i,
                        of && pair >= of ? reference_load(r->block[side][pair % of], dtype, i)
                                         : draw(w->field, rng));
    r->block[side][pair] = at;
    r->side[side][pair] = (kofn_matrix){.data = at,
                                        .dtype = dtype,
                                        .rows = w->transposed[side] ? cols : rows,
                                        .cols = w->transposed[side] ? rows : cols,
                                        .transposed = w->transposed[side]};
}

static void
combine_blocks(rig *r, size_t side)
{
    const wish *w = r->w;
    const kofn_dependency *d = &w->depends;
    const kofn_dtype dtype = reference_dtype(w->field);
    for (size_t i = 0; i < rows_of(w, side) * cols_of(w, side); i++) {
        double sum = 0;
        for (size_t t = 0; t < d->count; t++)
            sum = reference_add(
                w->field, sum,
                reference_multiply(w->field, d->scale[t],
                                   reference_load(r->block[side][d->of[t]], dtype, i)));
        reference_store(r->block[side][d->pair], dtype, i, sum);
    }
}

static void
rig_init(rig *r, const wish *w, kofn_rng *rng)
{
    *r = (rig){.w = w};
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < w->count; i++)
            make_block(r, side, i, rng);
        if (w->depends.count > 0)
            combine_blocks(r, side);
    }
    r->pairs = (kofn_pairs){.count = w->count,
                            .x = r->side[0],
                            .y = r->side[1],
                            .weights = w->weights,
                            .dependency_count = w->depends.count > 0,
                            .dependencies = &w->depends};
}

static void
rig_fini(rig *r)
{
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < r->w->count; i++)
            free(r->block[side][i]);
}

/* ---- products ---------------------------------------------------------------------------------- */

static double
get(const rig *r, size_t side, size_t pair, size_t row, size_t col)
{
    const kofn_matrix *m = &r->side[side][pair];
    return reference_load(m->data, m->dtype,
                          m->transposed ? col * m->cols + row : row * m->cols + col);
}

static double
expect_element(const rig *r, size_t pair, size_t row, size_t col)
{
    double sum = 0;
    for (size_t k = 0; k < r->w->inner; k++)
        sum = reference_add(
            r->w->field, sum,
            reference_multiply(r->w->field, get(r, 0, pair, row, k), get(r, 1, pair, k, col)));
    return sum;
}

/* Element of C: of product row / rows, or of the sum. */
static double
expect(const rig *r, size_t row, size_t col)
{
    const wish *w = r->w;
    if (!w->weights)
        return expect_element(r, row / w->rows, row % w->rows, col);
    double sum = 0;
    for (size_t i = 0; i < w->count; i++)
        sum = reference_add(
            w->field, sum,
            reference_multiply(w->field, w->weights[i], expect_element(r, i, row, col)));
    return sum;
}

/* Frobenius, over all pairs: no less than that of the operands, where equal blocks are once. */
static double
norm_of(const rig *r, size_t side)
{
    double sum = 0;
    for (size_t i = 0; i < r->w->count; i++)
        for (size_t e = 0; e < rows_of(r->w, side) * cols_of(r->w, side); e++) {
            const double number = reference_load(r->block[side][i], r->side[side][i].dtype, e);
            sum += number * number;
        }
    return sqrt(sum);
}

/* |C' - C| <= error_bound |A| |B|, as the account promises, and a few roundings of the reference. */
static void
assert_batch(const rig *r, kofn_result *result)
{
    const wish *w = r->w;
    const kofn_account *account = kofn_result_get_account(result);
    const kofn_dtype dtype = reference_dtype(w->field);
    kofn_matrix c;
    assert_ok(kofn_result_get_matrix(result, &c, &error));
    assert_int_equal(c.rows, w->weights ? w->rows : w->count * w->rows);
    assert_int_equal(c.cols, w->cols);
    assert_int_equal(c.dtype, dtype);
    double sum = 0;
    for (size_t i = 0; i < c.rows; i++)
        for (size_t j = 0; j < c.cols; j++) {
            const double off = reference_load(c.data, dtype, i * c.cols + j) - expect(r, i, j);
            sum += off * off;
        }
    const double unit = dtype == KOFN_F64 ? 0x1p-52 : dtype == KOFN_F32 ? 0x1p-23 : 0;
    const double bound = unit == 0 ? 0
                                   : (account->error_bound + (double)(w->inner * w->count) * unit) *
                                         norm_of(r, 0) * norm_of(r, 1);
    assert_at_most(sqrt(sum), bound);
    assert_at_most(account->error_bound, dtype == KOFN_F64 ? 1e-6 : 1);
    assert_string_equal(account->field, w->field);
    assert_in_range(account->pairs, 1, w->count);
    if (w->family)
        assert_string_equal(account->code.family, w->family);
}

static kofn_product_options
options_of(const wish *w)
{
    kofn_product_options options = test_options(w->policy, w->family);
    options.field = w->field;
    options.code.tasks = w->tasks;
    return options;
}

static kofn_account
run(cluster *c, const wish *w, kofn_rng *rng)
{
    const kofn_product_options options = options_of(w);
    kofn_result *result = NULL;
    rig r;
    rig_init(&r, w, rng);
    assert_ok(kofn_client_batch(cluster_get_client(c), &r.pairs, &options, &result, &error));
    assert_batch(&r, result);
    const kofn_account account = *kofn_result_get_account(result);
    kofn_result_destroy(&result);
    rig_fini(&r);
    return account;
}

static const double weights[] = {1, 3, 2, 5, 6, 0, 7, 4};
static const char *const fields[] = {"f64", "f32", "gf256", "gfp:65537"};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static void
all_products_and_their_sums_are_right_over_every_field(void **state)
{
    cluster *c = cluster_new_ready(state, "", 4);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    static const char *const families[] = {NULL, "lagrange", "uncoded", "replication"};
    for (size_t f = 0; f < FIELDS; f++)
        for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
            for (size_t sum = 0; sum < 2; sum++) {
                const wish w = {.field = fields[f],
                                .family = families[i],
                                .count = 5,
                                .rows = 7,
                                .inner = 6,
                                .cols = 4,
                                .weights = sum ? weights : NULL};
                assert_int_equal(run(c, &w, &rng).pairs, 5);
            }
}

static void
blocks_may_be_stored_the_other_way_round(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(2), 0);
    for (size_t i = 1; i < 4; i++)
        for (size_t sum = 0; sum < 2; sum++) {
            const wish w = {.field = "f64",
                            .family = "lagrange",
                            .count = 4,
                            .rows = 5,
                            .inner = 3,
                            .cols = 8,
                            .transposed = {i & 1, i & 2},
                            .weights = sum ? weights : NULL};
            (void)run(c, &w, &rng);
        }
}

static void
blocks_in_common_travel_once(void **state)
{
    cluster *c = cluster_new_ready(state, "", 3);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(3), 0);
    for (size_t f = 0; f < FIELDS; f++) {
        wish w = {.field = fields[f],
                  .family = "lagrange",
                  .count = 8,
                  .rows = 4,
                  .inner = 5,
                  .cols = 3,
                  .distinct = {4, 2}};
        assert_int_equal(run(c, &w, &rng).pairs, 4);
        w.weights = weights;
        assert_int_equal(run(c, &w, &rng).pairs, 4);
    }
}

#define T(name) cmocka_unit_test_teardown(name, cluster_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(all_products_and_their_sums_are_right_over_every_field),
        T(blocks_may_be_stored_the_other_way_round),
        T(blocks_in_common_travel_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
