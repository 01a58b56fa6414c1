/* A cluster for one test: a real master, real workers, on ports of their own, in a folder of its
 * own.
 *
 * Everything that a test starts ends with it: the teardown kills and reaps each process and removes
 * the folder, also after a failed assertion; and the kernel does so should the test itself be
 * killed. Waits are for states that are asked for again and again, up to PATIENCE_S; no test
 * relies on how long something takes.
 *
 *     static void
 *     master_may_start_first(void **state)
 *     {
 *         cluster *c = cluster_new(state, "");
 *         cluster_start_master(c);
 *         cluster_start_worker(c, 0, "");
 *         cluster_await_workers(c, 1);
 *     }
 *
 *     cmocka_unit_test_teardown(master_may_start_first, cluster_teardown)
 *
 * Failures of the helpers fail the test (cmocka), with the daemons' logs on standard error.
 */
#ifndef KOFN_TESTS_INTEGRATION_CLUSTER_H
#define KOFN_TESTS_INTEGRATION_CLUSTER_H

#include "client/kofn.h"

#include <signal.h>
#include <stdio.h>
#include <sys/types.h>

enum { CLUSTER_WORKERS_MAX = 16, CLUSTER_PATH_MAX = 256, PATIENCE_S = 60 };

typedef struct cluster cluster;

/* How long a wait of the cluster, of its people and of raw peers may take: PATIENCE_S, until one
 * was in vain. The next ones are in vain soon: what is broken is so for all, and the test is to say
 * it before it is stopped from outside. */
double cluster_get_patience_s(void);
void cluster_note_in_vain(void);

/* Folder, free ports and the master's configuration; nothing runs yet. `master_yaml` is added to
 * the configuration. *state is for the teardown. */
cluster *cluster_new(void **state, const char *master_yaml);
int cluster_teardown(void **state);

/* Start a daemon; started again, it replaces the one before (which must have ended). */
void cluster_start_master(cluster *c);
void cluster_start_worker(cluster *c, size_t number, const char *yaml);

/* Workers that are started from now on connect there, not to the master itself: to a proxy. NULL:
 * to the master again. */
void cluster_set_route(cluster *c, const char *endpoint);

/* Master and `workers` plain workers, all of them ready: what most tests begin with. */
cluster *cluster_new_ready(void **state, const char *master_yaml, size_t workers);

/* End the master with SIGKILL, reaped; its ports and its folder are the next one's. */
void cluster_kill_master(cluster *c);

/* From its next start on, the master is the one that has failpoints (master/store/failpoint.h), and
 * this one is armed: "job_kept:kill:1". NULL: none is, and it is the ordinary one again. */
void cluster_arm_master(cluster *c, const char *failpoint);

/* A store in the cluster's folder, in the words of master.yaml. */
#define CLUSTER_STORE "store:\n  dir: store\n"

void cluster_signal_master(cluster *c, int signal);
void cluster_signal_worker(cluster *c, size_t number, int signal);

/* Wait for its end; exit status, or 128 + signal. */
int cluster_await_master_end(cluster *c);
int cluster_await_worker_end(cluster *c, size_t number);
bool cluster_master_has_ended(cluster *c);
bool cluster_worker_has_ended(cluster *c, size_t number);

/* What the master says of itself, as soon as it answers: one that was just restarted costs its
 * clients the connection, and a check is made only once. */
kofn_health cluster_check(cluster *c);

/* Until the master counts exactly so many workers. */
void cluster_await_workers(cluster *c, size_t count);

/* Until worker `number` has at least so many tasks running; exactly none for 0. */
void cluster_await_running(cluster *c, size_t number, size_t tasks);

/* Until at least so many tasks of worker `number` have failed. */
void cluster_await_failed(cluster *c, size_t number, size_t tasks);

pid_t cluster_get_worker_pid(const cluster *c, size_t number);

/* What the master says of worker `number`; fails when it does not know it. */
kofn_worker_info cluster_get_worker(cluster *c, size_t number);

/* A client of the cluster's own, kept open. */
kofn_client *cluster_get_client(cluster *c);

const char *cluster_get_clients_endpoint(const cluster *c);
const char *cluster_get_workers_endpoint(const cluster *c);

/* "folder/name". */
void cluster_get_path(const cluster *c, const char *name, char ret_path[CLUSTER_PATH_MAX]);

pid_t cluster_get_master_pid(const cluster *c);

/* The text that a daemon has logged so far; owned by the cluster, valid until the next call. */
const char *cluster_get_master_log(cluster *c);

/* Until the master has logged this. */
void cluster_await_master_log(cluster *c, const char *text);

/* ---- programs -------------------------------------------------------------------------------- */

typedef struct outcome { // of a program that has ended
    int status;          // exit status, or 128 + signal
    char out[65536], err[65536];
} outcome;

/* Run `kofn` with these arguments (NULL ends them) against the cluster, in its folder. */
void cluster_run(cluster *c, outcome *ret_outcome, ...) __attribute__((sentinel));

/* The same in the background: at most 64 at a time, each reaped by cluster_await_run. */
pid_t cluster_spawn(cluster *c, ...) __attribute__((sentinel));
int cluster_await_run(cluster *c, pid_t pid);

/* Run a daemon's program with arguments of the test's own. */
void cluster_run_program(cluster *c, outcome *ret_outcome, const char *program, ...)
    __attribute__((sentinel));

/* Run the commands of a section of README.md as one script of the shell, in the cluster's folder
 * with its master; how many there are. Fails the test if they fail. */
size_t cluster_run_readme(cluster *c, const char *section, outcome *ret_outcome);

/* ---- matrices -------------------------------------------------------------------------------- */

/* rows x cols numbers in [-1, 1), by seed; free() it. */
double *test_matrix(size_t rows, size_t cols, uint64_t seed);
kofn_matrix test_view(const double *at, size_t rows, size_t cols);

/* What is left out otherwise is set here: a policy and a time of PATIENCE_S; then parts of the code
 * by their names, of which NULL leaves one to the master. */
kofn_product_options test_options(const char *policy, const char *family);
void test_choose(kofn_product_options *options, const char *name, const char *text);

/* C := A B by cluster_get_client; fails the test unless it is right within the error that the
 * account allows. `family` may be NULL; partition 0,0,0 leaves it to the master. */
typedef struct product_wish {
    size_t rows, inner, cols;
    const char *family, *partition, *policy;
    size_t tasks;
} product_wish;

kofn_account cluster_multiply(cluster *c, const product_wish *wish);

/* Fails unless |C - A B| <= 8 (amplification + 1) inner eps max|A| max|B|, elementwise. */
void assert_product(const double *a, const double *b, const kofn_matrix *c, size_t inner,
                    double amplification);

#endif
