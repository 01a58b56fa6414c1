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
new_seeded_code(const char *family, const char *systematic, size_t pairs, size_t tasks,
                const char *field, uint64_t seed)
{
    kofn_error error;
    kofn_code *code;
    const kofn_field *f = new_field(field);
    kofn_batch *batch = new_pairs(pairs, f);
    kofn_code_spec spec = {.tasks = tasks, .batch = batch, .has_seed = true, .seed = seed};
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

static kofn_code *
new_code(const char *family, const char *systematic, size_t pairs, size_t tasks, const char *field)
{
    return new_seeded_code(family, systematic, pairs, tasks, field, 3);
}

static void
few_columns_stand_for_many(void **state)
{
    (void)state;
    kofn_code *code = new_code("lagrange", "yes", PAIRS, 2 * PAIRS + 3, "f64");
    assert_non_null(code->columns);
    assert_int_equal(code->columns->size.kept, PAIRS);
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
        const double odds = 128 * log2(q) + (double)code->columns->size.mixed * each;
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
        const kofn_columns_size size = kofn_columns_choose(batch, f, 2 * pairs[i] + 1);
        assert_int_equal(size.kept + size.mixed, kofn_code_columns(code));
        assert_int_equal(size.mixed > 0, code->columns != NULL);
        kofn_code_destroy(&code);
        kofn_batch_destroy(&batch);
    }
}

/* ---- mixtures -------------------------------------------------------------------------------- */

/* `side` blocks of A and of B; pairs of each of A with the five of B from the same number on. In
 * task a s + b, a, b < s, is the product of these two alone; then rows of numbers for the first s
 * blocks and, each second, for all blocks. */
static kofn_code *
new_drawn_code(const char *field, size_t side, size_t s, size_t tasks, kofn_rng *rng)
{
    enum { OF_EACH = 5 };
    kofn_error error;
    kofn_batch *batch;
    kofn_code *code;
    const kofn_field *f = new_field(field);
    size_t *left = malloc(2 * side * OF_EACH * sizeof *left), *right = left + side * OF_EACH;
    for (size_t i = 0; i < side * OF_EACH; i++) {
        left[i] = i / OF_EACH;
        right[i] = (i / OF_EACH + i % OF_EACH) % side;
    }
    assert_ok(
        kofn_batch_new_stacked(side, side, side * OF_EACH, left, right, NULL, f, &batch, &error));
    assert_ok(kofn_code_alloc_batch("drawn", f, batch, tasks, &code, &error));
    assert_non_null(code->columns);
    for (size_t o = 0; o < 2; o++)
        for (size_t task = 0; task < tasks; task++)
            for (size_t b = 0; b < side; b++)
                code->e[o].at[task * side + b] = task < s * s ? b == (o == 0 ? task / s : task % s)
                                                 : b < s || (task - s * s) % 2 == 1
                                                     ? f->draw(f, rng)
                                                     : 0;
    assert_ok(kofn_columns_fill(code, NULL, &error));
    kofn_code_seal(code);
    free(left);
    kofn_batch_destroy(&batch);
    kofn_field_destroy(&f);
    return code;
}

/* Columns are linear in products, which the first tasks are one by one. And in a mixture a product
 * is u_a v_b: of four that are not kept, one follows from the others. */
static void
check_mixtures(const char *field, size_t side, size_t s, size_t tasks)
{
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(20261126), 0);
    kofn_code *code = new_drawn_code(field, side, s, tasks, &rng);
    const kofn_field *f = code->field;
    const double *at = code->columns->mix;
    const size_t mixed = code->columns->size.mixed;
    for (size_t m = 0; m < mixed; m++) {
        for (size_t task = s * s; task < tasks; task += 26) { // those of the first s blocks
            double sum = 0, size = 0;
            for (size_t i = 0; i < s * s; i++) {
                const double g = f->multiply(f, code->e[0].at[task * side + i / s],
                                             code->e[1].at[task * side + i % s]);
                const double part = f->multiply(f, g, at[i * mixed + m]);
                sum = f->add(f, sum, part);
                size += fabs(part);
            }
            const double off = fabs(sum - at[task * mixed + m]);
            assert_at_most(off, f->order == 0 ? 1e-12 * (1 + size) : 0);
        }
        for (size_t a = 0; a < 2; a++) // kept with b in a ... a + 4
            for (size_t b = 0; b < s; b++)
                assert_int_equal(at[(a * s + b) * mixed + m] == 0,
                                 b - a < 5 || (f->order > 0 && at[(a * s + b) * mixed + m] == 0));
        const double *u0 = at + (0 * s + 6) * mixed, *u1 = at + (1 * s + 6) * mixed;
        const double *v0 = at + (0 * s + 7) * mixed, *v1 = at + (1 * s + 7) * mixed;
        const double x = f->multiply(f, u0[m], v1[m]), y = f->multiply(f, u1[m], v0[m]);
        assert_at_most(fabs(x - y), f->order == 0 ? 1e-14 * (fabs(x) + fabs(y)) : 0);
    }
    kofn_code_destroy(&code);
}

