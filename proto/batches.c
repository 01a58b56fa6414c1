/* Batches on the wire: sums as lists of entries, one number after another.
 *
 *     | row u32 | column u32 | coefficient f64 | row u32 | ...      little-endian, ascending
 */
#include "proto/messages.h"

#include <stdlib.h>
#include <string.h>

typedef struct entry {
    uint32_t row, column;
    double coef;
} entry;

_Static_assert(sizeof(entry) == 16, "as it travels");

static kofn_status
pack_sums(const char *name, const kofn_sums *sums, kofn_wire_bytes *ret_bytes, kofn_error *err)
{
    const size_t count = sums->first[sums->rows];
    if (count > KOFN_BATCH_BYTES_MAX / sizeof(entry))
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "batch: %s has %zu entries, a message carries %zu; send fewer pairs", name,
                         count, KOFN_BATCH_BYTES_MAX / sizeof(entry));
    entry *entries = malloc(count * sizeof *entries);
    if (!entries)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu entries", count);
    for (size_t row = 0; row < sums->rows; row++)
        for (size_t i = sums->first[row]; i < sums->first[row + 1]; i++)
            entries[i] = (entry){(uint32_t)row, (uint32_t)sums->column[i], sums->coef[i]};
    *ret_bytes = (kofn_wire_bytes){.at = (unsigned char *)entries, .length = count * sizeof(entry)};
    return KOFN_OK;
}

/* What was left out is the identity. Rows must be there and ascend; all else is for kofn_batch_new
 * to check. */
static kofn_status
unpack_sums(const char *name, const kofn_wire_bytes *bytes, size_t rows, size_t cols,
            kofn_sums *ret_sums, kofn_error *err)
{
    const size_t count = bytes->length / sizeof(entry);
    if (bytes->length == 0)
        return kofn_sums_alloc_single(rows, cols, NULL, ret_sums)
                   ? KOFN_OK
                   : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu entries", rows);
    if (bytes->length % sizeof(entry) != 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "batch: %s has %zu bytes, which are no entries of %zu", name,
                         bytes->length, sizeof(entry));
    kofn_sums sums;
    if (!kofn_sums_alloc(rows, cols, count, &sums))
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu entries", count);
    memset(sums.first, 0, (rows + 1) * sizeof *sums.first);
    size_t last = 0;
    for (size_t i = 0; i < count; i++) {
        entry e;
        memcpy(&e, bytes->at + i * sizeof e, sizeof e);
        if (e.row >= rows || e.row < last) {
            free(sums.first);
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "batch: entry %zu of %s is of row %u after row %zu, of %zu rows; rows "
                             "count from 0 and ascend",
                             i, name, e.row, last, rows);
        }
        last = e.row;
        sums.first[e.row + 1] = i + 1;
        sums.column[i] = e.column;
        sums.coef[i] = e.coef;
    }
    for (size_t row = 0; row < rows; row++) // rows without entries end where the one before does
        if (sums.first[row + 1] == 0)
            sums.first[row + 1] = sums.first[row];
    *ret_sums = sums;
    return KOFN_OK;
}

kofn_status
kofn_msg_batch_from_batch(const kofn_batch *batch, kofn_msg_batch *ret_message, kofn_error *err)
{
    kofn_msg_batch message = {
        .a_rows = batch->grid[0].rows,
        .a_cols = batch->grid[0].cols,
        .b_rows = batch->grid[1].rows,
        .b_cols = batch->grid[1].cols,
        .c_rows = batch->out.rows,
        .c_cols = batch->out.cols,
        .pairs = batch->count,
    };
    kofn_status status = pack_sums("left", &batch->side[0], &message.left, err);
    if (!status)
        status = pack_sums("right", &batch->side[1], &message.right, err);
    if (!status)
        status = pack_sums("weights", &batch->weights, &message.weights, err);
    if (status)
        kofn_message_clear(&kofn_batch_message, &message);
    else
        *ret_message = message;
    return status;
}

static size_t
or_one(uint64_t count)
{
    return count == 0 ? 1 : (size_t)count;
}

/* Products of these do not overflow: the message's table bounds each of them. */
kofn_status
kofn_msg_batch_to_batch(const kofn_msg_batch *m, const kofn_field *field, kofn_batch **ret_batch,
                        kofn_error *err)
{
    const bool stacked = m->weights.length == 0 && m->c_rows == 0;
    kofn_batch like = {
        .grid = {{.rows = or_one(m->a_rows), .cols = or_one(m->a_cols)},
                 {.rows = or_one(m->b_rows), .cols = or_one(m->b_cols)}},
        .out = {.rows = stacked ? (size_t)m->pairs : or_one(m->c_rows), .cols = or_one(m->c_cols)},
        .count = (size_t)m->pairs,
    };
    const kofn_wire_bytes *side[] = {&m->left, &m->right};
    static const char *const names[] = {"left", "right"};
    kofn_status status = KOFN_OK;
    if (like.out.rows * like.out.cols > KOFN_BATCH_TERMS_MAX)
        status =
            kofn_fail(err, KOFN_OUT_OF_RANGE, "batch: C is cut into %zu x %zu blocks, at most %d",
                      like.out.rows, like.out.cols, KOFN_BATCH_TERMS_MAX);
    for (size_t s = 0; s < 2 && !status; s++)
        status = unpack_sums(names[s], side[s], like.count, like.grid[s].rows * like.grid[s].cols,
                             &like.side[s], err);
    if (!status)
        status = unpack_sums("weights", &m->weights, like.out.rows * like.out.cols, like.count,
                             &like.weights, err);
    if (!status)
        status = kofn_batch_new(&like, field, ret_batch, err);
    for (size_t s = 0; s < 2; s++)
        free(like.side[s].first);
    free(like.weights.first);
    return status;
}
