#include "bench/papers/rkrp/trial.h"
#include "bench/must.h"
#include "common/code/decoder.h"
#include "common/code/orthopoly.h"
#include "common/code/points.h"
#include "common/code/polynomial.h"
#include "common/code/rkrp.h"

#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { INNER = 100 }; // length of the columns whose products are u

/* What all codes of a trial have in common, and room to decode. */
typedef struct trial {
    size_t k, tasks;
    size_t *task;  // [k] that answered, ascending
    double *u;     // [k] the truth
    double *y;     // [tasks] answers
    double *found; // [k] u^
    bool *known;   // [k] elements of u that a plain task gives
    size_t open;   // those that none gives
} trial;

const char *
rival_name(rival r)
{
    static const char *const names[RIVALS] = {
        "polynomial", "orthopoly", "rkrp", "rkrp_systematic", "rkrp_best", "rkrp_systematic_best",
    };
    return names[r];
}

kofn_code *
rival_code_new(rival r, const setting *s, uint64_t seed)
{
    static const struct {
        const kofn_family *family;
        kofn_rkrp_params params; // only rkrp has any
    } codes[RIVALS] = {
        [RIVAL_POLYNOMIAL] = {.family = &kofn_polynomial_family},
        [RIVAL_ORTHOPOLY] = {.family = &kofn_orthopoly_family},
        [RIVAL_RKRP] = {&kofn_rkrp_family, {.systematic = false, .draws = 1}},
        [RIVAL_RKRP_SYSTEMATIC] = {&kofn_rkrp_family, {.systematic = true, .draws = 1}},
        [RIVAL_RKRP_BEST] = {&kofn_rkrp_family, {.systematic = false, .draws = 16}},
        [RIVAL_RKRP_SYSTEMATIC_BEST] = {&kofn_rkrp_family, {.systematic = true, .draws = 16}},
    };
    const kofn_family_args args = {
        .field = kofn_field_find("f64"),
        .part = {.x = s->m, .z = 1, .y = s->n},
        .tasks = s->tasks,
        .seed = seed,
        .params = &codes[r].params,
    };
    kofn_code *code = NULL;
    must(kofn_family_build(codes[r].family, &args, &code, &error));
    return code;
}

static bool
straggles(const setting *s, size_t place)
{
    const size_t stragglers = s->tasks - s->m * s->n, middle = (s->tasks - stragglers) / 2;
    switch (s->placed) {
    case PLACED_EVENLY: // in the middle of each of so many parts; the multiples of N are counted
        return (place * stragglers + stragglers / 2) / s->tasks !=
               ((place + 1) * stragglers + stragglers / 2) / s->tasks;
    case PLACED_IN_MIDDLE:
        return place - middle < stragglers; // false below the middle, by wrapping
    default:
        return place < stragglers;
    }
}

/* The N tasks, where the code has points in the order of these: the paper's nodes are sorted. */
static size_t *
list_tasks(const kofn_code *code)
{
    size_t *tasks = bench_alloc(code->tasks * sizeof *tasks);
    for (size_t place = 0, task = code->tasks; place < code->tasks; place++) {
        task = code->point ? kofn_points_scatter(code->tasks, task) : place;
        tasks[place] = task;
    }
    return tasks;
}

void
trial_draw_tasks(const setting *s, const kofn_code *code, uint64_t seed, size_t *ret_tasks)
{
    const size_t k = s->m * s->n;
    kofn_rng rng;
    kofn_rng_init(&rng, seed, TRIAL_TASKS_STREAM);
    size_t chosen = 0, *tasks = list_tasks(code);
    for (size_t place = 0; chosen < k; place++) {
        const bool answers = s->placed == PLACED_AT_RANDOM // Knuth's algorithm S
                                 ? kofn_rng_below(&rng, s->tasks - place) < k - chosen
                                 : !straggles(s, place);
        if (answers)
            ret_tasks[chosen++] = tasks[place];
    }
    free(tasks);
}

/* u_(i,j) = A_i^T B_j, in the order of G's columns. */
static void
draw_truth(const setting *s, uint64_t seed, double *ret_u)
{
    double *column = bench_alloc((s->m + s->n) * INNER * sizeof *column);
    kofn_rng rng;
    kofn_rng_init(&rng, seed, TRIAL_BLOCKS_STREAM);
    for (size_t i = 0; i < (s->m + s->n) * INNER; i++)
        column[i] = kofn_rng_normal(&rng);
    for (size_t i = 0; i < s->m; i++)
        for (size_t j = 0; j < s->n; j++) {
            const double *a = column + i * INNER, *b = column + (s->m + j) * INNER;
            double sum = 0;
            for (size_t t = 0; t < INNER; t++)
                sum += a[t] * b[t];
            ret_u[i * s->n + j] = sum;
        }
    free(column);
}

static void
trial_init(trial *t, const setting *s, uint64_t seed)
{
    t->k = s->m * s->n;
    t->tasks = s->tasks;
    t->task = bench_alloc(t->k * sizeof *t->task);
    t->u = bench_alloc(t->k * sizeof *t->u);
    t->y = bench_alloc(t->tasks * sizeof *t->y);
    t->found = bench_alloc(t->k * sizeof *t->found);
    t->known = bench_alloc(t->k * sizeof *t->known);
    draw_truth(s, seed, t->u);
}

static void
trial_fini(trial *t)
{
    free(t->task);
    free(t->u);
    free(t->y);
    free(t->found);
    free(t->known);
}

