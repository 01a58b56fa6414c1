#include "common/code/code.h"
#include "common/code/batch.h"
#include "common/code/columns.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is really allocated: users see the first member. Behind it are all of e[] and, the points
 * and, from there on as sizes, all of plain[] and the powers. */
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

size_t
kofn_code_most_tasks(kofn_partition part)
{
    const size_t columns = kofn_size_multiply(kofn_partition_products(part), part.z);
    const size_t most = KOFN_CODE_COEFS_MAX;
    if (columns == 0 || columns > KOFN_COLUMNS_MAX || part.x * part.y * columns >= most)
        return 0;
    const size_t fit = (most - part.x * part.y * columns) / (part.z * (part.x + part.y));
    return fit < KOFN_TASKS_MAX ? fit : KOFN_TASKS_MAX;
}

size_t
kofn_code_count_coefs(size_t tasks, size_t blocks, size_t targets, const kofn_columns_size *columns)
{
    return targets * (columns->kept + columns->mixed) + tasks * (blocks + columns->mixed);
}

static bool
fits(const kofn_batch *batch, const kofn_field *field, size_t tasks)
{
    const size_t left = batch->side[0].cols, right = batch->side[1].cols;
    const kofn_columns_size columns = kofn_columns_choose(batch, field, tasks);
    return left * right <= KOFN_COLUMNS_MAX &&
           kofn_code_count_coefs(tasks, left + right, batch->weights.rows, &columns) <=
               KOFN_CODE_COEFS_MAX;
}

/* With one task more there are more coefficients, or mixtures do not fit any more: then either all
 * columns do, as with all further tasks up to the most, or never again. So what fits is in one
 * piece. */
size_t
kofn_code_most_batch_tasks(const kofn_batch *batch, const kofn_field *field)
{
    size_t has_room = 0, beyond = KOFN_TASKS_MAX + 1;
    while (beyond - has_room > 1) {
        const size_t tasks = has_room + (beyond - has_room) / 2;
        if (fits(batch, field, tasks))
            has_room = tasks;
        else
            beyond = tasks;
    }
    return has_room;
}

enum { CUT_TEXT_MAX = KOFN_CUTS_TEXT_MAX + 32 };

/* How operands are cut: for messages. */
static const char *
name_cut(const kofn_code *like, char text[CUT_TEXT_MAX])
{
    char parts[KOFN_CUTS_TEXT_MAX];
    if (like->pairs > 0) {
        (void)snprintf(text, CUT_TEXT_MAX, "a batch over %zu and %zu blocks", like->e[0].cols,
                       like->e[1].cols);
    } else if (like->parts.count > 0) {
        kofn_cuts_format(&like->parts, parts);
        (void)snprintf(text, CUT_TEXT_MAX, "parts %s", parts);
    } else {
        (void)snprintf(text, CUT_TEXT_MAX, "partition %zu,%zu,%zu", like->part.x, like->part.z,
                       like->part.y);
    }
    return text;
}

/* Columns of G; SIZE_MAX where that overflows. */
static size_t
count_columns(const kofn_code *like)
{
    size_t columns = 1;
    for (size_t o = 0; o < like->operands; o++)
        columns = kofn_size_multiply(columns, like->e[o].cols);
    return columns;
}

static kofn_status
check_limits(const kofn_code *like, kofn_error *err)
{
    char cut[CUT_TEXT_MAX];
    const size_t columns = count_columns(like), targets = kofn_partition_outputs(like->part);
    if (columns == 0)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "%s: %s has no parts", like->family,
                         name_cut(like, cut));
    if (like->tasks == 0 || like->tasks > KOFN_TASKS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "%s: tasks=%zu, need 1 to %d", like->family,
                         like->tasks, KOFN_TASKS_MAX);
    if (columns > KOFN_COLUMNS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "%s: %s mixes more than %d block products; take fewer parts", like->family,
                         name_cut(like, cut), KOFN_COLUMNS_MAX);
    /* No overflow: columns is at most 2^20, so each part and each product of two is, too. */
    const kofn_columns_size size =
        like->columns ? like->columns->size : (kofn_columns_size){.kept = columns};
    size_t blocks = 0;
    for (size_t o = 0; o < like->operands; o++)
        blocks += like->e[o].cols;
    const size_t coefs = kofn_code_count_coefs(like->tasks, blocks, targets, &size);
    if (coefs > KOFN_CODE_COEFS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "%s: %s with %zu tasks needs %zu coefficients, at most %zu fit; "
                         "take fewer parts",
                         like->family, name_cut(like, cut), like->tasks, coefs,
                         (size_t)KOFN_CODE_COEFS_MAX);
    return KOFN_OK;
}

