#include "common/base/rng.h"
#include "common/linalg/span.h"
#include "tests/assert.h"

#include <math.h>

static kofn_error error;

static const double EPSILON = 0x1p-53;

enum { SIDE_MAX = 48 };

static kofn_span *
new_span(size_t cols, size_t targets, const double *target)
{
    kofn_span *span = NULL;
    assert_ok(kofn_span_new(kofn_field_find("f64"), cols, targets, target, &span, &error));
    return span;
}

static bool
add(kofn_span *span, const double *row)
{
    bool grew = false;
    assert_ok(kofn_span_add(span, row, &grew, &error));
    return grew;
}

static void
fill_identity(double *at, size_t n)
{
    memset(at, 0, n * n * sizeof *at);
    for (size_t i = 0; i < n; i++)
        at[i * n + i] = 1;
}

/* |D G - T|_F / |T|_F in long double. */
static double
residual_of(size_t targets, size_t rows, size_t cols, const double *d, const double *g,
            const double *t)
{
    long double left = 0, whole = 0;
    for (size_t i = 0; i < targets; i++)
        for (size_t j = 0; j < cols; j++) {
            long double sum = -(long double)t[i * cols + j];
            for (size_t r = 0; r < rows; r++)
                sum += (long double)d[i * rows + r] * g[r * cols + j];
            left += sum * sum;
            whole += (long double)t[i * cols + j] * t[i * cols + j];
        }
    return (double)sqrtl(left / whole);
}

/* Rank by elimination with full pivoting in long double: the independent opinion. */
static size_t
rank_of(const double *at, size_t rows, size_t cols)
{
    long double m[SIDE_MAX][SIDE_MAX];
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            m[i][j] = at[i * cols + j];
    size_t rank = 0;
    for (; rank < rows && rank < cols; rank++) {
        size_t p = rank, q = rank;
        for (size_t i = rank; i < rows; i++)
            for (size_t j = rank; j < cols; j++)
                if (fabsl(m[i][j]) > fabsl(m[p][q]))
                    p = i, q = j;
        if (fabsl(m[p][q]) < 1e-12L)
            break;
        for (size_t j = 0; j < cols; j++) {
            const long double swap = m[p][j];
            m[p][j] = m[rank][j];
            m[rank][j] = swap;
        }
        for (size_t i = 0; i < rows; i++) {
            const long double swap = m[i][q];
            m[i][q] = m[i][rank];
            m[i][rank] = swap;
        }
        for (size_t i = rank + 1; i < rows; i++) {
            const long double by = m[i][rank] / m[rank][rank];
            for (size_t j = rank; j < cols; j++)
                m[i][j] -= by * m[rank][j];
        }
    }
    return rank;
}

static void
rank_and_coverage_agree_with_elimination(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(41), 0);
    for (int round = 0; round < 2000; round++) {
        const size_t cols = 1 + kofn_rng_below(&rng, 7), targets = 1 + kofn_rng_below(&rng, 4);
        const size_t rows = kofn_rng_below(&rng, 11), spread = 1 + kofn_rng_below(&rng, 3);
        double g[(10 + 1) * 7], t[4 * 7], d[4 * 10];
        for (size_t i = 0; i < targets * cols; i++)
            t[i] = (double)kofn_rng_below(&rng, 2 * spread + 1) - (double)spread;
        kofn_span *span = new_span(cols, targets, t);
        for (size_t r = 0; r < rows; r++) {
            const size_t before = rank_of(g, r, cols);
            for (size_t j = 0; j < cols; j++)
                g[r * cols + j] = (double)kofn_rng_below(&rng, 2 * spread + 1) - (double)spread;
            const size_t rank = rank_of(g, r + 1, cols);
            assert_int_equal(add(span, g + r * cols), rank > before);
            assert_int_equal(kofn_span_rank(span), rank);
        }
        assert_int_equal(kofn_span_rows(span), rows);

        size_t missing = 0;
        for (size_t i = 0; i < targets; i++) {
            memcpy(g + rows * cols, t + i * cols, cols * sizeof *g);
            const bool inside = rank_of(g, rows + 1, cols) == rank_of(g, rows, cols);
            assert_int_equal(kofn_span_covers(span, i), inside);
            missing += !inside;
        }
        assert_int_equal(kofn_span_missing(span), missing);

        kofn_span_quality q;
        assert_ok(kofn_span_solve(span, d, &q, &error));
        for (size_t i = 0; i < targets; i++) {
            double norm = 0;
            for (size_t j = 0; j < cols; j++)
                norm += fabs(t[i * cols + j]);
            if (norm > 0 && kofn_span_covers(span, i))
                assert_at_most(residual_of(1, rows, cols, d + i * rows, g, t + i * cols),
                               64 * EPSILON * fmax(1, q.amplification));
        }
        kofn_span_destroy(&span);
    }
}

