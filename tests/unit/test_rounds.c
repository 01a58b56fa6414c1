#include "tests/unit/rounds_rig.h"

#include <math.h>

/* ---- configuration --------------------------------------------------------------------------- */

static void
assert_settles(kofn_rounds_config config, size_t need, int64_t delay, int64_t failures)
{
    kofn_error error;
    assert_ok(kofn_rounds_settle(&config, need, &error));
    assert_int_equal(config.delay, delay);
    assert_int_equal(config.window, delay + 1);
    assert_int_equal(config.failures, failures);
    const kofn_rounds_config settled = config;
    assert_ok(kofn_rounds_settle(&config, need, &error)); // as it is read from a store again
    assert_memory_equal(&config, &settled, sizeof config);
}

static void
assert_refused(kofn_rounds_config config, size_t need, kofn_status status, const char *part)
{
    kofn_error error;
    const kofn_rounds_config before = config;
    assert_fails(kofn_rounds_settle(&config, need, &error), status);
    if (!strstr(error.text, part))
        print_error("'%s' is not in: %s\n", part, error.text);
    assert_non_null(strstr(error.text, part));
    assert_memory_equal(&config, &before, sizeof config);
}

#define CONFIG(scheme_, ...) ((kofn_rounds_config){.scheme = KOFN_SCHEME_##scheme_, __VA_ARGS__})

static void
what_is_left_open_is_settled(void **state)
{
    (void)state;
    assert_settles(CONFIG(IDIP, .slots = 4, .delay = 3), 6, 3, 10); // the paper's
    assert_settles(CONFIG(IDIP, .slots = 4), 6, 3, 10);
    assert_settles(CONFIG(IDIP, .slots = 4, .failures = 6), 6, 2, 6);
    assert_settles(CONFIG(IDIP, .slots = 4, .window = 1), 3, 0, 1);
    assert_settles(CONFIG(IDIP, .slots = 4), 20, 4, 0); // 3 would not do
    assert_settles(CONFIG(IDIP_BURST, .slots = 4, .burst = 4), 12, 3, 4);
    assert_settles(CONFIG(DIP, .slots = 4), 6, 3, 0);
    assert_settles(CONFIG(DIP, .slots = 4, .window = 3), 600, 2, 0);
    assert_settles(CONFIG(POLYNOMIAL, .slots = 4), 4, 0, 0);
    assert_settles(CONFIG(UNCODED, .slots = 4), 9, 0, 0);
    kofn_rounds_config dip = CONFIG(DIP, .slots = 4);
    kofn_error error;
    assert_ok(kofn_rounds_settle(&dip, 6, &error));
    assert_int_equal(dip.lambda, 4);
}

static void
contradictions_are_refused_with_the_equation_and_what_holds(void **state)
{
    (void)state;
    const kofn_status invalid = KOFN_INVALID_ARGUMENT, range = KOFN_OUT_OF_RANGE;
    assert_refused(CONFIG(IDIP, .slots = 4, .delay = 3, .failures = 9), 6, invalid,
                   "need = P W - N, but 6 is not 4 x 4 - 9: take failures=10, or jobs of 7 blocks");
    assert_refused(CONFIG(IDIP, .slots = 4, .delay = 3, .failures = 16), 6, invalid,
                   "N < P W, but N = 16 and P W = 4 x 4 = 16: take failures=10");
    assert_refused(CONFIG(IDIP, .slots = 4, .delay = 3), 17, invalid,
                   "need = 17 > P W = 4 x 4 = 16: take window=5 (delay=4)");
    assert_refused(CONFIG(IDIP, .slots = 4), 261, invalid, "take slots=5");
    assert_refused(CONFIG(IDIP, .slots = 4, .delay = 2, .window = 4), 6, invalid,
                   "T = W - 1, but T = 2 and W = 4: take delay=3 or window=3");
    assert_refused(CONFIG(IDIP_BURST, .slots = 4, .burst = 3), 12, invalid,
                   "B divides N and B <= W, but B = 3, N = 4, W = 4: take burst=2");
    assert_refused(CONFIG(IDIP_BURST, .slots = 4, .burst = 5), 6, invalid, "take burst=2");
    assert_refused(CONFIG(DIP, .slots = 4, .lambda = 5), 6, range,
                   "lambda = 5, but 1 <= lambda <= P = 4: take lambda=4");
    assert_refused(CONFIG(DIP, .slots = 4, .window = 1), 6, invalid, "take delay=1");
    assert_refused(CONFIG(POLYNOMIAL, .slots = 4), 5, invalid, "need <= P = 4");
    assert_refused(CONFIG(POLYNOMIAL, .slots = 4, .delay = 1), 4, invalid, "T = W - 1 = 0, not 1");
    assert_refused(CONFIG(UNCODED, .slots = 4, .window = 3), 4, invalid, "T = W - 1 = 0, not 2");
}

