/* Inner codes set by set: which mixtures of plain and coded rows suffice, by brute force. */
#include "common/code/inner.h"
#include "tests/unit/code_brute.h"

static kofn_code *
make_inner(const test_code *t, const char *field, bool plain, uint64_t seed)
{
    kofn_error error;
    kofn_code_spec spec;
    kofn_code *code = NULL;
    fill_spec(t, seed, &spec);
    const kofn_field *f = new_field(field);
    assert_ok(kofn_inner_build(&spec, f, plain, &code, &error));
    kofn_field_destroy(&f); // the code holds it
    return code;
}

/* ---- shape ----------------------------------------------------------------------------------- */

static const test_code families[] = {
    {"polynomial", "2,1,3", 7, "points=spread"},
    {"polynomial", "2,1,3", 7, "points=random"},
    {"orthopoly", "2,1,3", 7, "points=spread"},
    {"rkrp", "2,1,3", 7, NULL},
};
enum { FAMILIES = sizeof families / sizeof families[0] };

static void
block_products_stand_in_front_in_their_order(void **state)
{
    (void)state;
    for (size_t c = 0; c < FAMILIES; c++) {
        kofn_code *code = make_inner(&families[c], "f64", true, 3);
        assert_int_equal(code->tasks, 6 + 7);
        assert_int_equal(code->threshold, 6);
        assert_int_equal(code->enough, 6);
        assert_true(kofn_code_is_certain(code));
        assert_string_equal(code->family, families[c].family);
        for (size_t task = 0; task < code->tasks; task++)
            for (size_t i = 0; i < 2; i++)
                for (size_t j = 0; j < 3; j++)
                    if (task < 6)
                        assert_true(kofn_code_get_element(code, task, i * 3 + j) ==
                                    (task == i * 3 + j));
                    else
                        assert_int_equal(kofn_code_plain_column(code, task), SIZE_MAX);
        kofn_code_destroy(&code);
    }
}

static void
coded_rows_are_the_familys_own(void **state)
{
    (void)state;
    for (size_t c = 0; c + 1 < FAMILIES; c++) { // rkrp chooses its draw for each n
        kofn_code *mixed = make_inner(&families[c], "f64", true, 3);
        kofn_code *coded = make_inner(&families[c], "f64", false, 3);
        assert_int_equal(coded->tasks, 7);
        for (size_t o = 0; o < 2; o++)
            for (size_t task = 0; task < 7; task++)
                assert_memory_equal(kofn_code_get_row(mixed, o, 6 + task),
                                    kofn_code_get_row(coded, o, task),
                                    coded->e[o].cols * sizeof(double));
        kofn_code_destroy(&mixed);
        kofn_code_destroy(&coded);
    }
}

/* A stream with few stragglers asks for fewer coded rows than make a code. */
static void
one_coded_row_is_enough_to_ask_for(void **state)
{
    (void)state;
    for (size_t c = 0; c < FAMILIES; c++) {
        test_code few = families[c];
        few.tasks = 1;
        kofn_code *code = make_inner(&few, "f64", true, 3);
        assert_int_equal(code->tasks, 7);
        for (size_t missing = 0; missing < 6; missing++) {
            size_t tasks[6] = {0, 1, 2, 3, 4, 5};
            tasks[missing] = 6;
            assert_true(brute_suffices(code, tasks, 6));
        }
        kofn_code_destroy(&code);
    }
}

static void
without_coded_rows_the_block_products_are_left(void **state)
{
    (void)state;
    for (size_t c = 0; c < FAMILIES; c++) {
        test_code none = families[c];
        none.tasks = 0;
        kofn_code *code = make_inner(&none, "gf256", true, 3); // the family does not matter
        assert_int_equal(code->tasks, 6);
        assert_int_equal(code->threshold, 6);
        for (size_t task = 0; task < 6; task++)
            assert_int_equal(kofn_code_plain_column(code, task), task);
        kofn_code_destroy(&code);
    }
}

