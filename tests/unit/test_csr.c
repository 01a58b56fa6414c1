#include "common/linalg/csr.h"
#include "tests/unit/code_brute.h"

static kofn_error error;

/* Three lists on the stack as a matrix. */
#define CSR(rows_, cols_, first_, column_, value_)                                                 \
    ((kofn_csr){.rows = rows_,                                                                     \
                .cols = cols_,                                                                     \
                .first = kofn_mat_wrap(first_, KOFN_I64, sizeof(first_) / sizeof *(first_), 1),    \
                .column =                                                                          \
                    kofn_mat_wrap(column_, KOFN_I32, sizeof(column_) / sizeof *(column_), 1),      \
                .value = kofn_mat_wrap(value_, KOFN_F64, sizeof(value_) / sizeof *(value_), 1)})

static void
what_is_not_csr_is_refused_with_its_row(void **state)
{
    (void)state;
    int64_t first[] = {0, 2, 2, 4};
    int32_t column[] = {0, 3, 0, 2};
    double value[] = {5, 2, 1, 7};
    kofn_csr csr = CSR(3, 4, first, column, value);
    assert_ok(kofn_csr_check("A", &csr, &error));

    const struct {
        void *at;
        int64_t bad;
        bool wide;
        const char *says;
    } wrong[] = {
        {&first[0], 1, true, "A: row offsets go from 1 to 4"},
        {&first[3], 3, true, "A: row offsets go from 0 to 3"},
        {&first[1], 5, true, "A: row 1 starts at 5"},
        {&first[2], -1, true, "A: row 1 starts at 2 and ends at -1"},
        {&first[1], INT64_MAX, true, "A: row 1"},
        {&column[1], 4, false, "A: row 0 has column 4"},
        {&column[2], -1, false, "A: row 2 has column -1"},
        {&column[3], 0, false, "A: row 2 has column 0 after 0"},
        {&column[0], 3, false, "A: row 0 has column 3 after 3"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t kept = 0;
        const size_t width = wrong[i].wide ? 8 : 4;
        memcpy(&kept, wrong[i].at, width);
        memcpy(wrong[i].at, &wrong[i].bad, width);
        assert_fails(kofn_csr_check("A", &csr, &error), KOFN_INVALID_ARGUMENT);
        if (strncmp(error.text, wrong[i].says, strlen(wrong[i].says)) != 0)
            fail_msg("%s: expected '%s...'", error.text, wrong[i].says);
        memcpy(wrong[i].at, &kept, width);
    }
    assert_ok(kofn_csr_check("A", &csr, &error));
}

static void
lists_of_other_lengths_and_types_are_refused(void **state)
{
    (void)state;
    int64_t first[] = {0, 2, 2, 4};
    int32_t column[] = {0, 3, 0, 2};
    double value[] = {5, 2, 1, 7};
    const kofn_csr good = CSR(3, 4, first, column, value);
    kofn_csr wrong[8];
    for (size_t i = 0; i < 8; i++)
        wrong[i] = good;
    wrong[0].rows = 2;
    wrong[1].rows = 4;
    wrong[2].first.dtype = KOFN_F64;
    wrong[3].column.dtype = KOFN_U32;
    wrong[4].column.rows = 3;
    wrong[5].column.cols = 2;
    wrong[6].value.stride = 2;
    wrong[7].first = kofn_mat_wrap(first, KOFN_I64, 1, 4);
    for (size_t i = 0; i < 8; i++)
        assert_fails(kofn_csr_check("A", &wrong[i], &error), KOFN_INVALID_ARGUMENT);
    wrong[0].rows = SIZE_MAX;
    assert_fails(kofn_csr_check("A", &wrong[0], &error), KOFN_OUT_OF_RANGE);
    wrong[1].value.dtype = KOFN_DTYPE_NONE;
    assert_fails(kofn_csr_check("A", &wrong[1], &error), KOFN_OUT_OF_RANGE);
}

static void
sizes_are_checked_before_anything_is_allocated(void **state)
{
    (void)state;
    kofn_csr csr;
    size_t bytes = 0;
    assert_ok(kofn_csr_bytes(KOFN_F32, 3, 5, &bytes, &error));
    assert_int_equal(bytes, 4 * 8 + 5 * (4 + 4));
    assert_fails(kofn_csr_bytes(KOFN_F64, SIZE_MAX, 0, &bytes, &error), KOFN_OUT_OF_RANGE);
    assert_fails(kofn_csr_bytes(KOFN_F64, 1, SIZE_MAX / 12, &bytes, &error), KOFN_OUT_OF_RANGE);
    assert_fails(kofn_csr_new(KOFN_F64, 1, (size_t)INT32_MAX + 1, 1, &csr, &error),
                 KOFN_OUT_OF_RANGE);
    assert_ok(kofn_csr_new(KOFN_F64, 0, 0, 0, &csr, &error));
    assert_ok(kofn_csr_check("A", &csr, &error)); // offsets {0}
    kofn_csr_fini(&csr);
    kofn_csr_fini(&csr);
}

/* ---- combinations ---------------------------------------------------------------------------- */

/* A dense matrix of the field, about one element in `rarity` not zero, and its CSR with columns of
 * this dtype. */
static kofn_csr
new_pair(const kofn_field *f, size_t rows, size_t cols, size_t rarity, kofn_dtype column,
         kofn_rng *rng, kofn_bands *ret_dense)
{
    kofn_csr csr = {.rows = rows, .cols = cols};
    size_t count = 0;
    *ret_dense = new_matrix(f->dtype, rows, cols);
    fill_drawn(f, ret_dense, rng);
    kofn_mat *dense = &ret_dense->at[0].mat;
    assert_ok(kofn_mat_alloc(KOFN_I64, rows + 1, 1, &csr.first, &error));
    assert_ok(kofn_mat_alloc(column, rows * cols, 1, &csr.column, &error));
    assert_ok(kofn_mat_alloc(f->dtype, rows * cols, 1, &csr.value, &error));
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < cols; c++) {
            if (kofn_rng_below(rng, rarity) != 0) {
                element_set(dense, r, c, 0);
                continue;
            }
            element_set(&csr.value, count, 0, element_get(dense, r, c));
            if (column == KOFN_I64)
                ((int64_t *)csr.column.data)[count++] = (int64_t)c;
            else
                ((int32_t *)csr.column.data)[count++] = (int32_t)c;
        }
        ((int64_t *)csr.first.data)[r + 1] = (int64_t)count;
    }
    csr.column.rows = csr.value.rows = count;
    assert_ok(kofn_csr_check("A", &csr, &error));
    return csr;
}

