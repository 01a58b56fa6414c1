/* What a client says that it made a product's operands from. The master believes it, for it only
 * gives it back; what must hold is that whoever fetches C can take it for what is said without
 * running over its end, and print it.
 */
#include "proto/messages.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static kofn_status
check_name(const char *what, const char *name, kofn_error *err)
{
    if (name[0] && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")])
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "compression: %s '%s' is no name of small letters, digits and underscores",
                     what, name);
}

static kofn_status
check_number(const char *what, double number, kofn_error *err)
{
    if (number >= 0 && isfinite(number))
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "compression: %s is %g, need a finite number of at least 0", what, number);
}

/* The parts of a complex C are stacked on each other, and each may be padded to whole blocks. */
static kofn_status
check_size(const kofn_msg_compression *c, size_t rows, size_t cols, kofn_error *err)
{
    if (c->rows <= rows && c->cols <= cols)
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "compression: the original C is %" PRIu64 " x %" PRIu64
                     ", and the product only %zu x %zu",
                     c->rows, c->cols, rows, cols);
}

kofn_status
kofn_msg_compression_check(const kofn_msg_compression *c, size_t rows, size_t cols, kofn_error *err)
{
    kofn_status status = check_name("method", c->method, err);
    if (!status)
        status = check_name("dtype", c->dtype, err);
    if (!status)
        status = check_size(c, rows, cols, err);
    if (!status && c->most > c->samples)
        status =
            kofn_fail(err, KOFN_INVALID_ARGUMENT,
                      "compression: %" PRIu64 " samples for one block of C, and %" PRIu64 " in all",
                      c->most, c->samples);
    if (!status)
        status = check_number("bound", c->bound, err);
    if (!status)
        status = check_number("lemma", c->lemma, err);
    if (!status)
        status = check_number("size", c->size, err);
    return status;
}
