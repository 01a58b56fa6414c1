/* The paper draws one code and reports averages. A single draw has unlucky sets of tasks: a
 * coefficient near zero, two rows nearly parallel. Drawing is cheap, so several codes are drawn and
 * judged by their worst set of k tasks:
 *
 *     set of k tasks = plain tasks (columns known) + e coded tasks on e unknown columns
 *
 *              known   unknown                    I        0
 *     G_R = [   I        0    ]       G_R^-1 = [                ]
 *           [   K        U    ]                  -U^-1 K   U^-1
 *
 * so one e x e elimination of [U | I K] gives |G_R^-1|_F. All sets are looked at when they are few,
 * else a sample, the same for each draw. The arithmetic is plain C in a fixed order and not LAPACK,
 * whose last bits differ between machines: the same seed must keep the same draw everywhere.
 */
#include "common/code/rkrp.h"
#include "common/base/size.h"
#include "common/code/batch.h"
#include "common/code/plain.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUDGET = 1 << 22, // multiplications spent on judging draws
    SETS_MIN = 8,     // a draw judged by fewer sets is not judged
    SETS_MAX = 128,
    DRAWS_MAX = 64,
};

static const uint64_t SETS_STREAM = UINT64_MAX; // of the seed: rows take streams below 2^40

/* What of G is to be spanned, and what plain tasks give of it. */
typedef struct frame {
    size_t plain;   // tasks below this number are plain
    size_t k;       // columns of G in play
    size_t *column; // [k] which ones, ascending
    size_t *gives;  // [plain] of those, the one that the task is
    bool *used[2];  // of a batch: blocks that have a coefficient; NULL: all have
} frame;

/* The sets of tasks by which draws are judged, and room to work on one. */
typedef struct judge {
    kofn_code *code;
    const frame *frame;
    size_t k;
    bool all; // every set of k tasks, in lexicographic order; else a sample
    size_t sets;
    kofn_rng rng;
    size_t *set;  // [k] task numbers, ascending
    double *work; // [e, e + k]
    bool *known;  // [k] columns that a plain task of the set gives
} judge;

/* Columns of G: all of them, or those of a batch's blocks. */
static size_t
count_columns(const kofn_family_args *args)
{
    if (args->batch)
        return kofn_batch_count_used(args->batch, 0) * kofn_batch_count_used(args->batch, 1);
    return kofn_size_multiply(kofn_partition_products(args->part), args->part.z);
}

static kofn_status
threshold_for(const kofn_family_args *args, kofn_thresholds *ret, kofn_error *err)
{
    const kofn_partition p = args->part;
    if (args->field->order != 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "rkrp: field %s is finite, and normal coefficients are real; take family "
                         "polynomial",
                         args->field->name);
    const size_t k = count_columns(args);
    if (args->tasks < k && args->batch)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "rkrp: tasks=%zu, need at least %zu for %zu pairs: each block of A that they "
            "use with each of B; take more tasks, or family lagrange",
            args->tasks, k, args->batch->count);
    if (args->tasks < k) {
        char cut[KOFN_CUT_TEXT_MAX];
        const size_t z = (size_t)sqrt((double)args->tasks / (double)kofn_partition_outputs(p));
        kofn_family_args fits = *args;
        fits.part.z = z;
        if (z == 0)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                             "rkrp: tasks=%zu, need at least x y z^2 = %zu for %s; take more tasks "
                             "or fewer parts",
                             args->tasks, k, kofn_family_name_cut(args, cut));
        char nearest[KOFN_CUT_TEXT_MAX];
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "rkrp: tasks=%zu, need at least x y z^2 = %zu for %s; take more tasks or "
                         "%s",
                         args->tasks, k, kofn_family_name_cut(args, cut),
                         kofn_family_name_cut(&fits, nearest));
    }
    *ret = (kofn_thresholds){.exact = k, .enough = k};
    return KOFN_OK;
}

static size_t
default_tasks(const kofn_family_args *args, size_t workers)
{
    return kofn_family_tasks_beyond(count_columns(args), workers);
}