/* Blocks in bands of a few rows, at odd addresses. */
static kofn_bands
new_odd_block(kofn_dtype dtype, size_t rows, size_t cols, unsigned char **ret_memory)
{
    kofn_bands bands;
    const size_t bytes = rows * cols * kofn_dtype_width(dtype);
    *ret_memory = malloc(bytes + 2);
    memset(*ret_memory, 0x5a, bytes + 2); // whatever was there is written over
    kofn_bands_init(&bands, dtype, rows, cols);
    for (size_t r = 0, take; r < rows || bands.count == 0; r += take) {
        take = rows - r < 2 ? rows - r : 2;
        kofn_mat band =
            kofn_mat_wrap(*ret_memory + 1 + r * cols * kofn_dtype_width(dtype), dtype, take, cols);
        assert_ok(kofn_bands_append(&bands, &band, NULL, 0, &error));
    }
    return bands;
}

/* Both combinations of the same matrix, once sparse and once dense, differ by rounding alone. */
static void
compare_combinations(const kofn_field *f, const kofn_csr *csr, const kofn_bands *dense,
                     kofn_grid grid, kofn_rng *rng)
{
    enum { OUTS = 3 };
    const size_t rows = kofn_part_size(csr->rows, grid.rows), ins = grid.rows * grid.cols;
    const size_t cols = kofn_part_size(csr->cols, grid.cols), width = kofn_dtype_width(f->dtype);
    kofn_bands got[OUTS], want[OUTS];
    kofn_block dst[OUTS], src[64];
    unsigned char *memory[OUTS];
    double coef[OUTS * 64];
    for (size_t i = 0; i < ins; i++)
        src[i] = kofn_grid_get_block(grid, dense, i / grid.cols, i % grid.cols);
    for (size_t i = 0; i < OUTS * ins; i++)
        coef[i] = kofn_rng_below(rng, 3) == 0 ? 0 : f->draw(f, rng);
    for (size_t o = 0; o < OUTS; o++) {
        got[o] = new_odd_block(f->dtype, rows, cols, &memory[o]);
        want[o] = new_matrix(f->dtype, rows, cols);
        dst[o] = (kofn_block){.of = &want[o], .valid_rows = rows, .valid_cols = cols};
    }
    assert_ok(kofn_csr_combine(f, csr, grid, OUTS, got, coef, &error));
    assert_ok(kofn_blocks_combine(f, rows, cols, OUTS, dst, ins, src, coef, &error));
    for (size_t o = 0; o < OUTS; o++) {
        kofn_bands aligned = new_matrix(f->dtype, rows, cols);
        memcpy(only_mat(&aligned)->data, memory[o] + 1, rows * cols * width);
        for (size_t i = 0; i < rows * cols && f->order != 0; i++)
            assert_memory_equal(memory[o] + 1 + i * width,
                                (char *)want[o].at[0].mat.data + i * width, width);
        for (size_t r = 0; r < rows && f->order == 0; r++)
            for (size_t c = 0; c < cols; c++) {
                double size = 0; // of the terms, each rounded with its product and the sums
                for (size_t i = 0; i < ins; i++)
                    if (r < src[i].valid_rows && c < src[i].valid_cols)
                        size += fabs(coef[o * ins + i] * element_get(&dense->at[0].mat,
                                                                     src[i].first_row + r,
                                                                     src[i].first_col + c));
                assert_at_most(fabs(element_get(only_mat(&aligned), r, c) -
                                    element_get(&want[o].at[0].mat, r, c)),
                               2 * (double)(ins + 2) * f->epsilon * size);
            }
        free_matrix(&aligned);
        kofn_bands_fini(&got[o]);
        free_matrix(&want[o]);
        free(memory[o]);
    }
}