static void
what_a_scheme_does_not_have_is_refused_with_what_it_has(void **state)
{
    (void)state;
    const kofn_status invalid = KOFN_INVALID_ARGUMENT;
    assert_refused(CONFIG(DIP, .slots = 4, .failures = 3), 6, invalid,
                   "failures: the scheme dip has no such key; it has: slots delay lambda");
    assert_refused(CONFIG(DIP, .slots = 4, .burst = 1), 6, invalid, "burst: the scheme dip");
    assert_refused(CONFIG(IDIP, .slots = 4, .lambda = 4), 6, invalid, "lambda: the scheme idip");
    assert_refused(CONFIG(IDIP, .slots = 4, .burst = 1), 6, invalid, "burst: the scheme idip");
    assert_refused(CONFIG(IDIP_BURST, .slots = 4, .lambda = 4), 6, invalid,
                   "failures window burst");
    assert_refused(CONFIG(POLYNOMIAL, .slots = 4, .lambda = 4), 4, invalid, "scheme polynomial");
    assert_refused(CONFIG(POLYNOMIAL, .slots = 4, .failures = 1), 4, invalid, "failures");
    assert_refused(CONFIG(UNCODED, .slots = 4, .burst = 1), 4, invalid, "scheme uncoded");
    kofn_error error; // and where need is not known yet
    assert_fails(kofn_rounds_check(&CONFIG(DIP, .failures = 3), &error), invalid);
    assert_fails(kofn_rounds_check(&CONFIG(DIP, .delay = 65), &error), KOFN_OUT_OF_RANGE);
    assert_ok(kofn_rounds_check(&CONFIG(IDIP, .failures = 3, .rescue = 2), &error));
}

static void
numbers_out_of_bounds_are_refused(void **state)
{
    (void)state;
    const kofn_status range = KOFN_OUT_OF_RANGE;
    assert_refused(CONFIG(DIP, .slots = 0), 6, range, "slots = 0");
    assert_refused(CONFIG(DIP, .slots = KOFN_SLOTS_MAX + 1), 6, range, "slots: '10001'");
    assert_refused(CONFIG(DIP, .slots = INT64_MAX), 6, range, "slots");
    assert_refused(CONFIG(DIP, .slots = 4, .delay = KOFN_DELAY_MAX + 1), 6, range, "delay: '65'");
    assert_refused(CONFIG(IDIP, .slots = 4, .failures = -1), 6, range, "failures: '-1'");
    assert_refused(CONFIG(DIP, .slots = 4, .lambda = INT64_MIN), 6, range, "lambda");
    assert_refused(CONFIG(DIP, .slots = 4, .tolerance = -0.5), 6, range, "tolerance: '-0.5'");
    assert_refused(CONFIG(DIP, .slots = 4, .rescue = INFINITY), 6, range, "rescue: 'inf'");
    assert_refused(CONFIG(DIP, .slots = 4), 0, range, "0 answers");
    assert_refused(CONFIG(UNCODED, .slots = 4), SIZE_MAX, range, "answers");
    assert_refused(CONFIG(DIP, .slots = 10000, .lambda = 1), 500, range, "5030000 mini-tasks");
    assert_refused((kofn_rounds_config){.scheme = 5, .slots = 4}, 6, KOFN_INVALID_ARGUMENT,
                   "scheme 5");
}

static void
keys_have_the_names_of_the_schemes(void **state)
{
    (void)state;
    kofn_error error;
    kofn_rounds_config config;
    kofn_keys_set_defaults(kofn_rounds_keys, &config);
    for (int scheme = KOFN_SCHEME_DIP; scheme <= KOFN_SCHEME_UNCODED; scheme++) {
        const char *name = kofn_scheme_name((kofn_scheme)scheme);
        assert_ok(kofn_keys_parse(kofn_rounds_keys, "scheme", name, &config, &error));
        assert_int_equal(config.scheme, scheme);
        config.slots = 4;
        assert_ok(kofn_rounds_settle(&config, 4, &error)); // with all defaults
        kofn_keys_set_defaults(kofn_rounds_keys, &config);
    }
}

