/* Typical recovery thresholds against every set of workers, against trials of the decoder, and
 * against a plain search; binomial odds against what is known in closed form. */
#include "tests/assert.h"

#include "common/code/algorithms.h"
#include "common/code/binomial.h"
#include "common/code/odds.h"
#include "common/code/spec.h"
#include "common/code/typical.h"

#include <math.h>

enum { TASKS_MAX = 400 };

typedef union params {
    max_align_t aligned;
    unsigned char bytes[KOFN_PARAMS_MAX];
} params;

/* A question over f64 or the field that `field` names, with the family's defaults; ends with
 * end_question(). */
typedef struct asked {
    kofn_typical_question q;
    params params;
} asked;

static void
ask(asked *a, const char *family, const char *field, kofn_partition part)
{
    kofn_error error;
    a->q = (kofn_typical_question){.family = kofn_family_find(family),
                                   .part = part,
                                   .params = &a->params,
                                   .failure = 0.1,
                                   .odds = 1e-3,
                                   .tasks_max = TASKS_MAX,
                                   .seed = 1};
    assert_non_null(a->q.family);
    kofn_keys_set_defaults(a->q.family->keys, &a->params);
    assert_ok(kofn_field_new(field, &a->q.field, &error));
}

static void
set(asked *a, const char *name, const char *value)
{
    kofn_error error;
    assert_ok(kofn_key_parse(kofn_keys_find(a->q.family->keys, name), value, &a->params, &error));
}

static void
end(asked *a)
{
    kofn_field_destroy(&a->q.field);
}

static kofn_typical
find(const asked *a)
{
    kofn_error error;
    kofn_typical found;
    assert_ok(kofn_typical_find(&a->q, &found, &error));
    return found;
}

static kofn_typical
weigh(const asked *a, size_t tasks)
{
    kofn_error error;
    kofn_typical found;
    assert_ok(kofn_typical_weigh(&a->q, tasks, &found, &error));
    return found;
}

static kofn_code *
build(const asked *a, size_t tasks, uint64_t seed)
{
    kofn_error error;
    kofn_code *code = NULL;
    const kofn_family_args args = {
        .field = a->q.field, .part = a->q.part, .tasks = tasks, .seed = seed, .params = &a->params};
    assert_ok(kofn_family_build(a->q.family, &args, &code, &error));
    return code;
}

/* ---- binomial odds --------------------------------------------------------------------------- */

static void
binomial_odds_sum_to_one(void **state)
{
    (void)state;
    static const double failures[] = {0, 1e-9, 0.1, 0.5, 0.999, 1};
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
        for (size_t n = 1; n <= 200; n += 13) {
            double sum = 0;
            for (size_t m = 0; m <= n; m++) {
                assert_at_most(fabs(kofn_binomial_below(n, m, failures[i]) - sum), 1e-11);
                sum += kofn_binomial(n, m, failures[i]);
            }
            assert_at_most(fabs(sum - 1), 1e-11);
            assert_true(kofn_binomial_below(n, n + 1, failures[i]) == 1);
        }
}

/* P(none of n lives) = p^n, P(not all live) = 1 - (1 - p)^n: also where these are 1e-200. */
static void
small_odds_are_as_exact_as_large_ones(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 4096; n *= 2)
        for (double p = 1e-12; p < 1; p *= 7) {
            const double none = pow(p, (double)n), some = -expm1((double)n * log1p(-p));
            if (none > 1e-200)
                assert_at_most(fabs(kofn_binomial_below(n, 1, p) / none - 1), 1e-9);
            assert_at_most(fabs(kofn_binomial_below(n, n, p) / some - 1), 1e-9);
        }
}

/* ---- formulas -------------------------------------------------------------------------------- */

/* Over all sets of tasks that are left. */
static double
brute_force(kofn_code *code, double failure)
{
    kofn_error error;
    double sum = 0;
    for (unsigned left = 0; left < 1U << code->tasks; left++) {
        kofn_decoder *d = NULL;
        assert_ok(kofn_decoder_new(code, 0, &d, &error));
        for (size_t task = 0; task < code->tasks; task++)
            if (left >> task & 1)
                assert_ok(kofn_decoder_add(d, task, &error));
        const int live = __builtin_popcount(left);
        if (kofn_decoder_get_state(d) == KOFN_DECODE_NOT_YET)
            sum += pow(1 - failure, live) * pow(failure, (double)code->tasks - live);
        kofn_decoder_destroy(&d);
    }
    return sum;
}