/* More rows, products and mixtures than are taken at a time; few numbers in a row, and many. */
static void
mixtures_are_those_of_products(void **state)
{
    (void)state;
    check_mixtures("f64", 80, 24, 820);
    check_mixtures("gf16", 60, 12, 300);
    check_mixtures("gf256", 60, 12, 300);
    check_mixtures("gfp:65537", 60, 12, 300);
    check_mixtures("gfp:2147483647", 60, 12, 300);
}

/* Ten pairs of sums of 100 blocks each, and rows of all of them. */
static void
a_code_that_takes_too_long_is_refused(void **state)
{
    (void)state;
    enum { PAIRS_OF_SUMS = 10, TERMS = 100, BLOCKS = PAIRS_OF_SUMS * TERMS, TASKS = 800 };
    kofn_error error;
    kofn_batch *batch, from = {.grid = {{BLOCKS, 1}, {BLOCKS, 1}},
                               .out = {PAIRS_OF_SUMS, 1},
                               .count = PAIRS_OF_SUMS};
    const kofn_field *f = kofn_field_find("f64");
    kofn_code *code;
    for (size_t o = 0; o < 2; o++) {
        assert_true(kofn_sums_alloc_single(BLOCKS, BLOCKS, NULL, &from.side[o]));
        from.side[o].rows = PAIRS_OF_SUMS;
        for (size_t i = 0; i <= PAIRS_OF_SUMS; i++)
            from.side[o].first[i] = i * TERMS;
    }
    assert_true(kofn_sums_alloc_single(PAIRS_OF_SUMS, PAIRS_OF_SUMS, NULL, &from.weights));
    assert_ok(kofn_batch_new(&from, f, &batch, &error));
    assert_ok(kofn_code_alloc_batch("dense", f, batch, TASKS, &code, &error));
    assert_int_equal(code->columns->size.kept, PAIRS_OF_SUMS * TERMS * TERMS);
    for (size_t o = 0; o < 2; o++)
        for (size_t i = 0; i < TASKS * BLOCKS; i++)
            code->e[o].at[i] = 1;
    assert_fails(kofn_columns_fill(code, NULL, &error), KOFN_OUT_OF_RANGE);
    assert_non_null(strstr(error.text, "send the pairs in several batches"));
    kofn_code_destroy(&code);
    kofn_batch_destroy(&batch);
    for (size_t o = 0; o < 2; o++)
        free(from.side[o].first);
    free(from.weights.first);
}

/* ---- verdicts -------------------------------------------------------------------------------- */

/* Stars: a block of A with three of B that no other has, and a task to lose. */
static kofn_code *
new_stars(size_t stars, const char *field)
{
    enum { RAYS = 3 };
    kofn_error error;
    kofn_batch *batch;
    kofn_code *code;
    const kofn_field *f = new_field(field);
    size_t *left = malloc(2 * stars * RAYS * sizeof *left), *right = left + stars * RAYS;
    for (size_t i = 0; i < stars * RAYS; i++) {
        left[i] = i / RAYS;
        right[i] = i;
    }
    assert_ok(kofn_batch_new_stacked(stars, stars * RAYS, stars * RAYS, left, right, NULL, f,
                                     &batch, &error));
    kofn_code_spec spec = {.tasks = stars * (RAYS + 1), .batch = batch, .has_seed = true};
    const kofn_code_context context = {.field = f, .workers = 1};
    assert_ok(kofn_code_spec_set(&spec, "family", "locality", &error));
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    assert_ok(kofn_code_spec_build(&spec, f, &code, &error));
    assert_non_null(code->columns);
    free(left);
    kofn_batch_destroy(&batch);
    kofn_field_destroy(&f);
    return code;
}

/* A task that would complete the answers helps, and one that does not help would complete none: it
 * can be left out of all that are missing. */
static void
check_help(const kofn_decoder *d, const kofn_code *code)
{
    size_t *helpful = malloc(code->tasks * sizeof *helpful), count = 0;
    for (size_t task = 0; task < code->tasks; task++) {
        const bool helps = kofn_decoder_would_help(d, task);
        if (!helps && kofn_decoder_get_missing(d) > 0)
            assert_false(kofn_decoder_would_suffice(d, &task, 1));
        if (helps)
            helpful[count++] = task;
    }
    assert_true(kofn_decoder_would_suffice(d, helpful, count));
    free(helpful);
}

