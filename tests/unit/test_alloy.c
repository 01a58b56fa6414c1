/* Alloy codes: what is drawn, how often it decodes, and what local codes recover from. */
#include "common/code/alloy_local.h"
#include "tests/unit/code_brute.h"

static kofn_code *
build(const char *family, const char *field, const char *partition, size_t tasks, const char *draw,
      uint64_t seed)
{
    kofn_error error;
    kofn_code_spec spec;
    kofn_code *code;
    const test_code t = {.family = family, .partition = partition, .tasks = tasks, .set = draw};
    const kofn_field *f = new_field(field);
    fill_spec(&t, seed, &spec);
    assert_ok(kofn_code_spec_build(&spec, f, &code, &error));
    kofn_field_destroy(&f);
    return code;
}

/* ---- what is drawn --------------------------------------------------------------------------- */

/* Pearson's statistic of counts against shares; with `cells` - 1 degrees of freedom it has that
 * mean and twice that variance. */
static double
chi_square(const size_t *counts, const double *shares, size_t cells, size_t total)
{
    double sum = 0;
    for (size_t i = 0; i < cells; i++) {
        const double expected = shares[i] * (double)total;
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    return sum;
}

static double
chi_square_limit(size_t cells)
{
    return (double)(cells - 1) + 5 * sqrt(2 * (double)(cells - 1)) + 5;
}

enum { DRAWN = 20000 };

static void
numbers_are_zero_as_often_as_equation_5_says_and_else_uniform(void **state)
{
    (void)state;
    static const char *const fields[] = {"gfp:2", "gfp:3", "gf4", "gfp:5", "gf16"};
    const uint64_t seed = test_seed(5);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        for (int product = 0; product < 2; product++) {
            kofn_code *code = build("alloy_global", fields[i], "3,1,2", DRAWN,
                                    product ? "draw=product" : "draw=uniform", seed);
            const size_t q = (size_t)code->field->order;
            size_t counts[16] = {0}, products[16] = {0};
            double shares[16], even[16];
            for (size_t n = 0; n < q; n++) {
                even[n] = 1 / (double)q;
                shares[n] = 1 / sqrt((double)(q * (q - 1)));
            }
            shares[0] = 1 - sqrt((double)(q - 1) / (double)q);
            for (size_t task = 0; task < DRAWN; task++) {
                const double *a = kofn_code_get_row(code, 0, task);
                const double *b = kofn_code_get_row(code, 1, task);
                for (size_t c = 0; c < 3; c++)
                    counts[(size_t)a[c]]++;
                products[brute_multiply(code->field, (uint64_t)a[1], (uint64_t)b[0])]++;
            }
            assert_at_most(chi_square(counts, product ? shares : even, q, 3 * DRAWN),
                           chi_square_limit(q));
            /* What the distribution is made for: products are uniform, and of uniform numbers
             * not. */
            const double chi = chi_square(products, even, q, DRAWN);
            if (product)
                assert_at_most(chi, chi_square_limit(q));
            else
                assert_at_most(chi_square_limit(q), chi);
            kofn_code_destroy(&code);
        }
}

/* The paper takes rows of G for uniform. Two products that share a factor are zero together. */
static void
products_are_uniform_one_by_one_and_not_jointly(void **state)
{
    (void)state;
    kofn_code *code = build("alloy_global", "gfp:3", "1,1,2", DRAWN, "draw=product", test_seed(6));
    size_t counts[9] = {0};
    double even[9];
    for (size_t i = 0; i < 9; i++)
        even[i] = 1 / 9.0;
    for (size_t task = 0; task < DRAWN; task++) {
        double row[2];
        kofn_code_fill_row(code, task, row);
        counts[(size_t)(3 * row[0] + row[1])]++;
    }
    assert_at_most(10 * chi_square_limit(9), chi_square(counts, even, 9, DRAWN));
    kofn_code_destroy(&code);
}

static void
vectors_that_are_not_zero_are_all_as_likely(void **state)
{
    (void)state;
    static const char *const fields[] = {"gfp:2", "gfp:3", "gf4", "gfp:5"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        kofn_code *code = build("alloy_global", fields[i], "3,1,2", DRAWN, NULL, test_seed(7));
        const size_t q = (size_t)code->field->order, vectors = q * q * q;
        size_t counts[125] = {0};
        double shares[125];
        for (size_t v = 0; v < vectors; v++)
            shares[v] = 1 / (double)(vectors - 1);
        for (size_t task = 0; task < DRAWN; task++) {
            const double *a = kofn_code_get_row(code, 0, task);
            counts[(size_t)a[0] + q * ((size_t)a[1] + q * (size_t)a[2])]++;
        }
        assert_int_equal(counts[0], 0);
        assert_at_most(chi_square(counts + 1, shares + 1, vectors - 1, DRAWN),
                       chi_square_limit(vectors - 1));
        kofn_code_destroy(&code);
    }
}

/* Lemma 1 with p = 5: fractions of 8. */
static void
lifts_are_whole_numbers_over_a_power_of_two(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code_spec spec;
    kofn_code *code;
    static const char *const lifts[] = {"symmetric", "positive"};
    for (int positive = 0; positive < 2; positive++) {
        const test_code t = {
            .family = "alloy_global", .partition = "2,1,2", .tasks = 400, .set = "draw=product"};
        size_t counts[5] = {0};
        fill_spec(&t, test_seed(8), &spec);
        assert_ok(kofn_code_spec_set(&spec, "p", "5", &error));
        assert_ok(kofn_code_spec_set(&spec, "lift", lifts[positive], &error));
        assert_ok(kofn_code_spec_build(&spec, kofn_field_find("f64"), &code, &error));
        assert_true(code->likely);
        for (size_t i = 0; i < 800; i++) {
            const double number = code->e[0].at[i] * 8 + (positive ? 0 : 2);
            assert_true(number == 0 || number == 1 || number == 2 || number == 3 || number == 4);
            counts[(size_t)number]++;
        }
        for (size_t i = 0; i < 5; i++)
            assert_in_range(counts[i], 50, 300);
        kofn_code_destroy(&code);
    }
}

/* A job's seed must name the same code on every machine and in every version. */
static void
coefficients_are_those_of_the_first_release(void **state)
{
    (void)state;
    static const char *const draws[] = {"draw=nonzero", "draw=product", "draw=uniform"};
    static const unsigned char golden[3][8] = {{167, 68, 89, 238, 147, 47, 61, 178},
                                               {237, 69, 201, 79, 43, 87, 81, 245},
                                               {167, 68, 89, 238, 147, 47, 61, 178}};
    for (size_t i = 0; i < 3; i++) {
        kofn_code *code = build("alloy_global", "gf256", "2,1,2", 4, draws[i], 7);
        for (size_t at = 0; at < 8; at++)
            if (code->e[at % 2].at[at] != golden[i][at]) // the first of A's, the second of B's
                fail_msg("%s: number %zu is %g", draws[i], at, code->e[at % 2].at[at]);
        kofn_code_destroy(&code);
    }
}

/* ---- how often it decodes -------------------------------------------------------------------- */

typedef enum draw_kind { NONZERO, PRODUCT, UNIFORM, DRAW_KINDS } draw_kind;
static const char *const kinds[] = {"draw=nonzero", "draw=product", "draw=uniform"};

/* Directions of F^2: (0, 1) and (1, c); what share of the vectors drawn each has. */
static double
direction_share(double q, size_t direction, draw_kind kind)
{
    const double zero = 1 - sqrt((q - 1) / q);
    if (kind == NONZERO)
        return 1 / (q + 1);
    if (kind == UNIFORM)
        return (q - 1) / (q * q);
    return direction < 2 ? zero * (1 - zero) : (1 - zero) * (1 - zero) / (q - 1);
}

/* Direction 0 is (0, 1), direction 1 + c is (1, c). */
static void
fill_direction(size_t direction, uint64_t *ret)
{
    ret[0] = direction > 0;
    ret[1] = direction > 0 ? direction - 1 : 1;
}

static bool
are_independent(const kofn_field *f, const size_t *rows, size_t directions)
{
    uint64_t g[16], a[2], b[2];
    for (size_t r = 0; r < 4; r++) {
        fill_direction(rows[r] / directions, a);
        fill_direction(rows[r] % directions, b);
        for (size_t c = 0; c < 4; c++)
            g[4 * r + c] = brute_multiply(f, a[c / 2], b[c % 2]);
    }
    return brute_field_rank(f, g, 4, 4) == 4;
}

/* P(4 rows of the 2 x 2 outer product are independent): over all sets of 4 pairs of directions. */
static void
enumerate(const kofn_field *f, double ret[DRAW_KINDS])
{
    const size_t directions = (size_t)f->order + 1, all = directions * directions;
    memset(ret, 0, DRAW_KINDS * sizeof *ret);
    size_t r[4];
    for (r[0] = 0; r[0] < all; r[0]++)
        for (r[1] = r[0] + 1; r[1] < all; r[1]++)
            for (r[2] = r[1] + 1; r[2] < all; r[2]++)
                for (r[3] = r[2] + 1; r[3] < all; r[3]++) {
                    if (!are_independent(f, r, directions))
                        continue;
                    for (draw_kind kind = NONZERO; kind < DRAW_KINDS; kind++) {
                        double share = 24;
                        for (size_t i = 0; i < 4; i++)
                            share *= direction_share(f->order, r[i] / directions, kind) *
                                     direction_share(f->order, r[i] % directions, kind);
                        ret[kind] += share;
                    }
                }
}

/* Do the first `count` tasks suffice, by the decoder? */
static bool
decodes(kofn_code *code, size_t count)
{
    kofn_error error;
    kofn_decoder *d;
    assert_ok(kofn_decoder_new(code, 0, &d, &error));
    for (size_t task = 0; task < count; task++)
        assert_ok(kofn_decoder_add(d, task, &error));
    const bool enough = kofn_decoder_get_state(d) == KOFN_DECODE_EXACT;
    kofn_decoder_destroy(&d);
    return enough;
}

enum { TRIALS = 1500 };

static double
count_decoded(const char *field, const char *partition, size_t tasks, const char *draw)
{
    size_t decoded = 0;
    for (uint64_t seed = 0; seed < TRIALS; seed++) {
        kofn_code *code = build("alloy_global", field, partition, tasks, draw, seed + 1);
        decoded += decodes(code, tasks);
        kofn_code_destroy(&code);
    }
    return (double)decoded / TRIALS;
}

static double
standard_error(double share)
{
    return sqrt(share * (1 - share) / TRIALS);
}

/* And `auto` is the best of them; Theorem 1 of the paper is off by more than chance. */
static void
four_rows_of_2_by_2_decode_as_often_as_all_of_them_say(void **state)
{
    (void)state;
    static const char *const fields[] = {"gfp:2", "gfp:3", "gf4", "gfp:5"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const kofn_field *f = new_field(fields[i]);
        double exact[DRAW_KINDS], theorem = 1;
        enumerate(f, exact);
        for (int r = 0; r < 4; r++)
            theorem *= 1 - pow(f->order, r - 4);
        for (draw_kind kind = NONZERO; kind < DRAW_KINDS; kind++) {
            assert_at_most(fabs(count_decoded(fields[i], "2,1,2", 4, kinds[kind]) - exact[kind]),
                           4 * standard_error(exact[kind]));
            assert_at_most(exact[kind], exact[NONZERO]);
            assert_at_most(0.01, theorem - exact[kind]);
        }
        kofn_field_destroy(&f);
    }
}

static void
the_bound_on_what_is_missed_holds_and_is_near(void **state)
{
    (void)state;
    static const char *const fields[] = {"gfp:2", "gfp:3", "gfp:5"};
    static const kofn_alloy_draw draws[] = {KOFN_ALLOY_NONZERO, KOFN_ALLOY_PRODUCT,
                                            KOFN_ALLOY_UNIFORM};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const kofn_field *f = new_field(fields[i]);
        for (draw_kind kind = NONZERO; kind < DRAW_KINDS; kind++) {
            const kofn_alloy_params params = {.draw = draws[kind]};
            for (size_t tasks = 4; tasks <= 14; tasks += 5) {
                const double bound = kofn_alloy_miss(f, &params, 2, 2, tasks);
                const double missed = 1 - count_decoded(fields[i], "2,1,2", tasks, kinds[kind]);
                assert_at_most(missed, bound + 4 * standard_error(bound));
                if (kind != PRODUCT && bound < 0.1)
                    assert_at_most(bound / 2, missed + 4 * standard_error(bound));
            }
        }
        kofn_field_destroy(&f);
    }
}

