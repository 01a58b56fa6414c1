/* Straggler models against their formulas, and traces against files of strangers.
 *
 * Statistics are bounded by five standard deviations of what is measured, from the model's own
 * parameters: a seed in two million fails. The seeds are fixed, and so is the outcome. */
#include "tests/assert.h"

#include "common/base/rng.h"
#include "common/code/straggler.h"
#include "common/code/straggler_trace.h"

#include <math.h>
#include <unistd.h>

static kofn_straggler *
make(const char *text, size_t workers)
{
    kofn_error error;
    kofn_straggler_spec spec;
    kofn_straggler *model = NULL;
    assert_ok(kofn_straggler_parse(text, &spec, &error));
    assert_ok(kofn_straggler_new(&spec, workers, &model, &error));
    return model;
}

static bool
is_slow(kofn_straggler *model, uint64_t round, size_t worker)
{
    return kofn_straggler_get_factor(model, round, worker) > 1;
}

/* "x..x": who of the first rounds. */
static void
assert_column(kofn_straggler *model, size_t worker, const char *expected)
{
    char got[128] = "";
    for (size_t t = 0; expected[t]; t++)
        got[t] = is_slow(model, t, worker) ? 'x' : '.';
    assert_string_equal(got, expected);
}

/* ---- patterns -------------------------------------------------------------------------------- */

static void
nobody_is_slow_by_none_and_the_first_ones_by_persistent(void **state)
{
    (void)state;
    kofn_straggler *none = make("none", 3), *persistent = make("persistent:count=2,slowdown=7", 4);
    for (uint64_t t = 0; t < 10; t++) {
        for (size_t i = 0; i < 3; i++)
            assert_true(kofn_straggler_get_factor(none, t, i) == 1);
        for (size_t i = 0; i < 4; i++)
            assert_true(kofn_straggler_get_factor(persistent, t, i) == (i < 2 ? 7 : 1));
    }
    kofn_straggler_destroy(&none);
    kofn_straggler_destroy(&persistent);
    kofn_straggler_destroy(&none); // nothing is there
}

/* As they were drawn when this was written: a release that draws others says so. */
static void
the_same_seed_gives_the_same_pattern_on_every_machine(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t worker;
        const char *column;
    } known[] = {
        {"iid:delta=0.3,seed=7", 0, "..............xx........"},
        {"iid:delta=0.3,seed=7", 3, "xx...x..x.........xxxx.x"},
        {"iid:delta=0.3,seed=8", 0, "..x......x.......x.xxxxx"},
        {"fritchman:enter=0.1,states=3,seed=7", 1, "........xxxxx..........."},
        {"arbitrary:failures=5,seed=7", 2, "x..xx.x..x...........x.."},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        kofn_straggler *model = make(known[i].text, 4);
        assert_column(model, known[i].worker, known[i].column);
        kofn_straggler_destroy(&model);
    }
}

static const char *const drawn[] = {
    "iid:delta=0.4,seed=3",
    "fritchman:enter=0.2,leave=0.4,states=2,seed=3",
    "arbitrary:failures=7,window=5,seed=3",
};

enum { DRAWN = sizeof drawn / sizeof drawn[0], ROUNDS = 300, WORKERS = 7 };

/* By rounds, all workers at once: how a simulator asks. */
static void
fill_pattern(const char *text, size_t workers, double *ret_factors)
{
    kofn_straggler *model = make(text, workers);
    for (uint64_t t = 0; t < ROUNDS; t++)
        kofn_straggler_fill(model, t, ret_factors + t * workers);
    kofn_straggler_destroy(&model);
}

