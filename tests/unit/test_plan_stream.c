/* Planning a stream: what is chosen where it is known what is best, and what is said then. */
#include "tests/assert.h"

#include "master/sim/plan_stream.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static kofn_stream_query
query_of(int64_t workers, const char *model, int64_t delay)
{
    kofn_error error;
    kofn_stream_query q = {.delay = delay, .work = 1.5e5};
    kofn_sim_config_init(&q.base);
    q.base.workers = workers;
    q.base.rounds.tolerance = 0;
    assert_ok(kofn_straggler_parse(model, &q.base.stragglers, &error));
    return q;
}

static kofn_stream_plan
make(const kofn_stream_query *q)
{
    kofn_error error;
    kofn_stream_plan plan;
    assert_ok(kofn_stream_plan_make(q, NULL, NULL, &plan, &error));
    assert_true(plan.count > 0);
    return plan;
}

static bool
is_of(const kofn_stream_row *row, int scheme) // -1: no stream
{
    if (strcmp(row->config.policy, "rounds") != 0)
        return scheme < 0;
    return row->config.rounds.scheme == scheme;
}

static const kofn_stream_row *
find(const kofn_stream_plan *plan, int scheme)
{
    for (size_t i = 0; i < plan->count; i++)
        if (is_of(&plan->rows[i], scheme))
            return &plan->rows[i];
    fail_msg("no row of scheme %d", scheme);
    return NULL;
}

/* The paper's case, and its order: dip before idip before polynomial before uncoded. There
 * polynomial codes take 0.152, dip 36 % and idip 24 % less, with a tolerance of 0.25. */
static void
harsh_stragglers_are_answered_as_the_paper_does(void **state)
{
    (void)state;
    kofn_stream_query q = query_of(4, "iid:delta=0.3,slowdown=5", 3);
    q.base.rounds.tolerance = 0.25;
    q.work = 5e5;
    kofn_stream_plan plan = make(&q);
    const double dip = find(&plan, KOFN_SCHEME_DIP)->time;
    const double idip = find(&plan, KOFN_SCHEME_IDIP)->time;
    const double polynomial = find(&plan, KOFN_SCHEME_POLYNOMIAL)->time;
    assert_true(plan.pays);
    assert_at_most(dip, 0.68 * polynomial);
    assert_at_most(idip, 0.80 * polynomial);
    assert_at_most(dip, idip);
    assert_at_most(polynomial, find(&plan, KOFN_SCHEME_UNCODED)->time);
    assert_true(is_of(&plan.rows[0], KOFN_SCHEME_DIP));
    assert_memory_equal(plan.verdict, "Coding pays: dip", 16);
    kofn_stream_plan_fini(&plan);
}

/* As they are printed, to three digits: rows of one number stand in another order, uncoded
 * first. */
static void
rows_look_sorted_where_three_digits_are_printed(void **state)
{
    (void)state;
    kofn_stream_query q = query_of(4, "iid:delta=0.3,slowdown=5", 8);
    q.limit = 32;
    kofn_stream_plan plan = make(&q);
    char text[2][32];
    for (size_t i = 0; i < plan.count; i++) {
        (void)snprintf(text[i % 2], sizeof text[0], "%.3g", plan.rows[i].time);
        if (i == 0)
            continue;
        const double before = strtod(text[(i + 1) % 2], NULL), after = strtod(text[i % 2], NULL);
        if (before > after || (before == after && plan.rows[i - 1].coded && !plan.rows[i].coded))
            fail_msg("row %zu has %s, row %zu behind it %s", i, text[(i + 1) % 2], i + 1,
                     text[i % 2]);
    }
    kofn_stream_plan_fini(&plan);
}

static void
without_stragglers_coding_does_not_pay(void **state)
{
    (void)state;
    static const char *const models[] = {"none", "iid:delta=0.002,slowdown=2"};
    for (size_t i = 0; i < 2; i++) {
        const kofn_stream_query q = query_of(6, models[i], 3);
        kofn_stream_plan plan = make(&q);
        assert_false(plan.pays);
        assert_false(plan.rows[0].coded);
        assert_memory_equal(plan.verdict, "Coding does not pay: uncoded", 28);
        kofn_stream_plan_fini(&plan);
    }
}

