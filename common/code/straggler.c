/* Straggler models.
 *
 * Three ways to know who is slow. What does not depend on the past is looked up: none, persistent,
 * trace. Where workers straggle each alone, each has a chain of its own (iid is the chain that
 * forgets at once), which moves when somebody asks for its column. Where they straggle together,
 * all rounds up to the one asked for are drawn for all.
 */
#include "common/code/straggler.h"
#include "common/base/rng.h"
#include "common/base/size.h"
#include "common/code/straggler_trace.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct chain { // of one worker
    kofn_rng rng;
    uint64_t drawn; // rounds so far
    size_t state;   // in the last of them; 0: good
} chain;

typedef struct joint { // arbitrary
    kofn_rng rng;
    uint64_t drawn;   // rounds so far
    uint32_t *counts; // [window]: stragglers in each of the last rounds, round t at t mod window
    uint64_t in_window;
    uint32_t *order; // [workers]: all of them; the first `slow` straggle in the last round drawn
    uint32_t *place; // [workers]: where in `order` each one is
    uint32_t slow;
} joint;

typedef struct kind kind;

struct kofn_straggler {
    const kind *kind;
    kofn_straggler_spec spec;
    size_t workers;
    chain *chains; // [workers], of models that have them
    joint joint;
    kofn_straggler_trace trace;
};

/* ---- keys ------------------------------------------------------------------------------------ */

#define FIELD(field_) KOFN_KEY_FIELD(kofn_straggler_spec, field_)
#define WORKERS_MAX   KOFN_STRAGGLER_WORKERS_MAX

enum { WINDOW_MAX = 65536 };

/* The model is the first: kofn_straggler_parse takes it from in front of the colon. */
static const kofn_key table[] = {
    {"model", KOFN_KEY_CHOICE, FIELD(model), 0, 0, "none",
     "none|persistent|iid|fritchman|arbitrary|trace", "Which workers are slow in which rounds"},
    {"count", KOFN_KEY_INT, FIELD(count), 0, WORKERS_MAX, "1", NULL,
     "persistent: so many workers are slow, in every round"},
    {"delta", KOFN_KEY_REAL, FIELD(delta), 0, 1, "0.3", NULL,
     "iid: probability that a worker is slow in a round"},
    {"enter", KOFN_KEY_REAL, FIELD(enter), 0, 1, "0.05", NULL,
     "fritchman: probability that a burst begins in a round after a good one"},
    {"leave", KOFN_KEY_REAL, FIELD(leave), 1e-9, 1, "0.5", NULL,
     "fritchman: probability to leave a bad state for the next, the last for the good one"},
    {"states", KOFN_KEY_INT, FIELD(states), 1, 1024, "2", NULL,
     "fritchman: bad states; a burst lasts states / leave rounds in the mean"},
    {"failures", KOFN_KEY_INT, FIELD(failures), 0, (double)WORKERS_MAX *WINDOW_MAX, "4", NULL,
     "arbitrary: N, slow workers in any window at most, over all its rounds"},
    {"window", KOFN_KEY_INT, FIELD(window), 1, WINDOW_MAX, "4", NULL,
     "arbitrary: W, rounds of a window"},
    {"file", KOFN_KEY_STRING, FIELD(trace), 0, KOFN_STRAGGLER_PATH_MAX - 1, "", NULL,
     "trace: a line a round, a column a worker; 0 and 1, or factors"},
    {"seed", KOFN_KEY_INT, FIELD(seed), 0, 9007199254740992.0, "1", NULL, "Of what is drawn"},
    {"slowdown", KOFN_KEY_REAL, FIELD(slowdown), 1, KOFN_STRAGGLER_SLOWDOWN_MAX, "5", NULL,
     "How many times as long a slow worker takes, unless a trace says"},
};

enum { KEYS = sizeof table / sizeof table[0] };

const kofn_keys kofn_straggler_keys = {.at = table, .count = KEYS};

/* ---- each worker alone ----------------------------------------------------------------------- */

static kofn_status
open_chains(kofn_straggler *model, kofn_error *err)
{
    model->chains = calloc(model->workers, sizeof *model->chains);
    if (!model->chains)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu workers", model->workers);
    for (size_t i = 0; i < model->workers; i++)
        kofn_rng_init(&model->chains[i].rng, (uint64_t)model->spec.seed, i);
    return KOFN_OK;
}

