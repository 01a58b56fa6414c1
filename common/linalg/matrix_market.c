#include "common/linalg/matrix_market.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LINE_MAX_CHARACTERS = 1024,          // the format's own limit
    LINE_ROOM = LINE_MAX_CHARACTERS + 3, // "\r\n" and NUL
    TOKENS_MAX = 6,
    SHOWN_MAX = 40, // characters of what is wrong, in messages
};

typedef enum symmetry { GENERAL, SYMMETRIC, SKEW } symmetry;

/* The file's first line, and its sizes. */
typedef struct header {
    bool coordinate, pattern, integer;
    symmetry symmetry;
    size_t rows, cols, entries; // listed
} header;

typedef struct reader {
    FILE *file;
    locale_t numbers; // in which a point is a point, whatever the program has chosen
    uint64_t bytes;   // of the file
    size_t line;      // number of the one in `text`
    char text[LINE_ROOM];
    char *token[TOKENS_MAX]; // of it
    size_t tokens;           // more than TOKENS_MAX are not kept
    kofn_error *err;
} reader;

/* ---- lines and words ------------------------------------------------------------------------- */

static kofn_status refuse(const reader *r, const char *format, ...) KOFN_PRINTF(2, 3);

static kofn_status
refuse(const reader *r, const char *format, ...)
{
    char text[KOFN_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); // cut if too long
    va_end(args);
    return kofn_fail(r->err, KOFN_INVALID_ARGUMENT, "line %zu: %s", r->line, text);
}

static void
skip_line(FILE *file)
{
    int c = getc(file);
    while (c != EOF && c != '\n')
        c = getc(file);
}

/* One line into r->text without its end. *ret_there is false at the end of the file. */
static kofn_status
read_line(reader *r, bool *ret_there)
{
    *ret_there = fgets(r->text, sizeof r->text, r->file) != NULL;
    if (!*ret_there && ferror(r->file))
        return kofn_fail(r->err, kofn_status_from_errno(errno), "cannot read on after line %zu: %s",
                         r->line, strerrordesc_np(errno));
    if (!*ret_there)
        return KOFN_OK;
    r->line++;
    const size_t length = strcspn(r->text, "\r\n");
    const bool ended = r->text[length] != '\0' || feof(r->file);
    r->text[length] = '\0';
    if (!ended && r->text[0] == '%' && r->line > 1)
        skip_line(r->file); // a long comment
    else if (!ended || length > LINE_MAX_CHARACTERS)
        return refuse(r, "longer than %d characters, or no text", LINE_MAX_CHARACTERS);
    return KOFN_OK;
}

static void
split_line(reader *r)
{
    char *rest = NULL;
    r->tokens = 0;
    for (char *t = strtok_r(r->text, " \t", &rest); t; t = strtok_r(NULL, " \t", &rest)) {
        if (r->tokens < TOKENS_MAX)
            r->token[r->tokens] = t;
        r->tokens++;
    }
}

/* The next line that says something, in words; r->tokens is 0 at the end of the file. */
static kofn_status
next_words(reader *r)
{
    bool there = true;
    r->tokens = 0;
    while (r->tokens == 0 && there) {
        const kofn_status status = read_line(r, &there);
        if (status)
            return status;
        if (there && r->text[0] != '%')
            split_line(r);
    }
    return KOFN_OK;
}

/* Digits and nothing else. */
static bool
read_size(const char *text, size_t *ret_value)
{
    size_t value = 0;
    if (!*text)
        return false;
    for (; *text; text++)
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (size_t)(*text - '0'), &value))
            return false;
    *ret_value = value;
    return true;
}

static kofn_status
read_value(const reader *r, const header *h, const char *text, double *ret_value)
{
    const char *allowed = h->integer ? "+-0123456789" : "+-0123456789.eE"; // no names, no hex
    char *end = NULL;
    const double value = strtod_l(text, &end, r->numbers);
    if (end == text || *end || text[strspn(text, allowed)] || !isfinite(value))
        return refuse(r, "'%.*s' is no %s", SHOWN_MAX, text,
                      h->integer ? "integer" : "finite real number");
    if (h->integer && fabs(value) > 0x1p53)
        return refuse(r, "%.*s is beyond 2^53, where doubles skip integers", SHOWN_MAX, text);
    *ret_value = value;
    return KOFN_OK;
}

/* ---- the header ------------------------------------------------------------------------------ */

