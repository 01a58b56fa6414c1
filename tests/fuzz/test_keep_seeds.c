/* Records as the master itself packs them, for the fuzzer of records: each scene below is played to
 * a master with a store, what it left there becomes an input, and the fuzzer is fed with it. The
 * seeds seeds/keep/packed_NAME are such inputs; one that lacks a field of what is packed today
 * fails:
 *
 *     test_keep_seeds --write      makes them anew
 *
 * Ids are those that the fuzzer gives: 1, 2 and so on, also in texts. Elements are zeros. */
#include "common/base/clock.h"
#include "master/store/store.h"
#include "proto/token.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/master_stage.h"

#include <ftw.h>
#include <poll.h>

#define FOLDER KOFN_SOURCE_DIR "/tests/fuzz/seeds/keep/"

enum { SEED_MAX = 1 << 16, RECORDS_MAX = 6, SIDE_MAX = 32, ID_DIGITS = 16 };

typedef struct bytes {
    size_t count;
    uint8_t at[SEED_MAX];
} bytes;

static bool writes; // seeds, into the tree

/* ---- scenes ---------------------------------------------------------------------------------- */

static const problem small = {.rows = 4, .inner = 4, .cols = 4, .key = "k"};

static void
open_job(stage *s)
{
    char job[KOFN_ID_MAX];
    submit(s, open_client(s, KOFN_WINDOW_BYTES), 1, &small, job);
}

/* Four workers that never answer: a code of four tasks is chosen, and stored. */
static void
coded_job(stage *s)
{
    const problem coded = {
        .rows = 6, .inner = 4, .cols = 3, .family = "rkrp", .x = 2, .z = 1, .y = 1};
    char job[KOFN_ID_MAX];
    peer *workers[4];
    for (size_t i = 0; i < 4; i++)
        workers[i] = join_worker(s, "w", 1);
    submit(s, open_client(s, KOFN_WINDOW_BYTES), 1, &coded, job);
    for (size_t i = 0; i < 4; i++) {
        task t;
        expect_task(workers[i], &t);
        task_fini(&t);
    }
}

static void
late_job(stage *s)
{
    problem late = small;
    late.timeout_ms = 1000000;
    char job[KOFN_ID_MAX];
    submit(s, open_client(s, KOFN_WINDOW_BYTES), 1, &late, job);
}

static void
done_job(stage *s)
{
    char job[KOFN_ID_MAX];
    peer *client = open_client(s, KOFN_WINDOW_BYTES), *worker = join_worker(s, "w", 1);
    task t;
    submit(s, client, 1, &small, job);
    expect_task(worker, &t);
    answer(s, worker, &t);
    await_state(client, job, "done");
}

static void
failed_job(stage *s)
{
    problem hasty = small;
    hasty.timeout_ms = 200;
    char job[KOFN_ID_MAX];
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    submit(s, client, 1, &hasty, job);
    await_state(client, job, "failed");
}

static void
cancelled_job(stage *s)
{
    char job[KOFN_ID_MAX];
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    submit(s, client, 1, &small, job);
    kofn_msg_outcome outcome;
    send_job_call(client, 2, KOFN_METHOD_CANCEL, job);
    assert_int_equal(expect_reply(client, 2, &kofn_outcome_message, &outcome), KOFN_OK);
    kofn_message_clear(&kofn_outcome_message, &outcome);
}

static void
operand_in_use(stage *s, bool dropped)
{
    char operand[KOFN_ID_MAX], job[KOFN_ID_MAX];
    kofn_msg_operand_ref ref;
    peer *client = open_client(s, KOFN_WINDOW_BYTES);
    put_operand(s, client, 1, &small, 0, operand);
    problem named = small;
    named.operand[0] = operand;
    submit(s, client, 2, &named, job);
    if (!dropped)
        return;
    snprintf(ref.operand, sizeof ref.operand, "%s", operand);
    send_call(client, 3, KOFN_METHOD_DROP_OPERAND, &kofn_operand_ref_message, &ref);
    assert_int_equal(expect_reply(client, 3, NULL, NULL), KOFN_OK);
}

static void
stored_operand(stage *s)
{
    operand_in_use(s, false);
}

static void
dropped_operand(stage *s)
{
    operand_in_use(s, true);
}

static void
integers(stage *s)
{
    problem whole = small;
    whole.integers = KOFN_I64;
    char job[KOFN_ID_MAX];
    submit(s, open_client(s, KOFN_WINDOW_BYTES), 1, &whole, job);
}

