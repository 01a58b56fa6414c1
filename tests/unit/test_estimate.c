/* Estimates and the bounds that every plan carries, against products whose errors are known. */
#include "common/code/estimate.h"
#include "common/linalg/multiply.h"
#include "common/linalg/ridge.h"
#include "tests/unit/code_brute.h"

enum { TASKS_MAX = 48 };

static const double MEASURE = 1000 * 0x1p-53; // norms of up to 400 elements, in double

__extension__ typedef __float128 quad;

/* ---- codes and decoders ---------------------------------------------------------------------- */

/* Block k of A with t^k, of B with t^(z-1-k): the product is the coefficient of t^(z-1). */
static void
fill_dot(kofn_code *code, size_t task, double t)
{
    const size_t z = code->part.z;
    code->point[task] = t;
    for (size_t k = 0; k < z; k++) {
        code->e[0].at[task * z + k] = pow(t, (double)k);
        code->e[1].at[task * z + k] = pow(t, (double)(z - 1 - k));
    }
}

/* A in z columns, B in z rows, at Chebyshev points over gamma. */
static kofn_code *
new_dot(const char *field, size_t z, size_t tasks, double gamma, kofn_estimator estimator)
{
    kofn_error error;
    kofn_code *code;
    const kofn_field *f = kofn_field_find(field);
    assert_ok(
        kofn_code_alloc("dot", f, (kofn_partition){.x = 1, .z = z, .y = 1}, tasks, &code, &error));
    kofn_code_use_points(code);
    kofn_code_use_powers(code);
    for (size_t i = 0; i < tasks; i++)
        fill_dot(code, i, f->point(f, i, tasks) / gamma);
    code->power[0] = z - 1;
    code->threshold = 2 * z - 1;
    code->enough = z;
    code->estimator = estimator;
    kofn_code_seal(code);
    return code;
}

static kofn_decoder *
new_decoder(kofn_code *code, const size_t *tasks, size_t count)
{
    kofn_error error;
    kofn_decoder *d;
    assert_ok(kofn_decoder_new(code, 0, &d, &error));
    for (size_t i = 0; i < count; i++)
        assert_ok(kofn_decoder_add(d, tasks[i], &error));
    return d;
}

static kofn_decode_plan
estimate_of(kofn_code *code, const size_t *tasks, size_t count, double noise)
{
    kofn_error error;
    kofn_decode_plan plan;
    kofn_decoder *d = new_decoder(code, tasks, count);
    assert_ok(kofn_decoder_estimate(d, noise, &plan, &error));
    kofn_decoder_destroy(&d);
    return plan;
}

static double
bound_of(const kofn_decode_plan *plan)
{
    return plan->truncation + plan->rounding;
}

/* ---- products -------------------------------------------------------------------------------- */

typedef struct trial {
    kofn_code *code;
    kofn_coding coding;
    kofn_bands a, b;
    kofn_bands answers[TASKS_MAX];
    double size; // |A| |B|
} trial;

static void
answer(trial *t, size_t task)
{
    kofn_error error;
    kofn_bands block[2];
    for (size_t o = 0; o < 2; o++) {
        size_t rows, cols;
        kofn_coding_block_shape(&t->coding, o, &rows, &cols);
        block[o] = new_matrix(t->a.dtype, rows, cols);
        assert_ok(
            kofn_coding_encode(&t->coding, o, o ? &t->b : &t->a, 1, &task, &block[o], &error));
    }
    const kofn_product product = {.a = only_mat(&block[0]), .b = only_mat(&block[1])};
    t->answers[task] = new_matrix(t->a.dtype, t->coding.part.rows, t->coding.part.cols);
    assert_ok(kofn_multiply(t->code->field, &product, &t->answers[task], &error));
    free_matrix(&block[0]);
    free_matrix(&block[1]);
}

/* With A and B as they are. */
static void
start_with(trial *t, kofn_code *code, kofn_bands a, kofn_bands b)
{
    *t = (trial){.code = code, .a = a, .b = b, .size = norm_of(&a) * norm_of(&b)};
    kofn_coding_init(&t->coding, code,
                     (kofn_shape){.rows = a.rows, .inner = a.cols, .cols = b.cols}, false, false);
    for (size_t task = 0; task < code->tasks; task++)
        answer(t, task);
}

