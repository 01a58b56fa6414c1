/* A store on a disk that errs: bits that flip in jobs.db and its log, a file that is cut. Whatever
 * it is, the store opens, what it says is right, and what it lost it says. */
#include "tests/unit/store_rig.h"

#include "common/base/rng.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { RECORDS = 30, SMALL = 8, LARGE = 128, PAGE = 4096, PATH_MAX_BYTES = 192 };

typedef struct image {
    uint8_t *at;
    size_t bytes;
} image;

static void
path_of(const store_rig *rig, const char *name, char ret_path[PATH_MAX_BYTES])
{
    snprintf(ret_path, PATH_MAX_BYTES, "%s/%s", rig->folder, name);
}

static image
read_image(const store_rig *rig, const char *name)
{
    char path[PATH_MAX_BYTES];
    struct stat st;
    path_of(rig, name, path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    const image whole = {.at = malloc((size_t)st.st_size + 1), .bytes = (size_t)st.st_size};
    assert_non_null(whole.at);
    assert_int_equal(read(fd, whole.at, whole.bytes), (ssize_t)whole.bytes);
    close(fd);
    return whole;
}

static void
write_image(const store_rig *rig, const char *name, const uint8_t *at, size_t bytes)
{
    char path[PATH_MAX_BYTES];
    path_of(rig, name, path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, at, bytes), (ssize_t)bytes);
    close(fd);
}

/* jobs.db and all that has been made of it. */
static void
remove_database(const store_rig *rig)
{
    char path[PATH_MAX_BYTES];
    DIR *folder = opendir(rig->folder);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (strncmp(entry->d_name, "jobs.db", 7) == 0) {
            path_of(rig, entry->d_name, path);
            assert_int_equal(unlink(path), 0);
        }
    closedir(folder);
}

/* Bodies from nothing to more than a page, so that there are pages of every kind. */
static size_t
body_of(uint64_t id, char ret_body[3 * PAGE])
{
    const size_t bytes = (size_t)(id * 977 % (3 * PAGE));
    memset(ret_body, (int)('a' + id % 26), bytes);
    return bytes;
}

static void
put_one(store_rig *rig, uint64_t id)
{
    char body[3 * PAGE];
    kofn_bands bands;
    kofn_error error;
    const size_t side = id % 20 == 0 ? LARGE : SMALL;
    make_bands(rig->pool, id, 0, 1, side, side, &bands);
    kofn_store_request put = request_of(KOFN_STORE_PUT, id);
    put.is_new = true;
    put.record.body = body;
    put.record.body_bytes = body_of(id, body);
    put.matrix_count = 1;
    put.matrices[0] = (kofn_store_matrix){.slot = 0, .bands = &bands};
    assert_ok(rig_call(rig, &put, &error));
    kofn_bands_fini(&bands);
}

static image
make_store(store_rig *rig)
{
    rig->params.sync = false;
    rig_open(rig);
    for (uint64_t id = 1; id <= RECORDS; id++)
        put_one(rig, id);
    kofn_store_close(&rig->store);
    return read_image(rig, "jobs.db");
}

typedef struct tally {
    bool good[RECORDS + 1];
    size_t whole, broken, matrices;
} tally;

static kofn_status
on_record(void *context, const kofn_store_record *record, const kofn_error *broken, kofn_error *err)
{
    (void)err;
    tally *t = context;
    char body[3 * PAGE];
    t->broken += broken != NULL;
    if (broken)
        return KOFN_OK;
    assert_in_range(record->id, 1, RECORDS);
    assert_false(t->good[record->id]);
    assert_int_equal(record->body_bytes, body_of(record->id, body));
    assert_memory_equal(record->body, body, record->body_bytes);
    t->good[record->id] = true;
    t->whole++;
    return KOFN_OK;
}

/* Open, and believe nothing: each record and matrix is what was stored, or told to be lost. */
static tally
look(store_rig *rig, kofn_store_findings *ret_findings)
{
    tally t = {0};
    kofn_error error;
    rig_open(rig);
    assert_ok(kofn_store_load(rig->store, 0, on_record, &t, &error));
    for (uint64_t id = 1; id <= RECORDS; id++)
        t.matrices += t.good[id] && rig_fetch(rig, id, &error) == KOFN_OK;
    kofn_store_get_findings(rig->store, ret_findings);
    return t;
}

