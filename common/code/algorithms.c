#include "common/code/algorithms.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
    char name[KOFN_BILINEAR_NAME_MAX];
    kofn_bilinear *f;
    kofn_bilinear_shape shape;
} entry;

struct kofn_algorithms {
    atomic_size_t refs;
    size_t count;
    entry at[KOFN_ALGORITHMS_MAX]; // by name
};

/* ---- what ships ------------------------------------------------------------------------------ */

/* A product's rows of U, V and W: '+' and '-' for 1 and -1. */
typedef struct shipped_product {
    const char *u, *v, *w;
} shipped_product;

typedef struct shipped {
    const char *name;
    size_t x, z, y, rank;
    const shipped_product *products;
} shipped;

static const shipped_product strassen[] = {
    {"+..+", "+..+", "+..+"}, // (A11 + A22) (B11 + B22), in C11 and C22
    {"..++", "+...", "..+-"}, //
    {"+...", ".+.-", ".+.+"}, //
    {"...+", "-.+.", "+.+."}, //
    {"++..", "...+", "-+.."}, //
    {"-.+.", "++..", "...+"}, //
    {".+.-", "..++", "+..."},
};

static const shipped_product winograd[] = {
    {"+...", "+...", "++++"}, //
    {".+..", "..+.", "+..."}, //
    {"++--", "...+", ".+.."}, //
    {"...+", "+--+", "..-."}, //
    {"..++", "-+..", ".+.+"}, //
    {"-.++", "+-.+", ".+++"}, //
    {"+.-.", ".-.+", "..++"},
};

static const shipped_product strassen_column[] = {
    {"+..+", "+...+.", "+...+."}, //
    {"..++", "+.....", "...+-."}, //
    {"+...", ".+..-.", ".+..+."}, //
    {"...+", "-..+..", "+..+.."}, //
    {"++..", "....+.", "-+...."}, //
    {"-.+.", "++....", "....+."}, //
    {".+.-", "...++.", "+....."}, //
    {"+...", "..+...", "..+..."}, // the third column
    {".+..", ".....+", "..+..."}, //
    {"..+.", "..+...", ".....+"}, //
    {"...+", ".....+", ".....+"},
};

static const shipped_product laderman[] = {
    {"+++--..--", "....+....", ".+......."}, //
    {"+..-.....", ".-..+....", "...++...."}, //
    {"....+....", "-+.+---.+", "...+....."}, //
    {"-..++....", "+-..+....", ".+.++...."}, //
    {"...++....", "-+.......", ".+..+...."}, //
    {"+........", "+........", "+++++.+.+"}, //
    {"-.....++.", "+.-..+...", "..+...+.+"}, //
    {"-.....+..", "..+..-...", "......+.+"}, //
    {"......++.", "-.+......", "..+.....+"}, //
    {"+++.----.", ".....+...", "..+......"}, //
    {".......+.", "-.++---+.", "......+.."}, //
    {"..-....++", "....+.+-.", ".+....++."}, //
    {"..+.....-", "....+..-.", "......++."}, //
    {"..+......", "......+..", "++++.+++."}, //
    {".......++", "......-+.", ".+.....+."}, //
    {"..-.++...", ".....++.-", "..++.+..."}, //
    {"..+..-...", ".....+..-", "...+.+..."}, //
    {"....++...", "......-.+", "..+..+..."}, //
    {".+.......", "...+.....", "+........"}, //
    {".....+...", ".......+.", "....+...."}, //
    {"...+.....", "..+......", ".....+..."}, //
    {"......+..", ".+.......", ".......+."}, //
    {"........+", "........+", "........+"},
};

#define SHIPPED(x_, z_, y_, products_)                                                             \
    {                                                                                              \
#products_, x_, z_, y_, sizeof products_ / sizeof products_[0], products_                  \
    }