static void
start(trial *t, kofn_code *code, kofn_shape shape, kofn_rng *rng)
{
    kofn_bands a = new_matrix(code->field->dtype, shape.rows, shape.inner);
    kofn_bands b = new_matrix(code->field->dtype, shape.inner, shape.cols);
    fill_normal(&a, rng);
    fill_normal(&b, rng);
    start_with(t, code, a, b);
}

static void
end(trial *t)
{
    for (size_t task = 0; task < t->code->tasks; task++)
        free_matrix(&t->answers[task]);
    free_matrix(&t->a);
    free_matrix(&t->b);
}

static kofn_bands
decode(const trial *t, const kofn_decode_plan *plan)
{
    kofn_error error;
    const kofn_bands *answers[TASKS_MAX];
    for (size_t u = 0; u < plan->used; u++)
        answers[u] = &t->answers[plan->task[u]];
    kofn_bands c = new_matrix(t->a.dtype, t->coding.shape.rows, t->coding.shape.cols);
    assert_ok(kofn_coding_decode(&t->coding, plan, answers, kofn_coding_all_rows(&t->coding), &c,
                                 &error));
    return c;
}

/* |C' - C| / (|A| |B|), C in long double: its own error is 2^-11 of what is measured. */
static double
error_of(const trial *t, const kofn_decode_plan *plan)
{
    kofn_bands c = decode(t, plan);
    long double sum = 0;
    for (size_t i = 0; i < c.rows; i++)
        for (size_t j = 0; j < c.cols; j++) {
            long double left = -(long double)element_get(only_mat(&c), i, j);
            for (size_t k = 0; k < t->a.cols; k++)
                left += (long double)element_get(only_mat(&t->a), i, k) *
                        element_get(only_mat(&t->b), k, j);
            sum += left * left;
        }
    free_matrix(&c);
    return t->size > 0 ? (double)sqrtl(sum) / t->size : (double)sqrtl(sum);
}

/* ---- bounds ---------------------------------------------------------------------------------- */

/* Any set: the exact plan and the estimate both keep what they promise. */
static void
check_set(const trial *t, const size_t *tasks, size_t count)
{
    kofn_error error;
    kofn_decode_plan plan;
    kofn_decoder *d = new_decoder(t->code, tasks, count);
    const double noise = kofn_coding_get_noise(&t->coding);
    if (kofn_decoder_get_state(d) != KOFN_DECODE_NOT_YET) {
        assert_ok(kofn_decoder_plan(d, noise, &plan, &error));
        assert_false(plan.estimate);
        assert_true(plan.truncation == 0);
        assert_at_most(error_of(t, &plan), bound_of(&plan) * (1 + MEASURE));
        kofn_decode_plan_fini(&plan);
    }
    assert_ok(kofn_decoder_estimate(d, noise, &plan, &error));
    assert_at_most(error_of(t, &plan), bound_of(&plan) * (1 + MEASURE));
    assert_true(plan.estimate || kofn_decoder_get_state(d) != KOFN_DECODE_NOT_YET);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
}

static void
check_code(kofn_code *code, int sets, kofn_rng *rng)
{
    trial t;
    const kofn_shape shape = {.rows = 1 + kofn_rng_below(rng, 9),
                              .inner = 1 + kofn_rng_below(rng, 40),
                              .cols = 1 + kofn_rng_below(rng, 9)};
    size_t tasks[TASKS_MAX];
    start(&t, code, shape, rng);
    for (int i = 0; i < sets; i++) {
        for (size_t task = 0; task < code->tasks; task++)
            tasks[task] = task;
        shuffle(rng, tasks, code->tasks);
        check_set(&t, tasks, 1 + kofn_rng_below(rng, code->tasks));
    }
    end(&t);
}

static const test_code listed[] = {
    {.family = "uncoded", .partition = "2,2,2"},
    {.family = "uncoded", .partition = "3,1,4"},
    {.family = "replication", .partition = "2,1,2", .tasks = 8},
    {.family = "polynomial", .partition = "3,1,2", .tasks = 9},
    {.family = "polynomial", .partition = "4,1,5", .tasks = 24},
    {.family = "rkrp", .partition = "2,1,3", .tasks = 9},
    {.family = "rkrp", .partition = "3,1,3", .tasks = 12, .set = "systematic=no"},
    {.family = "rkrp", .partition = "2,2,2", .tasks = 18},
    {.family = "rkrp", .partition = "1,3,1", .tasks = 12},
    {.family = "matdot", .partition = "1,4,1", .tasks = 9},
    {.family = "polydot", .partition = "2,2,2", .tasks = 12},
    {.family = "orthopoly", .partition = "3,1,3", .tasks = 12},
    {.family = "orthomatdot", .partition = "1,5,1", .tasks = 11},
    {.family = "eps_matdot", .partition = "1,3,1", .tasks = 6},
    {.family = "eps_matdot", .partition = "1,5,1", .tasks = 7, .set = "decoder=interpolation"},
    {.family = "eps_polydot", .partition = "2,2,1", .tasks = 7},
    {.family = "eps_polydot", .partition = "2,2,2", .tasks = 10, .set = "decoder=interpolation"},
};

