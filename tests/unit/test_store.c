#include "tests/unit/store_rig.h"

#include "master/store/schema.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { LARGE = 128 }; // 128 x 128 of f64: beyond what a row holds

static void
tamper(const store_rig *rig, const char *sql)
{
    char path[96], *why = NULL;
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/jobs.db", rig->folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    sqlite3_close(db);
}

typedef struct seen_records {
    size_t good, broken;
    kofn_store_record last;
} seen_records;

static kofn_status
see(void *context, const kofn_store_record *record, const kofn_error *broken, kofn_error *err)
{
    seen_records *seen = context;
    (void)err;
    seen->good += !broken;
    seen->broken += broken && broken->status == KOFN_DATA_LOSS;
    seen->last = *record;
    return KOFN_OK;
}

static seen_records
load(store_rig *rig)
{
    seen_records seen = {0};
    kofn_error error;
    assert_ok(kofn_store_load(rig->store, 0, see, &seen, &error));
    return seen;
}

/* ---- what is stored -------------------------------------------------------------------------- */

static void
what_was_stored_is_there_after_a_restart(void **state)
{
    static const size_t shapes[][2] = {{1, 1}, {0, 5}, {5, 0}, {3, 7}, {LARGE, LARGE}, {1, 9000}};
    enum { SHAPES = sizeof shapes / sizeof shapes[0] };
    store_rig *rig = *state;
    kofn_error error;
    rig_open(rig);
    for (size_t i = 0; i < SHAPES; i++)
        assert_ok(rig_put(rig, i + 1, shapes[i][0], shapes[i][1], &error));
    kofn_store_close(&rig->store);

    rig_open(rig);
    assert_int_equal(load(rig).good, SHAPES);
    for (size_t i = 0; i < SHAPES; i++) {
        kofn_store_request fetch = request_of(KOFN_STORE_FETCH, i + 1);
        assert_ok(rig_call(rig, &fetch, &error));
        assert_int_equal(fetch.fetched.rows, shapes[i][0]);
        assert_int_equal(fetch.fetched.cols, shapes[i][1]);
        assert_true(is_matrix(&fetch.fetched, i + 1, 0, 1));
        kofn_mat_fini(&fetch.fetched);
    }
}

static void
a_record_comes_back_with_all_its_fields(void **state)
{
    store_rig *rig = *state;
    kofn_error error;
    rig_open(rig);
    kofn_store_request put = request_of(KOFN_STORE_PUT, UINT64_MAX);
    put.is_new = true;
    put.record = (kofn_store_record){.kind = KOFN_STORE_OPERAND,
                                     .id = UINT64_MAX,
                                     .owner = "alice",
                                     .key = "k-1",
                                     .state = 7,
                                     .created_ms = 1,
                                     .ended_ms = INT64_MAX,
                                     .deadline_ms = 3};
    assert_ok(rig_call(rig, &put, &error)); // with an empty body
    kofn_store_close(&rig->store);

    rig_open(rig);
    const seen_records seen = load(rig);
    assert_int_equal(seen.good, 1);
    assert_int_equal(seen.last.kind, KOFN_STORE_OPERAND);
    assert_true(seen.last.id == UINT64_MAX);
    assert_string_equal(seen.last.owner, "alice");
    assert_string_equal(seen.last.key, "k-1");
    assert_int_equal(seen.last.state, 7);
    assert_int_equal(seen.last.created_ms, 1);
    assert_true(seen.last.ended_ms == INT64_MAX);
    assert_int_equal(seen.last.deadline_ms, 3);
    assert_int_equal(seen.last.body_bytes, 0);
}