static void
answers_are_the_fewest_with_which_the_bound_is_met(void **state)
{
    (void)state;
    static const char *const fields[] = {"gfp:2", "gf16", "gf256", "gfp:2147483647"};
    const kofn_alloy_params params = {.draw = KOFN_ALLOY_AUTO};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const kofn_field *f = new_field(fields[i]);
        for (size_t d = 1; d <= 4; d++) {
            const size_t m = kofn_alloy_answers(f, &params, d, 3, 1e-6);
            assert_at_most(kofn_alloy_miss(f, &params, d, 3, m), 1e-6);
            assert_true(m == 3 * d || kofn_alloy_miss(f, &params, d, 3, m - 1) > 1e-6);
        }
        assert_true(kofn_alloy_answers(f, &params, SIZE_MAX, 2, 1e-6) == SIZE_MAX);
        kofn_field_destroy(&f);
    }
}

/* Theorem 4 says that there is no such code, since 3 + 2 < 3 * 2. */
static void
three_by_two_decodes_against_theorem_4(void **state)
{
    (void)state;
    assert_at_most(1 - 1.0 / 128, count_decoded("gf256", "3,1,2", 6, NULL));
    assert_true(count_decoded("gfp:65537", "3,1,2", 6, NULL) > 0.999);
    for (int large = 0; large < 2; large++) {
        kofn_code *code = build("polynomial", large ? "gfp:65537" : "gf256", "3,1,2", 6, NULL, 1);
        assert_true(decodes(code, 6));
        kofn_code_destroy(&code);
    }
}

