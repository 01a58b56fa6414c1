#include "master/store/rows.h"
#include "master/store/digest.h"
#include "master/store/salvage.h"
#include "master/store/schema.h"
#include "master/store/wal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum statement {
    BEGIN,
    COMMIT,
    UNDO,
    INSERT_RECORD,
    UPDATE_RECORD,
    REMOVE_RECORD,
    SIZE_OF_RECORD,
    INSERT_MATRIX,
    REMOVE_MATRIX,
    SIZE_OF_MATRIX,
    FIND_MATRIX,
    ALL_RECORDS,
    FIND_FILE,
    COUNT_BYTES,
    STATEMENTS,
} statement;

/* ?1 and ?2 are kind and id wherever there is a record. */
static const char *const statement_texts[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [UNDO] = "ROLLBACK",
    [INSERT_RECORD] =
        "INSERT INTO records (kind, id, owner, key, state, created_ms, ended_ms,"
        " deadline_ms, digest, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [UPDATE_RECORD] = "UPDATE records SET owner = ?3, key = ?4, state = ?5, created_ms = ?6,"
                      " ended_ms = ?7, deadline_ms = ?8, digest = ?9, body = ?10"
                      " WHERE kind = ?1 AND id = ?2",
    [REMOVE_RECORD] = "DELETE FROM records WHERE kind = ?1 AND id = ?2",
    [SIZE_OF_RECORD] = "SELECT length(body) FROM records WHERE kind = ?1 AND id = ?2",
    [INSERT_MATRIX] = "INSERT INTO matrices (kind, id, slot, dtype, rows, cols, bytes, digest,"
                      " file, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [REMOVE_MATRIX] = "DELETE FROM matrices WHERE kind = ?1 AND id = ?2 AND slot = ?3",
    [SIZE_OF_MATRIX] = "SELECT bytes, file FROM matrices"
                       " WHERE kind = ?1 AND id = ?2 AND slot = ?3",
    [FIND_MATRIX] = "SELECT dtype, rows, cols, bytes, digest, file, data FROM matrices"
                    " WHERE kind = ?1 AND id = ?2 AND slot = ?3",
    [ALL_RECORDS] = "SELECT kind, id, owner, key, state, created_ms, ended_ms, deadline_ms, digest,"
                    " body FROM records WHERE ?1 = 0 OR kind = ?1 ORDER BY number",
    [FIND_FILE] = "SELECT 1 FROM matrices WHERE file = ?1",
    [COUNT_BYTES] = "SELECT (SELECT total(length(body)) FROM records)"
                    " + (SELECT total(bytes) FROM matrices)",
};

struct kofn_rows {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
};

/* ---- opening --------------------------------------------------------------------------------- */

/* Matrices whose record is gone: no group leaves any, but a file that somebody mended may. */
static kofn_status
tidy(kofn_rows *rows, kofn_error *err)
{
    static const char text[] = "DELETE FROM matrices WHERE NOT EXISTS (SELECT 1 FROM records"
                               " WHERE records.kind = matrices.kind AND records.id = matrices.id)";
    return sqlite3_exec(rows->db, text, NULL, NULL, NULL) == SQLITE_OK
               ? KOFN_OK
               : kofn_schema_fail(rows->db, "be tidied", err);
}

static kofn_status
prepare_statements(kofn_rows *rows, kofn_error *err)
{
    for (size_t i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v3(rows->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &rows->statements[i], NULL) != SQLITE_OK)
            return kofn_schema_fail(rows->db, "be used", err);
    return KOFN_OK;
}

/* A page that nobody reads at the start would fail those who write to it later, and an index that
 * tells something else than its table would lose rows. */