static void
dropped_and_removed_matrices_leave_nothing_behind(void **state)
{
    store_rig *rig = *state;
    kofn_error error;
    kofn_store_totals totals;
    rig_open(rig);
    assert_ok(rig_put(rig, 1, LARGE, LARGE, &error));
    assert_ok(rig_put(rig, 2, LARGE, LARGE, &error));
    kofn_store_get_totals(rig->store, &totals);
    assert_int_equal(totals.bytes, 2 * (4 + LARGE * LARGE * 8));
    assert_int_equal(count_files(rig, NULL, 0), 2);

    kofn_store_request put = request_of(KOFN_STORE_PUT, 1);
    put.drop = 1;
    assert_ok(rig_call(rig, &put, &error));
    assert_fails(rig_fetch(rig, 1, &error), KOFN_NOT_FOUND);
    kofn_store_request gone = request_of(KOFN_STORE_REMOVE, 2);
    assert_ok(rig_call(rig, &gone, &error));
    assert_ok(rig_call(rig, &gone, &error)); // twice is fine
    assert_int_equal(count_files(rig, NULL, 0), 0);
    kofn_store_get_totals(rig->store, &totals);
    assert_int_equal(totals.bytes, 0);
}

static void
a_put_is_new_or_it_is_not(void **state)
{
    store_rig *rig = *state;
    kofn_error error;
    rig_open(rig);
    kofn_store_request put = request_of(KOFN_STORE_PUT, 1);
    assert_fails(rig_call(rig, &put, &error), KOFN_NOT_FOUND);
    assert_ok(rig_put(rig, 1, LARGE, LARGE, &error));
    assert_fails(rig_put(rig, 1, LARGE, LARGE, &error), KOFN_ALREADY_EXISTS);
    assert_int_equal(count_files(rig, NULL, 0), 1);
    assert_ok(rig_fetch(rig, 1, &error));
}

static void
a_body_beyond_the_limit_is_refused(void **state)
{
    store_rig *rig = *state;
    kofn_error error;
    char *body = calloc(1, KOFN_STORE_BODY_MAX + 1);
    assert_non_null(body);
    rig_open(rig);
    kofn_store_request put = request_of(KOFN_STORE_PUT, 1);
    put.is_new = true;
    put.record.body = body;
    put.record.body_bytes = KOFN_STORE_BODY_MAX + 1;
    assert_fails(rig_call(rig, &put, &error), KOFN_OUT_OF_RANGE);
    put.record.body_bytes--;
    assert_ok(rig_call(rig, &put, &error));
    free(body);
}

/* ---- order and groups ------------------------------------------------------------------------ */

enum { BURST = 300 };

static void
count_down(kofn_store_request *request)
{
    assert_int_equal(request->error.status, KOFN_OK);
    --*(size_t *)request->context;
}

static void
requests_that_wait_together_share_a_commit(void **state)
{
    store_rig *rig = *state;
    kofn_store_totals totals;
    size_t left = BURST;
    kofn_store_request *puts = calloc(BURST, sizeof puts[0]);
    assert_non_null(puts);
    rig_open(rig);
    for (size_t i = 0; i < BURST; i++) {
        puts[i] = request_of(KOFN_STORE_PUT, i + 1);
        puts[i].is_new = true;
        puts[i].done = count_down;
        puts[i].context = &left;
        kofn_store_submit(rig->store, &puts[i]);
    }
    kofn_store_get_totals(rig->store, &totals);
    assert_int_equal(totals.waiting, BURST);
    while (left > 0)
        kofn_store_serve(rig->store);
    kofn_store_get_totals(rig->store, &totals);
    assert_int_equal(totals.written, BURST);
    print_message("%d requests in %d commits\n", BURST, (int)totals.commits);
    assert_true(totals.commits < BURST / 2);
    free(puts);
}

static void
only_the_request_at_fault_fails_in_its_group(void **state)
{
    store_rig *rig = *state;
    kofn_error error;
    kofn_store_request puts[9];
    bool done[9] = {false};
    rig_open(rig);
    assert_ok(rig_put(rig, 5, 1, 1, &error));
    for (size_t i = 0; i < 9; i++) {
        puts[i] = request_of(KOFN_STORE_PUT, i + 1);
        puts[i].is_new = true;
        puts[i].done = note_done;
        puts[i].context = &done[i];
        kofn_store_submit(rig->store, &puts[i]);
    }
    for (size_t i = 0; i < 9; i++) {
        rig_wait(rig, &done[i]);
        assert_int_equal(puts[i].error.status, i + 1 == 5 ? KOFN_ALREADY_EXISTS : KOFN_OK);
    }
    kofn_store_close(&rig->store);
    rig_open(rig);
    assert_int_equal(load(rig).good, 9);
}

