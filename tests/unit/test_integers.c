/* Integers by residues, against FLINT's integers of any size. */
#include "common/linalg/integers.h"
#include "common/linalg/multiply.h"
#include "common/linalg/prime.h"
#include "tests/assert.h"

#include <flint/fmpz_mat.h>

static kofn_error error;

enum { ODD = 3 }; // bytes: elements lie anywhere

/* ---- matrices in pieces ---------------------------------------------------------------------- */

/* Bands of random heights, some without rows, some with gaps between rows, at odd addresses. */
typedef struct pieces {
    kofn_bands bands;
    size_t count;
    void *memory[64];
} pieces;

static void
add_piece(pieces *p, size_t rows, bool gaps)
{
    const size_t width = kofn_dtype_width(p->bands.dtype), cols = p->bands.cols;
    const size_t stride = cols + (gaps ? 2 : 0), bytes = ODD + rows * stride * width;
    assert_true(p->count < sizeof p->memory / sizeof p->memory[0]);
    unsigned char *at = malloc(bytes);
    assert_non_null(at);
    memset(at, 0x5a, bytes);
    p->memory[p->count++] = at;
    kofn_mat mat = kofn_mat_wrap(at + ODD, p->bands.dtype, rows, cols);
    mat.stride = stride;
    assert_ok(kofn_bands_append(&p->bands, &mat, NULL, 0, &error));
}

static pieces
new_pieces(kofn_dtype dtype, size_t rows, size_t cols, kofn_rng *rng)
{
    pieces p = {.count = 0};
    kofn_bands_init(&p.bands, dtype, rows, cols);
    for (size_t left = rows; left > 0;) {
        const size_t most = left > rows / 4 ? rows / 4 + 1 : left;
        const size_t here = p.count > 60 ? left : kofn_rng_below(rng, most + 1);
        add_piece(&p, here, kofn_rng_below(rng, 2));
        left -= here;
    }
    return p;
}

static void
free_pieces(pieces *p)
{
    kofn_bands_fini(&p->bands);
    for (size_t i = 0; i < p->count; i++)
        free(p->memory[i]);
}

static unsigned char *
find_element(const kofn_bands *m, size_t row, size_t col)
{
    size_t i = 0;
    while (row - m->at[i].first_row >= m->at[i].mat.rows)
        i++;
    unsigned char *at = kofn_mat_get_row(&m->at[i].mat, row - m->at[i].first_row);
    return at + col * kofn_dtype_width(m->dtype);
}

static int64_t
get(const kofn_bands *m, size_t row, size_t col)
{
    const void *at = find_element(m, row, col);
    int64_t wide;
    int32_t narrow;
    uint32_t residue;
    if (m->dtype == KOFN_I64)
        return memcpy(&wide, at, sizeof wide), wide;
    if (m->dtype == KOFN_I32)
        return memcpy(&narrow, at, sizeof narrow), narrow;
    return memcpy(&residue, at, sizeof residue), residue;
}

static void
set(const kofn_bands *m, size_t row, size_t col, int64_t value)
{
    void *at = find_element(m, row, col);
    const uint32_t narrow = (uint32_t)value;
    if (m->dtype == KOFN_I64)
        memcpy(at, &value, sizeof value);
    else
        memcpy(at, &narrow, sizeof narrow);
}

/* Any number of about `bits` bits; sometimes one at the ends of its type. */
static int64_t
draw(kofn_dtype dtype, unsigned bits, kofn_rng *rng)
{
    const uint64_t kind = kofn_rng_below(rng, 50), random = kofn_rng_u64(rng);
    const bool wide = dtype == KOFN_I64;
    if (kind == 0 && bits >= 31)
        return wide ? INT64_MIN + (int64_t)(random % 2) : INT32_MIN + (int64_t)(random % 2);
    if (kind == 1 && bits >= 31)
        return wide ? INT64_MAX - (int64_t)(random % 2) : INT32_MAX - (int64_t)(random % 2);
    const int64_t value = bits == 0 ? 0 : (int64_t)(random >> (64 - bits));
    return kofn_rng_below(rng, 2) ? -value : value;
}

