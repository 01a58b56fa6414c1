#include "common/code/bilinear.h"
#include "common/base/hash.h"

#include <stdlib.h>
#include <string.h>

/* ---- sizes and memory ------------------------------------------------------------------------ */

bool
kofn_bilinear_parse_size(const char *text, size_t ret_sizes[3])
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

kofn_status
kofn_bilinear_check_size(size_t x, size_t z, size_t y, size_t rank, kofn_error *err)
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
    const kofn_status status = kofn_bilinear_check_size(x, z, y, rank, err);
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
kofn_bilinear_copy(const kofn_bilinear *from, kofn_bilinear **ret, kofn_error *err)
{
    kofn_bilinear *f;
    const kofn_status status = alloc(from->x, from->z, from->y, from->rank, &f, err);
    if (status)
        return status;
    memcpy(f->u, from->u, f->rank * f->x * f->z * sizeof *f->u);
    memcpy(f->v, from->v, f->rank * f->z * f->y * sizeof *f->v);
    memcpy(f->w, from->w, f->rank * f->x * f->y * sizeof *f->w);
    f->denominator = from->denominator;
    *ret = f;
    return KOFN_OK;
}

kofn_status
kofn_bilinear_new(const kofn_bilinear *from, kofn_bilinear **ret, kofn_error *err)
{
    kofn_bilinear *f;
    kofn_status status = kofn_bilinear_copy(from, &f, err);
    if (status)
        return status;
    status = kofn_bilinear_check(f, err);
    if (status)
        kofn_bilinear_destroy(&f);
    else
        *ret = f;
    return status;
}

kofn_status
kofn_bilinear_classical(size_t x, size_t z, size_t y, kofn_bilinear **ret, kofn_error *err)
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

/* Is A_a B_b a part of C_c? */
static bool
is_part(const kofn_bilinear *f, size_t a, size_t b, size_t c)
{
    const size_t i = a / f->z, k = a % f->z, l = b / f->y, j = b % f->y;
    return k == l && c == i * f->y + j;
}

/* What is missing from the sum for A_a B_b in C_c; 0: it is right. */
static __int128
find_lack(const kofn_bilinear *f, size_t a, size_t b, size_t c)
{
    return (is_part(f, a, b, c) ? f->denominator : 0) - sum_products(f, a, b, c);
}

/* The first wrong sum with a from `from` on, below `to`, likewise b and c. */
static bool
find_wrong_within(const kofn_bilinear *f, const size_t *from, const size_t *to, size_t *ret_at)
{
    for (size_t a = from[0]; a < to[0]; a++)
        for (size_t b = from[1]; b < to[1]; b++)
            for (size_t c = from[2]; c < to[2]; c++)
                if (find_lack(f, a, b, c) != 0) {
                    ret_at[0] = a, ret_at[1] = b, ret_at[2] = c;
                    return true;
                }
    return false;
}

bool
kofn_bilinear_find_wrong(const kofn_bilinear *f, size_t ret_at[3])
{
    const size_t from[3] = {0}, to[3] = {f->x * f->z, f->z * f->y, f->x * f->y};
    return find_wrong_within(f, from, to, ret_at);
}

kofn_status
kofn_bilinear_check(const kofn_bilinear *algorithm, kofn_error *err)
{
    const kofn_bilinear *f = algorithm;
    size_t at[3];
    if (f->denominator < 1)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "algorithm: denominator %lld, need 1 or more",
                         (long long)f->denominator);
    if (!kofn_bilinear_find_wrong(f, at))
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "the algorithm <%zu,%zu,%zu;%zu> does not multiply matrices: A(%zu,%zu) "
                     "B(%zu,%zu) comes into C(%zu,%zu) %lld / %lld times, need %d",
                     f->x, f->z, f->y, f->rank, at[0] / f->z + 1, at[0] % f->z + 1,
                     at[1] / f->y + 1, at[1] % f->y + 1, at[2] / f->y + 1, at[2] % f->y + 1,
                     narrow(sum_products(f, at[0], at[1], at[2])), (long long)f->denominator,
                     is_part(f, at[0], at[1], at[2]));
}

/* ---- slips ----------------------------------------------------------------------------------- */

/* A number of U that is too small by d in product t leaves A_a with all B_b in all C_c lacking
 * d V[t, b] W[t, c], and nothing else lacking; likewise for V and W. So what is wrong must be in
 * one slice, one product's other two numbers say what d would be, and the slice decides. */
static const int32_t *
find_row(const kofn_bilinear *f, size_t factor, size_t product)
{
    const size_t length[] = {f->x * f->z, f->z * f->y, f->x * f->y};
    const int32_t *const rows[] = {f->u, f->v, f->w};
    return rows[factor] + product * length[factor];
}