static void
three_by_three_agrees_with_cramers_rule(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(42), 0);
    for (int round = 0; round < 500; round++) {
        double g[9], t[3], d[3];
        for (int i = 0; i < 9; i++)
            g[i] = kofn_rng_normal(&rng);
        for (int i = 0; i < 3; i++)
            t[i] = kofn_rng_normal(&rng);
        kofn_span *span = new_span(3, 1, t);
        for (int r = 0; r < 3; r++)
            assert_true(add(span, g + 3 * r));
        kofn_span_quality q;
        assert_ok(kofn_span_solve(span, d, &q, &error));

        /* d_r = det(G with row r replaced by t) / det G */
        long double det[4];
        for (int replaced = 0; replaced < 4; replaced++) {
            long double m[3][3];
            for (int r = 0; r < 3; r++)
                for (int j = 0; j < 3; j++)
                    m[r][j] = r == replaced ? t[j] : g[3 * r + j];
            det[replaced] = m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
                            m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
                            m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
        }
        for (int r = 0; r < 3; r++)
            assert_at_most(fabs(d[r] - (double)(det[r] / det[3])),
                           64 * EPSILON * q.condition * q.amplification);
        kofn_span_destroy(&span);
    }
}

static void
every_k_gaussian_rows_suffice_and_none_fewer(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(43), 0);
    for (size_t k = 1; k <= 40; k += 3) {
        double t[SIDE_MAX * SIDE_MAX], g[SIDE_MAX * SIDE_MAX], d[SIDE_MAX * SIDE_MAX];
        fill_identity(t, k);
        kofn_span *span = new_span(k, k, t);
        for (size_t r = 0; r < k; r++) {
            assert_int_equal(kofn_span_missing(span), k);
            for (size_t j = 0; j < k; j++)
                g[r * k + j] = kofn_rng_normal(&rng);
            assert_true(add(span, g + r * k));
        }
        assert_int_equal(kofn_span_missing(span), 0);
        assert_false(add(span, g));
        kofn_span_quality q;
        double wider[SIDE_MAX * (SIDE_MAX + 1)];
        assert_ok(kofn_span_solve(span, wider, &q, &error));
        for (size_t i = 0; i < k; i++) {
            memcpy(d + i * k, wider + i * (k + 1), k * sizeof *d);
            assert_true(wider[i * (k + 1) + k] == 0); // the repeated row is not read
        }
        const double left = residual_of(k, k, k, d, g, t);
        assert_at_most(left, 16 * (double)k * EPSILON * q.condition);
        assert_at_most(fabs(left - q.residual), 16 * (double)k * EPSILON * q.condition);
        assert_true(q.condition >= 1 && q.amplification >= 1 - 4 * EPSILON); // Cauchy-Schwarz
        kofn_span_destroy(&span);
    }
}

/* Four unknowns; rows 0 to 3 are unit vectors, 4 to 7 dense. */
static void
fill_systematic(double g[8 * 4], kofn_rng *rng)
{
    fill_identity(g, 4);
    for (size_t i = 16; i < 32; i++)
        g[i] = kofn_rng_normal(rng);
}