static void
bounds_hold_for_every_family_and_random_sets(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(31), 0);
    for (size_t i = 0; i < sizeof listed / sizeof listed[0]; i++)
        for (int round = 0; round < 10; round++) {
            kofn_code *code = make_code(&listed[i], round % 2 ? "f32" : "f64", (uint64_t)round);
            check_code(code, 30, &rng);
            kofn_code_destroy(&code);
        }
}

static void
bounds_hold_for_points_of_every_scale(void **state)
{
    (void)state;
    static const double gammas[] = {0.5, 1, 10, 1e3, 7e4, 1e8};
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(32), 0);
    for (size_t g = 0; g < sizeof gammas / sizeof gammas[0]; g++)
        for (size_t z = 1; z <= 7; z++)
            for (int variant = 0; variant < 4; variant++) {
                kofn_code *code =
                    new_dot(variant & 1 ? "f32" : "f64", z, 2 * z + 1, gammas[g],
                            variant & 2 ? KOFN_ESTIMATE_INTERPOLATION : KOFN_ESTIMATE_BALANCED);
                if (variant == 3 && pow(gammas[g], (double)z) > 1e20)
                    code->estimator = KOFN_ESTIMATE_BALANCED; // D passes what an f32 holds
                check_code(code, 10, &rng);
                kofn_code_destroy(&code);
            }
}

/* Blocks of one element: R is all there is, and along its largest singular vectors the error is
 * what truncation says. */
static void
truncation_is_reached_by_the_worst_operands(void **state)
{
    (void)state;
    enum { Z = 4, COUNT = 5 };
    static const size_t tasks[COUNT] = {0, 2, 3, 5, 8};
    kofn_code *code = new_dot("f64", Z, 9, 1, KOFN_ESTIMATE_BALANCED);
    kofn_decode_plan plan = estimate_of(code, tasks, COUNT, 1e-15);
    double r[Z][Z] = {{0}}, v[Z] = {1, 0.3, -0.2, 0.7}, u[Z];
    for (size_t i = 0; i < Z; i++)
        for (size_t j = 0; j < Z; j++) {
            r[i][j] = i == j ? -1 : 0;
            for (size_t k = 0; k < plan.used; k++)
                r[i][j] += plan.coef[k] * code->e[0].at[plan.task[k] * Z + i] *
                           code->e[1].at[plan.task[k] * Z + j];
        }
    double sigma = 0;
    for (int step = 0; step < 2000; step++) { // the power method for R^T R
        double size = 0;
        for (size_t i = 0; i < Z; i++) {
            u[i] = 0;
            for (size_t j = 0; j < Z; j++)
                u[i] += r[i][j] * v[j];
        }
        for (size_t j = 0; j < Z; j++) {
            v[j] = 0;
            for (size_t i = 0; i < Z; i++)
                v[j] += r[i][j] * u[i];
            size = hypot(size, v[j]);
        }
        for (size_t j = 0; j < Z; j++)
            v[j] /= size;
        sigma = sqrt(size);
    }
    kofn_bands a = new_matrix(KOFN_F64, 1, Z), b = new_matrix(KOFN_F64, Z, 1);
    for (size_t i = 0; i < Z; i++) {
        element_set(only_mat(&a), 0, i, u[i]);
        element_set(only_mat(&b), i, 0, v[i]);
    }
    trial t;
    start_with(&t, code, a, b);
    assert_at_most(fabs(plan.truncation - sigma), 1e-12 * sigma);
    assert_at_most(plan.truncation * (1 - 1e-9), error_of(&t, &plan));
    end(&t);
    kofn_decode_plan_fini(&plan);
    kofn_code_destroy(&code);
}

