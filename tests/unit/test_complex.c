/* Complex products as batches, from planes to planes through encode, tasks and decode, beside
 * zgemm. */
#include "common/code/complex.h"

#include "common/code/coding.h"
#include "common/code/spec.h"
#include "common/linalg/multiply.h"
#include "common/linalg/planes.h"
#include "tests/unit/complex_brute.h"

enum { TASKS_MAX = 64 };

static kofn_error error;

/* ---- workers --------------------------------------------------------------------------------- */

static kofn_batch *
new_batch(kofn_complex_method method, kofn_partition part, const bool transposed[2],
          const kofn_field *f)
{
    kofn_batch *batch = NULL;
    assert_ok(kofn_complex_batch_new(method, part, transposed, NULL, f, &batch, &error));
    return batch;
}

static kofn_code *
new_code(const char *family, const kofn_batch *batch, size_t tasks, const kofn_field *f)
{
    kofn_code_spec spec = {.tasks = tasks};
    kofn_code *code = NULL;
    const kofn_code_context context = {.field = f, .workers = 1};
    assert_ok(kofn_code_spec_set(&spec, "family", family, &error));
    assert_ok(kofn_code_spec_set_batch(&spec, batch, &error));
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    assert_ok(kofn_code_spec_build(&spec, f, &code, &error));
    return code;
}

/* Of these tasks any s may be lost. */
static void
assert_loses(kofn_complex_method method, const char *family, size_t tasks, size_t s)
{
    static const bool as_stored[2] = {false};
    const kofn_field *f = kofn_field_find("f64");
    kofn_batch *batch = new_batch(method, (kofn_partition){1, 1, 1}, as_stored, f);
    kofn_code *code = new_code(family, batch, tasks, f);
    assert_int_equal(code->tasks, tasks);
    assert_int_equal(code->threshold, tasks - s);
    kofn_code_destroy(&code);
    kofn_batch_destroy(&batch);
}

/* The paper's w_{3, s} = 2 3 - 1 + s, and the 3 + s that dependence leaves of it. */
static void
two_thirds_of_the_workers_serve(void **state)
{
    (void)state;
    for (size_t s = 1; s <= 4; s++) {
        assert_loses(KOFN_COMPLEX_3M, "locality", 3 + s, s);
        assert_loses(KOFN_COMPLEX_3M, "lagrange", 5 + s, s);
        assert_loses(KOFN_COMPLEX_4M, "locality", 4 + s, s); // a 2 x 2 grid
        assert_loses(KOFN_COMPLEX_4M, "lagrange", 7 + s, s);
    }
}

/* What a default cut counts on, for as many products of blocks as that is for. */
static void
a_default_cut_has_tasks_of_which_one_may_be_lost(void **state)
{
    static const bool as_stored[2] = {false};
    const kofn_field *f = kofn_field_find("f64");
    (void)state;
    for (size_t p = 1; p <= 16; p++)
        for (size_t m = 0; m < 2; m++) {
            const size_t tasks = m == 1 ? 4 * p + 1 : p < 3 ? 4 * p : 3 * p + 3;
            kofn_batch *batch = new_batch(m == 1 ? KOFN_COMPLEX_4M : KOFN_COMPLEX_3M,
                                          kofn_partition_squarest(p), as_stored, f);
            kofn_code *code = new_code("locality", batch, tasks, f);
            assert_int_equal(code->threshold, tasks - 1);
            kofn_code_destroy(&code);
            kofn_batch_destroy(&batch);
        }
}

/* ---- products -------------------------------------------------------------------------------- */

typedef struct wish {
    kofn_complex_method method;
    const char *family;
    kofn_dtype dtype;
    size_t rows, inner, cols;
    kofn_partition part;
    bool transposed[2];
    double im; // size of imaginary parts
} wish;

typedef struct job {
    const wish *w;
    const kofn_field *field;
    kofn_batch *batch;
    kofn_code *code;
    kofn_coding coding;
    kofn_mat operand[2], planes[2];
    kofn_mat answers[TASKS_MAX];
    double rounding; // what the decode's plan says of it
} job;

