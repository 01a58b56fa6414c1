/* Two passes. The first knows of a code only what its family's rules say and keeps, for each number
 * of answers, the quickest partition: conditioning grows with that number, so that where the
 * quickest of all proves too badly conditioned, there is a smaller one to fall back to. The second
 * builds those codes, the quickest first.
 */
#include "common/code/plan.h"
#include "common/base/size.h"
#include "common/code/odds.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS_DEFAULT = 2,
    BUILDS_MAX = 10,    // of one family
    TRIALS_PLAIN = 512, // of a code whose tasks are all plain: no algebra
    TRIALS_MAX = 16,
    TRIALS_MIN = 4,
    TYPICAL_TRIALS_MAX = 500,
    TYPICAL_TRIALS_MIN = 100, // fewer say nothing
    CODED_MAX = 300,          // answers to be solved for; above, trials take seconds
    EVERY_PART = 16,          // parts of one direction are thinned out above
    THIN_TASKS = 64,          // where there are more tasks than this
    MANY_TASKS = 1000,        // and more
};

/* Multiplications of one code's trials, about: for what it is worth, and for how few tasks will
 * do. */
static const double TRIALS_BUDGET = 5e4, TYPICAL_BUDGET = 1e6;

typedef enum reason { // why a family has no row; the furthest it came
    REASON_SIZE,      // it cannot be built for so few tasks
    REASON_ESTIMATE,  // it promises estimates only, and the product is asked for
    REASON_STRAGGLERS,
    REASON_ODDS,
    REASON_CONDITION,
    REASON_ERROR,
    REASON_NONE,
} reason;

typedef union params { // of a family, whichever it is
    max_align_t aligned;
    unsigned char bytes[KOFN_PARAMS_MAX];
} params;

typedef struct candidate {
    kofn_partition part;
    kofn_thresholds k;
    size_t tasks, needed; // 0 tasks: there is none
    double late, calm;    // seconds, with and without stragglers
    kofn_typical typical; // where odds are asked for
} candidate;

typedef struct search {
    const kofn_plan_query *query;
    kofn_plan_model *model;
    size_t tasks_max, limit;
    size_t part_count;
    size_t *parts;   // numbers of parts to try in one direction, ascending
    candidate *best; // [tasks_max + 1], of the family at hand, by answers needed
    size_t index;    // of that family
    const kofn_family *family;
    params params;
    kofn_code_set set; // a parameter that is not as the family has it by default; name "": none
    reason *why;       // [families]
    kofn_plan plan;
    kofn_plan_row nearest; // of those that miss the error; family "": none
    kofn_plan_row surest;  // of those that miss the odds; likewise
} search;

/* ---- what a code asks ------------------------------------------------------------------------ */

static double
product(size_t a, size_t b)
{
    return (double)a * (double)b;
}

static double
element_bytes(const kofn_plan_query *q)
{
    return (double)kofn_dtype_width(q->field->dtype);
}

static kofn_shape
part_of(const kofn_plan_query *q, kofn_partition part)
{
    return (kofn_shape){.rows = kofn_part_size(q->shape.rows, part.x),
                        .inner = kofn_part_size(q->shape.inner, part.z),
                        .cols = kofn_part_size(q->shape.cols, part.y)};
}

/* Everything but encode and decode. */
static kofn_plan_load
weigh_transfers(const kofn_plan_query *q, const candidate *c)
{
    const kofn_shape whole = q->shape, part = part_of(q, c->part);
    const double bytes = element_bytes(q);
    return (kofn_plan_load){
        .tasks = c->tasks,
        .needed = c->needed,
        .flops = 2 * product(part.rows, part.inner) * (double)part.cols,
        .bytes_in = bytes * (product(part.rows, part.inner) + product(part.inner, part.cols)),
        .bytes_out = bytes * product(part.rows, part.cols),
        .bytes_asked =
            bytes * (product(whole.rows, whole.inner) + product(whole.inner, whole.cols)),
        .bytes_given = bytes * product(whole.rows, whole.cols),
    };
}