/* ---- all sets of x y rows -------------------------------------------------------------------- */

/* Does the decoder take the set, added from its end so that coded rows come first? */
static bool
decodes(kofn_code *code, const size_t *tasks, size_t count)
{
    kofn_error error;
    kofn_decoder *d;
    assert_ok(kofn_decoder_new(code, INFINITY, &d, &error));
    for (size_t i = count; i-- > 0;)
        assert_ok(kofn_decoder_add(d, tasks[i], &error));
    const bool done = kofn_decoder_get_state(d) == KOFN_DECODE_EXACT;
    assert_int_equal(done, kofn_decoder_get_missing(d) == 0);
    kofn_decoder_destroy(&d);
    return done;
}

typedef struct tally {
    size_t sets, short_of; // that do not suffice
} tally;

/* Every set of k of the rows; decoder and brute force agree on each. */
static tally
try_all_sets(kofn_code *code)
{
    const size_t n = code->tasks, k = code->threshold;
    tally t = {0};
    size_t tasks[64];
    assert_true(n < 20);
    for (uint64_t mask = 0; mask < (uint64_t)1 << n; mask++) {
        if (__builtin_popcountll(mask) != (int)k)
            continue;
        (void)list_mask(mask, tasks);
        const bool suffices = brute_suffices(code, tasks, k);
        if (suffices != decodes(code, tasks, k))
            fail_msg("%s, set %#" PRIx64 ": the decoder says %d", code->family, mask, !suffices);
        t.sets++;
        t.short_of += !suffices;
    }
    return t;
}

static void
any_x_y_of_plain_and_coded_rows_suffice_in_the_reals(void **state)
{
    (void)state;
    static const struct {
        const char *partition;
        size_t coded;
    } shapes[] = {{"1,1,1", 3}, {"1,1,2", 5}, {"3,1,1", 6},
                  {"2,1,2", 7}, {"5,1,1", 6}, {"2,1,3", 6}};
    const uint64_t seed = test_seed(11);
    for (size_t c = 0; c < FAMILIES; c++)
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
            for (int plain = 0; plain < 2; plain++) {
                test_code t = families[c];
                t.partition = shapes[s].partition;
                t.tasks = shapes[s].coded;
                kofn_code *code = make_inner(&t, s % 2 ? "f64" : "f32", plain, seed);
                const tally found = try_all_sets(code);
                assert_true(found.sets > 0);
                if (found.short_of)
                    fail_msg("%s %s: %zu of %zu sets fall short", t.family, t.partition,
                             found.short_of, found.sets);
                kofn_code_destroy(&code);
            }
}

static const test_code drawn[] = {
    {"polynomial", NULL, 0, "points=spread"},
    {"polynomial", NULL, 0, "points=random"},
};

static kofn_code *
make_finite(size_t c, const char *field, const char *partition, size_t coded, bool plain,
            uint64_t seed)
{
    test_code t = drawn[c];
    t.partition = partition;
    t.tasks = coded;
    return make_inner(&t, field, plain, seed);
}

/* Two columns of powers that follow each other, or one: Vandermonde, up to a factor that is not
 * 0. */
static void
mixed_sets_for_two_blocks_suffice_in_every_field(void **state)
{
    (void)state;
    static const char *const partitions[] = {"1,1,1", "1,1,2", "2,1,1"};
    for (size_t f = 0; f < FINITE_FIELDS; f++)
        for (size_t p = 0; p < 3; p++)
            for (size_t c = 0; c < 2; c++) {
                const kofn_field *field = new_field(finite_fields[f]);
                const double points = field->order - 1;
                kofn_field_destroy(&field);
                if (p > 0 && points < 2)
                    continue; // no two rows
                kofn_code *code = make_finite(c, finite_fields[f], partitions[p],
                                              points < 6 ? (size_t)points : 6, true, 5);
                assert_true(kofn_code_is_certain(code));
                assert_int_equal(try_all_sets(code).short_of, 0);
                kofn_code_destroy(&code);
            }
}