/* Is the lack of every sum with this a (b, c) what d there leaves? */
static bool
mends(const kofn_bilinear *f, const kofn_bilinear_slip *slip, const size_t *from, const size_t *to)
{
    const int64_t d = slip->needs - slip->is;
    for (size_t a = from[0]; a < to[0]; a++)
        for (size_t b = from[1]; b < to[1]; b++)
            for (size_t c = from[2]; c < to[2]; c++) {
                const size_t at[] = {a, b, c};
                __int128 left = d;
                for (size_t g = 0; g < 3; g++)
                    if (g != slip->factor)
                        left *= find_row(f, g, slip->product)[at[g]];
                if (left != find_lack(f, a, b, c))
                    return false;
            }
    return true;
}

/* In one slice, at[factor], where a wrong sum is. */
static bool
find_slip_in(const kofn_bilinear *f, size_t factor, const size_t *at, const size_t *to,
             kofn_bilinear_slip *ret)
{
    size_t first[3] = {0}, end[] = {to[0], to[1], to[2]};
    const size_t g = factor == 0 ? 1 : 0, h = factor == 2 ? 1 : 2;
    first[factor] = at[factor];
    end[factor] = at[factor] + 1;
    const __int128 lack = find_lack(f, at[0], at[1], at[2]);
    for (size_t t = 0; t < f->rank; t++) {
        const int64_t others = (int64_t)find_row(f, g, t)[at[g]] * find_row(f, h, t)[at[h]];
        const int64_t is = find_row(f, factor, t)[at[factor]];
        if (others == 0 || lack % others != 0)
            continue;
        const __int128 needs = lack / others + is;
        const kofn_bilinear_slip slip = {.factor = factor,
                                         .product = t,
                                         .number = at[factor],
                                         .is = is,
                                         .needs = (int64_t)needs};
        if (needs >= INT32_MIN && needs <= INT32_MAX && mends(f, &slip, first, end)) {
            *ret = slip;
            return true;
        }
    }
    return false;
}

/* Is nothing wrong but with this a (b, c)? */
static bool
is_only_slice(const kofn_bilinear *f, size_t factor, size_t index, const size_t *to)
{
    size_t from[3] = {0}, end[] = {to[0], to[1], to[2]}, at[3];
    end[factor] = index;
    if (find_wrong_within(f, from, end, at))
        return false;
    from[factor] = index + 1;
    end[factor] = to[factor];
    return !find_wrong_within(f, from, end, at);
}

bool
kofn_bilinear_find_slip(const kofn_bilinear *f, kofn_bilinear_slip *ret)
{
    const size_t to[] = {f->x * f->z, f->z * f->y, f->x * f->y};
    size_t at[3];
    if (!kofn_bilinear_find_wrong(f, at))
        return false;
    for (size_t factor = 0; factor < 3; factor++)
        if (is_only_slice(f, factor, at[factor], to) && find_slip_in(f, factor, at, to, ret))
            return true;
    return false;
}

/* ---- what is known of one -------------------------------------------------------------------- */

static int64_t
find_largest(const int32_t *numbers, size_t count)
{
    int64_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        const int64_t size = numbers[i] < 0 ? -(int64_t)numbers[i] : numbers[i];
        largest = size > largest ? size : largest;
    }
    return largest;
}

kofn_bilinear_shape
kofn_bilinear_measure(const kofn_bilinear *f)
{
    return (kofn_bilinear_shape){.x = f->x,
                                 .z = f->z,
                                 .y = f->y,
                                 .rank = f->rank,
                                 .denominator = f->denominator,
                                 .largest = {find_largest(f->u, f->rank * f->x * f->z),
                                             find_largest(f->v, f->rank * f->z * f->y),
                                             find_largest(f->w, f->rank * f->x * f->y)}};
}

double
kofn_bilinear_number(const kofn_field *field, int64_t n)
{
    double sum = 0, power = 1; // 1 doubled as often as bits were looked at
    for (uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n; left > 0; left /= 2) {
        if (left % 2)
            sum = field->add(field, sum, power);
        power = field->add(field, power, power);
    }
    return n < 0 ? field->negate(field, sum) : sum;
}

bool
kofn_bilinear_fits(int64_t denominator, const kofn_field *field)
{
    return kofn_bilinear_number(field, denominator) != 0;
}

