/* Random schedules in virtual time against a plain model of the world.
 *
 * The model knows what is out, where, and what was answered. After each event it takes all actions
 * and checks each against what it knows, then checks what must hold between events. Whether answers
 * suffice it works out by plain elimination, without the decoder; what jobs accept is drawn, too.
 */
#include "common/base/hash.h"
#include "common/base/rng.h"
#include "tests/unit/sched_rig.h"
#include "tests/unit/staged_rig.h"

enum {
    WORKERS = 10, // numbers in use at a time
    JOBS = 24,
    TASKS = 12,
    COLUMNS = 12,
    SENDS = 20000,
    EVENTS = 600,
    ROUNDS = 150,
    TRIALS = 200, // held at a time
};

static const double NOISE = 0x1p-46;

typedef struct sent { // an assignment, as long as it is out
    uint64_t id, worker;
    size_t job, task; // index of the job
    bool out;
    int64_t at_ns;
} sent;

typedef struct trial_out { // a trial, until it has run
    uint64_t job;
    kofn_trial *trial;
} trial_out;

typedef struct model_worker {
    uint64_t id; // 0: not there
    size_t credit, running, failing;
    bool leaving;
} model_worker;

typedef struct model_job {
    uint64_t id; // 0: free
    kofn_code *code;
    kofn_code_spec spec; // of a staged one
    kofn_batch *batch;
    bool recoding; // rows are being made
    kofn_accept accept;
    int64_t deadline_ns;
    int64_t decodable_ns; // since when it could be decoded; KOFN_NEVER_NS: not yet
    int64_t good_ns;      // since when there is what it accepts, likewise
    bool answered[TASKS];
    bool cancelled, rateless, two_stage;
    bool tried[TASKS];                // was sent
    size_t lost[TASKS], fresh[TASKS]; // of each group: assignments lost, fresh rows sent
    uint64_t failed_on[TASKS][WORKERS * 4];
    size_t failures[TASKS];
    size_t kept;
} model_job;

typedef struct world {
    kofn_rng rng;
    kofn_sched *sched;
    kofn_sched_config config;
    bool poor; // sets of coded answers are POOR
    bool dear; // every elimination needs a trial
    trial_out trials[TRIALS];
    size_t trial_count;
    int64_t now_ns;
    model_worker workers[WORKERS];
    model_job jobs[JOBS];
    sent *sends;
    size_t send_count;
    uint64_t last_worker, last_job;
    size_t alive;   // jobs
    uint64_t trace; // hash of all actions
    size_t decoded, estimates, failed, made, tried;
} world;

/* ---- what the model works out ---------------------------------------------------------------- */

static double
get_target(const kofn_code *code, size_t target, size_t column)
{
    const kofn_sums *t = &code->targets;
    for (size_t i = t->first[target]; i < t->first[target + 1]; i++)
        if (t->column[i] == column)
            return t->coef[i];
    return 0;
}

/* Every target in the row span of the answered rows? Elimination with full pivoting on the rows. */
static bool
suffices(const model_job *job)
{
    double m[TASKS][COLUMNS], targets[COLUMNS][COLUMNS];
    const size_t cols = kofn_code_columns(job->code), want = job->code->targets.rows;
    assert_in_range(cols, 1, COLUMNS);
    size_t rows = 0;
    for (size_t task = 0; task < job->code->tasks; task++)
        if (job->answered[task])
            kofn_code_fill_row(job->code, task, m[rows++]);
    for (size_t t = 0; t < want; t++)
        for (size_t c = 0; c < cols; c++)
            targets[t][c] = get_target(job->code, t, c);

    for (size_t rank = 0; rank < rows; rank++) {
        size_t pivot_row = rank, pivot = 0;
        for (size_t i = rank; i < rows; i++)
            for (size_t c = 0; c < cols; c++)
                if (fabs(m[i][c]) > fabs(m[pivot_row][pivot])) {
                    pivot_row = i;
                    pivot = c;
                }
        if (fabs(m[pivot_row][pivot]) < 1e-10)
            break;
        double row[COLUMNS];
        memcpy(row, m[pivot_row], sizeof row);
        memcpy(m[pivot_row], m[rank], sizeof row);
        for (size_t i = rank + 1; i < rows; i++) {
            const double factor = m[i][pivot] / row[pivot];
            for (size_t c = 0; c < cols; c++)
                m[i][c] -= factor * row[c];
        }
        for (size_t t = 0; t < want; t++) {
            const double factor = targets[t][pivot] / row[pivot];
            for (size_t c = 0; c < cols; c++)
                targets[t][c] -= factor * row[c];
        }
    }
    for (size_t t = 0; t < want; t++)
        for (size_t c = 0; c < cols; c++)
            if (fabs(targets[t][c]) > 1e-7)
                return false;
    return true;
}

