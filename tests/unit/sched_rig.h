/* A scheduler under a script: events in virtual milliseconds, actions as text.
 *
 *     rig *r = *state;                                     of a rig_test
 *     join(r, 1); join(r, 2);
 *     add(r, 1, "uncoded", 2, 2, "oneshot");
 *     assert_actions(r, "send 1.0>1, send 1.1>2");         job.task>worker
 *     answer(r, 1, 0, 1);
 *     assert_actions(r, "");
 */
#ifndef KOFN_TESTS_UNIT_SCHED_RIG_H
#define KOFN_TESTS_UNIT_SCHED_RIG_H

#include "common/base/clock.h"
#include "common/base/keys.h"
#include "common/code/batch.h"
#include "common/code/spec.h"
#include "master/sched/sched.h"
#include "tests/assert.h"

#include <math.h>

enum { RIG_SENDS_MAX = 4096, RIG_TEXT_MAX = 8192, RIG_POLICIES = 4 };

static const char *const rig_policies[RIG_POLICIES] = {"oneshot", "speculative", "rateless",
                                                       "two_stage"};

typedef struct rig {
    kofn_sched *sched;
    kofn_sched_config config;
    int64_t now_ns;
    double flops;                     // of the tasks of the next job
    int64_t deadline_ns;              // of the next job
    kofn_accept accept;               // of the next job
    double noise;                     // of its answers
    uint64_t stream;                  // of the next job; 0: none
    uint64_t client;                  // of the next job
    size_t credit;                    // of the next worker
    uint32_t fields;                  // of the next worker
    kofn_action sends[RIG_SENDS_MAX]; // all so far
    size_t send_count;
    kofn_action last; // action of the last drain that was no SEND
} rig;

static inline kofn_sched_config
rig_config(void)
{
    kofn_sched_config config = {0};
    kofn_keys_set_defaults(kofn_sched_keys, &config);
    return config;
}

static inline void
rig_init_with(rig *r, kofn_sched_config config)
{
    kofn_error error;
    *r = (rig){.config = config,
               .flops = 1e9,
               .deadline_ns = KOFN_NEVER_NS,
               .client = 1,
               .credit = 1,
               .fields = UINT32_MAX,
               .noise = 0x1p-46};
    assert_ok(kofn_sched_new(&config, &r->sched, &error));
}

static inline void
rig_init(rig *r)
{
    rig_init_with(r, rig_config());
}

static inline void
rig_fini(rig *r)
{
    kofn_sched_destroy(&r->sched);
    assert_null(r->sched);
}

static inline int
rig_set_up(void **state)
{
    static rig r;
    rig_init(&r);
    *state = &r;
    return 0;
}

static inline int
rig_tear_down(void **state)
{
    rig_fini(*state);
    return 0;
}

/* A test whose state is a rig under the default configuration. */
#define rig_test(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

static inline kofn_code *
rig_build(const kofn_code_spec *spec)
{
    kofn_error error;
    kofn_code *code = NULL;
    assert_ok(kofn_code_spec_build(spec, kofn_field_find("f64"), &code, &error));
    return code;
}

static inline kofn_code *
rig_code(const char *family, size_t x, size_t y, size_t tasks)
{
    kofn_code_spec spec = {.part = {x, 1, y}, .tasks = tasks, .has_seed = true, .seed = 1};
    (void)snprintf(spec.family, sizeof spec.family, "%s", family);
    return rig_build(&spec);
}

/* A batch of pairs "00 01 12", of left and right blocks by their digits, coded by `locality`. */
static inline kofn_code *
rig_locality(const char *pairs, size_t tasks)
{
    kofn_error error;
    kofn_batch *batch = NULL;
    size_t block[2][16], count = 0, blocks[2] = {0};
    for (; *pairs; pairs += pairs[2] ? 3 : 2, count++)
        for (size_t j = 0; j < 2; j++) {
            block[j][count] = (size_t)(pairs[j] - '0');
            blocks[j] = block[j][count] >= blocks[j] ? block[j][count] + 1 : blocks[j];
        }
    assert_ok(kofn_batch_new_stacked(blocks[0], blocks[1], count, block[0], block[1], NULL,
                                     kofn_field_find("f64"), &batch, &error));
    kofn_code_spec spec = {.family = "locality", .tasks = tasks, .batch = batch};
    kofn_code *code = rig_build(&spec);
    kofn_batch_destroy(&batch);
    return code;
}

static inline kofn_status
try_add(rig *r, uint64_t job, kofn_code *code, const char *policy, kofn_error *error)
{
    const kofn_sched_job params = {
        .id = job,
        .client = r->client,
        .code = code,
        .policy = policy,
        .deadline_ns = r->deadline_ns,
        .task_flops = r->flops,
        .accept = r->accept,
        .noise = r->noise,
        .stream = r->stream,
    };
    return kofn_sched_job_add(r->sched, r->now_ns, &params, error);
}

/* A job with that code, which is destroyed. */
static inline void
add_code(rig *r, uint64_t job, const char *policy, kofn_code *code)
{
    kofn_error error;
    assert_ok(try_add(r, job, code, policy, &error));
    kofn_code_destroy(&code);
}