/* Each slot has every row that a scheme could want of it, by the count of lists. */
static void
an_inner_code_has_as_many_rows_as_a_job_may_be_given(void **state)
{
    (void)state;
    kofn_error error;
    const struct {
        kofn_rounds_config config;
        size_t need, plain, coded;
    } cases[] = {
        {CONFIG(DIP, .slots = 4, .delay = 3, .lambda = 1), 6, 0, 4 * (3 + 6)},
        {CONFIG(IDIP, .slots = 4, .delay = 3), 6, 6, 6 - 1 + 4},
        {CONFIG(IDIP, .slots = 4, .delay = 3), 16, 16, 16},
        {CONFIG(POLYNOMIAL, .slots = 4), 2, 0, 4},
        {CONFIG(UNCODED, .slots = 4), 9, 9, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_rounds_config config = cases[i].config;
        size_t plain = 99, coded = 99;
        assert_ok(kofn_rounds_settle(&config, cases[i].need, &error));
        kofn_rounds_count_rows(&config, cases[i].need, &plain, &coded);
        assert_int_equal(plain, cases[i].plain);
        assert_int_equal(coded, cases[i].coded);
    }
}

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
    rig_send_all(rig);
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

static void
idip_burst_gives_plain_rows_to_those_who_cannot_begin_a_burst(void **state)
{
    (void)state;
    rounds_rig rig; // need 5 = 3 x 3 - 4; two slots straggle, for two rounds each
    rig_open(&rig, CONFIG(IDIP_BURST, .slots = 3, .delay = 2, .burst = 2), 5);
    rig_fill_all(&rig);
    begin(&rig); // three rounds are longer than a burst, where idip would fear three failures
    assert_list(&rig, 0, "1.0");
    assert_list(&rig, 1, "1.1");
    assert_list(&rig, 2, "1.2");
    end_but(&rig, "12");
    begin(&rig); // slot 0 is the third
    assert_list(&rig, 0, "2.0 1.3");
    assert_list(&rig, 1, "2.1 1.1");
    assert_list(&rig, 2, "2.2 1.2");
    end_but(&rig, "1");
    begin(&rig); // job 2: slot 2 was a straggler two rounds ago, and may be for two rounds more
    assert_list(&rig, 0, "3.0 2.3 1.5");
    assert_list(&rig, 1, "3.1 2.1 1.1");
    assert_list(&rig, 2, "3.2 2.5 1.6"); // of job 1 there is one plain row left for two slots
    end_but(&rig, "");
    rig_close(&rig);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void
answer_all(rounds_rig *rig, size_t slot)
{
    while (rig->slots[slot].count > 0)
        rig_answer(rig, slot);
}

static void
the_deadline_is_counted_from_what_the_first_slot_took(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, CONFIG(DIP, .slots = 3, .delay = 1, .tolerance = 0.5), 6);
    rig_fill_all(&rig);
    rig.now_ns = 1000;
    begin(&rig);
    assert_true(kofn_rounds_get_due(rig.rounds) == KOFN_NEVER_NS);
    rig.now_ns = 1400;
    rig_answer(&rig, 1);
    assert_int_equal(kofn_rounds_get_due(rig.rounds), 1600);
    assert_false(kofn_rounds_end(rig.rounds, 1599));
    rig.now_ns = 1550;
    rig_answer(&rig, 0);
    assert_int_equal(kofn_rounds_get_due(rig.rounds), 1600);
    assert_true(kofn_rounds_end(rig.rounds, 1600));
    assert_true(kofn_rounds_was_straggler(rig.rounds, 2));
    assert_false(kofn_rounds_was_straggler(rig.rounds, 0));
    rig.now_ns = 1600;
    rig_take_back(&rig);
    assert_int_equal(kofn_rounds_get_view(rig.rounds).busy_ns, 600);
    assert_int_equal(kofn_rounds_get_view(rig.rounds).waited, 0);
    rig_close(&rig);
}

/* Its answer was kept from before, say: who says how long that takes? */
static void
a_list_that_its_slot_did_no_part_of_sets_no_deadline(void **state)
{
    (void)state;
    const size_t row = 1;
    rounds_rig rig;
    rig_open(&rig, CONFIG(DIP, .slots = 3, .delay = 1, .tolerance = 0.5), 6);
    rig_fill_all(&rig);
    begin(&rig);
    assert_list(&rig, 1, "1.1");
    rig_drop(&rig, 1, &row);
    kofn_rounds_answer(rig.rounds, rig.now_ns, 1, row, SIZE_MAX);
    assert_true(kofn_rounds_get_due(rig.rounds) == KOFN_NEVER_NS);
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig.now_ns = 1000;
    rig_answer(&rig, 0);
    assert_int_equal(kofn_rounds_get_due(rig.rounds), 1500);
    rig_answer(&rig, 2);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_take_back(&rig);
    assert_int_equal(kofn_rounds_get_view(rig.rounds).stragglers, 0);

    begin(&rig); // job 1 is due, and given up: lists without it are done by nobody, either
    assert_true(kofn_rounds_get_due(rig.rounds) == KOFN_NEVER_NS);
    rig_finish(&rig, 1);
    rig_finish(&rig, 2);
    assert_true(kofn_rounds_get_due(rig.rounds) == KOFN_NEVER_NS);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_close(&rig);
}

static void
a_round_is_over_at_once_when_every_slot_is_done(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, CONFIG(DIP, .slots = 2, .delay = 1, .tolerance = 10), 6);
    rig_fill_all(&rig);
    begin(&rig);
    rig.now_ns += RIG_UNIT_NS;
    rig_answer(&rig, 1);
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    assert_false(kofn_rounds_begin(rig.rounds, rig.now_ns)); // one is on
    rig_answer(&rig, 0);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_close(&rig);
}

