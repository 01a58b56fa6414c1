/* A master that is killed again and again, at random times and at every failpoint, under a crowd of
 * clients that submit, wait, ask and cancel, store operands, name and drop them: what they see is
 * held against a model (history.h).
 *
 * Seeded by KOFN_TEST_SEED, which is printed: it decides what is asked for and when the kills come;
 * what each of them hits is the machine's to choose.
 */
#include "tests/assert.h"
#include "tests/faults/crowd.h"
#include "tests/faults/faults.h"
#include "tests/integration/cluster.h"

#include "common/base/rng.h"
#include "master/store/failpoint.h"

#include <stdlib.h>
#include <time.h>

enum { WORKERS = 2, CLIENTS = 8, OUT = 4, ANSWER_S_MAX = 5, BACK_S_MAX = 10 };

/* All records stay: a client asks for every job once more after its end. */
#define CONFIG                                                                                     \
    CLUSTER_STORE "results:\n  jobs: 100000\nlimits:\n  jobs: 100000\nlog:\n  level: warning\n"

/* All but a few records go. */
#define FORGETFUL CLUSTER_STORE "results:\n  jobs: 20\n"

static crowd_wish
wish_of(const cluster *c, uint64_t seed)
{
    return (crowd_wish){.endpoint = cluster_get_clients_endpoint(c),
                        .clients = CLIENTS,
                        .out = OUT,
                        .seed = seed,
                        .looks = 0.2,
                        .cancels = 0.05,
                        .large = 0.1,
                        .named = 0.2,
                        .last_looks = true};
}

/* The whole history so far, once nobody adds to it. */
static history_verdict
judge(cluster *c, crowd **crowd_p, history *h)
{
    const crowd_count count = crowd_stop(crowd_p);
    crowd_list(cluster_get_clients_endpoint(c), h);
    const history_verdict verdict = history_check(h->at, h->count);
    if (count.troubles + verdict.faults > 0)
        history_print(&verdict);
    assert_int_equal(count.troubles, 0);
    assert_int_equal(verdict.faults, 0);
    return verdict;
}

/* ---- how long it takes to come back ---------------------------------------------------------- */

typedef struct comeback {
    double answer_s, workers_s; // at most, until a client is answered; until all workers are back
    double sum_s;               // of all until a client is answered
} comeback;

static kofn_client *
open_watch(const cluster *c)
{
    kofn_client *client = NULL;
    kofn_error error;
    const kofn_client_options options = {.endpoint = cluster_get_clients_endpoint(c),
                                         .patience_ms = PATIENCE_S * 1000,
                                         .away_ms = PATIENCE_S * 1000,
                                         .backoff_ms = 10,
                                         .backoff_max_ms = 50};
    assert_ok(kofn_client_open(&options, &client, &error));
    return client;
}

/* Until the master answers and, if `workers`, has them all; since it was started again. */
static double
await_back(kofn_client *watch, double since_s, size_t workers)
{
    kofn_health health = {0};
    for (;;) {
        if (kofn_client_check(watch, NULL, 200, &health, NULL) == KOFN_OK &&
            health.workers >= workers)
            return fault_now_s() - since_s;
        if (fault_now_s() - since_s > PATIENCE_S)
            fail_msg("the master with %zu workers is not back after %d s", workers, PATIENCE_S);
        fault_pause();
    }
}

static void
note_longest(double *longest, double seconds)
{
    *longest = seconds > *longest ? seconds : *longest;
}

/* ---- at random times ------------------------------------------------------------------------- */

