/* For classes of spans only (span_real.c and its like): what every span starts with. */
#ifndef KOFN_LINALG_SPAN_CLASS_H
#define KOFN_LINALG_SPAN_CLASS_H

#include "common/linalg/span.h"

/* A class's own struct has this as its first member, filled in by its create(). */
struct kofn_span {
    const kofn_field *field;
    size_t rows, rank; // added so far; kept up to date by the class's add()
};

static inline bool
kofn_span_is_cancelled(const atomic_bool *cancelled)
{
    return cancelled && atomic_load(cancelled);
}

static inline kofn_status
kofn_span_fail_cancelled(kofn_error *err)
{
    return kofn_fail(err, KOFN_CANCELLED, "given up");
}

extern const kofn_span_class kofn_span_real;
extern const kofn_span_class kofn_span_exact;

#endif
