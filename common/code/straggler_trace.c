/* Traces of stragglers. The file is read byte by byte, and nothing but its numbers is kept: how
 * long it claims to be costs nothing until it has been read. */
#include "common/code/straggler_trace.h"
#include "common/base/keys.h"
#include "common/code/straggler.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_BYTES_MAX = 31 };

typedef struct reader {
    const char *path;
    size_t bytes;        // read so far
    size_t line, column; // of the byte at hand, from 1 on
    size_t word_column;  // where the word at hand began
    size_t word_length;
    char word[WORD_BYTES_MAX + 1];
    size_t in_line; // words of this line
    bool is_flags;  // no word but 0 and 1 so far
    size_t count, capacity;
    kofn_straggler_trace trace;
} reader;

/* "file:line:column: " in front of what err says. */
static kofn_status
refuse(const reader *r, size_t column, kofn_error *err)
{
    (void)kofn_fail_within(err, "%s:%zu:%zu", r->path, r->line, column);
    if (err)
        err->status = KOFN_DATA_LOSS; // what the number's parser says is of a caller's text
    return KOFN_DATA_LOSS;
}

static kofn_status
grow(reader *r, kofn_error *err)
{
    const size_t capacity = 2 * r->capacity + 1024; // bounded by the bytes of the file
    float *factors = realloc(r->trace.factors, capacity * sizeof *factors);
    if (!factors)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "%s: no memory for %zu entries", r->path,
                         capacity);
    r->trace.factors = factors;
    r->capacity = capacity;
    return KOFN_OK;
}

static kofn_status
end_word(reader *r, kofn_error *err)
{
    static const kofn_key entry = {.name = "entry",
                                   .type = KOFN_KEY_REAL,
                                   .size = sizeof(double),
                                   .max = KOFN_STRAGGLER_SLOWDOWN_MAX};
    double factor;
    r->word[r->word_length] = '\0';
    r->word_length = 0;
    if (kofn_key_parse(&entry, r->word, &factor, err) != KOFN_OK)
        return refuse(r, r->word_column, err);
    if (r->in_line == (r->trace.rounds > 0 ? r->trace.workers : KOFN_STRAGGLER_WORKERS_MAX)) {
        (void)kofn_fail(err, KOFN_DATA_LOSS, "one entry too many, a line has %zu", r->in_line);
        return refuse(r, r->word_column, err);
    }
    const kofn_status status = r->count == r->capacity ? grow(r, err) : KOFN_OK;
    if (status != KOFN_OK)
        return status;
    r->is_flags = r->is_flags && (strcmp(r->word, "0") == 0 || strcmp(r->word, "1") == 0);
    r->trace.factors[r->count++] = (float)factor;
    r->in_line++;
    return KOFN_OK;
}

static kofn_status
end_line(reader *r, kofn_error *err)
{
    if (r->in_line > 0) { // else it is empty, or a comment
        if (r->trace.rounds == 0)
            r->trace.workers = r->in_line;
        if (r->in_line < r->trace.workers) {
            (void)kofn_fail(err, KOFN_DATA_LOSS, "%zu entries, the lines before have %zu",
                            r->in_line, r->trace.workers);
            return refuse(r, r->column, err);
        }
        r->trace.rounds++;
    }
    r->in_line = 0;
    r->line++;
    r->column = 0;
    return KOFN_OK;
}

static kofn_status
add_to_word(reader *r, int c, kofn_error *err)
{
    if (r->word_length == 0)
        r->word_column = r->column;
    if (c <= ' ' || c > '~')
        (void)kofn_fail(err, KOFN_DATA_LOSS, "a byte 0x%02x is in no number", (unsigned)c);
    else if (r->word_length == WORD_BYTES_MAX)
        (void)kofn_fail(err, KOFN_DATA_LOSS, "a word of more than %d characters", WORD_BYTES_MAX);
    else {
        r->word[r->word_length++] = (char)c;
        return KOFN_OK;
    }
    return refuse(r, r->column, err);
}

static bool
ends_word(int c)
{
    return c == EOF || c == '\n' || c == ' ' || c == '\t' || c == '\r' || c == '#';
}

static kofn_status
take_byte(reader *r, int c, bool *is_comment, kofn_error *err)
{
    r->column++;
    if (!*is_comment && !ends_word(c))
        return add_to_word(r, c, err);
    kofn_status status = r->word_length > 0 ? end_word(r, err) : KOFN_OK;
    *is_comment = (*is_comment || c == '#') && c != '\n';
    if (status == KOFN_OK && (c == '\n' || c == EOF))
        status = end_line(r, err);
    return status;
}

static kofn_status
read_all(reader *r, FILE *file, kofn_error *err)
{
    bool is_comment = false;
    kofn_status status;
    int c;
    do {
        errno = 0;
        c = getc(file);
        if (c == EOF && ferror(file))
            return kofn_fail(err, kofn_status_from_errno(errno), "%s: %s", r->path,
                             strerror(errno));
        if (c != EOF && ++r->bytes > KOFN_STRAGGLER_TRACE_BYTES_MAX)
            return kofn_fail(err, KOFN_OUT_OF_RANGE, "%s: longer than %d bytes; cut the trace",
                             r->path, KOFN_STRAGGLER_TRACE_BYTES_MAX);
        status = take_byte(r, c, &is_comment, err);
    } while (status == KOFN_OK && c != EOF);
    if (status == KOFN_OK && r->trace.rounds == 0)
        return kofn_fail(err, KOFN_DATA_LOSS, "%s: no round is in it; write a line a round",
                         r->path);
    return status;
}

/* What the words stand for shows only when all are read. */
static void
settle(reader *r, double slowdown)
{
    for (size_t i = 0; i < r->count; i++) {
        float *factor = &r->trace.factors[i];
        if (r->is_flags)
            *factor = *factor > 0 ? (float)slowdown : 1;
        else if (*factor < 1)
            *factor = 1;
    }
}

kofn_status
kofn_straggler_trace_load(const char *path, double slowdown, kofn_straggler_trace *ret_trace,
                          kofn_error *err)
{
    reader r = {.path = path, .line = 1, .is_flags = true};
    FILE *file = fopen(path, "re");
    if (!file)
        return kofn_fail(err, kofn_status_from_errno(errno), "%s: %s", path, strerror(errno));
    const kofn_status status = read_all(&r, file, err);
    (void)fclose(file); // nothing was written
    if (status != KOFN_OK) {
        kofn_straggler_trace_fini(&r.trace);
        return status;
    }
    settle(&r, slowdown);
    *ret_trace = r.trace;
    return KOFN_OK;
}

void
kofn_straggler_trace_fini(kofn_straggler_trace *trace)
{
    free(trace->factors);
    *trace = (kofn_straggler_trace){0};
}