static void
a_column_is_the_same_whoever_asks_and_in_which_order(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(11);
    for (size_t m = 0; m < DRAWN; m++) {
        double all[ROUNDS * WORKERS];
        kofn_rng rng;
        kofn_rng_init(&rng, seed, m);
        fill_pattern(drawn[m], WORKERS, all);
        for (size_t i = 0; i < WORKERS; i++) { // a worker that looks at its own
            kofn_straggler *alone = make(drawn[m], WORKERS);
            for (uint64_t t = 0; t < ROUNDS; t += 1 + kofn_rng_below(&rng, 4))
                assert_true(kofn_straggler_get_factor(alone, t, i) == all[t * WORKERS + i]);
            kofn_straggler_destroy(&alone);
        }
        kofn_straggler *model = make(drawn[m], WORKERS);
        for (size_t n = 0; n < 2000; n++) { // and back
            const uint64_t t = kofn_rng_below(&rng, ROUNDS);
            const size_t i = kofn_rng_below(&rng, WORKERS);
            assert_true(kofn_straggler_get_factor(model, t, i) == all[t * WORKERS + i]);
        }
        kofn_straggler_destroy(&model);
    }
}

static void
a_column_of_iid_and_fritchman_is_the_same_among_more_workers(void **state)
{
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        double few[ROUNDS * 2], many[ROUNDS * WORKERS];
        fill_pattern(drawn[m], 2, few);
        fill_pattern(drawn[m], WORKERS, many);
        for (size_t t = 0; t < ROUNDS; t++)
            assert_memory_equal(few + t * 2, many + t * WORKERS, 2 * sizeof(double));
    }
}

static void
another_seed_and_another_worker_give_another_pattern(void **state)
{
    (void)state;
    for (size_t m = 0; m < DRAWN; m++) {
        double a[ROUNDS * WORKERS], b[ROUNDS * WORKERS];
        char text[80];
        (void)snprintf(text, sizeof text, "%s,seed=4", drawn[m]);
        fill_pattern(drawn[m], WORKERS, a);
        fill_pattern(text, WORKERS, b);
        assert_memory_not_equal(a, b, sizeof a);
        size_t differ = 0;
        for (size_t t = 0; t < ROUNDS; t++)
            differ += a[t * WORKERS] != a[t * WORKERS + 1];
        assert_true(differ > 0);
    }
}

/* ---- statistics ------------------------------------------------------------------------------ */

static void
iid_has_its_share_and_its_workers_straggle_alone(void **state)
{
    (void)state;
    static const double deltas[] = {0, 0.01, 0.3, 0.7, 1};
    enum { N = 400000 };
    for (size_t d = 0; d < sizeof deltas / sizeof deltas[0]; d++) {
        const double p = deltas[d];
        char text[64];
        (void)snprintf(text, sizeof text, "iid:delta=%g,seed=%" PRIu64, p, test_seed(5));
        kofn_straggler *model = make(text, 2);
        size_t slow = 0, both = 0, twice = 0;
        bool before = false;
        for (uint64_t t = 0; t < N; t++) {
            const bool a = is_slow(model, t, 0), b = is_slow(model, t, 1);
            slow += a;
            both += a && b;
            twice += a && before;
            before = a;
        }
        assert_at_most(fabs((double)slow / N - p), 5 * sqrt(p * (1 - p) / N));
        assert_at_most(fabs((double)both / N - p * p), 5 * sqrt(p * p * (1 - p * p) / N));
        /* Neighbouring pairs share a round: variance up to three times that of pairs apart, and one
         * pair less than rounds. */
        assert_at_most(fabs((double)twice / N - p * p),
                       5 * sqrt(3 * p * p * (1 - p * p) / N) + 2.0 / N);
        kofn_straggler_destroy(&model);
    }
}

typedef struct bursts { // of one column
    size_t count, slow, shortest;
    double mean;
} bursts;

static bursts
count_bursts(kofn_straggler *model, uint64_t rounds)
{
    bursts b = {.shortest = SIZE_MAX};
    size_t length = 0, whole = 0;
    bool has_begun = false; // the burst at hand, in sight; the first one may have been going on
    for (uint64_t t = 0; t < rounds; t++) {
        const bool slow = is_slow(model, t, 0);
        b.slow += slow;
        if (slow && has_begun)
            length++;
        if (!slow && length > 0) {
            whole += length;
            b.count++;
            b.shortest = length < b.shortest ? length : b.shortest;
            length = 0;
        }
        has_begun = has_begun || !slow;
    }
    b.mean = (double)whole / (double)b.count;
    return b;
}

/* A burst is the sum of `states` geometric times of mean 1/leave, a gap one of mean 1/enter; the
 * share is that of a renewal process, its variance by the delta method. */
