/* A process that works on a store is killed, at each failpoint and at random moments; the store is
 * opened again and compared with a model of what it may hold.
 *
 * Steps 0, 1, 2, ... follow from the seed: each puts other contents into one of a few records, or
 * removes it. The victim tells through a pipe which steps it submitted and which were done. A
 * record must then be as some step left it that is not older than the last one that was done, and
 * not newer than the last one that was submitted: nothing that was promised is lost, nothing is
 * half there. */
#include "tests/unit/store_rig.h"

#include "common/base/rng.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "master/store/failpoint.h"

enum { RECORDS = 12, STEPS_MAX = 1 << 16, OUTSTANDING = 8, LARGE = 100, RANDOM_KILLS = 12 };

/* What step s leaves of its record. */
typedef struct step {
    uint64_t id; // 1 .. RECORDS
    bool removes;
    bool large; // slot 1 holds a matrix that needs a file, else nothing
} step;

static step
step_of(uint64_t seed, unsigned number)
{
    kofn_rng rng;
    kofn_rng_init(&rng, seed, number);
    return (step){.id = 1 + kofn_rng_below(&rng, RECORDS),
                  .removes = kofn_rng_below(&rng, 5) == 0,
                  .large = kofn_rng_below(&rng, 2) == 0};
}

/* ---- the victim ------------------------------------------------------------------------------ */

typedef struct told {
    uint32_t number;
    uint32_t done; // or submitted only
} told;

typedef struct victim {
    store_rig *rig;
    uint64_t seed;
    int pipe;
    bool there[RECORDS + 1]; // once all that was submitted is done
    size_t outstanding;
} victim;

typedef struct working_step {
    kofn_store_request request;
    kofn_bands bands[2];
    victim *victim;
    uint32_t number;
} working_step;

static void
tell(const victim *v, uint32_t number, bool done)
{
    const told word = {number, done};
    if (write(v->pipe, &word, sizeof word) != sizeof word)
        _exit(3);
}

static void
on_done(kofn_store_request *request)
{
    working_step *work = request->context;
    if (request->error.status != KOFN_OK)
        _exit(4);
    tell(work->victim, work->number, true);
    work->victim->outstanding--;
    kofn_bands_fini(&work->bands[0]);
    kofn_bands_fini(&work->bands[1]);
    free(work);
}

static void
fill_put(working_step *work, const step *s, kofn_pool *pool)
{
    kofn_store_request *put = &work->request;
    put->record.state = work->number & 255;
    put->record.created_ms = work->number;
    put->record.body = "body";
    put->record.body_bytes = 4;
    put->matrix_count = s->large ? 2 : 1;
    put->drop = s->large ? 0 : 1u << 1;
    make_bands(pool, s->id, 0, work->number, 2, 3, &work->bands[0]);
    if (s->large)
        make_bands(pool, s->id, 1, work->number, LARGE, LARGE, &work->bands[1]);
    for (unsigned slot = 0; slot < 2; slot++)
        put->matrices[slot] = (kofn_store_matrix){.slot = slot, .bands = &work->bands[slot]};
}

static void
submit_step(victim *v, uint32_t number)
{
    const step s = step_of(v->seed, number);
    working_step *work = calloc(1, sizeof *work);
    if (!work)
        _exit(5);
    work->victim = v;
    work->number = number;
    work->request = request_of(s.removes ? KOFN_STORE_REMOVE : KOFN_STORE_PUT, s.id);
    work->request.done = on_done;
    work->request.context = work;
    work->request.is_new = !s.removes && !v->there[s.id];
    v->there[s.id] = !s.removes;
    if (!s.removes)
        fill_put(work, &s, v->rig->pool);
    tell(v, number, false);
    v->outstanding++;
    kofn_store_submit(v->rig->store, &work->request);
}

static kofn_status
note_there(void *context, const kofn_store_record *record, const kofn_error *broken,
           kofn_error *err)
{
    (void)broken;
    (void)err;
    ((bool *)context)[record->id] = true;
    return KOFN_OK;
}

static void
be_victim(store_rig *rig, uint64_t seed, uint32_t first, int pipe)
{
    victim v = {.rig = rig, .seed = seed, .pipe = pipe};
    if (kofn_store_open(&rig->params, &rig->store, NULL) != KOFN_OK ||
        kofn_store_load(rig->store, 0, note_there, v.there, NULL) != KOFN_OK)
        _exit(6);
    for (uint32_t number = first; number < STEPS_MAX; number++) {
        while (v.outstanding >= OUTSTANDING) {
            struct pollfd wake = {.fd = kofn_store_get_fd(rig->store), .events = POLLIN};
            (void)poll(&wake, 1, -1); // serve looks by itself
            kofn_store_serve(rig->store);
        }
        submit_step(&v, number);
    }
    _exit(7); // it should have been killed
}

/* ---- the model ------------------------------------------------------------------------------- */

enum { NEVER = -1 };

typedef struct model {
    uint64_t seed;
    int last_done[RECORDS + 1]; // steps; NEVER: the record was never there
    int last_submitted[RECORDS + 1];
    int seen[RECORDS + 1]; // the step that the store's contents come from; NEVER: it is not there
    uint32_t next;
    size_t told_done;
} model;