/* An error of 1e-6 is met by whatever gives the product, and by nothing else: what is missed is far
 * more, and rounding far less. */
static bool
takes_estimates(const model_job *job)
{
    return job->accept.kind == KOFN_ACCEPT_ERROR ||
           (job->accept.kind == KOFN_ACCEPT_PROMISE && job->code->enough < job->code->threshold);
}

static bool
is_good(const model_job *job)
{
    return suffices(job) || (job->accept.kind == KOFN_ACCEPT_PROMISE && takes_estimates(job) &&
                             job->kept >= job->code->enough);
}

/* An estimate would do, and it waits for the product. */
static bool
may_settle(const world *w, const model_job *job)
{
    return takes_estimates(job) && w->now_ns < job->good_ns + job->accept.settle_ns &&
           (job->decodable_ns == KOFN_NEVER_NS || w->poor);
}

static model_worker *
worker_of(world *w, uint64_t id)
{
    for (size_t i = 0; i < WORKERS; i++)
        if (w->workers[i].id == id && id)
            return &w->workers[i];
    return NULL;
}

static model_job *
job_of(world *w, uint64_t id)
{
    for (size_t i = 0; i < JOBS; i++)
        if (w->jobs[i].id == id && id)
            return &w->jobs[i];
    return NULL;
}

static bool
holds(const world *w, uint64_t worker, size_t job, size_t task) // SIZE_MAX: any task
{
    for (size_t i = 0; i < w->send_count; i++)
        if (w->sends[i].out && w->sends[i].worker == worker && w->sends[i].job == job &&
            (task == SIZE_MAX || w->sends[i].task == task))
            return true;
    return false;
}

static size_t
copies(const world *w, size_t job, size_t task)
{
    size_t count = 0;
    for (size_t i = 0; i < w->send_count; i++)
        count += w->sends[i].out && w->sends[i].job == job && w->sends[i].task == task;
    return count;
}

static bool
has_failed(const model_job *job, size_t task, uint64_t worker)
{
    for (size_t i = 0; i < job->failures[task]; i++)
        if (job->failed_on[task][i] == worker)
            return true;
    return false;
}

static void
end_sent(world *w, sent *s)
{
    assert_true(s->out);
    s->out = false;
    model_worker *worker = worker_of(w, s->worker);
    if (worker && --worker->running == 0 && worker->leaving)
        worker->id = 0;
}

static bool
is_tried(const world *w, uint64_t job)
{
    for (size_t i = 0; i < w->trial_count; i++)
        if (w->trials[i].job == job)
            return true;
    return false;
}

/* Nobody has looked yet whether that does, by an elimination: it is being tried, there are fewer
 * answers than the code promises to be enough, or of a code that does not keep its promise these
 * were not, and then it is tried again after one more, two, four. What is told to be poor waits
 * from then on. */
static bool
is_left_out(const world *w, const model_job *job)
{
    return w->dear && (is_tried(w, job->id) || job->kept < job->code->threshold ||
                       job->code->likely || job->code->staged || w->poor);
}

/* ---- checking each action -------------------------------------------------------------------- */

/* No other free worker had a better claim to the task: one without a task of the job before one
 * with one, an idle one before a busy one. */
static void
check_place(const world *w, const model_worker *chosen, size_t job, size_t task)
{
    const bool held = holds(w, chosen->id, job, SIZE_MAX);
    for (size_t i = 0; i < WORKERS; i++) {
        const model_worker *other = &w->workers[i];
        if (!other->id || other == chosen || other->leaving || other->running >= other->credit ||
            has_failed(&w->jobs[job], task, other->id) || holds(w, other->id, job, SIZE_MAX))
            continue;
        assert_false(held);
        assert_true(chosen->running == 0 || other->running > 0 || other->failing > 0);
    }
}

/* Fresh rows are for what their group has lost; only rateless sends more, and two_stage others.
 * What failed, or is late, is not fresh. */
static void
check_fresh(model_job *job, const kofn_action *a)
{
    const size_t group = job->code->groups ? kofn_code_get_group(job->code, a->task) : 0;
    if (a->task >= kofn_code_first_tasks(job->code) && !a->backup && job->failures[a->task] == 0)
        assert_true(job->fresh[group]++ < job->lost[group] || job->rateless || job->two_stage);
}

