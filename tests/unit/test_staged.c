/* Staged codes: whatever is missing, the rows that are made for it bring it back. */
#include "common/code/staged.h"
#include "common/base/rng.h"
#include "common/code/binomial.h"
#include "common/code/columns.h"
#include "common/code/decoder.h"
#include "common/code/grouping_search.h"
#include "tests/unit/field_brute.h"
#include "tests/unit/staged_rig.h"

#include <float.h>
#include <math.h>

enum { PAIRS_MAX = 40, TASKS_MAX = 192 };

static void
assert_row_is_pair(const kofn_code *code, const kofn_batch *batch, size_t pair)
{
    for (size_t o = 0; o < 2; o++) {
        const kofn_sums *side = &batch->side[o];
        const double *row = kofn_code_get_row(code, o, pair);
        double sum = 0, entries = 0;
        for (size_t c = 0; c < side->cols; c++)
            entries += row[c] != 0;
        for (size_t i = side->first[pair]; i < side->first[pair + 1]; i++)
            sum += row[side->column[i]] == side->coef[i];
        assert_true(sum == entries &&
                    entries == (double)(side->first[pair + 1] - side->first[pair]));
    }
}

static bool
is_blank(const kofn_code *code, size_t task)
{
    bool blank = true;
    for (size_t o = 0; o < 2; o++)
        for (size_t c = 0; c < code->e[o].cols; c++)
            blank = blank && kofn_code_get_row(code, o, task)[c] == 0;
    return blank;
}

static size_t
list_made(const kofn_code *code, size_t *ret_tasks)
{
    size_t count = 0;
    for (size_t task = kofn_code_first_tasks(code); task < code->tasks; task++)
        if (!is_blank(code, task))
            ret_tasks[count++] = task;
    return count;
}

static void
shuffle(kofn_rng *rng, size_t *tasks, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        const size_t at = kofn_rng_below(rng, i), task = tasks[i - 1];
        tasks[i - 1] = tasks[at];
        tasks[at] = task;
    }
}

static void
answer(kofn_decoder *d, size_t task)
{
    kofn_error error;
    assert_ok(kofn_decoder_add(d, task, &error));
}

/* All but `missing` have answered. Some of those come late, among the rows that are made for them,
 * in any order: it is over with the last row at the latest, and no row is waited for that adds
 * nothing. */
static void
bring_back(kofn_rng *rng, const kofn_code_spec *spec, const kofn_code *first, const size_t *missing,
           size_t count)
{
    kofn_error error;
    kofn_code *code = NULL;
    kofn_decoder *d;
    size_t tasks[TASKS_MAX], late[PAIRS_MAX];
    kofn_code *held = kofn_code_ref((kofn_code *)first);
    assert_ok(kofn_decoder_new(held, INFINITY, &d, &error));
    kofn_code_destroy(&held);
    bool is_missing[PAIRS_MAX] = {false};
    for (size_t i = 0; i < count; i++)
        is_missing[missing[i]] = true;
    for (size_t pair = 0; pair < kofn_code_first_tasks(first); pair++)
        if (!is_missing[pair])
            answer(d, pair);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_NOT_YET);

    assert_ok(kofn_staged_fill(spec, first, missing, count, 0.1, &code, &error));
    assert_ok(kofn_decoder_recode(d, code, &error));
    for (size_t pair = 0; pair < kofn_code_first_tasks(code); pair++)
        assert_true(kofn_code_has_row_of(code, first, pair));
    size_t made = list_made(code, tasks);
    assert_in_range(made, 1, first->reserve);
    assert_true(kofn_decoder_would_suffice(d, tasks, made));
    memcpy(late, missing, count * sizeof *late);
    shuffle(rng, late, count);
    const size_t coming = kofn_rng_below(rng, count + 1);
    memcpy(tasks + made, late, coming * sizeof *late);
    shuffle(rng, tasks, made + coming);
    size_t next = 0;
    while (kofn_decoder_get_state(d) == KOFN_DECODE_NOT_YET) {
        assert_true(next < made + coming);
        answer(d, tasks[next++]);
    }
    assert_decodes(d, code);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

