/* Policy two_stage under a script: four products, coded rows behind them, workers that are late. */
#include "common/code/binomial.h"
#include "tests/unit/sched_rig.h"
#include "tests/unit/staged_rig.h"

/* Late is what takes twice the median. */
static int
set_up(void **state)
{
    static rig r;
    kofn_sched_config config = rig_config();
    config.stage_factor = 2;
    rig_init_with(&r, config);
    *state = &r;
    return 0;
}

#define stage_test(f) cmocka_unit_test_setup_teardown(f, set_up, rig_tear_down)

/* rkrp, 2 x 2 blocks: tasks 0 to 3 are the products, any four of all do. */
static kofn_code *
build_products(size_t tasks, size_t reserve)
{
    return rig_build(&(kofn_code_spec){.family = "rkrp",
                                       .part = {2, 1, 2},
                                       .tasks = tasks,
                                       .reserve = reserve,
                                       .has_seed = true,
                                       .seed = 1});
}

static void
add_products(rig *r, uint64_t job, size_t tasks, size_t reserve)
{
    add_code(r, job, "two_stage", build_products(tasks, reserve));
}

/* Its four products are on workers 1 to 4 of `workers`. */
static void
start_products(rig *r, uint64_t workers, size_t tasks, size_t reserve)
{
    join_many(r, workers);
    add_products(r, 1, tasks, reserve);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4");
}

static void
take_sends(rig *r)
{
    for (kofn_action action; kofn_sched_next_action(r->sched, &action);)
        r->sends[r->send_count++] = action;
}

/* ---- the first stage ------------------------------------------------------------------------- */

static void
an_undisturbed_job_costs_its_products_and_nothing_else(void **state)
{
    rig *r = *state;
    start_products(r, 8, 6, 6);
    at(r, 10);
    answer(r, 1, 3, 4);
    answer(r, 1, 0, 1);
    at(r, 15);
    answer(r, 1, 2, 3);
    assert_actions(r, "");
    at(r, 19);
    answer(r, 1, 1, 2);
    assert_actions(r, "decode 1");
    assert_int_equal(view_of(r, 1).sent, 4);
    assert_int_equal(kofn_sched_next_tick(r->sched), KOFN_NEVER_NS);
}

/* They took 10 ms each for the job before, and now twice that and more: nobody is slower than
 * others. */
static void
where_all_are_equally_slow_there_is_no_second_stage(void **state)
{
    rig *r = *state;
    for (uint64_t job = 1; job <= 2; job++) {
        if (job == 1)
            join_many(r, 8);
        add_products(r, job, 6, 6);
        const size_t sent = r->send_count;
        take_sends(r);
        assert_int_equal(r->send_count - sent, 4);
        at(r, job == 1 ? 10 : 49);
        for (size_t i = sent; i < sent + 4; i++)
            answer(r, job, r->sends[i].task, r->sends[i].worker);
        assert_actions(r, job == 1 ? "decode 1" : "decode 2");
    }
}

static void
a_product_that_is_lost_in_the_first_stage_is_sent_again_itself(void **state)
{
    rig *r = *state;
    start_products(r, 5, 6, 6);
    lose(r, 2);
    assert_actions(r, "send 1.1>5");
    assert_int_equal(view_of(r, 1).fresh, 0);
}

/* Any three rows of polynomial, and neighbours decode badly. */
static void
a_code_without_plain_rows_starts_with_as_few_as_suffice_spread_out(void **state)
{
    rig *r = *state;
    join_many(r, 6);
    add(r, 1, "polynomial", 3, 6, "two_stage");
    assert_actions(r, "send 1.0>1, send 1.2>2, send 1.4>3");
    at(r, 10);
    answer(r, 1, 0, 1);
    answer(r, 1, 4, 3);
    at(r, 20);
    assert_actions(r, "send 1.1>4, send 1.3>5");
    answer(r, 1, 3, 5);
    assert_actions(r, "cancel 1.2>2, cancel 1.1>4, decode 1");
}

/* ---- when stragglers show -------------------------------------------------------------------- */

static void
set_rule(rig *r, double factor, double quantile)
{
    kofn_sched_config config = rig_config();
    config.stage_factor = factor;
    config.stage_quantile = quantile;
    rig_fini(r);
    rig_init_with(r, config);
}

/* Answers after 20, 30 and 40 ms; the fourth is late by the factor times the fastest, the median,
 * or as soon as three quarters are there. */
