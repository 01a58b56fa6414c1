/* Any bytes as a manifest of coded tasks: read or refused with a sentence; what is read describes a
 * code that can be checked again. */
#include "client/cli/manifest.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    cli_manifest manifest;
    kofn_error error = {.status = KOFN_OK};
    char *text = malloc(length + 1);
    if (!text)
        return 0;
    memcpy(text, bytes, length);
    text[length] = '\0';
    if (cli_manifest_parse(text, NULL, &manifest, &error) != KOFN_OK) {
        if (error.status == KOFN_OK || error.text[0] == '\0')
            abort();
    } else if (kofn_code_spec_check(&manifest.spec, kofn_field_for_dtype(manifest.dtype), NULL) !=
                   KOFN_OK ||
               manifest.spec.tasks == 0) {
        abort();
    }
    free(text);
    return 0;
}
