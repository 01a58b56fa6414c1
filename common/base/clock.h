/* Time, as the daemons measure it: monotonic nanoseconds. Wall clock is for people's eyes only.
 *
 * Threads    Any thread.
 */
#ifndef KOFN_BASE_CLOCK_H
#define KOFN_BASE_CLOCK_H

#include <stdint.h>

#define KOFN_NS_PER_US INT64_C(1000)
#define KOFN_NS_PER_MS INT64_C(1000000)
#define KOFN_NS_PER_S  INT64_C(1000000000)
#define KOFN_NEVER_NS  INT64_MAX // a deadline that does not come

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t kofn_clock_ns(void);

/* start + wait, and KOFN_NEVER_NS where that would overflow. wait_ns >= 0. */
int64_t kofn_clock_after(int64_t start_ns, int64_t wait_ns);

#endif
