/* Simulation: the daemon's own scheduler in virtual time, under any policy, code and stragglers.
 *
 *     +-----------+  SEND, CANCEL   +--------------------------------------+
 *     | scheduler | --------------> | workers: each does what it was sent, |
 *     | (sched.h) | <-------------- | one after another, in that order     |
 *     +-----------+  answer, tick   +--------------------------------------+
 *           ^ DECODE                       factors of straggler.h, jitter
 *           +-- the next job is added
 *
 * Batches    A job may be a batch of pairs (batch.h); each task is one block product of it.
 * Rows       Under two_stage they are made as the daemon makes them (staged.h), at once, of the
 *            products that are late at that moment.
 * Streams    Under policy "rounds" all jobs are of one stream (rounds.h), whose slots are the
 *            workers.
 * Time       A task takes (its flops / the job's flops) x unit x factor x jitter + overhead. `unit`
 *            is the whole job on one worker that is no straggler. The factor is that of the worker
 *            in the job (jobs count as the model's rounds), with `each_task` in its own count of
 *            tasks, as workers inject it; or, of a stream, in the round it was sent in.
 *            Jitter is exp(sigma z), z normal: median 1. Nothing else takes time: blocks come at
 *            once, encoding and decoding cost nothing. Cancelled, a task frees its worker at once.
 * Order      What happens at the same moment: answers first, by worker, then the scheduler's time,
 *            then what it asks for. So with a tolerance of 0 all who are as fast as the first have
 *            done their lists in time.
 * Jobs       `at_once` are under way or wait; whenever one ends, the next one is added. All have
 *            the same code.
 * Answers    Are counted where any k of them suffice and no fewer ever can: of streams, and where k
 *            = x y. Then sets are never badly conditioned, nothing is encoded or solved, and
 *            neither costs any time here. Other codes, and all with `decoder`, have the daemon's
 *            decoder.
 * Seeds      The same configuration gives the same figures everywhere.
 * Cost       O(log P) for each task, O(P) for each job or round; 8 bytes for each job. On one core
 *            of an AMD EPYC: 10^6 jobs of a polynomial code on 4 workers 2.3 s, 10^6 rounds of idip
 *            with T = 3 5.7 s, 100 rounds of 10,000 workers 3 to 5 s.
 * Threads    A run belongs to one thread; there is no shared state.
 */
#ifndef KOFN_MASTER_SIM_SIMULATE_H
#define KOFN_MASTER_SIM_SIMULATE_H

#include "common/code/spec.h"
#include "common/code/straggler.h"
#include "master/sched/sched.h"

enum { KOFN_SIM_WORKERS_MAX = 10000, KOFN_SIM_JOBS_MAX = 100000000, KOFN_SIM_NAME_MAX = 192 };

typedef struct kofn_sim_config {
    int64_t workers;            // P
    int64_t jobs;               // in all
    int64_t at_once;            // of them under way; 0: 1, or T + 2 of a stream
    int64_t credit;             // tasks that a worker takes at a time
    int64_t unit_ns;            // the whole job on one worker
    int64_t overhead_ns;        // of each task
    double jitter;              // sigma
    int64_t seed;               // of jitter
    char policy[KOFN_NAME_MAX]; // of each job; "rounds": they are a stream's
    kofn_rounds_config rounds;  // of that; `slots` is set
    const kofn_field *field;    // borrowed
    kofn_code_spec code; // what is open is chosen as for a large product, or for its batch; of a
                         // stream the partition alone counts, z = 1, and with `decoder` the family
    bool decoder;        // nothing is counted
    bool each_task;      // the rounds of stragglers are the tasks of each worker
    kofn_straggler_spec stragglers; // with a seed of its own
    kofn_sched_config sched;
} kofn_sim_config;

/* The table of the keys above that are numbers. */
extern const kofn_keys kofn_sim_keys;

/* Every default: oneshot, f64, no stragglers, and the master's own. */
void kofn_sim_config_init(kofn_sim_config *config);

