/* A master with a store, played by hand: what it sends and says before and after it was started
 * anew. Its end is always at once: open jobs stay open. */
#include "tests/unit/master_stage.h"

#include "master/store/store.h"
#include "master/verify.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static const problem small = {.rows = 6, .inner = 4, .cols = 3};
static const problem square = {.rows = 4, .inner = 4, .cols = 4};

/* ---- what another hand does to the store ----------------------------------------------------- */

typedef struct found_record {
    kofn_store_record record; // its body is in `body`
    char body[4096];
    size_t count;
} found_record;

static kofn_status
take_record(void *context, const kofn_store_record *record, const kofn_error *broken,
            kofn_error *err)
{
    (void)err;
    found_record *found = context;
    assert_null(broken);
    assert_true(record->body_bytes <= sizeof found->body);
    found->record = *record;
    memcpy(found->body, record->body, record->body_bytes);
    found->record.body = found->body;
    found->count++;
    return KOFN_OK;
}

static void
note_done(kofn_store_request *request)
{
    assert_int_equal(request->error.status, KOFN_OK);
    *(bool *)request->context = true;
}

/* The only record of a kind, as the master that is stopped left it. */
static kofn_store *
open_store(stage *s, kofn_store_kind kind, found_record *ret_found)
{
    const kofn_store_params params = {.folder = s->config.store, .helpers = 1, .pool = s->pool};
    kofn_store *store;
    kofn_error error;
    assert_ok(kofn_store_open(&params, &store, &error));
    ret_found->count = 0;
    assert_ok(kofn_store_load(store, kind, take_record, ret_found, &error));
    assert_int_equal(ret_found->count, 1);
    return store;
}

