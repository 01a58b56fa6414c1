/* Estimates by real daemons: accepted within an error, as promised, as the best at a deadline; and
 * what the account says of their error holds against the true product. */
#include "tests/assert.h"
#include "tests/integration/cluster.h"

#include <cblas.h>
#include <math.h>

#define STUCK "inject:\n  sleep: 1h\n"
#define LATE  "inject:\n  sleep: 300ms\n"

enum { SIDE = 60, LARGE = 1024 }; // of a large product: pieces of it are decoded side by side

typedef struct scene {
    cluster *c;
    size_t side; // rows and columns of the product; its inner size is SIDE
    double *a, *b, *truth;
    double scale; // |A|_F |B|_F
    kofn_product_options options;
} scene;

static double
norm_of(const double *at, size_t count)
{
    return cblas_dnrm2((int)count, at, 1);
}

/* `plain` good workers and `odd` ones that do as the yaml says, all ready, and what they are to
 * multiply. */
static scene
begin_sized(void **state, size_t side, size_t plain, size_t odd, const char *yaml)
{
    scene s = {.c = cluster_new_ready(state, "", plain), .side = side};
    for (size_t i = 0; i < odd; i++)
        cluster_start_worker(s.c, plain + i, yaml);
    cluster_await_workers(s.c, plain + odd);
    s.a = test_matrix(side, SIDE, 1);
    s.b = test_matrix(SIDE, side, 2);
    s.truth = calloc(side * side, sizeof *s.truth);
    assert_non_null(s.truth);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)side, (int)side, SIDE, 1, s.a, SIDE,
                s.b, (int)side, 0, s.truth, (int)side);
    s.scale = norm_of(s.a, side * SIDE) * norm_of(s.b, SIDE * side);
    s.options.policy = "oneshot";
    s.options.timeout_ms = PATIENCE_S * 1000;
    return s;
}

static scene
begin(void **state, size_t plain, size_t odd, const char *yaml)
{
    return begin_sized(state, SIDE, plain, odd, yaml);
}

static void
end(scene *s)
{
    free(s->a);
    free(s->b);
    free(s->truth);
}

static void
use_code(scene *s, const char *family, const char *partition, uint64_t tasks)
{
    kofn_error error;
    kofn_code_choice *code = &s->options.code;
    *code = (kofn_code_choice){.tasks = tasks};
    assert_ok(kofn_code_choice_set(code, "family", family, &error));
    assert_ok(kofn_code_choice_set(code, "partition", partition, &error));
}

/* Any 3 of 6 give the product within 0.2, any 4 within 0.01, and any 5 give it: points that are not
 * as small as the default's, which are tuned for 3. */
static void
use_near_code(scene *s)
{
    kofn_error error;
    use_code(s, "eps_matdot", "1,3,1", 6);
    assert_ok(kofn_code_choice_set(&s->options.code, "gamma", "30", &error));
}

static kofn_call *
start(scene *s)
{
    kofn_error error;
    kofn_call *call = NULL;
    const kofn_matrix a = test_view(s->a, s->side, SIDE), b = test_view(s->b, SIDE, s->side);
    assert_ok(kofn_client_start(cluster_get_client(s->c), &a, &b, &s->options, &call, &error));
    return call;
}

/* |C' - C| in Frobenius norm. */
static double
distance(const scene *s, kofn_result *result)
{
    kofn_error error;
    const size_t count = s->side * s->side;
    double *product = calloc(count, sizeof *product);
    assert_non_null(product);
    assert_ok(kofn_result_copy(result, product, 0, &error));
    cblas_daxpy((int)count, -1, s->truth, 1, product, 1);
    const double off = norm_of(product, count);
    free(product);
    return off;
}

/* The outcome, whose bound must hold: |C' - C| <= error_bound |A| |B|, with room for what the true
 * product was rounded itself. */
static kofn_account
finish(scene *s, kofn_call *call)
{
    kofn_error error;
    kofn_result *result = NULL;
    assert_ok(kofn_call_finish(&call, &result, &error));
    const kofn_account account = *kofn_result_get_account(result);
    assert_true(account.error_bound > 0);
    assert_at_most(distance(s, result), (account.error_bound + SIDE * 0x1p-53) * s->scale);
    kofn_result_destroy(&result);
    return account;
}