/* Few tasks say little: what stands on top is what the headline is of, and it does not deny
 * that. */
static void
the_headline_does_not_contradict_the_rows(void **state)
{
    (void)state;
    size_t close = 0;
    for (int64_t seed = 1; seed <= 8; seed++) {
        kofn_stream_query q = query_of(4, "iid:delta=0.3", seed % 2 ? 64 : 20);
        q.base.rounds.tolerance = 0.25;
        q.base.seed = q.base.stragglers.seed = seed;
        q.work = 1e5;
        kofn_stream_plan plan = make(&q);
        const bool denies = strncmp(plan.verdict, "Coding does not pay", 19) == 0;
        const bool is_close = strncmp(plan.verdict, "Too close to tell", 17) == 0;
        const kofn_stream_row *uncoded = find(&plan, KOFN_SCHEME_UNCODED);
        close += is_close;
        if (plan.rows[0].coded == denies || plan.pays == (denies || is_close))
            fail_msg("seed %lld: '%s' of %.3g, uncoded rounds %.3g", (long long)seed, plan.verdict,
                     plan.rows[0].time, uncoded->time);
        kofn_stream_plan_fini(&plan);
    }
    assert_true(close > 0);
}

static void
one_worker_cannot_be_helped(void **state)
{
    (void)state;
    for (int64_t delay = 0; delay <= 1; delay++) {
        const kofn_stream_query q = query_of(1, "iid", delay);
        kofn_stream_plan plan = make(&q);
        assert_false(plan.pays);
        assert_memory_equal(plan.verdict, "Coding does not pay", 19);
        kofn_stream_plan_fini(&plan);
    }
}

/* One of four is always slow: three parts, of which nobody waits for the fourth worker. */
static void
assert_loses_one(const kofn_stream_query *q)
{
    kofn_stream_plan plan = make(q);
    assert_true(plan.pays);
    const kofn_stream_row *row = find(&plan, KOFN_SCHEME_POLYNOMIAL);
    assert_int_equal(row->config.code.part.x * row->config.code.part.y, 3);
    assert_at_most(fabs(row->time - 1.0 / 3), 1e-6);
    assert_at_most(fabs(row->load - 1.0 / 3), 1e-12);
    assert_at_most(row->spread, 1e-6);
    assert_at_most(row->waited, 0);
    kofn_stream_plan_fini(&plan);
}

static void
a_worker_that_is_always_slow_is_done_without(void **state)
{
    (void)state;
    const kofn_stream_query q = query_of(4, "persistent:count=1,slowdown=20", 0);
    assert_loses_one(&q);
}

/* Section 4: (alpha p + 1 - p) / k, p that more than P - k of P straggle. */
static double
formula(int p, int k, double delta, double alpha)
{
    double slow = 0;
    for (int i = p - k + 1; i <= p; i++)
        slow += exp(lgamma(p + 1) - lgamma(i + 1) - lgamma(p - i + 1) + i * log(delta) +
                    (p - i) * log1p(-delta));
    return (alpha * slow + 1 - slow) / k;
}

static void
polynomial_codes_are_cut_as_the_formula_says(void **state)
{
    (void)state;
    for (int tenths = 1; tenths <= 5; tenths += 2) {
        char model[64];
        const double delta = tenths / 10.0;
        (void)snprintf(model, sizeof model, "iid:delta=%g,slowdown=10", delta);
        const kofn_stream_query q = query_of(6, model, 0);
        kofn_stream_plan plan = make(&q);
        const kofn_stream_row *row = find(&plan, KOFN_SCHEME_POLYNOMIAL);
        const int k = (int)(row->config.code.part.x * row->config.code.part.y);
        for (int other = 1; other < 6; other++)
            assert_at_most(formula(6, k, delta, 10), 1.03 * formula(6, other, delta, 10));
        assert_at_most(fabs(row->time - formula(6, k, delta, 10)), 5 * row->spread + 1e-6);
        kofn_stream_plan_fini(&plan);
    }
}

