/* Any bytes as a file of an algorithm: it is proven, or refused with a sentence. What is taken
 * multiplies matrices. */
#include "common/code/bilinear.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void
insist(bool condition)
{
    if (!condition)
        abort();
}

/* A name under which the bytes can be opened; the file is gone with the process. */
static const char *
write_bytes(const uint8_t *data, size_t length)
{
    static char path[64];
    static FILE *file;
    if (!file) {
        file = tmpfile();
        insist(file != NULL);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fileno(file));
    }
    rewind(file);
    insist(ftruncate(fileno(file), 0) == 0 && fwrite(data, 1, length, file) == length);
    insist(fflush(file) == 0);
    return path;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    kofn_error error = {0};
    kofn_bilinear *f = NULL;
    const kofn_status status = kofn_bilinear_load(write_bytes(data, length), &f, &error);
    insist(status != KOFN_INTERNAL && status != KOFN_UNKNOWN);
    if (status) {
        insist(f == NULL && error.text[0] != '\0');
        return 0;
    }
    insist(f->denominator >= 1 && kofn_bilinear_check(f, &error) == KOFN_OK);
    insist(f->rank >= f->x * f->z && f->rank >= f->z * f->y && f->rank >= f->x * f->y);
    (void)kofn_bilinear_count_additions(f);
    kofn_bilinear_destroy(&f);
    return 0;
}