static kofn_account
multiply(scene *s)
{
    return finish(s, start(s));
}

static kofn_status
try_multiply(scene *s, kofn_error *error)
{
    kofn_result *result = NULL;
    const kofn_matrix a = test_view(s->a, s->side, SIDE), b = test_view(s->b, SIDE, s->side);
    kofn_status status =
        kofn_client_multiply(cluster_get_client(s->c), &a, &b, &s->options, &result, error);
    kofn_result_destroy(&result);
    return status;
}

/* ---- promises -------------------------------------------------------------------------------- */

static void
an_approximate_family_ends_with_fewer_answers_than_the_product_takes(void **state)
{
    scene s = begin(state, 3, 3, STUCK);
    for (int tuned = 0; tuned < 2; tuned++) {
        use_near_code(&s);
        s.options.code.set_count -= tuned; // gamma's default
        const kofn_account account = multiply(&s);
        assert_string_equal(account.error_kind, "estimate");
        assert_int_equal(account.answers_used, 3);
        assert_int_equal(account.enough, 3);
        assert_int_equal(account.threshold, 5);
        assert_at_most(account.error_bound, tuned ? 1e-2 : 0.2);
    }
    end(&s);
}

static void
what_stuck_workers_hold_is_replaced_where_the_product_is_asked_for(void **state)
{
    scene s = begin(state, 3, 3, STUCK);
    use_near_code(&s);
    s.options.accept.kind = KOFN_ACCEPT_EXACTLY;
    kofn_call *call = start(&s);
    for (size_t worker = 3; worker < 6; worker++)
        cluster_await_running(s.c, worker, 1);
    for (size_t worker = 3; worker < 6; worker++)
        cluster_signal_worker(s.c, worker, SIGKILL);
    const kofn_account account = finish(&s, call);
    assert_string_equal(account.error_kind, "rounding");
    assert_true(account.answers_used >= 5 && account.replaced >= 2);
    end(&s);
}

static void
time_to_settle_turns_an_estimate_into_the_product(void **state)
{
    scene s = begin(state, 3, 3, LATE);
    use_near_code(&s);
    s.options.settle_ms = PATIENCE_S * 1000;
    const kofn_account account = multiply(&s);
    assert_string_equal(account.error_kind, "rounding");
    assert_true(account.waited);
    assert_true(account.answers_used >= 5);
    end(&s);
}

static void
time_to_settle_that_is_over_leaves_the_estimate(void **state)
{
    scene s = begin(state, 4, 2, STUCK);
    use_near_code(&s);
    s.options.settle_ms = 1500;
    const kofn_account account = multiply(&s);
    assert_string_equal(account.error_kind, "estimate");
    assert_true(account.waited);
    assert_int_equal(account.answers_used, 4);
    assert_true(account.error_estimate > 0); // by the fourth, which three did without
    end(&s);
}

static void
a_large_estimate_is_compared_beside_its_pieces(void **state)
{
    scene s = begin_sized(state, LARGE, 4, 2, STUCK);
    use_near_code(&s);
    s.options.settle_ms = 1500;
    const kofn_account account = multiply(&s);
    assert_string_equal(account.error_kind, "estimate");
    assert_int_equal(account.answers_used, 4);
    assert_true(account.error_estimate > 0);
    end(&s);
}

/* ---- within an error ------------------------------------------------------------------------- */

static void
a_job_within_an_error_ends_though_workers_are_frozen_and_killed(void **state)
{
    static const int signals[] = {SIGSTOP, SIGKILL};
    scene s = begin(state, 4, 2, STUCK);
    use_near_code(&s);
    s.options.accept = (kofn_accept_options){.kind = KOFN_ACCEPT_WITHIN, .error = 0.01};
    for (size_t i = 0; i < 2; i++)
        cluster_signal_worker(s.c, 4 + i, signals[i]);
    const kofn_account account = multiply(&s);
    assert_true(account.error_bound <= 0.01);
    assert_true(account.answers_used < 5);
    assert_string_equal(account.error_kind, "estimate");
    assert_int_equal(account.accept.kind, KOFN_ACCEPT_WITHIN);
    assert_true(account.accept.error == 0.01);
    end(&s);
}

