/* Files of algorithms.
 *
 * The reader takes numbers as they come. Whether they make an algorithm shows only at the end; then
 * the file is read once more, to say the line of what is wrong: kofn_config_load puts the place in
 * front of what its visitor says, so the second visitor says it at the same pair.
 */
#include "common/base/config.h"
#include "common/code/bilinear.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DENOMINATOR_MAX = 1 << 20, NUMERATOR_MAX = 1 << 20 };

typedef struct ratio {
    int64_t top, bottom;
} ratio;

/* What a file said so far: rows of U, V and W of each product, as they come. */
typedef struct reader {
    size_t size[3], length[3]; // length: x z, z y, x y
    size_t rank, capacity;
    char product[KOFN_BILINEAR_NAME_MAX]; // the latest; `has` says which rows of it are there
    unsigned has;
    ratio *rows;        // [capacity, length[0] + length[1] + length[2]]
    size_t (*where)[3]; // [capacity] of those rows: which pair of the file, from 1 on
    size_t pairs;       // read so far
    size_t culprit;     // the pair that is to blame, once all are read; 0: none
} reader;

static int64_t
find_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* "-1/2"; *ret_end behind it. */
static bool
parse_ratio(const char *text, const char **ret_end, ratio *ret)
{
    char *end;
    errno = 0;
    const long long top = strtoll(text, &end, 10);
    long long bottom = 1;
    bool right = end != text && !errno;
    if (right && *end == '/') {
        const char *digits = end + 1;
        bottom = strtoll(digits, &end, 10);
        right = *digits >= '0' && *digits <= '9' && !errno;
    }
    if (!right || bottom < 1 || bottom > DENOMINATOR_MAX || top < -NUMERATOR_MAX ||
        top > NUMERATOR_MAX)
        return false;
    const int64_t divisor = find_divisor(llabs(top), bottom);
    *ret = (ratio){.top = top / divisor, .bottom = bottom / divisor};
    *ret_end = end;
    return true;
}

/* `count` numbers with commas between. */
static kofn_status
parse_row(const char *path, const char *text, size_t count, ratio *ret, kofn_error *err)
{
    const char *at = text;
    for (size_t i = 0; i < count; i++) {
        if (!parse_ratio(at, &at, &ret[i]) || *at != (i + 1 < count ? ',' : '\0'))
            return kofn_fail(
                err, KOFN_INVALID_ARGUMENT,
                "%s: number %zu is wrong, need %zu whole numbers or fractions up to %d", path,
                i + 1, count, NUMERATOR_MAX);
        at++;
    }
    return KOFN_OK;
}

static kofn_status
read_size(reader *r, const char *value, kofn_error *err)
{
    if (r->rank > 0 || !kofn_bilinear_parse_size(value, r->size))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "size: '%.60s' is not [x, z, y], three whole numbers from 1 to %d before "
                         "all products",
                         value, KOFN_BILINEAR_SIZE_MAX);
    r->length[0] = r->size[0] * r->size[1];
    r->length[1] = r->size[1] * r->size[2];
    r->length[2] = r->size[0] * r->size[2];
    return kofn_bilinear_check_size(r->size[0], r->size[1], r->size[2], 1, err);
}

static size_t
row_length(const reader *r)
{
    return r->length[0] + r->length[1] + r->length[2];
}

static kofn_status
check_product(const reader *r, kofn_error *err)
{
    if (r->rank == 0 || r->has == 7)
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT, "product '%s' has not all of a, b and c",
                     r->product);
}

static kofn_status
grow(reader *r, kofn_error *err)
{
    const size_t capacity = 2 * r->capacity + 16;
    ratio *rows = realloc(r->rows, capacity * row_length(r) * sizeof *rows);
    r->rows = rows ? rows : r->rows;
    size_t(*where)[3] = rows ? realloc(r->where, capacity * sizeof *where) : NULL;
    if (!where)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu products", capacity);
    r->where = where;
    r->capacity = capacity;
    return KOFN_OK;
}

