/* two_stage in virtual time: workers that are slow, stuck, lost and come again, and rows that are
 * made while time goes on. As long as a worker lives, every job ends with its product. */
#include "common/base/rng.h"
#include "tests/unit/sched_rig.h"
#include "tests/unit/staged_rig.h"

enum { WORKERS = 16, QUEUE = 4, ROUNDS = 1500, TASKS = 128 };

typedef struct task {
    uint64_t assignment;
    int64_t takes_ns;
} task;

typedef struct worker {
    uint64_t id; // 0: not there
    task queue[QUEUE];
    size_t count;
    int64_t done_ns; // the one in front
} worker;

typedef struct world {
    kofn_rng rng;
    kofn_sched *sched;
    kofn_code *code;
    kofn_code_spec spec; // of a batch
    kofn_batch *batch;
    int64_t now_ns, rows_ns; // rows_ns: when they are made; KOFN_NEVER_NS: none are asked for
    worker workers[WORKERS];
    uint64_t last_id;
    size_t credit, first; // first: tasks that suffice
    double slow, lost;    // how often: a task is slow; a worker is lost, for each event
    bool over;
    size_t sent[TASKS], made;
    kofn_decoder *decoder;
} world;

static double
draw(world *w)
{
    return kofn_rng_unit(&w->rng);
}

/* 10 ms, up to half as much again; and slow ones 5 to 500 times that. */
static int64_t
draw_time(world *w)
{
    double ms = 10 + 5 * draw(w);
    if (draw(w) < w->slow)
        ms *= 5 * pow(100, draw(w));
    return (int64_t)(ms * KOFN_NS_PER_MS);
}

static void
some_worker_joins(world *w, worker *at)
{
    kofn_error error;
    *at = (worker){.id = ++w->last_id};
    const kofn_sched_worker joins = {
        .id = at->id, .name = "", .credit = w->credit, .fields = UINT32_MAX};
    assert_ok(kofn_sched_worker_join(w->sched, w->now_ns, &joins, &error));
}

static worker *
find_worker(world *w, uint64_t id)
{
    for (size_t i = 0; i < WORKERS; i++)
        if (w->workers[i].id == id)
            return &w->workers[i];
    fail_msg("worker %" PRIu64 " is not there", id);
    return NULL;
}

static void
begin_front(world *w, worker *at)
{
    at->done_ns = at->count > 0 ? w->now_ns + at->queue[0].takes_ns : KOFN_NEVER_NS;
}

static void
on_send(world *w, const kofn_action *a)
{
    worker *at = find_worker(w, a->worker);
    assert_true(at->count < w->credit && a->task < TASKS);
    w->sent[a->task]++;
    at->queue[at->count++] = (task){a->assignment, draw_time(w)};
    if (at->count == 1)
        begin_front(w, at);
}

static void
on_cancel(world *w, const kofn_action *a)
{
    worker *at = find_worker(w, a->worker);
    size_t i = 0;
    while (i < at->count && at->queue[i].assignment != a->assignment)
        i++;
    if (i == at->count) // answered in this moment
        return;
    memmove(&at->queue[i], &at->queue[i + 1], (at->count - i - 1) * sizeof *at->queue);
    at->count--;
    if (i == 0)
        begin_front(w, at);
}

static void
take_actions(world *w)
{
    for (kofn_action a; kofn_sched_next_action(w->sched, &a);) {
        switch (a.kind) {
        case KOFN_ACTION_SEND:
            on_send(w, &a);
            break;
        case KOFN_ACTION_CANCEL:
            on_cancel(w, &a);
            break;
        case KOFN_ACTION_RECODE:
            assert_true(w->rows_ns == KOFN_NEVER_NS && w->code->staged);
            w->rows_ns = w->now_ns + (int64_t)(20 * draw(w) * KOFN_NS_PER_MS);
            break;
        case KOFN_ACTION_TRY:
            fail_msg("so small a set is tried by nobody");
            break;
        case KOFN_ACTION_DECODE:
            assert_decodes(kofn_sched_job_get_decoder(w->sched, 1), w->code);
            w->over = true;
            break;
        case KOFN_ACTION_FAIL:
            fail_msg("%s", a.error.text);
            break;
        }
    }
}

/* Made, or the master could not. */
static void
rows_come(world *w)
{
    kofn_error error;
    size_t missing[TASKS];
    double rate;
    kofn_code *made = NULL;
    const size_t count = kofn_sched_job_list_missing(w->sched, 1, missing, &rate);
    w->rows_ns = KOFN_NEVER_NS;
    if (count > 0 && draw(w) < 0.9 &&
        kofn_staged_fill(&w->spec, w->code, missing, count, rate, &made, &error) == KOFN_OK) {
        kofn_code_destroy(&w->code);
        w->code = kofn_code_ref(made);
        w->made++;
    }
    assert_ok(kofn_sched_job_recode(w->sched, w->now_ns, 1, made, &error));
    kofn_code_destroy(&made);
}

static void
answer_comes(world *w, worker *at)
{
    const task done = at->queue[0];
    memmove(&at->queue[0], &at->queue[1], (at->count - 1) * sizeof *at->queue);
    at->count--;
    begin_front(w, at);
    assert_int_equal(kofn_sched_answer(w->sched, w->now_ns, at->id, done.assignment),
                     KOFN_VERDICT_KEEP);
}

/* Not the last one; now and then another comes. */
static void
some_worker_is_lost(world *w)
{
    size_t there = 0;
    for (size_t i = 0; i < WORKERS; i++)
        there += w->workers[i].id != 0;
    worker *at = &w->workers[kofn_rng_below(&w->rng, WORKERS)];
    if (at->id == 0) {
        some_worker_joins(w, at);
    } else if (there > 1) {
        kofn_sched_worker_lose(w->sched, w->now_ns, at->id);
        *at = (worker){0};
    }
}