/* The large one goes by a helper first; a remove that overtook it would leave the record. */
static void
requests_for_one_id_keep_their_order(void **state)
{
    store_rig *rig = *state;
    kofn_bands bands;
    bool done[3] = {false};
    kofn_store_request requests[3] = {request_of(KOFN_STORE_PUT, 1),
                                      request_of(KOFN_STORE_FETCH, 1),
                                      request_of(KOFN_STORE_REMOVE, 1)};
    rig_open(rig);
    make_bands(rig->pool, 1, 0, 1, LARGE, LARGE, &bands);
    requests[0].is_new = true;
    requests[0].matrix_count = 1;
    requests[0].matrices[0] = (kofn_store_matrix){.slot = 0, .bands = &bands};
    for (size_t i = 0; i < 3; i++) {
        requests[i].done = note_done;
        requests[i].context = &done[i];
        kofn_store_submit(rig->store, &requests[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        rig_wait(rig, &done[i]);
        assert_int_equal(requests[i].error.status, KOFN_OK);
    }
    assert_true(is_matrix(&requests[1].fetched, 1, 0, 1));
    kofn_mat_fini(&requests[1].fetched);
    kofn_bands_fini(&bands);
    assert_int_equal(count_files(rig, NULL, 0), 0);
    kofn_store_close(&rig->store);
    rig_open(rig);
    assert_int_equal(load(rig).good, 0);
}

static void
closing_carries_out_what_was_submitted(void **state)
{
    store_rig *rig = *state;
    kofn_store_request requests[2] = {request_of(KOFN_STORE_PUT, 1), request_of(KOFN_STORE_PUT, 1)};
    bool done[2] = {false};
    rig_open(rig);
    requests[0].is_new = true;
    requests[1].record.state = 9;
    for (size_t i = 0; i < 2; i++) {
        requests[i].done = note_done;
        requests[i].context = &done[i];
        kofn_store_submit(rig->store, &requests[i]);
    }
    kofn_store_close(&rig->store);
    assert_true(done[0] && done[1]);
    rig_open(rig);
    assert_int_equal(load(rig).last.state, 9);
}

/* ---- loss ------------------------------------------------------------------------------------ */

static void
flip_bit(const char *path, off_t at)
{
    const int fd = open(path, O_RDWR);
    char byte;
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void
a_spoilt_file_costs_its_own_matrix_only(void **state)
{
    store_rig *rig = *state;
    kofn_error error;
    char path[512];
    rig_open(rig);
    assert_ok(rig_put(rig, 1, LARGE, LARGE, &error));
    assert_int_equal(count_files(rig, path, sizeof path), 1);
    assert_ok(rig_put(rig, 2, LARGE, LARGE, &error));

    flip_bit(path, 70001);
    assert_fails(rig_fetch(rig, 1, &error), KOFN_DATA_LOSS);
    flip_bit(path, 70001);
    assert_ok(rig_fetch(rig, 1, &error));
    assert_int_equal(truncate(path, LARGE * LARGE * 8 - 1), 0);
    assert_fails(rig_fetch(rig, 1, &error), KOFN_DATA_LOSS);
    assert_int_equal(truncate(path, LARGE * LARGE * 8 + 1), 0);
    assert_fails(rig_fetch(rig, 1, &error), KOFN_DATA_LOSS);
    assert_int_equal(unlink(path), 0);
    assert_fails(rig_fetch(rig, 1, &error), KOFN_DATA_LOSS);
    assert_int_equal(mkfifo(path, 0600), 0); // nobody writes: an open that waits would hang
    assert_fails(rig_fetch(rig, 1, &error), KOFN_DATA_LOSS);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/dev/zero", path), 0);
    assert_fails(rig_fetch(rig, 1, &error), KOFN_DATA_LOSS);
    assert_ok(rig_fetch(rig, 2, &error));
}

/* 2 TiB, said of a file that has 128 KiB: no memory is taken before the file is looked at. */
static void
a_row_that_exaggerates_is_refused(void **state)
{
    store_rig *rig = *state;
    kofn_error error;
    rig_open(rig);
    assert_ok(rig_put(rig, 1, LARGE, LARGE, &error));
    kofn_store_close(&rig->store);
    tamper(rig, "UPDATE matrices SET rows = rows << 24, bytes = bytes << 24");
    rig_open(rig);
    assert_fails(rig_fetch(rig, 1, &error), KOFN_DATA_LOSS);
}

static void
a_spoilt_row_costs_its_own_matrix_only(void **state)
{
    static const char *const spoils[] = {
        "UPDATE matrices SET data = zeroblob(8) WHERE id = 1",
        "UPDATE matrices SET data = zeroblob(9) WHERE id = 1",
        "UPDATE matrices SET data = NULL, file = 5 WHERE id = 1",
        "UPDATE matrices SET dtype = 5, rows = 2 WHERE id = 1",
        "UPDATE matrices SET dtype = 77 WHERE id = 1",
        "UPDATE matrices SET rows = -1 WHERE id = 1",
        "UPDATE matrices SET rows = 1 << 40, cols = 1 << 40 WHERE id = 1",
        "UPDATE matrices SET rows = 1 << 40, bytes = 8 << 40, data = NULL, file = 5 WHERE id = 1",
        "UPDATE matrices SET digest = x'00' WHERE id = 1",
        "UPDATE matrices SET file = 5 WHERE id = 1",
        "UPDATE matrices SET (data, digest) = (SELECT data, digest FROM matrices WHERE id = 2)",
    };
    store_rig *rig = *state;
    kofn_error error;
    for (size_t i = 0; i < sizeof spoils / sizeof spoils[0]; i++) {
        kofn_store_request gone = request_of(KOFN_STORE_REMOVE, 1);
        rig_open(rig);
        assert_ok(rig_call(rig, &gone, &error));
        gone.record.id = 2;
        assert_ok(rig_call(rig, &gone, &error));
        assert_ok(rig_put(rig, 1, 1, 1, &error));
        assert_ok(rig_put(rig, 2, 1, 1, &error));
        kofn_store_close(&rig->store);
        tamper(rig, spoils[i]);
        rig_open(rig);
        assert_fails(rig_fetch(rig, 1, &error), KOFN_DATA_LOSS);
        assert_ok(rig_fetch(rig, 2, &error));
        kofn_store_close(&rig->store);
    }
}

static void
a_spoilt_record_is_named_and_the_others_load(void **state)
{
    static const char *const spoils[] = {
        "UPDATE records SET body = x'626f6478' WHERE id = 2",
        "UPDATE records SET state = 256 WHERE id = 2",
        "UPDATE records SET state = 1 WHERE id = 2",
        "UPDATE records SET deadline_ms = -1 WHERE id = 2",
        "UPDATE records SET owner = 'mallory' WHERE id = 2",
        "UPDATE records SET owner = printf('%200s', 'x') WHERE id = 2",
        "UPDATE records SET key = 'a' || char(0) || 'b' WHERE id = 2",
        "UPDATE records SET digest = x'' WHERE id = 2",
        "UPDATE records SET body = zeroblob(1048577) WHERE id = 2",
    };
    store_rig *rig = *state;
    kofn_error error;
    for (size_t i = 0; i < sizeof spoils / sizeof spoils[0]; i++) {
        rig_open(rig);
        for (uint64_t id = 1; id <= 2; id++) {
            kofn_store_request gone = request_of(KOFN_STORE_REMOVE, id);
            assert_ok(rig_call(rig, &gone, &error));
            assert_ok(rig_put(rig, id, 1, 1, &error));
        }
        kofn_store_close(&rig->store);
        tamper(rig, spoils[i]);
        rig_open(rig);
        const seen_records seen = load(rig);
        assert_int_equal(seen.good, 1);
        assert_int_equal(seen.broken, 1);
        assert_int_equal(seen.last.id, 2);
        kofn_store_request gone = request_of(KOFN_STORE_REMOVE, 2);
        assert_ok(rig_call(rig, &gone, &error)); // it can be got rid of
        kofn_store_close(&rig->store);
    }
}

static void
make_file(const store_rig *rig, const char *name, off_t bytes, char ret_path[128])
{
    snprintf(ret_path, 128, "%s/spool/%s", rig->folder, name);
    const int fd = open(ret_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, bytes), 0);
    close(fd);
}

static bool
is_lost(const store_rig *rig, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/spool/lost/%s", rig->folder, name);
    return access(path, F_OK) == 0;
}

static void
files_that_no_row_names_are_put_aside_at_the_start(void **state)
{
    store_rig *rig = *state;
    kofn_error error;
    kofn_store_findings findings;
    char path[128];
    rig_open(rig);
    assert_ok(rig_put(rig, 1, LARGE, LARGE, &error));
    kofn_store_close(&rig->store);
    make_file(rig, "00000000000000aa", 5, path);
    make_file(rig, "00000000000000bb.new", 0, path);
    make_file(rig, "notes.txt", 0, path);
    rig_open(rig);
    assert_int_equal(count_files(rig, NULL, 0), 2); // the matrix, and what is not ours
    assert_int_equal(access(path, F_OK), 0);
    assert_true(is_lost(rig, "00000000000000aa"));
    assert_false(is_lost(rig, "00000000000000bb.new"));
    kofn_store_get_findings(rig->store, &findings);
    assert_int_equal(findings.files, 1);
    assert_int_equal(findings.files_bytes, 5);
    assert_ok(rig_fetch(rig, 1, &error));
}

static void
what_was_put_aside_comes_back_to_the_row_that_names_it(void **state)
{
    store_rig *rig = *state;
    kofn_error error;
    char path[128], lost[128];
    rig_open(rig);
    assert_ok(rig_put(rig, 1, LARGE, LARGE, &error));
    kofn_store_close(&rig->store);
    assert_int_equal(count_files(rig, path, sizeof path), 1);
    snprintf(lost, sizeof lost, "%s/spool/lost", rig->folder);
    assert_int_equal(mkdir(lost, 0700), 0);
    snprintf(lost, sizeof lost, "%s/spool/lost/%s", rig->folder, strrchr(path, '/') + 1);
    assert_int_equal(rename(path, lost), 0);
    rig_open(rig);
    assert_ok(rig_fetch(rig, 1, &error));
}

static void
what_was_put_aside_does_not_grow_beyond_its_limit(void **state)
{
    store_rig *rig = *state;
    char path[128];
    rig->params.bytes_max = 4000; // a quarter is for these
    rig_open(rig);
    kofn_store_close(&rig->store);
    make_file(rig, "00000000000000aa", 600, path);
    rig_open(rig);
    kofn_store_close(&rig->store);
    make_file(rig, "00000000000000bb", 600, path);
    rig_open(rig);
    kofn_store_close(&rig->store);
    assert_int_not_equal(is_lost(rig, "00000000000000aa"), is_lost(rig, "00000000000000bb"));
    make_file(rig, "00000000000000cc", 2000, path); // more than they may be: it stays no longer
    rig_open(rig);
    assert_false(is_lost(rig, "00000000000000cc"));
}

/* ---- progress -------------------------------------------------------------------------------- */

/* A file that may not grow any further stops a write in its middle. */
static void
progress_is_made_with_every_step_and_not_without_work(void **state)
{
    enum { STEPS = 3, STEP = 1 << 20, SIDE = 1024 }; // a matrix of 8 steps
    store_rig *rig = *state;
    kofn_error error;
    struct rlimit usual, tight;
    rig_open(rig);
    const uint64_t idle = kofn_store_get_progress(rig->store);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &usual), 0);
    tight = (struct rlimit){.rlim_cur = STEPS * STEP, .rlim_max = usual.rlim_max};
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    const kofn_status status = rig_put(rig, 1, SIDE, SIDE, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &usual), 0);
    assert_int_not_equal(status, KOFN_OK);
    const uint64_t stopped = kofn_store_get_progress(rig->store);
    assert_true(stopped - idle >= STEPS * STEP && stopped - idle < 8 * STEP);

    assert_ok(rig_put(rig, 2, SIDE, SIDE, &error));
    const uint64_t written = kofn_store_get_progress(rig->store);
    assert_true(written - stopped >= 8 * STEP);
    assert_ok(rig_fetch(rig, 2, &error));
    const uint64_t fetched = kofn_store_get_progress(rig->store);
    assert_true(fetched - written >= 8 * STEP);
    assert_int_equal(kofn_store_get_progress(rig->store), fetched);
}

