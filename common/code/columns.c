#include "common/code/columns.h"
#include "common/code/batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    COLUMNS_MIN = 1024, // below that all of them are quick enough
    WORTH = 4,          // times fewer
    SPARE = 16,         // mixtures beyond 5/4 of the rows, in the reals
};

static const double WORK_MAX = 0x1p36; // multiplications to mix: less than a minute of a thread
static const double MISS_BITS = 40;    // of the odds that a combination is taken for zero
static const uint64_t MIX_STREAM = UINT64_MAX - 1; // of the seed

static int
compare_sizes(const void *left, const void *right)
{
    const size_t a = *(const size_t *)left, b = *(const size_t *)right;
    return (a > b) - (a < b);
}

/* Products that targets have, and pairs of single blocks. */
static size_t
list_products(const kofn_batch *batch, const kofn_sums *targets, size_t *ret_products)
{
    const size_t terms = targets->first[targets->rows];
    size_t count = terms, kept = 0;
    memcpy(ret_products, targets->column, terms * sizeof *ret_products);
    for (size_t i = 0; i < batch->count; i++) {
        const size_t a = kofn_batch_get_block(batch, 0, i), b = kofn_batch_get_block(batch, 1, i);
        if (a != SIZE_MAX && b != SIZE_MAX)
            ret_products[count++] = a * batch->side[1].cols + b;
    }
    qsort(ret_products, count, sizeof *ret_products, compare_sizes);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || ret_products[i] != ret_products[i - 1])
            ret_products[kept++] = ret_products[i];
    return kept;
}

/* Of combinations of n rows in a field of q elements there are q^n, and u M v is zero for a matrix M
 * other than zero with probability (2 q - 1) / q^2 at most, which is that of rank one. */
static size_t
count_mixed(const kofn_field *field, size_t tasks)
{
    if (field->order == 0)
        return tasks + tasks / 4 + SPARE;
    const double bits = log2(field->order), missed = log2(2 * field->order - 1) - 2 * bits;
    return (size_t)ceil(((double)tasks * bits + MISS_BITS) / -missed);
}

static bool
is_worth_it(size_t all, size_t kept, size_t mixed)
{
    return all >= COLUMNS_MIN && all / WORTH > kept + mixed;
}

size_t
kofn_columns_count(const kofn_batch *batch, const kofn_field *field, size_t tasks)
{
    const size_t all = batch->side[0].cols * batch->side[1].cols;
    size_t kept = batch->count;
    for (size_t i = 0; i < batch->weights.first[batch->weights.rows]; i++)
        kept += kofn_batch_count_products(batch, batch->weights.column[i]);
    const size_t mixed = count_mixed(field, tasks);
    return is_worth_it(all, kept, mixed) ? kept + mixed : all;
}

kofn_status
kofn_columns_new(const kofn_batch *batch, const kofn_field *field, size_t tasks, kofn_sums *targets,
                 kofn_columns **ret_columns, kofn_error *err)
{
    const size_t terms = targets->first[targets->rows];
    *ret_columns = NULL;
    if (batch->side[0].cols * batch->side[1].cols < COLUMNS_MIN || tasks > KOFN_TASKS_MAX)
        return KOFN_OK; // the code's limits are looked at later
    kofn_columns *c = calloc(1, sizeof *c);
    if (c)
        c->product = malloc((terms + batch->count) * sizeof *c->product);
    if (!c || !c->product) {
        kofn_columns_destroy(&c);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "batch: no memory for %zu columns", terms);
    }
    c->kept = list_products(batch, targets, c->product);
    c->mixed = count_mixed(field, tasks);
    if (!is_worth_it(batch->side[0].cols * batch->side[1].cols, c->kept, c->mixed)) {
        kofn_columns_destroy(&c);
        return KOFN_OK;
    }
    const double rows = (double)(batch->side[0].cols + batch->side[1].cols + c->kept);
    const double work = (double)tasks * rows * (double)c->mixed;
    const double bytes = rows * (double)c->mixed * sizeof(double);
    if (bytes > KOFN_CODE_BYTES_MAX || work > WORK_MAX) {
        kofn_columns_destroy(&c);
        return kofn_fail(
            err, KOFN_OUT_OF_RANGE,
            "batch: a code of %zu tasks for %zu pairs takes %.2g steps to make, at most "
            "%.2g are made; send the pairs in several batches",
            tasks, batch->count, work, WORK_MAX);
    }
    for (size_t i = 0; i < terms; i++)
        targets->column[i] = kofn_columns_find(c, targets->column[i]);
    targets->cols = c->kept + c->mixed;
    *ret_columns = c;
    return KOFN_OK;
}

