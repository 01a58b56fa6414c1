#include "common/code/points.h"
#include "tests/unit/code_brute.h"

typedef struct job {
    kofn_code *code;
    kofn_coding coding;
    kofn_bands a, b, blocks[2][16], answers[16];
} job;

static void
start_job(job *j, const test_code *t, const char *field, kofn_shape shape, bool ta, bool tb)
{
    j->code = make_code(t, field, 5);
    kofn_coding_init(&j->coding, j->code, shape, ta, tb);
    const kofn_dtype dtype = j->code->field->dtype;
    j->a = new_matrix(dtype, ta ? shape.inner : shape.rows, ta ? shape.rows : shape.inner);
    j->b = new_matrix(dtype, tb ? shape.cols : shape.inner, tb ? shape.inner : shape.cols);
    kofn_rng rng;
    kofn_rng_init(&rng, 99, 0);
    fill_drawn(j->code->field, &j->a, &rng);
    fill_drawn(j->code->field, &j->b, &rng);
    for (size_t o = 0; o < 2; o++) {
        size_t rows, cols;
        kofn_coding_block_shape(&j->coding, o, &rows, &cols);
        for (size_t i = 0; i < j->code->tasks; i++)
            j->blocks[o][i] = new_matrix(dtype, rows, cols);
    }
}

static void
encode_job(job *j)
{
    kofn_error error;
    size_t tasks[16];
    for (size_t i = 0; i < j->code->tasks; i++)
        tasks[i] = i;
    for (size_t o = 0; o < 2; o++)
        assert_ok(kofn_coding_encode(&j->coding, o, o ? &j->b : &j->a, j->code->tasks, tasks,
                                     j->blocks[o], &error));
    for (size_t i = 0; i < j->code->tasks; i++) {
        j->answers[i] = new_matrix(j->a.dtype, j->coding.part.rows, j->coding.part.cols);
        naive_multiply_over(j->code->field, &j->blocks[0][i], j->coding.transposed[0],
                            &j->blocks[1][i], j->coding.transposed[1], &j->answers[i]);
    }
}

/* C from the answers of these tasks, in as many pieces as there are rows and one that is empty. */
static kofn_bands
decode_job(const job *j, const size_t *tasks, size_t count)
{
    kofn_error error;
    kofn_decoder *d;
    kofn_decode_plan plan;
    const kofn_bands *answers[16];
    assert_ok(kofn_decoder_new(j->code, INFINITY, &d, &error));
    for (size_t i = 0; i < count; i++)
        assert_ok(kofn_decoder_add(d, tasks[i], &error));
    assert_ok(kofn_decoder_plan(d, 0x1p-53, &plan, &error));
    for (size_t u = 0; u < plan.used; u++)
        answers[u] = &j->answers[plan.task[u]];
    kofn_bands c = new_matrix(j->a.dtype, j->coding.shape.rows, j->coding.shape.cols);
    for (size_t row = 0; row <= j->coding.part.rows; row++) {
        const kofn_range piece = {.first = row, .end = row < j->coding.part.rows ? row + 1 : row};
        assert_ok(kofn_coding_decode(&j->coding, &plan, answers, piece, &c, &error));
    }
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    return c;
}

static void
end_job(job *j)
{
    for (size_t i = 0; i < j->code->tasks; i++) {
        free_matrix(&j->blocks[0][i]);
        free_matrix(&j->blocks[1][i]);
        if (j->answers[i].count > 0)
            free_matrix(&j->answers[i]);
    }
    free_matrix(&j->a);
    free_matrix(&j->b);
    kofn_code_destroy(&j->code);
}

static const test_code rkrp = {.family = "rkrp", .partition = "2,1,3", .tasks = 8};