static void
step_iid(const kofn_straggler *model, chain *c)
{
    c->state = kofn_rng_unit(&c->rng) < model->spec.delta;
}

/* Each bad state lasts as long as another, in the mean. */
static double
share_fritchman(const kofn_straggler *model)
{
    const double bad = (double)model->spec.states / model->spec.leave;
    return bad / (bad + 1 / model->spec.enter); // enter = 0: 1 / infinity
}

static void
step_fritchman(const kofn_straggler *model, chain *c)
{
    const kofn_straggler_spec *spec = &model->spec;
    const size_t states = (size_t)spec->states;
    const double draw = kofn_rng_unit(&c->rng);
    if (c->drawn == 0)
        c->state = draw < share_fritchman(model) ? 1 + kofn_rng_below(&c->rng, states) : 0;
    else if (c->state == 0)
        c->state = draw < spec->enter;
    else if (draw < spec->leave)
        c->state = (c->state + 1) % (states + 1);
}

/* ---- all together ---------------------------------------------------------------------------- */

static void
restart_joint(kofn_straggler *model)
{
    joint *j = &model->joint;
    const size_t window = (size_t)model->spec.window;
    kofn_rng_init(&j->rng, (uint64_t)model->spec.seed, WORKERS_MAX); // no worker's
    memset(j->counts, 0, window * sizeof *j->counts);
    for (size_t i = 0; i < model->workers; i++)
        j->order[i] = j->place[i] = (uint32_t)i;
    j->drawn = j->in_window = j->slow = 0;
}

static kofn_status
open_arbitrary(kofn_straggler *model, kofn_error *err)
{
    joint *j = &model->joint;
    const kofn_straggler_spec *spec = &model->spec;
    const int64_t most = spec->window * (int64_t)model->workers;
    if (spec->failures > most)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "failures=%" PRId64 ": %zu workers in window=%" PRId64
                         " rounds can fail %" PRId64 " times; lower failures",
                         spec->failures, model->workers, spec->window, most);
    j->counts = calloc((size_t)spec->window, sizeof *j->counts);
    j->order = calloc(model->workers, sizeof *j->order);
    j->place = calloc(model->workers, sizeof *j->place);
    if (!j->counts || !j->order || !j->place)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu workers", model->workers);
    restart_joint(model);
    return KOFN_OK;
}

/* One more round: how many straggle, then who: the beginning of a shuffle of all. */
static void
step_joint(kofn_straggler *model)
{
    joint *j = &model->joint;
    uint32_t *oldest = &j->counts[j->drawn % (uint64_t)model->spec.window];
    j->in_window -= *oldest; // falls out
    const uint64_t left = (uint64_t)model->spec.failures - j->in_window;
    const size_t most = kofn_size_smaller((size_t)left, model->workers);
    j->slow = *oldest = (uint32_t)kofn_rng_below(&j->rng, most + 1);
    j->in_window += j->slow;
    j->drawn++;
    for (uint32_t i = 0; i < j->slow; i++) {
        const size_t other = i + kofn_rng_below(&j->rng, model->workers - i);
        const uint32_t who = j->order[other];
        j->order[other] = j->order[i];
        j->order[i] = who;
        j->place[j->order[other]] = (uint32_t)other;
        j->place[who] = i;
    }
}

/* ---- the models ------------------------------------------------------------------------------ */

static double
if_slow(const kofn_straggler *model, bool is_slow)
{
    return is_slow ? model->spec.slowdown : 1;
}

static double
get_none(kofn_straggler *model, uint64_t round, size_t worker)
{
    (void)model, (void)round, (void)worker; // all alike
    return 1;
}

static kofn_status
open_persistent(kofn_straggler *model, kofn_error *err)
{
    if ((uint64_t)model->spec.count <= model->workers)
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "count=%" PRId64 ": there are %zu workers; lower count", model->spec.count,
                     model->workers);
}

static double
get_persistent(kofn_straggler *model, uint64_t round, size_t worker)
{
    (void)round; // in each
    return if_slow(model, worker < (size_t)model->spec.count);
}

