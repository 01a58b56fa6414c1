/* When those who found no room come again: one after another, at the rate at which room is made.
 *
 * Who is refused gets the next turn, 1 / rate behind the one before. So those that come back are
 * about as many as there is room for, however many wait; all at once would be refused again.
 * A turn that nobody takes is lost, which clients' jitter makes up for.
 *
 * Threads    One at a time; no clock of its own.
 */
#ifndef KOFN_MASTER_RETRIES_H
#define KOFN_MASTER_RETRIES_H

#include <stdint.h>

enum {
    KOFN_RETRIES_MS_MIN = 20,
    KOFN_RETRIES_MS_MAX = 30000, // later turns are all given for then
    KOFN_RETRIES_GAP_MS = 200,   // from one to the next while no rate is known
};

typedef struct kofn_retries { // zeroed: nothing has ended, nobody waits
    int64_t since_ns;         // the interval under way began with an end; 0: none yet
    int64_t last_ns;          // of its ends
    uint64_t ended;           // after that first one
    double rate;              // a second, of intervals before: later ones count for more
    int64_t given_ns;         // the turn that was given last
} kofn_retries;

void kofn_retries_note_end(kofn_retries *retries, int64_t now_ns); // something ended and made room

/* Milliseconds from now until the caller's turn. */
uint64_t kofn_retries_give(kofn_retries *retries, int64_t now_ns);

#endif