/* As long as the code is not built: all is mixed, or, where no task can be lost, all is copied. */
static kofn_plan_load
weigh(const kofn_plan_query *q, const candidate *c)
{
    kofn_plan_load load = weigh_transfers(q, c);
    const double asked = load.bytes_asked, given = load.bytes_given, bytes = element_bytes(q);
    const bool mixed = c->tasks > c->needed;
    const double made = mixed ? (double)c->tasks * load.bytes_in : asked;
    const double mixing = mixed ? 2 * (double)c->tasks * asked / bytes : 0;
    const double terms = mixed ? (double)c->needed : (double)c->part.z;
    load.encode = kofn_plan_machine_coding(&q->machine, asked + made, mixing);
    load.decode = kofn_plan_machine_coding(&q->machine, (double)c->needed * load.bytes_out + given,
                                           2 * terms * given / bytes);
    return load;
}

/* Bytes and flops to make one operand's blocks: an operand in one block that is not scaled goes as
 * it is, a plain block is copied out once for all. */
static void
weigh_operand(const kofn_code *code, size_t operand, double whole, double block, double *bytes,
              double *mixed)
{
    const size_t blocks = code->e[operand].cols;
    size_t coded = 0, plain = 0, last = SIZE_MAX;
    for (size_t task = 0; task < code->tasks; task++) {
        const size_t of = kofn_code_plain_block(code, operand, task);
        coded += of == SIZE_MAX;
        plain += of != SIZE_MAX && of != last; // ascending in all families: seen once, nearly
        last = of;
    }
    if (plain > blocks)
        plain = blocks;
    if (blocks == 1)
        plain = 0;
    if (coded + plain > 0)
        *bytes += whole + (double)(coded + plain) * block;
    *mixed += (double)coded * whole;
}

/* Once it is built and tried. */
static kofn_plan_load
weigh_built(const kofn_plan_query *q, const candidate *c, const kofn_code *code,
            const kofn_odds *odds)
{
    kofn_plan_load load = weigh_transfers(q, c);
    const kofn_shape whole = q->shape, part = part_of(q, c->part);
    const double element = element_bytes(q);
    double bytes = 0, mixed = 0;
    weigh_operand(code, 0, element * product(whole.rows, whole.inner),
                  element * product(part.rows, part.inner), &bytes, &mixed);
    weigh_operand(code, 1, element * product(whole.inner, whole.cols),
                  element * product(part.inner, part.cols), &bytes, &mixed);
    load.encode = kofn_plan_machine_coding(&q->machine, bytes, 2 * mixed / element);
    const double terms = odds->density * (double)c->needed;
    load.decode =
        kofn_plan_machine_coding(&q->machine, (double)c->needed * load.bytes_out + load.bytes_given,
                                 2 * terms * load.bytes_given / element);
    return load;
}

/* ---- first pass: what can be built, and how long it takes ------------------------------------ */

static size_t
divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* Tasks of the S workers that have most, dealt out evenly. */
static size_t
tasks_at_risk(const search *s, size_t tasks)
{
    return s->query->stragglers * divide_up(tasks, s->query->machine.workers);
}

/* The fewest tasks of which any S workers' may be lost (one at least): the least n with
 * n - S ceil(n / P) >= k. */
static size_t
least_tasks(const search *s, size_t needed)
{
    const size_t workers = s->query->machine.workers;
    const size_t stragglers = s->query->stragglers ? s->query->stragglers : 1;
    for (size_t each = 1; each * workers <= s->tasks_max + workers; each++)
        if (needed + stragglers * each <= each * workers)
            return needed + stragglers * each;
    return SIZE_MAX;
}

static void
note(search *s, reason why)
{
    if (why > s->why[s->index])
        s->why[s->index] = why;
}

/* The least time of what needs no more answers. Many workers: what is slower and needs more is not
 * worth a run. */
static double
time_to_beat(const search *s, size_t needed)
{
    double least = s->best[needed].tasks ? s->best[needed].late : INFINITY;
    for (size_t fewer = 1; s->tasks_max > THIN_TASKS && fewer < needed; fewer++)
        if (s->best[fewer].tasks && s->best[fewer].late < least)
            least = s->best[fewer].late;
    return least;
}

static bool
is_better(const candidate *a, const candidate *b)
{
    return b->tasks == 0 || a->late < b->late || (a->late == b->late && a->calm < b->calm);
}

/* A family whose number of tasks follows from the partition has no code with more. */
static bool
can_grow(const search *s, kofn_family_args args)
{
    kofn_thresholds k;
    args.tasks++;
    return !s->family->threshold_for(&args, &k, NULL);
}

