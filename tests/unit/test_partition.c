#include "common/base/rng.h"
#include "common/linalg/partition.h"
#include "tests/assert.h"

#include <math.h>

static kofn_error error;

enum { MATRICES_MAX = 12, BANDS_MAX = 64 };

/* A matrix in random bands: some without rows, strides with gaps, elements at odd addresses.
 * What lies between rows is NaN and must stay so. */
typedef struct banded {
    kofn_bands bands;
    unsigned char *memory[BANDS_MAX];
} banded;

static void
banded_init(banded *b, size_t rows, size_t cols, kofn_rng *rng)
{
    kofn_bands_init(&b->bands, KOFN_F64, rows, cols);
    size_t left = rows, count = 0;
    while (left > 0 || count == 0) {
        size_t take = count == BANDS_MAX - 1 ? left : kofn_rng_below(rng, left + 1);
        const size_t stride = cols + kofn_rng_below(rng, 3) * kofn_rng_below(rng, 5);
        const size_t odd = kofn_rng_below(rng, 2) * kofn_rng_below(rng, 8);
        const size_t bytes = (take * stride + 1) * sizeof(double) + odd;
        b->memory[count] = malloc(bytes);
        assert_non_null(b->memory[count]);
        memset(b->memory[count], 0xff, bytes);
        kofn_mat mat = kofn_mat_wrap(b->memory[count] + odd, KOFN_F64, take, cols);
        mat.stride = stride;
        assert_ok(kofn_bands_append(&b->bands, &mat, NULL, 0, &error));
        left -= take;
        count++;
    }
}

static void
banded_fini(banded *b)
{
    for (size_t i = 0; i < b->bands.count; i++)
        free(b->memory[i]);
    kofn_bands_fini(&b->bands);
}

static unsigned char *
element_at(const kofn_bands *bands, size_t row, size_t col)
{
    size_t i = 0;
    while (row >= bands->at[i].first_row + bands->at[i].mat.rows)
        i++;
    return (unsigned char *)kofn_mat_get_row(&bands->at[i].mat, row - bands->at[i].first_row) +
           col * sizeof(double);
}

static double
get(const kofn_bands *bands, size_t row, size_t col)
{
    double value;
    memcpy(&value, element_at(bands, row, col), sizeof value);
    return value;
}

static void
put(const kofn_bands *bands, size_t row, size_t col, double value)
{
    memcpy(element_at(bands, row, col), &value, sizeof value);
}

static void
fill(const kofn_bands *bands, kofn_rng *rng)
{
    for (size_t i = 0; i < bands->rows; i++)
        for (size_t j = 0; j < bands->cols; j++)
            put(bands, i, j, (double)kofn_rng_below(rng, 2001) - 1000); // sums are exact
}

static double
block_element(const kofn_block *block, size_t i, size_t j)
{
    if (i >= block->valid_rows || j >= block->valid_cols)
        return 0;
    return get(block->of, block->first_row + i, block->first_col + j);
}

static void
part_sizes_round_up(void **state)
{
    (void)state;
    assert_int_equal(kofn_part_size(10, 5), 2);
    assert_int_equal(kofn_part_size(11, 5), 3);
    assert_int_equal(kofn_part_size(0, 5), 0);
    assert_int_equal(kofn_part_size(3, 5), 1);
    assert_int_equal(kofn_part_size(SIZE_MAX, 2), SIZE_MAX / 2 + 1);
}

static void
the_squarest_partition_has_the_sides_that_are_nearest(void **state)
{
    (void)state;
    static const size_t sides[][2] = {{1, 1}, {1, 2}, {1, 7}, {2, 3}, {3, 4}, {6, 6}, {1, 65537}};
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        const kofn_partition p = kofn_partition_squarest(sides[i][0] * sides[i][1]);
        assert_int_equal(p.x, sides[i][0]);
        assert_int_equal(p.y, sides[i][1]);
        assert_int_equal(p.z, 1);
    }
}