static void
put_record(kofn_store **store_p, const kofn_store_record *record, bool is_new,
           const kofn_bands *fresh)
{
    bool done = false;
    kofn_store_request put = {
        .verb = KOFN_STORE_PUT, .record = *record, .done = note_done, .context = &done};
    put.is_new = is_new;
    put.matrix_count = fresh != NULL;
    put.matrices[0].bands = fresh;
    kofn_store_submit(*store_p, &put);
    kofn_store_close(store_p);
    assert_true(done);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

enum { TASKS_MAX = 8, ELEMENTS_MAX = 64 };

typedef struct seen_tasks {
    size_t count;
    bool seen[TASKS_MAX];
    double a[TASKS_MAX][ELEMENTS_MAX]; // the first block of each, by number
} seen_tasks;

static void
see_task(stage *s, peer *worker, seen_tasks *seen)
{
    task t;
    kofn_mat a;
    kofn_error error;
    expect_task(worker, &t);
    assert_true(t.head.task < TASKS_MAX);
    assert_ok(kofn_bands_gather(&t.blocks.mat[0], s->pool, &a, &error));
    assert_true(a.rows * a.cols <= ELEMENTS_MAX);
    memcpy(seen->a[t.head.task], a.data, a.rows * a.cols * sizeof(double));
    seen->seen[t.head.task] = true;
    seen->count++;
    kofn_mat_fini(&a);
    task_fini(&t);
}

static void
the_same_rows_are_sent_after_a_restart(void **state)
{
    stage *s = *state;
    seen_tasks before = {0}, after = {0};
    const problem open = {
        .rows = 6, .inner = 4, .cols = 3, .family = "rkrp", .x = 2, .z = 1, .y = 1};
    char job[KOFN_ID_MAX];
    stage_run(s);
    peer *workers[4];
    for (size_t i = 0; i < 4; i++)
        workers[i] = join_worker(s, "w", 1);
    submit(s, open_client(s, KOFN_WINDOW_BYTES), 1, &open, job);
    for (size_t i = 0; i < 4; i++)
        see_task(s, workers[i], &before); // four workers: a code of four tasks
    stage_restart(s);
    peer *only = join_worker(s, "w", 4); // for one worker it would be another code
    for (size_t i = 0; i < 4; i++)
        see_task(s, only, &after);
    for (size_t t = 0; t < TASKS_MAX; t++) {
        assert_int_equal(after.seen[t], before.seen[t]);
        assert_memory_equal(after.a[t], before.a[t], sizeof after.a[t]);
    }
}

static void
one_key_at_once_from_two_clients_is_one_job(void **state)
{
    stage *s = *state;
    problem keyed = small;
    keyed.key = "the same";
    stage_run(s);
    peer *client[2] = {open_client(s, KOFN_WINDOW_BYTES), open_client(s, KOFN_WINDOW_BYTES)};
    for (size_t round = 0; round < 20; round++) {
        kofn_msg_job_ref ref[2];
        char key[32];
        snprintf(key, sizeof key, "round %zu", round);
        keyed.key = key;
        for (size_t i = 0; i < 2; i++)
            send_product(s, client[i], round + 1, KOFN_METHOD_SUBMIT, &keyed);
        for (size_t i = 0; i < 2; i++)
            assert_int_equal(expect_reply(client[i], round + 1, &kofn_job_ref_message, &ref[i]),
                             KOFN_OK);
        assert_string_equal(ref[0].job, ref[1].job);
    }
}

static void
who_waits_when_it_stops_is_told_to_come_again(void **state)
{
    stage *s = *state;
    char job[KOFN_ID_MAX], same[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    submit(s, client, 1, &small, job);
    assert_true(get_job(client, job).durable);
    send_job_call(client, 2, KOFN_METHOD_WAIT, job);
    (void)check_health(client); // after which the call is known
    kofn_master_stop(s->master);
    kofn_master_stop(s->master);
    assert_int_equal(expect_reply(client, 2, NULL, NULL), KOFN_UNAVAILABLE);
    stage_restart(s);
    client = open_client(s, KOFN_WINDOW_BYTES);
    peer *worker = join_worker(s, "w", 1);
    send_job_call(client, 3, KOFN_METHOD_WAIT, job);
    task t;
    expect_task(worker, &t);
    answer(s, worker, &t);
    expect_product(s, client, 3, &small, same);
    assert_string_equal(same, job);
    send_job_call(client, 4, KOFN_METHOD_WAIT, job);
    expect_product(s, client, 4, &small, same); // once more, from disk
}

static void
assert_compression(peer *client, const char *job, const kofn_msg_compression *expected)
{
    const kofn_msg_compression found = get_job(client, job).compression;
    assert_string_equal(found.method, expected->method);
    assert_string_equal(found.dtype, expected->dtype);
    assert_int_equal(found.rows, expected->rows);
    assert_int_equal(found.inner, expected->inner);
    assert_int_equal(found.cols, expected->cols);
    assert_int_equal(found.samples, expected->samples);
    assert_int_equal(found.most, expected->most);
    assert_int_equal(found.seed, expected->seed);
    assert_int_equal(found.elements, expected->elements);
    assert_true(found.bound == expected->bound && found.lemma == expected->lemma);
    assert_true(found.size == expected->size);
}

/* While it waits, after a restart, and when it is over, before and after another one. */
static void
what_operands_were_made_from_is_told_all_their_jobs_life(void **state)
{
    static const kofn_msg_compression made = {.method = "cr",
                                              .dtype = "f64",
                                              .rows = 6,
                                              .inner = 400,
                                              .cols = 3,
                                              .samples = 5,
                                              .most = 5,
                                              .seed = UINT64_MAX,
                                              .bound = 0.25,
                                              .lemma = 0.5,
                                              .size = 1e300,
                                              .elements = 36};
    stage *s = *state;
    char job[KOFN_ID_MAX], same[KOFN_ID_MAX];
    problem sketched = small;
    sketched.compression = &made;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    submit(s, client, 1, &sketched, job);
    assert_compression(client, job, &made);
    stage_restart(s);
    client = open_client(s, KOFN_WINDOW_BYTES);
    assert_compression(client, job, &made);
    peer *worker = join_worker(s, "w", 1);
    task t;
    expect_task(worker, &t);
    answer(s, worker, &t);
    send_job_call(client, 3, KOFN_METHOD_WAIT, job);
    expect_product(s, client, 3, &small, same);
    assert_compression(client, job, &made);
    stage_restart(s);
    assert_compression(open_client(s, KOFN_WINDOW_BYTES), job, &made);
}

static void
a_multiply_is_not_kept(void **state)
{
    stage *s = *state;
    stage_run(s);
    send_product(s, open_client(s, KOFN_WINDOW_BYTES), 1, KOFN_METHOD_MULTIPLY, &small);
    (void)check_health(open_client(s, 0));
    stage_restart(s);
    kofn_msg_jobs jobs;
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    send_call(client, 1, KOFN_METHOD_LIST_JOBS, NULL, NULL);
    assert_int_equal(expect_reply(client, 1, &kofn_jobs_message, &jobs), KOFN_OK);
    assert_int_equal(jobs.jobs.count, 0);
    kofn_message_clear(&kofn_jobs_message, &jobs);
}

static void
a_job_is_refused_when_the_store_is_full_with_a_hint_to_retry(void **state)
{
    stage *s = *state;
    s->config.store_bytes = 100;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 1, KOFN_METHOD_SUBMIT, &small);
    kofn_msg_reply reply;
    expect(client, &kofn_reply_message, &reply);
    assert_int_equal(reply.status, KOFN_RESOURCE_EXHAUSTED);
    assert_true(reply.retry_ms > 0);
    char operand[KOFN_ID_MAX];
    const problem tiny = {.rows = 1, .inner = 1, .cols = 1};
    put_operand(s, client, 2, &tiny, 0, operand); // this one has room
}

static void
cancel(peer *client, uint64_t call, const char *job)
{
    send_job_call(client, call, KOFN_METHOD_CANCEL, job);
    assert_int_equal(expect_reply(client, call, NULL, NULL), KOFN_OK);
}

/* The record of a job that ended keeps the key under which another one runs by now. */
static void
a_key_of_two_records_is_the_newer_jobs_when_the_older_is_forgotten(void **state)
{
    stage *s = *state;
    char first[KOFN_ID_MAX], second[KOFN_ID_MAX], other[KOFN_ID_MAX], again[KOFN_ID_MAX];
    problem keyed = small, other_key = small;
    keyed.key = "of two records";
    other_key.key = "whose job takes the memory of the first";
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    submit(s, client, 1, &keyed, first);
    cancel(client, 2, first);
    submit(s, client, 3, &keyed, second);
    assert_string_not_equal(second, first);

    s->config.keep_jobs = 0;
    stage_restart(s);
    client = open_client(s, KOFN_WINDOW_BYTES);
    submit(s, client, 1, &other_key, other);
    send_job_call(client, 2, KOFN_METHOD_GET_JOB, first);
    assert_int_equal(expect_reply(client, 2, NULL, NULL), KOFN_NOT_FOUND);
    submit(s, client, 3, &keyed, again);
    assert_string_equal(again, second);
}

/* ---- masters that die ------------------------------------------------------------------------ */

/* What one leaves that did not stop; the jobs that were open are so in either case. */
static void
leave_mark(stage *s, const char *text)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/running", s->config.store);
    assert_int_equal(access(path, F_OK), -1); // it stopped
    FILE *to = fopen(path, "we");
    assert_non_null(to);
    assert_true(fputs(text, to) >= 0);
    assert_int_equal(fclose(to), 0);
}