/* What comes next: an answer, rows, or the scheduler's own time. */
static void
step(world *w)
{
    worker *first = NULL;
    for (size_t i = 0; i < WORKERS; i++)
        if (w->workers[i].count > 0 && (!first || w->workers[i].done_ns < first->done_ns))
            first = &w->workers[i];
    const int64_t tick_ns = kofn_sched_next_tick(w->sched);
    const int64_t answer_ns = first ? first->done_ns : KOFN_NEVER_NS;
    assert_true(answer_ns < KOFN_NEVER_NS || tick_ns < KOFN_NEVER_NS || w->rows_ns < KOFN_NEVER_NS);
    if (draw(w) < w->lost) {
        some_worker_is_lost(w);
    } else if (w->rows_ns <= answer_ns && w->rows_ns <= tick_ns) {
        w->now_ns = w->rows_ns;
        rows_come(w);
    } else if (answer_ns <= tick_ns) {
        w->now_ns = answer_ns;
        answer_comes(w, first);
    } else {
        w->now_ns = tick_ns;
        kofn_sched_tick(w->sched, w->now_ns);
    }
    take_actions(w);
}

static kofn_code *
draw_code(world *w)
{
    static const char *const families[] = {"uncoded",    "replication", "rkrp",
                                           "polynomial", "matdot",      "alloy_global"};
    kofn_error error;
    kofn_code *code = NULL;
    const size_t family = kofn_rng_below(&w->rng, 9);
    if (family >= 6) {
        const kofn_field *f64 = kofn_field_find("f64");
        w->batch = draw_batch(&w->rng, 4, 5, 2 + kofn_rng_below(&w->rng, 9), draw(w) < 0.3, f64);
        w->spec = complete_batch_spec(draw(w) < 0.5 ? "lagrange" : "locality", w->batch, f64);
        assert_ok(kofn_staged_build(&w->spec, f64, &code, &error));
        w->first = w->batch->count;
        return code;
    }
    const size_t x = 1 + kofn_rng_below(&w->rng, 4), y = 1 + kofn_rng_below(&w->rng, 3);
    kofn_code_spec spec = {.part = {x, 1, y}, .has_seed = true, .seed = kofn_rng_u64(&w->rng)};
    (void)snprintf(spec.family, sizeof spec.family, "%s", families[family]);
    if (family == 4)
        spec.part = (kofn_partition){1, x, 1};
    const size_t products = x * (family == 4 ? 1 : y);
    spec.tasks = family == 0   ? products
                 : family == 1 ? 2 * products
                               : 2 * products + kofn_rng_below(&w->rng, 6);
    spec.reserve = family == 2 || family == 5 ? kofn_rng_below(&w->rng, 12) : 0;
    w->first = family == 4 ? 2 * x - 1 : products;
    return rig_build(&spec);
}

static void
begin(world *w, uint64_t seed, uint64_t round)
{
    kofn_error error;
    *w = (world){.rows_ns = KOFN_NEVER_NS};
    kofn_rng_init(&w->rng, seed, round);
    kofn_sched_config config = rig_config();
    config.stage_quantile = (double)kofn_rng_below(&w->rng, 5) / 4;
    config.max_amplification = 1e300;
    assert_ok(kofn_sched_new(&config, &w->sched, &error));
    w->credit = 1 + kofn_rng_below(&w->rng, QUEUE);
    const bool calm = round % 5 == 0;
    w->slow = calm ? 0 : draw(w) * draw(w);
    w->lost = calm || draw(w) < 0.5 ? 0 : 0.3 * draw(w);
    for (size_t i = 0; i < WORKERS; i++)
        if (calm || i == 0 || draw(w) < 0.7)
            some_worker_joins(w, &w->workers[i]);
    w->code = draw_code(w);
    const kofn_sched_job job = {.id = 1,
                                .client = 1,
                                .code = w->code,
                                .policy = "two_stage",
                                .deadline_ns = KOFN_NEVER_NS,
                                .task_flops = 1e9,
                                .accept.kind = KOFN_ACCEPT_EXACT,
                                .noise = 0x1p-46};
    assert_ok(kofn_sched_job_add(w->sched, 0, &job, &error));
    take_actions(w);
}

static void
end(world *w)
{
    kofn_sched_destroy(&w->sched);
    kofn_code_destroy(&w->code);
    kofn_batch_destroy(&w->batch);
}

/* Times differ by less than the factor: each task that was sent went out once, and as many as
 * suffice. */
static void
check_calm(const world *w, const kofn_sched_job_view *view)
{
    assert_int_equal(view->backups, 0);
    assert_int_equal(view->replaced, 0);
    assert_in_range(view->sent, view->kept, w->first);
    assert_int_equal(w->made, 0);
}

static void
every_job_ends_with_its_product_while_a_worker_lives(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(20261123);
    size_t made = 0, fresh = 0, backups = 0, replaced = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        world w;
        begin(&w, seed, round);
        for (size_t steps = 0; !w.over; steps++) {
            assert_true(steps < 100000);
            step(&w);
        }
        kofn_sched_job_view view;
        assert_true(kofn_sched_get_job(w.sched, 1, &view));
        if (round % 5 == 0)
            check_calm(&w, &view);
        made += w.made;
        fresh += view.fresh;
        backups += view.backups;
        replaced += view.replaced;
        end(&w);
    }
    print_message("%zu rows of reserves, %zu copies, %zu sent again; rows made %zu times\n", fresh,
                  backups, replaced, made);
    assert_true(made > ROUNDS / 20 && fresh > ROUNDS / 2 && backups > ROUNDS / 10 &&
                replaced > ROUNDS / 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_ends_with_its_product_while_a_worker_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