static const shipped all_shipped[] = {
    SHIPPED(2, 2, 2, strassen),
    SHIPPED(2, 2, 2, winograd),
    SHIPPED(2, 2, 3, strassen_column),
    SHIPPED(3, 3, 3, laderman),
};

enum {
    SHIPPED_COUNT = sizeof all_shipped / sizeof all_shipped[0],
    SHIPPED_NUMBERS_MAX = 3 * 9 * 23
};

static void
fill_signs(const char *signs, int32_t *ret)
{
    for (size_t i = 0; signs[i]; i++)
        ret[i] = signs[i] == '+' ? 1 : signs[i] == '-' ? -1 : 0;
}

/* Not proven again: a test does. */
static kofn_status
make_shipped(const shipped *s, kofn_bilinear **ret, kofn_error *err)
{
    int32_t numbers[SHIPPED_NUMBERS_MAX];
    const kofn_bilinear f = {.x = s->x,
                             .z = s->z,
                             .y = s->y,
                             .rank = s->rank,
                             .denominator = 1,
                             .u = numbers,
                             .v = numbers + s->rank * s->x * s->z,
                             .w = numbers + s->rank * (s->x + s->y) * s->z};
    for (size_t t = 0; t < f.rank; t++) {
        fill_signs(s->products[t].u, f.u + t * f.x * f.z);
        fill_signs(s->products[t].v, f.v + t * f.z * f.y);
        fill_signs(s->products[t].w, f.w + t * f.x * f.y);
    }
    return kofn_bilinear_copy(&f, ret, err);
}

/* As written above: of ones, and divided by nothing. */
static kofn_bilinear_shape
measure_shipped(const shipped *s)
{
    return (kofn_bilinear_shape){
        .x = s->x, .z = s->z, .y = s->y, .rank = s->rank, .denominator = 1, .largest = {1, 1, 1}};
}

static const shipped *
find_shipped(const char *name)
{
    for (size_t i = 0; i < SHIPPED_COUNT; i++)
        if (strcmp(name, all_shipped[i].name) == 0)
            return &all_shipped[i];
    return NULL;
}

bool
kofn_algorithms_is_shipped(const char *name)
{
    return find_shipped(name) != NULL;
}

/* ---- a directory ----------------------------------------------------------------------------- */

/* Length of the name that a file of this name has; 0: it is no algorithm's. */
static size_t
measure_name(const char *file)
{
    static const char *const ends[] = {".yaml", ".yml", ".json"};
    const size_t length = strlen(file);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        const size_t end = strlen(ends[i]);
        if (file[0] != '.' && length > end && strcmp(file + length - end, ends[i]) == 0)
            return length - end;
    }
    return 0;
}

static int
is_algorithm(const struct dirent *file)
{
    return measure_name(file->d_name) > 0;
}

static const entry *
find_entry(const kofn_algorithms *set, const char *name)
{
    for (size_t i = 0; set && i < set->count; i++)
        if (strcmp(set->at[i].name, name) == 0)
            return &set->at[i];
    return NULL;
}

static kofn_status
check_name(const kofn_algorithms *set, const char *name, kofn_error *err)
{
    if (name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")])
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "the name of an algorithm is of letters, digits, '_', '-' and '.': rename "
                         "the file");
    if (kofn_algorithms_is_shipped(name) || strcmp(name, "classical") == 0)
        return kofn_fail(err, KOFN_ALREADY_EXISTS,
                         "an algorithm '%s' ships with kofn: rename the file", name);
    if (find_entry(set, name))
        return kofn_fail(err, KOFN_ALREADY_EXISTS,
                         "another file has an algorithm '%s' too: keep one", name);
    return KOFN_OK;
}

