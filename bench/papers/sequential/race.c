#include "bench/papers/sequential/race.h"

#include "bench/bench.h"
#include "common/base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a slot has in this round; those before `done` have answered. */
typedef struct list {
    kofn_mini_task *task; // [room]
    size_t count, done;
    double factor;
} list;

typedef struct race {
    const race_params *p;
    kofn_rounds *rounds;
    list *lists;     // [slots]
    size_t slots;    // P
    size_t *answers; // [ring]: of the jobs that are not finished, at job % ring
    size_t ring;     // T + 1 are unfinished at most, and one is being born
    int64_t now_ns, begin_ns;
    double unit_ns;  // of a mini-task
    bool is_settled; // the fastest slot has done its list
    kofn_error error;
} race;

static const double JOB_NS = 1e12; // a job on one worker: so long that rounding does not show

static void
must(race *r, kofn_status status)
{
    if (status != KOFN_OK)
        bench_die("%s", r->error.text);
}

static uint64_t
due_job(const race *r, uint64_t round)
{
    const uint64_t delay = (uint64_t)r->p->rounds.delay;
    return round > delay ? round - delay : 0; // job t is born in round t
}

static int64_t
answer_time(const race *r, const list *l)
{
    return r->begin_ns + llround((double)(l->done + 1) * l->factor * r->unit_ns);
}

/* Of all answers that are out, the time of the next; or of what the engine waits for. */
static int64_t
next_time(const race *r)
{
    int64_t next = kofn_rounds_get_due(r->rounds);
    for (size_t s = 0; s < r->slots; s++) {
        const list *l = &r->lists[s];
        if (l->done < l->count && answer_time(r, l) < next)
            next = answer_time(r, l);
    }
    return next;
}

/* All that is answered at this moment counts before anything is decided. */
static void
take_answers(race *r)
{
    for (size_t s = 0; s < r->slots; s++) {
        list *l = &r->lists[s];
        while (l->done < l->count && answer_time(r, l) <= r->now_ns) {
            const kofn_mini_task *task = &l->task[l->done++];
            r->answers[task->job % r->ring]++;
            kofn_rounds_answer(r->rounds, r->now_ns, task->job, task->row, s);
            r->is_settled |= l->done == l->count;
        }
    }
}

/* Tell that the job is finished if it is; what is out of it is dropped. */
static void
finish(race *r, uint64_t job)
{
    size_t *answers = &r->answers[job % r->ring];
    if (job == 0 || *answers == SIZE_MAX || *answers < r->p->need)
        return;
    *answers = SIZE_MAX;
    kofn_rounds_finish(r->rounds, r->now_ns, job);
    for (size_t s = 0; s < r->slots; s++) {
        list *l = &r->lists[s];
        while (l->count > l->done && l->task[l->count - 1].job == job)
            l->count--; // the due job is the last in every list
    }
}

static void
give_lists(race *r, uint64_t round)
{
    double factors[KOFN_DELAY_MAX + 1];
    if (r->slots > KOFN_DELAY_MAX)
        bench_die("%zu slots, at most %d here", r->slots, KOFN_DELAY_MAX);
    r->p->draw(r->p->context, round, factors);
    for (size_t s = 0; s < r->slots; s++) {
        list *l = &r->lists[s];
        l->count = l->done = 0;
        l->factor = factors[s];
        while (kofn_rounds_peek(r->rounds, s, &l->task[l->count])) {
            kofn_rounds_send(r->rounds, r->now_ns, s);
            l->count++;
        }
    }
}

static void
run_round(race *r, uint64_t round)
{
    r->begin_ns = r->now_ns;
    r->is_settled = false;
    if (!kofn_rounds_begin(r->rounds, r->now_ns))
        bench_die("round %llu does not begin", (unsigned long long)round);
    give_lists(r, round);
    bool is_over = false;
    while (!is_over) {
        const int64_t next = next_time(r);
        if (next == KOFN_NEVER_NS)
            bench_die("round %llu waits for nothing", (unsigned long long)round);
        r->now_ns = next > r->now_ns ? next : r->now_ns;
        take_answers(r);
        if (r->is_settled)
            finish(r, due_job(r, round));
        is_over = kofn_rounds_end(r->rounds, r->now_ns);
    }
    kofn_mini_task failed;
    while (kofn_rounds_take_back(r->rounds, &failed))
        ; // its answer never comes: the next lists begin anew
    for (uint64_t job = due_job(r, round); job <= round; job++)
        finish(r, job);
}

static void
init(race *r, const race_params *params)
{
    *r = (race){.p = params, .slots = (size_t)params->rounds.slots};
    r->ring = (size_t)params->rounds.delay + 2;
    r->unit_ns = JOB_NS / (double)params->need;
    r->answers = bench_alloc(r->ring * sizeof *r->answers);
    r->lists = bench_alloc(r->slots * sizeof *r->lists);
    must(r, kofn_rounds_new(&params->rounds, params->need, &r->rounds, &r->error));
    const size_t room = (size_t)params->rounds.delay + params->need + 2;
    for (size_t s = 0; s < r->slots; s++) {
        r->lists[s].task = bench_alloc(room * sizeof *r->lists[s].task);
        kofn_rounds_fill_slot(r->rounds, 0, s);
    }
}

static void
fini(race *r)
{
    for (size_t s = 0; s < r->slots; s++)
        free(r->lists[s].task);
    free(r->lists);
    free(r->answers);
    kofn_rounds_destroy(&r->rounds);
}

/* The standard error of the mean, from the means of batches. */
static double
batch_error(const double *batch, size_t count)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < count; i++)
        mean += batch[i] / (double)count;
    for (size_t i = 0; i < count; i++)
        square += (batch[i] - mean) * (batch[i] - mean);
    return sqrt(square / (double)(count - 1) / (double)count);
}

/* One job is born, and one round done. */
static void
run_job(race *r, uint64_t round, race_result *result)
{
    r->answers[round % r->ring] = 0;
    must(r, kofn_rounds_push(r->rounds, round, &r->error));
    run_round(r, round);
    const uint64_t due = due_job(r, round);
    result->late += due != 0 && r->answers[due % r->ring] != SIZE_MAX;
}

race_result
race_run(const race_params *params)
{
    race_params settled = *params;
    race r = {.p = params};
    must(&r, kofn_rounds_settle(&settled.rounds, params->need, &r.error));
    init(&r, &settled);
    const size_t batches = params->jobs < RACE_BATCHES ? 1 : RACE_BATCHES;
    const size_t batch_jobs = params->jobs / batches;
    double batch[RACE_BATCHES];
    race_result result = {0};
    uint64_t round = 0;
    while (batches > 1 && round < 4 * r.ring) // the first rounds have few jobs
        run_job(&r, ++round, &result);
    for (size_t b = 0; b < batches; b++) {
        const int64_t start_ns = r.now_ns;
        for (size_t i = 0; i < batch_jobs; i++)
            run_job(&r, ++round, &result);
        batch[b] = (double)(r.now_ns - start_ns) / JOB_NS / (double)batch_jobs;
        result.time += batch[b] / (double)batches;
    }
    const kofn_rounds_view view = kofn_rounds_get_view(r.rounds);
    result.error = batches > 1 ? batch_error(batch, batches) : 0;
    result.load = (double)view.load_sum / (double)view.rounds / (double)params->need;
    result.load_max = (double)view.load_max / (double)params->need;
    result.rounds = view.rounds;
    result.waited = view.waited;
    fini(&r);
    return result;
}