/* Of two_stage: as many rows as the product takes are the first ones; further ones, and copies, are
 * for what has been out for some time, and further ones also for bad luck, when nothing is out. */
static void
check_stage(const world *w, model_job *job, const kofn_action *a)
{
    const size_t first = job->code->groups || job->code->staged ? kofn_code_first_tasks(job->code)
                                                                : kofn_code_columns(job->code);
    size_t tried = 0, out = 0, late = 0;
    for (size_t task = 0; task < job->code->tasks; task++)
        tried += job->tried[task];
    for (size_t i = 0; i < w->send_count; i++) {
        const sent *s = &w->sends[i];
        if (!s->out || &w->jobs[s->job] != job)
            continue;
        out++;
        late += w->now_ns - s->at_ns >= w->config.stage_floor_ns;
    }
    size_t answered = 0;
    for (size_t pair = 0; pair < first; pair++)
        answered += job->answered[pair];
    if (job->code->staged && a->task >= first && !a->backup) // made for what was late
        assert_true(answered < first);
    else if (job->two_stage && (a->backup || (!job->tried[a->task] && tried >= first)))
        assert_true(late > 0 || (out == 0 && !a->backup));
    job->tried[a->task] = true;
}

static void
check_send(world *w, const kofn_action *a)
{
    model_worker *worker = worker_of(w, a->worker);
    model_job *job = job_of(w, a->job);
    assert_non_null(worker);
    assert_non_null(job);
    const size_t at = (size_t)(job - w->jobs);
    assert_false(worker->leaving);
    assert_true(worker->running < worker->credit);
    assert_true(a->task < job->code->tasks);
    assert_false(job->answered[a->task]);
    assert_true(job->good_ns == KOFN_NEVER_NS || may_settle(w, job) || is_left_out(w, job));
    assert_false(has_failed(job, a->task, a->worker));
    assert_false(holds(w, a->worker, at, a->task));
    assert_int_equal(a->backup, copies(w, at, a->task) > 0);
    assert_true(copies(w, at, a->task) <= 1 || job->rateless);
    check_place(w, worker, at, a->task);
    check_fresh(job, a);
    check_stage(w, job, a);
    assert_true(w->send_count < SENDS);
    assert_int_equal(a->assignment, w->send_count + 1);
    w->sends[w->send_count++] = (sent){a->assignment, a->worker, at, a->task, true, w->now_ns};
    worker->running++;
}

static void
check_cancel(world *w, const kofn_action *a)
{
    assert_in_range(a->assignment, 1, w->send_count);
    sent *s = &w->sends[a->assignment - 1];
    assert_true(s->out);
    assert_int_equal(s->worker, a->worker);
    assert_int_equal(s->task, a->task);
    end_sent(w, s);
}

static void
check_end(world *w, model_job *job)
{
    const size_t at = (size_t)(job - w->jobs);
    for (size_t i = 0; i < w->send_count; i++)
        assert_false(w->sends[i].out && w->sends[i].job == at);
    kofn_code_destroy(&job->code);
    kofn_batch_destroy(&job->batch);
    *job = (model_job){0};
    w->alive--;
}

static size_t
most_failures(const model_job *job)
{
    size_t most = 0;
    for (size_t task = 0; task < job->code->tasks; task++)
        most = job->failures[task] > most ? job->failures[task] : most;
    return most;
}

/* Random rows that do not span the product, and none of those that the policy sends are left. Of a
 * group that has what all its rows could give, the others are not sent. */
static bool
is_unlucky(const model_job *job)
{
    const bool reserve = job->rateless || job->two_stage;
    const size_t most = reserve ? job->code->tasks : kofn_code_first_tasks(job->code);
    model_job all = *job;
    for (size_t task = 0; task < most && reserve; task++)
        all.answered[task] = true;
    return job->code->likely && !suffices(&all) && (job->code->groups > 0 || job->kept >= most);
}

/* Nobody is told to decode what is not there: the product, an estimate that is accepted, or the
 * best when time or hope has run out. */
static void
check_worth(const world *w, const model_job *job, const kofn_action *a)
{
    const bool late = w->now_ns >= job->deadline_ns,
               hopeless = most_failures(job) > 0 || is_unlucky(job);
    assert_true(job->kept > 0);
    if (!a->estimate)
        assert_true(suffices(job));
    else if (job->good_ns == KOFN_NEVER_NS)
        assert_true(job->accept.best && (late || hopeless));
    else
        assert_true(takes_estimates(job) || (late && is_left_out(w, job)));
    assert_true(a->waited <= (w->poor || job->accept.settle_ns > 0));
}

