/* Groupings against all partitions of the pairs, and what single sets need against the
 * definitions. */
#include "common/code/grouping.h"
#include "common/code/grouping_search.h"
#include "tests/unit/batch_brute.h"

/* What subsets of the pairs need, and the points that a finite field must have for them. */
typedef struct brute_costs {
    size_t answers[1 << BRUTE_PAIRS / 2], points[1 << BRUTE_PAIRS / 2];
} brute_costs;

/* The fewest tasks of all partitions of the pairs in `mask`, by trying them. */
static size_t
brute_tasks(const kofn_field *f, const brute_costs *costs, size_t spare, size_t mask)
{
    if (mask == 0)
        return 0;
    const size_t lowest = mask & -mask, rest = mask ^ lowest;
    size_t best = SIZE_MAX;
    for (size_t sub = rest;; sub = (sub - 1) & rest) {
        const size_t of = sub | lowest, tasks = costs->answers[of] + spare;
        const size_t points = tasks > costs->points[of] ? tasks : costs->points[of];
        if (f->order == 0 || costs->answers[of] == 1 || (double)points <= f->order) {
            const size_t all = tasks + brute_tasks(f, costs, spare, mask ^ of);
            best = all < best ? all : best;
        }
        if (sub == 0)
            return best;
    }
}

static kofn_grouping
group(const kofn_batch *batch, const kofn_field *field, kofn_grouping_choice choice, size_t exact,
      size_t spare)
{
    kofn_error error;
    kofn_grouping g;
    const kofn_grouping_params params = {
        .batch = batch, .field = field, .choice = choice, .exact = exact};
    assert_ok(kofn_grouping_init(&g, &params, spare, &error));
    return g;
}

/* Each pair once, numbers that add up, and each group costs what the definitions say. */
static void
check_grouping(const brute_batch *b, const kofn_grouping *g, size_t spare)
{
    size_t seen = 0, tasks = 0;
    for (size_t k = 0; k < g->count; k++) {
        size_t mask = 0;
        for (size_t i = 0; i < g->at[k].count; i++)
            mask |= (size_t)1 << g->pair[g->at[k].first + i];
        assert_int_equal(seen & mask, 0);
        seen |= mask;
        size_t points;
        assert_int_equal(g->at[k].answers, brute_answers(b, mask, &points));
        tasks += g->at[k].answers + spare;
    }
    assert_int_equal(seen, ((size_t)1 << b->pairs) - 1);
    assert_int_equal(g->tasks, tasks);
    assert_int_equal(g->spare, spare);
}

/* Random pairs on a grid of blocks; one side in `sums` is a sum of two; targets of several
 * pairs. */