static void
coded_rows_alone_suffice_in_finite_fields(void **state)
{
    (void)state;
    for (size_t f = 0; f < FINITE_FIELDS; f++)
        for (size_t c = 0; c < 2; c++) {
            const kofn_field *field = new_field(finite_fields[f]);
            const bool room = field->order > 8;
            kofn_field_destroy(&field);
            if (!room)
                continue;
            kofn_code *code = make_finite(c, finite_fields[f], "2,1,3", 8, false, 5);
            assert_true(kofn_code_is_certain(code));
            assert_int_equal(try_all_sets(code).short_of, 0);
            kofn_code_destroy(&code);
        }
}

/* What the header says of drawn points: e k / q for a set with e coded rows, and in fact about one
 * set in q. Sets of one code depend on each other, so 30 codes are tried, and twice that is
 * allowed. Spread points, which are 1, 2, 3, ..., are held to the bound alone: in gf256 they are
 * special. */
static void
mixed_sets_fall_short_no_more_often_than_drawn_ones(void **state)
{
    (void)state;
    static const char *const fields[] = {"gf256", "gfp:257", "gfp:65537", "gfp:2147483647"};
    const uint64_t seed = test_seed(21);
    for (size_t f = 0; f < 4; f++)
        for (size_t c = 0; c < 2; c++) {
            enum { CODED = 6, K = 6 };
            tally all = {0};
            double expected = 0, q = 0;
            for (uint64_t draw = 0; draw < (c ? 30 : 1); draw++) {
                kofn_code *code = make_finite(c, fields[f], "2,1,3", CODED, true, seed + draw);
                assert_true(code->likely);
                q = code->field->order;
                const tally found = try_all_sets(code);
                all.sets += found.sets;
                all.short_of += found.short_of;
                kofn_code_destroy(&code);
            }
            for (size_t e = 0, ways = 1; e <= K; ways = ways * (K - e) / (e + 1), e++)
                expected += (double)(ways * ways) * (double)(e * K) / q; // C(6, e) C(6, 6 - e)
            print_message("%s %s: %zu of %zu fall short, e k / q says %.3g\n", fields[f],
                          drawn[c].set, all.short_of, all.sets, expected / 924 * (double)all.sets);
            assert_at_most((double)all.short_of, 2 * expected / 924 * (double)all.sets);
            if (c == 1)
                assert_at_most((double)all.short_of, 1 + 2 / q * (double)all.sets);
            if (q > 1e9)
                assert_int_equal(all.short_of, 0);
        }
}

/* ---- products -------------------------------------------------------------------------------- */

typedef struct job {
    kofn_code *code;
    kofn_coding coding;
    kofn_bands a, b, answers[32];
} job;

static void
start_job(job *j, kofn_code *code, kofn_shape shape, kofn_rng *rng)
{
    kofn_error error;
    const kofn_dtype dtype = code->field->dtype;
    *j = (job){.code = code};
    kofn_coding_init(&j->coding, code, shape, false, false);
    j->a = new_matrix(dtype, shape.rows, shape.inner);
    j->b = new_matrix(dtype, shape.inner, shape.cols);
    fill_drawn(code->field, &j->a, rng);
    fill_drawn(code->field, &j->b, rng);
    for (size_t task = 0; task < code->tasks; task++) {
        kofn_bands blocks[2];
        for (size_t o = 0; o < 2; o++) {
            size_t rows, cols;
            kofn_coding_block_shape(&j->coding, o, &rows, &cols);
            blocks[o] = new_matrix(dtype, rows, cols);
            assert_ok(
                kofn_coding_encode(&j->coding, o, o ? &j->b : &j->a, 1, &task, &blocks[o], &error));
        }
        j->answers[task] = new_matrix(dtype, j->coding.part.rows, j->coding.part.cols);
        naive_multiply_over(code->field, &blocks[0], false, &blocks[1], false, &j->answers[task]);
        free_matrix(&blocks[0]);
        free_matrix(&blocks[1]);
    }
}

