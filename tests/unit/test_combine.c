/* Every kernel that this machine runs, against the plain twin and against sums in long double. */
#include "common/base/rng.h"
#include "common/linalg/combine.h"
#include "tests/assert.h"

#include <math.h>

enum { ODD = 3 }; // bytes by which sources and results are off any alignment

typedef struct sides {
    size_t outs, ins, len, rows;
} sides;

typedef struct setting {
    sides shape;
    bool f32;
    double *coef;
    unsigned char **src, **dst; // start at odd addresses
    size_t *src_stride, *dst_stride;
    size_t result_bytes; // as if the operation were so large
} setting;

static size_t
width(const setting *s)
{
    return s->f32 ? sizeof(float) : sizeof(double);
}

static double
get(const setting *s, const unsigned char *at, size_t i)
{
    double wide;
    float narrow;
    if (!s->f32) {
        memcpy(&wide, at + i * sizeof wide, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at + i * sizeof narrow, sizeof narrow);
    return narrow;
}

static void
put(const setting *s, unsigned char *at, size_t i, double value)
{
    const float narrow = (float)value;
    if (s->f32)
        memcpy(at + i * sizeof narrow, &narrow, sizeof narrow);
    else
        memcpy(at + i * sizeof value, &value, sizeof value);
}

static unsigned char *
new_rectangle(const setting *s, size_t stride)
{
    unsigned char *at = malloc(s->shape.rows * stride + ODD);
    assert_non_null(at);
    memset(at, 0xff, s->shape.rows * stride + ODD);
    return at + ODD;
}

/* Random elements and coefficients, these rounded to float so that both types mean the same. */
static void
setting_init(setting *s, sides shape, bool f32, kofn_rng *rng)
{
    *s = (setting){.shape = shape, .f32 = f32};
    s->coef = calloc(shape.outs * shape.ins + 1, sizeof *s->coef);
    s->src = calloc(shape.ins + 1, sizeof *s->src);
    s->dst = calloc(shape.outs + 1, sizeof *s->dst);
    s->src_stride = calloc(shape.ins + 1, sizeof *s->src_stride);
    s->dst_stride = calloc(shape.outs + 1, sizeof *s->dst_stride);
    for (size_t i = 0; i < shape.outs * shape.ins; i++)
        s->coef[i] = kofn_rng_normal(rng);
    for (size_t i = 0; i < shape.ins; i++) {
        s->src_stride[i] = shape.len * width(s) + kofn_rng_below(rng, 40);
        s->src[i] = new_rectangle(s, s->src_stride[i]);
        for (size_t row = 0; row < s->shape.rows; row++)
            for (size_t j = 0; j < shape.len; j++)
                put(s, s->src[i] + row * s->src_stride[i], j, kofn_rng_unit(rng) - 0.5);
    }
    for (size_t o = 0; o < shape.outs; o++) {
        s->dst_stride[o] = shape.len * width(s) + kofn_rng_below(rng, 40);
        s->dst[o] = new_rectangle(s, s->dst_stride[o]);
    }
}

static void
setting_fini(setting *s)
{
    for (size_t i = 0; i < s->shape.ins; i++)
        if (s->src[i])
            free(s->src[i] - ODD);
    for (size_t o = 0; o < s->shape.outs; o++)
        if (s->dst[o])
            free(s->dst[o] - ODD);
    free(s->coef);
    free(s->src);
    free(s->dst);
    free(s->src_stride);
    free(s->dst_stride);
}

static void
drop(unsigned char **at)
{
    free(*at - ODD);
    *at = NULL;
}

static void
run(const setting *s, const kofn_combine_kernel *kernel)
{
    for (size_t o = 0; o < s->shape.outs; o++)
        if (s->dst[o]) // NaN where nothing is written
            memset(s->dst[o], 0xff, s->shape.rows * s->dst_stride[o]);
    const kofn_combination c = {.outs = s->shape.outs,
                                .ins = s->shape.ins,
                                .rows = s->shape.rows,
                                .len = s->shape.len,
                                .coef = s->coef,
                                .src = (const void *const *)s->src,
                                .dst = (void *const *)s->dst,
                                .src_stride = s->src_stride,
                                .dst_stride = s->dst_stride,
                                .result_bytes = s->result_bytes};
    (s->f32 ? kernel->f32 : kernel->f64)(&c);
}

/* Each element within (ins + 1) epsilon sum |coef src| of the sum in long double. */
static void
check_element(const setting *s, size_t o, size_t row, size_t j)
{
    const double epsilon = s->f32 ? 0x1p-24 : 0x1p-53;
    long double sum = 0, size = 0;
    for (size_t i = 0; i < s->shape.ins; i++) {
        if (!s->src[i] || s->coef[o * s->shape.ins + i] == 0)
            continue;
        const long double term = (long double)s->coef[o * s->shape.ins + i] *
                                 get(s, s->src[i] + row * s->src_stride[i], j);
        sum += term;
        size += fabsl(term);
    }
    assert_at_most((double)fabsl(get(s, s->dst[o] + row * s->dst_stride[o], j) - sum),
                   (double)(s->shape.ins + 1) * epsilon * (double)size);
}

/* All elements, and what lies between rows is as it was. */
static void
check(const setting *s)
{
    for (size_t o = 0; o < s->shape.outs; o++)
        for (size_t row = 0; s->dst[o] && row < s->shape.rows; row++) {
            for (size_t j = 0; j < s->shape.len; j++)
                check_element(s, o, row, j);
            for (size_t b = s->shape.len * width(s); b < s->dst_stride[o]; b++)
                assert_int_equal(s->dst[o][row * s->dst_stride[o] + b], 0xff);
        }
}

static void
check_all_kernels(const setting *s)
{
    const kofn_combine_kernel *kernel;
    for (size_t k = 0; (kernel = kofn_combine_at(k)); k++) {
        run(s, kernel);
        check(s);
    }
}

static void
all_kernels_combine_every_shape_and_length(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(11), 0);
    const size_t lens[] = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 300, 1201};
    const size_t all[][2] = {{1, 1}, {2, 3}, {3, 2},  {4, 4},  {5, 1},
                             {6, 4}, {7, 9}, {9, 33}, {17, 5}, {1, 20}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        for (size_t l = 0; l < sizeof lens / sizeof lens[0]; l++)
            for (int f32 = 0; f32 < 2; f32++) {
                setting s;
                setting_init(&s, (sides){all[i][0], all[i][1], lens[l], 1}, f32, &rng);
                check_all_kernels(&s);
                setting_fini(&s);
            }
}