static void
fill_draw(kofn_code *code, const frame *f, uint64_t draw)
{
    for (size_t task = f->plain; task < code->tasks; task++) {
        kofn_rng rng;
        kofn_rng_init(&rng, code->seed, draw << 32 | task);
        for (size_t o = 0; o < code->operands; o++)
            for (size_t i = 0; i < code->e[o].cols; i++) {
                const bool used = !f->used[0] || f->used[o][i];
                const double number = code->field->draw(code->field, &rng);
                code->e[o].at[task * code->e[o].cols + i] = used ? number : 0;
            }
    }
    code->draw = draw;
}

/* min(n over k, limit + 1). */
static size_t
count_sets(size_t n, size_t k, size_t limit)
{
    if (k > n - k)
        k = n - k;
    size_t sets = 1; // (n - k + i) over i, exact at each step
    for (size_t i = 1; i <= k; i++) {
        sets = sets * (n - k + i) / i;
        if (sets > limit)
            return limit + 1;
    }
    return sets;
}

/* The next set in lexicographic order. */
static void
advance_set(judge *j)
{
    size_t i = j->k;
    while (i > 0 && j->set[i - 1] == kofn_code_first_tasks(j->code) - j->k + (i - 1))
        i--;
    if (i == 0)
        return; // was the last
    j->set[i - 1]++;
    for (; i < j->k; i++)
        j->set[i] = j->set[i - 1] + 1;
}

/* Knuth's selection sampling (algorithm S): k of n, ascending, all sets equally likely. */
static void
sample_set(judge *j)
{
    size_t chosen = 0;
    for (size_t task = 0; chosen < j->k; task++)
        if (kofn_rng_below(&j->rng, kofn_code_first_tasks(j->code) - task) < j->k - chosen)
            j->set[chosen++] = task;
}

static void
first_set(judge *j)
{
    kofn_rng_init(&j->rng, j->code->seed, SETS_STREAM);
    for (size_t i = 0; i < j->k; i++)
        j->set[i] = i;
    if (!j->all)
        sample_set(j);
}

/* Of G with a column for each product, whatever the code has (columns.h), times `scale`. Multiplied
 * from the first operand on: in another order the last bits would differ, and draws with them. */
static double
scaled_element(const kofn_code *code, size_t task, size_t column, double scale)
{
    size_t place = 1;
    for (size_t o = 0; o < code->operands; o++)
        place *= code->e[o].cols;
    for (size_t o = 0; o < code->operands; o++) {
        place /= code->e[o].cols;
        scale *= kofn_code_get_row(code, o, task)[column / place];
        column %= place;
    }
    return scale;
}

/* Row i of `work` := coded task's row of G, scaled to length 1, as [unknown columns | I |
 * known]. */
static void
load_row(judge *j, size_t i, size_t e, size_t task)
{
    double size = 1;
    for (size_t o = 0; o < j->code->operands; o++) {
        const double *at = kofn_code_get_row(j->code, o, task);
        double squares = 0;
        for (size_t c = 0; c < j->code->e[o].cols; c++)
            squares += at[c] * at[c];
        size *= squares;
    }
    const double scale = 1 / sqrt(size);

    double *row = j->work + i * (e + j->k);
    size_t unknown = 0, known = 2 * e;
    for (size_t c = 0; c < j->k; c++) {
        const double g = scaled_element(j->code, task, j->frame->column[c], scale);
        if (j->known[c])
            row[known++] = g;
        else
            row[unknown++] = g;
    }
    assert(unknown == e && known == e + j->k);
    for (size_t c = 0; c < e; c++)
        row[e + c] = c == i ? 1 : 0;
}

/* Gauss-Jordan with row pivoting on [U | I K]: the left part becomes the identity. False:
 * singular. */
static bool
eliminate(double *work, size_t e, size_t cols)
{
    for (size_t p = 0; p < e; p++) {
        size_t pivot = p;
        for (size_t r = p + 1; r < e; r++)
            if (fabs(work[r * cols + p]) > fabs(work[pivot * cols + p]))
                pivot = r;
        if (work[pivot * cols + p] == 0)
            return false;
        double *row = work + p * cols, *other = work + pivot * cols;
        const double inverse = 1 / other[p];
        for (size_t c = p; c < cols; c++) {
            const double moved = row[c];
            row[c] = other[c] * inverse;
            if (pivot != p)
                other[c] = moved;
        }
        for (size_t r = 0; r < e; r++) {
            const double factor = work[r * cols + p];
            if (r == p || factor == 0)
                continue;
            for (size_t c = p; c < cols; c++)
                work[r * cols + c] -= factor * row[c];
        }
    }
    return true;
}

