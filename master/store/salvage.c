#include "master/store/salvage.h"
#include "master/store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    PATH_BYTES = 4096 + 64,
    PAGE_BYTES = 4096,
    FLIPS_MAX = 16, // bytes of page 1: a bit or two, a word; beyond that it is something else
    HALVINGS = 1000,
};

/* ---- page 1 ---------------------------------------------------------------------------------- */

/* Counters, sizes, versions: what is well in one database and different in the next. */
static bool
is_counter(size_t at)
{
    return (at >= 24 && at < 44) || (at >= 48 && at < 52) || (at >= 60 && at < 64) ||
           (at >= 92 && at < 100);
}

static bool
make_first_page(uint8_t ret_page[PAGE_BYTES])
{
    sqlite3 *db = NULL;
    sqlite3_int64 bytes = 0;
    unsigned char *image = NULL;
    if (kofn_schema_open(":memory:", false, &db, NULL) == KOFN_OK)
        image = sqlite3_serialize(db, "main", &bytes, 0);
    const bool made = image && bytes >= PAGE_BYTES;
    if (made)
        memcpy(ret_page, image, PAGE_BYTES);
    ret_page[18] = ret_page[19] = 2; // WAL
    sqlite3_free(image);
    sqlite3_close(db);
    return made;
}

/* How many bytes of page 1 are not as they should be; PAGE_BYTES: it cannot be told. */
static size_t
count_flips(const char *path, uint8_t ret_right[PAGE_BYTES])
{
    uint8_t page[PAGE_BYTES];
    size_t flips = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd < 0 ? -1 : pread(fd, page, sizeof page, 0);
    if (fd >= 0)
        (void)close(fd);
    if (got != PAGE_BYTES || !make_first_page(ret_right))
        return PAGE_BYTES;
    if (sodium_is_zero(page, sizeof page)) // what a disk makes of a page that it lost
        return FLIPS_MAX;
    for (size_t i = 0; i < PAGE_BYTES; i++) {
        if (is_counter(i))
            ret_right[i] = page[i];
        flips += ret_right[i] != page[i];
    }
    return flips;
}

/* Its free pages are of no interest, and its size is that of the file. What cannot be written stays
 * what it is: unreadable. */
static void
mend_first_page(const char *path)
{
    uint8_t right[PAGE_BYTES];
    if (count_flips(path, right) > FLIPS_MAX)
        return;
    memset(right + 28, 0, 12);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    const ssize_t written = pwrite(fd, right, sizeof right, 0);
    (void)written;
    (void)close(fd);
}

/* ---- rows ------------------------------------------------------------------------------------ */

typedef struct table {
    const char *insert, *select, *remnant, *next,
        *previous; // remnant: of a row that is read in part
    int columns;
} table;

#define SEEK(name, order)                                                                          \
    "SELECT rowid FROM " name " NOT INDEXED WHERE rowid BETWEEN ?1 AND ?2"                         \
    " ORDER BY rowid " order " LIMIT 1"

static const table records = {
    .insert = "INSERT INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    .select = "SELECT * FROM records NOT INDEXED WHERE rowid = ?1",
    .remnant = "SELECT number, kind, id, '', '', 0, 0, 0, 0, x'', x'' FROM records NOT INDEXED"
               " WHERE rowid = ?1",
    .next = SEEK("records", "ASC"),
    .previous = SEEK("records", "DESC"),
    .columns = 11,
};

static const table matrices = {
    .insert = "INSERT INTO matrices VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    .select = "SELECT * FROM matrices NOT INDEXED WHERE rowid = ?1",
    .next = SEEK("matrices", "ASC"),
    .previous = SEEK("matrices", "DESC"),
    .columns = 10,
};

typedef struct copying {
    sqlite3 *from, *to;
    sqlite3_stmt *insert, *select, *remnant, *next, *previous;
    int columns;
    unsigned halvings;
    uint64_t copied, spoilt;
    const kofn_store_params *params;
    kofn_status status; // of what is written
    kofn_error *err;
} copying;

/* What memory did not suffice for is not lost: the whole of it is tried again at the next start. */
static int
step(copying *c, sqlite3_stmt *stmt)
{
    const int code = sqlite3_step(stmt);
    if ((code & 0xff) == SQLITE_NOMEM && !c->status)
        c->status = kofn_schema_fail(c->from, "be read", c->err);
    return code;
}

/* SQLITE_ROW: *ret_row; SQLITE_DONE: there is none; else it cannot be told. */
static int
seek(copying *c, sqlite3_stmt *stmt, int64_t low, int64_t high, int64_t *ret_row)
{
    (void)sqlite3_bind_int64(stmt, 1, low);
    (void)sqlite3_bind_int64(stmt, 2, high);
    const int code = step(c, stmt);
    if (code == SQLITE_ROW)
        *ret_row = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_reset(stmt);
    return code;
}

