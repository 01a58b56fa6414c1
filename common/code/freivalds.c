/* The tolerance, with P = (sum_a |E_A[i, a]| |A_a|) (sum_b |E_B[i, b]| |B_b|), which is at least
 * what |C~|, and all sums on the way to it, can be; GROW = g^2; s, r what |S|, |R| are at
 * most:
 *
 *     honest rounding of C~      g^2 noise P               S and R do not depend on it
 *     of S^T C~ R                kofn_projection_get_noise (1 + noise) P
 *     of the halves and of       g eps (T_m + z_A + 2) s P   times the other half, exact: factor g
 *     their sums over blocks     g eps (T_n + z_B + 2) r P
 *     of the product of both     g^2 eps T_k P
 *     underflow                  so many terms of the smallest normal number
 *
 * with T roundings of a sum (kofn_projection_count_roundings) and z blocks.
 *
 * All but the first is our own, in f64 whatever the field. So whoever computed the answer, it is
 * off by no more than what is seen of that and our own rounding, over SHRINK. */
#include "common/code/freivalds.h"
#include "common/code/projection.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct kofn_freivalds {
    kofn_code *code; // a ref
    kofn_coding coding;
    kofn_projection *projection;
    unsigned char *half[2]; // [blocks, l x inner], as their operand is stored
    double *norm[2];        // [blocks]: |A_a|_F
    double own, tolerance;  // over P: what is rounded here, and with an honest answer's rounding
};

/* ---- tolerance ------------------------------------------------------------------------------- */

/* Of what is computed here; an answer's rounding is `noise`. */
static double
get_own(const kofn_coding *c, double noise)
{
    if (c->code->field->order != 0)
        return 0;
    const double grow = sqrt(KOFN_PROJECTION_GROW);
    const kofn_shape part = c->part;
    const double left =
        (kofn_projection_count_roundings(part.rows) + (double)c->code->e[0].cols + 2) *
        kofn_projection_get_secret_norm(part.rows);
    const double right =
        (kofn_projection_count_roundings(part.cols) + (double)c->code->e[1].cols + 2) *
        kofn_projection_get_secret_norm(part.cols);
    const double both = grow * kofn_projection_count_roundings(part.inner);
    return kofn_projection_get_noise(c->code->field, part.rows, part.cols) * (1 + noise) +
           0x1p-53 * grow * (left + right + both);
}

/* What is wrong where |X' - X|_F is `off`: all over the same. The projection of what is wrong is
 * rounded, too, by no more than `own` of that. */
static double
get_wrong(double off, double own)
{
    return own < KOFN_PROJECTION_SHRINK ? (off + own) / (KOFN_PROJECTION_SHRINK - own) : INFINITY;
}

double
kofn_freivalds_get_noise(const kofn_coding *c)
{
    const double noise = kofn_coding_get_noise(c), own = get_own(c, noise);
    return get_wrong(KOFN_PROJECTION_GROW * noise + own, own);
}

/* ---- operands -------------------------------------------------------------------------------- */

/* Block b of what is stored, seen as it is stored. */
static kofn_block
get_block(const kofn_coding *c, size_t operand, const kofn_bands *stored, size_t b)
{
    const kofn_grid grid = c->grid[operand], turned = {.rows = grid.cols, .cols = grid.rows};
    const size_t i = b / grid.cols, j = b % grid.cols;
    return c->transposed[operand] ? kofn_grid_get_block(turned, stored, j, i)
                                  : kofn_grid_get_block(grid, stored, i, j);
}

/* A's rows are summed, B's columns: of what is stored the other way round the others. */
static bool
is_turned(const kofn_coding *c, size_t operand)
{
    return c->transposed[operand] != (operand == 1);
}

static kofn_projection_side
get_side(size_t operand)
{
    return operand == 0 ? KOFN_PROJECTION_LEFT : KOFN_PROJECTION_RIGHT;
}

static kofn_status
add_dense(kofn_freivalds *f, size_t operand, const kofn_bands *stored, size_t half, kofn_error *err)
{
    const kofn_coding *c = &f->coding;
    kofn_status status = KOFN_OK;
    for (size_t b = 0; b < c->code->e[operand].cols && status == KOFN_OK; b++) {
        const kofn_block block = get_block(c, operand, stored, b);
        status = kofn_projection_halve(f->projection, get_side(operand), is_turned(c, operand),
                                       &block, c->part.inner, f->half[operand] + b * half, err);
        if (status == KOFN_OK && c->code->field->order == 0)
            f->norm[operand][b] = kofn_projection_measure(c->code->field, &block);
    }
    return status;
}

static kofn_status
add_sparse(kofn_freivalds *f, size_t operand, const kofn_csr *stored, kofn_error *err)
{
    const kofn_coding *c = &f->coding;
    const kofn_grid grid = c->grid[operand], turned = {.rows = grid.cols, .cols = grid.rows};
    const kofn_sparse_halves halves = {.side = get_side(operand),
                                       .turned = is_turned(c, operand),
                                       .transposed = c->transposed[operand],
                                       .csr = stored,
                                       .grid = c->transposed[operand] ? turned : grid,
                                       .shape = c->part.inner,
                                       .half = f->half[operand],
                                       .norm = f->norm[operand]};
    return kofn_projection_halve_sparse(f->projection, &halves, err);
}