static void
read_mark(stage *s, char ret_text[64])
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/running", s->config.store);
    FILE *from = fopen(path, "re");
    assert_non_null(from);
    assert_non_null(fgets(ret_text, 64, from));
    assert_int_equal(fclose(from), 0);
}

static void
die_and_restart(stage *s)
{
    char mark[64];
    read_mark(s, mark);
    stage_stop(s);
    leave_mark(s, mark);
    stage_run(s);
}

/* The job whose task comes, which is not answered. */
static void
expect_task_of(stage *s, const char *job)
{
    task t;
    expect_task(join_worker(s, "w", 4), &t);
    assert_string_equal(t.head.job, job);
    task_fini(&t);
}

/* Another boot's mark, by an hour, and marks that were cut off or are none. */
static void
a_machine_that_went_down_is_no_death_of_the_master(void **state)
{
    stage *s = *state;
    char job[KOFN_ID_MAX], mark[64];
    stage_run(s);
    submit(s, open_client(s, KOFN_WINDOW_BYTES), 1, &small, job);
    read_mark(s, mark);
    char earlier[64];
    (void)snprintf(earlier, sizeof earlier, "%lld\n", strtoll(mark, NULL, 10) - 3600000);
    const char *const marks[] = {earlier, earlier, earlier, earlier, earlier, "", "x\n", "1\n"};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        stage_stop(s);
        leave_mark(s, marks[i]);
        stage_run(s);
        expect_task_of(s, job);
    }
    assert_string_equal(get_job(open_client(s, KOFN_WINDOW_BYTES), job).state, "running");
}

