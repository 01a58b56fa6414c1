/* Evaluation points, and what inner codes need of them: no minor of their rows is zero. */
#include "common/code/points.h"
#include "tests/unit/code_brute.h"

#define PRIME UINT64_C(2147483647) // below 2^31, so that products fit

static const test_code spread[] = {
    {"polynomial", "1,1,2", 3000, "points=spread"},
    {"orthopoly", "1,1,2", 3000, "points=spread"},
};

static void
spread_points_are_what_the_header_says(void **state)
{
    (void)state;
    const long double golden = (1 + sqrtl(5)) / 2;
    kofn_code *powers = make_code(&spread[0], "f64", 1), *turns = make_code(&spread[1], "f64", 1);
    for (size_t i = 0; i < 3000; i++) { // rounded to 40 bits, from a turn of 53
        const long double turn = (long double)(i + 1) / golden;
        const double size = (double)exp2l(2 * (turn - floorl(turn)) - 1);
        assert_at_most(fabs(turns->point[i] - (double)cosl(2 * acosl(-1) * turn)), 0x1p-40);
        assert_at_most(fabs(powers->point[i] - (i % 2 ? size : -size)), 0x1p-40);
    }
    kofn_code_destroy(&powers);
    kofn_code_destroy(&turns);
}

/* Of any number of first ones, no tenth of the range is left out or crowded. Multiples of the
 * golden ratio in an interval of the circle are off their share by at most 1 + log_1.6(n) / 2 or
 * so. */
static void
any_first_spread_points_are_spread(void **state)
{
    (void)state;
    for (size_t c = 0; c < 2; c++) {
        kofn_code *code = make_code(&spread[c], "f64", 1);
        size_t counts[10] = {0};
        for (size_t n = 1; n <= 3000; n++) {
            const double t = code->point[n - 1];
            const double place = c ? acos(t) / acos(-1) : (log2(fabs(t)) + 1) / 2;
            counts[(size_t)(place * 10)]++;
            for (size_t part = 0; part < 10; part++)
                assert_at_most(fabs((double)counts[part] - (double)n / 10),
                               1 + log((double)n) / log(1.6) / 2);
        }
        kofn_code_destroy(&code);
    }
}

static int
compare_floats(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float sizes[20000];

static void
expect_distinct(size_t count)
{
    assert_true(count <= sizeof sizes / sizeof sizes[0]);
    qsort(sizes, count, sizeof sizes[0], compare_floats);
    for (size_t i = 1; i < count; i++)
        assert_true(sizes[i - 1] != sizes[i]);
}

static void
random_points_differ_in_size_and_stay_in_their_range(void **state)
{
    (void)state;
    enum { COUNT = 20000 }; // of which eight pairs would be opposite, had they a choice
    const test_code t = {"polynomial", "1,1,2", COUNT, "points=random"};
    kofn_code *code = make_code(&t, "f32", test_seed(3));
    size_t negative = 0, small = 0;
    for (size_t i = 0; i < COUNT; i++) {
        const double size = fabs(code->point[i]);
        sizes[i] = (float)size;
        assert_true(size >= 0.5 && size < 2 && sizes[i] == size);
        negative += code->point[i] < 0;
        small += size < 1.25;
    }
    expect_distinct(COUNT);
    const double half = COUNT / 2.0, six_sigma = 6 * sqrt(COUNT) / 2;
    assert_at_most(fabs((double)negative - half), six_sigma);
    assert_at_most(fabs((double)small - half), six_sigma);
    kofn_code_destroy(&code);
}

static void
points_do_not_depend_on_how_many_there_are(void **state)
{
    (void)state;
    static const char *const fields[] = {"f64", "f32", "gf256", "gfp:65537"};
    static const char *const sets[] = {"points=spread", "points=random"};
    for (size_t f = 0; f < 4; f++)
        for (size_t s = 0; s < 2; s++) {
            const test_code t[] = {{"polynomial", "2,1,2", 5, sets[s]},
                                   {"polynomial", "2,1,2", 200, sets[s]}};
            kofn_code *few = make_code(&t[0], fields[f], 9), *many = make_code(&t[1], fields[f], 9);
            assert_memory_equal(few->point, many->point, 5 * sizeof(double));
            kofn_code_destroy(&many);
            many = make_code(&t[1], fields[f], 10);
            size_t equal = 0; // another seed draws others, and spreads the same
            for (size_t i = 0; i < 5; i++)
                equal += few->point[i] == many->point[i];
            assert_true(s == 0 ? equal == 5 : equal < 5);
            kofn_code_destroy(&few);
            kofn_code_destroy(&many);
        }
}

/* Without 0; all of them, where that many are asked for. */
static void
points_of_finite_fields_differ_and_are_not_zero(void **state)
{
    (void)state;
    static const char *const fields[] = {"gf4", "gfp:3", "gf256", "gfp:257"};
    static const char *const sets[] = {"points=spread", "points=random"};
    for (size_t f = 0; f < 4; f++)
        for (size_t s = 0; s < 2; s++) {
            kofn_error error;
            const kofn_field *field = new_field(fields[f]);
            const size_t q = (size_t)field->order;
            const test_code t = {"polynomial", "1,1,2", q - 1, sets[s]};
            kofn_code *code = make_code(&t, fields[f], 1);
            bool seen[257] = {true};
            for (size_t i = 0; i < q - 1; i++) {
                const size_t point = (size_t)code->point[i];
                assert_true(point < q && !seen[point]);
                seen[point] = true;
            }
            kofn_code_spec spec;
            fill_spec(&t, 1, &spec);
            spec.tasks = q;
            assert_fails(kofn_code_spec_check(&spec, field, &error), KOFN_INVALID_ARGUMENT);
            assert_non_null(strstr(error.text, "points beside 0"));
            kofn_code_destroy(&code);
            kofn_field_destroy(&field);
        }
}

static void
as_many_spread_points_as_f32_takes_differ_in_it(void **state)
{
    (void)state;
    kofn_error error;
    enum { MOST = 3119 }; // 1.16 / n^2 >= 2 epsilon
    const test_code t = {"orthopoly", "1,1,2", MOST, "points=spread"};
    kofn_code *code = make_code(&t, "f32", 1);
    for (size_t i = 0; i < MOST; i++)
        for (size_t j = 0; j < i; j++)
            assert_true((float)code->point[i] != (float)code->point[j]);
    kofn_code_spec spec;
    fill_spec(&t, 1, &spec);
    spec.tasks = MOST + 1;
    assert_fails(kofn_code_spec_check(&spec, kofn_field_find("f32"), &error),
                 KOFN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "only 3119 points"));
    assert_ok(kofn_code_spec_check(&spec, kofn_field_find("f64"), &error));
    kofn_code_destroy(&code);

    const test_code powers = {"polynomial", "1,1,2", 10000, "points=spread"};
    code = make_code(&powers, "f32", 1);
    for (size_t i = 0; i < 10000; i++)
        sizes[i] = fabsf((float)code->point[i]);
    expect_distinct(10000);
    kofn_code_destroy(&code);
}