static void
operands_stored_transposed_are_coded_as_they_are_stored(void **state)
{
    (void)state;
    static const test_code codes[] = {
        {.family = "rkrp", .partition = "2,1,3", .tasks = 8},
        {.family = "rkrp", .partition = "2,2,1", .tasks = 9},
        {.family = "uncoded", .partition = "2,3,2"},
    };
    for (size_t i = 0; i < 3; i++)
        for (int turned = 0; turned < 4; turned++) {
            job j = {0};
            const bool ta = turned & 1, tb = turned & 2;
            start_job(&j, &codes[i], "f64", (kofn_shape){.rows = 5, .inner = 7, .cols = 8}, ta, tb);
            encode_job(&j);
            size_t tasks[16], count = 0; // the last ones, so that coded tasks take part
            for (size_t t = j.code->tasks - j.code->threshold; t < j.code->tasks; t++)
                tasks[count++] = t;
            kofn_bands c = decode_job(&j, tasks, count);
            /* terms: 7 inner, up to 12 blocks, 12 answers; 1e4: amplification of these sets at
             * most */
            assert_at_most(residual_of(&j.a, ta, &j.b, tb, &c),
                           31 * 0x1p-53 * 1e4 * norm_of(&j.a) * norm_of(&j.b));
            free_matrix(&c);
            end_job(&j);
        }
}

static void
finite_fields_give_back_the_very_product(void **state)
{
    (void)state;
    static const test_code codes[] = {
        {.family = "polynomial", .partition = "2,1,3", .tasks = 8},
        {.family = "polydot", .partition = "2,2,1", .tasks = 7},
        {.family = "replication", .partition = "1,3,2"},
    };
    static const char *const fields[] = {"gf16", "gf256", "gfp:11", "gfp:65537", "gfp:2147483647"};
    for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++)
        for (size_t i = 0; i < 12; i++) {
            job j = {0};
            const bool ta = i & 1, tb = i & 2;
            start_job(&j, &codes[i / 4], fields[f], (kofn_shape){.rows = 5, .inner = 7, .cols = 8},
                      ta, tb);
            encode_job(&j);
            size_t tasks[16], count = 1;
            tasks[0] = 0; // the point 0: a plain task for polynomials
            for (size_t t = j.code->tasks - j.code->threshold + 1; t < j.code->tasks; t++)
                tasks[count++] = t;
            kofn_bands c = decode_job(&j, tasks, count);
            assert_int_equal(count_wrong(j.code->field, &j.a, ta, &j.b, tb, &c), 0);
            free_matrix(&c);
            end_job(&j);
        }
}

static void
a_plain_task_is_its_block_with_zeros_where_it_ends(void **state)
{
    (void)state;
    job j = {0};
    start_job(&j, &rkrp, "f64", (kofn_shape){.rows = 5, .inner = 2, .cols = 7}, false, false);
    encode_job(&j);
    for (size_t task = 0; task < 6; task++) {
        const size_t row = task / 3, col = task % 3; // blocks are 3 x 2 of A, 2 x 3 of B
        for (size_t r = 0; r < 3; r++)
            for (size_t c = 0; c < 2; c++)
                assert_true(element_get(only_mat(&j.blocks[0][task]), r, c) ==
                            (row * 3 + r < 5 ? element_get(only_mat(&j.a), row * 3 + r, c) : 0));
        for (size_t r = 0; r < 2; r++)
            for (size_t c = 0; c < 3; c++)
                assert_true(element_get(only_mat(&j.blocks[1][task]), r, c) ==
                            (col * 3 + c < 7 ? element_get(only_mat(&j.b), r, col * 3 + c) : 0));
    }
    end_job(&j);
}

/* Plain answers are copied into the product bit by bit, whatever else is mixed there. */
static void
a_nan_stays_in_its_own_rows_when_nothing_is_lost(void **state)
{
    (void)state;
    job j = {0};
    start_job(&j, &rkrp, "f64", (kofn_shape){.rows = 6, .inner = 4, .cols = 6}, false, false);
    element_set(only_mat(&j.a), 4, 1, NAN);
    encode_job(&j);
    kofn_bands c = decode_job(&j, (const size_t[]){5, 3, 1, 0, 2, 4}, 6);
    for (size_t r = 0; r < 6; r++)
        for (size_t col = 0; col < 6; col++)
            assert_int_equal(isnan(element_get(only_mat(&c), r, col)) != 0, r == 4);
    free_matrix(&c);

    /* With a task of the clean half lost, its half is mended from mixtures: the NAN gets there. */
    c = decode_job(&j, (const size_t[]){5, 3, 1, 7, 2, 4}, 6);
    assert_true(isnan(element_get(only_mat(&c), 1, 0)));
    assert_false(isnan(element_get(only_mat(&c), 1, 2))); // but not into what was copied
    free_matrix(&c);
    end_job(&j);
}

