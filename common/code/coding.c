#include "common/code/coding.h"
#include "common/code/coding_outer.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void
kofn_coding_init(kofn_coding *coding, const kofn_code *code, kofn_shape shape, bool transpose_a,
                 bool transpose_b)
{
    /* From the grids and not from x, z, y: they are what cuts. */
    *coding = (kofn_coding){
        .code = code,
        .shape = shape,
        .part = {.rows = kofn_part_size(shape.rows, code->grid[0].rows),
                 .inner = kofn_part_size(shape.inner, code->grid[0].cols),
                 .cols = kofn_part_size(shape.cols, code->grid[1].cols)},
        .rows = {shape.rows, shape.inner},
        .cols = {shape.inner, shape.cols},
        .transposed = {transpose_a, transpose_b},
        .grid = {code->grid[0], code->grid[1]},
    };
}

void
kofn_coding_init_outer(kofn_coding *coding, const kofn_code *code, const kofn_extents *operands,
                       const bool *transposed)
{
    const kofn_shape one = {1, 1, 1};
    *coding = (kofn_coding){.code = code, .shape = one, .part = one};
    for (size_t o = 0; o < code->operands; o++) {
        const kofn_grid grid = kofn_cuts_get_grid(&code->parts, operands, o);
        coding->grid[o] = grid;
        coding->rows[o] = operands->rows[o];
        coding->cols[o] = operands->cols[o];
        coding->transposed[o] = transposed[o];
        coding->shape.rows *= operands->rows[o];
        coding->shape.cols *= operands->cols[o];
        coding->part.rows *= kofn_part_size(operands->rows[o], grid.rows);
        coding->part.cols *= kofn_part_size(operands->cols[o], grid.cols);
    }
}

void
kofn_coding_init_batch(kofn_coding *coding, const kofn_code *code, kofn_shape shape,
                       const kofn_extents *operands, const bool *transposed)
{
    assert(code->pairs > 0 && operands->count == 2);
    *coding = (kofn_coding){
        .code = code,
        .shape = shape,
        .part = {.rows = kofn_part_size(operands->rows[0], code->grid[0].rows),
                 .inner = kofn_part_size(operands->cols[0], code->grid[0].cols),
                 .cols = kofn_part_size(operands->cols[1], code->grid[1].cols)},
        .rows = {operands->rows[0], operands->rows[1]},
        .cols = {operands->cols[0], operands->cols[1]},
        .transposed = {transposed[0], transposed[1]},
        .grid = {code->grid[0], code->grid[1]},
    };
}

void
kofn_coding_block_shape(const kofn_coding *coding, size_t operand, size_t *ret_rows,
                        size_t *ret_cols)
{
    assert(operand < coding->code->operands);
    const size_t rows = kofn_part_size(coding->rows[operand], coding->grid[operand].rows);
    const size_t cols = kofn_part_size(coding->cols[operand], coding->grid[operand].cols);
    *ret_rows = coding->transposed[operand] ? cols : rows;
    *ret_cols = coding->transposed[operand] ? rows : cols;
}

/* An operand of this shape and dtype, of which all elements are there or not. */
static kofn_status
check_operand(const kofn_coding *coding, size_t operand, size_t stored_rows, size_t stored_cols,
              kofn_dtype stored_dtype, bool complete, kofn_error *err)
{
    const bool transposed = coding->transposed[operand];
    const size_t rows = transposed ? coding->cols[operand] : coding->rows[operand];
    const size_t cols = transposed ? coding->rows[operand] : coding->cols[operand];
    const kofn_dtype dtype = coding->code->field->dtype;
    if (stored_rows == rows && stored_cols == cols && stored_dtype == dtype && complete)
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "encode: operand %s%s is %zu x %zu %s%s, need %zu x %zu %s",
                     kofn_operand_name(coding->code->parts.count > 0, operand),
                     transposed ? " (stored transposed)" : "", stored_rows, stored_cols,
                     kofn_dtype_name(stored_dtype), complete ? "" : " with rows missing", rows,
                     cols, kofn_dtype_name(dtype));
}

kofn_status
kofn_coding_check_operand(const kofn_coding *coding, size_t operand, const kofn_bands *stored,
                          kofn_error *err)
{
    return check_operand(coding, operand, stored->rows, stored->cols, stored->dtype,
                         kofn_bands_are_complete(stored), err);
}

kofn_status
kofn_coding_check_csr(const kofn_coding *coding, size_t operand, const kofn_csr *stored,
                      kofn_error *err)
{
    return check_operand(coding, operand, stored->rows, stored->cols, stored->value.dtype, true,
                         err);
}