/* ---- minors ---------------------------------------------------------------------------------- */

enum { POINTS = 9, COLUMNS = 8 };

static uint64_t
power(uint64_t base, uint64_t exponent)
{
    uint64_t result = 1;
    for (; exponent > 0; exponent >>= 1, base = base * base % PRIME)
        result = exponent & 1 ? result * base % PRIME : result;
    return result;
}

/* det = 0, modulo PRIME? at [e, e] is destroyed. */
static bool
is_singular(uint64_t *at, size_t e)
{
    for (size_t p = 0; p < e; p++) {
        size_t found = p;
        while (found < e && at[found * e + p] == 0)
            found++;
        if (found == e)
            return true;
        for (size_t c = 0; c < e; c++) {
            const uint64_t moved = at[p * e + c];
            at[p * e + c] = at[found * e + c];
            at[found * e + c] = moved;
        }
        const uint64_t inverse = power(at[p * e + p], PRIME - 2);
        for (size_t r = p + 1; r < e; r++) {
            const uint64_t by = PRIME - at[r * e + p] * inverse % PRIME;
            for (size_t c = p; c < e; c++)
                at[r * e + c] = (at[r * e + c] + by * at[p * e + c]) % PRIME;
        }
    }
    return false;
}

/* Square submatrices of at [POINTS, COLUMNS] that are singular; *ret_all: how many there are. */
static size_t
count_singular(uint64_t at[POINTS][COLUMNS], size_t *ret_all)
{
    size_t singular = 0, rows[64], cols[64];
    *ret_all = 0;
    for (uint64_t r = 1; r < 1 << POINTS; r++)
        for (uint64_t c = 1; c < 1 << COLUMNS; c++) {
            const size_t e = list_mask(r, rows);
            if (list_mask(c, cols) != e)
                continue;
            uint64_t minor[COLUMNS * COLUMNS];
            for (size_t i = 0; i < e * e; i++)
                minor[i] = at[rows[i / e]][cols[i % e]];
            singular += is_singular(minor, e);
            ++*ret_all;
        }
    return singular;
}

/* T_degree(2): 1, 2, 7, 26, ..., a whole number. */
static uint64_t
chebyshev_at_two(size_t degree)
{
    uint64_t before = 2, now = 1;
    for (size_t i = 0; i < degree; i++) {
        const uint64_t next = (4 * now + PRIME - before) % PRIME;
        before = now;
        now = next;
    }
    return now;
}

/* orthopoly.h: each minor is a polynomial in c. It is not the polynomial 0 if it is not 0 at c = 2,
 * which is so if it is not modulo a prime; and then it is not 0 at a transcendental c. */
