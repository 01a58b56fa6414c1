/* Integers from residues: Garner's algorithm, with balanced digits.
 *
 * Source      Garner, "The residue number system", 1959; Knuth, TAOCP 2, 4.3.2.
 *
 * Any x from -(M-1)/2 to (M-1)/2, M = p_0 ... p_{k-1}, is in one way
 *
 *     x = v_0 + v_1 p_0 + v_2 p_0 p_1 + ...       with |v_i| <= (p_i - 1)/2
 *
 * so the sign needs no care, and the size of x is that of its highest digit: with p near 2^23 a
 * digit v_3 or above means |x| > 2^67, and below it x passes 64 bits only if |v_2| nears 2^17.
 * Digits from 0 to p_i - 1 are simpler to compute; they are those of x + (M-1)/2, whose residues
 * are r_i + (p_i - 1)/2, since M-1 = -1 mod p_i. From u_0 on,
 *
 *     u_i = (..((r_i - u_0) / p_0 - u_1) / p_1 - ..) / p_{i-1}    mod p_i
 *
 * takes i multiplications by constants, each by Shoup's trick as in field_prime.c, in lines of
 * elements that stay in the first-level cache. */
#include "common/linalg/integers.h"
#include "common/linalg/field_prime.h"
#include "common/linalg/prime.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    LINE = 256, // elements that are worked on together
    LOW = 3,    // digits that may count in 64 bits
};

const uint32_t kofn_integers_primes[KOFN_INTEGERS_PRIMES_MAX] = {
    8388593, 8388587, 8388581, 8388571, 8388547, 8388539, 8388473, 8388461, 8388451,
};

/* Elements lie anywhere. */
typedef int32_t loose_i32 __attribute__((aligned(1), may_alias));
typedef int64_t loose_i64 __attribute__((aligned(1), may_alias));
typedef uint32_t loose_u32 __attribute__((aligned(1), may_alias));

bool
kofn_integers_has_dtype(kofn_dtype dtype)
{
    return dtype == KOFN_I32 || dtype == KOFN_I64;
}

kofn_dtype
kofn_integers_get_product_dtype(kofn_dtype dtype)
{
    return kofn_integers_has_dtype(dtype) ? KOFN_I64 : dtype;
}

/* The field of a product of integers: its first prime's. */
static kofn_status
choose_integers(const char *name, kofn_dtype dtype, const kofn_field **ret_field, kofn_error *err)
{
    char prime[KOFN_FIELD_NAME_MAX];
    if (name[0] && strcmp(name, "integers") != 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "'%.40s' is no field of %s elements: leave the field out, they are "
                         "multiplied as integers; or convert them",
                         name, kofn_dtype_name(dtype));
    if (!kofn_integers_has_dtype(dtype))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "integers are of i32 or i64, and these are of %s: convert them",
                         kofn_dtype_name(dtype));
    (void)snprintf(prime, sizeof prime, "gfp:%u", kofn_integers_primes[0]);
    return kofn_field_new(prime, ret_field, err);
}

kofn_status
kofn_integers_choose(const char *name, kofn_dtype dtype, const kofn_field **ret_field,
                     bool *ret_integers, kofn_error *err)
{
    const bool meant = kofn_integers_has_dtype(dtype) || strcmp(name, "integers") == 0;
    kofn_status status = meant ? choose_integers(name, dtype, ret_field, err)
                               : kofn_field_choose(name, dtype, ret_field, err);
    if (!status)
        *ret_integers = meant;
    return status;
}

/* ---- how many primes ------------------------------------------------------------------------- */

static uint64_t
magnitude(int64_t x)
{
    return x < 0 ? -(uint64_t)x : (uint64_t)x;
}

