/* Forecasts: what the stragglers of past rounds leave to be feared, under a model of stragglers.
 *
 * Pure functions over a history. All ask the same: may this slot be a straggler in each of the next
 * `left` rounds? If not, one mini-task, given to it again as often as it fails, is answered within
 * them.
 *
 *     arbitrary   at most N stragglers in any W successive rounds, all slots together
 *     burst       a slot is a straggler in at most B successive rounds, and at most `slots` are at
 *                 all in any W successive rounds
 *
 * Source     Krishnan, Hosseini, Khisti, "Coded Sequential Matrix Multiplication", 3.2.1 and line
 *            13 of Algorithm 2, in closed form; the burst model is ours.
 * Cost       arbitrary: O(W). burst: O(1).
 * Threads    A history belongs to one thread.
 */
#ifndef KOFN_MASTER_SCHED_FORECAST_H
#define KOFN_MASTER_SCHED_FORECAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KOFN_WINDOW_MAX = 65 };

/* Stragglers of the last rounds, all slots together. Zeroed but for the window: nothing is past. */
typedef struct kofn_history {
    size_t window; // W: 1 to KOFN_WINDOW_MAX
    uint64_t rounds;
    uint32_t counts[KOFN_WINDOW_MAX]; // of round t: [t mod W]
} kofn_history;

void kofn_history_add(kofn_history *h, size_t stragglers); // the next round is past

/* Of the last `rounds` ones; of those that there were, at most W. */
uint64_t kofn_history_sum(const kofn_history *h, size_t rounds);

/* Would a round with so many more conform to the model, with those before it? */
bool kofn_history_admits(const kofn_history *h, size_t stragglers, uint64_t failures);

/* 1 <= left <= W. */
bool kofn_history_may_fail_all(const kofn_history *h, size_t left, uint64_t failures);

/* One slot's past. Zeroed: it was never a straggler. */
typedef struct kofn_burst {
    uint64_t last; // round when it was a straggler last; 0: never
    uint64_t run;  // successive rounds up to that one
} kofn_burst;

void kofn_burst_add(kofn_burst *b, uint64_t round); // it was a straggler then

/* Was it one in the last W - 1 rounds? */
bool kofn_burst_is_recent(const kofn_burst *b, const kofn_history *h);

/* `recent`: slots for which the above is true, and `slots` those that may be. */
bool kofn_burst_may_fail_all(const kofn_burst *b, const kofn_history *h, size_t left,
                             uint64_t burst, uint64_t recent, uint64_t slots);

#endif
