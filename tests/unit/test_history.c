/* The model that fault scenarios are held against: right histories pass, each wrong one is
 * blamed. */
#include "tests/assert.h"
#include "tests/faults/history.h"

#define CHECK(events) history_check(events, sizeof(events) / sizeof(events)[0])

enum { SUM = 77, OTHER = 78 };

#define SUBMIT(number)                                                                             \
    {                                                                                              \
        .kind = HISTORY_SUBMIT, .order = (number), .digest = SUM                                   \
    }
#define ACCEPTED(number, name)                                                                     \
    {                                                                                              \
        .kind = HISTORY_ACCEPTED, .order = (number), .job = (name)                                 \
    }
#define OF_JOB(what, name)                                                                         \
    {                                                                                              \
        .kind = HISTORY_##what, .job = (name)                                                      \
    }
#define RESULT(name, sum)                                                                          \
    {                                                                                              \
        .kind = HISTORY_RESULT, .job = (name), .digest = (sum)                                     \
    }
#define OF_OPERAND(what, name)                                                                     \
    {                                                                                              \
        .kind = HISTORY_##what, .operand = (name)                                                  \
    }
#define NAMES(number, name)                                                                        \
    {                                                                                              \
        .kind = HISTORY_SUBMIT, .order = (number), .digest = SUM, .operand = (name)                \
    }

/* Exactly this fault, once. */
static void
assert_blamed(const history_verdict *v, history_fault fault)
{
    for (int i = 0; i < HISTORY_FAULTS; i++)
        if (v->fault[i] != (i == (int)fault))
            fail_msg("%zu times '%s'", v->fault[i], history_fault_name((history_fault)i));
    assert_int_equal(v->faults, 1);
}

static void
nothing_is_a_right_history(void **state)
{
    (void)state;
    const history_verdict v = history_check(NULL, 0);
    assert_int_equal(v.faults, 0);
    assert_int_equal(v.orders, 0);
}

static void
jobs_that_end_as_they_should_are_counted(void **state)
{
    static const history_event events[] = {
        SUBMIT(0),
        SUBMIT(1),
        ACCEPTED(1, 11),
        SUBMIT(2),
        ACCEPTED(0, 10),
        OF_JOB(RUNS, 11),
        OF_JOB(CANCEL, 11),
        OF_JOB(CANCELLED, 11),
        {.kind = HISTORY_REFUSED, .order = 2},
        RESULT(10, SUM),
        OF_JOB(DONE, 10),
        OF_JOB(LISTED, 10),
        OF_JOB(LISTED, 11),
    };
    (void)state;
    const history_verdict v = CHECK(events);
    assert_int_equal(v.faults, 0);
    assert_int_equal(v.orders, 3);
    assert_int_equal(v.accepted, 2);
    assert_int_equal(v.refused, 1);
    assert_int_equal(v.done, 1);
    assert_int_equal(v.cancelled, 1);
    assert_int_equal(v.results, 1);
}

static void
a_retried_submit_and_a_retried_wait_are_right(void **state)
{
    static const history_event events[] = {SUBMIT(0),       ACCEPTED(0, 10),  ACCEPTED(0, 10),
                                           RESULT(10, SUM), OF_JOB(DONE, 10), RESULT(10, SUM)};
    (void)state;
    assert_int_equal(CHECK(events).faults, 0);
}

static void
a_cancel_that_comes_too_late_leaves_the_product(void **state)
{
    static const history_event events[] = {SUBMIT(0), ACCEPTED(0, 10), OF_JOB(CANCEL, 10),
                                           OF_JOB(DONE, 10), RESULT(10, SUM)};
    (void)state;
    assert_int_equal(CHECK(events).faults, 0);
}

static void
an_order_of_which_nothing_was_heard_promises_nothing(void **state)
{
    static const history_event events[] = {SUBMIT(0)};
    (void)state;
    assert_int_equal(CHECK(events).faults, 0);
}

static void
a_lost_job_is_blamed(void **state)
{
    static const history_event never[] = {SUBMIT(0), ACCEPTED(0, 10)};
    static const history_event without[] = {SUBMIT(0), ACCEPTED(0, 10), OF_JOB(DONE, 10)};
    (void)state;
    history_verdict v = CHECK(never);
    assert_blamed(&v, HISTORY_LOST);
    assert_int_equal(v.first[HISTORY_LOST].job, 10);
    v = CHECK(without); // said to be done, and nobody got the product
    assert_blamed(&v, HISTORY_LOST);
}

static void
a_failed_job_is_blamed(void **state)
{
    static const history_event events[] = {SUBMIT(0), ACCEPTED(0, 10), OF_JOB(FAILED, 10)};
    (void)state;
    const history_verdict v = CHECK(events);
    assert_blamed(&v, HISTORY_BROKEN);
}