static void
systematic_answers_are_copied_without_rounding(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(44), 0);
    double g[8 * 4], t[16], d[4 * 8];
    fill_systematic(g, &rng);
    fill_identity(t, 4);
    for (unsigned set = 0; set < 256; set++) { // which rows have arrived
        kofn_span *span = new_span(4, 4, t);
        size_t row[8], count = 0;
        for (size_t r = 8; r-- > 0;) // the dense ones first: order of arrival must not matter
            if (set >> r & 1) {
                row[count++] = r;
                (void)add(span, g + 4 * r);
            }
        assert_int_equal(kofn_span_missing(span) == 0, count >= 4);
        kofn_span_quality q;
        assert_ok(kofn_span_solve(span, d, &q, &error));
        for (size_t i = 0; i < 4; i++)
            for (size_t c = 0; set >> i & 1 && c < count; c++)
                assert_true(d[i * count + c] == (row[c] == i));
        if ((set & 15) == 15)
            assert_true(q.condition == 1 && q.residual == 0 && q.amplification == 1);
        kofn_span_destroy(&span);
    }
}

static void
a_parity_answer_replaces_one_systematic_answer(void **state)
{
    (void)state;
    double t[16], d[16];
    fill_identity(t, 4);
    const double rows[4][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {3, -2, 4, 1}, {0, 0, 0, 1}};
    kofn_span *span = new_span(4, 4, t);
    for (size_t r = 0; r < 4; r++)
        assert_true(add(span, rows[r]));
    kofn_span_quality q;
    assert_ok(kofn_span_solve(span, d, &q, &error));
    const double expected[16] = {1, 0, 0, 0, 0, 1, 0, 0, -0.75, 0.5, 0.25, -0.25, 0, 0, 0, 1};
    for (size_t i = 0; i < 16; i++)
        assert_at_most(fabs(d[i] - expected[i]), 4 * EPSILON);
    for (size_t i = 0; i < 16; i++)
        assert_true(i / 4 == 2 || d[i] == expected[i]);
    kofn_span_destroy(&span);
}

static void
sums_of_partial_products_have_coefficients_one(void **state)
{
    (void)state;
    const double t[8] = {1, 1, 0, 0, 0, 0, 1, 1}; // two sums of two unknowns each
    double d[2 * 5];
    const double rows[5][4] = {
        {0.3, 0.7, -1, 2}, {0, 0, 1, 0}, {0, 1, 0, 0}, {1, 0, 0, 0}, {0, 0, 0, 1}};
    kofn_span *span = new_span(4, 2, t);
    for (size_t r = 0; r < 5; r++)
        (void)add(span, rows[r]);
    kofn_span_quality q;
    assert_ok(kofn_span_solve(span, d, &q, &error));
    const double expected[10] = {0, 0, 1, 1, 0, 0, 1, 0, 0, 1};
    for (size_t i = 0; i < 10; i++)
        assert_true(d[i] == expected[i]);
    assert_at_most(fabs(q.amplification - sqrt(2)), 4 * EPSILON);
    kofn_span_destroy(&span);
}

static void
only_what_is_needed_is_read(void **state)
{
    (void)state;
    /* Rows 0 and 1 were new when they came, but with the unit vectors one of them is enough. */
    double t[9], d[12];
    fill_identity(t, 3);
    const double rows[4][3] = {{1, 2, 3}, {2, 1, 1}, {1, 0, 0}, {0, 1, 0}};
    kofn_span *span = new_span(3, 3, t);
    for (size_t r = 0; r < 4; r++)
        (void)add(span, rows[r]);
    kofn_span_quality q;
    assert_ok(kofn_span_solve(span, d, &q, &error));
    for (size_t i = 0; i < 3; i++)
        assert_true(d[i * 4 + 1] == 0);
    assert_at_most(fabs(d[8] - 1.0 / 3), 2 * EPSILON);
    kofn_span_destroy(&span);
}

/* The solver leaves coefficients of the size of rounding; each would cost a pass over an answer. In
 * worse sets they are larger than that, and stay: only together do they give the target. */
