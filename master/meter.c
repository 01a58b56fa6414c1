#include "master/meter.h"

static const double decay = 0.5;

void
kofn_meter_begin(kofn_meter *meter, int64_t now_ns)
{
    if (meter->running)
        return;
    meter->running = true;
    meter->begin_ns = now_ns;
    meter->burst = 0;
}

void
kofn_meter_count(kofn_meter *meter, uint64_t bytes)
{
    if (meter->running)
        meter->burst += (double)bytes;
}

void
kofn_meter_end(kofn_meter *meter, int64_t now_ns)
{
    if (meter->running && meter->burst >= KOFN_METER_BURST && now_ns > meter->begin_ns) {
        meter->bytes = decay * meter->bytes + meter->burst;
        meter->seconds = decay * meter->seconds + (double)(now_ns - meter->begin_ns) * 1e-9;
    }
    meter->running = false;
}

void
kofn_meter_drop(kofn_meter *meter)
{
    meter->running = false;
}

double
kofn_meter_get_rate(const kofn_meter *meter)
{
    return meter->seconds > 0 ? meter->bytes / meter->seconds : 0;
}
