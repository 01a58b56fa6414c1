/* A cluster that is left running: small jobs without end, a worker killed now and then, clients
 * that come and go. What the master holds at the end it held at the beginning.
 *
 *     0        2/15        3/15                                    14/15       15/15
 *     | settle | reference |            ...                        | compared  |
 *
 * Memory is what the process has for its own (RssAnon), sampled once in a while; its drift is the
 * median of the last fifteenth against that of the third: minutes, of a run of fifteen. Under a
 * sanitizer it is not judged; there all daemons must end cleanly, without leaks.
 */
#include "tests/assert.h"
#include "tests/faults/crowd.h"
#include "tests/faults/faults.h"
#include "tests/integration/cluster.h"

#include <stdlib.h>

enum { WORKERS = 3, CLIENTS = 8, OUT = 4, SAMPLES_MAX = 10000, PARTS = 15, KILLS = 30 };

#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = 1, FULL_S = 120, FULL_JOBS = 2000 };
#else
enum { SANITIZED = 0, FULL_S = 900, FULL_JOBS = 100000 };
#endif

#define SILENT_S  3.0  // a worker that was not heard for so long does not count
#define DRIFT_MAX 0.01 // of the full run; in a brief one the records of ended jobs still fill up

typedef struct sample {
    double at_s, memory, descriptors;
} sample;

typedef struct soak {
    cluster *c;
    double start_s, seconds;
    double killed_s; // when a worker last was
    sample samples[SAMPLES_MAX];
    size_t count;
} soak;

static double
spent_s(const soak *s)
{
    return fault_now_s() - s->start_s;
}

static int
compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of the samples within part `part` of PARTS. */
static sample
median_of(const soak *s, int part)
{
    static double memory[SAMPLES_MAX], descriptors[SAMPLES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++)
        if ((int)(s->samples[i].at_s / s->seconds * PARTS) == part) {
            memory[count] = s->samples[i].memory;
            descriptors[count++] = s->samples[i].descriptors;
        }
    assert_true(count > 0);
    qsort(memory, count, sizeof memory[0], compare);
    qsort(descriptors, count, sizeof descriptors[0], compare);
    return (sample){.memory = memory[count / 2], .descriptors = descriptors[count / 2]};
}

/* A client that only looks in, as monitoring does. */
static void
visit(const soak *s)
{
    kofn_client *client = NULL;
    kofn_health health;
    kofn_error error;
    const kofn_client_options options = {.endpoint = cluster_get_clients_endpoint(s->c),
                                         .patience_ms = PATIENCE_S * 1000};
    assert_ok(kofn_client_open(&options, &client, &error));
    assert_ok(kofn_client_check(client, NULL, PATIENCE_S * 1000, &health, &error));
    kofn_client_close(&client);
}

static void
take_sample(soak *s)
{
    const pid_t master = cluster_get_master_pid(s->c);
    if (s->count < SAMPLES_MAX)
        s->samples[s->count++] = (sample){.at_s = spent_s(s),
                                          .memory = (double)fault_get_memory(master),
                                          .descriptors = (double)fault_count_descriptors(master)};
}

static void
run(soak *s)
{
    const double step_s = s->seconds / 900;
    size_t kills = 0, steps = 0;
    while (spent_s(s) < s->seconds) {
        if (spent_s(s) > step_s * (double)steps) {
            steps++;
            visit(s);
            take_sample(s);
        }
        if (spent_s(s) > s->seconds * (double)(kills + 1) / KILLS) {
            const size_t victim = kills++ % WORKERS;
            cluster_signal_worker(s->c, victim, SIGKILL);
            assert_int_equal(cluster_await_worker_end(s->c, victim), 128 + SIGKILL);
            s->killed_s = fault_now_s();
            cluster_start_worker(s->c, victim, "");
        }
        fault_pause();
    }
    take_sample(s);
}

/* Ends all daemons as a service manager does; a leak or a crash shows in their status. First all
 * workers must be there: one that only just begins dies of SIGTERM. The master counts the killed
 * one in its place until it has been silent for a while. */
static void
end_cleanly(const soak *s)
{
    cluster *c = s->c;
    while (fault_now_s() < s->killed_s + SILENT_S)
        fault_pause();
    cluster_await_workers(c, WORKERS);
    for (size_t i = 0; i < WORKERS; i++) {
        cluster_signal_worker(c, i, SIGTERM);
        assert_int_equal(cluster_await_worker_end(c, i), 0);
    }
    cluster_signal_master(c, SIGTERM);
    assert_int_equal(cluster_await_master_end(c), 0);
}

static void
what_runs_for_long_holds_no_more_than_before(void **state)
{
    static soak s;
    history h;
    s = (soak){.c = cluster_new_ready(state, CLUSTER_STORE "log:\n  level: warning\n", WORKERS),
               .start_s = fault_now_s(),
               .seconds = (double)fault_amount(8, FULL_S)};
    history_init(&h);
    const bool full = fault_amount(0, 1);
    const crowd_wish wish = {.endpoint = cluster_get_clients_endpoint(s.c),
                             .clients = CLIENTS,
                             .out = OUT,
                             .seed = test_seed(23),
                             .looks = 0.1,
                             .cancels = 0.02,
                             .pause_ns = 55 * 1000 * 1000};
    crowd *people = crowd_start(&wish, &h);
    run(&s);
    const crowd_count count = crowd_stop(&people);
    const history_verdict verdict = history_check(h.at, h.count);
    history_print(&verdict);
    history_fini(&h);
    assert_int_equal(count.troubles, 0);
    assert_int_equal(verdict.faults, 0);

    const sample before = median_of(&s, 2), after = median_of(&s, PARTS - 1);
    print_message("soak: %.0f s, %zu jobs; memory %.2f MiB, then %.2f (%+.2f %%); descriptors "
                  "%.0f, then %.0f\n",
                  s.seconds, count.settled, before.memory / 0x1p20, after.memory / 0x1p20,
                  100 * (after.memory / before.memory - 1), before.descriptors, after.descriptors);
    assert_true(!full || count.settled >= FULL_JOBS);
    assert_true(!full || SANITIZED || after.memory <= before.memory * (1 + DRIFT_MAX));
    assert_true(!full || after.descriptors <= before.descriptors * (1 + DRIFT_MAX));
    end_cleanly(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_runs_for_long_holds_no_more_than_before, cluster_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
