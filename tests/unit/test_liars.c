#include "common/code/liars.h"
#include "common/code/projection.h"
#include "tests/unit/answers_rig.h"

/* What parity is given: r answers, those of a shuffled list of tasks. */
typedef struct trial {
    kofn_projection *projection;
    size_t count, task[TASKS_MAX], width;
    double *x;
    kofn_liars_answers answers;
} trial;

static void
start_trial(trial *t, const job *j, size_t count, size_t most, kofn_rng *rng)
{
    kofn_error error;
    size_t all[TASKS_MAX];
    *t = (trial){.count = count};
    for (size_t i = 0; i < j->code->tasks; i++)
        all[i] = i;
    shuffle(rng, all, j->code->tasks);
    memcpy(t->task, all, count * sizeof *all);
    assert_ok(kofn_projection_new(j->code->field, j->coding.part.rows, j->coding.part.cols,
                                  &t->projection, &error));
    t->width = kofn_projection_get_count(t->projection) * kofn_projection_get_count(t->projection);
    t->x = calloc(count * t->width + 1, sizeof *t->x);
    t->answers = (kofn_liars_answers){.coding = &j->coding,
                                      .count = count,
                                      .task = t->task,
                                      .width = t->width,
                                      .x = t->x,
                                      .most = most,
                                      .norm = {norm_of(&j->operand[0]), norm_of(&j->operand[1])}};
}

static void
project(trial *t, const job *j)
{
    kofn_error error;
    for (size_t i = 0; i < t->count; i++)
        assert_ok(kofn_projection_apply(t->projection, &j->answer[t->task[i]], t->x + i * t->width,
                                        &error));
}

static void
end_trial(trial *t)
{
    kofn_projection_destroy(&t->projection);
    free(t->x);
}

static bool
is_listed(const size_t *list, size_t count, size_t what)
{
    bool found = false;
    for (size_t i = 0; i < count; i++)
        found = found || list[i] == what;
    return found;
}

/* Add something to every element, or to one. */
static void
spoil(job *j, size_t task, bool whole, kofn_rng *rng)
{
    const kofn_field *f = j->code->field;
    kofn_mat *mat = only_mat(&j->answer[task]);
    const size_t row = kofn_rng_below(rng, mat->rows), col = kofn_rng_below(rng, mat->cols);
    for (size_t i = 0; i < mat->rows; i++)
        for (size_t k = 0; k < mat->cols; k++)
            if (whole || (i == row && k == col)) {
                const double by = f->order == 0
                                      ? 1 + kofn_rng_unit(rng)
                                      : 1 + (double)kofn_rng_below(rng, (uint64_t)f->order - 1);
                element_set(mat, i, k, f->add(f, element_get(mat, i, k), by));
            }
}

typedef struct parity_case {
    test_code code;
    const char *field;
    size_t most;
} parity_case;

static const parity_case cases[] = {
    {{.family = "polynomial", .partition = "2,1,2", .tasks = 8}, "f64", 2},
    {{.family = "polynomial", .partition = "2,1,2", .tasks = 8}, "f32", 2},
    {{.family = "polynomial", .partition = "2,1,2", .tasks = 10}, "gfp:257", 3},
    {{.family = "polynomial", .partition = "2,1,3", .tasks = 10}, "gf256", 2},
    {{.family = "matdot", .partition = "1,3,1", .tasks = 9}, "f64", 2},
    {{.family = "matdot", .partition = "1,3,1", .tasks = 9}, "gf16", 2},
    {{.family = "polydot", .partition = "2,2,1", .tasks = 9}, "gfp:2147483647", 2},
    {{.family = "rkrp", .partition = "2,1,2", .tasks = 8}, "f64", 2},
    {{.family = "replication", .partition = "2,1,1", .set = "copies=5"}, "f64", 2},
    {{.family = "replication", .partition = "2,1,2", .set = "copies=3"}, "gfp:11", 1},
};

enum { CASES = sizeof cases / sizeof cases[0] };

static void
start_case(job *j, const parity_case *c, kofn_rng *rng)
{
    kofn_error error;
    make_job(j, &c->code, c->field, (kofn_shape){.rows = 21, .inner = 19, .cols = 17}, 0, rng);
    answer_all(j);
    assert_ok(kofn_liars_check(j->code, c->most, &error));
}

static void
up_to_b_liars_are_named_and_nobody_else(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(1), 0);
    for (size_t c = 0; c < CASES; c++)
        for (size_t lie = 0; lie <= 2 * cases[c].most + 1; lie++) {
            kofn_error error;
            job j;
            trial t;
            kofn_liars liars = {0};
            start_case(&j, &cases[c], &rng);
            const size_t wrong = lie / 2;
            start_trial(&t, &j, j.code->threshold + 2 * cases[c].most, cases[c].most, &rng);
            for (size_t i = 0; i < wrong; i++)
                spoil(&j, t.task[t.count - 1 - i], lie % 2 == 1 || j.code->field->dtype == KOFN_F32,
                      &rng);
            project(&t, &j);
            assert_ok(kofn_liars_find(&t.answers, &liars, &error));
            assert_int_equal(liars.count, wrong);
            assert_int_equal(liars.named, wrong);
            for (size_t i = 0; i < wrong; i++)
                assert_true(is_listed(t.task + t.count - wrong, wrong, liars.task[i]));
            if (j.code->field->order > 0)
                assert_true(liars.slack == 0);
            else // the lies that were found do not hide others
                assert_true(liars.slack > kofn_coding_get_noise(&j.coding) &&
                            isfinite(liars.slack));
            end_trial(&t);
            end_answers(&j);
        }
}