static kofn_status
read_banner(reader *r, header *h)
{
    bool there;
    kofn_status status = read_line(r, &there);
    if (status)
        return status;
    r->line = 1; // even when it is not there
    if (there)
        split_line(r);
    if (r->tokens != 5 || strcasecmp(r->token[0], "%%MatrixMarket") != 0 ||
        strcasecmp(r->token[1], "matrix") != 0)
        return refuse(r, "no Matrix Market file: need '%%%%MatrixMarket matrix FORMAT FIELD "
                         "SYMMETRY'");

    const char *format = r->token[2], *field = r->token[3], *triangle = r->token[4];
    h->coordinate = strcasecmp(format, "coordinate") == 0;
    h->pattern = strcasecmp(field, "pattern") == 0;
    h->integer = strcasecmp(field, "integer") == 0;
    if (!h->coordinate && strcasecmp(format, "array") != 0)
        return refuse(r, "format '%.*s', need coordinate or array", SHOWN_MAX, format);
    if (strcasecmp(field, "complex") == 0 || strcasecmp(triangle, "hermitian") == 0)
        return kofn_fail(r->err, KOFN_UNIMPLEMENTED,
                         "line 1: complex files are not read: store real and imaginary parts");
    if (!h->pattern && !h->integer && strcasecmp(field, "real") != 0 &&
        strcasecmp(field, "double") != 0)
        return refuse(r, "field '%.*s', need real, integer or pattern", SHOWN_MAX, field);
    if (h->pattern && !h->coordinate)
        return refuse(r, "a pattern in an array file, need coordinate");
    if (strcasecmp(triangle, "symmetric") == 0)
        h->symmetry = SYMMETRIC;
    else if (strcasecmp(triangle, "skew-symmetric") == 0)
        h->symmetry = SKEW;
    else if (strcasecmp(triangle, "general") != 0)
        return refuse(r, "symmetry '%.*s', need general, symmetric or skew-symmetric", SHOWN_MAX,
                      triangle);
    if (h->pattern && h->symmetry == SKEW)
        return refuse(r, "a skew-symmetric pattern has no signs, need real or integer");
    return KOFN_OK;
}

/* Values that an array file lists; no overflow: rows and columns are below 2^31. */
static size_t
count_listed(const header *h)
{
    if (h->symmetry == GENERAL)
        return h->rows * h->cols;
    return h->rows > 0 ? h->rows * (h->symmetry == SKEW ? h->rows - 1 : h->rows + 1) / 2 : 0;
}

/* Can the rest of the file hold so many lines? The shortest are "1", "1 1" and "1 1 1". */
static kofn_status
check_length(const reader *r, const header *h)
{
    const long at = ftell(r->file);
    const uint64_t shortest = !h->coordinate ? 2 : h->pattern ? 4 : 6;
    const uint64_t left = at < 0 || (uint64_t)at > r->bytes ? 0 : r->bytes - (uint64_t)at;
    if (h->entries <= (left + 1) / shortest)
        return KOFN_OK;
    return refuse(r, "promises %zu entries, the %llu bytes below hold %llu at most", h->entries,
                  (unsigned long long)left, (unsigned long long)((left + 1) / shortest));
}

static kofn_status
read_sizes(reader *r, header *h)
{
    const size_t wanted = h->coordinate ? 3 : 2;
    const kofn_status status = next_words(r);
    if (status)
        return status;
    if (r->tokens != wanted || !read_size(r->token[0], &h->rows) ||
        !read_size(r->token[1], &h->cols) || (wanted == 3 && !read_size(r->token[2], &h->entries)))
        return refuse(r, "need %s", wanted == 3 ? "rows, columns and entries" : "rows and columns");
    if (h->rows > INT32_MAX || h->cols > INT32_MAX)
        return kofn_fail(r->err, KOFN_OUT_OF_RANGE, "line %zu: %zu x %zu, at most %d of each fit",
                         r->line, h->rows, h->cols, INT32_MAX);
    if (h->symmetry != GENERAL && h->rows != h->cols)
        return refuse(r, "%zu x %zu cannot be symmetric", h->rows, h->cols);
    if (!h->coordinate)
        h->entries = count_listed(h);
    return check_length(r, h);
}

static kofn_status
check_bytes(const reader *r, size_t bytes, size_t most_bytes)
{
    if (bytes <= most_bytes)
        return KOFN_OK;
    return kofn_fail(r->err, KOFN_OUT_OF_RANGE,
                     "line %zu: reading it takes %zu bytes, the limit is %zu", r->line, bytes,
                     most_bytes);
}

static kofn_status
check_end(reader *r, const header *h)
{
    const kofn_status status = next_words(r);
    if (!status && r->tokens > 0)
        return refuse(r, "goes on behind its %zu entries", h->entries);
    return status;
}

/* ---- coordinate files ------------------------------------------------------------------------ */

typedef struct entry {
    int32_t row, col;
    double value;
} entry;