/* Of x by y blocks with none known the bound is the root of the smaller number, for zeros 1. */
static void
lost_blocks_cost_no_more_than_the_whole(void **state)
{
    (void)state;
    kofn_code *code = make_code(&(test_code){.family = "uncoded", .partition = "3,1,5"}, "f64", 1);
    kofn_decode_plan plan = estimate_of(code, (const size_t[]){4}, 1, 1e-15);
    assert_int_equal(plan.used, 1);
    assert_at_most(fabs(plan.truncation - sqrt(3)), 1e-12); // rows 1 and 2 lost in all 5 columns
    kofn_decode_plan_fini(&plan);
    kofn_code_destroy(&code);

    code = new_dot("f64", 4, 7, 10, KOFN_ESTIMATE_INTERPOLATION);
    plan = estimate_of(code, (const size_t[]){0, 5, 6}, 3, 1e-15); // t^3 through 3 points: 0
    assert_int_equal(plan.used, 0);
    assert_true(plan.estimate && plan.truncation == 1 && plan.rounding == 0);
    kofn_decode_plan_fini(&plan);
    kofn_code_destroy(&code);
}

/* ---- what balanced minimises ----------------------------------------------------------------- */

/* |D G - T|^2 + sum over coded answers of (delta |g_u| |D_u|)^2, in long double. */
static long double
objective(const kofn_code *code, const kofn_decode_plan *plan, double noise)
{
    const size_t cols = kofn_code_columns(code);
    const double delta = kofn_estimate_delta(code->field, noise);
    long double *row = calloc(cols, sizeof *row), sum = 0;
    double *target = new_dense_targets(code);
    for (size_t t = 0; t < plan->targets; t++) {
        long double *left = calloc(cols, sizeof *left);
        for (size_t c = 0; c < cols; c++)
            left[c] = -(long double)target[t * cols + c];
        for (size_t u = 0; u < plan->used; u++) {
            const long double coef = plan->coef[t * plan->used + u];
            brute_row(code, plan->task[u], row);
            for (size_t c = 0; c < cols; c++)
                left[c] += coef * row[c];
            if (kofn_code_plain_column(code, plan->task[u]) == SIZE_MAX)
                sum += powl(delta * kofn_code_row_norm(code, plan->task[u]) * coef, 2);
        }
        for (size_t c = 0; c < cols; c++)
            sum += left[c] * left[c];
        free(left);
    }
    free(target);
    free(row);
    return sum;
}

static kofn_decode_plan
balanced_of(const kofn_target_index *index, const size_t *tasks, size_t count, double noise)
{
    kofn_error error;
    kofn_decode_plan plan;
    const kofn_estimate_input in = {.index = index, .tasks = tasks, .count = count, .noise = noise};
    assert_ok(kofn_estimate_balanced(&in, &plan, &error));
    return plan;
}

/* Answers one by one, plain and coded: the minimum never rises. Slack: D is rounded by a few units
 * of 2^-53, and delta, which weighs it, is 8 of them; coefficients of plain answers are rounded,
 * and nothing weighs them. */
static void
check_nested(kofn_code *code, kofn_rng *rng)
{
    const double noise = 40 * code->field->epsilon;
    kofn_error error;
    kofn_target_index index;
    size_t tasks[TASKS_MAX];
    long double before = INFINITY;
    const double slack = (double)code->targets.rows * pow(16 * 0x1p-53, 2);
    assert_ok(kofn_target_index_init(&index, code, &error));
    for (size_t task = 0; task < code->tasks; task++)
        tasks[task] = task;
    shuffle(rng, tasks, code->tasks);
    for (size_t count = 1; count <= code->tasks; count++) {
        kofn_decode_plan plan = balanced_of(&index, tasks, count, noise);
        const long double now = objective(code, &plan, noise);
        assert_at_most((double)now, (double)before * 1.25 * 1.25 + slack);
        before = now;
        kofn_decode_plan_fini(&plan);
    }
    kofn_target_index_fini(&index);
}

static void
another_answer_never_raises_the_minimum(void **state)
{
    (void)state;
    static const double gammas[] = {1, 30, 7e4};
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(33), 0);
    for (int round = 0; round < 12; round++) {
        for (size_t i = 0; i < sizeof listed / sizeof listed[0]; i++) {
            kofn_code *code = make_code(&listed[i], round % 2 ? "f32" : "f64", (uint64_t)round);
            check_nested(code, &rng);
            kofn_code_destroy(&code);
        }
        for (size_t g = 0; g < 3; g++) {
            kofn_code *code = new_dot(round % 2 ? "f32" : "f64", 2 + (size_t)round / 2, 16,
                                      gammas[g], KOFN_ESTIMATE_BALANCED);
            check_nested(code, &rng);
            kofn_code_destroy(&code);
        }
    }
}

