#include "master/sched/forecast.h"

#include <assert.h>

void
kofn_history_add(kofn_history *h, size_t stragglers)
{
    assert(h->window >= 1 && h->window <= KOFN_WINDOW_MAX);
    h->rounds++;
    h->counts[h->rounds % h->window] = (uint32_t)stragglers;
}

static size_t
smaller(size_t a, uint64_t b)
{
    return a < b ? a : (size_t)b;
}

uint64_t
kofn_history_sum(const kofn_history *h, size_t rounds)
{
    const size_t count = smaller(smaller(rounds, h->window), h->rounds);
    uint64_t sum = 0;
    for (size_t back = 0; back < count; back++)
        sum += h->counts[(h->rounds - back) % h->window];
    return sum;
}

bool
kofn_history_admits(const kofn_history *h, size_t stragglers, uint64_t failures)
{
    return kofn_history_sum(h, h->window - 1) + stragglers <= failures;
}

/* The slot fails in all of the next `left` rounds, and nobody else: that is the least that would
 * happen. It may unless some window of W rounds then has more than N:
 *
 *     past, the last one on the right    next      a window with `future` of the next rounds has
 *     ... 0 2 1 0 1                      1 1 1     W - future past ones
 *              [---- W ------------------]
 */
bool
kofn_history_may_fail_all(const kofn_history *h, size_t left, uint64_t failures)
{
    assert(left >= 1 && left <= h->window);
    uint64_t past = kofn_history_sum(h, h->window - left);
    for (size_t future = left; future >= 1; future--) {
        if (past + future > failures)
            return false;
        const size_t back = h->window - future; // the window moves one round back
        if (back < h->rounds)
            past += h->counts[(h->rounds - back) % h->window];
    }
    return true;
}

void
kofn_burst_add(kofn_burst *b, uint64_t round)
{
    b->run = b->last != 0 && b->last + 1 == round ? b->run + 1 : 1;
    b->last = round;
}

bool
kofn_burst_is_recent(const kofn_burst *b, const kofn_history *h)
{
    return b->last != 0 && b->last + h->window > h->rounds + 1;
}

bool
kofn_burst_may_fail_all(const kofn_burst *b, const kofn_history *h, size_t left, uint64_t burst,
                        uint64_t recent, uint64_t slots)
{
    const uint64_t run = b->last != 0 && b->last == h->rounds ? b->run : 0;
    if (run + left > burst)
        return false;
    return recent < slots || kofn_burst_is_recent(b, h); // the others may not begin
}