/* Room for one more product, of this name. */
static kofn_status
open_product(reader *r, const char *name, size_t length, kofn_error *err)
{
    kofn_status status = check_product(r, err);
    if (!status)
        status = kofn_bilinear_check_size(r->size[0], r->size[1], r->size[2], r->rank + 1, err);
    if (!status && r->rank == r->capacity)
        status = grow(r, err);
    if (status)
        return status;
    memcpy(r->product, name, length);
    r->product[length] = '\0';
    r->has = 0;
    r->rank++;
    return KOFN_OK;
}

/* "products.NAME.a" */
static kofn_status
read_row(reader *r, const char *path, const char *value, kofn_error *err)
{
    static const char prefix[] = "products.";
    const char *name = path + sizeof prefix - 1;
    const char *dot = strncmp(path, prefix, sizeof prefix - 1) == 0 ? strrchr(name, '.') : NULL;
    const size_t length = dot ? (size_t)(dot - name) : 0;
    if (!dot || dot[1] < 'a' || dot[1] > 'c' || dot[2] || length == 0 ||
        length >= sizeof r->product)
        return kofn_fail(err, KOFN_NOT_FOUND,
                         "'%s' is not known; an algorithm has size, and products.NAME with a, b, c",
                         path);
    if (r->size[0] == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "size: [x, z, y] must come before products");
    kofn_status status = KOFN_OK;
    if (r->rank == 0 || strncmp(name, r->product, length) != 0 || r->product[length])
        status = open_product(r, name, length, err);
    if (status)
        return status;

    const size_t which = (size_t)(dot[1] - 'a');
    ratio *row = r->rows + (r->rank - 1) * row_length(r);
    for (size_t i = 0; i < which; i++)
        row += r->length[i];
    r->has |= 1U << which;
    r->where[r->rank - 1][which] = r->pairs;
    return parse_row(path, value, r->length[which], row, err);
}

static kofn_status
visit(void *context, const char *path, const char *value, kofn_error *err)
{
    reader *r = context;
    r->pairs++;
    return strcmp(path, "size") == 0 ? read_size(r, value, err) : read_row(r, path, value, err);
}

/* ---- from fractions to whole numbers --------------------------------------------------------- */

static const ratio *
get_ratio(const reader *r, size_t factor, size_t product, size_t number)
{
    const ratio *at = r->rows + product * row_length(r) + number;
    for (size_t i = 0; i < factor; i++)
        at += r->length[i];
    return at;
}

static kofn_status
find_denominator(reader *r, size_t factor, int64_t *ret_common, kofn_error *err)
{
    int64_t common = 1;
    for (size_t t = 0; t < r->rank; t++)
        for (size_t i = 0; i < r->length[factor]; i++) {
            const int64_t bottom = get_ratio(r, factor, t, i)->bottom;
            common *= bottom / find_divisor(common, bottom);
            if (common > DENOMINATOR_MAX) {
                r->culprit = r->where[t][factor];
                return kofn_fail(err, KOFN_OUT_OF_RANGE,
                                 "the fractions' common denominator is above %d", DENOMINATOR_MAX);
            }
        }
    *ret_common = common;
    return KOFN_OK;
}

/* Every product's numbers over one denominator. */
static kofn_status
fill_factor(reader *r, size_t factor, int64_t common, int32_t *ret, kofn_error *err)
{
    for (size_t t = 0; t < r->rank; t++)
        for (size_t i = 0; i < r->length[factor]; i++) {
            const ratio *at = get_ratio(r, factor, t, i);
            const int64_t top = at->top * (common / at->bottom); // below 2^40
            if (top > INT32_MAX || top < INT32_MIN) {
                r->culprit = r->where[t][factor];
                return kofn_fail(err, KOFN_OUT_OF_RANGE,
                                 "over their common denominator %lld, numbers have more than 32 "
                                 "bits",
                                 (long long)common);
            }
            ret[t * r->length[factor] + i] = (int32_t)top;
        }
    return KOFN_OK;
}

/* ---- what is wrong, and where ---------------------------------------------------------------- */

static void
format_ratio(int64_t top, int64_t bottom, char *ret_text, size_t size)
{
    const int64_t divisor = find_divisor(llabs(top), bottom);
    if (divisor == bottom)
        (void)snprintf(ret_text, size, "%lld", (long long)(top / divisor));
    else
        (void)snprintf(ret_text, size, "%lld/%lld", (long long)(top / divisor),
                       (long long)(bottom / divisor));
}

