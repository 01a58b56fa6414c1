/* Locality codes: every loss that is promised decodes, and to what. */
#include "common/code/locality.h"
#include "common/code/decoder.h"
#include "common/code/grouping.h"
#include "tests/unit/batch_brute.h"

static kofn_code *
build(const kofn_batch *batch, const kofn_field *field, kofn_grouping_choice choice,
      bool systematic, size_t tasks)
{
    kofn_error error;
    kofn_code *code = NULL;
    const kofn_locality_params params = {.construction = (int)choice, .systematic = systematic};
    kofn_family_args args = {.field = field, .tasks = tasks, .seed = 1, .params = &params};
    kofn_family_args_set_batch(&args, batch);
    assert_ok(kofn_family_build(&kofn_locality_family, &args, &code, &error));
    return code;
}

/* The decoder's word on these answers; in the reals `ret_growth` how much errors grow. */
static bool
decodes(kofn_code *code, const size_t *tasks, size_t count, double *ret_growth)
{
    kofn_error error;
    kofn_decoder *d;
    kofn_decode_plan plan;
    assert_ok(kofn_decoder_new(code, INFINITY, &d, &error));
    for (size_t i = 0; i < count; i++)
        assert_ok(kofn_decoder_add(d, tasks[i], &error));
    const bool does = kofn_decoder_get_state(d) == KOFN_DECODE_EXACT;
    if (does && ret_growth) {
        assert_ok(kofn_decoder_plan(d, 0x1p-53, &plan, &error));
        *ret_growth = fmax(*ret_growth, plan.quality.amplification);
        kofn_decode_plan_fini(&plan);
    }
    kofn_decoder_destroy(&d);
    return does;
}

/* All sets of `threshold` tasks, or `most` random ones; brute force says the same of some. */
static void
check_losses(kofn_code *code, size_t most, kofn_rng *rng)
{
    const size_t n = code->tasks, k = code->threshold;
    size_t order[KOFN_TASKS_MAX / 64];
    double growth = 0;
    assert_true(n < 64);
    size_t sets = 0;
    for (uint64_t mask = 0; n < 16 && mask < (uint64_t)1 << n; mask++) {
        if ((size_t)__builtin_popcountll(mask) != k)
            continue;
        const size_t count = list_mask(mask, order);
        if (!decodes(code, order, count, &growth))
            fail_msg("n=%zu k=%zu: mask %#" PRIx64 " does not decode", n, k, mask);
        if (sets++ % 64 == 0)
            assert_true(brute_suffices(code, order, count));
    }
    for (; n >= 16 && sets < most; sets++) {
        for (size_t i = 0; i < n; i++)
            order[i] = i;
        shuffle(rng, order, n);
        assert_true(decodes(code, order, k, &growth));
        if (sets % 64 == 0)
            assert_true(brute_suffices(code, order, k));
    }
}

static void
draw_batch(brute_batch *b, const kofn_field *field, size_t sums, size_t pairs, kofn_rng *rng)
{
    const uint64_t numbers = field->order == 0 ? 3 : (uint64_t)field->order - 1;
    *b = (brute_batch){.field = field, .pairs = pairs};
    for (size_t j = 0; j < 2; j++)
        b->blocks[j] = 1 + kofn_rng_below(rng, 4);
    b->targets = kofn_rng_below(rng, 3) ? b->pairs : 1 + kofn_rng_below(rng, 2);
    for (size_t i = 0; i < b->pairs; i++) {
        for (size_t j = 0; j < 2; j++) {
            const size_t terms = sums && kofn_rng_below(rng, sums) == 0 ? 2 : 1;
            for (size_t t = 0; t < terms; t++)
                b->side[j][i][kofn_rng_below(rng, b->blocks[j])] =
                    1 + (double)kofn_rng_below(rng, sums ? numbers : 1);
        }
        b->weight[i % b->targets][i] = 1 + (double)kofn_rng_below(rng, numbers);
    }
}

