#include "common/code/points.h"
#include "tests/unit/code_brute.h"

static void
g_holds_every_power_of_a_chebyshev_point_once(void **state)
{
    (void)state;
    const test_code t = {.family = "polynomial", .partition = "3,1,2", .tasks = 8};
    kofn_code *code = make_code(&t, "f64", 1);
    for (size_t i = 0, task = 8; i < 8; i++) {
        task = kofn_points_scatter(8, task);
        const double point = code->e[0].at[task * 3 + 1]; // the field rounds it to 40 bits
        assert_at_most(fabs(point - cos((2.0 * (double)i + 1) * acos(-1) / 16)), 0x1p-40);
        double row[6];
        kofn_code_fill_row(code, task, row);
        for (size_t a = 0; a < 3; a++)
            for (size_t b = 0; b < 2; b++) // at most 6 roundings, of numbers up to 1
                assert_at_most(fabs(row[a * 2 + b] - pow(point, (double)(a + 3 * b))), 6 * 0x1p-53);
    }
    kofn_code_destroy(&code);
}

static void
no_task_repeats_another(void **state)
{
    (void)state;
    const test_code t = {.family = "polynomial", .partition = "2,1,2", .tasks = 40};
    kofn_code *code = make_code(&t, "f64", 1);
    for (size_t i = 0; i < 40; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(code->e[0].at[i * 2 + 1] != code->e[0].at[j * 2 + 1]);
    kofn_code_destroy(&code);
}

static void
wrong_settings_are_refused_with_the_rule(void **state)
{
    (void)state;
    static const struct {
        test_code code;
        const char *says;
    } wrong[] = {
        {{.family = "polynomial", .partition = "2,2,3", .tasks = 12}, "take 2,1,3"},
        {{.family = "polynomial", .partition = "2,2,3"}, "take 2,1,3"},
        {{.family = "polynomial", .partition = "2,1,3", .tasks = 5}, "at least x y = 6"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_error error;
        kofn_code_spec spec;
        fill_spec(&wrong[i].code, 1, &spec);
        assert_fails(kofn_code_spec_check(&spec, kofn_field_find("f64"), &error),
                     KOFN_INVALID_ARGUMENT);
        assert_non_null(strstr(error.text, wrong[i].says));
    }
}

static void
more_tasks_than_a_finite_field_has_points_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        size_t tasks;
        const char *says;
    } cases[] = {
        {"gfp:5", 6, "take tasks=5 or fewer, or field gfp:7 or gf16"},
        {"gf4", 5, "take tasks=4 or fewer, or field gfp:5 or gf16"},
        {"gf16", 17, "take tasks=16 or fewer, or field gfp:17 or gf256"},
        {"gf256", 257, "take tasks=256 or fewer, or field gfp:257"},
        {"gfp:257", 1000, "take tasks=257 or fewer, or field gfp:1009"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_error error;
        const test_code t = {.family = "polynomial", .partition = "2,1,2", .tasks = cases[i].tasks};
        const kofn_field *f = new_field(cases[i].field);
        kofn_code_spec spec;
        fill_spec(&t, 1, &spec);
        assert_fails(kofn_code_spec_check(&spec, f, &error), KOFN_INVALID_ARGUMENT);
        const char *end = error.text + strlen(error.text) - strlen(cases[i].says);
        if (end < error.text || strcmp(end, cases[i].says) != 0)
            fail_msg("'%s' does not end in '%s'", error.text, cases[i].says);
        spec.tasks = (size_t)f->order;
        assert_ok(kofn_code_spec_check(&spec, f, &error));
        kofn_field_destroy(&f);
    }
}

/* Fewer tasks than the code needs are no way out. */
static void
more_parts_than_a_field_has_points_take_a_larger_field(void **state)
{
    (void)state;
    static const struct {
        test_code code;
        const char *field, *says;
    } cases[] = {
        {{"polynomial", "3,1,3", 9, NULL}, "gf4", "take fewer parts, or field gfp:11 or gf16"},
        {{"polynomial", "17,1,16", 300, NULL}, "gf256", "take fewer parts, or field gfp:307"},
        {{"matdot", "1,3,1", 6, NULL}, "gf4", "take fewer parts, or field gfp:7 or gf16"},
        {{"polydot", "2,2,2", 20, NULL}, "gfp:7", "take fewer parts, or field gfp:23 or gf256"},
        {{"polynomial", "96,1,96", 9300, NULL}, "f32", "take fewer parts, or field f64"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_error error;
        kofn_code_spec spec;
        const kofn_field *f = new_field(cases[i].field);
        fill_spec(&cases[i].code, 1, &spec);
        assert_fails(kofn_code_spec_check(&spec, f, &error), KOFN_INVALID_ARGUMENT);
        if (!strstr(error.text, cases[i].says))
            fail_msg("'%s' does not say '%s'", error.text, cases[i].says);
        kofn_field_destroy(&f);
    }
}

static void
open_tasks_stay_within_the_points_of_the_field(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        size_t workers, tasks;
    } cases[] = {{"gf4", 1, 4}, {"gfp:5", 8, 5}, {"gfp:7", 8, 7}, {"gf256", 8, 8}, {"f64", 8, 8}};
    const test_code t = {.family = "polynomial", .partition = "2,1,2"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_error error;
        const kofn_field *f = new_field(cases[i].field);
        const kofn_code_context context = {
            .field = f, .rows = 64, .inner = 64, .cols = 64, .workers = cases[i].workers};
        kofn_code_spec spec;
        fill_spec(&t, 1, &spec);
        assert_ok(kofn_code_spec_complete(&spec, &context, &error));
        assert_int_equal(spec.tasks, cases[i].tasks);
        kofn_field_destroy(&f);
    }
}

/* The header's claim on accuracy, at x = y = 4, n = 20: 1,000 random sets of k. */
static void
condition_at_four_by_four_is_what_the_header_says(void **state)
{
    (void)state;
    kofn_error error;
    const test_code t = {.family = "polynomial", .partition = "4,1,4", .tasks = 20};
    kofn_code *code = make_code(&t, "f64", 1);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(4), 0);
    double worst = 0;
    for (int i = 0; i < 1000; i++) {
        size_t tasks[20];
        for (size_t task = 0; task < 20; task++)
            tasks[task] = task;
        shuffle(&rng, tasks, 20);
        kofn_decoder *d;
        assert_ok(kofn_decoder_new(code, INFINITY, &d, &error));
        for (size_t r = 0; r < 16; r++)
            assert_ok(kofn_decoder_add(d, tasks[r], &error));
        kofn_decode_plan plan;
        assert_ok(kofn_decoder_plan(d, 0x1p-53, &plan, &error));
        worst = fmax(worst, plan.quality.condition);
        kofn_decode_plan_fini(&plan);
        kofn_decoder_destroy(&d);
    }
    print_message("worst condition %.3g\n", worst);
    assert_at_most(worst, 1.4e7);
    assert_at_most(1e6, worst);
    kofn_code_destroy(&code);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(g_holds_every_power_of_a_chebyshev_point_once),
        cmocka_unit_test(no_task_repeats_another),
        cmocka_unit_test(wrong_settings_are_refused_with_the_rule),
        cmocka_unit_test(more_tasks_than_a_finite_field_has_points_are_refused),
        cmocka_unit_test(more_parts_than_a_field_has_points_take_a_larger_field),
        cmocka_unit_test(open_tasks_stay_within_the_points_of_the_field),
        cmocka_unit_test(condition_at_four_by_four_is_what_the_header_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
