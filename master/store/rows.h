/* Rows: records and matrices as the database has them, written in groups and read with distrust.
 *
 * Threads    One thread at a time.
 */
#ifndef KOFN_MASTER_STORE_ROWS_H
#define KOFN_MASTER_STORE_ROWS_H

#include "master/store/store.h"

#include <sqlite3.h>

typedef struct kofn_rows kofn_rows;

/* As kofn_schema_open; also puts what is damaged in order (salvage.h) and removes matrices without
 * a record. `params`: sync and starting. *ret_findings: what is of rows. */
KOFN_MUST_CHECK kofn_status kofn_rows_open(const char *path, const kofn_store_params *params,
                                           kofn_rows **ret_rows, kofn_store_findings *ret_findings,
                                           kofn_error *err);
void kofn_rows_close(kofn_rows **rows_p);

/* What a group changes besides its rows. */
typedef struct kofn_rows_effect {
    int64_t bytes;   // more or less are stored
    uint64_t *files; // that no row names any more; to be freed
    size_t count, capacity;
} kofn_rows_effect;

KOFN_MUST_CHECK kofn_status kofn_rows_begin(kofn_rows *rows, kofn_error *err);
KOFN_MUST_CHECK kofn_status kofn_rows_commit(kofn_rows *rows, kofn_error *err); // a failure undoes
void kofn_rows_undo(kofn_rows *rows); // also where nothing is begun

/* One PUT or REMOVE between begin and commit. After a failure: undo. */
KOFN_MUST_CHECK kofn_status kofn_rows_apply(kofn_rows *rows, const kofn_store_request *request,
                                            kofn_rows_effect *effect, kofn_error *err);

typedef struct kofn_matrix_row {
    kofn_dtype dtype;
    size_t rows, cols, bytes;
    uint8_t digest[32];
    bool has_file;
    uint64_t file;
    const void *data; // [bytes], until the next call; NULL: in the file
} kofn_matrix_row;

/* NOT_FOUND: there is none. DATA_LOSS: it makes no sense. */
KOFN_MUST_CHECK kofn_status kofn_rows_find(kofn_rows *rows, const kofn_store_request *request,
                                           kofn_matrix_row *ret_row, kofn_error *err);
void kofn_rows_release(kofn_rows *rows); // what find lent

KOFN_MUST_CHECK kofn_status kofn_rows_load(kofn_rows *rows, unsigned kind, kofn_store_visit visit,
                                           void *context, kofn_error *err);

bool kofn_rows_names_file(kofn_rows *rows, uint64_t file); // true also when that cannot be told
KOFN_MUST_CHECK kofn_status kofn_rows_count_bytes(kofn_rows *rows, uint64_t *ret_bytes,
                                                  kofn_error *err);

/* ---- one row, for the above and for the fuzzer ----------------------------------------------- */

/* kind, id, owner, key, state, created_ms, ended_ms, deadline_ms, digest, body. On failure kind and
 * id are set as far as they make sense; kind 0: they do not. DATA_LOSS. */
KOFN_MUST_CHECK kofn_status kofn_row_read_record(sqlite3_stmt *row, kofn_store_record *ret_record,
                                                 kofn_error *err);

/* dtype, rows, cols, bytes, digest, file, data. DATA_LOSS. */
KOFN_MUST_CHECK kofn_status kofn_row_read_matrix(sqlite3_stmt *row, kofn_matrix_row *ret_row,
                                                 kofn_error *err);

void kofn_record_digest(const kofn_store_record *record, uint8_t ret_digest[32]);

#endif
