/* Outer products through codes of order l: what is drawn, how often it decodes, and C itself. */
#include "common/code/alloy.h"
#include "common/linalg/outer.h"
#include "tests/unit/code_brute.h"

static kofn_error error;

static kofn_code *
build(const char *family, const char *field, const char *parts, size_t tasks, const char *draw,
      uint64_t seed)
{
    kofn_code_spec spec = {.tasks = tasks, .has_seed = true, .seed = seed};
    kofn_code *code = NULL;
    const kofn_field *f = new_field(field);
    assert_ok(kofn_code_spec_set(&spec, "family", family, &error));
    assert_ok(kofn_code_spec_set(&spec, "parts", parts, &error));
    if (draw)
        assert_ok(kofn_code_spec_set(&spec, "draw", draw, &error));
    assert_ok(kofn_code_spec_build(&spec, f, &code, &error));
    kofn_field_destroy(&f);
    return code;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void
rows_of_g_are_products_of_all_operands_rows(void **state)
{
    (void)state;
    kofn_code *code = build("alloy_global", "gf256", "2,3,1,2", 20, NULL, test_seed(1));
    double row[12], tail[6];
    assert_int_equal(kofn_code_columns(code), 12);
    assert_int_equal(code->operands, 4);
    for (size_t task = 0; task < 20; task++) {
        kofn_code_fill_row(code, task, row);
        kofn_code_fill_row_from(code, 1, task, tail);
        for (size_t c = 0; c < 12; c++) {
            const uint64_t want = brute_element_exactly(code, task, c);
            assert_int_equal((uint64_t)row[c], want);
            assert_int_equal((uint64_t)kofn_code_get_element(code, task, c), want);
            assert_int_equal((uint64_t)row[c],
                             brute_multiply(code->field, (uint64_t)code->e[0].at[2 * task + c / 6],
                                            (uint64_t)tail[c % 6]));
        }
    }
    kofn_code_destroy(&code);
}

/* The same numbers make the same tasks, whatever the form is called. */
static void
order_two_has_the_rows_of_the_product_of_x_by_y(void **state)
{
    (void)state;
    static const char *const families[] = {"alloy_global", "polynomial", "uncoded", "replication"};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        const size_t tasks = i < 2 ? 9 : i == 2 ? 6 : 12;
        const test_code t = {.family = families[i], .partition = "3,1,2", .tasks = tasks};
        kofn_code *product = make_code(&t, "gfp:65537", 5);
        kofn_code *outer = build(families[i], "gfp:65537", "3,2", tasks, NULL, 5);
        for (size_t o = 0; o < 2; o++)
            assert_memory_equal(product->e[o].at, outer->e[o].at,
                                tasks * outer->e[o].cols * sizeof(double));
        assert_int_equal(product->threshold, outer->threshold);
        kofn_code_destroy(&product);
        kofn_code_destroy(&outer);
    }
}

/* Pearson's statistic; with `cells` - 1 degrees of freedom it has that mean and twice that
 * variance. */
static double
chi_square(const size_t *counts, const double *shares, size_t cells, size_t total)
{
    double sum = 0;
    for (size_t i = 0; i < cells; i++) {
        const double expected = shares[i] * (double)total;
        sum += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
    }
    return sum;
}

static double
chi_square_limit(size_t cells)
{
    return (double)(cells - 1) + 5 * sqrt(2 * (double)(cells - 1)) + 5;
}

