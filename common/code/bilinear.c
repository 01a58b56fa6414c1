#include "common/code/bilinear.h"
#include "common/base/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---------------------------------------------------------------------------------- */

static kofn_status
check_sizes(size_t x, size_t z, size_t y, size_t rank, kofn_error *err)
{
    const size_t most = KOFN_BILINEAR_SIZE_MAX;
    if (x == 0 || z == 0 || y == 0 || rank == 0 || x > most || z > most || y > most ||
        rank > KOFN_BILINEAR_RANK_MAX || rank * (x * z + z * y + x * y) > KOFN_BILINEAR_NUMBERS_MAX)
        return kofn_fail(
            err, KOFN_OUT_OF_RANGE,
            "algorithm <%zu,%zu,%zu;%zu>: need sizes 1 to %zu, 1 to %d products and at "
            "most %d coefficients",
            x, z, y, rank, most, KOFN_BILINEAR_RANK_MAX, KOFN_BILINEAR_NUMBERS_MAX);
    return KOFN_OK;
}

/* All coefficients zero, denominator 1. */
static kofn_status
alloc(size_t x, size_t z, size_t y, size_t rank, kofn_bilinear **ret, kofn_error *err)
{
    const kofn_status status = check_sizes(x, z, y, rank, err);
    if (status)
        return status;
    kofn_bilinear *f = malloc(sizeof *f);
    int32_t *numbers = calloc(rank * (x * z + z * y + x * y), sizeof *numbers);
    if (!f || !numbers) {
        free(f);
        free(numbers);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for an algorithm of %zu products",
                         rank);
    }
    *f = (kofn_bilinear){.x = x, .z = z, .y = y, .rank = rank, .denominator = 1, .u = numbers};
    f->v = f->u + rank * x * z;
    f->w = f->v + rank * z * y;
    *ret = f;
    return KOFN_OK;
}

void
kofn_bilinear_destroy(kofn_bilinear **algorithm_p)
{
    kofn_bilinear *f = *algorithm_p;
    *algorithm_p = NULL;
    if (!f)
        return;
    free(f->u);
    free(f);
}

kofn_status
kofn_bilinear_new(const kofn_bilinear *from, kofn_bilinear **ret, kofn_error *err)
{
    kofn_bilinear *f;
    kofn_status status = alloc(from->x, from->z, from->y, from->rank, &f, err);
    if (status)
        return status;
    memcpy(f->u, from->u, f->rank * f->x * f->z * sizeof *f->u);
    memcpy(f->v, from->v, f->rank * f->z * f->y * sizeof *f->v);
    memcpy(f->w, from->w, f->rank * f->x * f->y * sizeof *f->w);
    f->denominator = from->denominator;
    status = kofn_bilinear_check(f, err);
    if (status)
        kofn_bilinear_destroy(&f);
    else
        *ret = f;
    return status;
}

/* ---- proof ----------------------------------------------------------------------------------- */

/* sum_t U[t, a] V[t, b] W[t, c]: below 2^(31 + 31 + 31 + 16), so it fits. */
static __int128
sum_products(const kofn_bilinear *f, size_t a, size_t b, size_t c)
{
    __int128 sum = 0;
    for (size_t t = 0; t < f->rank; t++) {
        const int64_t uv = (int64_t)f->u[t * f->x * f->z + a] * f->v[t * f->z * f->y + b];
        if (uv != 0)
            sum += (__int128)uv * f->w[t * f->x * f->y + c];
    }
    return sum;
}

/* For messages: cut to what 64 bits hold. */
static long long
narrow(__int128 number)
{
    return number > INT64_MAX ? INT64_MAX : number < INT64_MIN ? INT64_MIN : (long long)number;
}