static kofn_status
check_block(const char *what, size_t task, const kofn_bands *block, size_t rows, size_t cols,
            kofn_dtype dtype, kofn_error *err)
{
    if (block->rows == rows && block->cols == cols && block->dtype == dtype &&
        kofn_bands_are_complete(block))
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%s of task %zu is %zu x %zu %s%s, need %zu x %zu %s", what, task, block->rows,
                     block->cols, kofn_dtype_name(block->dtype),
                     kofn_bands_are_complete(block) ? "" : " with rows missing", rows, cols,
                     kofn_dtype_name(dtype));
}

static kofn_block
whole_block(const kofn_bands *of)
{
    return (kofn_block){.of = of, .valid_rows = of->rows, .valid_cols = of->cols};
}

/* Blocks of op(operand), row by row of op's grid, as places in what is stored. */
static void
list_blocks(const kofn_coding *coding, size_t operand, const kofn_bands *stored,
            kofn_block *ret_blocks)
{
    const kofn_grid grid = coding->grid[operand];
    const kofn_grid turned = {.rows = grid.cols, .cols = grid.rows};
    for (size_t i = 0; i < grid.rows; i++)
        for (size_t j = 0; j < grid.cols; j++)
            *ret_blocks++ = coding->transposed[operand] ? kofn_grid_get_block(turned, stored, j, i)
                                                        : kofn_grid_get_block(grid, stored, i, j);
}

/* What kofn_blocks_combine needs, in one allocation. */
typedef struct operands {
    kofn_block *dst, *src;
    double *coef; // [outs, ins]
} operands;

static kofn_status
operands_init(operands *o, size_t outs, size_t ins, bool coefs, kofn_error *err)
{
    const size_t blocks = (outs + ins) * sizeof(kofn_block);
    o->dst = malloc(blocks + (coefs ? outs * ins * sizeof(double) : 0));
    if (!o->dst)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "coding: no memory for %zu blocks",
                         outs + ins);
    o->src = o->dst + outs;
    o->coef = (double *)(void *)(o->src + ins);
    return KOFN_OK;
}

static kofn_status
check_coded(const kofn_coding *coding, size_t operand, size_t count, const size_t *tasks,
            const kofn_bands *blocks, kofn_error *err)
{
    size_t rows, cols;
    kofn_coding_block_shape(coding, operand, &rows, &cols);
    kofn_status status = KOFN_OK;
    for (size_t t = 0; t < count && !status; t++)
        status = check_block("coded block", tasks[t], &blocks[t], rows, cols,
                             coding->code->field->dtype, err);
    return status;
}

kofn_status
kofn_coding_encode(const kofn_coding *coding, size_t operand, const kofn_bands *stored,
                   size_t count, const size_t *tasks, const kofn_bands *blocks, kofn_error *err)
{
    const kofn_code *code = coding->code;
    const size_t ins = code->e[operand].cols;
    size_t rows, cols;
    kofn_coding_block_shape(coding, operand, &rows, &cols);
    kofn_status status = kofn_coding_check_operand(coding, operand, stored, err);
    if (!status)
        status = check_coded(coding, operand, count, tasks, blocks, err);
    operands o = {0};
    if (!status)
        status = operands_init(&o, count, ins, true, err);
    if (status)
        return status;

    list_blocks(coding, operand, stored, o.src);
    for (size_t t = 0; t < count; t++) {
        o.dst[t] = whole_block(&blocks[t]);
        memcpy(o.coef + t * ins, kofn_code_get_row(code, operand, tasks[t]), ins * sizeof *o.coef);
    }
    status = kofn_blocks_combine(code->field, rows, cols, count, o.dst, ins, o.src, o.coef, err);
    free(o.dst);
    return status;
}

/* Row `task` of E by the blocks of what is stored. */
static void
fill_stored_row(const kofn_coding *coding, size_t operand, size_t task, double *ret_row)
{
    const double *row = kofn_code_get_row(coding->code, operand, task);
    const kofn_grid grid = coding->grid[operand];
    for (size_t i = 0; i < grid.rows; i++)
        for (size_t j = 0; j < grid.cols; j++)
            ret_row[coding->transposed[operand] ? j * grid.rows + i : i * grid.cols + j] = *row++;
}

kofn_status
kofn_coding_encode_csr(const kofn_coding *coding, size_t operand, const kofn_csr *stored,
                       size_t count, const size_t *tasks, const kofn_bands *blocks, kofn_error *err)
{
    const kofn_grid grid = coding->grid[operand];
    const kofn_grid turned = {.rows = grid.cols, .cols = grid.rows};
    const size_t ins = grid.rows * grid.cols;
    kofn_status status = kofn_coding_check_csr(coding, operand, stored, err);
    if (!status)
        status = check_coded(coding, operand, count, tasks, blocks, err);
    if (status)
        return status;
    double *coef = malloc((count * ins + 1) * sizeof *coef);
    if (!coef)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "coding: no memory for %zu blocks",
                         count + ins);
    for (size_t t = 0; t < count; t++)
        fill_stored_row(coding, operand, tasks[t], coef + t * ins);
    status =
        kofn_csr_combine(coding->code->field, stored, coding->transposed[operand] ? turned : grid,
                         count, blocks, coef, err);
    free(coef);
    return status;
}