static kofn_status
check_pages(kofn_rows *rows, const kofn_store_params *params, kofn_error *err)
{
    sqlite3_stmt *stmt = NULL;
    kofn_status status = KOFN_OK;
    if (params->starting)
        params->starting(params->context); // SQLite does not, in this
    if (sqlite3_prepare_v2(rows->db, "PRAGMA integrity_check(1)", -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        status = kofn_schema_fail(rows->db, "be checked", err);
    } else {
        const char *said = (const char *)sqlite3_column_text(stmt, 0);
        if (!said || strcmp(said, "ok") != 0)
            status = kofn_fail(err, KOFN_DATA_LOSS, "jobs.db: it is damaged: %s", said ? said : "");
    }
    sqlite3_finalize(stmt);
    return status;
}

/* SQLite calls it once in so many steps of its machine. */
enum { STARTING_STEPS = 100000 };

static int
on_steps(void *context)
{
    const kofn_store_params *params = context;
    params->starting(params->context);
    return 0; // go on
}

static kofn_status
open_rows(const char *path, const kofn_store_params *params, kofn_rows **ret_rows, kofn_error *err)
{
    kofn_rows *rows = calloc(1, sizeof *rows);
    if (!rows)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the job store");
    kofn_status status = kofn_schema_open(path, params->sync, &rows->db, err);
    if (!status && params->starting)
        sqlite3_progress_handler(rows->db, STARTING_STEPS, on_steps, (void *)(uintptr_t)params);
    if (!status)
        status = check_pages(rows, params, err);
    if (!status)
        status = tidy(rows, err);
    if (!status)
        status = prepare_statements(rows, err);
    if (rows->db)
        sqlite3_progress_handler(rows->db, 0, NULL, NULL);
    if (status) {
        kofn_rows_close(&rows);
        return status;
    }
    *ret_rows = rows;
    return KOFN_OK;
}

kofn_status
kofn_rows_open(const char *path, const kofn_store_params *params, kofn_rows **ret_rows,
               kofn_store_findings *ret_findings, kofn_error *err)
{
    char log[4096];
    kofn_store_findings findings = {0};
    kofn_status status = KOFN_OK;
    (void)snprintf(log, sizeof log, "%s-wal", path);
    const uint64_t commits = kofn_wal_count_lost(log);
    const bool due = kofn_salvage_is_due(path);
    if (!due)
        status = open_rows(path, params, ret_rows, err);
    if (due || status == KOFN_DATA_LOSS) {
        status = kofn_salvage(path, params, &findings, err);
        if (!status)
            status = open_rows(path, params, ret_rows, err);
    }
    findings.commits = commits;
    if (!status)
        *ret_findings = findings;
    return status;
}

void
kofn_rows_close(kofn_rows **rows_p)
{
    kofn_rows *rows = *rows_p;
    if (!rows)
        return;
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(rows->statements[i]); // accepts NULL
    sqlite3_close(rows->db);
    free(rows);
    *rows_p = NULL;
}

/* ---- running statements ---------------------------------------------------------------------- */

/* Reset at once: a statement that was left open would keep the transaction so. */
static kofn_status
run(kofn_rows *rows, statement which, const char *what, kofn_error *err)
{
    sqlite3_stmt *stmt = rows->statements[which];
    const int code = sqlite3_step(stmt);
    kofn_status status = KOFN_OK;
    if (code != SQLITE_DONE)
        status = kofn_schema_fail(rows->db, what, err);
    (void)sqlite3_reset(stmt); // repeats step's failure
    (void)sqlite3_clear_bindings(stmt);
    return status;
}

/* Binding fails only for lack of memory, and then the NULL that stays is refused by NOT NULL. */
static sqlite3_stmt *
bind(kofn_rows *rows, statement which, const kofn_store_record *record)
{
    sqlite3_stmt *stmt = rows->statements[which];
    (void)sqlite3_bind_int64(stmt, 1, record->kind);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)record->id);
    return stmt;
}

kofn_status
kofn_rows_begin(kofn_rows *rows, kofn_error *err)
{
    return run(rows, BEGIN, "begin to write", err);
}

kofn_status
kofn_rows_commit(kofn_rows *rows, kofn_error *err)
{
    const kofn_status status = run(rows, COMMIT, "commit", err);
    if (status)
        kofn_rows_undo(rows);
    return status;
}

