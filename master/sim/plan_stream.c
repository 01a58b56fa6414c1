#include "master/sim/plan_stream.h"
#include "common/base/rng.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FAMILIES = 8, // schemes, and what goes without
    STEPS = 16,   // of a range that is longer
    DELAYS = 3,   // that are tried
    BATCHES = 10, // of a run, for its standard error
    STAGES = 3,
    JOBS_MIN = 20, // of a run
    JOBS_MAX = 200000,
    KEPT_MIN = 3,   // of each family, behind the first stage
    GRID_MIN = 12,  // of each family, where the whole grid is too much
    KEPT_SHARE = 8, // and one in so many
};

static const double WORK = 4e6;
static const uint64_t SEEDS = UINT64_C(1) << 53;

typedef struct candidate {
    kofn_stream_row row;
    int family;  // of FAMILIES: as rows are compared
    double cost; // tasks of a job, about
} candidate;

typedef struct planner {
    const kofn_stream_query *query;
    bool (*go_on)(void *context, double done);
    void *context;
    candidate *at;
    size_t count, capacity;
    size_t generated;
    int64_t stage;
    double work, done; // tasks of this stage
    kofn_error *err;
} planner;

/* ---- the grid -------------------------------------------------------------------------------- */

static bool
has_room(planner *p)
{
    if (p->count < p->capacity)
        return true;
    const size_t capacity = p->capacity ? 2 * p->capacity : 64;
    candidate *at = reallocarray(p->at, capacity, sizeof *at);
    if (!at)
        return false;
    p->at = at;
    p->capacity = capacity;
    return true;
}