static void
stragglers_show_by_the_fastest_the_median_or_a_quantile(void **state)
{
    rig *r = *state;
    static const struct {
        double factor, quantile;
        int64_t late_ms;
    } rules[] = {{3, 0, 60}, {2, 0.5, 60}, {2.5, 0.5, 75}, {1, 0.75, 40}, {1.5, 0.75, 60}};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        set_rule(r, rules[i].factor, rules[i].quantile);
        start_products(r, 4, 6, 0);
        for (size_t task = 0; task < 3; task++) {
            at(r, 20 + 10 * (int64_t)task);
            answer(r, 1, task, task + 1);
        }
        if (rules[i].late_ms > 40) {
            assert_actions(r, "");
            at(r, rules[i].late_ms - 1);
            assert_actions(r, "");
            assert_int_equal(kofn_sched_next_tick(r->sched), rules[i].late_ms * KOFN_NS_PER_MS);
            at(r, rules[i].late_ms);
        }
        assert_actions(r, "send 1.4>1, send 1.5>2");
    }
}

static void
nothing_is_late_before_the_floor(void **state)
{
    rig *r = *state;
    start_products(r, 6, 6, 6);
    at(r, 1);
    for (size_t task = 0; task < 3; task++)
        answer(r, 1, task, task + 1);
    at(r, 9);
    assert_actions(r, "");
    at(r, 10);
    assert_actions(r, "send 1.4>5, send 1.5>6");
}

static void
time_is_allowed_for_the_tasks_ahead(void **state)
{
    rig *r = *state;
    r->credit = 2;
    join_many(r, 2);
    add_products(r, 1, 6, 0);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>1, send 1.3>2");
    at(r, 10);
    answer(r, 1, 0, 1);
    answer(r, 1, 1, 2);
    join(r, 3);
    at(r, 39);
    assert_actions(r, "");
    at(r, 40);
    assert_actions(r, "send 1.4>3, send 1.5>3");
}

/* Nobody has answered: 10 ms by what they did for another job, twice over, times two. */
static void
before_any_answer_other_jobs_tell_what_is_late(void **state)
{
    rig *r = *state;
    join_many(r, 4);
    add(r, 1, "uncoded", 4, 4, "oneshot");
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4");
    at(r, 10);
    for (size_t task = 0; task < 4; task++)
        answer(r, 1, task, task + 1);
    assert_actions(r, "decode 1");
    add_products(r, 2, 6, 6);
    assert_actions(r, "send 2.0>1, send 2.1>2, send 2.2>3, send 2.3>4");
    join_many_from(r, 5, 12);
    at(r, 49);
    assert_actions(r, "");
    at(r, 50);
    assert_actions(r, "send 2.4>5, send 2.5>6, send 2.6>7, send 2.7>8, send 2.8>9, send 2.9>10, "
                      "send 2.10>11, send 2.11>12");
}

static void
where_nothing_is_known_of_any_task_a_guess_decides(void **state)
{
    rig *r = *state;
    start_products(r, 5, 6, 6);
    at(r, 10239);
    assert_actions(r, "");
    at(r, 10240); // 1024 floors
    assert_actions(r, "send 1.4>5");
}

/* ---- the second stage ------------------------------------------------------------------------ */

/* Two of four are late at 20 ms, with workers 5 to `workers` free as well. */
static void
start_late(rig *r, uint64_t workers, size_t tasks, size_t reserve)
{
    start_products(r, workers, tasks, reserve);
    at(r, 10);
    answer(r, 1, 0, 1);
    answer(r, 1, 2, 3);
    assert_actions(r, "");
    at(r, 20);
}

static void
coded_rows_for_what_is_late_go_to_other_workers(void **state)
{
    rig *r = *state;
    start_late(r, 6, 6, 6);
    assert_actions(r, "send 1.4>5, send 1.5>6, send 1.6>1, send 1.7>3"); // two, and two to lose
    assert_int_equal(view_of(r, 1).backups, 0);
    answer(r, 1, 7, 3);
    answer(r, 1, 4, 5);
    assert_actions(r, "cancel 1.1>2, cancel 1.3>4, cancel 1.5>6, cancel 1.6>1, decode 1");
}

static void
late_answers_of_the_first_stage_still_count(void **state)
{
    rig *r = *state;
    start_late(r, 6, 6, 0);
    assert_actions(r, "send 1.4>5, send 1.5>6, copy 1.1>1"); // two, and one to lose
    at(r, 30);
    assert_int_equal(answer(r, 1, 3, 4), KOFN_VERDICT_KEEP);
    assert_actions(r, "");
    answer(r, 1, 5, 6);
    assert_actions(r, "cancel 1.1>2, cancel 1.4>5, cancel 1.1>1, decode 1");
}

