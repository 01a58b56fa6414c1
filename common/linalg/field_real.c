/* The real fields, f64 and f32: BLAS products, the combine kernels, coefficients in double. */
#include "common/linalg/field_real.h"
#include "common/linalg/combine.h"
#include "common/linalg/span_class.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <string.h>

static double
add(const kofn_field *f, double a, double b)
{
    (void)f;
    return a + b;
}

static double
multiply(const kofn_field *f, double a, double b)
{
    (void)f;
    return a * b;
}

static double
negate(const kofn_field *f, double a)
{
    (void)f;
    return -a;
}

static double
invert(const kofn_field *f, double a)
{
    (void)f;
    assert(a != 0);
    return 1 / a;
}

static void
add_multiple(const kofn_field *f, size_t len, double by, const double *x, double *y)
{
    (void)f;
    for (size_t i = 0; i < len; i++)
        y[i] += by * x[i];
}

/* cos((2 i + 1) pi / (2 n)) as a sine, which is odd: the points lie exactly symmetric around zero,
 * and the middle one is zero. Rounded to 40 bits, so that the last bit of a platform's sin() does
 * not change a code between machines; neighbours of n = 65536 points are 2^-29 apart at least. */
static double
point(const kofn_field *f, size_t i, size_t n)
{
    (void)f;
    assert(i < n);
    const double steps = (double)n - 1 - 2 * (double)i;
    return ldexp(nearbyint(ldexp(sin(steps / (2 * (double)n) * M_PI), 40)), -40);
}

static double
draw(const kofn_field *f, kofn_rng *rng)
{
    (void)f;
    return kofn_rng_normal(rng);
}

static void
combine_f64(const kofn_field *f, const kofn_combination *c)
{
    (void)f;
    kofn_combine_best()->f64(c);
}

static void
combine_f32(const kofn_field *f, const kofn_combination *c)
{
    (void)f;
    kofn_combine_best()->f32(c);
}

static void
scatter_f64(const kofn_field *f, size_t len, double by, const void *src, const size_t *place,
            void *dst)
{
    (void)f;
    const double factor = (double)by;
    const unsigned char *from = src;
    unsigned char *to = dst;
    for (size_t i = 0; i < len; i++) {
        double sum, element;
        memcpy(&sum, to + place[i] * sizeof sum, sizeof sum);
        memcpy(&element, from + i * sizeof element, sizeof element);
        sum += factor * element;
        memcpy(to + place[i] * sizeof sum, &sum, sizeof sum);
    }
}

static void
scatter_f32(const kofn_field *f, size_t len, double by, const void *src, const size_t *place,
            void *dst)
{
    (void)f;
    const float factor = (float)by;
    const unsigned char *from = src;
    unsigned char *to = dst;
    for (size_t i = 0; i < len; i++) {
        float sum, element;
        memcpy(&sum, to + place[i] * sizeof sum, sizeof sum);
        memcpy(&element, from + i * sizeof element, sizeof element);
        sum += factor * element;
        memcpy(to + place[i] * sizeof sum, &sum, sizeof sum);
    }
}

static enum CBLAS_TRANSPOSE
blas_op(bool transpose)
{
    return transpose ? CblasTrans : CblasNoTrans;
}

static blasint
blas_size(size_t size)
{
    assert(size <= INT_MAX); // kofn_multiply cuts panels to this
    return (blasint)size;
}

static void
multiply_panel_f64(const kofn_field *f, const kofn_panel *p)
{
    (void)f;
    cblas_dgemm(CblasRowMajor, blas_op(p->transpose_a), blas_op(p->transpose_b), blas_size(p->rows),
                blas_size(p->cols), blas_size(p->inner), 1.0, p->a, blas_size(p->stride_a), p->b,
                blas_size(p->stride_b), p->accumulate ? 1.0 : 0.0, p->c, blas_size(p->stride_c));
}

static void
multiply_panel_f32(const kofn_field *f, const kofn_panel *p)
{
    (void)f;
    cblas_sgemm(CblasRowMajor, blas_op(p->transpose_a), blas_op(p->transpose_b), blas_size(p->rows),
                blas_size(p->cols), blas_size(p->inner), 1.0F, p->a, blas_size(p->stride_a), p->b,
                blas_size(p->stride_b), p->accumulate ? 1.0F : 0.0F, p->c, blas_size(p->stride_c));
}