static void
coding_one_task_at_a_time_gives_the_same_bits(void **state)
{
    (void)state;
    kofn_error error;
    job all = {0}, one = {0};
    const kofn_shape shape = {.rows = 5, .inner = 7, .cols = 8};
    start_job(&all, &rkrp, "f32", shape, false, true);
    start_job(&one, &rkrp, "f32", shape, false, true);
    encode_job(&all);
    for (size_t task = 0; task < 8; task++)
        for (size_t o = 0; o < 2; o++) {
            assert_ok(kofn_coding_encode(&one.coding, o, o ? &one.b : &one.a, 1, &task,
                                         &one.blocks[o][task], &error));
            const kofn_mat *x = only_mat(&one.blocks[o][task]);
            const kofn_mat *y = only_mat(&all.blocks[o][task]);
            assert_memory_equal(x->data, y->data, x->rows * x->cols * sizeof(float));
        }
    end_job(&all);
    end_job(&one);
}

/* As a matrix arrives in frames: bands of one row each. */
static kofn_bands
in_bands_of_one_row(const kofn_bands *from)
{
    kofn_error error;
    kofn_bands bands;
    const size_t row_bytes = from->cols * kofn_dtype_width(from->dtype);
    kofn_bands_init(&bands, from->dtype, from->rows, from->cols);
    for (size_t r = 0; r < from->rows; r++) {
        kofn_mat row =
            kofn_mat_wrap((char *)only_mat(from)->data + r * row_bytes, from->dtype, 1, from->cols);
        assert_ok(kofn_bands_append(&bands, &row, NULL, 0, &error));
    }
    return bands;
}

static void
matrices_in_bands_are_coded_like_whole_ones(void **state)
{
    (void)state;
    kofn_error error;
    job whole = {0}, cut = {0};
    const kofn_shape shape = {.rows = 5, .inner = 7, .cols = 8};
    start_job(&whole, &rkrp, "f64", shape, false, false);
    start_job(&cut, &rkrp, "f64", shape, false, false);
    encode_job(&whole);
    for (size_t o = 0; o < 2; o++) {
        kofn_bands operand = in_bands_of_one_row(o ? &cut.b : &cut.a);
        for (size_t task = 0; task < 8; task++) {
            kofn_bands block = in_bands_of_one_row(&cut.blocks[o][task]);
            assert_ok(kofn_coding_encode(&cut.coding, o, &operand, 1, &task, &block, &error));
            const kofn_mat *x = only_mat(&whole.blocks[o][task]);
            assert_memory_equal(x->data, only_mat(&cut.blocks[o][task])->data,
                                x->rows * x->cols * sizeof(double));
            kofn_bands_fini(&block);
        }
        kofn_bands_fini(&operand);
    }
    end_job(&whole);
    end_job(&cut);
}

static void
empty_products_are_coded(void **state)
{
    (void)state;
    static const kofn_shape empty[] = {
        {.rows = 0, .inner = 3, .cols = 4},
        {.rows = 3, .inner = 0, .cols = 4},
        {.rows = 3, .inner = 2, .cols = 0},
        {.rows = 0, .inner = 0, .cols = 0},
    };
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        job j = {0};
        start_job(&j, &rkrp, "f64", empty[i], false, false);
        encode_job(&j);
        kofn_bands c = decode_job(&j, (const size_t[]){7, 6, 1, 0, 2, 4}, 6);
        assert_true(norm_of(&c) == 0);
        free_matrix(&c);
        end_job(&j);
    }
}