static void
more_than_b_liars_are_an_error(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(2), 0);
    for (size_t c = 0; c < CASES; c++) {
        kofn_error error;
        job j;
        trial t;
        kofn_liars liars = {.count = 77};
        if (strcmp(cases[c].code.family, "replication") == 0)
            continue; // three of five copies may agree on anything
        start_case(&j, &cases[c], &rng);
        start_trial(&t, &j, j.code->threshold + 2 * cases[c].most, cases[c].most, &rng);
        for (size_t i = 0; i <= cases[c].most; i++)
            spoil(&j, t.task[i], true, &rng);
        project(&t, &j);
        assert_fails(kofn_liars_find(&t.answers, &liars, &error), KOFN_DATA_LOSS);
        assert_int_equal(liars.named, 0); // it cannot be told who
        assert_int_equal(liars.count, 0);
        end_trial(&t);
        end_answers(&j);
    }
}

/* Three where two may be, and two of them no honest worker could have answered. */
static void
what_no_honest_one_can_be_is_named_even_where_others_hide(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(12), 0);
    for (size_t impossible = 2; impossible <= 8; impossible++) {
        kofn_error error;
        job j;
        trial t;
        kofn_liars liars = {0};
        start_case(&j, &cases[0], &rng);
        start_trial(&t, &j, 8, 2, &rng);
        for (size_t i = 0; i < impossible; i++)
            element_set(only_mat(&j.answer[t.task[i]]), 1, 2, i % 2 ? NAN : 1e200);
        if (impossible == 2)
            spoil(&j, t.task[7], true, &rng);
        project(&t, &j);
        assert_fails(kofn_liars_find(&t.answers, &liars, &error), KOFN_DATA_LOSS);
        assert_int_equal(liars.named, impossible);
        assert_int_equal(liars.count, impossible);
        for (size_t i = 0; i < impossible; i++)
            assert_true(is_listed(liars.task, impossible, t.task[i]));
        end_trial(&t);
        end_answers(&j);
    }
}

static void
liars_of_a_batch_are_named(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(8), 0);
    for (int turned = 0; turned < 4; turned++) {
        kofn_error error;
        job j;
        trial t;
        kofn_liars liars = {0};
        make_batch_job(&j, "lagrange", NULL, turned, &rng);
        answer_all(&j);
        assert_int_equal(j.code->threshold, 5);
        assert_ok(kofn_liars_check(j.code, 2, &error));
        start_trial(&t, &j, 9, 2, &rng);
        spoil(&j, t.task[3], false, &rng);
        spoil(&j, t.task[8], true, &rng);
        project(&t, &j);
        assert_ok(kofn_liars_find(&t.answers, &liars, &error));
        assert_int_equal(liars.named, 2);
        assert_true(is_listed(liars.task, 2, t.task[3]) && is_listed(liars.task, 2, t.task[8]));
        end_trial(&t);
        end_answers(&j);
    }
}

/* Of which Freivalds' check knows nothing: A (x) B, each cut in two, C~ = A~ (x) B~. */
static void
liars_of_an_outer_product_are_named(void **state)
{
    (void)state;
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(9), 0);
    job j = {0};
    trial t;
    kofn_liars liars = {0};
    kofn_code_spec spec = {.has_seed = true, .seed = 1, .tasks = 8};
    const kofn_extents e = {.count = 2, .rows = {6, 4}, .cols = {3, 5}};
    const kofn_code_context context = {
        .field = kofn_field_find("f64"), .workers = 8, .operands = e};
    assert_ok(kofn_code_spec_set_form(&spec, 2, &error));
    assert_ok(kofn_code_spec_set(&spec, "family", "polynomial", &error));
    assert_ok(kofn_code_spec_set(&spec, "parts", "2,2", &error));
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    assert_ok(kofn_code_spec_build(&spec, context.field, &j.code, &error));
    kofn_coding_init_outer(&j.coding, j.code, &e, (const bool[]){false, false});
    for (size_t o = 0; o < 2; o++) {
        j.operand[o] = new_matrix(KOFN_F64, e.rows[o], e.cols[o]);
        fill_drawn(context.field, &j.operand[o], &rng);
    }
    for (size_t task = 0; task < j.code->tasks; task++) {
        kofn_bands block[2];
        for (size_t o = 0; o < 2; o++) {
            size_t rows, cols;
            kofn_coding_block_shape(&j.coding, o, &rows, &cols);
            block[o] = new_matrix(KOFN_F64, rows, cols);
            assert_ok(kofn_coding_encode(&j.coding, o, &j.operand[o], 1, &task, &block[o], &error));
        }
        j.answer[task] = new_matrix(KOFN_F64, j.coding.part.rows, j.coding.part.cols);
        for (size_t r = 0; r < j.coding.part.rows; r++)
            for (size_t c = 0; c < j.coding.part.cols; c++)
                element_set(
                    only_mat(&j.answer[task]), r, c,
                    element_get(only_mat(&block[0]), r / block[1].rows, c / block[1].cols) *
                        element_get(only_mat(&block[1]), r % block[1].rows, c % block[1].cols));
        free_matrix(&block[0]);
        free_matrix(&block[1]);
    }
    assert_ok(kofn_liars_check(j.code, 2, &error));
    start_trial(&t, &j, 8, 2, &rng);
    project(&t, &j);
    assert_ok(kofn_liars_find(&t.answers, &liars, &error));
    assert_int_equal(liars.count, 0);
    spoil(&j, t.task[0], false, &rng);
    spoil(&j, t.task[5], true, &rng);
    project(&t, &j);
    assert_ok(kofn_liars_find(&t.answers, &liars, &error));
    assert_int_equal(liars.named, 2);
    assert_true(is_listed(liars.task, 2, t.task[0]) && is_listed(liars.task, 2, t.task[5]));
    end_trial(&t);
    end_answers(&j);
}

