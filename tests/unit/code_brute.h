/* Codes for tests, and what is true of them by brute force: rank by elimination in long double,
 * products by three loops. Nothing here shares a line with what it checks. */
#ifndef KOFN_TESTS_CODE_BRUTE_H
#define KOFN_TESTS_CODE_BRUTE_H

#include "common/code/coding.h"
#include "common/code/spec.h"
#include "tests/unit/field_brute.h"

#include <math.h>

/* A code as a user would name it. `sets`: "systematic=no", or NULL. */
typedef struct test_code {
    const char *family, *partition;
    size_t tasks; // 0: the family's default for one worker
    const char *set;
} test_code;

static inline void
fill_spec(const test_code *t, uint64_t seed, kofn_code_spec *spec)
{
    kofn_error error;
    char text[KOFN_SET_VALUE_MAX];
    *spec = (kofn_code_spec){.tasks = t->tasks, .has_seed = true, .seed = seed};
    assert_ok(kofn_code_spec_set(spec, "family", t->family, &error));
    assert_ok(kofn_code_spec_set(spec, "partition", t->partition, &error));
    if (t->set) {
        (void)snprintf(text, sizeof text, "%s", t->set);
        char *value = strchr(text, '=');
        *value++ = '\0';
        assert_ok(kofn_code_spec_set(spec, text, value, &error));
    }
}

static inline kofn_code *
make_code(const test_code *t, const char *field, uint64_t seed)
{
    kofn_error error;
    kofn_code_spec spec;
    kofn_code *code = NULL;
    fill_spec(t, seed, &spec);
    const kofn_field *f = new_field(field);
    const kofn_code_context context = {
        .field = f, .rows = 64, .inner = 64, .cols = 64, .workers = 1};
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    assert_ok(kofn_code_spec_build(&spec, f, &code, &error));
    kofn_field_destroy(&f); // the code holds it
    return code;
}

/* Rank of rows [rows, cols], which are destroyed: complete pivoting, rows scaled to length 1 first,
 * pivots below 1e-13 taken for zero. Sound while conditions stay well below 1e13. */
static inline size_t
brute_rank(long double *at, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++) {
        long double sum = 0;
        for (size_t c = 0; c < cols; c++)
            sum += at[r * cols + c] * at[r * cols + c];
        for (size_t c = 0; c < cols && sum > 0; c++)
            at[r * cols + c] /= sqrtl(sum);
    }
    size_t rank = 0;
    for (; rank < rows && rank < cols; rank++) {
        size_t pr = rank, pc = rank;
        for (size_t r = rank; r < rows; r++)
            for (size_t c = rank; c < cols; c++)
                if (fabsl(at[r * cols + c]) > fabsl(at[pr * cols + pc])) {
                    pr = r;
                    pc = c;
                }
        const long double pivot = at[pr * cols + pc];
        if (fabsl(pivot) < 1e-13L)
            break;
        for (size_t c = 0; c < cols; c++) {
            const long double moved = at[rank * cols + c];
            at[rank * cols + c] = at[pr * cols + c];
            at[pr * cols + c] = moved;
        }
        for (size_t r = 0; r < rows; r++) {
            const long double moved = at[r * cols + rank];
            at[r * cols + rank] = at[r * cols + pc];
            at[r * cols + pc] = moved;
        }
        for (size_t r = rank + 1; r < rows; r++) {
            const long double factor = at[r * cols + rank] / at[rank * cols + rank];
            for (size_t c = rank; c < cols; c++)
                at[r * cols + c] -= factor * at[rank * cols + c];
        }
    }
    return rank;
}

/* Of G: the last operand's block is the column's last digit. */
static inline long double
brute_element(const kofn_code *code, size_t task, size_t column)
{
    long double product = 1;
    for (size_t o = code->operands; o-- > 0; column /= code->e[o].cols)
        product *= (long double)code->e[o].at[task * code->e[o].cols + column % code->e[o].cols];
    return product;
}

static inline uint64_t
brute_element_exactly(const kofn_code *code, size_t task, size_t column)
{
    uint64_t product = 1;
    for (size_t o = code->operands; o-- > 0; column /= code->e[o].cols)
        product = brute_multiply(
            code->field, product,
            (uint64_t)code->e[o].at[task * code->e[o].cols + column % code->e[o].cols]);
    return product;
}

static inline void
brute_row(const kofn_code *code, size_t task, long double *row)
{
    for (size_t c = 0; c < code->targets.cols; c++)
        row[c] = brute_element(code, task, c);
}