typedef struct sample {
    const char *family, *field;
    kofn_partition part;
    size_t tasks;
    kofn_typical_method method;
    const char *set, *to; // a parameter; NULL: none
} sample;

static void
formulas_are_what_all_sets_of_workers_give(void **state)
{
    (void)state;
    static const sample all[] = {
        {"uncoded", "f64", {2, 2, 2}, 8, KOFN_TYPICAL_FORMULA, NULL, NULL},
        {"uncoded", "gf4", {3, 1, 2}, 6, KOFN_TYPICAL_FORMULA, NULL, NULL},
        {"replication", "f64", {2, 1, 2}, 8, KOFN_TYPICAL_FORMULA, NULL, NULL},
        {"replication", "gf256", {1, 3, 1}, 9, KOFN_TYPICAL_FORMULA, "copies", "3"},
        {"polynomial", "f64", {2, 1, 2}, 7, KOFN_TYPICAL_FORMULA, NULL, NULL},
        {"polynomial", "gf16", {3, 1, 2}, 10, KOFN_TYPICAL_FORMULA, NULL, NULL},
        {"orthopoly", "f64", {2, 1, 2}, 7, KOFN_TYPICAL_FORMULA, NULL, NULL},
        {"rkrp", "f64", {2, 1, 3}, 9, KOFN_TYPICAL_FORMULA, NULL, NULL},
        {"rkrp", "f64", {1, 2, 1}, 6, KOFN_TYPICAL_BOUND, NULL, NULL},
        {"matdot", "f64", {1, 2, 1}, 6, KOFN_TYPICAL_BOUND, NULL, NULL},
        {"matdot", "gf16", {1, 3, 1}, 9, KOFN_TYPICAL_BOUND, NULL, NULL},
        {"polydot", "gfp:101", {2, 2, 1}, 8, KOFN_TYPICAL_BOUND, NULL, NULL},
        {"alloy_global", "f64", {2, 1, 2}, 7, KOFN_TYPICAL_FORMULA, NULL, NULL},
        {"alloy_local", "f64", {2, 2, 2}, 11, KOFN_TYPICAL_FORMULA, NULL, NULL},
        {"alloy_local", "f64", {2, 1, 2}, 7, KOFN_TYPICAL_FORMULA, "algorithm", "classical:1,1,2"},
    };
    static const double failures[] = {0, 0.05, 0.4, 0.95, 1};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        asked a;
        ask(&a, all[i].family, all[i].field, all[i].part);
        if (all[i].set)
            set(&a, all[i].set, all[i].to);
        kofn_code *code = build(&a, all[i].tasks, 7);
        for (size_t j = 0; j < sizeof failures / sizeof failures[0]; j++) {
            a.q.failure = failures[j];
            const kofn_typical said = weigh(&a, all[i].tasks);
            const double miss = brute_force(code, failures[j]);
            assert_int_equal(said.method, all[i].method);
            assert_at_most(miss, said.miss + 1e-12);
            if (said.method == KOFN_TYPICAL_FORMULA)
                assert_at_most(fabs(said.miss - miss), 1e-12);
        }
        kofn_code_destroy(&code);
        end(&a);
    }
}

/* Mean and standard error over codes that are drawn anew. */
static double
try_codes(const asked *a, size_t tasks, size_t codes, size_t trials, uint64_t seed,
          double *ret_spread)
{
    kofn_error error;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < codes; i++) {
        double miss, spread;
        kofn_coding coding;
        kofn_code *code = build(a, tasks, seed + i);
        kofn_coding_init(&coding, code, (kofn_shape){16, 16, 16}, false, false);
        const kofn_odds_question q = {.coding = &coding,
                                      .workers = tasks,
                                      .failure = a->q.failure,
                                      .seed = seed + i,
                                      .trials = trials};
        assert_ok(kofn_odds_miss(&q, &miss, &spread, &error));
        kofn_code_destroy(&code);
        sum += miss;
        squares += miss * miss;
    }
    const double n = (double)codes, mean = sum / n;
    *ret_spread = sqrt(fmax(squares / n - mean * mean, 0) / n);
    return mean;
}

/* Of those that are drawn in a finite field the formula is a bound: less than twice as much, where
 * it is below 0.1 and not so small that some hundred trials hardly see it. */