static kofn_status
check_pair(const kofn_bilinear *f, size_t a, size_t b, kofn_error *err)
{
    const size_t i = a / f->z, k = a % f->z, l = b / f->y, j = b % f->y;
    for (size_t c = 0; c < f->x * f->y; c++) {
        const int64_t wanted = k == l && c == i * f->y + j ? f->denominator : 0;
        const __int128 sum = sum_products(f, a, b, c);
        if (sum != wanted)
            return kofn_fail(
                err, KOFN_INVALID_ARGUMENT,
                "the algorithm <%zu,%zu,%zu;%zu> does not multiply matrices: A(%zu,%zu) "
                "B(%zu,%zu) comes into C(%zu,%zu) %lld / %lld times, need %d",
                f->x, f->z, f->y, f->rank, i + 1, k + 1, l + 1, j + 1, c / f->y + 1, c % f->y + 1,
                narrow(sum), (long long)f->denominator, wanted != 0);
    }
    return KOFN_OK;
}

kofn_status
kofn_bilinear_check(const kofn_bilinear *algorithm, kofn_error *err)
{
    if (algorithm->denominator < 1)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "algorithm: denominator %lld, need 1 or more",
                         (long long)algorithm->denominator);
    for (size_t a = 0; a < algorithm->x * algorithm->z; a++)
        for (size_t b = 0; b < algorithm->z * algorithm->y; b++) {
            const kofn_status status = check_pair(algorithm, a, b, err);
            if (status)
                return status;
        }
    return KOFN_OK;
}

/* ---- products -------------------------------------------------------------------------------- */

/* Row t of the product of two factors: blocks of `inner` within those of `outer`, all row by row. */
static bool
multiply_rows(const int32_t *outer, size_t outer_rows, size_t outer_cols, const int32_t *inner,
              size_t inner_rows, size_t inner_cols, int32_t *ret_row)
{
    const size_t cols = outer_cols * inner_cols;
    for (size_t i = 0; i < outer_rows * inner_rows; i++)
        for (size_t j = 0; j < cols; j++)
            if (__builtin_mul_overflow(outer[i / inner_rows * outer_cols + j / inner_cols],
                                       inner[i % inner_rows * inner_cols + j % inner_cols],
                                       &ret_row[i * cols + j]))
                return false;
    return true;
}

static bool
multiply_into(const kofn_bilinear *f, const kofn_bilinear *g, kofn_bilinear *p)
{
    if (__builtin_mul_overflow(f->denominator, g->denominator, &p->denominator))
        return false;
    for (size_t t = 0; t < p->rank; t++) {
        const size_t s = t / g->rank, r = t % g->rank;
        if (!multiply_rows(f->u + s * f->x * f->z, f->x, f->z, g->u + r * g->x * g->z, g->x, g->z,
                           p->u + t * p->x * p->z) ||
            !multiply_rows(f->v + s * f->z * f->y, f->z, f->y, g->v + r * g->z * g->y, g->z, g->y,
                           p->v + t * p->z * p->y) ||
            !multiply_rows(f->w + s * f->x * f->y, f->x, f->y, g->w + r * g->x * g->y, g->x, g->y,
                           p->w + t * p->x * p->y))
            return false;
    }
    return true;
}

kofn_status
kofn_bilinear_multiply(const kofn_bilinear *outer, const kofn_bilinear *f, kofn_bilinear **ret,
                       kofn_error *err)
{
    kofn_bilinear *product; // sizes are at most 2^16 each, so none of these overflows
    const kofn_status status = alloc(outer->x * f->x, outer->z * f->z, outer->y * f->y,
                                     outer->rank * f->rank, &product, err);
    if (status)
        return status;
    if (!multiply_into(outer, f, product)) {
        kofn_bilinear_destroy(&product);
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "the product of two algorithms has a coefficient of more than 32 bits");
    }
    *ret = product;
    return KOFN_OK;
}

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

static void
fill_signs(const char *signs, int32_t *ret)
{
    for (size_t i = 0; signs[i]; i++)
        ret[i] = signs[i] == '+' ? 1 : signs[i] == '-' ? -1 : 0;
}