static void
rows_with_no_part_in_a_target_are_not_read(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(50), 0);
    for (int round = 0; round < 100; round++) {
        double g[6 * 6], t[6], d[6];
        for (size_t i = 0; i < 36; i++)
            g[i] = (double)kofn_rng_below(&rng, 3) - 1 + (i % 7 == 0 ? 12 : 0);
        for (size_t j = 0; j < 6; j++)
            t[j] = 2 * g[6 + j] - 3 * g[24 + j]; // rows 1 and 4
        kofn_span *span = new_span(6, 1, t);
        for (size_t r = 0; r < 6; r++)
            assert_true(add(span, g + 6 * r));
        kofn_span_quality q;
        assert_ok(kofn_span_solve(span, d, &q, &error));
        for (size_t r = 0; r < 6; r++)
            assert_int_equal(d[r] != 0, r == 1 || r == 4);
        assert_at_most(fabs(d[1] - 2), 64 * EPSILON * q.condition);
        assert_at_most(fabs(d[4] + 3), 64 * EPSILON * q.condition);
        kofn_span_destroy(&span);
    }
}

static void
a_target_among_the_rows_is_a_copy(void **state)
{
    (void)state;
    const double t[3] = {0.1, -0.7, 1.3};
    const double rows[3][3] = {{1, 2, 3}, {0.1, -0.7, 1.3}, {0.1, -0.7, 1.3}};
    double d[3];
    kofn_span *span = new_span(3, 1, t);
    for (size_t r = 0; r < 3; r++)
        (void)add(span, rows[r]);
    kofn_span_quality q;
    assert_ok(kofn_span_solve(span, d, &q, &error));
    assert_true(d[0] == 0 && d[1] == 1 && d[2] == 0);
    assert_at_most(fabs(q.amplification - 1), 2 * EPSILON);
    kofn_span_destroy(&span);
}

/* Row i of polynomial codes: powers of Chebyshev points. Condition grows like 2.4^k. */
static void
fill_powers(double *row, size_t k, size_t i, size_t n)
{
    const kofn_field *f = kofn_field_find("f64");
    double power = 1;
    for (size_t j = 0; j < k; j++, power *= f->point(f, i, n))
        row[j] = power;
}

static void
badly_conditioned_sets_are_covered_exactly_when_they_should_be(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(45), 0);
    for (int round = 0; round < 300; round++) {
        const size_t k = 2 + kofn_rng_below(&rng, 15), n = k + 1 + kofn_rng_below(&rng, 5);
        double t[SIDE_MAX * SIDE_MAX], g[SIDE_MAX * SIDE_MAX], d[SIDE_MAX * SIDE_MAX];
        size_t order[SIDE_MAX];
        for (size_t i = 0; i < n; i++) {
            const size_t at = kofn_rng_below(&rng, i + 1);
            order[i] = order[at];
            order[at] = i;
        }
        fill_identity(t, k);
        kofn_span *span = new_span(k, k, t);
        for (size_t r = 0; r < k; r++) {
            assert_true(kofn_span_missing(span) > 0);
            fill_powers(g + r * k, k, order[r], n);
            assert_true(add(span, g + r * k));
        }
        assert_int_equal(kofn_span_missing(span), 0);
        kofn_span_quality q;
        assert_ok(kofn_span_solve(span, d, &q, &error));
        assert_at_most(residual_of(k, k, k, d, g, t),
                       32 * EPSILON * sqrt((double)k) * q.amplification);
        kofn_span_destroy(&span);
    }
}

/* 200 Chebyshev polynomials at 240 nodes, from one end to the other: orthogonal columns, but rows
 * that nearly depend on those before them. */
