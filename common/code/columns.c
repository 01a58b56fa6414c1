#include "common/code/columns.h"
#include "common/base/size.h"
#include "common/code/batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    COLUMNS_MIN = 1024, // below that all of them are quick enough
    WORTH = 4,          // times fewer
    SPARE = 16,         // mixtures beyond 5/4 of the rows, in the reals
};

static const double WORK_MAX = 0x1p36; // multiplications to mix: seconds of a thread, or a minute
static const double MISS_BITS = 40;    // of the odds that a combination is taken for zero
static const uint64_t MIX_STREAM = UINT64_MAX - 1; // of the seed

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
    qsort(ret_products, count, sizeof *ret_products, kofn_size_compare);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || ret_products[i] != ret_products[i - 1])
            ret_products[kept++] = ret_products[i];
    return kept;
}

/* Of combinations of n rows in a field of q elements there are q^n, and u M v is zero for a matrix
 * M other than zero with probability (2 q - 1) / q^2 at most, which is that of rank one. */
static size_t
count_mixed(const kofn_field *field, size_t tasks)
{
    if (field->order == 0)
        return tasks + tasks / 4 + SPARE;
    const double bits = log2(field->order), missed = log2(2 * field->order - 1) - 2 * bits;
    return (size_t)ceil(((double)tasks * bits + MISS_BITS) / -missed);
}

/* Products that targets have and pairs of single blocks, with those counted twice that several
 * pairs are sums of. */
static size_t
count_kept(const kofn_batch *batch)
{
    size_t kept = 0;
    for (size_t pair = 0; pair < batch->count; pair++)
        kept += kofn_batch_count_products(batch, pair);
    return kept;
}

kofn_columns_size
kofn_columns_choose(const kofn_batch *batch, const kofn_field *field, size_t tasks)
{
    const size_t left = batch->side[0].cols, right = batch->side[1].cols, all = left * right;
    const kofn_columns_size fewer = {.kept = count_kept(batch), .mixed = count_mixed(field, tasks)};
    if (all < COLUMNS_MIN || all / WORTH <= fewer.kept + fewer.mixed ||
        kofn_code_count_coefs(tasks, left + right, batch->weights.rows, &fewer) >
            KOFN_CODE_COEFS_MAX)
        return (kofn_columns_size){.kept = all};
    return fewer;
}

kofn_status
kofn_columns_new(const kofn_batch *batch, const kofn_field *field, size_t tasks, kofn_sums *targets,
                 kofn_columns **ret_columns, kofn_error *err)
{
    const size_t terms = targets->first[targets->rows];
    *ret_columns = NULL;
    if (tasks > KOFN_TASKS_MAX)
        return KOFN_OK; // the code's limits are looked at later
    const kofn_columns_size size = kofn_columns_choose(batch, field, tasks);
    if (size.mixed == 0)
        return KOFN_OK;
    kofn_columns *c = calloc(1, sizeof *c);
    if (c)
        c->product = malloc((terms + batch->count) * sizeof *c->product);
    if (!c || !c->product) {
        kofn_columns_destroy(&c);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "batch: no memory for %zu columns", terms);
    }
    c->size =
        (kofn_columns_size){.kept = list_products(batch, targets, c->product), .mixed = size.mixed};
    for (size_t i = 0; i < terms; i++)
        targets->column[i] = kofn_columns_find(c, targets->column[i]);
    targets->cols = c->size.kept + c->size.mixed;
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
        bsearch(&product, columns->product, columns->size.kept, sizeof product, kofn_size_compare);
    return at ? (size_t)(at - columns->product) : SIZE_MAX;
}

/* ---- mixing ---------------------------------------------------------------------------------- */

/* Mixtures are made strip by strip, and in a strip some rows at a time:
 *
 *     (E_A u) o (E_B v) - K w        [rows, cols]; o by elements; K of what is kept, w = u_a o v_b
 *
 * Each of the three is a sum over *terms*: blocks of A, blocks of B, products that are kept. They
 * are gathered until they fill a matrix product. Where rows have few of them, as those of
 * `locality`, most of that would be zeros, and multiples are added one by one. */