static pieces
draw_pieces(kofn_dtype dtype, size_t rows, size_t cols, unsigned bits, kofn_rng *rng)
{
    pieces p = new_pieces(dtype, rows, cols, rng);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            set(&p.bands, i, j, draw(dtype, bits, rng));
    return p;
}

/* ---- primes ---------------------------------------------------------------------------------- */

static void
the_primes_are_the_largest_below_2_to_the_23(void **state)
{
    (void)state;
    uint32_t below = 1 << 23;
    for (size_t k = 0; k < KOFN_INTEGERS_PRIMES_MAX; k++) {
        below = kofn_previous_prime(below - 1);
        assert_int_equal(kofn_integers_primes[k], below);
    }
}

/* M = p_0 .. p_{count - 1} */
static void
multiply_primes(fmpz_t ret_m, size_t count)
{
    fmpz_one(ret_m);
    for (size_t k = 0; k < count; k++)
        fmpz_mul_ui(ret_m, ret_m, kofn_integers_primes[k]);
}

static void
check_count(size_t inner, uint64_t a, uint64_t b)
{
    fmpz_t twice, m;
    fmpz_init_set_ui(twice, inner);
    fmpz_init(m);
    fmpz_mul_ui(twice, twice, a);
    fmpz_mul_ui(twice, twice, b);
    fmpz_mul_ui(twice, twice, 2);
    const size_t count = kofn_integers_count_primes(inner, a, b);
    assert_in_range(count, 1, KOFN_INTEGERS_PRIMES_MAX);
    multiply_primes(m, count);
    assert_true(fmpz_cmp(m, twice) > 0);
    multiply_primes(m, count - 1);
    assert_true(count == 1 || fmpz_cmp(m, twice) <= 0);
    fmpz_clear(twice);
    fmpz_clear(m);
}

static void
there_are_as_many_primes_as_the_largest_sum_needs_and_no_more(void **state)
{
    (void)state;
    const uint64_t ends[] = {0,
                             1,
                             2,
                             3,
                             255,
                             4194296,
                             4194297,
                             INT32_MAX,
                             (uint64_t)1 << 31,
                             INT64_MAX,
                             (uint64_t)1 << 63};
    const size_t count = sizeof ends / sizeof ends[0];
    for (size_t i = 0; i < count * count * count; i++)
        check_count(ends[i % count], ends[i / count % count], ends[i / count / count]);
    check_count(SIZE_MAX, (uint64_t)1 << 63, (uint64_t)1 << 63);
    assert_int_equal(kofn_integers_count_primes(SIZE_MAX, (uint64_t)1 << 63, (uint64_t)1 << 63),
                     KOFN_INTEGERS_PRIMES_MAX);
    /* Around M itself: one prime holds (p - 1) / 2. */
    const uint32_t half = kofn_integers_primes[0] / 2;
    assert_int_equal(kofn_integers_count_primes(1, half, 1), 1);
    assert_int_equal(kofn_integers_count_primes(1, half + 1, 1), 2);
    const uint64_t both = (uint64_t)kofn_integers_primes[0] * kofn_integers_primes[1];
    assert_int_equal(kofn_integers_count_primes(1, both / 2, 1), 2);
    assert_int_equal(kofn_integers_count_primes(1, 1, both / 2 + 1), 3);

    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(91), 0);
    for (int i = 0; i < 100000; i++)
        check_count(kofn_rng_u64(&rng) >> kofn_rng_below(&rng, 64),
                    kofn_rng_u64(&rng) >> (1 + kofn_rng_below(&rng, 63)),
                    kofn_rng_u64(&rng) >> (1 + kofn_rng_below(&rng, 63)));
}