static void
tasks_left_open_allow_for_bad_luck_and_for_losses(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        size_t tasks;
    } all[] = {{"gf256", 7}, {"gfp:65537", 6}, {"gfp:2147483647", 5}, {"f64", 5}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        kofn_code *code = make_code(&(test_code){.family = "alloy_global", .partition = "2,1,2"},
                                    all[i].field, 1);
        assert_int_equal(code->tasks, all[i].tasks);
        assert_int_equal(code->threshold, 4);
        assert_int_equal(code->likely, i < 3);
        kofn_code_destroy(&code);
    }
}

/* ---- local codes ----------------------------------------------------------------------------- */

/* Rank of the rows of these tasks alone. */
static size_t
rank_of(const kofn_code *code, const size_t *tasks, size_t count)
{
    const size_t cols = code->targets.cols, b = code->e[1].cols;
    uint64_t *g = calloc(count * cols + 1, sizeof *g);
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < cols; c++)
            g[i * cols + c] = brute_multiply(
                code->field, (uint64_t)code->e[0].at[tasks[i] * code->e[0].cols + c / b],
                (uint64_t)code->e[1].at[tasks[i] * b + c % b]);
    const size_t rank = brute_field_rank(code->field, g, count, cols);
    free(g);
    return rank;
}

/* Those among tasks that are of the same group as `task`, and it. */
static size_t
rank_with(const kofn_code *code, const size_t *tasks, size_t count, size_t task, bool with)
{
    size_t group[64], found = 0;
    for (size_t i = 0; i < count; i++)
        if (tasks[i] % code->groups == task % code->groups)
            group[found++] = tasks[i];
    if (with)
        group[found++] = task;
    return rank_of(code, group, found);
}

