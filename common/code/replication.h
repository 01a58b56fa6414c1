/* Replication: every block product `copies` times, and the first copy counts.
 *
 * Shapes     n = copies x y z; task t is product t mod (x y z), in the order of uncoded.h, so that
 *            the first x y z tasks are the uncoded ones. Outer products likewise, piece by piece,
 *            and batches pair by pair.
 * Threshold  k = n - copies + 1: the worst loss takes all copies of one product, which is `copies`
 *            tasks; any smaller loss leaves a copy of each. The best set has x y z answers.
 * Accuracy   That of the field's arithmetic, as uncoded.
 */
#ifndef KOFN_CODE_REPLICATION_H
#define KOFN_CODE_REPLICATION_H

#include "common/code/family.h"

typedef struct kofn_replication_params {
    int64_t copies; // of each block product, 1 to 16
} kofn_replication_params;

extern const kofn_family kofn_replication_family;

#endif