/* |G_R^-1|_F / sqrt(k) of the current set, infinite when it is singular. */
static double
judge_set(judge *j)
{
    memset(j->known, 0, j->k * sizeof *j->known);
    size_t plain = 0;
    for (; plain < j->k && j->set[plain] < j->frame->plain; plain++)
        j->known[j->frame->gives[j->set[plain]]] = true;

    const size_t e = j->k - plain, cols = e + j->k;
    for (size_t i = 0; i < e; i++)
        load_row(j, i, e, j->set[plain + i]);
    if (!eliminate(j->work, e, cols))
        return INFINITY;
    double sum = (double)plain;
    for (size_t i = 0; i < e; i++)
        for (size_t c = e; c < cols; c++)
            sum += j->work[i * cols + c] * j->work[i * cols + c];
    return sqrt(sum / (double)j->k);
}

/* The worst set of the current draw; stops early once it is no better than `beaten`. */
static double
judge_draw(judge *j, double beaten)
{
    double worst = 0;
    first_set(j);
    for (size_t s = 0; s < j->sets && worst < beaten; s++) {
        const double condition = judge_set(j);
        if (!(condition <= worst))
            worst = condition;
        if (j->all)
            advance_set(j);
        else
            sample_set(j);
    }
    return worst;
}

static void
keep_best_draw(judge *j, size_t draws)
{
    double best = INFINITY;
    uint64_t kept = 0;
    for (uint64_t draw = 0; draw < draws; draw++) {
        fill_draw(j->code, j->frame, draw);
        const double worst = judge_draw(j, best);
        if (worst < best) {
            best = worst;
            kept = draw;
        }
    }
    fill_draw(j->code, j->frame, kept);
    j->code->chosen_condition = best;
}

/* How many draws and sets the budget allows: by size alone, never by time. */
static kofn_status
choose_draw(kofn_code *code, const frame *f, size_t draws, kofn_error *err)
{
    const size_t k = code->threshold, plain = f->plain;
    const size_t n = kofn_code_first_tasks(code);       // a reserve changes nothing
    const size_t coded = n - plain < k ? n - plain : k; // most coded tasks in a set: e
    const double cost = 1 + (double)coded * (double)coded * (double)(coded + k);
    const double affordable = BUDGET / cost;
    fill_draw(code, f, 0);
    if (affordable < SETS_MIN)
        return KOFN_OK;
    if (affordable < (double)draws * SETS_MIN)
        draws = (size_t)(affordable / SETS_MIN);
    size_t limit = SETS_MAX;
    if (affordable < (double)draws * SETS_MAX)
        limit = (size_t)(affordable / (double)draws);

    const size_t all = count_sets(n, k, limit);
    judge j = {.code = code, .frame = f, .k = k, .all = all <= limit};
    j.sets = j.all ? all : limit;
    j.set = calloc(k, sizeof *j.set);
    j.work = calloc(coded * (coded + k) + 1, sizeof *j.work);
    j.known = calloc(k, sizeof *j.known);
    kofn_status status = KOFN_OK;
    if (j.set && j.work && j.known)
        keep_best_draw(&j, draws);
    else
        status =
            kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "rkrp: no memory to judge draws, k=%zu", k);
    free(j.set);
    free(j.work);
    free(j.known);
    return status;
}

static void
frame_fini(frame *f)
{
    free(f->column);
    free(f->gives);
    free(f->used[0]);
    free(f->used[1]);
}

static void
fill_product_frame(const kofn_family_args *args, frame *f)
{
    for (size_t c = 0; c < f->k; c++)
        f->column[c] = c;
    for (size_t task = 0; task < f->plain; task++)
        f->gives[task] = kofn_product_column(args->part, task);
}

/* Pairs of sums of blocks are no plain tasks: such rows and some of the others may be dependent,
 * and then k answers would not be enough. */