static void
no_minor_at_turns_is_zero(void **state)
{
    (void)state;
    for (size_t x = 1; x <= 4; x++) {
        uint64_t at[POINTS][COLUMNS];
        for (size_t i = 0; i < POINTS; i++)
            for (size_t c = 0; c < COLUMNS; c++)
                at[i][c] = chebyshev_at_two((i + 1) * (c % x)) *
                           chebyshev_at_two((i + 1) * x * (c / x)) % PRIME;
        size_t all;
        assert_int_equal(count_singular(at, &all), 0);
        assert_int_equal(all, 24309); // C(17, 8) - 1
    }
}

/* points.h: likewise in w, of which any value does. Point i is w^i over 2^(2 floor(i / g) + 1),
 * with its sign. */
static void
no_minor_at_spread_points_is_zero(void **state)
{
    (void)state;
    uint64_t at[POINTS][COLUMNS];
    for (size_t i = 1; i <= POINTS; i++) {
        const uint64_t whole = (uint64_t)((double)i * 2 / (1 + sqrt(5)));
        const uint64_t size =
            power(123456789, i) * power(power(2, 2 * whole + 1), PRIME - 2) % PRIME;
        for (size_t c = 0; c < COLUMNS; c++)
            at[i - 1][c] = power(i % 2 ? PRIME - size : size, c);
    }
    size_t all;
    assert_int_equal(count_singular(at, &all), 0);
}

/* Chebyshev nodes come in pairs t and -t; whole numbers in their place have the same symmetry. */
static void
minors_at_opposite_points_are_zero(void **state)
{
    (void)state;
    uint64_t at[POINTS][COLUMNS];
    for (size_t i = 0; i < POINTS; i++)
        for (size_t c = 0; c < COLUMNS; c++)
            at[i][c] = power(i < 4 ? i + 2 : i < 8 ? PRIME - (i - 2) : 17, c);
    size_t all;
    const size_t singular = count_singular(at, &all);
    print_message("%zu of %zu\n", singular, all);
    assert_true(singular > 0);
}

enum { NODES = 300 };

/* place[i]: of the i-th last task, i from 1 on. */
static void
walk(size_t n, size_t place[NODES + 1])
{
    bool seen[NODES] = {false};
    for (size_t at = 0, task = n; at < n; at++) {
        task = kofn_points_scatter(n, task);
        assert_in_range(task, 0, n - 1);
        assert_false(seen[task]);
        seen[task] = true;
        place[n - task] = at;
    }
}

/* By counting, as points.h says it. */
static void
scattered_tasks_are_ranked_by_golden_turns(void **state)
{
    (void)state;
    size_t place[NODES + 1];
    long double turn[NODES + 1], whole;
    for (size_t i = 1; i <= NODES; i++)
        turn[i] = modfl((long double)i * 2 / (1 + sqrtl(5)), &whole);
    for (size_t n = 1; n <= NODES; n++) {
        walk(n, place);
        for (size_t i = 1; i <= n; i++) {
            size_t rank = 0;
            for (size_t j = 1; j <= n; j++)
                rank += turn[j] < turn[i];
            assert_int_equal(place[i], rank);
        }
    }
}

/* Each from each other, from others beyond an end, and from itself there. */
static void
the_last_scattered_tasks_lie_apart(void **state)
{
    (void)state;
    size_t place[NODES + 1];
    for (size_t n = 1; n <= NODES; n++) {
        size_t gap = SIZE_MAX;
        walk(n, place);
        for (size_t s = 1; s <= n; s++) {
            for (size_t i = 1; i <= s; i++) {
                const size_t a = place[s], b = place[i], ends[] = {a + b + 1, 2 * n - 1 - a - b};
                const size_t end = ends[ends[1] < ends[0]], between = a < b ? b - a : a - b;
                gap = end < gap ? end : gap;
                gap = i < s && between < gap ? between : gap;
            }
            assert_in_range(2 * s * (gap + 1), n, SIZE_MAX);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spread_points_are_what_the_header_says),
        cmocka_unit_test(any_first_spread_points_are_spread),
        cmocka_unit_test(random_points_differ_in_size_and_stay_in_their_range),
        cmocka_unit_test(points_do_not_depend_on_how_many_there_are),
        cmocka_unit_test(points_of_finite_fields_differ_and_are_not_zero),
        cmocka_unit_test(as_many_spread_points_as_f32_takes_differ_in_it),
        cmocka_unit_test(no_minor_at_turns_is_zero),
        cmocka_unit_test(no_minor_at_spread_points_is_zero),
        cmocka_unit_test(minors_at_opposite_points_are_zero),
        cmocka_unit_test(scattered_tasks_are_ranked_by_golden_turns),
        cmocka_unit_test(the_last_scattered_tasks_lie_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