/* Rows with gaps, each at another alignment, stored past the caches and not. */
static void
rectangles_are_combined_row_by_row(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(16), 0);
    for (int round = 0; round < 1500; round++) {
        const size_t len =
            kofn_rng_below(&rng, 2) ? kofn_rng_below(&rng, 40) : 500 + kofn_rng_below(&rng, 300);
        const sides shape = {1 + kofn_rng_below(&rng, 9), kofn_rng_below(&rng, 6), len,
                             1 + kofn_rng_below(&rng, 4)};
        setting s;
        setting_init(&s, shape, round % 2, &rng);
        s.result_bytes = kofn_rng_below(&rng, 2) ? SIZE_MAX : 0;
        for (size_t c = 0; c < shape.outs * shape.ins; c++)
            if (kofn_rng_below(&rng, 4) == 0)
                s.coef[c] = (double)kofn_rng_below(&rng, 2);
        check_all_kernels(&s);
        setting_fini(&s);
    }
}

static void
more_rows_and_columns_than_a_tile_are_combined(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(12), 0);
    const sides shapes[] = {{130, 3, 50, 1}, {3, 130, 50, 2}, {67, 129, 70, 1}};
    for (size_t i = 0; i < 3; i++)
        for (int f32 = 0; f32 < 2; f32++) {
            setting s;
            setting_init(&s, shapes[i], f32, &rng);
            for (size_t c = 0; c < shapes[i].outs * shapes[i].ins; c++)
                if (kofn_rng_below(&rng, 3) == 0)
                    s.coef[c] = 0;
            memset(s.coef + shapes[i].ins, 0, shapes[i].ins * sizeof(double)); // row 1: zeros
            check_all_kernels(&s);
            setting_fini(&s);
        }
}