static kofn_status
add_operand(kofn_freivalds *f, size_t operand, const kofn_freivalds_operand *stored,
            kofn_error *err)
{
    const kofn_coding *c = &f->coding;
    const size_t width = kofn_dtype_width(kofn_projection_get_field(f->projection)->dtype);
    const size_t blocks = c->code->e[operand].cols;
    const size_t half = kofn_projection_get_count(f->projection) * c->part.inner * width;
    f->half[operand] = calloc(blocks, half + 1);
    f->norm[operand] = calloc(blocks, sizeof *f->norm[operand]);
    if (!f->half[operand] || !f->norm[operand])
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to check answers");
    return stored->csr ? add_sparse(f, operand, stored->csr, err)
                       : add_dense(f, operand, stored->dense, half, err);
}

size_t
kofn_freivalds_count_bytes(const kofn_coding *c)
{
    const double blocks = (double)c->code->e[0].cols + (double)c->code->e[1].cols;
    const double sides = 2 * ((double)c->part.rows + (double)c->part.cols);
    const double bytes = (double)kofn_projection_choose_count(c->code->field) * sizeof(double) *
                         (blocks * (double)c->part.inner + sides);
    return bytes < 0x1p62 ? (size_t)bytes : (size_t)1 << 62;
}

size_t
kofn_freivalds_count_check_bytes(const kofn_freivalds *f)
{
    const kofn_coding *c = &f->coding;
    const size_t width = kofn_dtype_width(kofn_projection_get_field(f->projection)->dtype);
    const size_t half = kofn_projection_get_count(f->projection) * c->part.inner * width;
    return (c->code->e[0].cols + c->code->e[1].cols + 4) * half; // two sums, made and multiplied
}

kofn_status
kofn_freivalds_new(const kofn_coding *coding, const kofn_freivalds_operand operands[2],
                   kofn_freivalds **ret_freivalds, kofn_error *err)
{
    if (coding->code->parts.count > 0)
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "an outer product's answers are not checked one by one: verify by parity, "
                         "or not at all");
    kofn_freivalds *f = calloc(1, sizeof *f);
    if (!f)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to check answers");
    f->code = kofn_code_ref((kofn_code *)coding->code);
    f->coding = *coding;
    const double noise = kofn_coding_get_noise(coding); // 0 in finite fields
    f->own = get_own(coding, noise);
    f->tolerance = KOFN_PROJECTION_GROW * noise + f->own;
    kofn_status status = kofn_projection_new(f->code->field, coding->part.rows, coding->part.cols,
                                             &f->projection, err);
    for (size_t o = 0; o < 2 && status == KOFN_OK; o++)
        status = operands[o].csr ? kofn_coding_check_csr(coding, o, operands[o].csr, err)
                                 : kofn_coding_check_operand(coding, o, operands[o].dense, err);
    for (size_t o = 0; o < 2 && status == KOFN_OK; o++)
        status = add_operand(f, o, &operands[o], err);
    if (status != KOFN_OK)
        kofn_freivalds_destroy(&f);
    else
        *ret_freivalds = f;
    return status;
}