void
kofn_rows_undo(kofn_rows *rows)
{
    if (!sqlite3_get_autocommit(rows->db)) // SQLite undoes by itself what a full disk broke
        (void)run(rows, UNDO, "undo", NULL);
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool
note_file(kofn_rows_effect *effect, uint64_t file)
{
    if (effect->count == effect->capacity) {
        const size_t capacity = 2 * effect->capacity + 16;
        uint64_t *files = reallocarray(effect->files, capacity, sizeof files[0]);
        if (!files)
            return false;
        effect->files = files;
        effect->capacity = capacity;
    }
    effect->files[effect->count++] = file;
    return true;
}

/* What the slot holds goes, whatever that is. */
static kofn_status
remove_matrix(kofn_rows *rows, const kofn_store_record *record, unsigned slot,
              kofn_rows_effect *effect, kofn_error *err)
{
    sqlite3_stmt *stmt = bind(rows, SIZE_OF_MATRIX, record);
    (void)sqlite3_bind_int64(stmt, 3, slot);
    const int code = sqlite3_step(stmt);
    kofn_status status = KOFN_OK;
    if (code == SQLITE_ROW) {
        effect->bytes -= sqlite3_column_int64(stmt, 0);
        if (sqlite3_column_type(stmt, 1) != SQLITE_NULL &&
            !note_file(effect, (uint64_t)sqlite3_column_int64(stmt, 1)))
            status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the job store");
    } else if (code != SQLITE_DONE) {
        status = kofn_schema_fail(rows->db, "find a matrix", err);
    }
    (void)sqlite3_reset(stmt);
    if (status || code == SQLITE_DONE)
        return status;
    stmt = bind(rows, REMOVE_MATRIX, record);
    (void)sqlite3_bind_int64(stmt, 3, slot);
    return run(rows, REMOVE_MATRIX, "remove a matrix", err);
}

/* The elements in the row itself; they are few. */
static kofn_status
bind_data(sqlite3_stmt *stmt, int column, const kofn_bands *bands, size_t bytes, kofn_error *err)
{
    char *data = malloc(bytes ? bytes : 1);
    if (!data)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to store %zu bytes", bytes);
    kofn_piece_cursor cursor = {0};
    const void *piece;
    size_t piece_bytes, at = 0;
    while (kofn_bands_next_piece(bands, &cursor, &piece, &piece_bytes)) {
        memcpy(data + at, piece, piece_bytes);
        at += piece_bytes;
    }
    return sqlite3_bind_blob64(stmt, column, data, bytes, free) == SQLITE_OK
               ? KOFN_OK
               : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to store %zu bytes", bytes);
}

static kofn_status
insert_matrix(kofn_rows *rows, const kofn_store_record *record, const kofn_store_matrix *matrix,
              kofn_rows_effect *effect, kofn_error *err)
{
    const kofn_bands *bands = matrix->bands;
    const size_t bytes = bands->rows * bands->cols * kofn_dtype_width(bands->dtype);
    kofn_status status = remove_matrix(rows, record, matrix->slot, effect, err);
    if (status)
        return status;
    sqlite3_stmt *stmt = bind(rows, INSERT_MATRIX, record);
    const int64_t numbers[] = {matrix->slot, bands->dtype, (int64_t)bands->rows,
                               (int64_t)bands->cols, (int64_t)bytes};
    for (int i = 0; i < 5; i++)
        (void)sqlite3_bind_int64(stmt, 3 + i, numbers[i]);
    (void)sqlite3_bind_blob(stmt, 8, matrix->digest, KOFN_DIGEST_BYTES, SQLITE_STATIC);
    if (bytes > KOFN_STORE_INLINE_MAX)
        (void)sqlite3_bind_int64(stmt, 9, (int64_t)matrix->file);
    else
        status = bind_data(stmt, 10, bands, bytes, err);
    if (status) {
        (void)sqlite3_clear_bindings(stmt);
        return status;
    }
    effect->bytes += (int64_t)bytes;
    return run(rows, INSERT_MATRIX, "store a matrix", err);
}

/* Of the body that is there; -1: no record is. */
static kofn_status
measure_record(kofn_rows *rows, const kofn_store_record *record, int64_t *ret_bytes,
               kofn_error *err)
{
    sqlite3_stmt *stmt = bind(rows, SIZE_OF_RECORD, record);
    const int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW || code == SQLITE_DONE)
        *ret_bytes = code == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
    const kofn_status status = code == SQLITE_ROW || code == SQLITE_DONE
                                   ? KOFN_OK
                                   : kofn_schema_fail(rows->db, "find a record", err);
    (void)sqlite3_reset(stmt);
    return status;
}