static double
get_arbitrary(kofn_straggler *model, uint64_t round, size_t worker)
{
    joint *j = &model->joint;
    if (j->drawn > 0 && round < j->drawn - 1)
        restart_joint(model);
    while (j->drawn <= round)
        step_joint(model);
    return if_slow(model, j->place[worker] < j->slow);
}

static kofn_status
open_trace(kofn_straggler *model, kofn_error *err)
{
    const kofn_straggler_spec *spec = &model->spec;
    if (!spec->trace[0])
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "a trace is read from a file; give file=PATH");
    kofn_status status = kofn_straggler_trace_load(spec->trace, spec->slowdown, &model->trace, err);
    if (status == KOFN_OK && model->trace.workers < model->workers)
        status = kofn_fail(err, KOFN_INVALID_ARGUMENT,
                           "%s: it is of %zu workers, there are %zu; take no more than it has",
                           spec->trace, model->trace.workers, model->workers);
    return status;
}

static double
get_trace(kofn_straggler *model, uint64_t round, size_t worker)
{
    const kofn_straggler_trace *trace = &model->trace;
    return (double)trace->factors[round % trace->rounds * trace->workers + worker];
}

typedef kofn_status open_function(kofn_straggler *model, kofn_error *err);
typedef double get_function(kofn_straggler *model, uint64_t round, size_t worker);
typedef void step_function(const kofn_straggler *model, chain *c);

struct kind {
    const char *name;
    const char *keys;    // that it has, each between blanks
    open_function *open; // check the keys, make what it needs; NULL: nothing
    get_function *get;   // the factor
    step_function *step; // or move one worker's chain to its next round
};

static double get_chain(kofn_straggler *model, uint64_t round, size_t worker);

static const kind kinds[] = {
    [KOFN_STRAGGLER_NONE] = {"none", " ", NULL, get_none, NULL},
    [KOFN_STRAGGLER_PERSISTENT] = {"persistent", " count slowdown ", open_persistent,
                                   get_persistent, NULL},
    [KOFN_STRAGGLER_IID] = {"iid", " delta seed slowdown ", open_chains, get_chain, step_iid},
    [KOFN_STRAGGLER_FRITCHMAN] = {"fritchman", " enter leave states seed slowdown ", open_chains,
                                  get_chain, step_fritchman},
    [KOFN_STRAGGLER_ARBITRARY] = {"arbitrary", " failures window seed slowdown ", open_arbitrary,
                                  get_arbitrary, NULL},
    [KOFN_STRAGGLER_TRACE] = {"trace", " file slowdown ", open_trace, get_trace, NULL},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static double
get_chain(kofn_straggler *model, uint64_t round, size_t worker)
{
    chain *c = &model->chains[worker];
    if (c->drawn > 0 && round < c->drawn - 1) {
        c->drawn = 0;
        kofn_rng_init(&c->rng, (uint64_t)model->spec.seed, worker);
    }
    for (; c->drawn <= round; c->drawn++)
        model->kind->step(model, c);
    return if_slow(model, c->state > 0);
}

/* ---- text ------------------------------------------------------------------------------------ */

static kofn_status
find_model(const char *name, int *ret_model, kofn_error *err)
{
    const char *names[KINDS];
    for (int i = 0; i < KINDS; i++) {
        names[i] = kinds[i].name;
        if (strcmp(names[i], name) == 0) {
            *ret_model = i;
            return KOFN_OK;
        }
    }
    const char *near = kofn_nearest_name(name, names, KINDS);
    if (near)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "'%s' is no straggler model; did you mean '%s'?", name, near);
    char choices[128];
    kofn_key_format_bounds(&table[0], choices, sizeof choices);
    return kofn_fail(err, KOFN_INVALID_ARGUMENT, "'%s' is no straggler model; use %s", name,
                     choices);
}

static kofn_status
set_key(kofn_straggler_spec *spec, const char *name, const char *value, kofn_error *err)
{
    const kind *of = &kinds[spec->model];
    const kofn_keys keys = {.at = table + 1, .count = KEYS - 1}; // all but the model
    const kofn_key *key = kofn_keys_find(keys, name);
    const char *near = kofn_keys_nearest(keys, name);
    if (!key)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: no such key%s%s%s", name,
                         near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    if (!kofn_names_have(of->keys, name))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: the model %s has no such key; it has:%s",
                         name, of->name, of->keys[1] ? of->keys : " none");
    return kofn_key_parse(key, value, spec, err);
}