/* `typical` where odds decide, and not stragglers; else NULL. */
static void
try_tasks(search *s, kofn_family_args *args, size_t tasks, const kofn_typical *typical)
{
    candidate c = {.part = args->part, .tasks = tasks};
    if (typical)
        c.typical = *typical;
    args->tasks = tasks;
    if (tasks == 0 || tasks > s->tasks_max || s->family->threshold_for(args, &c.k, NULL))
        return;
    c.needed = c.k.enough;
    if (c.k.enough < c.k.exact && s->query->error == 0) {
        note(s, REASON_ESTIMATE);
        return;
    }
    if (c.needed > tasks || (!typical && c.needed == tasks && can_grow(s, *args)))
        return;
    if (!typical && c.needed < tasks && tasks - c.needed < tasks_at_risk(s, tasks)) {
        note(s, REASON_STRAGGLERS);
        return;
    }
    s->plan.candidates++;
    candidate *best = &s->best[c.needed];
    const kofn_plan_load load = weigh(s->query, &c);
    if (kofn_plan_model_bound(s->model, &load) > time_to_beat(s, c.needed))
        return;
    c.late = kofn_plan_model_run(s->model, &load, s->query->stragglers);
    if (best->tasks && c.late > best->late)
        return;
    c.calm = kofn_plan_model_run(s->model, &load, 0);
    if (is_better(&c, best))
        *best = c;
}

static kofn_typical_question
ask_typical(const search *s, kofn_partition part)
{
    const kofn_plan_query *q = s->query;
    return (kofn_typical_question){.family = s->family,
                                   .field = q->field,
                                   .part = part,
                                   .params = s->family->params_size ? &s->params : NULL,
                                   .estimate = q->error > 0,
                                   .failure = q->failure,
                                   .odds = q->odds,
                                   .tasks_max = s->tasks_max,
                                   .seed = q->seed};
}

/* The family's parameter that decides on tasks, as this code has it. */
static void
set_value(search *s, const kofn_typical *typical)
{
    if (!s->family->tasks_key || typical->value == 0)
        return;
    const kofn_key *key = kofn_keys_find(s->family->keys, s->family->tasks_key);
    memcpy(s->params.bytes + key->offset, &typical->value, sizeof typical->value);
}

/* Even if it took a task for each block of the product only, and these came uncoded. */
static bool
is_too_slow(const search *s, kofn_partition part)
{
    const size_t outputs = kofn_partition_outputs(part);
    const candidate c = {.part = part, .tasks = outputs, .needed = outputs};
    const kofn_plan_load load = weigh(s->query, &c);
    return kofn_plan_model_bound(s->model, &load) > time_to_beat(s, outputs);
}

static void
try_odds(search *s, kofn_family_args *args)
{
    const kofn_typical_question question = ask_typical(s, args->part);
    kofn_typical found;
    if (is_too_slow(s, args->part))
        return;
    if (kofn_typical_find(&question, &found, NULL) || found.tasks == 0)
        return; // it cannot be built at all; the query was checked
    if (found.method != KOFN_TYPICAL_NONE) {
        set_value(s, &found);
        try_tasks(s, args, found.tasks, &found);
        return;
    }
    note(s, REASON_ODDS);
    if (s->surest.spec.family[0] && s->surest.typical.miss <= found.miss)
        return;
    s->surest =
        (kofn_plan_row){.spec = {.part = args->part, .tasks = found.tasks}, .typical = found};
    (void)snprintf(s->surest.spec.family, sizeof s->surest.spec.family, "%s", s->family->name);
}

static void
try_partition(search *s, kofn_partition part)
{
    const size_t workers = s->query->machine.workers;
    kofn_family_args args = {.field = s->query->field,
                             .part = part,
                             .seed = s->query->seed,
                             .params = s->family->params_size ? &s->params : NULL};
    kofn_thresholds k;
    if (s->query->odds > 0) {
        try_odds(s, &args);
        return;
    }
    const size_t usual = s->family->default_tasks(&args, workers);
    args.tasks = usual;
    if (usual == 0 || usual > KOFN_TASKS_MAX || s->family->threshold_for(&args, &k, NULL))
        return;
    const size_t least = least_tasks(s, k.enough);
    try_tasks(s, &args, usual, NULL);
    if (least != usual)
        try_tasks(s, &args, least, NULL);
    if (workers != usual && workers != least)
        try_tasks(s, &args, workers, NULL);
}

static bool
is_asked(kofn_partition asked, kofn_partition p)
{
    return (!asked.x || asked.x == p.x) && (!asked.z || asked.z == p.z) &&
           (!asked.y || asked.y == p.y);
}