/* G_R [k, k], and the answers of R. */
static double *
answer(trial *t, const kofn_code *code)
{
    double *g = bench_alloc(t->k * t->k * sizeof *g);
    for (size_t r = 0; r < t->k; r++) {
        double *row = g + r * t->k, sum = 0;
        kofn_code_fill_row(code, t->task[r], row);
        for (size_t c = 0; c < t->k; c++)
            sum += row[c] * t->u[c];
        t->y[t->task[r]] = sum;
    }
    return g;
}

static double
error_of(const trial *t)
{
    double off = 0, all = 0;
    for (size_t c = 0; c < t->k; c++) {
        off += (t->found[c] - t->u[c]) * (t->found[c] - t->u[c]);
        all += t->u[c] * t->u[c];
    }
    return sqrt(off / all);
}

/* sigma_max / sigma_min; destroys `matrix` [side, side]. Beyond 1e16 it says only that. */
static double
condition_of(double *matrix, size_t side)
{
    if (side == 0)
        return 1;
    double *sigma = bench_alloc(side * sizeof *sigma), unused;
    const lapack_int n = (lapack_int)side;
    // the transpose, read column by column, has the same singular values
    if (LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'N', n, n, matrix, n, sigma, &unused, 1, &unused, 1) != 0)
        bench_die("dgesdd failed for a matrix of %zu x %zu", side, side);
    const double condition = sigma[0] / sigma[side - 1];
    free(sigma);
    return condition;
}

/* Plain answers into found and known. What they leave of G_R u = y_R, (20), becomes a system of
 * `open` equations: left [open, open], right [open]. Without plain tasks that is all of it: (8),
 * (25). */
static void
peel(trial *t, const kofn_code *code, const double *g, double *left, double *right)
{
    memset(t->known, 0, t->k * sizeof *t->known);
    size_t next = 0;
    t->open = t->k;
    for (size_t r = 0; r < t->k; r++) {
        const size_t column = kofn_code_plain_column(code, t->task[r]);
        if (column == SIZE_MAX)
            continue;
        t->known[column] = true;
        t->found[column] = t->y[t->task[r]];
        t->open--;
    }
    for (size_t r = 0; r < t->k; r++) {
        if (kofn_code_plain_column(code, t->task[r]) != SIZE_MAX)
            continue;
        size_t at = 0;
        right[next] = t->y[t->task[r]];
        for (size_t c = 0; c < t->k; c++)
            if (t->known[c])
                right[next] -= g[r * t->k + c] * t->found[c];
            else
                left[next * t->open + at++] = g[r * t->k + c];
        next++;
    }
}

static double
decode_as_paper(trial *t, const kofn_code *code, const double *g, double *ret_solved_condition)
{
    double *left = bench_alloc(t->k * t->k * sizeof *left);
    double *right = bench_alloc(t->k * sizeof *right);
    int *pivot = bench_alloc(t->k * sizeof *pivot);
    peel(t, code, g, left, right);

    double *copy = bench_alloc(t->k * t->k * sizeof *copy);
    memcpy(copy, left, t->open * t->open * sizeof *copy);
    *ret_solved_condition = condition_of(copy, t->open);

    const lapack_int n = (lapack_int)t->open;
    const lapack_int status =
        t->open > 0 ? LAPACKE_dgesv(LAPACK_ROW_MAJOR, n, 1, left, n, pivot, right, 1) : 0;
    for (size_t c = 0, next = 0; c < t->k; c++)
        if (!t->known[c])
            t->found[c] = right[next++];
    free(left);
    free(right);
    free(pivot);
    free(copy);
    return status == 0 ? error_of(t) : INFINITY; // a pivot of zero: there is no u^
}

static double
decode_as_kofn(trial *t, kofn_code *code)
{
    kofn_decoder *decoder = NULL;
    kofn_decode_plan plan;
    must(kofn_decoder_new(code, INFINITY, &decoder, &error));
    for (size_t r = 0; r < t->k; r++)
        must(kofn_decoder_add(decoder, t->task[r], &error));
    const bool decodable = kofn_decoder_get_state(decoder) == KOFN_DECODE_EXACT;
    if (decodable) {
        must(kofn_decoder_plan(decoder, 0x1p-53, &plan, &error));
        for (size_t c = 0; c < t->k; c++) {
            t->found[c] = 0;
            for (size_t i = 0; i < plan.used; i++)
                t->found[c] += plan.coef[c * plan.used + i] * t->y[plan.task[i]];
        }
        kofn_decode_plan_fini(&plan);
    }
    kofn_decoder_destroy(&decoder);
    return decodable ? error_of(t) : NAN;
}

void
trial_run(const setting *s, uint64_t seed, trial_result *ret_results)
{
    trial t;
    trial_init(&t, s, seed);
    for (rival r = 0; r < RIVALS; r++) {
        trial_result *result = &ret_results[r];
        kofn_code *code = rival_code_new(r, s, seed);
        trial_draw_tasks(s, code, seed, t.task);
        double *g = answer(&t, code);
        result->paper = decode_as_paper(&t, code, g, &result->solved_condition);
        result->kofn = decode_as_kofn(&t, code);
        result->condition = t.open == t.k ? result->solved_condition : condition_of(g, t.k);
        free(g);
        kofn_code_destroy(&code);
    }
    trial_fini(&t);
}
