#include "common/linalg/span.h"
#include "common/linalg/span_class.h"

#include <assert.h>

kofn_status
kofn_span_new(const kofn_field *f, size_t cols, size_t targets, const double *target,
              kofn_span **ret_span, kofn_error *err)
{
    return f->span->create(f, cols, targets, target, ret_span, err);
}

void
kofn_span_destroy(kofn_span **span_p)
{
    if (*span_p)
        (*span_p)->field->span->destroy(span_p);
}

kofn_status
kofn_span_add(kofn_span *span, const double *row, bool *ret_grew, kofn_error *err)
{
    return span->field->span->add(span, row, ret_grew, err);
}

kofn_status
kofn_span_fill(kofn_span *span, const double *rows, size_t count, size_t cols,
               const atomic_bool *cancelled, kofn_error *err)
{
    assert(span->rows == 0);
    kofn_status status = KOFN_OK;
    bool grew;
    if (kofn_span_is_cancelled(cancelled))
        return kofn_span_fail_cancelled(err);
    if (span->field->span->fill)
        return span->field->span->fill(span, rows, count, cancelled, err);
    for (size_t i = 0; i < count && !status; i++)
        status = kofn_span_is_cancelled(cancelled)
                     ? kofn_span_fail_cancelled(err)
                     : kofn_span_add(span, rows + i * cols, &grew, err);
    return status;
}

size_t
kofn_span_rows(const kofn_span *span)
{
    return span->rows;
}

size_t
kofn_span_rank(const kofn_span *span)
{
    return span->rank;
}

size_t
kofn_span_missing(const kofn_span *span)
{
    return span->field->span->missing(span);
}

bool
kofn_span_covers(const kofn_span *span, size_t target)
{
    return span->field->span->covers(span, target);
}

kofn_status
kofn_span_review(kofn_span *span, kofn_error *err)
{
    const kofn_span_class *class = span->field->span;
    return class->review && class->missing(span) > 0 ? class->review(span, err) : KOFN_OK;
}

kofn_status
kofn_span_solve(const kofn_span *span, double *ret_d, kofn_span_quality *ret_quality,
                kofn_error *err)
{
    return span->field->span->solve(span, ret_d, ret_quality, err);
}