/* So small that only the product will do, and small enough for that. */
static void
a_small_error_is_met_by_the_product(void **state)
{
    scene s = begin(state, 3, 0, "");
    use_code(&s, "polynomial", "2,1,2", 5);
    s.options.accept = (kofn_accept_options){.kind = KOFN_ACCEPT_WITHIN, .error = 1e-10};
    const kofn_account account = multiply(&s);
    assert_string_equal(account.error_kind, "rounding");
    assert_true(account.error_bound <= 1e-10);
    end(&s);
}

typedef struct onlooker {
    double bound; // the smallest that was shown while the job ran
    cluster *c;
} onlooker;

static bool
look_on(void *context, const kofn_account *account)
{
    onlooker *o = context;
    if (strcmp(account->state, "running") == 0 && account->error_bound > 0 &&
        account->error_bound < o->bound)
        o->bound = account->error_bound;
    return !(o->bound < INFINITY); // enough seen: that cancels the job
}

static void
the_bound_reached_so_far_is_shown_while_a_job_runs(void **state)
{
    kofn_error error;
    scene s = begin(state, 3, 3, STUCK);
    use_near_code(&s);
    onlooker o = {.bound = INFINITY, .c = s.c};
    s.options.accept = (kofn_accept_options){.kind = KOFN_ACCEPT_WITHIN, .error = 1e-7};
    s.options.progress = look_on;
    s.options.context = &o;
    assert_fails(try_multiply(&s, &error), KOFN_CANCELLED);
    assert_true(o.bound > 1e-7 && o.bound < 1.1);
    end(&s);
}

/* ---- the best at the deadline ---------------------------------------------------------------- */

static void
a_deadline_ends_with_the_best_estimate_and_its_bound(void **state)
{
    scene s = begin(state, 3, 1, STUCK);
    use_code(&s, "uncoded", "2,1,2", 4); // a block of four is missing
    s.options.deadline_best = true;
    s.options.timeout_ms = 3000;
    const kofn_account account = multiply(&s);
    assert_string_equal(account.error_kind, "estimate");
    assert_int_equal(account.answers_used, 3);
    assert_true(account.error_bound >= 0.9);
    end(&s);
}

static void
a_deadline_of_a_coded_job_ends_with_a_better_estimate(void **state)
{
    scene s = begin(state, 3, 3, STUCK);
    use_near_code(&s);
    s.options.accept.kind = KOFN_ACCEPT_EXACTLY;
    s.options.deadline_best = true;
    s.options.timeout_ms = 3000;
    const kofn_account account = multiply(&s);
    assert_string_equal(account.error_kind, "estimate");
    assert_int_equal(account.answers_used, 3);
    assert_at_most(account.error_bound, 0.2);
    end(&s);
}

static void
a_deadline_without_answers_is_exceeded_all_the_same(void **state)
{
    kofn_error error;
    scene s = begin(state, 0, 2, STUCK);
    use_code(&s, "uncoded", "2,1,1", 2);
    s.options.deadline_best = true;
    s.options.timeout_ms = 500;
    assert_fails(try_multiply(&s, &error), KOFN_DEADLINE_EXCEEDED);
    end(&s);
}

/* ---- what cannot be -------------------------------------------------------------------------- */

static void
what_can_never_be_is_refused_before_a_task_is_sent(void **state)
{
    kofn_error error;
    scene s = begin(state, 2, 0, "");
    use_near_code(&s);
    s.options.code.tasks = 4;
    s.options.accept.kind = KOFN_ACCEPT_EXACTLY;
    assert_fails(try_multiply(&s, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "take 5 tasks"));
    s.options.code.tasks = 0; // so does the master
    assert_string_equal(multiply(&s).error_kind, "rounding");

    use_near_code(&s);
    s.options.code.tasks = 4;
    s.options.accept = (kofn_accept_options){.kind = KOFN_ACCEPT_WITHIN, .error = 1e-13};
    for (int again = 0; again < 2; again++) { // the code is known the second time
        assert_fails(try_multiply(&s, &error), KOFN_INVALID_ARGUMENT);
        assert_non_null(strstr(error.text, ": accept "));
    }
    s.options.accept.error = strtod(strstr(error.text, ": accept ") + strlen(": accept "), NULL);
    assert_true(multiply(&s).error_bound <= s.options.accept.error);
    for (size_t worker = 0; worker < 2; worker++)
        assert_int_equal(cluster_get_worker(s.c, worker).tasks_failed, 0);
    end(&s);
}

