#include "common/code/projection.h"
#include "tests/unit/answers_rig.h"

#include <float.h>

static void
start_check(job *j)
{
    kofn_error error;
    kofn_bands cuts[2] = {cut(&j->operand[0]), cut(&j->operand[1])};
    kofn_freivalds_destroy(&j->check);
    const kofn_freivalds_operand operands[] = {{.dense = &cuts[0]}, {.dense = &cuts[1]}};
    assert_ok(kofn_freivalds_new(&j->coding, operands, &j->check, &error));
    for (size_t o = 0; o < 2; o++)
        kofn_bands_fini(&cuts[o]);
}

static void
start_job(job *j, const test_code *t, const char *field, kofn_shape shape, int turned,
          kofn_rng *rng)
{
    make_job(j, t, field, shape, turned, rng);
    answer_all(j);
    start_check(j);
}

static void
end_job(job *j)
{
    kofn_freivalds_destroy(&j->check);
    end_answers(j);
}

static kofn_freivalds_look
look_at(const job *j, size_t task)
{
    kofn_error error;
    kofn_freivalds_look look;
    kofn_bands answer = cut(&j->answer[task]);
    assert_ok(kofn_freivalds_check(j->check, j->code, task, &answer, &look, &error));
    kofn_bands_fini(&answer);
    return look;
}

static kofn_finding
find(const job *j, size_t task, double *ret_off)
{
    const kofn_freivalds_look look = look_at(j, task);
    if (ret_off)
        *ret_off = look.off;
    return look.finding;
}

static const test_code codes[] = {
    {.family = "polynomial", .partition = "2,1,3", .tasks = 8},
    {.family = "polydot", .partition = "2,2,1", .tasks = 7},
    {.family = "matdot", .partition = "1,3,1", .tasks = 7},
    {.family = "uncoded", .partition = "2,3,2"},
};

enum { CODES = sizeof codes / sizeof codes[0] };

static const char *const fields[] = {"f64",    "f32",     "gf256",         "gf16",
                                     "gfp:11", "gfp:257", "gfp:2147483647"};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static void
honest_answers_are_right_however_operands_are_stored(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    for (size_t c = 0; c < CODES; c++)
        for (size_t f = 0; f < FIELDS; f++)
            for (int turned = 0; turned < 4; turned++) {
                job j;
                const kofn_shape shape = {.rows = 1 + kofn_rng_below(&rng, 90),
                                          .inner = 1 + kofn_rng_below(&rng, 150),
                                          .cols = 1 + kofn_rng_below(&rng, 90)};
                start_job(&j, &codes[c], fields[f], shape, turned, &rng);
                for (size_t task = 0; task < j.code->tasks; task++) {
                    double off;
                    assert_int_equal(find(&j, task, &off), KOFN_FINDING_RIGHT);
                    assert_at_most(off, j.code->field->order > 0 ? 0 : 1);
                }
                end_job(&j);
            }
}

static void
long_sums_of_one_sign_are_right(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(2), 0);
    for (size_t f = 0; f < 2; f++) {
        job j;
        make_job(&j, &codes[3], fields[f], (kofn_shape){.rows = 9, .inner = 12000, .cols = 9}, 0,
                 &rng);
        for (size_t o = 0; o < 2; o++)
            for (size_t i = 0; i < j.operand[o].rows; i++)
                for (size_t k = 0; k < j.operand[o].cols; k++)
                    element_set(only_mat(&j.operand[o]), i, k, 0.1);
        answer_all(&j);
        start_check(&j);
        for (size_t task = 0; task < j.code->tasks; task++)
            assert_int_equal(find(&j, task, NULL), KOFN_FINDING_RIGHT);
        end_job(&j);
    }
}