static kofn_status
write_record(kofn_rows *rows, statement which, const kofn_store_record *record, kofn_error *err)
{
    uint8_t digest[KOFN_DIGEST_BYTES];
    kofn_record_digest(record, digest);
    sqlite3_stmt *stmt = bind(rows, which, record);
    (void)sqlite3_bind_text(stmt, 3, record->owner, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, 4, record->key, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, 5, record->state);
    (void)sqlite3_bind_int64(stmt, 6, record->created_ms);
    (void)sqlite3_bind_int64(stmt, 7, record->ended_ms);
    (void)sqlite3_bind_int64(stmt, 8, record->deadline_ms);
    (void)sqlite3_bind_blob(stmt, 9, digest, sizeof digest, SQLITE_STATIC);
    (void)sqlite3_bind_blob64(stmt, 10, record->body_bytes ? record->body : "", record->body_bytes,
                              SQLITE_STATIC);
    return run(rows, which, "store a record", err);
}

static kofn_status
put(kofn_rows *rows, const kofn_store_request *request, kofn_rows_effect *effect, kofn_error *err)
{
    const kofn_store_record *record = &request->record;
    int64_t old_bytes = -1;
    kofn_status status = measure_record(rows, record, &old_bytes, err);
    if (status)
        return status;
    if (request->is_new && old_bytes >= 0)
        return kofn_fail(err, KOFN_ALREADY_EXISTS, "record %016" PRIx64 " is stored already",
                         record->id);
    if (!request->is_new && old_bytes < 0)
        return kofn_fail(err, KOFN_NOT_FOUND, "record %016" PRIx64 " is not stored", record->id);

    effect->bytes += (int64_t)record->body_bytes - (old_bytes > 0 ? old_bytes : 0);
    status = write_record(rows, request->is_new ? INSERT_RECORD : UPDATE_RECORD, record, err);
    for (unsigned slot = 0; !status && slot < KOFN_STORE_SLOTS; slot++)
        if (request->drop >> slot & 1)
            status = remove_matrix(rows, record, slot, effect, err);
    for (size_t i = 0; !status && i < request->matrix_count; i++)
        status = insert_matrix(rows, record, &request->matrices[i], effect, err);
    return status;
}

static kofn_status
remove_record(kofn_rows *rows, const kofn_store_record *record, kofn_rows_effect *effect,
              kofn_error *err)
{
    int64_t old_bytes = -1;
    kofn_status status = measure_record(rows, record, &old_bytes, err);
    if (status || old_bytes < 0)
        return status;
    effect->bytes -= old_bytes;
    for (unsigned slot = 0; !status && slot < KOFN_STORE_SLOTS; slot++)
        status = remove_matrix(rows, record, slot, effect, err);
    if (status)
        return status;
    (void)bind(rows, REMOVE_RECORD, record);
    return run(rows, REMOVE_RECORD, "remove a record", err);
}

kofn_status
kofn_rows_apply(kofn_rows *rows, const kofn_store_request *request, kofn_rows_effect *effect,
                kofn_error *err)
{
    return request->verb == KOFN_STORE_REMOVE ? remove_record(rows, &request->record, effect, err)
                                              : put(rows, request, effect, err);
}

/* ---- reading --------------------------------------------------------------------------------- */

static kofn_status
fail_column(kofn_error *err, const char *column)
{
    return kofn_fail(err, KOFN_DATA_LOSS, "jobs.db: a row's %s makes no sense", column);
}

static bool
read_number(sqlite3_stmt *row, int column, int64_t least, int64_t most, int64_t *ret_number)
{
    if (sqlite3_column_type(row, column) != SQLITE_INTEGER)
        return false;
    const int64_t number = sqlite3_column_int64(row, column);
    if (number < least || number > most)
        return false;
    *ret_number = number;
    return true;
}

static bool
read_text(sqlite3_stmt *row, int column, char ret_text[KOFN_STORE_TEXT_MAX])
{
    if (sqlite3_column_type(row, column) != SQLITE_TEXT)
        return false;
    const char *text = (const char *)sqlite3_column_text(row, column);
    const size_t bytes = (size_t)sqlite3_column_bytes(row, column);
    if (!text || bytes >= KOFN_STORE_TEXT_MAX || memchr(text, '\0', bytes))
        return false;
    memcpy(ret_text, text, bytes);
    ret_text[bytes] = '\0';
    return true;
}