/* T written out, [targets, columns]; the caller frees it. */
static inline double *
new_dense_targets(const kofn_code *code)
{
    const kofn_sums *t = &code->targets;
    double *dense = calloc(t->rows * t->cols + 1, sizeof *dense);
    for (size_t row = 0; row < t->rows; row++)
        for (size_t i = t->first[row]; i < t->first[row + 1]; i++)
            dense[row * t->cols + t->column[i]] = t->coef[i];
    return dense;
}

/* Each column of G and T [count + targets, cols] over the greatest |G| in it, of all tasks: spans
 * stay as they are, and columns that are small as a whole still count. */
static inline void
brute_equilibrate(const kofn_code *code, long double *at, size_t rows)
{
    const size_t cols = code->targets.cols;
    for (size_t c = 0; code->power && c < cols; c++) { // others have no small columns
        long double greatest = 0;
        for (size_t task = 0; task < code->tasks; task++)
            greatest = fmaxl(greatest, fabsl(brute_element(code, task, c)));
        for (size_t r = 0; r < rows && greatest > 0; r++)
            at[r * cols + c] /= greatest;
    }
}

static inline bool
brute_suffices_exactly(const kofn_code *code, const size_t *tasks, size_t count)
{
    const size_t cols = code->targets.cols, targets = code->targets.rows;
    const kofn_field *f = code->field;
    uint64_t *g = calloc((count + targets) * cols + 1, sizeof *g);
    size_t rank[2];
    double *dense = new_dense_targets(code);
    for (int with = 0; with < 2; with++) {
        for (size_t i = 0; i < count; i++)
            for (size_t c = 0; c < cols; c++)
                g[i * cols + c] = brute_element_exactly(code, tasks[i], c);
        for (size_t i = 0; i < targets * cols; i++)
            g[count * cols + i] = (uint64_t)dense[i];
        rank[with] = brute_field_rank(f, g, count + (with ? targets : 0), cols);
    }
    free(dense);
    free(g);
    return rank[0] == rank[1];
}

/* Do these tasks span the targets? rank [G_R] = rank [G_R; T]. */
static inline bool
brute_suffices(const kofn_code *code, const size_t *tasks, size_t count)
{
    const size_t cols = code->targets.cols, targets = code->targets.rows;
    if (code->field->order != 0)
        return brute_suffices_exactly(code, tasks, count);
    long double *g = calloc((count + targets) * cols + 1, sizeof *g);
    for (size_t i = 0; i < count; i++)
        brute_row(code, tasks[i], g + i * cols);
    brute_equilibrate(code, g, count);
    const size_t rank = brute_rank(g, count, cols);
    for (size_t i = 0; i < count; i++)
        brute_row(code, tasks[i], g + i * cols);
    double *dense = new_dense_targets(code);
    for (size_t i = 0; i < targets * cols; i++)
        g[count * cols + i] = dense[i];
    free(dense);
    brute_equilibrate(code, g, count + targets);
    const size_t both = brute_rank(g, count + targets, cols);
    free(g);
    return rank == both;
}

/* The tasks in bit set `mask`; how many. */
static inline size_t
list_mask(uint64_t mask, size_t *tasks)
{
    size_t count = 0;
    for (size_t i = 0; i < 64; i++)
        if (mask >> i & 1)
            tasks[count++] = i;
    return count;
}

static inline void
shuffle(kofn_rng *rng, size_t *tasks, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        const size_t j = kofn_rng_below(rng, i);
        const size_t moved = tasks[j];
        tasks[j] = tasks[i - 1];
        tasks[i - 1] = moved;
    }
}

/* Sets of the n tasks, as bit masks: all 2^n when those are at most 1,000, else 1,000 random
 * ones. */
static inline size_t
count_masks(size_t n)
{
    return n < 10 ? (size_t)1 << n : 1000;
}

static inline uint64_t
get_mask(size_t n, size_t index, kofn_rng *rng)
{
    if (n < 10)
        return index;
    uint64_t mask = 0; // of a random size first, so that small and large sets are as likely
    const size_t size = kofn_rng_below(rng, n + 1);
    for (size_t chosen = 0; chosen < size;) {
        const uint64_t bit = (uint64_t)1 << kofn_rng_below(rng, n);
        chosen += !(mask & bit);
        mask |= bit;
    }
    return mask;
}

/* ---- matrices -------------------------------------------------------------------------------- */

static inline double
element_get(const kofn_mat *m, size_t i, size_t j)
{
    if (m->dtype == KOFN_F64)
        return ((const double *)m->data)[i * m->stride + j];
    if (m->dtype == KOFN_F32)
        return (double)((const float *)m->data)[i * m->stride + j];
    return (double)mat_get(m, i, j);
}

