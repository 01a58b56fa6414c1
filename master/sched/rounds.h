/* Rounds: which mini-task of a stream goes to whom, and when a round is over.
 *
 * A stream is a sequence of jobs. One job is born with each round, as long as any waits, and is to
 * be finished T rounds later at the latest. In each round each slot (one of P places, held by a
 * worker or vacant) gets a list of mini-tasks, in order, of the jobs of the last T + 1 rounds:
 *
 *     round t    l = 1        2          3      ...  T+1         mini-tasks of one slot, in order
 *               job of       job of     job of       job of
 *               round t      t - 1      t - 2        t - T       the due job: finished in this round
 *
 * A mini-task is a row of its job's inner code (inner.h). Of a job that is finished it is trivial:
 * it is in no list, and costs nothing. When the round ends, what is out is taken back: those
 * mini-tasks have failed, and their slot was a straggler in that round.
 *
 * Time       tau is what the first slot took to do its list: one of which it has answered something
 *            itself. A list that is empty since others answered, or all of it was trivial, says
 *            nothing of time. After (1 + mu) tau whoever has not done his is a straggler, and the
 *            round is over unless its scheme waits:
 *     dip          until the due job is finished. Each slot gets one fresh row of each unfinished
 *                  job of age 0 to T-1, and ceil((need - answers) / lambda) of the due one
 *                  (Algorithm 1).
 *     idip         until the pattern of stragglers conforms: at most N in any W successive rounds,
 *                  all slots together; who does his list meanwhile is none. W = T + 1 rows of each
 *                  slot: failed ones again, plain ones as long as they cannot all fail, coded ones
 *                  after that (Algorithm 2). need = x y = P W - N.
 *     idip_burst   the same, but plain rows are given by another forecast: a worker that straggles
 *                  does so in at most B successive rounds, and at most N / B workers do in any W.
 *                  Where that fails, plain rows may be lost for good and are solved for; no round
 *                  waits longer. Ours: the paper names it, and its supplement is not at hand.
 *     polynomial   T = 0, coded rows, one for each slot: until the job is finished, whatever the
 *                  time.
 *     uncoded      T = 0, plain rows, dealt to the slots in turn: likewise.
 *            A round is over at once, before (1 + mu) tau, when every slot has done its list. As
 *            long as none has, there is no tau and no deadline.
 * Always     No round ends before its due job is finished, whatever the scheme and whatever
 *            happened: that is the invariant. As soon as too few rows of it are answered or out to
 *            suffice, and when those that are answered do not span, further ones are given in the
 *            same round. Jobs that failed count as finished.
 * Vacant     The list of a slot without a worker is dealt out to the others, behind their own (of
 *            dip, which needs no fixed number, it is left out). A straggler by vacancy counts only
 *            if what was dealt out failed.
 * Letter     In the paper a job that is finished in mid-round is trivial from the next round on.
 *            Who wants that tells finish after the round; of the due job once the time that
 *            kofn_rounds_get_due named is past, or nothing of it is out any more, before he asks
 *            kofn_rounds_end.
 * Rescue     A round that waits for longer than `rescue` times tau has the mini-tasks that it waits
 *            for copied to slots that have done their lists: what has no copy yet, again whenever
 *            it has lasted twice as long. Less than 1 + mu: as soon as it waits. 0: never, as in
 *            the paper.
 * Late       Who has not done his list by (1 + mu) tau is late, also if he does it while the round
 *            waits: the trace (trace.h) is of workers, whatever the scheme makes of them. A vacant
 *            slot is only if it is a straggler. Of a list that was late, as long as the first one,
 *            and done by its slot alone, the time over tau is known: `slowdown`. One that was taken
 *            back took longer than its round, and who knows how long.
 * Birth      A round begins when the one before is over and there is a job that waits or is not
 *            finished: it never waits for the client, so that one who pushes job i + T + 1 once it
 *            has the result of i is always served.
 * Source     Krishnan, Hosseini, Khisti, "Coded Sequential Matrix Multiplication For Straggler
 *            Mitigation", NeurIPS 2020: section 3, Algorithms 1 and 2. Line 9 of Algorithm 2 is
 *            read once for each slot list: entries that remain before any of this list is given.
 * Cost       O(1) for each mini-task and answer, O(W) for each forecast, O(P) for each round:
 *            given, sent and answered, a mini-task takes 30 to 50 ns on one core of an AMD EPYC,
 *            with 100 slots and with 10,000; a round of four slots takes less than 1 us. Memory: P
 *            (T + 1) mini-tasks, and the rows of T + 1 jobs.
 * Threads    One thread at a time. No clock: times are absolute nanoseconds, never decreasing.
 */