static void
a_review_finds_what_all_rows_cover_together(void **state)
{
    (void)state;
    enum { COLS = 200, ROWS = 240 };
    double *t = calloc(COLS * COLS, sizeof *t), *g = calloc(ROWS * COLS, sizeof *g);
    double *d = calloc(COLS * ROWS, sizeof *d);
    fill_identity(t, COLS);
    kofn_span *span = new_span(COLS, COLS, t);
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t c = 0; c < COLS; c++)
            g[r * COLS + c] = cos((double)c * M_PI * ((double)r + 0.5) / ROWS);
        if (r == ROWS / 2) {
            assert_ok(kofn_span_review(span, &error));
            assert_true(kofn_span_missing(span) > COLS / 2); // half of the rows do not do
        }
        (void)add(span, g + r * COLS);
    }
    assert_true(kofn_span_missing(span) > 0);
    assert_ok(kofn_span_review(span, &error));
    assert_int_equal(kofn_span_missing(span), 0);
    kofn_span_quality q;
    assert_ok(kofn_span_solve(span, d, &q, &error));
    assert_at_most(residual_of(COLS, ROWS, COLS, d, g, t), 1e-13);
    assert_at_most(q.amplification, 20);
    kofn_span_destroy(&span);
    free(t);
    free(g);
    free(d);
}

/* Gaussian rows, as many as unknowns or one fewer, of which some are sums of two others: by
 * tracking each, and looked at all together. */
static void
many_rows_at_once_span_what_they_span_one_by_one(void **state)
{
    (void)state;
    enum { COLS = 90, ROWS = 96 };
    static double t[COLS * COLS], g[ROWS * COLS], d[COLS * ROWS];
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(51), 0);
    fill_identity(t, COLS);
    for (size_t short_of = 0; short_of <= 1; short_of++)
        for (size_t dependent = 0; dependent <= 4; dependent++) {
            const size_t rows = COLS - short_of + dependent;
            for (size_t i = 0; i < rows * COLS; i++)
                g[i] = kofn_rng_normal(&rng);
            for (size_t r = 10; r < 10 + dependent; r++)
                for (size_t j = 0; j < COLS; j++)
                    g[r * COLS + j] = g[(r - 2) * COLS + j] + g[(r - 1) * COLS + j];
            kofn_span *each = new_span(COLS, COLS, t), *all = new_span(COLS, COLS, t);
            for (size_t r = 0; r < rows; r++)
                (void)add(each, g + r * COLS);
            assert_ok(kofn_span_fill(all, g, rows, COLS, NULL, &error));
            assert_int_equal(kofn_span_rows(all), rows);
            assert_int_equal(kofn_span_missing(all), kofn_span_missing(each));
            assert_int_equal(kofn_span_missing(all) > 0, short_of);
            kofn_span_quality q;
            if (short_of) { // a row more completes it
                for (size_t j = 0; j < COLS; j++)
                    g[rows * COLS + j] = kofn_rng_normal(&rng);
                assert_true(add(all, g + rows * COLS));
            }
            assert_int_equal(kofn_span_missing(all), 0);
            assert_ok(kofn_span_solve(all, d, &q, &error));
            assert_at_most(residual_of(COLS, rows + short_of, COLS, d, g, t),
                           16 * COLS * EPSILON * q.condition);
            kofn_span_destroy(&each);
            kofn_span_destroy(&all);
        }
}

static void
rows_that_come_to_a_full_span_are_read_where_they_help(void **state)
{
    (void)state;
    enum { COLS = 70, ROWS = COLS + 8 };
    static double t[COLS * COLS], g[ROWS * COLS], d[COLS * ROWS];
    kofn_span_quality poor, better;
    fill_identity(t, COLS);
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(52), 0);
    for (size_t i = 0; i < ROWS * COLS; i++)
        g[i] = kofn_rng_normal(&rng);
    for (size_t j = 0; j < COLS; j++) // nearly the row before
        g[COLS + j] = g[j] + 1e-7 * g[COLS + j];
    kofn_span *span = new_span(COLS, COLS, t);
    assert_ok(kofn_span_fill(span, g, COLS, COLS, NULL, &error));
    assert_ok(kofn_span_solve(span, d, &poor, &error));
    for (size_t r = COLS; r < ROWS; r++)
        (void)add(span, g + r * COLS);
    assert_int_equal(kofn_span_rows(span), ROWS);
    assert_ok(kofn_span_solve(span, d, &better, &error));
    assert_true(better.amplification < 1e-3 * poor.amplification);
    kofn_span_destroy(&span);
}