static kofn_status
check_decode(const kofn_coding *coding, const kofn_decode_plan *plan,
             const kofn_bands *const *answers, const kofn_bands *c, kofn_error *err)
{
    const kofn_dtype dtype = coding->code->field->dtype;
    if (c->rows != coding->shape.rows || c->cols != coding->shape.cols || c->dtype != dtype)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "decode: the product is %zu x %zu %s, need %zu x %zu %s", c->rows, c->cols,
                         kofn_dtype_name(c->dtype), coding->shape.rows, coding->shape.cols,
                         kofn_dtype_name(dtype));
    kofn_status status = KOFN_OK;
    for (size_t u = 0; u < plan->used && !status; u++)
        status = check_block("answer", plan->task[u], answers[u], coding->part.rows,
                             coding->part.cols, dtype, err);
    return status;
}

/* Rows [first, end) of a block, as a block of that many rows. */
static kofn_block
cut_rows(kofn_block block, kofn_range rows)
{
    const size_t valid = block.valid_rows < rows.end ? block.valid_rows : rows.end;
    block.valid_rows = valid > rows.first ? valid - rows.first : 0;
    block.first_row += block.valid_rows > 0 ? rows.first : 0;
    return block;
}

kofn_range
kofn_coding_all_rows(const kofn_coding *coding)
{
    return (kofn_range){.end = coding->part.rows};
}

kofn_status
kofn_coding_decode(const kofn_coding *coding, const kofn_decode_plan *plan,
                   const kofn_bands *const *answers, kofn_range rows, const kofn_bands *c,
                   kofn_error *err)
{
    assert(rows.first <= rows.end && rows.end <= coding->part.rows);
    kofn_status status = check_decode(coding, plan, answers, c, err);
    operands o = {0};
    if (!status && coding->code->parts.count > 0)
        return kofn_coding_decode_outer(coding, plan, answers, rows, c, err);
    if (!status)
        status = operands_init(&o, plan->targets, plan->used, false, err);
    if (status)
        return status;

    const kofn_grid out = coding->code->out;
    for (size_t t = 0; t < plan->targets; t++)
        o.dst[t] = cut_rows(kofn_grid_get_block(out, c, t / out.cols, t % out.cols), rows);
    for (size_t u = 0; u < plan->used; u++)
        o.src[u] = cut_rows(whole_block(answers[u]), rows);
    status = kofn_blocks_combine(coding->code->field, rows.end - rows.first, coding->part.cols,
                                 plan->targets, o.dst, plan->used, o.src, plan->coef, err);
    free(o.dst);
    return status;
}

/* ---- what a result is worth ------------------------------------------------------------------ */

/* Roundings that one element of a coded block may carry: a coefficient's, its product's and the
 * sums'. */
static size_t
encoding_terms(const kofn_code *code, size_t operand)
{
    for (size_t task = 0; task < code->tasks; task++)
        if (kofn_code_plain_block(code, operand, task) == SIZE_MAX)
            return code->e[operand].cols + 1;
    return 0;
}

/* n roundings are a factor of at most (1 + epsilon)^n <= exp(n epsilon), on sums of absolute
 * values; by Cauchy-Schwarz these are at most |e| |A|_F for a coded block. */
double
kofn_coding_get_noise(const kofn_coding *coding)
{
    const kofn_code *code = coding->code;
    size_t terms = code->parts.count > 0 ? code->operands - 1 : coding->part.inner;
    for (size_t o = 0; o < code->operands; o++)
        terms += encoding_terms(code, o);
    return expm1((double)terms * coding->code->field->epsilon);
}

/* Two plans side by side over the answers that either uses. */
typedef struct comparison {
    size_t targets, used;
    size_t *task; // [used]
    double *coef; // [2 targets, used]: D, then D - D'
    operands o;
    kofn_mat mat; // [2 targets, part.cols]
    kofn_bands out;
} comparison;

static void
comparison_fini(comparison *c)
{
    free(c->task);
    free(c->coef);
    free(c->o.dst);
    free(c->mat.data);
    kofn_bands_fini(&c->out);
}

