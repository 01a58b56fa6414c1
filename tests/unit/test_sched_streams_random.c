/* Streams in virtual time: workers that do what they get in order, are late now and then, fail,
 * leave, die and come back, with several streams of every scheme and ordinary jobs among them.
 *
 * The model knows what is out, where, and what was answered. Each action is checked against it.
 * What must hold: jobs end T rounds after that of their birth at the latest, credit is kept to, a
 * slot is one worker's, rounds follow each other, and in the end nothing is left.
 */
#include "common/base/hash.h"
#include "common/base/rng.h"
#include "common/code/inner.h"
#include "tests/unit/sched_rig.h"

enum {
    WORKERS = 9, // at a time; w0 and so on
    QUEUE = 24,  // of a worker: credit, and what it kept
    STREAMS = 3,
    JOBS = 48,
    TASKS = 160,
    SLOTS = 8,
    NEED = 12,
};

typedef struct item { // an assignment
    uint64_t id, job;
    size_t task;
    int64_t work_ns;
    bool kept; // the answer is here: nothing to compute
} item;

typedef struct model_worker {
    uint64_t id, life; // id 0: not there
    size_t credit, sent;
    bool leaving;
    item queue[QUEUE];
    size_t count;
    int64_t done_ns;  // the head
    item lost[QUEUE]; // what it had when its connection was cut: it may say so when it is back
    size_t lost_count;
} model_worker;

typedef struct model_stream {
    uint64_t id; // 0: free
    kofn_rounds_config rounds;
    const kofn_field *field;
    kofn_code *code;
    uint64_t client;
    uint64_t round; // as last seen
    bool closed;
    size_t alive, window;
    uint64_t holder[SLOTS]; // worker of a slot
    uint64_t waiting[JOBS]; // jobs that are not born, in order
    size_t waiting_count;
    kofn_rounds_view view; // as last seen
} model_stream;

typedef struct model_job {
    uint64_t id; // 0: free
    size_t stream;
    kofn_code *code;
    uint64_t birth; // round; 0: not yet
    int64_t deadline_ns;
    bool cancelled, answered[TASKS];
    bool deadly, harmless; // its tasks end workers; no longer
    size_t kept, failures, out[TASKS];
    struct { // the list of a slot: births only fall
        uint64_t round, birth;
    } last[SLOTS];
} model_job;

typedef struct world {
    kofn_rng rng;
    kofn_sched *sched;
    int64_t now_ns;
    bool calm;          // nobody comes, goes, fails or is copied
    size_t mischief;    // one event in so many is some
    bool dies;          // that workers die of nothing is part of it
    double slow, stuck; // shares
    model_worker workers[WORKERS];
    model_stream streams[STREAMS];
    model_job jobs[JOBS];
    uint64_t last_worker, last_life, last_job, last_stream;
    size_t alive; // jobs
    uint64_t trace;
    size_t decoded, failed, poisoned, adopted;
    uint64_t rounds;
} world;

static size_t
draw(world *w, size_t bound)
{
    return kofn_rng_below(&w->rng, bound);
}

static bool
happens(world *w, double share)
{
    return kofn_rng_unit(&w->rng) < share;
}

/* ---- the model ------------------------------------------------------------------------------- */

static model_worker *
worker_of(world *w, uint64_t id)
{
    for (size_t i = 0; i < WORKERS; i++)
        if (id && w->workers[i].id == id)
            return &w->workers[i];
    return NULL;
}

static model_job *
job_of(world *w, uint64_t id)
{
    for (size_t i = 0; i < JOBS; i++)
        if (id && w->jobs[i].id == id)
            return &w->jobs[i];
    return NULL;
}

static model_stream *
stream_of(world *w, const model_job *job)
{
    return job->stream < STREAMS ? &w->streams[job->stream] : NULL;
}

static void
begin_head(world *w, model_worker *worker)
{
    worker->done_ns = worker->count > 0 ? w->now_ns + worker->queue[0].work_ns : KOFN_NEVER_NS;
}

static void
enqueue(world *w, model_worker *worker, const item *it)
{
    assert_in_range(worker->count, 0, QUEUE - 1);
    worker->queue[worker->count++] = *it;
    if (worker->count == 1)
        begin_head(w, worker);
    job_of(w, it->job)->out[it->task]++;
}