static kofn_status
add_file(kofn_algorithms *set, const char *directory, const char *file, kofn_error *err)
{
    char path[4096];
    entry *e = &set->at[set->count];
    const size_t length = measure_name(file);
    if (snprintf(path, sizeof path, "%s/%s", directory, file) >= (int)sizeof path ||
        length >= sizeof e->name)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "%s: '%s' is longer than %zu letters", directory,
                         file, sizeof e->name - 1);
    if (set->count == KOFN_ALGORITHMS_MAX)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "%s: more than %d algorithms", directory,
                         KOFN_ALGORITHMS_MAX);
    memcpy(e->name, file, length);
    e->name[length] = '\0';
    kofn_status status = check_name(set, e->name, err);
    if (status) {
        (void)kofn_fail_within(err, "%s", path);
        return status;
    }
    status = kofn_bilinear_load(path, &e->f, err);
    if (status)
        return status;
    e->shape = kofn_bilinear_measure(e->f);
    set->count++;
    return KOFN_OK;
}

static void
free_files(struct dirent **files, int count)
{
    for (int i = 0; i < count; i++)
        free(files[i]);
    free(files);
}

kofn_status
kofn_algorithms_load(const char *directory, kofn_algorithms **ret, kofn_error *err)
{
    struct dirent **files = NULL;
    const int count = scandir(directory, &files, is_algorithm, alphasort);
    if (count < 0)
        return kofn_fail(err, kofn_status_from_errno(errno),
                         "the directory of algorithms %s cannot be read: %s", directory,
                         strerror(errno));
    kofn_algorithms *set = calloc(1, sizeof *set);
    kofn_status status = set ? KOFN_OK
                             : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                                         "no memory for the algorithms of %s", directory);
    if (set)
        atomic_init(&set->refs, 1);
    for (int i = 0; i < count && !status; i++)
        status = add_file(set, directory, files[i]->d_name, err);
    free_files(files, count);
    if (status)
        kofn_algorithms_destroy(&set);
    else
        *ret = set;
    return status;
}

kofn_algorithms *
kofn_algorithms_ref(kofn_algorithms *set)
{
    if (set)
        atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void
kofn_algorithms_destroy(kofn_algorithms **set_p)
{
    kofn_algorithms *set = *set_p;
    *set_p = NULL;
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < set->count; i++)
        kofn_bilinear_destroy(&set->at[i].f);
    free(set);
}

/* ---- names ----------------------------------------------------------------------------------- */

size_t
kofn_algorithms_count(const kofn_algorithms *set)
{
    return SHIPPED_COUNT + (set ? set->count : 0);
}

const char *
kofn_algorithms_get_name(const kofn_algorithms *set, size_t index)
{
    return index < SHIPPED_COUNT ? all_shipped[index].name : set->at[index - SHIPPED_COUNT].name;
}

static kofn_status
fail_unknown(const kofn_algorithms *set, const char *name, kofn_error *err)
{
    static const char more[] = "..., ";
    char known[256] = "";
    for (size_t i = 0, at = 0; i < kofn_algorithms_count(set); i++) {
        const char *next = kofn_algorithms_get_name(set, i);
        const bool fits = strlen(next) + sizeof ", " + sizeof more <= sizeof known - at;
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", fits ? next : more,
                               fits ? ", " : "");
        if (!fits)
            break;
    }
    return kofn_fail(
        err, KOFN_NOT_FOUND,
        "there is no algorithm '%s'; there are %sclassical:X,Z,Y and products of these "
        "(strassen*classical:1,2,1)",
        name, known);
}

/* One algorithm, without '*'. */
typedef struct factor {
    kofn_bilinear_shape shape;
    const shipped *ships; // one of these, or both NULL: a classical one of this shape
    const entry *own;
} factor;

static kofn_status
find_classical(const char *name, const char *sizes, kofn_bilinear_shape *ret, kofn_error *err)
{
    size_t size[3];
    if (!kofn_bilinear_parse_size(sizes, size))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "algorithm '%s' is not classical:X,Z,Y with whole numbers up to %d", name,
                         KOFN_BILINEAR_SIZE_MAX);
    const size_t rank = size[0] * size[1] * size[2];
    *ret = (kofn_bilinear_shape){.x = size[0],
                                 .z = size[1],
                                 .y = size[2],
                                 .rank = rank,
                                 .denominator = 1,
                                 .largest = {1, 1, 1}};
    return kofn_bilinear_check_size(size[0], size[1], size[2], rank, err);
}