static void
fritchman_has_its_mean_burst_and_its_share(void **state)
{
    (void)state;
    static const struct {
        double enter, leave;
        int states;
    } chains[] = {{0.05, 0.5, 2}, {0.1, 0.2, 1}, {0.02, 0.6, 5}, {0.5, 1, 3}, {1, 0.5, 1}};
    enum { N = 1000000 };
    for (size_t c = 0; c < sizeof chains / sizeof chains[0]; c++) {
        const double enter = chains[c].enter, leave = chains[c].leave, states = chains[c].states;
        char text[96];
        (void)snprintf(text, sizeof text, "fritchman:enter=%g,leave=%g,states=%g,seed=%" PRIu64,
                       enter, leave, states, test_seed(6));
        kofn_straggler *model = make(text, 1);
        const bursts b = count_bursts(model, N);

        const double burst = states / leave, gap = 1 / enter, cycle = burst + gap;
        const double burst_var = states * (1 - leave) / (leave * leave);
        const double gap_var = (1 - enter) / (enter * enter);
        const double share_var =
            (burst_var * gap * gap + gap_var * burst * burst) / (cycle * cycle * cycle * N);
        assert_at_most(fabs(b.mean - burst), 5 * sqrt(burst_var / (double)b.count) + 1e-12);
        /* The two ends cut a cycle each. */
        assert_at_most(fabs((double)b.slow / N - burst / cycle),
                       5 * sqrt(share_var) + 2 * cycle / N);
        assert_at_most(states, (double)b.shortest); // it takes each state once at least
        kofn_straggler_destroy(&model);
    }
}

static void
fritchman_begins_as_it_goes_on(void **state)
{
    (void)state;
    enum { N = 20000 };
    char text[96];
    (void)snprintf(text, sizeof text, "fritchman:enter=0.01,leave=0.05,states=3,seed=%" PRIu64,
                   test_seed(7));
    kofn_straggler *model = make(text, N);
    const double leave = 0.05, burst = 3 / leave, share = burst / (burst + 1 / 0.01);
    size_t slow = 0, over = 0;
    for (size_t i = 0; i < N; i++) {
        const bool at_first = is_slow(model, 0, i);
        slow += at_first;
        over += at_first && !is_slow(model, 1, i);
    }
    assert_at_most(fabs((double)slow / N - share), 5 * sqrt(share * (1 - share) / N));
    /* A third of them is in the last state, which alone ends a burst. */
    const double ends = share / 3 * leave;
    assert_at_most(fabs((double)over / N - ends), 5 * sqrt(ends / N));
    kofn_straggler_destroy(&model);
}

static void
a_fritchman_chain_that_never_enters_is_never_slow(void **state)
{
    (void)state;
    kofn_straggler *model = make("fritchman:enter=0", 3);
    for (uint64_t t = 0; t < 1000; t++)
        assert_false(is_slow(model, t, t % 3));
    kofn_straggler_destroy(&model);
}

/* ---- arbitrary ------------------------------------------------------------------------------- */

typedef struct windows { // over all of `window` rounds
    uint64_t most, full;
    size_t of_worker[16]; // slow rounds
} windows;

static windows
count_windows(size_t workers, size_t failures, size_t window, uint64_t rounds, uint64_t seed)
{
    char text[96];
    uint64_t *counts = calloc(window, sizeof *counts), sum = 0;
    double factors[16];
    windows w = {0};
    (void)snprintf(text, sizeof text, "arbitrary:failures=%zu,window=%zu,seed=%" PRIu64, failures,
                   window, seed);
    kofn_straggler *model = make(text, workers);
    assert_non_null(counts);
    for (uint64_t t = 0; t < rounds; t++) {
        uint64_t slow = 0;
        kofn_straggler_fill(model, t, factors);
        for (size_t i = 0; i < workers; i++) {
            slow += factors[i] > 1;
            w.of_worker[i] += factors[i] > 1;
        }
        sum += slow - counts[t % window];
        counts[t % window] = slow;
        w.most = sum > w.most ? sum : w.most;
        w.full += sum == failures;
    }
    kofn_straggler_destroy(&model);
    free(counts);
    return w;
}

