/* The first line as a straggler model that a user writes, the rest as a trace: both are taken or
 * refused with a sentence. Whoever is taken slows a worker by a number from 1 to the limit. */
#include "common/code/straggler.h"
#include "common/code/straggler_trace.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void
try_model(const kofn_straggler_spec *spec)
{
    enum { WORKERS = 3, ROUNDS = 50 };
    kofn_error error = {0};
    kofn_straggler *model = NULL;
    if (kofn_straggler_new(spec, WORKERS, &model, &error) != KOFN_OK) {
        insist(model == NULL && error.text[0] != '\0');
        return;
    }
    double factors[WORKERS];
    for (uint64_t t = 0; t < ROUNDS; t++) {
        kofn_straggler_fill(model, t, factors);
        for (size_t i = 0; i < WORKERS; i++)
            insist(factors[i] >= 1 && factors[i] <= KOFN_STRAGGLER_SLOWDOWN_MAX);
    }
    insist(kofn_straggler_get_factor(model, 0, 0) >= 1); // and back
    kofn_straggler_destroy(&model);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    kofn_error error = {0};
    kofn_straggler_spec spec;
    const uint8_t *end = length > 0 ? memchr(data, '\n', length) : NULL;
    const size_t first = end ? (size_t)(end - data) : length;
    char *text = malloc(first + 1);
    insist(text != NULL);
    memcpy(text, data, first);
    text[first] = '\0';
    if (kofn_straggler_parse(text, &spec, &error) != KOFN_OK) {
        insist(error.text[0] != '\0');
        kofn_keys_set_defaults(kofn_straggler_keys, &spec);
        spec.model = KOFN_STRAGGLER_TRACE;
    }
    free(text);
    /* No file but this one: the name that the input gives may be anybody's. */
    (void)snprintf(spec.trace, sizeof spec.trace, "%s",
                   end ? file_of(end + 1, length - first - 1) : "");
    try_model(&spec);
    return 0;
}