static size_t
whole(size_t size, size_t parts)
{
    return (size + parts - 1) / parts * parts;
}

/* The operand's planes stacked as it is stored, padded to whole blocks. */
static kofn_mat
split(const job *j, size_t side)
{
    const kofn_mat *m = &j->operand[side];
    const kofn_partition p = j->w->part;
    const size_t down = side == 0 ? p.x : p.z, across = side == 0 ? p.z : p.y;
    const bool turned = j->w->transposed[side];
    const size_t high = whole(m->rows, turned ? across : down),
                 wide = whole(m->cols, turned ? down : across);
    kofn_mat stack = {0};
    assert_ok(kofn_mat_alloc(j->field->dtype, 2 * high, wide, &stack, &error));
    kofn_mat re = kofn_mat_wrap(stack.data, stack.dtype, high, wide), im = re;
    if (high * wide > 0)
        im.data = kofn_mat_get_row(&stack, high);
    assert_ok(kofn_planes_split("A", m, &re, &im, &error));
    return stack;
}

static void
job_init(job *j, const wish *w, kofn_rng *rng)
{
    *j = (job){.w = w, .field = kofn_field_for_dtype(kofn_dtype_get_part(w->dtype))};
    kofn_extents extents = {.count = 2};
    kofn_shape shape;
    for (size_t side = 0; side < 2; side++) {
        const size_t rows = side == 0 ? w->rows : w->inner, cols = side == 0 ? w->inner : w->cols;
        const bool turned = w->transposed[side];
        j->operand[side] =
            complex_new(w->dtype, turned ? cols : rows, turned ? rows : cols, 1, w->im, rng);
        j->planes[side] = split(j, side);
        extents.rows[side] = turned ? j->planes[side].cols : j->planes[side].rows;
        extents.cols[side] = turned ? j->planes[side].rows : j->planes[side].cols;
    }
    j->batch = new_batch(w->method, w->part, w->transposed, j->field);
    j->code = new_code(w->family, j->batch, 0, j->field);
    assert_true(j->code->tasks <= TASKS_MAX);
    assert_ok(kofn_batch_get_shape(j->batch, &extents, &shape, &error));
    assert_int_equal(shape.rows, 2 * whole(w->rows, w->part.x));
    assert_int_equal(shape.cols, whole(w->cols, w->part.y));
    kofn_coding_init_batch(&j->coding, j->code, shape, &extents, w->transposed);
}

static void
job_fini(job *j)
{
    for (size_t side = 0; side < 2; side++) {
        kofn_mat_fini(&j->operand[side]);
        kofn_mat_fini(&j->planes[side]);
    }
    for (size_t i = 0; i < j->code->tasks; i++)
        kofn_mat_fini(&j->answers[i]);
    kofn_code_destroy(&j->code);
    kofn_batch_destroy(&j->batch);
}

static kofn_mat
encode(const job *j, size_t side, size_t task)
{
    size_t rows, cols;
    kofn_mat block = {0};
    kofn_bands from, to;
    kofn_coding_block_shape(&j->coding, side, &rows, &cols);
    assert_ok(kofn_mat_alloc(j->field->dtype, rows, cols, &block, &error));
    assert_ok(kofn_bands_from_mat(&j->planes[side], &from, &error));
    assert_ok(kofn_bands_from_mat(&block, &to, &error));
    assert_ok(kofn_coding_encode(&j->coding, side, &from, 1, &task, &to, &error));
    kofn_bands_fini(&from);
    kofn_bands_fini(&to);
    return block;
}

