#include "tests/unit/rounds_rig.h"

/* ---- lists, as they are given ---------------------------------------------------------------- */

/* "j1.0 j2.4" for each slot: jobs and rows in the order in which they are sent. */
static void
assert_list(const rounds_rig *rig, size_t slot, const char *expected)
{
    char text[512] = "";
    for (size_t i = 0; i < rig->slots[slot].count; i++) {
        const kofn_mini_task *task = &rig->slots[slot].out[i].task;
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%" PRIu64 ".%zu",
                 i > 0 ? " " : "", task->job, task->row);
    }
    assert_string_equal(text, expected);
}

/* Begin a round with a new job, and send everything. */
static void
begin(rounds_rig *rig)
{
    rig_push(rig);
    assert_true(kofn_rounds_begin(rig->rounds, rig->now_ns));
    rig->round++;
    for (size_t slot = 0; slot < (size_t)rig->config.slots; slot++)
        rig_send(rig, slot);
}

/* All but those slots do their lists; the round is to end with that. */
static void
end_but(rounds_rig *rig, const char *stragglers)
{
    rig->now_ns += RIG_UNIT_NS;
    for (size_t slot = 0; slot < (size_t)rig->config.slots; slot++)
        while (!strchr(stragglers, '0' + (int)slot) && rig->slots[slot].count > 0)
            rig_answer(rig, slot);
    if (!kofn_rounds_end(rig->rounds, rig->now_ns)) {
        rig->now_ns = kofn_rounds_get_due(rig->rounds);
        assert_true(kofn_rounds_end(rig->rounds, rig->now_ns));
    }
    rig_take_back(rig);
    rig_check(rig);
}

static void
dip_gives_what_algorithm_1_says(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, (kofn_rounds_config){.scheme = KOFN_SCHEME_DIP, .slots = 2, .delay = 2}, 5);
    rig_fill_all(&rig);

    begin(&rig); // l = 1: job 1
    assert_list(&rig, 0, "1.0");
    assert_list(&rig, 1, "1.1");
    end_but(&rig, "1"); // 1 answer
    begin(&rig);        // l = 1: job 2; l = 2: job 1
    assert_list(&rig, 0, "2.0 1.2");
    assert_list(&rig, 1, "2.1 1.3");
    end_but(&rig, "1"); // job 1: 2, job 2: 1
    begin(&rig);        // job 1 is due: ceil((5 - 2) / 2) = 2 of each
    assert_list(&rig, 0, "3.0 2.2 1.4 1.6");
    assert_list(&rig, 1, "3.1 2.3 1.5 1.7");
    assert_int_equal(kofn_rounds_get_view(rig.rounds).load, 4);

    rig.now_ns += RIG_UNIT_NS;
    while (rig.slots[0].count > 0)
        rig_answer(&rig, 0); // job 1 has 4 answers, and the deadline passes: it waits
    assert_false(kofn_rounds_end(rig.rounds, kofn_rounds_get_due(rig.rounds)));
    assert_true(kofn_rounds_get_due(rig.rounds) == KOFN_NEVER_NS);
    rig.now_ns += RIG_UNIT_NS;
    for (size_t i = 0; i < 3; i++)
        rig_answer(&rig, 1);
    assert_true(rig.jobs[1].id == 0);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns)); // the rest of slot 1's list was job 1's
    rig_take_back(&rig);
    assert_int_equal(kofn_rounds_get_view(rig.rounds).stragglers, 0);
    assert_int_equal(kofn_rounds_get_view(rig.rounds).waited, 1);
    rig_close(&rig);
}

static void
polynomial_ends_with_the_answer_that_suffices(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, (kofn_rounds_config){.scheme = KOFN_SCHEME_POLYNOMIAL, .slots = 4}, 2);
    rig_fill_all(&rig);
    begin(&rig);
    assert_list(&rig, 3, "1.3");
    end_but(&rig, "02");
    assert_int_equal(kofn_rounds_get_birth(rig.rounds, 1), 0);
    assert_int_equal(kofn_rounds_get_view(rig.rounds).dropped, 2);
    rig_close(&rig);
}

static void
uncoded_deals_plain_rows_to_the_slots_in_turn(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, (kofn_rounds_config){.scheme = KOFN_SCHEME_UNCODED, .slots = 3}, 5);
    rig_fill_all(&rig);
    begin(&rig);
    assert_list(&rig, 0, "1.0 1.3");
    assert_list(&rig, 1, "1.1 1.4");
    assert_list(&rig, 2, "1.2");
    assert_int_equal(kofn_rounds_get_view(rig.rounds).load, 2);
    end_but(&rig, "");
    rig_close(&rig);
}