/* It is over there; a worker that leaves goes with its last one. */
static void
dequeue(world *w, model_worker *worker, size_t at)
{
    const item it = worker->queue[at];
    memmove(worker->queue + at, worker->queue + at + 1,
            (worker->count - at - 1) * sizeof *worker->queue);
    worker->count--;
    worker->sent -= !it.kept;
    job_of(w, it.job)->out[it.task]--;
    if (at == 0)
        begin_head(w, worker);
    if (worker->leaving && worker->count == 0)
        worker->id = 0;
}

static size_t
find_item(const model_worker *worker, uint64_t assignment)
{
    size_t at = 0;
    while (at < worker->count && worker->queue[at].id != assignment)
        at++;
    assert_true(at < worker->count);
    return at;
}

/* ---- actions --------------------------------------------------------------------------------- */

static void
forget_waiting(model_stream *stream, uint64_t job)
{
    size_t at = 0;
    while (at < stream->waiting_count && stream->waiting[at] != job)
        at++;
    if (at == stream->waiting_count)
        return;
    memmove(stream->waiting + at, stream->waiting + at + 1,
            (stream->waiting_count - at - 1) * sizeof *stream->waiting);
    stream->waiting_count--;
}

/* One is born with each round, as long as any waits. */
static void
note_births(world *w, model_stream *stream, uint64_t round)
{
    for (; stream->round < round; stream->round++) {
        if (stream->waiting_count == 0)
            continue;
        const uint64_t id = stream->waiting[0];
        job_of(w, id)->birth = stream->round + 1;
        forget_waiting(stream, id);
    }
}

static void
check_slot(world *w, const kofn_action *a, model_stream *stream, model_job *job)
{
    assert_true(a->slot < (size_t)stream->rounds.slots && a->round > 0);
    assert_true(a->round >= stream->round);
    note_births(w, stream, a->round);
    assert_true(job->birth > 0 && job->birth <= a->round &&
                a->round <= job->birth + (uint64_t)stream->rounds.delay);
    uint64_t *holder = &stream->holder[a->slot];
    assert_true(*holder == a->worker || !worker_of(w, *holder) || worker_of(w, *holder)->leaving);
    *holder = a->worker;
    for (size_t i = 0; i < SLOTS; i++)
        assert_true(i == a->slot || stream->holder[i] != a->worker);
    /* The list is in the order of ages. */
    if (!w->calm)
        return;
    for (size_t i = 0; i < JOBS; i++) {
        const model_job *other = &w->jobs[i];
        if (other->id && other->stream == job->stream && other->last[a->slot].round == a->round)
            assert_true(other->birth >= job->birth);
    }
    job->last[a->slot].round = a->round;
}

static int64_t
draw_work_ns(world *w)
{
    const int64_t ms = 90 + (int64_t)draw(w, 20);
    const int64_t factor = happens(w, w->stuck) ? 60 : happens(w, w->slow) ? 2 + draw(w, 6) : 1;
    return ms * factor * KOFN_NS_PER_MS / 10;
}

static void
check_send(world *w, const kofn_action *a)
{
    model_worker *worker = worker_of(w, a->worker);
    model_job *job = job_of(w, a->job);
    assert_non_null(worker);
    assert_non_null(job);
    assert_false(worker->leaving);
    assert_true(worker->sent < worker->credit);
    assert_true(a->task < job->code->tasks);
    assert_false(job->answered[a->task]);
    assert_int_equal(a->backup, job->out[a->task] > 0);
    for (size_t i = 0; i < worker->count; i++)
        assert_false(worker->queue[i].job == a->job && worker->queue[i].task == a->task);
    assert_true(w->now_ns <= job->deadline_ns);
    model_stream *stream = stream_of(w, job);
    if (stream)
        check_slot(w, a, stream, job);
    else
        assert_int_equal(a->round, 0);
    const item it = {a->assignment, a->job, a->task, draw_work_ns(w), false};
    worker->sent++;
    enqueue(w, worker, &it);
}

