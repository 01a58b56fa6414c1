#include "tests/unit/code_brute.h"

static kofn_decoder *
new_decoder(kofn_code *code, double max_amplification)
{
    kofn_error error;
    kofn_decoder *d;
    assert_ok(kofn_decoder_new(code, max_amplification, &d, &error));
    return d;
}

static void
add_all(kofn_decoder *d, const size_t *tasks, size_t count)
{
    kofn_error error;
    for (size_t i = 0; i < count; i++)
        assert_ok(kofn_decoder_add(d, tasks[i], &error));
}

static kofn_decode_plan
plan_of(const kofn_decoder *d)
{
    kofn_error error;
    kofn_decode_plan plan;
    assert_ok(kofn_decoder_plan(d, 0x1p-53, &plan, &error));
    return plan;
}

/* max |D G_R - T| over all elements. */
static double
residual_of_plan(const kofn_code *code, const kofn_decode_plan *plan)
{
    const size_t cols = kofn_code_columns(code);
    double *row = calloc(cols, sizeof *row), worst = 0;
    double *left = new_dense_targets(code);
    for (size_t u = 0; u < plan->used; u++) {
        kofn_code_fill_row(code, plan->task[u], row);
        for (size_t t = 0; t < plan->targets; t++)
            for (size_t c = 0; c < cols; c++)
                left[t * cols + c] -= plan->coef[t * plan->used + u] * row[c];
    }
    for (size_t i = 0; i < plan->targets * cols; i++)
        worst = fmax(worst, fabs(left[i]));
    free(row);
    free(left);
    return worst;
}

/* A code whose rows are given: 2 rows a task, E_A's then E_B's. */
static kofn_code *
code_of_rows(kofn_partition part, size_t tasks, const double *rows)
{
    kofn_error error;
    kofn_code *code;
    assert_ok(kofn_code_alloc("test", kofn_field_find("f64"), part, tasks, &code, &error));
    for (size_t task = 0; task < tasks; task++)
        for (size_t o = 0; o < 2; o++) {
            memcpy(code->e[o].at + task * code->e[o].cols, rows, code->e[o].cols * sizeof *rows);
            rows += code->e[o].cols;
        }
    code->threshold = tasks;
    kofn_code_seal(code);
    return code;
}

/* Targets of the test's own in place of the plain product's; `dense` is [targets, columns]. */
static void
set_targets(kofn_code *code, size_t targets, const double *dense)
{
    kofn_sums *t = &code->targets;
    const size_t room = targets * t->cols;
    free(t->first);
    t->rows = targets;
    t->first = calloc(1, (targets + 1 + room) * sizeof *t->first + room * sizeof *t->coef);
    t->column = t->first + targets + 1;
    t->coef = (double *)(void *)(t->column + room);
    for (size_t i = 0, used = 0; i < room; i++) {
        if (dense[i] != 0) {
            t->column[used] = i % t->cols;
            t->coef[used++] = dense[i];
        }
        t->first[i / t->cols + 1] = used;
    }
}

/* MatDot with m = 2: rows (1, t) and (t, 1). */
static kofn_code *
matdot_code(size_t tasks, const double *points)
{
    double rows[64];
    for (size_t i = 0; i < tasks; i++) {
        const double row[] = {1, points[i], points[i], 1};
        memcpy(rows + 4 * i, row, sizeof row);
    }
    return code_of_rows((kofn_partition){.x = 1, .z = 2, .y = 1}, tasks, rows);
}

/* ---- adding ---------------------------------------------------------------------------------- */

static void
a_whole_product_is_done_after_its_one_answer(void **state)
{
    (void)state;
    kofn_error error;
    kofn_decode_plan plan;
    const test_code t = {.family = "uncoded", .partition = "1,1,1"};
    kofn_code *code = make_code(&t, "f64", 1);
    kofn_decoder *d = new_decoder(code, 0);
    const size_t only = 0;
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_NOT_YET);
    assert_int_equal(kofn_decoder_get_missing(d), 1);
    assert_true(kofn_decoder_would_suffice(d, &only, 1));
    assert_false(kofn_decoder_would_suffice(d, NULL, 0));
    assert_fails(kofn_decoder_plan(d, 0x1p-53, &plan, &error), KOFN_FAILED_PRECONDITION);
    add_all(d, &only, 1);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
    plan = plan_of(d);
    assert_int_equal(plan.used, 1);
    assert_true(plan.coef[0] == 1 && plan.quality.amplification == 1);
    assert_true(plan.quality.condition == 1 && plan.quality.residual == 0);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

static void
repeats_and_unknown_tasks_are_refused_and_change_nothing(void **state)
{
    (void)state;
    kofn_error error;
    const test_code t = {.family = "rkrp", .partition = "2,1,2", .tasks = 6};
    kofn_code *code = make_code(&t, "f64", 1);
    kofn_decoder *d = new_decoder(code, 0);
    const size_t tasks[] = {5, 1};
    add_all(d, tasks, 2);
    assert_fails(kofn_decoder_add(d, 5, &error), KOFN_ALREADY_EXISTS);
    assert_fails(kofn_decoder_add(d, 1, &error), KOFN_ALREADY_EXISTS);
    assert_fails(kofn_decoder_add(d, 6, &error), KOFN_OUT_OF_RANGE);
    assert_fails(kofn_decoder_add(d, SIZE_MAX, &error), KOFN_OUT_OF_RANGE);
    assert_int_equal(kofn_decoder_get_count(d), 2);
    assert_int_equal(kofn_decoder_get_missing(d), 3);
    assert_true(kofn_decoder_has(d, 5) && kofn_decoder_has(d, 1));
    assert_false(kofn_decoder_has(d, 0) || kofn_decoder_has(d, 6));
    kofn_decoder_destroy(&d);
    kofn_decoder_destroy(&d); // accepts NULL
    kofn_code_destroy(&code);
}

