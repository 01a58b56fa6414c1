#include "common/linalg/field_prime.h"
#include "common/linalg/prime.h"
#include "common/linalg/span_class.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- coefficients ---------------------------------------------------------------------------- */

static uint32_t
modulus_of(const kofn_field *f)
{
    return ((const kofn_field_prime *)f)->modulus.p;
}

static double
add(const kofn_field *f, double a, double b)
{
    const double sum = a + b;
    return sum < modulus_of(f) ? sum : sum - modulus_of(f);
}

static double
multiply(const kofn_field *f, double a, double b)
{
    return (double)((uint64_t)a * (uint64_t)b % modulus_of(f));
}

static double
negate(const kofn_field *f, double a)
{
    return a == 0 ? 0 : modulus_of(f) - a;
}

static double
invert(const kofn_field *f, double a)
{
    assert(a != 0);
    const uint32_t p = modulus_of(f);
    return kofn_power_mod((uint32_t)a, p - 2, p); // Fermat
}

/* by x mod p by Shoup's trick: with scaled = floor(by 2^32 / p), the quotient is scaled x / 2^32 or
 * one more. Only products of 32 by 32 bits, so that compilers find vector instructions for it. */
static void
add_multiple(const kofn_field *f, size_t len, double by, const double *x, double *y)
{
    const uint32_t p = modulus_of(f), factor = (uint32_t)by;
    const uint32_t scaled = (uint32_t)(((uint64_t)factor << 32) / p);
    for (size_t i = 0; i < len; i++) {
        const uint32_t at = (uint32_t)(int32_t)x[i], quotient = (uint64_t)scaled * at >> 32;
        const uint32_t product = factor * at - quotient * p;
        uint32_t sum = (product < p ? product : product - p) + (uint32_t)(int32_t)y[i];
        sum = sum < p ? sum : sum - p;
        y[i] = (int32_t)sum;
    }
}

static double
point(const kofn_field *f, size_t i, size_t n)
{
    assert(i < n && n <= modulus_of(f));
    (void)f;
    (void)n;
    return (double)i;
}

static double
draw(const kofn_field *f, kofn_rng *rng)
{
    return (double)kofn_rng_below(rng, modulus_of(f));
}

/* ---- elements -------------------------------------------------------------------------------- */

static bool
has_foreign(const kofn_field *f, const void *at, size_t len)
{
    enum { STRETCH = 8192 }; // elements between two looks at the verdict
    const uint32_t p = modulus_of(f);
    const unsigned char *bytes = at;
    for (size_t first = 0; first < len; first += STRETCH) {
        const size_t end = len - first < STRETCH ? len : first + STRETCH;
        uint32_t largest = 0, element;
        for (size_t i = first; i < end; i++) {
            memcpy(&element, bytes + i * sizeof element, sizeof element);
            largest = element > largest ? element : largest;
        }
        if (largest >= p)
            return true;
    }
    return false;
}

static void
widen(const kofn_field *f, size_t len, const void *at, double *ret)
{
    (void)f;
    const unsigned char *bytes = at;
    for (size_t i = 0; i < len; i++) {
        uint32_t element;
        memcpy(&element, bytes + i * sizeof element, sizeof element);
        ret[i] = element;
    }
}

static void
narrow(const kofn_field *f, size_t len, const double *at, void *ret)
{
    (void)f;
    uint32_t *element = ret;
    for (size_t i = 0; i < len; i++)
        element[i] = (uint32_t)at[i];
}

/* As codes measure it: sqrt of the elements that are not zero. */
static double
norm(const kofn_field *f, const void *at, size_t len)
{
    (void)f;
    const uint32_t *element = at;
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += element[i] != 0;
    return sqrt((double)count);
}

static void
scatter(const kofn_field *f, size_t len, double by, const void *src, const size_t *place, void *dst)
{
    const kofn_modulus *m = &((const kofn_field_prime *)f)->modulus;
    const unsigned char *from = src;
    unsigned char *to = dst;
    for (size_t i = 0; i < len; i++) {
        uint32_t sum, element;
        memcpy(&sum, to + place[i] * sizeof sum, sizeof sum);
        memcpy(&element, from + i * sizeof element, sizeof element);
        sum = kofn_modulus_reduce_64(m, (uint64_t)(uint32_t)by * element + sum);
        memcpy(to + place[i] * sizeof sum, &sum, sizeof sum);
    }
}

void
kofn_modulus_init(kofn_modulus *m, uint32_t p)
{
    const uint64_t wrap = ((uint64_t)1 << 32) % p;
    *m = (kofn_modulus){.p = p,
                        .inverse = (uint32_t)(((uint64_t)1 << 32) / p),
                        .wrap = (uint32_t)wrap,
                        .wrapped = (uint32_t)((wrap << 32) / p)};
    kofn_prime_plan_products(m);
}

/* ---- life ------------------------------------------------------------------------------------ */

static const kofn_field table = {
    .dtype = KOFN_U32,
    .epsilon = 0,
    .span = &kofn_span_exact,
    .add = add,
    .multiply = multiply,
    .negate = negate,
    .invert = invert,
    .add_multiple = add_multiple,
    .point = point,
    .draw = draw,
    .combine = kofn_prime_combine,
    .scatter = scatter,
    .multiply_panel = kofn_prime_multiply_panel,
    .scratch_bytes = kofn_prime_scratch_bytes,
    .has_foreign = has_foreign,
    .widen = widen,
    .narrow = narrow,
    .norm = norm,
};

/* Decimal digits and nothing else: a field has one name. */
static kofn_status
parse_prime(const char *text, uint32_t *ret_p, kofn_error *err)
{
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] || (digits > 1 && text[0] == '0'))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "field 'gfp:%.40s' names no number; write gfp:P with P prime, like "
                         "gfp:65537",
                         text);
    const unsigned long p = digits > 10 ? ULONG_MAX : strtoul(text, NULL, 10);
    if (p > KOFN_PRIME_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "field gfp:%.40s is too large; the largest is gfp:%d", text,
                         KOFN_PRIME_MAX);
    if (!kofn_is_prime((uint32_t)p)) {
        const uint32_t below = kofn_previous_prime((uint32_t)p);
        const uint32_t above = kofn_next_prime((uint32_t)p);
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "field gfp:%lu: %lu is not a prime; the nearest is %u", p, p,
                         below > 0 && p - below <= above - p ? below : above);
    }
    *ret_p = (uint32_t)p;
    return KOFN_OK;
}

kofn_status
kofn_field_prime_new(const char *text, const kofn_field **ret_field, kofn_error *err)
{
    uint32_t p = 0;
    const kofn_status status = parse_prime(text, &p, err);
    if (status)
        return status;
    kofn_field_prime *f = calloc(1, sizeof *f);
    if (!f)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for field gfp:%u", p);

    atomic_init(&f->refs, 1);
    (void)snprintf(f->name, sizeof f->name, "gfp:%u", p);
    kofn_modulus_init(&f->modulus, p);
    f->field = table;
    f->field.name = f->name;
    f->field.refs = &f->refs;
    f->field.order = p;
    *ret_field = &f->field;
    return KOFN_OK;
}
