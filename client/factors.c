#include "client/factors.h"

#include "common/linalg/integers.h"
#include "common/linalg/multiply.h"
#include "common/linalg/outer.h"
#include "common/linalg/planes.h"

#include <stdio.h>
#include <string.h>

/* What is made of complex matrices is made by client/complex.h, of other ones. */
static kofn_status
check_real(const kofn_matrix *m, const char *name, kofn_error *err)
{
    if (!kofn_dtype_get_part(m->dtype))
        return KOFN_OK;
    return kofn_fail(err, KOFN_UNIMPLEMENTED,
                     "%s holds %s: of complex matrices only products of two dense ones are made",
                     name, kofn_planes_title(m->dtype));
}

/* Of what follows it only the master sees whether it is as it must be. */
static kofn_status
check_sparse(const kofn_matrix *m, const char *name, kofn_error *err)
{
    const kofn_sparse *s = m->sparse;
    size_t places;
    if (m->operand)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s is a stored operand and a sparse matrix, need one of them", name);
    if (kofn_dtype_width(m->dtype) == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s has no known dtype", name);
    if (check_real(m, name, err) != KOFN_OK)
        return KOFN_UNIMPLEMENTED;
    if (m->rows >= KOFN_DIMENSION_MAX || m->cols > KOFN_DIMENSION_MAX ||
        s->elements > KOFN_DIMENSION_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "%s is %zu x %zu with %zu elements, at most %d of each", name, m->rows,
                         m->cols, s->elements, KOFN_DIMENSION_MAX);
    if (__builtin_mul_overflow(m->rows, m->cols, &places) || s->elements > places)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s is %zu x %zu and has %zu elements", name,
                         m->rows, m->cols, s->elements);
    if (!s->first || (s->elements > 0 && (!m->data || !s->column)))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s has no data", name);
    return KOFN_OK;
}

kofn_status
kofn_factor_check_elements(const kofn_matrix *m, const char *name, kofn_error *err)
{
    size_t bytes;
    if (kofn_dtype_width(m->dtype) == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s has no known dtype", name);
    if (m->stride != 0 && m->stride < m->cols)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s has a stride of %zu for rows of %zu", name,
                         m->stride, m->cols);
    if (m->rows > KOFN_DIMENSION_MAX || m->cols > KOFN_DIMENSION_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "%s is %zu x %zu, at most %d in each direction",
                         name, m->rows, m->cols, KOFN_DIMENSION_MAX);
    kofn_status status =
        kofn_mat_bytes(m->dtype, m->rows, m->stride ? m->stride : m->cols, &bytes, err);
    if (status != KOFN_OK)
        return kofn_fail_within(err, "%s", name);
    if (bytes > 0 && !m->data)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s has no data", name);
    return KOFN_OK;
}

kofn_status
kofn_factor_check(const kofn_matrix *m, const char *name, kofn_error *err)
{
    if (m->sparse)
        return kofn_fail(err, KOFN_UNIMPLEMENTED,
                         "%s is sparse: only operands of a product of two matrices are", name);
    if (m->operand && !m->operand[0]) // it would mean none, and blocks that never come
        return kofn_fail(err, KOFN_NOT_FOUND, "%s is an operand whose id is empty", name);
    if (m->operand)
        return KOFN_OK;
    kofn_status status = check_real(m, name, err);
    return status == KOFN_OK ? kofn_factor_check_elements(m, name, err) : status;
}

const kofn_matrix *
kofn_stack_get(const kofn_stack *stack, size_t i)
{
    return &stack->of[stack->index ? stack->index[i] : i];
}

kofn_mat
kofn_matrix_view(const kofn_matrix *m)
{
    return (kofn_mat){.data = (void *)(uintptr_t)m->data,
                      .dtype = m->dtype,
                      .rows = m->rows,
                      .cols = m->cols,
                      .stride = m->stride ? m->stride : m->cols};
}

void
kofn_shape_describe(kofn_dtype dtype, size_t rows, size_t cols, kofn_msg_matrix *ret_message)
{
    *ret_message = (kofn_msg_matrix){.rows = rows, .cols = cols};
    (void)snprintf(ret_message->dtype, sizeof ret_message->dtype, "%s", kofn_dtype_name(dtype));
}

kofn_factors
kofn_factors_two(const kofn_matrix *a, const kofn_matrix *b)
{
    return (kofn_factors){.count = 2, .at = {{.of = a, .count = 1}, {.of = b, .count = 1}}};
}

kofn_status
kofn_factors_outer(const kofn_matrix *operands, size_t count, kofn_factors *ret_factors,
                   kofn_error *err)
{
    kofn_factors list = {.outer = true, .count = count};
    if (count < 2 || count > KOFN_OPERANDS_MAX)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "an outer product of %zu operands, need 2 to %d", count,
                         KOFN_OPERANDS_MAX);
    for (size_t i = 0; i < count; i++)
        list.at[i] = (kofn_stack){.of = &operands[i], .count = 1};
    *ret_factors = list;
    return KOFN_OK;
}