static void
check_end(world *w, model_job *job)
{
    for (size_t task = 0; task < job->code->tasks; task++)
        assert_int_equal(job->out[task], 0);
    model_stream *stream = stream_of(w, job);
    if (stream) {
        forget_waiting(stream, job->id);
        stream->alive--;
    }
    kofn_code_destroy(&job->code);
    *job = (model_job){0};
    w->alive--;
}

static void
check_decode(world *w, const kofn_action *a)
{
    kofn_error error;
    kofn_decode_plan plan;
    model_job *job = job_of(w, a->job);
    assert_non_null(job);
    assert_false(a->estimate || a->waited);
    const kofn_decoder *decoder = kofn_sched_job_get_decoder(w->sched, a->job);
    assert_non_null(decoder);
    assert_int_equal(kofn_decoder_get_count(decoder), job->kept);
    assert_ok(kofn_decoder_plan(decoder, 0x1p-46, &plan, &error));
    for (size_t u = 0; u < plan.used; u++)
        assert_true(job->answered[plan.task[u]]);
    kofn_decode_plan_fini(&plan);
    kofn_sched_job_forget(w->sched, a->job);
    check_end(w, job);
    w->decoded++;
}

static void
check_fail(world *w, const kofn_action *a)
{
    model_job *job = job_of(w, a->job);
    assert_non_null(job);
    switch (a->error.status) {
    case KOFN_CANCELLED:
        assert_true(job->cancelled);
        break;
    case KOFN_DEADLINE_EXCEEDED:
        assert_true(w->now_ns >= job->deadline_ns);
        break;
    case KOFN_ABORTED:
    case KOFN_UNAVAILABLE:
        assert_true(job->failures > 0);
        break;
    case KOFN_FAILED_PRECONDITION:
        assert_non_null(strstr(a->error.text, "died one after another"));
        assert_true(job->deadly || w->dies);
        w->poisoned++;
        break;
    default:
        fail_msg("job failed with %s: %s", kofn_status_name(a->error.status), a->error.text);
    }
    check_end(w, job);
    w->failed++;
}

static void
look_at_streams(world *w)
{
    for (size_t i = 0; i < STREAMS; i++) {
        model_stream *stream = &w->streams[i];
        kofn_sched_stream_view view;
        if (!stream->id)
            continue;
        if (!kofn_sched_get_stream(w->sched, stream->id, &view)) {
            assert_true(stream->closed && stream->alive == 0);
            w->rounds += stream->view.rounds;
            kofn_code_destroy(&stream->code);
            *stream = (model_stream){0};
            continue;
        }
        note_births(w, stream, view.rounds.round);
        stream->view = view.rounds;
        assert_int_equal(view.jobs, stream->alive);
        assert_int_equal(view.rounds.waiting, stream->waiting_count);
        assert_int_equal(view.rounds.unfinished, stream->alive - stream->waiting_count);
        assert_true(view.rounds.unfinished <= (size_t)stream->rounds.delay + 1);
    }
}

/* T rounds after that of its birth the job must be over. */
static void
check_ages(world *w)
{
    for (size_t i = 0; i < JOBS; i++) {
        const model_job *job = &w->jobs[i];
        const model_stream *stream = stream_of(w, job);
        if (job->id && stream && job->birth)
            assert_true(stream->round <= job->birth + (uint64_t)stream->rounds.delay);
    }
}

static void
take_actions(world *w)
{
    for (kofn_action a; kofn_sched_next_action(w->sched, &a);) {
        const uint64_t seen[] = {a.kind, a.job,    a.assignment, a.worker,
                                 a.task, a.backup, a.round,      a.slot};
        for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++)
            w->trace = kofn_hash_word(w->trace, seen[i]);
        model_worker *worker = worker_of(w, a.worker);
        switch (a.kind) {
        case KOFN_ACTION_SEND:
            check_send(w, &a);
            break;
        case KOFN_ACTION_CANCEL:
            assert_non_null(worker);
            dequeue(w, worker, find_item(worker, a.assignment));
            break;
        case KOFN_ACTION_DECODE:
            check_decode(w, &a);
            break;
        case KOFN_ACTION_FAIL:
            check_fail(w, &a);
            break;
        case KOFN_ACTION_RECODE:
            fail_msg("a stream's job has no second stage");
            break;
        case KOFN_ACTION_TRY:
            fail_msg("a stream's job is tried by nobody");
        }
    }
    look_at_streams(w);
    check_ages(w);
    assert_int_equal(kofn_sched_count_jobs(w->sched), w->alive);
}