/* ---- limits and full disks ------------------------------------------------------------------- */

static void
the_limit_binds_new_records_only(void **state)
{
    store_rig *rig = *state;
    kofn_error error;
    kofn_bands bands;
    rig->params.bytes_max = 10000;
    rig_open(rig);
    assert_ok(rig_put(rig, 1, 1, 1000, &error));
    assert_fails(rig_put(rig, 2, 1, 1000, &error), KOFN_RESOURCE_EXHAUSTED);
    assert_fails(kofn_store_check_room(rig->store, 8000, &error), KOFN_RESOURCE_EXHAUSTED);
    assert_fails(kofn_store_check_room(rig->store, UINT64_MAX, &error), KOFN_RESOURCE_EXHAUSTED);
    assert_ok(kofn_store_check_room(rig->store, 1000, &error));

    make_bands(rig->pool, 1, 1, 1, 1, 1000, &bands);
    kofn_store_request put = request_of(KOFN_STORE_PUT, 1); // its product
    put.matrix_count = 1;
    put.matrices[0] = (kofn_store_matrix){.slot = 1, .bands = &bands};
    assert_ok(rig_call(rig, &put, &error));
    kofn_bands_fini(&bands);
    kofn_store_request gone = request_of(KOFN_STORE_REMOVE, 1);
    assert_ok(rig_call(rig, &gone, &error));
    assert_ok(rig_put(rig, 2, 1, 1000, &error));
}

