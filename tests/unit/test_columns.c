/* Codes of batches with many blocks: decoded in few columns, they are what they would be in all. */
#include "common/code/batch.h"
#include "common/code/columns.h"
#include "tests/unit/code_brute.h"

enum { PAIRS = 40, TASKS_MAX = 128 };

/* Pairs of blocks of their own. */
static kofn_batch *
new_pairs(size_t count, const kofn_field *f)
{
    kofn_error error;
    kofn_batch *batch;
    size_t *blocks = malloc(count * sizeof *blocks);
    for (size_t i = 0; i < count; i++)
        blocks[i] = i;
    assert_ok(kofn_batch_new_stacked(count, count, count, blocks, blocks, NULL, f, &batch, &error));
    free(blocks);
    return batch;
}

static kofn_code *
new_code(const char *family, const char *systematic, size_t pairs, size_t tasks, const char *field)
{
    kofn_error error;
    kofn_code *code;
    const kofn_field *f = new_field(field);
    kofn_batch *batch = new_pairs(pairs, f);
    kofn_code_spec spec = {.tasks = tasks, .batch = batch, .has_seed = true, .seed = 3};
    const kofn_code_context context = {.field = f, .workers = 1};
    assert_ok(kofn_code_spec_set(&spec, "family", family, &error));
    if (systematic)
        assert_ok(kofn_code_spec_set(&spec, "systematic", systematic, &error));
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    assert_ok(kofn_code_spec_build(&spec, f, &code, &error));
    kofn_batch_destroy(&batch);
    kofn_field_destroy(&f);
    return code;
}

static void
few_columns_stand_for_many(void **state)
{
    (void)state;
    kofn_code *code = new_code("lagrange", "yes", PAIRS, 2 * PAIRS + 3, "f64");
    assert_non_null(code->columns);
    assert_int_equal(code->columns->kept, PAIRS);
    assert_int_equal(kofn_code_columns(code), PAIRS + 83 + 83 / 4 + 16);
    for (size_t i = 0; i < PAIRS; i++) {
        assert_int_equal(kofn_code_get_product(code, i), i * PAIRS + i);
        assert_int_equal(kofn_code_find_column(code, i * PAIRS + i), i);
        assert_int_equal(kofn_code_plain_column(code, i), i);
        assert_int_equal(code->targets.column[i], i);
    }
    assert_int_equal(kofn_code_find_column(code, 1), SIZE_MAX);
    assert_int_equal(kofn_code_get_product(code, PAIRS), SIZE_MAX);
    assert_int_equal(kofn_code_plain_column(code, PAIRS), SIZE_MAX);
    double row[TASKS_MAX + PAIRS + 48];
    for (size_t task = 0; task < code->tasks; task++) {
        kofn_code_fill_row(code, task, row);
        for (size_t c = 0; c < kofn_code_columns(code); c++) {
            assert_true(row[c] == kofn_code_get_element(code, task, c));
            if (c < PAIRS)
                assert_true(row[c] ==
                            code->e[0].at[task * PAIRS + c] * code->e[1].at[task * PAIRS + c]);
            else if (task < PAIRS)
                assert_true(row[c] == 0); // a plain task has nothing else
        }
    }
    kofn_code_destroy(&code);
}

static void
small_batches_keep_all_columns(void **state)
{
    (void)state;
    kofn_code *code = new_code("lagrange", "yes", 30, 62, "f64");
    assert_null(code->columns);
    assert_int_equal(kofn_code_columns(code), 900);
    kofn_code_destroy(&code);
}

/* q^n ((2 q - 1) / q^2)^mixed <= 2^-40. */
static void
small_fields_take_more_mixtures(void **state)
{
    (void)state;
    const struct {
        const char *field;
        double order;
    } cases[] = {{"gfp:2", 2}, {"gfp:3", 3}, {"gf4", 4}, {"gf16", 16}, {"gf256", 256}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_code *code = new_code("replication", NULL, 64, 128, cases[i].field);
        const double q = cases[i].order, each = log2(2 * q - 1) - 2 * log2(q);
        assert_non_null(code->columns);
        const double odds = 128 * log2(q) + (double)code->columns->mixed * each;
        assert_true(odds <= -40 && odds - each > -40);
        kofn_code_destroy(&code);
    }
}