/* Equation (7): each number is zero with 1 - ((q - 1) / q)^(1/l), and products of l are uniform. */
static void
numbers_are_drawn_by_equation_7_for_any_order(void **state)
{
    (void)state;
    enum { DRAWN = 20000 };
    static const char *const parts[] = {"1,2", "1,2,1", "1,1,2,1", "1,1,1,1,1,1,1,2"};
    static const size_t orders[] = {2, 3, 4, 8};
    static const char *const fields[] = {"gfp:2", "gfp:3", "gf4", "gf16"};
    const uint64_t seed = test_seed(2);
    for (size_t k = 0; k < 4; k++)
        for (size_t i = 0; i < 4; i++) {
            kofn_code *code = build("alloy_global", fields[i], parts[k], DRAWN, "product", seed);
            const size_t q = (size_t)code->field->order;
            size_t numbers[16] = {0}, products[16] = {0};
            double shares[16], even[16];
            for (size_t n = 0; n < q; n++) {
                even[n] = 1 / (double)q;
                shares[n] =
                    pow((double)(q - 1) / (double)q, 1 / (double)orders[k]) / (double)(q - 1);
            }
            shares[0] = 1 - pow((double)(q - 1) / (double)q, 1 / (double)orders[k]);
            for (size_t task = 0; task < DRAWN; task++) {
                numbers[(size_t)code->e[0].at[task]]++;
                products[brute_element_exactly(code, task, 1)]++;
            }
            assert_at_most(chi_square(numbers, shares, q, DRAWN), chi_square_limit(q));
            assert_at_most(chi_square(products, even, q, DRAWN), chi_square_limit(q));
            kofn_code_destroy(&code);
        }
}

/* ---- how often it decodes -------------------------------------------------------------------- */

/* Share of codes whose m rows do not span all, by elimination of my own. */
static double
count_misses(const kofn_field *f, const kofn_alloy_params *params, const kofn_cuts *d, size_t m,
             size_t codes, kofn_rng *rng)
{
    const size_t k = kofn_cuts_count_pieces(d);
    uint64_t *g = calloc(m * k, sizeof *g);
    double vector[KOFN_OPERANDS_MAX][8];
    size_t misses = 0;
    for (size_t code = 0; code < codes; code++) {
        for (size_t r = 0; r < m; r++) {
            for (size_t o = 0; o < d->count; o++)
                kofn_alloy_fill(f, params, d->count, rng, d->of[o], vector[o]);
            for (size_t c = 0; c < k; c++) {
                g[r * k + c] = 1;
                for (size_t o = d->count, rest = c; o-- > 0; rest /= d->of[o])
                    g[r * k + c] =
                        brute_multiply(f, g[r * k + c], (uint64_t)vector[o][rest % d->of[o]]);
            }
        }
        misses += brute_field_rank(f, g, m, k) < k;
    }
    free(g);
    return (double)misses / (double)codes;
}

static void
misses_of_order_three_are_about_as_estimated(void **state)
{
    (void)state;
    enum { CODES = TEST_AMOUNT(6000, 1000) };
    static const struct {
        const char *field;
        kofn_cuts d;
        size_t more; // rows beyond the pieces
    } cases[] = {
        {"gfp:5", {3, {2, 2, 2}}, 4},      {"gfp:7", {3, {2, 2, 2}}, 2},
        {"gf16", {3, {2, 2, 2}}, 1},       {"gfp:257", {3, {2, 2, 2}}, 0},
        {"gfp:5", {3, {3, 2, 2}}, 4},      {"gf16", {3, {3, 2, 2}}, 1},
        {"gfp:257", {3, {3, 2, 2}}, 0},    {"gf16", {3, {2, 1, 3}}, 1},
        {"gf16", {4, {2, 2, 1, 2}}, 1},    {"gf16", {4, {2, 2, 2, 2}}, 1},
        {"gfp:257", {4, {2, 2, 2, 2}}, 0},
    };
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(3), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int draw = KOFN_ALLOY_NONZERO; draw <= KOFN_ALLOY_UNIFORM; draw++) {
            const kofn_field *f = new_field(cases[i].field);
            const kofn_alloy_params params = {.draw = draw};
            const size_t m = kofn_cuts_count_pieces(&cases[i].d) + cases[i].more;
            const double estimate = kofn_alloy_miss_of(f, &params, &cases[i].d, m);
            const double counted = count_misses(f, &params, &cases[i].d, m, CODES, &rng);
            const double sigma = sqrt(estimate / CODES);
            print_message("%s %zu operands, %zu rows, draw %d: estimated %.4f, counted %.4f\n",
                          cases[i].field, cases[i].d.count, m, draw, estimate, counted);
            assert_at_most(counted, 1.1 * estimate + 4 * sigma);
            if (draw != KOFN_ALLOY_UNIFORM) // there vectors of zeros are met once for each form
                assert_at_most(estimate, 1.8 * counted + 4 * sigma);
            kofn_field_destroy(&f);
        }
}