/* Whole operands after transposition. */
static kofn_status
find_batch_shape(const kofn_factors *f, size_t *ret_rows, size_t *ret_cols, kofn_error *err)
{
    kofn_extents e = {.count = f->count};
    kofn_shape shape;
    for (size_t i = 0; i < f->count; i++) {
        const kofn_matrix *first = kofn_stack_get(&f->at[i], 0);
        const size_t rows = f->at[i].count * first->rows; // checked
        e.rows[i] = first->transposed ? first->cols : rows;
        e.cols[i] = first->transposed ? rows : first->cols;
    }
    const kofn_status status = kofn_batch_get_shape(f->batch, &e, &shape, err);
    if (status != KOFN_OK)
        return status;
    *ret_rows = shape.rows;
    *ret_cols = shape.cols;
    return KOFN_OK;
}

static kofn_status
find_shape(const kofn_factors *f, size_t *ret_rows, size_t *ret_cols, kofn_error *err)
{
    if (f->batch)
        return find_batch_shape(f, ret_rows, ret_cols, err);
    kofn_mat mats[KOFN_OPERANDS_MAX];
    bool transposed[KOFN_OPERANDS_MAX];
    for (size_t i = 0; i < f->count; i++) {
        mats[i] = kofn_matrix_view(f->at[i].of);
        transposed[i] = f->at[i].of->transposed;
    }
    const kofn_product product = {
        .a = &mats[0], .b = &mats[1], .transpose_a = transposed[0], .transpose_b = transposed[1]};
    const kofn_outer outer = {.count = f->count, .factor = mats, .transpose = transposed};
    return f->outer ? kofn_outer_shape(&outer, ret_rows, ret_cols, err)
                    : kofn_product_shape(&product, ret_rows, ret_cols, err);
}

kofn_status
kofn_factors_check(const kofn_factors *f, kofn_msg_matrix *ret_c, kofn_error *err)
{
    size_t rows, cols;
    bool stored = false;
    kofn_status status = KOFN_OK;
    for (size_t i = 0; i < f->count && status == KOFN_OK && !f->batch; i++) {
        const char *name = kofn_operand_name(f->outer, i);
        status = f->at[i].of->sparse && !f->outer ? check_sparse(f->at[i].of, name, err)
                                                  : kofn_factor_check(f->at[i].of, name, err);
        stored |= f->at[i].of->operand != NULL;
    }
    if (status != KOFN_OK)
        return status;
    *ret_c = (kofn_msg_matrix){0};
    if (stored)
        return KOFN_OK;
    status = find_shape(f, &rows, &cols, err);
    if (status == KOFN_OK && (rows > KOFN_DIMENSION_MAX || cols > KOFN_DIMENSION_MAX))
        status = kofn_fail(err, KOFN_OUT_OF_RANGE,
                           "the product is %zu x %zu, at most %d in each direction", rows, cols,
                           KOFN_DIMENSION_MAX);
    if (status == KOFN_OK)
        kofn_shape_describe(kofn_integers_get_product_dtype(f->at[0].of->dtype), rows, cols, ret_c);
    return status;
}

kofn_status
kofn_text_describe(char *to, size_t size, const char *from, const char *what, kofn_error *err)
{
    if (!from)
        return KOFN_OK;
    if (strlen(from) >= size)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s '%.40s' is too long, at most %zu characters", what, from, size - 1);
    memcpy(to, from, strlen(from) + 1);
    return KOFN_OK;
}

kofn_status
kofn_factor_describe(const kofn_stack *s, kofn_msg_matrix *ret_matrix, char ret_id[KOFN_ID_MAX],
                     kofn_error *err)
{
    const kofn_matrix *m = kofn_stack_get(s, 0);
    if (m->dtype || m->rows || m->cols)
        kofn_shape_describe(m->dtype, s->count * m->rows, m->cols, ret_matrix);
    if (m->sparse) {
        memcpy(ret_matrix->format, KOFN_FORMAT_CSR, sizeof KOFN_FORMAT_CSR);
        ret_matrix->elements = m->sparse->elements;
    }
    return kofn_text_describe(ret_id, KOFN_ID_MAX, m->operand, "operand", err);
}

static kofn_stack
send_list(const void *data, kofn_dtype dtype, size_t rows, kofn_matrix *ret_matrix)
{
    *ret_matrix = (kofn_matrix){.data = data, .dtype = dtype, .rows = rows, .cols = 1};
    return (kofn_stack){.of = ret_matrix, .count = 1};
}

size_t
kofn_factors_list_sent(const kofn_factors *f, kofn_sent *ret_sent)
{
    size_t count = 0, lists = 0;
    for (size_t i = 0; i < f->count; i++) {
        const kofn_matrix *m = kofn_stack_get(&f->at[i], 0);
        if (m->sparse)
            ret_sent->at[count++] =
                send_list(m->data, m->dtype, m->sparse->elements, &ret_sent->list[lists++]);
        else if (!m->operand)
            ret_sent->at[count++] = f->at[i];
    }
    for (size_t i = 0; i < f->count; i++) {
        const kofn_matrix *m = kofn_stack_get(&f->at[i], 0);
        if (!m->sparse)
            continue;
        ret_sent->at[count++] =
            send_list(m->sparse->first, KOFN_I64, m->rows + 1, &ret_sent->list[lists++]);
        ret_sent->at[count++] =
            send_list(m->sparse->column, KOFN_I32, m->sparse->elements, &ret_sent->list[lists++]);
    }
    return count;
}
