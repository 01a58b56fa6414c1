#include "common/base/status.h"

#include "tests/assert.h"

#include <errno.h>

static void
fail_fills_the_error_and_returns_its_status(void **state)
{
    (void)state;
    kofn_error error;
    assert_fails(kofn_fail(&error, KOFN_NOT_FOUND, "job '%s' is not known", "4f2a"),
                 KOFN_NOT_FOUND);
    assert_int_equal(error.status, KOFN_NOT_FOUND);
    assert_string_equal(error.text, "job '4f2a' is not known");
}

static void
fail_accepts_no_error(void **state)
{
    (void)state;
    assert_int_equal(kofn_fail(NULL, KOFN_ABORTED, "%d", 1), KOFN_ABORTED);
    assert_int_equal(kofn_fail_within(NULL, "context"), KOFN_UNKNOWN);
}

static void
context_comes_in_front_and_keeps_the_status(void **state)
{
    (void)state;
    kofn_error error;
    (void)kofn_fail(&error, KOFN_OUT_OF_RANGE, "n is 3");
    assert_fails(kofn_fail_within(&error, "%s:%d", "a.yaml", 7), KOFN_OUT_OF_RANGE);
    assert_string_equal(error.text, "a.yaml:7: n is 3");
}

static void
a_text_too_long_is_cut_and_ended(void **state)
{
    (void)state;
    kofn_error error;
    char text[2 * KOFN_ERROR_TEXT_MAX];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';

    (void)kofn_fail(&error, KOFN_INTERNAL, "%s", text);
    assert_int_equal(strlen(error.text), KOFN_ERROR_TEXT_MAX - 1);
    (void)kofn_fail_within(&error, "context");
    assert_int_equal(strlen(error.text), KOFN_ERROR_TEXT_MAX - 1);
    assert_memory_equal(error.text, "context: xxx", 12);
    (void)kofn_fail_within(&error, "%s", text);
    assert_int_equal(strlen(error.text), KOFN_ERROR_TEXT_MAX - 1);
}

static void
statuses_have_the_names_and_numbers_of_grpc(void **state)
{
    (void)state;
    static const char *const names[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };
    for (int i = 0; i < 17; i++)
        assert_string_equal(kofn_status_name((kofn_status)i), names[i]);
    assert_string_equal(kofn_status_name((kofn_status)17), "UNKNOWN");
    assert_string_equal(kofn_status_name((kofn_status)-1), "UNKNOWN");
}

static void
system_errors_say_what_the_receiver_should_do(void **state)
{
    (void)state;
    assert_int_equal(kofn_status_from_errno(ENOENT), KOFN_NOT_FOUND);
    assert_int_equal(kofn_status_from_errno(EACCES), KOFN_PERMISSION_DENIED);
    assert_int_equal(kofn_status_from_errno(ENOSPC), KOFN_RESOURCE_EXHAUSTED);
    assert_int_equal(kofn_status_from_errno(EADDRINUSE), KOFN_ALREADY_EXISTS);
    assert_int_equal(kofn_status_from_errno(EISDIR), KOFN_INVALID_ARGUMENT);
    assert_int_equal(kofn_status_from_errno(EIO), KOFN_UNAVAILABLE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_fills_the_error_and_returns_its_status),
        cmocka_unit_test(fail_accepts_no_error),
        cmocka_unit_test(context_comes_in_front_and_keeps_the_status),
        cmocka_unit_test(a_text_too_long_is_cut_and_ended),
        cmocka_unit_test(statuses_have_the_names_and_numbers_of_grpc),
        cmocka_unit_test(system_errors_say_what_the_receiver_should_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