static void
check_field(const char *name, size_t batches)
{
    kofn_rng rng;
    kofn_error error;
    const kofn_field *f = new_field(name);
    kofn_rng_init(&rng, test_seed(20261122), 1);
    for (size_t i = 0; i < batches; i++) {
        brute_batch b;
        draw_batch(&b, f, i % 3, 1 + kofn_rng_below(&rng, 7), &rng);
        kofn_batch *batch = new_brute_batch(&b);
        if (!batch)
            continue;
        for (int choice = KOFN_GROUPING_AUTO; choice <= KOFN_GROUPING_GRID; choice++)
            for (size_t spare = 0; spare <= 3; spare++) {
                kofn_grouping g;
                const kofn_grouping_params params = {.batch = batch,
                                                     .field = f,
                                                     .choice = (kofn_grouping_choice)choice,
                                                     .exact = KOFN_GROUPING_EXACT};
                if (kofn_grouping_init(&g, &params, spare, &error))
                    continue; // too few points
                for (int systematic = 0; systematic < 2; systematic++) {
                    kofn_code *code = build(batch, f, params.choice, systematic, g.tasks);
                    assert_int_equal(code->threshold, g.tasks - spare);
                    check_losses(code, 200, &rng);
                    kofn_code_destroy(&code);
                }
                kofn_grouping_fini(&g);
            }
        kofn_batch_destroy(&batch);
    }
    kofn_field_destroy(&f);
}

static void
every_loss_that_is_promised_decodes_in_the_reals(void **state)
{
    (void)state;
    check_field("f64", 12);
}

static void
every_loss_that_is_promised_decodes_in_finite_fields(void **state)
{
    (void)state;
    check_field("gf256", 8);
    check_field("gfp:11", 8);
    check_field("gf4", 8);
    check_field("gfp:2", 4);
    check_field("gfp:2147483647", 4);
}

/* Curves that need fewer answers than there are columns: nothing but the degree makes them
 * decode. */
static void
degrees_are_what_theorem_1_says(void **state)
{
    (void)state;
    static const struct {
        const char *pairs;
        size_t answers;
    } curves[] = {
        {"00 11 22 33", 7},                    // all differ
        {"00 10 11 21 22 32 33 03", 13},       // figure 2
        {"00 10 11 21 22 32 33 43 44 04", 17}, // a larger circle
        {"00 01 12 13 24 25", 10},             // one coordinate
        {"00 01 02 13 14 15 26 27 28", 15},    // three times each
        {"00 01 02 13 14 15 16 27 28 29", 17}, // three times at least
    };
    static const char *const names[] = {"f64", "gf256", "gfp:23"};
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(3), 2);
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++)
        for (size_t n = 0; n < 3; n++)
            for (size_t spare = 0; spare <= 3; spare++)
                for (int systematic = 0; systematic < 2; systematic++) {
                    brute_batch b;
                    const kofn_field *f = new_field(names[n]);
                    write_pairs(&b, f, curves[i].pairs, false);
                    kofn_batch *batch = new_brute_batch(&b);
                    const size_t tasks = curves[i].answers + spare;
                    kofn_code *code = build(batch, f, KOFN_GROUPING_CURVE, systematic, tasks);
                    assert_int_equal(code->threshold, curves[i].answers);
                    check_losses(code, 300, &rng);
                    kofn_code_destroy(&code);
                    kofn_batch_destroy(&batch);
                    kofn_field_destroy(&f);
                }
}

/* Five pairs, the last of each side a sum of the four others, by other numbers in each: 2 k - 3.
 * When only the left ones depend on each other, 2 k - 2. */
static void
dependent_pairs_need_an_answer_fewer_in_each_coordinate(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(5), 4);
    for (size_t n = 0; n < 3; n++)
        for (size_t trial = 0; trial < 12; trial++) {
            const kofn_field *f = new_field(((const char *[]){"f64", "gf256", "gfp:13"})[n]);
            const bool both = trial % 2, systematic = trial / 2 % 2;
            const size_t spare = trial / 4;
            brute_batch b = {
                .field = f, .pairs = 5, .blocks = {4, both ? 4 : 5}, .targets = 5, .side = {{{0}}}};
            for (size_t i = 0; i < 5; i++) {
                b.weight[i][i] = 1;
                for (size_t j = 0; j < 2; j++)
                    for (size_t c = 0; c < b.blocks[j]; c++) {
                        const double number = 1 + (double)kofn_rng_below(&rng, 12);
                        b.side[j][i][c] = i < b.blocks[j] ? i == c : number;
                    }
            }
            kofn_batch *batch = new_brute_batch(&b);
            const size_t answers = both ? 7 : 8;
            kofn_code *code = build(batch, f, KOFN_GROUPING_CURVE, systematic, answers + spare);
            assert_int_equal(code->threshold, answers);
            check_losses(code, 300, &rng);
            kofn_code_destroy(&code);
            kofn_batch_destroy(&batch);
            kofn_field_destroy(&f);
        }
}