static void
a_job_that_is_finished_is_trivial_at_once(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, CONFIG(DIP, .slots = 2, .delay = 2), 3);
    rig_fill_all(&rig);
    begin(&rig);
    end_but(&rig, "");
    begin(&rig); // job 1 lacks one answer
    assert_list(&rig, 0, "2.0 1.2");
    rig.now_ns += RIG_UNIT_NS;
    rig_answer(&rig, 1);
    rig_answer(&rig, 1); // it has it, and 1.2 is dropped
    assert_list(&rig, 0, "2.0");
    assert_int_equal(kofn_rounds_get_view(rig.rounds).dropped, 1);
    rig_answer(&rig, 0);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_take_back(&rig);
    begin(&rig);
    assert_list(&rig, 0, "3.0 2.2"); // l = 3 is trivial
    rig_close(&rig);
}

static void
a_round_has_no_new_job_while_none_waits(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, CONFIG(DIP, .slots = 2, .delay = 2), 5);
    rig_fill_all(&rig);
    assert_false(rig_round(&rig));
    begin(&rig);
    end_but(&rig, "1");
    assert_true(kofn_rounds_begin(rig.rounds, rig.now_ns)); // round 2 without a job
    rig.round++;
    rig_send_all(&rig);
    assert_list(&rig, 0, "1.2");
    end_but(&rig, "1");
    begin(&rig); // job 2 is born in round 3, in which job 1 is due
    assert_list(&rig, 0, "2.0 1.4 1.6");
    assert_int_equal(kofn_rounds_get_birth(rig.rounds, 2), 3);
    end_but(&rig, "");
    while (rig_round(&rig))
        ;
    assert_int_equal(rig.round, 5);
    begin(&rig); // and on it goes after a pause
    assert_list(&rig, 0, "3.0");
    assert_int_equal(kofn_rounds_get_view(rig.rounds).round, 6);
    rig_close(&rig);
}

static void
a_job_may_be_given_up_before_it_is_born(void **state)
{
    (void)state;
    kofn_error error;
    rounds_rig rig;
    rig_open(&rig, CONFIG(DIP, .slots = 2, .delay = 2), 5);
    rig_fill_all(&rig);
    rig_push(&rig);
    rig_push(&rig);
    assert_fails(kofn_rounds_push(rig.rounds, 2, &error), KOFN_ALREADY_EXISTS);
    assert_int_equal(kofn_rounds_get_view(rig.rounds).waiting, 2);
    rig_finish(&rig, 1);
    assert_int_equal(kofn_rounds_get_view(rig.rounds).waiting, 1);
    begin(&rig);
    assert_list(&rig, 0, "2.0");
    rig_finish(&rig, 2);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_close(&rig);
}

/* ---- losses ---------------------------------------------------------------------------------- */

static void
the_list_of_a_vacant_slot_is_dealt_out_behind_the_others(void **state)
{
    (void)state;
    rounds_rig rig; // need 7 = 3 x 3 - 2
    rig_open(&rig, CONFIG(IDIP, .slots = 3, .delay = 2), 7);
    rig_fill(&rig, 0);
    rig_fill(&rig, 2);
    begin(&rig);
    assert_list(&rig, 0, "1.0");
    assert_list(&rig, 1, "");
    assert_list(&rig, 2, "1.2 1.1"); // the first in turn
    rig.now_ns += RIG_UNIT_NS;
    answer_all(&rig, 0);
    rig_answer(&rig, 2); // slot 2 has done its list; slot 1's is out there
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    assert_true(kofn_rounds_was_straggler(rig.rounds, 1));
    assert_false(kofn_rounds_was_straggler(rig.rounds, 2));
    rig_take_back(&rig);
    rig_fill(&rig, 1);
    begin(&rig); // owed to slot 1, by another worker
    assert_list(&rig, 0, "2.0 1.3");
    assert_list(&rig, 1, "2.1 1.1");
    assert_list(&rig, 2, "2.2 1.4");
    rig_close(&rig);
}