/* *ret_data is NULL for none at all, which is well. */
static bool
read_blob(sqlite3_stmt *row, int column, const void **ret_data, size_t *ret_bytes)
{
    if (sqlite3_column_type(row, column) != SQLITE_BLOB)
        return false;
    *ret_data = sqlite3_column_blob(row, column);
    *ret_bytes = (size_t)sqlite3_column_bytes(row, column);
    return *ret_data || *ret_bytes == 0;
}

void
kofn_record_digest(const kofn_store_record *record, uint8_t ret_digest[32])
{
    const uint64_t numbers[] = {record->kind,
                                record->id,
                                record->state,
                                (uint64_t)record->created_ms,
                                (uint64_t)record->ended_ms,
                                (uint64_t)record->deadline_ms};
    const void *const texts[] = {record->owner, record->key, record->body};
    const size_t text_bytes[] = {strlen(record->owner), strlen(record->key), record->body_bytes};
    kofn_digest_row(numbers, 6, texts, text_bytes, 3, ret_digest);
}

/* What it is about, without which nobody could be told that it is broken. */
static bool
read_identity(sqlite3_stmt *row, kofn_store_record *record)
{
    int64_t kind, id;
    if (!read_number(row, 0, KOFN_STORE_JOB, KOFN_STORE_OPERAND, &kind) ||
        !read_number(row, 1, INT64_MIN, INT64_MAX, &id))
        return false;
    record->kind = (kofn_store_kind)kind;
    record->id = (uint64_t)id;
    return true;
}

static kofn_status
read_times(sqlite3_stmt *row, kofn_store_record *record, kofn_error *err)
{
    if (!read_number(row, 5, 0, INT64_MAX, &record->created_ms))
        return fail_column(err, "created_ms");
    if (!read_number(row, 6, 0, INT64_MAX, &record->ended_ms))
        return fail_column(err, "ended_ms");
    if (!read_number(row, 7, 0, INT64_MAX, &record->deadline_ms))
        return fail_column(err, "deadline_ms");
    return KOFN_OK;
}

static kofn_status
read_contents(sqlite3_stmt *row, kofn_store_record *record, kofn_error *err)
{
    int64_t state;
    const void *digest;
    size_t digest_bytes;
    if (!read_text(row, 2, record->owner))
        return fail_column(err, "owner");
    if (!read_text(row, 3, record->key))
        return fail_column(err, "key");
    if (!read_number(row, 4, 0, KOFN_STORE_STATE_MAX, &state))
        return fail_column(err, "state");
    record->state = (unsigned)state;
    const kofn_status status = read_times(row, record, err);
    if (status)
        return status;
    if (!read_blob(row, 9, &record->body, &record->body_bytes) ||
        record->body_bytes > KOFN_STORE_BODY_MAX)
        return fail_column(err, "body");
    if (!read_blob(row, 8, &digest, &digest_bytes) || digest_bytes != KOFN_DIGEST_BYTES)
        return fail_column(err, "digest");
    uint8_t right[KOFN_DIGEST_BYTES];
    kofn_record_digest(record, right);
    if (memcmp(digest, right, sizeof right) != 0)
        return kofn_fail(err, KOFN_DATA_LOSS,
                         "jobs.db: record %016" PRIx64 " is not what was stored", record->id);
    return KOFN_OK;
}

kofn_status
kofn_row_read_record(sqlite3_stmt *row, kofn_store_record *ret_record, kofn_error *err)
{
    kofn_store_record record = {0};
    *ret_record = record;
    if (!read_identity(row, &record))
        return fail_column(err, "kind or id");
    ret_record->kind = record.kind;
    ret_record->id = record.id;
    const kofn_status status = read_contents(row, &record, err);
    if (!status)
        *ret_record = record;
    return status;
}

/* Where its elements are: in exactly one place. */
static kofn_status
read_place(sqlite3_stmt *row, kofn_matrix_row *matrix, kofn_error *err)
{
    int64_t file = 0;
    size_t bytes = 0;
    matrix->has_file = sqlite3_column_type(row, 5) != SQLITE_NULL;
    if (matrix->has_file && (!read_number(row, 5, INT64_MIN, INT64_MAX, &file) ||
                             sqlite3_column_type(row, 6) != SQLITE_NULL))
        return fail_column(err, "file");
    if (!matrix->has_file && (!read_blob(row, 6, &matrix->data, &bytes) || bytes != matrix->bytes))
        return fail_column(err, "data");
    matrix->file = (uint64_t)file;
    return KOFN_OK;
}