static void
draw_batch(brute_batch *b, const kofn_field *field, size_t sums, kofn_rng *rng)
{
    const uint64_t numbers = field->order == 0 ? 3 : (uint64_t)field->order - 1;
    *b = (brute_batch){.field = field, .pairs = 1 + kofn_rng_below(rng, 7)};
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
check_random(const char *name, size_t sums, size_t batches)
{
    kofn_rng rng;
    const kofn_field *f = new_field(name);
    size_t least = 0, found = 0;
    kofn_rng_init(&rng, test_seed(20261122), sums);
    for (size_t n = 0; n < batches; n++) {
        brute_batch b;
        draw_batch(&b, f, sums, &rng);
        kofn_batch *batch = new_brute_batch(&b);
        if (!batch)
            continue;
        brute_costs costs;
        for (size_t mask = 1; mask < (size_t)1 << b.pairs; mask++)
            costs.answers[mask] = brute_answers(&b, mask, &costs.points[mask]);
        for (size_t spare = 0; spare <= 4; spare++) {
            const size_t best = brute_tasks(f, &costs, spare, ((size_t)1 << b.pairs) - 1);
            kofn_grouping g = group(batch, f, KOFN_GROUPING_AUTO, KOFN_GROUPING_EXACT, spare);
            check_grouping(&b, &g, spare);
            assert_int_equal(g.tasks, best);
            kofn_grouping_fini(&g);
            g = group(batch, f, KOFN_GROUPING_AUTO, 0, spare); // by search alone
            check_grouping(&b, &g, spare);
            assert_in_range(g.tasks, best, b.pairs * (1 + spare));
            least += best;
            found += g.tasks;
            kofn_grouping_fini(&g);
        }
        kofn_batch_destroy(&batch);
    }
    print_message("%s: %zu tasks by search, %zu are least\n", name, found, least);
    assert_in_range(found, least, least + least / 50);
    kofn_field_destroy(&f);
}

static void
no_partition_of_single_blocks_needs_fewer_tasks(void **state)
{
    (void)state;
    check_random("f64", 0, 60);
    check_random("gf256", 0, 60);
    check_random("gfp:5", 0, 60); // few points
    check_random("gfp:2", 0, 30);
}

static void
no_partition_of_sums_of_blocks_needs_fewer_tasks(void **state)
{
    (void)state;
    check_random("f64", 2, 60);
    check_random("gf256", 2, 60);
    check_random("gf4", 2, 60);
    check_random("gfp:2147483647", 2, 30);
}

static size_t
tasks_of(const char *pairs, bool sum, kofn_grouping_choice choice, size_t spare)
{
    brute_batch b;
    write_pairs(&b, kofn_field_find("f64"), pairs, sum);
    kofn_batch *batch = new_brute_batch(&b);
    kofn_grouping g = group(batch, b.field, choice, KOFN_GROUPING_EXACT, spare);
    const size_t tasks = g.tasks;
    kofn_grouping_fini(&g);
    kofn_batch_destroy(&batch);
    return tasks;
}

/* The paper's figure 2, as one circle through all blocks or as two: Theorem 1 says 13 + s. */
static void
figure_2_takes_what_the_header_says(void **state)
{
    (void)state;
    static const char circle[] = "00 10 11 21 22 32 33 03", two[] = "00 01 10 11 22 23 32 33";
    static const size_t least[2][6] = {{8, 12, 15, 16, 17, 18}, {8, 10, 12, 14, 16, 18}};
    for (size_t s = 0; s < 6; s++) {
        assert_int_equal(tasks_of(circle, false, KOFN_GROUPING_CURVE, s), 13 + s);
        assert_int_equal(tasks_of(two, false, KOFN_GROUPING_CURVE, s), 13 + s);
        assert_int_equal(tasks_of(circle, false, KOFN_GROUPING_GRID, s), 16 + s);
        assert_int_equal(tasks_of(circle, false, KOFN_GROUPING_ALONE, s), 8 * (1 + s));
        assert_int_equal(tasks_of(circle, false, KOFN_GROUPING_AUTO, s), least[0][s]);
        assert_int_equal(tasks_of(two, false, KOFN_GROUPING_AUTO, s), least[1][s]);
    }
}

static void
stars_and_grids_need_an_answer_a_pair(void **state)
{
    (void)state;
    for (size_t s = 1; s < 6; s++) {
        assert_int_equal(tasks_of("00 01 02 03 04", false, KOFN_GROUPING_AUTO, s), 5 + s);
        assert_int_equal(tasks_of("00 01 02 10 11 12", false, KOFN_GROUPING_AUTO, s), 6 + s);
    }
}

static void
sums_are_factored_before_they_are_coded(void **state)
{
    (void)state;
    for (size_t s = 1; s < 6; s++) { // (A0 + A1) (B0 + B1); A0 (B0 + B1) + A2 B2
        assert_int_equal(tasks_of("00 01 10 11", true, KOFN_GROUPING_AUTO, s), 1 + s);
        assert_int_equal(tasks_of("00 01 22", true, KOFN_GROUPING_CURVE, s), 3 + s);
    }
}

/* Two thirds of w_{3,s} = 5 + s, the paper says; 3 + s it is. */
static void
the_3m_method_needs_three_answers(void **state)
{
    (void)state;
    static const char *const names[] = {"f64", "f32", "gf256", "gf4", "gfp:3", "gfp:2147483647"};
    for (size_t n = 0; n < 6; n++)
        for (size_t s = 0; s < 4; s++) {
            const kofn_field *f = new_field(names[n]);
            brute_batch b;
            write_3m(&b, f);
            kofn_batch *batch = new_brute_batch(&b);
            kofn_grouping g = group(batch, f, KOFN_GROUPING_AUTO, KOFN_GROUPING_EXACT, s);
            const bool fits = f->order == 0 || 3 + (double)s <= f->order;
            if (fits) {
                assert_int_equal(g.tasks, 3 + s);
                if (s > 0) {
                    assert_int_equal(g.count, 1);
                    assert_int_equal(g.at[0].form, KOFN_GROUP_CURVE);
                }
            }
            kofn_grouping_fini(&g);
            kofn_batch_destroy(&batch);
            kofn_field_destroy(&f);
        }
}

/* The most spare tasks that fit, and one more does not. */
static void
tasks_decide_on_the_spare_ones(void **state)
{
    (void)state;
    kofn_error error;
    brute_batch b;
    write_pairs(&b, kofn_field_find("f64"), "00 10 11 21 22 32 33 03", false);
    kofn_batch *batch = new_brute_batch(&b);
    const kofn_grouping_params params = {
        .batch = batch, .field = b.field, .exact = KOFN_GROUPING_EXACT};
    for (size_t tasks = 8; tasks < 40; tasks++) {
        kofn_grouping g, more;
        assert_ok(kofn_grouping_init_within(&g, &params, tasks, &error));
        assert_in_range(g.tasks, 8, tasks);
        assert_ok(kofn_grouping_init(&more, &params, g.spare + 1, &error));
        assert_in_range(more.tasks, tasks + 1, 100);
        kofn_grouping_fini(&g);
        kofn_grouping_fini(&more);
    }
    kofn_grouping g;
    assert_fails(kofn_grouping_init_within(&g, &params, 7, &error), KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "at least 8 for 8 pairs"));
    kofn_batch_destroy(&batch);
}