bool
kofn_sums_alloc(size_t rows, size_t cols, size_t terms, kofn_sums *ret_sums)
{
    size_t *first = malloc((rows + 1 + terms) * sizeof *first + terms * sizeof(double));
    if (!first)
        return false;
    first[0] = 0;
    *ret_sums = (kofn_sums){.rows = rows,
                            .cols = cols,
                            .first = first,
                            .column = first + rows + 1,
                            .coef = (double *)(void *)(first + rows + 1 + terms)};
    return true;
}

bool
kofn_sums_alloc_single(size_t rows, size_t cols, const size_t *column, kofn_sums *ret_sums)
{
    if (!kofn_sums_alloc(rows, cols, rows, ret_sums))
        return false;
    for (size_t i = 0; i < rows; i++) {
        ret_sums->first[i + 1] = i + 1;
        ret_sums->column[i] = column ? column[i] : i;
        ret_sums->coef[i] = 1;
    }
    return true;
}

bool
kofn_sums_copy_rows(const kofn_sums *from, const size_t *row, size_t count, const kofn_field *field,
                    const double *factor, kofn_sums *ret_sums)
{
    size_t terms = 0;
    for (size_t i = 0; i < count; i++)
        terms += from->first[row[i] + 1] - from->first[row[i]];
    if (!kofn_sums_alloc(count, from->cols, terms, ret_sums))
        return false;
    for (size_t i = 0, at = 0; i < count; i++) {
        for (size_t e = from->first[row[i]]; e < from->first[row[i] + 1]; e++, at++) {
            ret_sums->column[at] = from->column[e];
            ret_sums->coef[at] =
                factor ? field->multiply(field, factor[i], from->coef[e]) : from->coef[e];
        }
        ret_sums->first[i + 1] = at;
    }
    return true;
}

/* C_ij = sum_k A_ik B_kj. False: no memory. */
static bool
make_targets(kofn_partition p, kofn_sums *ret_targets)
{
    const size_t rows = p.x * p.y, terms = rows * p.z;
    kofn_sums sums;
    if (!kofn_sums_alloc(rows, terms * p.z, terms, &sums))
        return false;
    for (size_t row = 0, at = 0; row < rows; row++) {
        const size_t i = row / p.y, j = row % p.y;
        for (size_t k = 0; k < p.z; k++, at++) {
            sums.column[at] = (i * p.z + k) * (p.z * p.y) + k * p.y + j;
            sums.coef[at] = 1;
        }
        sums.first[row + 1] = at;
    }
    *ret_targets = sums;
    return true;
}

/* e[], plain[], points and powers, out of the memory behind *counted. */
static void
carve(counted_code *counted)
{
    kofn_code *code = &counted->code;
    double *next = counted->coefs;
    for (size_t o = 0; o < code->operands; o++) {
        code->e[o].at = next;
        next += code->tasks * code->e[o].cols;
    }
    counted->points = next;
    size_t *sizes = (size_t *)(void *)(next + code->tasks);
    for (size_t o = 0; o < code->operands; o++, sizes += code->tasks)
        code->plain[o] = sizes;
    counted->powers = sizes;
}

/* A code with the sizes of `like`: partition, operands, e[].cols, grids; of a batch its targets and
 * columns, which become the code's. */
static kofn_status
alloc_like(const char *family, const kofn_field *field, kofn_code like, kofn_code **ret_code,
           kofn_error *err)
{
    (void)snprintf(like.family, sizeof like.family, "%s", family);
    const kofn_status status = check_limits(&like, err);
    if (status)
        return status;
    size_t coefs = 0;
    for (size_t o = 0; o < like.operands; o++) {
        like.e[o].rows = like.tasks;
        coefs += like.tasks * like.e[o].cols;
    }
    const size_t targets = kofn_partition_outputs(like.part);
    counted_code *counted = calloc(1, sizeof *counted + (coefs + like.tasks) * sizeof(double) +
                                          (like.operands * like.tasks + targets) * sizeof(size_t));
    if (!counted || (like.pairs == 0 && !make_targets(like.part, &like.targets))) {
        free(counted);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "%s: no memory for %zu coefficients", family,
                         coefs);
    }
    atomic_init(&counted->refs, 1);
    counted->code = like;
    counted->code.field = kofn_field_ref(field);
    carve(counted);
    *ret_code = &counted->code;
    return KOFN_OK;
}