static void
blocks_of_a_grid_cover_the_matrix_once(void **state)
{
    (void)state;
    kofn_bands bands;
    for (size_t rows = 0; rows < 14; rows++)
        for (size_t parts = 1; parts < 8; parts++) {
            kofn_bands_init(&bands, KOFN_F64, rows, 1);
            size_t covered = 0;
            for (size_t p = 0; p < parts; p++) {
                const kofn_block block = kofn_grid_get_block((kofn_grid){parts, 1}, &bands, p, 0);
                if (block.valid_rows > 0)
                    assert_int_equal(block.first_row, covered);
                assert_true(block.valid_rows <= kofn_part_size(rows, parts));
                covered += block.valid_rows;
            }
            assert_int_equal(covered, rows);
        }
}

static void
a_block_may_be_all_padding(void **state)
{
    (void)state;
    kofn_bands bands;
    kofn_bands_init(&bands, KOFN_F64, 5, 9);
    const kofn_grid grid = {4, 2};
    const kofn_block last = kofn_grid_get_block(grid, &bands, 3, 1);
    assert_int_equal(last.valid_rows, 0);
    assert_int_equal(last.valid_cols, 0);
    const kofn_block third = kofn_grid_get_block(grid, &bands, 2, 1);
    assert_int_equal(third.first_row, 4);
    assert_int_equal(third.valid_rows, 1);
    assert_int_equal(third.first_col, 5);
    assert_int_equal(third.valid_cols, 4);
}

/* A random rectangle of `of` as a block; may reach beyond `of` or have nothing in it. */
static kofn_block
random_block(const kofn_bands *of, size_t rows, size_t cols, kofn_rng *rng)
{
    kofn_block block = {.of = of,
                        .first_row = kofn_rng_below(rng, of->rows + 1),
                        .first_col = kofn_rng_below(rng, of->cols + 1)};
    const size_t rows_left = of->rows - block.first_row, cols_left = of->cols - block.first_col;
    block.valid_rows = rows_left < rows ? rows_left : rows;
    block.valid_cols = cols_left < cols ? cols_left : cols;
    if (kofn_rng_below(rng, 6) == 0)
        block.valid_rows = block.valid_cols = 0;
    if (kofn_rng_below(rng, 3) == 0) { // ends before its matrix does
        block.valid_rows = kofn_rng_below(rng, block.valid_rows + 1);
        block.valid_cols = kofn_rng_below(rng, block.valid_cols + 1);
    }
    return block;
}

static void
check_block(const kofn_block *dst, size_t rows, size_t cols, size_t ins, const kofn_block *src,
            const double *coef)
{
    for (size_t i = 0; i < rows && i < dst->valid_rows; i++)
        for (size_t j = 0; j < cols && j < dst->valid_cols; j++) {
            double sum = 0;
            for (size_t s = 0; s < ins; s++)
                sum += coef[s] * block_element(&src[s], i, j);
            assert_true(block_element(dst, i, j) == sum);
        }
}

/* Everything of the result's matrix that is not in the block is as it was: NaN. */
static void
check_outside(const kofn_block *dst, size_t rows, size_t cols)
{
    for (size_t i = 0; i < dst->of->rows; i++)
        for (size_t j = 0; j < dst->of->cols; j++) {
            const bool inside = i >= dst->first_row && j >= dst->first_col &&
                                i - dst->first_row < rows && j - dst->first_col < cols &&
                                i - dst->first_row < dst->valid_rows &&
                                j - dst->first_col < dst->valid_cols;
            assert_int_equal(isnan(get(dst->of, i, j)) != 0, !inside);
        }
    for (size_t b = 0; b < dst->of->count; b++) {
        const kofn_mat *mat = &dst->of->at[b].mat;
        for (size_t i = 0; i < mat->rows; i++)
            for (size_t j = mat->cols; j < mat->stride; j++) {
                double gap;
                memcpy(&gap, (unsigned char *)kofn_mat_get_row(mat, i) + j * sizeof gap,
                       sizeof gap);
                assert_true(isnan(gap));
            }
    }
}

