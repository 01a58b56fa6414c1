/* Spans over every finite field; over GF(p) FLINT has an opinion on ranks, too. */
#include "common/linalg/span.h"
#include "tests/unit/field_brute.h"

#include <flint/nmod_mat.h>
#include <math.h>

static kofn_error error;

enum { ROWS_MAX = 16, COLS_MAX = 12, TARGETS_MAX = 5 };

typedef void check_function(const kofn_field *f, kofn_rng *rng);

static void
for_every_field(check_function *check, uint64_t seed)
{
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(seed), 0);
    for (size_t i = 0; i < FINITE_FIELDS; i++) {
        const kofn_field *f = new_field(finite_fields[i]);
        check(f, &rng);
        kofn_field_destroy(&f);
    }
}

static kofn_span *
new_span(const kofn_field *f, size_t cols, size_t targets, const double *target)
{
    kofn_span *span = NULL;
    assert_ok(kofn_span_new(f, cols, targets, target, &span, &error));
    return span;
}

static bool
add(kofn_span *span, const double *row)
{
    bool grew = false;
    assert_ok(kofn_span_add(span, row, &grew, &error));
    return grew;
}

static size_t
flint_rank(const kofn_field *f, const double *at, size_t rows, size_t cols)
{
    nmod_mat_t m;
    nmod_mat_init(m, (slong)rows, (slong)cols, (mp_limb_t)f->order);
    for (size_t i = 0; i < rows * cols; i++)
        nmod_mat_entry(m, i / cols, i % cols) = (mp_limb_t)at[i];
    const size_t rank = (size_t)nmod_mat_rank(m);
    nmod_mat_clear(m);
    return rank;
}

static size_t
rank_of(const kofn_field *f, const double *at, size_t rows, size_t cols)
{
    uint64_t m[(ROWS_MAX + 1) * COLS_MAX];
    for (size_t i = 0; i < rows * cols; i++)
        m[i] = (uint64_t)at[i];
    const size_t rank = brute_field_rank(f, m, rows, cols);
    if (f->dtype == KOFN_U32)
        assert_int_equal(rank, flint_rank(f, at, rows, cols));
    return rank;
}

/* Row t of D G, by definition. */
static void
check_combines_to(const kofn_field *f, const double *d, size_t rows, const double *g, size_t cols,
                  const double *target)
{
    for (size_t j = 0; j < cols; j++) {
        uint64_t sum = 0;
        for (size_t r = 0; r < rows; r++)
            sum = brute_add(f, sum, brute_multiply(f, (uint64_t)d[r], (uint64_t)g[r * cols + j]));
        assert_true((double)sum == target[j]);
    }
}

/* Sparse and low rank on purpose: in large fields random rows are hardly ever dependent. */
static void
fill_row(const kofn_field *f, const double *g, size_t rows, size_t cols, kofn_rng *rng, double *row)
{
    const uint64_t q = (uint64_t)f->order, kind = kofn_rng_below(rng, 4);
    for (size_t j = 0; j < cols; j++)
        row[j] = kind == 0 || kofn_rng_below(rng, 3) == 0 ? (double)kofn_rng_below(rng, q) : 0;
    if (kind == 1 && rows > 1) { // depends on two rows before
        const double by = (double)kofn_rng_below(rng, q);
        memcpy(row, g + kofn_rng_below(rng, rows) * cols, cols * sizeof *row);
        f->add_multiple(f, cols, by, g + kofn_rng_below(rng, rows) * cols, row);
    }
}

static void
check_random_spans(const kofn_field *f, kofn_rng *rng)
{
    for (int round = 0; round < 200; round++) {
        const size_t cols = 1 + kofn_rng_below(rng, COLS_MAX), rows = kofn_rng_below(rng, ROWS_MAX);
        const size_t targets = 1 + kofn_rng_below(rng, TARGETS_MAX);
        double g[(ROWS_MAX + 1) * COLS_MAX], t[TARGETS_MAX * COLS_MAX], d[TARGETS_MAX * ROWS_MAX];
        for (size_t i = 0; i < targets; i++)
            fill_row(f, t, i, cols, rng, t + i * cols);
        kofn_span *span = new_span(f, cols, targets, t);
        for (size_t r = 0; r < rows; r++) {
            const size_t before = rank_of(f, g, r, cols);
            fill_row(f, g, r, cols, rng, g + r * cols);
            const size_t rank = rank_of(f, g, r + 1, cols);
            assert_int_equal(add(span, g + r * cols), rank > before);
            assert_int_equal(kofn_span_rank(span), rank);
        }
        assert_int_equal(kofn_span_rows(span), rows);

        kofn_span_quality q;
        assert_ok(kofn_span_solve(span, d, &q, &error));
        const size_t rank = rank_of(f, g, rows, cols);
        const double zeros[COLS_MAX] = {0};
        size_t missing = 0;
        for (size_t i = 0; i < targets; i++) {
            memcpy(g + rows * cols, t + i * cols, cols * sizeof *g);
            const bool inside = rank_of(f, g, rows + 1, cols) == rank;
            assert_int_equal(kofn_span_covers(span, i), inside);
            missing += !inside;
            check_combines_to(f, d + i * rows, rows, g, cols, inside ? t + i * cols : zeros);
        }
        assert_int_equal(kofn_span_missing(span), missing);
        assert_true(q.condition == 1 && q.amplification == 0 && q.residual == (missing > 0));
        kofn_span_destroy(&span);
    }
}