/* ---- elements -------------------------------------------------------------------------------- */

static void
check_largest(kofn_dtype dtype, size_t rows, size_t cols, unsigned bits, kofn_rng *rng)
{
    pieces p = draw_pieces(dtype, rows, cols, bits, rng);
    uint64_t largest = 0;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            const int64_t x = get(&p.bands, i, j);
            const uint64_t size = x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
            largest = size > largest ? size : largest;
        }
    assert_true(kofn_integers_find_largest(&p.bands) == largest);
    free_pieces(&p);
}

static const kofn_dtype dtypes[] = {KOFN_I32, KOFN_I64};

static void
the_largest_element_counts_whatever_its_sign(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(92), 0);
    const size_t sizes[] = {0, 1, 2, 7, 40, 301};
    for (size_t i = 0; i < 6 * 6 * 2; i++)
        for (unsigned bits = 0; bits <= (i % 2 ? 63 : 31); bits += 7)
            check_largest(dtypes[i % 2], sizes[i / 2 % 6], sizes[i / 12], bits, &rng);

    for (size_t d = 0; d < 2; d++) {
        pieces p = new_pieces(dtypes[d], 1, 1, &rng);
        set(&p.bands, 0, 0, d ? INT64_MIN : INT32_MIN);
        assert_true(kofn_integers_find_largest(&p.bands) == (uint64_t)1 << (d ? 63 : 31));
        free_pieces(&p);
    }
    assert_true(kofn_integers_has_dtype(KOFN_I32) && kofn_integers_has_dtype(KOFN_I64));
    assert_false(kofn_integers_has_dtype(KOFN_U32) || kofn_integers_has_dtype(KOFN_F64));
}

static void
check_choice(const char *name, kofn_dtype dtype, kofn_status status, bool integers,
             const char *field)
{
    const kofn_field *f = NULL;
    bool got = !integers;
    if (status) {
        assert_fails(kofn_integers_choose(name, dtype, &f, &got, &error), status);
        assert_null(f);
        return;
    }
    assert_ok(kofn_integers_choose(name, dtype, &f, &got, &error));
    assert_int_equal(got, integers);
    assert_string_equal(f->name, field);
    kofn_field_destroy(&f);
}

static void
integers_are_implied_by_their_dtypes_and_by_no_other(void **state)
{
    (void)state;
    for (size_t d = 0; d < 2; d++) {
        check_choice("", dtypes[d], KOFN_OK, true, "gfp:8388593");
        check_choice("integers", dtypes[d], KOFN_OK, true, "gfp:8388593");
        check_choice("gfp:7", dtypes[d], KOFN_INVALID_ARGUMENT, false, NULL);
        check_choice("f64", dtypes[d], KOFN_INVALID_ARGUMENT, false, NULL);
        assert_int_equal(kofn_integers_get_product_dtype(dtypes[d]), KOFN_I64);
    }
    check_choice("", KOFN_F64, KOFN_OK, false, "f64");
    check_choice("", KOFN_U8, KOFN_OK, false, "gf256");
    check_choice("gfp:7", KOFN_U32, KOFN_OK, false, "gfp:7");
    check_choice("", KOFN_U32, KOFN_INVALID_ARGUMENT, false, NULL);
    check_choice("integers", KOFN_U32, KOFN_INVALID_ARGUMENT, false, NULL);
    check_choice("integers", KOFN_F64, KOFN_INVALID_ARGUMENT, false, NULL);
    check_choice("integer", KOFN_F64, KOFN_NOT_FOUND, false, NULL);
    assert_int_equal(kofn_integers_get_product_dtype(KOFN_U32), KOFN_U32);
    assert_int_equal(kofn_integers_get_product_dtype(KOFN_F32), KOFN_F32);
}