static void
whatever_is_missing_is_brought_back(void **state)
{
    (void)state;
    static const char *const families[] = {"lagrange", "locality"}, *const fields[] = {"f64",
                                                                                       "gfp:65537"};
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(20261122), 0);
    size_t staged = 0;
    for (size_t trial = 0; trial < 400; trial++) {
        const kofn_field *field = new_field(fields[trial % 2]);
        const size_t lefts = 2 + kofn_rng_below(&rng, 3), rights = 2 + kofn_rng_below(&rng, 3);
        const size_t most = lefts * rights < 12 ? lefts * rights : 12;
        const size_t pairs = 2 + kofn_rng_below(&rng, most - 1);
        kofn_batch *batch = draw_batch(&rng, lefts, rights, pairs, trial % 3 == 0, field);
        const kofn_code_spec spec = complete_batch_spec(families[trial / 2 % 2], batch, field);
        kofn_code *code = NULL;
        assert_ok(kofn_staged_build(&spec, field, &code, &error));
        for (size_t task = 0; task < code->tasks && code->staged; task++)
            if (task < pairs)
                assert_row_is_pair(code, batch, task);
            else
                assert_true(is_blank(code, task));
        size_t missing[PAIRS_MAX], count = 0;
        for (size_t i = 0; i < pairs; i++)
            if (kofn_rng_below(&rng, 2) || (count == 0 && i == pairs - 1))
                missing[count++] = i;
        staged += code->staged;
        if (code->staged) { // else all of the family's tasks are pairs
            assert_int_equal(kofn_code_first_tasks(code), pairs);
            assert_false(kofn_code_is_certain(code));
            bring_back(&rng, &spec, code, missing, count);
        }
        kofn_code_destroy(&code);
        kofn_batch_destroy(&batch);
        kofn_field_destroy(&field);
    }
    assert_in_range(staged, 300, 399);
}

/* D G = T of all block products, and not of the columns that the decoder had (columns.h): pair t is
 * product (t, t). */
static void
assert_gives_pairs(const kofn_decoder *d, const kofn_code *code)
{
    kofn_error error;
    kofn_decode_plan plan;
    const kofn_field *f = code->field;
    assert_ok(kofn_decoder_plan(d, 0, &plan, &error));
    for (size_t t = 0; t < code->pairs; t++)
        for (size_t a = 0; a < code->pairs; a++)
            for (size_t b = 0; b < code->pairs; b++) {
                double sum = 0, size = 0;
                for (size_t u = 0; u < plan.used; u++) {
                    const double g = f->multiply(f, kofn_code_get_row(code, 0, plan.task[u])[a],
                                                 kofn_code_get_row(code, 1, plan.task[u])[b]);
                    const double part = f->multiply(f, plan.coef[t * plan.used + u], g);
                    sum = f->add(f, sum, part);
                    size += fabs(part);
                }
                const double wants = a == t && b == t;
                if (f->order != 0)
                    assert_true(sum == wants);
                else
                    assert_true(fabs(sum - wants) <=
                                1e4 * DBL_EPSILON * (size + plan.quality.amplification));
            }
    kofn_decode_plan_fini(&plan);
}

static void
many_pairs_are_brought_back_in_few_columns(void **state)
{
    (void)state;
    static const char *const fields[] = {"f64", "gfp:65537"};
    kofn_error error;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const kofn_field *field = new_field(fields[i]);
        size_t blocks[PAIRS_MAX], tasks[TASKS_MAX];
        const size_t missing[] = {3, 17, 18, 30, 39};
        kofn_batch *batch;
        kofn_code *first, *code;
        kofn_decoder *d;
        for (size_t b = 0; b < PAIRS_MAX; b++)
            blocks[b] = b;
        assert_ok(kofn_batch_new_stacked(PAIRS_MAX, PAIRS_MAX, PAIRS_MAX, blocks, blocks, NULL,
                                         field, &batch, &error));
        const kofn_code_spec spec = complete_batch_spec("lagrange", batch, field);
        assert_ok(kofn_staged_build(&spec, field, &first, &error));
        assert_non_null(first->columns);
        assert_ok(kofn_decoder_new(first, INFINITY, &d, &error));
        for (size_t pair = 0; pair < PAIRS_MAX; pair++)
            if (pair != 3 && pair != 17 && pair != 18 && pair != 30 && pair != 39)
                answer(d, pair);
        assert_ok(kofn_staged_fill(&spec, first, missing, 5, 0.1, &code, &error));
        assert_ok(kofn_decoder_recode(d, code, &error));
        const size_t made = list_made(code, tasks);
        assert_in_range(made, 9, TASKS_MAX);
        for (size_t next = 0; kofn_decoder_get_state(d) == KOFN_DECODE_NOT_YET; next++) {
            assert_true(next < 9); // 2 k - 1 of the five
            answer(d, tasks[next]);
        }
        assert_gives_pairs(d, code);
        kofn_decoder_destroy(&d);
        kofn_code_destroy(&code);
        kofn_code_destroy(&first);
        kofn_batch_destroy(&batch);
        kofn_field_destroy(&field);
    }
}

