/* Any values as a row of the store, of any types: read or refused with a sentence. What is read as
 * a matrix has its elements in one place and as many as its shape says. */
#include "master/store/rows.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

/* The next column's value: a byte of type and length, then its bytes. */
static void
bind_next(sqlite3_stmt *stmt, int column, const uint8_t **at, size_t *left)
{
    if (*left == 0)
        return; // NULL
    const unsigned type = **at & 3;
    size_t length = **at >> 2;
    ++*at;
    --*left;
    if (length > *left)
        length = *left;
    int64_t number = 0;
    memcpy(&number, *at, length < sizeof number ? length : sizeof number);
    if (type == 0)
        (void)sqlite3_bind_int64(stmt, column, number);
    else if (type == 1)
        (void)sqlite3_bind_text(stmt, column, (const char *)*at, (int)length, SQLITE_TRANSIENT);
    else if (type == 2)
        (void)sqlite3_bind_blob(stmt, column, *at, (int)length, SQLITE_TRANSIENT);
    else if (length > 0) // else NULL
        (void)sqlite3_bind_double(stmt, column, (double)number);
    *at += length;
    *left -= length;
}

static void
read_as_record(sqlite3_stmt *stmt)
{
    kofn_store_record record;
    kofn_error error = {0};
    if (kofn_row_read_record(stmt, &record, &error) != KOFN_OK) {
        insist(error.status == KOFN_DATA_LOSS && error.text[0] != '\0');
        insist(record.body_bytes == 0 && record.owner[0] == '\0');
        return;
    }
    insist(record.kind == KOFN_STORE_JOB || record.kind == KOFN_STORE_OPERAND);
    insist(strlen(record.owner) < KOFN_STORE_TEXT_MAX && record.state <= KOFN_STORE_STATE_MAX);
}

static void
read_as_matrix(sqlite3_stmt *stmt)
{
    kofn_matrix_row row;
    kofn_error error = {0};
    size_t bytes;
    if (kofn_row_read_matrix(stmt, &row, &error) != KOFN_OK) {
        insist(error.status == KOFN_DATA_LOSS && error.text[0] != '\0');
        return;
    }
    insist(kofn_mat_bytes(row.dtype, row.rows, row.cols, &bytes, NULL) == KOFN_OK);
    insist(bytes == row.bytes && (!row.has_file || !row.data));
    const size_t there = row.data ? bytes : 0;
    uint8_t *copy = malloc(there + 1); // ASan looks on
    insist(copy != NULL);
    if (there > 0)
        memcpy(copy, row.data, there);
    free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static sqlite3 *db; // made once: opening it takes longer than all the rest
    static sqlite3_stmt *stmt;
    if (!db) {
        insist(sqlite3_open(":memory:", &db) == SQLITE_OK);
        insist(sqlite3_prepare_v2(db, "SELECT ?1,?2,?3,?4,?5,?6,?7,?8,?9,?10", -1, &stmt, NULL) ==
               SQLITE_OK);
    }
    if (length == 0)
        return 0;
    const uint8_t *at = data + 1;
    size_t left = length - 1;
    for (int column = 1; column <= 10; column++)
        bind_next(stmt, column, &at, &left);
    insist(sqlite3_step(stmt) == SQLITE_ROW);
    if (data[0] & 1)
        read_as_matrix(stmt);
    else
        read_as_record(stmt);
    (void)sqlite3_reset(stmt);
    (void)sqlite3_clear_bindings(stmt);
    return 0;
}