/* ---- streams and jobs ------------------------------------------------------------------------ */

static void
build_code(world *w, model_stream *stream, size_t x, size_t y)
{
    kofn_error error;
    size_t plain, coded;
    const kofn_field *field = stream->field;
    kofn_rounds_count_rows(&stream->rounds, x * y, &plain, &coded);
    kofn_code_spec spec = {
        .part = {x, 1, y}, .tasks = coded, .has_seed = true, .seed = draw(w, 1000)};
    if (coded == 0) {
        (void)snprintf(spec.family, sizeof spec.family, "uncoded");
        spec.tasks = plain;
        assert_ok(kofn_code_spec_build(&spec, field, &stream->code, &error));
        return;
    }
    const bool is_real = field->epsilon > 0; // else sets of plain and coded rows may fall short
    (void)snprintf(spec.family, sizeof spec.family, "%s",
                   is_real && draw(w, 2) ? "rkrp" : "polynomial");
    assert_ok(kofn_inner_set_defaults(&spec, field, &error));
    assert_ok(kofn_inner_build(&spec, field, plain > 0, &stream->code, &error));
    assert_int_equal(stream->code->tasks, plain + coded);
}

/* Parameters until they agree with each other. */
static void
draw_rounds(world *w, kofn_rounds_config *config, size_t *ret_x, size_t *ret_y)
{
    do {
        kofn_keys_set_defaults(kofn_rounds_keys, config);
        *ret_x = 1 + draw(w, 4);
        *ret_y = 1 + draw(w, 3);
        config->scheme = (int)draw(w, 5);
        config->slots = 1 + (int64_t)draw(w, SLOTS);
        if (config->scheme <= KOFN_SCHEME_IDIP_BURST)
            config->delay = 1 + (int64_t)draw(w, 3);
        if (config->scheme == KOFN_SCHEME_DIP)
            config->lambda = 1 + (int64_t)draw(w, (size_t)config->slots);
        if (config->scheme == KOFN_SCHEME_IDIP_BURST)
            config->burst = 1 + (int64_t)draw(w, 2);
        config->tolerance = 0.25 * (double)draw(w, 4);
        config->rescue = draw(w, 3) == 0 ? 3 : 0;
    } while (kofn_rounds_settle(config, *ret_x * *ret_y, NULL) != KOFN_OK);
}

static void
some_stream_opens(world *w)
{
    kofn_error error;
    size_t at = 0, x, y;
    while (at < STREAMS && w->streams[at].id)
        at++;
    if (at == STREAMS)
        return;
    model_stream *stream = &w->streams[at];
    *stream = (model_stream){
        .id = ++w->last_stream,
        .field = kofn_field_find(draw(w, 3) ? "f64" : "gf256"),
        .client = draw(w, 3),
        .window = 1 + draw(w, 6),
    };
    draw_rounds(w, &stream->rounds, &x, &y);
    build_code(w, stream, x, y);
    if (stream->rounds.rescue > 0)
        w->calm = false;
    const kofn_sched_stream params = {
        .id = stream->id, .need = x * y, .field = stream->field, .rounds = stream->rounds};
    assert_ok(kofn_sched_stream_open(w->sched, w->now_ns, &params, &error));
}

static void
some_stream_closes(world *w)
{
    model_stream *stream = &w->streams[draw(w, STREAMS)];
    const bool known = stream->id && !stream->closed;
    assert_int_equal(kofn_sched_stream_close(w->sched, stream->id), known);
    stream->closed = stream->id != 0;
}

