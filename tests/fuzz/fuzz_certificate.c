/* Any bytes as a certificate, read for its public part and for both: one that is taken has a name
 * that may be a file's, a role, and keys that are keys. */
#include "proto/link/certificate.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <zmq.h>

static void
insist_on_certificate(const kofn_certificate *c)
{
    uint8_t key[32];
    insist(c->name[0] != '\0' && c->name[0] != '.' && !strchr(c->name, '/'));
    insist(strlen(c->name) < sizeof c->name && c->role < KOFN_ROLE_COUNT);
    insist(strlen(c->public_key) == KOFN_CURVE_TEXT - 1 && zmq_z85_decode(key, c->public_key));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    const char *path = file_of(data, length);
    kofn_certificate open = {.name = ""}, secret = {.name = ""};
    kofn_error error = {0};
    const bool is_one = kofn_certificate_load(path, &open, &error) == KOFN_OK;
    if (is_one)
        insist_on_certificate(&open);
    else
        insist(error.status == KOFN_INVALID_ARGUMENT && error.text[0] != '\0');
    insist(open.secret_key[0] == '\0');

    if (kofn_certificate_load_secret(path, &secret, &error) == KOFN_OK) {
        insist(is_one && strcmp(secret.public_key, open.public_key) == 0);
        insist(strlen(secret.secret_key) == KOFN_CURVE_TEXT - 1);
    } else {
        insist(error.status == KOFN_INVALID_ARGUMENT && secret.secret_key[0] == '\0');
    }
    return 0;
}