static void
what_was_measured_is_planned_for_like_a_model(void **state)
{
    (void)state;
    char path[] = "/tmp/kofn_trace_XXXXXX", model[64];
    static const char trace[] = "0 0 1 0\n0 0 30 0\n0 0 1 0\n";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, trace, sizeof trace - 1), sizeof trace - 1);
    assert_int_equal(close(file), 0);
    (void)snprintf(model, sizeof model, "trace:file=%s", path);
    const kofn_stream_query q = query_of(4, model, 0);
    assert_loses_one(&q);
    assert_int_equal(unlink(path), 0);
}

/* Each row's figures hold in a run of its own, with other stragglers. */
static void
rows_say_what_a_longer_run_says(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_stream_query q = query_of(5, "iid:delta=0.2", 2);
    kofn_stream_plan plan = make(&q);
    const int64_t seed = (int64_t)test_seed(99);
    for (size_t i = 0; i < plan.count; i++) {
        const kofn_stream_row *row = &plan.rows[i];
        kofn_sim_config c = row->config;
        kofn_sim_figures f;
        c.jobs = 10000;
        c.stragglers.seed = seed;
        assert_ok(kofn_sim_run(&c, NULL, &f, &error));
        assert_at_most(fabs(f.time - row->time), 6 * row->spread + 1e-6);
        assert_at_most(row->latency, row->latency_99);
        kofn_sim_figures_fini(&f);
    }
    kofn_stream_plan_fini(&plan);
}

static void
the_limits_of_the_query_are_kept(void **state)
{
    (void)state;
    kofn_stream_query q = query_of(6, "iid:delta=0.2", 2);
    q.parts = 7;
    q.limit = 2;
    kofn_stream_plan plan = make(&q);
    size_t dips = 0;
    for (size_t i = 0; i < plan.count; i++) {
        const kofn_sim_config *c = &plan.rows[i].config;
        assert_true(c->rounds.delay <= 2);
        assert_true(c->at_once <= 4);
        assert_true(c->code.part.x * c->code.part.y <= 7);
        dips += is_of(&plan.rows[i], KOFN_SCHEME_DIP);
        assert_true(i == 0 || plan.rows[i].time > 0.998 * plan.rows[i - 1].time);
    }
    assert_int_equal(dips, 2);
    kofn_stream_plan_fini(&plan);
}

static void
nothing_is_planned_that_a_master_refuses(void **state)
{
    (void)state;
    kofn_stream_query q = query_of(80, "persistent:count=20", 9);
    q.work = 1000;
    q.limit = 8;
    kofn_stream_plan plan = make(&q);
    size_t coded = 0;
    for (size_t i = 0; i < plan.count; i++) {
        const kofn_partition p = plan.rows[i].config.code.part;
        coded += plan.rows[i].coded;
        assert_true(!plan.rows[i].coded || p.x * p.y <= KOFN_PARTS_MAX);
    }
    assert_int_not_equal(coded, 0);
    kofn_stream_plan_fini(&plan);
}

static void
the_same_query_gives_the_same_plan(void **state)
{
    (void)state;
    kofn_stream_query q = query_of(4, "fritchman", 2);
    kofn_stream_plan a = make(&q), b = make(&q);
    assert_string_equal(a.verdict, b.verdict);
    assert_int_equal(a.count, b.count);
    assert_true(a.candidates > 50);
    for (size_t i = 0; i < a.count; i++)
        assert_true(a.rows[i].time == b.rows[i].time);
    kofn_stream_plan_fini(&a);
    kofn_stream_plan_fini(&b);
}

/* Later stages have seeds of their own. */
static void
seeds_may_be_as_large_as_they_get(void **state)
{
    (void)state;
    kofn_stream_query q = query_of(2, "iid:seed=9007199254740992", 1);
    q.base.seed = INT64_C(1) << 53;
    q.work = 1000;
    kofn_stream_plan plan = make(&q);
    kofn_stream_plan_fini(&plan);
}