static void
one_wrong_element_is_found(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(3), 0);
    for (size_t c = 0; c < CODES; c++)
        for (size_t f = 0; f < FIELDS; f++)
            for (int turned = 0; turned < 4; turned++) {
                job j;
                start_job(&j, &codes[c], fields[f],
                          (kofn_shape){.rows = 35, .inner = 29, .cols = 31}, turned, &rng);
                const size_t task = kofn_rng_below(&rng, j.code->tasks);
                kofn_mat *mat = only_mat(&j.answer[task]);
                const size_t row = kofn_rng_below(&rng, mat->rows);
                const size_t col = kofn_rng_below(&rng, mat->cols);
                const kofn_field *field = j.code->field;
                element_set(mat, row, col, field->add(field, element_get(mat, row, col), 1));
                double off;
                assert_int_equal(find(&j, task, &off), KOFN_FINDING_WRONG);
                assert_true(off >= 1);
                end_job(&j);
            }
}

/* Answers of another task, which no look at numbers could tell from right ones. */
static void
another_tasks_answer_is_found(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(4), 0);
    for (size_t f = 0; f < FIELDS; f++) {
        job j;
        start_job(&j, &codes[0], fields[f], (kofn_shape){.rows = 20, .inner = 20, .cols = 20}, 0,
                  &rng);
        const kofn_bands moved = j.answer[1];
        j.answer[1] = j.answer[5];
        j.answer[5] = moved;
        assert_int_equal(find(&j, 1, NULL), KOFN_FINDING_WRONG);
        assert_int_equal(find(&j, 5, NULL), KOFN_FINDING_WRONG);
        assert_int_equal(find(&j, 2, NULL), KOFN_FINDING_RIGHT);
        end_job(&j);
    }
}

/* E of rank one is what S and R see least of. */
static void
a_lie_of_the_size_that_the_header_says_is_found(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(5), 0);
    job j;
    start_job(&j, &codes[2], "f64", (kofn_shape){.rows = 40, .inner = 60, .cols = 50}, 0, &rng);
    for (size_t trial = 0; trial < 500; trial++) {
        const size_t task = trial % j.code->tasks;
        kofn_mat *mat = only_mat(&j.answer[task]);
        const size_t row = kofn_rng_below(&rng, mat->rows), col = kofn_rng_below(&rng, mat->cols);
        double e[2] = {0, 0};
        for (size_t o = 0; o < 2; o++)
            for (size_t b = 0; b < j.code->e[o].cols; b++)
                e[o] = hypot(e[o], kofn_code_get_row(j.code, o, task)[b]);
        const double was = element_get(mat, row, col);
        element_set(mat, row, col,
                    was + kofn_freivalds_get_noise(&j.coding) * e[0] * e[1] *
                              norm_of(&j.operand[0]) * norm_of(&j.operand[1]));
        assert_int_equal(find(&j, task, NULL), KOFN_FINDING_WRONG);
        element_set(mat, row, col, was);
        if (trial % 100 == 0)
            start_check(&j); // other secrets
    }
    assert_true(kofn_freivalds_get_noise(&j.coding) > kofn_coding_get_noise(&j.coding));
    assert_at_most(kofn_freivalds_get_noise(&j.coding), 1e-8);
    end_job(&j);
}

/* Element (i, k) of the task's coded block of an operand that is stored as it is multiplied, in
 * doubles. */
static double
coded_element(const job *j, size_t operand, size_t task, size_t i, size_t k)
{
    const kofn_coding *c = &j->coding;
    const double *row = kofn_code_get_row(j->code, operand, task);
    const kofn_grid grid = c->grid[operand];
    const size_t rows = operand == 0 ? c->part.rows : c->part.inner;
    const size_t cols = operand == 0 ? c->part.inner : c->part.cols;
    double sum = 0;
    for (size_t b = 0; b < j->code->e[operand].cols; b++) {
        const size_t at = b / grid.cols * rows + i, across = b % grid.cols * cols + k;
        if (at < j->operand[operand].rows && across < j->operand[operand].cols) // else padding
            sum += row[b] * element_get(only_mat(&j->operand[operand]), at, across);
    }
    return sum;
}