kofn_status
kofn_row_read_matrix(sqlite3_stmt *row, kofn_matrix_row *ret_row, kofn_error *err)
{
    kofn_matrix_row matrix = {0};
    int64_t dtype, rows, cols, bytes;
    const void *digest;
    size_t digest_bytes;
    if (!read_number(row, 0, KOFN_F64, KOFN_I64, &dtype))
        return fail_column(err, "dtype");
    if (!read_number(row, 1, 0, INT64_MAX, &rows) || !read_number(row, 2, 0, INT64_MAX, &cols) ||
        kofn_mat_bytes((kofn_dtype)dtype, (size_t)rows, (size_t)cols, &matrix.bytes, NULL))
        return fail_column(err, "rows or cols");
    if (!read_number(row, 3, 0, INT64_MAX, &bytes) || (size_t)bytes != matrix.bytes)
        return fail_column(err, "bytes");
    if (!read_blob(row, 4, &digest, &digest_bytes) || digest_bytes != KOFN_DIGEST_BYTES)
        return fail_column(err, "digest");
    matrix.dtype = (kofn_dtype)dtype;
    matrix.rows = (size_t)rows;
    matrix.cols = (size_t)cols;
    memcpy(matrix.digest, digest, KOFN_DIGEST_BYTES);
    const kofn_status status = read_place(row, &matrix, err);
    if (!status)
        *ret_row = matrix;
    return status;
}

kofn_status
kofn_rows_find(kofn_rows *rows, const kofn_store_request *request, kofn_matrix_row *ret_row,
               kofn_error *err)
{
    sqlite3_stmt *stmt = bind(rows, FIND_MATRIX, &request->record);
    (void)sqlite3_bind_int64(stmt, 3, request->slot);
    switch (sqlite3_step(stmt)) {
    case SQLITE_ROW:
        return kofn_row_read_matrix(stmt, ret_row, err);
    case SQLITE_DONE:
        return kofn_fail(err, KOFN_NOT_FOUND, "record %016" PRIx64 " has no matrix %u stored",
                         request->record.id, request->slot);
    default:
        return kofn_schema_fail(rows->db, "find a matrix", err);
    }
}

void
kofn_rows_release(kofn_rows *rows)
{
    (void)sqlite3_reset(rows->statements[FIND_MATRIX]);
}

kofn_status
kofn_rows_load(kofn_rows *rows, unsigned kind, kofn_store_visit visit, void *context,
               kofn_error *err)
{
    sqlite3_stmt *stmt = rows->statements[ALL_RECORDS];
    (void)sqlite3_bind_int64(stmt, 1, kind); // a number takes no memory
    kofn_status status = KOFN_OK;
    int code = SQLITE_DONE;
    while (!status && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        kofn_store_record record;
        kofn_error broken;
        const bool good = kofn_row_read_record(stmt, &record, &broken) == KOFN_OK;
        if (good || record.kind != 0) // nobody waits for a row of no kind
            status = visit(context, &record, good ? NULL : &broken, err);
    }
    if (!status && code != SQLITE_DONE)
        status = kofn_schema_fail(rows->db, "read its records", err);
    (void)sqlite3_reset(stmt);
    return status;
}

bool
kofn_rows_names_file(kofn_rows *rows, uint64_t file)
{
    sqlite3_stmt *stmt = rows->statements[FIND_FILE];
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)file);
    const int code = sqlite3_step(stmt);
    (void)sqlite3_reset(stmt);
    return code != SQLITE_DONE;
}

kofn_status
kofn_rows_count_bytes(kofn_rows *rows, uint64_t *ret_bytes, kofn_error *err)
{
    sqlite3_stmt *stmt = rows->statements[COUNT_BYTES];
    kofn_status status = KOFN_OK;
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        const double bytes = sqlite3_column_double(stmt, 0); // a sum that cannot overflow
        *ret_bytes = bytes > 0 && bytes < 0x1p63 ? (uint64_t)bytes : 0;
    } else {
        status = kofn_schema_fail(rows->db, "be counted", err);
    }
    (void)sqlite3_reset(stmt);
    return status;
}