static void
a_job_under_which_the_master_dies_again_and_again_has_failed(void **state)
{
    enum { TRIES = 3 };
    stage *s = *state;
    char bad[KOFN_ID_MAX], good[KOFN_ID_MAX], same[KOFN_ID_MAX];
    task t;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    submit(s, client, 1, &small, bad);
    submit(s, client, 2, &small, good);
    die_and_restart(s);
    peer *worker = join_worker(s, "w", 4);
    for (size_t i = 0; i < 2; i++) { // both at once
        expect_task(worker, &t);
        task_fini(&t);
    }
    for (size_t i = 0; i <= TRIES; i++) {
        die_and_restart(s);
        expect_task_of(s, bad);
        client = open_client(s, KOFN_WINDOW_BYTES);
        assert_string_equal(get_job(client, good).state, "storing"); // and no task of it
        assert_string_equal(get_job(client, bad).state, "running");
        if (i > 0)
            continue;
        stage_restart(s); // a stop is no death: this try does not count
    }
    die_and_restart(s);
    worker = join_worker(s, "w", 4);
    client = open_client(s, KOFN_WINDOW_BYTES);
    expect_task(worker, &t);
    answer(s, worker, &t);
    send_job_call(client, 1, KOFN_METHOD_WAIT, good);
    expect_product(s, client, 1, &small, same);
    send_job_call(client, 2, KOFN_METHOD_WAIT, bad);
    assert_int_equal(expect_reply(client, 2, NULL, NULL), KOFN_FAILED_PRECONDITION);
    assert_non_null(strstr(get_job(client, bad).message, "died 3 times"));
}

static void
suspects_are_begun_one_after_another_and_done(void **state)
{
    stage *s = *state;
    char job[3][KOFN_ID_MAX], same[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    for (size_t i = 0; i < 3; i++)
        submit(s, client, i + 1, &small, job[i]);
    die_and_restart(s);
    (void)check_health(open_client(s, 0));
    die_and_restart(s);
    client = open_client(s, KOFN_WINDOW_BYTES);
    cancel(client, 1, job[1]);
    peer *worker = join_worker(s, "w", 4);
    for (size_t i = 0; i < 3; i += 2) {
        task t;
        expect_task(worker, &t);
        assert_string_equal(t.head.job, job[i]);
        assert_string_equal(get_job(client, job[2]).state, i == 0 ? "storing" : "running");
        answer(s, worker, &t);
        send_job_call(client, 2 + i, KOFN_METHOD_WAIT, job[i]);
        expect_product(s, client, 2 + i, &small, same);
    }
}

/* ---- operands -------------------------------------------------------------------------------- */

static void
jobs_that_need_an_operand_from_disk_share_one_load(void **state)
{
    stage *s = *state;
    char operand[KOFN_ID_MAX], again[KOFN_ID_MAX];
    problem put = square;
    put.key = "of this name";
    stage_run(s);
    put_operand(s, open_client(s, KOFN_WINDOW_BYTES), 1, &put, 0, operand);
    stage_restart(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    put_operand(s, client, 1, &put, 0, again);
    assert_string_equal(again, operand);
    problem named = square;
    named.operand[0] = operand;
    peer *others[] = {open_client(s, KOFN_WINDOW_BYTES), open_client(s, KOFN_WINDOW_BYTES)};
    for (size_t i = 0; i < 2; i++)
        send_product(s, others[i], 2, KOFN_METHOD_MULTIPLY, &named);
    send_product(s, client, 2, KOFN_METHOD_SUBMIT, &named);
    kofn_msg_job_ref ref;
    assert_int_equal(expect_reply(client, 2, &kofn_job_ref_message, &ref), KOFN_OK);
    peer *worker = join_worker(s, "w", 1);
    for (size_t i = 0; i < 3; i++) { // in whichever order they come
        task t;
        expect_task(worker, &t);
        answer(s, worker, &t);
    }
    for (size_t i = 0; i < 2; i++)
        expect_product(s, others[i], 2, &named, again);
    send_job_call(client, 3, KOFN_METHOD_WAIT, ref.job);
    expect_product(s, client, 3, &named, again);
}

/* Put under one key at once, and the master was killed before the second of them went. */
static void
a_key_of_two_operands_is_the_newer_ones_when_the_older_is_dropped(void **state)
{
    stage *s = *state;
    char older[KOFN_ID_MAX], other[KOFN_ID_MAX], again[KOFN_ID_MAX], newer[KOFN_ID_MAX];
    problem keyed = square, other_key = square;
    keyed.key = "of two records";
    other_key.key = "of the operand that takes the memory";
    stage_run(s);
    put_operand(s, open_client(s, KOFN_WINDOW_BYTES), 1, &keyed, 0, older);
    stage_stop(s);
    found_record found;
    kofn_bands bands;
    kofn_store *store = open_store(s, KOFN_STORE_OPERAND, &found);
    found.record.id++;
    snprintf(newer, sizeof newer, "%016" PRIx64, found.record.id);
    problem_operand(s, &keyed, 0, &bands);
    put_record(&store, &found.record, true, &bands);
    kofn_bands_fini(&bands);

    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    kofn_msg_operand_ref ref;
    snprintf(ref.operand, sizeof ref.operand, "%s", older);
    send_call(client, 1, KOFN_METHOD_DROP_OPERAND, &kofn_operand_ref_message, &ref);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_OK);
    put_operand(s, client, 2, &other_key, 0, other);
    put_operand(s, client, 3, &keyed, 0, again);
    assert_string_equal(again, newer);
}

static kofn_status
drop_operand(peer *client, uint64_t call, const char *operand)
{
    kofn_msg_operand_ref ref;
    snprintf(ref.operand, sizeof ref.operand, "%s", operand);
    send_call(client, call, KOFN_METHOD_DROP_OPERAND, &kofn_operand_ref_message, &ref);
    return expect_reply(client, call, NULL, NULL);
}

static void
an_operand_that_the_memory_cannot_hold_waits_on_disk(void **state)
{
    stage *s = *state;
    char operand[KOFN_ID_MAX];
    const uint64_t memory = s->config.memory;
    stage_run(s);
    put_operand(s, open_client(s, KOFN_WINDOW_BYTES), 1, &square, 0, operand);

    problem named = square;
    named.operand[0] = operand;
    s->config.memory = 100; // of 128 bytes
    stage_restart(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &named);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_FAILED_PRECONDITION);

    s->config.memory = memory;
    stage_restart(s);
    client = open_client(s, KOFN_WINDOW_BYTES);
    peer *worker = join_worker(s, "w", 1);
    send_product(s, client, 1, KOFN_METHOD_MULTIPLY, &named);
    task t;
    char job[KOFN_ID_MAX];
    expect_task(worker, &t);
    answer(s, worker, &t);
    expect_product(s, client, 1, &named, job);

    s->config.memory = 100;
    stage_restart(s);
    assert_int_equal(drop_operand(open_client(s, KOFN_WINDOW_BYTES), 1, operand), KOFN_OK);
    s->config.memory = memory;
    stage_restart(s);
    assert_int_equal(drop_operand(open_client(s, KOFN_WINDOW_BYTES), 1, operand), KOFN_NOT_FOUND);
}

