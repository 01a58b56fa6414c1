/* Any bytes as a manifest of coded tasks: read or refused with a sentence; what is read describes a
 * code that can be checked again. */
#include "client/cli/manifest.h"
#include "tests/fuzz/fuzz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* It must be one: what was read was checked. */
static void
check_manifest(const cli_manifest *manifest)
{
    const kofn_field *field = NULL;
    if (kofn_field_choose(manifest->field, manifest->dtype, &field, NULL) != KOFN_OK ||
        kofn_code_spec_check(&manifest->spec, field, NULL) != KOFN_OK || manifest->spec.tasks == 0)
        abort();
    kofn_field_destroy(&field);
}

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
    } else {
        check_manifest(&manifest);
    }
    free(text);
    return 0;
}