static kofn_status
read_entry(reader *r, const header *h, entry *ret_entry)
{
    size_t row, col;
    double value = 1;
    kofn_status status = next_words(r);
    if (status)
        return status;
    if (r->tokens == 0)
        return refuse(r, "the file ends before its %zu entries do", h->entries);
    if (r->tokens != (h->pattern ? 2 : 3) || !read_size(r->token[0], &row) ||
        !read_size(r->token[1], &col))
        return refuse(r, "need %s", h->pattern ? "row and column" : "row, column and value");
    if (row == 0 || row > h->rows || col == 0 || col > h->cols)
        return refuse(r, "place %zu, %zu is outside of 1 to %zu, 1 to %zu", row, col, h->rows,
                      h->cols);
    if (h->symmetry != GENERAL && (row < col || (row == col && h->symmetry == SKEW)))
        return refuse(r, "place %zu, %zu: a %s file lists what is below the diagonal%s", row, col,
                      h->symmetry == SKEW ? "skew-symmetric" : "symmetric",
                      h->symmetry == SKEW ? "" : " and on it");
    if (!h->pattern)
        status = read_value(r, h, r->token[2], &value);
    if (!status)
        *ret_entry = (entry){.row = (int32_t)(row - 1), .col = (int32_t)(col - 1), .value = value};
    return status;
}

/* All entries, those above the diagonal with them; *ret_count of them. */
static kofn_status
read_entries(reader *r, const header *h, entry *at, size_t *ret_count)
{
    size_t count = 0;
    for (size_t i = 0; i < h->entries; i++) {
        entry e;
        const kofn_status status = read_entry(r, h, &e);
        if (status)
            return status;
        at[count++] = e;
        if (h->symmetry != GENERAL && e.row != e.col)
            at[count++] = (entry){
                .row = e.col, .col = e.row, .value = h->symmetry == SKEW ? -e.value : e.value};
    }
    *ret_count = count;
    return check_end(r, h);
}

/* Counting sort, stable; start [keys + 1]. */
static void
sort_entries(const entry *from, size_t count, bool by_row, size_t *start, size_t keys, entry *to)
{
    memset(start, 0, (keys + 1) * sizeof *start);
    for (size_t i = 0; i < count; i++)
        start[(by_row ? from[i].row : from[i].col) + 1]++;
    for (size_t k = 0; k < keys; k++)
        start[k + 1] += start[k];
    for (size_t i = 0; i < count; i++)
        to[start[by_row ? from[i].row : from[i].col]++] = from[i];
}

/* *to += by, for what a file may hold: integers are summed as such. */
static bool
add_value(const header *h, double by, double *to)
{
    if (h->integer) {
        const int64_t sum = (int64_t)*to + (int64_t)by; // of two that are within 2^53
        *to = (double)sum;
        return llabs(sum) <= INT64_C(1) << 53;
    }
    *to += by;
    return isfinite(*to);
}

/* Sum those of one place, which are neighbours. *ret_count are left. */
static kofn_status
merge_entries(const header *h, entry *at, size_t count, size_t *ret_count, kofn_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || at[kept - 1].row != at[i].row || at[kept - 1].col != at[i].col)
            at[kept++] = at[i];
        else if (!add_value(h, at[i].value, &at[kept - 1].value))
            return kofn_fail(err, KOFN_INVALID_ARGUMENT, "the entries of place %d, %d add up to %s",
                             at[i].row + 1, at[i].col + 1,
                             h->integer ? "more than 2^53, where doubles skip integers"
                                        : "no finite real number");
    }
    *ret_count = kept;
    return KOFN_OK;
}

static kofn_status
store_entries(const header *h, const entry *at, size_t count, kofn_csr *ret_csr, kofn_error *err)
{
    const kofn_status status = kofn_csr_new(KOFN_F64, h->rows, h->cols, count, ret_csr, err);
    if (status)
        return status;
    int64_t *first = ret_csr->first.data;
    int32_t *column = ret_csr->column.data;
    double *value = ret_csr->value.data;
    size_t row = 0;
    first[0] = 0;
    for (size_t i = 0; i < count; i++) {
        for (; row < (size_t)at[i].row; row++)
            first[row + 1] = (int64_t)i;
        column[i] = at[i].col;
        value[i] = at[i].value;
    }
    for (; row < h->rows; row++)
        first[row + 1] = (int64_t)count;
    return KOFN_OK;
}

