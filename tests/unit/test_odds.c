/* Odds against every subset of workers, and what trials say of conditioning. */
#include "tests/assert.h"

#include "common/code/odds.h"
#include "common/code/spec.h"

#include <math.h>

static kofn_code *
build(const char *family, const char *partition, const char *tasks)
{
    kofn_error error;
    kofn_code *code = NULL;
    kofn_code_spec spec = {0};
    const kofn_field *f64 = kofn_field_find("f64");
    const kofn_code_context context = {
        .field = f64, .rows = 64, .inner = 64, .cols = 64, .workers = 8};
    assert_ok(kofn_code_spec_set(&spec, "family", family, &error));
    assert_ok(kofn_code_spec_set(&spec, "partition", partition, &error));
    assert_ok(kofn_code_spec_set(&spec, "tasks", tasks, &error));
    assert_ok(kofn_code_spec_set(&spec, "seed", "7", &error));
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    assert_ok(kofn_code_spec_build(&spec, f64, &code, &error));
    return code;
}

static kofn_odds
measure(kofn_code *code, size_t workers, double failure, uint64_t seed, size_t trials)
{
    kofn_error error;
    kofn_coding coding;
    kofn_odds odds;
    kofn_coding_init(&coding, code, (kofn_shape){64, 64, 64}, false, false);
    const kofn_odds_question q = {
        .coding = &coding, .workers = workers, .failure = failure, .seed = seed, .trials = trials};
    assert_ok(kofn_odds_measure(&q, &odds, &error));
    return odds;
}

/* Do the tasks of the workers in `set` suffice? Task i is with worker i mod used. */
static bool
suffices(kofn_code *code, size_t used, unsigned set)
{
    kofn_error error;
    kofn_decoder *d = NULL;
    assert_ok(kofn_decoder_new(code, 0, &d, &error));
    for (size_t task = 0; task < code->tasks; task++)
        if (set >> task % used & 1)
            assert_ok(kofn_decoder_add(d, task, &error));
    const bool enough = kofn_decoder_get_state(d) != KOFN_DECODE_NOT_YET;
    kofn_decoder_destroy(&d);
    return enough;
}

/* Over all sets of live workers. */
static double
brute_force(kofn_code *code, size_t workers, double failure)
{
    const size_t used = code->tasks < workers ? code->tasks : workers;
    double sum = 0;
    for (unsigned set = 0; set < 1U << used; set++)
        if (suffices(code, used, set)) {
            const int live = __builtin_popcount(set);
            sum += pow(1 - failure, live) * pow(failure, (double)used - live);
        }
    return sum;
}

typedef struct sample {
    const char *family, *partition, *tasks;
    size_t workers;
} sample;

/* Any k of n decides, also where a worker holds several tasks. */
static void
counted_odds_are_those_of_all_subsets(void **state)
{
    (void)state;
    static const sample all[] = {
        {"rkrp", "2,1,2", "6", 6},       {"rkrp", "2,1,2", "7", 3},
        {"polynomial", "2,1,2", "5", 9}, {"polynomial", "3,1,2", "9", 4},
        {"uncoded", "2,1,3", "6", 6},    {"uncoded", "2,2,2", "8", 5},
    };
    static const double failures[] = {0, 0.05, 0.5, 0.93, 1};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        kofn_code *code = build(all[i].family, all[i].partition, all[i].tasks);
        for (size_t j = 0; j < sizeof failures / sizeof failures[0]; j++) {
            const double p = failures[j], exact = brute_force(code, all[i].workers, p);
            const kofn_odds odds = measure(code, all[i].workers, p, 1, 4);
            assert_at_most(fabs(odds.decodable - exact), 1e-12);
        }
        kofn_code_destroy(&code);
    }
}

/* Of replication, fewer than the threshold often do: q_m comes from trials, and the sum is off by
 * no more than the largest sqrt(q (1 - q) / trials), here by four of them. */