/* Five pairs without a relation take nine answers, three of them five; more where more are late. */
static void
rows_are_as_few_as_the_missing_ones_take_and_those_that_may_be_late(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_field *f64 = kofn_field_find("f64");
    static const size_t left[] = {0, 1, 2, 3, 4}, missing[] = {0, 2, 3};
    static const double rates[] = {0.001, 0.05, 0.2, 0.4};
    kofn_batch *batch = NULL;
    assert_ok(kofn_batch_new_stacked(5, 5, 5, left, left, NULL, f64, &batch, &error));
    kofn_code_spec spec = complete_batch_spec("lagrange", batch, f64);
    spec.tasks = 16;
    kofn_code *first = NULL;
    assert_ok(kofn_staged_build(&spec, f64, &first, &error));
    assert_int_equal(first->reserve, 16);
    for (size_t i = 0; i < 4; i++) {
        size_t tasks[TASKS_MAX], wanted = 6; // one to lose, at least
        while (kofn_binomial_below(wanted, 5, rates[i]) > 0.05)
            wanted++;
        kofn_code *code = NULL;
        assert_ok(kofn_staged_fill(&spec, first, missing, 3, rates[i], &code, &error));
        assert_int_equal(list_made(code, tasks), wanted);
        kofn_code_destroy(&code);
    }
    kofn_code_destroy(&first);
    kofn_batch_destroy(&batch);
}

/* What was asked for so far. */
static struct counts {
    size_t searches, odds;
} counts;

kofn_status __real_kofn_grouping_search_init(kofn_grouping_search *search,
                                             const kofn_grouping_params *params, kofn_error *err);
kofn_status __wrap_kofn_grouping_search_init(kofn_grouping_search *search,
                                             const kofn_grouping_params *params, kofn_error *err);
double __real_kofn_binomial_below(size_t n, size_t k, double p);
double __wrap_kofn_binomial_below(size_t n, size_t k, double p);

kofn_status
__wrap_kofn_grouping_search_init(kofn_grouping_search *search, const kofn_grouping_params *params,
                                 kofn_error *err)
{
    counts.searches++;
    return __real_kofn_grouping_search_init(search, params, err);
}

double
__wrap_kofn_binomial_below(size_t n, size_t k, double p)
{
    counts.odds++;
    return __real_kofn_binomial_below(n, k, p);
}

/* Of many pairs in stars of three half are missing: the rows for them take a few searches for
 * groups and a few tries of how many there are to be, and not one for each. */
static void
rows_for_hundreds_of_pairs_take_a_few_tries(void **state)
{
    enum { COUNT = 600 };
    (void)state;
    kofn_error error;
    const kofn_field *f64 = kofn_field_find("f64");
    size_t left[COUNT], right[COUNT], missing[COUNT / 2];
    kofn_batch *batch = NULL;
    kofn_code *first = NULL, *code = NULL;
    for (size_t i = 0; i < COUNT; i++) {
        left[i] = i / 3;
        right[i] = i;
        missing[i / 2] = i - i % 2;
    }
    assert_ok(
        kofn_batch_new_stacked(COUNT / 3, COUNT, COUNT, left, right, NULL, f64, &batch, &error));
    const kofn_code_spec spec = complete_batch_spec("locality", batch, f64);
    assert_ok(kofn_staged_build(&spec, f64, &first, &error));
    counts = (struct counts){0};
    assert_ok(kofn_staged_fill(&spec, first, missing, COUNT / 2, 0.1, &code, &error));
    const struct counts took = counts;
    size_t made = 0;
    for (size_t task = COUNT; task < code->tasks; task++)
        made += !is_blank(code, task);
    print_message("%zu rows: %zu searches, %zu tries\n", made, took.searches, took.odds);
    assert_in_range(made, COUNT / 2 + 1, 2 * COUNT);
    assert_in_range(took.searches, 1, 20);
    assert_in_range(took.odds, 1, 30);
    kofn_code_destroy(&code);
    kofn_code_destroy(&first);
    kofn_batch_destroy(&batch);
}