/* Until so many more are done or the victim is dead. */
static void
listen_to(model *m, int pipe, size_t done_max)
{
    const size_t enough = m->told_done + done_max;
    told word;
    while (m->told_done < enough &&
           read(pipe, &word, sizeof word) == sizeof word) { // less than PIPE_BUF: whole
        const uint64_t id = step_of(m->seed, word.number).id;
        *(word.done ? &m->last_done[id] : &m->last_submitted[id]) = (int)word.number;
        m->told_done += word.done;
        if (word.number >= m->next)
            m->next = word.number + 1;
    }
}

static kofn_status
note_seen(void *context, const kofn_store_record *record, const kofn_error *broken, kofn_error *err)
{
    model *m = context;
    (void)err;
    assert_null(broken);
    assert_in_range(record->id, 1, RECORDS);
    m->seen[record->id] = (int)record->created_ms;
    return KOFN_OK;
}

static bool
may_be_absent(const model *m, uint64_t id)
{
    if (m->last_done[id] == NEVER)
        return true;
    for (int number = m->last_done[id]; number <= m->last_submitted[id]; number++) {
        const step s = step_of(m->seed, (unsigned)number);
        if (s.id == id && s.removes)
            return true;
    }
    return false;
}

static void
check_matrices(store_rig *rig, const model *m, uint64_t id, size_t *ret_files)
{
    const unsigned number = (unsigned)m->seen[id];
    const step s = step_of(m->seed, number);
    assert_true(s.id == id && !s.removes);
    for (unsigned slot = 0; slot < 2; slot++) {
        kofn_store_request fetch = request_of(KOFN_STORE_FETCH, id);
        kofn_error error;
        fetch.slot = slot;
        assert_fails(rig_call(rig, &fetch, &error), slot < 1 || s.large ? KOFN_OK : KOFN_NOT_FOUND);
        assert_true(!fetch.fetched.data || is_matrix(&fetch.fetched, id, slot, number));
        kofn_mat_fini(&fetch.fetched);
    }
    *ret_files += s.large;
}

/* What is there now counts as done: it will not go away by itself. */
static void
check_store(store_rig *rig, model *m)
{
    size_t files = 0;
    kofn_error error;
    for (uint64_t id = 1; id <= RECORDS; id++)
        m->seen[id] = NEVER;
    rig_open(rig);
    assert_ok(kofn_store_load(rig->store, 0, note_seen, m, &error));
    for (uint64_t id = 1; id <= RECORDS; id++) {
        if (m->seen[id] == NEVER) {
            assert_true(may_be_absent(m, id));
            m->last_done[id] = NEVER;
        } else {
            assert_in_range(m->seen[id], m->last_done[id] > 0 ? m->last_done[id] : 0,
                            m->last_submitted[id]);
            check_matrices(rig, m, id, &files);
            m->last_done[id] = m->seen[id];
        }
        m->last_submitted[id] = m->last_done[id];
    }
    assert_int_equal(count_files(rig, NULL, 0), files);
    kofn_store_close(&rig->store);
}

/* ---- a life ---------------------------------------------------------------------------------- */

/* Until its failpoint, or until so many steps are done. */
static void
live_and_die(store_rig *rig, model *m, const char *failpoint, size_t kill_after)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        if (failpoint)
            setenv("KOFN_FAILPOINT", failpoint, 1);
        be_victim(rig, m->seed, m->next, ends[1]);
    }
    close(ends[1]);
    if (!failpoint) {
        listen_to(m, ends[0], kill_after);
        kill(child, SIGKILL);
    }
    listen_to(m, ends[0], STEPS_MAX);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status))
        fail_msg("the victim of %s ended by itself with %d", failpoint ? failpoint : "chance",
                 WEXITSTATUS(status));
}

static model
new_model(uint64_t seed)
{
    model m = {.seed = seed};
    for (uint64_t id = 0; id <= RECORDS; id++)
        m.last_done[id] = m.last_submitted[id] = NEVER;
    return m;
}

static void
a_kill_at_any_failpoint_loses_nothing_that_was_done(void **state)
{
    static const unsigned passes[] = {1, 2, 9};
    store_rig *rig = *state;
    model m = new_model(test_seed(11));
    char armed[64];
    for (unsigned point = 0; point < KOFN_FAIL_STORE_COUNT; point++)
        for (size_t i = 0; i < 3; i++) {
            if (point == KOFN_FAIL_SCHEMA_MADE && i > 0)
                continue; // it is passed once in a store's life
            snprintf(armed, sizeof armed, "%s:kill:%u", kofn_failpoint_name((kofn_failpoint)point),
                     passes[i]);
            live_and_die(rig, &m, armed, 0);
            check_store(rig, &m);
        }
    print_message("%zu steps done of %u\n", m.told_done, m.next);
}

static void
a_kill_at_any_moment_loses_nothing_that_was_done(void **state)
{
    store_rig *rig = *state;
    kofn_rng rng;
    model m = new_model(test_seed(12));
    kofn_rng_init(&rng, m.seed, UINT64_MAX);
    for (size_t i = 0; i < RANDOM_KILLS; i++) {
        live_and_die(rig, &m, NULL, 1 + kofn_rng_below(&rng, 120));
        check_store(rig, &m);
    }
    print_message("%zu steps done of %u\n", m.told_done, m.next);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_kill_at_any_failpoint_loses_nothing_that_was_done,
                                        rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_kill_at_any_moment_loses_nothing_that_was_done, rig_setup,
                                        rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