/* One that cannot be is left out: grids are rectangles. Uncoded in rounds always can. */
static kofn_status
add(planner *p, int family, kofn_sim_config config, double cost, bool coded)
{
    const kofn_status status = kofn_sim_settle(&config, p->err);
    if (status != KOFN_OK)
        return status == KOFN_RESOURCE_EXHAUSTED ? status : KOFN_OK;
    if (!has_room(p))
        return kofn_fail(p->err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu candidates", p->count);
    p->at[p->count++] = (candidate){{.config = config, .coded = coded}, family, cost};
    return KOFN_OK;
}

static kofn_sim_config
stream_of(const planner *p, kofn_scheme scheme, int64_t need)
{
    kofn_sim_config c = p->query->base;
    (void)snprintf(c.policy, sizeof c.policy, "rounds");
    c.rounds = (kofn_rounds_config){
        .scheme = scheme, .tolerance = c.rounds.tolerance, .rescue = c.rounds.rescue};
    c.code = (kofn_code_spec){.part = kofn_partition_squarest((size_t)need)};
    c.at_once = 0;
    return c;
}

/* The i-th of at most `steps` even steps from 1 to `last`, which is among them. 0: no more. */
static int64_t
step_of(int64_t last, int64_t steps, int64_t i)
{
    if (last <= steps)
        return i < last ? i + 1 : 0;
    return i < steps ? (last * (i + 1)) / steps : 0;
}

static kofn_status
add_plain(planner *p)
{
    static const char *const policies[] = {"oneshot", "speculative"};
    const int64_t workers = p->query->base.workers;
    kofn_status status =
        add(p, 0, stream_of(p, KOFN_SCHEME_UNCODED, workers), (double)workers, false);
    for (int i = 0; i < 4 && status == KOFN_OK; i++) {
        kofn_sim_config c = p->query->base;
        c.code = (kofn_code_spec){.family = "uncoded",
                                  .part = kofn_partition_squarest((size_t)workers),
                                  .tasks = (size_t)workers,
                                  .has_seed = true};
        (void)snprintf(c.policy, sizeof c.policy, "%s", policies[i % 2]);
        c.at_once = i < 2 ? 1 : p->query->delay + 2;
        if (i != 0 && (i < 2 || p->query->delay > 0)) // one after another is what rounds do
            status = add(p, i, c, (double)workers, false);
    }
    return status;
}

/* Parts that are asked for, and that a master decodes. */
static int64_t
count_most(const planner *p, int64_t all)
{
    const int64_t asked = p->query->parts > 0 ? p->query->parts : all;
    const int64_t most = asked < all ? asked : all;
    return most < KOFN_PARTS_MAX ? most : KOFN_PARTS_MAX;
}

static kofn_status
add_polynomial(planner *p)
{
    const int64_t workers = p->query->base.workers, most = count_most(p, workers - 1);
    kofn_status status = KOFN_OK;
    for (int64_t i = 0, need; (need = step_of(most, STEPS, i)) > 0 && status == KOFN_OK; i++)
        status = add(p, 4, stream_of(p, KOFN_SCHEME_POLYNOMIAL, need), (double)workers, true);
    return status;
}

static kofn_status
add_dip(planner *p, int64_t delay)
{
    const int64_t workers = p->query->base.workers, all = workers * (delay + 1);
    const int64_t most = count_most(p, all);
    kofn_status status = KOFN_OK;
    for (int64_t i = 0, need; (need = step_of(most, STEPS, i)) > 0; i++)
        for (int64_t lambda = 1; lambda < 2 * workers && status == KOFN_OK; lambda *= 2) {
            kofn_sim_config c = stream_of(p, KOFN_SCHEME_DIP, need);
            c.rounds.delay = delay;
            c.rounds.lambda = lambda < workers ? lambda : workers;
            status = add(p, 5, c, (double)all, true);
        }
    return status;
}

/* need = P W - N; for bursts N is a multiple of B. */
static kofn_status
add_idip(planner *p, int64_t delay, int64_t burst)
{
    const int64_t workers = p->query->base.workers, window = delay + 1, all = workers * window;
    kofn_status status = KOFN_OK;
    for (int64_t i = 0, n; (n = step_of((all - 1) / burst, STEPS, i)) > 0 && status == KOFN_OK;
         i++) {
        const int64_t need = all - n * burst;
        kofn_sim_config c =
            stream_of(p, burst > 1 ? KOFN_SCHEME_IDIP_BURST : KOFN_SCHEME_IDIP, need);
        c.rounds.delay = delay;
        c.rounds.window = window;
        c.rounds.failures = n * burst;
        c.rounds.burst = burst > 1 ? burst : 0; // which idip does not have
        if (need <= count_most(p, all))
            status = add(p, burst > 1 ? 7 : 6, c, (double)all, true);
    }
    return status;
}

static kofn_status
make_grid(planner *p)
{
    kofn_status status = add_plain(p);
    if (status == KOFN_OK)
        status = add_polynomial(p);
    for (int64_t i = 0, delay; (delay = step_of(p->query->delay, DELAYS, i)) > 0; i++) {
        if (status == KOFN_OK)
            status = add_dip(p, delay);
        for (int64_t burst = 1; burst <= delay + 1 && status == KOFN_OK; burst *= 2)
            status = add_idip(p, delay, burst);
    }
    return status;
}

static size_t
count_family(const planner *p, int family)
{
    size_t count = 0;
    for (size_t i = 0; i < p->count; i++)
        count += p->at[i].family == family;
    return count;
}

static double
get_work(const planner *p)
{
    return (p->query->work > 0 ? p->query->work : WORK) / STAGES;
}

static double
sum_costs(const planner *p)
{
    double cost = 0;
    for (size_t i = 0; i < p->count; i++)
        cost += p->at[i].cost;
    return cost;
}

/* Where even the shortest runs of all are too much, some of each family that are drawn: even steps
 * through a grid of three sides would meet only some of a side. */
static void
thin_out(planner *p)
{
    const double share = get_work(p) / (JOBS_MIN * sum_costs(p));
    size_t left[FAMILIES], wanted[FAMILIES], kept = 0;
    kofn_rng rng;
    kofn_rng_init(&rng, (uint64_t)p->query->base.seed, 0);
    for (int family = 0; family < FAMILIES; family++) {
        left[family] = count_family(p, family);
        const double most = fmax(share * (double)left[family], GRID_MIN);
        wanted[family] = most < (double)left[family] ? (size_t)most : left[family];
    }
    for (size_t i = 0; i < p->count; i++) {
        const int family = p->at[i].family;
        if (kofn_rng_below(&rng, left[family]--) >= wanted[family])
            continue;
        wanted[family]--;
        p->at[kept++] = p->at[i];
    }
    p->count = p->generated = kept;
}

/* ---- runs ------------------------------------------------------------------------------------ */

typedef struct batches {
    planner *planner;
    uint64_t jobs, ended;
    int64_t at_ns[BATCHES + 1]; // when each one was done
    double cost;
} batches;

static void
count_job(void *context, const kofn_sim_job *job)
{
    batches *b = context;
    const uint64_t batch = ++b->ended * BATCHES / b->jobs;
    if (batch > 0 && b->at_ns[batch] == 0)
        b->at_ns[batch] = job->ended_ns;
}

static bool
ask(void *context, uint64_t ended)
{
    const batches *b = context;
    const planner *p = b->planner;
    const double done = (p->done + (double)ended * b->cost) / p->work;
    return !p->go_on || p->go_on(p->context, ((double)p->stage + done) / STAGES);
}

/* The standard error of the mean time of a job, by means of batches. */
static double
get_spread(const batches *b, double unit_ns)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < BATCHES; i++) {
        const double time =
            (double)(b->at_ns[i + 1] - b->at_ns[i]) / unit_ns * BATCHES / (double)b->jobs;
        square += (time - mean) * (time - mean) * (double)i / (double)(i + 1); // Welford
        mean += (time - mean) / (double)(i + 1);
    }
    return sqrt(square / (BATCHES - 1) / BATCHES);
}

