/* Digests of what is stored: a flipped bit, a short file and a row of another record are all seen.
 *
 * A digest covers where its matrix or record belongs as well as what it holds, so that a right file
 * in a wrong place is wrong.
 *
 * Source     BLAKE2b with 256 bits (libsodium's generichash).
 * Cost       About 1 GB/s.
 * Threads    Any thread.
 */
#ifndef KOFN_MASTER_STORE_DIGEST_H
#define KOFN_MASTER_STORE_DIGEST_H

#include "common/linalg/mat.h"

enum { KOFN_DIGEST_BYTES = 32 };

/* A walk over the elements in rows' order, in pieces that are contiguous. Starts zeroed. */
typedef struct kofn_piece_cursor {
    size_t band, row;
} kofn_piece_cursor;

/* False: there is no more. Pieces are not empty. */
bool kofn_bands_next_piece(const kofn_bands *bands, kofn_piece_cursor *cursor,
                           const void **ret_data, size_t *ret_bytes);

void kofn_digest_matrix(unsigned kind, uint64_t id, unsigned slot, const kofn_bands *bands,
                        uint8_t ret_digest[KOFN_DIGEST_BYTES]);

/* Of numbers, then texts with their lengths. */
void kofn_digest_row(const uint64_t *numbers, size_t number_count, const void *const *texts,
                     const size_t *text_bytes, size_t text_count,
                     uint8_t ret_digest[KOFN_DIGEST_BYTES]);

#endif