/* No family takes fewer answers than there are output blocks, nor fewer than 1 in z of the block
 * products, so more parts than this cannot fit. */
static void
try_partitions(search *s)
{
    const kofn_shape *shape = &s->query->shape;
    for (size_t i = 0; i < s->part_count && s->parts[i] <= shape->rows; i++)
        for (size_t j = 0; j < s->part_count && s->parts[j] <= shape->cols; j++) {
            const size_t outputs = s->parts[i] * s->parts[j];
            if (outputs > s->tasks_max)
                break;
            for (size_t l = 0; l < s->part_count && s->parts[l] <= shape->inner; l++) {
                const kofn_partition part = {s->parts[i], s->parts[l], s->parts[j]};
                if (outputs * part.z > s->tasks_max)
                    break;
                if (is_asked(s->query->part, part))
                    try_partition(s, part);
            }
        }
}

static bool
has_candidate(const search *s)
{
    for (size_t needed = 1; needed <= s->tasks_max; needed++)
        if (s->best[needed].tasks)
            return true;
    return false;
}

static void
start_family(search *s, size_t index)
{
    s->index = index;
    s->family = kofn_family_at(index);
    s->set = (kofn_code_set){.name = ""};
    memset(s->best, 0, (s->tasks_max + 1) * sizeof *s->best);
    memset(&s->params, 0, sizeof s->params);
    kofn_keys_set_defaults(s->family->keys, &s->params);
    try_partitions(s);
}

/* A family that cannot lose what is asked as it is by default may with another parameter: whole
 * numbers are tried one after another, as many as there are stragglers. */
static void
raise_params(search *s)
{
    for (size_t i = 0; i < s->family->keys.count && s->why[s->index] == REASON_STRAGGLERS; i++) {
        const kofn_key *key = &s->family->keys.at[i];
        const params before = s->params;
        int64_t value;
        if (key->type != KOFN_KEY_INT)
            continue;
        memcpy(&value, s->params.bytes + key->offset, sizeof value);
        for (size_t step = 0; step < s->query->stragglers && !has_candidate(s); step++) {
            (void)snprintf(s->set.name, sizeof s->set.name, "%s", key->name);
            (void)snprintf(s->set.value, sizeof s->set.value, "%" PRId64, ++value);
            if (kofn_key_parse(key, s->set.value, &s->params, NULL))
                break;
            try_partitions(s);
        }
        if (has_candidate(s))
            return;
        s->params = before;
        s->set.name[0] = '\0';
    }
}

/* ---- second pass: build and try -------------------------------------------------------------- */

static kofn_status
make_spec(const search *s, const candidate *c, kofn_code_spec *ret_spec, kofn_error *err)
{
    const kofn_plan_query *q = s->query;
    kofn_code_spec spec = {.part = c->part, .tasks = c->tasks, .has_seed = true, .seed = q->seed};
    (void)snprintf(spec.family, sizeof spec.family, "%s", s->family->name);
    if (s->set.name[0]) {
        spec.set_count = 1;
        spec.sets[0] = s->set;
    } else if (c->typical.value) {
        spec.set_count = 1;
        (void)snprintf(spec.sets[0].name, sizeof spec.sets[0].name, "%s", s->family->tasks_key);
        (void)snprintf(spec.sets[0].value, sizeof spec.sets[0].value, "%" PRId64, c->typical.value);
    }
    const kofn_code_context context = {.field = q->field,
                                       .rows = q->shape.rows,
                                       .inner = q->shape.inner,
                                       .cols = q->shape.cols,
                                       .workers = q->machine.workers};
    const kofn_status status = kofn_code_spec_complete(&spec, &context, err);
    if (!status)
        *ret_spec = spec;
    return status;
}

/* Answers of the usual set that have to be solved for. */
static double
count_coded(const kofn_code *code, size_t needed)
{
    return (double)kofn_code_count_coded(code) * (double)needed /
           (double)kofn_code_first_tasks(code);
}

/* Without a trial, in an exact field: nothing is rounded there. */
static kofn_odds
untried_odds(const kofn_plan_query *q, const candidate *c)
{
    return (kofn_odds){
        .decodable = kofn_odds_count(c->tasks, c->needed, q->machine.workers, q->failure),
        .answers = (double)c->needed,
        .density = 1,
    };
}

