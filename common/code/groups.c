#include "common/code/groups.h"

#include <stdlib.h>

/* Of the decoder's limit: targets are sums over several groups. */
static const double SHARE = 1.0 / 32;

struct kofn_group {
    kofn_span *span;                                         // NULL: there is no answer
    size_t *col[KOFN_OPERANDS_MAX], cols[KOFN_OPERANDS_MAX]; // of E that some row has
    bool complete; // what is wanted of it follows from the answers
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
list_columns(const kofn_code *code, size_t operand, size_t group, kofn_group *g)
{
    const kofn_coefs *e = &code->e[operand];
    size_t *col = g->col[operand] = calloc(e->cols, sizeof *col);
    if (!col)
        return false;
    for (size_t task = kofn_code_next_of_group(code, group, 0); task < SIZE_MAX;
         task = kofn_code_next_of_group(code, group, task + 1))
        for (size_t c = 0; c < e->cols; c++)
            col[c] |= e->at[task * e->cols + c] != 0;
    for (size_t c = 0; c < e->cols; c++) // in place: there are no more of them than looked at
        if (col[c])
            col[g->cols[operand]++] = c;
    return true;
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

/* Where the block stands among those of the operand that the group has, or their number. */
static size_t
find_column(const kofn_group *g, size_t operand, size_t block)
{
    size_t at = 0;
    while (at < g->cols[operand] && g->col[operand][at] != block)
        at++;
    return at;
}

/* Row `row` of what the table says that groups give. False: it is not made of the group's
 * blocks. */
static bool
fill_wanted(const kofn_code *code, const kofn_group *g, size_t row, double *ret_row)
{
    const kofn_sums *gives = &code->table->gives;
    const size_t blocks = code->e[1].cols;
    for (size_t i = gives->first[row]; i < gives->first[row + 1]; i++) {
        const size_t a = find_column(g, 0, gives->column[i] / blocks);
        const size_t b = find_column(g, 1, gives->column[i] % blocks);
        if (a == g->cols[0] || b == g->cols[1])
            return false;
        ret_row[a * g->cols[1] + b] = gives->coef[i];
    }
    return true;
}

/* What is to follow from the answers before no more of them are wanted: what the table says, or
 * else the rows. Where the others may span less, those of the reserve as well, so that bad luck
 * does not end a group. Where they cannot, that would only make the worst of the rows worse. */
static size_t
count_wanted(const kofn_code *code, size_t group)
{
    if (code->table)
        return code->table->first[group + 1] - code->table->first[group];
    const size_t tasks = code->likely ? code->tasks : kofn_code_first_tasks(code);
    return (tasks - group + code->groups - 1) / code->groups;
}

/* The span of what is wanted of a group, without answers. False: no memory, or it cannot give
 * that. */
static bool
open_group(const kofn_code *code, size_t group, kofn_group *g)
{
    if (!list_columns(code, 0, group, g) || !list_columns(code, 1, group, g))
        return false;
    const size_t cols = g->cols[0] * g->cols[1];
    const size_t wanted = count_wanted(code, group);
    double *row = calloc(wanted * cols + 1, sizeof *row);
    if (!row)
        return false;
    bool gives = true;
    for (size_t i = 0; i < wanted && gives; i++)
        if (code->table)
            gives = fill_wanted(code, g, code->table->first[group] + i, row + i * cols);
        else
            fill_row(code, g, group + i * code->groups, row + i * cols);
    gives = gives && !kofn_span_new(code->field, cols, wanted, row, &g->span, NULL);
    free(row);
    return gives;
}

/* All that is wanted is covered. How much would errors grow in computing it? */
static bool
is_computable(const kofn_groups *groups, const kofn_group *g, size_t group)
{
    const size_t wanted = count_wanted(groups->code, group);
    kofn_span_quality quality;
    double *d = malloc(wanted * kofn_span_rows(g->span) * sizeof *d);
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
    const size_t group = kofn_code_get_group(code, task);
    kofn_group *g = &groups->at[group];
    if (g->complete)
        return;
    if (!g->span && !open_group(code, group, g)) {
        group_fini(g);
        return;
    }
    bool grew;
    double *row = malloc((g->cols[0] * g->cols[1] + 1) * sizeof *row);
    if (!row)
        return;
    fill_row(code, g, task, row);
    kofn_status status = kofn_span_add(g->span, row, &grew, NULL);
    if (!status && kofn_span_rows(g->span) == kofn_code_get_group_threshold(code, group))
        status = kofn_span_review(g->span, NULL); // it promises that they do
    if (!status && kofn_span_missing(g->span) == 0)
        g->complete = code->field->epsilon == 0 || is_computable(groups, g, group);
    free(row);
}

bool
kofn_groups_has(const kofn_groups *groups, size_t task)
{
    const kofn_code *code = groups->code;
    if (!groups->at)
        return false;
    const kofn_group *g = &groups->at[kofn_code_get_group(code, task)];
    const bool by_row = code->field->epsilon == 0 && !code->table;
    return g->complete || (by_row && g->span && kofn_span_covers(g->span, task / code->groups));
}