static void
work(job *j)
{
    for (size_t task = 0; task < j->code->tasks; task++) {
        kofn_mat a = encode(j, 0, task), b = encode(j, 1, task);
        const kofn_product product = {.a = &a,
                                      .b = &b,
                                      .transpose_a = j->w->transposed[0],
                                      .transpose_b = j->w->transposed[1]};
        kofn_bands to;
        assert_ok(kofn_mat_alloc(j->field->dtype, j->coding.part.rows, j->coding.part.cols,
                                 &j->answers[task], &error));
        assert_ok(kofn_bands_from_mat(&j->answers[task], &to, &error));
        assert_ok(kofn_multiply(j->field, &product, &to, &error));
        kofn_bands_fini(&to);
        kofn_mat_fini(&a);
        kofn_mat_fini(&b);
    }
}

/* From as few answers as suffice, whichever they are: all but those from `lost` on, in a circle. */
static kofn_mat
decode(job *j, size_t lost)
{
    const size_t n = j->code->tasks;
    kofn_decoder *d = NULL;
    kofn_decode_plan plan;
    kofn_bands answers[TASKS_MAX], c;
    const kofn_bands *used[TASKS_MAX];
    kofn_mat planes = {0}, product = {0};
    assert_ok(kofn_decoder_new(j->code, INFINITY, &d, &error));
    for (size_t i = 0; i < j->code->threshold; i++)
        assert_ok(kofn_decoder_add(d, (lost + n - j->code->threshold + i) % n, &error));
    assert_ok(kofn_decoder_plan(d, kofn_coding_get_noise(&j->coding), &plan, &error));
    for (size_t i = 0; i < n; i++)
        assert_ok(kofn_bands_from_mat(&j->answers[i], &answers[i], &error));
    for (size_t u = 0; u < plan.used; u++)
        used[u] = &answers[plan.task[u]];
    assert_ok(kofn_mat_alloc(j->field->dtype, j->coding.shape.rows, j->coding.shape.cols, &planes,
                             &error));
    assert_ok(kofn_mat_alloc(j->w->dtype, j->w->rows, j->w->cols, &product, &error));
    assert_ok(kofn_bands_from_mat(&planes, &c, &error));
    assert_ok(
        kofn_coding_decode(&j->coding, &plan, used, kofn_coding_all_rows(&j->coding), &c, &error));
    kofn_planes_join(&c, &product);
    j->rounding = plan.rounding;
    for (size_t i = 0; i < n; i++)
        kofn_bands_fini(&answers[i]);
    kofn_bands_fini(&c);
    kofn_mat_fini(&planes);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    return product;
}

/* |C' - C| <= (rounding + 8 (inner + 4) u) |A| |B|, Frobenius norms, whichever answers come. */
static void
check_product(const wish *w, kofn_rng *rng)
{
    job j;
    job_init(&j, w, rng);
    work(&j);
    double complex *exact =
        complex_multiply(&j.operand[0], w->transposed[0], &j.operand[1], w->transposed[1]);
    const double norms = complex_norm(&j.operand[0]) * complex_norm(&j.operand[1]);
    for (size_t lost = 0; lost < j.code->tasks; lost++) {
        kofn_mat c = decode(&j, lost);
        assert_at_most(complex_off(&c, exact),
                       (j.rounding + 8 * (double)(w->inner + 4) * complex_unit(w->dtype)) * norms);
        kofn_mat_fini(&c);
    }
    free(exact);
    job_fini(&j);
}

static const kofn_complex_method methods[] = {KOFN_COMPLEX_3M, KOFN_COMPLEX_4M};
static const kofn_dtype dtypes[] = {KOFN_C128, KOFN_C64};

static void
products_are_what_zgemm_says_whichever_answers_come(void **state)
{
    static const char *const families[] = {"locality", "lagrange", "uncoded", "replication",
                                           "rkrp"};
    kofn_rng rng;
    (void)state;
    kofn_rng_init(&rng, test_seed(1), 0);
    for (size_t m = 0; m < 2; m++)
        for (size_t f = 0; f < sizeof families / sizeof families[0]; f++)
            for (size_t t = 0; t < 2; t++) {
                const wish w = {.method = methods[m],
                                .family = families[f],
                                .dtype = dtypes[t],
                                .rows = 9,
                                .inner = 8,
                                .cols = 7,
                                .part = {1, 1, 1},
                                .im = 1};
                check_product(&w, &rng);
            }
}