static inline void
element_set(kofn_mat *m, size_t i, size_t j, double value)
{
    if (m->dtype == KOFN_F64)
        ((double *)m->data)[i * m->stride + j] = value;
    else if (m->dtype == KOFN_F32)
        ((float *)m->data)[i * m->stride + j] = (float)value;
    else
        exact_set(m->dtype, kofn_mat_get_row(m, i), j, (uint64_t)value);
}

/* A matrix of one band; both are ended by bands_free. */
static inline kofn_bands
new_matrix(kofn_dtype dtype, size_t rows, size_t cols)
{
    kofn_error error;
    void *data = calloc(rows * cols + 1, kofn_dtype_width(dtype));
    kofn_mat mat = kofn_mat_wrap(data, dtype, rows, cols);
    kofn_bands bands;
    assert_ok(kofn_bands_from_mat(&mat, &bands, &error));
    return bands;
}

static inline kofn_mat *
only_mat(const kofn_bands *bands)
{
    return &bands->at[0].mat;
}

static inline void
free_matrix(kofn_bands *bands)
{
    if (bands->count)
        free(bands->at[0].mat.data);
    kofn_bands_fini(bands);
}

static inline void
fill_normal(kofn_bands *bands, kofn_rng *rng)
{
    for (size_t i = 0; i < bands->rows; i++)
        for (size_t j = 0; j < bands->cols; j++)
            element_set(only_mat(bands), i, j, kofn_rng_normal(rng));
}

/* By the field's own draws. */
static inline void
fill_drawn(const kofn_field *f, kofn_bands *bands, kofn_rng *rng)
{
    for (size_t i = 0; i < bands->rows; i++)
        for (size_t j = 0; j < bands->cols; j++)
            element_set(only_mat(bands), i, j, f->draw(f, rng));
}

static inline double
norm_of(const kofn_bands *bands)
{
    double sum = 0;
    for (size_t i = 0; i < bands->rows; i++)
        for (size_t j = 0; j < bands->cols; j++)
            sum += pow(element_get(only_mat(bands), i, j), 2);
    return sqrt(sum);
}

/* C := op(A) op(B), by the book, in double. */
static inline void
naive_multiply(const kofn_bands *a, bool ta, const kofn_bands *b, bool tb, kofn_bands *c)
{
    if (c->rows == 0 || c->cols == 0)
        return;
    const size_t inner = ta ? a->rows : a->cols;
    for (size_t i = 0; i < c->rows; i++)
        for (size_t j = 0; j < c->cols; j++) {
            double sum = 0;
            for (size_t k = 0; k < inner; k++)
                sum += (ta ? element_get(only_mat(a), k, i) : element_get(only_mat(a), i, k)) *
                       (tb ? element_get(only_mat(b), j, k) : element_get(only_mat(b), k, j));
            element_set(only_mat(c), i, j, sum);
        }
}

/* The same over any field. */
static inline void
naive_multiply_over(const kofn_field *f, const kofn_bands *a, bool ta, const kofn_bands *b, bool tb,
                    kofn_bands *c)
{
    if (f->order == 0) {
        naive_multiply(a, ta, b, tb, c);
        return;
    }
    for (size_t i = 0; i < c->rows; i++)
        for (size_t j = 0; j < c->cols; j++)
            element_set(only_mat(c), i, j,
                        (double)brute_product(f, only_mat(a), ta, only_mat(b), tb, i, j));
}

/* Elements in which C is not op(A) op(B), in a finite field. */
static inline size_t
count_wrong(const kofn_field *f, const kofn_bands *a, bool ta, const kofn_bands *b, bool tb,
            const kofn_bands *c)
{
    size_t wrong = 0;
    for (size_t i = 0; i < c->rows; i++)
        for (size_t j = 0; j < c->cols; j++)
            wrong += mat_get(only_mat(c), i, j) !=
                     brute_product(f, only_mat(a), ta, only_mat(b), tb, i, j);
    return wrong;
}

/* |C - op(A) op(B)|_F */
static inline double
residual_of(const kofn_bands *a, bool ta, const kofn_bands *b, bool tb, const kofn_bands *c)
{
    kofn_bands exact = new_matrix(KOFN_F64, c->rows, c->cols);
    naive_multiply(a, ta, b, tb, &exact);
    double sum = 0;
    for (size_t i = 0; i < c->rows; i++)
        for (size_t j = 0; j < c->cols; j++)
            sum += pow(element_get(only_mat(c), i, j) - element_get(only_mat(&exact), i, j), 2);
    free_matrix(&exact);
    return sqrt(sum);
}

#endif