/* The paper's example: 35 workers, Strassen's 7 products, 2 x 2 each. */
static void
thirty_five_workers_decode_from_every_good_set(void **state)
{
    (void)state;
    static const char *const fields[] = {"gf256", "gfp:65537", "gfp:3"};
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(35), 0);
    size_t decoded_at[36] = {0};
    for (size_t i = 0; i < 3; i++) {
        kofn_code *code = build("alloy_local", fields[i], "4,2,4", 35, NULL, 35);
        assert_int_equal(code->threshold, 34);
        assert_int_equal(code->groups, 7);
        for (int trial = 0; trial < 12; trial++) {
            size_t tasks[35];
            kofn_decoder *d;
            bool done = false;
            for (size_t task = 0; task < 35; task++)
                tasks[task] = task;
            shuffle(&rng, tasks, 35);
            assert_ok(kofn_decoder_new(code, 0, &d, &error));
            for (size_t count = 1; count <= 35 && !done; count++) {
                assert_ok(kofn_decoder_add(d, tasks[count - 1], &error));
                done = kofn_decoder_get_state(d) == KOFN_DECODE_EXACT;
                assert_true(done || count < 34 || i == 2);
                assert_true(!done || count >= 28);
                if (count > 26)
                    assert_int_equal(done, brute_suffices(code, tasks, count));
                decoded_at[count] += done;
                for (size_t next = count; next < 35 && !done && count % 4 == 0; next++)
                    assert_int_equal(kofn_decoder_would_help(d, tasks[next]),
                                     rank_with(code, tasks, count, tasks[next], true) >
                                         rank_with(code, tasks, count, tasks[next], false));
            }
            for (size_t task = 0; task < 35 && done; task++)
                assert_false(kofn_decoder_would_help(d, task));
            kofn_decoder_destroy(&d);
        }
        kofn_code_destroy(&code);
    }
    assert_true(decoded_at[31] + decoded_at[32] > 0); // where 33 entangled polynomials do not
}