/* Sizes that parts divide, that they do not, and that there are fewer of than parts; nothing at
 * all. */
static void
shapes_partitions_and_transposes_of_all_kinds_are_right(void **state)
{
    static const size_t sizes[][3] = {{8, 6, 4}, {7, 5, 3}, {1, 1, 1},
                                      {2, 9, 1}, {5, 0, 4}, {0, 3, 2}};
    static const kofn_partition parts[] = {{2, 1, 1}, {1, 2, 1}, {1, 1, 2}, {2, 2, 2}, {3, 1, 2}};
    kofn_rng rng;
    (void)state;
    kofn_rng_init(&rng, test_seed(2), 0);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++)
            for (int turned = 0; turned < 4; turned++) {
                const wish w = {.method = methods[(s + p) % 2],
                                .family = "locality",
                                .dtype = dtypes[turned % 2],
                                .rows = sizes[s][0],
                                .inner = sizes[s][1],
                                .cols = sizes[s][2],
                                .part = parts[p],
                                .transposed = {(turned & 1) != 0, (turned & 2) != 0},
                                .im = 1};
                check_product(&w, &rng);
            }
}

/* ---- accuracy -------------------------------------------------------------------------------- */

/* The most that an element's imaginary part is off by, of (inner + 2) u (|A||B|) in that
 * element's. */
static double
find_worst_im(const wish *w, kofn_rng *rng)
{
    job j;
    job_init(&j, w, rng);
    work(&j);
    double complex *exact = complex_multiply(&j.operand[0], false, &j.operand[1], false);
    kofn_mat c = decode(&j, j.code->tasks); // of uncoded tasks all
    double worst = 0;
    for (size_t r = 0; r < w->rows; r++)
        for (size_t col = 0; col < w->cols; col++) {
            double size = 0; // of the terms of its imaginary part
            for (size_t k = 0; k < w->inner; k++) {
                const double complex a = complex_get(&j.operand[0], r, k),
                                     b = complex_get(&j.operand[1], k, col);
                size += fabs(creal(a) * cimag(b)) + fabs(cimag(a) * creal(b));
            }
            const double off =
                fabs(cimag(complex_get(&c, r, col)) - cimag(exact[r * w->cols + col]));
            worst = fmax(worst, off / (2 * (double)(w->inner + 2) * complex_unit(w->dtype) * size));
        }
    free(exact);
    kofn_mat_fini(&c);
    job_fini(&j);
    return worst;
}

/* Imaginary parts 10^-6 as large as the real ones: 4m has all of their digits, 3m six fewer. */
static void
small_imaginary_parts_lose_digits_by_3m_alone(void **state)
{
    kofn_rng rng;
    (void)state;
    kofn_rng_init(&rng, test_seed(3), 0);
    wish w = {.method = KOFN_COMPLEX_4M,
              .family = "uncoded",
              .dtype = KOFN_C128,
              .rows = 20,
              .inner = 30,
              .cols = 20,
              .part = {1, 1, 1},
              .im = 1e-6};
    assert_at_most(find_worst_im(&w, &rng), 1);
    w.method = KOFN_COMPLEX_3M;
    const double lost = find_worst_im(&w, &rng);
    assert_at_most(lost, 1e7);
    assert_at_most(1e3, lost); // it does lose them
}