static model_job *
add_job(world *w, size_t at, size_t stream, kofn_code *code, uint64_t client)
{
    kofn_error error;
    model_job *job = &w->jobs[at];
    *job = (model_job){.id = ++w->last_job,
                       .stream = stream,
                       .code = code,
                       .deadline_ns = KOFN_NEVER_NS,
                       .deadly = w->mischief && draw(w, 40) == 0};
    if (w->mischief && draw(w, 20) == 0)
        job->deadline_ns = w->now_ns + (int64_t)draw(w, 100) * KOFN_NS_PER_MS;
    const kofn_sched_job params = {
        .id = job->id,
        .client = client,
        .code = code,
        .policy = stream < STREAMS ? "rounds" : rig_policies[draw(w, RIG_POLICIES)],
        .deadline_ns = job->deadline_ns,
        .task_flops = 1e7 * (double)(1 + draw(w, 5)),
        .noise = 0x1p-46,
        .stream = stream < STREAMS ? w->streams[stream].id : 0,
    };
    if (stream < STREAMS) {
        model_stream *s = &w->streams[stream];
        s->waiting[s->waiting_count++] = job->id;
        s->alive++;
    }
    w->alive++;
    assert_ok(kofn_sched_job_add(w->sched, w->now_ns, &params, &error));
    return job;
}

static size_t
find_free_job(const world *w)
{
    size_t at = 0;
    while (at < JOBS && w->jobs[at].id)
        at++;
    return at;
}

static void
some_job_arrives(world *w)
{
    const size_t at = find_free_job(w);
    const size_t x = 1 + draw(w, 3);
    if (at == JOBS)
        return;
    (void)add_job(w, at, STREAMS, rig_code("polynomial", x, 1, x + 1 + draw(w, 2)), draw(w, 3));
}

/* The client keeps so many jobs in the stream. */
static bool
some_job_is_pushed(world *w)
{
    const size_t first = draw(w, STREAMS);
    for (size_t i = 0; i < STREAMS; i++) {
        const size_t which = (first + i) % STREAMS;
        model_stream *stream = &w->streams[which];
        const size_t at = find_free_job(w);
        if (!stream->id || stream->closed || stream->alive >= stream->window || at == JOBS)
            continue;
        (void)add_job(w, at, which, kofn_code_ref(stream->code), stream->client);
        return true;
    }
    return false;
}

static void
some_job_is_cancelled(world *w)
{
    model_job *job = &w->jobs[draw(w, JOBS)];
    job->cancelled = job->id != 0;
    assert_int_equal(kofn_sched_job_cancel(w->sched, w->now_ns, job->id), job->id != 0);
}

/* ---- workers --------------------------------------------------------------------------------- */

static void
join_at(world *w, size_t at, bool lives_on)
{
    kofn_error error;
    char name[16];
    model_worker *worker = &w->workers[at];
    (void)snprintf(name, sizeof name, "w%zu", at);
    lives_on = lives_on && worker->life;
    worker->id = ++w->last_worker;
    worker->life = lives_on ? worker->life : ++w->last_life;
    worker->credit = 1 + draw(w, 3);
    worker->sent = worker->count = 0;
    worker->leaving = false;
    worker->done_ns = KOFN_NEVER_NS;
    const kofn_sched_worker joining = {.id = worker->id,
                                       .name = name,
                                       .life = worker->life,
                                       .credit = worker->credit,
                                       .fields = UINT32_MAX};
    assert_ok(kofn_sched_worker_join(w->sched, w->now_ns, &joining, &error));
    for (size_t i = 0; lives_on && i < worker->lost_count; i++) {
        item it = worker->lost[i];
        const model_job *job = job_of(w, it.job);
        if (!kofn_sched_adopt(w->sched, w->now_ns, worker->id, it.job, it.task, &it.id))
            continue;
        assert_true(job && !job->answered[it.task]);
        it.kept = true;
        it.work_ns = 1 + (int64_t)draw(w, 30) * KOFN_NS_PER_MS;
        enqueue(w, worker, &it);
        w->adopted++;
    }
    worker->lost_count = 0;
}

static void
some_worker_joins(world *w)
{
    size_t at = draw(w, WORKERS);
    for (size_t i = 0; i < WORKERS; i++, at = (at + 1) % WORKERS)
        if (!w->workers[at].id) {
            join_at(w, at, draw(w, 2));
            return;
        }
}