static void
filling_a_span_is_given_up(void **state)
{
    (void)state;
    enum { COLS = 64 };
    static double t[COLS * COLS];
    const atomic_bool cancelled = true;
    fill_identity(t, COLS);
    const char *const fields[] = {"f64", "gfp:65537"};
    for (size_t i = 0; i < 2; i++) {
        kofn_span *span = NULL;
        const kofn_field *field;
        assert_ok(kofn_field_new(fields[i], &field, &error));
        assert_ok(kofn_span_new(field, COLS, COLS, t, &span, &error));
        assert_fails(kofn_span_fill(span, t, COLS, COLS, &cancelled, &error), KOFN_CANCELLED);
        kofn_span_destroy(&span);
        kofn_field_destroy(&field);
    }
}

/* MatDot: row i is the Kronecker product of (t^0 .. t^(z-1)) and (t^(z-1) .. t^0), so that rows lie
 * in a space of 2 z - 1 dimensions out of z^2. The target, sum of A_k B_k, is reached with the last
 * of them; whatever comes after is not new, however bad the condition is by then. */
static void
rows_beyond_a_subspace_are_not_new(void **state)
{
    (void)state;
    for (size_t z = 2; z <= 12; z++) {
        const size_t k = 2 * z - 1, n = k + 6, cols = z * z;
        double t[144] = {0}, row[144], powers[12];
        for (size_t i = 0; i < z; i++)
            t[i * z + i] = 1;
        kofn_span *span = new_span(cols, 1, t);
        for (size_t r = 0; r < n; r++) {
            fill_powers(powers, z, r, n);
            for (size_t i = 0; i < z; i++)
                for (size_t j = 0; j < z; j++)
                    row[i * z + j] = powers[i] * powers[z - 1 - j];
            assert_int_equal(kofn_span_covers(span, 0), r >= k);
            assert_int_equal(add(span, row), r < k);
        }
        double d[64];
        kofn_span_quality q;
        assert_ok(kofn_span_solve(span, d, &q, &error));
        assert_at_most(q.residual, 64 * EPSILON * (double)z * q.amplification);
        kofn_span_destroy(&span);
    }
}

static void
scales_of_rows_do_not_matter(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(46), 0);
    double t[25], g[25], d[25];
    fill_identity(t, 5);
    kofn_span *span = new_span(5, 5, t);
    for (size_t r = 0; r < 5; r++) {
        for (size_t j = 0; j < 5; j++)
            g[5 * r + j] = ldexp(kofn_rng_normal(&rng), 200 * ((int)r - 2));
        assert_true(add(span, g + 5 * r));
    }
    assert_int_equal(kofn_span_missing(span), 0);
    kofn_span_quality q;
    assert_ok(kofn_span_solve(span, d, &q, &error));
    assert_at_most(residual_of(5, 5, 5, d, g, t), 64 * EPSILON * q.amplification);
    kofn_span_destroy(&span);
}

static void
a_further_row_mends_a_poor_set(void **state)
{
    (void)state;
    double t[4], d[6];
    fill_identity(t, 2);
    const double rows[3][2] = {{1, 1}, {1, 1 + 1e-9}, {1, -1}};
    kofn_span *span = new_span(2, 2, t);
    kofn_span_quality poor, mended;
    (void)add(span, rows[0]);
    assert_true(add(span, rows[1]));
    assert_int_equal(kofn_span_missing(span), 0);
    assert_ok(kofn_span_solve(span, d, &poor, &error));
    assert_true(poor.amplification > 1e8);
    assert_true(poor.condition > 1e8);
    assert_false(add(span, rows[2])); // the rank was full
    assert_ok(kofn_span_solve(span, d, &mended, &error));
    assert_at_most(mended.amplification, 2);
    assert_at_most(mended.condition, 2);
    assert_at_most(residual_of(2, 3, 2, d, rows[0], t), 16 * EPSILON);
    kofn_span_destroy(&span);
}