static void
formulas_and_trials_agree(void **state)
{
    (void)state;
    static const sample all[] = {
        {"uncoded", "gf256", {4, 1, 5}, 20, KOFN_TYPICAL_FORMULA, NULL, NULL},
        {"replication", "gf256", {3, 2, 3}, 36, KOFN_TYPICAL_FORMULA, NULL, NULL},
        {"polynomial", "gf256", {4, 1, 4}, 22, KOFN_TYPICAL_FORMULA, NULL, NULL},
        {"rkrp", "f64", {3, 1, 3}, 12, KOFN_TYPICAL_FORMULA, NULL, NULL},
        {"alloy_global", "gfp:65537", {3, 1, 2}, 9, KOFN_TYPICAL_BOUND, NULL, NULL},
        {"alloy_global", "gf256", {2, 1, 2}, 6, KOFN_TYPICAL_BOUND, NULL, NULL},
        {"alloy_global", "gf16", {2, 1, 2}, 8, KOFN_TYPICAL_BOUND, NULL, NULL},
        {"alloy_global", "gf4", {2, 1, 2}, 12, KOFN_TYPICAL_BOUND, NULL, NULL},
        {"alloy_global", "gfp:2", {2, 1, 2}, 20, KOFN_TYPICAL_BOUND, NULL, NULL},
        {"alloy_local", "gf256", {4, 2, 4}, 35, KOFN_TYPICAL_BOUND, NULL, NULL},
        {"alloy_local", "gf256", {4, 2, 4}, 45, KOFN_TYPICAL_BOUND, NULL, NULL},
        {"alloy_local", "gf16", {2, 2, 4}, 40, KOFN_TYPICAL_BOUND, NULL, NULL},
        {"alloy_local", "f64", {4, 2, 4}, 38, KOFN_TYPICAL_FORMULA, NULL, NULL},
    };
    static const double failures[] = {0.1, 0.03, 0.25};
    const uint64_t seed = test_seed(17);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        asked a;
        ask(&a, all[i].family, all[i].field, all[i].part);
        for (size_t j = 0; j < TEST_AMOUNT(sizeof failures / sizeof failures[0], 1); j++) {
            a.q.failure = failures[j];
            double spread;
            const kofn_typical said = weigh(&a, all[i].tasks);
            const double miss = try_codes(&a, all[i].tasks, 100, 6, seed, &spread);
            assert_int_equal(said.method, all[i].method);
            const double noise = 4 * spread + 1e-12;
            assert_at_most(miss, said.miss + noise);
            if (said.method == KOFN_TYPICAL_FORMULA)
                assert_at_most(said.miss, miss + noise);
            else if (said.miss > 0.01 && said.miss < 0.1)
                assert_at_most(said.miss, 2 * (miss + noise));
        }
        end(&a);
    }
}

/* ---- the search ------------------------------------------------------------------------------ */

/* One number of tasks after another. 0: none will do. */
static size_t
search_plainly(const asked *a)
{
    for (size_t tasks = 1; tasks <= a->q.tasks_max; tasks++) {
        kofn_typical found;
        if (!kofn_typical_weigh(&a->q, tasks, &found, NULL) && found.miss < a->q.odds)
            return tasks;
    }
    return 0;
}

static void
the_threshold_is_the_smallest_number_that_will_do(void **state)
{
    (void)state;
    static const struct {
        const char *family, *field;
        kofn_partition part;
    } all[] = {
        {"uncoded", "f64", {2, 1, 2}},        {"polynomial", "f64", {1, 1, 1}},
        {"polynomial", "gf256", {4, 1, 5}},   {"polynomial", "gf16", {3, 1, 5}},
        {"polydot", "gfp:65537", {4, 2, 4}},  {"rkrp", "f64", {2, 2, 2}},
        {"alloy_global", "gfp:2", {2, 1, 2}}, {"alloy_global", "gf256", {3, 1, 2}},
        {"alloy_local", "gf256", {4, 2, 4}},  {"alloy_local", "f64", {2, 2, 2}},
    };
    static const double failures[] = {0, 0.01, 0.1, 0.5, 0.9, 1}, odds[] = {0.4, 1e-3, 1e-9};
    size_t none = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        asked a;
        ask(&a, all[i].family, all[i].field, all[i].part);
        a.q.tasks_max = 120;
        for (size_t j = 0; j < 18; j++) {
            a.q.failure = failures[j / 3];
            a.q.odds = odds[j % 3];
            const kofn_typical found = find(&a);
            const size_t plain = search_plainly(&a);
            none += plain == 0;
            if (plain == 0) {
                assert_int_equal(found.method, KOFN_TYPICAL_NONE);
                assert_true(found.miss >= a.q.odds);
                continue;
            }
            const kofn_typical said = weigh(&a, plain);
            assert_int_equal(found.tasks, plain);
            assert_true(found.miss < a.q.odds && found.miss == said.miss);
            assert_int_equal(found.method, said.method);
        }
        end(&a);
    }
    assert_in_range(none, 10, 100);
}