static void
tasks_left_open_are_enough_for_the_odds_asked(void **state)
{
    (void)state;
    const kofn_alloy_params params = {0};
    const kofn_cuts d = {.count = 3, .of = {2, 3, 2}};
    static const char *const fields[] = {"gfp:5", "gf16", "gf256", "gfp:65537"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const kofn_field *f = new_field(fields[i]);
        const size_t m = kofn_alloy_answers_of(f, &params, &d, 1e-6);
        assert_at_most(kofn_alloy_miss_of(f, &params, &d, m), 1e-6);
        assert_at_most(1e-6, kofn_alloy_miss_of(f, &params, &d, m - 1));
        kofn_field_destroy(&f);
    }
}

/* ---- products -------------------------------------------------------------------------------- */

enum { TASKS_MAX = 40 };

typedef struct trial {
    const kofn_code *code;
    kofn_extents extents;
    bool transposed[KOFN_OPERANDS_MAX];
    kofn_coding coding;
    kofn_bands operand[KOFN_OPERANDS_MAX];
    kofn_bands blocks[KOFN_OPERANDS_MAX][TASKS_MAX], answers[TASKS_MAX];
} trial;

static double
operand_element(const trial *t, size_t o, size_t row, size_t col)
{
    const kofn_mat *mat = only_mat(&t->operand[o]);
    return t->transposed[o] ? element_get(mat, col, row) : element_get(mat, row, col);
}

/* Element of C by the definition. */
static double
brute_outer(const trial *t, size_t row, size_t col)
{
    const kofn_field *f = t->code->field;
    double product = 1;
    for (size_t o = t->code->operands; o-- > 0;) {
        const double element =
            operand_element(t, o, row % t->extents.rows[o], col % t->extents.cols[o]);
        product = f->order == 0 ? product * element
                                : (double)brute_multiply(f, (uint64_t)product, (uint64_t)element);
        row /= t->extents.rows[o];
        col /= t->extents.cols[o];
    }
    return product;
}

static void
encode_operand(trial *t, size_t o, kofn_rng *rng)
{
    const kofn_code *code = t->code;
    const bool turned = t->transposed[o];
    size_t rows, cols, tasks[TASKS_MAX];
    t->operand[o] = new_matrix(code->field->dtype, turned ? t->extents.cols[o] : t->extents.rows[o],
                               turned ? t->extents.rows[o] : t->extents.cols[o]);
    fill_drawn(code->field, &t->operand[o], rng);
    kofn_coding_block_shape(&t->coding, o, &rows, &cols);
    for (size_t i = 0; i < code->tasks; i++) {
        tasks[i] = i;
        t->blocks[o][i] = new_matrix(code->field->dtype, rows, cols);
    }
    assert_ok(kofn_coding_encode(&t->coding, o, &t->operand[o], code->tasks, tasks, t->blocks[o],
                                 &error));
}

static void
start_trial(trial *t, const kofn_code *code, const kofn_extents *extents, kofn_rng *rng)
{
    assert_true(code->tasks <= TASKS_MAX);
    *t = (trial){.code = code, .extents = *extents};
    for (size_t o = 0; o < code->operands; o++)
        t->transposed[o] = kofn_rng_below(rng, 2);
    kofn_coding_init_outer(&t->coding, code, extents, t->transposed);
    for (size_t o = 0; o < code->operands; o++)
        encode_operand(t, o, rng);
    for (size_t i = 0; i < code->tasks; i++) {
        kofn_mat factor[KOFN_OPERANDS_MAX];
        for (size_t o = 0; o < code->operands; o++)
            factor[o] = *only_mat(&t->blocks[o][i]);
        const kofn_outer product = {
            .count = code->operands, .factor = factor, .transpose = t->transposed};
        t->answers[i] = new_matrix(code->field->dtype, t->coding.part.rows, t->coding.part.cols);
        assert_ok(kofn_outer_multiply(code->field, &product, &t->answers[i], &error));
    }
}