static void
check_decode(world *w, const kofn_action *a)
{
    kofn_error error;
    kofn_decode_plan plan;
    kofn_sched_job_view view;
    model_job *job = job_of(w, a->job);
    assert_non_null(job);
    check_worth(w, job, a);
    assert_false(a->poor && !w->poor);
    assert_true(kofn_sched_get_job(w->sched, a->job, &view));
    assert_int_equal(view.kept, job->kept);
    const kofn_decoder *decoder = kofn_sched_job_get_decoder(w->sched, a->job);
    if (a->estimate)
        assert_ok(kofn_decoder_estimate(decoder, NOISE, &plan, &error));
    else
        assert_ok(kofn_decoder_plan(decoder, NOISE, &plan, &error));
    if (job->accept.kind == KOFN_ACCEPT_ERROR && job->good_ns != KOFN_NEVER_NS)
        assert_true(plan.truncation + plan.rounding <= job->accept.error);
    for (size_t u = 0; u < plan.used; u++)
        assert_true(job->answered[plan.task[u]]);
    kofn_decode_plan_fini(&plan);
    kofn_sched_job_forget(w->sched, a->job);
    check_end(w, job);
    w->decoded++;
    w->estimates += a->estimate;
}

static void
check_fail(world *w, const kofn_action *a)
{
    model_job *job = job_of(w, a->job);
    assert_non_null(job);
    assert_true(a->error.text[0] != '\0');
    const size_t most = most_failures(job);
    const bool wanted_best = job->accept.best && job->kept > 0;
    assert_true(job->good_ns == KOFN_NEVER_NS || job->cancelled || is_left_out(w, job));
    assert_false(wanted_best && !job->cancelled);
    switch (a->error.status) {
    case KOFN_CANCELLED:
        assert_true(job->cancelled);
        break;
    case KOFN_DEADLINE_EXCEEDED:
        assert_true(w->now_ns >= job->deadline_ns);
        break;
    case KOFN_ABORTED:
        assert_true(job->accept.best ? most >= 3 : most == 3);
        break;
    case KOFN_FAILED_PRECONDITION: // random rows of GF(2), and none are left to send
        assert_true(is_unlucky(job));
        break;
    case KOFN_UNAVAILABLE:
        assert_true(most >= kofn_sched_count_workers(w->sched) && most > 0);
        break;
    default:
        fail_msg("job failed with %s: %s", kofn_status_name(a->error.status), a->error.text);
    }
    check_end(w, job);
    w->failed++;
}

static void
check_recode(world *w, const kofn_action *a)
{
    model_job *job = job_of(w, a->job);
    assert_non_null(job);
    assert_true(job->two_stage && job->code->staged && !job->recoding);
    job->recoding = true;
}

/* Sometimes it has run before anything else happens. */
static void
take_trial(world *w, const kofn_action *a)
{
    kofn_trial *trial = a->trial;
    assert_true(w->dear && job_of(w, a->job) && !is_tried(w, a->job));
    w->tried++;
    if (w->trial_count < TRIALS && kofn_rng_below(&w->rng, 2)) {
        w->trials[w->trial_count++] = (trial_out){a->job, trial};
        return;
    }
    kofn_trial_run(trial);
    kofn_sched_job_tried(w->sched, w->now_ns, a->job, &trial);
    assert_null(trial);
}

static void
take_actions(world *w)
{
    for (kofn_action a; kofn_sched_next_action(w->sched, &a);) {
        const uint64_t seen[] = {
            a.kind,   a.job,  a.assignment,
            a.worker, a.task, a.backup + 2u * a.waited + 4u * a.poor + 8u * a.estimate};
        for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++)
            w->trace = kofn_hash_word(w->trace, seen[i]);
        switch (a.kind) {
        case KOFN_ACTION_SEND:
            check_send(w, &a);
            break;
        case KOFN_ACTION_CANCEL:
            check_cancel(w, &a);
            break;
        case KOFN_ACTION_DECODE:
            check_decode(w, &a);
            break;
        case KOFN_ACTION_FAIL:
            check_fail(w, &a);
            break;
        case KOFN_ACTION_RECODE:
            check_recode(w, &a);
            break;
        case KOFN_ACTION_TRY:
            take_trial(w, &a);
            break;
        }
    }
}

/* ---- what holds between events --------------------------------------------------------------- */