static void
random_blocks_in_random_bands_are_combined(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(21), 0);
    const kofn_field *f = kofn_field_find("f64");
    for (int round = 0; round < 1500; round++) {
        const size_t rows = kofn_rng_below(&rng, 12), cols = kofn_rng_below(&rng, 12);
        const size_t outs = 1 + kofn_rng_below(&rng, 5), ins = kofn_rng_below(&rng, 6);
        banded matrix[MATRICES_MAX];
        kofn_block block[MATRICES_MAX];
        double coef[MATRICES_MAX * MATRICES_MAX];
        const bool whole = kofn_rng_below(&rng, 3) == 0; // blocks that are whole matrices
        for (size_t i = 0; i < outs + ins; i++) {
            const size_t more_rows = whole ? 0 : kofn_rng_below(&rng, 5);
            const size_t more_cols = whole ? 0 : kofn_rng_below(&rng, 5);
            banded_init(&matrix[i], rows + more_rows, cols + more_cols, &rng);
            if (i >= outs)
                fill(&matrix[i].bands, &rng);
            block[i] = whole ? (kofn_block){&matrix[i].bands, 0, 0, rows, cols}
                             : random_block(&matrix[i].bands, rows, cols, &rng);
        }
        for (size_t i = 0; i < outs * ins; i++)
            coef[i] = (double)kofn_rng_below(&rng, 5) - 2;

        assert_ok(kofn_blocks_combine(f, rows, cols, outs, block, ins, block + outs, coef, &error));
        for (size_t o = 0; o < outs; o++) {
            check_block(&block[o], rows, cols, ins, block + outs, coef + o * ins);
            check_outside(&block[o], rows, cols);
        }
        for (size_t i = 0; i < outs + ins; i++)
            banded_fini(&matrix[i]);
    }
}

/* Encoding by a grid and decoding by its inverse gives the matrix back, padding and all. */
static void
cutting_mixing_and_unmixing_gives_the_matrix_back(void **state)
{
    (void)state;
    kofn_rng rng;
    kofn_rng_init(&rng, test_seed(22), 0);
    const kofn_field *f = kofn_field_find("f64");
    const double mix[4 * 4] = {1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 2, 0, 0, 1};
    const double unmix[4 * 4] = {1, 0, 0, 0, -1, 1, 0, 0, 1, -1, 1, 0, -2, 0, 0, 1};
    for (size_t rows = 0; rows < 8; rows++)
        for (size_t cols = 0; cols < 8; cols++) {
            const kofn_grid grid = {2, 2};
            const size_t part_rows = kofn_part_size(rows, 2), part_cols = kofn_part_size(cols, 2);
            banded matrix, back, coded[4];
            kofn_block from[4], to[4], middle[4];
            banded_init(&matrix, rows, cols, &rng);
            banded_init(&back, rows, cols, &rng);
            fill(&matrix.bands, &rng);
            for (size_t i = 0; i < 4; i++) {
                banded_init(&coded[i], part_rows, part_cols, &rng);
                from[i] = kofn_grid_get_block(grid, &matrix.bands, i / 2, i % 2);
                to[i] = kofn_grid_get_block(grid, &back.bands, i / 2, i % 2);
                middle[i] = kofn_grid_get_block((kofn_grid){1, 1}, &coded[i].bands, 0, 0);
            }
            assert_ok(
                kofn_blocks_combine(f, part_rows, part_cols, 4, middle, 4, from, mix, &error));
            assert_ok(
                kofn_blocks_combine(f, part_rows, part_cols, 4, to, 4, middle, unmix, &error));
            for (size_t i = 0; i < rows; i++)
                for (size_t j = 0; j < cols; j++)
                    assert_true(get(&back.bands, i, j) == get(&matrix.bands, i, j));
            for (size_t i = 0; i < 4; i++)
                banded_fini(&coded[i]);
            banded_fini(&matrix);
            banded_fini(&back);
        }
}