/* Do the answers not in `mask` agree with each other? By rank, and by no parity. */
static bool
brute_agree(const trial *t, const kofn_code *code, uint64_t mask)
{
    const size_t cols = kofn_code_columns(code);
    size_t rank[2];
    for (size_t with = 0; with < 2; with++) {
        const size_t width = cols + (with ? t->width : 0);
        uint64_t *at = calloc(t->count * width + 1, sizeof *at);
        size_t rows = 0;
        for (size_t i = 0; i < t->count; i++) {
            if (mask >> i & 1)
                continue;
            for (size_t k = 0; k < cols; k++)
                at[rows * width + k] = brute_element_exactly(code, t->task[i], k);
            for (size_t k = cols; k < width; k++)
                at[rows * width + k] = (uint64_t)t->x[i * t->width + k - cols];
            rows++;
        }
        rank[with] = brute_field_rank(code->field, at, rows, width);
        free(at);
    }
    return rank[0] == rank[1];
}

/* The smallest set that explains, and what all of them have in common. */
static uint64_t
brute_find(const trial *t, const kofn_code *code, uint64_t *ret_common)
{
    uint64_t best = UINT64_MAX;
    *ret_common = UINT64_MAX;
    for (uint64_t mask = 0; mask < (uint64_t)1 << t->count; mask++) {
        if ((size_t)__builtin_popcountll(mask) > t->answers.most || !brute_agree(t, code, mask))
            continue;
        *ret_common &= mask;
        if (best == UINT64_MAX || __builtin_popcountll(mask) < __builtin_popcountll(best))
            best = mask;
    }
    return best;
}

/* Liars who agree with each other: the same lie, the answer of another task, of another product. */
static void
conspire(job *j, const size_t *task, size_t count, kofn_rng *rng)
{
    const size_t how = kofn_rng_below(rng, 4);
    kofn_rng same = *rng;
    for (size_t i = 0; i < count; i++) {
        if (how == 0)
            *rng = same;
        if (how < 2)
            spoil(j, task[i], how == 0, rng);
        else if (how == 2)
            memcpy(only_mat(&j->answer[task[i]])->data, only_mat(&j->answer[0])->data,
                   j->answer[0].rows * j->answer[0].cols * kofn_dtype_width(j->answer[0].dtype));
    }
    if (how < 3)
        return;
    job other = {.code = kofn_code_ref(j->code), .coding = j->coding};
    for (size_t o = 0; o < 2; o++) {
        other.operand[o] = new_matrix(j->operand[o].dtype, j->operand[o].rows, j->operand[o].cols);
        fill_drawn(j->code->field, &other.operand[o], rng);
    }
    answer_all(&other);
    for (size_t i = 0; i < count; i++) {
        const kofn_bands moved = j->answer[task[i]];
        j->answer[task[i]] = other.answer[task[i]];
        other.answer[task[i]] = moved;
    }
    end_answers(&other);
}

static void
over_finite_fields_it_is_what_brute_force_finds(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(3), 0);
    size_t doubtful = 0;
    for (size_t round = 0; round < 300; round++) {
        const parity_case *c = &cases[round % CASES];
        kofn_error error;
        job j;
        trial t;
        kofn_liars liars = {0};
        uint64_t common;
        if (c->field[0] == 'f')
            continue;
        start_case(&j, c, &rng);
        const size_t extra = kofn_rng_below(&rng, 2 * c->most + 1); // also fewer than it takes
        start_trial(&t, &j, j.code->threshold + extra, c->most, &rng);
        conspire(&j, t.task, kofn_rng_below(&rng, c->most + 2), &rng);
        project(&t, &j);
        const uint64_t best = brute_find(&t, j.code, &common);
        const kofn_status status = kofn_liars_find(&t.answers, &liars, &error);
        assert_int_equal(status, best == UINT64_MAX ? KOFN_DATA_LOSS : KOFN_OK);
        if (best != UINT64_MAX) {
            uint64_t found = 0, named = 0;
            for (size_t i = 0; i < t.count; i++) {
                found |= (uint64_t)is_listed(liars.task, liars.count, t.task[i]) << i;
                named |= (uint64_t)is_listed(liars.task, liars.named, t.task[i]) << i;
            }
            assert_int_equal(__builtin_popcountll(found), __builtin_popcountll(best));
            assert_true(brute_agree(&t, j.code, found));
            assert_true(named == common);
            doubtful += named != found;
        }
        end_trial(&t);
        end_answers(&j);
    }
    assert_true(doubtful > 0);
}