static void
combinations_are_those_of_the_dense_matrix(void **state)
{
    (void)state;
    static const char *const fields[] = {"f64",   "f32",       "gf4",           "gf16",
                                         "gf256", "gfp:65537", "gfp:2147483647"};
    static const kofn_grid grids[] = {{1, 1}, {3, 2}, {2, 7}, {8, 8}, {4, 1}};
    static const size_t shapes[][2] = {{12, 14}, {5, 9}, {1, 1},   {17, 3},
                                       {0, 4},   {4, 0}, {7, 2000}};
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(41), 0);
    for (size_t n = 0; n < 7 * 5 * 7; n++) {
        const kofn_field *f = new_field(fields[n % 7]);
        const size_t *shape = shapes[n / 35];
        kofn_bands dense;
        kofn_csr csr = new_pair(f, shape[0], shape[1], 1 + kofn_rng_below(&rng, 5),
                                n % 2 ? KOFN_I64 : KOFN_I32, &rng, &dense);
        compare_combinations(f, &csr, &dense, grids[n / 7 % 5], &rng);
        kofn_csr_fini(&csr);
        free_matrix(&dense);
        kofn_field_destroy(&f);
    }
}

static void
one_by_one_with_a_coefficient_of_one_makes_it_dense(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("f64");
    kofn_bands dense, got;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(42), 0);
    kofn_csr csr = new_pair(f, 9, 13, 3, KOFN_I32, &rng, &dense);
    got = new_matrix(KOFN_F64, 9, 13);
    const double one = 1;
    assert_ok(kofn_csr_combine(f, &csr, (kofn_grid){1, 1}, 1, &got, &one, &error));
    assert_memory_equal(got.at[0].mat.data, dense.at[0].mat.data, 9 * 13 * sizeof(double));
    kofn_csr_fini(&csr);
    free_matrix(&dense);
    free_matrix(&got);
}

static void
a_nan_behind_a_coefficient_of_zero_does_not_spread(void **state)
{
    (void)state;
    int64_t first[] = {0, 2};
    int32_t column[] = {0, 1};
    double value[] = {NAN, 2};
    const kofn_csr csr = CSR(1, 2, first, column, value);
    kofn_bands got = new_matrix(KOFN_F64, 1, 1);
    assert_ok(kofn_csr_combine(kofn_field_find("f64"), &csr, (kofn_grid){1, 2}, 1, &got,
                               (const double[]){0, 3}, &error));
    assert_true(element_get(&got.at[0].mat, 0, 0) == 6);
    free_matrix(&got);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_csr_is_refused_with_its_row),
        cmocka_unit_test(lists_of_other_lengths_and_types_are_refused),
        cmocka_unit_test(sizes_are_checked_before_anything_is_allocated),
        cmocka_unit_test(combinations_are_those_of_the_dense_matrix),
        cmocka_unit_test(one_by_one_with_a_coefficient_of_one_makes_it_dense),
        cmocka_unit_test(a_nan_behind_a_coefficient_of_zero_does_not_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