static void
end_job(job *j)
{
    for (size_t task = 0; task < j->code->tasks; task++)
        free_matrix(&j->answers[task]);
    free_matrix(&j->a);
    free_matrix(&j->b);
    kofn_code_destroy(&j->code);
}

/* C from these answers; *ret_amplification is the plan's. */
static kofn_bands
decode_job(const job *j, const size_t *tasks, size_t count, double *ret_amplification)
{
    kofn_error error;
    kofn_decoder *d;
    kofn_decode_plan plan;
    const kofn_bands *answers[32];
    assert_ok(kofn_decoder_new(j->code, INFINITY, &d, &error));
    for (size_t i = 0; i < count; i++)
        assert_ok(kofn_decoder_add(d, tasks[i], &error));
    assert_ok(kofn_decoder_plan(d, kofn_coding_get_noise(&j->coding), &plan, &error));
    for (size_t u = 0; u < plan.used; u++)
        answers[u] = &j->answers[plan.task[u]];
    kofn_bands c = new_matrix(j->a.dtype, j->coding.shape.rows, j->coding.shape.cols);
    assert_ok(kofn_coding_decode(&j->coding, &plan, answers, kofn_coding_all_rows(&j->coding), &c,
                                 &error));
    *ret_amplification = plan.quality.amplification;
    kofn_decode_plan_fini(&plan);
    kofn_decoder_destroy(&d);
    return c;
}

static const kofn_shape odd[] = {
    {.rows = 5, .inner = 7, .cols = 8}, // does not divide
    {.rows = 1, .inner = 1, .cols = 1}, // fewer rows than parts
    {.rows = 2, .inner = 3, .cols = 3},
    {.rows = 6, .inner = 1, .cols = 1},
};

static void
products_come_back_from_mixed_sets_that_are_no_prefix(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(31), 0);
    for (size_t c = 0; c < FAMILIES; c++)
        for (size_t s = 0; s < sizeof odd / sizeof odd[0]; s++) {
            job j;
            start_job(&j, make_inner(&families[c], "f64", true, 3), odd[s], &rng);
            for (size_t i = 0; i < 50; i++) {
                size_t tasks[32];
                double amplification;
                for (size_t task = 0; task < j.code->tasks; task++)
                    tasks[task] = task;
                shuffle(&rng, tasks, j.code->tasks);
                kofn_bands product = decode_job(&j, tasks, 6, &amplification);
                /* terms: inner, 6 blocks of each operand, k = 6 answers. 6: the worst target's
                 * amplification stands for all k, and each has its own */
                assert_at_most(residual_of(&j.a, false, &j.b, false, &product),
                               (double)(odd[s].inner + 6 + 6) * 0x1p-53 * 6 * amplification *
                                   norm_of(&j.a) * norm_of(&j.b));
                free_matrix(&product);
            }
            end_job(&j);
        }
}

static void
products_are_exact_in_finite_fields(void **state)
{
    (void)state;
    static const char *const fields[] = {"gf256", "gfp:257", "gfp:2147483647"};
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(32), 0);
    for (size_t f = 0; f < 3; f++)
        for (size_t s = 0; s < sizeof odd / sizeof odd[0]; s++) {
            job j;
            start_job(&j, make_finite(s % 2, fields[f], "2,1,3", 8, true, 7), odd[s], &rng);
            for (size_t i = 0; i < 30; i++) {
                size_t tasks[32], count = 6;
                double amplification;
                for (size_t task = 0; task < j.code->tasks; task++)
                    tasks[task] = task;
                shuffle(&rng, tasks, j.code->tasks);
                while (!decodes(j.code, tasks, count))
                    count++; // few sets fall short
                kofn_bands product = decode_job(&j, tasks, count, &amplification);
                assert_int_equal(count_wrong(j.code->field, &j.a, false, &j.b, false, &product), 0);
                free_matrix(&product);
            }
            end_job(&j);
        }
}