static void
check_workers(world *w)
{
    size_t ready = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        const model_worker *worker = &w->workers[i];
        kofn_sched_worker_view view;
        if (!worker->id)
            continue;
        assert_true(kofn_sched_get_worker(w->sched, worker->id, &view));
        assert_int_equal(view.running, worker->running);
        assert_int_equal(view.leaving, worker->leaving);
        assert_true(view.running <= view.credit);
        ready += !worker->leaving;
    }
    assert_int_equal(kofn_sched_count_workers(w->sched), ready);
}

/* A job that could be decoded was, unless it waits for a better set; and a task that is missing is
 * not forgotten: with a free worker something is out. */
static void
check_jobs(world *w)
{
    bool idle = false;
    for (size_t i = 0; i < WORKERS; i++)
        idle = idle || (w->workers[i].id && !w->workers[i].leaving && w->workers[i].running == 0);
    for (size_t i = 0; i < JOBS; i++) {
        model_job *job = &w->jobs[i];
        if (!job->id)
            continue;
        if (job->good_ns != KOFN_NEVER_NS) {
            if (is_left_out(w, job))
                continue;
            assert_true(may_settle(w, job) ||
                        (w->poor && !takes_estimates(job) &&
                         w->now_ns < job->good_ns + w->config.wait_for_better_ns));
            assert_true(w->now_ns < job->deadline_ns);
            continue;
        }
        bool out = false, failed = false;
        for (size_t s = 0; s < w->send_count; s++)
            out = out || (w->sends[s].out && w->sends[s].job == i);
        for (size_t task = 0; task < job->code->tasks; task++)
            failed = failed || job->failures[task] > 0;
        assert_true(out || !idle || failed || is_tried(w, job->id));
    }
    assert_int_equal(kofn_sched_count_jobs(w->sched), w->alive);
}

static void
settle(world *w)
{
    take_actions(w);
    check_workers(w);
    check_jobs(w);
}

/* ---- events ---------------------------------------------------------------------------------- */

static size_t
draw(world *w, size_t bound)
{
    return kofn_rng_below(&w->rng, bound);
}

static void
some_worker_joins(world *w)
{
    kofn_error error;
    for (size_t i = 0; i < WORKERS; i++) {
        if (w->workers[i].id)
            continue;
        w->workers[i] = (model_worker){.id = ++w->last_worker, .credit = 1 + draw(w, 3)};
        const kofn_sched_worker joining = {.id = w->workers[i].id,
                                           .name = "",
                                           .credit = w->workers[i].credit,
                                           .fields = UINT32_MAX};
        assert_ok(kofn_sched_worker_join(w->sched, w->now_ns, &joining, &error));
        return;
    }
}

static model_worker *
some_worker(world *w)
{
    model_worker *worker = &w->workers[draw(w, WORKERS)];
    return worker->id ? worker : NULL;
}

static void
some_worker_leaves(world *w)
{
    model_worker *worker = some_worker(w);
    if (!worker)
        return;
    kofn_sched_worker_leave(w->sched, w->now_ns, worker->id);
    worker->leaving = true;
    if (worker->running == 0)
        worker->id = 0;
}

static void
some_worker_is_lost(world *w)
{
    model_worker *worker = some_worker(w);
    if (!worker)
        return;
    const uint64_t id = worker->id;
    kofn_sched_worker_lose(w->sched, w->now_ns, id);
    for (size_t i = 0; i < w->send_count; i++) {
        const sent *s = &w->sends[i];
        if (!s->out || s->worker != id)
            continue;
        model_job *job = &w->jobs[s->job];
        job->lost[job->code->groups ? kofn_code_get_group(job->code, s->task) : 0]++;
        end_sent(w, &w->sends[i]);
    }
    worker->id = 0;
}

static kofn_code *
some_code(world *w)
{
    static const char *const families[] = {"uncoded", "replication", "polynomial", "rkrp"};
    const size_t family = draw(w, 4), x = 1 + draw(w, 3), y = 1 + draw(w, 2);
    size_t n = x * y;
    if (family == 1)
        n *= 2;
    else if (family > 1)
        n += draw(w, TASKS - n);
    kofn_code *code = rig_code(families[family], x, y, n);
    if (family > 1 && draw(w, 2) == 0) // as if its family promised an estimate
        code->enough = 1 + draw(w, code->threshold);
    return code;
}

/* Rows of zeros and ones, which often depend on each other, by themselves or in two groups; mostly
 * with a reserve. */