static void
widen_i32(const void *at, size_t len, int64_t *least, int64_t *most)
{
    const loose_i32 *x = at;
    int32_t low = 0, high = 0;
    for (size_t i = 0; i < len; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *least = low < *least ? low : *least;
    *most = high > *most ? high : *most;
}

static void
widen_i64(const void *at, size_t len, int64_t *least, int64_t *most)
{
    const loose_i64 *x = at;
    int64_t low = *least, high = *most;
    for (size_t i = 0; i < len; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *least = low;
    *most = high;
}

uint64_t
kofn_integers_find_largest(const kofn_bands *m)
{
    assert(kofn_integers_has_dtype(m->dtype) && kofn_bands_are_complete(m));
    int64_t least = 0, most = 0;
    for (size_t i = 0; i < m->count; i++) {
        const kofn_mat *mat = &m->at[i].mat;
        for (size_t row = 0; row < mat->rows; row++) {
            const void *at = kofn_mat_get_row(mat, row);
            if (m->dtype == KOFN_I32)
                widen_i32(at, mat->cols, &least, &most);
            else
                widen_i64(at, mat->cols, &least, &most);
        }
    }
    return magnitude(least) > magnitude(most) ? magnitude(least) : magnitude(most);
}

enum { WORDS = 3 }; // 2 inner a b + 1 < 2^192

/* x := x y + carry */
static void
multiply_words(uint64_t x[WORDS], uint64_t y, uint64_t carry)
{
    for (size_t i = 0; i < WORDS; i++) {
        const unsigned __int128 product = (unsigned __int128)x[i] * y + carry;
        x[i] = (uint64_t)product;
        carry = (uint64_t)(product >> 64);
    }
    assert(carry == 0);
}

/* x := x / p, rounded up, for x > 0: that of x - 1, rounded down, and one more. */
static void
divide_words(uint64_t x[WORDS], uint32_t p)
{
    for (size_t i = 0; x[i]-- == 0; i++) // borrows
        ;
    uint64_t rest = 0;
    for (size_t i = WORDS; i-- > 0;) {
        const unsigned __int128 here = (unsigned __int128)rest << 64 | x[i];
        x[i] = (uint64_t)(here / p);
        rest = (uint64_t)(here % p);
    }
    for (size_t i = 0; ++x[i] == 0; i++) // carries
        ;
}

/* M >= n exactly when n, divided by each prime and rounded up, comes down to 1. */
size_t
kofn_integers_count_primes(size_t inner, uint64_t largest_a, uint64_t largest_b)
{
    uint64_t n[WORDS] = {inner};
    multiply_words(n, largest_a, 0);
    multiply_words(n, largest_b, 0);
    multiply_words(n, 2, 1);
    size_t count = 0;
    do {
        assert(count < KOFN_INTEGERS_PRIMES_MAX);
        divide_words(n, kofn_integers_primes[count++]);
    } while (n[0] != 1 || n[1] != 0 || n[2] != 0);
    return count;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Where a walk stands in one matrix. */
typedef struct cursor {
    const kofn_bands *of;
    size_t band;
} cursor;

/* The row's first element, and in how many rows from here on the elements follow each other without
 * a gap. Rows are asked for in ascending order. */
static void *
find_run(cursor *cur, size_t row, size_t *run)
{
    const kofn_bands *bands = cur->of;
    while (row - bands->at[cur->band].first_row >= bands->at[cur->band].mat.rows)
        cur->band++; // also steps over bands without rows
    const kofn_band *band = &bands->at[cur->band];
    const size_t inside = row - band->first_row, left = band->mat.rows - inside;
    const size_t here = kofn_mat_is_contiguous(&band->mat) ? left : 1;
    *run = here < *run ? here : *run;
    return kofn_mat_get_row(&band->mat, inside);
}

static size_t
line_length(size_t len, size_t done)
{
    return len - done < LINE ? len - done : LINE;
}

/* ---- reduce ---------------------------------------------------------------------------------- */

/* Elements are shifted to be numbers without sign; the shift's residue is taken off again. */
static void
reduce_line(const kofn_modulus *modulus, kofn_dtype dtype, const void *from, size_t len,
            loose_u32 *to)
{
    const kofn_modulus m = *modulus; // `to` may alias anything
    const loose_i32 *narrow = from;
    const loose_i64 *wide = from;
    const uint32_t back = m.p - (dtype == KOFN_I32 ? kofn_modulus_reduce_32(&m, (uint32_t)1 << 31)
                                                   : kofn_modulus_reduce_64(&m, (uint64_t)1 << 63));
    if (dtype == KOFN_I32)
        for (size_t i = 0; i < len; i++) {
            const uint32_t x = kofn_modulus_reduce_32(&m, (uint32_t)narrow[i] ^ (uint32_t)1 << 31);
            to[i] = x + back < m.p ? x + back : x + back - m.p;
        }
    else
        for (size_t i = 0; i < len; i++) {
            const uint32_t x = kofn_modulus_reduce_64(&m, (uint64_t)wide[i] ^ (uint64_t)1 << 63);
            to[i] = x + back < m.p ? x + back : x + back - m.p;
        }
}

void
kofn_integers_reduce(const kofn_bands *from, size_t primes, const kofn_bands *residues,
                     size_t first, size_t end)
{
    assert(kofn_integers_has_dtype(from->dtype) && primes <= KOFN_INTEGERS_PRIMES_MAX);
    assert(end <= from->rows && kofn_bands_are_complete(from));
    kofn_modulus m[KOFN_INTEGERS_PRIMES_MAX];
    cursor source = {from, 0}, to[KOFN_INTEGERS_PRIMES_MAX];
    for (size_t k = 0; k < primes; k++) {
        kofn_modulus_init(&m[k], kofn_integers_primes[k]);
        to[k] = (cursor){&residues[k], 0};
    }
    const size_t width = kofn_dtype_width(from->dtype);
    for (size_t row = first, run; from->cols > 0 && row < end; row += run) {
        loose_u32 *out[KOFN_INTEGERS_PRIMES_MAX];
        run = end - row;
        const unsigned char *in = find_run(&source, row, &run);
        for (size_t k = 0; k < primes; k++)
            out[k] = find_run(&to[k], row, &run);
        const size_t len = run * from->cols;
        for (size_t i = 0; i < len; i += LINE)
            for (size_t k = 0; k < primes; k++)
                reduce_line(&m[k], from->dtype, in + i * width, line_length(len, i), out[k] + i);
    }
}

/* ---- restore --------------------------------------------------------------------------------- */

/* What Garner's algorithm needs of one prime. */
typedef struct step {
    uint32_t p, half;                           // half: (p - 1)/2
    uint32_t inverse[KOFN_INTEGERS_PRIMES_MAX]; // of the primes before it
    uint32_t scaled[KOFN_INTEGERS_PRIMES_MAX];  // floor(inverse 2^32 / p)
} step;

static void
plan_steps(size_t primes, step *steps)
{
    for (size_t k = 0; k < primes; k++) {
        const uint32_t p = kofn_integers_primes[k];
        steps[k].p = p;
        steps[k].half = p / 2;
        for (size_t j = 0; j < k; j++) {
            const uint32_t inverse = kofn_power_mod(kofn_integers_primes[j], p - 2, p);
            steps[k].inverse[j] = inverse;
            steps[k].scaled[j] = (uint32_t)(((uint64_t)inverse << 32) / p);
        }
    }
}

/* (x - digit) inverse mod p, below 2 p, for any x that is below 2 p; 2 p covers each digit, since
 * all primes are nearly equal. */
static inline uint32_t
divide_step(const step *s, size_t by, uint32_t x, uint32_t digit)
{
    const uint32_t difference = x + 2 * s->p - digit;
    const uint32_t quotient = (uint64_t)s->scaled[by] * difference >> 32;
    return s->inverse[by] * difference - quotient * s->p;
}

/* Digit k of each number from its residues and the digits before. */
static void
make_digits(const step *steps, size_t k, const loose_u32 *residues,
            uint32_t digits[KOFN_INTEGERS_PRIMES_MAX][LINE], size_t len)
{
    const step *s = &steps[k];
    uint32_t *mine = digits[k];
    for (size_t i = 0; i < len; i++)
        mine[i] = residues[i] + s->half;
    for (size_t j = 0; j < k; j++) {
        const uint32_t *other = digits[j];
        for (size_t i = 0; i < len; i++)
            mine[i] = divide_step(s, j, mine[i], other[i]);
    }
    for (size_t i = 0; i < len; i++)
        mine[i] = mine[i] < s->p ? mine[i] : mine[i] - s->p;
}

static int64_t
balance(const step *s, uint32_t digit)
{
    return (int64_t)digit - s->half;
}

/* The number of the first digits, at most LOW. */
static __int128
join_low(const step *steps, size_t primes, uint32_t digits[KOFN_INTEGERS_PRIMES_MAX][LINE],
         size_t i)
{
    __int128 x = 0;
    for (size_t k = primes < LOW ? primes : LOW; k-- > 0;)
        x = x * steps[k].p + balance(&steps[k], digits[k][i]);
    return x;
}

static bool
fits(const step *steps, size_t primes, uint32_t digits[KOFN_INTEGERS_PRIMES_MAX][LINE], size_t i)
{
    for (size_t k = LOW; k < primes; k++)
        if (balance(&steps[k], digits[k][i]) != 0)
            return false;
    const __int128 x = join_low(steps, primes, digits, i);
    return x >= INT64_MIN && x <= INT64_MAX;
}

/* The numbers, wrapped to 64 bits. Could any of them need more? */
static bool
join_digits(const step *steps, size_t primes, uint32_t digits[KOFN_INTEGERS_PRIMES_MAX][LINE],
            size_t len, loose_i64 *to)
{
    enum { SURE = (1 << 17) - 64 }; // |v_2| <= SURE: |x| < (SURE + 1) p_0 p_1 < 2^63
    const uint64_t p0 = steps[0].p, p1 = primes > 1 ? steps[1].p : 0;
    uint32_t doubt = 0;
    for (size_t i = 0; i < len; i++)
        to[i] = balance(&steps[0], digits[0][i]);
    for (size_t i = 0; primes > 1 && i < len; i++)
        to[i] += (int64_t)p0 * balance(&steps[1], digits[1][i]);
    for (size_t i = 0; primes > 2 && i < len; i++) {
        const int64_t digit = balance(&steps[2], digits[2][i]);
        to[i] = (int64_t)((uint64_t)to[i] + p0 * p1 * (uint64_t)digit);
        doubt |= digit < -SURE || digit > SURE;
    }
    for (size_t k = LOW; k < primes; k++)
        for (size_t i = 0; i < len; i++)
            doubt |= digits[k][i] ^ steps[k].half;
    return doubt != 0;
}

/* About its value, for people. */
static double
estimate(const step *steps, size_t primes, uint32_t digits[KOFN_INTEGERS_PRIMES_MAX][LINE],
         size_t i)
{
    double x = 0;
    for (size_t k = primes; k-- > 0;)
        x = x * steps[k].p + (double)balance(&steps[k], digits[k][i]);
    return x;
}

/* A line of numbers. LINE: all are there; else the index of the first that needs more than 64 bits,
 * with about its value. */
static size_t
restore_line(const step *steps, size_t primes, const loose_u32 *const *residues, size_t len,
             loose_i64 *to, double *ret_value)
{
    uint32_t digits[KOFN_INTEGERS_PRIMES_MAX][LINE];
    for (size_t k = 0; k < primes; k++)
        make_digits(steps, k, residues[k], digits, len);
    if (!join_digits(steps, primes, digits, len, to))
        return LINE;
    for (size_t i = 0; i < len; i++)
        if (!fits(steps, primes, digits, i)) {
            *ret_value = estimate(steps, primes, digits, i);
            return i;
        }
    return LINE;
}

static kofn_status
fail_range(size_t row, size_t col, double value, kofn_error *err)
{
    return kofn_fail(err, KOFN_OUT_OF_RANGE,
                     "C: element (%zu, %zu) is about %.6g, which needs %d bits, and an i64 has 64: "
                     "scale the operands down, or ask for C modulo a prime by field gfp:P",
                     row, col, value, (int)fmax(65, ilogb(value) + 2));
}

/* Elements of gapless rows. */
static kofn_status
restore_run(const step *steps, size_t primes, const loose_u32 *const *residues, size_t row,
            size_t cols, size_t len, loose_i64 *to, kofn_error *err)
{
    for (size_t i = 0; i < len; i += LINE) {
        const loose_u32 *at[KOFN_INTEGERS_PRIMES_MAX];
        double value;
        for (size_t k = 0; k < primes; k++)
            at[k] = residues[k] + i;
        const size_t bad = restore_line(steps, primes, at, line_length(len, i), to + i, &value);
        if (bad < LINE)
            return fail_range(row + (i + bad) / cols, (i + bad) % cols, value, err);
    }
    return KOFN_OK;
}

kofn_status
kofn_integers_restore(size_t primes, const kofn_bands *residues, size_t first, size_t end,
                      const kofn_bands *into, kofn_error *err)
{
    assert(primes >= 1 && primes <= KOFN_INTEGERS_PRIMES_MAX && into->dtype == KOFN_I64);
    assert(end <= into->rows && kofn_bands_are_complete(into));
    step steps[KOFN_INTEGERS_PRIMES_MAX];
    cursor to = {into, 0}, from[KOFN_INTEGERS_PRIMES_MAX];
    plan_steps(primes, steps);
    for (size_t k = 0; k < primes; k++)
        from[k] = (cursor){&residues[k], 0};
    kofn_status status = KOFN_OK;
    for (size_t row = first, run; !status && into->cols > 0 && row < end; row += run) {
        const loose_u32 *in[KOFN_INTEGERS_PRIMES_MAX];
        run = end - row;
        loose_i64 *out = find_run(&to, row, &run);
        for (size_t k = 0; k < primes; k++)
            in[k] = find_run(&from[k], row, &run);
        status = restore_run(steps, primes, in, row, into->cols, run * into->cols, out, err);
    }
    return status;
}