static void
a_late_product_that_comes_first_ends_the_job_without_a_coded_one(void **state)
{
    rig *r = *state;
    start_late(r, 5, 6, 6);
    assert_actions(r, "send 1.4>5, send 1.5>1, send 1.6>3");
    answer(r, 1, 3, 4);
    assert_actions(r, "");
    answer(r, 1, 1, 2);
    assert_actions(r, "cancel 1.4>5, cancel 1.5>1, cancel 1.6>3, decode 1");
}

/* With credit for more, who has something late gets nothing beside it. */
static void
nothing_goes_to_who_holds_what_is_late(void **state)
{
    rig *r = *state;
    r->credit = 2;
    start_products(r, 4, 6, 6);
    at(r, 10);
    answer(r, 1, 0, 1);
    answer(r, 1, 2, 3);
    at(r, 20);
    assert_actions(r, "send 1.4>1, send 1.5>3");
    join(r, 5);
    assert_actions(r, "send 1.6>5");
}

/* Workers 1 and 3 are busy with another job: what is needed goes there, what is to spare does
 * not. */
static void
spare_rows_are_for_workers_with_nothing_to_do(void **state)
{
    rig *r = *state;
    r->credit = 2;
    start_products(r, 4, 6, 6);
    at(r, 10);
    answer(r, 1, 0, 1);
    answer(r, 1, 2, 3);
    r->flops = 1e12;
    add(r, 2, "uncoded", 2, 2, "oneshot");
    assert_actions(r, "send 2.0>1, send 2.1>3");
    at(r, 20);
    assert_actions(r, "send 1.4>1, send 1.5>3");
    join_many_from(r, 5, 7);
    assert_actions(r, "send 1.6>5, send 1.7>6");
}

/* The fewest beyond `late` rows that fail with a probability of at most 1 in 20, where each is late
 * as often as those of the first stage were. */
static size_t
count_spare(size_t late, size_t tasks)
{
    const double rate = ((double)late + 0.5) / ((double)tasks + 1);
    size_t spare = 0;
    while (spare < late && kofn_binomial_below(late + spare, late, rate) > 0.05)
        spare++;
    return spare;
}

/* Within one of the exact odds, and never more than as many again. */
static void
as_many_are_sent_to_spare_as_the_rate_of_stragglers_asks_for(void **state)
{
    rig *r = *state;
    for (size_t late = 1; late <= 20; late++) {
        set_rule(r, 2, 0);
        join_many(r, 80);
        add_code(r, 1, "two_stage",
                 rig_build(&(kofn_code_spec){
                     .family = "rkrp", .part = {5, 1, 8}, .tasks = 42, .reserve = 40, .seed = 1}));
        take_sends(r);
        assert_int_equal(r->send_count, 40);
        at(r, 10);
        for (size_t task = late; task < 40; task++)
            answer(r, 1, task, task + 1);
        at(r, 20);
        take_sends(r);
        const size_t spare = r->send_count - 40 - late, wanted = count_spare(late, 40);
        assert_in_range(spare, wanted > 1 ? wanted - 1 : 1, wanted + 1 < late ? wanted + 1 : late);
    }
}

/* ---- losses, and more that is late ----------------------------------------------------------- */

static void
a_coded_row_that_is_lost_is_made_up_for(void **state)
{
    rig *r = *state;
    start_late(r, 6, 6, 6);
    assert_actions(r, "send 1.4>5, send 1.5>6, send 1.6>1, send 1.7>3");
    lose(r, 5);
    assert_actions(r, "");
    join(r, 7);
    assert_actions(r, "send 1.8>7");
}

static void
a_late_product_whose_worker_is_lost_is_not_sent_again_while_the_others_suffice(void **state)
{
    rig *r = *state;
    start_late(r, 6, 6, 6);
    assert_actions(r, "send 1.4>5, send 1.5>6, send 1.6>1, send 1.7>3");
    lose(r, 2);
    lose(r, 4);
    join(r, 7);
    assert_actions(r, "");
    lose(r, 5);
    lose(r, 6);
    lose(r, 1);
    join(r, 8);
    assert_actions(r, "send 1.1>7"); // one is out, and two are lacking
    answer(r, 1, 1, 7);
    answer(r, 1, 7, 3);
    assert_actions(r, "decode 1");
}

static void
coded_rows_that_are_late_as_well_are_made_up_for(void **state)
{
    rig *r = *state;
    start_late(r, 6, 6, 6);
    assert_actions(r, "send 1.4>5, send 1.5>6, send 1.6>1, send 1.7>3");
    join_many_from(r, 7, 12);
    at(r, 39);
    assert_actions(r, "");
    at(r, 40); // all of them
    assert_actions(r,
                   "send 1.8>7, send 1.9>8, send 1.10>9, send 1.11>10, copy 1.1>11, copy 1.3>12");
}