static void
what_a_slot_had_is_dealt_out_when_it_becomes_vacant(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, CONFIG(UNCODED, .slots = 3), 6);
    rig_fill_all(&rig);
    rig.credit = 1;
    begin(&rig);
    assert_list(&rig, 1, "1.1"); // and 1.4 is still to come
    rig_vacate(&rig, 1);
    for (size_t slot = 0; slot < 3; slot += 2) {
        rig_answer(&rig, slot);
        rig_send(&rig, slot);
        rig_answer(&rig, slot);
        rig_send(&rig, slot);
    }
    assert_list(&rig, 0, "1.4");
    assert_list(&rig, 2, "1.1");
    rig_answer(&rig, 0);
    rig_answer(&rig, 2);
    assert_int_equal(rig.first, 2);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    assert_int_equal(kofn_rounds_get_view(rig.rounds).given, 6);
    rig_close(&rig);
}

static void
dip_leaves_the_list_of_a_vacant_slot_out(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, CONFIG(DIP, .slots = 3, .delay = 1), 4);
    rig_fill(&rig, 0);
    rig_fill(&rig, 1);
    begin(&rig);
    assert_list(&rig, 0, "1.0");
    assert_list(&rig, 1, "1.1");
    rig_vacate(&rig, 1);
    assert_true(kofn_rounds_get_due(rig.rounds) == KOFN_NEVER_NS); // that was no list done
    rig_answer(&rig, 0);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    assert_int_equal(kofn_rounds_get_view(rig.rounds).stragglers, 0);
    assert_int_equal(kofn_rounds_get_view(rig.rounds).failed, 1);
    rig_close(&rig);
}

static void
further_rows_are_given_when_the_due_job_has_run_out(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, CONFIG(DIP, .slots = 4, .delay = 1), 9);
    rig_fill(&rig, 0);
    begin(&rig); // nobody but slot 0: one answer
    end_but(&rig, "");
    begin(&rig); // ceil(8 / 4) = 2 of each slot, and there is one
    assert_list(&rig, 0, "2.0 1.1 1.2");
    rig.now_ns += RIG_UNIT_NS;
    answer_all(&rig, 0);
    rig_fill(&rig, 3);
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns)); // the list is done, the job is not
    rig_send_all(&rig);
    assert_list(&rig, 0, "1.3 1.5 1.7"); // six are missing
    assert_list(&rig, 3, "1.4 1.6 1.8");
    answer_all(&rig, 0);
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    assert_int_equal(kofn_rounds_get_view(rig.rounds).mended, 6); // once
    answer_all(&rig, 3);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_close(&rig);
}

/* lambda counts on slots that are vacant: what their rows leave open is given before any comes
 * back. */
static void
a_due_list_that_cannot_suffice_is_mended_at_once(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, CONFIG(DIP, .slots = 4, .delay = 1, .lambda = 4), 4);
    rig_fill(&rig, 0);
    rig_fill(&rig, 1);
    begin(&rig);
    end_but(&rig, "1"); // one answer
    begin(&rig);        // ceil(3 / 4) of each slot, and there are two
    assert_list(&rig, 0, "2.0 1.2");
    assert_list(&rig, 1, "2.1 1.3");
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_send_all(&rig);
    assert_list(&rig, 0, "2.0 1.2 1.4");
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns)); // that will do
    assert_int_equal(kofn_rounds_get_view(rig.rounds).mended, 1);
    rig_vacate(&rig, 1); // of dip, what it had comes to nothing
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_send_all(&rig);
    assert_list(&rig, 0, "2.0 1.2 1.4 1.5");
    rig.now_ns += RIG_UNIT_NS;
    answer_all(&rig, 0);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_close(&rig);
}

static void
answers_that_do_not_span_are_followed_by_further_ones(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, CONFIG(POLYNOMIAL, .slots = 4), 2);
    rig_fill_all(&rig);
    rig.extra = 2;
    rig_vacate(&rig, 3);
    begin(&rig);
    assert_list(&rig, 1, "1.1 1.3");
    rig_lose(&rig, 0, 0); // of slot 0; to another one
    rig_send_all(&rig);
    assert_list(&rig, 2, "1.2 1.0");
    answer_all(&rig, 1);
    rig_answer(&rig, 2); // three answers, and the job goes on
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_answer(&rig, 2);
    assert_int_equal(rig.first, 2);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_close(&rig);
}