/* Columns of one power of t are merged: 19 instead of 100, and the minimum is no other than that of
 * all columns, nor with points so near 1 that all columns are alike. */
static void
merged_columns_have_the_same_minimum(void **state)
{
    (void)state;
    enum { Z = 10, COUNT = 12 };
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(34), 0);
    for (int round = 0; round < 20; round++) {
        const double noise = 60 * 0x1p-53;
        size_t tasks[20];
        double row[COUNT * Z * Z], d[COUNT];
        kofn_code *code = new_dot("f64", Z, 20, 1 + kofn_rng_unit(&rng), KOFN_ESTIMATE_BALANCED);
        for (size_t i = 0; i < 20; i++)
            tasks[i] = i;
        for (size_t i = 0; i < 20 && round % 2; i++)
            fill_dot(code, i, 1 + code->point[i] / 100);
        shuffle(&rng, tasks, 20);
        for (size_t i = 0; i < COUNT; i++) {
            kofn_code_fill_row(code, tasks[i], row + i * Z * Z);
            for (size_t c = 0; c < Z * Z; c++)
                row[i * Z * Z + c] /= kofn_code_row_norm(code, tasks[i]);
        }
        double *target = new_dense_targets(code);
        const kofn_ridge ridge = {.rows = COUNT,
                                  .cols = Z * Z,
                                  .targets = 1,
                                  .delta = kofn_estimate_delta(code->field, noise),
                                  .row = row,
                                  .target = target};
        assert_ok(kofn_ridge_solve(&ridge, d, &error));
        for (size_t i = 0; i < COUNT; i++)
            d[i] /= kofn_code_row_norm(code, tasks[i]);
        const kofn_decode_plan whole = {.targets = 1, .used = COUNT, .task = tasks, .coef = d};
        kofn_decode_plan merged = estimate_of(code, tasks, COUNT, noise);
        const double expected = (double)objective(code, &whole, noise);
        assert_true(merged.estimate);
        /* near 1, rows agree to rounding: D is off by a few units of 2^-53, and delta is 8 of
         * them */
        assert_at_most(fabs((double)objective(code, &merged, noise) - expected),
                       (round % 2 ? 0.25 : 1e-9) * expected);
        kofn_decode_plan_fini(&merged);
        free(target);
        kofn_code_destroy(&code);
    }
}

/* 400 blocks: 160,000 columns are too many to solve for, their 799 powers are not. */
static void
merging_makes_large_inner_splits_feasible(void **state)
{
    (void)state;
    enum { Z = 400 };
    kofn_error error;
    kofn_target_index index;
    kofn_code *code = new_dot("f64", Z, Z, 1, KOFN_ESTIMATE_BALANCED);
    size_t *tasks = malloc(Z * sizeof *tasks);
    assert_ok(kofn_target_index_init(&index, code, &error));
    for (size_t i = 0; i < Z; i++) {
        tasks[i] = i;
        fill_dot(code, i, 1 + code->point[i] / 4);
    }
    kofn_decode_plan plan = balanced_of(&index, tasks, Z, 1e-14);
    assert_true(plan.estimate && plan.truncation > 0);
    assert_at_most(plan.truncation, sqrt(Z)); // |R|_F <= |T|_F, or zeros were better
    free(tasks);
    kofn_decode_plan_fini(&plan);
    kofn_target_index_fini(&index);
    kofn_code_destroy(&code);
}

static void
what_plain_answers_give_is_copied(void **state)
{
    (void)state;
    const test_code named = {.family = "rkrp", .partition = "2,2,3", .tasks = 28};
    kofn_code *code = make_code(&named, "f64", 4);
    /* of targets 0 to 2 both block products are there, of the others one or none */
    size_t tasks[TASKS_MAX] = {26}, count = 1;
    for (size_t i = 0; i < code->targets.first[3] + 1; i++)
        for (size_t task = 0; task < code->tasks; task++)
            if (kofn_code_plain_column(code, task) == code->targets.column[i])
                tasks[count++] = task;
    assert_int_equal(count, 1 + 2 * 3 + 1);
    tasks[count++] = 24;
    kofn_decode_plan plan = estimate_of(code, tasks, count, 1e-15);
    size_t copied = 0;
    for (size_t t = 0; t < plan.targets; t++) {
        size_t plain = 0, coded = 0;
        for (size_t u = 0; u < plan.used; u++) {
            const double coef = plan.coef[t * plan.used + u];
            if (kofn_code_plain_column(code, plan.task[u]) == SIZE_MAX)
                coded += coef != 0;
            else
                plain += coef == 1;
        }
        copied += plain == 2 && coded == 0;
    }
    assert_true(plan.estimate);
    assert_int_equal(copied, 3); // those of which both products are there
    kofn_decode_plan_fini(&plan);
    kofn_code_destroy(&code);
}