static void
a_worker_alone_does_all_of_it(void **state)
{
    rig *r = *state;
    join(r, 1);
    add_products(r, 1, 6, 6);
    assert_actions(r, "send 1.0>1");
    static const int64_t when[] = {10, 100, 110, 120};
    static const char *const then[] = {"send 1.1>1", "send 1.2>1", "send 1.3>1", "decode 1"};
    for (size_t task = 0; task < 4; task++) {
        at(r, when[task] - 1);
        assert_actions(r, "");
        at(r, when[task]);
        answer(r, 1, task, 1);
        assert_actions(r, then[task]);
    }
}

static void
a_job_whose_workers_are_all_stuck_ends_at_its_deadline(void **state)
{
    rig *r = *state;
    r->deadline_ns = KOFN_NS_PER_S;
    start_products(r, 4, 6, 6);
    at(r, 999);
    assert_actions(r, "");
    at(r, 1000);
    assert_actions(r, "cancel 1.0>1, cancel 1.1>2, cancel 1.2>3, cancel 1.3>4, "
                      "fail 1 DEADLINE_EXCEEDED");
}

/* ---- codes without a second stage of their own ----------------------------------------------- */

/* Of replication the first half of the rows is one of each product. */
static void
where_rows_cannot_stand_in_for_others_copies_go_out(void **state)
{
    rig *r = *state;
    static const char *const families[] = {"uncoded", "replication"};
    for (size_t i = 0; i < 2; i++) {
        set_rule(r, 2, 0.5);
        join_many(r, 6);
        add(r, 1, families[i], 4, i == 0 ? 4 : 8, "two_stage");
        assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4");
        at(r, 10);
        answer(r, 1, 0, 1);
        answer(r, 1, 2, 3);
        at(r, 20);
        assert_actions(r, "copy 1.1>5, copy 1.3>6");
        at(r, 1000);
        assert_actions(r, "");
        lose(r, 5);
        assert_actions(r, "copy 1.1>1");
    }
}

/* Two groups of two products each; a fresh row of one does nothing for the other. */
static void
groups_send_all_their_tasks_and_copies_of_what_is_late(void **state)
{
    kofn_error error;
    rig *r = *state;
    kofn_code_spec spec = {.family = "alloy_local",
                           .part = {1, 1, 2},
                           .tasks = 2,
                           .reserve = 4,
                           .has_seed = true,
                           .seed = 1};
    assert_ok(kofn_code_spec_set(&spec, "algorithm", "classical:1,1,2", &error));
    join_many(r, 4);
    add_code(r, 1, "two_stage", rig_build(&spec));
    assert_actions(r, "send 1.0>1, send 1.1>2");
    at(r, 10);
    answer(r, 1, 0, 1);
    at(r, 20);
    assert_actions(r, "copy 1.1>3");
}

/* One of six may be wrong: four products, and two more at once; what is late is made up for as
 * ever. */
static void
answers_that_check_others_are_of_the_first_stage(void **state)
{
    rig *r = *state;
    r->accept.liars = 1;
    join_many(r, 8);
    add_products(r, 1, 6, 6);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5, send 1.5>6");
    at(r, 10);
    for (size_t task = 0; task < 5; task++)
        answer(r, 1, task, task + 1);
    assert_actions(r, "");
    at(r, 20);
    assert_actions(r, "send 1.6>7, send 1.7>8");
    answer(r, 1, 7, 8);
    assert_actions(r, "cancel 1.5>6, cancel 1.6>7, decode 1");
}

/* Random rows of GF(2), of which two that came do not span the product: another is sent, and
 * another. */
static void
bad_luck_gets_further_rows(void **state)
{
    kofn_error error;
    rig *r = *state;
    kofn_code_spec spec = {
        .family = "alloy_global", .part = {2, 1, 1}, .tasks = 3, .reserve = 3, .has_seed = true};
    assert_ok(kofn_code_spec_set(&spec, "p", "2", &error));
    assert_ok(kofn_code_spec_set(&spec, "draw", "nonzero", &error));
    assert_ok(kofn_code_spec_set(&spec, "lift", "positive", &error));
    kofn_code *code = NULL;
    do { // two rows that are equal
        kofn_code_destroy(&code);
        spec.seed++;
        code = rig_build(&spec);
    } while (kofn_code_get_row(code, 0, 0)[0] != kofn_code_get_row(code, 0, 1)[0] ||
             kofn_code_get_row(code, 0, 0)[1] != kofn_code_get_row(code, 0, 1)[1]);
    join_many(r, 2);
    add_code(r, 1, "two_stage", code);
    assert_actions(r, "send 1.0>1, send 1.1>2");
    answer(r, 1, 0, 1);
    assert_actions(r, "");
    answer(r, 1, 1, 2);
    assert_actions(r, "send 1.2>1");
}

