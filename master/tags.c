#include "master/tags.h"

#include <sodium.h>
#include <string.h>

enum { TAG_BYTES = (KOFN_TAG_MAX - 1) / 2 };

typedef struct digest {
    crypto_generichash_state state;
} digest;

static void
begin(digest *d, const char *kind)
{
    (void)crypto_generichash_init(&d->state, NULL, 0, TAG_BYTES); // fails only for a wrong length
    (void)crypto_generichash_update(&d->state, (const unsigned char *)kind, strlen(kind) + 1);
}

static void
add_number(digest *d, uint64_t number)
{
    unsigned char bytes[8]; // the same on every machine
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(number >> (8 * i));
    (void)crypto_generichash_update(&d->state, bytes, sizeof bytes);
}

static void
add_real(digest *d, double real)
{
    uint64_t bits;
    memcpy(&bits, &real, sizeof bits);
    add_number(d, bits);
}

static void
add_text(digest *d, const char *text)
{
    (void)crypto_generichash_update(&d->state, (const unsigned char *)text, strlen(text) + 1);
}

static void
end(digest *d, char ret_tag[KOFN_TAG_MAX])
{
    unsigned char bytes[TAG_BYTES];
    (void)crypto_generichash_final(&d->state, bytes, sizeof bytes);
    (void)sodium_bin2hex(ret_tag, KOFN_TAG_MAX, bytes, sizeof bytes);
}

/* Of integers modulo a prime the part is another in every life; the whole and the field are not. */
void
kofn_tag_answer(const kofn_job *job, size_t task, char ret_tag[KOFN_TAG_MAX])
{
    digest d;
    begin(&d, "answer");
    add_number(&d, kofn_job_get_whole(job)->id);
    add_text(&d, job->field->name);
    add_number(&d, job->outer);
    add_number(&d, job->coding.part.rows);
    add_number(&d, job->coding.part.inner);
    add_number(&d, job->coding.part.cols);
    for (size_t o = 0; o < job->code->operands; o++) {
        const kofn_grid grid = job->coding.grid[o];
        const double *row = kofn_code_get_row(job->code, o, task);
        add_text(&d, job->stored[o] ? kofn_operand_get_name(job->stored[o]) : "");
        add_number(&d, job->transposed[o]);
        add_number(&d, grid.rows);
        add_number(&d, grid.cols);
        for (size_t i = 0; i < grid.rows * grid.cols; i++)
            add_real(&d, row[i]);
    }
    end(&d, ret_tag);
}

void
kofn_tag_block(const kofn_operand *operand, const kofn_coded_key *key, char ret_tag[KOFN_TAG_MAX])
{
    const kofn_grid grid = key->grid;
    const bool turned = key->transposed;
    const size_t rows = turned ? grid.cols : grid.rows, cols = turned ? grid.rows : grid.cols;
    digest d;
    begin(&d, "block");
    add_text(&d, kofn_operand_get_name(operand));
    add_text(&d, key->field->name);
    add_number(&d, rows);
    add_number(&d, cols);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            add_real(&d, key->coef[turned ? j * grid.cols + i : i * grid.cols + j]);
    end(&d, ret_tag);
}
