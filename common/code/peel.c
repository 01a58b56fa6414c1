#include "common/code/peel.h"

#include <stdlib.h>
#include <string.h>

/* ---- which targets have which column --------------------------------------------------------- */

kofn_status
kofn_target_index_init(kofn_target_index *index, const kofn_code *code, kofn_error *err)
{
    const kofn_sums *t = &code->targets;
    const size_t entries = t->first[t->rows];
    size_t *first = calloc(t->cols + 2, sizeof *first);
    kofn_target_part *part = malloc((entries + 1) * sizeof *part);
    *index = (kofn_target_index){.code = code, .first = first, .part = part, .disjoint = true};
    if (!first || !part) {
        kofn_target_index_fini(index);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu columns",
                         t->cols);
    }

    /* Counting sort by column: counts two places ahead, so that filling in leaves the starts. */
    for (size_t i = 0; i < entries; i++)
        first[t->column[i] + 2]++;
    for (size_t c = 0; c < t->cols; c++) {
        index->disjoint = index->disjoint && first[c + 2] <= 1;
        first[c + 2] += first[c + 1];
    }
    for (size_t row = 0; row < t->rows; row++) {
        index->wanted += t->first[row] < t->first[row + 1];
        for (size_t i = t->first[row]; i < t->first[row + 1]; i++)
            part[first[t->column[i] + 1]++] = (kofn_target_part){row, t->coef[i]};
    }
    return KOFN_OK;
}

void
kofn_target_index_fini(kofn_target_index *index)
{
    free(index->first);
    free(index->part);
    *index = (kofn_target_index){0};
}

/* ---- peel ------------------------------------------------------------------------------------ */

static void
start_empty(kofn_peel *peel)
{
    const kofn_sums *targets = &peel->index->code->targets;
    for (size_t c = 0; c < targets->cols; c++)
        peel->giver[c] = KOFN_NO_TASK;
    for (size_t t = 0; t < targets->rows; t++) {
        peel->left[t] = targets->first[t + 1] - targets->first[t];
        peel->open += peel->left[t] > 0;
    }
}

static void
start_from(kofn_peel *peel, const kofn_peel *from)
{
    const kofn_code *code = peel->index->code;
    memcpy(peel->giver, from->giver, kofn_code_columns(code) * sizeof *peel->giver);
    memcpy(peel->left, from->left, code->targets.rows * sizeof *peel->left);
    memcpy(peel->coded, from->coded, from->coded_count * sizeof *peel->coded);
    peel->coded_count = from->coded_count;
    peel->known = from->known;
    peel->open = from->open;
}

kofn_status
kofn_peel_init(kofn_peel *peel, const kofn_target_index *index, const kofn_peel *from,
               kofn_error *err)
{
    const kofn_code *code = index->code;
    const size_t columns = kofn_code_columns(code), targets = code->targets.rows;
    size_t *room = malloc((columns + targets + code->tasks) * sizeof *room);
    if (!room)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu columns",
                         columns);
    *peel = (kofn_peel){
        .index = index, .giver = room, .left = room + columns, .coded = room + columns + targets};
    if (from)
        start_from(peel, from);
    else
        start_empty(peel);
    return KOFN_OK;
}

void
kofn_peel_fini(kofn_peel *peel)
{
    free(peel->giver);
    *peel = (kofn_peel){0};
}

bool
kofn_peel_add(kofn_peel *peel, size_t task, size_t column)
{
    if (column == KOFN_NO_COLUMN) {
        peel->coded[peel->coded_count++] = task;
        return true;
    }
    if (peel->giver[column] != KOFN_NO_TASK)
        return false;
    peel->giver[column] = task;
    peel->known++;
    const kofn_target_index *index = peel->index;
    for (size_t i = index->first[column]; i < index->first[column + 1]; i++)
        if (--peel->left[index->part[i].target] == 0)
            peel->open--;
    return true;
}

void
kofn_peel_take_back(kofn_peel *peel, size_t column)
{
    if (column == KOFN_NO_COLUMN) {
        peel->coded_count--;
        return;
    }
    peel->giver[column] = KOFN_NO_TASK;
    peel->known--;
    const kofn_target_index *index = peel->index;
    for (size_t i = index->first[column]; i < index->first[column + 1]; i++)
        if (peel->left[index->part[i].target]++ == 0)
            peel->open++;
}

bool
kofn_peel_may_suffice(const kofn_peel *peel)
{
    return peel->coded_count > 0 && (!peel->index->disjoint || peel->coded_count >= peel->open);
}

/* ---- rest ------------------------------------------------------------------------------------ */

static void
fill_rest(kofn_rest *rest, const kofn_peel *peel)
{
    size_t n = 0;
    for (size_t c = 0; c < kofn_code_columns(rest->code); c++)
        if (peel->giver[c] == KOFN_NO_TASK)
            rest->col[n++] = c;
    n = 0;
    for (size_t t = 0; t < rest->code->targets.rows; t++)
        if (peel->left[t] > 0)
            rest->target[n++] = t;
}

