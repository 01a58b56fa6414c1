#include "common/code/code.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What kofn_code_alloc really allocates: users see the first member. Behind it are e[0], e[1] and,
 * the points and, from there on as sizes, plain[0], plain[1] and the powers. */
typedef struct counted_code {
    kofn_code code;
    atomic_size_t refs;
    double *points;
    size_t *powers;
    double coefs[];
} counted_code;

size_t
kofn_size_multiply(size_t a, size_t b)
{
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

size_t
kofn_partition_products(kofn_partition part)
{
    return kofn_size_multiply(kofn_size_multiply(part.x, part.y), part.z);
}

size_t
kofn_partition_outputs(kofn_partition part)
{
    return kofn_size_multiply(part.x, part.y);
}

static kofn_status
check_limits(const char *family, kofn_partition part, size_t tasks, kofn_error *err)
{
    if (part.x == 0 || part.z == 0 || part.y == 0)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "%s: partition %zu,%zu,%zu has no parts", family,
                         part.x, part.z, part.y);
    if (tasks == 0 || tasks > KOFN_TASKS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "%s: tasks=%zu, need 1 to %d", family, tasks,
                         KOFN_TASKS_MAX);
    const size_t columns = kofn_size_multiply(kofn_partition_products(part), part.z);
    if (columns > KOFN_COLUMNS_MAX)
        return kofn_fail(
            err, KOFN_OUT_OF_RANGE,
            "%s: partition %zu,%zu,%zu mixes more than %d block products; take fewer parts", family,
            part.x, part.z, part.y, KOFN_COLUMNS_MAX);
    /* No overflow: columns is at most 2^20, so each part and each product of two is, too. */
    const size_t coefs = tasks * part.z * (part.x + part.y) + part.x * part.y * columns;
    if (coefs > KOFN_CODE_BYTES_MAX / sizeof(double))
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "%s: partition %zu,%zu,%zu with %zu tasks needs %zu coefficients, at most "
                         "%zu fit; take fewer parts",
                         family, part.x, part.z, part.y, tasks, coefs,
                         KOFN_CODE_BYTES_MAX / sizeof(double));
    return KOFN_OK;
}

size_t
kofn_code_most_tasks(kofn_partition part)
{
    const size_t columns = kofn_size_multiply(kofn_partition_products(part), part.z);
    const size_t most = KOFN_CODE_BYTES_MAX / sizeof(double);
    if (columns == 0 || columns > KOFN_COLUMNS_MAX || part.x * part.y * columns >= most)
        return 0;
    const size_t fit = (most - part.x * part.y * columns) / (part.z * (part.x + part.y));
    return fit < KOFN_TASKS_MAX ? fit : KOFN_TASKS_MAX;
}

static kofn_coefs
carve(double **next, size_t rows, size_t cols)
{
    const kofn_coefs coefs = {.rows = rows, .cols = cols, .at = *next};
    *next += rows * cols;
    return coefs;
}

/* C_ij = sum_k A_ik B_kj. False: no memory. */
static bool
make_targets(kofn_partition p, kofn_sums *ret_targets)
{
    const size_t rows = p.x * p.y, terms = rows * p.z;
    size_t *first = malloc((rows + 1 + terms) * sizeof *first + terms * sizeof(double));
    if (!first)
        return false;
    kofn_sums sums = {.rows = rows, .cols = terms * p.z, .first = first};
    sums.column = first + rows + 1;
    sums.coef = (double *)(void *)(sums.column + terms);
    first[0] = 0;
    for (size_t row = 0, at = 0; row < rows; row++) {
        const size_t i = row / p.y, j = row % p.y;
        for (size_t k = 0; k < p.z; k++, at++) {
            sums.column[at] = (i * p.z + k) * (p.z * p.y) + k * p.y + j;
            sums.coef[at] = 1;
        }
        first[row + 1] = at;
    }
    *ret_targets = sums;
    return true;
}