static void
the_decoder_keeps_its_code_alive(void **state)
{
    (void)state;
    const test_code t = {.family = "rkrp", .partition = "2,1,1", .tasks = 3};
    kofn_code *code = make_code(&t, "f64", 1);
    kofn_decoder *d = new_decoder(code, 0);
    kofn_code_destroy(&code);
    const size_t tasks[] = {2, 0};
    add_all(d, tasks, 2);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
    kofn_decoder_destroy(&d);
}

/* ---- plans ----------------------------------------------------------------------------------- */

static void
all_plain_answers_decode_by_copies(void **state)
{
    (void)state;
    const test_code t = {.family = "rkrp", .partition = "2,1,2", .tasks = 6};
    kofn_code *code = make_code(&t, "f64", 1);
    kofn_decoder *d = new_decoder(code, 0);
    const size_t tasks[] = {2, 4, 0, 1, 3}; // a coded one among them, which is not needed
    add_all(d, tasks, 4);
    kofn_decoder *all = new_decoder(code, 1); // too strict for any coded set: waits for the copies
    add_all(all, tasks, 5);
    assert_int_equal(kofn_decoder_get_state(all), KOFN_DECODE_EXACT);
    kofn_decode_plan plan = plan_of(all);
    assert_int_equal(plan.used, 4);
    for (size_t target = 0; target < 4; target++)
        for (size_t u = 0; u < 4; u++)
            assert_true(plan.coef[target * 4 + u] == (plan.task[u] == target ? 1 : 0));
    assert_true(plan.quality.amplification == 1);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&all);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