static void
the_disks_last_bytes_are_for_those_that_are_there(void **state)
{
    store_rig *rig = *state;
    kofn_error error;
    rig_open(rig);
    assert_ok(rig_put(rig, 1, 1, 1, &error));
    kofn_store_close(&rig->store);
    rig->params.spare_bytes = UINT64_MAX / 2; // more than any disk has
    rig_open(rig);
    assert_fails(rig_put(rig, 2, 1, 1, &error), KOFN_RESOURCE_EXHAUSTED);
    kofn_store_request put = request_of(KOFN_STORE_PUT, 1);
    assert_ok(rig_call(rig, &put, &error));
    assert_ok(rig_fetch(rig, 1, &error));
}

static void
no_space_at_any_step_refuses_the_new_and_keeps_the_old(void **state)
{
    static const char *const points[] = {"file_written", "file_synced", "file_renamed",
                                         "group_written"};
    store_rig *rig = *state;
    kofn_error error;
    char armed[64];
    rig_open(rig);
    assert_ok(rig_put(rig, 1, LARGE, LARGE, &error));
    for (size_t i = 0; i < 4; i++) {
        snprintf(armed, sizeof armed, "%s:full:1", points[i]);
        setenv("KOFN_FAILPOINT", armed, 1);
        const kofn_status status = rig_put(rig, 2, LARGE, LARGE, &error);
        unsetenv("KOFN_FAILPOINT");
        assert_int_equal(status, KOFN_RESOURCE_EXHAUSTED);
        assert_int_equal(count_files(rig, NULL, 0), 1);
        assert_ok(rig_fetch(rig, 1, &error));
        assert_fails(rig_fetch(rig, 2, &error), KOFN_NOT_FOUND);
    }
    assert_ok(rig_put(rig, 2, LARGE, LARGE, &error));
    assert_ok(rig_fetch(rig, 2, &error));
}