static void
a_target_out_of_reach_gets_the_least_squares_estimate(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(47), 0);
    double g[4 * 7], t[2 * 7] = {0}, d[2 * 4];
    for (size_t i = 0; i < 7; i++)
        t[7 + i] = kofn_rng_normal(&rng);
    t[2] = 1; // row 1 below: covered
    kofn_span *span = new_span(7, 2, t);
    for (size_t i = 0; i < 28; i++)
        g[i] = i / 7 == 1 ? i % 7 == 2 : kofn_rng_normal(&rng);
    for (size_t r = 0; r < 4; r++)
        (void)add(span, g + 7 * r);
    assert_int_equal(kofn_span_missing(span), 1);
    assert_true(kofn_span_covers(span, 0) && !kofn_span_covers(span, 1));
    kofn_span_quality q;
    assert_ok(kofn_span_solve(span, d, &q, &error));
    assert_true(d[0] == 0 && d[1] == 1 && d[2] == 0 && d[3] == 0);
    assert_true(q.residual > 0.01);
    for (size_t r = 0; r < 4; r++) { // what is left is orthogonal to every row
        double along = 0, size = 0;
        for (size_t j = 0; j < 7; j++) {
            double left = t[7 + j];
            for (size_t s = 0; s < 4; s++)
                left -= d[4 + s] * g[7 * s + j];
            along += left * g[7 * r + j];
            size += fabs(left * g[7 * r + j]);
        }
        assert_at_most(fabs(along), 256 * EPSILON * fmax(size, 1) * q.amplification);
    }
    kofn_span_destroy(&span);
}

static void
conditions_of_known_sets_are_found(void **state)
{
    (void)state;
    double t[4], d[4];
    fill_identity(t, 2);
    const double angle = 0.3;
    const double turned[2][2] = {{8 * cos(angle), 8 * sin(angle)}, {-sin(angle), cos(angle)}};
    kofn_span *span = new_span(2, 2, t);
    (void)add(span, turned[0]);
    (void)add(span, turned[1]);
    kofn_span_quality q;
    assert_ok(kofn_span_solve(span, d, &q, &error));
    assert_at_most(fabs(q.condition - 8), 64 * EPSILON * 8);
    /* [1 1; 0 1]: the golden ratio squared, where a pivoted QR would say 2 */
    const double sheared[2][2] = {{1, 1}, {-1e-300, 1}}; // no unit vector
    kofn_span *other = new_span(2, 2, t);
    kofn_span_quality shear;
    (void)add(other, sheared[0]);
    (void)add(other, sheared[1]);
    assert_ok(kofn_span_solve(other, d, &shear, &error));
    assert_at_most(fabs(shear.condition - (3 + sqrt(5)) / 2), 64 * EPSILON);
    kofn_span_destroy(&other);

    /* target 0 is cos/8 row 0 - sin row 1, rows of size 8 and 1 */
    assert_at_most(fabs(q.amplification - (cos(angle) + sin(angle))), 64 * EPSILON);
    kofn_span_destroy(&span);
}

static void
large_sets_get_a_condition_near_the_true_one(void **state)
{
    (void)state;
    enum { N = 300 }; // above the size of the SVD
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(48), 0);
    double *t = calloc(N * N, sizeof *t), *d = calloc(N * N, sizeof *d);
    double *row = calloc(N, sizeof *row), mirror[N];
    fill_identity(t, N);
    double size = 0;
    for (size_t i = 0; i < N; i++) {
        mirror[i] = kofn_rng_normal(&rng);
        size += mirror[i] * mirror[i];
    }
    kofn_span *span = new_span(N, N, t);
    for (size_t r = 0; r < N; r++) { // a reflection, its first row times 1000
        for (size_t j = 0; j < N; j++)
            row[j] = ((r == j) - 2 * mirror[r] * mirror[j] / size) * (r == 0 ? 1000 : 1);
        assert_true(add(span, row));
    }
    kofn_span_quality q;
    assert_ok(kofn_span_solve(span, d, &q, &error));
    assert_true(q.condition > 100 && q.condition < 10000);
    assert_at_most(q.residual, N * EPSILON * 1000);
    kofn_span_destroy(&span);
    free(row);
    free(d);
    free(t);
}