/* place[task]: where it stands in c->task, from 1. */
static void
list_tasks(comparison *c, const kofn_decode_plan *plan, size_t *place)
{
    for (size_t u = 0; u < plan->used; u++)
        if (place[plan->task[u]] == 0) {
            c->task[c->used++] = plan->task[u];
            place[plan->task[u]] = c->used;
        }
}

/* coef[t, place of u] += factor D[t, u]. */
static void
add_plan(const comparison *c, const kofn_decode_plan *plan, double factor, const size_t *place,
         double *coef)
{
    for (size_t t = 0; t < plan->targets; t++)
        for (size_t u = 0; u < plan->used; u++)
            coef[t * c->used + place[plan->task[u]] - 1] += factor * plan->coef[t * plan->used + u];
}

static kofn_status
fill_comparison(comparison *c, const kofn_coding *coding, const kofn_decode_plan *plan,
                const kofn_decode_plan *other, kofn_error *err)
{
    size_t *place = calloc(coding->code->tasks, sizeof *place);
    c->task = malloc((plan->used + other->used + 1) * sizeof *c->task);
    if (place && c->task) {
        list_tasks(c, plan, place);
        list_tasks(c, other, place);
        c->coef = calloc(2 * c->targets * c->used + 1, sizeof *c->coef);
    }
    if (c->coef) {
        double *difference = c->coef + c->targets * c->used;
        add_plan(c, plan, 1, place, c->coef);
        add_plan(c, plan, 1, place, difference);
        add_plan(c, other, -1, place, difference);
    }
    free(place);
    return c->coef ? KOFN_OK
                   : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED,
                               "coding: no memory to compare %zu answers", plan->used);
}

static kofn_status
comparison_init(comparison *c, const kofn_coding *coding, const kofn_decode_plan *plan,
                const kofn_decode_plan *other, kofn_error *err)
{
    const kofn_dtype dtype = coding->code->field->dtype;
    const size_t outs = 2 * plan->targets;
    size_t bytes;
    *c = (comparison){.targets = plan->targets};
    kofn_status status = kofn_mat_bytes(dtype, outs, coding->part.cols, &bytes, err);
    if (!status)
        status = fill_comparison(c, coding, plan, other, err);
    if (!status)
        status = operands_init(&c->o, outs, c->used, false, err);
    if (status)
        return status;
    void *data = calloc(bytes + 1, 1);
    if (!data)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "coding: no memory for %zu rows", outs);
    c->mat = kofn_mat_wrap(data, dtype, outs, coding->part.cols);
    return kofn_bands_from_mat(&c->mat, &c->out, err);
}

/* Row `row` of every block: add its norms to those of C and C - C'. */
static kofn_status
compare_row(comparison *c, const kofn_coding *coding, const kofn_bands *answers, size_t row,
            double norms[2], kofn_error *err)
{
    const kofn_field *f = coding->code->field;
    const kofn_grid rows = {.rows = 2 * c->targets, .cols = 1};
    for (size_t t = 0; t < rows.rows; t++)
        c->o.dst[t] = kofn_grid_get_block(rows, &c->out, t, 0);
    for (size_t u = 0; u < c->used; u++)
        c->o.src[u] =
            cut_rows(whole_block(&answers[c->task[u]]), (kofn_range){.first = row, .end = row + 1});
    const kofn_status status = kofn_blocks_combine(f, 1, coding->part.cols, rows.rows, c->o.dst,
                                                   c->used, c->o.src, c->coef, err);
    if (status)
        return status;
    for (size_t i = 0; i < 2; i++)
        norms[i] = hypot(norms[i], f->norm(f, kofn_mat_get_row(&c->mat, i * c->targets),
                                           c->targets * coding->part.cols));
    return KOFN_OK;
}

static double
ratio(double difference, double whole)
{
    if (difference == 0 && whole == 0)
        return 0;
    return isfinite(difference / whole) ? difference / whole : INFINITY;
}

kofn_status
kofn_coding_disagree(const kofn_coding *coding, const kofn_decode_plan *plan,
                     const kofn_decode_plan *other, const kofn_bands *answers, size_t sample,
                     double *ret_relative, kofn_error *err)
{
    assert(plan->targets == other->targets && sample > 0);
    comparison c;
    double norms[2] = {0, 0};
    const size_t rows = coding->part.rows, count = sample < rows ? sample : rows;
    kofn_status status = comparison_init(&c, coding, plan, other, err);
    for (size_t u = 0; u < c.used && !status; u++)
        status = check_block("answer", c.task[u], &answers[c.task[u]], rows, coding->part.cols,
                             coding->code->field->dtype, err);
    for (size_t i = 0; i < count && !status; i++)
        status = compare_row(&c, coding, answers, i * rows / count, norms, err);
    comparison_fini(&c);
    if (!status)
        *ret_relative = ratio(norms[1], norms[0]);
    return status;
}