/* In each sum one fewer than there are terms; a sum is a row here, or with `across` a column. */
static size_t
count_sums(const int32_t *numbers, size_t rows, size_t cols, bool across)
{
    size_t additions = 0;
    for (size_t i = 0; i < (across ? cols : rows); i++) {
        size_t terms = 0;
        for (size_t k = 0; k < (across ? rows : cols); k++)
            terms += numbers[across ? k * cols + i : i * cols + k] != 0;
        additions += terms > 0 ? terms - 1 : 0;
    }
    return additions;
}

size_t
kofn_bilinear_count_additions(const kofn_bilinear *f)
{
    return count_sums(f->u, f->rank, f->x * f->z, false) +
           count_sums(f->v, f->rank, f->z * f->y, false) +
           count_sums(f->w, f->rank, f->x * f->y, true);
}

uint64_t
kofn_bilinear_digest(const kofn_bilinear *f)
{
    const int64_t sizes[] = {(int64_t)f->x, (int64_t)f->z, (int64_t)f->y, (int64_t)f->rank,
                             f->denominator};
    uint64_t hash = KOFN_HASH_START;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        hash = kofn_hash_word(hash, (uint64_t)sizes[i]);
    const size_t count = f->rank * (f->x * f->z + f->z * f->y + f->x * f->y);
    for (size_t i = 0; i < count; i++) // U, V and W are one piece
        hash = kofn_hash_word(hash, (uint64_t)(int64_t)f->u[i]);
    return hash;
}

/* ---- products -------------------------------------------------------------------------------- */

kofn_status
kofn_bilinear_multiply_shapes(const kofn_bilinear_shape *outer, const kofn_bilinear_shape *f,
                              kofn_bilinear_shape *ret, kofn_error *err)
{
    kofn_bilinear_shape product = {.x = outer->x * f->x, // each at most 2^16: none overflows
                                   .z = outer->z * f->z,
                                   .y = outer->y * f->y,
                                   .rank = outer->rank * f->rank};
    const kofn_status status =
        kofn_bilinear_check_size(product.x, product.z, product.y, product.rank, err);
    if (status)
        return status;
    bool fits = !__builtin_mul_overflow(outer->denominator, f->denominator, &product.denominator);
    for (size_t i = 0; i < 3; i++) { // each at most 2^31, likewise
        product.largest[i] = outer->largest[i] * f->largest[i];
        fits &= product.largest[i] <= INT32_MAX;
    }
    if (!fits)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "the product of two algorithms has a coefficient of more than 32 bits");
    *ret = product;
    return KOFN_OK;
}

/* Row t of the product of two factors: blocks of `inner` within those of `outer`, all row by
 * row. */
static void
multiply_rows(const int32_t *outer, size_t outer_rows, size_t outer_cols, const int32_t *inner,
              size_t inner_rows, size_t inner_cols, int32_t *ret_row)
{
    const size_t cols = outer_cols * inner_cols;
    for (size_t i = 0; i < outer_rows * inner_rows; i++)
        for (size_t j = 0; j < cols; j++)
            ret_row[i * cols + j] = outer[i / inner_rows * outer_cols + j / inner_cols] *
                                    inner[i % inner_rows * inner_cols + j % inner_cols];
}

static void
multiply_into(const kofn_bilinear *f, const kofn_bilinear *g, kofn_bilinear *p)
{
    for (size_t t = 0; t < p->rank; t++) {
        const size_t s = t / g->rank, r = t % g->rank;
        multiply_rows(f->u + s * f->x * f->z, f->x, f->z, g->u + r * g->x * g->z, g->x, g->z,
                      p->u + t * p->x * p->z);
        multiply_rows(f->v + s * f->z * f->y, f->z, f->y, g->v + r * g->z * g->y, g->z, g->y,
                      p->v + t * p->z * p->y);
        multiply_rows(f->w + s * f->x * f->y, f->x, f->y, g->w + r * g->x * g->y, g->x, g->y,
                      p->w + t * p->x * p->y);
    }
}

kofn_status
kofn_bilinear_multiply(const kofn_bilinear *outer, const kofn_bilinear *f, kofn_bilinear **ret,
                       kofn_error *err)
{
    const kofn_bilinear_shape shapes[] = {kofn_bilinear_measure(outer), kofn_bilinear_measure(f)};
    kofn_bilinear_shape s;
    kofn_bilinear *product = NULL;
    kofn_status status = kofn_bilinear_multiply_shapes(&shapes[0], &shapes[1], &s, err);
    if (!status)
        status = alloc(s.x, s.z, s.y, s.rank, &product, err);
    if (status)
        return status;
    product->denominator = s.denominator;
    multiply_into(outer, f, product);
    *ret = product;
    return KOFN_OK;
}
