/* Any bytes as a list of products: every line is a pair, refused by its number, or passed over, and
 * the list comes to its end. And as names alone: a batch, or a sentence. */
#include "client/cli/pair_names.h"
#include "client/cli/pairs.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void
check_word(const char *word)
{
    insist(word && *word && strcspn(word, " \t\r\v\f\n") == strlen(word));
}

static void
check_names(const uint8_t *bytes, size_t length)
{
    kofn_batch *batch = NULL;
    kofn_error error = {0};
    const kofn_status status = cli_pair_names_read(file_of(bytes, length), length % 2 == 1,
                                                   kofn_field_find("f64"), &batch, &error);
    insist(status == KOFN_OK ? batch->count > 0 : !batch && error.text[0]);
    kofn_batch_destroy(&batch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static cli_pairs pairs;
    cli_pair pair;
    kofn_error error;
    size_t lines = 1, last = 0;
    for (size_t i = 0; i < length; i++)
        lines += bytes[i] == '\n';
    insist(cli_pairs_open(file_of(bytes, length), &pairs, &error) == KOFN_OK);
    do {
        const kofn_status status = cli_pairs_next(&pairs, 0, &pair, &error);
        insist(status == KOFN_OK ||
               (status == KOFN_INVALID_ARGUMENT && pair.line && error.text[0]));
        insist(pair.line ? pair.line > last && pair.line <= lines : pairs.ended);
        if (status == KOFN_OK && pair.line) {
            check_word(pair.a);
            check_word(pair.b);
            insist(!pair.c || *pair.c);
        }
        last = pair.line;
    } while (pair.line);
    cli_pairs_close(&pairs);
    check_names(bytes, length);
    return 0;
}