static void
tried_odds_are_near_those_of_all_subsets(void **state)
{
    (void)state;
    enum { TRIALS = 2000 };
    static const sample all[] = {
        {"replication", "2,1,2", "8", 8},
        {"replication", "2,1,2", "8", 5},
        {"replication", "1,2,2", "8", 8},
        {"rkrp", "1,2,1", "6", 6},
    };
    static const double failures[] = {0, 0.05, 0.3, 0.7, 1};
    const uint64_t seed = test_seed(11);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        kofn_code *code = build(all[i].family, all[i].partition, all[i].tasks);
        for (size_t j = 0; j < sizeof failures / sizeof failures[0]; j++) {
            const double p = failures[j], exact = brute_force(code, all[i].workers, p);
            const kofn_odds odds = measure(code, all[i].workers, p, seed, TRIALS);
            assert_at_most(fabs(odds.decodable - exact), 4 * sqrt(0.25 / TRIALS));
        }
        kofn_code_destroy(&code);
    }
}

static void
the_same_seed_gives_the_same_odds(void **state)
{
    (void)state;
    kofn_code *code = build("replication", "2,1,2", "8");
    const kofn_odds first = measure(code, 8, 0.2, 5, 50), again = measure(code, 8, 0.2, 5, 50);
    const kofn_odds other = measure(code, 8, 0.2, 6, 50);
    assert_memory_equal(&first, &again, sizeof first);
    assert_true(first.answers != other.answers);
    kofn_code_destroy(&code);
}

static void
copies_are_perfectly_conditioned_and_codes_are_not(void **state)
{
    (void)state;
    kofn_code *plain = build("uncoded", "2,1,2", "4"), *coded = build("polynomial", "3,1,3", "12");
    const kofn_odds copies = measure(plain, 4, 0.1, 1, 8), mixed = measure(coded, 12, 0.1, 1, 32);
    assert_true(copies.amplification == 1 && copies.worst_amplification == 1);
    assert_true(copies.answers == 4 && copies.density == 0.25); // D is the identity
    assert_true(mixed.amplification > 10 && mixed.worst_amplification >= mixed.amplification);
    assert_true(mixed.answers == 9 && mixed.density > 0.9);
    assert_true(mixed.error > copies.error && copies.error > 0);
    kofn_code_destroy(&plain);
    kofn_code_destroy(&coded);
}

static void
replication_often_needs_fewer_answers_than_its_threshold(void **state)
{
    (void)state;
    kofn_code *code = build("replication", "2,1,2", "8");
    const kofn_odds odds = measure(code, 8, 0.1, 1, 500);
    assert_true(odds.answers > 4 && odds.answers < 7);
    kofn_code_destroy(&code);
}

static void
questions_without_sense_are_refused(void **state)
{
    (void)state;
    kofn_error error;
    kofn_odds odds;
    kofn_coding coding;
    kofn_code *code = build("uncoded", "2,1,2", "4");
    kofn_coding_init(&coding, code, (kofn_shape){64, 64, 64}, false, false);
    const kofn_odds_question right = {.coding = &coding, .workers = 4, .failure = 0.1, .trials = 1};
    kofn_odds_question wrong = right;
    wrong.failure = 1.1;
    assert_fails(kofn_odds_measure(&wrong, &odds, &error), KOFN_INVALID_ARGUMENT);
    wrong.failure = NAN;
    assert_fails(kofn_odds_measure(&wrong, &odds, &error), KOFN_INVALID_ARGUMENT);
    wrong = right;
    wrong.workers = 0;
    assert_fails(kofn_odds_measure(&wrong, &odds, &error), KOFN_INVALID_ARGUMENT);
    wrong = right;
    wrong.trials = 0;
    assert_fails(kofn_odds_measure(&wrong, &odds, &error), KOFN_INVALID_ARGUMENT);
    kofn_code_destroy(&code);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counted_odds_are_those_of_all_subsets),
        cmocka_unit_test(tried_odds_are_near_those_of_all_subsets),
        cmocka_unit_test(the_same_seed_gives_the_same_odds),
        cmocka_unit_test(copies_are_perfectly_conditioned_and_codes_are_not),
        cmocka_unit_test(replication_often_needs_fewer_answers_than_its_threshold),
        cmocka_unit_test(questions_without_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