/* ---- givers of several answers --------------------------------------------------------------- */

typedef struct crew_case {
    test_code code; // of as many tasks as that takes
    const char *field;
    size_t most, workers;
} crew_case;

static const crew_case crews[] = {
    {{.family = "polynomial", .partition = "2,1,2", .tasks = 12}, "gfp:257", 2, 7},
    {{.family = "polynomial", .partition = "2,1,2", .tasks = 20}, "gfp:257", 2, 5},
    {{.family = "polynomial", .partition = "3,1,1", .tasks = 9}, "gf256", 1, 3},
    {{.family = "matdot", .partition = "1,2,1", .tasks = 11}, "gfp:11", 2, 6},
    {{.family = "rkrp", .partition = "2,1,2", .tasks = 8}, "f64", 1, 4},
    {{.family = "polynomial", .partition = "2,1,2", .tasks = 12}, "f64", 2, 7},
};

enum { CREWS = sizeof crews / sizeof crews[0] };

/* An honest trial: all answers, in turn by all givers. And what their sums would be of other
 * operands. */
static void
start_crew(job *j, trial *t, const crew_case *c, uint64_t *giver, double *other, kofn_rng *rng)
{
    kofn_error error;
    make_job(j, &c->code, c->field, (kofn_shape){.rows = 6, .inner = 6, .cols = 6}, 0, rng);
    answer_all(j);
    assert_int_equal(kofn_liars_count_tasks(j->code->threshold, c->most, c->workers),
                     j->code->tasks);
    assert_ok(kofn_liars_check(j->code, c->most, &error));
    start_trial(t, j, j->code->tasks, c->most, rng);
    for (size_t o = 0; o < 2; o++)
        fill_drawn(j->code->field, &j->operand[o], rng);
    t->answers.norm[0] = fmax(t->answers.norm[0], norm_of(&j->operand[0]));
    t->answers.norm[1] = fmax(t->answers.norm[1], norm_of(&j->operand[1]));
    project(t, j);
    memcpy(other, t->x, t->count * t->width * sizeof *other);
    end_answers(j);
    make_job(j, &c->code, c->field, (kofn_shape){.rows = 6, .inner = 6, .cols = 6}, 0, rng);
    answer_all(j);
    t->answers.coding = &j->coding;
    for (size_t o = 0; o < 2; o++)
        t->answers.norm[o] = fmax(t->answers.norm[o], norm_of(&j->operand[o]));
    project(t, j);
    for (size_t i = 0; i < t->count; i++)
        giver[i] = 1000 - i % c->workers;
    t->answers.giver = giver;
}

/* Wrong answers, one bit each, of some givers: all that one other product would have, or each its
 * own. */
static void
assert_located(trial *t, const double *other, uint64_t wrong, bool agree, kofn_rng *rng)
{
    kofn_error error;
    kofn_liars liars = {0};
    double *honest = calloc(t->count * t->width, sizeof *honest);
    uint64_t out = 0, named = 0, theirs = 0;
    const double order = t->answers.coding->code->field->order;
    memcpy(honest, t->x, t->count * t->width * sizeof *honest);
    for (size_t i = 0; i < t->count; i++) {
        for (size_t k = 0; k < t->width && wrong >> i & 1; k++)
            t->x[i * t->width + k] = agree        ? other[i * t->width + k]
                                     : order == 0 ? kofn_rng_unit(rng)
                                                  : (double)kofn_rng_below(rng, (uint64_t)order);
        for (size_t k = 0; k < t->count; k++)
            theirs |= (uint64_t)(wrong >> k & 1 && t->answers.giver[k] == t->answers.giver[i]) << i;
    }
    assert_ok(kofn_liars_find(&t->answers, &liars, &error));
    for (size_t i = 0; i < t->count; i++) {
        out |= (uint64_t)is_listed(liars.task, liars.count, t->task[i]) << i;
        named |= (uint64_t)is_listed(liars.task, liars.named, t->task[i]) << i;
    }
    assert_true(out == theirs);
    assert_true(named == wrong);
    assert_true(isfinite(liars.slack));
    memcpy(t->x, honest, t->count * t->width * sizeof *honest);
    free(honest);
}

static uint64_t
answers_of(const trial *t, const crew_case *c, uint64_t givers)
{
    uint64_t all = 0;
    for (size_t i = 0; i < t->count; i++)
        all |= (givers >> i % c->workers & 1) << i;
    return all;
}