/* |C' - C~|_F of what it answered, over |e_A| |e_B| |A|_F |B|_F. */
static double
measure_wrong(const job *j, size_t task)
{
    const kofn_shape part = j->coding.part;
    double wrong = 0;
    for (size_t i = 0; i < part.rows; i++)
        for (size_t k = 0; k < part.cols; k++) {
            double sum = 0;
            for (size_t m = 0; m < part.inner; m++)
                sum += coded_element(j, 0, task, i, m) * coded_element(j, 1, task, m, k);
            wrong = hypot(wrong, element_get(only_mat(&j->answer[task]), i, k) - sum);
        }
    return wrong /
           (kofn_code_row_norm(j->code, task) * norm_of(&j->operand[0]) * norm_of(&j->operand[1]));
}

/* Lies that pass, of one element, which S and R see least of; of an honest answer little is
 * said. */
static void
what_passes_is_wrong_by_no_more_than_is_said(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(15), 0);
    size_t passed = 0;
    for (size_t round = 0; round < 300; round++) {
        job j;
        const size_t f = round % 2;
        start_job(&j, &codes[round % CODES], fields[f],
                  (kofn_shape){.rows = 15, .inner = 60, .cols = 13}, 0, &rng);
        const double most = kofn_freivalds_get_noise(&j.coding);
        const size_t task = kofn_rng_below(&rng, j.code->tasks);
        const double honest = look_at(&j, task).wrong;
        assert_true(honest >= measure_wrong(&j, task));
        if (f == 1) // in f64 it is our own rounding that is in the way
            assert_at_most(honest, most / 100);
        const double size = kofn_code_row_norm(j.code, task) * norm_of(&j.operand[0]) *
                            norm_of(&j.operand[1]) * most * pow(10, -4 * kofn_rng_unit(&rng));
        kofn_mat *mat = only_mat(&j.answer[task]);
        element_set(mat, 3, 2, element_get(mat, 3, 2) + size);
        const kofn_freivalds_look look = look_at(&j, task);
        if (look.finding == KOFN_FINDING_RIGHT) {
            passed++;
            assert_true(look.wrong >= measure_wrong(&j, task) && look.wrong <= most);
        } else {
            assert_true(look.finding == KOFN_FINDING_WRONG && isinf(look.wrong));
        }
        end_job(&j);
    }
    assert_in_range(passed, 50, 299);
}

/* Elements of one kind each: as drawn, all the same, of sizes from 2^-30 to 2^30, and sums that
 * cancel. */
static void
fill_kind(job *j, size_t kind, kofn_rng *rng)
{
    const double same = kofn_rng_unit(rng);
    for (size_t o = 0; o < 2; o++)
        for (size_t i = 0; i < j->operand[o].rows; i++)
            for (size_t k = 0; k < j->operand[o].cols; k++) {
                const double drawn = element_get(only_mat(&j->operand[o]), i, k);
                const double size = exp2(60 * kofn_rng_unit(rng) - 30);
                const double sign = o == 0 && k % 2 == 1 ? -1 : 1;
                const double of_kind[] = {drawn, same, size * drawn, sign * (1 + drawn / 1024)};
                element_set(only_mat(&j->operand[o]), i, k, of_kind[kind]);
            }
}

/* By sums from the last term to the first, each with its own secrets. */
static void
a_hundred_thousand_honest_answers_are_right(void **state)
{
    (void)state;
    enum { ANSWERS = 100000 };
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(16), 0);
    double worst = 0;
    for (size_t answers = 0, round = 0; answers < ANSWERS; round++) {
        job j;
        const kofn_shape shape = {.rows = 1 + kofn_rng_below(&rng, 5),
                                  .inner = 1 + kofn_rng_below(&rng, 12),
                                  .cols = 1 + kofn_rng_below(&rng, 5)};
        make_job(&j, &codes[round / 4 % CODES], "f32", shape, 0, &rng);
        fill_kind(&j, round % 4, &rng);
        answer_all(&j);
        start_check(&j);
        for (size_t task = 0; task < j.code->tasks; task++, answers++) {
            double off;
            assert_int_equal(find(&j, task, &off), KOFN_FINDING_RIGHT);
            worst = fmax(worst, off);
        }
        end_job(&j);
    }
    print_message("off by %.2g of the tolerance at most\n", worst);
}

