/* theorem4.csv: codes that Theorem 4 rules out, d1 + ... + dl < d1 ... dl, tried on matrices:
 * encode, multiply, decode from every set of d1 ... dl of the tasks, compare with the product bit
 * by bit.
 *
 *     3;1;2   C := A B, A in three row blocks, B in two column blocks
 *     3;2     C := A_1 (x) A_2, the Kronecker product, in three and two parts
 *     2;2;2   the same of three */
#include "bench/bench.h"
#include "bench/papers/alloy/paper.h"
#include "common/code/coding.h"
#include "common/linalg/multiply.h"
#include "common/linalg/outer.h"

#include <stdlib.h>
#include <string.h>

enum { OPERANDS_MAX = 3, NEED_MAX = 8, SPARE = 3 };

/* Sizes do not divide by the parts. */
typedef struct form {
    const char *cut, *set; // in the file, and of the code
    bool outer;
    size_t need; // d1 ... dl
    kofn_extents operands;
} form;

static const form forms[] = {
    {"3;1;2", "partition=3;1;2", false, 6, {2, {7, 5}, {5, 3}}},
    {"3;2", "parts=3;2", true, 6, {2, {7, 3}, {2, 5}}},
    {"2;2;2", "parts=2;2;2", true, 8, {3, {5, 3, 1}, {2, 5, 3}}},
};

typedef struct trial {
    const form *form;
    kofn_code *code;
    kofn_coding coding;
    kofn_bands operand[OPERANDS_MAX], product, found;
    kofn_bands *answer; // [tasks]
} trial;

typedef struct outcome {
    size_t sets, decoded, equal;
} outcome;

/* ---- matrices -------------------------------------------------------------------------------- */

static kofn_bands
matrix_new(const kofn_field *f, size_t rows, size_t cols)
{
    kofn_mat mat =
        kofn_mat_wrap(bench_alloc(rows * cols * kofn_dtype_width(f->dtype)), f->dtype, rows, cols);
    kofn_bands bands;
    paper_must(kofn_bands_from_mat(&mat, &bands, &paper_error));
    return bands;
}

static void
matrix_fini(kofn_bands *matrix)
{
    free(matrix->at[0].mat.data);
    kofn_bands_fini(matrix);
}

static size_t
bytes_of(const kofn_bands *matrix)
{
    return matrix->rows * matrix->cols * kofn_dtype_width(matrix->dtype);
}

static void
fill_uniform(const kofn_field *f, const kofn_bands *matrix, kofn_rng *rng)
{
    for (size_t i = 0; i < matrix->rows * matrix->cols; i++) {
        const uint64_t number = kofn_rng_below(rng, (uint64_t)f->order);
        if (f->dtype == KOFN_U8)
            ((uint8_t *)matrix->at[0].mat.data)[i] = (uint8_t)number;
        else
            ((uint32_t *)matrix->at[0].mat.data)[i] = (uint32_t)number;
    }
}

static void
multiply(const trial *t, const kofn_bands *factors, const kofn_bands *c)
{
    const kofn_field *f = t->code->field;
    kofn_mat factor[OPERANDS_MAX];
    for (size_t o = 0; o < t->code->operands; o++)
        factor[o] = factors[o].at[0].mat;
    const kofn_product product = {.a = &factor[0], .b = &factor[1]};
    const kofn_outer outer = {.count = t->code->operands, .factor = factor};
    paper_must(t->form->outer ? kofn_outer_multiply(f, &outer, c, &paper_error)
                              : kofn_multiply(f, &product, c, &paper_error));
}

/* ---- a trial: all answers of a code ---------------------------------------------------------- */

static kofn_bands
answer_new(const trial *t, size_t task)
{
    const kofn_field *f = t->code->field;
    kofn_bands block[OPERANDS_MAX], c = matrix_new(f, t->coding.part.rows, t->coding.part.cols);
    for (size_t o = 0; o < t->code->operands; o++) {
        size_t rows, cols;
        kofn_coding_block_shape(&t->coding, o, &rows, &cols);
        block[o] = matrix_new(f, rows, cols);
        paper_must(
            kofn_coding_encode(&t->coding, o, &t->operand[o], 1, &task, &block[o], &paper_error));
    }
    multiply(t, block, &c);
    for (size_t o = 0; o < t->code->operands; o++)
        matrix_fini(&block[o]);
    return c;
}

static void
init_coding(trial *t)
{
    const kofn_extents *e = &t->form->operands;
    const bool transposed[OPERANDS_MAX] = {false};
    if (t->form->outer)
        kofn_coding_init_outer(&t->coding, t->code, e, transposed);
    else
        kofn_coding_init(&t->coding, t->code, (kofn_shape){e->rows[0], e->cols[0], e->cols[1]},
                         false, false);
}