static kofn_status
read_coordinates(reader *r, const header *h, size_t most_bytes, kofn_csr *ret_csr)
{
    const size_t most = h->symmetry == GENERAL ? h->entries : 2 * h->entries; // fits: check_length
    const size_t keys = h->rows > h->cols ? h->rows : h->cols;
    size_t csr_bytes, count = 0;
    kofn_status status = kofn_csr_bytes(KOFN_F64, h->rows, most, &csr_bytes, r->err);
    if (!status)
        status = check_bytes(r, csr_bytes + 2 * most * sizeof(entry) + (keys + 1) * sizeof(size_t),
                             most_bytes);
    if (status)
        return status;

    entry *at = malloc((2 * most + 1) * sizeof *at);
    size_t *start = malloc((keys + 1) * sizeof *start);
    if (!at || !start)
        status = kofn_fail(r->err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu entries", most);
    if (!status)
        status = read_entries(r, h, at, &count);
    if (!status) {
        sort_entries(at, count, false, start, h->cols, at + most);
        sort_entries(at + most, count, true, start, h->rows, at);
        status = merge_entries(h, at, count, &count, r->err);
    }
    if (!status)
        status = store_entries(h, at, count, ret_csr, r->err);
    free(start);
    free(at);
    return status;
}

/* ---- array files ----------------------------------------------------------------------------- */

static kofn_status
read_cell(reader *r, const header *h, double *ret_value)
{
    const kofn_status status = next_words(r);
    if (status)
        return status;
    if (r->tokens != 1)
        return r->tokens == 0 ? refuse(r, "the file ends before its %zu values do", h->entries)
                              : refuse(r, "need one value");
    return read_value(r, h, r->token[0], ret_value);
}

static kofn_status
read_array(reader *r, const header *h, size_t most_bytes, kofn_mat *ret_mat)
{
    size_t bytes;
    kofn_mat mat;
    kofn_status status = kofn_mat_bytes(KOFN_F64, h->rows, h->cols, &bytes, r->err);
    if (!status)
        status = check_bytes(r, bytes, most_bytes);
    if (!status)
        status = kofn_mat_alloc(KOFN_F64, h->cols, h->rows, &mat, r->err);
    if (status)
        return status;
    double *at = mat.data;
    for (size_t col = 0; h->rows > 0 && col < h->cols && !status; col++)
        for (size_t row = h->symmetry == GENERAL ? 0 : col + (h->symmetry == SKEW);
             row < h->rows && !status; row++) {
            double value = 0;
            status = read_cell(r, h, &value);
            at[col * h->rows + row] = value;
            if (h->symmetry != GENERAL && row != col)
                at[row * h->rows + col] = h->symmetry == SKEW ? -value : value;
        }
    if (!status)
        status = check_end(r, h);
    if (status)
        kofn_mat_fini(&mat);
    else
        *ret_mat = mat;
    return status;
}

/* ---- files ----------------------------------------------------------------------------------- */

static kofn_status
read_file(reader *r, size_t most_bytes, kofn_matrix_market *read)
{
    header h = {0};
    kofn_status status = read_banner(r, &h);
    if (!status)
        status = read_sizes(r, &h);
    if (status)
        return status;
    read->sparse = h.coordinate;
    return h.coordinate ? read_coordinates(r, &h, most_bytes, &read->csr)
                        : read_array(r, &h, most_bytes, &read->mat);
}

/* NULL: errno says why; 0 where it is no regular file. A FIFO must not block us. */
static FILE *
open_regular(const char *path, uint64_t *ret_bytes)
{
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int error = fd >= 0 && fstat(fd, &info) == 0 ? 0 : errno;
    FILE *file = !error && S_ISREG(info.st_mode) ? fdopen(fd, "r") : NULL;
    if (file) {
        *ret_bytes = (uint64_t)info.st_size;
        return file;
    }
    if (!error && S_ISREG(info.st_mode))
        error = errno;
    if (fd >= 0)
        (void)close(fd); // nothing was written
    errno = error;
    return NULL;
}

kofn_status
kofn_matrix_market_read(const char *path, size_t most_bytes, kofn_matrix_market *ret_read,
                        kofn_error *err)
{
    kofn_matrix_market read = {0};
    reader r = {.err = err};
    r.file = open_regular(path, &r.bytes);
    if (!r.file && errno == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "'%s' is no regular file", path);
    if (!r.file)
        return kofn_fail(err, kofn_status_from_errno(errno), "cannot open '%s': %s", path,
                         strerrordesc_np(errno));
    r.numbers = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    const kofn_status status =
        r.numbers ? read_file(&r, most_bytes, &read)
                  : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to read numbers");
    if (r.numbers)
        freelocale(r.numbers);
    (void)fclose(r.file); // nothing was written
    if (status)
        (void)kofn_fail_within(err, "'%s'", path); // err may be NULL: keep our status
    else
        *ret_read = read;
    return status;
}

void
kofn_matrix_market_fini(kofn_matrix_market *read)
{
    kofn_csr_fini(&read->csr);
    kofn_mat_fini(&read->mat);
    *read = (kofn_matrix_market){0};
}