static void
rank_coverage_and_solutions_agree_with_elimination(void **state)
{
    (void)state;
    for_every_field(check_random_spans, 61);
}

static void
fill_identity(double *at, size_t n)
{
    memset(at, 0, n * n * sizeof *at);
    for (size_t i = 0; i < n; i++)
        at[i * n + i] = 1;
}

/* Nothing else is read for unit i than one row that is that, be it a dense one that came so. */
static void
check_copied(const double *d, const size_t *row, size_t count, const double *g, size_t i)
{
    size_t copies = 0;
    for (size_t c = 0; c < count; c++) {
        if (d[c] == 0)
            continue;
        assert_true(d[c] == 1);
        for (size_t j = 0; j < 4; j++)
            assert_true(g[4 * row[c] + j] == (i == j));
        copies++;
    }
    assert_int_equal(copies, 1);
}

/* Unit rows 0 to 3, dense ones 4 to 7 that came before them. */
static void
check_systematic(const kofn_field *f, kofn_rng *rng)
{
    double g[8 * 4], t[16], d[4 * 8];
    fill_identity(g, 4);
    fill_identity(t, 4);
    for (size_t i = 16; i < 32; i++)
        g[i] = (double)kofn_rng_below(rng, (uint64_t)f->order);
    for (unsigned set = 0; set < 256; set++) {
        kofn_span *span = new_span(f, 4, 4, t);
        size_t row[8], count = 0;
        for (size_t r = 8; r-- > 0;)
            if (set >> r & 1) {
                row[count++] = r;
                (void)add(span, g + 4 * r);
            }
        kofn_span_quality q;
        assert_ok(kofn_span_solve(span, d, &q, &error));
        for (size_t i = 0; i < 4; i++)
            if (set >> i & 1)
                check_copied(d + i * count, row, count, g, i);
        kofn_span_destroy(&span);
    }
}

static void
systematic_answers_are_copied_whatever_came_before(void **state)
{
    (void)state;
    for_every_field(check_systematic, 62);
}

static void
a_target_among_the_rows_is_a_copy(void **state)
{
    (void)state;
    const kofn_field *f = new_field("gfp:257");
    const double t[3] = {10, 250, 13};
    const double rows[4][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {10, 250, 13}};
    double d[4];
    kofn_span *span = new_span(f, 3, 1, t);
    for (size_t r = 0; r < 4; r++)
        (void)add(span, rows[r]);
    kofn_span_quality q;
    assert_ok(kofn_span_solve(span, d, &q, &error));
    assert_true(d[0] == 0 && d[1] == 0 && d[2] == 0 && d[3] == 1);
    kofn_span_destroy(&span);
    kofn_field_destroy(&f);
}

static void
signs_are_those_of_the_field(void **state)
{
    (void)state;
    const kofn_field *f = new_field("gfp:7");
    const double t[2] = {0, 1}, rows[2][2] = {{1, 3}, {1, 0}};
    double d[2];
    kofn_span *span = new_span(f, 2, 1, t);
    for (size_t r = 0; r < 2; r++)
        assert_true(add(span, rows[r]));
    kofn_span_quality q;
    assert_ok(kofn_span_solve(span, d, &q, &error));
    assert_true(d[0] == 5 && d[1] == 2); // (row 0 - row 1) / 3, 1 / 3 = 5, -5 = 2
    kofn_span_destroy(&span);
    kofn_field_destroy(&f);
}

/* MatDot over GF(p): rows lie in 2 z - 1 dimensions of z^2, and that many give the sum. */
static void
rows_beyond_a_subspace_are_not_new(void **state)
{
    (void)state;
    const kofn_field *f = new_field("gfp:65537");
    for (size_t z = 2; z <= 12; z++) {
        const size_t k = 2 * z - 1, cols = z * z;
        double t[144] = {0}, row[144], powers[12];
        for (size_t i = 0; i < z; i++)
            t[i * z + i] = 1;
        kofn_span *span = new_span(f, cols, 1, t);
        for (size_t r = 0; r < k + 6; r++) {
            powers[0] = 1;
            for (size_t i = 1; i < z; i++)
                powers[i] = f->multiply(f, powers[i - 1], (double)r + 2);
            for (size_t i = 0; i < z; i++)
                for (size_t j = 0; j < z; j++)
                    row[i * z + j] = f->multiply(f, powers[i], powers[z - 1 - j]);
            assert_int_equal(kofn_span_covers(span, 0), r >= k);
            assert_int_equal(add(span, row), r < k);
        }
        kofn_span_destroy(&span);
    }
    kofn_field_destroy(&f);
}