static void
a_field_without_enough_points_is_refused_for_a_curve(void **state)
{
    (void)state;
    kofn_error error;
    brute_batch b;
    const kofn_field *f = new_field("gfp:7");
    write_pairs(&b, f, "00 11 22 33", false);
    kofn_batch *batch = new_brute_batch(&b);
    kofn_grouping_params params = {.batch = batch, .field = f, .choice = KOFN_GROUPING_CURVE};
    kofn_grouping g;
    assert_ok(kofn_grouping_init(&g, &params, 0, &error));
    kofn_grouping_fini(&g);
    assert_fails(kofn_grouping_init(&g, &params, 1, &error), KOFN_INVALID_ARGUMENT);
    if (!strstr(error.text,
                "take 8 points, but field gfp:7 has 7; take construction auto, or field "
                "gfp:11 or gf16"))
        fail_msg("'%s'", error.text);
    kofn_batch_destroy(&batch);
    kofn_field_destroy(&f);
}

/* ---- many pairs ------------------------------------------------------------------------------ */

/* k products of complex matrices as three pairs each: A_i B_i, A_i' B_i', (A_i + A_i') (B_i +
 * B_i'). */
static kofn_batch *
new_complex(size_t k, const kofn_field *f)
{
    kofn_error error;
    kofn_batch *batch = NULL;
    kofn_batch from = {.grid = {{2 * k, 1}, {2 * k, 1}}, .out = {3 * k, 1}, .count = 3 * k};
    for (size_t j = 0; j < 2; j++) {
        assert_true(kofn_sums_alloc(3 * k, 2 * k, 4 * k, &from.side[j]));
        for (size_t i = 0, at = 0; i < 3 * k; i++) {
            for (size_t b = 0; b < 2; b++)
                if (i % 3 == 2 || i % 3 == b) {
                    from.side[j].column[at] = i / 3 * 2 + b;
                    from.side[j].coef[at++] = 1;
                }
            from.side[j].first[i + 1] = at;
        }
    }
    assert_true(kofn_sums_alloc(3 * k, 3 * k, 3 * k, &from.weights));
    for (size_t i = 0; i < 3 * k; i++) {
        from.weights.column[i] = i;
        from.weights.coef[i] = 1;
        from.weights.first[i + 1] = i + 1;
    }
    assert_ok(kofn_batch_new(&from, f, &batch, &error));
    free(from.side[0].first);
    free(from.side[1].first);
    free(from.weights.first);
    return batch;
}