/* Every set of b givers or fewer, and every choice of answers that they lie in. */
static void
whoever_lies_in_whichever_of_its_answers_is_found(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(13), 0);
    for (size_t c = 0; c < CREWS; c++) {
        job j;
        trial t;
        uint64_t giver[TASKS_MAX];
        static double other[TASKS_MAX * 4096];
        start_crew(&j, &t, &crews[c], giver, other, &rng);
        assert_in_range(t.width, 1, 4096);
        for (uint64_t givers = 0; givers < (uint64_t)1 << crews[c].workers; givers++) {
            if ((size_t)__builtin_popcountll(givers) > crews[c].most)
                continue;
            const uint64_t all = answers_of(&t, &crews[c], givers);
            for (uint64_t wrong = all;; wrong = (wrong - 1) & all) {
                assert_located(&t, other, wrong, true, &rng);
                assert_located(&t, other, wrong, false, &rng);
                if (wrong == 0)
                    break;
            }
        }
        end_trial(&t);
        end_answers(&j);
    }
}

/* 2 liars of 40 answers each, of which only half are wrong: all are left out, and both named. */
static void
who_gave_very_many_is_named_for_all(void **state)
{
    (void)state;
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(15), 0);
    enum { WORKERS = 5, EACH = 40, N = WORKERS * EACH, WIDTH = 7 };
    static const test_code spec = {.family = "polynomial", .partition = "8,1,5", .tasks = N};
    kofn_code *code = make_code(&spec, "gfp:257", 1);
    const kofn_coding coding = {.code = code};
    static double x[N * WIDTH], row[64], product[64][WIDTH];
    size_t task[N];
    uint64_t giver[N];
    kofn_liars liars = {0};
    const size_t columns = kofn_code_columns(code);
    assert_int_equal(kofn_liars_count_tasks(code->threshold, 2, WORKERS), N);
    for (size_t c = 0; c < columns; c++)
        for (size_t k = 0; k < WIDTH; k++)
            product[c][k] = (double)kofn_rng_below(&rng, 257);
    for (size_t i = 0; i < N; i++) {
        task[i] = i;
        giver[i] = i % WORKERS;
        kofn_code_fill_row(code, i, row);
        for (size_t c = 0; c < columns; c++)
            code->field->add_multiple(code->field, WIDTH, row[c], product[c], x + i * WIDTH);
        if (i % WORKERS < 2 && i < N / 2)
            x[i * WIDTH] = code->field->add(code->field, x[i * WIDTH], 1);
    }
    const kofn_liars_answers answers = {.coding = &coding,
                                        .count = N,
                                        .task = task,
                                        .giver = giver,
                                        .width = WIDTH,
                                        .x = x,
                                        .most = 2};
    assert_ok(kofn_liars_find(&answers, &liars, &error));
    assert_int_equal(liars.count, 2 * EACH);
    assert_int_equal(liars.named, 2 * EACH);
    for (size_t i = 0; i < liars.count; i++)
        assert_true(liars.task[i] % WORKERS < 2);
    kofn_code_destroy(&code);
}

/* Answers that givers of `mask` gave. */
static uint64_t
spread_mask(const trial *t, uint64_t mask)
{
    uint64_t answers = 0;
    for (size_t i = 0; i < t->count; i++)
        answers |= (mask >> t->answers.giver[i] & 1) << i;
    return answers;
}

/* Given anyhow, also where it cannot be told: the smallest set of givers, and who is in all of
 * them. */
static void
of_any_givers_it_is_what_brute_force_finds(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(14), 0);
    size_t lost = 0, doubtful = 0;
    for (size_t round = 0; round < 400; round++) {
        enum { GIVERS = 6 };
        const parity_case *c = &cases[round % CASES];
        kofn_error error;
        job j;
        trial t;
        kofn_liars liars = {0};
        uint64_t giver[TASKS_MAX], best = UINT64_MAX, common = UINT64_MAX;
        if (c->field[0] == 'f')
            continue;
        start_case(&j, c, &rng);
        start_trial(&t, &j, j.code->threshold + kofn_rng_below(&rng, 2 * c->most + 1), c->most,
                    &rng);
        for (size_t i = 0; i < t.count; i++)
            giver[i] = kofn_rng_below(&rng, GIVERS);
        t.answers.giver = giver;
        conspire(&j, t.task, kofn_rng_below(&rng, c->most + 2), &rng);
        project(&t, &j);
        const uint64_t present = spread_mask(&t, UINT64_MAX);
        assert_true(present == ((uint64_t)1 << t.count) - 1);
        for (uint64_t mask = 0; mask < (uint64_t)1 << GIVERS; mask++) {
            if ((size_t)__builtin_popcountll(mask) > c->most ||
                !brute_agree(&t, j.code, spread_mask(&t, mask)))
                continue;
            common &= mask;
            if (best == UINT64_MAX || __builtin_popcountll(mask) < __builtin_popcountll(best))
                best = mask;
        }
        const kofn_status status = kofn_liars_find(&t.answers, &liars, &error);
        assert_int_equal(status, best == UINT64_MAX ? KOFN_DATA_LOSS : KOFN_OK);
        uint64_t found = 0, named = 0;
        for (size_t i = 0; i < t.count; i++) {
            found |= (uint64_t)is_listed(liars.task, liars.count, t.task[i]) << giver[i];
            named |= (uint64_t)is_listed(liars.task, liars.named, t.task[i]) << giver[i];
        }
        if (best != UINT64_MAX) {
            assert_int_equal(__builtin_popcountll(found), __builtin_popcountll(best));
            assert_true(brute_agree(&t, j.code, spread_mask(&t, found)));
            assert_true(named == common);
            doubtful += named != found;
        }
        lost += best == UINT64_MAX;
        end_trial(&t);
        end_answers(&j);
    }
    assert_true(lost > 0 && doubtful > 0);
}