static void
prime_field(stage *s)
{
    problem finite = small;
    finite.prime = 65521;
    char job[KOFN_ID_MAX];
    submit(s, open_client(s, KOFN_WINDOW_BYTES), 1, &finite, job);
}

static const struct {
    const char *name;
    void (*play)(stage *s);
    size_t records;
} scenes[] = {
    {"open", open_job, 1},         {"coded", coded_job, 1},
    {"late", late_job, 1},         {"done", done_job, 1},
    {"failed", failed_job, 1},     {"cancelled", cancelled_job, 1},
    {"stored", stored_operand, 2}, {"dropped", dropped_operand, 2},
    {"integers", integers, 1},     {"prime_field", prime_field, 1},
};

/* ---- what a scene leaves --------------------------------------------------------------------- */

typedef struct taken {
    kofn_store_record record;
    bytes body;
} taken;

typedef struct shelf {
    kofn_store *store;
    size_t count;
    taken records[RECORDS_MAX];
} shelf;

static kofn_status
take_record(void *context, const kofn_store_record *record, const kofn_error *broken,
            kofn_error *err)
{
    shelf *all = context;
    (void)err;
    assert_null(broken);
    assert_true(all->count < RECORDS_MAX && record->body_bytes <= SEED_MAX);
    taken *t = &all->records[all->count++];
    t->record = *record;
    t->body.count = record->body_bytes;
    memcpy(t->body.at, record->body, record->body_bytes);
    return KOFN_OK;
}

static void
note_done(kofn_store_request *request)
{
    *(bool *)request->context = true;
}

/* Its shape, without elements; false: there is none in that slot. */
static bool
find_matrix(shelf *all, const kofn_store_record *record, unsigned slot, kofn_mat *ret_shape)
{
    bool done = false;
    kofn_store_request fetch = {.verb = KOFN_STORE_FETCH,
                                .record = {.kind = record->kind, .id = record->id},
                                .slot = slot,
                                .done = note_done,
                                .context = &done};
    kofn_store_submit(all->store, &fetch);
    while (!done) {
        struct pollfd wait = {.fd = kofn_store_get_fd(all->store), .events = POLLIN};
        assert_true(poll(&wait, 1, PATIENCE_MS) == 1);
        kofn_store_serve(all->store);
    }
    if (fetch.error.status == KOFN_NOT_FOUND)
        return false;
    assert_int_equal(fetch.error.status, KOFN_OK);
    *ret_shape = fetch.fetched;
    kofn_mat_fini(&fetch.fetched);
    return true;
}

static void
add(bytes *to, const void *at, size_t count)
{
    assert_true(to->count + count <= SEED_MAX);
    memcpy(to->at + to->count, at, count);
    to->count += count;
}

/* Ids have as many digits, so nothing else moves. */
static void
rename_ids(const shelf *all, bytes *body)
{
    for (size_t r = 0; r < all->count; r++) {
        char from[ID_DIGITS + 1], to[ID_DIGITS + 1];
        (void)snprintf(from, sizeof from, "%016llx", (unsigned long long)all->records[r].record.id);
        (void)snprintf(to, sizeof to, "%016zx", r + 1);
        for (size_t i = 0; i + ID_DIGITS <= body->count; i++)
            if (memcmp(body->at + i, from, ID_DIGITS) == 0)
                memcpy(body->at + i, to, ID_DIGITS);
    }
}

/* As fuzz_keep.c takes it. */
static void
add_record(shelf *all, taken *t, bytes *input)
{
    uint8_t head[4], matrices[KOFN_STORE_SLOTS][4];
    size_t count = 0;
    for (unsigned slot = 0; slot < KOFN_STORE_SLOTS; slot++) {
        kofn_mat shape;
        if (!find_matrix(all, &t->record, slot, &shape))
            continue;
        assert_true(shape.rows < SIDE_MAX && shape.cols < SIDE_MAX);
        matrices[count][0] = (uint8_t)(slot | (unsigned)(shape.dtype - 1) << 4);
        matrices[count][1] = (uint8_t)shape.rows;
        matrices[count][2] = (uint8_t)shape.cols;
        matrices[count++][3] = 0;
    }
    assert_true(count < 8);
    rename_ids(all, &t->body);
    head[0] = (uint8_t)((t->record.kind == KOFN_STORE_OPERAND) | t->record.state << 1);
    head[1] = (uint8_t)((t->record.owner[0] ? 1 : 0) | (t->record.key[0] ? 2 : 0) |
                        (t->record.deadline_ms ? 4 : 0) | count << 5);
    head[2] = (uint8_t)(t->body.count & 0xff);
    head[3] = (uint8_t)(t->body.count >> 8);
    add(input, head, sizeof head);
    add(input, t->body.at, t->body.count);
    add(input, matrices, 4 * count);
}