/* The first product that takes part in the first sum that is wrong; 0: none does. */
static size_t
find_taking_part(const reader *r, const kofn_bilinear *f)
{
    size_t at[3];
    if (!kofn_bilinear_find_wrong(f, at))
        return 0;
    for (size_t t = 0; t < r->rank; t++)
        if (f->u[t * r->length[0] + at[0]] && f->v[t * r->length[1] + at[1]] &&
            f->w[t * r->length[2] + at[2]])
            return r->where[t][0];
    return 0;
}

/* Of numbers that are no algorithm. err holds what is wrong, and is told what would mend it. */
static kofn_status
blame(reader *r, const kofn_bilinear *f, const int64_t *common, kofn_error *err)
{
    kofn_bilinear_slip slip;
    if (!kofn_bilinear_find_slip(f, &slip)) {
        r->culprit = find_taking_part(r, f);
        return KOFN_INVALID_ARGUMENT;
    }
    char is[48], needs[48], wrong[KOFN_ERROR_TEXT_MAX];
    format_ratio(slip.is, common[slip.factor], is, sizeof is);
    format_ratio(slip.needs, common[slip.factor], needs, sizeof needs);
    (void)snprintf(wrong, sizeof wrong, "%s", err->text);
    r->culprit = r->where[slip.product][slip.factor];
    return kofn_fail(err, KOFN_INVALID_ARGUMENT, "number %zu is %s and would have to be %s: %s",
                     slip.number + 1, is, needs, wrong);
}

static kofn_status
build(reader *r, kofn_bilinear *f, kofn_bilinear **ret, kofn_error *err)
{
    int32_t *const factors[] = {f->u, f->v, f->w};
    int64_t common[3];
    kofn_status status = KOFN_OK;
    for (size_t i = 0; i < 3 && !status; i++) {
        status = find_denominator(r, i, &common[i], err);
        if (!status)
            status = fill_factor(r, i, common[i], factors[i], err);
    }
    if (status)
        return status;
    f->denominator = common[0] * common[1] * common[2]; // three of 2^20 at most
    status = kofn_bilinear_new(f, ret, err);
    return status == KOFN_INVALID_ARGUMENT ? blame(r, f, common, err) : status;
}

static kofn_status
finish(reader *r, kofn_bilinear **ret, kofn_error *err)
{
    kofn_bilinear f = {.x = r->size[0], .z = r->size[1], .y = r->size[2], .rank = r->rank};
    kofn_status status = kofn_bilinear_check_size(f.x, f.z, f.y, f.rank, err);
    if (!status) {
        r->culprit = r->pairs;
        status = check_product(r, err);
    }
    if (status)
        return status;
    r->culprit = 0;
    f.u = calloc(r->rank * row_length(r), sizeof *f.u);
    if (!f.u)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu products", r->rank);
    f.v = f.u + r->rank * r->length[0];
    f.w = f.v + r->rank * r->length[1];
    status = build(r, &f, ret, err);
    free(f.u);
    return status;
}

typedef struct pointer {
    size_t pairs, culprit;
    const kofn_error *why;
} pointer;

static kofn_status
point_out(void *context, const char *path, const char *value, kofn_error *err)
{
    (void)value;
    pointer *p = context;
    p->pairs++;
    return p->pairs == p->culprit ? kofn_fail(err, p->why->status, "%s: %s", path, p->why->text)
                                  : KOFN_OK;
}

/* What finish said, with the file, and with the line where there is one. */
static kofn_status
fail_at(const char *path, const reader *r, const kofn_error *why, kofn_error *err)
{
    pointer p = {.culprit = r->culprit, .why = why};
    if (r->culprit > 0 && kofn_config_load(path, point_out, &p, err) == why->status)
        return why->status;
    return kofn_fail(err, why->status, "%s: %s", path, why->text); // or the file is another by now
}

kofn_status
kofn_bilinear_load(const char *path, kofn_bilinear **ret, kofn_error *err)
{
    kofn_error why;
    reader r = {0};
    kofn_status status = kofn_config_load(path, visit, &r, err);
    if (!status && finish(&r, ret, &why))
        status = fail_at(path, &r, &why, err);
    free(r.rows);
    free(r.where);
    return status;
}
