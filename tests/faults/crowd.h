/* A crowd of clients that keep a master busy with small jobs and note what they see.
 *
 * Each client is a thread with a connection of its own. It submits tiny products of whole numbers,
 * keeps some out, and takes them in the order in which they were accepted; now and then it asks how
 * one stands, or cancels one. If it is to, it has an operand stored, names it in some orders, drops
 * it while its jobs are out, and names it once more. Nothing of it depends on when daemons die; the
 * seed decides what is asked for.
 *
 * Threads    One for each client; the functions below are for the thread that started them.
 */
#ifndef KOFN_TESTS_FAULTS_CROWD_H
#define KOFN_TESTS_FAULTS_CROWD_H

#include "tests/faults/history.h"

typedef struct crowd_wish {
    const char *endpoint; // of the master
    size_t clients;       // at most CROWD_MAX
    size_t out;           // jobs that a client has out at a time; below CROWD_OUT_MAX
    size_t first_order;   // its number, where the history goes on
    uint64_t seed;
    double looks, cancels; // of all jobs: asked about, cancelled
    double large, named;   // of all orders: with matrices that a store has as files; that name a
                           // stored operand
    bool last_looks;       // each is asked about once more after its product came
    int64_t pause_ns;      // between jobs of a client; 0: none
} crowd_wish;

enum { CROWD_MAX = 256, CROWD_OUT_MAX = 64 };

typedef struct crowd crowd;

/* Exits when there is no memory or no thread. `h` outlives the crowd. */
crowd *crowd_start(const crowd_wish *wish, history *h);

typedef struct crowd_count {
    size_t accepted, settled; // jobs
    size_t put_off;           // submits that were
    size_t troubles;          // calls that failed though they should not
} crowd_count;

crowd_count crowd_look(const crowd *c);

/* No more jobs: those that are out are waited for. `h` has everything then. Prints the first
 * trouble. */
crowd_count crowd_stop(crowd **c_p);

/* Note what the master lists at the end: at most its list's length of the newest jobs, and all
 * operands. */
void crowd_list(const char *endpoint, history *h);

#endif