static void
rows_that_failed_are_given_again_when_there_are_no_others(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, CONFIG(DIP, .slots = 1, .delay = 1), 1);
    rig_fill_all(&rig);
    begin(&rig); // rows 0 and 1 are all there are
    assert_list(&rig, 0, "1.0");
    rig_vacate(&rig, 0); // no mini-task is lost and given again: the list is left out
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_take_back(&rig);
    rig_fill(&rig, 0);
    assert_true(kofn_rounds_begin(rig.rounds, rig.now_ns));
    rig.round++;
    rig_send_all(&rig);
    assert_list(&rig, 0, "1.1");
    rig_vacate(&rig, 0);
    rig_fill(&rig, 0);
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns)); // it is due
    rig_send_all(&rig);
    assert_list(&rig, 0, "1.1");
    rig_answer(&rig, 0);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_close(&rig);
}

static void
nothing_goes_on_while_all_slots_are_vacant(void **state)
{
    (void)state;
    rounds_rig rig; // need 7 = 3 x 3 - 2
    rig_open(&rig, CONFIG(IDIP, .slots = 3, .delay = 2), 7);
    rig_push(&rig);
    assert_false(kofn_rounds_begin(rig.rounds, rig.now_ns));
    rig_fill(&rig, 1);
    assert_true(kofn_rounds_begin(rig.rounds, rig.now_ns));
    rig.round++;
    rig_send_all(&rig);
    assert_list(&rig, 1, "1.1 1.0 1.2");
    rig_vacate(&rig, 1);
    kofn_mini_task task;
    assert_false(kofn_rounds_peek(rig.rounds, 1, &task));
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_fill(&rig, 2); // all of it is slot 2's now
    rig_send_all(&rig);
    assert_int_equal(rig.slots[2].count, 3);
    rig.now_ns += RIG_UNIT_NS;
    answer_all(&rig, 2);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    assert_int_equal(kofn_rounds_get_view(rig.rounds).stragglers, 0);
    rig_close(&rig);
}

static void
a_loss_goes_to_another_slot_and_back_where_there_is_none(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, CONFIG(UNCODED, .slots = 2), 4);
    rig_fill_all(&rig);
    begin(&rig);
    rig_lose(&rig, 0, 1);
    rig_lose(&rig, 0, 0);
    rig_send_all(&rig);
    assert_list(&rig, 0, "");
    assert_list(&rig, 1, "1.1 1.3 1.2 1.0");
    rig_lose(&rig, 1, 0);
    rig_vacate(&rig, 0);
    rig_lose(&rig, 1, 0);
    kofn_rounds_lose(rig.rounds, rig.now_ns, 1, 0, 0); // it is out, but not there
    rig_send_all(&rig);
    assert_list(&rig, 1, "1.2 1.0 1.1 1.3");
    answer_all(&rig, 1);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    assert_int_equal(kofn_rounds_get_view(rig.rounds).failed, 0);
    rig_close(&rig);
}

/* ---- rescue ---------------------------------------------------------------------------------- */

static void
a_round_that_waits_has_what_is_late_copied(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, CONFIG(UNCODED, .slots = 3, .tolerance = 0.5, .rescue = 4), 3);
    rig_fill_all(&rig);
    begin(&rig);
    rig.now_ns = 1000;
    rig_answer(&rig, 0);
    assert_int_equal(kofn_rounds_get_due(rig.rounds), 1500);
    rig.now_ns = 1500;
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    assert_int_equal(kofn_rounds_get_due(rig.rounds), 4000);
    rig.now_ns = 4000;
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_send_all(&rig);
    assert_list(&rig, 0, "1.1 1.2");
    assert_true(rig.slots[0].out[0].task.copy);
    assert_false(rig.slots[1].out[0].task.copy);
    assert_int_equal(kofn_rounds_get_view(rig.rounds).rescued, 2);
    assert_int_equal(kofn_rounds_get_due(rig.rounds), 8000);
    rig_answer(&rig, 2); // itself, before its copy
    assert_list(&rig, 0, "1.1");
    rig_lose(&rig, 0, 0); // a copy that is lost; nothing is given again for it
    rig_send_all(&rig);
    assert_list(&rig, 0, "");
    rig.now_ns = 8000;
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_send_all(&rig);
    assert_int_equal(kofn_rounds_get_view(rig.rounds).rescued, 3);
    const size_t where = rig.slots[0].count > 0 ? 0 : 2;
    rig_answer(&rig, where);
    assert_list(&rig, 1, ""); // dropped
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    assert_int_equal(kofn_rounds_get_view(rig.rounds).given, 3);
    rig_close(&rig);
}