/* Without the tasks that cannot help, 28 answers are all there are: the paper's master. */
static void
sparing_what_cannot_help_leaves_28_answers(void **state)
{
    (void)state;
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(28), 0);
    for (int real = 0; real < 2; real++) {
        kofn_code *code = build("alloy_local", real ? "f64" : "gfp:65537", "4,2,4", 49, NULL, 3);
        assert_int_equal(code->likely, !real);
        for (int trial = 0; trial < 50; trial++) {
            size_t tasks[49];
            kofn_decoder *d;
            for (size_t task = 0; task < 49; task++)
                tasks[task] = task;
            shuffle(&rng, tasks, 49);
            assert_ok(kofn_decoder_new(code, INFINITY, &d, &error));
            for (size_t i = 0; i < 49; i++)
                if (kofn_decoder_would_help(d, tasks[i]))
                    assert_ok(kofn_decoder_add(d, tasks[i], &error));
            assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
            assert_int_equal(kofn_decoder_get_count(d), 28);
            kofn_decoder_destroy(&d);
        }
        kofn_code_destroy(&code);
    }
}

/* In the reals a group that is there, but badly, still takes answers. */
static void
badly_conditioned_groups_are_not_complete(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code *code = build("alloy_local", "f64", "4,2,4", 35, NULL, 3);
    kofn_decoder *strict, *lax;
    assert_ok(kofn_decoder_new(code, 1, &strict, &error)); // what nothing but copies can keep
    assert_ok(kofn_decoder_new(code, INFINITY, &lax, &error));
    for (size_t task = 2; task < 28; task += 7) {
        assert_true(kofn_decoder_would_help(lax, 30));
        assert_ok(kofn_decoder_add(strict, task, &error));
        assert_ok(kofn_decoder_add(lax, task, &error));
    }
    assert_true(kofn_decoder_would_help(strict, 30));
    assert_false(kofn_decoder_would_help(lax, 30));
    assert_true(kofn_decoder_would_help(lax, 31));
    kofn_decoder_destroy(&strict);
    kofn_decoder_destroy(&lax);
    kofn_code_destroy(&code);
}

