#include "common/linalg/planes.h"

#include "common/base/size.h"
#include "common/linalg/field.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Elements that are looked at, and then split while the first-level cache has them. */
enum { STEP = 512 };

/* ---- names ----------------------------------------------------------------------------------- */

const char *
kofn_planes_title(kofn_dtype dtype)
{
    return dtype == KOFN_C128  ? "c128 (c16 of .npy files)"
           : dtype == KOFN_C64 ? "c64 (c8 of .npy files)"
                               : kofn_dtype_name(dtype);
}

/* ---- NaN ------------------------------------------------------------------------------------- */

static double
get_part(kofn_dtype part, const unsigned char *at)
{
    double wide;
    float narrow;
    if (part == KOFN_F64) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at, sizeof narrow);
    return (double)narrow;
}

/* Of `len` elements from column `first` on, of which one is not finite. */
static kofn_status
fail_element(const char *name, kofn_dtype part, const unsigned char *at, size_t row, size_t first,
             size_t len, kofn_error *err)
{
    const size_t width = kofn_dtype_width(part);
    double re = 0, im = 0;
    size_t i = 0;
    for (; i < len; i++) {
        re = get_part(part, at + 2 * i * width);
        im = get_part(part, at + (2 * i + 1) * width);
        if (!isfinite(re) || !isfinite(im))
            break;
    }
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%s: element (%zu, %zu) is %g %+gi, and coded tasks would carry it into all "
                     "of the product: need finite parts",
                     name, row, first + i, re, im);
}

/* ---- splitting ------------------------------------------------------------------------------- */

/* Always inlined, so that width is a constant and the compiler sees vectors. */
static inline __attribute__((always_inline)) void
split_elements(const unsigned char *from, size_t len, size_t width, unsigned char *re,
               unsigned char *im)
{
    for (size_t i = 0; i < len; i++) {
        memcpy(re + i * width, from + 2 * i * width, width);
        memcpy(im + i * width, from + (2 * i + 1) * width, width);
    }
}

/* One row, checked; re NULL: that is all. */
static kofn_status
split_row(const char *name, const kofn_field *part, const kofn_mat *from, size_t row,
          unsigned char *re, unsigned char *im, kofn_error *err)
{
    const unsigned char *at = kofn_mat_get_row(from, row);
    const size_t width = kofn_dtype_width(part->dtype);
    for (size_t i = 0; i < from->cols; i += STEP) {
        const size_t len = kofn_size_smaller(STEP, from->cols - i);
        const unsigned char *elements = at + 2 * i * width;
        if (part->has_foreign(part, elements, 2 * len))
            return fail_element(name, part->dtype, elements, row, i, len, err);
        if (re && width == sizeof(double))
            split_elements(elements, len, sizeof(double), re + i * width, im + i * width);
        else if (re)
            split_elements(elements, len, sizeof(float), re + i * width, im + i * width);
    }
    return KOFN_OK;
}

/* From element (row, first) of the plane on. */
static void
clear_rest(kofn_mat *plane, size_t row, size_t first)
{
    const size_t width = kofn_dtype_width(plane->dtype);
    if (first < plane->cols)
        memset((unsigned char *)kofn_mat_get_row(plane, row) + first * width, 0,
               (plane->cols - first) * width);
}

kofn_status
kofn_planes_split(const char *name, const kofn_mat *from, kofn_mat *re, kofn_mat *im,
                  kofn_error *err)
{
    const kofn_field *part = kofn_field_for_dtype(kofn_dtype_get_part(from->dtype));
    assert(part && re->dtype == part->dtype && im->dtype == part->dtype);
    assert(re->rows == im->rows && re->cols == im->cols);
    assert(re->rows >= from->rows && re->cols >= from->cols);
    for (size_t row = 0; row < re->rows; row++) {
        const bool there = row < from->rows && from->cols > 0; // else it may have no memory
        kofn_status status = KOFN_OK;
        if (there)
            status = split_row(name, part, from, row, kofn_mat_get_row(re, row),
                               kofn_mat_get_row(im, row), err);
        if (status)
            return status;
        clear_rest(re, row, there ? from->cols : 0);
        clear_rest(im, row, there ? from->cols : 0);
    }
    return KOFN_OK;
}

kofn_status
kofn_planes_check(const char *name, const kofn_mat *m, kofn_error *err)
{
    const kofn_field *part = kofn_field_for_dtype(kofn_dtype_get_part(m->dtype));
    kofn_status status = KOFN_OK;
    assert(part);
    for (size_t row = 0; row < m->rows && m->cols > 0 && !status; row++)
        status = split_row(name, part, m, row, NULL, NULL, err);
    return status;
}

void
kofn_planes_scale(kofn_mat *plane, int shift)
{
    const double by = ldexp(1, shift);
    for (size_t row = 0; row < plane->rows && plane->cols > 0 && shift != 0; row++) {
        double *wide = kofn_mat_get_row(plane, row);
        float *narrow = kofn_mat_get_row(plane, row);
        for (size_t i = 0; i < plane->cols; i++)
            if (plane->dtype == KOFN_F64)
                wide[i] *= by;
            else
                narrow[i] *= (float)by;
    }
}

/* By the sign bit, the highest of the last byte. */
void
kofn_planes_negate(const kofn_mat *from, kofn_mat *to)
{
    const size_t width = kofn_dtype_width(from->dtype);
    for (size_t row = 0; row < from->rows; row++) {
        unsigned char *at = kofn_mat_get_row(to, row);
        memcpy(at, kofn_mat_get_row(from, row), from->cols * width);
        for (size_t i = 1; i <= from->cols; i++)
            at[i * width - 1] ^= 0x80;
    }
}

/* ---- joining --------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void
join_elements(const unsigned char *re, const unsigned char *im, size_t len, size_t width,
              unsigned char *to)
{
    for (size_t i = 0; i < len; i++) {
        memcpy(to + 2 * i * width, re + i * width, width);
        memcpy(to + (2 * i + 1) * width, im + i * width, width);
    }
}

void
kofn_planes_join(const kofn_bands *stacked, kofn_mat *to)
{
    const size_t half = stacked->rows / 2;
    assert(kofn_dtype_get_part(to->dtype) == stacked->dtype && stacked->rows % 2 == 0);
    assert(to->rows <= half && to->cols <= stacked->cols);
    size_t re_band = 0, im_band = 0;
    for (size_t row = 0; row < to->rows; row++) {
        const unsigned char *re = kofn_bands_get_row(stacked, row, &re_band);
        const unsigned char *im = kofn_bands_get_row(stacked, half + row, &im_band);
        unsigned char *at = kofn_mat_get_row(to, row);
        if (stacked->dtype == KOFN_F64)
            join_elements(re, im, to->cols, sizeof(double), at);
        else
            join_elements(re, im, to->cols, sizeof(float), at);
    }
}