/* Cut somewhere, so that rows are worked on in two calls. */
static void
check_reduce(kofn_dtype dtype, size_t rows, size_t cols, size_t primes, kofn_rng *rng)
{
    pieces from = draw_pieces(dtype, rows, cols, dtype == KOFN_I64 ? 63 : 31, rng);
    pieces to[KOFN_INTEGERS_PRIMES_MAX];
    kofn_bands residues[KOFN_INTEGERS_PRIMES_MAX];
    for (size_t k = 0; k < primes; k++) {
        to[k] = new_pieces(KOFN_U32, rows, cols, rng);
        residues[k] = to[k].bands;
    }
    const size_t cut = kofn_rng_below(rng, rows + 1);
    kofn_integers_reduce(&from.bands, primes, residues, cut, rows);
    kofn_integers_reduce(&from.bands, primes, residues, 0, cut);
    for (size_t k = 0; k < primes; k++) {
        const int64_t p = kofn_integers_primes[k];
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < cols; j++)
                assert_int_equal(get(&residues[k], i, j), (get(&from.bands, i, j) % p + p) % p);
        free_pieces(&to[k]);
    }
    free_pieces(&from);
}

static void
residues_are_those_of_division(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(93), 0);
    const size_t sizes[] = {0, 1, 5, 37, 520};
    for (size_t i = 0; i < 5 * 5 * 2; i++)
        check_reduce(dtypes[i % 2], sizes[i / 2 % 5], sizes[i / 10], 1 + i % 9, &rng);
}

/* ---- numbers from residues ------------------------------------------------------------------- */

/* A number from -(M-1)/2 to (M-1)/2, often near an end of that or of 64 bits. */
static void
draw_number(fmpz_t ret_x, const fmpz_t m, kofn_rng *rng)
{
    const uint64_t kind = kofn_rng_below(rng, 8);
    fmpz_t half;
    fmpz_init(half);
    fmpz_fdiv_q_2exp(half, m, 1);
    fmpz_set_ui(ret_x, kofn_rng_u64(rng));
    for (int i = 0; i < 3; i++) { // 256 bits
        fmpz_mul_2exp(ret_x, ret_x, 64);
        fmpz_add_ui(ret_x, ret_x, kofn_rng_u64(rng));
    }
    if (kind == 0) {
        fmpz_sub_ui(ret_x, half, kofn_rng_below(rng, 3));
    } else if (kind <= 4) { // about 2^63, and exactly
        fmpz_set_ui(ret_x, (uint64_t)1 << 63);
        fmpz_add_si(ret_x, ret_x, (slong)kofn_rng_below(rng, 5) - 2);
    } else {
        fmpz_fdiv_q_2exp(ret_x, ret_x, kofn_rng_below(rng, 257));
    }
    if (fmpz_cmp(ret_x, half) > 0)
        fmpz_mod(ret_x, ret_x, half);
    if (kofn_rng_below(rng, 2))
        fmpz_neg(ret_x, ret_x);
    fmpz_clear(half);
}

/* FLINT's integers as kofn's: where the first is that does not fit, `count` when there is none. */
static size_t
find_wide(const fmpz_mat_t x)
{
    const size_t cols = (size_t)fmpz_mat_ncols(x), count = (size_t)fmpz_mat_nrows(x) * cols;
    size_t i = 0;
    while (i < count && fmpz_fits_si(fmpz_mat_entry(x, (slong)(i / cols), (slong)(i % cols))))
        i++;
    return i;
}