static void
end_trial(trial *t)
{
    for (size_t o = 0; o < t->code->operands; o++) {
        free_matrix(&t->operand[o]);
        for (size_t i = 0; i < t->code->tasks; i++)
            free_matrix(&t->blocks[o][i]);
    }
    for (size_t i = 0; i < t->code->tasks; i++)
        free_matrix(&t->answers[i]);
}

/* C decoded in two ranges of rows, into bands of `band_rows`. */
static void
decode_trial(const trial *t, const kofn_decode_plan *plan, size_t band_rows, const char *what)
{
    const kofn_shape shape = t->coding.shape;
    const kofn_bands *answers[TASKS_MAX];
    for (size_t u = 0; u < plan->used; u++)
        answers[u] = &t->answers[plan->task[u]];
    kofn_bands whole = new_matrix(t->code->field->dtype, shape.rows, shape.cols), c;
    kofn_bands_init(&c, t->code->field->dtype, shape.rows, shape.cols);
    for (size_t row = 0; row < shape.rows; row += band_rows) {
        kofn_mat band = *only_mat(&whole);
        band.data = kofn_mat_get_row(only_mat(&whole), row);
        band.rows = shape.rows - row < band_rows ? shape.rows - row : band_rows;
        assert_ok(kofn_bands_append(&c, &band, NULL, 0, &error));
    }
    memset(only_mat(&whole)->data, 0xff,
           shape.rows * shape.cols * kofn_dtype_width(t->code->field->dtype));
    const size_t middle = t->coding.part.rows / 3;
    const kofn_range ranges[] = {{0, middle}, {middle, t->coding.part.rows}};
    for (size_t i = 0; i < 2; i++)
        assert_ok(kofn_coding_decode(&t->coding, plan, answers, ranges[i], &c, &error));

    double squares = 0, norms = 1;
    for (size_t i = 0; i < shape.rows; i++)
        for (size_t j = 0; j < shape.cols; j++)
            squares += pow(element_get(only_mat(&whole), i, j) - brute_outer(t, i, j), 2);
    for (size_t o = 0; o < t->code->operands; o++)
        norms *= norm_of(&t->operand[o]);
    /* The reference itself rounds once for each operand. */
    const double bound =
        (plan->rounding + (double)t->code->operands * t->code->field->epsilon) * norms;
    if (!(sqrt(squares) <= bound))
        fail_msg("%s: |C' - C| = %.3e > %.3e", what, sqrt(squares), bound);
    kofn_bands_fini(&c);
    free_matrix(&whole);
}

/* From random answers in random order, as few as do. */
static void
check_products(const kofn_code *code, const kofn_extents *extents, kofn_rng *rng)
{
    char what[160], parts[KOFN_CUTS_TEXT_MAX];
    kofn_cuts_format(&code->parts, parts);
    (void)snprintf(what, sizeof what, "%s %s %s", code->family, code->field->name, parts);
    trial t;
    start_trial(&t, code, extents, rng);
    for (int round = 0; round < 4; round++) {
        size_t tasks[TASKS_MAX], i = 0;
        for (size_t k = 0; k < code->tasks; k++)
            tasks[k] = k;
        shuffle(rng, tasks, code->tasks);
        kofn_decoder *d;
        kofn_decode_plan plan;
        assert_ok(kofn_decoder_new((kofn_code *)code, INFINITY, &d, &error));
        while (kofn_decoder_get_state(d) == KOFN_DECODE_NOT_YET && i < code->tasks)
            assert_ok(kofn_decoder_add(d, tasks[i++], &error));
        if (!code->likely)
            assert_true(i <= code->threshold);
        assert_ok(kofn_decoder_plan(d, kofn_coding_get_noise(&t.coding), &plan, &error));
        decode_trial(&t, &plan, 1 + kofn_rng_below(rng, 5), what);
        kofn_decode_plan_fini(&plan);
        kofn_decoder_destroy(&d);
    }
    end_trial(&t);
}

