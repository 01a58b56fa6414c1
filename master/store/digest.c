#include "master/store/digest.h"

#include <endian.h>
#include <sodium.h>

bool
kofn_bands_next_piece(const kofn_bands *bands, kofn_piece_cursor *cursor, const void **ret_data,
                      size_t *ret_bytes)
{
    const size_t row_bytes = bands->cols * kofn_dtype_width(bands->dtype);
    if (row_bytes == 0)
        return false;
    while (cursor->band < bands->count && cursor->row >= bands->at[cursor->band].mat.rows)
        *cursor = (kofn_piece_cursor){.band = cursor->band + 1};
    if (cursor->band >= bands->count)
        return false;

    const kofn_mat *mat = &bands->at[cursor->band].mat;
    const size_t rows = kofn_mat_is_contiguous(mat) ? mat->rows - cursor->row : 1;
    *ret_data = kofn_mat_get_row(mat, cursor->row);
    *ret_bytes = rows * row_bytes;
    cursor->row += rows;
    return true;
}

static void
add_number(crypto_generichash_state *state, uint64_t number)
{
    const uint64_t little = htole64(number);
    crypto_generichash_update(state, (const uint8_t *)&little, sizeof little);
}

void
kofn_digest_matrix(unsigned kind, uint64_t id, unsigned slot, const kofn_bands *bands,
                   uint8_t ret_digest[KOFN_DIGEST_BYTES])
{
    const uint64_t place[] = {kind, id, slot, (uint64_t)bands->dtype, bands->rows, bands->cols};
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, KOFN_DIGEST_BYTES);
    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++)
        add_number(&state, place[i]);
    kofn_piece_cursor cursor = {0};
    const void *data;
    size_t bytes;
    while (kofn_bands_next_piece(bands, &cursor, &data, &bytes))
        crypto_generichash_update(&state, data, bytes);
    crypto_generichash_final(&state, ret_digest, KOFN_DIGEST_BYTES);
}

void
kofn_digest_row(const uint64_t *numbers, size_t number_count, const void *const *texts,
                const size_t *text_bytes, size_t text_count, uint8_t ret_digest[KOFN_DIGEST_BYTES])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, KOFN_DIGEST_BYTES);
    for (size_t i = 0; i < number_count; i++)
        add_number(&state, numbers[i]);
    for (size_t i = 0; i < text_count; i++) {
        add_number(&state, text_bytes[i]);
        if (text_bytes[i] > 0)
            crypto_generichash_update(&state, texts[i], text_bytes[i]);
    }
    crypto_generichash_final(&state, ret_digest, KOFN_DIGEST_BYTES);
}
