#include "master/store/schema.h"
#include "master/store/failpoint.h"
#include "master/store/spool.h"
#include "master/store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { APPLICATION_ID = 0x6b6f666e }; // "kofn"

/* STRICT has SQLite check types as it writes. What is read is checked all the same: a file on disk
 * can hold anything. */
static const char *const migration_steps[] = {
    "CREATE TABLE records ("
    "  number INTEGER PRIMARY KEY," // in the order of their coming
    "  kind INTEGER NOT NULL,"
    "  id INTEGER NOT NULL,"
    "  owner TEXT NOT NULL,"
    "  key TEXT NOT NULL,"
    "  state INTEGER NOT NULL,"
    "  created_ms INTEGER NOT NULL,"
    "  ended_ms INTEGER NOT NULL,"
    "  deadline_ms INTEGER NOT NULL,"
    "  digest BLOB NOT NULL,"
    "  body BLOB NOT NULL,"
    "  UNIQUE (kind, id)"
    ") STRICT;"
    "CREATE TABLE matrices ("
    "  kind INTEGER NOT NULL,"
    "  id INTEGER NOT NULL,"
    "  slot INTEGER NOT NULL,"
    "  dtype INTEGER NOT NULL,"
    "  rows INTEGER NOT NULL,"
    "  cols INTEGER NOT NULL,"
    "  bytes INTEGER NOT NULL,"
    "  digest BLOB NOT NULL,"
    "  file INTEGER," // name in the spool, or NULL and
    "  data BLOB,"    // the elements
    "  PRIMARY KEY (kind, id, slot)"
    ") STRICT;"
    "CREATE UNIQUE INDEX matrices_by_file ON matrices (file) WHERE file IS NOT NULL;",
};

/* What the system said of jobs.db or its log last, which sqlite3_system_errno keeps of few calls;
 * 0: nothing. */
static int
find_errno(sqlite3 *db)
{
    sqlite3_file *log = NULL;
    int found = sqlite3_system_errno(db);
    if (found == 0)
        (void)sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (log && log->pMethods)
        (void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &found);
    if (found == 0)
        (void)sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &found);
    return found;
}

kofn_status
kofn_schema_fail(sqlite3 *db, const char *what, kofn_error *err)
{
    kofn_status status = KOFN_INTERNAL;
    const char *hint = "", *said = sqlite3_errmsg(db);
    int found;
    switch (sqlite3_errcode(db) & 0xff) {
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
        status = KOFN_RESOURCE_EXHAUSTED;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        status = KOFN_FAILED_PRECONDITION;
        hint = "; another kofn-master uses this store: stop it, or choose another store.dir";
        break;
    case SQLITE_CORRUPT:
        status = KOFN_DATA_LOSS;
        hint = "; at its next start kofn-master goes on with what can be read of it";
        break;
    case SQLITE_NOTADB:
        status = KOFN_FAILED_PRECONDITION;
        hint = "; put a copy in its place, or move the whole folder away to begin anew";
        break;
    case SQLITE_IOERR:
        found = find_errno(db);
        status = kofn_spool_status(found);
        said = found ? strerror(found) : said;
        break;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
        status = KOFN_FAILED_PRECONDITION;
        break;
    default:
        break;
    }
    if (status == KOFN_FAILED_PRECONDITION && !hint[0])
        hint = "; make the store writable again";
    return kofn_fail(err, status, "jobs.db: cannot %s: %s%s", what, said, hint);
}

static kofn_status
run(sqlite3 *db, const char *sql, const char *what, kofn_error *err)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? KOFN_OK
                                                                : kofn_schema_fail(db, what, err);
}

static kofn_status
read_number(sqlite3 *db, const char *sql, int64_t *ret_number, kofn_error *err)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        const kofn_status status = kofn_schema_fail(db, "be read", err);
        sqlite3_finalize(stmt);
        return status;
    }
    *ret_number = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return KOFN_OK;
}

static kofn_status
take_steps(sqlite3 *db, const char *const *steps, size_t from, size_t to, kofn_error *err)
{
    char finish[96];
    kofn_status status = KOFN_OK;
    for (size_t i = from; !status && i < to; i++)
        status = run(db, steps[i], "change its schema", err);
    snprintf(finish, sizeof finish, "PRAGMA user_version = %zu; PRAGMA application_id = %d", to,
             (int)APPLICATION_ID);
    if (!status)
        status = run(db, finish, "note its version", err);
    if (!status && kofn_failpoint_pass(KOFN_FAIL_SCHEMA_MADE) != 0)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "jobs.db: the disk is full");
    return status;
}

kofn_status
kofn_schema_migrate(sqlite3 *db, const char *const *steps, size_t step_count, kofn_error *err)
{
    int64_t version = 0, application = 0, tables = 0;
    kofn_status status = read_number(db, "PRAGMA user_version", &version, err);
    if (!status)
        status = read_number(db, "PRAGMA application_id", &application, err);
    if (!status)
        status = read_number(db, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (status)
        return status;
    if (application != APPLICATION_ID && (application != 0 || tables != 0))
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "jobs.db: this is a database of some other program: choose another "
                         "store.dir");
    if (version < 0 || (uint64_t)version > step_count)
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "jobs.db: its schema has version %" PRId64 ", this kofn knows up to %zu: "
                         "install the newer one again",
                         version, step_count);
    if ((uint64_t)version == step_count)
        return KOFN_OK;

    status = run(db, "BEGIN IMMEDIATE", "be written", err);
    if (!status)
        status = take_steps(db, steps, (size_t)version, step_count, err);
    if (!status)
        status = run(db, "COMMIT", "keep its new schema", err);
    if (status)
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); // the first failure counts
    return status;
}

/* EXCLUSIVE: no other process comes near, and WAL needs no shared memory then. TRUSTED_SCHEMA,
 * DEFENSIVE and cell_size_check: the file is not believed. cache_size, in KiB: less than the 1.5
 * MiB of 1000 small jobs, the length of the list of those that ended, so that it is full within
 * seconds. SQLite's usual 2 MiB take hours to fill, as splits of pages make the file longer, and
 * the master grows with them. bench_submit does not tell the two apart. */
static kofn_status
configure(sqlite3 *db, bool sync, kofn_error *err)
{
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 2 * KOFN_STORE_BODY_MAX);
    (void)sqlite3_extended_result_codes(db, 1);
    kofn_status status = run(db,
                             "PRAGMA locking_mode = EXCLUSIVE;"
                             "PRAGMA cell_size_check = ON;"
                             "PRAGMA cache_size = -1024;"
                             "PRAGMA journal_mode = WAL;"
                             "PRAGMA wal_autocheckpoint = 1000;"
                             "BEGIN IMMEDIATE; COMMIT",
                             "be opened", err);
    if (!status)
        status = run(db, sync ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = OFF",
                     "be opened", err);
    return status;
}

kofn_status
kofn_schema_open(const char *path, bool sync, sqlite3 **ret_db, kofn_error *err)
{
    sqlite3 *db = NULL;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    kofn_status status = KOFN_OK;
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK)
        status = db ? kofn_schema_fail(db, "be opened", err)
                    : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the job store");
    if (!status)
        status = configure(db, sync, err);
    if (!status)
        status = kofn_schema_migrate(db, migration_steps,
                                     sizeof migration_steps / sizeof migration_steps[0], err);
    if (status) {
        sqlite3_close(db); // accepts NULL
        return status;
    }
    *ret_db = db;
    return KOFN_OK;
}