/* Bit for bit, whatever they are: they are not made again. Those of rows that are new are there. */
static void
mixtures_of_rows_stay_when_more_are_made(void **state)
{
    (void)state;
    enum { PAIRS = 48 };
    static const size_t one[] = {0, 3}, other[] = {1, 2};
    kofn_error error;
    const kofn_field *f64 = kofn_field_find("f64");
    size_t side[PAIRS];
    kofn_batch *batch = NULL;
    for (size_t i = 0; i < PAIRS; i++)
        side[i] = i;
    assert_ok(kofn_batch_new_stacked(PAIRS, PAIRS, PAIRS, side, side, NULL, f64, &batch, &error));
    const kofn_code_spec spec = complete_batch_spec("lagrange", batch, f64);
    kofn_code *first = NULL, *second = NULL, *third = NULL;
    assert_ok(kofn_staged_build(&spec, f64, &first, &error));
    assert_non_null(first->columns);
    assert_ok(kofn_staged_fill(&spec, first, one, 2, 0.05, &second, &error));
    const size_t mixed = second->columns->size.mixed;
    for (size_t task = PAIRS; task < second->tasks; task++)
        second->columns->mix[task * mixed] += !is_blank(second, task);
    assert_ok(kofn_staged_fill(&spec, second, other, 2, 0.05, &third, &error));
    size_t had = 0, made = 0;
    assert_int_equal(third->columns->size.mixed, mixed);
    for (size_t task = PAIRS; task < third->tasks; task++) {
        const double *before = second->columns->mix + task * mixed;
        const double *after = third->columns->mix + task * mixed;
        if (is_blank(third, task))
            continue;
        assert_true(after[0] != 0 && after[mixed - 1] != 0);
        made += is_blank(second, task);
        if (is_blank(second, task))
            continue;
        assert_memory_equal(after, before, mixed * sizeof *after);
        had++;
    }
    assert_true(had >= 3 && made >= 3);
    kofn_code_destroy(&first);
    kofn_code_destroy(&second);
    kofn_code_destroy(&third);
    kofn_batch_destroy(&batch);
}

static void
rows_that_were_made_stay_when_more_are(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_field *f64 = kofn_field_find("f64");
    static const size_t left[] = {0, 1, 2, 3}, one[] = {0, 3}, other[] = {1, 2};
    size_t tasks[TASKS_MAX];
    kofn_batch *batch = NULL;
    assert_ok(kofn_batch_new_stacked(4, 4, 4, left, left, NULL, f64, &batch, &error));
    kofn_code_spec spec = complete_batch_spec("lagrange", batch, f64);
    spec.tasks = 9; // and with that room for as many rows
    kofn_code *first = NULL, *second = NULL, *third = NULL;
    assert_ok(kofn_staged_build(&spec, f64, &first, &error));
    assert_ok(kofn_staged_fill(&spec, first, one, 2, 0.05, &second, &error));
    const size_t made = list_made(second, tasks);
    assert_int_equal(made, 4); // 3, and one to lose
    assert_ok(kofn_staged_fill(&spec, second, other, 2, 0.05, &third, &error));
    for (size_t i = 0; i < made; i++)
        assert_true(kofn_code_has_row_of(third, second, tasks[i]));
    assert_int_equal(list_made(third, tasks), 8);
    kofn_code *fourth = NULL;
    assert_fails(kofn_staged_fill(&spec, third, one, 2, 0.05, &fourth, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_null(fourth);
    kofn_code_destroy(&first);
    kofn_code_destroy(&second);
    kofn_code_destroy(&third);
    kofn_batch_destroy(&batch);
}

/* Of a sum, where linear algebra begins with the first coded answer. */
static void
a_decoder_goes_on_with_rows_that_are_made_between_answers(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_field *f64 = kofn_field_find("f64");
    static const size_t block[] = {0, 1, 2, 3}, one[] = {0, 3}, other[] = {1, 2};
    static const double weights[] = {1, 1, 1, 1};
    size_t tasks[TASKS_MAX];
    kofn_batch *batch = NULL;
    assert_ok(kofn_batch_new_stacked(4, 4, 4, block, block, weights, f64, &batch, &error));
    kofn_code_spec spec = complete_batch_spec("lagrange", batch, f64);
    spec.tasks = 12;
    kofn_code *first = NULL, *second = NULL, *third = NULL;
    kofn_decoder *d;
    assert_ok(kofn_staged_build(&spec, f64, &first, &error));
    assert_ok(kofn_decoder_new(first, INFINITY, &d, &error));
    assert_ok(kofn_staged_fill(&spec, first, one, 2, 0.05, &second, &error));
    assert_ok(kofn_decoder_recode(d, second, &error));
    kofn_code_destroy(&first);
    const size_t made = list_made(second, tasks);
    for (size_t i = 0; i < made; i++)
        answer(d, tasks[i]);
    assert_ok(kofn_staged_fill(&spec, second, other, 2, 0.05, &third, &error));
    assert_ok(kofn_decoder_recode(d, third, &error));
    kofn_code_destroy(&second);
    const size_t all = list_made(third, tasks);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_NOT_YET);
    for (size_t i = made; i < all; i++)
        answer(d, tasks[i]);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
    assert_decodes(d, third);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&third);
    kofn_batch_destroy(&batch);
}