static void
of_a_grid_that_is_too_much_some_is_drawn(void **state)
{
    (void)state;
    kofn_stream_query q = query_of(80, "iid:delta=0.1", 3);
    q.work = 1e5;
    kofn_stream_plan plan = make(&q);
    assert_in_range(plan.candidates, 8, 8 * 12);
    kofn_stream_plan_fini(&plan);
}

/* ---- who watches, and bad input -------------------------------------------------------------- */

static bool
watch(void *context, double done)
{
    double *last = context;
    assert_true(done >= *last - 1e-9 && done <= 1.001);
    *last = done;
    return true;
}

static bool
stop(void *context, double done)
{
    (void)context;
    return done < 0.1;
}

static void
progress_grows_to_one_and_may_be_stopped(void **state)
{
    (void)state;
    kofn_error error;
    kofn_stream_plan plan;
    double done = 0;
    const kofn_stream_query q = query_of(4, "iid", 2);
    assert_ok(kofn_stream_plan_make(&q, watch, &done, &plan, &error));
    assert_at_most(fabs(done - 1), 1e-6);
    kofn_stream_plan_fini(&plan);
    assert_fails(kofn_stream_plan_make(&q, stop, NULL, &plan, &error), KOFN_CANCELLED);
}

static void
assert_refused(kofn_stream_query q, kofn_status status)
{
    kofn_error error;
    kofn_stream_plan plan;
    assert_fails(kofn_stream_plan_make(&q, NULL, NULL, &plan, &error), status);
}

static void
what_is_out_of_bounds_is_refused(void **state)
{
    (void)state;
    const kofn_stream_query good = query_of(4, "iid", 2);
    kofn_stream_query q = good;
    q.delay = -1;
    assert_refused(q, KOFN_OUT_OF_RANGE);
    q.delay = KOFN_DELAY_MAX + 1;
    assert_refused(q, KOFN_OUT_OF_RANGE);
    q = good;
    q.base.workers = 0;
    assert_refused(q, KOFN_OUT_OF_RANGE);
    q = good;
    q.limit = INT64_MAX;
    assert_refused(q, KOFN_OUT_OF_RANGE);
    q = good;
    q.work = NAN;
    assert_refused(q, KOFN_OUT_OF_RANGE);
    q = good;
    q.base.rounds.tolerance = -1;
    assert_refused(q, KOFN_OUT_OF_RANGE);
    assert_refused(query_of(4, "trace:file=/nowhere", 2), KOFN_NOT_FOUND);
    assert_refused(query_of(4, "persistent:count=5", 2), KOFN_INVALID_ARGUMENT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(harsh_stragglers_are_answered_as_the_paper_does),
        cmocka_unit_test(rows_look_sorted_where_three_digits_are_printed),
        cmocka_unit_test(without_stragglers_coding_does_not_pay),
        cmocka_unit_test(the_headline_does_not_contradict_the_rows),
        cmocka_unit_test(one_worker_cannot_be_helped),
        cmocka_unit_test(a_worker_that_is_always_slow_is_done_without),
        cmocka_unit_test(polynomial_codes_are_cut_as_the_formula_says),
        cmocka_unit_test(what_was_measured_is_planned_for_like_a_model),
        cmocka_unit_test(rows_say_what_a_longer_run_says),
        cmocka_unit_test(the_limits_of_the_query_are_kept),
        cmocka_unit_test(nothing_is_planned_that_a_master_refuses),
        cmocka_unit_test(the_same_query_gives_the_same_plan),
        cmocka_unit_test(seeds_may_be_as_large_as_they_get),
        cmocka_unit_test(of_a_grid_that_is_too_much_some_is_drawn),
        cmocka_unit_test(progress_grows_to_one_and_may_be_stopped),
        cmocka_unit_test(what_is_out_of_bounds_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