/* n tasks, spread evenly: do k remain without those of any 2 b? */
static bool
brute_suffice(size_t n, size_t k, size_t b, size_t workers)
{
    size_t taken = 0;
    for (size_t w = 0; w < workers && w < 2 * b; w++) // the first have one more
        taken += n / workers + (w < n % workers);
    return n >= k + taken;
}

static void
tasks_and_workers_are_no_more_than_it_takes(void **state)
{
    (void)state;
    for (size_t k = 1; k <= 12; k++)
        for (size_t b = 1; b <= 4; b++)
            for (size_t workers = 1; workers <= 24; workers++) {
                const size_t n = kofn_liars_count_tasks(k, b, workers);
                if (workers <= 2 * b) {
                    assert_true(n == SIZE_MAX);
                    continue;
                }
                for (size_t fewer = 0; fewer < n; fewer++)
                    assert_false(brute_suffice(fewer, k, b, workers));
                assert_true(brute_suffice(n, k, b, workers));
                assert_true(kofn_liars_count_workers(n, k, b) <= workers);
                const size_t each = kofn_liars_count_each(n, k, b);
                assert_true(n >= k + 2 * b * each && n < k + 2 * b * (each + 1));
                assert_true(each * workers >= n || each * (workers - 2 * b) >= k);
            }
    assert_true(kofn_liars_count_workers(7, 4, 2) == SIZE_MAX);
    assert_int_equal(kofn_liars_count_workers(8, 4, 2), 8);
    assert_int_equal(kofn_liars_count_workers(12, 4, 2), 6);
    assert_int_equal(kofn_liars_count_workers(20, 4, 2), 5);
}

/* Honest workers of NaN operands: nobody can tell; of finite ones a NaN is a lie. */
static void
what_is_not_finite_is_a_lie_only_of_finite_operands(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(4), 0);
    for (int lie = 0; lie < 2; lie++) {
        kofn_error error;
        job j;
        trial t;
        kofn_liars liars = {0};
        make_job(&j, &cases[0].code, "f64", (kofn_shape){.rows = 21, .inner = 19, .cols = 17}, 0,
                 &rng);
        if (!lie)
            element_set(only_mat(&j.operand[0]), 3, 3, NAN);
        answer_all(&j);
        start_trial(&t, &j, 8, 2, &rng);
        if (lie)
            for (size_t i = 0; i < 2; i++)
                element_set(only_mat(&j.answer[t.task[i]]), 0, 0, i ? NAN : INFINITY);
        project(&t, &j);
        assert_ok(kofn_liars_find(&t.answers, &liars, &error));
        assert_int_equal(liars.count, lie ? 2 : 0);
        assert_int_equal(liars.named, liars.count);
        assert_true(isinf(liars.slack) == !lie);
        for (size_t i = 0; i < liars.count; i++)
            assert_true(is_listed(t.task, 2, liars.task[i]));
        end_trial(&t);
        end_answers(&j);
    }
}

/* A lie whose rounding alone is larger than what all others say. */
static void
a_huge_lie_hides_no_other(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(7), 0);
    for (double size = 1e3; size < 1e300; size *= 1e9) {
        kofn_error error;
        job j;
        trial t;
        kofn_liars liars = {0};
        start_case(&j, &cases[0], &rng);
        start_trial(&t, &j, 8, 2, &rng);
        element_set(only_mat(&j.answer[t.task[0]]), 2, 3, size);
        spoil(&j, t.task[1], false, &rng);
        project(&t, &j);
        assert_ok(kofn_liars_find(&t.answers, &liars, &error));
        assert_int_equal(liars.named, 2);
        assert_true(is_listed(liars.task, 2, t.task[0]) && is_listed(liars.task, 2, t.task[1]));
        end_trial(&t);
        end_answers(&j);
    }
}

/* Lies too small to be seen, of the shape that S and R see least of, are within the slack. */
static void
what_is_kept_is_wrong_by_no_more_than_the_slack(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(5), 0);
    size_t unseen = 0;
    for (size_t round = 0; round < 200; round++) {
        static const size_t of_reals[] = {0, 1, 4};
        const parity_case *c = &cases[of_reals[round % 3]];
        kofn_error error;
        job j;
        trial t;
        kofn_liars liars = {0};
        start_case(&j, c, &rng);
        start_trial(&t, &j, j.code->threshold + 2 * c->most, c->most, &rng);
        const double norms = norm_of(&j.operand[0]) * norm_of(&j.operand[1]);
        const double most = j.code->field->dtype == KOFN_F32 ? 1e-2 : 1e-7;
        double lie[2];
        for (size_t i = 0; i < 2; i++) {
            kofn_mat *mat = only_mat(&j.answer[t.task[i]]);
            const double was = element_get(mat, 0, 0);
            element_set(mat, 0, 0, was + norms * most * pow(10, -8 * kofn_rng_unit(&rng)));
            lie[i] = element_get(mat, 0, 0) - was;
        }
        project(&t, &j);
        assert_ok(kofn_liars_find(&t.answers, &liars, &error));
        for (size_t i = 0; i < 2; i++) {
            if (is_listed(liars.task, liars.count, t.task[i]))
                continue;
            unseen++;
            assert_at_most(lie[i], liars.slack * norms * kofn_code_row_norm(j.code, t.task[i]));
        }
        for (size_t i = 0; i < liars.named; i++)
            assert_true(is_listed(t.task, 2, liars.task[i]));
        end_trial(&t);
        end_answers(&j);
    }
    assert_true(unseen > 0);
}