/* (1 - 0.1^c)^4 first exceeds 1 - 1e-3 at c = 4: 1 - 3.9994e-4; and no 16 copies do for 0.9. */
static void
replication_takes_as_many_copies_as_it_needs(void **state)
{
    (void)state;
    asked a;
    ask(&a, "replication", "f64", (kofn_partition){2, 1, 2});
    kofn_typical found = find(&a);
    assert_int_equal(found.value, 4);
    assert_int_equal(found.tasks, 16);
    assert_at_most(fabs(found.miss - (1 - pow(1 - 1e-4, 4))), 1e-15);
    a.q.tasks_max = 15;
    found = find(&a);
    assert_int_equal(found.method, KOFN_TYPICAL_NONE);
    assert_int_equal(found.tasks, 12); // comes nearest
    a.q.tasks_max = TASKS_MAX;
    a.q.failure = 0.9;
    found = find(&a);
    assert_int_equal(found.method, KOFN_TYPICAL_NONE);
    assert_int_equal(found.tasks, 64);
    assert_at_most(fabs(found.miss - (1 - pow(1 - pow(0.9, 16), 4))), 1e-12);
    end(&a);
}

/* 15 answers are needed: where each of 16 points is one of the field's, two losses are too many. */
static void
a_field_of_too_few_points_has_no_threshold(void **state)
{
    (void)state;
    asked a;
    ask(&a, "polynomial", "gf16", (kofn_partition){3, 1, 5});
    const kofn_typical found = find(&a);
    assert_int_equal(found.method, KOFN_TYPICAL_NONE);
    assert_int_equal(found.tasks, 16);
    assert_at_most(fabs(found.miss - kofn_binomial_below(16, 15, 0.1)), 1e-15);
    end(&a);
    ask(&a, "polynomial", "gf4", (kofn_partition){3, 1, 5});
    assert_int_equal(find(&a).tasks, 0); // cannot be built at all
    end(&a);
}

/* An estimate from `enough` answers takes fewer workers than the product. */
static void
estimates_have_a_threshold_of_their_own(void **state)
{
    (void)state;
    asked a;
    ask(&a, "eps_matdot", "f64", (kofn_partition){1, 4, 1});
    const kofn_typical whole = find(&a);
    a.q.estimate = true;
    const kofn_typical estimate = find(&a);
    assert_int_equal(whole.method, KOFN_TYPICAL_FORMULA);
    assert_true(kofn_binomial_below(whole.tasks, 7, 0.1) < 1e-3);
    assert_true(kofn_binomial_below(estimate.tasks, 4, 0.1) < 1e-3);
    assert_true(kofn_binomial_below(estimate.tasks - 1, 4, 0.1) >= 1e-3);
    assert_true(estimate.tasks < whole.tasks);
    end(&a);
}

/* Four columns, but two of the plain tasks are all that the sum needs, so that fewer than 4 answers
 * may do: 5 tasks miss with 0.081 by the bound, in truth with 0.058. */
static void
trials_find_fewer_tasks_where_the_bound_is_loose(void **state)
{
    (void)state;
    asked a;
    ask(&a, "rkrp", "f64", (kofn_partition){1, 2, 1});
    a.q.odds = 0.07;
    a.q.seed = test_seed(3);
    const kofn_typical bound = find(&a);
    a.q.trials = 2000;
    const kofn_typical found = find(&a), again = find(&a);
    kofn_code *code = build(&a, found.tasks, a.q.seed);
    assert_int_equal(bound.method, KOFN_TYPICAL_BOUND);
    assert_int_equal(found.method, KOFN_TYPICAL_TRIALS);
    assert_true(found.tasks < bound.tasks && found.miss < a.q.odds);
    assert_true(brute_force(code, a.q.failure) < a.q.odds);
    assert_memory_equal(&found, &again, sizeof found);
    kofn_code_destroy(&code);
    end(&a);
}