/* c was restored, or its first rows were as far as they are numbers of 64 bits. */
static void
check_restored(const fmpz_mat_t x, size_t primes, const kofn_bands *residues, kofn_rng *rng)
{
    const size_t rows = (size_t)fmpz_mat_nrows(x), cols = (size_t)fmpz_mat_ncols(x);
    const size_t wide = find_wide(x), cut = cols == 0 ? rows : wide / cols;
    char place[64];
    pieces c = new_pieces(KOFN_I64, rows, cols, rng);
    if (wide < rows * cols) {
        (void)snprintf(place, sizeof place, "element (%zu, %zu) is about", cut, wide % cols);
        assert_fails(kofn_integers_restore(primes, residues, 0, rows, &c.bands, &error),
                     KOFN_OUT_OF_RANGE);
        if (!strstr(error.text, place))
            fail_msg("'%s' does not say '%s'", error.text, place);
    } else {
        assert_ok(kofn_integers_restore(primes, residues, cut, rows, &c.bands, &error));
    }
    assert_ok(kofn_integers_restore(primes, residues, 0, cut, &c.bands, &error));
    for (size_t i = 0; i < cut; i++)
        for (size_t j = 0; j < cols; j++)
            assert_true(fmpz_equal_si(fmpz_mat_entry(x, (slong)i, (slong)j), get(&c.bands, i, j)));
    free_pieces(&c);
}

/* Which of the numbers drawn may need more than 64 bits. */
typedef enum wide { NONE_WIDE, ONE_WIDE, ANY_WIDE } wide;

static void
check_numbers(size_t rows, size_t cols, size_t primes, wide which, kofn_rng *rng)
{
    fmpz_t m;
    fmpz_mat_t x;
    pieces in[KOFN_INTEGERS_PRIMES_MAX];
    kofn_bands residues[KOFN_INTEGERS_PRIMES_MAX];
    fmpz_init(m);
    fmpz_mat_init(x, (slong)rows, (slong)cols);
    multiply_primes(m, primes);
    const size_t one = which == ONE_WIDE ? kofn_rng_below(rng, rows * cols) : SIZE_MAX;
    for (size_t k = 0; k < primes; k++) {
        in[k] = new_pieces(KOFN_U32, rows, cols, rng);
        residues[k] = in[k].bands;
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            fmpz *at = fmpz_mat_entry(x, (slong)i, (slong)j);
            do
                draw_number(at, m, rng);
            while (which != ANY_WIDE && fmpz_fits_si(at) == (i * cols + j == one));
            for (size_t k = 0; k < primes; k++)
                set(&residues[k], i, j, (int64_t)fmpz_fdiv_ui(at, kofn_integers_primes[k]));
        }
    check_restored(x, primes, residues, rng);
    for (size_t k = 0; k < primes; k++)
        free_pieces(&in[k]);
    fmpz_mat_clear(x);
    fmpz_clear(m);
}

static void
numbers_come_back_from_their_residues(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(94), 0);
    const size_t sizes[] = {0, 1, 3, 29, 300};
    for (size_t primes = 1; primes <= KOFN_INTEGERS_PRIMES_MAX; primes++)
        for (size_t i = 0; i < 5 * 5; i++)
            check_numbers(sizes[i % 5], sizes[i / 5], primes, NONE_WIDE, &rng);
}

static void
a_number_of_more_than_64_bits_is_refused_with_its_place(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(95), 0);
    for (size_t primes = 3; primes <= KOFN_INTEGERS_PRIMES_MAX; primes++) {
        for (int i = 0; i < 200; i++)
            check_numbers(1 + kofn_rng_below(&rng, 6), 1 + kofn_rng_below(&rng, 6), primes,
                          ANY_WIDE, &rng);
        check_numbers(40, 60, primes, ONE_WIDE, &rng);
        check_numbers(2, 700, primes, ONE_WIDE, &rng);
    }
}