static kofn_code *
some_random_code(world *w)
{
    kofn_error error;
    const bool grouped = draw(w, 2);
    kofn_code_spec spec = {.part = {1 + draw(w, 2), 1, 2}, .has_seed = true, .seed = draw(w, 1000)};
    (void)snprintf(spec.family, sizeof spec.family, grouped ? "alloy_local" : "alloy_global");
    if (grouped)
        assert_ok(kofn_code_spec_set(&spec, "algorithm", "classical:1,1,2", &error));
    assert_ok(kofn_code_spec_set(&spec, "draw", "nonzero", &error));
    assert_ok(kofn_code_spec_set(&spec, "lift", "positive", &error));
    assert_ok(kofn_code_spec_set(&spec, "p", draw(w, 2) ? "2" : "101", &error));
    const size_t least = spec.part.x * spec.part.y;
    spec.tasks = least + draw(w, TASKS / 2 - least + 1);
    spec.reserve = draw(w, TASKS - spec.tasks + 1);
    return rig_build(&spec);
}

/* Of pairs that are coded in groups of two sizes, or in one. */
static kofn_code *
some_batch_code(world *w)
{
    static const char *const pairs[] = {"00 01 12", "00 01 02 13", "00 11", "00 01 10 11"};
    const size_t which = draw(w, 4), least = (strlen(pairs[which]) + 1) / 3;
    return rig_locality(pairs[which], least + draw(w, TASKS - least));
}

/* Pairs without a relation, mostly, and room for rows. */
static kofn_code *
some_staged_code(world *w, model_job *job)
{
    kofn_error error;
    kofn_code *code = NULL;
    const kofn_field *f64 = kofn_field_find("f64");
    const size_t pairs = 2 + draw(w, 3);
    job->batch = draw_batch(&w->rng, 3, 4, pairs, draw(w, 4) == 0, f64);
    job->spec = complete_batch_spec("lagrange", job->batch, f64);
    job->spec.tasks = TASKS - pairs;
    assert_ok(kofn_staged_build(&job->spec, f64, &code, &error));
    return code;
}

/* They were made, or the master could not, or did not want to. */
static void
rows_come(world *w, model_job *job)
{
    kofn_error error;
    size_t missing[TASKS];
    double rate;
    kofn_code *made = NULL;
    const size_t count = kofn_sched_job_list_missing(w->sched, job->id, missing, &rate);
    job->recoding = false;
    for (size_t i = 0; i < count; i++)
        assert_true(missing[i] < kofn_code_first_tasks(job->code));
    if (count > 0 && draw(w, 4) > 0 &&
        kofn_staged_fill(&job->spec, job->code, missing, count, rate, &made, &error) == KOFN_OK) {
        kofn_code_destroy(&job->code);
        job->code = kofn_code_ref(made);
        w->made++;
    }
    assert_ok(kofn_sched_job_recode(w->sched, w->now_ns, job->id, made, &error));
    kofn_code_destroy(&made);
}

static void
some_rows_come(world *w)
{
    model_job *job = &w->jobs[draw(w, JOBS)];
    if (job->id && job->recoding)
        rows_come(w, job);
}

static void
some_job_arrives(world *w)
{
    kofn_error error;
    size_t at = 0;
    while (at < JOBS && w->jobs[at].id)
        at++;
    if (at == JOBS)
        return;
    const size_t policy = draw(w, RIG_POLICIES);
    model_job *job = &w->jobs[at];
    *job = (model_job){.id = ++w->last_job,
                       .deadline_ns = KOFN_NEVER_NS,
                       .decodable_ns = KOFN_NEVER_NS,
                       .good_ns = KOFN_NEVER_NS,
                       .rateless = policy == 2,
                       .two_stage = policy == 3};
    const size_t kind = draw(w, 5);
    job->code = job->two_stage && draw(w, 2) ? some_staged_code(w, job)
                : kind < 2                   ? some_code(w)
                : kind < 4                   ? some_random_code(w)
                                             : some_batch_code(w);
    job->accept =
        (kofn_accept){.kind = (kofn_accept_kind)draw(w, 3), .error = 1e-6, .best = draw(w, 4) == 0};
    if (draw(w, 3) == 0)
        job->accept.settle_ns = (int64_t)draw(w, 50) * KOFN_NS_PER_MS;
    if (draw(w, 3) == 0)
        job->deadline_ns = w->now_ns + (int64_t)draw(w, 200) * KOFN_NS_PER_MS;
    const kofn_sched_job params = {
        .id = job->id,
        .client = draw(w, 4),
        .code = job->code,
        .policy = rig_policies[policy],
        .deadline_ns = job->deadline_ns,
        .task_flops = 1e7 * (double)(1 + draw(w, 5)),
        .accept = job->accept,
        .noise = NOISE,
    };
    assert_ok(kofn_sched_job_add(w->sched, w->now_ns, &params, &error));
    w->alive++;
}