static void
what_is_plain_is_copied_even_when_a_block_is_lost(void **state)
{
    (void)state;
    const test_code t = {.family = "rkrp", .partition = "2,1,2", .tasks = 6};
    kofn_code *code = make_code(&t, "f64", 1);
    kofn_decoder *d = new_decoder(code, 0);
    const size_t tasks[] = {3, 5, 0, 1};
    add_all(d, tasks, 4);
    kofn_decode_plan plan = plan_of(d);
    assert_int_equal(plan.used, 4);
    for (size_t u = 0; u < 4; u++)
        assert_int_equal(plan.task[u], tasks[u]); // in the order of their arrival
    for (size_t target = 0; target < 4; target++)
        for (size_t u = 0; u < 4 && target != 2; u++)
            assert_true(plan.coef[target * 4 + u] == (plan.task[u] == target ? 1 : 0));
    assert_at_most(residual_of_plan(code, &plan), 4 * 0x1p-52 * plan.quality.amplification);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

static void
sums_over_the_inner_split_use_all_their_answers(void **state)
{
    (void)state;
    const test_code t = {.family = "uncoded", .partition = "1,3,2"};
    kofn_code *code = make_code(&t, "f64", 1);
    kofn_decoder *d = new_decoder(code, 0);
    const size_t tasks[] = {0, 1, 3, 2, 5, 4};
    add_all(d, tasks, 4);
    assert_int_equal(kofn_decoder_get_missing(d), 1); // C_00 is complete, C_01 is not
    add_all(d, tasks + 4, 2);
    kofn_decode_plan plan = plan_of(d);
    for (size_t target = 0; target < 2; target++)
        for (size_t u = 0; u < 6; u++)
            assert_true(plan.coef[target * 6 + u] == (plan.task[u] / 3 == target ? 1 : 0));
    assert_at_most(fabs(plan.quality.amplification - sqrt(3)), 4 * 0x1p-52); // 3 ones over |T_t|
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

/* Random sets of random codes: D G_R = T, which is all that a plan must be. */
static void
plans_solve_d_g_is_t(void **state)
{
    (void)state;
    static const test_code codes[] = {
        {.family = "rkrp", .partition = "3,1,4", .tasks = 16},
        {.family = "rkrp", .partition = "3,1,4", .tasks = 16, .set = "systematic=no"},
        {.family = "rkrp", .partition = "2,2,1", .tasks = 12},
        {.family = "polynomial", .partition = "2,1,4", .tasks = 11},
        {.family = "replication", .partition = "2,2,2"},
    };
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(3), 0);
    for (size_t i = 0; i < 5 * 40; i++) {
        size_t tasks[64];
        kofn_code *code = make_code(&codes[i % 5], "f64", i + 1);
        kofn_decoder *d = new_decoder(code, INFINITY);
        for (size_t task = 0; task < code->tasks; task++)
            tasks[task] = task;
        shuffle(&rng, tasks, code->tasks);
        add_all(d, tasks, code->threshold);
        kofn_decode_plan plan = plan_of(d);
        assert_at_most(plan.used, code->threshold);
        /* D has entries up to the amplification; each sum has `used` of them */
        assert_at_most(residual_of_plan(code, &plan),
                       (double)plan.used * 0x1p-52 * plan.quality.amplification);
        kofn_decode_plan_fini(&plan);
        kofn_decoder_destroy(&d);
        kofn_code_destroy(&code);
    }
}

/* ---- states ---------------------------------------------------------------------------------- */

static void
a_badly_conditioned_set_is_poor_until_one_more_answer_mends_it(void **state)
{
    (void)state;
    /* Tasks 0 and 1 nearly repeat each other; with task 2 the set is fine. */
    const double rows[] = {1, 1, 1, /**/ 1, 1 + 1e-7, 1, /**/ 1, -1, 1};
    kofn_code *code = code_of_rows((kofn_partition){.x = 2, .z = 1, .y = 1}, 3, rows);
    kofn_decoder *d = new_decoder(code, 0);
    const size_t tasks[] = {0, 1, 2};
    add_all(d, tasks, 2);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_POOR);
    kofn_decode_plan poor = plan_of(d); // usable all the same
    assert_at_most(1e7, poor.quality.amplification);
    assert_true(kofn_decoder_would_suffice(d, NULL, 0));
    add_all(d, tasks + 2, 1);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
    kofn_decode_plan good = plan_of(d);
    assert_at_most(good.quality.amplification, 10);
    assert_at_most(residual_of_plan(code, &good), 16 * 0x1p-52);
    kofn_decode_plan_fini(&poor);
    kofn_decode_plan_fini(&good);
    kofn_decoder_destroy(&d);

    d = new_decoder(code, 1e9); // a caller who does not mind
    add_all(d, tasks, 2);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

/* Rows (1, 1) and (1, 1 + d) amplify errors 2 sqrt(2) / d times, up to a term in d. */
static void
the_default_limit_keeps_eleven_sixteenths_of_the_digits(void **state)
{
    (void)state;
    static const char *const fields[] = {"f64", "f32"};
    for (size_t i = 0; i < 4; i++) {
        const kofn_field *field = kofn_field_find(fields[i / 2]);
        const double limit = pow(field->epsilon, -5.0 / 16);
        const double d = 2 * sqrt(2) / limit / (i % 2 ? 0.9 : 1.1);
        const double rows[] = {1, 1, 1, 1, 1 + d, 1};
        kofn_code *code = code_of_rows((kofn_partition){.x = 2, .z = 1, .y = 1}, 2, rows);
        code->field = field;
        kofn_decoder *decoder = new_decoder(code, 0);
        add_all(decoder, (const size_t[]){0, 1}, 2);
        assert_int_equal(kofn_decoder_get_state(decoder),
                         i % 2 ? KOFN_DECODE_EXACT : KOFN_DECODE_POOR);
        kofn_decoder_destroy(&decoder);
        kofn_code_destroy(&code);
    }
}

/* A product that is asked for twice costs no second answer. */
static void
targets_that_share_columns_may_be_more_than_the_answers(void **state)
{
    (void)state;
    const double rows[] = {1, 2, 1, 3, 1, 1};
    kofn_code *code = code_of_rows((kofn_partition){.x = 2, .z = 1, .y = 1}, 2, rows);
    const double targets[] = {1, 2, -2, -4};
    set_targets(code, 2, targets);
    kofn_decoder *d = new_decoder(code, 0);
    assert_false(kofn_decoder_would_suffice(d, (const size_t[]){1}, 1));
    code->threshold = 3; // no shortcut
    assert_true(kofn_decoder_would_suffice(d, (const size_t[]){0}, 1));
    add_all(d, (const size_t[]){0}, 1);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
    kofn_decode_plan plan = plan_of(d);
    assert_at_most(residual_of_plan(code, &plan), 8 * 0x1p-52);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

static void
what_is_poor_in_f32_may_be_fine_in_f64(void **state)
{
    (void)state;
    const test_code t = {.family = "polynomial", .partition = "3,1,3", .tasks = 12};
    for (int wide = 0; wide < 2; wide++) {
        kofn_code *code = make_code(&t, wide ? "f64" : "f32", 1);
        kofn_decoder *d = new_decoder(code, 0);
        for (size_t task = 0; task < 9; task++)
            add_all(d, &task, 1);
        kofn_decode_plan plan = plan_of(d);
        assert_at_most(181, plan.quality.amplification);
        assert_at_most(plan.quality.amplification, 9.7e4);
        assert_int_equal(kofn_decoder_get_state(d), wide ? KOFN_DECODE_EXACT : KOFN_DECODE_POOR);
        kofn_decode_plan_fini(&plan);
        kofn_decoder_destroy(&d);
        kofn_code_destroy(&code);
    }
}

static void
assert_late_answers_change_no_plan(const char *family, const char *partition, const char *field)
{
    const test_code t = {.family = family, .partition = partition, .tasks = 7};
    kofn_code *code = make_code(&t, field, 1);
    kofn_decoder *d = new_decoder(code, INFINITY);
    const size_t tasks[] = {6, 0, 4, 1, 2, 3}; // the last two would replace the coded ones
    add_all(d, tasks, 4);
    kofn_decode_plan first = plan_of(d);
    add_all(d, tasks + 4, 2);
    kofn_decode_plan second = plan_of(d);
    assert_int_equal(kofn_decoder_get_count(d), 6);
    assert_int_equal(first.used, second.used);
    assert_memory_equal(first.task, second.task, first.used * sizeof *first.task);
    assert_memory_equal(first.coef, second.coef, first.targets * first.used * sizeof *first.coef);
    kofn_decode_plan_fini(&first);
    kofn_decode_plan_fini(&second);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

static void
answers_after_a_good_set_are_counted_and_change_no_plan(void **state)
{
    (void)state;
    assert_late_answers_change_no_plan("rkrp", "2,1,2", "f64");
    assert_late_answers_change_no_plan("polynomial", "2,1,2", "gfp:257"); // solved when asked for
    assert_late_answers_change_no_plan("matdot", "1,2,1", "gfp:257");
}

/* ---- what if --------------------------------------------------------------------------------- */

static void
asking_what_would_suffice_changes_nothing(void **state)
{
    (void)state;
    kofn_error error;
    const test_code t = {.family = "rkrp", .partition = "2,1,2", .tasks = 6};
    kofn_code *code = make_code(&t, "f64", 1);
    kofn_decoder *d = new_decoder(code, 0);
    const size_t tasks[] = {0, 4};
    add_all(d, tasks, 2);
    assert_false(kofn_decoder_would_suffice(d, (const size_t[]){1}, 1));
    assert_false(kofn_decoder_would_suffice(d, (const size_t[]){1, 1, 1}, 3)); // repeats are one
    assert_false(kofn_decoder_would_suffice(d, (const size_t[]){0, 4, 1}, 3)); // here already
    assert_true(kofn_decoder_would_suffice(d, (const size_t[]){1, 5}, 2));
    assert_true(kofn_decoder_would_suffice(d, (const size_t[]){5, 1, 2, 3}, 4));
    assert_int_equal(kofn_decoder_get_count(d), 2);
    assert_int_equal(kofn_decoder_get_missing(d), 3);
    for (size_t task = 0; task < 6; task++)
        assert_int_equal(kofn_decoder_has(d, task), task == 0 || task == 4);
    assert_ok(kofn_decoder_add(d, 1, &error));
    assert_ok(kofn_decoder_add(d, 5, &error));
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

static bool
brute_completes(const kofn_code *code, const size_t *have, size_t had, const size_t *more,
                size_t count)
{
    size_t all[64];
    memcpy(all, have, had * sizeof *all);
    memcpy(all + had, more, count * sizeof *all);
    return brute_suffices(code, all, had + count);
}

static void
suggestions_complete_the_set_and_none_of_them_can_be_left_out(void **state)
{
    (void)state;
    kofn_error error;
    static const test_code codes[] = {
        {.family = "rkrp", .partition = "2,1,2", .tasks = 7},
        {.family = "rkrp", .partition = "1,2,1", .tasks = 6},
        {.family = "polynomial", .partition = "2,1,3", .tasks = 9},
        {.family = "replication", .partition = "2,1,2", .set = "copies=3"},
        {.family = "uncoded", .partition = "2,2,2"},
    };
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(8), 0);
    for (size_t i = 0; i < 5 * 60; i++) {
        size_t tasks[64], more[64], count;
        kofn_code *code = make_code(&codes[i % 5], "f64", i + 1);
        kofn_decoder *d = new_decoder(code, INFINITY);
        for (size_t task = 0; task < code->tasks; task++)
            tasks[task] = task;
        shuffle(&rng, tasks, code->tasks);
        const size_t had = kofn_rng_below(&rng, code->tasks + 1);
        add_all(d, tasks, had);
        assert_ok(kofn_decoder_suggest(d, more, &count, &error));
        assert_true(brute_completes(code, tasks, had, more, count));
        for (size_t out = 0; out < count; out++) {
            size_t fewer[64], n = 0;
            for (size_t s = 0; s < count; s++)
                if (s != out)
                    fewer[n++] = more[s];
            assert_false(brute_completes(code, tasks, had, fewer, n));
            assert_false(kofn_decoder_has(d, more[out]));
            assert_true(out == 0 || more[out - 1] < more[out]);
        }
        kofn_decoder_destroy(&d);
        kofn_code_destroy(&code);
    }
}

static void
a_code_that_cannot_decode_has_no_suggestion(void **state)
{
    (void)state;
    kofn_error error;
    const double rows[] = {1, 1, 1, 2, 2, 1}; // twice the same row
    kofn_code *code = code_of_rows((kofn_partition){.x = 2, .z = 1, .y = 1}, 2, rows);
    kofn_decoder *d = new_decoder(code, 0);
    size_t more[2], count = 77;
    assert_fails(kofn_decoder_suggest(d, more, &count, &error), KOFN_FAILED_PRECONDITION);
    assert_int_equal(count, 77);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

/* What rounding does to a large real Vandermonde matrix, in small: k answers that do not decode. */
static void
a_threshold_that_was_refuted_is_not_believed_again(void **state)
{
    (void)state;
    const double rows[] = {1, 1, 1, /**/ 2, 2, 1, /**/ 3, 3, 1, /**/ 1, 2, 1};
    kofn_code *code = code_of_rows((kofn_partition){.x = 2, .z = 1, .y = 1}, 4, rows);
    code->threshold = 2;
    kofn_decoder *d = new_decoder(code, 0);
    assert_true(kofn_decoder_would_suffice(d, (const size_t[]){0, 1}, 2)); // as it says
    add_all(d, (const size_t[]){0, 1}, 2);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_NOT_YET);
    assert_false(kofn_decoder_would_suffice(d, (const size_t[]){2}, 1));
    assert_true(kofn_decoder_would_suffice(d, (const size_t[]){2, 3}, 2));
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

/* ---- the sketches of README.md --------------------------------------------------------------- */

static void
matdot_decodes_without_full_column_rank(void **state)
{
    (void)state;
    const double points[] = {1, 2, 3};
    kofn_code *code = matdot_code(3, points);
    kofn_decoder *d = new_decoder(code, 0);
    add_all(d, (const size_t[]){0, 1}, 2);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_NOT_YET);
    add_all(d, (const size_t[]){2}, 1);
    kofn_decode_plan plan = plan_of(d);
    const double expected[] = {-2.5, 4, -1.5};
    for (size_t u = 0; u < 3; u++)
        assert_at_most(fabs(plan.coef[u] - expected[u]), 1e-13);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

static void
matdot_at_opposite_points_needs_two_answers_only(void **state)
{
    (void)state;
    const double points[] = {3, 1, -1};
    kofn_code *code = matdot_code(3, points);
    kofn_decoder *d = new_decoder(code, 0);
    add_all(d, (const size_t[]){1, 2}, 2);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

/* Two pairs of matrices, stacked: grids and targets of their own. */
static void
a_batch_of_pairs_decodes_from_any_three(void **state)
{
    (void)state;
    const double points[] = {0, 1, 2, 3, -1};
    double rows[20];
    for (size_t i = 0; i < 5; i++) {
        const double row[] = {1 - points[i], points[i], 1 - points[i], points[i]};
        memcpy(rows + 4 * i, row, sizeof row);
    }
    kofn_code *code = code_of_rows((kofn_partition){.x = 2, .z = 1, .y = 2}, 5, rows);
    code->grid[1] = code->out = (kofn_grid){.rows = 2, .cols = 1};
    set_targets(code, 2, (const double[]){1, 0, 0, 0, 0, 0, 0, 1});
    code->threshold = 3;

    size_t tasks[5];
    for (uint64_t mask = 0; mask < 32; mask++) {
        const size_t count = list_mask(mask, tasks);
        kofn_decoder *d = new_decoder(code, INFINITY);
        add_all(d, tasks, count);
        const bool plain = (mask & 3) == 3; // both nodes: the products themselves
        assert_int_equal(kofn_decoder_get_state(d) != KOFN_DECODE_NOT_YET, count >= 3 || plain);
        kofn_decoder_destroy(&d);
    }
    kofn_decoder *d = new_decoder(code, INFINITY);
    add_all(d, (const size_t[]){2, 3, 4}, 3);
    kofn_decode_plan plan = plan_of(d);
    const double expected[] = {1, -0.5, 0.5, 4.0 / 3, -0.5, 1.0 / 6};
    for (size_t i = 0; i < 6; i++)
        assert_at_most(fabs(plan.coef[i] - expected[i]), 1e-14);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

/* Strassen's seven products, each cut 2 x 2 and protected by five random rows: over the reals here,
 * with the signs that characteristic 2 does not need. */
static kofn_code *
strassen_code(kofn_rng *rng)
{
    static const int sa[7][4] = {{1, 0, 0, 1}, {0, 0, 1, 1},  {1, 0, 0, 0}, {0, 0, 0, 1},
                                 {1, 1, 0, 0}, {-1, 0, 1, 0}, {0, 1, 0, -1}};
    static const int sb[7][4] = {{1, 0, 0, 1}, {1, 0, 0, 0}, {0, 1, 0, -1}, {-1, 0, 1, 0},
                                 {0, 0, 0, 1}, {1, 1, 0, 0}, {0, 0, 1, 1}};
    double rows[35 * 16];
    for (size_t task = 0; task < 35; task++) {
        double *a = rows + 16 * task, *b = a + 8;
        const int *of_a = sa[task / 5], *of_b = sb[task / 5];
        const double ga[] = {kofn_rng_normal(rng), kofn_rng_normal(rng)};
        const double gb[] = {kofn_rng_normal(rng), kofn_rng_normal(rng)};
        for (size_t p = 0; p < 2; p++)
            for (size_t q = 0; q < 2; q++)
                for (size_t i = 0; i < 2; i++) {
                    a[(2 * p + i) * 2 + q] = of_a[2 * p + q] * ga[i]; // A is 4 x 2 blocks
                    b[q * 4 + 2 * p + i] = of_b[2 * q + p] * gb[i];   // B is 2 x 4
                }
    }
    kofn_code *code = code_of_rows((kofn_partition){.x = 4, .z = 2, .y = 4}, 35, rows);
    code->threshold = 34;
    return code;
}

static void
strassen_with_local_codes_decodes_when_each_group_has_four(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(35), 0);
    kofn_code *code = strassen_code(&rng);
    for (int trial = 0; trial < 200; trial++) {
        size_t tasks[35], group[7] = {0};
        for (size_t task = 0; task < 35; task++)
            tasks[task] = task;
        shuffle(&rng, tasks, 35);
        kofn_decoder *d = new_decoder(code, INFINITY);
        for (size_t i = 0; i < 35; i++) {
            add_all(d, tasks + i, 1);
            group[tasks[i] / 5]++;
            bool complete = true;
            for (size_t g = 0; g < 7; g++)
                complete = complete && group[g] >= 4;
            assert_int_equal(kofn_decoder_get_state(d) != KOFN_DECODE_NOT_YET, complete);
            assert_true(i + 1 < code->threshold || complete);
        }
        kofn_decoder_destroy(&d);
    }
    kofn_code_destroy(&code);
}

/* As one worker sends them: task by task, from neighbouring points. Answer by answer these depend
 * on each other up to rounding, and all together have a condition of some tens. */
static void
answers_in_order_of_their_points_decode_once_all_are_there(void **state)
{
    (void)state;
    static const struct {
        test_code code;
        size_t k;
    } cases[] = {
        {{.family = "orthopoly", .partition = "10,1,10", .tasks = 120}, 100},
        {{.family = "orthopoly", .partition = "12,1,12", .tasks = 172}, 144},
        {{.family = "orthomatdot", .partition = "1,40,1", .tasks = 95}, 79},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_code *code = make_code(&cases[i].code, "f64", 1);
        kofn_decoder *d = new_decoder(code, 0);
        size_t tasks[172];
        for (size_t task = 0; task < code->tasks; task++)
            tasks[task] = task;
        add_all(d, tasks, cases[i].k);
        const bool early = kofn_decoder_get_state(d) == KOFN_DECODE_EXACT;
        const size_t more = code->tasks - cases[i].k;
        assert_true(early || kofn_decoder_would_suffice(d, tasks + cases[i].k, more));
        add_all(d, tasks + cases[i].k, more);
        assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
        assert_int_equal(kofn_decoder_get_missing(d), 0);
        kofn_decode_plan plan = plan_of(d);
        assert_at_most(residual_of_plan(code, &plan), 1e-15 * plan.quality.amplification);
        kofn_decode_plan_fini(&plan);
        kofn_decoder_destroy(&d);
        kofn_code_destroy(&code);
    }
}

/* In the simulator. */
static void
a_counter_takes_the_threshold_at_its_word_and_makes_no_plan(void **state)
{
    (void)state;
    kofn_error error;
    kofn_decode_plan plan;
    kofn_decoder *d;
    const test_code rows = {.family = "polynomial", .partition = "2,1,2", .tasks = 7};
    const size_t coming[] = {0, 5, 6};
    size_t tasks[7], count;
    kofn_code *code = make_code(&rows, "f64", 1);
    assert_ok(kofn_decoder_new_counter(code, &d, &error));
    add_all(d, (const size_t[]){6, 2, 3}, 3);
    assert_fails(kofn_decoder_add(d, 2, &error), KOFN_ALREADY_EXISTS);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_NOT_YET);
    assert_int_equal(kofn_decoder_get_missing(d), 1);
    assert_true(kofn_decoder_would_help(d, 0));
    assert_false(kofn_decoder_would_help(d, 2));
    assert_true(kofn_decoder_would_suffice(d, coming, 3));
    assert_false(kofn_decoder_would_suffice(d, &coming[2], 1)); // it is here
    assert_fails(kofn_decoder_suggest(d, tasks, &count, &error), KOFN_FAILED_PRECONDITION);
    assert_fails(kofn_decoder_estimate(d, 0x1p-53, &plan, &error), KOFN_FAILED_PRECONDITION);
    add_all(d, coming, 1);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
    assert_int_equal(kofn_decoder_get_missing(d), 0);
    assert_false(kofn_decoder_would_help(d, 5));
    assert_fails(kofn_decoder_plan(d, 0x1p-53, &plan, &error), KOFN_FAILED_PRECONDITION);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

/* Products 0 and 1, and 0 to 2, in one answer. */
static void
a_sum_of_products_that_were_answered_adds_nothing(void **state)
{
    (void)state;
    static const double rows[][4] = {{1, 0, 0, 1}, {0, 1, 0, 1}, {0, 0, 1, 1},
                                     {1, 1, 0, 1}, {1, 2, 3, 1}, {0, 0, 0, 0}};
    kofn_error error;
    kofn_decoder *d;
    kofn_code *code = code_of_rows((kofn_partition){.x = 3, .z = 1, .y = 1}, 6, rows[0]);
    assert_ok(kofn_decoder_new(code, 0, &d, &error));
    assert_true(kofn_decoder_would_help(d, 3));
    assert_true(kofn_decoder_would_help(d, 4));
    assert_false(kofn_decoder_would_help(d, 5));
    static const size_t plain[] = {0, 1};
    add_all(d, plain, 1);
    assert_true(kofn_decoder_would_help(d, 3));
    add_all(d, plain + 1, 1);
    assert_false(kofn_decoder_would_help(d, 3));
    assert_true(kofn_decoder_would_help(d, 4));
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

/* ---- exact arithmetic ------------------------------------------------------------------------ */

static size_t eliminations;
static void (*add_multiple)(const kofn_field *f, size_t len, double by, const double *x, double *y);

static void
count_and_add_multiple(const kofn_field *f, size_t len, double by, const double *x, double *y)
{
    eliminations++;
    add_multiple(f, len, by, x, y);
}

/* Whoever adds answers has a loop to keep going; whoever asks for the plan has time. */
static void
where_the_threshold_is_certain_and_nothing_is_rounded_only_a_plan_computes(void **state)
{
    (void)state;
    const test_code t = {.family = "polynomial", .partition = "4,1,5", .tasks = 28};
    kofn_code *code = make_code(&t, "gfp:257", 1);
    kofn_field *field = (kofn_field *)(uintptr_t)code->field; // made for this code
    add_multiple = field->add_multiple;
    field->add_multiple = count_and_add_multiple;
    kofn_decoder *d = new_decoder(code, 0);
    eliminations = 0;
    for (size_t task = 27; task > 8; task--) {
        add_all(d, &task, 1);
        assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_NOT_YET);
        assert_int_not_equal(kofn_decoder_get_missing(d), 0);
    }
    add_all(d, (const size_t[]){3}, 1);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
    assert_int_equal(kofn_decoder_get_missing(d), 0);
    assert_int_equal(eliminations, 0);

    kofn_decode_plan first = plan_of(d);
    assert_int_not_equal(eliminations, 0);
    assert_int_equal(first.used, 20);
    add_all(d, (const size_t[]){0, 1}, 2); // too late for the plan
    kofn_decode_plan second = plan_of(d);
    assert_int_equal(second.used, 20);
    assert_memory_equal(first.task, second.task, first.used * sizeof *first.task);
    assert_memory_equal(first.coef, second.coef, first.targets * first.used * sizeof *first.coef);
    kofn_decode_plan_fini(&first);
    kofn_decode_plan_fini(&second);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

static size_t solutions;

static kofn_status
count_and_solve(const kofn_span *span, double *ret_d, kofn_span_quality *ret_quality,
                kofn_error *err)
{
    solutions++;
    return kofn_field_find("f64")->span->solve(span, ret_d, ret_quality, err);
}

static void
where_no_condition_is_too_bad_only_a_plan_solves(void **state)
{
    (void)state;
    const test_code t = {.family = "rkrp", .partition = "2,1,2", .tasks = 7};
    kofn_code *code = make_code(&t, "f64", 1);
    kofn_field field = *code->field;
    kofn_span_class counting = *field.span;
    counting.solve = count_and_solve;
    field.span = &counting;
    code->field = &field; // of which nobody counts refs
    for (int wary = 0; wary < 2; wary++) {
        kofn_decoder *d = new_decoder(code, wary ? 1e300 : INFINITY);
        solutions = 0;
        add_all(d, (const size_t[]){6, 0, 4, 1}, 4);
        assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
        assert_int_equal(solutions, wary);
        kofn_decode_plan plan = plan_of(d);
        assert_int_equal(solutions, 1);
        assert_at_most(residual_of_plan(code, &plan), 1e-12);
        kofn_decode_plan_fini(&plan);
        kofn_decoder_destroy(&d);
    }
    kofn_code_destroy(&code);
}

/* Left out, an elimination changes nothing but who makes it. */
static void
a_deferred_elimination_is_made_by_whoever_settles(void **state)
{
    (void)state;
    const test_code t = {
        .family = "rkrp", .partition = "3,1,2", .tasks = 9, .set = "systematic=no"};
    const size_t tasks[] = {8, 0, 5, 4, 7, 2};
    kofn_error error;
    kofn_code *code = make_code(&t, "f64", 1);
    kofn_decoder *d = new_decoder(code, 0), *eager = new_decoder(code, 0), *settled;
    kofn_decoder_defer(d, 0);
    add_all(d, tasks, 5);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_NOT_YET);
    assert_true(kofn_decoder_would_suffice(d, &(size_t){1}, 1)); // by number
    add_all(d, tasks + 5, 1);
    add_all(eager, tasks, 6);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_DUE);
    assert_true(kofn_decoder_is_deferred(d));
    assert_int_equal(kofn_decoder_get_missing(d), 6);
    assert_ok(kofn_decoder_settle(d, &settled, &error));
    assert_int_equal(kofn_decoder_get_state(settled), kofn_decoder_get_state(eager));
    kofn_decoder_tell(d, 6, kofn_decoder_get_state(settled));
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
    assert_false(kofn_decoder_is_deferred(d));

    kofn_decode_plan one = plan_of(d), two = plan_of(settled), three = plan_of(eager);
    const size_t bytes = one.targets * one.used * sizeof *one.coef;
    assert_int_equal(one.used, 6);
    assert_memory_equal(one.coef, three.coef, bytes);
    assert_memory_equal(two.coef, three.coef, bytes);
    kofn_decode_plan_fini(&one);
    kofn_decode_plan_fini(&two);
    kofn_decode_plan_fini(&three);
    kofn_decoder_destroy(&settled);
    kofn_decoder_destroy(&eager);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

static void
what_was_told_to_be_too_few_is_due_after_one_more_two_and_four(void **state)
{
    (void)state;
    const test_code t = {
        .family = "rkrp", .partition = "2,1,2", .tasks = 12, .set = "systematic=no"};
    kofn_code *code = make_code(&t, "f64", 1);
    kofn_decoder *d = new_decoder(code, 0);
    kofn_decoder_defer(d, 0);
    char due[16] = "";
    for (size_t task = 0; task < 12; task++) {
        add_all(d, &task, 1);
        const bool is_due = kofn_decoder_get_state(d) == KOFN_DECODE_DUE;
        due[task] = is_due ? '!' : '.';
        if (is_due)
            kofn_decoder_tell(d, task + 1, KOFN_DECODE_NOT_YET);
    }
    assert_string_equal(due, "...!!.!...!!"); // the last one, since there are no more
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

/* A set that is poor stays decodable, whatever a trial of more answers says of it; and what plain
 * answers complete needs none. */
static void
what_was_told_holds_until_the_decoder_knows_better(void **state)
{
    (void)state;
    const test_code t = {
        .family = "rkrp", .partition = "2,1,2", .tasks = 9, .set = "systematic=yes"};
    kofn_code *code = make_code(&t, "f64", 1);
    kofn_decoder *d = new_decoder(code, 0);
    kofn_decoder_defer(d, 0);
    add_all(d, (const size_t[]){4, 5, 6, 7}, 4);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_DUE);
    kofn_decoder_tell(d, 4, KOFN_DECODE_POOR);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_POOR);
    add_all(d, (const size_t[]){0}, 1);
    kofn_decoder_tell(d, 5, KOFN_DECODE_NOT_YET);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_POOR);
    add_all(d, (const size_t[]){1, 2, 3}, 3);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
    kofn_decoder_tell(d, 5, KOFN_DECODE_NOT_YET);
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
    kofn_decode_plan plan = plan_of(d);
    assert_true(plan.quality.amplification == 1);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

/* By the sum that decode_plan.h says, with norms of rows of G taken from G. */
static void
doubt_in_answers_widens_the_bound_by_what_they_count_for(void **state)
{
    (void)state;
    kofn_error error;
    static const test_code t = {.family = "polynomial", .partition = "2,1,2", .tasks = 7};
    kofn_code *code = make_code(&t, "f64", 1);
    kofn_decoder *d;
    kofn_decode_plan plan;
    assert_ok(kofn_decoder_new(code, INFINITY, &d, &error));
    for (size_t task = 2; task < 6; task++)
        assert_ok(kofn_decoder_add(d, task, &error));
    assert_ok(kofn_decoder_plan(d, 1e-12, &plan, &error));
    const double before = plan.rounding;
    long double squares = 0;
    for (size_t target = 0; target < plan.targets; target++) {
        long double growth = 0;
        for (size_t u = 0; u < plan.used; u++) {
            long double row[4], square = 0;
            brute_row(code, plan.task[u], row);
            for (size_t c = 0; c < 4; c++)
                square += row[c] * row[c];
            growth += fabsl(plan.coef[target * plan.used + u]) * sqrtl(square);
        }
        squares += growth * growth;
    }
    const double more = (double)(1e-3L * sqrtl(squares));
    assert_ok(kofn_decode_plan_doubt(&plan, code, 1e-3, &error));
    assert_at_most(fabs(plan.rounding - before - more), 1e-12 * more);
    assert_ok(kofn_decode_plan_doubt(&plan, code, 0, &error));
    assert_at_most(fabs(plan.rounding - before - more), 1e-12 * more);
    assert_ok(kofn_decode_plan_doubt(&plan, code, INFINITY, &error));
    assert_true(isinf(plan.rounding));
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            where_the_threshold_is_certain_and_nothing_is_rounded_only_a_plan_computes),
        cmocka_unit_test(where_no_condition_is_too_bad_only_a_plan_solves),
        cmocka_unit_test(a_whole_product_is_done_after_its_one_answer),
        cmocka_unit_test(repeats_and_unknown_tasks_are_refused_and_change_nothing),
        cmocka_unit_test(the_decoder_keeps_its_code_alive),
        cmocka_unit_test(all_plain_answers_decode_by_copies),
        cmocka_unit_test(what_is_plain_is_copied_even_when_a_block_is_lost),
        cmocka_unit_test(sums_over_the_inner_split_use_all_their_answers),
        cmocka_unit_test(plans_solve_d_g_is_t),
        cmocka_unit_test(a_badly_conditioned_set_is_poor_until_one_more_answer_mends_it),
        cmocka_unit_test(the_default_limit_keeps_eleven_sixteenths_of_the_digits),
        cmocka_unit_test(targets_that_share_columns_may_be_more_than_the_answers),
        cmocka_unit_test(what_is_poor_in_f32_may_be_fine_in_f64),
        cmocka_unit_test(answers_after_a_good_set_are_counted_and_change_no_plan),
        cmocka_unit_test(asking_what_would_suffice_changes_nothing),
        cmocka_unit_test(suggestions_complete_the_set_and_none_of_them_can_be_left_out),
        cmocka_unit_test(a_code_that_cannot_decode_has_no_suggestion),
        cmocka_unit_test(a_threshold_that_was_refuted_is_not_believed_again),
        cmocka_unit_test(matdot_decodes_without_full_column_rank),
        cmocka_unit_test(matdot_at_opposite_points_needs_two_answers_only),
        cmocka_unit_test(a_batch_of_pairs_decodes_from_any_three),
        cmocka_unit_test(strassen_with_local_codes_decodes_when_each_group_has_four),
        cmocka_unit_test(answers_in_order_of_their_points_decode_once_all_are_there),
        cmocka_unit_test(a_counter_takes_the_threshold_at_its_word_and_makes_no_plan),
        cmocka_unit_test(a_deferred_elimination_is_made_by_whoever_settles),
        cmocka_unit_test(what_was_told_to_be_too_few_is_due_after_one_more_two_and_four),
        cmocka_unit_test(what_was_told_holds_until_the_decoder_knows_better),
        cmocka_unit_test(doubt_in_answers_widens_the_bound_by_what_they_count_for),
        cmocka_unit_test(a_sum_of_products_that_were_answered_adds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