/* The daemon goes on: it takes what is new, and the next start finds nothing wrong. */
static void
go_on(store_rig *rig, const tally *before)
{
    kofn_store_findings findings;
    put_one(rig, RECORDS + 1);
    kofn_store_request gone = request_of(KOFN_STORE_REMOVE, RECORDS + 1);
    kofn_error error;
    assert_ok(rig_call(rig, &gone, &error));
    kofn_store_close(&rig->store);
    const tally after = look(rig, &findings);
    assert_string_equal(findings.aside, "");
    assert_int_equal(findings.commits, 0);
    assert_int_equal(after.whole, before->whole);
    assert_int_equal(after.broken, before->broken);
    assert_int_equal(after.matrices, before->matrices);
    kofn_store_close(&rig->store);
}

/* None is lost without a word. */
static tally
try_damaged(store_rig *rig, const image *damaged)
{
    kofn_store_findings findings;
    remove_database(rig);
    write_image(rig, "jobs.db", damaged->at, damaged->bytes);
    const tally t = look(rig, &findings);
    if (t.whole + t.broken < RECORDS) // else whoever asks is told
        assert_true(findings.aside[0]);
    go_on(rig, &t);
    return t;
}

/* Page 1 has nothing that cannot be made again, but for the version, which is believed; page 2 has
 * the way to all the records. */
static void
a_bit_that_flips_costs_a_page_at_most(void **state)
{
    enum { TRIALS = 7 };
    static const size_t header[] = {0, 3, 5, 8, 9};
    store_rig *rig = *state;
    image db = make_store(rig);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(11), 0);
    for (size_t page = 0; page < db.bytes / PAGE; page++)
        for (size_t i = 0; i < TRIALS; i++) {
            const size_t in_page = i < 5 ? header[i] : 100 + kofn_rng_u64(&rng) % (PAGE - 100);
            const uint8_t bit = (uint8_t)(1U << kofn_rng_u64(&rng) % 8);
            db.at[page * PAGE + in_page] ^= bit;
            const tally t = try_damaged(rig, &db);
            const size_t least = page == 0 ? RECORDS : page == 1 ? 0 : RECORDS - 12;
            if (t.whole < least)
                fail_msg("page %zu, byte %zu, bits %u: %zu of %d records", page, in_page, bit,
                         t.whole, (int)RECORDS);
            db.at[page * PAGE + in_page] ^= bit;
        }
    free(db.at);
}

static void
a_first_page_of_zeroes_costs_nothing(void **state)
{
    store_rig *rig = *state;
    image db = make_store(rig);
    memset(db.at, 0, PAGE);
    const tally t = try_damaged(rig, &db);
    assert_int_equal(t.whole, RECORDS);
    assert_int_equal(t.matrices, RECORDS);
    free(db.at);
}

static void
a_file_that_is_cut_costs_what_was_behind(void **state)
{
    enum { STEP = 7 * PAGE / 2 };
    store_rig *rig = *state;
    const image db = make_store(rig);
    size_t last = RECORDS, most = 0;
    for (size_t bytes = db.bytes; bytes > 0; bytes -= bytes < STEP ? bytes : STEP) {
        const image cut = {.at = db.at, .bytes = bytes - 1};
        const tally t = try_damaged(rig, &cut);
        assert_true(t.whole <= last);
        last = t.whole;
        most = t.whole > most ? t.whole : most;
    }
    assert_true(most >= RECORDS - 12); // the first cut
    assert_int_equal(last, 0);
    const image nothing = {.at = db.at, .bytes = 0};
    (void)try_damaged(rig, &nothing);
    free(db.at);
}