#ifndef KOFN_MASTER_SCHED_ROUNDS_H
#define KOFN_MASTER_SCHED_ROUNDS_H

#include "common/base/keys.h"
#include "common/linalg/partition.h"
#include "master/sched/trace.h"

#include <stdint.h>

enum { KOFN_SLOTS_MAX = 10000, KOFN_DELAY_MAX = 64 };
enum { KOFN_PARTS_MAX = 512 }; // of a coded job: to solve for them takes 0.1 s to 1 s

typedef enum kofn_scheme {
    KOFN_SCHEME_DIP,
    KOFN_SCHEME_IDIP,
    KOFN_SCHEME_IDIP_BURST,
    KOFN_SCHEME_POLYNOMIAL,
    KOFN_SCHEME_UNCODED,
} kofn_scheme;

/* Zero in `delay`, `window`, `failures`, `lambda` and `burst` leaves them to kofn_rounds_settle. */
typedef struct kofn_rounds_config {
    int scheme;       // kofn_scheme
    int64_t slots;    // P
    int64_t delay;    // T
    int64_t lambda;   // dip: of P workers, those that must answer in a due round; default P
    double tolerance; // mu
    int64_t failures; // idip: N
    int64_t window;   // idip: W
    int64_t burst;    // idip_burst: B, a divisor of N
    double rescue;    // times tau; 0: never
} kofn_rounds_config;

/* The table of these keys, with their defaults: configuration, command line, protocol. */
extern const kofn_keys kofn_rounds_keys;

const char *kofn_scheme_name(kofn_scheme scheme);

/* As far as it is known without `need`. OUT_OF_RANGE: a number, by itself. INVALID_ARGUMENT: one
 * that is not zero, and that the scheme does not have; the text has those that it has. */
KOFN_MUST_CHECK kofn_status kofn_rounds_check(const kofn_rounds_config *config, kofn_error *err);

/* Fill what is open (0) of the parts that a job is cut into: as many as the scheme gathers answers
 * of while one worker straggles all the time, but of a long window no more than the usual ones, and
 * of a coded job no more than KOFN_PARTS_MAX (with more slots than that, all further ones are
 * spare), unless `failures` says how many; as square as can be, z = 1. `slots` is known. */
void kofn_rounds_choose_parts(const kofn_rounds_config *config, kofn_partition *part);

/* Beyond so many parts coding costs more than finer ones bring: each coded row reads both operands
 * whole, the decoder solves for parts^3, and blocks of them all are sent. 64, or 4 of each slot. */
size_t kofn_rounds_get_usual_parts(const kofn_rounds_config *config);

/* Fill what is open of delay and parts for an inner code that has at most `rows` coded rows
 * (SIZE_MAX: as many as it takes): as kofn_rounds_choose_parts, and where those are too many the
 * delay is shorter, then the parts are fewer. `need`: answers that a job takes, where the inner
 * dimension is cut; 0: x y. INVALID_ARGUMENT: there are not rows enough however little is left
 * open. What does not settle is left to kofn_rounds_settle, which says why. */
KOFN_MUST_CHECK kofn_status kofn_rounds_fit(kofn_rounds_config *config, size_t need, size_t rows,
                                            kofn_partition *part, kofn_error *err);

/* OUT_OF_RANGE: a coded job that takes more than KOFN_PARTS_MAX answers, with the nearest
 * partition. */
KOFN_MUST_CHECK kofn_status kofn_rounds_check_need(const kofn_rounds_config *config, size_t need,
                                                   kofn_error *err);

/* Fill what is left open, for jobs that take `need` answers: W = T + 1, N = P W - need, lambda = P,
 * B = 1, T = 0 of the baselines, else what W or N say, or 3, or as many as it takes. Errors: those
 * of kofn_rounds_check. INVALID_ARGUMENT, OUT_OF_RANGE: they contradict each other; the text has
 * the equation with its numbers and the nearest that holds:
 *     idip   need = P W - N, T = W - 1, 0 <= N < P W      dip   1 <= lambda <= P, T >= 1
 *     burst  B divides N, B <= W                          polynomial need <= P      T = 0 of both */
KOFN_MUST_CHECK kofn_status kofn_rounds_settle(kofn_rounds_config *config, size_t need,
                                               kofn_error *err);

/* Rows that a job's inner code should have: plain ones in front (need, or 0), and coded ones behind
 * them. Where these are used up, rows that failed are given again. */
void kofn_rounds_count_rows(const kofn_rounds_config *config, size_t need, size_t *ret_plain,
                            size_t *ret_coded);