static void
restore_one(const char *text, size_t primes, const char *says)
{
    fmpz_t x;
    int64_t c = 0;
    uint32_t residue[KOFN_INTEGERS_PRIMES_MAX];
    kofn_bands residues[KOFN_INTEGERS_PRIMES_MAX], into;
    kofn_mat mat = kofn_mat_wrap(&c, KOFN_I64, 1, 1);
    assert_ok(kofn_bands_from_mat(&mat, &into, &error));
    fmpz_init(x);
    assert_int_equal(fmpz_set_str(x, text, 10), 0);
    for (size_t k = 0; k < primes; k++) {
        residue[k] = (uint32_t)fmpz_fdiv_ui(x, kofn_integers_primes[k]);
        mat = kofn_mat_wrap(&residue[k], KOFN_U32, 1, 1);
        assert_ok(kofn_bands_from_mat(&mat, &residues[k], &error));
    }
    if (says) {
        assert_fails(kofn_integers_restore(primes, residues, 0, 1, &into, &error),
                     KOFN_OUT_OF_RANGE);
        if (!strstr(error.text, says))
            fail_msg("'%s' does not say '%s'", error.text, says);
        assert_int_equal(kofn_integers_restore(primes, residues, 0, 1, &into, NULL),
                         KOFN_OUT_OF_RANGE);
    } else {
        assert_ok(kofn_integers_restore(primes, residues, 0, 1, &into, &error));
        assert_true(fmpz_equal_si(x, c));
    }
    for (size_t k = 0; k < primes; k++)
        kofn_bands_fini(&residues[k]);
    kofn_bands_fini(&into);
    fmpz_clear(x);
}

static void
the_last_number_of_64_bits_is_one_and_the_next_is_not(void **state)
{
    (void)state;
    for (size_t primes = 3; primes <= KOFN_INTEGERS_PRIMES_MAX; primes++) {
        restore_one("9223372036854775807", primes, NULL);
        restore_one("-9223372036854775808", primes, NULL);
        restore_one("9223372036854775808", primes, "about 9.22337e+18, which needs 65 bits");
        restore_one("-9223372036854775809", primes, "about -9.22337e+18, which needs 65 bits");
    }
    restore_one("20282409603651670423947251286016", 9, "needs 106 bits"); // 2^104
}

static void
places_are_counted_through_rows_without_gaps(void **state)
{
    (void)state;
    enum { PRIMES = 3, ROWS = 8, COLS = 100 };
    static uint32_t residue[PRIMES][ROWS * COLS];
    static int64_t c[ROWS * COLS];
    kofn_bands residues[PRIMES], into;
    kofn_mat mat = kofn_mat_wrap(c, KOFN_I64, ROWS, COLS);
    assert_ok(kofn_bands_from_mat(&mat, &into, &error));
    for (size_t k = 0; k < PRIMES; k++) {
        mat = kofn_mat_wrap(residue[k], KOFN_U32, ROWS, COLS);
        assert_ok(kofn_bands_from_mat(&mat, &residues[k], &error));
    }
    residue[2][5 * COLS + 7] = 1; // some number of about 2^68
    residue[2][5 * COLS + 8] = 1;
    assert_fails(kofn_integers_restore(PRIMES, residues, 0, ROWS, &into, &error),
                 KOFN_OUT_OF_RANGE);
    assert_non_null(strstr(error.text, "element (5, 7)"));
    assert_ok(kofn_integers_restore(PRIMES, residues, 0, 5, &into, &error));
    assert_ok(kofn_integers_restore(PRIMES, residues, 6, ROWS, &into, &error));
    for (size_t k = 0; k < PRIMES; k++)
        kofn_bands_fini(&residues[k]);
    kofn_bands_fini(&into);
}

/* Nobody promises a result, but nothing breaks: for the sanitizers. */
static void
foreign_residues_do_no_harm(void **state)
{
    (void)state;
    enum { LEN = 300 };
    uint32_t foreign[LEN];
    int64_t c[LEN];
    kofn_bands residues[KOFN_INTEGERS_PRIMES_MAX], into;
    memset(foreign, 0xff, sizeof foreign);
    kofn_mat mat = kofn_mat_wrap(c, KOFN_I64, 3, 100);
    assert_ok(kofn_bands_from_mat(&mat, &into, &error));
    mat = kofn_mat_wrap(foreign, KOFN_U32, 3, 100);
    for (size_t k = 0; k < KOFN_INTEGERS_PRIMES_MAX; k++)
        assert_ok(kofn_bands_from_mat(&mat, &residues[k], &error));
    for (size_t primes = 1; primes <= KOFN_INTEGERS_PRIMES_MAX; primes++)
        (void)!kofn_integers_restore(primes, residues, 0, 3, &into, &error); // whatever it says
    for (size_t k = 0; k < KOFN_INTEGERS_PRIMES_MAX; k++)
        kofn_bands_fini(&residues[k]);
    kofn_bands_fini(&into);
}