static kofn_status
make_shipped(const shipped *s, kofn_bilinear **ret, kofn_error *err)
{
    kofn_bilinear *f;
    const kofn_status status = alloc(s->x, s->z, s->y, s->rank, &f, err);
    if (status)
        return status;
    for (size_t t = 0; t < s->rank; t++) {
        fill_signs(s->products[t].u, f->u + t * f->x * f->z);
        fill_signs(s->products[t].v, f->v + t * f->z * f->y);
        fill_signs(s->products[t].w, f->w + t * f->x * f->y);
    }
    *ret = f;
    return KOFN_OK;
}

/* Every block product by itself. */
static kofn_status
make_classical(size_t x, size_t z, size_t y, kofn_bilinear **ret, kofn_error *err)
{
    kofn_bilinear *f;
    const kofn_status status = alloc(x, z, y, x * z * y, &f, err);
    if (status)
        return status;
    for (size_t i = 0, t = 0; i < x; i++)
        for (size_t j = 0; j < y; j++)
            for (size_t k = 0; k < z; k++, t++) {
                f->u[t * x * z + i * z + k] = 1;
                f->v[t * z * y + k * y + j] = 1;
                f->w[t * x * y + i * y + j] = 1;
            }
    *ret = f;
    return KOFN_OK;
}

/* "X,Z,Y" and nothing else; numbers beyond the limits are left to alloc. */
static bool
parse_size(const char *text, size_t *ret_sizes)
{
    for (int i = 0; i < 3; i++) {
        const size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > 4 || text[digits] != (i < 2 ? ',' : '\0'))
            return false;
        ret_sizes[i] = strtoul(text, NULL, 10);
        text += digits + 1;
    }
    return true;
}

static kofn_status
fail_unknown(const char *name, kofn_error *err)
{
    char known[256] = "";
    for (size_t i = 0, at = 0; i < sizeof all_shipped / sizeof all_shipped[0]; i++)
        at += (size_t)snprintf(known + at, sizeof known - at, "%s, ", all_shipped[i].name);
    return kofn_fail(
        err, KOFN_NOT_FOUND,
        "there is no algorithm '%s'; there are %sclassical:X,Z,Y and products of these "
        "(strassen*classical:1,2,1)",
        name, known);
}

/* One algorithm, without '*'. */
static kofn_status
parse_factor(const char *name, kofn_bilinear **ret, kofn_error *err)
{
    static const char classical[] = "classical:";
    size_t size[3];
    for (size_t i = 0; i < sizeof all_shipped / sizeof all_shipped[0]; i++)
        if (strcmp(name, all_shipped[i].name) == 0)
            return make_shipped(&all_shipped[i], ret, err);
    if (strncmp(name, classical, sizeof classical - 1) != 0)
        return fail_unknown(name, err);
    if (!parse_size(name + sizeof classical - 1, size))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "algorithm '%s' is not classical:X,Z,Y with whole numbers up to %d", name,
                         KOFN_BILINEAR_SIZE_MAX);
    return make_classical(size[0], size[1], size[2], ret, err);
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
kofn_bilinear_parse(const char *text, kofn_bilinear **ret, kofn_error *err)
{
    char name[KOFN_BILINEAR_NAME_MAX];
    kofn_bilinear *f = NULL, *factor = NULL;
    kofn_status status = KOFN_OK;
    if (strlen(text) >= sizeof name)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "algorithm '%.60s' is longer than %zu letters",
                         text, sizeof name - 1);
    for (const char *at = text; at && !status;) {
        const size_t length = strcspn(at, "*");
        memcpy(name, at, length);
        name[length] = '\0';
        status = parse_factor(name, &factor, err);
        if (!status)
            status = multiply_by(&f, factor, err);
        at = at[length] ? at + length + 1 : NULL;
    }
    if (status)
        kofn_bilinear_destroy(&f);
    else
        *ret = f;
    return status;
}