/* The smaller part of each operand becomes larger, never as large as the other one. */
static void
parts_far_apart_are_balanced(void **state)
{
    static const struct {
        const char *field;
        double norm[2][2];
        int shift[2][2];
    } cases[] = {
        {"f64", {{1, 1}, {1, 1.0 / 60}}, {{0, 0}, {0, 0}}},
        {"f64", {{1, 0x1p-20}, {0x1.8p-30, 1}}, {{0, 19}, {29, 0}}},
        {"f64", {{0, 1}, {1e300, 1e-300}}, {{120, 0}, {0, 120}}},
        {"f64", {{0, 0}, {0, NAN}}, {{0, 0}, {0, 0}}},
        {"f64", {{INFINITY, 1}, {1, 0x1p-8}}, {{0, 0}, {0, 7}}},
        {"f32", {{1e39, 1}, {1e20, 1}}, {{0, 0}, {0, 30}}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const kofn_field *f = kofn_field_find(cases[i].field);
        const kofn_complex_scale four = kofn_complex_balance(KOFN_COMPLEX_4M, f, cases[i].norm);
        const kofn_complex_scale three = kofn_complex_balance(KOFN_COMPLEX_3M, f, cases[i].norm);
        const int none[2][2] = {{0}};
        assert_memory_equal(four.shift, cases[i].shift, sizeof four.shift);
        assert_memory_equal(three.shift, none, sizeof none);
    }
}

/* ---- what cannot be -------------------------------------------------------------------------- */

static void
methods_have_names(void **state)
{
    (void)state;
    for (int i = KOFN_COMPLEX_3M; i <= KOFN_COMPLEX_PLAIN; i++) {
        kofn_complex_method method;
        assert_ok(kofn_complex_method_parse(kofn_complex_method_name((kofn_complex_method)i),
                                            &method, &error));
        assert_int_equal(method, i);
    }
    kofn_complex_method method = KOFN_COMPLEX_PLAIN;
    assert_ok(kofn_complex_method_parse(NULL, &method, &error));
    assert_int_equal(method, KOFN_COMPLEX_3M);
    assert_fails(kofn_complex_method_parse("5m", &method, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "3m, 4m or plain"));
}

static void
families_that_do_not_fit_a_method_are_refused(void **state)
{
    (void)state;
    assert_ok(kofn_complex_check_family(KOFN_COMPLEX_3M, NULL, &error));
    assert_ok(kofn_complex_check_family(KOFN_COMPLEX_3M, "", &error));
    assert_ok(kofn_complex_check_family(KOFN_COMPLEX_4M, "lagrange", &error));
    assert_ok(kofn_complex_check_family(KOFN_COMPLEX_PLAIN, "polynomial", &error));
    assert_ok(kofn_complex_check_family(KOFN_COMPLEX_PLAIN, "rkrp", &error));
    assert_fails(kofn_complex_check_family(KOFN_COMPLEX_3M, "polynomial", &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "take method plain"));
    assert_fails(kofn_complex_check_family(KOFN_COMPLEX_PLAIN, "locality", &error),
                 KOFN_INVALID_ARGUMENT);
}

static void
too_many_parts_are_refused(void **state)
{
    static const bool as_stored[2] = {false};
    const kofn_field *f = kofn_field_find("f64");
    kofn_batch *batch = NULL;
    (void)state;
    const kofn_partition parts[] = {
        {0, 1, 1}, {1366, 1, 1}, {SIZE_MAX, 2, 2}, {SIZE_MAX, SIZE_MAX, SIZE_MAX}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        assert_fails(
            kofn_complex_batch_new(KOFN_COMPLEX_3M, parts[i], as_stored, NULL, f, &batch, &error),
            KOFN_OUT_OF_RANGE);
    assert_ok(kofn_complex_batch_new(KOFN_COMPLEX_3M, (kofn_partition){1365, 1, 1}, as_stored, NULL,
                                     f, &batch, &error));
    kofn_batch_destroy(&batch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_thirds_of_the_workers_serve),
        cmocka_unit_test(a_default_cut_has_tasks_of_which_one_may_be_lost),
        cmocka_unit_test(products_are_what_zgemm_says_whichever_answers_come),
        cmocka_unit_test(shapes_partitions_and_transposes_of_all_kinds_are_right),
        cmocka_unit_test(small_imaginary_parts_lose_digits_by_3m_alone),
        cmocka_unit_test(parts_far_apart_are_balanced),
        cmocka_unit_test(methods_have_names),
        cmocka_unit_test(families_that_do_not_fit_a_method_are_refused),
        cmocka_unit_test(too_many_parts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