/* What SQLite says of the row: SQLITE_ROW, and *ret_copied unless the new database does not believe
 * it. */
static int
copy_with(copying *c, sqlite3_stmt *select, int64_t row, bool *ret_copied)
{
    (void)sqlite3_bind_int64(select, 1, row);
    const int found = step(c, select);
    if (found == SQLITE_ROW) {
        for (int i = 0; i < c->columns; i++)
            (void)sqlite3_bind_value(c->insert, i + 1, sqlite3_column_value(select, i));
        const int code = sqlite3_step(c->insert);
        *ret_copied = code == SQLITE_DONE;
        if (!*ret_copied && (code & 0xff) != SQLITE_CONSTRAINT && (code & 0xff) != SQLITE_MISMATCH)
            c->status = kofn_schema_fail(c->to, "be made anew", c->err);
        (void)sqlite3_reset(c->insert);
        (void)sqlite3_clear_bindings(c->insert);
    }
    (void)sqlite3_reset(select);
    return found;
}

/* False: it is not where its number belongs, so that this is none to go on from. */
static bool
copy_row(copying *c, int64_t row)
{
    bool whole = false, remnant = false;
    if (c->params->starting)
        c->params->starting(c->params->context);
    if (copy_with(c, c->select, row, &whole) == SQLITE_DONE)
        return false;
    c->copied += whole;
    c->spoilt += !whole;
    if (!whole && !c->status && c->remnant)
        (void)copy_with(c, c->remnant, row, &remnant); // or nobody can be told
    return true;
}

static void
copy_range(copying *c, int64_t low, int64_t high)
{
    int64_t row = 0;
    int code = SQLITE_ROW;
    while (low <= high && !c->status && (code = seek(c, c->next, low, high, &row)) == SQLITE_ROW &&
           copy_row(c, row))
        low = row + 1;
    if (low > high || c->status || code == SQLITE_DONE)
        return;
    while (low <= high && !c->status &&
           (code = seek(c, c->previous, low, high, &row)) == SQLITE_ROW && copy_row(c, row))
        high = row - 1;
    if (low > high || c->status || code == SQLITE_DONE)
        return;
    if (low == high || c->halvings == 0) {
        c->spoilt++; // rows that cannot even be counted
        return;
    }
    c->halvings--;
    const int64_t middle = low + (high - low) / 2;
    copy_range(c, low, middle);
    copy_range(c, middle + 1, high);
}

/* NULL: the table is not there any more, or the way to it. That it cannot be opened at all is
 * another matter, and left to the next start. */
static sqlite3_stmt *
prepare(copying *c, sqlite3 *db, const char *text)
{
    sqlite3_stmt *stmt = NULL;
    const int code = text ? sqlite3_prepare_v2(db, text, -1, &stmt, NULL) & 0xff : SQLITE_OK;
    const bool lost = code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_IOERR ||
                      code == SQLITE_ERROR;
    if (code != SQLITE_OK && !c->status && (db == c->to || !lost))
        c->status = kofn_schema_fail(db, "be made anew", c->err);
    return stmt;
}

static kofn_status
copy_table(copying *c, const table *what)
{
    c->columns = what->columns;
    c->halvings = HALVINGS;
    c->copied = c->spoilt = 0;
    c->insert = prepare(c, c->to, what->insert);
    c->select = prepare(c, c->from, what->select);
    c->remnant = prepare(c, c->from, what->remnant);
    c->next = prepare(c, c->from, what->next);
    c->previous = prepare(c, c->from, what->previous);
    if (!c->status && c->select && c->next && c->previous)
        copy_range(c, 1, INT64_MAX - 1);
    else
        c->spoilt++;
    sqlite3_stmt *const all[] = {c->insert, c->select, c->remnant, c->next, c->previous};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sqlite3_finalize(all[i]); // accepts NULL
    return c->status;
}

/* Nothing is written to it. Cells are not checked as a page is read but one by one as they are
 * used, so that a page with one bad cell has others; WRITABLE_SCHEMA has SQLite read a file that
 * was cut. */
static sqlite3 *
open_damaged(const char *path)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
        SQLITE_OK) {
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL);
        (void)sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
    }
    return db;
}