/* ---- rows that are made ---------------------------------------------------------------------- */

/* Five pairs without a relation, and room for ten rows; *spec and *batch stay for who makes
 * them. */
static void
add_pairs(rig *r, kofn_code_spec *spec, kofn_batch **batch, kofn_code **code)
{
    kofn_error error;
    static const size_t block[] = {0, 1, 2, 3, 4};
    const kofn_field *f64 = kofn_field_find("f64");
    assert_ok(kofn_batch_new_stacked(5, 5, 5, block, block, NULL, f64, batch, &error));
    *spec = complete_batch_spec("lagrange", *batch, f64);
    spec->tasks = 12;
    assert_ok(kofn_staged_build(spec, f64, code, &error));
    assert_ok(try_add(r, 1, *code, "two_stage", &error));
}

static void
make_rows(rig *r, const kofn_code_spec *spec, kofn_code **code, const char *expected)
{
    kofn_error error;
    size_t missing[64], used = 0;
    char text[256] = "";
    double rate;
    const size_t count = kofn_sched_job_list_missing(r->sched, 1, missing, &rate);
    for (size_t i = 0; i < count; i++)
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s%zu", i ? " " : "", missing[i]);
    assert_string_equal(text, expected);
    assert_true(rate > 0 && rate < 1);
    kofn_code *made = NULL;
    assert_ok(kofn_staged_fill(spec, *code, missing, count, 0.05, &made, &error));
    assert_ok(kofn_sched_job_recode(r->sched, r->now_ns, 1, made, &error));
    kofn_code_destroy(code);
    *code = made;
}

typedef struct pairs {
    kofn_code_spec spec;
    kofn_batch *batch;
    kofn_code *code;
} pairs;

/* Pairs 1 and 3 are late after 20 ms. */
static pairs
start_pairs(rig *r, uint64_t workers)
{
    pairs p;
    join_many(r, workers);
    add_pairs(r, &p.spec, &p.batch, &p.code);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5");
    at(r, 10);
    answer(r, 1, 0, 1);
    answer(r, 1, 2, 3);
    answer(r, 1, 4, 5);
    assert_actions(r, "");
    at(r, 20);
    assert_actions(r, "recode 1");
    return p;
}

static void
end_pairs(pairs *p)
{
    kofn_batch_destroy(&p->batch);
    kofn_code_destroy(&p->code);
}

static void
rows_are_made_for_the_pairs_that_are_late(void **state)
{
    rig *r = *state;
    pairs p = start_pairs(r, 8);
    at(r, 30);
    assert_actions(r, ""); // nothing else is done for them
    make_rows(r, &p.spec, &p.code, "1 3");
    assert_actions(r, "send 1.5>6, send 1.6>7, send 1.7>8, send 1.8>1");
    answer(r, 1, 6, 7);
    answer(r, 1, 8, 1);
    assert_actions(r, "");
    answer(r, 1, 7, 8);
    assert_actions(r, "cancel 1.1>2, cancel 1.3>4, cancel 1.5>6, decode 1");
    assert_int_equal(view_of(r, 1).fresh, 4);
    end_pairs(&p);
}

static void
a_late_pair_is_an_answer_beside_the_rows_that_were_made(void **state)
{
    rig *r = *state;
    pairs p = start_pairs(r, 8);
    make_rows(r, &p.spec, &p.code, "1 3");
    assert_actions(r, "send 1.5>6, send 1.6>7, send 1.7>8, send 1.8>1");
    answer(r, 1, 8, 1);
    answer(r, 1, 3, 4);
    assert_actions(r, "");
    answer(r, 1, 5, 6);
    assert_actions(r, "cancel 1.1>2, cancel 1.6>7, cancel 1.7>8, decode 1");
    end_pairs(&p);
}

/* Pairs 1 and 3 are late after 20 ms; 4 is not yet, since it was lost and went out again after
 * 15. */
static pairs
start_uneven_pairs(rig *r, uint64_t workers)
{
    pairs p;
    join_many(r, workers);
    add_pairs(r, &p.spec, &p.batch, &p.code);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5");
    at(r, 10);
    answer(r, 1, 0, 1);
    answer(r, 1, 2, 3);
    at(r, 15);
    lose(r, 5);
    assert_actions(r, "send 1.4>6");
    at(r, 20);
    return p;
}

/* The rows for 1 and 3 are of no use to 4: those that are out end, and what was not sent never
 * is. */