static void
tasks_that_would_complete_the_answers_help(void **state)
{
    (void)state;
    static const char *const fields[] = {"f64", "gfp:65537"};
    enum { STARS = 33 };
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(20261125), 0);
    for (size_t i = 0; i < 2; i++) {
        kofn_code *code = new_stars(STARS, fields[i]);
        kofn_decoder *d;
        size_t order[4 * STARS];
        assert_ok(kofn_decoder_new(code, 0, &d, &error));
        for (size_t task = 0; task < code->tasks; task++) {
            assert_true(kofn_decoder_would_help(d, task));
            order[task] = task;
        }
        shuffle(&rng, order, code->tasks);
        for (size_t n = 0; n < code->tasks; n++) {
            if (n % 16 == 15 || n > code->tasks - 12)
                check_help(d, code);
            assert_ok(kofn_decoder_add(d, order[n], &error));
        }
        kofn_decoder_destroy(&d);

        /* All pairs but one: the mixture of its star is as good. */
        assert_ok(kofn_decoder_new(code, 0, &d, &error));
        for (size_t task = 0; task < 3 * STARS; task++)
            if (task != 16)
                assert_ok(kofn_decoder_add(d, task, &error));
        for (size_t task = 3 * STARS; task < code->tasks; task++) {
            const bool own = kofn_code_get_group(code, task) == kofn_code_get_group(code, 16);
            assert_int_equal(kofn_decoder_would_help(d, task), own);
            assert_int_equal(kofn_decoder_would_suffice(d, &task, 1), own);
        }
        kofn_decoder_destroy(&d);
        kofn_code_destroy(&code);
    }
}

/* Of pairs without a relation, p plain answers and e coded ones suffice when p is all of them or p
 * + e is 2 k - 1. */
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

/* Rows that were answered are in the decoder with the mixtures of their code. */
static void
a_code_of_other_mixtures_does_not_take_the_place(void **state)
{
    (void)state;
    kofn_error error;
    kofn_decoder *d;
    kofn_code *code[3];
    for (size_t i = 0; i < 3; i++)
        code[i] = new_seeded_code("lagrange", "yes", PAIRS, 2 * PAIRS + 3, "f64", 3 + i / 2);
    assert_ok(kofn_decoder_new(code[0], 0, &d, &error));
    assert_ok(kofn_decoder_add(d, 2 * PAIRS, &error));
    assert_ok(kofn_decoder_recode(d, code[1], &error));
    assert_fails(kofn_decoder_recode(d, code[2], &error), KOFN_INVALID_ARGUMENT);
    kofn_decoder_destroy(&d);
    for (size_t i = 0; i < 3; i++)
        kofn_code_destroy(&code[i]);
}

/* Rows of a reserve that were zeros: the others are mixed in other company then, and rounded
 * otherwise. */
static void
a_code_with_more_rows_takes_the_place(void **state)
{
    (void)state;
    kofn_error error;
    kofn_rng rng;
    kofn_decoder *d;
    enum { SIDE = 80, OWN = 24, TASKS = 820, MADE = OWN * OWN + 5 };
    kofn_rng_init(&rng, test_seed(20261127), 0);
    kofn_code *all = new_drawn_code("f64", SIDE, OWN, TASKS, &rng);
    kofn_rng_init(&rng, test_seed(20261127), 0);
    kofn_code *few = new_drawn_code("f64", SIDE, OWN, TASKS, &rng);
    for (size_t o = 0; o < 2; o++)
        memset(few->e[o].at + MADE * SIDE, 0, (TASKS - MADE) * SIDE * sizeof(double));
    all->reserve = few->reserve = TASKS - MADE;
    free(few->columns->mix);
    assert_ok(kofn_columns_fill(few, NULL, &error));
    kofn_code_seal(few);
    assert_ok(kofn_decoder_new(few, 0, &d, &error));
    assert_ok(kofn_decoder_add(d, MADE - 1, &error));
    assert_ok(kofn_decoder_recode(d, all, &error));
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&few);
    kofn_code_destroy(&all);
}

/* ---- products of single numbers: blocks of 1 x 1 --------------------------------------------- */

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
        cmocka_unit_test(mixtures_are_those_of_products),
        cmocka_unit_test(a_code_that_takes_too_long_is_refused),
        cmocka_unit_test(tasks_that_would_complete_the_answers_help),
        cmocka_unit_test(verdicts_are_those_of_theory),
        cmocka_unit_test(a_code_of_other_mixtures_does_not_take_the_place),
        cmocka_unit_test(a_code_with_more_rows_takes_the_place),
        cmocka_unit_test(products_are_right),
        cmocka_unit_test(estimates_keep_their_bounds),
        cmocka_unit_test(a_thousand_pairs_fit_in_one_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