static void
fill_batch_frame(const kofn_batch *batch, bool systematic, kofn_code *code, frame *f)
{
    const size_t blocks = code->e[1].cols;
    size_t columns = 0;
    for (size_t o = 0; o < 2; o++)
        for (size_t i = 0; i < batch->side[o].first[batch->count]; i++)
            f->used[o][batch->side[o].column[i]] = true;
    for (size_t a = 0; a < code->e[0].cols; a++)
        for (size_t b = 0; b < blocks && f->used[0][a]; b++)
            if (f->used[1][b])
                f->column[columns++] = a * blocks + b;
    for (size_t i = 0; i < batch->count && systematic; i++) {
        const size_t a = kofn_batch_get_block(batch, 0, i), b = kofn_batch_get_block(batch, 1, i);
        if (a == SIZE_MAX || b == SIZE_MAX)
            continue;
        const size_t column = a * blocks + b;
        const size_t *at = bsearch(&column, f->column, columns, sizeof column, kofn_size_compare);
        f->gives[f->plain++] = (size_t)(at - f->column);
    }
}

static kofn_status
frame_init(frame *f, const kofn_family_args *args, kofn_code *code, bool systematic,
           kofn_error *err)
{
    const size_t products = kofn_family_count_products(args);
    *f = (frame){.k = code->threshold};
    f->column = malloc(f->k * sizeof *f->column);
    f->gives = malloc(products * sizeof *f->gives);
    for (size_t o = 0; o < 2 && args->batch; o++)
        f->used[o] = calloc(code->e[o].cols, sizeof *f->used[o]);
    if (!f->column || !f->gives || (args->batch && (!f->used[0] || !f->used[1])))
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "rkrp: no memory for %zu columns", f->k);
    if (args->batch) {
        fill_batch_frame(args->batch, systematic, code, f);
    } else {
        f->plain = systematic ? products : 0;
        fill_product_frame(args, f);
    }
    return KOFN_OK;
}

static void
fill_plain(kofn_code *code, const frame *f)
{
    for (size_t task = 0; task < f->plain; task++) {
        size_t column = f->column[f->gives[task]];
        for (size_t o = code->operands; o-- > 0; column /= code->e[o].cols)
            code->e[o].at[task * code->e[o].cols + column % code->e[o].cols] = 1;
    }
}

static kofn_status
fill(const kofn_family_args *args, kofn_code *code, kofn_error *err)
{
    const kofn_rkrp_params *params = args->params;
    frame f;
    kofn_status status = frame_init(&f, args, code, params->systematic, err);
    if (!status) {
        fill_plain(code, &f);
        status = choose_draw(code, &f, (size_t)params->draws, err);
    }
    frame_fini(&f);
    return status;
}

static const kofn_key keys[] = {
    {.name = "systematic",
     .type = KOFN_KEY_BOOL,
     KOFN_KEY_FIELD(kofn_rkrp_params, systematic),
     .fallback = "yes",
     .help = "The first x y z tasks are plain blocks, sent without arithmetic"},
    {.name = "draws",
     .type = KOFN_KEY_INT,
     KOFN_KEY_FIELD(kofn_rkrp_params, draws),
     .min = 1,
     .max = DRAWS_MAX,
     .fallback = "16",
     .help = "Random codes drawn, of which the best conditioned is kept"},
};

const kofn_family kofn_rkrp_family = {
    .name = "rkrp",
    .summary = "Random Khatri-Rao-product code; the smallest threshold, and stable numbers",
    .threshold = "x y z^2, which is x y for z = 1; of a batch, blocks of A times blocks of B",
    .encoding = "2 (M K + K N) flops, none for the plain tasks of a systematic code",
    .communication = kofn_family_communication,
    .storage = kofn_family_storage,
    .source = "Subramaniam, Heidarzadeh, Narayanan, Random Khatri-Rao-Product Codes, 2019",
    .keys = {.at = keys, .count = sizeof keys / sizeof keys[0]},
    .params_size = sizeof(kofn_rkrp_params),
    .rateless = true,
    .outer = true,
    .batches = true,
    .threshold_for = threshold_for,
    .default_tasks = default_tasks,
    .fill = fill,
};
