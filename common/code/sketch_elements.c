#include "common/code/sketch_elements.h"
#include "common/code/projection.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { CHUNK = 512 }; // elements widened at a time

/* sums[step (c / wide)] += element c squared, c < count. True: some square is below the range of a
 * double, though its element is not zero. */
static bool
add_squares(const kofn_field *f, const unsigned char *at, size_t count, size_t wide, size_t step,
            double *sums)
{
    const size_t width = kofn_dtype_width(f->dtype);
    double chunk[CHUNK];
    bool lost = false;
    for (size_t first = 0, block = 0, left = wide; first < count; first += CHUNK) {
        const size_t len = count - first < CHUNK ? count - first : CHUNK;
        f->widen(f, len, at + first * width, chunk);
        for (size_t c = 0; c < len;) {
            const size_t end = c + (left < len - c ? left : len - c);
            left -= end - c;
            double sum = 0;
            for (; c < end; c++) {
                const double square = chunk[c] * chunk[c];
                lost |= square < DBL_MIN && chunk[c] != 0;
                sum += square;
            }
            sums[block * step] += sum;
            if (left == 0) {
                left = wide;
                block++;
            }
        }
    }
    return lost;
}

/* Once more where squares left the range of a double, which is rare: block by block. */
static double
finish_norm(const kofn_field *f, const kofn_bands *m, kofn_grid stored, size_t row, size_t col,
            double sum, bool lost)
{
    const kofn_block block = kofn_grid_get_block(stored, m, row, col);
    return isinf(sum) || (lost && sum < 0x1p-900) ? kofn_projection_measure(f, &block) : sqrt(sum);
}

void
kofn_sketch_measure(const kofn_field *field, const kofn_bands *m, bool transposed, kofn_grid grid,
                    double *ret_norms)
{
    const kofn_grid stored = transposed ? (kofn_grid){.rows = grid.cols, .cols = grid.rows} : grid;
    const size_t high = kofn_part_size(m->rows, stored.rows);
    const size_t wide = kofn_part_size(m->cols, stored.cols);
    const size_t down = transposed ? 1 : grid.cols, right = transposed ? grid.cols : 1;
    bool lost = false;
    memset(ret_norms, 0, grid.rows * grid.cols * sizeof *ret_norms);
    for (size_t b = 0; b < m->count; b++)
        for (size_t r = 0; r < m->at[b].mat.rows; r++)
            lost |= add_squares(field, kofn_mat_get_row(&m->at[b].mat, r), m->cols, wide, right,
                                ret_norms + (m->at[b].first_row + r) / high * down);
    for (size_t i = 0; i < stored.rows; i++)
        for (size_t j = 0; j < stored.cols; j++) {
            double *norm = &ret_norms[i * down + j * right];
            *norm = finish_norm(field, m, stored, i, j, *norm, lost);
        }
}

/* count elements of a row by their columns (NULL: in order), times scale[i] (NULL: by). */
static void
scale_row(kofn_dtype dtype, const unsigned char *from, size_t count, const size_t *column,
          const double *scale, double by, unsigned char *into)
{
    for (size_t i = 0; i < count; i++) {
        const size_t c = column ? column[i] : i;
        const double factor = scale ? scale[i] : by;
        if (dtype == KOFN_F64) {
            double element;
            memcpy(&element, from + c * sizeof element, sizeof element);
            element *= factor;
            memcpy(into + i * sizeof element, &element, sizeof element);
        } else {
            float element;
            memcpy(&element, from + c * sizeof element, sizeof element);
            element = (float)(element * factor);
            memcpy(into + i * sizeof element, &element, sizeof element);
        }
    }
}

void
kofn_sketch_keep(const kofn_bands *from, bool columns, size_t count, const size_t *kept,
                 const double *scale, const kofn_bands *into)
{
    size_t source = 0, sink = 0;
    for (size_t row = 0; row < into->rows; row++) {
        const unsigned char *elements =
            kofn_bands_get_row(from, columns ? row : kept[row], &source);
        unsigned char *made = kofn_bands_get_row(into, row, &sink);
        if (columns)
            scale_row(from->dtype, elements, count, kept, scale, 1, made);
        else
            scale_row(from->dtype, elements, from->cols, NULL, NULL, scale ? scale[row] : 1, made);
    }
}