static void
some_job_is_cancelled(world *w)
{
    model_job *job = &w->jobs[draw(w, JOBS)];
    job->cancelled = job->id != 0;
    assert_int_equal(kofn_sched_job_cancel(w->sched, w->now_ns, job->id), job->id != 0);
}

/* Any assignment so far, mostly one that is out. */
static sent *
some_sent(world *w)
{
    if (w->send_count == 0)
        return NULL;
    for (size_t tries = draw(w, 4) ? 50 : 1; tries > 0; tries--) {
        const size_t recent = w->send_count < 60 ? w->send_count : 60;
        sent *s = &w->sends[w->send_count - 1 - draw(w, recent)];
        if (s->out || tries == 1)
            return s;
    }
    return NULL;
}

static void
answer_comes(world *w, sent *s)
{
    const kofn_verdict verdict = kofn_sched_answer(w->sched, w->now_ns, s->worker, s->id);
    assert_int_equal(verdict, s->out ? KOFN_VERDICT_KEEP : KOFN_VERDICT_DROP);
    if (verdict != KOFN_VERDICT_KEEP)
        return;
    model_worker *worker = worker_of(w, s->worker);
    worker->failing = 0;
    end_sent(w, s);
    model_job *job = &w->jobs[s->job];
    assert_false(job->answered[s->task]);
    job->answered[s->task] = true;
    job->kept++;
    if (job->decodable_ns == KOFN_NEVER_NS && suffices(job))
        job->decodable_ns = w->now_ns;
    if (job->good_ns == KOFN_NEVER_NS && is_good(job))
        job->good_ns = w->now_ns;
}

static void
some_answer_comes(world *w)
{
    sent *s = some_sent(w);
    if (s)
        answer_comes(w, s);
}

static void
an_answer_comes_that_nobody_asked_for(world *w)
{
    sent *s = some_sent(w);
    assert_int_equal(kofn_sched_answer(w->sched, w->now_ns, 1, w->send_count + 1),
                     KOFN_VERDICT_UNKNOWN);
    if (s)
        assert_int_equal(kofn_sched_answer(w->sched, w->now_ns, s->worker + 1, s->id),
                         s->out ? KOFN_VERDICT_UNKNOWN : KOFN_VERDICT_DROP);
}

static void
some_task_fails(world *w)
{
    sent *s = some_sent(w);
    if (!s)
        return;
    kofn_error why;
    (void)kofn_fail(&why, KOFN_RESOURCE_EXHAUSTED, "no memory for task %zu", s->task);
    kofn_sched_task_fail(w->sched, w->now_ns, s->worker, s->id, &why);
    if (!s->out)
        return;
    model_worker *worker = worker_of(w, s->worker);
    worker->failing++;
    end_sent(w, s);
    model_job *job = &w->jobs[s->job];
    job->failed_on[s->task][job->failures[s->task]++] = s->worker;
}

/* All that are held, or one of them. */
static void
some_trials_end(world *w, size_t most)
{
    for (; w->trial_count > 0 && most > 0; most--) {
        const size_t at = draw(w, w->trial_count);
        trial_out h = w->trials[at];
        w->trials[at] = w->trials[--w->trial_count];
        kofn_trial_run(h.trial);
        kofn_sched_job_tried(w->sched, w->now_ns, h.job, &h.trial);
        assert_null(h.trial);
    }
}

static void
time_passes(world *w, int64_t most_ns)
{
    const int64_t next_ns = kofn_sched_next_tick(w->sched);
    const int64_t wait_ns = (int64_t)draw(w, (size_t)most_ns);
    if (next_ns >= w->now_ns + wait_ns)
        w->now_ns += wait_ns;
    else if (next_ns > w->now_ns) // the caller keeps to what it was told
        w->now_ns = next_ns;
    kofn_sched_tick(w->sched, w->now_ns);
    assert_true(kofn_sched_next_tick(w->sched) > w->now_ns);
}

static void
something_happens(world *w)
{
    const size_t what = draw(w, 100);
    if (what < 40)
        some_answer_comes(w);
    else if (what < 45)
        some_trials_end(w, 1);
    else if (what < 52)
        time_passes(w, 20 * KOFN_NS_PER_MS);
    else if (what < 55)
        some_rows_come(w);
    else if (what < 70)
        some_job_arrives(w);
    else if (what < 80)
        some_worker_joins(w);
    else if (what < 84)
        some_worker_is_lost(w);
    else if (what < 87)
        some_worker_leaves(w);
    else if (what < 91)
        some_task_fails(w);
    else if (what < 94)
        some_job_is_cancelled(w);
    else
        an_answer_comes_that_nobody_asked_for(w);
}