static void
idip_gives_plain_rows_and_what_failed_again(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, (kofn_rounds_config){.scheme = KOFN_SCHEME_IDIP, .slots = 2, .delay = 2}, 4);
    assert_int_equal(rig.config.failures, 2); // of 2 x 3
    rig_fill_all(&rig);
    begin(&rig); // in three rounds from now, three would fail
    assert_list(&rig, 0, "1.0");
    assert_list(&rig, 1, "1.1");
    end_but(&rig, "1");
    begin(
        &rig); // job 1, l = 2: slot 1 is owed its own; one past failure and two to come are too many
    assert_list(&rig, 0, "2.0 1.2");
    assert_list(&rig, 1, "2.1 1.1");
    end_but(&rig, "1");
    begin(&rig); // no further failure is possible
    assert_list(&rig, 0, "3.0 2.2 1.3");
    assert_list(&rig, 1, "3.1 2.1 1.1");

    rig.now_ns += RIG_UNIT_NS;
    while (rig.slots[0].count > 0)
        rig_answer(&rig, 0);
    rig.now_ns = kofn_rounds_get_due(rig.rounds);
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns)); // job 1 has three answers
    rig_answer(&rig, 1);
    rig_answer(&rig, 1);
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_answer(&rig, 1);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    assert_int_equal(kofn_rounds_get_view(rig.rounds).waited, 1);
    assert_int_equal(kofn_rounds_get_view(rig.rounds).stragglers, 0);
    rig_close(&rig);
}

static void
idip_gives_coded_rows_where_all_could_fail(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, (kofn_rounds_config){.scheme = KOFN_SCHEME_IDIP, .slots = 3, .window = 2}, 3);
    assert_int_equal(rig.config.failures, 3);
    rig_fill_all(&rig);
    begin(&rig); // any slot may fail twice; rows 0 to 2 are the plain ones
    assert_list(&rig, 0, "1.3");
    assert_list(&rig, 1, "1.4");
    assert_list(&rig, 2, "1.5");
    end_but(&rig, "01");
    begin(&rig); // two have failed, one may
    assert_list(&rig, 0, "2.3 1.3");
    assert_list(&rig, 1, "2.4 1.4");
    assert_list(&rig, 2, "2.5 1.6");
    end_but(&rig, "2");
    begin(&rig);
    assert_list(&rig, 0, "3.3 2.6");
    assert_list(&rig, 1, "3.4 2.7");
    assert_list(&rig, 2, "3.5 2.5");
    end_but(&rig, "");
    rig_close(&rig);
}

static void
idip_gives_coded_rows_where_plain_ones_run_short(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, (kofn_rounds_config){.scheme = KOFN_SCHEME_IDIP, .slots = 2, .window = 2}, 3);
    assert_int_equal(rig.config.failures, 1);
    rig_fill_all(&rig);
    begin(&rig);
    assert_list(&rig, 0, "1.0");
    assert_list(&rig, 1, "1.1");
    end_but(&rig, "");
    begin(&rig); // line 9: one is left for two slots
    assert_list(&rig, 0, "2.0 1.3");
    assert_list(&rig, 1, "2.1 1.4");
    end_but(&rig, "1");
    begin(&rig); // one is left for one slot, and slot 0 cannot fail
    assert_list(&rig, 0, "3.0 2.2");
    assert_list(&rig, 1, "3.1 2.1");
    rig_close(&rig);
}

static void
idip_waits_until_the_pattern_conforms(void **state)
{
    (void)state;
    rounds_rig rig; // need 9 = 4 x 3 - 3
    rig_open(&rig, (kofn_rounds_config){.scheme = KOFN_SCHEME_IDIP, .slots = 4, .delay = 2}, 9);
    rig_fill_all(&rig);
    begin(&rig);
    end_but(&rig, "13");
    begin(&rig);
    rig.now_ns += RIG_UNIT_NS;
    for (size_t slot = 0; slot < 2; slot++)
        while (rig.slots[slot].count > 0)
            rig_answer(&rig, slot);
    rig.now_ns = kofn_rounds_get_due(rig.rounds);
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns)); // 2 + 2 > 3, and no job is due
    rig_answer(&rig, 3);
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns)); // slot 3 has another one
    rig_answer(&rig, 3);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    assert_true(kofn_rounds_was_straggler(rig.rounds, 2));
    assert_int_equal(kofn_rounds_get_view(rig.rounds).stragglers, 1);
    rig_close(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dip_gives_what_algorithm_1_says),
        cmocka_unit_test(polynomial_ends_with_the_answer_that_suffices),
        cmocka_unit_test(uncoded_deals_plain_rows_to_the_slots_in_turn),
        cmocka_unit_test(idip_gives_plain_rows_and_what_failed_again),
        cmocka_unit_test(idip_gives_coded_rows_where_all_could_fail),
        cmocka_unit_test(idip_gives_coded_rows_where_plain_ones_run_short),
        cmocka_unit_test(idip_waits_until_the_pattern_conforms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