static void
columns_can_be_counted_before(void **state)
{
    (void)state;
    static const size_t pairs[] = {3, 31, 32, 40, 100};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const kofn_field *f = kofn_field_find("f64");
        kofn_batch *batch = new_pairs(pairs[i], f);
        kofn_code *code = new_code("lagrange", "yes", pairs[i], 2 * pairs[i] + 1, "f64");
        const size_t counted = kofn_columns_count(batch, f, 2 * pairs[i] + 1);
        assert_in_range(counted, kofn_code_columns(code), kofn_code_columns(code) + pairs[i]);
        kofn_code_destroy(&code);
        kofn_batch_destroy(&batch);
    }
}

/* Of pairs without a relation, p plain answers and e coded ones suffice when p is all of them or p + e
 * is 2 k - 1. */
static void
check_verdicts(const char *field, const char *systematic)
{
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(20261122), 0);
    kofn_code *code = new_code("lagrange", systematic, PAIRS, 2 * PAIRS + 3, field);
    const size_t plain = strcmp(systematic, "yes") == 0 ? PAIRS : 0;
    assert_non_null(code->columns);
    for (int round = 0; round < 60; round++) {
        size_t tasks[TASKS_MAX], count = 2 * PAIRS - 4 + kofn_rng_below(&rng, 8), known = 0;
        for (size_t i = 0; i < code->tasks; i++)
            tasks[i] = i;
        if (round % 3 > 0) // else the plain ones first
            shuffle(&rng, tasks, code->tasks);
        else
            count = PAIRS - 1 + kofn_rng_below(&rng, 2);
        kofn_decoder *d;
        assert_ok(kofn_decoder_new(code, INFINITY, &d, &error));
        for (size_t i = 0; i < count; i++) {
            assert_ok(kofn_decoder_add(d, tasks[i], &error));
            known += tasks[i] < plain;
        }
        assert_int_equal(kofn_decoder_get_state(d) != KOFN_DECODE_NOT_YET,
                         (plain > 0 && known == plain) || count >= 2 * PAIRS - 1);
        kofn_decoder_destroy(&d);
    }
    kofn_code_destroy(&code);
}

static void
verdicts_are_those_of_theory(void **state)
{
    (void)state;
    static const char *const fields[] = {"f64", "gfp:127", "gf256", "gfp:65537"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        check_verdicts(fields[i], "yes");
        check_verdicts(fields[i], "no");
    }
}

/* ---- products of single numbers: blocks of 1 x 1 ----------------------------------------------- */

typedef struct numbers {
    double a[1024], b[1024], answer[2048];
} numbers;

static void
draw_numbers(numbers *x, const kofn_code *code, kofn_rng *rng)
{
    const kofn_field *f = code->field;
    const size_t k = code->pairs;
    for (size_t i = 0; i < k; i++) {
        x->a[i] = f->draw(f, rng);
        x->b[i] = f->draw(f, rng);
    }
    for (size_t t = 0; t < code->tasks; t++) {
        double a = 0, b = 0;
        for (size_t i = 0; i < k; i++) {
            a = f->add(f, a, f->multiply(f, code->e[0].at[t * k + i], x->a[i]));
            b = f->add(f, b, f->multiply(f, code->e[1].at[t * k + i], x->b[i]));
        }
        x->answer[t] = f->multiply(f, a, b);
    }
}

/* The error of all products, a norm, and that of |a| |b|. */
static double
measure(const numbers *x, const kofn_code *code, const kofn_decode_plan *plan, double *ret_size)
{
    const kofn_field *f = code->field;
    double error = 0, a = 0, b = 0;
    for (size_t t = 0; t < code->pairs; t++) {
        double sum = 0;
        for (size_t u = 0; u < plan->used; u++)
            sum = f->add(f, sum,
                         f->multiply(f, plan->coef[t * plan->used + u], x->answer[plan->task[u]]));
        const double wants = f->multiply(f, x->a[t], x->b[t]);
        error += f->order == 0 ? pow(sum - wants, 2) : sum != wants;
        a += x->a[t] * x->a[t];
        b += x->b[t] * x->b[t];
    }
    *ret_size = sqrt(a * b);
    return sqrt(error);
}