static void
large_spans_agree_with_flint(void **state)
{
    (void)state;
    enum { N = 120 };
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(63), 0);
    const kofn_field *f = new_field("gfp:2147483647");
    double *t = calloc(N * N, sizeof *t), *g = calloc(N * N, sizeof *g);
    double *d = calloc(N * N, sizeof *d);
    fill_identity(t, N);
    nmod_mat_t m, inverse;
    nmod_mat_init(m, N, N, (mp_limb_t)f->order);
    nmod_mat_init(inverse, N, N, (mp_limb_t)f->order);
    kofn_span *span = new_span(f, N, N, t);
    for (size_t r = 0; r < N; r++) {
        assert_int_equal(kofn_span_missing(span), N);
        for (size_t j = 0; j < N; j++) {
            g[r * N + j] = f->draw(f, &rng);
            nmod_mat_entry(m, r, j) = (mp_limb_t)g[r * N + j];
        }
        assert_true(add(span, g + r * N));
    }
    assert_int_equal(kofn_span_missing(span), 0);
    assert_true(nmod_mat_inv(inverse, m));
    kofn_span_quality q;
    assert_ok(kofn_span_solve(span, d, &q, &error));
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            assert_true(d[i * N + j] == (double)nmod_mat_entry(inverse, i, j));
    kofn_span_destroy(&span);
    nmod_mat_clear(m);
    nmod_mat_clear(inverse);
    free(d);
    free(g);
    free(t);
    kofn_field_destroy(&f);
}

static void
solving_twice_gives_the_same(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(64), 0);
    const kofn_field *f = kofn_field_find("gf256");
    double t[36], row[6], first[6 * 9], second[6 * 9];
    fill_identity(t, 6);
    kofn_span *span = new_span(f, 6, 6, t);
    for (size_t r = 0; r < 9; r++) {
        for (size_t j = 0; j < 6; j++)
            row[j] = f->draw(f, &rng);
        (void)add(span, row);
    }
    kofn_span_quality a, b;
    assert_ok(kofn_span_solve(span, first, &a, &error));
    assert_ok(kofn_span_solve(span, second, &b, &error));
    assert_memory_equal(first, second, sizeof first);
    kofn_span_destroy(&span);
}

static void
check_empty(const kofn_field *f, kofn_rng *rng)
{
    (void)rng;
    const double t[6] = {0}, row[3] = {0};
    double d[2] = {9, 9};
    kofn_span_quality q;
    kofn_span *span = new_span(f, 3, 2, t);
    assert_int_equal(kofn_span_missing(span), 0);
    assert_ok(kofn_span_solve(span, d, &q, &error));
    assert_true(q.condition == 1 && q.residual == 0 && q.amplification == 0);
    assert_false(add(span, row));
    assert_int_equal(kofn_span_rows(span), 1);
    assert_ok(kofn_span_solve(span, d, &q, &error));
    assert_true(d[0] == 0 && d[1] == 0);
    kofn_span_destroy(&span);
    kofn_span_destroy(&span);

    span = new_span(f, 3, 0, NULL);
    assert_int_equal(kofn_span_missing(span), 0);
    assert_false(add(span, row));
    assert_ok(kofn_span_solve(span, d, &q, &error));
    kofn_span_destroy(&span);
}

static void
nothing_seen_and_nothing_asked_are_valid(void **state)
{
    (void)state;
    for_every_field(check_empty, 65);
}

static void
check_bad_rows(const kofn_field *f, kofn_rng *rng)
{
    (void)rng;
    const double bad[] = {f->order, -1, 0.5, NAN, INFINITY, 1e300}, t[2] = {1, 0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const double row[2] = {1, bad[i]};
        kofn_span *span = new_span(f, 2, 1, t);
        bool grew = true;
        assert_fails(kofn_span_add(span, row, &grew, &error), KOFN_INVALID_ARGUMENT);
        assert_non_null(strstr(error.text, f->name));
        assert_true(grew);
        assert_int_equal(kofn_span_rows(span), 0);
        kofn_span_destroy(&span);
    }
}

static void
a_row_with_what_is_no_element_is_refused(void **state)
{
    (void)state;
    for_every_field(check_bad_rows, 66);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rank_coverage_and_solutions_agree_with_elimination),
        cmocka_unit_test(systematic_answers_are_copied_whatever_came_before),
        cmocka_unit_test(a_target_among_the_rows_is_a_copy),
        cmocka_unit_test(signs_are_those_of_the_field),
        cmocka_unit_test(rows_beyond_a_subspace_are_not_new),
        cmocka_unit_test(large_spans_agree_with_flint),
        cmocka_unit_test(solving_twice_gives_the_same),
        cmocka_unit_test(nothing_seen_and_nothing_asked_are_valid),
        cmocka_unit_test(a_row_with_what_is_no_element_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