/* From *at to the next `end` or the end of the text, with a NUL behind; *at behind that. False:
 * more than `size` holds. */
static bool
cut_word(const char **at, char end, char *ret_word, size_t size)
{
    const char *mark = strchr(*at, end);
    const size_t length = mark ? (size_t)(mark - *at) : strlen(*at);
    if (length >= size)
        return false;
    memcpy(ret_word, *at, length);
    ret_word[length] = '\0';
    *at += length + (mark != NULL);
    return true;
}

static kofn_status
fail_form(const char *at, kofn_error *err)
{
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "'%.60s' is not MODEL:KEY=VALUE,KEY=VALUE, like iid:delta=0.3,seed=7", at);
}

kofn_status
kofn_straggler_parse(const char *text, kofn_straggler_spec *ret_spec, kofn_error *err)
{
    char name[32], pair[KOFN_STRAGGLER_PATH_MAX + 32];
    const char *at = text;
    kofn_straggler_spec spec;
    kofn_keys_set_defaults(kofn_straggler_keys, &spec);
    if (!cut_word(&at, ':', name, sizeof name))
        return fail_form(text, err);
    kofn_status status = find_model(name, &spec.model, err);
    while (status == KOFN_OK && *at) {
        const char *value = pair, *here = at;
        if (!cut_word(&at, ',', pair, sizeof pair) || !cut_word(&value, '=', name, sizeof name) ||
            value == pair + strlen(name))
            return fail_form(here, err);
        status = set_key(&spec, name, value, err);
    }
    if (status == KOFN_OK)
        *ret_spec = spec;
    return status;
}

/* ---- a model --------------------------------------------------------------------------------- */

/* A spec that no parser saw. */
static kofn_status
check_bounds(const kofn_straggler_spec *spec, kofn_error *err)
{
    if (spec->model < 0 || spec->model >= KINDS)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "%d is no straggler model", spec->model);
    for (size_t i = 0; i < KEYS; i++) {
        const kofn_key *key = &table[i];
        if (!kofn_names_have(kinds[spec->model].keys, key->name))
            continue;
        const kofn_status status = kofn_key_check(key, spec, err);
        if (status != KOFN_OK)
            return status;
    }
    return KOFN_OK;
}

kofn_status
kofn_straggler_new(const kofn_straggler_spec *spec, size_t workers, kofn_straggler **ret_model,
                   kofn_error *err)
{
    kofn_status status = check_bounds(spec, err);
    if (status != KOFN_OK)
        return status;
    if (workers == 0 || workers > KOFN_STRAGGLER_WORKERS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "stragglers among %zu workers, need 1 to %d",
                         workers, KOFN_STRAGGLER_WORKERS_MAX);
    kofn_straggler *model = calloc(1, sizeof *model);
    if (!model)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a straggler model");
    model->spec = *spec;
    model->kind = &kinds[spec->model];
    model->workers = workers;
    if (model->kind->open)
        status = model->kind->open(model, err);
    if (status != KOFN_OK) {
        (void)kofn_fail_within(err, "stragglers (%s)", model->kind->name);
        kofn_straggler_destroy(&model);
        return status;
    }
    *ret_model = model;
    return KOFN_OK;
}

void
kofn_straggler_destroy(kofn_straggler **model_p)
{
    kofn_straggler *model = *model_p;
    if (!model)
        return;
    free(model->chains);
    free(model->joint.counts);
    free(model->joint.order);
    free(model->joint.place);
    kofn_straggler_trace_fini(&model->trace);
    free(model);
    *model_p = NULL;
}

double
kofn_straggler_get_factor(kofn_straggler *model, uint64_t round, size_t worker)
{
    assert(worker < model->workers);
    return model->kind->get(model, round, worker);
}

void
kofn_straggler_fill(kofn_straggler *model, uint64_t round, double *ret_factors)
{
    for (size_t i = 0; i < model->workers; i++)
        ret_factors[i] = model->kind->get(model, round, i);
}