size_t
kofn_rest_find(const kofn_rest *rest, size_t column)
{
    size_t low = 0, high = rest->cols;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (rest->col[middle] < column)
            low = middle + 1;
        else
            high = middle;
    }
    return low < rest->cols && rest->col[low] == column ? low : rest->cols;
}

static kofn_status
create_span(kofn_rest *rest, kofn_error *err)
{
    const kofn_sums *all = &rest->code->targets;
    double *targets = calloc(rest->targets * rest->cols, sizeof *targets);
    if (!targets)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu open targets",
                         rest->targets);
    for (size_t t = 0; t < rest->targets; t++)
        for (size_t i = all->first[rest->target[t]]; i < all->first[rest->target[t] + 1]; i++) {
            const size_t at = kofn_rest_find(rest, all->column[i]);
            if (at < rest->cols)
                targets[t * rest->cols + at] = all->coef[i];
        }
    const kofn_status status =
        kofn_span_new(rest->code->field, rest->cols, rest->targets, targets, &rest->span, err);
    free(targets);
    return status;
}

kofn_status
kofn_rest_list(kofn_rest *rest, const kofn_peel *peel, kofn_error *err)
{
    const kofn_code *code = peel->index->code;
    kofn_rest r = {
        .code = code, .cols = kofn_code_columns(code) - peel->known, .targets = peel->open};
    r.col = malloc((r.cols + r.targets + 1) * sizeof *r.col);
    r.row = malloc((r.cols + 1) * sizeof *r.row);
    if (!r.col || !r.row) {
        kofn_rest_fini(&r);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu columns",
                         kofn_code_columns(code));
    }
    r.target = r.col + r.cols;
    fill_rest(&r, peel);
    *rest = r;
    return KOFN_OK;
}

static void
fill_row(const kofn_rest *rest, size_t task, double *ret_row)
{
    for (size_t i = 0; i < rest->cols; i++)
        ret_row[i] = kofn_code_get_element(rest->code, task, rest->col[i]);
}

/* All coded rows. */
static kofn_status
fill_span(kofn_rest *rest, const kofn_peel *peel, const atomic_bool *cancelled, kofn_error *err)
{
    const size_t count = peel->coded_count;
    double *rows = malloc(count * rest->cols * sizeof *rows);
    if (!rows)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu coded answers",
                         count);
    for (size_t i = 0; i < count; i++)
        fill_row(rest, peel->coded[i], rows + i * rest->cols);
    const kofn_status status = kofn_span_fill(rest->span, rows, count, rest->cols, cancelled, err);
    free(rows);
    return status;
}

kofn_status
kofn_rest_init(kofn_rest *rest, const kofn_peel *peel, const atomic_bool *cancelled,
               kofn_error *err)
{
    kofn_rest r;
    kofn_status status = kofn_rest_list(&r, peel, err);
    if (status)
        return status;
    status = create_span(&r, err);
    if (!status)
        status = fill_span(&r, peel, cancelled, err);
    if (status)
        kofn_rest_fini(&r);
    else
        *rest = r;
    return status;
}

kofn_status
kofn_rest_add(kofn_rest *rest, size_t task, kofn_error *err)
{
    bool grew;
    fill_row(rest, task, rest->row);
    return kofn_span_add(rest->span, rest->row, &grew, err);
}

void
kofn_rest_fini(kofn_rest *rest)
{
    kofn_span_destroy(&rest->span);
    free(rest->col);
    free(rest->row);
    *rest = (kofn_rest){0};
}

/* ---- D over all answers ---------------------------------------------------------------------- */

/* Column u of D for a plain answer: T - D_coded K on the column that it gives. */
static void
fill_plain(const kofn_peel *peel, const kofn_rest *rest, size_t column, const double *d_coded,
           double *ret_d, size_t stride)
{
    const kofn_target_index *index = peel->index;
    const kofn_code *code = index->code;
    const kofn_field *f = code->field;
    for (size_t i = index->first[column]; i < index->first[column + 1]; i++)
        ret_d[index->part[i].target * stride] = index->part[i].coef;

    for (size_t r = 0; r < peel->coded_count && rest->targets > 0; r++) {
        const size_t task = peel->coded[r];
        const double k = kofn_code_get_element(code, task, column);
        if (k == 0)
            continue;
        for (size_t t = 0; t < rest->targets; t++) {
            const double coef = d_coded[t * peel->coded_count + r];
            double *at = ret_d + rest->target[t] * stride;
            if (coef != 0)
                *at = f->add(f, *at, f->negate(f, f->multiply(f, coef, k)));
        }
    }
}

void
kofn_peel_expand(const kofn_peel *peel, const kofn_rest *rest, const size_t *tasks, size_t count,
                 const double *d_coded, double *ret_d)
{
    size_t coded = 0;
    for (size_t u = 0; u < count; u++) {
        const size_t column = kofn_code_plain_column(peel->index->code, tasks[u]);
        if (column == KOFN_NO_COLUMN) {
            for (size_t t = 0; t < rest->targets; t++)
                ret_d[rest->target[t] * count + u] = d_coded[t * peel->coded_count + coded];
            coded++;
        } else if (peel->giver[column] == tasks[u]) {
            fill_plain(peel, rest, column, d_coded, ret_d + u, count);
        }
    }
}