static kofn_status
try_code(const search *s, const candidate *c, kofn_code *code, kofn_odds *ret_odds, kofn_error *err)
{
    const double coded = count_coded(code, c->needed);
    if (coded > CODED_MAX) {
        *ret_odds = s->query->field->epsilon > 0
                        ? (kofn_odds){.amplification = INFINITY, .error = INFINITY}
                        : untried_odds(s->query, c);
        return KOFN_OK;
    }
    kofn_coding coding;
    kofn_coding_init(&coding, code, s->query->shape, false, false);
    const double trials = TRIALS_BUDGET / (1 + coded * coded * coded);
    const kofn_odds_question question = {
        .coding = &coding,
        .workers = s->query->machine.workers,
        .failure = s->query->failure,
        .estimate = c->needed < c->k.exact,
        .seed = s->query->seed,
        .trials = coded == 0            ? TRIALS_PLAIN
                  : trials > TRIALS_MAX ? TRIALS_MAX
                  : trials < TRIALS_MIN ? TRIALS_MIN
                                        : (size_t)trials,
    };
    return kofn_odds_measure(&question, ret_odds, err);
}

/* By formula where there is one for tasks that have a worker each, else as the trials say. */
static double
get_decodable(const search *s, const candidate *c, const kofn_odds *odds)
{
    const kofn_typical_question question = ask_typical(s, c->part);
    kofn_typical found;
    if (c->typical.method != KOFN_TYPICAL_NONE)
        return 1 - c->typical.miss;
    if (c->tasks > s->query->machine.workers ||
        kofn_typical_weigh(&question, c->tasks, &found, NULL) ||
        (found.method == KOFN_TYPICAL_BOUND && !s->family->miss_for))
        return odds->decodable;
    return 1 - found.miss;
}

static void
fill_row(const search *s, const candidate *c, const kofn_code *code, const kofn_odds *odds,
         kofn_plan_row *row)
{
    const kofn_plan_query *q = s->query;
    const kofn_plan_load load = weigh_built(q, c, code, odds);
    const double most = (double)divide_up(c->tasks, q->machine.workers);
    row->part = part_of(q, c->part);
    row->exact = c->k.exact;
    row->enough = c->k.enough;
    row->needed = c->needed;
    row->redundant = c->tasks > c->needed;
    row->policy = code->likely ? "rateless" : row->redundant ? "oneshot" : "speculative";
    row->flops = most * load.flops;
    row->bytes_in = most * load.bytes_in;
    row->bytes_out = most * load.bytes_out;
    row->encode = load.encode;
    row->decode = load.decode;
    row->amplification = odds->amplification;
    row->worst_amplification = odds->worst_amplification;
    row->error = odds->error;
    row->decodable = get_decodable(s, c, odds);
    row->typical = c->typical;
    row->likely = code->likely;
    row->seconds = kofn_plan_model_run(s->model, &load, 0);
    row->seconds_late = kofn_plan_model_run(s->model, &load, q->stragglers);
}

/* What keeps a code that was built from being a row. */
static reason
judge(search *s, const kofn_plan_row *row)
{
    const kofn_plan_query *q = s->query;
    const double poor = q->field->epsilon > 0 ? pow(q->field->epsilon, -5.0 / 16) : INFINITY;
    if (row->needed == row->exact && row->amplification > poor)
        return REASON_CONDITION;
    if (q->error == 0 || row->error <= q->error)
        return REASON_NONE;
    if (!s->nearest.spec.family[0] || row->error < s->nearest.error)
        s->nearest = *row;
    return REASON_ERROR;
}

/* Where the odds are bounded only, fewer tasks may do: as many trials as some milliseconds allow.
 * They change nothing else: thresholds that depend on the number of tasks are of families that know
 * their odds better (kofn_family.miss_for), and of these none is tried. */
static kofn_status
refine(search *s, candidate *c, kofn_error *err)
{
    kofn_typical_question question = ask_typical(s, c->part);
    const double needed = (double)c->needed, trials = TYPICAL_BUDGET / (needed * needed * needed);
    if (c->typical.method != KOFN_TYPICAL_BOUND || trials < TYPICAL_TRIALS_MIN)
        return KOFN_OK;
    question.trials = trials < TYPICAL_TRIALS_MAX ? (size_t)trials : (size_t)TYPICAL_TRIALS_MAX;
    const kofn_status status = kofn_typical_find(&question, &c->typical, err);
    if (!status)
        c->tasks = c->typical.tasks;
    return status;
}