kofn_status
kofn_code_alloc(const char *family, const kofn_field *field, kofn_partition part, size_t tasks,
                kofn_code **ret_code, kofn_error *err)
{
    kofn_code like = {.part = part, .tasks = tasks, .operands = 2};
    like.grid[0] = (kofn_grid){.rows = part.x, .cols = part.z};
    like.grid[1] = (kofn_grid){.rows = part.z, .cols = part.y};
    like.out = (kofn_grid){.rows = part.x, .cols = part.y};
    for (size_t o = 0; o < 2; o++)
        like.e[o].cols = kofn_size_multiply(like.grid[o].rows, like.grid[o].cols);
    return alloc_like(family, field, like, ret_code, err);
}

kofn_status
kofn_code_alloc_outer(const char *family, const kofn_field *field, const kofn_cuts *parts,
                      size_t tasks, kofn_code **ret_code, kofn_error *err)
{
    assert(parts->count >= 2);
    const size_t pieces = kofn_cuts_count_pieces(parts);
    kofn_code like = {.part = {.x = pieces, .z = 1, .y = 1},
                      .parts = *parts,
                      .tasks = tasks,
                      .operands = parts->count,
                      .out = {.rows = pieces, .cols = 1}};
    for (size_t o = 0; o < parts->count; o++) {
        like.grid[o] = (kofn_grid){.rows = parts->of[o], .cols = 1};
        like.e[o].cols = parts->of[o];
    }
    return alloc_like(family, field, like, ret_code, err);
}

/* A power of two that is at most 1. */
static bool
is_fraction(double coef)
{
    int exponent;
    return frexp(coef, &exponent) == 0.5 && exponent <= 1;
}

/* See the header. One target alone may be a sum, whose weights a family has in its rows. */
static kofn_status
split_scale(const kofn_field *field, kofn_code *like, kofn_error *err)
{
    kofn_sums *t = &like->targets;
    bool all_one = true;
    if (field->order != 0 || t->rows < 2)
        return KOFN_OK;
    for (size_t row = 0; row < t->rows; row++) {
        if (t->first[row + 1] != row + 1 || !is_fraction(t->coef[row]))
            return KOFN_OK;
        all_one = all_one && t->coef[row] == 1;
    }
    if (all_one)
        return KOFN_OK;
    like->scale = malloc(t->rows * sizeof *like->scale);
    if (!like->scale)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a batch of %zu products",
                         t->rows);
    for (size_t row = 0; row < t->rows; row++) {
        like->scale[row] = t->coef[row];
        t->coef[row] = 1;
    }
    return KOFN_OK;
}

