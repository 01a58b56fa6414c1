#include "master/turns.h"

#include "common/base/clock.h"

#define INTERVAL_NS (KOFN_NS_PER_S / 2)
#define IDLE_NS     (5 * KOFN_NS_PER_S) // a gap as long as that is no rate: nothing was to be done

static const double decay = 0.5;

void
kofn_turns_note_end(kofn_turns *turns, int64_t now_ns)
{
    if (turns->since_ns == 0 || now_ns - turns->last_ns > IDLE_NS) {
        turns->since_ns = turns->last_ns = now_ns;
        turns->ended = 0;
        return;
    }
    turns->ended++;
    turns->last_ns = now_ns;
    if (now_ns - turns->since_ns < INTERVAL_NS)
        return;
    const double rate = (double)turns->ended * 1e9 / (double)(now_ns - turns->since_ns);
    turns->rate = turns->rate > 0 ? decay * turns->rate + (1 - decay) * rate : rate;
    turns->since_ns = now_ns;
    turns->ended = 0;
}

uint64_t
kofn_turns_give(kofn_turns *turns, int64_t now_ns)
{
    const int64_t gap_ns =
        turns->rate > 0 ? (int64_t)(1e9 / turns->rate) : KOFN_TURNS_GAP_MS * KOFN_NS_PER_MS;
    const int64_t latest_ns = now_ns + KOFN_TURNS_MS_MAX * KOFN_NS_PER_MS;
    const int64_t from_ns = turns->given_ns > now_ns ? turns->given_ns : now_ns;
    turns->given_ns = from_ns < latest_ns - gap_ns ? from_ns + gap_ns : latest_ns;
    const int64_t ms = (turns->given_ns - now_ns) / KOFN_NS_PER_MS;
    return ms > KOFN_TURNS_MS_MIN ? (uint64_t)ms : KOFN_TURNS_MS_MIN;
}