/* I - Q Q^T for an orthonormal basis Q of the columns of G_R, rows scaled to length 1: H^T H,
 * whichever singular vectors H is made of. */
static void
brute_parity(const kofn_code *code, const size_t *task, size_t count, long double *ret_gram)
{
    long double column[TASKS_MAX];
    for (size_t i = 0; i < count * count; i++)
        ret_gram[i] = i % (count + 1) == 0;
    for (size_t c = 0; c < kofn_code_columns(code); c++) {
        long double size = 0;
        for (size_t i = 0; i < count; i++)
            column[i] = brute_element(code, task[i], c) / kofn_code_row_norm(code, task[i]);
        for (size_t twice = 0; twice < 2;
             twice++) { // what is left of it is its product with ret_gram
            long double left[TASKS_MAX] = {0};
            for (size_t i = 0; i < count; i++)
                for (size_t k = 0; k < count; k++)
                    left[i] += ret_gram[i * count + k] * column[k];
            memcpy(column, left, count * sizeof *left);
        }
        for (size_t i = 0; i < count; i++)
            size += column[i] * column[i];
        for (size_t i = 0; i < count && size > 1e-20L; i++)
            for (size_t k = 0; k < count; k++)
                ret_gram[i * count + k] -= column[i] * column[k] / size;
    }
}

/* Is the matrix of these rows and columns less `least` I positive definite? */
static bool
is_above(const long double *gram, size_t count, const size_t *at, size_t size, long double least)
{
    long double own[4][4];
    for (size_t i = 0; i < size; i++)
        for (size_t k = 0; k < size; k++)
            own[i][k] = gram[at[i] * count + at[k]] - (i == k ? least : 0);
    for (size_t i = 0; i < size; i++) {
        if (own[i][i] <= 0)
            return false;
        for (size_t j = i + 1; j < size; j++)
            for (size_t k = i + 1; k < size; k++)
                own[j][k] -= own[j][i] * own[i][k] / own[i][i];
    }
    return true;
}

/* The least singular value of `size` columns of H, over all sets. */
static double
brute_least(const long double *gram, size_t count, size_t size)
{
    long double low = 0, high = 1;
    while (high - low > 1e-12L * high) {
        const long double middle = (low + high) / 2;
        bool above = true;
        for (size_t mask = 0; mask < (size_t)1 << count && above; mask++) {
            size_t at[TASKS_MAX], found = 0;
            for (size_t i = 0; i < count; i++)
                if (mask >> i & 1)
                    at[found++] = i;
            above = found != size || is_above(gram, count, at, size, middle);
        }
        *(above ? &low : &high) = middle;
    }
    return sqrt((double)low);
}

/* What lies can hide goes with the least that is seen of any b of them, and nothing else of it with
 * b. */
static void
slack_is_that_of_the_set_that_is_seen_least(void **state)
{
    (void)state;
    static const parity_case own[] = {
        {{.family = "polynomial", .partition = "2,1,2", .tasks = 11}, "f64", 0},
        {{.family = "rkrp", .partition = "2,1,2", .tasks = 12}, "f64", 0},
        {{.family = "orthomatdot", .partition = "1,2,1", .tasks = 12}, "f32", 0},
    };
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(12), 0);
    for (size_t c = 0; c < 3; c++) {
        kofn_error error;
        job j;
        trial t;
        kofn_liars liars;
        long double gram[TASKS_MAX * TASKS_MAX];
        double hidden[4];
        start_case(&j, &own[c], &rng);
        start_trial(&t, &j, 11, 0, &rng);
        project(&t, &j);
        brute_parity(j.code, t.task, t.count, gram);
        for (size_t b = 1; b < 4; b++) {
            t.answers.most = b;
            assert_ok(kofn_liars_find(&t.answers, &liars, &error));
            assert_int_equal(liars.count, 0);
            hidden[b] =
                (liars.slack - kofn_coding_get_noise(&j.coding)) * brute_least(gram, t.count, b);
            print_message("%s b=%zu: %.3g seen\n", own[c].code.family, b,
                          brute_least(gram, t.count, b));
            assert_at_most(fabs(hidden[b] - hidden[1]), 1e-6 * hidden[1]);
        }
        end_trial(&t);
        end_answers(&j);
    }
}

/* The others' worst rounding, which a lie can hide in, and not what secrets may make of that; in
 * f64 it is our own that counts. */