static void
a_doubled_job_is_blamed(void **state)
{
    static const history_event events[] = {SUBMIT(0), ACCEPTED(0, 10), ACCEPTED(0, 11),
                                           RESULT(10, SUM)};
    (void)state;
    const history_verdict v = CHECK(events);
    assert_blamed(&v, HISTORY_DOUBLED);
}

static void
a_shared_job_is_blamed(void **state)
{
    static const history_event events[] = {SUBMIT(0), SUBMIT(1), ACCEPTED(0, 10), ACCEPTED(1, 10),
                                           RESULT(10, SUM)};
    (void)state;
    const history_verdict v = CHECK(events);
    assert_blamed(&v, HISTORY_SHARED);
}

static void
a_result_before_its_acceptance_is_blamed(void **state)
{
    static const history_event events[] = {SUBMIT(0), RESULT(10, SUM), ACCEPTED(0, 10),
                                           RESULT(10, SUM)};
    (void)state;
    const history_verdict v = CHECK(events);
    assert_blamed(&v, HISTORY_EARLY);
}

static void
a_wrong_product_is_blamed(void **state)
{
    static const history_event events[] = {SUBMIT(0), ACCEPTED(0, 10), RESULT(10, OTHER)};
    (void)state;
    const history_verdict v = CHECK(events);
    assert_blamed(&v, HISTORY_WRONG);
}

static void
a_job_that_runs_again_is_blamed(void **state)
{
    static const history_event again[] = {SUBMIT(0), ACCEPTED(0, 10), OF_JOB(DONE, 10),
                                          OF_JOB(RUNS, 10), RESULT(10, SUM)};
    static const history_event undone[] = {SUBMIT(0), ACCEPTED(0, 10), OF_JOB(CANCEL, 10),
                                           OF_JOB(CANCELLED, 10), OF_JOB(DONE, 10)};
    static const history_event other[] = {
        SUBMIT(0),        ACCEPTED(0, 10),       OF_JOB(CANCEL, 10),
        OF_JOB(DONE, 10), OF_JOB(CANCELLED, 10), RESULT(10, SUM)};
    (void)state;
    history_verdict v = CHECK(again);
    assert_blamed(&v, HISTORY_RETURNED);
    v = CHECK(undone);
    assert_blamed(&v, HISTORY_RETURNED);
    v = CHECK(other);
    assert_blamed(&v, HISTORY_RETURNED);
}

static void
a_result_after_the_cancel_is_blamed(void **state)
{
    static const history_event events[] = {SUBMIT(0), ACCEPTED(0, 10), OF_JOB(CANCEL, 10),
                                           OF_JOB(CANCELLED, 10), RESULT(10, SUM)};
    (void)state;
    const history_verdict v = CHECK(events);
    assert_blamed(&v, HISTORY_REVIVED);
}

static void
a_cancel_that_nobody_asked_for_is_blamed(void **state)
{
    static const history_event events[] = {SUBMIT(0), ACCEPTED(0, 10), OF_JOB(CANCELLED, 10)};
    (void)state;
    const history_verdict v = CHECK(events);
    assert_blamed(&v, HISTORY_UNASKED);
}

static void
a_refused_order_that_becomes_a_job_is_blamed(void **state)
{
    static const history_event events[] = {
        SUBMIT(0), {.kind = HISTORY_REFUSED, .order = 0}, ACCEPTED(0, 10), RESULT(10, SUM)};
    (void)state;
    const history_verdict v = CHECK(events);
    assert_blamed(&v, HISTORY_RESURRECTED);
}

static void
a_listed_job_that_is_nobodys_is_blamed(void **state)
{
    static const history_event events[] = {SUBMIT(0), ACCEPTED(0, 10), RESULT(10, SUM),
                                           OF_JOB(LISTED, 10), OF_JOB(LISTED, 12)};
    (void)state;
    const history_verdict v = CHECK(events);
    assert_blamed(&v, HISTORY_GHOST);
    assert_int_equal(v.first[HISTORY_GHOST].job, 12);
}

/* One is dropped while a job uses it, one stays, and one's drop is not known to be done. */
static void
operands_that_come_and_go_are_counted(void **state)
{
    static const history_event events[] = {
        OF_OPERAND(STORED, 20),
        NAMES(0, 20),
        ACCEPTED(0, 10),
        OF_OPERAND(DROP, 20),
        OF_OPERAND(DROPPED, 20),
        OF_OPERAND(DROPPED, 20), // the call was repeated
        NAMES(1, 20),
        {.kind = HISTORY_REFUSED, .order = 1},
        RESULT(10, SUM),
        OF_OPERAND(STORED, 21),
        OF_OPERAND(STORED, 22),
        OF_OPERAND(DROP, 22),
        {.kind = HISTORY_OPERANDS},
        OF_OPERAND(HELD, 21),
    };
    (void)state;
    const history_verdict v = CHECK(events);
    assert_int_equal(v.faults, 0);
    assert_int_equal(v.operands, 3);
    assert_int_equal(v.dropped, 1);
    assert_int_equal(v.named, 2);
    assert_int_equal(v.refused, 1);
}