/* Results that need nothing of the first tile of sources still start from zero there. */
static void
results_that_start_in_a_later_tile_are_combined(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(18), 0);
    for (int f32 = 0; f32 < 2; f32++) {
        setting s;
        setting_init(&s, (sides){8, 140, 40, 2}, f32, &rng);
        for (size_t o = 4; o < 8; o++)
            memset(s.coef + o * 140, 0, (o < 6 ? 64 : 130) * sizeof *s.coef);
        check_all_kernels(&s);
        setting_fini(&s);
    }
}

/* Sparse: a third of the coefficients zero, whole rows zero or unit vectors, sources and results
 * left out. Where a result must not touch a source, that source is NaN in that column. */
static void
what_has_coefficient_zero_is_never_touched(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(13), 0);
    for (int round = 0; round < 200; round++) {
        const sides shape = {1 + kofn_rng_below(&rng, 12), 1 + kofn_rng_below(&rng, 9),
                             1 + kofn_rng_below(&rng, 150), 1};
        setting s;
        setting_init(&s, shape, round % 2, &rng);
        for (size_t c = 0; c < shape.outs * shape.ins; c++)
            if (kofn_rng_below(&rng, 3) == 0)
                s.coef[c] = 0;
        const size_t poisoned = kofn_rng_below(&rng, shape.ins);
        for (size_t j = 0; j < shape.len; j++)
            put(&s, s.src[poisoned], j, NAN);

        const kofn_combine_kernel *kernel;
        for (size_t k = 0; (kernel = kofn_combine_at(k)); k++) {
            run(&s, kernel);
            for (size_t o = 0; o < shape.outs; o++)
                for (size_t j = 0; j < shape.len; j++)
                    assert_int_equal(isnan(get(&s, s.dst[o], j)) != 0,
                                     s.coef[o * shape.ins + poisoned] != 0);
        }
        setting_fini(&s);
    }
}

static void
missing_sources_are_zeros_and_missing_results_are_dropped(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(14), 0);
    for (int round = 0; round < 100; round++) {
        const sides shape = {1 + kofn_rng_below(&rng, 9), 1 + kofn_rng_below(&rng, 9),
                             kofn_rng_below(&rng, 90), 1};
        setting s;
        setting_init(&s, shape, round % 2, &rng);
        for (size_t i = 0; i < shape.ins; i++)
            if (kofn_rng_below(&rng, 3) == 0)
                drop(&s.src[i]);
        for (size_t o = 0; o < shape.outs; o++)
            if (kofn_rng_below(&rng, 3) == 0)
                drop(&s.dst[o]);
        check_all_kernels(&s);
        setting_fini(&s);
    }
}

static void
unit_rows_copy_bit_by_bit(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(15), 0);
    for (int f32 = 0; f32 < 2; f32++) {
        setting s;
        setting_init(&s, (sides){3, 3, 1000, 1}, f32, &rng);
        memset(s.coef, 0, 9 * sizeof *s.coef);
        s.coef[1] = s.coef[3 + 2] = s.coef[6] = 1; // a permutation
        const size_t bytes = s.shape.len * width(&s);
        for (size_t j = 0; j < bytes; j++)
            s.src[1][j] = (unsigned char)kofn_rng_u64(&rng); // among them NaN with payloads
        run(&s, kofn_combine_best());
        assert_memory_equal(s.dst[0], s.src[1], bytes);
        assert_memory_equal(s.dst[1], s.src[2], bytes);
        assert_memory_equal(s.dst[2], s.src[0], bytes);
        setting_fini(&s);
    }
}