static size_t
scratch_bytes(const kofn_field *f, size_t rows, size_t cols, size_t inner)
{
    (void)f, (void)rows, (void)cols, (void)inner;
    return 0;
}

/* An element is not finite when its exponent is all ones. Adding one to the exponent then carries
 * into the sign bit, which the mask had cleared: integer arithmetic that vectorises everywhere. */
static bool
has_foreign_f64(const kofn_field *f, const void *at, size_t len)
{
    (void)f;
    enum { STRETCH = 4096 }; // elements between two looks at the verdict
    const uint64_t exponent = UINT64_C(0x7ff) << 52, one = UINT64_C(1) << 52;
    const unsigned char *bytes = at;
    for (size_t first = 0; first < len; first += STRETCH) {
        const size_t end = len - first < STRETCH ? len : first + STRETCH;
        uint64_t verdict = 0, bits;
        for (size_t i = first; i < end; i++) {
            memcpy(&bits, bytes + i * sizeof bits, sizeof bits);
            verdict |= (bits & exponent) + one;
        }
        if (verdict >> 63)
            return true;
    }
    return false;
}

static bool
has_foreign_f32(const kofn_field *f, const void *at, size_t len)
{
    (void)f;
    enum { STRETCH = 8192 };
    const uint32_t exponent = UINT32_C(0xff) << 23, one = UINT32_C(1) << 23;
    const unsigned char *bytes = at;
    for (size_t first = 0; first < len; first += STRETCH) {
        const size_t end = len - first < STRETCH ? len : first + STRETCH;
        uint32_t verdict = 0, bits;
        for (size_t i = first; i < end; i++) {
            memcpy(&bits, bytes + i * sizeof bits, sizeof bits);
            verdict |= (bits & exponent) + one;
        }
        if (verdict >> 31)
            return true;
    }
    return false;
}

static void
widen_f64(const kofn_field *f, size_t len, const void *at, double *ret)
{
    (void)f;
    memcpy(ret, at, len * sizeof *ret);
}

static void
widen_f32(const kofn_field *f, size_t len, const void *at, double *ret)
{
    (void)f;
    const unsigned char *bytes = at;
    for (size_t i = 0; i < len; i++) {
        float element;
        memcpy(&element, bytes + i * sizeof element, sizeof element);
        ret[i] = element;
    }
}

static void
narrow_f64(const kofn_field *f, size_t len, const double *at, void *ret)
{
    (void)f;
    memcpy(ret, at, len * sizeof *at);
}

static void
narrow_f32(const kofn_field *f, size_t len, const double *at, void *ret)
{
    (void)f;
    float *element = ret;
    for (size_t i = 0; i < len; i++)
        element[i] = (float)at[i];
}

static double
norm_f64(const kofn_field *f, const void *at, size_t len)
{
    (void)f;
    return cblas_dnrm2(blas_size(len), at, 1); // scaled: no overflow, no underflow
}

static double
norm_f32(const kofn_field *f, const void *at, size_t len)
{
    (void)f;
    const float *element = at;
    double sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += (double)element[i] * (double)element[i];
    return sqrt(sum);
}

const kofn_field kofn_field_f64 = {
    .name = "f64",
    .dtype = KOFN_F64,
    .order = 0,
    .epsilon = 0x1p-53,
    .span = &kofn_span_real,
    .add = add,
    .multiply = multiply,
    .negate = negate,
    .invert = invert,
    .add_multiple = add_multiple,
    .point = point,
    .draw = draw,
    .combine = combine_f64,
    .scatter = scatter_f64,
    .multiply_panel = multiply_panel_f64,
    .scratch_bytes = scratch_bytes,
    .has_foreign = has_foreign_f64,
    .widen = widen_f64,
    .narrow = narrow_f64,
    .norm = norm_f64,
};

const kofn_field kofn_field_f32 = {
    .name = "f32",
    .dtype = KOFN_F32,
    .order = 0,
    .epsilon = 0x1p-24,
    .span = &kofn_span_real,
    .add = add,
    .multiply = multiply,
    .negate = negate,
    .invert = invert,
    .add_multiple = add_multiple,
    .point = point,
    .draw = draw,
    .combine = combine_f32,
    .scatter = scatter_f32,
    .multiply_panel = multiply_panel_f32,
    .scratch_bytes = scratch_bytes,
    .has_foreign = has_foreign_f32,
    .widen = widen_f32,
    .narrow = narrow_f32,
    .norm = norm_f32,
};