static void
arbitrary_never_exceeds_its_failures_in_any_window_and_reaches_them(void **state)
{
    (void)state;
    enum { ALL = 1000000 };
    const uint64_t seed = test_seed(8);
    const windows long_run = count_windows(6, 4, 4, ALL, seed);
    assert_int_equal(long_run.most, 4);
    assert_true(long_run.full > ALL / 10);

    static const struct {
        size_t workers, failures, window;
    } cases[] = {{4, 10, 4}, {1, 1, 1},  {1, 1, 7},  {5, 0, 3},  {3, 9, 3},
                 {16, 5, 1}, {2, 3, 50}, {8, 40, 9}, {6, 1, 200}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const windows w =
            count_windows(cases[i].workers, cases[i].failures, cases[i].window, 20000, seed);
        assert_int_equal(w.most, cases[i].failures);
    }
}

static void
arbitrary_takes_all_workers_alike(void **state)
{
    (void)state;
    enum { N = 200000, P = 5 };
    const windows w = count_windows(P, 4, 3, N, test_seed(9));
    double sum = 0;
    for (size_t i = 0; i < P; i++)
        sum += (double)w.of_worker[i];
    /* Given how many, who they are is drawn anew in each round: at most binomial. */
    const double share = sum / P / N;
    for (size_t i = 0; i < P; i++)
        assert_at_most(fabs((double)w.of_worker[i] / N - share), 5 * sqrt(share / N));
}

/* ---- traces ---------------------------------------------------------------------------------- */

static kofn_status
try_trace(const char *bytes, size_t length, size_t workers, kofn_straggler **ret_model,
          kofn_error *error)
{
    char path[] = "/tmp/kofn-trace-XXXXXX";
    const int file = mkstemp(path);
    kofn_straggler_spec spec;
    assert_true(file >= 0);
    assert_int_equal(write(file, bytes, length), (ssize_t)length);
    assert_int_equal(close(file), 0);
    kofn_keys_set_defaults(kofn_straggler_keys, &spec);
    spec.model = KOFN_STRAGGLER_TRACE;
    (void)snprintf(spec.trace, sizeof spec.trace, "%s", path);
    const kofn_status status = kofn_straggler_new(&spec, workers, ret_model, error);
    assert_int_equal(unlink(path), 0);
    return status;
}

static kofn_straggler *
replay(const char *text, size_t workers)
{
    kofn_error error;
    kofn_straggler *model = NULL;
    assert_ok(try_trace(text, strlen(text), workers, &model, &error));
    return model;
}

static void
a_trace_of_flags_is_replayed_again_and_again(void **state)
{
    (void)state;
    kofn_straggler *model = replay("# who\n\n0 1 0\n  1\t0 0 # burst\r\n0 0 1", 3);
    assert_column(model, 0, ".x..x..x.");
    assert_column(model, 1, "x..x..x..");
    assert_column(model, 2, "..x..x..x");
    assert_true(kofn_straggler_get_factor(model, 1, 0) == 5); // the default slowdown
    assert_true(kofn_straggler_get_factor(model, UINT64_MAX / 3 * 3, 1) == 5);
    kofn_straggler_destroy(&model);
}

static void
a_trace_of_factors_says_how_slow(void **state)
{
    (void)state;
    kofn_straggler *model = replay("0.97 1 2.5\n1e3 0 1.0\n", 2); // and a worker too many
    assert_true(kofn_straggler_get_factor(model, 0, 0) == 1);
    assert_true(kofn_straggler_get_factor(model, 0, 1) == 1); // as fast as usual
    assert_true(kofn_straggler_get_factor(model, 1, 0) == 1000);
    assert_true(kofn_straggler_get_factor(model, 1, 1) == 1);
    assert_true(kofn_straggler_get_factor(model, 2, 0) == 1);
    kofn_straggler_destroy(&model);
}