/* Each arrow of salvage.h may be the last thing that a start does. */
static void
a_salvage_that_was_cut_off_is_taken_up(void **state)
{
    store_rig *rig = *state;
    image db = make_store(rig);
    kofn_store_findings findings;
    db.at[5 * PAGE] ^= 0xff; // a page's kind
    const size_t whole = try_damaged(rig, &db).whole;
    const image mended = read_image(rig, "jobs.db");

    remove_database(rig); // killed after 1, half of the new one written
    write_image(rig, "jobs.db.damaged", db.at, db.bytes);
    write_image(rig, "jobs.db.new", mended.at, mended.bytes / 2);
    tally t = look(rig, &findings);
    assert_int_equal(t.whole, whole);
    assert_int_not_equal(findings.aside[0], '\0');
    go_on(rig, &t);

    remove_database(rig); // killed after 2
    write_image(rig, "jobs.db.damaged", db.at, db.bytes);
    write_image(rig, "jobs.db", mended.at, mended.bytes);
    t = look(rig, &findings);
    assert_int_equal(t.whole, whole);
    const image aside = read_image(rig, findings.aside);
    assert_int_equal(aside.bytes, db.bytes);
    go_on(rig, &t);
    free(aside.at);
    free(mended.at);
    free(db.at);
}

/* ---- the log --------------------------------------------------------------------------------- */

typedef struct killed {
    image db, log;
} killed;

/* A store as a kill leaves it: all that it took is in the log. */
static killed
make_killed(store_rig *rig)
{
    rig->params.sync = false;
    rig_open(rig);
    for (uint64_t id = 1; id <= RECORDS; id++)
        put_one(rig, id);
    const killed k = {read_image(rig, "jobs.db"), read_image(rig, "jobs.db-wal")};
    kofn_store_close(&rig->store);
    return k;
}

static tally
try_log(store_rig *rig, const killed *k, size_t bytes, kofn_store_findings *ret_findings)
{
    remove_database(rig);
    write_image(rig, "jobs.db", k->db.at, k->db.bytes);
    write_image(rig, "jobs.db-wal", k->log.at, bytes);
    const tally t = look(rig, ret_findings);
    kofn_store_close(&rig->store);
    return t;
}

static void
a_bit_that_flips_in_the_log_is_told(void **state)
{
    enum { TRIALS = 16 };
    store_rig *rig = *state;
    killed k = make_killed(rig);
    kofn_store_findings findings;
    for (size_t i = 0; i < TRIALS; i++) {
        const size_t at = i == 0 ? 17 : i * k.log.bytes / TRIALS + i; // 17: in the log's own header
        k.log.at[at] ^= 4;
        const tally t = try_log(rig, &k, k.log.bytes, &findings);
        k.log.at[at] ^= 4;
        const size_t lost = RECORDS - t.whole;
        assert_true(lost > 0);
        assert_true(findings.commits + 1 >= lost); // of one its own end may be what is damaged
        assert_int_equal(findings.files, t.good[20] ? 0 : 1);
        const tally again =
            try_log(rig, &k, k.log.bytes, &findings); // whole: as somebody mended it
        assert_int_equal(again.matrices, RECORDS);    // of which one was in lost/
        assert_int_equal(findings.commits, 0);
    }
    free(k.db.at);
    free(k.log.at);
}

static void
a_log_that_a_kill_cut_is_as_usual(void **state)
{
    enum { TRIALS = 16 };
    store_rig *rig = *state;
    const killed k = make_killed(rig);
    kofn_store_findings findings;
    for (size_t i = 1; i <= TRIALS; i++) {
        (void)try_log(rig, &k, i * k.log.bytes / TRIALS - i, &findings);
        assert_int_equal(findings.commits, 0);
        assert_string_equal(findings.aside, "");
    }
    free(k.db.at);
    free(k.log.at);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_bit_that_flips_costs_a_page_at_most),
        TEST(a_first_page_of_zeroes_costs_nothing),
        TEST(a_file_that_is_cut_costs_what_was_behind),
        TEST(a_salvage_that_was_cut_off_is_taken_up),
        TEST(a_bit_that_flips_in_the_log_is_told),
        TEST(a_log_that_a_kill_cut_is_as_usual),
    };
    return cmocka_run_group_tests_name("store_damage", tests, NULL, NULL);
}
