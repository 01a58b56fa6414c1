#include "common/code/decode_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

kofn_status
kofn_decode_plan_init(kofn_decode_plan *plan, size_t targets, size_t count, kofn_error *err)
{
    *plan = (kofn_decode_plan){.targets = targets, .used = count};
    plan->task = calloc(count + 1, sizeof *plan->task);
    plan->coef = calloc(targets * count + 1, sizeof *plan->coef);
    if (plan->task && plan->coef)
        return KOFN_OK;
    kofn_decode_plan_fini(plan);
    return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for a plan of %zu answers",
                     count);
}

kofn_status
kofn_decode_plan_copy(const kofn_decode_plan *from, kofn_decode_plan *ret_plan, kofn_error *err)
{
    kofn_decode_plan room;
    const kofn_status status = kofn_decode_plan_init(&room, from->targets, from->used, err);
    if (status)
        return status;
    memcpy(room.task, from->task, from->used * sizeof *room.task);
    memcpy(room.coef, from->coef, from->targets * from->used * sizeof *room.coef);
    *ret_plan = *from;
    ret_plan->task = room.task;
    ret_plan->coef = room.coef;
    return KOFN_OK;
}

void
kofn_decode_plan_fini(kofn_decode_plan *plan)
{
    free(plan->task);
    free(plan->coef);
    *plan = (kofn_decode_plan){0};
}

/* In place, walking rows, as D may be large. */
void
kofn_decode_plan_fill_tasks(kofn_decode_plan *plan, const size_t *tasks, size_t count)
{
    memset(plan->task, 0, count * sizeof *plan->task);
    for (size_t t = 0; t < plan->targets; t++)
        for (size_t u = 0; u < count; u++)
            plan->task[u] |= plan->coef[t * count + u] != 0;
    size_t used = 0;
    for (size_t u = 0; u < count; u++)
        if (plan->task[u])
            plan->task[used++] = u; // its place among the answers, for now
    plan->used = used;
    for (size_t t = 0; used < count && t < plan->targets; t++) // only moves towards the front
        for (size_t u = 0; u < used; u++)
            plan->coef[t * used + u] = plan->coef[t * count + plan->task[u]];
    for (size_t u = 0; u < used; u++)
        plan->task[u] = tasks[plan->task[u]];
}

static double
norm(const double *at, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += at[i] * at[i];
    return sqrt(sum);
}

/* The norm of a Kronecker product is the product of the norms. */
double
kofn_code_row_norm(const kofn_code *code, size_t task)
{
    double product = 1;
    for (size_t o = 0; o < code->operands; o++)
        product *= norm(kofn_code_get_row(code, o, task), code->e[o].cols);
    return product;
}

/* |g_u| of the answers used; NULL: no memory. */
static double *
new_sizes(const kofn_decode_plan *plan, const kofn_code *code, kofn_error *err)
{
    double *size = malloc((plan->used + 1) * sizeof *size);
    for (size_t u = 0; size && u < plan->used; u++)
        size[u] = kofn_code_row_norm(code, plan->task[u]);
    if (!size)
        kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "decoder: no memory for %zu answers", plan->used);
    return size;
}

/* sum_u |D[t,u]| |g_u|, and how many terms it has. */
static double
growth_of(const kofn_decode_plan *plan, size_t target, const double *size, size_t *ret_terms)
{
    double sum = 0;
    *ret_terms = 0;
    for (size_t u = 0; u < plan->used; u++) {
        const double coef = fabs(plan->coef[target * plan->used + u]);
        sum += coef * size[u];
        *ret_terms += coef != 0;
    }
    return sum;
}

kofn_status
kofn_decode_plan_amplify(kofn_decode_plan *plan, const kofn_code *code, kofn_error *err)
{
    double *size = new_sizes(plan, code, err), worst = 0;
    if (!size)
        return KOFN_RESOURCE_EXHAUSTED;
    for (size_t t = 0; t < plan->targets; t++) {
        const size_t first = code->targets.first[t], end = code->targets.first[t + 1];
        size_t terms;
        const double growth =
            growth_of(plan, t, size, &terms) / norm(code->targets.coef + first, end - first);
        worst = growth > worst ? growth : worst;
    }
    free(size);
    plan->quality.amplification = worst;
    return KOFN_OK;
}

/* Of a plain answer, or of nothing: no arithmetic. */
static bool
is_copy(const kofn_decode_plan *plan, const kofn_code *code, size_t target)
{
    for (size_t u = 0; u < plan->used; u++)
        if (plan->coef[target * plan->used + u] != 0)
            return plan->coef[target * plan->used + u] == 1 &&
                   kofn_code_plain_column(code, plan->task[u]) != SIZE_MAX;
    return true;
}

/* Relative rounding of a sum of `terms` answers. Each term is rounded with its coefficient, in its
 * product and in the sums; (1 + epsilon)^terms is at most exp(terms epsilon). Beside that, D and G
 * are known in doubles, and so is D G - T: 3 roundings a term and those of its sum. */
static double
noise_of_sum(const kofn_code *code, double noise, size_t terms)
{
    const double answers = log1p(noise) + (double)(terms + 1) * code->field->epsilon;
    return expm1(answers) + (double)(terms + 3) * 0x1p-53;
}

kofn_status
kofn_decode_plan_round(kofn_decode_plan *plan, const kofn_code *code, double noise, double inexact,
                       kofn_error *err)
{
    double *size = new_sizes(plan, code, err), squares = 0;
    if (!size)
        return KOFN_RESOURCE_EXHAUSTED;
    for (size_t t = 0; t < plan->targets; t++) {
        size_t terms;
        const double growth = growth_of(plan, t, size, &terms);
        const bool copy = terms <= 1 && is_copy(plan, code, t);
        const double rounding = growth * (copy ? noise : noise_of_sum(code, noise, terms));
        squares += rounding * rounding;
    }
    free(size);
    plan->rounding = sqrt(squares) + inexact;
    return KOFN_OK;
}

kofn_status
kofn_decode_plan_doubt(kofn_decode_plan *plan, const kofn_code *code, double doubt, kofn_error *err)
{
    double *size = new_sizes(plan, code, err), squares = 0;
    if (!size)
        return KOFN_RESOURCE_EXHAUSTED;
    for (size_t t = 0; t < plan->targets; t++) {
        size_t terms;
        const double growth = growth_of(plan, t, size, &terms) / (code->scale ? code->scale[t] : 1);
        squares += growth * growth;
    }
    free(size);
    if (doubt > 0 && squares > 0) // zeros are exact whatever the doubt, INFINITY even
        plan->rounding += doubt * sqrt(squares);
    return KOFN_OK;
}