static void
a_wrong_trace_is_refused_with_line_and_column(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"0 1\n0 nan\n", ":2:3: entry: 'nan' is not a number"},
        {"0 1\n0 inf\n", ":2:3: entry: 'inf' is not a number"},
        {"0 1\n\n# x\n -1 0\n", ":4:2: entry: '-1' is out of range"},
        {"2e6", ":1:1: entry: '2e6' is out of range"},
        {"1e999", ":1:1: entry: '1e999' is out of range"},
        {"0 x1\n", ":1:3: entry: 'x1' is not a number"},
        {"0 0x1\n", ":1:3: entry: '0x1' is not a number"},
        {"0,1\n", ":1:1: entry: '0,1' is not a number"},
        {"0 1\n0\n", ":2:2: 1 entries, the lines before have 2"},
        {"0 1\n0", ":2:2: 1 entries, the lines before have 2"},
        {"0 1\n0 1 1\n", ":2:5: one entry too many, a line has 2"},
        {"0 1\n0 1 1 # more", ":2:5: one entry too many"},
        {"0 \x01\n", ":1:3: a byte 0x01"},
        {"0 \xff\n", ":1:3: a byte 0xff"},
        {"0 00000000000000000000000000000001\n", ":1:34: a word of more than 31"},
        {"", ": no round is in it"},
        {"\n# nothing\n\n", ": no round is in it"},
        {"#", ": no round is in it"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_error error;
        kofn_straggler *model = NULL;
        assert_fails(try_trace(wrong[i].text, strlen(wrong[i].text), 1, &model, &error),
                     KOFN_DATA_LOSS);
        assert_null(model);
        if (!strstr(error.text, wrong[i].says))
            fail_msg("'%s': not '%s'", error.text, wrong[i].says);
    }
    kofn_error error;
    kofn_straggler *model = NULL;
    assert_fails(try_trace("0 1\0 0\n", 7, 1, &model, &error), KOFN_DATA_LOSS);
    assert_non_null(strstr(error.text, ":1:4: a byte 0x00"));
}

static void
a_trace_of_too_few_workers_is_refused(void **state)
{
    (void)state;
    kofn_error error;
    kofn_straggler *model = NULL;
    assert_fails(try_trace("0 1\n", 4, 3, &model, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "it is of 2 workers, there are 3"));
    model = replay("0 1\n", 2);
    kofn_straggler_destroy(&model);
}

static kofn_status
load_path(const char *path, kofn_error *error)
{
    kofn_straggler_trace trace = {0};
    const kofn_status status = kofn_straggler_trace_load(path, 5, &trace, error);
    kofn_straggler_trace_fini(&trace);
    return status;
}

static void
a_trace_that_cannot_be_read_is_refused(void **state)
{
    (void)state;
    kofn_error error;
    kofn_straggler_spec spec;
    kofn_straggler *model = NULL;
    assert_fails(load_path("/nowhere/trace", &error), KOFN_NOT_FOUND);
    assert_non_null(strstr(error.text, "/nowhere/trace"));
    assert_true(load_path("/tmp", &error) != KOFN_OK); // a folder
    assert_fails(load_path("/dev/zero", &error), KOFN_DATA_LOSS);
    assert_ok(kofn_straggler_parse("trace", &spec, &error)); // and no file
    assert_fails(kofn_straggler_new(&spec, 1, &model, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "file=PATH"));
}

/* A line without an end, and a file: what is kept stays within what was read, and that has its
 * limit. */
static void
endless_traces_are_refused_at_their_limits(void **state)
{
    (void)state;
    kofn_error error;
    kofn_straggler *model = NULL;
    enum { LINE = 2 * (KOFN_STRAGGLER_WORKERS_MAX + 1) };
    char *line = malloc(LINE);
    assert_non_null(line);
    for (size_t i = 0; i < LINE; i++)
        line[i] = i % 2 ? ' ' : '1';
    assert_fails(try_trace(line, LINE, 1, &model, &error), KOFN_DATA_LOSS);
    assert_non_null(strstr(error.text, ":1:131073: one entry too many, a line has 65536"));
    assert_ok(try_trace(line, LINE - 2, KOFN_STRAGGLER_WORKERS_MAX, &model, &error));
    kofn_straggler_destroy(&model);
    free(line);

    char path[] = "/tmp/kofn-trace-XXXXXX"; // sparse: a comment of NULs
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "1\n#", 3), 3);
    assert_int_equal(ftruncate(file, KOFN_STRAGGLER_TRACE_BYTES_MAX), 0);
    assert_ok(load_path(path, &error));
    assert_int_equal(ftruncate(file, KOFN_STRAGGLER_TRACE_BYTES_MAX + 1), 0);
    assert_fails(load_path(path, &error), KOFN_OUT_OF_RANGE);
    assert_int_equal(close(file), 0);
    assert_int_equal(unlink(path), 0);
}