enum {
    ROOM = 1 << 21, // numbers of u and v that there are at a time,
    STRIP = 1024,   // of so many mixtures at most
    STEP = 256,     // rows, and terms
    SPARSE = 16,    // times fewer coefficients than fit: one by one
};

enum { LEFT, RIGHT, KEPT, KINDS }; // of terms; the first two are operands

typedef struct mixer {
    const kofn_code *code;
    const kofn_field *wide; // what is computed in: f64 for the reals
    kofn_rng rng;
    size_t *task, tasks;    // the rows that mixtures have anything of
    size_t first, cols;     // the strip
    double *drawn[2];       // [blocks, cols] u and v
    bool *used[2];          // [blocks]: by one of the rows at hand
    size_t terms, numbers;  // gathered, and how many of their coefficients are not 0
    double *coef;           // [terms, rows]
    double *term;           // [terms, cols]
    double *sum[KINDS];     // [rows, cols]
    unsigned char *element; // of a product's factors, its result, and the field's scratch
} mixer;

static void
mixer_fini(mixer *m)
{
    free(m->task);
    for (size_t o = 0; o < 2; o++) {
        free(m->drawn[o]);
        free(m->used[o]);
    }
    free(m->coef);
    free(m->term);
    for (size_t i = 0; i < KINDS; i++)
        free(m->sum[i]);
    free(m->element);
}

static size_t
count_strip(const kofn_code *code)
{
    const size_t cols = ROOM / (code->e[0].cols + code->e[1].cols);
    return kofn_size_smaller(kofn_size_smaller(cols, STRIP), code->columns->size.mixed);
}

static bool
mixer_init(mixer *m, const kofn_code *code)
{
    const kofn_field *wide = code->field->order == 0 ? kofn_field_find("f64") : code->field;
    const size_t cols = count_strip(code);
    *m = (mixer){.code = code, .wide = wide, .cols = cols};
    kofn_rng_init(&m->rng, code->seed, MIX_STREAM);
    m->task = malloc(code->tasks * sizeof *m->task);
    m->coef = malloc((size_t)STEP * STEP * sizeof *m->coef);
    m->term = malloc(STEP * cols * sizeof *m->term);
    m->element = malloc((STEP + 2 * cols) * STEP * kofn_dtype_width(wide->dtype) +
                        wide->scratch_bytes(wide, STEP, cols, STEP));
    bool all = m->task && m->coef && m->term && m->element;
    for (size_t o = 0; o < 2; o++) {
        m->drawn[o] = malloc(code->e[o].cols * cols * sizeof *m->drawn[o]);
        m->used[o] = malloc(code->e[o].cols * sizeof *m->used[o]);
        all = all && m->drawn[o] && m->used[o];
    }
    for (size_t i = 0; i < KINDS; i++) {
        m->sum[i] = malloc(STEP * cols * sizeof *m->sum[i]);
        all = all && m->sum[i];
    }
    return all;
}

/* In the reals so large that mixtures are, in the mean, as long as what they are of. */
static void
draw(mixer *m)
{
    const kofn_field *f = m->wide;
    const double scale = f->order == 0 ? 1 / sqrt((double)m->code->columns->size.mixed) : 1;
    for (size_t o = 0; o < 2; o++)
        for (size_t i = 0; i < m->code->e[o].cols * m->cols; i++)
            m->drawn[o][i] = (o == 0 ? scale : 1) * f->draw(f, &m->rng);
}

static size_t
count_numbers(const double *row, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += row[i] != 0;
    return count;
}

/* Is the row one of products that are kept? It has nothing in mixtures then. */
static bool
is_kept(const kofn_code *code, size_t task)
{
    const double *a = kofn_code_get_row(code, 0, task), *b = kofn_code_get_row(code, 1, task);
    const size_t blocks = code->e[1].cols;
    for (size_t i = 0; i < code->e[0].cols; i++)
        for (size_t j = 0; j < blocks && a[i] != 0; j++)
            if (b[j] != 0 && kofn_columns_find(code->columns, i * blocks + j) == SIZE_MAX)
                return false;
    return true;
}