void
kofn_columns_destroy(kofn_columns **columns_p)
{
    if (*columns_p) {
        free((*columns_p)->product);
        free((*columns_p)->mix);
    }
    free(*columns_p);
    *columns_p = NULL;
}

size_t
kofn_columns_find(const kofn_columns *columns, size_t product)
{
    const size_t *at =
        bsearch(&product, columns->product, columns->kept, sizeof product, compare_sizes);
    return at ? (size_t)(at - columns->product) : SIZE_MAX;
}

/* ---- mixing ---------------------------------------------------------------------------------- */

/* Rows of `mixed` numbers: u by blocks of A, v by those of B, and u times v by what is kept. */
typedef struct mixture {
    const kofn_code *code;
    const kofn_columns *columns;
    double *side[2], *kept;
    double *right; // of one task
} mixture;

static void
mixture_fini(mixture *m)
{
    free(m->side[0]);
    free(m->side[1]);
    free(m->kept);
    free(m->right);
}

static double *
new_rows(size_t rows, size_t cols)
{
    return malloc((rows * cols + 1) * sizeof(double));
}

static bool
mixture_init(mixture *m, const kofn_code *code)
{
    const size_t mixed = code->columns->mixed;
    *m = (mixture){.code = code, .columns = code->columns};
    m->side[0] = new_rows(code->e[0].cols, mixed);
    m->side[1] = new_rows(code->e[1].cols, mixed);
    m->kept = new_rows(code->columns->kept, mixed);
    m->right = new_rows(1, mixed);
    return m->side[0] && m->side[1] && m->kept && m->right;
}

static void
multiply_rows(const kofn_field *f, size_t len, const double *by, double *row)
{
    for (size_t i = 0; i < len; i++)
        row[i] = f->multiply(f, by[i], row[i]);
}

/* In the reals so large that mixtures are, in the mean, as long as what they are of. */
static void
draw(mixture *m)
{
    const kofn_field *f = m->code->field;
    const size_t mixed = m->columns->mixed, blocks = m->code->e[1].cols;
    const double scale = f->order == 0 ? 1 / sqrt((double)mixed) : 1;
    kofn_rng rng;
    kofn_rng_init(&rng, m->code->seed, MIX_STREAM);
    for (size_t o = 0; o < 2; o++)
        for (size_t i = 0; i < m->code->e[o].cols * mixed; i++)
            m->side[o][i] = (o == 0 ? scale : 1) * f->draw(f, &rng);
    for (size_t q = 0; q < m->columns->kept; q++) {
        const size_t product = m->columns->product[q];
        memcpy(m->kept + q * mixed, m->side[0] + product / blocks * mixed, mixed * sizeof(double));
        multiply_rows(f, mixed, m->side[1] + product % blocks * mixed, m->kept + q * mixed);
    }
}

/* ret [mixed] := E[task] times the rows of that side. */
static void
mix_side(const mixture *m, size_t side, size_t task, double *ret)
{
    const kofn_field *f = m->code->field;
    const double *row = kofn_code_get_row(m->code, side, task);
    memset(ret, 0, m->columns->mixed * sizeof *ret);
    for (size_t i = 0; i < m->code->e[side].cols; i++)
        if (row[i] != 0)
            f->add_multiple(f, m->columns->mixed, row[i], m->side[side] + i * m->columns->mixed,
                            ret);
}

static void
mix_task(const mixture *m, size_t task, double *ret)
{
    const kofn_field *f = m->code->field;
    const size_t mixed = m->columns->mixed, blocks = m->code->e[1].cols;
    const double *a = kofn_code_get_row(m->code, 0, task), *b = kofn_code_get_row(m->code, 1, task);
    mix_side(m, 0, task, ret);
    mix_side(m, 1, task, m->right);
    multiply_rows(f, mixed, m->right, ret);
    for (size_t q = 0; q < m->columns->kept; q++) {
        const size_t product = m->columns->product[q];
        const double g = f->multiply(f, a[product / blocks], b[product % blocks]);
        if (g != 0)
            f->add_multiple(f, mixed, f->negate(f, g), m->kept + q * mixed, ret);
    }
}

kofn_status
kofn_columns_fill(kofn_code *code, kofn_error *err)
{
    kofn_columns *c = code->columns;
    mixture m;
    if (!c)
        return KOFN_OK;
    c->mix = calloc(code->tasks * c->mixed + 1, sizeof *c->mix);
    const bool room = mixture_init(&m, code) && c->mix;
    if (room) {
        draw(&m);
        for (size_t task = 0; task < code->tasks; task++)
            mix_task(&m, task, c->mix + task * c->mixed);
        c->filled = true;
    }
    mixture_fini(&m);
    return room ? KOFN_OK
                : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "batch: no memory to mix %zu columns",
                            c->mixed);
}