static kofn_status
build(search *s, candidate *c, reason *ret_why, kofn_error *err)
{
    kofn_plan_row *row = &s->plan.rows[s->plan.count]; // room is there
    kofn_code *code = NULL;
    kofn_odds odds;
    set_value(s, &c->typical);
    kofn_status status = refine(s, c, err);
    if (!status)
        status = make_spec(s, c, &row->spec, err);
    if (!status)
        status = kofn_code_spec_build(&row->spec, s->query->field, &code, err);
    if (!status)
        status = try_code(s, c, code, &odds, err);
    if (!status) {
        fill_row(s, c, code, &odds, row);
        *ret_why = judge(s, row);
        s->plan.count += *ret_why == REASON_NONE;
    }
    kofn_code_destroy(&code);
    if (status == KOFN_RESOURCE_EXHAUSTED)
        return status;
    if (status) // beyond a limit that only the maker knows
        *ret_why = REASON_SIZE;
    return KOFN_OK;
}

/* The quickest that needs fewer answers than `below`. NULL: none. */
static candidate *
take_quickest(search *s, size_t below)
{
    candidate *quickest = NULL;
    for (size_t needed = 1; needed < below && needed <= s->tasks_max; needed++) {
        candidate *c = &s->best[needed];
        if (c->tasks && (!quickest || is_better(c, quickest)))
            quickest = c;
    }
    return quickest;
}

static kofn_status
build_best(search *s, kofn_error *err)
{
    size_t found = 0, below = SIZE_MAX;
    for (size_t builds = 0; builds < BUILDS_MAX + s->limit && found < s->limit; builds++) {
        candidate *c = take_quickest(s, below);
        if (!c)
            break;
        reason why = REASON_NONE;
        const kofn_status status = build(s, c, &why, err);
        if (status)
            return status;
        note(s, why);
        found += why == REASON_NONE;
        if (why != REASON_NONE) // more answers only make it worse
            below = c->needed - c->needed / 16;
        c->tasks = 0;
    }
    if (found > 0)
        s->why[s->index] = REASON_NONE;
    return KOFN_OK;
}

/* ---- what is said of it ---------------------------------------------------------------------- */

/* Where it stands in family.c, which begins with the simplest. */
static size_t
place_of(const char *family)
{
    size_t i = 0;
    while (i < kofn_family_count() && strcmp(kofn_family_at(i)->name, family) != 0)
        i++;
    return i;
}

static int
compare_rows(const void *a, const void *b)
{
    const kofn_plan_row *left = a, *right = b;
    if (left->seconds_late != right->seconds_late)
        return left->seconds_late < right->seconds_late ? -1 : 1;
    if (left->seconds != right->seconds)
        return left->seconds < right->seconds ? -1 : 1;
    if (left->error != right->error)
        return left->error < right->error ? -1 : 1;
    const size_t before = place_of(left->spec.family), after = place_of(right->spec.family);
    return (before > after) - (before < after);
}

static void
format_row(const kofn_plan_row *row, char *ret_text, size_t size)
{
    const kofn_partition p = row->spec.part;
    (void)snprintf(ret_text, size, "%s %zu,%zu,%zu n=%zu", row->spec.family, p.x, p.z, p.y,
                   row->spec.tasks);
}

/* The first row that can, or cannot, lose tasks. NULL: none. */
static const kofn_plan_row *
find_row(const kofn_plan *plan, bool redundant)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->rows[i].redundant == redundant)
            return &plan->rows[i];
    return NULL;
}

static size_t
append(char *text, size_t length, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int more = vsnprintf(text + length, KOFN_PLAN_TEXT_MAX - length, format, args);
    va_end(args);
    const size_t end = length + (more > 0 ? (size_t)more : 0);
    return end < KOFN_PLAN_TEXT_MAX ? end : KOFN_PLAN_TEXT_MAX - 1;
}