/* Does `from` have this row's mixtures? Rows that it has are those of the code. */
static bool
is_mixed(const kofn_code *from, size_t task)
{
    return from && !kofn_code_is_blank(from, task);
}

static void
copy_mixtures(const kofn_code *from, kofn_code *code)
{
    const size_t mixed = code->columns->size.mixed;
    for (size_t task = 0; task < code->tasks; task++)
        if (is_mixed(from, task))
            memcpy(code->columns->mix + task * mixed, from->columns->mix + task * mixed,
                   mixed * sizeof(double));
}

/* The other rows, and what it takes to mix them. */
static double
list_rows(mixer *m, const kofn_code *from)
{
    const kofn_code *code = m->code;
    double work = 0;
    for (size_t task = 0; task < code->tasks; task++) {
        if (is_mixed(from, task) || is_kept(code, task))
            continue;
        const size_t a = count_numbers(kofn_code_get_row(code, 0, task), code->e[0].cols);
        const size_t b = count_numbers(kofn_code_get_row(code, 1, task), code->e[1].cols);
        work += (double)(a + b + kofn_size_smaller(a * b, code->columns->size.kept));
        m->task[m->tasks++] = task;
    }
    return work * (double)code->columns->size.mixed;
}

static bool
is_used(const mixer *m, size_t kind, size_t index)
{
    const size_t blocks = m->code->e[1].cols;
    if (kind != KEPT)
        return m->used[kind][index];
    const size_t product = m->code->columns->product[index];
    return m->used[0][product / blocks] && m->used[1][product % blocks];
}

static void
multiply_rows(const kofn_field *f, size_t len, const double *by, double *row)
{
    for (size_t i = 0; i < len; i++)
        row[i] = f->multiply(f, by[i], row[i]);
}

/* A term's coefficients, of rows from `first` of the list on, and the term itself. */
static void
gather(mixer *m, size_t kind, size_t index, size_t first, size_t rows)
{
    const kofn_code *code = m->code;
    const size_t product = kind == KEPT ? code->columns->product[index] : 0;
    const size_t blocks = code->e[1].cols, cols = m->cols;
    const size_t block[] = {kind == KEPT ? product / blocks : index,
                            kind == KEPT ? product % blocks : index};
    double *coef = m->coef + m->terms * rows, *term = m->term + m->terms * cols;
    const size_t own = kind == RIGHT;
    for (size_t r = 0; r < rows; r++)
        coef[r] = kofn_code_get_row(code, own, m->task[first + r])[block[own]];
    memcpy(term, m->drawn[own] + block[own] * cols, cols * sizeof *term);
    if (kind == KEPT) {
        for (size_t r = 0; r < rows; r++)
            coef[r] = m->wide->multiply(m->wide, coef[r],
                                        kofn_code_get_row(code, 1, m->task[first + r])[block[1]]);
        multiply_rows(m->wide, cols, m->drawn[1] + block[1] * cols, term);
    }
    m->numbers += count_numbers(coef, rows);
    m->terms++;
}

/* sum [rows, cols] += coef^T term */
static void
multiply_terms(mixer *m, size_t rows, double *sum)
{
    const kofn_field *f = m->wide;
    const size_t width = kofn_dtype_width(f->dtype), cols = m->cols;
    unsigned char *right = m->element + (size_t)STEP * STEP * width;
    unsigned char *result = right + STEP * cols * width;
    f->narrow(f, m->terms * rows, m->coef, m->element);
    f->narrow(f, m->terms * cols, m->term, right);
    const kofn_panel panel = {.transpose_a = true,
                              .rows = rows,
                              .cols = cols,
                              .inner = m->terms,
                              .a = m->element,
                              .stride_a = rows,
                              .b = right,
                              .stride_b = cols,
                              .c = result,
                              .stride_c = cols,
                              .scratch = result + STEP * cols * width};
    f->multiply_panel(f, &panel);
    f->widen(f, rows * cols, result, m->term); // which is not needed any more
    f->add_multiple(f, rows * cols, 1, m->term, sum);
}

