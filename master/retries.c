#include "master/retries.h"

#include "common/base/clock.h"

#define INTERVAL_NS (KOFN_NS_PER_S / 2)
#define IDLE_NS     (5 * KOFN_NS_PER_S) // a gap as long as that is no rate: nothing was to be done

static const double decay = 0.5;

void
kofn_retries_note_end(kofn_retries *retries, int64_t now_ns)
{
    if (retries->since_ns == 0 || now_ns - retries->last_ns > IDLE_NS) {
        retries->since_ns = retries->last_ns = now_ns;
        retries->ended = 0;
        return;
    }
    retries->ended++;
    retries->last_ns = now_ns;
    if (now_ns - retries->since_ns < INTERVAL_NS)
        return;
    const double rate = (double)retries->ended * 1e9 / (double)(now_ns - retries->since_ns);
    retries->rate = retries->rate > 0 ? decay * retries->rate + (1 - decay) * rate : rate;
    retries->since_ns = now_ns;
    retries->ended = 0;
}

uint64_t
kofn_retries_give(kofn_retries *retries, int64_t now_ns)
{
    const int64_t gap_ns =
        retries->rate > 0 ? (int64_t)(1e9 / retries->rate) : KOFN_RETRIES_GAP_MS * KOFN_NS_PER_MS;
    const int64_t latest_ns = now_ns + KOFN_RETRIES_MS_MAX * KOFN_NS_PER_MS;
    const int64_t from_ns = retries->given_ns > now_ns ? retries->given_ns : now_ns;
    retries->given_ns = from_ns < latest_ns - gap_ns ? from_ns + gap_ns : latest_ns;
    const int64_t ms = (retries->given_ns - now_ns) / KOFN_NS_PER_MS;
    return ms > KOFN_RETRIES_MS_MIN ? (uint64_t)ms : KOFN_RETRIES_MS_MIN;
}