/* However soon it begins, and however long a worker hangs. */
static void
a_rescue_wakes_seldom_while_nothing_happens(void **state)
{
    (void)state;
    size_t wakes = 0;
    rounds_rig rig;
    rig_open(&rig, CONFIG(UNCODED, .slots = 2, .rescue = 1e-6), 2);
    rig_fill_all(&rig);
    begin(&rig);
    rig.now_ns = KOFN_NS_PER_MS;
    rig_answer(&rig, 0);
    for (; rig.now_ns < 1000 * KOFN_NS_PER_MS && wakes < 100; wakes++) {
        assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
        rig_send_all(&rig);
        rig.now_ns = kofn_rounds_get_due(rig.rounds);
    }
    assert_in_range(wakes, 1, 12); // the round lasts twice as long each time
    assert_list(&rig, 0, "1.1");
    assert_int_equal(kofn_rounds_get_view(rig.rounds).rescued, 1);
    rig_close(&rig);

    rig_open(&rig, CONFIG(UNCODED, .slots = 2, .rescue = 1), 2); // and if the first took no time
    rig_fill_all(&rig);
    begin(&rig);
    rig_answer(&rig, 0);
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    assert_true(kofn_rounds_get_due(rig.rounds) > rig.now_ns);
    rig_vacate(&rig, 0);
    rig_vacate(&rig, 1);
    assert_true(kofn_rounds_get_due(rig.rounds) == KOFN_NEVER_NS); // nobody is there to copy to
    rig_close(&rig);
}

static void
a_copy_takes_the_place_of_what_was_lost(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, CONFIG(UNCODED, .slots = 2, .rescue = 1), 2);
    rig_fill_all(&rig);
    begin(&rig);
    rig.now_ns = 1000;
    rig_answer(&rig, 0);
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_send_all(&rig);
    assert_list(&rig, 0, "1.1");
    rig_vacate(&rig, 1);
    rig_send_all(&rig);
    assert_list(&rig, 0, "1.1"); // once
    rig_answer(&rig, 0);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_close(&rig);
}

/* ---- who was late, and how slow he was ------------------------------------------------------- */

static void
assert_late(const rounds_rig *rig, uint64_t round, const char *slots)
{
    const kofn_trace *trace = kofn_rounds_get_trace(rig->rounds);
    static unsigned char rows[KOFN_TRACE_BYTES_MAX];
    kofn_trace_copy(trace, rows);
    const uint64_t before = trace->rounds - kofn_trace_count(trace);
    const unsigned char *row = rows + (round - before - 1) * trace->row_bytes;
    for (size_t slot = 0; slot < (size_t)rig->config.slots; slot++)
        assert_int_equal(row[slot / 8] >> slot % 8 & 1, strchr(slots, '0' + (int)slot) != NULL);
}

/* No scheme that waits for all has a straggler, and yet its workers are slow. */
static void
who_does_his_list_while_the_round_waits_was_late_and_is_timed(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, CONFIG(UNCODED, .slots = 3, .tolerance = 0.5), 6);
    rig_fill_all(&rig);
    begin(&rig);
    rig.now_ns = 1000;
    answer_all(&rig, 0);
    rig.now_ns = 1500;
    answer_all(&rig, 1); // at the deadline: not late
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig.now_ns = 4000;
    answer_all(&rig, 2);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    assert_late(&rig, 1, "2");
    const kofn_rounds_view view = kofn_rounds_get_view(rig.rounds);
    assert_int_equal(view.stragglers, 0);
    assert_int_equal(view.late, 1);
    assert_int_equal(view.timed, 1);
    assert_true(view.slowdown_sum == 4);
    rig_close(&rig);
}

static void
who_is_taken_back_was_late_and_not_timed(void **state)
{
    (void)state;
    rounds_rig rig; // need 9 = 4 x 3 - 3
    rig_open(&rig, CONFIG(IDIP, .slots = 4, .delay = 2), 9);
    rig_fill_all(&rig);
    begin(&rig);
    end_but(&rig, "03");
    begin(&rig);
    end_but(&rig, "1");
    assert_late(&rig, 1, "03");
    assert_late(&rig, 2, "1");
    assert_int_equal(kofn_rounds_get_view(rig.rounds).late, 3);
    assert_int_equal(kofn_rounds_get_view(rig.rounds).timed, 0);
    rig_close(&rig);
}

/* A list that another slot has helped with took nobody's time. */
static void
a_list_that_was_rescued_is_late_and_not_timed(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, CONFIG(UNCODED, .slots = 3, .tolerance = 0.5, .rescue = 2), 6);
    rig_fill_all(&rig);
    begin(&rig);
    rig.now_ns = 1000;
    answer_all(&rig, 0);
    answer_all(&rig, 1);
    rig.now_ns = 1500;
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig.now_ns = 2000;
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig_send_all(&rig);
    answer_all(&rig, 0);
    answer_all(&rig, 1);
    answer_all(&rig, 2);
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    assert_late(&rig, 1, "2");
    assert_int_equal(kofn_rounds_get_view(rig.rounds).timed, 0);
    rig_close(&rig);
}