/* Blocks that every row makes up for, and rows of which none is coded. */
static void
codes_whose_rows_need_not_be_made_stay_as_they_are(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_field *f64 = kofn_field_find("f64");
    kofn_code_spec product = {
        .family = "rkrp", .part = {2, 1, 2}, .tasks = 6, .reserve = 6, .has_seed = true};
    kofn_code *code = NULL;
    assert_ok(kofn_staged_build(&product, f64, &code, &error));
    assert_false(code->staged);
    assert_int_equal(code->tasks, 12);
    kofn_code_destroy(&code);
    static const size_t left[] = {0, 1, 2};
    kofn_batch *batch = NULL;
    assert_ok(kofn_batch_new_stacked(3, 3, 3, left, left, NULL, f64, &batch, &error));
    const kofn_code_spec uncoded = complete_batch_spec("uncoded", batch, f64);
    assert_ok(kofn_staged_build(&uncoded, f64, &code, &error));
    assert_false(code->staged);
    assert_int_equal(code->tasks, 3);
    kofn_code_destroy(&code);
    kofn_batch_destroy(&batch);
}

/* Plain rows in front, and as many tasks as before: any xy of them do. */
static void
families_without_plain_rows_get_them_in_front(void **state)
{
    (void)state;
    static const char *const families[] = {"polynomial", "polynomial", "orthopoly"},
                             *const fields[] = {"f64", "gfp:65537", "f64"};
    for (size_t i = 0; i < 3; i++) {
        kofn_error error;
        const kofn_field *field = new_field(fields[i]);
        kofn_code_spec spec = {.part = {2, 1, 2}, .tasks = 7, .has_seed = true, .seed = 3};
        const kofn_code_context context = {
            .field = field, .rows = 8, .inner = 8, .cols = 8, .workers = 7};
        (void)snprintf(spec.family, sizeof spec.family, "%s", families[i]);
        assert_ok(kofn_code_spec_complete(&spec, &context, &error)); // names its points, too
        kofn_code *code = NULL;
        kofn_decoder *d;
        assert_ok(kofn_staged_build(&spec, field, &code, &error));
        assert_int_equal(code->tasks, 7);
        assert_int_equal(code->threshold, 4);
        assert_int_equal(kofn_code_count_coded(code), 3);
        for (size_t task = 0; task < 7; task++)
            assert_int_equal(kofn_code_plain_column(code, task), task < 4 ? task : SIZE_MAX);
        assert_ok(kofn_decoder_new(code, INFINITY, &d, &error));
        static const size_t tasks[] = {2, 4, 6, 5};
        for (size_t t = 0; t < 4; t++) {
            assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_NOT_YET);
            answer(d, tasks[t]);
        }
        assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
        assert_decodes(d, code);
        kofn_decoder_destroy(&d);
        kofn_code_destroy(&code);
        kofn_field_destroy(&field);
    }
}

/* A decoder takes no code but one that is the same, apart from rows of the reserve without an
 * answer. */