/* Within what every key of a seed takes. */
static int64_t
move_seed(int64_t seed, int64_t by)
{
    return (int64_t)(((uint64_t)seed + (uint64_t)by) % SEEDS);
}

static kofn_status
try(planner *p, candidate *c, int64_t jobs)
{
    kofn_sim_config config = c->row.config;
    config.jobs = jobs;
    config.seed = move_seed(config.seed, p->stage);
    config.stragglers.seed = move_seed(config.stragglers.seed, p->stage);
    batches b = {.planner = p, .jobs = (uint64_t)jobs, .cost = c->cost};
    const kofn_sim_observer observer = {.context = &b, .on_job = count_job, .go_on = ask};
    kofn_sim_figures f;
    const kofn_status status = kofn_sim_run(&config, &observer, &f, p->err);
    if (status == KOFN_CANCELLED)
        return kofn_fail(p->err, status, "stopped while planning");
    if (status != KOFN_OK)
        return status;
    const double unit = (double)config.unit_ns * 1e-9;
    c->row.time = f.time;
    c->row.spread = get_spread(&b, (double)config.unit_ns);
    c->row.load = f.load;
    c->row.waited = f.rounds > 0 ? (double)f.waited / (double)f.rounds : 0;
    c->row.latency = kofn_sim_percentile(&f, 0.5) / unit;
    c->row.latency_99 = kofn_sim_percentile(&f, 0.99) / unit;
    p->done += (double)jobs * c->cost;
    kofn_sim_figures_fini(&f);
    return ask(&b, 0) ? KOFN_OK : kofn_fail(p->err, KOFN_CANCELLED, "stopped while planning");
}

/* As many jobs of each as the stage has work for, for batches of one size. */
static int64_t
share_out(const planner *p)
{
    const double jobs = get_work(p) / sum_costs(p);
    return (int64_t)fmin(fmax(jobs, JOBS_MIN), JOBS_MAX) / BATCHES * BATCHES;
}

static int
compare(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->family != y->family)
        return x->family - y->family;
    return (x->row.time > y->row.time) - (x->row.time < y->row.time);
}

/* The best of each family: so many, and one in `share` of what there is. */
static void
keep_best(planner *p, size_t least, size_t share)
{
    size_t kept = 0, rank = 0;
    size_t left[FAMILIES];
    for (int family = 0; family < FAMILIES; family++) {
        const size_t part = share > 0 ? count_family(p, family) / share : 0;
        left[family] = part > least ? part : least;
    }
    qsort(p->at, p->count, sizeof *p->at, compare);
    for (size_t i = 0; i < p->count; i++) {
        rank = i > 0 && p->at[i].family == p->at[i - 1].family ? rank + 1 : 0;
        if (rank < left[p->at[i].family])
            p->at[kept++] = p->at[i];
    }
    p->count = kept;
}

static kofn_status
run_stage(planner *p, int64_t stage)
{
    const int64_t jobs = share_out(p);
    p->stage = stage;
    p->work = sum_costs(p) * (double)jobs;
    p->done = 0;
    kofn_status status = KOFN_OK;
    for (size_t i = 0; i < p->count && status == KOFN_OK; i++)
        status = try(p, &p->at[i], jobs);
    return status;
}

static kofn_status
run_stages(planner *p)
{
    const size_t limit = p->query->limit > 0 ? (size_t)p->query->limit : 1;
    thin_out(p);
    kofn_status status = run_stage(p, 0);
    if (status == KOFN_OK) {
        keep_best(p, limit > KEPT_MIN ? limit : KEPT_MIN, KEPT_SHARE);
        status = run_stage(p, 1);
    }
    if (status == KOFN_OK) {
        keep_best(p, limit, 0);
        status = run_stage(p, 2);
    }
    return status;
}

/* ---- what comes of it ------------------------------------------------------------------------ */

static double
round_time(double time)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%.3g", time);
    return strtod(text, NULL);
}

/* What the first three digits do not tell is no difference, and so rows look sorted where as many
 * are printed: what needs no code goes first then, and who waits less. */