static void
limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Every write fails meanwhile. */
static kofn_status
drop_on_a_broken_disk(peer *client, uint64_t call, const char *operand)
{
    limit_files(1);
    const kofn_status status = drop_operand(client, call, operand);
    limit_files(RLIM_INFINITY);
    return status;
}

static void
an_operand_whose_drop_the_disk_refuses_is_still_there(void **state)
{
    stage *s = *state;
    char operand[KOFN_ID_MAX], job[KOFN_ID_MAX], again[KOFN_ID_MAX];
    problem named = square;
    (void)signal(SIGXFSZ, SIG_IGN); // a failed write is an error like another
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    named.key = "of the operand";
    put_operand(s, client, 1, &named, 0, operand);
    assert_int_not_equal(drop_on_a_broken_disk(client, 2, operand), KOFN_OK);
    put_operand(s, client, 3, &named, 0, again);
    assert_string_equal(again, operand);

    named.key = NULL;
    named.operand[0] = operand; // in use: its drop is noted first
    submit(s, client, 4, &named, job);
    assert_int_not_equal(drop_on_a_broken_disk(client, 5, operand), KOFN_OK);
    assert_int_equal(drop_operand(client, 6, operand), KOFN_OK);
    assert_int_equal(drop_operand(client, 7, operand), KOFN_NOT_FOUND);
    peer *worker = join_worker(s, "w", 1);
    task t;
    expect_task(worker, &t);
    answer(s, worker, &t);
    send_job_call(client, 8, KOFN_METHOD_WAIT, job);
    expect_product(s, client, 8, &named, again);
    stage_restart(s);
    assert_int_equal(drop_operand(open_client(s, KOFN_WINDOW_BYTES), 1, operand), KOFN_NOT_FOUND);
}