/* ---- files ----------------------------------------------------------------------------------- */

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
    ratio *rows; // [capacity, length[0] + length[1] + length[2]]
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
    if (!right || bottom < 1 || bottom > DENOMINATOR_MAX || llabs(top) > NUMERATOR_MAX)
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
    if (r->rank > 0 || !parse_size(value, r->size))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "size: '%.60s' is not [x, z, y], three whole numbers before all products",
                         value);
    r->length[0] = r->size[0] * r->size[1];
    r->length[1] = r->size[1] * r->size[2];
    r->length[2] = r->size[0] * r->size[2];
    return check_sizes(r->size[0], r->size[1], r->size[2], 1, err);
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

/* Room for one more product, of this name. */
static kofn_status
open_product(reader *r, const char *name, size_t length, kofn_error *err)
{
    kofn_status status = check_product(r, err);
    if (!status)
        status = check_sizes(r->size[0], r->size[1], r->size[2], r->rank + 1, err);
    if (status)
        return status;
    if (r->rank == r->capacity) {
        const size_t capacity = 2 * r->capacity + 16;
        ratio *rows = realloc(r->rows, capacity * row_length(r) * sizeof *rows);
        if (!rows)
            return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu products", capacity);
        r->rows = rows;
        r->capacity = capacity;
    }
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
    return parse_row(path, value, r->length[which], row, err);
}

static kofn_status
visit(void *context, const char *path, const char *value, kofn_error *err)
{
    return strcmp(path, "size") == 0 ? read_size(context, value, err)
                                     : read_row(context, path, value, err);
}

/* Factor `which` of the algorithm over its common denominator, by which f's is multiplied. */
static kofn_status
fill_factor(const reader *r, size_t which, int32_t *ret, kofn_bilinear *f, kofn_error *err)
{
    const size_t length = r->length[which];
    const ratio *first = r->rows;
    int64_t common = 1;
    for (size_t i = 0; i < which; i++)
        first += r->length[i];
    for (size_t i = 0; i < r->rank * length; i++) {
        const int64_t bottom = first[i / length * row_length(r) + i % length].bottom;
        common *= bottom / find_divisor(common, bottom);
        if (common > DENOMINATOR_MAX)
            return kofn_fail(err, KOFN_OUT_OF_RANGE,
                             "the fractions' common denominator is above %d", DENOMINATOR_MAX);
    }
    for (size_t i = 0; i < r->rank * length; i++) {
        const ratio *at = &first[i / length * row_length(r) + i % length];
        const int64_t top = at->top * (common / at->bottom);
        if (top > INT32_MAX || top < INT32_MIN)
            return kofn_fail(err, KOFN_OUT_OF_RANGE,
                             "over their common denominator %lld, numbers have more than 32 bits",
                             (long long)common);
        ret[i] = (int32_t)top;
    }
    f->denominator *= common; // three of 2^20 at most
    return KOFN_OK;
}

static kofn_status
finish(const reader *r, kofn_bilinear **ret, kofn_error *err)
{
    kofn_bilinear *f;
    kofn_status status = check_product(r, err);
    if (!status)
        status = alloc(r->size[0], r->size[1], r->size[2], r->rank, &f, err);
    if (status)
        return status;
    status = fill_factor(r, 0, f->u, f, err);
    if (!status)
        status = fill_factor(r, 1, f->v, f, err);
    if (!status)
        status = fill_factor(r, 2, f->w, f, err);
    if (!status)
        status = kofn_bilinear_check(f, err);
    if (status)
        kofn_bilinear_destroy(&f);
    else
        *ret = f;
    return status;
}

kofn_status
kofn_bilinear_load(const char *path, kofn_bilinear **ret, kofn_error *err)
{
    reader r = {0};
    kofn_status status = kofn_config_load(path, visit, &r, err);
    if (!status) {
        status = finish(&r, ret, err);
        if (status)
            (void)kofn_fail_within(err, "%s", path);
    }
    free(r.rows);
    return status;
}
