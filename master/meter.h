/* How fast a link takes bytes: acknowledged ones over the time that some were on their way.
 *
 *     begin          count            count   end: bytes / (end - begin) of a burst worth measuring
 *       |--------------+----------------+------|
 *     sent          acknowledged              hardly any on the way
 *
 * A burst of less than KOFN_METER_BURST bytes says more of delays than of rates and is dropped.
 * Later bursts count for more: what came before is halved with each.
 *
 * Threads    One at a time; no clock of its own.
 */
#ifndef KOFN_MASTER_METER_H
#define KOFN_MASTER_METER_H

#include <stdbool.h>
#include <stdint.h>

#define KOFN_METER_BURST 1e6 // bytes, at least

typedef struct kofn_meter { // zeroed: nothing measured
    bool running;
    int64_t begin_ns;
    double burst;          // bytes of the burst under way
    double bytes, seconds; // of those before, decayed
} kofn_meter;

void kofn_meter_begin(kofn_meter *meter, int64_t now_ns); // no effect during a burst
void kofn_meter_count(kofn_meter *meter, uint64_t bytes); // likewise, outside of one
void kofn_meter_end(kofn_meter *meter, int64_t now_ns);
void kofn_meter_drop(kofn_meter *meter); // the burst under way says nothing

double kofn_meter_get_rate(const kofn_meter *meter); // bytes a second; 0: nothing measured

#endif