/* One worker lives and answers: every job must end. */
static void
all_jobs_end(world *w)
{
    some_worker_joins(w);
    settle(w);
    for (size_t step = 0; w->alive > 0; step++) {
        assert_true(step < (size_t)JOBS * TASKS * 4);
        for (size_t i = 0; i < w->send_count; i++)
            if (w->sends[i].out) {
                answer_comes(w, &w->sends[i]);
                settle(w);
            }
        time_passes(w, 20 * KOFN_NS_PER_MS);
        settle(w);
        some_rows_come(w);
        settle(w);
        some_trials_end(w, TRIALS);
        settle(w);
        for (size_t i = 0; i < WORKERS && kofn_sched_count_workers(w->sched) == 0; i++) {
            some_worker_joins(w); // the places of those that leave are free by now
            settle(w);
        }
    }
    for (size_t i = 0; i < w->send_count; i++)
        assert_false(w->sends[i].out);
    assert_true(kofn_sched_next_tick(w->sched) == KOFN_NEVER_NS);
}

typedef struct totals {
    size_t decoded, estimates, failed, made, tried;
} totals;

/* A whole life; the hash of all its actions. */
static uint64_t
run_world(uint64_t seed, uint64_t round, totals *all)
{
    kofn_error error;
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->sends = calloc(SENDS, sizeof *w->sends);
    assert_non_null(w->sends);
    kofn_rng_init(&w->rng, seed, round);
    w->poor = round % 4 == 3;
    w->dear = round % 3 == 2;
    w->config = rig_config();
    w->config.max_amplification = w->poor ? 1e-9 : 1e300;
    w->config.trial_multiplications = w->dear ? 0.5 : 1e300;
    w->config.backup_floor_ns = 1 + (int64_t)draw(w, 10) * KOFN_NS_PER_MS;
    w->config.stage_floor_ns = 1 + (int64_t)draw(w, 10) * KOFN_NS_PER_MS;
    w->config.stage_quantile = (double)draw(w, 5) / 4;
    w->config.wait_for_better_ns = (int64_t)draw(w, 50) * KOFN_NS_PER_MS;
    w->trace = KOFN_HASH_START;
    assert_ok(kofn_sched_new(&w->config, &w->sched, &error));

    for (size_t event = 0; event < EVENTS; event++) {
        something_happens(w);
        settle(w);
    }
    if (round % 5)
        all_jobs_end(w);
    const uint64_t trace = w->trace;
    all->decoded += w->decoded;
    all->estimates += w->estimates;
    all->failed += w->failed;
    all->made += w->made;
    all->tried += w->tried;
    for (size_t i = 0; i < w->trial_count; i++)
        kofn_trial_destroy(&w->trials[i].trial);
    kofn_sched_destroy(&w->sched); // in the middle of work, every fifth time
    for (size_t i = 0; i < JOBS; i++) {
        kofn_code_destroy(&w->jobs[i].code);
        kofn_batch_destroy(&w->jobs[i].batch);
    }
    free(w->sends);
    free(w);
    return trace;
}

static void
all_rules_hold_in_random_schedules_and_every_job_ends(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(20240611);
    totals all = {0};
    for (uint64_t round = 0; round < ROUNDS; round++)
        (void)run_world(seed, round, &all);
    print_message(
        "%zu jobs decoded, %zu of them estimated, %zu failed; rows made %zu times, answers "
        "tried %zu times\n",
        all.decoded, all.estimates, all.failed, all.made, all.tried);
    assert_true(all.decoded > ROUNDS * 10); // the schedules get somewhere
    assert_true(all.estimates > ROUNDS);
    assert_true(all.tried > ROUNDS);
    assert_true(all.made > 0); // test_sched_two_stage_random has more of that
}

static void
the_same_calls_give_the_same_actions(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(20240612);
    for (uint64_t round = 0; round < 8; round++) {
        totals all = {0};
        const uint64_t first = run_world(seed, round, &all);
        void *shift[64]; // other addresses the second time
        for (size_t i = 0; i < 64; i++)
            shift[i] = malloc(48 * (i + 1));
        const uint64_t second = run_world(seed, round, &all);
        for (size_t i = 0; i < 64; i++)
            free(shift[i]);
        assert_true(first == second);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_rules_hold_in_random_schedules_and_every_job_ends),
        cmocka_unit_test(the_same_calls_give_the_same_actions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