static void
write_verdict(const kofn_plan_query *q, kofn_plan *plan)
{
    const kofn_plan_row *plain = find_row(plan, false), *coded = find_row(plan, true);
    char plain_name[96] = "", coded_name[96] = "", *text = plan->verdict;
    size_t length = 0;
    if (plain)
        format_row(plain, plain_name, sizeof plain_name);
    if (coded)
        format_row(coded, coded_name, sizeof coded_name);
    const bool local = plan->local > 0 && plan->local <= plan->rows[0].seconds_late;
    plan->pays = !local && coded && (!plain || coded->seconds_late < plain->seconds_late);
    if (plain && coded)
        length = append(text, length,
                        "Coding %s with %zu straggler%s: %s takes %.3g s (%.3g s undisturbed), %s "
                        "with copies of what is late %.3g s (%.3g s)",
                        plan->pays ? "pays" : "does not pay", q->stragglers,
                        q->stragglers == 1 ? "" : "s", coded_name, coded->seconds_late,
                        coded->seconds, plain_name, plain->seconds_late, plain->seconds);
    else
        length =
            append(text, length, "Only %s fit: %s takes %.3g s, %.3g s undisturbed",
                   coded ? "codes" : "products without a code", coded ? coded_name : plain_name,
                   plan->rows[0].seconds_late, plan->rows[0].seconds);
    if (local)
        length =
            append(text, length, "; local OpenBLAS would be faster than all: %.3g s", plan->local);
    (void)append(text, length, ".");
}

static void
write_left_out(search *s)
{
    static const char *const texts[] = {
        [REASON_SIZE] = "no such code of so few tasks",
        [REASON_ESTIMATE] = "gives estimates, for those who name an error",
        [REASON_STRAGGLERS] = "cannot lose the stragglers' tasks",
        [REASON_ODDS] = "fails more often than the odds allow, on so few workers",
        [REASON_CONDITION] = "too badly conditioned for this dtype",
        [REASON_ERROR] = "cannot keep to the error",
    };
    size_t length = 0;
    for (reason why = REASON_SIZE; why < REASON_NONE; why++) {
        size_t count = 0;
        for (size_t i = 0; i < kofn_family_count(); i++) {
            if (s->why[i] != why)
                continue;
            length = append(s->plan.left_why, length, "%s%s",
                            count++ > 0  ? ", "
                            : length > 0 ? "; "
                                         : "",
                            kofn_family_at(i)->name);
        }
        s->plan.left_out += count;
        if (count > 0)
            length = append(s->plan.left_why, length, ": %s", texts[why]);
    }
}

static void
finish(search *s)
{
    const kofn_plan_query *q = s->query;
    kofn_plan *plan = &s->plan;
    qsort(plan->rows, plan->count, sizeof *plan->rows, compare_rows);
    const kofn_plan_row *plain = find_row(plan, false);
    if (q->machine.local_rate > 0)
        plan->local = 2 * product(q->shape.rows, q->shape.inner) * (double)q->shape.cols /
                      q->machine.local_rate;
    for (size_t i = 0; i < plan->count; i++) {
        kofn_plan_row *row = &plan->rows[i];
        const bool local = plan->local > 0 && plan->local <= row->seconds_late;
        row->pays = row->redundant && !local && (!plain || row->seconds_late < plain->seconds_late);
    }
    write_verdict(q, plan);
    write_left_out(s);
}

static kofn_status
fail_empty(const search *s, kofn_error *err)
{
    const kofn_plan_query *q = s->query;
    char name[96];
    if (!s->nearest.spec.family[0] && s->surest.spec.family[0]) {
        format_row(&s->surest, name, sizeof name);
        return kofn_fail(
            err, KOFN_FAILED_PRECONDITION,
            "no code of at most %zu tasks, a worker each, fails with a probability below "
            "%g when each worker fails with %g; %s comes nearest with %.2g: give it more "
            "workers, or larger odds",
            s->tasks_max, q->odds, q->failure, name, s->surest.typical.miss);
    }
    if (!s->nearest.spec.family[0] && q->odds > 0)
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "no code of at most %zu tasks, a worker each, can be built for this",
                         s->tasks_max);
    if (!s->nearest.spec.family[0])
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "no code of at most %zu tasks can lose %zu of %zu workers: ask for fewer "
                         "stragglers, or give it more workers or tasks",
                         s->tasks_max, q->stragglers, q->machine.workers);
    format_row(&s->nearest, name, sizeof name);
    return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                     "no code keeps to an error of %g here; %s comes nearest with %.2g: ask for no "
                     "less than that",
                     q->error, name, s->nearest.error);
}

/* ---- all ------------------------------------------------------------------------------------- */

void
kofn_plan_query_init(kofn_plan_query *query, const kofn_field *field, kofn_shape shape,
                     size_t workers)
{
    *query = (kofn_plan_query){.field = field, .shape = shape, .failure = 0.05, .seed = 1};
    kofn_plan_machine_init(&query->machine, workers);
}

