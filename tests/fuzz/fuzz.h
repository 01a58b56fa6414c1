/* What the fuzzers share. */
#ifndef KOFN_TESTS_FUZZ_H
#define KOFN_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

/* What must hold for every input. Not assert: it also counts in builds without assertions. */
#define insist(condition) insist_((condition), #condition, __FILE__, __LINE__)

static inline void
insist_(bool holds, const char *condition, const char *file, int line)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}

/* A name under which the bytes can be opened; the file is gone with the process. */
static inline const char *
file_of(const uint8_t *data, size_t length)
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

/* Where a fuzzer takes its decisions from: bytes of the input, then zeros. */
typedef struct fuzz_source {
    const uint8_t *at;
    size_t left;
} fuzz_source;

static inline unsigned
next_byte(fuzz_source *from)
{
    if (from->left == 0)
        return 0;
    from->left--;
    return *from->at++;
}

/* Up to `length` of the bytes that are left. */
static inline const uint8_t *
next_bytes(fuzz_source *from, size_t *length)
{
    const uint8_t *at = from->at;
    if (*length > from->left)
        *length = from->left;
    from->at += *length;
    from->left -= *length;
    return at;
}

#endif