/* The field sees one call where everything is contiguous, however many bands end at the same
 * row. */
typedef struct counting_field {
    kofn_field field; // first, as a parametric field would have it
    size_t calls, elements, rows;
} counting_field;

static void
count_combine(const kofn_field *f, const kofn_combination *c)
{
    counting_field *counting = (counting_field *)(uintptr_t)f;
    counting->calls++;
    counting->elements += c->rows * c->len;
    counting->rows = c->rows;
}

static void
contiguous_blocks_are_one_long_run_for_each_band(void **state)
{
    (void)state;
    counting_field counting = {.field = *kofn_field_find("f64")};
    counting.field.combine = count_combine;
    double from[12 * 4] = {0}, to[6 * 4] = {0};
    kofn_bands source, result;
    kofn_mat mat = kofn_mat_wrap(from, KOFN_F64, 12, 4);
    assert_ok(kofn_bands_from_mat(&mat, &source, &error));
    kofn_bands_init(&result, KOFN_F64, 6, 4);
    for (size_t i = 0; i < 3; i++) {
        mat = kofn_mat_wrap(to + i * 8, KOFN_F64, 2, 4);
        assert_ok(kofn_bands_append(&result, &mat, NULL, 0, &error));
    }
    const kofn_block src[2] = {kofn_grid_get_block((kofn_grid){2, 1}, &source, 0, 0),
                               kofn_grid_get_block((kofn_grid){2, 1}, &source, 1, 0)};
    const kofn_block dst = kofn_grid_get_block((kofn_grid){1, 1}, &result, 0, 0);
    const double coef[2] = {1, 2};
    assert_ok(kofn_blocks_combine(&counting.field, 6, 4, 1, &dst, 2, src, coef, &error));
    assert_int_equal(counting.calls, 3);
    assert_int_equal(counting.elements, 24);
    assert_int_equal(counting.rows, 1);

    /* Columns 0 to 1 of the source have gaps between them: rectangles. */
    counting.calls = 0;
    const kofn_block left = kofn_grid_get_block((kofn_grid){1, 2}, &source, 0, 0);
    const kofn_block thin = {&result, 0, 0, 6, 2};
    assert_ok(kofn_blocks_combine(&counting.field, 6, 2, 1, &thin, 1, &left, coef, &error));
    assert_int_equal(counting.calls, 3);
    assert_int_equal(counting.rows, 2);
    kofn_bands_fini(&source);
    kofn_bands_fini(&result);
}

static void
empty_blocks_are_nothing_to_do(void **state)
{
    (void)state;
    const kofn_field *f = kofn_field_find("f64");
    kofn_bands none;
    kofn_bands_init(&none, KOFN_F64, 0, 0);
    const kofn_block block = kofn_grid_get_block((kofn_grid){3, 3}, &none, 1, 1);
    const double one = 1;
    assert_ok(kofn_blocks_combine(f, 0, 0, 1, &block, 1, &block, &one, &error));
    assert_ok(kofn_blocks_combine(f, 4, 0, 1, &block, 1, &block, &one, &error));
    assert_ok(kofn_blocks_combine(f, 4, 4, 0, &block, 1, &block, &one, &error));
    assert_ok(kofn_blocks_combine(f, 4, 4, 1, &block, 1, &block, &one, &error)); // all padding
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(part_sizes_round_up),
        cmocka_unit_test(the_squarest_partition_has_the_sides_that_are_nearest),
        cmocka_unit_test(blocks_of_a_grid_cover_the_matrix_once),
        cmocka_unit_test(a_block_may_be_all_padding),
        cmocka_unit_test(random_blocks_in_random_bands_are_combined),
        cmocka_unit_test(cutting_mixing_and_unmixing_gives_the_matrix_back),
        cmocka_unit_test(contiguous_blocks_are_one_long_run_for_each_band),
        cmocka_unit_test(empty_blocks_are_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