static void
jobs_from_disk_take_turns_by_owner(void **state)
{
    enum { JOBS = 4, LAST = JOBS - 1 };
    static const size_t order[JOBS] = {0, 1, LAST, 2}; // the first is out before the others are in
    stage *s = *state;
    char operand[KOFN_ID_MAX], job[JOBS][KOFN_ID_MAX];
    found_record found;
    problem named = square;
    s->config.compute_threads = 1; // codes are there in the order of the jobs
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    put_operand(s, client, 1, &square, 0, operand);
    named.operand[0] = named.operand[1] = operand;
    submit(s, client, 2, &named, job[0]);
    stage_stop(s);
    kofn_store *store = open_store(s, KOFN_STORE_JOB, &found);
    kofn_store_close(&store);
    for (size_t i = 1; i < JOBS; i++) { // the last is another's
        const kofn_store_params params = {.folder = s->config.store, .helpers = 1, .pool = s->pool};
        kofn_error error;
        found.record.id++;
        snprintf(job[i], sizeof job[i], "%016" PRIx64, found.record.id);
        snprintf(found.record.owner, sizeof found.record.owner, "%s", i == LAST ? "another" : "");
        assert_ok(kofn_store_open(&params, &store, &error));
        put_record(&store, &found.record, true, NULL);
    }
    stage_run(s);
    peer *worker = join_worker(s, "w", 1);
    for (size_t i = 0; i < JOBS; i++) {
        task t;
        expect_task(worker, &t);
        assert_string_equal(t.head.job, job[order[i]]);
        answer(s, worker, &t);
    }
}

/* A job whose stored operand, dropped since, is larger than the memory of the next master. */
static void
block_job(stage *s, problem *ret_named, char operand[KOFN_ID_MAX], char job[KOFN_ID_MAX])
{
    *ret_named = square;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    put_operand(s, client, 1, &square, 0, operand);
    ret_named->operand[0] = operand;
    ret_named->key = "of a job that waits for a better master";
    submit(s, client, 2, ret_named, job);
    assert_int_equal(drop_operand(client, 3, operand), KOFN_OK);
    s->config.memory = 100;
    s->config.keep_jobs = 0;
    stage_restart(s);
}

static void
a_job_that_another_configuration_can_take_up_waits_for_it(void **state)
{
    stage *s = *state;
    problem named;
    char operand[KOFN_ID_MAX], job[KOFN_ID_MAX], again[KOFN_ID_MAX];
    const uint64_t memory = s->config.memory;
    block_job(s, &named, operand, job);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    const kofn_msg_job account = get_job(client, job);
    assert_string_equal(account.state, "blocked");
    assert_int_equal(account.status, KOFN_FAILED_PRECONDITION);
    assert_non_null(strstr(account.message, operand));
    send_job_call(client, 1, KOFN_METHOD_WAIT, job);
    assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_FAILED_PRECONDITION);
    submit(s, client, 2, &named, again); // which would trim it, were it over
    assert_string_equal(again, job);
    assert_int_equal(check_health(client).jobs_queued, 0);

    s->config.memory = memory;
    stage_restart(s);
    client = open_client(s, KOFN_WINDOW_BYTES);
    peer *worker = join_worker(s, "w", 1);
    task t;
    expect_task(worker, &t);
    answer(s, worker, &t);
    send_job_call(client, 1, KOFN_METHOD_WAIT, job);
    expect_product(s, client, 1, &named, again);
}

/* Its product is on disk alone; with the record goes what it took. */
static void
a_result_that_nobody_fetched_takes_memory_for_its_record(void **state)
{
    stage *s = *state;
    char job[KOFN_ID_MAX], same[KOFN_ID_MAX];
    task t;
    s->config.keep_jobs = 0;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    assert_int_equal(check_health(client).memory_bytes, 0);
    submit(s, client, 1, &small, job);
    peer *worker = join_worker(s, "w", 1);
    expect_task(worker, &t);
    answer(s, worker, &t);
    while (strcmp(get_job(client, job).state, "done") != 0)
        ;
    stage_restart(s);
    client = open_client(s, KOFN_WINDOW_BYTES);
    assert_in_range(check_health(client).memory_bytes, 2000, 10000);
    send_job_call(client, 1, KOFN_METHOD_WAIT, job);
    expect_product(s, client, 1, &small, same);
    while (check_health(client).memory_bytes > 0) // until it is forgotten, at a tick
        ;
}