static void
add_terms(mixer *m, size_t rows, double *sum)
{
    const kofn_field *f = m->wide;
    if (m->numbers > m->terms * rows / SPARSE) {
        multiply_terms(m, rows, sum);
    } else {
        for (size_t i = 0; i < m->terms; i++)
            for (size_t r = 0; r < rows; r++)
                if (m->coef[i * rows + r] != 0)
                    f->add_multiple(f, m->cols, m->coef[i * rows + r], m->term + i * m->cols,
                                    sum + r * m->cols);
    }
    m->terms = m->numbers = 0;
}

static void
sum_terms(mixer *m, size_t kind, size_t count, size_t first, size_t rows)
{
    memset(m->sum[kind], 0, rows * m->cols * sizeof *m->sum[kind]);
    for (size_t i = 0; i < count; i++) {
        if (!is_used(m, kind, i))
            continue;
        gather(m, kind, i, first, rows);
        if (m->terms == STEP)
            add_terms(m, rows, m->sum[kind]);
    }
    if (m->terms > 0)
        add_terms(m, rows, m->sum[kind]);
}

/* Rows from `first` of the list on, in this strip. */
static void
mix_rows(mixer *m, size_t first, size_t rows)
{
    const kofn_code *code = m->code;
    const kofn_field *f = m->wide;
    for (size_t o = 0; o < 2; o++) {
        const size_t blocks = code->e[o].cols;
        memset(m->used[o], 0, blocks * sizeof *m->used[o]);
        for (size_t r = 0; r < rows; r++) {
            const double *row = kofn_code_get_row(code, o, m->task[first + r]);
            for (size_t b = 0; b < blocks; b++)
                m->used[o][b] |= row[b] != 0;
        }
        sum_terms(m, o, blocks, first, rows);
    }
    sum_terms(m, KEPT, code->columns->size.kept, first, rows);
    for (size_t r = 0; r < rows; r++) {
        double *ret =
            code->columns->mix + m->task[first + r] * code->columns->size.mixed + m->first;
        double *product = m->sum[LEFT] + r * m->cols, *kept = m->sum[KEPT] + r * m->cols;
        multiply_rows(f, m->cols, m->sum[RIGHT] + r * m->cols, product);
        for (size_t c = 0; c < m->cols; c++)
            ret[c] = f->add(f, product[c], f->negate(f, kept[c]));
    }
}

static void
mix_all(mixer *m)
{
    const size_t mixed = m->code->columns->size.mixed;
    for (; m->first < mixed; m->first += m->cols) {
        m->cols = kofn_size_smaller(m->cols, mixed - m->first);
        draw(m);
        for (size_t first = 0; first < m->tasks; first += STEP)
            mix_rows(m, first, kofn_size_smaller(m->tasks - first, STEP));
    }
}

kofn_status
kofn_columns_fill(kofn_code *code, const kofn_code *from, kofn_error *err)
{
    kofn_columns *c = code->columns;
    mixer m;
    if (!c)
        return KOFN_OK;
    kofn_status status = KOFN_OK;
    c->mix = calloc(code->tasks * c->size.mixed + 1, sizeof *c->mix);
    if (!mixer_init(&m, code) || !c->mix)
        status = kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "batch: no memory to mix %zu columns",
                           c->size.mixed);
    const double work = status ? 0 : list_rows(&m, from);
    if (work > WORK_MAX)
        status = kofn_fail(err, KOFN_OUT_OF_RANGE,
                           "batch: a code of %zu tasks for %zu pairs takes %.2g steps to make, at "
                           "most %.2g are made; send the pairs in several batches",
                           code->tasks, code->pairs, work, WORK_MAX);
    if (!status) {
        copy_mixtures(from, code);
        mix_all(&m);
        c->filled = true;
    }
    mixer_fini(&m);
    return status;
}