static void
what_nobody_can_know_is_no_lie(void **state)
{
    (void)state;
    static const double bad[] = {NAN, INFINITY, -INFINITY, 1e300};
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(6), 0);
    for (size_t i = 0; i < 4; i++) {
        job j;
        make_job(&j, &codes[3], "f64", (kofn_shape){.rows = 8, .inner = 9, .cols = 8}, 0, &rng);
        element_set(only_mat(&j.operand[0]), 0, 0, bad[i]); // block (0, 0) of A: 2 of 12 tasks
        element_set(only_mat(&j.operand[1]), 0, 0, 1e10);   // with 1e300 it overflows once
        answer_all(&j);
        start_check(&j);
        size_t unknown = 0;
        for (size_t task = 0; task < j.code->tasks; task++) {
            const kofn_freivalds_look look = look_at(&j, task);
            const kofn_finding finding = look.finding;
            assert_true(isinf(look.wrong) == (finding == KOFN_FINDING_UNKNOWN));
            if (i == 0 && finding == KOFN_FINDING_RIGHT) // of |A| |B|, which is NaN
                assert_true(look.wrong == kofn_freivalds_get_noise(&j.coding));
            assert_true(finding != KOFN_FINDING_WRONG);
            unknown += finding == KOFN_FINDING_UNKNOWN;
            assert_int_equal(finding == KOFN_FINDING_UNKNOWN,
                             kofn_code_plain_block(j.code, 0, task) == 0 &&
                                 (i < 3 || kofn_code_plain_block(j.code, 1, task) == 0));
        }
        assert_int_equal(unknown, i < 3 ? 2 : 1);
        element_set(only_mat(&j.answer[11]), 0, 0, NAN); // where nothing is infinite
        assert_int_equal(find(&j, 11, NULL), KOFN_FINDING_WRONG);
        end_job(&j);
    }
}

static void
numbers_that_vanish_are_no_lie(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(7), 0);
    static const double scales[] = {1e-160, 1e-308, 1e-320, 0};
    for (size_t i = 0; i < 4; i++) {
        job j;
        make_job(&j, &codes[0], "f64", (kofn_shape){.rows = 20, .inner = 20, .cols = 20}, 0, &rng);
        for (size_t o = 0; o < 2; o++)
            for (size_t row = 0; row < 20; row++)
                for (size_t col = 0; col < 20; col++)
                    element_set(only_mat(&j.operand[o]), row, col,
                                scales[i] * element_get(only_mat(&j.operand[o]), row, col));
        answer_all(&j);
        start_check(&j);
        for (size_t task = 0; task < j.code->tasks; task++)
            assert_int_equal(find(&j, task, NULL), KOFN_FINDING_RIGHT);
        element_set(only_mat(&j.answer[0]), 0, 0, 1e-290);
        assert_int_equal(find(&j, 0, NULL), KOFN_FINDING_WRONG);
        end_job(&j);
    }
}

/* Half of the elements are zero and not stored. */
static void
make_sparse(kofn_bands *dense, kofn_rng *rng, kofn_csr *ret_csr)
{
    kofn_error error;
    kofn_mat *mat = only_mat(dense);
    size_t count = 0, at = 0;
    for (size_t i = 0; i < mat->rows; i++)
        for (size_t k = 0; k < mat->cols; k++) {
            if (kofn_rng_below(rng, 2) == 0)
                element_set(mat, i, k, 0);
            count += element_get(mat, i, k) != 0;
        }
    assert_ok(kofn_csr_new(mat->dtype, mat->rows, mat->cols, count, ret_csr, &error));
    for (size_t i = 0; i < mat->rows; i++) {
        ((int64_t *)ret_csr->first.data)[i] = (int64_t)at;
        for (size_t k = 0; k < mat->cols; k++)
            if (element_get(mat, i, k) != 0) {
                ((int32_t *)ret_csr->column.data)[at] = (int32_t)k;
                element_set(&ret_csr->value, at++, 0, element_get(mat, i, k));
            }
    }
    ((int64_t *)ret_csr->first.data)[mat->rows] = (int64_t)at;
    assert_ok(kofn_csr_check("it", ret_csr, &error));
}