/* Sides that are alike but for 1e-14 of one block, which is all of their difference. */
static void
nothing_is_promised_by_a_dependency_that_nearly_holds(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("f64");
    brute_batch b = {.field = f, .pairs = 2, .blocks = {2, 2}, .targets = 2};
    const double left[2][2] = {{1, 1e-14}, {1, 2e-14}};
    for (size_t i = 0; i < 2; i++) {
        memcpy(b.side[0][i], left[i], sizeof left[i]);
        b.side[1][i][i] = b.weight[i][i] = 1;
    }
    kofn_batch *batch = new_brute_batch(&b);
    for (size_t tasks = 2; tasks < 8; tasks++) {
        kofn_code *code = build(batch, f, KOFN_GROUPING_AUTO, true, tasks);
        for (size_t mask = 0; mask < (size_t)1 << tasks; mask++) {
            size_t order[8];
            const size_t count = list_mask(mask, order);
            if (count < code->threshold)
                continue;
            if (!decodes(code, order, count, NULL))
                fail_msg("n=%zu k=%zu: mask %#zx does not decode", tasks, code->threshold, mask);
        }
        kofn_code_destroy(&code);
    }
    kofn_batch_destroy(&batch);
}

/* 40 pairs on 12 + 12 blocks, in several groups: random losses, some of them all in one. */
static void
larger_batches_lose_what_they_may(void **state)
{
    (void)state;
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(6), 5);
    for (size_t n = 0; n < 2; n++) {
        const kofn_field *f = new_field(n ? "gf256" : "f64");
        for (size_t spare = 1; spare <= 3; spare++) {
            size_t left[40], right[40];
            kofn_batch *batch;
            kofn_grouping g;
            for (size_t i = 0; i < 40; i++) {
                left[i] = kofn_rng_below(&rng, 12);
                right[i] = kofn_rng_below(&rng, 12);
            }
            assert_ok(kofn_batch_new_stacked(12, 12, 40, left, right, NULL, f, &batch, &error));
            const kofn_grouping_params params = {
                .batch = batch, .field = f, .exact = KOFN_GROUPING_EXACT};
            assert_ok(kofn_grouping_init(&g, &params, spare, &error));
            kofn_code *code = build(batch, f, KOFN_GROUPING_AUTO, true, g.tasks);
            assert_int_equal(code->threshold, g.tasks - spare);
            for (size_t trial = 0; trial < 60; trial++) {
                size_t order[256], kept = 0, lost = 0;
                const size_t group = kofn_rng_below(&rng, g.count);
                for (size_t i = 0; i < code->tasks; i++)
                    order[i] = i;
                shuffle(&rng, order, code->tasks);
                for (size_t i = 0; i < code->tasks; i++) {
                    const bool own =
                        trial % 2 || g.count == 1 || kofn_code_get_group(code, order[i]) == group;
                    if (own && lost < spare)
                        lost++;
                    else
                        order[kept++] = order[i];
                }
                assert_int_equal(kept, code->threshold);
                assert_true(decodes(code, order, kept, NULL));
            }
            kofn_grouping_fini(&g);
            kofn_code_destroy(&code);
            kofn_batch_destroy(&batch);
        }
        kofn_field_destroy(&f);
    }
}

/* Answers in some order, leaving out what is said not to help: the others do it, and of a group
 * that has what it gives nothing more is wanted. */
static void
check_help(kofn_code *code, kofn_rng *rng, size_t *left_out)
{
    kofn_error error;
    size_t order[64], rest[64], count = 0;
    kofn_decoder *d;
    assert_ok(kofn_decoder_new(code, INFINITY, &d, &error));
    for (size_t i = 0; i < code->tasks; i++)
        order[i] = i;
    shuffle(rng, order, code->tasks);
    for (size_t i = 0; i < code->tasks && kofn_decoder_get_state(d) == KOFN_DECODE_NOT_YET; i++) {
        count = 0;
        for (size_t task = 0; task < code->tasks; task++)
            if (kofn_decoder_has(d, task) || kofn_decoder_would_help(d, task))
                rest[count++] = task;
        assert_true(brute_suffices(code, rest, count));
        if (kofn_decoder_would_help(d, order[i]))
            assert_ok(kofn_decoder_add(d, order[i], &error));
        else
            ++*left_out;
    }
    assert_int_equal(kofn_decoder_get_state(d), KOFN_DECODE_EXACT);
    kofn_decoder_destroy(&d);
}