static void
check_products(const char *field, const char *systematic)
{
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(20261123), 0);
    kofn_code *code = new_code("lagrange", systematic, PAIRS, 2 * PAIRS + 1, field);
    for (int round = 0; round < 40; round++) {
        size_t tasks[TASKS_MAX];
        numbers x;
        draw_numbers(&x, code, &rng);
        for (size_t i = 0; i < code->tasks; i++)
            tasks[i] = i;
        shuffle(&rng, tasks, code->tasks);
        kofn_decoder *d;
        kofn_decode_plan plan;
        double size;
        /* Roundings of the answers made above: of each sum and each product. */
        const double noise = 2 * (PAIRS + 1) * 0x1p-53;
        assert_ok(kofn_decoder_new(code, INFINITY, &d, &error));
        for (size_t i = 0; i < 2 * PAIRS - 1 + kofn_rng_below(&rng, 3); i++)
            assert_ok(kofn_decoder_add(d, tasks[i], &error));
        assert_ok(kofn_decoder_plan(d, code->field->order == 0 ? noise : 0, &plan, &error));
        const double off = measure(&x, code, &plan, &size);
        assert_at_most(off, code->field->order == 0 ? plan.rounding * size : 0);
        if (code->field->order == 0)
            assert_at_most(off, 1e-9 * size); // and the bound is no empty word
        kofn_decode_plan_fini(&plan);
        kofn_decoder_destroy(&d);
    }
    kofn_code_destroy(&code);
}

static void
products_are_right(void **state)
{
    (void)state;
    static const char *const fields[] = {"f64", "gf256", "gfp:65537"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        check_products(fields[i], "yes");
        check_products(fields[i], "no");
    }
}

static void
estimates_keep_their_bounds(void **state)
{
    (void)state;
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(20261124), 0);
    kofn_code *code = new_code("lagrange", "yes", PAIRS, 2 * PAIRS + 1, "f64");
    for (int round = 0; round < 10; round++) {
        size_t tasks[TASKS_MAX];
        numbers x;
        draw_numbers(&x, code, &rng);
        for (size_t i = 0; i < code->tasks; i++)
            tasks[i] = i;
        shuffle(&rng, tasks, code->tasks);
        kofn_decoder *d;
        kofn_decode_plan plan;
        double size;
        assert_ok(kofn_decoder_new(code, INFINITY, &d, &error));
        for (size_t i = 0; i < 10 + 12 * (size_t)(round % 5); i++)
            assert_ok(kofn_decoder_add(d, tasks[i], &error));
        assert_ok(kofn_decoder_estimate(d, 2 * (PAIRS + 1) * 0x1p-53, &plan, &error));
        const double off = measure(&x, code, &plan, &size);
        assert_at_most(off, (plan.truncation + plan.rounding) * size);
        assert_true(off > 0 && plan.truncation <= 1.2); // nothing at all would be off by 1
        kofn_decode_plan_fini(&plan);
        kofn_decoder_destroy(&d);
    }
    kofn_code_destroy(&code);
}

static void
a_thousand_pairs_fit_in_one_job(void **state)
{
    (void)state;
    kofn_error error;
    kofn_decoder *d;
    kofn_decode_plan plan;
    kofn_code *code = new_code("uncoded", NULL, 1000, 1000, "f64");
    assert_int_equal(kofn_code_columns(code), 1000 + 1250 + 16);
    assert_ok(kofn_decoder_new(code, 0, &d, &error));
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_NOT_YET);
        assert_ok(kofn_decoder_add(d, i, &error));
    }
    assert_ok(kofn_decoder_plan(d, 0, &plan, &error));
    for (size_t t = 0; t < 1000; t++)
        for (size_t u = 0; u < plan.used; u++)
            assert_true(plan.coef[t * plan.used + u] == (plan.task[u] == t));
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_columns_stand_for_many),
        cmocka_unit_test(small_batches_keep_all_columns),
        cmocka_unit_test(small_fields_take_more_mixtures),
        cmocka_unit_test(columns_can_be_counted_before),
        cmocka_unit_test(verdicts_are_those_of_theory),
        cmocka_unit_test(products_are_right),
        cmocka_unit_test(estimates_keep_their_bounds),
        cmocka_unit_test(a_thousand_pairs_fit_in_one_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