/* Blocks of it are as they would be of a dense one. */
static void
sparse_operands_are_what_they_would_be_dense(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(10), 0);
    for (int turned = 0; turned < 4; turned++)
        for (size_t f = 0; f < FIELDS; f++) {
            kofn_error error;
            job j;
            kofn_csr csr[2];
            make_job(&j, &codes[1], fields[f], (kofn_shape){.rows = 21, .inner = 33, .cols = 18},
                     turned, &rng);
            for (size_t o = 0; o < 2; o++)
                make_sparse(&j.operand[o], &rng, &csr[o]);
            answer_all(&j);
            for (size_t which = 1; which < 4; which++) { // one sparse, the other, both
                const kofn_freivalds_operand operands[] = {
                    {.dense = &j.operand[0], .csr = which & 1 ? &csr[0] : NULL},
                    {.dense = &j.operand[1], .csr = which & 2 ? &csr[1] : NULL}};
                kofn_freivalds_destroy(&j.check);
                assert_ok(kofn_freivalds_new(&j.coding, operands, &j.check, &error));
                for (size_t task = 0; task < j.code->tasks; task++)
                    assert_int_equal(find(&j, task, NULL), KOFN_FINDING_RIGHT);
                const kofn_bands moved = j.answer[2];
                j.answer[2] = j.answer[3];
                assert_int_equal(find(&j, 2, NULL), KOFN_FINDING_WRONG);
                j.answer[2] = moved;
            }
            for (size_t o = 0; o < 2; o++)
                kofn_csr_fini(&csr[o]);
            end_job(&j);
        }
}

/* Of 80 GB if it were dense, or any block of it: the identity, times ones. */
static void
a_sparse_operand_takes_what_it_stores(void **state)
{
    (void)state;
    enum { SIDE = 100000 };
    kofn_error error;
    job j = {.code = make_code(&(test_code){.family = "uncoded", .partition = "1,1,1"}, "f64", 1)};
    kofn_csr a;
    const kofn_shape shape = {.rows = SIDE, .inner = SIDE, .cols = 1};
    kofn_coding_init(&j.coding, j.code, shape, false, false);
    assert_ok(kofn_csr_new(KOFN_F64, SIDE, SIDE, SIDE, &a, &error));
    j.operand[1] = new_matrix(KOFN_F64, SIDE, 1);
    j.answer[0] = new_matrix(KOFN_F64, SIDE, 1);
    for (size_t i = 0; i <= SIDE; i++)
        ((int64_t *)a.first.data)[i] = (int64_t)i;
    for (size_t i = 0; i < SIDE; i++) {
        ((int32_t *)a.column.data)[i] = (int32_t)i;
        element_set(&a.value, i, 0, 1);
        element_set(only_mat(&j.operand[1]), i, 0, 1);
        element_set(only_mat(&j.answer[0]), i, 0, 1);
    }
    const kofn_freivalds_operand operands[] = {{.csr = &a}, {.dense = &j.operand[1]}};
    assert_ok(kofn_freivalds_new(&j.coding, operands, &j.check, &error));
    assert_int_equal(find(&j, 0, NULL), KOFN_FINDING_RIGHT);
    element_set(only_mat(&j.answer[0]), SIDE - 1, 0, 2);
    assert_int_equal(find(&j, 0, NULL), KOFN_FINDING_WRONG);
    kofn_csr_fini(&a);
    free_matrix(&j.operand[1]);
    free_matrix(&j.answer[0]);
    kofn_freivalds_destroy(&j.check);
    kofn_code_destroy(&j.code);
}