static void
matrices_of_the_wrong_shape_are_refused(void **state)
{
    (void)state;
    kofn_error error;
    job j = {0};
    start_job(&j, &rkrp, "f64", (kofn_shape){.rows = 5, .inner = 7, .cols = 8}, false, false);
    encode_job(&j);
    const size_t task = 6;
    kofn_bands tall = new_matrix(KOFN_F64, 6, 7), narrow = new_matrix(KOFN_F64, 3, 6);
    kofn_bands single = new_matrix(KOFN_F32, 5, 7), missing;
    kofn_bands_init(&missing, KOFN_F64, 5, 7);
    const kofn_bands *const wrong[] = {&tall, &single, &missing, &j.b};
    for (size_t i = 0; i < 4; i++)
        assert_fails(kofn_coding_encode(&j.coding, 0, wrong[i], 1, &task, &j.blocks[0][6], &error),
                     KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_coding_encode(&j.coding, 0, &j.a, 1, &task, &narrow, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "task 6"));
    kofn_bands low = new_matrix(KOFN_F64, 2, 7);
    assert_fails(kofn_coding_encode(&j.coding, 0, &j.a, 1, &task, &low, &error),
                 KOFN_INVALID_ARGUMENT);
    free_matrix(&low);

    double coef[6] = {0};
    size_t tasks[] = {6};
    const kofn_decode_plan plan = {.targets = 6, .used = 1, .task = tasks, .coef = coef};
    const kofn_bands *answer = &narrow;
    kofn_bands c = new_matrix(KOFN_F64, 5, 8);
    assert_fails(
        kofn_coding_decode(&j.coding, &plan, &answer, kofn_coding_all_rows(&j.coding), &c, &error),
        KOFN_INVALID_ARGUMENT);
    answer = &j.answers[6];
    assert_fails(kofn_coding_decode(&j.coding, &plan, &answer, kofn_coding_all_rows(&j.coding),
                                    &tall, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_ok(
        kofn_coding_decode(&j.coding, &plan, &answer, kofn_coding_all_rows(&j.coding), &c, &error));
    free_matrix(&tall);
    free_matrix(&narrow);
    free_matrix(&single);
    free_matrix(&c);
    end_job(&j);
}

/* ---- what a result is worth ------------------------------------------------------------------ */

/* Element of what a task multiplies, were there no rounding. */
static long double
coded_element(const job *j, size_t operand, size_t task, size_t row, size_t col)
{
    const kofn_grid grid = j->code->grid[operand];
    const kofn_bands *of = operand ? &j->b : &j->a;
    size_t rows, cols;
    kofn_coding_block_shape(&j->coding, operand, &rows, &cols);
    const double *e = kofn_code_get_row(j->code, operand, task);
    long double sum = 0;
    for (size_t r = 0; r < grid.rows; r++)
        for (size_t c = 0; c < grid.cols; c++)
            if (r * rows + row < of->rows && c * cols + col < of->cols)
                sum += (long double)e[r * grid.cols + c] *
                       element_get(only_mat(of), r * rows + row, c * cols + col);
    return sum;
}

/* |C~ - C~'| of every task, C~' from long double throughout. */
static void
noise_bounds_the_rounding_of_every_answer(void **state)
{
    (void)state;
    static const test_code codes[] = {
        {.family = "uncoded", .partition = "2,2,1"},
        {.family = "polynomial", .partition = "2,1,2", .tasks = 6},
        {.family = "rkrp", .partition = "2,2,1", .tasks = 9, .set = "systematic=no"},
    };
    for (size_t i = 0; i < 6; i++) {
        job j = {0};
        const size_t inner = 1 + 29 * i;
        start_job(&j, &codes[i % 3], i < 3 ? "f32" : "f64",
                  (kofn_shape){.rows = 5, .inner = inner, .cols = 6}, false, false);
        encode_job(&j);
        const size_t part = j.coding.part.inner;
        for (size_t task = 0; task < j.code->tasks; task++) {
            long double sum = 0;
            for (size_t r = 0; r < j.coding.part.rows; r++)
                for (size_t c = 0; c < j.coding.part.cols; c++) {
                    long double exact = 0;
                    for (size_t k = 0; k < part; k++)
                        exact +=
                            coded_element(&j, 0, task, r, k) * coded_element(&j, 1, task, k, c);
                    sum += powl(element_get(only_mat(&j.answers[task]), r, c) - exact, 2);
                }
            assert_at_most((double)sqrtl(sum), kofn_coding_get_noise(&j.coding) *
                                                   kofn_code_row_norm(j.code, task) *
                                                   norm_of(&j.a) * norm_of(&j.b));
        }
        /* plain tasks: nothing but the inner products; others, terms of both blocks as well */
        const size_t blocks = j.code->e[0].cols + 1 + j.code->e[1].cols + 1;
        assert_true(kofn_coding_get_noise(&j.coding) ==
                    expm1((double)(part + (i % 3 ? blocks : 0)) * j.code->field->epsilon));
        end_job(&j);
    }
}

/* The estimate of the first `count` answers, in the order of nodes if there are some, and a second
 * opinion. */
static void
plan_both(const job *j, size_t count, kofn_decode_plan *plan, kofn_decode_plan *other)
{
    kofn_error error;
    kofn_decoder *d;
    const double noise = kofn_coding_get_noise(&j->coding);
    assert_ok(kofn_decoder_new(j->code, 0, &d, &error));
    for (size_t i = 0, task = j->code->tasks; i < count; i++) {
        task = j->code->point ? kofn_points_scatter(j->code->tasks, task) : i;
        assert_ok(kofn_decoder_add(d, task, &error));
    }
    assert_ok(kofn_decoder_estimate(d, noise, plan, &error));
    assert_ok(kofn_decoder_second_opinion(d, noise, plan, other, &error));
    kofn_decoder_destroy(&d);
}

static kofn_bands
decode_plan(const job *j, const kofn_decode_plan *plan)
{
    kofn_error error;
    const kofn_bands *answers[16];
    for (size_t u = 0; u < plan->used; u++)
        answers[u] = &j->answers[plan->task[u]];
    kofn_bands c = new_matrix(j->a.dtype, j->coding.shape.rows, j->coding.shape.cols);
    assert_ok(kofn_coding_decode(&j->coding, plan, answers, kofn_coding_all_rows(&j->coding), &c,
                                 &error));
    return c;
}

/* |C - C'| / |C| over rows first, first + step, ... of each block of `height` rows. */
static double
difference(const kofn_bands *c, const kofn_bands *other, size_t height, const bool *rows)
{
    double whole = 0, left = 0;
    for (size_t i = 0; i < c->rows; i++)
        for (size_t j = 0; j < c->cols && rows[i % height]; j++) {
            const double one = element_get(only_mat(c), i, j);
            whole = hypot(whole, one);
            left = hypot(left, one - element_get(only_mat(other), i, j));
        }
    return left / whole;
}

/* `count` answers are one more than an estimate needs; blocks of the product have `height` rows. */
static void
check_disagreement(const test_code *named, const char *field, size_t count, size_t height)
{
    kofn_error error;
    job j = {0};
    kofn_decode_plan plan, other;
    start_job(&j, named, field, (kofn_shape){.rows = 9, .inner = 8, .cols = 5}, false, false);
    encode_job(&j);
    plan_both(&j, count, &plan, &other);
    kofn_bands c = decode_plan(&j, &plan), without = decode_plan(&j, &other);
    /* D - D' is rounded once where D and D' are twice; at such points that is little */
    const double rounding = 16 * sqrt(j.code->field->epsilon);
    for (size_t sample = 1; sample <= height + 2; sample++) {
        const size_t looks = sample < height ? sample : height;
        bool rows[16] = {false}; // of a block
        double relative;
        for (size_t i = 0; i < looks; i++)
            rows[i * height / looks] = true;
        assert_ok(
            kofn_coding_disagree(&j.coding, &plan, &other, j.answers, sample, &relative, &error));
        const double expected = difference(&c, &without, height, rows);
        assert_true(expected > 1e-4);
        assert_at_most(fabs(relative - expected), rounding * expected);
    }
    free_matrix(&c);
    free_matrix(&without);
    kofn_decode_plan_fini(&plan);
    kofn_decode_plan_fini(&other);
    end_job(&j);
}

static void
plans_disagree_as_what_they_make_does(void **state)
{
    (void)state;
    check_disagreement(
        &(test_code){.family = "eps_polydot", .partition = "2,3,1", .tasks = 9, .set = "gamma=8"},
        "f64", 7, 5);
    check_disagreement(
        &(test_code){.family = "eps_matdot", .partition = "1,3,1", .tasks = 6, .set = "gamma=10"},
        "f32", 4, 9);
}

static double
disagreement(const job *j, const kofn_decode_plan *plan, const kofn_decode_plan *other)
{
    kofn_error error;
    double relative;
    assert_ok(kofn_coding_disagree(&j->coding, plan, other, j->answers, 100, &relative, &error));
    return relative;
}

/* The answer that only the first plan uses. */
static size_t
find_missing(const kofn_decode_plan *plan, const kofn_decode_plan *other)
{
    for (size_t u = 0; u < plan->used; u++) {
        size_t at = 0;
        while (at < other->used && other->task[at] != plan->task[u])
            at++;
        if (at == other->used)
            return plan->task[u];
    }
    fail_msg("the second opinion leans on the same answers");
    return 0;
}

static void
a_spoilt_answer_is_seen_when_there_is_one_to_spare(void **state)
{
    (void)state;
    job j = {0};
    kofn_decode_plan plan, other;
    start_job(&j, &rkrp, "f64", (kofn_shape){.rows = 4, .inner = 3, .cols = 9}, false, false);
    encode_job(&j);
    plan_both(&j, 8, &plan, &other);
    assert_false(plan.estimate || other.estimate);
    assert_at_most(disagreement(&j, &plan, &other), 1e-13);
    assert_true(disagreement(&j, &plan, &plan) == 0);
    const size_t leaned = find_missing(&plan, &other);
    kofn_mat *answer = only_mat(&j.answers[leaned]);
    element_set(answer, 1, 1, element_get(answer, 1, 1) + 1);
    assert_true(disagreement(&j, &plan, &other) > 1e-2);
    element_set(answer, 1, 1, NAN);
    assert_true(disagreement(&j, &plan, &other) == INFINITY);
    for (size_t task = 0; task < 8; task++)
        memset(only_mat(&j.answers[task])->data, 0, 2 * 3 * sizeof(double));
    assert_true(disagreement(&j, &plan, &other) == 0);

    kofn_error error;
    double relative;
    const kofn_bands whole = j.answers[leaned];
    j.answers[leaned] = j.a;
    assert_fails(kofn_coding_disagree(&j.coding, &plan, &other, j.answers, 1, &relative, &error),
                 KOFN_INVALID_ARGUMENT);
    j.answers[leaned] = whole;
    kofn_decode_plan_fini(&plan);
    kofn_decode_plan_fini(&other);
    end_job(&j);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operands_stored_transposed_are_coded_as_they_are_stored),
        cmocka_unit_test(finite_fields_give_back_the_very_product),
        cmocka_unit_test(a_plain_task_is_its_block_with_zeros_where_it_ends),
        cmocka_unit_test(a_nan_stays_in_its_own_rows_when_nothing_is_lost),
        cmocka_unit_test(coding_one_task_at_a_time_gives_the_same_bits),
        cmocka_unit_test(matrices_in_bands_are_coded_like_whole_ones),
        cmocka_unit_test(empty_products_are_coded),
        cmocka_unit_test(matrices_of_the_wrong_shape_are_refused),
        cmocka_unit_test(noise_bounds_the_rounding_of_every_answer),
        cmocka_unit_test(plans_disagree_as_what_they_make_does),
        cmocka_unit_test(a_spoilt_answer_is_seen_when_there_is_one_to_spare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