kofn_status
kofn_code_alloc_batch(const char *family, const kofn_field *field, const kofn_batch *batch,
                      size_t tasks, kofn_code **ret_code, kofn_error *err)
{
    kofn_code like = {.part = {.x = batch->weights.rows, .z = 1, .y = 1},
                      .pairs = batch->count,
                      .tasks = tasks,
                      .operands = 2,
                      .out = batch->out};
    for (size_t o = 0; o < 2; o++) {
        like.grid[o] = batch->grid[o];
        like.e[o].cols = batch->side[o].cols;
    }
    kofn_status status = kofn_batch_make_targets(batch, field, &like.targets, err);
    if (status)
        return status;
    status = split_scale(field, &like, err);
    if (!status)
        status = kofn_columns_new(batch, field, tasks, &like.targets, &like.columns, err);
    if (!status)
        status = alloc_like(family, field, like, ret_code, err);
    if (status) {
        kofn_columns_destroy(&like.columns);
        free(like.targets.first);
        free(like.scale);
    }
    return status;
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

void
kofn_group_table_destroy(kofn_group_table **table_p)
{
    kofn_group_table *table = *table_p;
    *table_p = NULL;
    if (!table)
        return;
    free(table->of);
    free(table->threshold);
    free(table->first);
    free(table->gives.first);
    free(table);
}

void
kofn_code_take_groups(kofn_code *code, size_t groups, kofn_group_table **table_p)
{
    assert(!code->table && code->reserve == 0);
    code->groups = groups;
    code->table = *table_p;
    *table_p = NULL;
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
    assert(!code->columns || code->columns->filled);
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
    kofn_group_table_destroy(&counted->code.table);
    kofn_columns_destroy(&counted->code.columns);
    free(counted->code.targets.first);
    free(counted->code.scale);
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
    return !code->likely && ((code->groups == 0 && !code->staged) || code->reserve == 0);
}

size_t
kofn_code_get_group(const kofn_code *code, size_t task)
{
    return code->table ? code->table->of[task] : task % code->groups;
}

size_t
kofn_code_get_group_threshold(const kofn_code *code, size_t group)
{
    return code->table ? code->table->threshold[group] : code->group_threshold;
}

size_t
kofn_code_next_of_group(const kofn_code *code, size_t group, size_t task)
{
    if (code->table)
        while (task < code->tasks && code->table->of[task] != group)
            task++;
    else
        task += (group + code->groups - task % code->groups) % code->groups;
    return task < code->tasks ? task : SIZE_MAX;
}

size_t
kofn_code_columns(const kofn_code *code)
{
    return code->targets.cols;
}

size_t
kofn_code_get_product(const kofn_code *code, size_t column)
{
    const kofn_columns *c = code->columns;
    if (!c)
        return column;
    return column < c->size.kept ? c->product[column] : SIZE_MAX;
}

size_t
kofn_code_find_column(const kofn_code *code, size_t product)
{
    return code->columns ? kofn_columns_find(code->columns, product) : product;
}

bool
kofn_code_has_row_of(const kofn_code *code, const kofn_code *other, size_t task)
{
    for (size_t o = 0; o < code->operands; o++)
        if (memcmp(kofn_code_get_row(code, o, task), kofn_code_get_row(other, o, task),
                   code->e[o].cols * sizeof(double)) != 0)
            return false;
    return true;
}

bool
kofn_code_is_blank(const kofn_code *code, size_t task)
{
    const double *row = kofn_code_get_row(code, 0, task);
    for (size_t i = 0; i < code->e[0].cols; i++)
        if (row[i] != 0)
            return false;
    return true;
}

const double *
kofn_code_get_row(const kofn_code *code, size_t operand, size_t task)
{
    assert(operand < code->operands && task < code->tasks);
    return code->e[operand].at + task * code->e[operand].cols;
}

/* From the back, so that a number is read before its multiples are written over it. */
static void
extend_row(const kofn_field *f, double *row, size_t len, const double *by, size_t count)
{
    for (size_t i = len; i-- > 0;) {
        const double number = row[i];
        for (size_t j = count; j-- > 0;)
            row[i * count + j] = f->multiply(f, number, by[j]);
    }
}

void
kofn_code_fill_row_from(const kofn_code *code, size_t first, size_t task, double *ret_row)
{
    size_t len = 1;
    ret_row[0] = 1;
    for (size_t o = first; o < code->operands; len *= code->e[o++].cols)
        extend_row(code->field, ret_row, len, kofn_code_get_row(code, o, task), code->e[o].cols);
}

void
kofn_code_fill_row(const kofn_code *code, size_t task, double *ret_row)
{
    if (!code->columns)
        kofn_code_fill_row_from(code, 0, task, ret_row);
    for (size_t c = 0; code->columns && c < kofn_code_columns(code); c++)
        ret_row[c] = kofn_code_get_element(code, task, c);
}

double
kofn_code_get_element(const kofn_code *code, size_t task, size_t column)
{
    const kofn_field *f = code->field;
    const kofn_columns *c = code->columns;
    if (c && column >= c->size.kept)
        return c->mix[task * c->size.mixed + column - c->size.kept];
    column = kofn_code_get_product(code, column);
    double product = 0;
    for (size_t o = code->operands; o-- > 0;) {
        const size_t blocks = code->e[o].cols, rest = o > 0 ? column / blocks : 0;
        const double number = kofn_code_get_row(code, o, task)[column - rest * blocks];
        product = o + 1 == code->operands ? number : f->multiply(f, number, product);
        column = rest;
    }
    return product;
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
    size_t column = 0;
    for (size_t o = 0; o < code->operands; o++) {
        const size_t block = kofn_code_plain_block(code, o, task);
        if (block == SIZE_MAX)
            return SIZE_MAX;
        column = column * code->e[o].cols + block;
    }
    return kofn_code_find_column(code, column);
}

size_t
kofn_code_count_coded(const kofn_code *code)
{
    size_t coded = 0;
    for (size_t task = 0; task < kofn_code_first_tasks(code); task++)
        coded += kofn_code_plain_column(code, task) == SIZE_MAX;
    return coded;
}