/* `count` pairs of `left` blocks of A and `right` blocks of B, of which each is in as many pairs as
 * any other, or one more, and no two pairs are alike: all products, or with `sum` what they add up
 * to. For the code of a configuration (kofn_code_spec_set_batch). OUT_OF_RANGE: fewer pairs than
 * blocks, more than are different, or more than a batch holds. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_sim_make_pairs(size_t count, size_t left, size_t right, bool sum,
                                                const kofn_field *field, kofn_batch **ret_batch,
                                                kofn_error *err);

/* Complete code and rounds, and check all. OUT_OF_RANGE, INVALID_ARGUMENT, NOT_FOUND: a key, with
 * what would do; errors of the code. kofn_sim_run does it for itself. */
KOFN_MUST_CHECK kofn_status kofn_sim_settle(kofn_sim_config *config, kofn_error *err);

bool kofn_sim_is_stream(const kofn_sim_config *config);

/* What one task is of a job, once settled: 1 / (x z y), of a batch 1 / pairs. */
double kofn_sim_get_share(const kofn_sim_config *config);

/* "idip 2,1,3 T=3 W=4 N=10, tolerance 0.25"; "uncoded 4,1,1 n=4, speculative, 5 at once";
 * "locality, 8 pairs of 4 and 4 blocks, n=15, two_stage". Of one that is settled. */
void kofn_sim_format(const kofn_sim_config *config, char *ret_text, size_t size);

typedef struct kofn_sim_job {   // that ended
    uint64_t job;               // from 1
    int64_t begun_ns, ended_ns; // begun: when it was added; of a stream, born
    uint64_t born, done;        // of a stream, rounds: done - born <= T
    size_t sent, answered;      // tasks
    bool failed;
} kofn_sim_job;

typedef struct kofn_sim_round { // of a stream, that is over
    uint64_t round;             // from 1
    int64_t begun_ns, ended_ns;
    size_t load;       // mini-tasks of the longest list
    size_t slow;       // workers that the model made stragglers
    size_t stragglers; // slots that had not done their lists at the end
    bool waited;       // it was not over at the end of the tolerance
} kofn_sim_round;

/* Who watches; any may be NULL, and so may the observer. on_job: in the order of ending. go_on:
 * from time to time, with jobs that ended; false ends the run as CANCELLED. */
typedef struct kofn_sim_observer {
    void *context;
    void (*on_job)(void *context, const kofn_sim_job *job);
    void (*on_round)(void *context, const kofn_sim_round *round);
    bool (*go_on)(void *context, uint64_t ended);
} kofn_sim_observer;

typedef struct kofn_sim_figures {
    uint64_t jobs, failed;         // that ended; of them badly, most often by FAILED_PRECONDITION
    char why[KOFN_ERROR_TEXT_MAX]; // the first that failed
    double seconds;                // virtual, from the first job to the last end
    double time;                   // for each job, in units: the paper's R-hat
    double load; // work that a job gives each worker, in units: the paper's L; of a stream, by the
                 // longest list of each round
    double busy; // share of their time that workers computed
    double
        slow; // share of (job or round, worker), or of tasks sent, that the model made stragglers
    uint64_t sent, answered, cancelled, backups; // tasks
    uint64_t fresh, made; // tasks of the reserve that were sent; times that rows were made for it
    double mean;          // of `latency`
    uint64_t rounds, waited; // of a stream: that ended; beyond the tolerance
    double delay;            // of a stream: rounds after that of its birth in which a job was done
    uint64_t delay_max;      // at most
    double stragglers;       // share of (round, slot) with something left to do at the end
    double *latency;         // [jobs - failed] seconds from begun to ended, ascending; owned
} kofn_sim_figures;

/* Run it. Errors of kofn_sim_settle and of the straggler model; FAILED_PRECONDITION: nothing more
 * would ever happen; CANCELLED: the observer; RESOURCE_EXHAUSTED. End with
 * kofn_sim_figures_fini. */
KOFN_MUST_CHECK kofn_status kofn_sim_run(const kofn_sim_config *config,
                                         const kofn_sim_observer *observer,
                                         kofn_sim_figures *ret_figures, kofn_error *err);
void kofn_sim_figures_fini(kofn_sim_figures *figures);

/* The latency that a share of all jobs, in [0, 1], keeps below or at; 0 where there are none. */
double kofn_sim_percentile(const kofn_sim_figures *figures, double share);

#endif