static void
no_sources_give_zeros(void **state)
{
    (void)state;
    setting s;
    kofn_rng rng;
    kofn_rng_init(&rng, 1, 0);
    setting_init(&s, (sides){5, 0, 77, 1}, false, &rng);
    check_all_kernels(&s);
    setting_fini(&s);
}

/* Elements aligned to their size, as in real blocks: then results are stored past the caches, in
 * rows that start anywhere in a vector; alike in all results, or not (`skewed`). */
static void
check_streamed(size_t rows, size_t len, size_t ins, bool skewed, kofn_rng *rng)
{
    enum { OUTS = 6, INS_MAX = 70 };
    const size_t pitch = (rows * len + 16) / 8 * 8;
    double *memory = aligned_alloc(64, (OUTS + ins) * pitch * sizeof(double));
    double *twin = calloc(OUTS * pitch, sizeof *twin);
    assert_non_null(memory);
    assert_non_null(twin);
    double coef[OUTS * INS_MAX];
    const void *src[INS_MAX];
    void *dst[OUTS], *plain[OUTS];
    size_t stride[INS_MAX];
    for (size_t i = 0; i < (OUTS + ins) * pitch; i++)
        memory[i] = (double)kofn_rng_below(rng, 100); // sums are exact in any order
    for (size_t i = 0; i < OUTS * ins; i++)
        coef[i] = (double)kofn_rng_below(rng, 9) - 4;
    for (size_t i = 0; i < INS_MAX; i++)
        stride[i] = len * sizeof(double);
    for (size_t i = 0; i < ins; i++)
        src[i] = memory + i * pitch;
    for (size_t o = 0; o < OUTS; o++) {
        dst[o] = memory + (ins + o) * pitch + (skewed ? o % 3 : 1);
        plain[o] = twin + o * pitch;
    }
    kofn_combination c = {.outs = OUTS,
                          .ins = ins,
                          .rows = rows,
                          .len = len,
                          .coef = coef,
                          .src = src,
                          .dst = plain,
                          .src_stride = stride,
                          .dst_stride = stride,
                          .result_bytes = SIZE_MAX};
    size_t last = 0;
    while (kofn_combine_at(last + 1))
        last++;
    kofn_combine_at(last)->f64(&c);
    c.dst = dst;
    for (size_t k = 0; k < last; k++) {
        kofn_combine_at(k)->f64(&c);
        for (size_t o = 0; o < OUTS; o++)
            assert_memory_equal(dst[o], plain[o], rows * len * sizeof(double));
    }
    free(twin);
    free(memory);
}

static void
results_past_the_caches_are_the_same(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(17), 0);
    for (size_t len = 250; len < 300; len++)
        for (int skewed = 0; skewed < 2; skewed++) {
            check_streamed(5, len, 1 + len % 5, skewed, &rng);
            check_streamed(1, len * 10, 3, skewed, &rng);
        }
    check_streamed(3, 700, 70, false, &rng); // two tiles of sources
    check_streamed(3, 700, 70, true, &rng);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kernels_combine_every_shape_and_length),
        cmocka_unit_test(rectangles_are_combined_row_by_row),
        cmocka_unit_test(more_rows_and_columns_than_a_tile_are_combined),
        cmocka_unit_test(results_that_start_in_a_later_tile_are_combined),
        cmocka_unit_test(what_has_coefficient_zero_is_never_touched),
        cmocka_unit_test(missing_sources_are_zeros_and_missing_results_are_dropped),
        cmocka_unit_test(unit_rows_copy_bit_by_bit),
        cmocka_unit_test(no_sources_give_zeros),
        cmocka_unit_test(results_past_the_caches_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
