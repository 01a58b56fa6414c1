#include "common/code/groups.h"

#include <stdlib.h>

/* Of the decoder's limit: targets are sums over several groups. */
static const double SHARE = 1.0 / 32;

struct kofn_group {
    kofn_span *span;                                         // NULL: there is no answer
    size_t *col[KOFN_OPERANDS_MAX], cols[KOFN_OPERANDS_MAX]; // of E that some row has
    bool complete;                                           // each row follows from the answers
};

kofn_status
kofn_groups_init(kofn_groups *groups, const kofn_code *code, double max_amplification,
                 kofn_error *err)
{
    *groups = (kofn_groups){.code = code, .max_amplification = max_amplification * SHARE};
    if (code->groups == 0)
        return KOFN_OK;
    groups->at = calloc(code->groups, sizeof *groups->at);
    return groups->at ? KOFN_OK
                      : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu groups",
                                  code->groups);
}

static void
group_fini(kofn_group *g)
{
    kofn_span_destroy(&g->span);
    for (size_t o = 0; o < KOFN_OPERANDS_MAX; o++)
        free(g->col[o]);
    *g = (kofn_group){0};
}

void
kofn_groups_fini(kofn_groups *groups)
{
    for (size_t i = 0; groups->at && i < groups->code->groups; i++)
        group_fini(&groups->at[i]);
    free(groups->at);
    *groups = (kofn_groups){0};
}

static bool
list_columns(const kofn_code *code, size_t operand, size_t first, kofn_group *g)
{
    const kofn_coefs *e = &code->e[operand];
    g->col[operand] = malloc(e->cols * sizeof *g->col[operand]);
    for (size_t c = 0; g->col[operand] && c < e->cols; c++) {
        size_t task = first;
        while (task < code->tasks && e->at[task * e->cols + c] == 0)
            task += code->groups;
        if (task < code->tasks)
            g->col[operand][g->cols[operand]++] = c;
    }
    return g->col[operand] != NULL;
}

static void
fill_row(const kofn_code *code, const kofn_group *g, size_t task, double *ret_row)
{
    const kofn_field *f = code->field;
    const double *a = kofn_code_get_row(code, 0, task), *b = kofn_code_get_row(code, 1, task);
    for (size_t i = 0; i < g->cols[0]; i++)
        for (size_t j = 0; j < g->cols[1]; j++)
            ret_row[i * g->cols[1] + j] = f->multiply(f, a[g->col[0][i]], b[g->col[1][j]]);
}

/* The rows that are to follow from the answers before no more of them are wanted. Where the others
 * may span less, those of the reserve as well, so that bad luck does not end a group. Where they
 * cannot, that would only make the worst of the rows worse. */
static size_t
count_rows(const kofn_code *code, size_t first)
{
    const size_t tasks = code->likely ? code->tasks : kofn_code_first_tasks(code);
    return (tasks - first + code->groups - 1) / code->groups;
}

/* The span of a group's rows, without answers. False: no memory. */
static bool
open_group(const kofn_code *code, size_t first, kofn_group *g)
{
    if (!list_columns(code, 0, first, g) || !list_columns(code, 1, first, g))
        return false;
    const size_t cols = g->cols[0] * g->cols[1];
    const size_t rows = count_rows(code, first);
    double *row = malloc((rows * cols + 1) * sizeof *row);
    if (!row)
        return false;
    for (size_t i = 0; i < rows; i++)
        fill_row(code, g, first + i * code->groups, row + i * cols);
    const kofn_status status = kofn_span_new(code->field, cols, rows, row, &g->span, NULL);
    free(row);
    return status == KOFN_OK;
}

/* All rows are covered. How much would errors grow in computing the others? */
static bool
is_computable(const kofn_groups *groups, const kofn_group *g, size_t first)
{
    const kofn_code *code = groups->code;
    const size_t rows = count_rows(code, first);
    kofn_span_quality quality;
    double *d = malloc(rows * kofn_span_rows(g->span) * sizeof *d);
    const bool computable = d && !kofn_span_solve(g->span, d, &quality, NULL) &&
                            quality.amplification <= groups->max_amplification;
    free(d);
    return computable;
}

void
kofn_groups_add(kofn_groups *groups, size_t task)
{
    const kofn_code *code = groups->code;
    if (!groups->at)
        return;
    const size_t first = task % code->groups;
    kofn_group *g = &groups->at[first];
    if (g->complete)
        return;
    if (!g->span && !open_group(code, first, g)) {
        group_fini(g);
        return;
    }
    bool grew;
    double *row = malloc((g->cols[0] * g->cols[1] + 1) * sizeof *row);
    if (!row)
        return;
    fill_row(code, g, task, row);
    if (!kofn_span_add(g->span, row, &grew, NULL) && kofn_span_missing(g->span) == 0)
        g->complete = code->field->epsilon == 0 || is_computable(groups, g, first);
    free(row);
}

bool
kofn_groups_has(const kofn_groups *groups, size_t task)
{
    if (!groups->at)
        return false;
    const kofn_group *g = &groups->at[task % groups->code->groups];
    const bool exact = groups->code->field->epsilon == 0;
    return g->complete ||
           (exact && g->span && kofn_span_covers(g->span, task / groups->code->groups));
}