/* In a child, which has a small file system of its own. 0: well; 77: not possible here. */
static int
fill_small_disk(store_rig *rig)
{
    kofn_error error;
    uint64_t id = 1, last;
    if (unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", rig->folder, "tmpfs", 0, "size=2m") != 0)
        return 77;
    if (kofn_store_open(&rig->params, &rig->store, &error) != KOFN_OK)
        return 1;
    for (; rig_put(rig, id, id % 2 ? 1 : LARGE, LARGE, &error) == KOFN_OK; id++)
        if (id > 100000)
            return 2;
    if (error.status != KOFN_RESOURCE_EXHAUSTED)
        return 3;
    for (last = 1; last < id; last++)
        if (rig_fetch(rig, last, &error) != KOFN_OK)
            return 4;
    kofn_store_close(&rig->store);
    if (kofn_store_open(&rig->params, &rig->store, &error) != KOFN_OK || load(rig).good != id - 1)
        return 5;
    for (last = 2; last < id; last += 2) { // room again
        kofn_store_request gone = request_of(KOFN_STORE_REMOVE, last);
        if (rig_call(rig, &gone, &error) != KOFN_OK)
            return 6;
    }
    return rig_put(rig, id, LARGE, LARGE, &error) == KOFN_OK ? 0 : 7;
}

static void
a_full_disk_refuses_the_new_and_keeps_the_old(void **state)
{
    store_rig *rig = *state;
    int status = 0;
    const pid_t child = fork();
    if (child == 0)
        _exit(fill_small_disk(rig));
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- the database ---------------------------------------------------------------------------- */

static void
a_store_has_one_master(void **state)
{
    store_rig *rig = *state;
    kofn_store *second = NULL;
    kofn_error error;
    rig_open(rig);
    assert_fails(kofn_store_open(&rig->params, &second, &error), KOFN_FAILED_PRECONDITION);
    assert_null(second);
    kofn_store_close(&rig->store);
    rig_open(rig);
}

static void
what_is_not_our_database_is_left_alone(void **state)
{
    store_rig *rig = *state;
    kofn_error error;
    char path[96];
    tamper(rig, "CREATE TABLE records (recipe TEXT)");
    assert_fails(kofn_store_open(&rig->params, &rig->store, &error), KOFN_FAILED_PRECONDITION);
    snprintf(path, sizeof path, "%s/jobs.db", rig->folder);
    const int fd = open(path, O_WRONLY | O_TRUNC);
    for (int i = 0; i < 100; i++)
        assert_int_equal(write(fd, "no database, but long enough to be one.\n", 40), 40);
    close(fd);
    assert_fails(kofn_store_open(&rig->params, &rig->store, &error), KOFN_FAILED_PRECONDITION);
    rig->params.folder = "/proc/none";
    assert_int_not_equal(kofn_store_open(&rig->params, &rig->store, &error), KOFN_OK);
    assert_null(rig->store);
}

static void
a_newer_schema_is_refused(void **state)
{
    store_rig *rig = *state;
    kofn_error error;
    rig_open(rig);
    kofn_store_close(&rig->store);
    tamper(rig, "PRAGMA user_version = 1000");
    assert_fails(kofn_store_open(&rig->params, &rig->store, &error), KOFN_FAILED_PRECONDITION);
    tamper(rig, "PRAGMA user_version = 1");
    rig_open(rig);
}

static int64_t
number_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    const int64_t number = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return number;
}

static void
migration_takes_the_steps_that_are_missing_or_none(void **state)
{
    (void)state;
    static const char *const steps[] = {"CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (5)",
                                        "ALTER TABLE a ADD COLUMN y INTEGER DEFAULT 6",
                                        "UPDATE a SET y = 7", "UPDATE a SET nothing = 8"};
    sqlite3 *db = NULL;
    kofn_error error;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_ok(kofn_schema_migrate(db, steps, 1, &error));
    assert_ok(kofn_schema_migrate(db, steps, 1, &error));
    assert_int_equal(number_of(db, "SELECT sum(x) FROM a"), 5);
    assert_int_not_equal(kofn_schema_migrate(db, steps, 4, &error), KOFN_OK);
    assert_int_equal(number_of(db, "PRAGMA user_version"), 1); // the good ones are undone too
    assert_int_equal(number_of(db, "SELECT count(*) FROM pragma_table_info('a')"), 1);
    assert_ok(kofn_schema_migrate(db, steps, 3, &error));
    assert_int_equal(number_of(db, "SELECT y FROM a"), 7);
    assert_int_equal(number_of(db, "PRAGMA user_version"), 3);
    assert_fails(kofn_schema_migrate(db, steps, 2, &error), KOFN_FAILED_PRECONDITION);
    sqlite3_close(db);
}

/* A service that runs for months has filled it within minutes. */
static void
what_is_cached_of_the_file_has_its_limit(void **state)
{
    enum { CACHE_MAX = (1024 + 128) << 10 }; // a page's own record is not counted in cache_size
    store_rig *rig = *state;
    char path[96];
    sqlite3 *db = NULL;
    kofn_error error;
    int cached = 0, highest = 0;
    (void)snprintf(path, sizeof path, "%s/cached.db", rig->folder);
    assert_ok(kofn_schema_open(path, false, &db, &error));
    assert_int_equal(sqlite3_exec(db,
                                  "CREATE TABLE a (x BLOB);"
                                  "WITH RECURSIVE i (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i "
                                  "WHERE n < 5000) INSERT INTO a SELECT randomblob(1000) FROM i",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_USED, &cached, &highest, 0),
                     SQLITE_OK);
    assert_in_range(cached, CACHE_MAX / 2, CACHE_MAX);
    sqlite3_close(db);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_was_stored_is_there_after_a_restart),
        TEST(a_record_comes_back_with_all_its_fields),
        TEST(dropped_and_removed_matrices_leave_nothing_behind),
        TEST(a_put_is_new_or_it_is_not),
        TEST(a_body_beyond_the_limit_is_refused),
        TEST(requests_that_wait_together_share_a_commit),
        TEST(only_the_request_at_fault_fails_in_its_group),
        TEST(requests_for_one_id_keep_their_order),
        TEST(closing_carries_out_what_was_submitted),
        TEST(a_spoilt_file_costs_its_own_matrix_only),
        TEST(a_row_that_exaggerates_is_refused),
        TEST(a_spoilt_row_costs_its_own_matrix_only),
        TEST(a_spoilt_record_is_named_and_the_others_load),
        TEST(files_that_no_row_names_are_put_aside_at_the_start),
        TEST(what_was_put_aside_comes_back_to_the_row_that_names_it),
        TEST(what_was_put_aside_does_not_grow_beyond_its_limit),
        TEST(progress_is_made_with_every_step_and_not_without_work),
        TEST(the_limit_binds_new_records_only),
        TEST(the_disks_last_bytes_are_for_those_that_are_there),
        TEST(no_space_at_any_step_refuses_the_new_and_keeps_the_old),
        TEST(a_full_disk_refuses_the_new_and_keeps_the_old),
        TEST(a_store_has_one_master),
        TEST(what_is_not_our_database_is_left_alone),
        TEST(a_newer_schema_is_refused),
        cmocka_unit_test(migration_takes_the_steps_that_are_missing_or_none),
        TEST(what_is_cached_of_the_file_has_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
