/* Wrong answers: what each defence finds, and what it costs, in one process.
 *
 *     none        k answers                                  whatever is wrong is in the product
 *     freivalds   k, one more for each that is refuted       halves of the operands, a check for each
 *     parity      k + 2 b: those that disagree are located   a projection of each, one search
 *
 * Cost     Two ratios to no defence, paired within rounds and in turns: of the master's work
 *          (encoding, the defence, decoding), and of all work, with the multiplications that
 *          workers do.
 */
#include "bench/papers/compression/figures.h"

#include "bench/must.h"
#include "bench/papers/compression/coded.h"
#include "common/code/freivalds.h"
#include "common/code/liars.h"
#include "common/linalg/multiply.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LIARS_MOST = 2, TASKS = 4 + 2 * LIARS_MOST, TRIALS_A_ROUND = 40, ROUNDS_LEAST = 3 };

typedef enum defence {
    DEFENCE_NONE,
    DEFENCE_FREIVALDS,
    DEFENCE_PARITY,
    DEFENCES,
} defence;

static const char *const names[] = {"none", "freivalds", "parity"};

typedef struct scene {
    const kofn_field *f;
    kofn_code *code;
    kofn_bands operand[2], product;
    double norm[2];
} scene;

typedef struct outcome {  // of one job
    double master, all;   // seconds
    size_t found, honest; // liars that were named, and others that were
    double off;
    bool decoded;
} outcome;

/* ---- the job --------------------------------------------------------------------------------- */

/* One element is wrong, or all of them, in a way that nobody sees by looking. */
static void
spoil(const kofn_field *f, const kofn_bands *answer, bool whole, kofn_rng *rng)
{
    const size_t count = answer->rows * answer->cols, one = kofn_rng_below(rng, count);
    void *at = answer->at[0].mat.data;
    for (size_t i = whole ? 0 : one; i < (whole ? count : one + 1); i++) {
        if (f->dtype == KOFN_F64)
            ((double *)at)[i] += 1 + kofn_rng_unit(rng);
        else if (f->dtype == KOFN_U32)
            ((uint32_t *)at)[i] = (uint32_t)f->add(f, ((uint32_t *)at)[i], 1);
        else
            ((uint8_t *)at)[i] ^= (uint8_t)(1 + kofn_rng_below(rng, 255));
    }
}

/* ret_lies[task]: refuted. */
static void
check_each(const scene *s, const coded_job *job, size_t count, bool *ret_lies)
{
    const kofn_freivalds_operand operands[] = {{.dense = &s->operand[0]},
                                               {.dense = &s->operand[1]}};
    kofn_freivalds *check = NULL;
    must(kofn_freivalds_new(&job->coding, operands, &check, &error));
    for (size_t task = 0; task < count; task++) {
        kofn_freivalds_look look;
        must(kofn_freivalds_check(check, job->code, task, &job->answer[task], &look, &error));
        ret_lies[task] = look.finding == KOFN_FINDING_WRONG;
    }
    kofn_freivalds_destroy(&check);
}

static void
find_by_parity(const scene *s, const coded_job *job, size_t count, size_t most, bool *ret_lies)
{
    kofn_projection *p = NULL;
    kofn_liars liars;
    size_t tasks[TASKS];
    must(kofn_projection_new(s->f, job->coding.part.rows, job->coding.part.cols, &p, &error));
    const size_t width = kofn_projection_get_count(p) * kofn_projection_get_count(p);
    double *x = bench_alloc(count * width * sizeof *x);
    for (size_t task = 0; task < count; task++) {
        tasks[task] = task;
        must(kofn_projection_apply(p, &job->answer[task], x + task * width, &error));
    }
    const kofn_liars_answers answers = {.coding = &job->coding,
                                        .count = count,
                                        .task = tasks,
                                        .width = width,
                                        .x = x,
                                        .most = most,
                                        .norm = {s->norm[0], s->norm[1]}};
    must(kofn_liars_find(&answers, &liars, &error));
    for (size_t i = 0; i < liars.count; i++)
        ret_lies[liars.task[i]] = true;
    kofn_projection_destroy(&p);
    free(x);
}

/* How many may lie, how many do, and in which tasks. */
typedef struct lot {
    size_t most, lying;
    bool lies[TASKS];
} lot;

/* Answers that are waited for. */
static size_t
count_answers(defence d, const lot *l)
{
    return d == DEFENCE_PARITY ? 4 + 2 * l->most : d == DEFENCE_FREIVALDS ? 4 + l->lying : 4;
}