static size_t
check_help_of_many(const kofn_field *f, kofn_rng *rng)
{
    kofn_error error;
    size_t left_out = 0;
    for (size_t i = 0; i < 200; i++) {
        brute_batch b;
        kofn_grouping g;
        draw_batch(&b, f, i % 3, 4 + kofn_rng_below(rng, 7), rng);
        kofn_batch *batch = new_brute_batch(&b);
        if (!batch)
            continue;
        const kofn_grouping_params params = {
            .batch = batch, .field = f, .exact = KOFN_GROUPING_EXACT};
        assert_ok(kofn_grouping_init(&g, &params, 1, &error));
        kofn_code *code = build(batch, f, KOFN_GROUPING_AUTO, i % 2, g.tasks);
        kofn_grouping_fini(&g);
        check_help(code, rng, &left_out);
        kofn_code_destroy(&code);
        kofn_batch_destroy(&batch);
    }
    return left_out;
}

/* With the second seed there is a set over the reals, fewer answers than the threshold, whose rows
 * one by one are taken for dependent. */
static void
tasks_of_groups_that_are_complete_do_not_help(void **state)
{
    (void)state;
    static const char *const names[] = {"f64", "gf256", "gfp:5"};
    static const uint64_t seeds[] = {4, 8};
    for (size_t s = 0; s < 2; s++) {
        kofn_rng rng;
        kofn_rng_init(&rng, test_seed(seeds[s]), 3);
        for (size_t n = 0; n < 3; n++) {
            const kofn_field *f = new_field(names[n]);
            const size_t left_out = check_help_of_many(f, &rng);
            print_message("%s: %zu tasks were not wanted\n", names[n], left_out);
            assert_in_range(left_out, 8, 10000);
            kofn_field_destroy(&f);
        }
    }
}

/* Two pairs of one star, and one that has nothing to do with them: its third copy is not wanted
 * when the first is there, nor the star's mixture when both pairs are. */
static void
groups_are_complete_when_they_have_what_they_give(void **state)
{
    (void)state;
    kofn_error error;
    brute_batch b;
    kofn_decoder *d;
    write_pairs(&b, kofn_field_find("f64"), "00 01 12", false);
    kofn_batch *batch = new_brute_batch(&b);
    kofn_code *code = build(batch, b.field, KOFN_GROUPING_AUTO, true, 5);
    assert_int_equal(code->groups, 2);
    for (size_t task = 0; task < 5; task++) // pairs first, then mixtures and copies in turn
        assert_int_equal(kofn_code_get_group(code, task), ((size_t[]){0, 0, 1, 0, 1})[task]);
    assert_int_equal(kofn_code_get_group_threshold(code, 0), 2);
    assert_int_equal(kofn_code_get_group_threshold(code, 1), 1);
    assert_int_equal(kofn_code_next_of_group(code, 0, 2), 3);
    assert_int_equal(kofn_code_next_of_group(code, 0, 4), SIZE_MAX);
    assert_ok(kofn_decoder_new(code, 0, &d, &error));
    assert_ok(kofn_decoder_add(d, 4, &error));
    assert_false(kofn_decoder_would_help(d, 2));
    assert_true(kofn_decoder_would_help(d, 3));
    assert_ok(kofn_decoder_add(d, 3, &error));
    assert_true(kofn_decoder_would_help(d, 0));
    assert_true(kofn_decoder_would_suffice(d, (size_t[]){1}, 1));
    assert_false(kofn_decoder_would_suffice(d, (size_t[]){2}, 1));
    kofn_decoder_destroy(&d);
    kofn_code_destroy(&code);
    kofn_batch_destroy(&batch);
}

/* At nodes in their order it would be 5e5: the last tasks of a curve without plain rows. */
static void
the_last_tasks_of_a_curve_are_not_missed(void **state)
{
    (void)state;
    enum { ANSWERS = 15, SPARE = 4 };
    brute_batch b;
    size_t order[ANSWERS + SPARE];
    const kofn_field *f = kofn_field_find("f64");
    write_pairs(&b, f, "00 11 22 33 44 55 66 77", false);
    kofn_batch *batch = new_brute_batch(&b);
    kofn_code *code = build(batch, f, KOFN_GROUPING_CURVE, false, ANSWERS + SPARE);
    for (size_t task = 0; task < ANSWERS + SPARE; task++)
        order[task] = task;
    for (size_t first = 0; first <= SPARE; first += SPARE) {
        double growth = 0;
        assert_true(decodes(code, order + first, ANSWERS, &growth));
        assert_at_most(growth, 50);
    }
    kofn_code_destroy(&code);
    kofn_batch_destroy(&batch);
}