/* ---- text ------------------------------------------------------------------------------------ */

static void
a_model_is_written_as_a_name_and_keys(void **state)
{
    (void)state;
    kofn_error error;
    kofn_straggler_spec spec;
    assert_ok(kofn_straggler_parse("iid", &spec, &error));
    assert_int_equal(spec.model, KOFN_STRAGGLER_IID);
    assert_true(spec.delta == 0.3 && spec.slowdown == 5 && spec.seed == 1);
    assert_ok(kofn_straggler_parse("iid:delta=0.25,seed=9,slowdown=10", &spec, &error));
    assert_true(spec.delta == 0.25 && spec.slowdown == 10 && spec.seed == 9);
    assert_ok(kofn_straggler_parse("fritchman:enter=0.1,leave=1,states=4", &spec, &error));
    assert_int_equal(spec.model, KOFN_STRAGGLER_FRITCHMAN);
    assert_true(spec.enter == 0.1 && spec.leave == 1 && spec.states == 4);
    assert_ok(kofn_straggler_parse("arbitrary:failures=10,window=4", &spec, &error));
    assert_true(spec.failures == 10 && spec.window == 4);
    assert_ok(kofn_straggler_parse("trace:file=/a/b=c.txt", &spec, &error));
    assert_string_equal(spec.trace, "/a/b=c.txt");
    assert_ok(kofn_straggler_parse("persistent:", &spec, &error));
    assert_int_equal(spec.count, 1);
}

static void
text_that_is_no_model_is_refused_with_what_is_near(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        kofn_status status;
        const char *says;
    } wrong[] = {
        {"iidd", KOFN_INVALID_ARGUMENT, "did you mean 'iid'?"},
        {"fritschman:enter=1", KOFN_INVALID_ARGUMENT, "did you mean 'fritchman'?"},
        {"", KOFN_INVALID_ARGUMENT, "use none, persistent, iid, fritchman, arbitrary or trace"},
        {"gilbert", KOFN_INVALID_ARGUMENT, "use none, persistent, iid"},
        {"iid:dleta=0.3", KOFN_INVALID_ARGUMENT, "dleta: no such key; did you mean 'delta'?"},
        {"iid:somethingelse=0.3", KOFN_INVALID_ARGUMENT, "somethingelse: no such key"},
        {"iid:states=3", KOFN_INVALID_ARGUMENT, "iid has no such key; it has: delta seed"},
        {"none:seed=3", KOFN_INVALID_ARGUMENT, "none has no such key; it has: none"},
        {"iid:model=trace", KOFN_INVALID_ARGUMENT, "model: no such key"},
        {"iid:delta", KOFN_INVALID_ARGUMENT, "'delta' is not MODEL:KEY=VALUE"},
        {"iid:delta=0.3,,seed=1", KOFN_INVALID_ARGUMENT, "',seed=1' is not MODEL:KEY=VALUE"},
        {"iid:delta=", KOFN_INVALID_ARGUMENT, "delta: '' is not a number"},
        {"iid:delta=nan", KOFN_INVALID_ARGUMENT, "delta: 'nan' is not a number"},
        {"iid:delta=1.5", KOFN_OUT_OF_RANGE, "delta: '1.5' is out of range; use 0 to 1"},
        {"iid:slowdown=0.5", KOFN_OUT_OF_RANGE, "slowdown"},
        {"fritchman:leave=0", KOFN_OUT_OF_RANGE, "leave"},
        {"arbitrary:window=0", KOFN_OUT_OF_RANGE, "window"},
        {"averyveryverylongnameofnomodelatall", KOFN_INVALID_ARGUMENT, "is not MODEL:KEY=VALUE"},
        {"iid:averyveryverylongnameofnokeyatall=1", KOFN_INVALID_ARGUMENT, "is not MODEL:"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_error error;
        kofn_straggler_spec spec = {.count = 42}, before = spec;
        assert_fails(kofn_straggler_parse(wrong[i].text, &spec, &error), wrong[i].status);
        assert_memory_equal(&spec, &before, sizeof spec);
        if (!strstr(error.text, wrong[i].says))
            fail_msg("'%s': not '%s'", error.text, wrong[i].says);
    }
    kofn_error error;
    kofn_straggler_spec spec;
    char path[400] = "trace:file=";
    memset(path + strlen(path), 'p', KOFN_STRAGGLER_PATH_MAX);
    assert_true(kofn_straggler_parse(path, &spec, &error) != KOFN_OK);
}

