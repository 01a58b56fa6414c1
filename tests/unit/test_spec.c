#include "common/code/liars.h"
#include "common/code/batch.h"
#include "common/code/grouping.h"
#include "common/code/plan.h"
#include "tests/unit/code_brute.h"

static const kofn_field *
f64(void)
{
    return kofn_field_find("f64");
}

static void
set_ok(kofn_code_spec *spec, const char *key, const char *text)
{
    kofn_error error;
    assert_ok(kofn_code_spec_set(spec, key, text, &error));
}

/* ---- set ------------------------------------------------------------------------------------- */

static void
each_key_is_parsed(void **state)
{
    (void)state;
    kofn_code_spec spec = {0};
    set_ok(&spec, "family", "rkrp");
    set_ok(&spec, "partition", "2,1,3");
    set_ok(&spec, "tasks", "9");
    set_ok(&spec, "seed", "18446744073709551615");
    set_ok(&spec, "systematic", "no");
    assert_string_equal(spec.family, "rkrp");
    assert_int_equal(spec.part.x, 2);
    assert_int_equal(spec.part.z, 1);
    assert_int_equal(spec.part.y, 3);
    assert_int_equal(spec.tasks, 9);
    assert_true(spec.has_seed && spec.seed == UINT64_MAX);
    assert_int_equal(spec.set_count, 1);
    set_ok(&spec, "systematic", "yes"); // said twice: the last counts
    assert_int_equal(spec.set_count, 1);
    assert_string_equal(spec.sets[0].value, "yes");
    set_ok(&spec, "seed", "0xff");
    assert_int_equal(spec.seed, 255);
    set_ok(&spec, "partition", " 0 , 2,0 "); // blanks as people type them; 0: choose
    assert_int_equal(spec.part.z, 2);
}

static void
malformed_values_are_refused_and_change_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *key, *text;
        kofn_status status;
    } wrong[] = {
        {"partition", "", KOFN_INVALID_ARGUMENT},
        {"partition", "2,1", KOFN_INVALID_ARGUMENT},
        {"partition", "2,1,2,1", KOFN_INVALID_ARGUMENT},
        {"partition", "2,1,2x", KOFN_INVALID_ARGUMENT},
        {"partition", "2,,2", KOFN_INVALID_ARGUMENT},
        {"partition", "-1,1,1", KOFN_INVALID_ARGUMENT},
        {"partition", "+1,1,1", KOFN_INVALID_ARGUMENT},
        {"partition", "1,1,65537", KOFN_INVALID_ARGUMENT},
        {"partition", "1,1,99999999999999999999999", KOFN_INVALID_ARGUMENT},
        {"partition", "2x1x2", KOFN_INVALID_ARGUMENT},
        {"tasks", "", KOFN_INVALID_ARGUMENT},
        {"tasks", "six", KOFN_INVALID_ARGUMENT},
        {"tasks", "6.5", KOFN_INVALID_ARGUMENT},
        {"tasks", "-6", KOFN_INVALID_ARGUMENT},
        {"tasks", "65537", KOFN_OUT_OF_RANGE},
        {"seed", "0x", KOFN_INVALID_ARGUMENT},
        {"seed", "1e3", KOFN_INVALID_ARGUMENT},
        {"seed", "18446744073709551616", KOFN_INVALID_ARGUMENT},
        {"family", "a-name-that-is-far-too-long-for-any-family", KOFN_INVALID_ARGUMENT},
        {"", "1", KOFN_INVALID_ARGUMENT},
        {"a-name-that-is-far-too-long-for-a-parameter", "1", KOFN_INVALID_ARGUMENT},
        {"draws", "1111111111111111111111111111111111111111111111111111111111111111",
         KOFN_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_error error;
        kofn_code_spec spec = {.tasks = 3}, before = spec;
        assert_fails(kofn_code_spec_set(&spec, wrong[i].key, wrong[i].text, &error),
                     wrong[i].status);
        assert_memory_equal(&spec, &before, sizeof spec);
    }
}

static void
parameters_beyond_the_limit_are_refused(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code_spec spec = {0};
    for (int i = 0; i < KOFN_SETS_MAX; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "p%d", i);
        set_ok(&spec, name, "1");
    }
    assert_fails(kofn_code_spec_set(&spec, "one_more", "1", &error), KOFN_RESOURCE_EXHAUSTED);
    set_ok(&spec, "p3", "2");
}

/* ---- check ----------------------------------------------------------------------------------- */