typedef struct kofn_rounds kofn_rounds;

/* `config` is settled for need. RESOURCE_EXHAUSTED. All slots are vacant. */
KOFN_MUST_CHECK kofn_status kofn_rounds_new(const kofn_rounds_config *config, size_t need,
                                            kofn_rounds **ret_rounds, kofn_error *err);
void kofn_rounds_destroy(kofn_rounds **rounds_p); // accepts NULL

typedef struct kofn_mini_task {
    uint64_t job;
    size_t row;
    size_t slot; // that is to do it
    bool copy;   // it is out on another slot (rescue)
} kofn_mini_task;

/* ---- jobs and slots -------------------------------------------------------------------------- */

/* A further job, not zero and not known. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status kofn_rounds_push(kofn_rounds *r, uint64_t job, kofn_error *err);

/* It is finished: its answers suffice; or it is given up. What is left of it in lists is trivial at
 * once, so that a slot may have done its list by that; the caller drops what of it is out. */
void kofn_rounds_finish(kofn_rounds *r, int64_t now_ns, uint64_t job);

/* The slot has a worker, or none any more: then what is out there comes to nothing (no lose
 * follows), and is dealt out to others within the round. */
void kofn_rounds_fill_slot(kofn_rounds *r, int64_t now_ns, size_t slot);
void kofn_rounds_vacate_slot(kofn_rounds *r, int64_t now_ns, size_t slot);

/* ---- a round --------------------------------------------------------------------------------- */

/* Begin the next round. False: one is on, or there is nothing to do, or every slot is vacant. */
bool kofn_rounds_begin(kofn_rounds *r, int64_t now_ns);

/* The mini-task that the slot is to get next; false: none now. Then: it was sent. */
bool kofn_rounds_peek(const kofn_rounds *r, size_t slot, kofn_mini_task *ret_task);
void kofn_rounds_send(kofn_rounds *r, int64_t now_ns, size_t slot);

/* A slot to which something came since this was asked last, and which may have something to send
 * for that; each once. False: no further one. So nobody has to peek at all of them after each
 * event. */
bool kofn_rounds_next_woken(kofn_rounds *r, size_t *ret_slot);

/* Its answer came, from whichever slot (SIZE_MAX: of none, or it was there before): other copies of
 * it are over, for the caller to drop. Or it came to nothing on that slot (failed, or was
 * returned): it is given again within the round, to another slot where there is one. What is not
 * out is ignored. */
void kofn_rounds_answer(kofn_rounds *r, int64_t now_ns, uint64_t job, size_t row, size_t slot);
void kofn_rounds_lose(kofn_rounds *r, int64_t now_ns, uint64_t job, size_t row, size_t slot);

/* Is the round over, or what else does time bring? To be asked after events, and at the time that
 * kofn_rounds_get_due names (KOFN_NEVER_NS: none). True: it is over; take back what is out, one
 * after the other, and begin the next. */
bool kofn_rounds_end(kofn_rounds *r, int64_t now_ns);
bool kofn_rounds_take_back(kofn_rounds *r, kofn_mini_task *ret_task);
int64_t kofn_rounds_get_due(const kofn_rounds *r);

/* ---- views ----------------------------------------------------------------------------------- */

typedef struct kofn_rounds_view {
    uint64_t round; // the one that is on, or was last; from 1
    bool on;
    size_t waiting, unfinished; // jobs: not born yet; born and not finished
    size_t load;                // the most mini-tasks that came to one slot in that round
    size_t stragglers;          // of the round that ended last
    uint64_t rounds, waited;    // that ended; of them those that waited beyond the tolerance
    uint64_t given, answered, failed, dropped; // mini-tasks: all; of these, dropped since their job
                                               // was finished (what is left is queued or out)
    uint64_t rescued, mended;                  // copies; further ones of a due job
    uint64_t late, timed;                      // lists; of them those that were done, and timed
    double slowdown_sum;                       // of the timed ones: times tau
    uint64_t load_sum, load_max;               // of all rounds
    int64_t busy_ns;                           // time with a round on
} kofn_rounds_view;

kofn_rounds_view kofn_rounds_get_view(const kofn_rounds *r);

/* Was the slot a straggler in the round that ended last? */
bool kofn_rounds_was_straggler(const kofn_rounds *r, size_t slot);

/* Of the rounds that have ended; lives as long as the rounds do. */
const kofn_trace *kofn_rounds_get_trace(const kofn_rounds *r);

/* The round in which the job was born; 0: not yet, or not known. */
uint64_t kofn_rounds_get_birth(const kofn_rounds *r, uint64_t job);

#endif