static void
copies_of_what_is_there_cannot_help(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code *code = build("replication", "f64", "2,1,1", 4, NULL, 1);
    kofn_decoder *d;
    assert_ok(kofn_decoder_new(code, 0, &d, &error));
    assert_ok(kofn_decoder_add(d, 0, &error));
    assert_false(kofn_decoder_would_help(d, 0));
    assert_true(kofn_decoder_would_help(d, 1));
    assert_false(kofn_decoder_would_help(d, 2));
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

static void
all_algorithms_decode_from_all_their_tasks(void **state)
{
    (void)state;
    static const struct {
        const char *set, *partition;
        size_t products;
    } all[] = {
        {"algorithm=winograd", "4,2,2", 7},
        {"algorithm=laderman", "3,3,6", 23},
        {"algorithm=strassen_column", "2,2,3", 11},
        {"algorithm=classical:2,3,1", "2,3,2", 6},
        {"algorithm=strassen*strassen", "4,4,4", 49},
        {"algorithm=strassen*classical:1,2,1", "2,4,2", 14},
    };
    static const char *const fields[] = {"gf256", "gfp:65537", "f64"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        for (size_t f = 0; f < 3; f++) {
            const test_code t = {
                .family = "alloy_local", .partition = all[i].partition, .set = all[i].set};
            kofn_code *code = make_code(&t, fields[f], 1);
            assert_int_equal(code->groups, all[i].products);
            assert_int_equal(code->tasks % code->groups, 0);
            assert_true(decodes(code, code->tasks));
            kofn_code_destroy(&code);
        }
}

static void
the_partition_follows_from_algorithm_and_strips(void **state)
{
    (void)state;
    static const struct {
        const char *partition, *set;
        size_t x, z, y;
    } all[] = {
        {"0,0,0", NULL, 4, 2, 4},     {"0,0,0", "algorithm=laderman", 6, 3, 6},
        {"0,0,0", "rows=3", 6, 2, 4}, {"2,0,0", NULL, 2, 2, 4},
        {"0,2,8", "cols=4", 4, 2, 8},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const test_code t = {
            .family = "alloy_local", .partition = all[i].partition, .set = all[i].set};
        kofn_code *code = make_code(&t, "gf256", 1);
        assert_true(code->part.x == all[i].x && code->part.z == all[i].z &&
                    code->part.y == all[i].y);
        kofn_code_destroy(&code);
    }
}

/* What was left open is recorded as what it became. */
static void
open_parameters_are_recorded(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code_spec spec;
    const test_code t = {.family = "alloy_local", .partition = "0,0,0"};
    const kofn_code_context context = {
        .field = kofn_field_find("gf256"), .rows = 64, .inner = 64, .cols = 64, .workers = 10};
    fill_spec(&t, 1, &spec);
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    assert_int_equal(spec.set_count, 7);
    for (size_t i = 0; i < spec.set_count; i++) {
        const char *value = spec.sets[i].value;
        if (strcmp(spec.sets[i].name, "rows") == 0 || strcmp(spec.sets[i].name, "cols") == 0)
            assert_string_equal(value, "2");
        if (strcmp(spec.sets[i].name, "draw") == 0)
            assert_string_equal(value, "nonzero");
    }
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void
assert_refused(const test_code *t, const char *field, kofn_status status, const char *says)
{
    kofn_error error;
    kofn_code_spec spec;
    const kofn_field *f = new_field(field);
    fill_spec(t, 1, &spec);
    assert_fails(kofn_code_spec_check(&spec, f, &error), status);
    if (!strstr(error.text, says))
        fail_msg("'%s' does not say '%s'", error.text, says);
    kofn_field_destroy(&f);
}

static void
wrong_settings_are_refused_with_what_would_do(void **state)
{
    (void)state;
    const char *g = "alloy_global", *l = "alloy_local";
    assert_refused(&(test_code){g, "2,1,2", 3, NULL}, "gf256", KOFN_INVALID_ARGUMENT,
                   "x y z^2 = 4");
    assert_refused(&(test_code){g, "2,2,2", 15, NULL}, "gf256", KOFN_INVALID_ARGUMENT,
                   "x y z^2 = 16");
    assert_refused(&(test_code){g, "2,1,2", 6, "draw=normal"}, "gf256", KOFN_INVALID_ARGUMENT,
                   "take nonzero");
    assert_refused(&(test_code){g, "2,1,2", 4, NULL}, "gfp:2", KOFN_INVALID_ARGUMENT,
                   "4 tasks in field gfp:2 may well not suffice");
    assert_refused(&(test_code){l, "2,2,2", 6, NULL}, "gf256", KOFN_INVALID_ARGUMENT,
                   "7 products x 1 = 7");
    assert_refused(&(test_code){l, "3,2,2", 9, NULL}, "gf256", KOFN_INVALID_ARGUMENT, "take 4,2,4");
    assert_refused(&(test_code){l, "4,1,4", 35, NULL}, "gf256", KOFN_INVALID_ARGUMENT,
                   "strassen <2,2,2;7>");
    assert_refused(&(test_code){l, "4,2,4", 35, "rows=3"}, "gf256", KOFN_INVALID_ARGUMENT,
                   "take 6,2,4");
    assert_refused(&(test_code){l, "4,2,4", 35, "algorithm=strasen"}, "gf256", KOFN_NOT_FOUND,
                   "there is no algorithm");
    assert_refused(&(test_code){l, "4,2,4", 28, NULL}, "gfp:2", KOFN_INVALID_ARGUMENT,
                   "4 for each product");
    assert_refused(&(test_code){l, "4,2,4", 27, NULL}, "f64", KOFN_INVALID_ARGUMENT, "take 28");
    assert_refused(&(test_code){g, "2,1,2", 3, NULL}, "f64", KOFN_INVALID_ARGUMENT, "take 4");
    assert_refused(&(test_code){g, "2,1,2", 6, "p=5"}, "f64", KOFN_INVALID_ARGUMENT,
                   "nothing is lifted in field f64 where draw is normal; leave them out, or say "
                   "draw=nonzero");
    assert_refused(&(test_code){g, "2,1,2", 6, "p=5"}, "gf256", KOFN_INVALID_ARGUMENT,
                   "nothing is lifted in field gf256; leave them out");
    assert_refused(&(test_code){l, "4,2,4", 35, "lift=positive"}, "gf256", KOFN_INVALID_ARGUMENT,
                   "nothing is lifted");
    assert_refused(&(test_code){l, "4096,2,2", 20000, NULL}, "gfp:65537", KOFN_OUT_OF_RANGE,
                   "2048 x 1 strips");

    kofn_error error;
    kofn_code_spec spec;
    fill_spec(&(test_code){g, "2,1,2", 6, "draw=product"}, 1, &spec);
    assert_ok(kofn_code_spec_set(&spec, "p", "65536", &error));
    assert_fails(kofn_code_spec_check(&spec, kofn_field_find("f64"), &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "p=65536 is not a prime; take 65521"));
}

static size_t
advised(const test_code *t, const char *field)
{
    kofn_error error;
    kofn_code_spec spec;
    const kofn_field *f = new_field(field);
    fill_spec(t, 1, &spec);
    assert_fails(kofn_code_spec_check(&spec, f, &error), KOFN_INVALID_ARGUMENT);
    kofn_field_destroy(&f);
    const char *take = strstr(error.text, "take ");
    assert_non_null(take);
    return strtoul(take + strlen("take "), NULL, 10);
}

/* Too few tasks by the rule and too few by luck: what is said to do does, and one fewer does
 * not. */
static void
hopeless_task_counts_are_refused_with_the_nearest_that_works(void **state)
{
    (void)state;
    static const char *const fields[] = {"gfp:2", "gfp:3", "gf16", "gf256", "gfp:65537"};
    static const char *const families[] = {"alloy_global", "alloy_local"};
    for (size_t i = 0; i < 10; i++) {
        const char *field = fields[i % 5];
        test_code t = {.family = families[i / 5],
                       .partition = i / 5 ? "4,2,4" : "2,1,2",
                       .tasks = i / 5 ? 27 : 3};
        kofn_error error;
        kofn_code_spec spec;
        const kofn_field *f = new_field(field);
        const size_t nearest = advised(&t, field), rule = t.tasks + 1;
        assert_true(nearest >= rule);
        t.tasks = nearest;
        fill_spec(&t, 1, &spec);
        assert_ok(kofn_code_spec_check(&spec, f, &error));
        kofn_field_destroy(&f);
        if (nearest > rule) { // refused by luck now
            t.tasks = nearest - 1;
            assert_int_equal(advised(&t, field), nearest);
        }
    }
}

/* The first n tasks are those of a code without a reserve, and the others those of one of more. */
static void
a_reserve_adds_rows_and_changes_none(void **state)
{
    (void)state;
    static const test_code codes[] = {{"alloy_global", "3,1,2", 8, NULL},
                                      {"alloy_local", "4,2,4", 35, NULL},
                                      {"rkrp", "2,1,2", 6, NULL}};
    static const char *const fields[] = {"gf256", "gfp:65537", "f64"};
    for (size_t i = 0; i < 3; i++) {
        kofn_error error;
        kofn_code_spec spec;
        kofn_code *with, *without;
        const kofn_field *f = new_field(fields[i]);
        fill_spec(&codes[i], 5, &spec);
        assert_ok(kofn_code_spec_build(&spec, f, &without, &error));
        spec.reserve = 11;
        assert_ok(kofn_code_spec_build(&spec, f, &with, &error));
        assert_int_equal(with->tasks, codes[i].tasks + 11);
        assert_int_equal(kofn_code_first_tasks(with), codes[i].tasks);
        assert_int_equal(with->threshold, without->threshold);
        assert_true(with->chosen_condition == without->chosen_condition); // by the same sets
        assert_int_equal(with->group_threshold, i == 1 ? 4 : 0);
        for (size_t o = 0; o < 2; o++)
            assert_memory_equal(with->e[o].at, without->e[o].at,
                                without->tasks * without->e[o].cols * sizeof(double));
        assert_int_equal(kofn_code_is_certain(with), i == 2);
        kofn_code_destroy(&with);
        kofn_code_destroy(&without);
        kofn_field_destroy(&f);
    }
}

/* 34 of 35 suffice in the reals, but not 34 of 49: all of six groups' rows, and two of the
 * seventh. */
static void
fresh_rows_of_other_groups_do_not_count(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code_spec spec;
    kofn_code *code;
    kofn_decoder *d;
    size_t tasks[49], count = 0;
    fill_spec(&(test_code){"alloy_local", "4,2,4", 35, NULL}, 1, &spec);
    spec.reserve = 14;
    assert_ok(kofn_code_spec_build(&spec, kofn_field_find("f64"), &code, &error));
    assert_ok(kofn_decoder_new(code, 0, &d, &error));
    for (size_t task = 0; task < 49; task++)
        if (task % 7 != 6 || task < 21)
            tasks[count++] = task;
    assert_int_equal(count, 45);
    assert_false(kofn_decoder_would_suffice(d, tasks, count));
    tasks[count] = 48;
    assert_true(kofn_decoder_would_suffice(d, tasks, count + 1));
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_zero_as_often_as_equation_5_says_and_else_uniform),
        cmocka_unit_test(products_are_uniform_one_by_one_and_not_jointly),
        cmocka_unit_test(vectors_that_are_not_zero_are_all_as_likely),
        cmocka_unit_test(lifts_are_whole_numbers_over_a_power_of_two),
        cmocka_unit_test(coefficients_are_those_of_the_first_release),
        cmocka_unit_test(four_rows_of_2_by_2_decode_as_often_as_all_of_them_say),
        cmocka_unit_test(the_bound_on_what_is_missed_holds_and_is_near),
        cmocka_unit_test(answers_are_the_fewest_with_which_the_bound_is_met),
        cmocka_unit_test(three_by_two_decodes_against_theorem_4),
        cmocka_unit_test(tasks_left_open_allow_for_bad_luck_and_for_losses),
        cmocka_unit_test(thirty_five_workers_decode_from_every_good_set),
        cmocka_unit_test(sparing_what_cannot_help_leaves_28_answers),
        cmocka_unit_test(badly_conditioned_groups_are_not_complete),
        cmocka_unit_test(copies_of_what_is_there_cannot_help),
        cmocka_unit_test(all_algorithms_decode_from_all_their_tasks),
        cmocka_unit_test(the_partition_follows_from_algorithm_and_strips),
        cmocka_unit_test(open_parameters_are_recorded),
        cmocka_unit_test(wrong_settings_are_refused_with_what_would_do),
        cmocka_unit_test(hopeless_task_counts_are_refused_with_the_nearest_that_works),
        cmocka_unit_test(a_reserve_adds_rows_and_changes_none),
        cmocka_unit_test(fresh_rows_of_other_groups_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