static void
models_that_contradict_their_workers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t workers;
        kofn_status status;
        const char *says;
    } wrong[] = {
        {"iid", 0, KOFN_OUT_OF_RANGE, "among 0 workers"},
        {"iid", KOFN_STRAGGLER_WORKERS_MAX + 1, KOFN_OUT_OF_RANGE, "need 1 to 65536"},
        {"persistent:count=3", 2, KOFN_INVALID_ARGUMENT, "count=3: there are 2 workers"},
        {"arbitrary:failures=13,window=4", 3, KOFN_INVALID_ARGUMENT, "can fail 12 times"},
    };
    kofn_error error;
    kofn_straggler *model = NULL;
    kofn_straggler_spec spec;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_ok(kofn_straggler_parse(wrong[i].text, &spec, &error));
        assert_fails(kofn_straggler_new(&spec, wrong[i].workers, &model, &error), wrong[i].status);
        assert_null(model);
        if (!strstr(error.text, wrong[i].says))
            fail_msg("'%s': not '%s'", error.text, wrong[i].says);
    }
    /* Specs that no parser saw. */
    spec = (kofn_straggler_spec){.model = 99};
    assert_fails(kofn_straggler_new(&spec, 1, &model, &error), KOFN_OUT_OF_RANGE);
    spec = (kofn_straggler_spec){.model = KOFN_STRAGGLER_IID, .delta = NAN, .slowdown = 5};
    assert_fails(kofn_straggler_new(&spec, 1, &model, &error), KOFN_OUT_OF_RANGE);
    spec = (kofn_straggler_spec){.model = KOFN_STRAGGLER_ARBITRARY, .slowdown = 5};
    assert_fails(kofn_straggler_new(&spec, 1, &model, &error), KOFN_OUT_OF_RANGE);
    assert_null(model);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_slow_by_none_and_the_first_ones_by_persistent),
        cmocka_unit_test(the_same_seed_gives_the_same_pattern_on_every_machine),
        cmocka_unit_test(a_column_is_the_same_whoever_asks_and_in_which_order),
        cmocka_unit_test(a_column_of_iid_and_fritchman_is_the_same_among_more_workers),
        cmocka_unit_test(another_seed_and_another_worker_give_another_pattern),
        cmocka_unit_test(iid_has_its_share_and_its_workers_straggle_alone),
        cmocka_unit_test(fritchman_has_its_mean_burst_and_its_share),
        cmocka_unit_test(fritchman_begins_as_it_goes_on),
        cmocka_unit_test(a_fritchman_chain_that_never_enters_is_never_slow),
        cmocka_unit_test(arbitrary_never_exceeds_its_failures_in_any_window_and_reaches_them),
        cmocka_unit_test(arbitrary_takes_all_workers_alike),
        cmocka_unit_test(a_trace_of_flags_is_replayed_again_and_again),
        cmocka_unit_test(a_trace_of_factors_says_how_slow),
        cmocka_unit_test(a_wrong_trace_is_refused_with_line_and_column),
        cmocka_unit_test(a_trace_of_too_few_workers_is_refused),
        cmocka_unit_test(a_trace_that_cannot_be_read_is_refused),
        cmocka_unit_test(endless_traces_are_refused_at_their_limits),
        cmocka_unit_test(a_model_is_written_as_a_name_and_keys),
        cmocka_unit_test(text_that_is_no_model_is_refused_with_what_is_near),
        cmocka_unit_test(models_that_contradict_their_workers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