static void
plain_answers_alone_are_copied(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(33), 0);
    for (size_t c = 0; c < FAMILIES; c++) {
        job j;
        double amplification;
        start_job(&j, make_inner(&families[c], "f64", true, 3), odd[0], &rng);
        kofn_bands product = decode_job(&j, (const size_t[]){4, 0, 5, 2, 1, 3}, 6, &amplification);
        assert_true(residual_of(&j.a, false, &j.b, false, &product) == 0);
        free_matrix(&product);
        end_job(&j);
    }
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void
codes_that_would_break_the_promise_are_refused(void **state)
{
    (void)state;
    static const struct {
        test_code code;
        const char *field;
        bool plain;
        const char *says;
    } wrong[] = {
        {{"polynomial", "2,1,2", 6, NULL}, "f64", true, "points=spread"},
        {{"polynomial", "2,1,2", 7, NULL}, "f64", true, "points=spread"}, // and the point 0
        {{"orthopoly", "2,1,2", 6, NULL}, "f64", true, "points=spread"},
        {{"polydot", "2,1,2", 6, NULL}, "f64", true, "points=spread"},
        {{"polynomial", "2,1,2", 6, NULL}, "gf256", true, "points=spread"},
        {{"polynomial", "2,1,2", 16, "points=spread"}, "gf16", true, "only 15 points beside 0"},
        {{"polynomial", "2,1,2", 16, "points=random"}, "gf16", false, "tasks=15"},
        {{"rkrp", "2,1,2", 6, NULL}, "gf256", true, "polynomial"},
        {{"rkrp", "2,2,2", 30, NULL}, "f64", true, "take 2,1,2"},
        {{"matdot", "1,2,1", 4, NULL}, "f64", true, "take 1,1,1"},
        {{"uncoded", "2,1,2", 4, NULL}, "f64", true, "uncoded has none"},
        {{"uncoded", "2,1,2", 5, NULL}, "f64", false, "uncoded has none"},
        {{"replication", "2,1,2", 8, NULL}, "f64", true, "needs 7 answers"},
        {{"alloy_global", "2,1,2", 6, NULL}, "gf256", false, "whichever they are"},
        {{"alloy_global", "2,1,2", 6, NULL}, "gf256", true, "whichever they are"},
        {{"polynomial", "2,1,2", 3, "points=spread"}, "f64", false, "at least x y = 4"},
        {{"polynomial", "2,1,2", 6, "points=sprad"}, "f64", true, "spread"},
        {{"polynomial", "0,1,2", 6, "points=spread"}, "f64", true, "not complete"},
        {{"rkrp", "2,1,2", 0, NULL}, "f64", false, "not complete"},
        {{"rkrp", "0,1,2", 0, NULL}, "f64", true, "not complete"},
        {{"no_such", "2,1,2", 6, NULL}, "f64", true, "no_such"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_error error;
        kofn_code_spec spec;
        kofn_code *code = NULL;
        fill_spec(&wrong[i].code, 1, &spec);
        const kofn_field *f = new_field(wrong[i].field);
        if (!kofn_inner_build(&spec, f, wrong[i].plain, &code, &error))
            fail_msg("%s %s is built", wrong[i].code.family, wrong[i].code.partition);
        assert_null(code);
        if (!strstr(error.text, wrong[i].says))
            fail_msg("'%s' does not say '%s'", error.text, wrong[i].says);
        kofn_field_destroy(&f);
    }
}

static void
a_spec_from_the_wire_may_hold_any_numbers(void **state)
{
    (void)state;
    const kofn_partition parts[] = {{SIZE_MAX, 1, 2}, {65536, 1, 65536}, {2, SIZE_MAX, 2}};
    const size_t tasks[] = {4, SIZE_MAX, SIZE_MAX - 3, 65536};
    for (size_t f = 0; f < FAMILIES; f++)
        for (size_t p = 0; p < 3; p++)
            for (size_t t = 0; t < 4; t++) {
                kofn_code_spec spec;
                kofn_code *code = NULL;
                fill_spec(&families[f], 1, &spec);
                spec.part = parts[p];
                spec.tasks = tasks[t];
                assert_true(kofn_inner_build(&spec, kofn_field_find("f64"), true, &code, NULL));
                spec.part = (kofn_partition){2, 1, 2};
                if (t < 3 && t > 0)
                    assert_true(kofn_inner_build(&spec, kofn_field_find("f64"), true, &code, NULL));
                assert_null(code);
            }
}

static void
reserves_and_outer_products_are_refused(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code_spec spec;
    kofn_code *code = NULL;
    fill_spec(&families[3], 1, &spec);
    spec.reserve = 2;
    assert_fails(kofn_inner_build(&spec, kofn_field_find("f64"), true, &code, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "reserve 0"));
    spec.reserve = 0;
    spec.part = (kofn_partition){0};
    spec.parts = (kofn_cuts){.count = 2, .of = {2, 2}};
    assert_fails(kofn_inner_build(&spec, kofn_field_find("f64"), false, &code, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "outer products"));
    assert_null(code);
}

static void
what_is_left_open_becomes_an_inner_code(void **state)
{
    (void)state;
    static const struct {
        const char *family, *set, *field, *expected, *points;
    } cases[] = {
        {"auto", NULL, "f64", "rkrp", NULL},
        {"auto", NULL, "gf256", "polynomial", "random"},
        {"polynomial", NULL, "f64", "polynomial", "spread"},
        {"orthopoly", NULL, "f64", "orthopoly", "spread"},
        {"orthopoly", NULL, "gf256", "orthopoly", NULL}, // for the reals alone, as it will say
        {"polynomial", "points=random", "f64", "polynomial", "random"},
        {"polynomial", "points=chebyshev", "gf256", "polynomial", "chebyshev"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_error error;
        kofn_code_spec spec;
        const test_code t = {cases[i].family, "2,1,2", 6, cases[i].set};
        fill_spec(&t, 1, &spec);
        assert_ok(kofn_inner_set_defaults(&spec, kofn_field_find(cases[i].field), &error));
        assert_string_equal(spec.family, cases[i].expected);
        assert_int_equal(spec.set_count, cases[i].points ? 1 : 0);
        if (cases[i].points)
            assert_string_equal(spec.sets[0].value, cases[i].points);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_products_stand_in_front_in_their_order),
        cmocka_unit_test(coded_rows_are_the_familys_own),
        cmocka_unit_test(one_coded_row_is_enough_to_ask_for),
        cmocka_unit_test(without_coded_rows_the_block_products_are_left),
        cmocka_unit_test(any_x_y_of_plain_and_coded_rows_suffice_in_the_reals),
        cmocka_unit_test(mixed_sets_for_two_blocks_suffice_in_every_field),
        cmocka_unit_test(coded_rows_alone_suffice_in_finite_fields),
        cmocka_unit_test(mixed_sets_fall_short_no_more_often_than_drawn_ones),
        cmocka_unit_test(products_come_back_from_mixed_sets_that_are_no_prefix),
        cmocka_unit_test(products_are_exact_in_finite_fields),
        cmocka_unit_test(plain_answers_alone_are_copied),
        cmocka_unit_test(codes_that_would_break_the_promise_are_refused),
        cmocka_unit_test(a_spec_from_the_wire_may_hold_any_numbers),
        cmocka_unit_test(reserves_and_outer_products_are_refused),
        cmocka_unit_test(what_is_left_open_becomes_an_inner_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