static void
rows_for_pairs_that_have_come_are_not_waited_for(void **state)
{
    rig *r = *state;
    set_rule(r, 2, 0.3);
    pairs p = start_uneven_pairs(r, 9);
    assert_actions(r, "recode 1");
    make_rows(r, &p.spec, &p.code, "1 3");
    assert_actions(r, "send 1.5>7, send 1.6>8, send 1.7>9, send 1.8>1");
    answer(r, 1, 1, 2);
    assert_actions(r, "");
    answer(r, 1, 3, 4);
    assert_actions(r, "cancel 1.5>7, cancel 1.6>8, cancel 1.7>9, cancel 1.8>1");
    answer(r, 1, 4, 6);
    assert_actions(r, "decode 1");
    end_pairs(&p);
}

static void
rows_for_pairs_that_came_while_they_were_made_are_not_sent(void **state)
{
    rig *r = *state;
    set_rule(r, 2, 0.3);
    pairs p = start_uneven_pairs(r, 9);
    assert_actions(r, "recode 1");
    kofn_error error;
    size_t missing[64];
    double rate;
    kofn_code *made = NULL;
    assert_int_equal(kofn_sched_job_list_missing(r->sched, 1, missing, &rate), 2);
    assert_ok(kofn_staged_fill(&p.spec, p.code, missing, 2, rate, &made, &error));
    answer(r, 1, 1, 2);
    answer(r, 1, 3, 4);
    assert_ok(kofn_sched_job_recode(r->sched, r->now_ns, 1, made, &error));
    assert_actions(r, "");
    answer(r, 1, 4, 6);
    assert_actions(r, "decode 1");
    kofn_code_destroy(&made);
    end_pairs(&p);
}

/* 4 is late as well by then: alone, it is copied. */
static void
what_is_late_while_rows_are_made_waits_for_them(void **state)
{
    rig *r = *state;
    set_rule(r, 2, 0.3);
    pairs p = start_uneven_pairs(r, 11);
    assert_actions(r, "recode 1");
    at(r, 36);
    assert_actions(r, "");
    make_rows(r, &p.spec, &p.code, "1 3");
    assert_actions(r, "send 1.5>7, send 1.6>8, send 1.7>9, send 1.8>10, copy 1.4>11");
    end_pairs(&p);
}

/* It goes out afresh, and nothing is to be made for it. */
static void
a_pair_that_is_lost_while_rows_are_made_is_not_asked_for(void **state)
{
    rig *r = *state;
    pairs p = start_pairs(r, 8);
    lose(r, 2);
    assert_actions(r, "send 1.1>6");
    size_t missing[64];
    double rate;
    assert_int_equal(kofn_sched_job_list_missing(r->sched, 1, missing, &rate), 1);
    assert_int_equal(missing[0], 3);
    end_pairs(&p);
}

/* 0 and 4 are late after 1 and 3: rows are asked for again, and those that are out are not to
 * change. */