static void
trial_init(trial *t, const form *of, kofn_code *code, uint64_t seed)
{
    const kofn_field *f = code->field;
    kofn_rng rng;
    kofn_rng_init(&rng, seed, (uint64_t)1 << 62); // codes draw from streams below
    *t = (trial){.form = of, .code = code};
    init_coding(t);
    for (size_t o = 0; o < code->operands; o++) {
        t->operand[o] = matrix_new(f, of->operands.rows[o], of->operands.cols[o]);
        fill_uniform(f, &t->operand[o], &rng);
    }
    t->product = matrix_new(f, t->coding.shape.rows, t->coding.shape.cols);
    t->found = matrix_new(f, t->coding.shape.rows, t->coding.shape.cols);
    multiply(t, t->operand, &t->product);
    t->answer = bench_alloc(code->tasks * sizeof *t->answer);
    for (size_t task = 0; task < code->tasks; task++)
        t->answer[task] = answer_new(t, task);
}

static void
trial_fini(trial *t)
{
    for (size_t task = 0; task < t->code->tasks; task++)
        matrix_fini(&t->answer[task]);
    free(t->answer);
    for (size_t o = 0; o < t->code->operands; o++)
        matrix_fini(&t->operand[o]);
    matrix_fini(&t->product);
    matrix_fini(&t->found);
}

/* ---- sets ------------------------------------------------------------------------------------ */

static bool
find_plan(const trial *t, const size_t *set, kofn_decode_plan *ret_plan)
{
    kofn_decoder *d = NULL;
    paper_must(kofn_decoder_new(t->code, 0, &d, &paper_error));
    for (size_t i = 0; i < t->form->need; i++)
        paper_must(kofn_decoder_add(d, set[i], &paper_error));
    const bool decodable = kofn_decoder_get_state(d) == KOFN_DECODE_EXACT;
    if (decodable)
        paper_must(kofn_decoder_plan(d, 0, ret_plan, &paper_error));
    kofn_decoder_destroy(&d);
    return decodable;
}

static void
try_set(const trial *t, const size_t *set, outcome *sum)
{
    const kofn_bands *answers[NEED_MAX];
    kofn_decode_plan plan;
    sum->sets++;
    if (!find_plan(t, set, &plan))
        return;
    sum->decoded++;
    for (size_t u = 0; u < plan.used; u++)
        answers[u] = &t->answer[plan.task[u]];
    memset(t->found.at[0].mat.data, 0, bytes_of(&t->found));
    paper_must(kofn_coding_decode(&t->coding, &plan, answers, kofn_coding_all_rows(&t->coding),
                                  &t->found, &paper_error));
    sum->equal +=
        memcmp(t->found.at[0].mat.data, t->product.at[0].mat.data, bytes_of(&t->found)) == 0;
    kofn_decode_plan_fini(&plan);
}

/* Each after the one before it in the alphabet. */
static void
try_all_sets(const trial *t, outcome *sum)
{
    const size_t need = t->form->need, tasks = t->code->tasks;
    size_t set[NEED_MAX];
    for (size_t i = 0; i < need; i++)
        set[i] = i;
    for (;;) {
        try_set(t, set, sum);
        size_t at = need;
        while (at > 0 && set[at - 1] == tasks - need + at - 1)
            at--;
        if (at == 0)
            return;
        set[at - 1]++;
        for (size_t i = at; i < need; i++)
            set[i] = set[i - 1] + 1;
    }
}

/* ---- the file -------------------------------------------------------------------------------- */

static const struct {
    const char *name, *label; // in the file
} fields[] = {{"gf256", "gf256"}, {"gfp:65537", "gfp65537"}};

static const struct {
    const char *name;
    size_t spare;
    bool random; // a code for each trial
} families[] = {{"alloy_global", SPARE, true}, {"polynomial", SPARE, false}, {"uncoded", 0, false}};

static void
print_line(FILE *file, size_t field, const form *of, size_t family, const paper_options *o)
{
    const size_t seeds = families[family].random ? o->trials / 1000 + 1 : 1;
    const size_t tasks = of->need + families[family].spare;
    outcome sum = {0};
    for (size_t s = 0; s < seeds; s++) {
        trial t;
        kofn_code *code =
            paper_code(fields[field].name, families[family].name, tasks, of->set, o->seed + s);
        trial_init(&t, of, code, o->seed + s);
        try_all_sets(&t, &sum);
        trial_fini(&t);
        kofn_code_destroy(&code);
    }
    fprintf(file, "%s,%s,%s,%zu,%zu,%zu,%zu,%ju\n", of->cut, fields[field].label,
            families[family].name, tasks, sum.sets, sum.decoded, sum.equal, (uintmax_t)o->seed);
}

void
figure_theorem4(FILE *file, const paper_options *o)
{
    fprintf(file, "cut,field,family,tasks,sets,decoded,equal,first_seed\n");
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        for (size_t field = 0; field < sizeof fields / sizeof fields[0]; field++)
            for (size_t family = 0; family < sizeof families / sizeof families[0]; family++)
                print_line(file, field, &forms[i], family, o);
}