/* Of sums of many terms no more is lost than of those of a dense one, which are taken in pieces: so
 * the tolerance is the same. */
static void
halves_of_sparse_matrices_are_those_of_dense_ones(void **state)
{
    (void)state;
    enum { ROWS = 3000, COLS = 3 };
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(11), 0);
    for (size_t f = 0; f < FIELDS; f++)
        for (int turned = 0; turned < 2; turned++) {
            kofn_error error;
            kofn_projection *p = NULL;
            kofn_csr csr;
            const kofn_field *field = new_field(fields[f]);
            kofn_bands m = turned ? new_matrix(field->dtype, COLS, ROWS)
                                  : new_matrix(field->dtype, ROWS, COLS);
            fill_drawn(field, &m, &rng);
            make_sparse(&m, &rng, &csr);
            assert_ok(kofn_projection_new(field, ROWS, 1, &p, &error));
            const kofn_field *wide = kofn_projection_get_field(p);
            const size_t count = kofn_projection_get_count(p) * COLS;
            const kofn_block block = {.of = &m, .valid_rows = m.rows, .valid_cols = m.cols};
            void *half[2];
            double *x[2], norm = 0;
            for (size_t i = 0; i < 2; i++) {
                half[i] = calloc(count, sizeof(double));
                x[i] = calloc(count, sizeof(double));
            }
            assert_ok(kofn_projection_halve(p, KOFN_PROJECTION_LEFT, turned, &block, COLS, half[0],
                                            &error));
            assert_ok(kofn_projection_halve_sparse(p,
                                                   &(kofn_sparse_halves){.turned = turned,
                                                                         .csr = &csr,
                                                                         .grid = {1, 1},
                                                                         .shape = COLS,
                                                                         .half = half[1],
                                                                         .norm = &norm},
                                                   &error));
            for (size_t i = 0; i < 2; i++)
                wide->widen(wide, count, half[i], x[i]);
            for (size_t i = 0; i < count; i++) // terms of about 1 in size, ROWS / 2 of them
                assert_at_most(fabs(x[0][i] - x[1][i]),
                               field->order > 0 ? 0 : 70 * 0x1p-53 * 4 * sqrt(ROWS) * sqrt(ROWS));
            if (field->order == 0)
                assert_at_most(fabs(norm - norm_of(&m)), 1e-12 * norm);
            for (size_t i = 0; i < 2; i++) {
                free(half[i]);
                free(x[i]);
            }
            kofn_csr_fini(&csr);
            free_matrix(&m);
            kofn_projection_destroy(&p);
            kofn_field_destroy(&field);
        }
}

/* What is done at once, and what by another thread, goes by this: a task of many blocks sums them
 * all. */
static void
a_check_is_counted_with_the_halves_of_all_blocks(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(13), 0);
    job j;
    make_job(&j, &codes[3], "f64", (kofn_shape){.rows = 20, .inner = 30, .cols = 20}, 0, &rng);
    answer_all(&j);
    start_check(&j);
    const size_t half = 16 * 10 * sizeof(double); // l, inner parts of three
    assert_int_equal(kofn_freivalds_count_check_bytes(j.check), (6 + 6 + 4) * half);
    end_job(&j);
}

/* Batches are codes like others: three products stacked, and their sum. */
static void
answers_of_batches_are_checked_like_others(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(14), 0);
    static const double ones[] = {1, 1, 1};
    for (int turned = 0; turned < 8; turned++) {
        job j;
        make_batch_job(&j, "lagrange", turned & 4 ? ones : NULL, turned, &rng);
        answer_all(&j);
        start_check(&j);
        for (size_t task = 0; task < j.code->tasks; task++)
            assert_int_equal(find(&j, task, NULL), KOFN_FINDING_RIGHT);
        element_set(only_mat(&j.answer[1]), 2, 1, 0.5 + element_get(only_mat(&j.answer[1]), 2, 1));
        assert_int_equal(find(&j, 1, NULL), KOFN_FINDING_WRONG);
        end_job(&j);
    }
}