/* ---- interpolation --------------------------------------------------------------------------- */

static quad
quad_abs(quad x)
{
    return x < 0 ? -x : x;
}

/* Coefficients of the Lagrange polynomial of point u, in quadruple precision; `absolute`: of the
 * products of |x| + |x_j|, which say how much they may suffer. */
static void
quad_lagrange(const double *point, size_t count, size_t u, bool absolute, quad *q)
{
    for (size_t p = 0; p < count; p++)
        q[p] = p == 0;
    for (size_t j = 0; j < count; j++) {
        const quad across = (quad)point[u] - point[j];
        const quad root = absolute ? -quad_abs(point[j]) : (quad)point[j];
        if (j == u)
            continue;
        for (size_t p = count - 1; p > 0; p--)
            q[p] = (q[p - 1] - root * q[p]) / (absolute ? quad_abs(across) : across);
        q[0] = -root * q[0] / (absolute ? quad_abs(across) : across);
    }
}

static void
interpolation_agrees_with_quadruple_precision(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(36), 0);
    for (int round = 0; round < 60; round++) {
        const size_t z = 2 + kofn_rng_below(&rng, 18), n = 2 * z;
        const double gamma = pow(10, (double)kofn_rng_below(&rng, 6));
        kofn_code *code = new_dot("f64", z, n, gamma, KOFN_ESTIMATE_INTERPOLATION);
        kofn_error error;
        kofn_target_index index;
        size_t tasks[TASKS_MAX], count = z + kofn_rng_below(&rng, z);
        double point[TASKS_MAX];
        for (size_t i = 0; i < n; i++)
            tasks[i] = i;
        shuffle(&rng, tasks, n);
        for (size_t i = 0; i < count; i++)
            point[i] = code->point[tasks[i]];
        assert_ok(kofn_target_index_init(&index, code, &error));
        kofn_decode_plan plan;
        const kofn_estimate_input in = {
            .index = &index, .tasks = tasks, .count = count, .noise = 1e-15};
        assert_ok(kofn_estimate_interpolated(&in, &plan, &error));
        for (size_t u = 0, at = 0; u < count; u++) {
            quad exact[TASKS_MAX], suffers[TASKS_MAX];
            quad_lagrange(point, count, u, false, exact);
            quad_lagrange(point, count, u, true, suffers);
            const bool used = at < plan.used && plan.task[at] == tasks[u];
            const double d = used ? plan.coef[at++] : 0;
            assert_at_most((double)quad_abs(exact[z - 1] - d),
                           4 * (double)count * 0x1p-53 * (double)suffers[z - 1]);
        }
        kofn_decode_plan_fini(&plan);
        kofn_target_index_fini(&index);
        kofn_code_destroy(&code);
    }
}

static void
interpolation_wants_powers_that_a_double_holds(void **state)
{
    (void)state;
    kofn_error error;
    kofn_decode_plan plan;
    kofn_code *code =
        make_code(&(test_code){.family = "rkrp", .partition = "2,1,2", .tasks = 8}, "f64", 1);
    code->estimator = KOFN_ESTIMATE_INTERPOLATION;
    kofn_decoder *d = new_decoder(code, (const size_t[]){5}, 1);
    assert_fails(kofn_decoder_estimate(d, 1e-15, &plan, &error), KOFN_FAILED_PRECONDITION);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);

    code = new_dot("f64", 5, 9, 1e100, KOFN_ESTIMATE_INTERPOLATION);
    d = new_decoder(code, (const size_t[]){0, 1, 2, 3, 5}, 5);
    assert_fails(kofn_decoder_estimate(d, 1e-15, &plan, &error), KOFN_FAILED_PRECONDITION);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

/* ---- which plan it is ------------------------------------------------------------------------ */