static void
a_vacant_slot_is_late_only_if_what_was_dealt_out_failed(void **state)
{
    (void)state;
    rounds_rig rig;
    rig_open(&rig, CONFIG(UNCODED, .slots = 3, .tolerance = 0.5), 3);
    rig_fill(&rig, 0);
    rig_fill(&rig, 1);
    begin(&rig);
    rig.now_ns = 1000;
    rig_answer(&rig, 0);
    rig.now_ns = 1500;
    assert_false(kofn_rounds_end(rig.rounds, rig.now_ns));
    rig.now_ns = 2000;
    answer_all(&rig, 0);
    answer_all(&rig, 1); // one of them has the list of slot 2
    assert_true(kofn_rounds_end(rig.rounds, rig.now_ns));
    assert_late(&rig, 1, "1");
    assert_int_equal(kofn_rounds_get_view(rig.rounds).timed, 1);
    rig_close(&rig);

    rig_open(&rig, CONFIG(IDIP, .slots = 3, .window = 2, .failures = 1), 5);
    rig_fill(&rig, 0);
    rig_fill(&rig, 1);
    begin(&rig);
    rig.now_ns = 1000;
    rig_answer(&rig, 0);
    rig_answer(&rig, 1);
    assert_true(kofn_rounds_end(rig.rounds, kofn_rounds_get_due(rig.rounds)));
    assert_late(&rig, 1, "2");
    rig_close(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_open_is_settled),
        cmocka_unit_test(contradictions_are_refused_with_the_equation_and_what_holds),
        cmocka_unit_test(what_a_scheme_does_not_have_is_refused_with_what_it_has),
        cmocka_unit_test(numbers_out_of_bounds_are_refused),
        cmocka_unit_test(keys_have_the_names_of_the_schemes),
        cmocka_unit_test(an_inner_code_has_as_many_rows_as_a_job_may_be_given),
        cmocka_unit_test(dip_gives_what_algorithm_1_says),
        cmocka_unit_test(polynomial_ends_with_the_answer_that_suffices),
        cmocka_unit_test(uncoded_deals_plain_rows_to_the_slots_in_turn),
        cmocka_unit_test(idip_gives_plain_rows_and_what_failed_again),
        cmocka_unit_test(idip_gives_coded_rows_where_all_could_fail),
        cmocka_unit_test(idip_gives_coded_rows_where_plain_ones_run_short),
        cmocka_unit_test(idip_waits_until_the_pattern_conforms),
        cmocka_unit_test(idip_burst_gives_plain_rows_to_those_who_cannot_begin_a_burst),
        cmocka_unit_test(the_deadline_is_counted_from_what_the_first_slot_took),
        cmocka_unit_test(a_list_that_its_slot_did_no_part_of_sets_no_deadline),
        cmocka_unit_test(a_round_is_over_at_once_when_every_slot_is_done),
        cmocka_unit_test(a_job_that_is_finished_is_trivial_at_once),
        cmocka_unit_test(a_round_has_no_new_job_while_none_waits),
        cmocka_unit_test(a_job_may_be_given_up_before_it_is_born),
        cmocka_unit_test(the_list_of_a_vacant_slot_is_dealt_out_behind_the_others),
        cmocka_unit_test(what_a_slot_had_is_dealt_out_when_it_becomes_vacant),
        cmocka_unit_test(dip_leaves_the_list_of_a_vacant_slot_out),
        cmocka_unit_test(further_rows_are_given_when_the_due_job_has_run_out),
        cmocka_unit_test(a_due_list_that_cannot_suffice_is_mended_at_once),
        cmocka_unit_test(answers_that_do_not_span_are_followed_by_further_ones),
        cmocka_unit_test(rows_that_failed_are_given_again_when_there_are_no_others),
        cmocka_unit_test(nothing_goes_on_while_all_slots_are_vacant),
        cmocka_unit_test(a_loss_goes_to_another_slot_and_back_where_there_is_none),
        cmocka_unit_test(a_round_that_waits_has_what_is_late_copied),
        cmocka_unit_test(a_rescue_wakes_seldom_while_nothing_happens),
        cmocka_unit_test(a_copy_takes_the_place_of_what_was_lost),
        cmocka_unit_test(who_does_his_list_while_the_round_waits_was_late_and_is_timed),
        cmocka_unit_test(who_is_taken_back_was_late_and_not_timed),
        cmocka_unit_test(a_list_that_was_rescued_is_late_and_not_timed),
        cmocka_unit_test(a_vacant_slot_is_late_only_if_what_was_dealt_out_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