static const struct {
    const char *parts;
    kofn_extents extents;
} cases[] = {
    {"2,2", {2, {4, 3}, {1, 5}}},                 // the second by columns
    {"2,3", {2, {5, 1}, {3, 7}}},                 // does not divide
    {"3,2", {2, {1, 1}, {1, 1}}},                 // blocks without an element
    {"2,1,2", {3, {3, 2, 4}, {3, 2, 1}}},         //
    {"2,2,2", {3, {1, 5, 1}, {6, 2, 3}}},         //
    {"1,2,3", {3, {2, 4, 7}, {2, 1, 2}}},         //
    {"2,1,1,2", {4, {3, 1, 2, 1}, {2, 2, 1, 3}}}, //
    {"1,1,2,1,1,1,2,1", {8, {2, 1, 2, 1, 1, 2, 3, 1}, {1, 2, 1, 1, 1, 1, 2, 1}}},
};

static void
products_are_right_from_every_family_and_field(void **state)
{
    (void)state;
    static const char *const fields[] = {"f64", "f32", "gf16", "gf256", "gfp:5", "gfp:2147483647"};
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(4), 0);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        for (size_t k = 0; k < kofn_family_count(); k++)
            for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
                const kofn_field *f = new_field(fields[i]);
                kofn_code_spec spec = {.has_seed = true, .seed = rng.seed};
                const kofn_code_context context = {.field = f,
                                                   .rows = 1,
                                                   .inner = 1,
                                                   .cols = 1,
                                                   .operands = cases[c].extents,
                                                   .workers = 1};
                kofn_code *code;
                assert_ok(kofn_code_spec_set(&spec, "family", kofn_family_at(k)->name, &error));
                assert_ok(kofn_code_spec_set(&spec, "parts", cases[c].parts, &error));
                const kofn_status status = kofn_code_spec_complete(&spec, &context, &error);
                assert_true(kofn_family_at(k)->outer || status == KOFN_INVALID_ARGUMENT);
                if (!status && spec.tasks <= TASKS_MAX) { // else there are no points or odds
                    assert_ok(kofn_code_spec_build(&spec, f, &code, &error));
                    check_products(code, &cases[c].extents, &rng);
                    kofn_code_destroy(&code);
                }
                kofn_field_destroy(&f);
            }
}

/* Pieces of several tiles: rows longer than a tile's, and more rows than one has. */
static void
products_larger_than_a_tile_are_right(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(5), 0);
    static const kofn_extents extents[] = {
        {2, {1, 1}, {301, 999}}, {2, {707, 403}, {1, 1}}, {3, {31, 2, 15}, {3, 60, 17}}};
    for (size_t i = 0; i < sizeof extents / sizeof extents[0]; i++) {
        kofn_code *code = build("alloy_global", "gf256", i < 2 ? "2,2" : "2,1,2", 6, NULL, 9);
        check_products(code, &extents[i], &rng);
        kofn_code_destroy(&code);
    }
}

/* ---- what users write ------------------------------------------------------------------------ */

static kofn_code_context
context_of(const kofn_field *f, size_t workers)
{
    return (kofn_code_context){
        .field = f,
        .rows = 600 * 400,
        .inner = 1,
        .cols = 30,
        .operands = {.count = 3, .rows = {600, 400, 1}, .cols = {10, 1, 3}},
        .workers = workers,
    };
}