static void
a_decoder_refuses_rows_that_were_answered_or_are_no_reserve(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_field *f64 = kofn_field_find("f64");
    static const size_t left[] = {0, 1, 2}, missing[] = {1, 2};
    kofn_batch *batch = NULL;
    assert_ok(kofn_batch_new_stacked(3, 3, 3, left, left, NULL, f64, &batch, &error));
    const kofn_code_spec spec = complete_batch_spec("lagrange", batch, f64);
    kofn_code *first = NULL, *made = NULL, *other = NULL;
    kofn_decoder *d;
    assert_ok(kofn_staged_build(&spec, f64, &first, &error));
    assert_ok(kofn_staged_fill(&spec, first, missing, 2, 0.1, &made, &error));
    assert_ok(kofn_decoder_new(first, 0, &d, &error));
    assert_false(kofn_decoder_would_help(d, 3)); // zeros
    assert_ok(kofn_decoder_recode(d, made, &error));
    assert_true(kofn_decoder_would_help(d, 3));
    answer(d, 3);
    assert_fails(kofn_decoder_recode(d, first, &error), KOFN_INVALID_ARGUMENT);
    answer(d, 1);
    answer(d, 2);
    answer(d, 0);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
    assert_decodes(d, made);
    kofn_decoder_destroy(&d);

    assert_ok(kofn_decoder_new(first, 0, &d, &error));
    assert_ok(kofn_code_spec_build(&spec, f64, &other, &error)); // of other numbers
    assert_fails(kofn_decoder_recode(d, other, &error), KOFN_INVALID_ARGUMENT);
    kofn_code_destroy(&other);
    assert_ok(kofn_staged_build(&spec, f64, &other, &error));
    other->e[0].at[0] = 2; // a product
    assert_fails(kofn_decoder_recode(d, other, &error), KOFN_INVALID_ARGUMENT);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&other);
    kofn_code_destroy(&made);
    kofn_code_destroy(&first);
    kofn_batch_destroy(&batch);
}

/* Two codes of one E, whose columns are mixed by different seeds: of both a row would be of
 * neither. */
static void
a_decoder_refuses_rows_that_are_mixed_otherwise(void **state)
{
    (void)state;
    enum { PAIRS = 40 };
    kofn_error error;
    const kofn_field *f64 = kofn_field_find("f64");
    size_t each[PAIRS], missing[] = {3, 5};
    kofn_batch *batch = NULL;
    for (size_t i = 0; i < PAIRS; i++)
        each[i] = i;
    assert_ok(kofn_batch_new_stacked(PAIRS, PAIRS, PAIRS, each, each, NULL, f64, &batch, &error));
    kofn_code_spec spec = complete_batch_spec("lagrange", batch, f64);
    kofn_code *first = NULL, *made = NULL, *others = NULL, *other = NULL;
    kofn_decoder *d;
    assert_ok(kofn_staged_build(&spec, f64, &first, &error));
    assert_non_null(first->columns);
    assert_ok(kofn_staged_fill(&spec, first, missing, 2, 0.1, &made, &error));
    spec.seed++;
    assert_ok(kofn_staged_build(&spec, f64, &others, &error));
    assert_ok(kofn_staged_fill(&spec, others, missing, 2, 0.1, &other, &error));
    assert_memory_equal(made->e[0].at, other->e[0].at,
                        made->tasks * made->e[0].cols * sizeof(double));
    assert_ok(kofn_decoder_new(first, 0, &d, &error));
    assert_ok(kofn_decoder_recode(d, made, &error));
    answer(d, PAIRS);
    assert_ok(kofn_decoder_recode(d, made, &error));
    assert_fails(kofn_decoder_recode(d, other, &error), KOFN_INVALID_ARGUMENT);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&other);
    kofn_code_destroy(&others);
    kofn_code_destroy(&made);
    kofn_code_destroy(&first);
    kofn_batch_destroy(&batch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_missing_is_brought_back),
        cmocka_unit_test(many_pairs_are_brought_back_in_few_columns),
        cmocka_unit_test(rows_are_as_few_as_the_missing_ones_take_and_those_that_may_be_late),
        cmocka_unit_test(rows_for_hundreds_of_pairs_take_a_few_tries),
        cmocka_unit_test(mixtures_of_rows_stay_when_more_are_made),
        cmocka_unit_test(rows_that_were_made_stay_when_more_are),
        cmocka_unit_test(a_decoder_goes_on_with_rows_that_are_made_between_answers),
        cmocka_unit_test(codes_whose_rows_need_not_be_made_stay_as_they_are),
        cmocka_unit_test(families_without_plain_rows_get_them_in_front),
        cmocka_unit_test(a_decoder_refuses_rows_that_were_answered_or_are_no_reserve),
        cmocka_unit_test(a_decoder_refuses_rows_that_are_mixed_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