static void
rows_that_are_out_cannot_be_others(void **state)
{
    kofn_error error;
    rig *r = *state;
    pairs p;
    set_rule(r, 2, 0);
    join_many(r, 12);
    add_pairs(r, &p.spec, &p.batch, &p.code);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5");
    at(r, 10);
    answer(r, 1, 2, 3);
    at(r, 15);
    lose(r, 1);
    lose(r, 5);
    assert_actions(r, "send 1.4>6, send 1.0>7");
    at(r, 20);
    assert_actions(r, "recode 1");
    kofn_code *before = kofn_code_ref(p.code);
    make_rows(r, &p.spec, &p.code, "1 3");
    assert_actions(r, "send 1.5>8, send 1.6>9, send 1.7>10, send 1.8>11");
    at(r, 35);
    assert_actions(r, "recode 1");
    assert_fails(kofn_sched_job_recode(r->sched, r->now_ns, 1, before, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_actions(r, "copy 1.1>12, copy 1.3>3");
    kofn_code_destroy(&before);
    end_pairs(&p);
}

/* Late when the first is are those that will be within an eighth of that time, too: a single pair
 * would be copied. */
static void
pairs_that_are_late_at_about_the_same_time_are_late_together(void **state)
{
    rig *r = *state;
    pairs p;
    join_many(r, 3);
    add_pairs(r, &p.spec, &p.batch, &p.code);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3");
    at(r, 2);
    join(r, 4);
    assert_actions(r, "send 1.3>4");
    at(r, 6);
    join(r, 5);
    assert_actions(r, "send 1.4>5");
    at(r, 10);
    answer(r, 1, 0, 1);
    answer(r, 1, 2, 3);
    at(r, 16);
    answer(r, 1, 4, 5); // 10 ms is the median
    at(r, 19);
    assert_actions(r, "");
    at(r, 20);
    assert_actions(r, "recode 1");
    make_rows(r, &p.spec, &p.code, "1 3");
    end_pairs(&p);
}

/* 0 and 4, and then rows for 1 and 3, which nobody asks rows for. */
static void
rows_that_are_late_are_no_pairs_to_be_asked_for(void **state)
{
    rig *r = *state;
    pairs p;
    set_rule(r, 2, 0);
    join_many(r, 14);
    add_pairs(r, &p.spec, &p.batch, &p.code);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5");
    at(r, 10);
    answer(r, 1, 2, 3);
    at(r, 15);
    lose(r, 1);
    lose(r, 5);
    assert_actions(r, "send 1.4>6, send 1.0>7");
    at(r, 20);
    assert_actions(r, "recode 1");
    make_rows(r, &p.spec, &p.code, "1 3");
    assert_actions(r, "send 1.5>8, send 1.6>9, send 1.7>10, send 1.8>11");
    at(r, 40);
    assert_actions(r, "recode 1");
    make_rows(r, &p.spec, &p.code, "0 4");
    assert_actions(r, "send 1.9>12, send 1.10>13, send 1.11>14, send 1.12>3");
    join_many_from(r, 15, 16);
    assert_actions(r, "copy 1.5>15, copy 1.6>16");
    end_pairs(&p);
}

static void
where_no_rows_are_made_the_late_pairs_are_copied(void **state)
{
    kofn_error error;
    rig *r = *state;
    pairs p = start_pairs(r, 8);
    assert_ok(kofn_sched_job_recode(r->sched, r->now_ns, 1, NULL, &error));
    assert_actions(r, "copy 1.1>6, copy 1.3>7");
    assert_fails(kofn_sched_job_recode(r->sched, r->now_ns, 1, NULL, &error), KOFN_NOT_FOUND);
    assert_fails(kofn_sched_job_recode(r->sched, r->now_ns, 9, NULL, &error), KOFN_NOT_FOUND);
    end_pairs(&p);
}

static void
a_code_that_is_not_the_jobs_is_refused_and_copies_go_out(void **state)
{
    kofn_error error;
    rig *r = *state;
    pairs p = start_pairs(r, 8);
    kofn_code *other = build_products(6, 6);
    assert_fails(kofn_sched_job_recode(r->sched, r->now_ns, 1, other, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_actions(r, "copy 1.1>6, copy 1.3>7");
    kofn_code_destroy(&other);
    end_pairs(&p);
}

static void
a_single_late_pair_is_copied_at_once(void **state)
{
    rig *r = *state;
    pairs p;
    join_many(r, 8);
    add_pairs(r, &p.spec, &p.batch, &p.code);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5");
    at(r, 10);
    for (size_t pair = 1; pair < 5; pair++)
        answer(r, 1, pair, pair + 1);
    at(r, 20);
    assert_actions(r, "copy 1.0>6");
    end_pairs(&p);
}

/* The master was asked, and meanwhile the pairs came: nobody wants the rows any more. */
static void
a_job_that_ends_while_rows_are_made_does_not_want_them(void **state)
{
    kofn_error error;
    rig *r = *state;
    pairs p = start_pairs(r, 8);
    answer(r, 1, 1, 2);
    answer(r, 1, 3, 4);
    assert_actions(r, "decode 1");
    assert_fails(kofn_sched_job_recode(r->sched, r->now_ns, 1, NULL, &error), KOFN_NOT_FOUND);
    size_t missing[64];
    double rate;
    assert_int_equal(kofn_sched_job_list_missing(r->sched, 1, missing, &rate), 0);
    end_pairs(&p);
}

static void
a_job_that_ends_before_rows_are_asked_for_does_not_ask(void **state)
{
    rig *r = *state;
    pairs p;
    join_many(r, 8);
    add_pairs(r, &p.spec, &p.batch, &p.code);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5");
    at(r, 10);
    answer(r, 1, 0, 1);
    answer(r, 1, 2, 3);
    answer(r, 1, 4, 5);
    at(r, 20);
    kofn_sched_job_cancel(r->sched, r->now_ns, 1);
    assert_actions(r, "cancel 1.1>2, cancel 1.3>4, fail 1 CANCELLED");
    end_pairs(&p);
}

/* A row that was made and is lost goes out again, and so do pairs once the rows do not suffice. */
static void
losses_while_rows_are_out_are_made_up_for(void **state)
{
    rig *r = *state;
    pairs p = start_pairs(r, 8);
    make_rows(r, &p.spec, &p.code, "1 3");
    assert_actions(r, "send 1.5>6, send 1.6>7, send 1.7>8, send 1.8>1");
    lose(r, 6);
    assert_actions(r, "send 1.5>3");
    lose(r, 2);
    lose(r, 4);
    assert_actions(r, ""); // four rows are out for two pairs
    lose(r, 7);
    lose(r, 8);
    assert_actions(r, "send 1.1>5");
    join_many_from(r, 9, 12);
    assert_actions(r, "send 1.6>9, send 1.7>10");
    answer(r, 1, 1, 5);
    answer(r, 1, 5, 3);
    assert_actions(r, "");
    answer(r, 1, 8, 1);
    assert_actions(r, "cancel 1.6>9, cancel 1.7>10, decode 1");
    end_pairs(&p);
}

/* By workers that hold nothing late, which are few. */
static void
rows_that_are_late_as_well_are_copied(void **state)
{
    rig *r = *state;
    pairs p;
    r->credit = 2;
    join_many(r, 8);
    add_pairs(r, &p.spec, &p.batch, &p.code);
    assert_actions(r, "send 1.0>1, send 1.1>2, send 1.2>3, send 1.3>4, send 1.4>5");
    at(r, 10);
    answer(r, 1, 0, 1);
    answer(r, 1, 2, 3);
    answer(r, 1, 4, 5);
    at(r, 20);
    assert_actions(r, "recode 1");
    make_rows(r, &p.spec, &p.code, "1 3");
    assert_actions(r, "send 1.5>6, send 1.6>7, send 1.7>8, send 1.8>1");
    at(r, 40);
    assert_actions(r, "copy 1.5>3, copy 1.6>5, copy 1.7>3, copy 1.8>5");
    end_pairs(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        stage_test(an_undisturbed_job_costs_its_products_and_nothing_else),
        stage_test(where_all_are_equally_slow_there_is_no_second_stage),
        stage_test(a_product_that_is_lost_in_the_first_stage_is_sent_again_itself),
        stage_test(a_code_without_plain_rows_starts_with_as_few_as_suffice_spread_out),
        stage_test(stragglers_show_by_the_fastest_the_median_or_a_quantile),
        stage_test(nothing_is_late_before_the_floor),
        stage_test(time_is_allowed_for_the_tasks_ahead),
        stage_test(before_any_answer_other_jobs_tell_what_is_late),
        stage_test(where_nothing_is_known_of_any_task_a_guess_decides),
        stage_test(coded_rows_for_what_is_late_go_to_other_workers),
        stage_test(late_answers_of_the_first_stage_still_count),
        stage_test(a_late_product_that_comes_first_ends_the_job_without_a_coded_one),
        stage_test(nothing_goes_to_who_holds_what_is_late),
        stage_test(spare_rows_are_for_workers_with_nothing_to_do),
        stage_test(as_many_are_sent_to_spare_as_the_rate_of_stragglers_asks_for),
        stage_test(a_coded_row_that_is_lost_is_made_up_for),
        stage_test(a_late_product_whose_worker_is_lost_is_not_sent_again_while_the_others_suffice),
        stage_test(coded_rows_that_are_late_as_well_are_made_up_for),
        stage_test(a_worker_alone_does_all_of_it),
        stage_test(a_job_whose_workers_are_all_stuck_ends_at_its_deadline),
        stage_test(where_rows_cannot_stand_in_for_others_copies_go_out),
        stage_test(groups_send_all_their_tasks_and_copies_of_what_is_late),
        stage_test(answers_that_check_others_are_of_the_first_stage),
        stage_test(bad_luck_gets_further_rows),
        stage_test(rows_are_made_for_the_pairs_that_are_late),
        stage_test(a_late_pair_is_an_answer_beside_the_rows_that_were_made),
        stage_test(rows_for_pairs_that_have_come_are_not_waited_for),
        stage_test(rows_for_pairs_that_came_while_they_were_made_are_not_sent),
        stage_test(what_is_late_while_rows_are_made_waits_for_them),
        stage_test(a_pair_that_is_lost_while_rows_are_made_is_not_asked_for),
        stage_test(rows_that_are_out_cannot_be_others),
        stage_test(pairs_that_are_late_at_about_the_same_time_are_late_together),
        stage_test(rows_that_are_late_are_no_pairs_to_be_asked_for),
        stage_test(where_no_rows_are_made_the_late_pairs_are_copied),
        stage_test(a_code_that_is_not_the_jobs_is_refused_and_copies_go_out),
        stage_test(a_single_late_pair_is_copied_at_once),
        stage_test(a_job_that_ends_while_rows_are_made_does_not_want_them),
        stage_test(a_job_that_ends_before_rows_are_asked_for_does_not_ask),
        stage_test(losses_while_rows_are_out_are_made_up_for),
        stage_test(rows_that_are_late_as_well_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