static size_t
find_workers(asked *a, double failure, double odds)
{
    a->q.failure = failure;
    a->q.odds = odds;
    return find(a).tasks;
}

/* The paper's example, 4 x 2 by 2 x 4 blocks. Strassen's 28 tasks, each product in a code of its
 * own, are fewer than the 33 answers that entangled polynomials need; but a loss hurts one product
 * only, and each of the seven must be prepared for it. So the local code takes fewer workers only
 * where failures are rare and may be noticed. */
static void
local_codes_take_fewer_workers_only_where_failures_are_rare(void **state)
{
    (void)state;
    asked local, entangled;
    ask(&local, "alloy_local", "gf256", (kofn_partition){4, 2, 4});
    ask(&entangled, "polydot", "gf256", (kofn_partition){4, 2, 4});
    assert_int_equal(find_workers(&local, 0.001, 0.1), 28);
    assert_int_equal(find_workers(&entangled, 0.001, 0.1), 33);
    assert_int_equal(find_workers(&local, 0.1, 0.1), 43);
    assert_int_equal(find_workers(&entangled, 0.1, 0.1), 39);
    assert_int_equal(find_workers(&local, 0.1, 1e-3), 62);
    assert_int_equal(find_workers(&entangled, 0.1, 1e-3), 44);
    end(&local);
    end(&entangled);
}

/* Of the algorithms that ship no product is a sum of others': the rows of U[t] x V[t] are
 * independent, as the odds of alloy_local take for granted. */
static void
products_of_what_ships_do_not_depend_on_each_other(void **state)
{
    (void)state;
    static const char *const all[] = {"strassen",        "winograd",        "laderman",
                                      "strassen_column", "classical:2,3,2", "strassen*strassen"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        kofn_error error;
        kofn_bilinear *g;
        kofn_span *span;
        assert_ok(kofn_algorithms_parse(NULL, all[i], &g, &error));
        const size_t a = g->x * g->z, b = g->z * g->y;
        double *row = calloc(a * b, sizeof *row);
        assert_non_null(row);
        assert_ok(kofn_span_new(kofn_field_find("f64"), a * b, 0, row, &span, &error));
        for (size_t t = 0; t < g->rank; t++) {
            bool grew;
            for (size_t i_a = 0; i_a < a; i_a++)
                for (size_t i_b = 0; i_b < b; i_b++)
                    row[i_a * b + i_b] = g->u[t * a + i_a] * g->v[t * b + i_b];
            assert_ok(kofn_span_add(span, row, &grew, &error));
            assert_true(grew);
        }
        kofn_span_destroy(&span);
        free(row);
        kofn_bilinear_destroy(&g);
    }
}

static void
questions_without_sense_are_refused(void **state)
{
    (void)state;
    kofn_error error;
    kofn_typical found;
    asked a;
    ask(&a, "polynomial", "f64", (kofn_partition){2, 1, 2});
    kofn_typical_question all[] = {a.q, a.q, a.q, a.q, a.q, a.q, a.q, a.q};
    all[0].failure = -0.1;
    all[1].failure = 1.1;
    all[2].failure = NAN;
    all[3].odds = 0;
    all[4].odds = 1;
    all[5].odds = NAN;
    all[6].tasks_max = 0;
    all[7].tasks_max = KOFN_TASKS_MAX + 1;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_fails(kofn_typical_find(&all[i], &found, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_typical_weigh(&a.q, 3, &found, &error), KOFN_INVALID_ARGUMENT); // of 4
    end(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binomial_odds_sum_to_one),
        cmocka_unit_test(small_odds_are_as_exact_as_large_ones),
        cmocka_unit_test(formulas_are_what_all_sets_of_workers_give),
        cmocka_unit_test(formulas_and_trials_agree),
        cmocka_unit_test(the_threshold_is_the_smallest_number_that_will_do),
        cmocka_unit_test(replication_takes_as_many_copies_as_it_needs),
        cmocka_unit_test(a_field_of_too_few_points_has_no_threshold),
        cmocka_unit_test(estimates_have_a_threshold_of_their_own),
        cmocka_unit_test(trials_find_fewer_tasks_where_the_bound_is_loose),
        cmocka_unit_test(local_codes_take_fewer_workers_only_where_failures_are_rare),
        cmocka_unit_test(products_of_what_ships_do_not_depend_on_each_other),
        cmocka_unit_test(questions_without_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