static void
misspelt_names_get_the_nearest(void **state)
{
    (void)state;
    static const struct {
        const char *family, *key, *says;
    } wrong[] = {
        {"rkpr", "draws", "did you mean 'rkrp'"},
        {"polynomal", "draws", "did you mean 'polynomial'"},
        {"replication", "copys", "did you mean 'copies'"},
        {"rkrp", "sistematic", "did you mean 'systematic'"},
        {"rkrp", "partion", "did you mean 'partition'"},
        {"uncoded", "tsks", "did you mean 'tasks'"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_error error;
        kofn_code_spec spec = {0};
        set_ok(&spec, "family", wrong[i].family);
        set_ok(&spec, wrong[i].key, "1");
        assert_fails(kofn_code_spec_check(&spec, f64(), &error), KOFN_NOT_FOUND);
        if (!strstr(error.text, wrong[i].says))
            fail_msg("'%s' lacks '%s'", error.text, wrong[i].says);
    }
}

static void
parameters_are_checked_against_the_family(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code_spec spec = {0};
    set_ok(&spec, "family", "rkrp");
    set_ok(&spec, "systematic", "maybe");
    assert_fails(kofn_code_spec_check(&spec, f64(), &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "code family rkrp"));
    assert_true(kofn_code_spec_check(&spec, f64(), NULL) == KOFN_INVALID_ARGUMENT);
    set_ok(&spec, "systematic", "off");
    assert_ok(kofn_code_spec_check(&spec, f64(), &error));
    set_ok(&spec, "draws", "0");
    assert_fails(kofn_code_spec_check(&spec, f64(), &error), KOFN_OUT_OF_RANGE);
}

static void
a_parameter_without_a_family_is_refused(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code_spec spec = {0};
    set_ok(&spec, "draws", "4");
    assert_fails(kofn_code_spec_check(&spec, f64(), &error), KOFN_INVALID_ARGUMENT);
    set_ok(&spec, "family", "auto");
    assert_fails(kofn_code_spec_check(&spec, f64(), &error), KOFN_INVALID_ARGUMENT);
}

static void
a_reserve_is_for_families_with_fresh_rows(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code_spec spec = {0};
    set_ok(&spec, "reserve", "4");
    assert_fails(kofn_code_spec_check(&spec, f64(), &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "reserve=4 needs"));
    set_ok(&spec, "family", "polynomial");
    set_ok(&spec, "partition", "2,1,2");
    set_ok(&spec, "tasks", "6");
    assert_fails(kofn_code_spec_check(&spec, f64(), &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "reserve=4"));
    assert_non_null(strstr(error.text, "rkrp"));
    assert_fails(kofn_code_spec_check(&spec, kofn_field_find("gf256"), &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "alloy_global"));
    set_ok(&spec, "family", "rkrp");
    assert_ok(kofn_code_spec_check(&spec, f64(), &error));

    assert_fails(kofn_code_spec_set(&spec, "reserve", "-1", &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_code_spec_set(&spec, "reserve", "65537", &error), KOFN_OUT_OF_RANGE);
    set_ok(&spec, "reserve", "65531");
    assert_fails(kofn_code_spec_check(&spec, f64(), &error), KOFN_OUT_OF_RANGE);
    assert_non_null(strstr(error.text, "take reserve 65530"));
}

/* As many rows again, where the policy wants them and nobody said otherwise. */
static void
an_open_reserve_is_chosen_for_the_policy(void **state)
{
    (void)state;
    static const struct {
        const char *family;
        const char *field;
        kofn_reserve_choice choice;
        size_t asked, reserve;
    } cases[] = {
        {"alloy_global", "gf256", KOFN_RESERVE_NONE, 0, 0},
        {"alloy_global", "gf256", KOFN_RESERVE_LIKELY, 0, 9},
        {"alloy_global", "gf256", KOFN_RESERVE_ALWAYS, 0, 9},
        {"alloy_global", "gf256", KOFN_RESERVE_ALWAYS, 3, 3},
        {"alloy_global", "gf256", KOFN_RESERVE_NONE, 3, 3},
        {"alloy_global", "f64", KOFN_RESERVE_LIKELY, 0, 0}, // any k suffice
        {"rkrp", "f64", KOFN_RESERVE_LIKELY, 0, 0},
        {"rkrp", "f64", KOFN_RESERVE_ALWAYS, 0, 9},
        {"polynomial", "f64", KOFN_RESERVE_ALWAYS, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_error error;
        kofn_code_spec spec = {.tasks = 9, .part = {2, 1, 2}, .reserve = cases[i].asked};
        const kofn_code_context context = {.field = kofn_field_find(cases[i].field),
                                           .rows = 100,
                                           .inner = 100,
                                           .cols = 100,
                                           .workers = 9,
                                           .reserve = cases[i].choice};
        kofn_code *code;
        set_ok(&spec, "family", cases[i].family);
        assert_ok(kofn_code_spec_complete(&spec, &context, &error));
        assert_int_equal(spec.reserve, cases[i].reserve);
        assert_ok(kofn_code_spec_build(&spec, context.field, &code, &error));
        assert_int_equal(kofn_code_first_tasks(code), 9);
        assert_int_equal(code->tasks, 9 + cases[i].reserve);
        assert_int_equal(code->threshold, 4);
        kofn_code_destroy(&code);
    }
}

static void
a_reserve_is_no_larger_than_what_fits(void **state)
{
    (void)state;
    const kofn_partition part = {100, 1, 100}; // 1e8 coefficients of targets: none fits
    assert_int_equal(kofn_code_most_tasks(part), 0);
    assert_int_equal(kofn_code_most_tasks((kofn_partition){2, 1, 2}), KOFN_TASKS_MAX);
    assert_int_equal(kofn_code_most_tasks((kofn_partition){SIZE_MAX, 2, 2}), 0);
    /* 2^25 coefficients; 64^2 targets of 64^2 columns leave half of them for rows of 128. */
    const size_t most = ((1 << 25) - (1 << 24)) / 128;
    assert_true(most > KOFN_TASKS_MAX);
    const kofn_family *family = kofn_family_find("alloy_global");
    kofn_family_args args = {.part = {64, 1, 64}, .tasks = 40000};
    assert_int_equal(kofn_family_reserve(family, &args), KOFN_TASKS_MAX - 40000);
    args.tasks = KOFN_TASKS_MAX;
    assert_int_equal(kofn_family_reserve(family, &args), 0);
    args.tasks = 5000;
    assert_int_equal(kofn_family_reserve(family, &args), 5000);
    assert_int_equal(kofn_family_reserve(kofn_family_find("polynomial"), &args), 0);
}

static void
an_impossible_threshold_is_found_without_operands(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code_spec spec = {0};
    set_ok(&spec, "family", "rkrp");
    set_ok(&spec, "partition", "3,1,3");
    set_ok(&spec, "tasks", "8");
    assert_fails(kofn_code_spec_check(&spec, f64(), &error), KOFN_INVALID_ARGUMENT);
    set_ok(&spec, "partition", "3,1,0"); // y is open: it may still fit
    assert_ok(kofn_code_spec_check(&spec, f64(), &error));
}

/* A spec from the wire is a struct that nobody has parsed. */
static void
sizes_from_a_hostile_struct_are_refused(void **state)
{
    (void)state;
    static const kofn_code_spec hostile[] = {
        {.family = "rkrp", .part = {.x = SIZE_MAX, .z = 1, .y = 1}, .tasks = 6},
        {.family = "rkrp", .part = {.x = 1, .z = SIZE_MAX, .y = 1}},
        {.family = "uncoded", .part = {.x = 1, .z = 1, .y = 65537}},
        {.family = "uncoded", .tasks = SIZE_MAX},
    };
    kofn_error error;
    kofn_code *code;
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        kofn_code_spec spec = hostile[i];
        assert_fails(kofn_code_spec_check(&spec, f64(), &error), KOFN_OUT_OF_RANGE);
        assert_fails(kofn_code_spec_build(&spec, f64(), &code, &error), KOFN_OUT_OF_RANGE);
    }
    /* Each part is in range, all together are not. */
    for (size_t i = 0; i < kofn_family_count(); i++) {
        kofn_code_spec spec = {.part = {.x = 65536, .z = 1, .y = 65536}, .tasks = 65536};
        set_ok(&spec, "family", kofn_family_at(i)->name);
        assert_true(kofn_code_spec_check(&spec, f64(), NULL) != KOFN_OK);
        assert_true(kofn_code_spec_build(&spec, f64(), &code, NULL) != KOFN_OK);
        spec.part.z = 65536;
        assert_true(kofn_code_spec_check(&spec, f64(), NULL) != KOFN_OK);
        spec.tasks = 0;
        const kofn_code_context context = {.field = f64(), .rows = 9, .inner = 9, .cols = 9};
        assert_true(kofn_code_spec_complete(&spec, &context, NULL) != KOFN_OK);
    }
}

/* ---- complete -------------------------------------------------------------------------------- */

typedef struct completion {
    const char *family, *partition; // NULL: open
    size_t tasks;
    size_t rows, inner, cols, workers;
    const char *expected; // "family x,z,y tasks"
} completion;

static void
expect_completion(const completion *c)
{
    kofn_error error;
    kofn_code_spec spec = {.tasks = c->tasks};
    if (c->family)
        set_ok(&spec, "family", c->family);
    if (c->partition)
        set_ok(&spec, "partition", c->partition);
    const kofn_code_context context = {.field = f64(),
                                       .rows = c->rows,
                                       .inner = c->inner,
                                       .cols = c->cols,
                                       .workers = c->workers,
                                       .whole_flops = 1e8};
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    char got[96];
    (void)snprintf(got, sizeof got, "%s %zu,%zu,%zu %zu", spec.family, spec.part.x, spec.part.z,
                   spec.part.y, spec.tasks);
    if (strcmp(got, c->expected) != 0)
        print_error("for %zu x %zu x %zu and %zu workers\n", c->rows, c->inner, c->cols,
                    c->workers);
    assert_string_equal(got, c->expected);
    assert_true(spec.has_seed);

    kofn_code *code; // what is complete can be built, and says so itself
    assert_ok(kofn_code_spec_check(&spec, f64(), &error));
    assert_ok(kofn_code_spec_build(&spec, f64(), &code, &error));
    assert_int_equal(code->tasks, spec.tasks);
    kofn_code_destroy(&code);
}

static void
what_is_open_is_chosen_for_product_and_workers(void **state)
{
    (void)state;
    static const completion all[] = {
        /* Small, or nobody to share with: whole. */
        {NULL, NULL, 0, 64, 64, 64, 6, "uncoded 1,1,1 1"},
        {"auto", NULL, 0, 64, 64, 64, 6, "uncoded 1,1,1 1"},
        {NULL, NULL, 0, 2000, 2000, 2000, 1, "uncoded 1,1,1 1"},
        {NULL, NULL, 0, 2000, 2000, 2000, 0, "uncoded 1,1,1 1"},
        /* One loss of a few workers, one in six of many; blocks stay square. */
        {NULL, NULL, 0, 2000, 2000, 2000, 2, "rkrp 1,1,1 2"},
        {NULL, NULL, 0, 2000, 2000, 2000, 3, "rkrp 1,1,2 3"},
        {NULL, NULL, 0, 2000, 2000, 2000, 4, "rkrp 1,1,3 4"},
        {NULL, NULL, 0, 2000, 2000, 2000, 5, "rkrp 2,1,2 5"},
        {NULL, NULL, 0, 2000, 2000, 2000, 6, "rkrp 2,1,2 6"},
        {NULL, NULL, 0, 2000, 2000, 2000, 8, "rkrp 2,1,3 8"},
        {NULL, NULL, 0, 2000, 2000, 2000, 20, "rkrp 4,1,4 20"},
        {NULL, NULL, 0, 2000, 2000, 2000, 100, "rkrp 9,1,9 100"},
        /* Long and narrow: only the long side is cut. */
        {NULL, NULL, 0, 100000, 500, 50, 6, "rkrp 5,1,1 6"},
        {NULL, NULL, 0, 50, 500, 100000, 6, "rkrp 1,1,5 6"},
        /* Never more parts than rows or columns. */
        {NULL, NULL, 0, 1, 100000000, 2, 20, "rkrp 1,1,2 4"},
        /* What is given stays. */
        {"rkrp", NULL, 0, 64, 64, 64, 6, "rkrp 2,1,2 6"},
        {"rkrp", NULL, 0, 64, 64, 64, 1, "rkrp 1,1,1 2"},
        {"rkrp", "2,1,2", 0, 64, 64, 64, 6, "rkrp 2,1,2 6"},
        {"rkrp", "2,1,2", 0, 64, 64, 64, 1, "rkrp 2,1,2 5"},
        {"rkrp", "2,1,2", 0, 64, 64, 64, 1000, "rkrp 2,1,2 8"},
        {"rkrp", "3,0,0", 0, 64, 64, 64, 8, "rkrp 3,1,2 8"},
        {"rkrp", NULL, 12, 64, 64, 64, 2, "rkrp 3,1,3 12"},
        {"polynomial", NULL, 0, 64, 64, 64, 6, "polynomial 2,1,2 6"},
        {"uncoded", NULL, 0, 64, 64, 64, 6, "uncoded 2,1,3 6"},
        {"uncoded", "0,2,0", 0, 64, 64, 64, 8, "uncoded 2,2,2 8"},
        {"uncoded", NULL, 4, 64, 64, 64, 1, "uncoded 2,1,2 4"},
        {"replication", NULL, 0, 64, 64, 64, 8, "replication 2,1,2 8"},
        {NULL, "2,1,2", 0, 64, 64, 64, 6, "rkrp 2,1,2 6"},
        {NULL, NULL, 6, 64, 64, 64, 6, "rkrp 2,1,2 6"},
        /* Families that cut the inner dimension: as far as workers, tasks and digits go. */
        {"matdot", NULL, 0, 64, 64, 64, 1, "matdot 1,1,1 2"},
        {"matdot", NULL, 0, 64, 64, 64, 8, "matdot 1,4,1 8"},
        {"matdot", NULL, 9, 64, 64, 64, 1, "matdot 1,4,1 9"},
        {"matdot", "1,0,1", 0, 64, 64, 64, 6, "matdot 1,3,1 6"},
        {"matdot", NULL, 0, 64, 3, 64, 20, "matdot 1,3,1 10"},
        {"orthomatdot", NULL, 0, 64, 64, 64, 20, "orthomatdot 1,9,1 20"},
        {"matdot", NULL, 0, 64, 200, 64, 100, "matdot 1,8,1 30"},
        {"eps_matdot", NULL, 0, 64, 64, 64, 4, "eps_matdot 1,3,1 4"},
        {"eps_matdot", NULL, 0, 64, 64, 64, 8, "eps_matdot 1,5,1 8"},
        {"eps_matdot", NULL, 0, 64, 64, 64, 1, "eps_matdot 1,1,1 2"},
        {"polydot", NULL, 0, 64, 64, 64, 8, "polydot 1,2,3 8"},
        {"polydot", NULL, 0, 10, 5000, 10, 8, "polydot 1,4,1 8"},
        {"polydot", "2,0,2", 0, 64, 64, 64, 12, "polydot 2,2,2 12"},
        {"polydot", "0,2,0", 0, 64, 64, 64, 12, "polydot 2,2,2 12"},
        {"orthopoly", NULL, 0, 64, 64, 64, 6, "orthopoly 2,1,2 6"},
        {"orthopoly", "2,0,2", 0, 64, 64, 64, 6, "orthopoly 2,1,2 6"},
        /* Empty. */
        {"matdot", NULL, 0, 0, 0, 0, 6, "matdot 1,1,1 2"},
        {"rkrp", NULL, 0, 0, 0, 0, 6, "rkrp 1,1,1 2"},
        {NULL, NULL, 0, 0, 5, 5, 6, "uncoded 1,1,1 1"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        expect_completion(&all[i]);
}

static void
a_code_left_open_is_planned_where_the_machine_is_known(void **state)
{
    (void)state;
    kofn_error error;
    kofn_plan_machine machine;
    kofn_plan plan;
    kofn_plan_query q;
    kofn_plan_machine_init(&machine, 6);
    kofn_code_context context = {.field = f64(),
                                 .rows = 3000,
                                 .inner = 3000,
                                 .cols = 3000,
                                 .workers = 6,
                                 .whole_flops = 1e8,
                                 .machine = &machine,
                                 .stragglers = 2};
    kofn_plan_query_init(&q, f64(), (kofn_shape){3000, 3000, 3000}, 6);
    q.stragglers = 2;
    q.seed = 9;
    assert_ok(kofn_plan_make(&q, &plan, &error));
    kofn_code_spec spec = {.has_seed = true, .seed = 9}, again = spec;
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    assert_memory_equal(&spec, &plan.rows[0].spec, sizeof spec);
    assert_ok(kofn_code_spec_complete(&again, &context, &error));
    assert_memory_equal(&spec, &again, sizeof spec);
    kofn_plan_fini(&plan);

    machine.link_rate = 1e3; // so slow that least data wins
    assert_ok(
        kofn_code_spec_complete((again = (kofn_code_spec){.seed = 9}, &again), &context, &error));
    assert_true(again.part.x != spec.part.x || again.part.y != spec.part.y ||
                again.part.z != spec.part.z);

    kofn_code_spec cut = {.part = {.x = 2, .z = 1, .y = 2}}; // not open altogether
    assert_ok(kofn_code_spec_complete(&cut, &context, &error));
    assert_true(cut.part.x == 2 && cut.part.y == 2);
    context.rows = 10; // small: whole, however it would be planned
    context.inner = context.cols = 10;
    kofn_code_spec small = {.seed = 9};
    assert_ok(kofn_code_spec_complete(&small, &context, &error));
    assert_string_equal(small.family, "uncoded");
    assert_int_equal(small.tasks, 1);
}

/* For rateless, by plan and by sizes; where no such family fits the plan stays. */
static void
a_code_left_open_can_have_fresh_rows_where_they_are_wanted(void **state)
{
    (void)state;
    static const char *const fields[] = {"f64", "gf256"};
    for (size_t i = 0; i < 4; i++) {
        kofn_error error;
        kofn_plan_machine machine;
        kofn_plan_machine_init(&machine, 12);
        const kofn_code_context context = {.field = kofn_field_find(fields[i % 2]),
                                           .rows = 3000,
                                           .inner = 3000,
                                           .cols = 3000,
                                           .workers = 12,
                                           .whole_flops = 1e8,
                                           .machine = i < 2 ? &machine : NULL,
                                           .stragglers = 2,
                                           .reserve = KOFN_RESERVE_ALWAYS};
        kofn_code_spec spec = {.has_seed = true, .seed = 9};
        assert_ok(kofn_code_spec_complete(&spec, &context, &error));
        if (!kofn_family_find(spec.family)->rateless || spec.reserve == 0)
            fail_msg("%s, reserve %zu, over %s", spec.family, spec.reserve, fields[i % 2]);
    }
}

static void
a_reserve_without_a_family_is_told_to_name_one(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_code_spec spec = {.reserve = 4};
    assert_fails(kofn_code_spec_check(&spec, f64(), &error), KOFN_INVALID_ARGUMENT);
    assert_string_equal(error.text,
                        "reserve=4 needs a family with fresh rows: name one, like alloy_global");
}

static void
a_finite_field_gets_a_family_that_works_there(void **state)
{
    (void)state;
    kofn_error error;
    kofn_field finite = *f64();
    finite.order = 256;
    kofn_code_spec spec = {0};
    const kofn_code_context context = {
        .field = &finite, .rows = 900, .inner = 900, .cols = 900, .workers = 6};
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    assert_string_equal(spec.family, "polynomial");
}

static void
a_complete_spec_stays_as_it_is_and_replays(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code_spec spec = {0}, again;
    const kofn_code_context context = {
        .field = f64(), .rows = 900, .inner = 900, .cols = 900, .workers = 6, .whole_flops = 1};
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    again = spec;
    assert_ok(kofn_code_spec_complete(&again, &context, &error));
    assert_memory_equal(&spec, &again, sizeof spec);

    kofn_code *first, *second;
    assert_ok(kofn_code_spec_build(&spec, f64(), &first, &error));
    assert_ok(kofn_code_spec_build(&again, f64(), &second, &error));
    for (size_t o = 0; o < 2; o++)
        assert_memory_equal(first->e[o].at, second->e[o].at,
                            first->tasks * first->e[o].cols * sizeof(double));
    kofn_code_destroy(&first);
    kofn_code_destroy(&second);
}

/* Pairs without a relation. */
static kofn_batch *
new_pairs(size_t count)
{
    kofn_error error;
    kofn_batch *batch;
    size_t blocks[128];
    assert_in_range(count, 0, sizeof blocks / sizeof blocks[0]);
    for (size_t i = 0; i < count; i++)
        blocks[i] = i;
    assert_ok(
        kofn_batch_new_stacked(count, count, count, blocks, blocks, NULL, f64(), &batch, &error));
    return batch;
}

static const char *
value_of(const kofn_code_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->set_count; i++)
        if (strcmp(spec->sets[i].name, name) == 0)
            return spec->sets[i].value;
    return "(not set)";
}

static void
a_complete_spec_names_every_parameter_in_one_spelling(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_code_context context = {
        .field = f64(), .rows = 900, .inner = 900, .cols = 900, .workers = 6, .whole_flops = 1};
    kofn_batch *batch = new_pairs(3);
    for (size_t i = 0; i < kofn_family_count(); i++) {
        const kofn_family *family = kofn_family_at(i);
        kofn_code_spec spec = {.batch = family->only_batches ? batch : NULL};
        set_ok(&spec, "family", family->name);
        assert_ok(kofn_code_spec_complete(&spec, &context, &error));
        assert_int_equal(spec.set_count, family->keys.count);
        for (size_t j = 0; j < family->keys.count; j++) {
            const char *fallback = family->keys.at[j].fallback;
            if (strcmp(fallback, "auto") == 0 || strcmp(fallback, "0") == 0)
                continue; // left to the family, which says what it took: test_eps, test_alloy
            assert_string_equal(value_of(&spec, family->keys.at[j].name),
                                strcmp(fallback, "yes") == 0 ? "true" : fallback);
        }
    }
    kofn_batch_destroy(&batch);

    kofn_code_spec one = {0}, other = {0};
    set_ok(&one, "family", "rkrp");
    set_ok(&one, "seed", "3");
    other = one;
    set_ok(&one, "draws", "4");
    set_ok(&one, "systematic", "OFF");
    set_ok(&other, "systematic", "no");
    set_ok(&other, "draws", "+4");
    assert_ok(kofn_code_spec_complete(&one, &context, &error));
    assert_ok(kofn_code_spec_complete(&other, &context, &error));
    assert_memory_equal(&one, &other, sizeof one);
    assert_string_equal(value_of(&one, "draws"), "4");
    assert_ok(kofn_code_spec_check(&one, f64(), &error));
}

static void
thresholds_are_told_of_a_spec_that_names_its_code(void **state)
{
    (void)state;
    kofn_error error;
    kofn_thresholds k;
    const kofn_field *field = kofn_field_find("f64");
    const kofn_code_spec spec = {.family = "eps_matdot", .part = {1, 3, 1}, .tasks = 4};
    assert_ok(kofn_code_spec_thresholds(&spec, field, &k, &error));
    assert_int_equal(k.exact, 5); // more than there are tasks
    assert_int_equal(k.enough, 3);
    for (int open = 0; open < 3; open++) {
        kofn_code_spec some = spec;
        if (open == 0)
            some.family[0] = '\0';
        else if (open == 1)
            some.part.z = 0;
        else
            some.tasks = 0;
        k = (kofn_thresholds){.exact = 7, .enough = 7};
        assert_ok(kofn_code_spec_thresholds(&some, field, &k, &error));
        assert_int_equal(k.exact + k.enough, 0);
    }
    kofn_code_spec wrong = spec;
    wrong.tasks = 2;
    k = (kofn_thresholds){.exact = 7, .enough = 7};
    assert_int_equal(kofn_code_spec_thresholds(&wrong, field, &k, &error), KOFN_INVALID_ARGUMENT);
    assert_int_equal(k.exact, 7);
}

static void
open_tasks_are_enough_for_the_product_where_it_is_asked_for(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_code_spec spec = {.family = "eps_matdot", .part = {1, 3, 1}};
    kofn_code_context context = {
        .field = kofn_field_find("f64"), .rows = 9, .inner = 9, .cols = 9, .workers = 4};
    kofn_code_spec promise = spec, exact = spec;
    assert_ok(kofn_code_spec_complete(&promise, &context, &error));
    assert_in_range(promise.tasks, 3, 4);
    context.exact = true;
    assert_ok(kofn_code_spec_complete(&exact, &context, &error));
    assert_in_range(exact.tasks, 6, 10); // 5, and some to lose
}

static void
an_incomplete_spec_is_not_built(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code *code = NULL;
    kofn_code_spec spec = {0};
    assert_fails(kofn_code_spec_build(&spec, f64(), &code, &error), KOFN_FAILED_PRECONDITION);
    set_ok(&spec, "family", "rkrp");
    set_ok(&spec, "partition", "2,1,2");
    assert_fails(kofn_code_spec_build(&spec, f64(), &code, &error), KOFN_FAILED_PRECONDITION);
    spec.tasks = 3;
    assert_fails(kofn_code_spec_build(&spec, f64(), &code, &error), KOFN_INVALID_ARGUMENT);
    assert_null(code);
}

static void
a_failed_completion_changes_nothing(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code_spec spec = {.family = "rkrp", .part = {.x = 3, .z = 1, .y = 0}, .tasks = 2};
    const kofn_code_spec before = spec;
    const kofn_code_context context = {
        .field = f64(), .rows = 64, .inner = 64, .cols = 64, .workers = 6};
    assert_fails(kofn_code_spec_complete(&spec, &context, &error), KOFN_INVALID_ARGUMENT);
    assert_memory_equal(&spec, &before, sizeof spec);
}

/* ---- batches --------------------------------------------------------------------------------- */

static void
a_batch_is_completed_for_its_pairs_and_the_workers(void **state)
{
    (void)state;
    kofn_error error;
    const struct {
        const char *family;
        size_t pairs, tasks, workers;
        const char *field, *expected;
        size_t expected_tasks;
    } cases[] = {
        {NULL, 3, 0, 8, "f64", "locality", 8},  // one each
        {NULL, 3, 0, 5, "f64", "locality", 6},  // one to lose
        {NULL, 8, 0, 8, "f64", "locality", 16}, // two each
        {NULL, 9, 0, 8, "f64", "uncoded", 9},   // more than two each
        {NULL, 1, 0, 1, "f64", "uncoded", 1},
        {NULL, 4, 9, 2, "f64", "locality", 9}, // uncoded has no task to spare
        {NULL, 4, 4, 9, "f64", "uncoded", 4},
        {NULL, 3, 0, 8, "gf4", "locality", 6}, // no points for more
        {NULL, 3, 0, 8, "gf16", "locality", 8},
        {"auto", 3, 0, 8, "f64", "locality", 8},
        {"lagrange", 9, 0, 1, "f64", "lagrange", 20},
        {"uncoded", 3, 0, 8, "f64", "uncoded", 3},
        {"replication", 3, 0, 8, "f64", "replication", 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const kofn_field *field = kofn_field_find(cases[i].field);
        const kofn_code_context context = {.field = field,
                                           .rows = 9,
                                           .inner = 9,
                                           .cols = 9,
                                           .workers = cases[i].workers,
                                           .whole_flops = 1e9}; // pairs do not go whole
        kofn_batch *batch = new_pairs(cases[i].pairs);
        kofn_code_spec spec = {.tasks = cases[i].tasks};
        kofn_code *code;
        if (cases[i].family)
            set_ok(&spec, "family", cases[i].family);
        assert_ok(kofn_code_spec_set_batch(&spec, batch, &error));
        assert_ok(kofn_code_spec_complete(&spec, &context, &error));
        if (strcmp(spec.family, cases[i].expected) != 0 || spec.tasks != cases[i].expected_tasks)
            fail_msg("case %zu: %s %zu, expected %s %zu", i, spec.family, spec.tasks,
                     cases[i].expected, cases[i].expected_tasks);
        assert_true(kofn_code_spec_is_complete(&spec));
        assert_int_equal(spec.part.x + spec.part.z + spec.part.y, 0);
        assert_ok(kofn_code_spec_build(&spec, field, &code, &error));
        assert_int_equal(code->pairs, cases[i].pairs);
        kofn_code_destroy(&code);
        kofn_batch_destroy(&batch);
    }
}

/* What is wrong with parameters is seen at once; what only a search for groups tells is not looked
 * for. */
static void
a_glance_takes_no_search(void **state)
{
    (void)state;
    kofn_error error;
    kofn_thresholds k = {.exact = 7};
    kofn_batch *batch = new_pairs(20);
    kofn_code_spec spec = {.tasks = 5, .batch = batch};
    set_ok(&spec, "family", "locality");
    assert_ok(kofn_code_spec_glance(&spec, f64(), &k, &error));
    assert_int_equal(k.exact, 0);
    assert_int_equal(kofn_groupings_count(batch->groupings), 0);
    assert_fails(kofn_code_spec_thresholds(&spec, f64(), &k, &error), KOFN_INVALID_ARGUMENT);
    assert_int_equal(kofn_groupings_count(batch->groupings), 1);
    set_ok(&spec, "construction", "star");
    assert_fails(kofn_code_spec_glance(&spec, f64(), &k, &error), KOFN_INVALID_ARGUMENT);
    kofn_code_spec other = {.tasks = 40, .batch = batch};
    set_ok(&other, "family", "lagrange");
    assert_ok(kofn_code_spec_glance(&other, f64(), &k, &error));
    assert_int_equal(k.exact, 39);
    other.tasks = 38;
    assert_fails(kofn_code_spec_glance(&other, f64(), &k, &error), KOFN_INVALID_ARGUMENT);
    kofn_batch_destroy(&batch);
}

static kofn_batch *
new_many_pairs(size_t count)
{
    kofn_error error;
    kofn_batch *batch;
    size_t *blocks = calloc(count, sizeof *blocks);
    for (size_t i = 0; i < count; i++)
        blocks[i] = i;
    assert_ok(
        kofn_batch_new_stacked(count, count, count, blocks, blocks, NULL, f64(), &batch, &error));
    free(blocks);
    return batch;
}

/* The pairs, what they take, what a job has, and what to do. */
static void
a_batch_beyond_what_a_job_can_have_is_told_so(void **state)
{
    (void)state;
    static const struct {
        const char *family;
        size_t pairs, tasks;
        const char *says[3];
    } cases[] = {
        {NULL, 1100, 0, {"1100 pairs of 1100 and 1100 blocks", "has room for", "send fewer pairs"}},
        {"locality", 1100, 0, {"1100 pairs", "has room for", "however many workers"}},
        {"rkrp", 300, 0, {"300 pairs take 90000 tasks", "has at most", "send fewer pairs"}},
        {"lagrange",
         900,
         40000,
         {"900 pairs take 40000 tasks", "has at most", "or ask for their sum"}},
        {"lagrange",
         900,
         1000,
         {"1000", "at least 2 k - 1 = 1799 for 900 pairs", "take more tasks"}},
        {"locality", 40, 30, {"tasks=30", "at least 40 for 40 pairs", "or fewer pairs"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_error error;
        const kofn_code_context context = {.field = f64(), .workers = 4};
        kofn_batch *batch = new_many_pairs(cases[i].pairs);
        kofn_code_spec spec = {.tasks = cases[i].tasks, .batch = batch};
        if (cases[i].family)
            set_ok(&spec, "family", cases[i].family);
        assert_true(kofn_code_spec_check(&spec, f64(), &error) != KOFN_OK);
        for (size_t s = 0; s < 3; s++)
            if (!strstr(error.text, cases[i].says[s]))
                fail_msg("case %zu: '%s' lacks '%s'", i, error.text, cases[i].says[s]);
        assert_true(kofn_code_spec_complete(&spec, &context, &error) != KOFN_OK);
        kofn_batch_destroy(&batch);
    }
    kofn_error error; // as many as fit are taken
    kofn_batch *batch = new_many_pairs(1000);
    kofn_code_spec spec = {.tasks = 2000, .batch = batch};
    set_ok(&spec, "family", "lagrange");
    assert_ok(kofn_code_spec_check(&spec, f64(), &error));
    kofn_batch_destroy(&batch);
}

static void
a_batch_has_no_partition(void **state)
{
    (void)state;
    kofn_error error;
    kofn_batch *batch = new_pairs(2);
    kofn_code_spec spec = {.part = {.z = 2}}, parts = {.parts = {.count = 2}};
    const kofn_code_context context = {.field = f64(), .rows = 9, .inner = 9, .cols = 9};
    assert_fails(kofn_code_spec_set_batch(&spec, batch, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_code_spec_set_batch(&parts, batch, &error), KOFN_INVALID_ARGUMENT);
    spec.batch = batch; // as one might come from the wire
    assert_fails(kofn_code_spec_check(&spec, f64(), &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_code_spec_complete(&spec, &context, &error), KOFN_INVALID_ARGUMENT);
    parts.batch = batch;
    assert_fails(kofn_code_spec_check(&parts, f64(), &error), KOFN_INVALID_ARGUMENT);
    kofn_batch_destroy(&batch);
}

static void
families_are_asked_for_forms_that_they_make(void **state)
{
    (void)state;
    kofn_error error;
    kofn_batch *batch = new_pairs(2);
    const kofn_code_context context = {
        .field = f64(), .rows = 9, .inner = 9, .cols = 9, .workers = 4};
    kofn_code_spec spec = {.batch = batch}, product = {0};
    set_ok(&spec, "family", "polynomial");
    assert_fails(kofn_code_spec_check(&spec, f64(), &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "no batches"));
    assert_fails(kofn_code_spec_complete(&spec, &context, &error), KOFN_INVALID_ARGUMENT);
    set_ok(&product, "family", "lagrange");
    assert_ok(kofn_code_spec_check(&product, f64(), &error)); // it may become a batch's
    assert_false(kofn_code_spec_is_complete(&product));
    assert_fails(kofn_code_spec_complete(&product, &context, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "batches of pairs only"));
    set_ok(&product, "partition", "2,1,2");
    assert_fails(kofn_code_spec_check(&product, f64(), &error), KOFN_INVALID_ARGUMENT);
    kofn_batch_destroy(&batch);
}

/* Two stages: all workers have a product, and what is coded is in the reserve. */
static void
in_two_stages_tasks_left_open_are_as_few_as_suffice(void **state)
{
    (void)state;
    kofn_error error;
    kofn_code_context context = {.field = kofn_field_find("f64"),
                                 .rows = 1000,
                                 .inner = 1000,
                                 .cols = 1000,
                                 .workers = 12,
                                 .reserve = KOFN_RESERVE_STAGED};
    kofn_code_spec spec = {0};
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    assert_string_equal(spec.family, "rkrp");
    assert_int_equal(spec.part.x * spec.part.y, 12);
    assert_int_equal(spec.part.z, 1);
    assert_int_equal(spec.tasks, 12);
    assert_int_equal(spec.reserve, 12);
    spec = (kofn_code_spec){.family = "polynomial"}; // whose coded tasks are among the n
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    assert_in_range(spec.part.x * spec.part.y, 8, 11);
    assert_int_equal(spec.tasks, 12);
    assert_int_equal(spec.reserve, 0);
    spec = (kofn_code_spec){.family = "rkrp", .part = {2, 1, 2}, .tasks = 6};
    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
    assert_int_equal(spec.tasks, 6); // as asked for
}

/* Any k of n answers suffice, and n >= k + 2 b, with no more tasks than workers where there are so
 * many. */
static void
what_is_open_leaves_room_for_answers_that_may_be_wrong(void **state)
{
    (void)state;
    static const char *const fields[] = {"f64", "gfp:257", "gf256"};
    static const char *const families[] = {"", "polynomial", "matdot", "polydot"};
    for (size_t f = 0; f < 3; f++)
        for (size_t family = 0; family < 4; family++)
            for (size_t liars = 1; liars <= 3; liars++)
                for (size_t workers = 0; workers <= 16; workers += 4) {
                    kofn_error error;
                    kofn_code *code = NULL;
                    kofn_code_spec spec = {.has_seed = true, .seed = 1};
                    const kofn_field *field = new_field(fields[f]);
                    const kofn_code_context context = {.field = field,
                                                       .rows = 500,
                                                       .inner = 500,
                                                       .cols = 500,
                                                       .workers = workers,
                                                       .whole_flops = 1e12,
                                                       .exact = true,
                                                       .liars = liars};
                    if (families[family][0])
                        set_ok(&spec, "family", families[family]);
                    assert_ok(kofn_code_spec_complete(&spec, &context, &error));
                    assert_ok(kofn_code_spec_build(&spec, field, &code, &error));
                    assert_true(kofn_code_is_certain(code));
                    assert_true(kofn_code_first_tasks(code) >= code->threshold + 2 * liars);
                    if (workers >= 2 * liars + 2)
                        assert_true(kofn_code_first_tasks(code) <= workers);
                    kofn_code_destroy(&code);
                    kofn_field_destroy(&field);
                }
    kofn_error error;
    kofn_code_spec fixed = {.has_seed = true, .seed = 1, .tasks = 5};
    const kofn_code_context context = {
        .field = f64(), .rows = 50, .inner = 50, .cols = 50, .workers = 9, .liars = 2};
    set_ok(&fixed, "family", "polynomial");
    set_ok(&fixed, "partition", "2,1,2");
    assert_ok(kofn_code_spec_complete(&fixed, &context, &error));
    assert_int_equal(fixed.tasks, 5); // as it is said
}

/* Of a cut that is given, with fewer workers than it takes answers: each gives several, also
 * without one of them. */
static void
open_tasks_are_as_many_as_the_workers_can_be_held_to(void **state)
{
    (void)state;
    static const struct {
        size_t workers, liars, tasks;
    } cases[] = {{9, 2, 9}, {8, 2, 12}, {7, 2, 12}, {6, 2, 20}, {5, 2, 20},
                 {4, 2, 9}, {0, 2, 9},  {3, 1, 12}, {4, 1, 12}, {6, 1, 8}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_error error;
        kofn_code_spec spec = {.has_seed = true, .seed = 1};
        const kofn_code_context context = {.field = f64(),
                                           .rows = 50,
                                           .inner = 50,
                                           .cols = 50,
                                           .workers = cases[i].workers,
                                           .exact = true,
                                           .liars = cases[i].liars};
        set_ok(&spec, "family", "polynomial");
        set_ok(&spec, "partition", "2,1,2");
        assert_ok(kofn_code_spec_complete(&spec, &context, &error));
        assert_int_equal(spec.tasks, cases[i].tasks);
        const size_t fewest = 2 * cases[i].liars + 1, left = cases[i].workers - 1; // one is lost
        if (cases[i].workers >= fewest)
            assert_true(kofn_liars_count_workers(spec.tasks, 4, cases[i].liars) <=
                        (left > fewest ? left : fewest));
    }
}

/* Of locality the threshold grows with the tasks, by less. */
static void
open_tasks_of_a_batch_leave_room_for_liars(void **state)
{
    (void)state;
    static const struct {
        size_t pairs, workers, liars;
        bool few; // for groups of so many
    } cases[] = {{3, 8, 1, false},     {3, 24, 2, false},  {8, 40, 2, false},
                 {60, 8, 1, false},    {128, 6, 1, false}, {128, 0, 1, true},
                 {128, 300, 1, false}, {16, 70, 2, false}, {1, 7, 3, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_error error;
        kofn_batch *batch = new_pairs(cases[i].pairs);
        kofn_code_spec spec = {.has_seed = true, .seed = 1};
        kofn_code *code;
        const kofn_code_context context = {.field = f64(),
                                           .rows = 9,
                                           .inner = 9,
                                           .cols = 9,
                                           .workers = cases[i].workers,
                                           .exact = true,
                                           .liars = cases[i].liars};
        set_ok(&spec, "family", "locality");
        assert_ok(kofn_code_spec_set_batch(&spec, batch, &error));
        assert_ok(kofn_code_spec_complete(&spec, &context, &error));
        assert_ok(kofn_code_spec_build(&spec, context.field, &code, &error));
        assert_ok(kofn_liars_check(code, cases[i].liars, &error));
        const size_t needed =
            kofn_liars_count_workers(code->tasks, code->threshold, cases[i].liars);
        assert_true((needed > cases[i].workers) == cases[i].few);
        kofn_code_destroy(&code);
        kofn_batch_destroy(&batch);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_tasks_are_as_many_as_the_workers_can_be_held_to),
        cmocka_unit_test(open_tasks_of_a_batch_leave_room_for_liars),
        cmocka_unit_test(each_key_is_parsed),
        cmocka_unit_test(malformed_values_are_refused_and_change_nothing),
        cmocka_unit_test(parameters_beyond_the_limit_are_refused),
        cmocka_unit_test(misspelt_names_get_the_nearest),
        cmocka_unit_test(parameters_are_checked_against_the_family),
        cmocka_unit_test(a_parameter_without_a_family_is_refused),
        cmocka_unit_test(a_reserve_is_for_families_with_fresh_rows),
        cmocka_unit_test(an_open_reserve_is_chosen_for_the_policy),
        cmocka_unit_test(a_reserve_is_no_larger_than_what_fits),
        cmocka_unit_test(an_impossible_threshold_is_found_without_operands),
        cmocka_unit_test(sizes_from_a_hostile_struct_are_refused),
        cmocka_unit_test(what_is_open_is_chosen_for_product_and_workers),
        cmocka_unit_test(a_code_left_open_can_have_fresh_rows_where_they_are_wanted),
        cmocka_unit_test(a_reserve_without_a_family_is_told_to_name_one),
        cmocka_unit_test(a_code_left_open_is_planned_where_the_machine_is_known),
        cmocka_unit_test(a_finite_field_gets_a_family_that_works_there),
        cmocka_unit_test(a_complete_spec_stays_as_it_is_and_replays),
        cmocka_unit_test(a_complete_spec_names_every_parameter_in_one_spelling),
        cmocka_unit_test(thresholds_are_told_of_a_spec_that_names_its_code),
        cmocka_unit_test(open_tasks_are_enough_for_the_product_where_it_is_asked_for),
        cmocka_unit_test(an_incomplete_spec_is_not_built),
        cmocka_unit_test(a_failed_completion_changes_nothing),
        cmocka_unit_test(a_batch_is_completed_for_its_pairs_and_the_workers),
        cmocka_unit_test(a_glance_takes_no_search),
        cmocka_unit_test(a_batch_beyond_what_a_job_can_have_is_told_so),
        cmocka_unit_test(a_batch_has_no_partition),
        cmocka_unit_test(families_are_asked_for_forms_that_they_make),
        cmocka_unit_test(in_two_stages_tasks_left_open_are_as_few_as_suffice),
        cmocka_unit_test(what_is_open_leaves_room_for_answers_that_may_be_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