static void
complex_products_are_groups_of_three_among_hundreds(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("f64");
    kofn_batch *batch = new_complex(100, f);
    for (size_t s = 1; s < 4; s++) {
        kofn_grouping g = group(batch, f, KOFN_GROUPING_AUTO, KOFN_GROUPING_EXACT, s);
        assert_in_range(g.tasks, 300, 100 * (3 + s)); // alone they take 300 (1 + s)
        kofn_grouping_fini(&g);
    }
    kofn_batch_destroy(&batch);
}

/* Pairs whose sides are sums of `terms` blocks that follow each other, by random numbers. */
static kofn_batch *
new_sums(size_t pairs, size_t blocks, size_t terms, const kofn_field *f, kofn_rng *rng)
{
    kofn_error error;
    kofn_batch *batch = NULL;
    kofn_batch from = {.grid = {{blocks, 1}, {blocks, 1}}, .out = {pairs, 1}, .count = pairs};
    for (size_t j = 0; j < 3; j++) {
        kofn_sums *sums = j < 2 ? &from.side[j] : &from.weights;
        const size_t each = j < 2 ? terms : 1;
        assert_true(kofn_sums_alloc(pairs, j < 2 ? blocks : pairs, pairs * each, sums));
        for (size_t i = 0, at = 0; i < pairs; i++) {
            const size_t first = j < 2 ? kofn_rng_below(rng, blocks - terms + 1) : i;
            for (size_t t = 0; t < each; t++, at++) {
                sums->column[at] = first + t;
                sums->coef[at] = f->order == 0
                                     ? kofn_rng_normal(rng)
                                     : 1 + (double)kofn_rng_below(rng, (uint64_t)f->order - 1);
            }
            sums->first[i + 1] = at;
        }
    }
    assert_ok(kofn_batch_new(&from, f, &batch, &error));
    free(from.side[0].first);
    free(from.side[1].first);
    free(from.weights.first);
    return batch;
}

/* However large eliminations would be: of many pairs, of many blocks, and of few pairs that are all
 * tried together. */
static void
a_search_takes_a_bounded_number_of_steps(void **state)
{
    (void)state;
    static const struct {
        size_t pairs, blocks, terms;
        const char *field;
    } cases[] = {
        {300, 100, 2, "f64"},    {512, 128, 3, "gf256"},    {1000, 200, 4, "f64"},
        {4096, 256, 16, "f64"},  {14, 20, 3, "f64"},        {14, 6000, 4000, "f64"},
        {4096, 4096, 15, "f64"}, {40, 1024, 1000, "gf256"},
    };
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(20261123), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kofn_error error;
        const kofn_field *f = new_field(cases[i].field);
        const size_t pairs = cases[i].pairs;
        kofn_batch *batch = new_sums(pairs, cases[i].blocks, cases[i].terms, f, &rng);
        const kofn_grouping_params params = {
            .batch = batch, .field = f, .exact = KOFN_GROUPING_EXACT};
        size_t *group_of = calloc(batch->count, sizeof *group_of);
        kofn_grouping_search s;
        assert_ok(kofn_grouping_search_init(&s, &params, &error));
        assert_ok(kofn_grouping_search_choose(&s, 1, group_of, &error));
        const size_t steps = kofn_pair_costs_get_steps(&s.costs);
        print_message("%zu pairs of %zu of %zu blocks: %.1f million steps\n", pairs, cases[i].terms,
                      cases[i].blocks, (double)steps / 1e6);
        assert_in_range(steps, pairs, (size_t)3 << 26); // 2^26 for all subsets in each coordinate
        kofn_grouping_search_fini(&s);
        free(group_of);
        kofn_batch_destroy(&batch);
        kofn_field_destroy(&f);
    }
}

static void
assert_same_grouping(const kofn_grouping *a, const kofn_grouping *b, size_t pairs)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->tasks, b->tasks);
    assert_int_equal(a->spare, b->spare);
    assert_memory_equal(a->at, b->at, a->count * sizeof *a->at);
    assert_memory_equal(a->pair, b->pair, pairs * sizeof *a->pair);
    assert_memory_equal(a->factor, b->factor, pairs * sizeof *a->factor);
}