static void
what_is_no_such_product_is_refused(void **state)
{
    (void)state;
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, 8, 0);
    job j;
    kofn_freivalds *none = NULL;
    kofn_freivalds_look look;
    start_job(&j, &codes[0], "f64", (kofn_shape){.rows = 20, .inner = 20, .cols = 20}, 0, &rng);
    kofn_bands other = new_matrix(KOFN_F64, 20, 19), narrow = new_matrix(KOFN_F32, 20, 20);
    assert_fails(kofn_freivalds_new(
                     &j.coding, (kofn_freivalds_operand[]){{&j.operand[0], NULL}, {&other, NULL}},
                     &none, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_freivalds_new(
                     &j.coding, (kofn_freivalds_operand[]){{&narrow, NULL}, {&j.operand[1], NULL}},
                     &none, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_freivalds_check(j.check, j.code, 0, &other, &look, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_null(none);

    const kofn_cuts parts = {.count = 2, .of = {2, 2}};
    kofn_code *outer = NULL;
    assert_ok(kofn_code_alloc_outer("outer", kofn_field_find("f64"), &parts, 4, &outer, &error));
    kofn_coding coding;
    kofn_coding_init_outer(&coding, outer,
                           &(kofn_extents){.count = 2, .rows = {4, 4}, .cols = {4, 4}},
                           (const bool[]){false, false});
    assert_fails(
        kofn_freivalds_new(&coding,
                           (kofn_freivalds_operand[]){{&j.operand[0], NULL}, {&j.operand[1], NULL}},
                           &none, &error),
        KOFN_FAILED_PRECONDITION);
    kofn_code_destroy(&outer);
    free_matrix(&other);
    free_matrix(&narrow);
    end_job(&j);
}

/* The bound on P(|S^T E R| <= t |E|) where it can be measured, for E of one element. */
static void
projections_shrink_no_more_often_than_the_bound_says(void **state)
{
    (void)state;
    enum { TRIALS = 4000, L = 16 };
    kofn_error error;
    kofn_bands e = new_matrix(KOFN_F64, 1, 1);
    element_set(only_mat(&e), 0, 0, 1);
    static double sizes[TRIALS];
    double square = 0;
    for (size_t i = 0; i < TRIALS; i++) {
        kofn_projection *p = NULL;
        double x[L * L];
        assert_ok(kofn_projection_new(kofn_field_find("f64"), 1, 1, &p, &error));
        assert_int_equal(kofn_projection_get_count(p), L);
        assert_ok(kofn_projection_apply(p, &e, x, &error));
        for (size_t k = 0; k < (size_t)L * L; k++)
            sizes[i] += x[k] * x[k];
        sizes[i] = sqrt(sizes[i]);
        square += sizes[i] * sizes[i] / TRIALS;
        kofn_projection_destroy(&p);
    }
    for (double t = 3; t < 5.9; t *= 1.1) {
        const double w = pow(t * M_E / L, L), bound = w < 1 ? w * (1 - log(w)) : 1;
        size_t below = 0;
        for (size_t i = 0; i < TRIALS; i++)
            below += sizes[i] < t;
        /* six standard deviations of a count, and one */
        assert_at_most((double)below, TRIALS * bound + 6 * sqrt(TRIALS * bound) + 1);
    }
    assert_true(fabs(square - L * L) < 16); // the mean; its standard deviation is 2.1
    const double w = pow(KOFN_PROJECTION_SHRINK * M_E / L, L);
    assert_at_most(w * (1 - log(w)), 0x1p-40);
    const double x = KOFN_PROJECTION_GROW / L; // on each side the square of a factor
    assert_at_most(exp(-L * (x - 1 - log(x)) / 2), 0x1p-65);
    free_matrix(&e);
}

/* Over GF(2) a lie of rank one hides behind a sum of zeros in half of all draws of a vector. */
static void
there_are_enough_sums_in_small_fields(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        size_t count;
    } cases[] = {{"gfp:2", 41}, {"gf4", 21},    {"gf16", 11},
                 {"gf256", 6},  {"gfp:257", 6}, {"gfp:2147483647", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_error error;
        kofn_projection *p = NULL;
        const kofn_field *f = new_field(cases[i].field);
        assert_ok(kofn_projection_new(f, 3, 5, &p, &error));
        const size_t l = kofn_projection_get_count(p);
        assert_int_equal(l, cases[i].count);
        assert_at_most(2 * pow(f->order, -(double)l), 0x1p-40);
        kofn_projection_destroy(&p);
        kofn_field_destroy(&f);
    }
}

/* Against three loops over the secrets that projections of unit matrices give away. */
static void
a_projection_is_linear_in_the_answer(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(9), 0);
    for (size_t f = 0; f < FIELDS; f++) {
        kofn_error error;
        enum { ROWS = 70, COLS = 3 };
        const kofn_field *field = new_field(fields[f]);
        kofn_projection *p = NULL;
        assert_ok(kofn_projection_new(field, ROWS, COLS, &p, &error));
        const kofn_field *wide = kofn_projection_get_field(p);
        const size_t l = kofn_projection_get_count(p);
        double *x = calloc(3 * l * l, sizeof *x), *unit = x + l * l, *sum = unit + l * l;
        kofn_bands c = new_matrix(field->dtype, ROWS, COLS),
                   e = new_matrix(field->dtype, ROWS, COLS);
        fill_drawn(field, &c, &rng);
        assert_ok(kofn_projection_apply(p, &c, x, &error));
        for (size_t i = 0; i < ROWS; i++)
            for (size_t j = 0; j < COLS; j++) {
                element_set(only_mat(&e), i, j, 1);
                assert_ok(kofn_projection_apply(p, &e, unit, &error));
                element_set(only_mat(&e), i, j, 0);
                for (size_t k = 0; k < l * l; k++)
                    sum[k] =
                        wide->add(wide, sum[k],
                                  wide->multiply(wide, unit[k], element_get(only_mat(&c), i, j)));
            }
        for (size_t k = 0; k < l * l; k++)
            assert_at_most(fabs(x[k] - sum[k]), field->order > 0 ? 0 : ROWS * COLS * 1e-14 * 30);
        free(x);
        free_matrix(&c);
        free_matrix(&e);
        kofn_projection_destroy(&p);
        kofn_field_destroy(&field);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest_answers_are_right_however_operands_are_stored),
        cmocka_unit_test(long_sums_of_one_sign_are_right),
        cmocka_unit_test(one_wrong_element_is_found),
        cmocka_unit_test(another_tasks_answer_is_found),
        cmocka_unit_test(a_lie_of_the_size_that_the_header_says_is_found),
        cmocka_unit_test(what_passes_is_wrong_by_no_more_than_is_said),
        cmocka_unit_test(a_hundred_thousand_honest_answers_are_right),
        cmocka_unit_test(what_nobody_can_know_is_no_lie),
        cmocka_unit_test(numbers_that_vanish_are_no_lie),
        cmocka_unit_test(sparse_operands_are_what_they_would_be_dense),
        cmocka_unit_test(a_sparse_operand_takes_what_it_stores),
        cmocka_unit_test(halves_of_sparse_matrices_are_those_of_dense_ones),
        cmocka_unit_test(a_check_is_counted_with_the_halves_of_all_blocks),
        cmocka_unit_test(answers_of_batches_are_checked_like_others),
        cmocka_unit_test(what_is_no_such_product_is_refused),
        cmocka_unit_test(projections_shrink_no_more_often_than_the_bound_says),
        cmocka_unit_test(there_are_enough_sums_in_small_fields),
        cmocka_unit_test(a_projection_is_linear_in_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