static void
a_set_that_decodes_well_is_decoded_exactly(void **state)
{
    (void)state;
    kofn_code *code = new_dot("f64", 3, 7, 1, KOFN_ESTIMATE_BALANCED);
    const size_t tasks[] = {6, 0, 4, 2, 5, 1};
    for (size_t count = 1; count <= 6; count++) {
        kofn_decode_plan plan = estimate_of(code, tasks, count, 1e-15);
        assert_int_equal(plan.estimate, count < 5);
        assert_true(count < 5 ? plan.truncation > 1e-2 : plan.truncation == 0);
        kofn_decode_plan_fini(&plan);
    }
    kofn_code_destroy(&code);
}

static void
a_set_that_decodes_badly_is_estimated(void **state)
{
    (void)state;
    static const size_t tasks[] = {0, 6, 7, 4, 3};
    kofn_code *code = new_dot("f64", 4, 9, 5.5e5, KOFN_ESTIMATE_INTERPOLATION);
    code->enough = code->threshold; // no promise: the state is believed
    kofn_error error;
    kofn_decode_plan exact, plan;
    kofn_decoder *d = new_decoder(code, tasks, 5);
    assert_int_equal(kofn_decoder_get_state(d),
                     KOFN_DECODE_POOR); // higher powers pass for rounding
    assert_ok(kofn_decoder_plan(d, 5e-15, &exact, &error));
    assert_ok(kofn_decoder_estimate(d, 5e-15, &plan, &error));
    assert_true(plan.estimate);
    assert_at_most(1e2, bound_of(&exact)); // worthless, and it says so
    assert_at_most(bound_of(&plan), 2);
    kofn_decode_plan_fini(&exact);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

static void
what_seems_to_decode_below_the_threshold_is_an_estimate_where_these_are_promised(void **state)
{
    (void)state;
    static const size_t tasks[] = {0, 2, 5};
    for (int i = 0; i < 2; i++) {
        kofn_code *code = new_dot("f64", 3, 6, 7e4, (kofn_estimator)i);
        kofn_decoder *d = new_decoder(code, tasks, 3);
        assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_POOR);
        kofn_decoder_destroy(&d);
        kofn_decode_plan plan = estimate_of(code, tasks, 3, 5e-15);
        assert_true(plan.estimate && plan.truncation > 0);
        const double *x = code->point; // interpolation: 1 over the differences to the others
        const double expected = 1 / ((x[0] - x[2]) * (x[0] - x[5]));
        assert_at_most(fabs(plan.coef[0] - expected), (i ? 1e-14 : 0.2) * fabs(expected));
        kofn_decode_plan_fini(&plan);
        kofn_code_destroy(&code);
    }
}

