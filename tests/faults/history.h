/* What clients of a master saw, in the order in which they saw it, held against what may be seen.
 *
 * The model: an order is handed over under one key; the master may refuse it, or accept it as one
 * job. A job that was accepted ends exactly once, as done with the right product, or as cancelled
 * if somebody asked for that. What ended stays as it ended, whatever happens to the master. A job
 * that is not known to anybody does not exist. A stored operand is there until somebody wishes it
 * dropped, and not any more once it is; an order that names it is refused in no other case, and a
 * job that it became has the right product, even if the operand is dropped meanwhile.
 *
 *     SUBMIT --> REFUSED
 *            --> ACCEPTED --> RUNS* --> DONE RESULT* | CANCELLED | FAILED
 *     STORED --> DROP --> DROPPED
 *
 * Times are the clients': an event is noted when its reply is read, an order and a wish to cancel
 * before they are sent. So an earlier event of one client was seen earlier; between clients that is
 * as good as it needs to be, since a job and an operand have one client here.
 *
 * Threads    history_note: any. The rest: when nobody notes any more.
 */
#ifndef KOFN_TESTS_FAULTS_HISTORY_H
#define KOFN_TESTS_FAULTS_HISTORY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum history_kind {
    HISTORY_SUBMIT,   // `order` is about to be sent; `digest`: of its right product
    HISTORY_REFUSED,  // it was not taken, and is not sent again
    HISTORY_ACCEPTED, // it is `job`
    HISTORY_RUNS,     // `job` was said not to be over
    HISTORY_CANCEL,   // `job` is about to be cancelled
    HISTORY_DONE,     // `job` was said to be done
    HISTORY_FAILED,   // and so on
    HISTORY_CANCELLED,
    HISTORY_RESULT, // `job`'s product came; `digest` is its
    HISTORY_LISTED, // `job` is in the master's list at the end

    HISTORY_STORED,   // `operand` is there
    HISTORY_DROP,     // `operand` is about to be dropped
    HISTORY_DROPPED,  // it was
    HISTORY_OPERANDS, // the master's list of operands, whole, follows
    HISTORY_HELD,     // `operand` is in it
} history_kind;

typedef struct history_event {
    history_kind kind;
    size_t order;     // SUBMIT, REFUSED, ACCEPTED
    uint64_t job;     // the others of jobs, and ACCEPTED
    uint64_t operand; // those of operands, and SUBMIT: it names this one; 0: none
    uint64_t digest;
    int64_t at_ns;
} history_event;

typedef struct history {
    pthread_mutex_t lock;
    history_event *at;
    size_t count, capacity;
} history;

void history_init(history *h);
void history_fini(history *h);
void history_note(history *h, history_event event); // aborts when there is no memory

/* What must not be. */
typedef enum history_fault {
    HISTORY_LOST,        // accepted, and its end or its product never came
    HISTORY_BROKEN,      // accepted, and failed
    HISTORY_DOUBLED,     // one order became two jobs
    HISTORY_SHARED,      // two orders became one job
    HISTORY_EARLY,       // something was said of a job that no order had become
    HISTORY_WRONG,       // the product is not the order's
    HISTORY_RETURNED,    // over, and later not, or over otherwise: it ran twice
    HISTORY_REVIVED,     // a product after the job was said to be cancelled
    HISTORY_UNASKED,     // cancelled, and nobody wished it
    HISTORY_RESURRECTED, // refused, and accepted later
    HISTORY_GHOST,       // listed, and no order became it
    HISTORY_MISSED,      // an operand that nobody dropped is not there
    HISTORY_UNDEAD,      // an operand that was dropped is there
    HISTORY_STRAY,       // an operand that nobody stored, or two that are one
    HISTORY_FAULTS,
} history_fault;

const char *history_fault_name(history_fault fault); // a sentence

typedef struct history_verdict {
    size_t orders, accepted, refused, done, cancelled, results;
    size_t operands, dropped, named; // stored; of them dropped; orders that name one
    size_t fault[HISTORY_FAULTS];
    history_event first[HISTORY_FAULTS]; // of each kind, where it showed
    size_t faults;                       // their sum
} history_verdict;

/* A pure function of the events. Aborts when there is no memory. */
history_verdict history_check(const history_event *events, size_t count);

/* What was found, on standard output: a line, and one for each kind of fault. */
void history_print(const history_verdict *verdict);

#endif