static void
solving_twice_gives_the_same_bits(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(49), 0);
    double t[36], row[6], first[6 * 9], second[6 * 9];
    fill_identity(t, 6);
    kofn_span *span = new_span(6, 6, t);
    for (size_t r = 0; r < 9; r++) {
        for (size_t j = 0; j < 6; j++)
            row[j] = kofn_rng_normal(&rng);
        (void)add(span, row);
    }
    kofn_span_quality a, b;
    assert_ok(kofn_span_solve(span, first, &a, &error));
    assert_ok(kofn_span_solve(span, second, &b, &error));
    assert_memory_equal(first, second, sizeof first);
    assert_memory_equal(&a, &b, sizeof a);
    kofn_span_destroy(&span);
}

static void
nothing_seen_and_nothing_asked_are_valid(void **state)
{
    (void)state;
    const double t[6] = {0, 0, 0, 0, 0, 0}, row[3] = {0, 0, 0};
    double d[2];
    kofn_span_quality q;
    kofn_span *span = new_span(3, 2, t); // targets of zeros need nothing
    assert_int_equal(kofn_span_missing(span), 0);
    assert_ok(kofn_span_solve(span, d, &q, &error));
    assert_true(q.condition == 1 && q.residual == 0 && q.amplification == 0);
    assert_false(add(span, row));
    assert_int_equal(kofn_span_rows(span), 1);
    assert_ok(kofn_span_solve(span, d, &q, &error));
    assert_true(d[0] == 0 && d[1] == 0);
    kofn_span_destroy(&span);
    kofn_span_destroy(&span);

    span = new_span(3, 0, NULL);
    assert_int_equal(kofn_span_missing(span), 0);
    assert_false(add(span, row));
    assert_ok(kofn_span_solve(span, d, &q, &error));
    kofn_span_destroy(&span);
}

static void
a_row_that_is_not_finite_is_refused(void **state)
{
    (void)state;
    const double t[2] = {1, 0}, bad[2] = {1, NAN}, worse[2] = {INFINITY, 0};
    kofn_span *span = new_span(2, 1, t);
    bool grew = true;
    assert_fails(kofn_span_add(span, bad, &grew, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_span_add(span, worse, &grew, &error), KOFN_INVALID_ARGUMENT);
    assert_true(grew);
    assert_int_equal(kofn_span_rows(span), 0);
    kofn_span_destroy(&span);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rank_and_coverage_agree_with_elimination),
        cmocka_unit_test(three_by_three_agrees_with_cramers_rule),
        cmocka_unit_test(every_k_gaussian_rows_suffice_and_none_fewer),
        cmocka_unit_test(systematic_answers_are_copied_without_rounding),
        cmocka_unit_test(a_parity_answer_replaces_one_systematic_answer),
        cmocka_unit_test(sums_of_partial_products_have_coefficients_one),
        cmocka_unit_test(only_what_is_needed_is_read),
        cmocka_unit_test(rows_with_no_part_in_a_target_are_not_read),
        cmocka_unit_test(a_target_among_the_rows_is_a_copy),
        cmocka_unit_test(badly_conditioned_sets_are_covered_exactly_when_they_should_be),
        cmocka_unit_test(a_review_finds_what_all_rows_cover_together),
        cmocka_unit_test(many_rows_at_once_span_what_they_span_one_by_one),
        cmocka_unit_test(rows_that_come_to_a_full_span_are_read_where_they_help),
        cmocka_unit_test(filling_a_span_is_given_up),
        cmocka_unit_test(rows_beyond_a_subspace_are_not_new),
        cmocka_unit_test(scales_of_rows_do_not_matter),
        cmocka_unit_test(a_further_row_mends_a_poor_set),
        cmocka_unit_test(a_target_out_of_reach_gets_the_least_squares_estimate),
        cmocka_unit_test(conditions_of_known_sets_are_found),
        cmocka_unit_test(large_sets_get_a_condition_near_the_true_one),
        cmocka_unit_test(solving_twice_gives_the_same_bits),
        cmocka_unit_test(nothing_seen_and_nothing_asked_are_valid),
        cmocka_unit_test(a_row_that_is_not_finite_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