void
kofn_freivalds_destroy(kofn_freivalds **freivalds_p)
{
    kofn_freivalds *f = *freivalds_p;
    if (!f)
        return;
    for (size_t o = 0; o < 2; o++) {
        free(f->half[o]);
        free(f->norm[o]);
    }
    kofn_projection_destroy(&f->projection);
    kofn_code_destroy(&f->code);
    free(f);
    *freivalds_p = NULL;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* sum_a |E[task, a]| |A_a|: at least what a coded block's norm can be, sums on the way included. */
static double
weigh_operand(const kofn_freivalds *f, const kofn_code *code, size_t operand, size_t task)
{
    const double *row = kofn_code_get_row(code, operand, task);
    double sum = 0;
    for (size_t b = 0; b < f->code->e[operand].cols; b++)
        if (row[b] != 0)
            sum += fabs(row[b]) * f->norm[operand][b];
    return sum;
}

/* What X may be off by; INFINITY: nothing can be said. */
static double
allow(const kofn_freivalds *f, const kofn_code *code, size_t task)
{
    const kofn_field *field = f->code->field;
    if (field->order != 0)
        return 0;
    const kofn_shape part = f->coding.part;
    const double a = weigh_operand(f, code, 0, task), b = weigh_operand(f, code, 1, task);
    const double most = field->dtype == KOFN_F64 ? DBL_MAX : FLT_MAX;
    if (!(a < most / 2 && b < most / 2 && a * b < most / 2 &&
          (1 + a) * (1 + b) < DBL_MAX / kofn_projection_get_spread(part.rows, part.cols)))
        return INFINITY;
    const size_t terms = part.inner + f->code->e[0].cols + f->code->e[1].cols + 1;
    return f->tolerance * a * b +
           kofn_projection_get_floor(field, part.rows, part.cols, terms) * (1 + a) * (1 + b);
}

/* sum_a E[task, a] half_a, in one piece. */
static void
sum_halves(const kofn_freivalds *f, const kofn_code *code, size_t operand, size_t task,
           const void **src, void *ret)
{
    const kofn_field *wide = kofn_projection_get_field(f->projection);
    const size_t len = kofn_projection_get_count(f->projection) * f->coding.part.inner;
    const size_t blocks = f->code->e[operand].cols;
    for (size_t b = 0; b < blocks; b++)
        src[b] = f->half[operand] + b * len * kofn_dtype_width(wide->dtype);
    const kofn_combination c = {.outs = 1,
                                .ins = blocks,
                                .rows = 1,
                                .len = len,
                                .coef = kofn_code_get_row(code, operand, task),
                                .src = src,
                                .dst = &ret};
    wide->combine(wide, &c);
}

/* ret_x [l, l]: what X must be. */
static kofn_status
foretell(const kofn_freivalds *f, const kofn_code *code, size_t task, double *ret_x,
         kofn_error *err)
{
    const kofn_field *wide = kofn_projection_get_field(f->projection);
    const size_t width = kofn_dtype_width(wide->dtype), inner = f->coding.part.inner;
    const size_t l = kofn_projection_get_count(f->projection);
    const size_t blocks = f->code->e[0].cols + f->code->e[1].cols;
    const void **src = malloc(blocks * sizeof *src);
    unsigned char *room = malloc((2 * inner + l) * l * width);
    kofn_status status = KOFN_OK;
    if (!src || !room) {
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to check an answer");
    } else {
        unsigned char *right = room + inner * l * width, *x = right + inner * l * width;
        sum_halves(f, code, 0, task, src, room);
        sum_halves(f, code, 1, task, src, right);
        const kofn_small_product product = {.rows = l,
                                            .cols = l,
                                            .inner = inner,
                                            .a = room,
                                            .b = right,
                                            .transpose_a = f->coding.transposed[0],
                                            .transpose_b = f->coding.transposed[1]};
        status = kofn_small_multiply(wide, &product, x, err);
        if (status == KOFN_OK)
            wide->widen(wide, l * l, x, ret_x);
    }
    free((void *)src);
    free(room);
    return status;
}

/* How far apart: |X' - X|_F, or in exact fields how many elements differ. NaN where X' is none. */
static double
compare(const kofn_field *field, const double *x, const double *y, size_t count)
{
    double off = 0;
    for (size_t i = 0; i < count; i++)
        off = field->order != 0 ? off + (x[i] != y[i]) : hypot(off, x[i] - y[i]);
    return off;
}

/* |e| |M|_F of the task's row. */
static double
measure_operand(const kofn_freivalds *f, const kofn_code *code, size_t operand, size_t task)
{
    const double *row = kofn_code_get_row(code, operand, task);
    double length = 0, norm = 0;
    for (size_t b = 0; b < f->code->e[operand].cols; b++) {
        length = hypot(length, row[b]);
        norm = hypot(norm, f->norm[operand][b]);
    }
    return length * norm;
}

/* Of |X' - X|_F. */
static kofn_freivalds_look
judge(const kofn_freivalds *f, const kofn_code *code, size_t task, double off)
{
    const double allowed = allow(f, code, task);
    kofn_freivalds_look look = {.finding = isinf(allowed)   ? KOFN_FINDING_UNKNOWN
                                           : off <= allowed ? KOFN_FINDING_RIGHT
                                                            : KOFN_FINDING_WRONG, // NaN, too
                                .off = allowed > 0 ? off / allowed : off,
                                .wrong = INFINITY};
    if (look.finding != KOFN_FINDING_RIGHT)
        return look;
    const double size = measure_operand(f, code, 0, task) * measure_operand(f, code, 1, task);
    const double seen = size != 0 ? fmin(off / size, f->tolerance) : 0; // the rest is underflow
    look.wrong = get_wrong(seen, f->own);
    return look;
}

kofn_status
kofn_freivalds_check(const kofn_freivalds *f, const kofn_code *code, size_t task,
                     const kofn_bands *answer, kofn_freivalds_look *ret_look, kofn_error *err)
{
    const size_t l = kofn_projection_get_count(f->projection);
    double *x = malloc(2 * l * l * sizeof *x);
    if (!x)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to check an answer");
    kofn_status status = kofn_projection_apply(f->projection, answer, x, err);
    if (status == KOFN_OK)
        status = foretell(f, code, task, x + l * l, err);
    if (status == KOFN_OK)
        *ret_look = judge(f, code, task, compare(f->code->field, x, x + l * l, l * l));
    free(x);
    return status;
}