static void
take_input(const stage *s, size_t records, bytes *input)
{
    kofn_error error;
    shelf *all = calloc(1, sizeof *all);
    assert_non_null(all);
    const kofn_store_params params = {.folder = s->config.store, .helpers = 1, .pool = s->pool};
    assert_ok(kofn_store_open(&params, &all->store, &error));
    assert_ok(kofn_store_load(all->store, 0, take_record, all, &error));
    assert_int_equal(all->count, records);
    input->count = 0;
    for (size_t i = 0; i < all->count; i++)
        add_record(all, &all->records[i], input);
    kofn_store_close(&all->store);
    free(all);
}

/* ---- seeds ----------------------------------------------------------------------------------- */

/* Names of all fields of a body, in their order; but of an account, whose zeros are left out, its
 * own name alone. */
static void
add_names(kofn_cursor *cursor, bytes *names)
{
    kofn_token value, name;
    assert_true(kofn_cursor_next(cursor, &value));
    const bool map = value.kind == KOFN_TOKEN_MAP;
    for (uint64_t i = 0; i < (map || value.kind == KOFN_TOKEN_ARRAY ? value.number : 0); i++) {
        if (map) {
            assert_true(kofn_cursor_next(cursor, &name) && name.kind == KOFN_TOKEN_TEXT);
            add(names, name.bytes, name.number);
            add(names, " ", 1);
        }
        if (map && name.number == 7 && memcmp(name.bytes, "account", 7) == 0)
            assert_true(kofn_cursor_skip(cursor));
        else
            add_names(cursor, names);
    }
}

static void
list_names(const bytes *input, bytes *names)
{
    names->count = 0;
    for (size_t at = 0; at + 4 <= input->count;) {
        const size_t length = input->at[at + 2] | (size_t)input->at[at + 3] << 8;
        kofn_cursor body = kofn_cursor_over(input->at + at + 4, length);
        add_names(&body, names);
        at += 4 + length + 4 * (size_t)(input->at[at + 1] >> 5);
    }
    add(names, "", 1);
}

static void
write_seed(const char *path, const bytes *input)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(input->at, 1, input->count, file), input->count);
    assert_int_equal(fclose(file), 0);
}

static void
check_seed(const char *name, const bytes *input)
{
    static bytes seed, there, wanted;
    char path[512];
    (void)snprintf(path, sizeof path, FOLDER "packed_%s", name);
    if (writes)
        write_seed(path, input);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("there is no %s: test_keep_seeds --write", path);
    seed.count = fread(seed.at, 1, SEED_MAX, file);
    (void)fclose(file);
    list_names(&seed, &there);
    list_names(input, &wanted);
    if (strcmp((char *)there.at, (char *)wanted.at) != 0)
        fail_msg("%s has %s, and what is packed today %s: test_keep_seeds --write", path,
                 (char *)there.at, (char *)wanted.at);
}

/* ---- the test -------------------------------------------------------------------------------- */

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

/* Open jobs stay open. */
static void
play(size_t scene, bytes *input)
{
    void *state = NULL;
    char folder[] = "/tmp/kofn-keep-seeds-XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_int_equal(stage_setup(&state), 0);
    stage *s = state;
    (void)snprintf(s->config.store, sizeof s->config.store, "%s", folder);
    stage_run(s);
    scenes[scene].play(s);
    kofn_master_stop(s->master);
    kofn_master_stop(s->master);
    stage_join(s);
    take_input(s, scenes[scene].records, input);
    assert_int_equal(stage_teardown(&state), 0);
    assert_int_equal(nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void
what_the_master_packs_is_a_seed_and_is_taken_up_again(void **state)
{
    (void)state;
    static bytes input;
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        print_message("%s\n", scenes[i].name);
        play(i, &input);
        check_seed(scenes[i].name, &input);
        assert_int_equal(LLVMFuzzerTestOneInput(input.at, input.count), 0);
    }
}

int
main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_master_packs_is_a_seed_and_is_taken_up_again),
    };
    writes = argc == 2 && strcmp(argv[1], "--write") == 0;
    return cmocka_run_group_tests_name("keep_seeds", tests, NULL, NULL);
}