/* A job of `tasks` tasks over x row parts of A. */
static inline void
add(rig *r, uint64_t job, const char *family, size_t x, size_t tasks, const char *policy)
{
    add_code(r, job, policy, rig_code(family, x, 1, tasks));
}

static inline void
join_with(rig *r, kofn_sched_worker joining)
{
    kofn_error error;
    joining.credit = r->credit;
    joining.fields = r->fields;
    assert_ok(kofn_sched_worker_join(r->sched, r->now_ns, &joining, &error));
}

static inline void
join_as(rig *r, uint64_t worker, const char *name, uint64_t life)
{
    join_with(r, (kofn_sched_worker){.id = worker, .name = name, .life = life});
}

static inline void
join(rig *r, uint64_t worker) // as "w1" and so on
{
    char name[24];
    (void)snprintf(name, sizeof name, "w%d", (int)worker);
    join_as(r, worker, name, 0);
}

static inline void
join_many_from(rig *r, uint64_t first, uint64_t last)
{
    for (uint64_t worker = first; worker <= last; worker++)
        join(r, worker);
}

static inline void
join_many(rig *r, uint64_t count) // 1 to count
{
    join_many_from(r, 1, count);
}

static inline void
lose(rig *r, uint64_t worker)
{
    kofn_sched_worker_lose(r->sched, r->now_ns, worker);
}

static inline void
at(rig *r, int64_t ms) // time goes on, and whoever asked to be woken is
{
    assert_true(ms * KOFN_NS_PER_MS >= r->now_ns);
    r->now_ns = ms * KOFN_NS_PER_MS;
    kofn_sched_tick(r->sched, r->now_ns);
}

/* The latest assignment of the task on that worker. */
static inline uint64_t
assignment_of(const rig *r, uint64_t job, size_t task, uint64_t worker)
{
    for (size_t i = r->send_count; i-- > 0;)
        if (r->sends[i].job == job && r->sends[i].task == task && r->sends[i].worker == worker)
            return r->sends[i].assignment;
    fail_msg("task %zu of job %" PRIu64 " was not sent to worker %" PRIu64, task, job, worker);
    return 0;
}

static inline kofn_verdict
answer(rig *r, uint64_t job, size_t task, uint64_t worker)
{
    return kofn_sched_answer(r->sched, r->now_ns, worker, assignment_of(r, job, task, worker));
}

static inline void
break_down(rig *r, uint64_t job, size_t task, uint64_t worker, const char *why)
{
    kofn_error error;
    (void)kofn_fail(&error, KOFN_RESOURCE_EXHAUSTED, "%s", why);
    kofn_sched_task_fail(r->sched, r->now_ns, worker, assignment_of(r, job, task, worker), &error);
}

static inline kofn_sched_job_view
view_of(const rig *r, uint64_t job)
{
    kofn_sched_job_view view = {0};
    assert_true(kofn_sched_get_job(r->sched, job, &view));
    return view;
}

static inline int
rig_format(const kofn_action *a, char *text, size_t size)
{
    switch (a->kind) {
    case KOFN_ACTION_SEND:
    case KOFN_ACTION_CANCEL:
        return snprintf(text, size, "%s %" PRIu64 ".%zu>%" PRIu64,
                        a->kind == KOFN_ACTION_CANCEL ? "cancel"
                        : a->backup                   ? "copy"
                                                      : "send",
                        a->job, a->task, a->worker);
    case KOFN_ACTION_DECODE:
        return snprintf(text, size, "decode %" PRIu64 "%s%s%s", a->job,
                        a->estimate ? " estimate" : "", a->waited ? " waited" : "",
                        a->poor ? " poor" : "");
    case KOFN_ACTION_FAIL:
        return snprintf(text, size, "fail %" PRIu64 " %s", a->job,
                        kofn_status_name(a->error.status));
    case KOFN_ACTION_RECODE:
        return snprintf(text, size, "recode %" PRIu64, a->job);
    case KOFN_ACTION_TRY:
        return snprintf(text, size, "try %" PRIu64, a->job);
    }
    return -1;
}

/* Take all actions and compare: "send 1.0>1, copy 1.0>2, cancel 1.1>3, decode 1 waited". */
static inline void
assert_actions(rig *r, const char *expected)
{
    static char text[RIG_TEXT_MAX];
    size_t used = 0;
    text[0] = '\0';
    for (kofn_action action; kofn_sched_next_action(r->sched, &action);) {
        if (action.kind == KOFN_ACTION_SEND) {
            assert_in_range(r->send_count, 0, RIG_SENDS_MAX - 1);
            r->sends[r->send_count++] = action;
        } else {
            r->last = action;
        }
        used += (size_t)snprintf(text + used, sizeof text - used, "%s", used ? ", " : "");
        used += (size_t)rig_format(&action, text + used, sizeof text - used);
        assert_in_range(used, 0, sizeof text - 1);
    }
    assert_string_equal(text, expected);
}

#endif