/* And is kept for whoever asks again, for the same field and choice. */
static void
what_was_found_is_not_looked_for_again(void **state)
{
    (void)state;
    kofn_error error;
    const kofn_field *f = kofn_field_find("f64");
    brute_batch b;
    write_pairs(&b, f, "00 10 11 21 22 32 33 03", false);
    kofn_batch *batch = new_brute_batch(&b);
    const kofn_grouping_params params = {.batch = batch, .field = f, .exact = KOFN_GROUPING_EXACT};
    kofn_grouping first = group(batch, f, KOFN_GROUPING_AUTO, KOFN_GROUPING_EXACT, 1);
    assert_int_equal(kofn_groupings_count(batch->groupings), 1);
    kofn_grouping again = group(batch, f, KOFN_GROUPING_AUTO, KOFN_GROUPING_EXACT, 1);
    assert_same_grouping(&first, &again, b.pairs);
    assert_int_equal(kofn_groupings_count(batch->groupings), 1);
    kofn_grouping_fini(&again);
    again = group(batch, f, KOFN_GROUPING_CURVE, KOFN_GROUPING_EXACT, 1);
    assert_int_equal(again.tasks, 14);
    assert_int_equal(kofn_groupings_count(batch->groupings), 2);
    kofn_grouping_fini(&again);
    kofn_grouping_fini(&first);

    assert_ok(kofn_grouping_init_within(&first, &params, 16, &error));
    const size_t found = kofn_groupings_count(batch->groupings);
    assert_ok(kofn_grouping_init_within(&again, &params, 16, &error));
    assert_same_grouping(&first, &again, b.pairs);
    assert_int_equal(kofn_groupings_count(batch->groupings), found);
    kofn_grouping_fini(&again);
    kofn_grouping_fini(&first);
    for (size_t s = 0; s < 40; s++) { // a few of them
        again = group(batch, f, KOFN_GROUPING_AUTO, KOFN_GROUPING_EXACT, s);
        kofn_grouping_fini(&again);
    }
    assert_in_range(kofn_groupings_count(batch->groupings), found, 16);
    kofn_batch_destroy(&batch);
}

/* However many groupings a search for the most spare tasks comes by, and others were asked for
 * before. */
static void
a_long_search_is_made_once(void **state)
{
    (void)state;
    kofn_error error;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(20261124), 0);
    const kofn_field *f = kofn_field_find("f64");
    enum { PAIRS = 64, TASKS = 1200 };
    kofn_batch *batch = new_sums(PAIRS, 24, 1, f, &rng);
    const kofn_grouping_params params = {.batch = batch, .field = f, .exact = 0};
    kofn_grouping first, again;
    for (size_t s = 2; s < 20; s++) {
        again = group(batch, f, KOFN_GROUPING_AUTO, 0, 1000 * s);
        kofn_grouping_fini(&again);
    }
    const size_t before = kofn_groupings_count_searches(batch->groupings);
    assert_ok(kofn_grouping_init_within(&first, &params, TASKS, &error));
    const size_t found = kofn_groupings_count_searches(batch->groupings);
    print_message("%zu searches, %zu spare\n", found - before, first.spare);
    assert_in_range(found - before, 3, 66);
    assert_ok(kofn_grouping_init_within(&again, &params, TASKS, &error));
    assert_int_equal(kofn_groupings_count_searches(batch->groupings), found);
    assert_same_grouping(&first, &again, batch->count);
    assert_int_equal(kofn_groupings_count(batch->groupings), 16);
    kofn_grouping_fini(&again);
    kofn_grouping_fini(&first);
    kofn_batch_destroy(&batch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_partition_of_single_blocks_needs_fewer_tasks),
        cmocka_unit_test(no_partition_of_sums_of_blocks_needs_fewer_tasks),
        cmocka_unit_test(figure_2_takes_what_the_header_says),
        cmocka_unit_test(stars_and_grids_need_an_answer_a_pair),
        cmocka_unit_test(sums_are_factored_before_they_are_coded),
        cmocka_unit_test(the_3m_method_needs_three_answers),
        cmocka_unit_test(tasks_decide_on_the_spare_ones),
        cmocka_unit_test(a_field_without_enough_points_is_refused_for_a_curve),
        cmocka_unit_test(complex_products_are_groups_of_three_among_hundreds),
        cmocka_unit_test(a_search_takes_a_bounded_number_of_steps),
        cmocka_unit_test(what_was_found_is_not_looked_for_again),
        cmocka_unit_test(a_long_search_is_made_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
