/* theorem4.csv: codes that Theorem 4 rules out, d1 + d2 < d1 d2 with d1 = 3 and d2 = 2, tried on
 * products of real matrices: encode, multiply, decode from every set of six of the tasks, compare
 * with the product. */
#include "bench/bench.h"
#include "bench/papers/alloy/paper.h"
#include "common/code/coding.h"
#include "common/linalg/multiply.h"

#include <stdlib.h>
#include <string.h>

enum { SHAPE_ROWS = 7, SHAPE_INNER = 5, SHAPE_COLS = 4, NEED = 6 }; // 7 does not divide by 3

typedef struct trial {
    kofn_code *code;
    kofn_coding coding;
    kofn_bands operand[2], product, found;
    kofn_bands *answer; // [tasks]
} trial;

typedef struct outcome {
    size_t sets, decoded, equal;
} outcome;

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
multiply(const kofn_field *f, const kofn_bands *a, const kofn_bands *b, const kofn_bands *c)
{
    const kofn_product product = {.a = &a->at[0].mat, .b = &b->at[0].mat};
    paper_must(kofn_multiply(f, &product, c, &paper_error));
}

static kofn_bands
answer_new(const trial *t, size_t task)
{
    const kofn_field *f = t->code->field;
    kofn_bands block[2], c = matrix_new(f, t->coding.part.rows, t->coding.part.cols);
    for (size_t o = 0; o < 2; o++) {
        size_t rows, cols;
        kofn_coding_block_shape(&t->coding, o, &rows, &cols);
        block[o] = matrix_new(f, rows, cols);
        paper_must(
            kofn_coding_encode(&t->coding, o, &t->operand[o], 1, &task, &block[o], &paper_error));
    }
    multiply(f, &block[0], &block[1], &c);
    matrix_fini(&block[0]);
    matrix_fini(&block[1]);
    return c;
}

static void
trial_init(trial *t, kofn_code *code, uint64_t seed)
{
    const kofn_shape shape = {SHAPE_ROWS, SHAPE_INNER, SHAPE_COLS};
    const kofn_field *f = code->field;
    kofn_rng rng;
    kofn_rng_init(&rng, seed, (uint64_t)1 << 62); // codes draw from streams below
    t->code = code;
    kofn_coding_init(&t->coding, code, shape, false, false);
    t->operand[0] = matrix_new(f, shape.rows, shape.inner);
    t->operand[1] = matrix_new(f, shape.inner, shape.cols);
    t->product = matrix_new(f, shape.rows, shape.cols);
    t->found = matrix_new(f, shape.rows, shape.cols);
    fill_uniform(f, &t->operand[0], &rng);
    fill_uniform(f, &t->operand[1], &rng);
    multiply(f, &t->operand[0], &t->operand[1], &t->product);
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
    matrix_fini(&t->operand[0]);
    matrix_fini(&t->operand[1]);
    matrix_fini(&t->product);
    matrix_fini(&t->found);
}

static bool
find_plan(const trial *t, const size_t *set, kofn_decode_plan *ret_plan)
{
    kofn_decoder *d = NULL;
    paper_must(kofn_decoder_new(t->code, 0, &d, &paper_error));
    for (size_t i = 0; i < NEED; i++)
        paper_must(kofn_decoder_add(d, set[i], &paper_error));
    const bool decodable = kofn_decoder_get_state(d) == KOFN_DECODE_EXACT;
    if (decodable)
        paper_must(kofn_decoder_plan(d, 0, ret_plan, &paper_error));
    kofn_decoder_destroy(&d);
    return decodable;
}

static void
try_set(trial *t, const size_t *set, outcome *sum)
{
    const kofn_bands *answers[NEED];
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

/* Every set of six tasks, as the next in the order of the alphabet. */
static void
try_all_sets(trial *t, outcome *sum)
{
    size_t set[NEED];
    for (size_t i = 0; i < NEED; i++)
        set[i] = i;
    for (;;) {
        try_set(t, set, sum);
        size_t at = NEED;
        while (at > 0 && set[at - 1] == t->code->tasks - NEED + at - 1)
            at--;
        if (at == 0)
            return;
        set[at - 1]++;
        for (size_t i = at; i < NEED; i++)
            set[i] = set[i - 1] + 1;
    }
}

void
figure_theorem4(FILE *file, const paper_options *o)
{
    static const struct {
        const char *name, *label; // in the file
    } fields[] = {{"gf256", "gf256"}, {"gfp:65537", "gfp65537"}};
    static const struct {
        const char *family;
        size_t tasks;
        bool random; // a code for each trial
    } families[] = {{"alloy_global", 9, true}, {"polynomial", 9, false}, {"uncoded", 6, false}};
    const size_t seeds = o->trials / 1000 + 1;
    fprintf(file, "field,family,tasks,sets,decoded,equal,first_seed\n");
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < sizeof families / sizeof families[0]; j++) {
            outcome sum = {0};
            for (size_t s = 0; s < (families[j].random ? seeds : 1); s++) {
                trial t;
                kofn_code *code = paper_code(fields[i].name, families[j].family, "3,1,2",
                                             families[j].tasks, NULL, o->seed + s);
                trial_init(&t, code, o->seed + s);
                try_all_sets(&t, &sum);
                trial_fini(&t);
                kofn_code_destroy(&code);
            }
            fprintf(file, "%s,%s,%zu,%zu,%zu,%zu,%ju\n", fields[i].label, families[j].family,
                    families[j].tasks, sum.sets, sum.decoded, sum.equal, (uintmax_t)o->seed);
        }
}