static void
there_is_no_estimate_without_answers_or_in_an_exact_field(void **state)
{
    (void)state;
    kofn_error error;
    kofn_decode_plan plan;
    kofn_code *code = make_code(&(test_code){.family = "uncoded", .partition = "2,1,1"}, "f64", 1);
    kofn_decoder *d = new_decoder(code, NULL, 0);
    assert_fails(kofn_decoder_estimate(d, 1e-15, &plan, &error), KOFN_FAILED_PRECONDITION);
    kofn_decoder_destroy(&d);

    kofn_field exact = *code->field;
    exact.epsilon = 0;
    code->field = &exact;
    kofn_coding coding;
    kofn_coding_init(&coding, code, (kofn_shape){.rows = 2, .inner = 2, .cols = 2}, false, false);
    assert_true(kofn_coding_get_noise(&coding) == 0);
    d = new_decoder(code, (const size_t[]){1}, 1);
    assert_fails(kofn_decoder_estimate(d, 0, &plan, &error), KOFN_FAILED_PRECONDITION);
    assert_ok(kofn_decoder_add(d, 0, &error));
    assert_ok(kofn_decoder_estimate(d, 0, &plan, &error));
    assert_false(plan.estimate);
    assert_true(bound_of(&plan) == 0);
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

static void
an_estimate_that_is_too_large_is_refused(void **state)
{
    (void)state;
    enum { SIDE = 64, TASKS = 3000 };
    kofn_error error;
    kofn_code *code;
    kofn_decode_plan plan;
    kofn_rng rng;
    kofn_rng_init(&rng, 1, 0);
    assert_ok(kofn_code_alloc("large", kofn_field_find("f64"),
                              (kofn_partition){.x = SIDE, .z = 1, .y = SIDE}, TASKS, &code,
                              &error));
    for (size_t o = 0; o < 2; o++)
        for (size_t i = 0; i < (size_t)TASKS * SIDE; i++)
            code->e[o].at[i] = kofn_rng_normal(&rng);
    code->threshold = SIDE * SIDE;
    kofn_code_seal(code);
    kofn_decoder *d = new_decoder(code, NULL, 0);
    for (size_t task = 0; task < TASKS; task++)
        assert_ok(kofn_decoder_add(d, task, &error));
    assert_fails(kofn_decoder_estimate(d, 1e-15, &plan, &error), KOFN_RESOURCE_EXHAUSTED);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

/* ---- second opinions ------------------------------------------------------------------------- */

static void
a_second_opinion_does_without_the_weightiest_answer(void **state)
{
    (void)state;
    kofn_error error;
    kofn_decode_plan plan, other;
    const test_code named = {.family = "polynomial", .partition = "2,1,2", .tasks = 7};
    kofn_code *code = make_code(&named, "f64", 1);
    kofn_decoder *d = new_decoder(code, (const size_t[]){0, 1, 2, 4}, 4);
    assert_ok(kofn_decoder_plan(d, 1e-15, &plan, &error));
    assert_fails(kofn_decoder_second_opinion(d, 1e-15, &plan, &other, &error),
                 KOFN_FAILED_PRECONDITION); // no answer to spare
    assert_ok(kofn_decoder_add(d, 5, &error));
    assert_ok(kofn_decoder_second_opinion(d, 1e-15, &plan, &other, &error));
    assert_false(other.estimate);
    double share[7] = {0};
    size_t most = 0;
    for (size_t u = 0; u < plan.used; u++)
        for (size_t t = 0; t < plan.targets; t++)
            share[plan.task[u]] +=
                fabs(plan.coef[t * plan.used + u]) * kofn_code_row_norm(code, plan.task[u]);
    for (size_t i = 0; i < 7; i++)
        most = share[i] > share[most] ? i : most;
    for (size_t u = 0; u < other.used; u++)
        assert_int_not_equal(other.task[u], most);
    kofn_decode_plan_fini(&plan);
    kofn_decode_plan_fini(&other);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

static void
an_estimate_without_anything_to_spare_has_no_second_opinion(void **state)
{
    (void)state;
    kofn_error error;
    kofn_decode_plan plan, other;
    kofn_code *code = new_dot("f64", 3, 7, 100, KOFN_ESTIMATE_BALANCED);
    kofn_decoder *d = new_decoder(code, (const size_t[]){0, 2, 4}, 3);
    assert_ok(kofn_decoder_estimate(d, 1e-15, &plan, &error));
    assert_fails(kofn_decoder_second_opinion(d, 1e-15, &plan, &other, &error),
                 KOFN_FAILED_PRECONDITION);
    kofn_decode_plan_fini(&plan);
    assert_ok(kofn_decoder_add(d, 6, &error));
    assert_ok(kofn_decoder_estimate(d, 1e-15, &plan, &error));
    assert_ok(kofn_decoder_second_opinion(d, 1e-15, &plan, &other, &error));
    assert_true(other.estimate && bound_of(&other) > bound_of(&plan) && bound_of(&other) < 1);
    kofn_decode_plan_fini(&plan);
    kofn_decode_plan_fini(&other);
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_hold_for_every_family_and_random_sets),
        cmocka_unit_test(bounds_hold_for_points_of_every_scale),
        cmocka_unit_test(truncation_is_reached_by_the_worst_operands),
        cmocka_unit_test(lost_blocks_cost_no_more_than_the_whole),
        cmocka_unit_test(another_answer_never_raises_the_minimum),
        cmocka_unit_test(merged_columns_have_the_same_minimum),
        cmocka_unit_test(merging_makes_large_inner_splits_feasible),
        cmocka_unit_test(what_plain_answers_give_is_copied),
        cmocka_unit_test(interpolation_agrees_with_quadruple_precision),
        cmocka_unit_test(interpolation_wants_powers_that_a_double_holds),
        cmocka_unit_test(a_set_that_decodes_well_is_decoded_exactly),
        cmocka_unit_test(a_set_that_decodes_badly_is_estimated),
        cmocka_unit_test(
            what_seems_to_decode_below_the_threshold_is_an_estimate_where_these_are_promised),
        cmocka_unit_test(there_is_no_estimate_without_answers_or_in_an_exact_field),
        cmocka_unit_test(an_estimate_that_is_too_large_is_refused),
        cmocka_unit_test(a_second_opinion_does_without_the_weightiest_answer),
        cmocka_unit_test(an_estimate_without_anything_to_spare_has_no_second_opinion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