static outcome
run_job(const scene *s, coded_job *job, defence d, const lot *l, kofn_rng *rng)
{
    const size_t count = count_answers(d, l);
    bool named[TASKS] = {false};
    size_t tasks[TASKS], right = 0;
    outcome o = {0};
    const double start = bench_now();
    coded_encode(job, count);
    const double encoded = bench_now();
    for (size_t task = 0; task < count; task++)
        coded_multiply(job, task);
    const double multiplied = bench_now();
    for (size_t task = 0; task < count; task++)
        if (l->lies[task])
            spoil(s->f, &job->answer[task], task % 2, rng);
    const double spoilt = bench_now();
    if (d == DEFENCE_FREIVALDS)
        check_each(s, job, count, named);
    if (d == DEFENCE_PARITY)
        find_by_parity(s, job, count, l->most, named);
    for (size_t task = 0; task < count; task++) {
        if (!named[task] && right < s->code->threshold) // what is more is not used
            tasks[right++] = task;
        o.found += named[task] && l->lies[task];
        o.honest += named[task] && !l->lies[task];
    }
    o.decoded = coded_decode(job, tasks, right);
    o.master = bench_now() - spoilt + encoded - start;
    o.all = o.master + multiplied - encoded;
    o.off = o.decoded ? coded_compare(&job->out, &s->product) : NAN;
    return o;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

typedef struct tally {
    size_t found, honest, right;
    double off, *master, *all; // worst; [rounds] over those without a defence
} tally;

static void
draw_liars(defence d, kofn_rng *rng, lot *l)
{
    size_t tasks[TASKS];
    memset(l->lies, 0, sizeof l->lies);
    coded_shuffle(rng, count_answers(d, l), tasks);
    for (size_t i = 0; i < l->lying; i++)
        l->lies[tasks[i]] = true;
}

/* A round: no defence and nobody who lies, then each defence. */
static void
run_round(const scene *s, coded_job *job, lot *l, size_t round, kofn_rng *rng, tally *tallies)
{
    const double exact =
        s->f->epsilon > 0 ? 1e-12 : 0; // of |C|; four parts keep 12 digits and more
    const lot honest = {0};
    const outcome base = run_job(s, job, DEFENCE_NONE, &honest, rng);
    for (defence d = DEFENCE_NONE; d < DEFENCES; d++) {
        tally *t = &tallies[d];
        draw_liars(d, rng, l);
        const outcome o = run_job(s, job, d, l, rng);
        t->found += o.found;
        t->honest += o.honest;
        t->right += o.decoded && o.off <= exact;
        t->off = fmax(t->off, o.decoded ? o.off : INFINITY);
        t->master[round] = o.master / base.master;
        t->all[round] = o.all / base.all;
    }
}

/* With all its memory touched. */
static coded_job
start_job(const scene *s)
{
    static const bool plain[2] = {false, false};
    const lot all = {.most = LIARS_MOST};
    kofn_rng rng;
    kofn_rng_init(&rng, 1, 0);
    coded_job job = coded_start(s->code, NULL, s->operand, plain);
    (void)run_job(s, &job, DEFENCE_PARITY, &all, &rng);
    return job;
}

static void
run_liars(FILE *file, const scene *s, lot *l, size_t rounds, uint64_t seed)
{
    tally tallies[DEFENCES] = {0};
    kofn_rng rng;
    kofn_rng_init(&rng, seed, 0);
    coded_job job = start_job(s);
    for (defence d = DEFENCE_NONE; d < DEFENCES; d++) {
        tallies[d].master = bench_alloc(rounds * sizeof(double));
        tallies[d].all = bench_alloc(rounds * sizeof(double));
    }
    for (size_t round = 0; round < rounds; round++)
        run_round(s, &job, l, round, &rng, tallies);
    coded_end(&job);
    for (defence d = DEFENCE_NONE; d < DEFENCES; d++) {
        tally *t = &tallies[d];
        fprintf(file, "%s,%zu,%zu,%s,%zu,%zu,%zu,%zu,%zu,%.3g,%.3f,%.3f,%zu,%ju\n", s->f->name,
                l->most, l->lying, names[d], count_answers(d, l) - 4, rounds * l->lying, t->found,
                t->honest, t->right, t->off, bench_median(t->master, rounds),
                bench_median(t->all, rounds), rounds, (uintmax_t)seed);
        free(t->master);
        free(t->all);
    }
}

static scene
start_scene(const char *field, size_t n, uint64_t seed)
{
    const coded_wish wish = {
        .family = "polynomial", .key = "partition", .value = "2,1,2", .tasks = TASKS};
    scene s = {.f = kofn_field_find(field)};
    kofn_rng rng;
    kofn_rng_init(&rng, seed, 1);
    if (!s.f)
        must(kofn_field_new(field, &s.f, &error));
    s.code = coded_new_code(s.f, &wish);
    s.product = coded_new_matrix(s.f->dtype, n, n);
    for (size_t i = 0; i < 2; i++) {
        s.operand[i] = coded_new_matrix(s.f->dtype, n, n);
        coded_fill(s.f, &s.operand[i], &rng);
        s.norm[i] = s.f->norm(s.f, s.operand[i].at[0].mat.data, n * n);
    }
    const kofn_product product = {.a = &s.operand[0].at[0].mat, .b = &s.operand[1].at[0].mat};
    must(kofn_multiply(s.f, &product, &s.product, &error));
    return s;
}

static void
end_scene(scene *s)
{
    kofn_code_destroy(&s->code);
    kofn_bands_fini(&s->product);
    for (size_t i = 0; i < 2; i++)
        kofn_bands_fini(&s->operand[i]);
    kofn_field_destroy(&s->f);
}

void
figure_liars(FILE *file, const paper_options *o)
{
    static const char *const fields[] = {"f64", "gf256", "gfp:2147483647"};
    const size_t wanted = o->trials / TRIALS_A_ROUND;
    const size_t rounds = wanted < ROUNDS_LEAST ? ROUNDS_LEAST : wanted;
    uint64_t seed = o->seed;
    fprintf(
        file,
        "field,b,lying,defence,more,liars,found,honest,right,off,master,all,rounds,first_seed\n");
    for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++) {
        scene s = start_scene(fields[f], o->size, seed);
        for (size_t i = 0; i < 2 * LIARS_MOST; i++, seed += PAPER_SEEDS_A_SETTING) {
            const size_t most = 1 + i / 2;
            lot l = {.most = most, .lying = i % 2 * most};
            run_liars(file, &s, &l, rounds, seed);
        }
        end_scene(&s);
    }
}