static kofn_status
copy_rows(const char *old, const char *fresh, copying *c, kofn_store_findings *findings,
          kofn_error *err)
{
    kofn_status status = kofn_schema_open(fresh, false, &c->to, err);
    if (!status && sqlite3_exec(c->to, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        status = kofn_schema_fail(c->to, "be made anew", err);
    c->from = open_damaged(old);
    c->err = err;
    if (!status && !c->from)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to read jobs.db");
    if (!status)
        status = copy_table(c, &records);
    findings->records = c->copied;
    findings->spoilt = c->spoilt;
    if (!status)
        status = copy_table(c, &matrices);
    findings->matrices = c->copied;
    findings->spoilt += c->spoilt;
    if (!status && (sqlite3_exec(c->to, "COMMIT", NULL, NULL, NULL) != SQLITE_OK ||
                    sqlite3_wal_checkpoint_v2(c->to, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                              NULL) != SQLITE_OK))
        status = kofn_schema_fail(c->to, "be made anew", err); // the file alone is renamed
    sqlite3_close(c->from);
    sqlite3_close(c->to);
    return status;
}

/* ---- files ----------------------------------------------------------------------------------- */

static void
name(const char *path, const char *end, char ret_name[PATH_BYTES])
{
    (void)snprintf(ret_name, PATH_BYTES, "%s%s", path, end); // the store has seen to its length
}

static bool
is_there(const char *path, const char *end)
{
    char file[PATH_BYTES];
    name(path, end, file);
    return access(file, F_OK) == 0;
}

/* That it is not there is no failure. */
static kofn_status
move(const char *path, const char *end, const char *new_end, kofn_error *err)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    name(path, end, from);
    name(path, new_end, to);
    if (rename(from, to) == 0 || errno == ENOENT)
        return KOFN_OK;
    return kofn_fail(err, kofn_status_from_errno(errno),
                     "jobs.db is damaged, and '%s' cannot be renamed: %s", from, strerror(errno));
}

static void
remove_one(const char *path, const char *end)
{
    char file[PATH_BYTES];
    name(path, end, file);
    (void)unlink(file); // what cannot be removed is found when it is written
}

static kofn_status
sync_one(const char *path, int flags, kofn_error *err)
{
    const int fd = open(path, flags | O_CLOEXEC);
    const bool synced = fd >= 0 && fsync(fd) == 0;
    const int failed = errno;
    if (fd >= 0)
        (void)close(fd);
    return synced ? KOFN_OK
                  : kofn_fail(err, kofn_status_from_errno(failed), "cannot sync '%s': %s", path,
                              strerror(failed));
}

static kofn_status
sync_folder(const char *path, kofn_error *err)
{
    char copy[PATH_BYTES];
    name(path, "", copy);
    return sync_one(dirname(copy), O_RDONLY | O_DIRECTORY, err);
}

static kofn_status
make_anew(const char *path, copying *c, kofn_store_findings *findings, kofn_error *err)
{
    char old[PATH_BYTES], fresh[PATH_BYTES];
    name(path, ".damaged", old);
    name(path, ".new", fresh);
    remove_one(path, ".new");
    remove_one(path, ".new-wal");
    mend_first_page(old);
    kofn_status status = copy_rows(old, fresh, c, findings, err);
    if (!status)
        status = sync_one(fresh, O_RDWR, err);
    if (!status)
        status = move(path, ".new", "", err);
    return status ? status : sync_folder(path, err);
}

/* Of a database that was cut that short SQLite makes a new one without a word; and one that was
 * killed as it made it has no spool yet. */
static bool
is_cut_short(const char *path)
{
    struct stat st;
    char copy[PATH_BYTES];
    name(path, "", copy);
    return stat(path, &st) == 0 && st.st_size < PAGE_BYTES && is_there(dirname(copy), "/spool");
}

bool
kofn_salvage_is_due(const char *path)
{
    uint8_t right[PAGE_BYTES];
    const size_t flips = count_flips(path, right);
    return is_there(path, ".damaged") || (flips > 0 && flips <= FLIPS_MAX) || is_cut_short(path);
}

kofn_status
kofn_salvage(const char *path, const kofn_store_params *params, kofn_store_findings *ret_findings,
             kofn_error *err)
{
    kofn_store_findings findings = {0};
    copying c = {.params = params};
    kofn_status status = KOFN_OK;
    if (!is_there(path, ".damaged"))
        status = move(path, "", ".damaged", err);
    if (!status && !is_there(path, "")) {
        status = move(path, "-wal", ".damaged-wal", err);
        if (!status)
            status = make_anew(path, &c, &findings, err);
    }
    char end[64], log_end[64];
    (void)snprintf(end, sizeof end, ".damaged-%jd", (intmax_t)time(NULL));
    (void)snprintf(log_end, sizeof log_end, "%s-wal", end);
    if (!status)
        status = move(path, ".damaged-wal", log_end, err);
    if (!status)
        status = move(path, ".damaged", end, err);
    if (!status)
        status = sync_folder(path, err);
    if (status)
        return status;
    (void)snprintf(findings.aside, sizeof findings.aside, "jobs.db%s", end);
    *ret_findings = findings;
    return KOFN_OK;
}
