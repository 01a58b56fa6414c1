/* Assertions that print what went wrong: the status and its sentence, a residual and its
 * formula. */
#ifndef KOFN_TESTS_ASSERT_H
#define KOFN_TESTS_ASSERT_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/base/status.h"

/* The call gets `&test_error_` as its error: assert_ok(kofn_x(..., &error)) with `kofn_error error`
 * in scope. */
#define assert_ok(call) assert_status_((call), KOFN_OK, &error, #call, __FILE__, __LINE__)
#define assert_fails(call, expected)                                                               \
    assert_status_((call), (expected), &error, #call, __FILE__, __LINE__)

static inline void
assert_status_(kofn_status got, kofn_status expected, const kofn_error *error, const char *call,
               const char *file, int line)
{
    if (got == expected)
        return;
    print_error("%s: %s, expected %s%s%s\n", call, kofn_status_name(got),
                kofn_status_name(expected), got == KOFN_OK ? "" : ": ",
                got == KOFN_OK ? "" : error->text);
    _fail(file, line);
}

/* value <= bound, both printed with the formula's text. */
#define assert_at_most(value, bound)                                                               \
    assert_at_most_((value), (bound), #value " <= " #bound, __FILE__, __LINE__)

static inline void
assert_at_most_(double value, double bound, const char *text, const char *file, int line)
{
    if (value <= bound) // false for NaN
        return;
    print_error("%s: %.3e > %.3e\n", text, value, bound);
    _fail(file, line);
}

/* $KOFN_TEST_SEED or the given default; printed, so that a failure can be replayed. */
static inline uint64_t
test_seed(uint64_t fallback)
{
    const char *text = getenv("KOFN_TEST_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : fallback;
    print_message("seed %" PRIu64 " (KOFN_TEST_SEED)\n", seed);
    return seed;
}

/* How much of what repeats itself. Sanitizers look at lines that are passed, five times slower; the
 * numbers are held against their bounds by builds without them. */
#ifdef KOFN_SANITIZED
#define TEST_AMOUNT(full_, sanitized_) (sanitized_)
#else
#define TEST_AMOUNT(full_, sanitized_) (full_)
#endif

#endif
