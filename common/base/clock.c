#include "common/base/clock.h"

#include <time.h>

int64_t
kofn_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); // cannot fail for this clock on Linux
    return (int64_t)now.tv_sec * KOFN_NS_PER_S + now.tv_nsec;
}

int64_t
kofn_clock_after(int64_t start_ns, int64_t wait_ns)
{
    int64_t after_ns;
    return __builtin_add_overflow(start_ns, wait_ns, &after_ns) ? KOFN_NEVER_NS : after_ns;
}