static kofn_status
check(const kofn_plan_query *q, kofn_error *err)
{
    const kofn_shape *shape = &q->shape;
    if (shape->rows == 0 || shape->inner == 0 || shape->cols == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a product of %zu x %zu x %zu is empty: there is nothing to plan",
                         shape->rows, shape->inner, shape->cols);
    if (q->stragglers >= q->machine.workers)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "stragglers=%zu, need fewer than the %zu workers", q->stragglers,
                         q->machine.workers);
    if (!(q->failure >= 0 && q->failure <= 1))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "failure=%g, need a probability, 0 to 1",
                         q->failure);
    if (!(q->error >= 0 && q->error < INFINITY))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "error=%g, need 0 (the product itself) or more", q->error);
    if (!(q->odds >= 0 && q->odds < 1))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "odds=%g, need 0 (stragglers decide) or a probability below 1, like 1e-3",
                         q->odds);
    if (q->part.x > shape->rows || q->part.z > shape->inner || q->part.y > shape->cols)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "partition %zu,%zu,%zu has more parts than a product of %zu x %zu x %zu",
                         q->part.x, q->part.z, q->part.y, shape->rows, shape->inner, shape->cols);
    if (q->limit > KOFN_PLAN_ROWS_MAX || q->tasks_max > KOFN_TASKS_MAX)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%zu rows of each family and %zu tasks, need at most %d and %d", q->limit,
                         q->tasks_max, KOFN_PLAN_ROWS_MAX, KOFN_TASKS_MAX);
    return KOFN_OK;
}

/* All, or where there are too many: 1 to 16, then steps of an eighth; of a quarter from 8 on for
 * a thousand workers. What was asked for is not stepped over. */
static size_t
next_part(const search *s, size_t part)
{
    const size_t asked[] = {s->query->part.x, s->query->part.z, s->query->part.y};
    size_t next = part + 1;
    if (s->tasks_max > MANY_TASKS && part >= EVERY_PART / 2)
        next = part + part / 4;
    else if (s->tasks_max > THIN_TASKS && part >= EVERY_PART)
        next = part + part / 8;
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
        if (part < asked[i] && asked[i] < next)
            next = asked[i];
    return next;
}

static void
fill_parts(search *s)
{
    for (size_t part = 1; part <= s->tasks_max; part = next_part(s, part))
        s->parts[s->part_count++] = part;
}

static kofn_status
start(search *s, kofn_error *err)
{
    const size_t families = kofn_family_count();
    kofn_status status = kofn_plan_model_new(&s->query->machine, &s->model, err);
    if (status)
        return status;
    s->parts = calloc(s->tasks_max, sizeof *s->parts);
    s->best = calloc(s->tasks_max + 1, sizeof *s->best);
    s->why = calloc(families, sizeof *s->why);
    s->plan.rows = calloc(families * s->limit + 1, sizeof *s->plan.rows);
    if (!s->parts || !s->best || !s->why || !s->plan.rows)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "plan: no memory for %zu tasks",
                         s->tasks_max);
    fill_parts(s);
    return KOFN_OK;
}

kofn_status
kofn_plan_make(const kofn_plan_query *query, kofn_plan *ret_plan, kofn_error *err)
{
    kofn_status status = check(query, err);
    if (status)
        return status;
    search s = {.query = query,
                .tasks_max = query->tasks_max ? query->tasks_max : 2 * query->machine.workers,
                .limit = query->limit ? query->limit : ROWS_DEFAULT};
    if (query->odds > 0)
        s.tasks_max = kofn_size_smaller(s.tasks_max, query->machine.workers);
    status = start(&s, err);
    for (size_t i = 0; i < kofn_family_count() && !status; i++) {
        const kofn_family *family = kofn_family_at(i);
        if (family->only_batches || (query->rateless && !family->rateless))
            continue;
        start_family(&s, i);
        if (!has_candidate(&s))
            raise_params(&s);
        status = build_best(&s, err);
    }
    if (!status && s.plan.count == 0)
        status = fail_empty(&s, err);
    if (!status)
        finish(&s);
    kofn_plan_model_destroy(&s.model);
    free(s.parts);
    free(s.best);
    free(s.why);
    if (status)
        kofn_plan_fini(&s.plan);
    else
        *ret_plan = s.plan;
    return status;
}

void
kofn_plan_fini(kofn_plan *plan)
{
    free(plan->rows);
    *plan = (kofn_plan){0};
}