static int
compare_rows(const void *a, const void *b)
{
    const kofn_stream_row *x = a, *y = b;
    const double time_x = round_time(x->time), time_y = round_time(y->time);
    if (time_x != time_y)
        return time_x < time_y ? -1 : 1;
    if (x->coded != y->coded)
        return x->coded ? 1 : -1;
    return (x->latency > y->latency) - (x->latency < y->latency);
}

static const kofn_stream_row *
find_best(const kofn_stream_plan *plan, bool coded)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->rows[i].coded == coded)
            return &plan->rows[i];
    return NULL;
}

static void
judge(kofn_stream_plan *plan)
{
    char best[KOFN_SIM_NAME_MAX], other[KOFN_SIM_NAME_MAX];
    const kofn_stream_row *coded = find_best(plan, true), *plain = find_best(plan, false);
    if (!coded) {
        (void)snprintf(plan->verdict, sizeof plan->verdict,
                       "Coding does not pay: one worker cannot do another's work.");
        return;
    }
    kofn_sim_format(&coded->config, best, sizeof best);
    kofn_sim_format(&plain->config, other, sizeof other);
    const double chance = 2 * hypot(coded->spread, plain->spread);
    const bool is_ahead = compare_rows(coded, plain) < 0;
    plan->pays = is_ahead && coded->time + chance < plain->time;
    const long long rounds = (long long)coded->config.rounds.delay + 1;
    if (plan->pays)
        (void)snprintf(
            plan->verdict, sizeof plan->verdict,
            "Coding pays: %s takes %.3g of a job's time on one worker for each job, %.0f%% "
            "less than %s with %.3g; a job is done in up to %lld round%s.",
            best, coded->time, 100 * (1 - coded->time / plain->time), other, plain->time, rounds,
            rounds > 1 ? "s" : "");
    else if (is_ahead)
        (void)snprintf(plan->verdict, sizeof plan->verdict,
                       "Too close to tell whether coding pays: %s takes %.3g of a job's time on "
                       "one worker for "
                       "each job, %s %.3g, and %.1g of that may be chance; more --work tells.",
                       best, coded->time, other, plain->time, chance);
    else
        (void)snprintf(
            plan->verdict, sizeof plan->verdict,
            "Coding does not pay: %s takes %.3g of a job's time on one worker for each job, "
            "the best coded scheme, %s, %.3g.",
            other, plain->time, best, coded->time);
}

static kofn_status
hand_over(planner *p, kofn_stream_plan *ret_plan)
{
    kofn_stream_plan plan = {.count = p->count, .candidates = p->generated};
    plan.rows = calloc(p->count, sizeof *plan.rows);
    if (!plan.rows)
        return kofn_fail(p->err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu rows", p->count);
    for (size_t i = 0; i < p->count; i++)
        plan.rows[i] = p->at[i].row;
    qsort(plan.rows, plan.count, sizeof *plan.rows, compare_rows);
    judge(&plan);
    *ret_plan = plan;
    return KOFN_OK;
}

static kofn_status
check(const kofn_stream_query *q, kofn_error *err)
{
    kofn_sim_config base = q->base;
    if (q->delay < 0 || q->delay > KOFN_DELAY_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "delay %" PRId64 ": 0 to %d are possible",
                         q->delay, KOFN_DELAY_MAX);
    if (q->parts < 0 || q->limit < 0 || q->limit > KOFN_STREAM_PLAN_LIMIT_MAX || !(q->work >= 0))
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "parts %" PRId64 ", limit %" PRId64
                         ", work %g: none is negative, and limit "
                         "at most %d",
                         q->parts, q->limit, q->work, KOFN_STREAM_PLAN_LIMIT_MAX);
    (void)snprintf(base.policy, sizeof base.policy, "rounds"); // the plainest, to check the rest
    base.rounds.scheme = KOFN_SCHEME_UNCODED;
    base.code = (kofn_code_spec){.part = {1, 1, 1}};
    return kofn_sim_settle(&base, err);
}

kofn_status
kofn_stream_plan_make(const kofn_stream_query *query, bool (*go_on)(void *context, double done),
                      void *context, kofn_stream_plan *ret_plan, kofn_error *err)
{
    planner p = {.query = query, .go_on = go_on, .context = context, .err = err};
    kofn_status status = check(query, err);
    if (status == KOFN_OK)
        status = make_grid(&p);
    if (status == KOFN_OK)
        status = run_stages(&p);
    if (status == KOFN_OK)
        status = hand_over(&p, ret_plan);
    free(p.at);
    return status;
}

void
kofn_stream_plan_fini(kofn_stream_plan *plan)
{
    free(plan->rows);
    *plan = (kofn_stream_plan){0};
}