static void
parts_left_open_are_chosen_for_the_workers(void **state)
{
    (void)state;
    static const char *const fields[] = {"f64", "gf256", "gf4"};
    static const char *const chosen[] = {"rkrp", "polynomial", "alloy_global"};
    for (size_t i = 0; i < 3; i++) {
        const kofn_field *f = kofn_field_find(fields[i]);
        const kofn_code_context context = context_of(f, i < 2 ? 8 : 40); // small fields take more
        kofn_code_spec spec = {0};
        kofn_code *code;
        assert_ok(kofn_code_spec_set_form(&spec, 3, &error));
        assert_false(kofn_code_spec_is_complete(&spec));
        assert_ok(kofn_code_spec_complete(&spec, &context, &error));
        assert_true(kofn_code_spec_is_complete(&spec));
        assert_string_equal(spec.family, chosen[i]);
        assert_in_range(kofn_cuts_count_pieces(&spec.parts), 2, context.workers - 1);
        assert_true(spec.parts.of[0] >= spec.parts.of[1]); // 6000 elements against 400
        assert_ok(kofn_code_spec_build(&spec, f, &code, &error));
        assert_int_equal(code->operands, 3);
        kofn_code_destroy(&code);
    }
    const kofn_code_context lonely = context_of(kofn_field_find("f64"), 1);
    kofn_code_spec spec = {.parts = {.count = 3}};
    assert_ok(kofn_code_spec_complete(&spec, &lonely, &error));
    assert_string_equal(spec.family, "uncoded");
    assert_int_equal(kofn_cuts_count_pieces(&spec.parts), 1);
    assert_int_equal(spec.tasks, 1);
}

static void
a_form_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("f64");
    kofn_code_spec spec = {0};
    assert_ok(kofn_code_spec_set(&spec, "parts", "2,2,2", &error));
    assert_fails(kofn_code_spec_set_form(&spec, 0, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_code_spec_set_form(&spec, 2, &error), KOFN_INVALID_ARGUMENT);
    assert_ok(kofn_code_spec_set_form(&spec, 3, &error));
    assert_ok(kofn_code_spec_set(&spec, "family", "matdot", &error));
    assert_fails(kofn_code_spec_check(&spec, f, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "rkrp"));
    spec.parts.of[1] = 0; // open: as refused
    assert_fails(kofn_code_spec_check(&spec, f, &error), KOFN_INVALID_ARGUMENT);
    assert_ok(kofn_code_spec_set(&spec, "partition", "2,1,2", &error));
    assert_fails(kofn_code_spec_set_form(&spec, 3, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_code_spec_check(&spec, f, &error), KOFN_INVALID_ARGUMENT);

    kofn_code_spec wire = {.parts = {.count = 9}};
    assert_fails(kofn_code_spec_check(&wire, f, &error), KOFN_OUT_OF_RANGE);
    wire = (kofn_code_spec){.parts = {.count = 2, .of = {1, SIZE_MAX}}};
    assert_fails(kofn_code_spec_check(&wire, f, &error), KOFN_OUT_OF_RANGE);
}

static void
codes_above_the_limits_are_refused_before_memory_is_asked_for(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("gf256");
    kofn_code_spec spec = {.tasks = 65536, .has_seed = true, .parts = {2, {256, 256}}};
    kofn_code *code;
    assert_ok(kofn_code_spec_set(&spec, "family", "alloy_global", &error));
    assert_fails(kofn_code_spec_build(&spec, f, &code, &error), KOFN_OUT_OF_RANGE);
    spec.parts = (kofn_cuts){4, {65536, 65536, 65536, 65536}};
    assert_fails(kofn_code_spec_build(&spec, f, &code, &error), KOFN_INVALID_ARGUMENT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_g_are_products_of_all_operands_rows),
        cmocka_unit_test(order_two_has_the_rows_of_the_product_of_x_by_y),
        cmocka_unit_test(numbers_are_drawn_by_equation_7_for_any_order),
        cmocka_unit_test(misses_of_order_three_are_about_as_estimated),
        cmocka_unit_test(tasks_left_open_are_enough_for_the_odds_asked),
        cmocka_unit_test(products_are_right_from_every_family_and_field),
        cmocka_unit_test(products_larger_than_a_tile_are_right),
        cmocka_unit_test(parts_left_open_are_chosen_for_the_workers),
        cmocka_unit_test(a_form_that_does_not_fit_is_refused),
        cmocka_unit_test(codes_above_the_limits_are_refused_before_memory_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