static void
worker_goes(world *w, model_worker *worker, bool dies)
{
    const uint64_t id = worker->id;
    worker->lost_count = worker->count;
    memcpy(worker->lost, worker->queue, worker->count * sizeof *worker->queue);
    for (size_t i = 0; i < worker->count; i++)
        job_of(w, worker->queue[i].job)->out[worker->queue[i].task]--;
    worker->count = 0;
    worker->id = 0;
    if (dies)
        kofn_sched_worker_die(w->sched, w->now_ns, id);
    else
        kofn_sched_worker_lose(w->sched, w->now_ns, id);
}

static model_worker *
some_worker(world *w)
{
    model_worker *worker = &w->workers[draw(w, WORKERS)];
    return worker->id ? worker : NULL;
}

static void
some_worker_goes(world *w, bool dies)
{
    model_worker *worker = some_worker(w);
    if (worker)
        worker_goes(w, worker, dies);
}

static void
some_worker_leaves(world *w)
{
    model_worker *worker = some_worker(w);
    if (!worker || worker->leaving)
        return;
    kofn_sched_worker_leave(w->sched, w->now_ns, worker->id);
    worker->leaving = true;
    if (worker->count == 0)
        worker->id = 0;
}

/* The head is done: answered, or failed, or returned, or its worker dies of it. */
static void
head_is_done(world *w, model_worker *worker)
{
    const item it = worker->queue[0];
    const uint64_t id = worker->id;
    model_job *job = job_of(w, it.job);
    kofn_error why;
    if (job->deadly && !job->harmless && !it.kept) {
        worker_goes(w, worker, true);
        worker->lost_count = 0; // what it had died with it
        worker->life = 0;
        return;
    }
    if (w->mischief && draw(w, 100) == 0) {
        job->failures++;
        (void)kofn_fail(&why, KOFN_RESOURCE_EXHAUSTED, "no memory");
        dequeue(w, worker, 0);
        kofn_sched_task_fail(w->sched, w->now_ns, id, it.id, &why);
        return;
    }
    if (w->mischief && draw(w, 100) == 0) {
        dequeue(w, worker, 0);
        kofn_sched_task_return(w->sched, w->now_ns, id, it.id);
        return;
    }
    assert_false(job->answered[it.task]);
    job->answered[it.task] = true;
    job->kept++;
    dequeue(w, worker, 0);
    assert_int_equal(kofn_sched_answer(w->sched, w->now_ns, id, it.id), KOFN_VERDICT_KEEP);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void
some_mischief(world *w)
{
    switch (draw(w, 9)) {
    case 0:
        some_worker_goes(w, false);
        break;
    case 1:
        some_worker_goes(w, w->dies);
        break;
    case 2:
        some_worker_leaves(w);
        break;
    case 3:
    case 4:
    case 5:
        some_worker_joins(w);
        break;
    case 6:
        some_job_is_cancelled(w);
        break;
    case 7:
        some_job_arrives(w);
        break;
    default:
        some_stream_closes(w);
        some_stream_opens(w);
        break;
    }
}

/* Whatever comes first: a worker is done, or the scheduler wants to be woken. False: nothing
 * will. */
static bool
time_passes(world *w)
{
    model_worker *first = NULL;
    for (size_t i = 0; i < WORKERS; i++)
        if (w->workers[i].id && w->workers[i].count > 0 &&
            (!first || w->workers[i].done_ns < first->done_ns))
            first = &w->workers[i];
    const int64_t tick_ns = kofn_sched_next_tick(w->sched);
    if (!first && tick_ns == KOFN_NEVER_NS)
        return false;
    if (first && first->done_ns <= tick_ns) {
        w->now_ns = first->done_ns;
        head_is_done(w, first);
        return true;
    }
    assert_true(tick_ns >= w->now_ns);
    w->now_ns = tick_ns;
    kofn_sched_tick(w->sched, w->now_ns);
    return true;
}

static void
all_ends(world *w)
{
    w->mischief = 0;
    w->slow = w->stuck = 0;
    for (size_t i = 0; i < STREAMS; i++)
        if (w->streams[i].id && !w->streams[i].closed) {
            assert_true(kofn_sched_stream_close(w->sched, w->streams[i].id));
            w->streams[i].closed = true;
        }
    take_actions(w);
    for (size_t i = 0; i < JOBS; i++)
        w->jobs[i].harmless = true;
    for (size_t step = 0; w->alive > 0; step++) {
        assert_true(step < 200000);
        for (size_t i = 0; i < 3 && step % 8 == 0; i++)
            if (!w->workers[i].id)
                join_at(w, i, false);
        take_actions(w);
        (void)time_passes(w);
        take_actions(w);
    }
    for (size_t i = 0; i < WORKERS; i++)
        assert_true(!w->workers[i].id || w->workers[i].count == 0);
    for (size_t i = 0; i < STREAMS; i++)
        assert_int_equal(w->streams[i].id, 0);
    assert_true(kofn_sched_next_tick(w->sched) == KOFN_NEVER_NS);
}

typedef struct totals {
    uint64_t rounds;
    size_t decoded, failed, poisoned, adopted;
} totals;

static uint64_t
run_world(uint64_t seed, uint64_t number, size_t steps, totals *all)
{
    kofn_error error;
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    kofn_rng_init(&w->rng, seed, number);
    kofn_sched_config config = rig_config();
    w->calm = number % 3 == 0;
    w->mischief = w->calm ? 0 : 1 + draw(w, 60);
    w->dies = draw(w, 2);
    w->slow = 0.1 * (double)draw(w, 5);
    w->stuck = draw(w, 2) ? 0.01 : 0;
    w->trace = KOFN_HASH_START;
    assert_ok(kofn_sched_new(&config, &w->sched, &error));
    for (size_t i = 0; i < WORKERS; i++)
        if (w->calm || draw(w, 2))
            join_at(w, i, false);
    for (size_t i = 0; i < STREAMS; i++)
        some_stream_opens(w);
    for (size_t step = 0; step < steps; step++) {
        if (w->mischief && draw(w, w->mischief) == 0) {
            some_mischief(w);
            take_actions(w);
        }
        while (draw(w, 3) && some_job_is_pushed(w))
            take_actions(w);
        if (!time_passes(w) && w->mischief)
            some_worker_joins(w);
        take_actions(w);
    }
    if (number % 5) {
        all_ends(w);
    } else { // destroyed in the middle of work
        for (size_t i = 0; i < STREAMS; i++)
            w->rounds += w->streams[i].view.rounds;
    }
    const uint64_t trace = w->trace;
    all->rounds += w->rounds;
    all->decoded += w->decoded;
    all->failed += w->failed;
    all->poisoned += w->poisoned;
    all->adopted += w->adopted;
    kofn_sched_destroy(&w->sched);
    for (size_t i = 0; i < JOBS; i++)
        kofn_code_destroy(&w->jobs[i].code);
    for (size_t i = 0; i < STREAMS; i++)
        kofn_code_destroy(&w->streams[i].code);
    free(w);
    return trace;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void
every_job_ends_by_its_last_round_whatever_happens(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(20261122);
    totals all = {0};
    for (uint64_t number = 0; number < TEST_AMOUNT(120, 30); number++)
        (void)run_world(seed, number, 4000, &all);
    print_message("%" PRIu64 " rounds, %zu jobs decoded, %zu failed (%zu of deaths), %zu adopted\n",
                  all.rounds, all.decoded, all.failed, all.poisoned, all.adopted);
    assert_true(all.rounds > 10000 && all.decoded > 10000); // they get somewhere
    assert_true(all.failed > 100 && all.poisoned > 0 && all.adopted > 0);
}

static void
the_same_calls_give_the_same_actions(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(20261123);
    for (uint64_t number = 0; number < 6; number++) {
        totals all = {0};
        const uint64_t first = run_world(seed, number, 2000, &all);
        void *shift[64]; // other addresses the second time
        for (size_t i = 0; i < 64; i++)
            shift[i] = malloc(48 * (i + 1));
        const uint64_t second = run_world(seed, number, 2000, &all);
        for (size_t i = 0; i < 64; i++)
            free(shift[i]);
        assert_true(first == second);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_ends_by_its_last_round_whatever_happens),
        cmocka_unit_test(the_same_calls_give_the_same_actions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