/* ---- the command ----------------------------------------------------------------------------- */

static void
write_operands(const scene *s)
{
    static const char *const names[] = {"a.npy", "b.npy"};
    const double *const operands[] = {s->a, s->b};
    for (size_t i = 0; i < 2; i++) {
        char path[CLUSTER_PATH_MAX];
        cluster_get_path(s->c, names[i], path);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        char header[118];
        (void)snprintf(header, sizeof header,
                       "{'descr': '<f8', 'fortran_order': False, "
                       "'shape': (%d, %d), }",
                       SIDE, SIDE);
        assert_true(fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file) == 10);
        assert_true(fprintf(file, "%-117s\n", header) == 118);
        assert_true(fwrite(operands[i], sizeof(double), SIDE * SIDE, file) == SIDE * SIDE);
        assert_int_equal(fclose(file), 0);
    }
}

static void
the_command_says_what_an_estimate_is_worth(void **state)
{
    outcome run;
    char job[64];
    scene s = begin(state, 3, 3, STUCK);
    write_operands(&s);
    cluster_run(s.c, &run, "multiply", "a.npy", "b.npy", "-o", "c.npy", "--code", "eps_matdot",
                "--partition", "1,3,1", "--tasks", "6", NULL);
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.err, "estimate from 3 of 5 answers, relative error at most "));

    cluster_run(s.c, &run, "multiply", "a.npy", "b.npy", "-o", "c.npy", "--code", "uncoded",
                "--partition", "2,1,2", "--policy", "oneshot", "--deadline-best", "--timeout", "1s",
                "--json", NULL);
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "\"kind\": \"estimate\""));

    cluster_run(s.c, &run, "multiply", "a.npy", "b.npy", "-o", "c.npy", "--accept-error", "0",
                NULL);
    assert_int_equal(run.status, 2);
    cluster_run(s.c, &run, "multiply", "a.npy", "b.npy", "-o", "c.npy", "--accept-error", "1e-3",
                "--accept-exact", NULL);
    assert_int_equal(run.status, 2);

    cluster_run(s.c, &run, "submit", "a.npy", "b.npy", "--code", "eps_matdot", "--partition",
                "1,3,1", "--tasks", "6", "--accept-error", "1e-3", "--settle", "50ms", NULL);
    assert_int_equal(run.status, 0);
    assert_int_equal(sscanf(run.out, "%63s", job), 1);
    cluster_run(s.c, &run, "wait", job, "-o", "c.npy", NULL);
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.err, "relative error at most "));
    cluster_run(s.c, &run, "status", job, NULL);
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "accuracy     estimate from "));
    end(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(
            an_approximate_family_ends_with_fewer_answers_than_the_product_takes, cluster_teardown),
        cmocka_unit_test_teardown(
            what_stuck_workers_hold_is_replaced_where_the_product_is_asked_for, cluster_teardown),
        cmocka_unit_test_teardown(time_to_settle_turns_an_estimate_into_the_product,
                                  cluster_teardown),
        cmocka_unit_test_teardown(time_to_settle_that_is_over_leaves_the_estimate,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_large_estimate_is_compared_beside_its_pieces, cluster_teardown),
        cmocka_unit_test_teardown(a_job_within_an_error_ends_though_workers_are_frozen_and_killed,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_small_error_is_met_by_the_product, cluster_teardown),
        cmocka_unit_test_teardown(the_bound_reached_so_far_is_shown_while_a_job_runs,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_deadline_ends_with_the_best_estimate_and_its_bound,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_deadline_of_a_coded_job_ends_with_a_better_estimate,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_deadline_without_answers_is_exceeded_all_the_same,
                                  cluster_teardown),
        cmocka_unit_test_teardown(what_can_never_be_is_refused_before_a_task_is_sent,
                                  cluster_teardown),
        cmocka_unit_test_teardown(the_command_says_what_an_estimate_is_worth, cluster_teardown),
    };
    cmocka_set_test_filter(getenv("KOFN_TEST")); // a pattern: these tests take their time
    return cmocka_run_group_tests(tests, NULL, NULL);
}
