#include "bench/papers/alloy/real/parity.h"

#include "bench/bench.h"

#include <isa-l/erasure_code.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARITIES = 4, FILES_MAX = 64, ROWS_MAX = FILES_MAX + PARITIES, TABLE = 32 };

typedef struct archive {
    size_t count, length;                          // files; of the longest one
    size_t lengths[FILES_MAX];                     // of each
    unsigned char *rows[ROWS_MAX];                 // files, then parities: [length] each
    unsigned char *memory;                         // all of them, row by row
    unsigned char generator[ROWS_MAX * FILES_MAX]; // [count + PARITIES, count], the identity above
    unsigned char *restored;                       // [lost, length]
    size_t lost[PARITIES], lost_count;             // files
} archive;

/* ---- files ----------------------------------------------------------------------------------- */

static size_t
measure_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        bench_die("%s cannot be read", path);
    const long length = ftell(file);
    if (length < 0)
        bench_die("%s cannot be read", path);
    (void)fclose(file); // only read
    return (size_t)length;
}

static void
read_file(const char *path, unsigned char *to, size_t length)
{
    FILE *file = fopen(path, "rb");
    if (!file || fread(to, 1, length, file) != length)
        bench_die("%s cannot be read", path);
    (void)fclose(file);
}

static archive *
archive_new(const char *const *paths, size_t count)
{
    archive *a = bench_alloc(sizeof *a);
    memset(a, 0, sizeof *a);
    if (count < 1 || count > FILES_MAX)
        bench_die("%zu files, need 1 to %d", count, FILES_MAX);
    a->count = count;
    for (size_t i = 0; i < count; i++) {
        a->lengths[i] = measure_file(paths[i]);
        a->length = a->lengths[i] > a->length ? a->lengths[i] : a->length;
    }
    a->memory = bench_alloc((count + PARITIES) * a->length);
    a->restored = bench_alloc(PARITIES * a->length);
    memset(a->memory, 0, (count + PARITIES) * a->length);
    for (size_t i = 0; i < count + PARITIES; i++)
        a->rows[i] = a->memory + i * a->length;
    for (size_t i = 0; i < count; i++)
        read_file(paths[i], a->rows[i], a->lengths[i]);
    gf_gen_cauchy1_matrix(a->generator, (int)(count + PARITIES), (int)count);
    for (size_t i = count > 1; i < count && a->lost_count < PARITIES; i += 2) // every other one
        a->lost[a->lost_count++] = i;
    return a;
}

static void
archive_destroy(archive *a)
{
    free(a->memory);
    free(a->restored);
    free(a);
}

/* ---- products -------------------------------------------------------------------------------- */

static kofn_matrix
view(const unsigned char *at, size_t rows, size_t cols)
{
    return (kofn_matrix){.data = at, .dtype = KOFN_U8, .rows = rows, .cols = cols};
}

static bool
multiply(site *s, const char *name, kofn_matrix a, kofn_matrix b, unsigned char *to)
{
    const site_product p = {.name = name,
                            .a = a,
                            .b = b,
                            .field = "gf256",
                            .family = "alloy_local",
                            .partition = "4,2,4",
                            .tasks = "35",
                            .algorithm = "strassen"};
    return site_multiply(s, &p, to) == KOFN_OK;
}

/* Against ec_encode_data of the same bytes. */
static bool
make_parity(site *s, archive *a)
{
    unsigned char tables[TABLE * FILES_MAX * PARITIES], *own[PARITIES];
    const int k = (int)a->count;
    unsigned char *memory = bench_alloc(PARITIES * a->length);
    for (size_t i = 0; i < PARITIES; i++)
        own[i] = memory + i * a->length;
    ec_init_tables(k, PARITIES, a->generator + a->count * a->count, tables);
    ec_encode_data((int)a->length, k, PARITIES, tables, a->rows, own);

    char name[64];
    (void)snprintf(name, sizeof name, "parity of %zu files", a->count);
    const bool right =
        multiply(s, name, view(a->generator + a->count * a->count, PARITIES, a->count),
                 view(a->memory, a->count, a->length), a->rows[a->count]) &&
        memcmp(memory, a->rows[a->count], PARITIES * a->length) == 0;
    site_print(s, right ? "equal to ISA-L's ec_encode_data" : "WRONG: not what ISA-L says");
    free(memory);
    return right;
}

static bool
is_lost(const archive *a, size_t row)
{
    for (size_t i = 0; i < a->lost_count; i++)
        if (a->lost[i] == row)
            return true;
    return false;
}

/* The first count rows that are left, and the matrix that made them of the files. */
static void
gather_left(const archive *a, unsigned char *ret_matrix, unsigned char *ret_rows)
{
    for (size_t row = 0, left = 0; left < a->count; row++) {
        if (is_lost(a, row))
            continue;
        memcpy(ret_matrix + left * a->count, a->generator + row * a->count, a->count);
        memcpy(ret_rows + left * a->length, a->rows[row], a->length);
        left++;
    }
}

static bool
restore_files(site *s, archive *a)
{
    unsigned char matrix[FILES_MAX * FILES_MAX], inverse[FILES_MAX * FILES_MAX];
    unsigned char wanted[PARITIES * FILES_MAX];
    unsigned char *left = bench_alloc(a->count * a->length);
    gather_left(a, matrix, left);
    if (gf_invert_matrix(matrix, inverse, (int)a->count) != 0)
        bench_die("a Cauchy matrix has no inverse"); // it always has
    for (size_t i = 0; i < a->lost_count; i++)
        memcpy(wanted + i * a->count, inverse + a->lost[i] * a->count, a->count);

    char name[64];
    (void)snprintf(name, sizeof name, "%zu of them restored", a->lost_count);
    bool right = multiply(s, name, view(wanted, a->lost_count, a->count),
                          view(left, a->count, a->length), a->restored);
    for (size_t i = 0; i < a->lost_count; i++)
        right = right && memcmp(a->restored + i * a->length, a->rows[a->lost[i]],
                                a->lengths[a->lost[i]]) == 0;
    site_print(s, right ? "equal to the files" : "WRONG: not the files");
    free(left);
    return right;
}

bool
parity_run(site *s, const char *const *paths, size_t count)
{
    archive *a = archive_new(paths, count);
    const bool made = make_parity(s, a);
    const bool restored = restore_files(s, a);
    archive_destroy(a);
    return made && restored;
}