static void
a_lost_operand_is_blamed(void **state)
{
    static const history_event refused[] = {
        OF_OPERAND(STORED, 20), NAMES(0, 20), {.kind = HISTORY_REFUSED, .order = 0}};
    static const history_event unlisted[] = {OF_OPERAND(STORED, 20),
                                             {.kind = HISTORY_OPERANDS},
                                             OF_OPERAND(HELD, 20),
                                             {.kind = HISTORY_OPERANDS}};
    (void)state;
    history_verdict v = CHECK(refused);
    assert_blamed(&v, HISTORY_MISSED);
    v = CHECK(unlisted);
    assert_blamed(&v, HISTORY_MISSED);
    assert_int_equal(v.first[HISTORY_MISSED].operand, 20);
}

static void
a_dropped_operand_that_is_there_is_blamed(void **state)
{
    static const history_event used[] = {OF_OPERAND(STORED, 20),  OF_OPERAND(DROP, 20),
                                         OF_OPERAND(DROPPED, 20), NAMES(0, 20),
                                         ACCEPTED(0, 10),         RESULT(10, SUM)};
    static const history_event listed[] = {OF_OPERAND(STORED, 20),
                                           OF_OPERAND(DROP, 20),
                                           OF_OPERAND(DROPPED, 20),
                                           {.kind = HISTORY_OPERANDS},
                                           OF_OPERAND(HELD, 20)};
    (void)state;
    history_verdict v = CHECK(used);
    assert_blamed(&v, HISTORY_UNDEAD);
    v = CHECK(listed);
    assert_blamed(&v, HISTORY_UNDEAD);
}

static void
an_operand_of_nobody_is_blamed(void **state)
{
    static const history_event listed[] = {OF_OPERAND(STORED, 20),
                                           {.kind = HISTORY_OPERANDS},
                                           OF_OPERAND(HELD, 20),
                                           OF_OPERAND(HELD, 21)};
    static const history_event twice[] = {OF_OPERAND(STORED, 20), OF_OPERAND(STORED, 20)};
    (void)state;
    history_verdict v = CHECK(listed);
    assert_blamed(&v, HISTORY_STRAY);
    assert_int_equal(v.first[HISTORY_STRAY].operand, 21);
    v = CHECK(twice); // two puts, one operand
    assert_blamed(&v, HISTORY_STRAY);
}

static void
notes_are_kept_in_order(void **state)
{
    history h;
    (void)state;
    history_init(&h);
    for (size_t i = 0; i < 3000; i++)
        history_note(&h, (history_event){.kind = HISTORY_SUBMIT, .order = i});
    assert_int_equal(h.count, 3000);
    for (size_t i = 0; i < h.count; i++)
        assert_int_equal(h.at[i].order, i);
    assert_int_equal(history_check(h.at, h.count).orders, 3000);
    history_fini(&h);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_a_right_history),
        cmocka_unit_test(jobs_that_end_as_they_should_are_counted),
        cmocka_unit_test(a_retried_submit_and_a_retried_wait_are_right),
        cmocka_unit_test(a_cancel_that_comes_too_late_leaves_the_product),
        cmocka_unit_test(an_order_of_which_nothing_was_heard_promises_nothing),
        cmocka_unit_test(a_lost_job_is_blamed),
        cmocka_unit_test(a_failed_job_is_blamed),
        cmocka_unit_test(a_doubled_job_is_blamed),
        cmocka_unit_test(a_shared_job_is_blamed),
        cmocka_unit_test(a_result_before_its_acceptance_is_blamed),
        cmocka_unit_test(a_wrong_product_is_blamed),
        cmocka_unit_test(a_job_that_runs_again_is_blamed),
        cmocka_unit_test(a_result_after_the_cancel_is_blamed),
        cmocka_unit_test(a_cancel_that_nobody_asked_for_is_blamed),
        cmocka_unit_test(a_refused_order_that_becomes_a_job_is_blamed),
        cmocka_unit_test(a_listed_job_that_is_nobodys_is_blamed),
        cmocka_unit_test(operands_that_come_and_go_are_counted),
        cmocka_unit_test(a_lost_operand_is_blamed),
        cmocka_unit_test(a_dropped_operand_that_is_there_is_blamed),
        cmocka_unit_test(an_operand_of_nobody_is_blamed),
        cmocka_unit_test(notes_are_kept_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