kofn_status
kofn_code_alloc(const char *family, const kofn_field *field, kofn_partition part, size_t tasks,
                kofn_code **ret_code, kofn_error *err)
{
    const kofn_status status = check_limits(family, part, tasks, err);
    if (status)
        return status;

    const size_t a = part.x * part.z, b = part.z * part.y, coefs = tasks * (a + b);
    const size_t targets = part.x * part.y;
    counted_code *counted = calloc(1, sizeof *counted + (coefs + tasks) * sizeof(double) +
                                          (2 * tasks + targets) * sizeof(size_t));
    if (!counted || !make_targets(part, &counted->code.targets)) {
        free(counted);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "%s: no memory for %zu coefficients", family,
                         coefs);
    }

    atomic_init(&counted->refs, 1);
    kofn_code *code = &counted->code;
    (void)snprintf(code->family, sizeof code->family, "%s", family);
    code->field = kofn_field_ref(field);
    code->part = part;
    code->tasks = tasks;
    code->operands = 2;
    double *next = counted->coefs;
    code->e[0] = carve(&next, tasks, a);
    code->e[1] = carve(&next, tasks, b);
    counted->points = next;
    code->plain[0] = (size_t *)(void *)(next + tasks);
    code->plain[1] = code->plain[0] + tasks;
    counted->powers = code->plain[1] + tasks;
    code->grid[0] = (kofn_grid){.rows = part.x, .cols = part.z};
    code->grid[1] = (kofn_grid){.rows = part.z, .cols = part.y};
    code->out = (kofn_grid){.rows = part.x, .cols = part.y};
    *ret_code = code;
    return KOFN_OK;
}

void
kofn_code_use_points(kofn_code *code)
{
    code->point = ((counted_code *)code)->points;
}

void
kofn_code_use_powers(kofn_code *code)
{
    code->power = ((counted_code *)code)->powers;
}

/* The one block that a row is a plain copy of, or SIZE_MAX. */
static size_t
find_plain(const double *row, size_t blocks)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < blocks; i++) {
        if (row[i] == 0)
            continue;
        if (row[i] != 1 || found != SIZE_MAX)
            return SIZE_MAX;
        found = i;
    }
    return found;
}

void
kofn_code_seal(kofn_code *code)
{
    for (size_t o = 0; o < code->operands; o++)
        for (size_t task = 0; task < code->tasks; task++)
            code->plain[o][task] = find_plain(kofn_code_get_row(code, o, task), code->e[o].cols);
}

kofn_code *
kofn_code_ref(kofn_code *code)
{
    atomic_fetch_add_explicit(&((counted_code *)code)->refs, 1, memory_order_relaxed);
    return code;
}

void
kofn_code_destroy(kofn_code **code_p)
{
    counted_code *counted = (counted_code *)*code_p;
    *code_p = NULL;
    if (!counted || atomic_fetch_sub_explicit(&counted->refs, 1, memory_order_acq_rel) > 1)
        return;
    kofn_field_destroy(&counted->code.field);
    free(counted->code.targets.first);
    free(counted);
}

size_t
kofn_code_first_tasks(const kofn_code *code)
{
    return code->tasks - code->reserve;
}

bool
kofn_code_is_certain(const kofn_code *code)
{
    return !code->likely && (code->groups == 0 || code->reserve == 0);
}

size_t
kofn_code_columns(const kofn_code *code)
{
    return code->targets.cols;
}

const double *
kofn_code_get_row(const kofn_code *code, size_t operand, size_t task)
{
    assert(operand < code->operands && task < code->tasks);
    return code->e[operand].at + task * code->e[operand].cols;
}

void
kofn_code_fill_row(const kofn_code *code, size_t task, double *ret_row)
{
    const kofn_field *f = code->field;
    const double *a = kofn_code_get_row(code, 0, task);
    const double *b = kofn_code_get_row(code, 1, task);
    const size_t b_blocks = code->e[1].cols;
    for (size_t i = 0; i < code->e[0].cols; i++)
        for (size_t j = 0; j < b_blocks; j++)
            ret_row[i * b_blocks + j] = f->multiply(f, a[i], b[j]);
}

size_t
kofn_code_plain_block(const kofn_code *code, size_t operand, size_t task)
{
    assert(operand < code->operands && task < code->tasks);
    return code->plain[operand][task];
}

size_t
kofn_code_plain_column(const kofn_code *code, size_t task)
{
    const size_t a = kofn_code_plain_block(code, 0, task);
    if (a == SIZE_MAX)
        return SIZE_MAX;
    const size_t b = kofn_code_plain_block(code, 1, task);
    return b == SIZE_MAX ? SIZE_MAX : a * code->e[1].cols + b;
}

size_t
kofn_code_count_coded(const kofn_code *code)
{
    size_t coded = 0;
    for (size_t task = 0; task < kofn_code_first_tasks(code); task++)
        coded += kofn_code_plain_column(code, task) == SIZE_MAX;
    return coded;
}