static kofn_status
find_factor(const kofn_algorithms *set, const char *name, factor *ret, kofn_error *err)
{
    static const char classical[] = "classical:";
    *ret = (factor){.ships = find_shipped(name), .own = find_entry(set, name)};
    if (ret->ships)
        ret->shape = measure_shipped(ret->ships);
    else if (ret->own)
        ret->shape = ret->own->shape;
    else if (strncmp(name, classical, sizeof classical - 1) == 0)
        return find_classical(name, name + sizeof classical - 1, &ret->shape, err);
    else
        return fail_unknown(set, name, err);
    return KOFN_OK;
}

static kofn_status
make_factor(const factor *f, kofn_bilinear **ret, kofn_error *err)
{
    if (f->ships)
        return make_shipped(f->ships, ret, err);
    if (f->own)
        return kofn_bilinear_copy(f->own->f, ret, err);
    return kofn_bilinear_classical(f->shape.x, f->shape.z, f->shape.y, ret, err);
}

/* The factors of a text, of which there are at most half as many as letters. */
enum { FACTORS_MAX = KOFN_BILINEAR_NAME_MAX / 2 };

static kofn_status
find_factors(const kofn_algorithms *set, const char *text, factor ret[FACTORS_MAX],
             size_t *ret_count, kofn_error *err)
{
    char name[KOFN_BILINEAR_NAME_MAX];
    if (strlen(text) >= sizeof name)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "algorithm '%.60s' is longer than %zu letters",
                         text, sizeof name - 1);
    size_t count = 0;
    kofn_status status = KOFN_OK;
    for (const char *at = text; at && !status;) { // no name is empty: it stops at the first
        const size_t length = strcspn(at, "*");
        memcpy(name, at, length);
        name[length] = '\0';
        status = find_factor(set, name, &ret[count++], err);
        at = at[length] ? at + length + 1 : NULL;
    }
    *ret_count = count;
    return status;
}

kofn_status
kofn_algorithms_measure(const kofn_algorithms *set, const char *text, kofn_bilinear_shape *ret,
                        kofn_error *err)
{
    factor factors[FACTORS_MAX];
    size_t count;
    kofn_status status = find_factors(set, text, factors, &count, err);
    if (status)
        return status;
    kofn_bilinear_shape shape = factors[0].shape;
    for (size_t i = 1; i < count && !status; i++)
        status = kofn_bilinear_multiply_shapes(&shape, &factors[i].shape, &shape, err);
    if (!status)
        *ret = shape;
    return status;
}

/* *f_p := *f_p times g, which is ended. */
static kofn_status
multiply_by(kofn_bilinear **f_p, kofn_bilinear *g, kofn_error *err)
{
    if (!*f_p) {
        *f_p = g;
        return KOFN_OK;
    }
    kofn_bilinear *product = NULL;
    const kofn_status status = kofn_bilinear_multiply(*f_p, g, &product, err);
    kofn_bilinear_destroy(&g);
    if (status)
        return status;
    kofn_bilinear_destroy(f_p);
    *f_p = product;
    return KOFN_OK;
}

kofn_status
kofn_algorithms_parse(const kofn_algorithms *set, const char *text, kofn_bilinear **ret,
                      kofn_error *err)
{
    factor factors[FACTORS_MAX];
    size_t count;
    kofn_bilinear *f = NULL, *next = NULL;
    kofn_status status = find_factors(set, text, factors, &count, err);
    if (status)
        return status;
    for (size_t i = 0; i < count && !status; i++) {
        status = make_factor(&factors[i], &next, err);
        if (!status)
            status = multiply_by(&f, next, err);
    }
    if (status)
        kofn_bilinear_destroy(&f);
    else
        *ret = f;
    return status;
}