static void
wait_s(double seconds)
{
    const struct timespec t = {.tv_sec = (time_t)seconds,
                               .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    (void)nanosleep(&t, NULL); // when the next kill comes: nothing is waited for
}

static void
strike(cluster *c, kofn_client *watch, kofn_rng *rng, comeback *longest)
{
    wait_s(kofn_rng_unit(rng));
    cluster_kill_master(c);
    const double since_s = fault_now_s();
    cluster_start_master(c);
    const double answer_s = await_back(watch, since_s, 0);
    note_longest(&longest->answer_s, answer_s);
    longest->sum_s += answer_s;
    if (kofn_rng_unit(rng) < 0.7) // else the next kill comes while it takes up what was
        note_longest(&longest->workers_s, await_back(watch, since_s, WORKERS));
}

static void
kills_at_random_times_lose_and_double_nothing(void **state)
{
    const size_t kills = fault_amount(4, 50), jobs = fault_amount(200, 10000);
    const uint64_t seed = test_seed(20);
    kofn_rng rng;
    history h;
    comeback longest = {0};
    cluster *c = cluster_new_ready(state, CONFIG, WORKERS);
    kofn_rng_init(&rng, seed, 1 << 20);
    history_init(&h);
    const crowd_wish wish = wish_of(c, seed);
    crowd *people = crowd_start(&wish, &h);
    kofn_client *watch = open_watch(c);
    for (size_t i = 0; i < kills || crowd_look(people).accepted < jobs; i++)
        if (i < kills)
            strike(c, watch, &rng, &longest);
        else
            fault_pause();
    kofn_client_close(&watch);
    const history_verdict verdict = judge(c, &people, &h);
    history_print(&verdict);
    history_fini(&h);
    print_message("storm: %zu kills; the master answers after %.2f s on average and %.2f at most, "
                  "workers are back after %.2f s at most\n",
                  kills, longest.sum_s / (double)kills, longest.answer_s, longest.workers_s);
    assert_true(longest.answer_s <= ANSWER_S_MAX);
    assert_true(longest.workers_s <= BACK_S_MAX);
}

/* ---- at every failpoint ---------------------------------------------------------------------- */

static void
start_armed(cluster *c, kofn_failpoint point, size_t pass)
{
    char armed[64];
    (void)snprintf(armed, sizeof armed, "%s:kill:%zu", kofn_failpoint_name(point), pass);
    print_message("storm: %s\n", armed);
    cluster_arm_master(c, armed);
    cluster_start_master(c);
    cluster_arm_master(c, NULL);
}

/* The master dies at a pass of this point, and another one takes over. Its store and the history
 * are those of the points before. A point that the crowd never passes fails the test: it does not
 * die. */
static history_verdict
strike_at(cluster *c, kofn_failpoint point, size_t pass, const crowd_wish *wish, history *h)
{
    start_armed(c, point, pass);
    crowd *people = crowd_start(wish, h);
    assert_int_equal(cluster_await_master_end(c), 128 + SIGKILL);
    cluster_start_master(c);
    const size_t before = crowd_look(people).settled;
    while (crowd_look(people).settled < before + CLIENTS) // they go on
        fault_pause();
    const history_verdict verdict = judge(c, &people, h);
    cluster_kill_master(c);
    return verdict;
}

/* Nobody is there yet: the next start makes the tables anew. */
static void
strike_at_start(cluster *c)
{
    start_armed(c, KOFN_FAIL_SCHEMA_MADE, 1);
    assert_int_equal(cluster_await_master_end(c), 128 + SIGKILL);
}

/* Records that are pushed out by newer ones cannot be asked for any more: a master that forgets has
 * a crowd of its own. */
static bool
is_of_forgetful(kofn_failpoint point)
{
    return point == KOFN_FAIL_JOB_REMOVING;
}

/* At each point of one kind of master or of the other; how many these are. */
static size_t
strike_at_all(void **state, bool forgetful, kofn_rng *rng)
{
    const size_t passes = fault_amount(1, 5);
    size_t points = 0;
    history h;
    history_verdict verdict = {.orders = 0};
    history_init(&h);
    cluster *c = cluster_new(state, forgetful ? FORGETFUL : CONFIG);
    for (size_t i = 0; i < WORKERS; i++)
        cluster_start_worker(c, i, "");
    for (int point = 0; point < KOFN_FAIL_COUNT; point++) {
        if (is_of_forgetful((kofn_failpoint)point) != forgetful)
            continue;
        points++;
        for (size_t i = 0; i < passes; i++) {
            crowd_wish wish = wish_of(c, kofn_rng_u64(rng));
            wish.first_order = verdict.orders;
            if (forgetful) {
                wish.looks = wish.cancels = 0;
                wish.last_looks = false;
            }
            const size_t pass = 1 + kofn_rng_below(rng, i == 0 ? 1 : 60);
            if (point == KOFN_FAIL_SCHEMA_MADE)
                strike_at_start(c);
            else
                verdict = strike_at(c, (kofn_failpoint)point, pass, &wish, &h);
        }
    }
    history_print(&verdict);
    history_fini(&h);
    return points;
}

static void
a_kill_at_any_failpoint_loses_and_doubles_nothing(void **state)
{
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(21), 0);
    size_t points = strike_at_all(state, false, &rng);
    assert_int_equal(cluster_teardown(state), 0);
    points += strike_at_all(state, true, &rng);
    assert_int_equal(points, KOFN_FAIL_COUNT);
}

/* ---- on the command line --------------------------------------------------------------------- */

static void
await_text(cluster *c, const char *name, const char *text)
{
    char path[CLUSTER_PATH_MAX], line[1024];
    cluster_get_path(c, name, path);
    for (const double since_s = fault_now_s(); fault_now_s() < since_s + PATIENCE_S;
         fault_pause()) {
        FILE *file = fopen(path, "r");
        bool found = false;
        while (file && !found && fgets(line, sizeof line, file))
            found = strstr(line, text) != NULL;
        if (file)
            (void)fclose(file);
        if (found)
            return;
    }
    fail_msg("nothing said '%s'", text);
}

/* It stays away for longer than the watcher would look for one that was never there. */
static void
kofn_watch_says_that_the_master_is_away_and_goes_on(void **state)
{
    cluster *c = cluster_new(state, CLUSTER_STORE);
    double *a = test_matrix(16, 16, 1);
    const kofn_matrix view = test_view(a, 16, 16);
    kofn_error error;
    char job[KOFN_CLIENT_JOB_MAX];
    cluster_start_master(c);
    assert_ok(kofn_client_submit(cluster_get_client(c), &view, &view, NULL, job, &error));
    const pid_t watcher = cluster_spawn(c, "watch", job, "--patience", "2s", NULL);
    await_text(c, "spawned.log", "queued");
    const pid_t waiter = cluster_spawn(c, "wait", job, "-o", "C.npy", NULL);
    wait_s(0.5); // it has asked by then, most of the time; it would look for longer
    cluster_kill_master(c);
    await_text(c, "spawned.log", "master is away, trying again");
    wait_s(2.5);
    cluster_start_master(c);
    cluster_start_worker(c, 0, "");
    assert_int_equal(cluster_await_run(c, waiter), 0);
    assert_int_equal(cluster_await_run(c, watcher), 0);
    await_text(c, "spawned.log", "product in C.npy");
    free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(kills_at_random_times_lose_and_double_nothing, cluster_teardown),
        cmocka_unit_test_teardown(a_kill_at_any_failpoint_loses_and_doubles_nothing,
                                  cluster_teardown),
        cmocka_unit_test_teardown(kofn_watch_says_that_the_master_is_away_and_goes_on,
                                  cluster_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