static void
honest_answers_leave_little_to_hide_in(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(14), 0);
    for (size_t round = 0; round < 30; round++) {
        kofn_error error;
        job j;
        trial t;
        kofn_liars liars;
        long double gram[TASKS_MAX * TASKS_MAX];
        start_case(&j, &cases[1], &rng);
        start_trial(&t, &j, 8, 2, &rng);
        project(&t, &j);
        brute_parity(j.code, t.task, t.count, gram);
        assert_ok(kofn_liars_find(&t.answers, &liars, &error));
        assert_int_equal(liars.count, 0);
        assert_at_most(liars.slack * brute_least(gram, t.count, 2),
                       8 * sqrt((double)t.count) * kofn_coding_get_noise(&j.coding));
        end_trial(&t);
        end_answers(&j);
    }
}

static void
numbers_that_vanish_are_no_lies(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(6), 0);
    static const double scales[] = {1e-150, 1e-308, 0};
    for (size_t i = 0; i < 3; i++) {
        kofn_error error;
        job j;
        trial t;
        kofn_liars liars = {0};
        make_job(&j, &cases[0].code, "f64", (kofn_shape){.rows = 21, .inner = 19, .cols = 17}, 0,
                 &rng);
        for (size_t row = 0; row < 21; row++)
            for (size_t col = 0; col < 19; col++)
                element_set(only_mat(&j.operand[0]), row, col,
                            scales[i] * element_get(only_mat(&j.operand[0]), row, col));
        for (size_t row = 0; row < 19; row++)
            for (size_t col = 0; col < 17; col++)
                element_set(only_mat(&j.operand[1]), row, col,
                            scales[0] * element_get(only_mat(&j.operand[1]), row, col));
        answer_all(&j);
        start_trial(&t, &j, 8, 2, &rng);
        project(&t, &j);
        assert_ok(kofn_liars_find(&t.answers, &liars, &error));
        assert_int_equal(liars.count, 0);
        element_set(only_mat(&j.answer[t.task[0]]), 0, 0, 1e-280);
        project(&t, &j);
        assert_ok(kofn_liars_find(&t.answers, &liars, &error));
        assert_int_equal(liars.count, 1);
        assert_int_equal(liars.task[0], t.task[0]);
        end_trial(&t);
        end_answers(&j);
    }
}

static void
codes_that_leave_no_room_are_refused(void **state)
{
    (void)state;
    kofn_error error;
    static const test_code few = {.family = "polynomial", .partition = "2,1,2", .tasks = 7};
    static const test_code many = {.family = "polynomial", .partition = "2,1,2", .tasks = 400};
    static const test_code likely = {.family = "alloy_global", .partition = "2,1,2", .tasks = 12};
    kofn_code *code = make_code(&few, "gfp:257", 1);
    assert_ok(kofn_liars_check(code, 1, &error));
    assert_fails(kofn_liars_check(code, 2, &error), KOFN_OUT_OF_RANGE);
    assert_non_null(strstr(error.text, "n >= k + 2 b"));
    assert_fails(kofn_liars_check(code, KOFN_LIARS_MAX + 1, &error), KOFN_OUT_OF_RANGE);
    kofn_code_destroy(&code);
    code = make_code(&many, "gfp:65537", 1);
    assert_ok(kofn_liars_check(code, 2, &error));
    assert_fails(kofn_liars_check(code, 4, &error), KOFN_OUT_OF_RANGE);
    assert_non_null(strstr(error.text, "no more than 2 liars")); // which works
    code->tasks = 1 << 11;
    assert_fails(kofn_liars_check(code, 1, &error), KOFN_OUT_OF_RANGE);
    assert_non_null(strstr(error.text, "fewer parts"));
    code->pairs = 7; // whose parts nobody chooses
    assert_fails(kofn_liars_check(code, 1, &error), KOFN_OUT_OF_RANGE);
    assert_non_null(strstr(error.text, "split the batch"));
    code->pairs = 0;
    code->tasks = 400;
    kofn_code_destroy(&code);
    code = make_code(&likely, "gfp:257", 1);
    assert_fails(kofn_liars_check(code, 1, &error), KOFN_FAILED_PRECONDITION);
    kofn_code_destroy(&code);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(up_to_b_liars_are_named_and_nobody_else),
        cmocka_unit_test(liars_of_a_batch_are_named),
        cmocka_unit_test(liars_of_an_outer_product_are_named),
        cmocka_unit_test(more_than_b_liars_are_an_error),
        cmocka_unit_test(what_no_honest_one_can_be_is_named_even_where_others_hide),
        cmocka_unit_test(over_finite_fields_it_is_what_brute_force_finds),
        cmocka_unit_test(whoever_lies_in_whichever_of_its_answers_is_found),
        cmocka_unit_test(who_gave_very_many_is_named_for_all),
        cmocka_unit_test(of_any_givers_it_is_what_brute_force_finds),
        cmocka_unit_test(tasks_and_workers_are_no_more_than_it_takes),
        cmocka_unit_test(what_is_not_finite_is_a_lie_only_of_finite_operands),
        cmocka_unit_test(a_huge_lie_hides_no_other),
        cmocka_unit_test(what_is_kept_is_wrong_by_no_more_than_the_slack),
        cmocka_unit_test(slack_is_that_of_the_set_that_is_seen_least),
        cmocka_unit_test(honest_answers_leave_little_to_hide_in),
        cmocka_unit_test(numbers_that_vanish_are_no_lies),
        cmocka_unit_test(codes_that_leave_no_room_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