static int
compare_growths(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Growth from all tasks but those in `lost`, which ascend. */
static double
get_growth(kofn_code *code, const size_t *lost, size_t count)
{
    size_t kept[64], keeps = 0;
    double growth = 0;
    for (size_t task = 0, next = 0; task < code->tasks; task++)
        if (next < count && lost[next] == task)
            next++;
        else
            kept[keeps++] = task;
    assert_true(decodes(code, kept, keeps, &growth));
    return growth;
}

/* Median and worst growth over all sets of as few tasks as suffice; how many there are. */
static size_t
measure(const kofn_batch *batch, kofn_grouping_choice choice, size_t tasks, double *ret_median,
        double *ret_worst)
{
    enum { SETS_MAX = 50000, SPARE_MAX = 4 };
    static double seen[SETS_MAX];
    kofn_code *code = build(batch, kofn_field_find("f64"), choice, true, tasks);
    const size_t spare = tasks - code->threshold;
    size_t lost[SPARE_MAX + 1] = {0}, sets = 0, at;
    assert_true(spare <= SPARE_MAX);
    for (size_t i = 0; i < spare; i++)
        lost[i] = i;
    do {
        assert_true(sets < SETS_MAX);
        seen[sets++] = get_growth(code, lost, spare);
        for (at = spare; at > 0 && lost[at - 1] == tasks - spare + at - 1;)
            at--;
        if (at > 0)
            lost[at - 1]++;
        for (size_t i = at; at > 0 && i < spare; i++)
            lost[i] = lost[i - 1] + 1;
    } while (at > 0);
    qsort(seen, sets, sizeof *seen, compare_growths);
    *ret_median = seen[sets / 2];
    *ret_worst = seen[sets - 1];
    kofn_code_destroy(&code);
    return sets;
}

static void
errors_grow_as_the_header_says(void **state)
{
    (void)state;
    static const char distinct8[] = "00 11 22 33 44 55 66 77",
                      circle[] = "00 10 11 21 22 32 33 43 44 54 55 65 66 76 77 07",
                      grid[] = "00 01 02 03 10 11 12 13 20 21 22 23 30 31 32 33";
    static const struct {
        const char *pairs; // NULL: 3M
        kofn_grouping_choice choice;
        size_t answers, spare;
        double median, worst; // at most
    } claims[] = {
        {distinct8, KOFN_GROUPING_CURVE, 15, 0, 1, 1},
        {distinct8, KOFN_GROUPING_CURVE, 15, 1, 12, 150},
        {distinct8, KOFN_GROUPING_CURVE, 15, 2, 20, 3000},
        {distinct8, KOFN_GROUPING_CURVE, 15, 4, 40, 5e5},
        {circle, KOFN_GROUPING_CURVE, 29, 1, 25, 400},
        {circle, KOFN_GROUPING_CURVE, 29, 2, 40, 3e4},
        {circle, KOFN_GROUPING_CURVE, 29, 4, 80, 3e7},
        {grid, KOFN_GROUPING_GRID, 16, 1, 30, 100},
        {grid, KOFN_GROUPING_GRID, 16, 2, 35, 1500},
        {grid, KOFN_GROUPING_GRID, 16, 4, 50, 1e5},
        {NULL, KOFN_GROUPING_CURVE, 3, 1, 8, 12},
        {NULL, KOFN_GROUPING_CURVE, 3, 2, 8, 20},
        {NULL, KOFN_GROUPING_CURVE, 3, 4, 10, 400},
    };
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        double median, worst;
        brute_batch b;
        if (claims[i].pairs)
            write_pairs(&b, kofn_field_find("f64"), claims[i].pairs, false);
        else
            write_3m(&b, kofn_field_find("f64"));
        kofn_batch *batch = new_brute_batch(&b);
        const size_t sets =
            measure(batch, claims[i].choice, claims[i].answers + claims[i].spare, &median, &worst);
        print_message("%zu pairs, %zu spare, %zu sets: median %.3g, worst %.3g\n", b.pairs,
                      claims[i].spare, sets, median, worst);
        assert_at_most(median, claims[i].median);
        assert_at_most(worst, claims[i].worst);
        kofn_batch_destroy(&batch);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(degrees_are_what_theorem_1_says),
        cmocka_unit_test(every_loss_that_is_promised_decodes_in_the_reals),
        cmocka_unit_test(every_loss_that_is_promised_decodes_in_finite_fields),
        cmocka_unit_test(dependent_pairs_need_an_answer_fewer_in_each_coordinate),
        cmocka_unit_test(nothing_is_promised_by_a_dependency_that_nearly_holds),
        cmocka_unit_test(larger_batches_lose_what_they_may),
        cmocka_unit_test(the_last_tasks_of_a_curve_are_not_missed),
        cmocka_unit_test(errors_grow_as_the_header_says),
        cmocka_unit_test(tasks_of_groups_that_are_complete_do_not_help),
        cmocka_unit_test(groups_are_complete_when_they_have_what_they_give),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