static void
jobs_that_less_memory_does_not_hold_together_wait_for_more(void **state)
{
    stage *s = *state;
    char older[KOFN_ID_MAX], newer[KOFN_ID_MAX], same[KOFN_ID_MAX];
    const uint64_t memory = s->config.memory;
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    submit(s, client, 1, &small, older);
    submit(s, client, 2, &small, newer);
    s->config.memory = check_health(client).memory_bytes * 3 / 4;
    stage_restart(s);
    client = open_client(s, KOFN_WINDOW_BYTES);
    assert_string_not_equal(get_job(client, older).state, "blocked");
    const kofn_msg_job account = get_job(client, newer);
    assert_string_equal(account.state, "blocked");
    assert_non_null(strstr(account.message, "limits.memory"));

    s->config.memory = memory;
    stage_restart(s);
    client = open_client(s, KOFN_WINDOW_BYTES);
    peer *worker = join_worker(s, "w", 1);
    for (size_t i = 0; i < 2; i++) { // whichever has its operands first
        task t;
        expect_task(worker, &t);
        answer(s, worker, &t);
    }
    const char *const jobs[] = {older, newer};
    for (size_t i = 0; i < 2; i++) {
        send_job_call(client, i + 1, KOFN_METHOD_WAIT, jobs[i]);
        expect_product(s, client, i + 1, &small, same);
    }
}