/* ---- products -------------------------------------------------------------------------------- */

/* c := a b mod prime k */
static void
multiply_residues(size_t k, const kofn_bands *a, const kofn_bands *b, const kofn_bands *c)
{
    char name[KOFN_FIELD_NAME_MAX];
    const kofn_field *f = NULL;
    kofn_pool *pool = NULL;
    kofn_mat a_mat, b_mat;
    (void)snprintf(name, sizeof name, "gfp:%u", kofn_integers_primes[k]);
    assert_ok(kofn_field_new(name, &f, &error));
    assert_ok(kofn_pool_new(1 << 20, &pool, &error));
    assert_ok(kofn_bands_gather(a, pool, &a_mat, &error));
    assert_ok(kofn_bands_gather(b, pool, &b_mat, &error));
    const kofn_product p = {.a = &a_mat, .b = &b_mat};
    assert_ok(kofn_multiply(f, &p, c, &error));
    kofn_mat_fini(&a_mat);
    kofn_mat_fini(&b_mat);
    kofn_pool_destroy(&pool);
    kofn_field_destroy(&f);
}

static void
to_flint(const kofn_bands *m, fmpz_mat_t ret_x)
{
    fmpz_mat_init(ret_x, (slong)m->rows, (slong)m->cols);
    for (size_t i = 0; i < m->rows; i++)
        for (size_t j = 0; j < m->cols; j++)
            fmpz_set_si(fmpz_mat_entry(ret_x, (slong)i, (slong)j), get(m, i, j));
}

static void
check_product(const kofn_bands *a, const kofn_bands *b, size_t primes, kofn_rng *rng)
{
    pieces ra[KOFN_INTEGERS_PRIMES_MAX], rb[KOFN_INTEGERS_PRIMES_MAX], rc[KOFN_INTEGERS_PRIMES_MAX];
    kofn_bands residues[KOFN_INTEGERS_PRIMES_MAX] = {0};
    for (size_t k = 0; k < primes; k++) {
        ra[k] = new_pieces(KOFN_U32, a->rows, a->cols, rng);
        rb[k] = new_pieces(KOFN_U32, b->rows, b->cols, rng);
        rc[k] = new_pieces(KOFN_U32, a->rows, b->cols, rng);
        residues[k] = ra[k].bands;
    }
    kofn_integers_reduce(a, primes, residues, 0, a->rows);
    for (size_t k = 0; k < primes; k++)
        residues[k] = rb[k].bands;
    kofn_integers_reduce(b, primes, residues, 0, b->rows);
    for (size_t k = 0; k < primes; k++) {
        multiply_residues(k, &ra[k].bands, &rb[k].bands, &rc[k].bands);
        residues[k] = rc[k].bands;
    }
    fmpz_mat_t fa, fb, fc;
    to_flint(a, fa);
    to_flint(b, fb);
    fmpz_mat_init(fc, (slong)a->rows, (slong)b->cols);
    fmpz_mat_mul(fc, fa, fb);
    check_restored(fc, primes, residues, rng);
    fmpz_mat_clear(fa);
    fmpz_mat_clear(fb);
    fmpz_mat_clear(fc);
    for (size_t k = 0; k < primes; k++) {
        free_pieces(&ra[k]);
        free_pieces(&rb[k]);
        free_pieces(&rc[k]);
    }
}

