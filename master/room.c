#include "master/jobs.h"
#include "master/operands.h"
#include "master/streams.h"

size_t
kofn_master_get_charge(const kofn_master *master)
{
    kofn_jobs_totals totals;
    kofn_jobs_get_totals(master->jobs, &totals);
    return totals.memory + kofn_operands_get_charge(master->operands) +
           kofn_streams_get_charge(master->streams);
}

kofn_status
kofn_master_check_room(const kofn_master *master, const char *what, size_t held, size_t more,
                       bool *ret_never, kofn_error *err)
{
    const size_t limit = master->config.memory;
    size_t used = kofn_master_get_charge(master);
    *ret_never = more > limit || held > limit - more;
    if (*ret_never)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                         "%s needs about %zu MiB and limits.memory is %zu MiB: raise it or split "
                         "the product",
                         what, (held >> 20) + (more >> 20), limit >> 20);
    if (used > limit - more) {
        kofn_operands_yield(master->operands, used - (limit - more));
        used = kofn_master_get_charge(master);
    }
    if (used > limit - more) {
        kofn_jobs_yield_memory(master->jobs, used - (limit - more));
        used = kofn_master_get_charge(master);
    }
    while (used > limit - more && kofn_streams_forget_oldest(master->streams))
        used = kofn_master_get_charge(master);
    if (used > limit - more)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                         "%s needs about %zu MiB and others hold %zu of %zu MiB, stored operands "
                         "%zu of them: try again when jobs have finished, or drop operands",
                         what, (held + more) >> 20, (used - held) >> 20, limit >> 20,
                         kofn_operands_get_charge(master->operands) >> 20);
    return KOFN_OK;
}