static void
a_job_that_waits_for_another_configuration_can_be_cancelled(void **state)
{
    stage *s = *state;
    problem named;
    char operand[KOFN_ID_MAX], job[KOFN_ID_MAX];
    const uint64_t memory = s->config.memory;
    block_job(s, &named, operand, job);
    s->config.keep_jobs = 10;
    stage_restart(s);
    cancel(open_client(s, KOFN_WINDOW_BYTES), 1, job);
    s->config.memory = memory;
    stage_restart(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    assert_string_equal(get_job(client, job).state, "cancelled");
    assert_int_equal(drop_operand(client, 1, operand), KOFN_NOT_FOUND);
}

/* Its order is no order, however whole the record is. */
static void
a_job_that_is_lost_has_failed_on_disk_too(void **state)
{
    enum { FAILED_ON_DISK = 4 };
    stage *s = *state;
    char job[KOFN_ID_MAX];
    found_record found;
    stage_run(s);
    submit(s, open_client(s, KOFN_WINDOW_BYTES), 1, &small, job);
    stage_stop(s);
    kofn_store *store = open_store(s, KOFN_STORE_JOB, &found);
    memset(found.body, 0xc1, found.record.body_bytes); // never used in msgpack
    found.record.owner[0] = '\0';
    put_record(&store, &found.record, false, NULL);
    for (size_t life = 0; life < 2; life++) {
        stage_run(s);
        peer *client = open_client(s, KOFN_WINDOW_BYTES);
        send_job_call(client, 1, KOFN_METHOD_WAIT, job);
        assert_int_equal(expect_reply(client, 1, NULL, NULL), KOFN_DATA_LOSS);
        assert_string_equal(get_job(client, job).state, "failed");
        assert_true(life > 0 || check_health(client).jobs_failed == 1); // since it was found out
        stage_stop(s);
        store = open_store(s, KOFN_STORE_JOB, &found);
        kofn_store_close(&store);
        assert_int_equal(found.record.state, FAILED_ON_DISK);
    }
}

static void
an_operand_that_was_dropped_in_use_goes_with_its_last_job(void **state)
{
    stage *s = *state;
    char operand[KOFN_ID_MAX], job[KOFN_ID_MAX], same[KOFN_ID_MAX];
    stage_run(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    put_operand(s, client, 1, &square, 0, operand);
    problem named = square;
    named.operand[0] = operand;
    submit(s, client, 2, &named, job);
    kofn_msg_operand_ref ref;
    snprintf(ref.operand, sizeof ref.operand, "%s", operand);
    send_call(client, 3, KOFN_METHOD_DROP_OPERAND, &kofn_operand_ref_message, &ref);
    assert_int_equal(expect_reply(client, 3, NULL, NULL), KOFN_OK);
    const uint64_t with_operand = check_health(client).store_bytes;
    stage_restart(s);
    client = open_client(s, KOFN_WINDOW_BYTES);
    assert_int_equal(check_health(client).store_bytes, with_operand);
    peer *worker = join_worker(s, "w", 1);
    task t;
    expect_task(worker, &t);
    answer(s, worker, &t);
    send_job_call(client, 4, KOFN_METHOD_WAIT, job);
    expect_product(s, client, 4, &named, same);
    stage_restart(s); // and with it goes what is still on its way to disk
    client = open_client(s, KOFN_WINDOW_BYTES);
    send_call(client, 5, KOFN_METHOD_DROP_OPERAND, &kofn_operand_ref_message, &ref);
    assert_int_equal(expect_reply(client, 5, NULL, NULL), KOFN_NOT_FOUND);
    send_job_call(client, 6, KOFN_METHOD_WAIT, job);
    expect_product(s, client, 6, &named, same);
}

/* Also where its owner said nothing, and the default is another by now. */
static void
a_job_is_verified_as_it_was_taken(void **state)
{
    stage *s = *state;
    static const problem coded = {.rows = 6,
                                  .inner = 4,
                                  .cols = 3,
                                  .family = "polynomial",
                                  .x = 2,
                                  .z = 1,
                                  .y = 1,
                                  .tasks = 4};
    static const problem uncoded = {
        .rows = 6, .inner = 4, .cols = 3, .family = "uncoded", .x = 2, .z = 1, .y = 1, .tasks = 2};
    char unverified[KOFN_ID_MAX], compared[KOFN_ID_MAX], checked[KOFN_ID_MAX];
    stage_run(s);
    submit(s, open_client(s, KOFN_WINDOW_BYTES), 1, &uncoded, unverified);
    s->config.verify = KOFN_VERIFY_PARITY;
    stage_restart(s);
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    assert_string_equal(get_job(client, unverified).verify, "");
    submit(s, client, 2, &coded, compared);
    submit(s, client, 3, &uncoded, checked); // which has no tasks for parity
    s->config.verify = KOFN_VERIFY_NONE;
    for (int again = 0; again < 2; again++) {
        stage_restart(s);
        client = open_client(s, KOFN_WINDOW_BYTES);
        await_state(client, compared, "running");
        await_state(client, checked, "running");
        assert_string_equal(get_job(client, unverified).verify, "");
        assert_string_equal(get_job(client, compared).verify, "parity");
        assert_int_equal(get_job(client, compared).enough, 4);
        assert_string_equal(get_job(client, checked).verify, "freivalds");
        s->config.liars = 3; // more than it has tasks for, were it looked at
    }
}

int
main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, stage_setup_kept, stage_teardown_kept)
    static const struct CMUnitTest tests[] = {
        TEST(the_same_rows_are_sent_after_a_restart),
        TEST(a_job_is_verified_as_it_was_taken),
        TEST(one_key_at_once_from_two_clients_is_one_job),
        TEST(who_waits_when_it_stops_is_told_to_come_again),
        TEST(what_operands_were_made_from_is_told_all_their_jobs_life),
        TEST(a_multiply_is_not_kept),
        TEST(a_job_is_refused_when_the_store_is_full_with_a_hint_to_retry),
        TEST(a_key_of_two_records_is_the_newer_jobs_when_the_older_is_forgotten),
        TEST(a_machine_that_went_down_is_no_death_of_the_master),
        TEST(a_job_under_which_the_master_dies_again_and_again_has_failed),
        TEST(suspects_are_begun_one_after_another_and_done),
        TEST(jobs_that_need_an_operand_from_disk_share_one_load),
        TEST(a_key_of_two_operands_is_the_newer_ones_when_the_older_is_dropped),
        TEST(an_operand_that_the_memory_cannot_hold_waits_on_disk),
        TEST(an_operand_whose_drop_the_disk_refuses_is_still_there),
        TEST(jobs_from_disk_take_turns_by_owner),
        TEST(a_job_that_another_configuration_can_take_up_waits_for_it),
        TEST(a_result_that_nobody_fetched_takes_memory_for_its_record),
        TEST(jobs_that_less_memory_does_not_hold_together_wait_for_more),
        TEST(a_job_that_waits_for_another_configuration_can_be_cancelled),
        TEST(a_job_that_is_lost_has_failed_on_disk_too),
        TEST(an_operand_that_was_dropped_in_use_goes_with_its_last_job),
    };
    return cmocka_run_group_tests_name("master_store", tests, NULL, NULL);
}
