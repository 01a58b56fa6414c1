#include "common/code/peel.h"

#include <stdlib.h>
#include <string.h>

/* ---- which targets have which column ------------------------------------------------------------ */

kofn_status
kofn_target_index_init(kofn_target_index *index, const kofn_code *code, kofn_error *err)
{
    const kofn_coefs *t = &code->targets;
    size_t entries = 0;
    for (size_t i = 0; i < t->rows * t->cols; i++)
        entries += t->at[i] != 0;
    size_t *first = calloc(t->cols + 2 + entries, sizeof *first);
    if (!first)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu columns",
                         t->cols);

    /* Counting sort by column: counts two places ahead, so that filling in leaves the starts. */
    *index = (kofn_target_index){
        .code = code, .first = first, .who = first + t->cols + 2, .disjoint = true};
    for (size_t i = 0; i < t->rows * t->cols; i++)
        if (t->at[i] != 0)
            first[i % t->cols + 2]++;
    for (size_t c = 0; c < t->cols; c++) {
        index->disjoint = index->disjoint && first[c + 2] <= 1;
        first[c + 2] += first[c + 1];
    }
    for (size_t i = 0; i < t->rows * t->cols; i++)
        if (t->at[i] != 0)
            index->who[first[i % t->cols + 1]++] = i / t->cols;
    return KOFN_OK;
}

void
kofn_target_index_fini(kofn_target_index *index)
{
    free(index->first);
    *index = (kofn_target_index){0};
}

/* ---- peel ------------------------------------------------------------------------------------- */

static void
start_empty(kofn_peel *peel)
{
    const kofn_target_index *index = peel->index;
    const size_t columns = kofn_code_columns(index->code), targets = index->code->targets.rows;
    for (size_t c = 0; c < columns; c++)
        peel->giver[c] = KOFN_NO_TASK;
    memset(peel->left, 0, targets * sizeof *peel->left);
    for (size_t i = 0; i < index->first[columns]; i++)
        peel->left[index->who[i]]++;
    for (size_t t = 0; t < targets; t++)
        peel->open += peel->left[t] > 0;
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
        if (--peel->left[index->who[i]] == 0)
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
        if (peel->left[index->who[i]]++ == 0)
            peel->open++;
}

bool
kofn_peel_may_suffice(const kofn_peel *peel)
{
    return peel->coded_count > 0 && (!peel->index->disjoint || peel->coded_count >= peel->open);
}

/* ---- rest ------------------------------------------------------------------------------------- */

static void
list_rest(kofn_rest *rest, const kofn_peel *peel)
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

static kofn_status
create_span(kofn_rest *rest, kofn_error *err)
{
    const kofn_coefs *all = &rest->code->targets;
    double *targets = malloc(rest->targets * rest->cols * sizeof *targets);
    if (!targets)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu open targets",
                         rest->targets);
    for (size_t t = 0; t < rest->targets; t++)
        for (size_t i = 0; i < rest->cols; i++)
            targets[t * rest->cols + i] = all->at[rest->target[t] * all->cols + rest->col[i]];
    const kofn_status status =
        kofn_span_new(rest->code->field, rest->cols, rest->targets, targets, &rest->span, err);
    free(targets);
    return status;
}

kofn_status
kofn_rest_init(kofn_rest *rest, const kofn_peel *peel, kofn_error *err)
{
    const kofn_code *code = peel->index->code;
    kofn_rest r = {
        .code = code, .cols = kofn_code_columns(code) - peel->known, .targets = peel->open};
    r.col = malloc((r.cols + r.targets) * sizeof *r.col);
    r.row = malloc(r.cols * sizeof *r.row);
    kofn_status status = KOFN_OK;
    if (!r.col || !r.row) {
        status =
            kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu columns", r.cols);
    } else {
        r.target = r.col + r.cols;
        list_rest(&r, peel);
        status = create_span(&r, err);
    }
    for (size_t i = 0; i < peel->coded_count && !status; i++)
        status = kofn_rest_add(&r, peel->coded[i], err);
    if (status)
        kofn_rest_fini(&r);
    else
        *rest = r;
    return status;
}

kofn_status
kofn_rest_add(kofn_rest *rest, size_t task, kofn_error *err)
{
    const kofn_field *f = rest->code->field;
    const double *a = kofn_code_get_row(rest->code, 0, task);
    const double *b = kofn_code_get_row(rest->code, 1, task);
    const size_t b_blocks = rest->code->e[1].cols;
    for (size_t i = 0; i < rest->cols; i++)
        rest->row[i] = f->multiply(f, a[rest->col[i] / b_blocks], b[rest->col[i] % b_blocks]);
    bool grew;
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