static void
products_of_any_integers_are_those_of_flint(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(96), 0);
    const size_t sizes[] = {0, 1, 2, 9, 33};
    bool seen[KOFN_INTEGERS_PRIMES_MAX + 1] = {false};
    for (int i = 0; i < 400; i++) {
        const kofn_dtype dtype = dtypes[kofn_rng_below(&rng, 2)];
        const unsigned most = dtype == KOFN_I64 ? 64 : 32;
        const size_t inner = sizes[kofn_rng_below(&rng, 5)];
        const unsigned bits = (unsigned)kofn_rng_below(&rng, most);
        pieces a = draw_pieces(dtype, sizes[kofn_rng_below(&rng, 5)], inner, bits, &rng);
        pieces b = draw_pieces(dtype, inner, sizes[kofn_rng_below(&rng, 5)],
                               (unsigned)kofn_rng_below(&rng, most), &rng);
        const size_t primes = kofn_integers_count_primes(
            inner, kofn_integers_find_largest(&a.bands), kofn_integers_find_largest(&b.bands));
        seen[primes] = true;
        check_product(&a.bands, &b.bands, primes, &rng);
        free_pieces(&a);
        free_pieces(&b);
    }
    for (size_t primes = 1; primes <= 6; primes++)
        assert_true(seen[primes]);
}

/* Sums that end as small as a sum can, of the largest terms there are. */
static void
terms_of_126_bits_may_cancel(void **state)
{
    (void)state;
    int64_t a[4] = {INT64_MIN, INT64_MIN, INT64_MAX, INT64_MIN};
    int64_t b[4] = {INT64_MIN, INT64_MAX, INT64_MIN, INT64_MAX};
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(97), 0);
    b[2] = -INT64_MAX; // row 0: 2^63 (2^63 + 2^63 - 1) and 2^63 (-(2^63 - 1) - (2^63 - 1))
    kofn_bands a_bands, b_bands;
    kofn_mat mat = kofn_mat_wrap(a, KOFN_I64, 2, 2);
    assert_ok(kofn_bands_from_mat(&mat, &a_bands, &error));
    mat = kofn_mat_wrap(b, KOFN_I64, 2, 2);
    assert_ok(kofn_bands_from_mat(&mat, &b_bands, &error));
    assert_int_equal(kofn_integers_count_primes(2, (uint64_t)1 << 63, (uint64_t)1 << 63), 6);
    check_product(&a_bands, &b_bands, 6, &rng); // overflows
    a[1] = INT64_MAX, a[2] = INT64_MIN, a[3] = INT64_MAX;
    b[0] = INT64_MAX, b[2] = INT64_MAX; // (-2^63 + 2^63 - 1) (2^63 - 1) = -(2^63 - 1)
    b[1] = b[3] = INT64_MIN;            // and 2^63: does not fit
    check_product(&a_bands, &b_bands, 6, &rng);
    b[1] = b[3] = 1;
    check_product(&a_bands, &b_bands, 6, &rng);
    kofn_bands_fini(&a_bands);
    kofn_bands_fini(&b_bands);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_primes_are_the_largest_below_2_to_the_23),
        cmocka_unit_test(there_are_as_many_primes_as_the_largest_sum_needs_and_no_more),
        cmocka_unit_test(the_largest_element_counts_whatever_its_sign),
        cmocka_unit_test(integers_are_implied_by_their_dtypes_and_by_no_other),
        cmocka_unit_test(residues_are_those_of_division),
        cmocka_unit_test(numbers_come_back_from_their_residues),
        cmocka_unit_test(a_number_of_more_than_64_bits_is_refused_with_its_place),
        cmocka_unit_test(the_last_number_of_64_bits_is_one_and_the_next_is_not),
        cmocka_unit_test(places_are_counted_through_rows_without_gaps),
        cmocka_unit_test(foreign_residues_do_no_harm),
        cmocka_unit_test(products_of_any_integers_are_those_of_flint),
        cmocka_unit_test(terms_of_126_bits_may_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
