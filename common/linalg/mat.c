#include "common/linalg/mat.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error                                                                                             \
    "kofn's frames and files are little-endian and are used where they arrive: this machine is not"
#endif

static const struct {
    const char *name;
    size_t width;
    kofn_dtype part; // of complex ones
} dtypes[] = {
    [KOFN_DTYPE_NONE] = {"none", 0, KOFN_DTYPE_NONE},
    [KOFN_F64] = {"f64", 8, KOFN_DTYPE_NONE},
    [KOFN_F32] = {"f32", 4, KOFN_DTYPE_NONE},
    [KOFN_U8] = {"u8", 1, KOFN_DTYPE_NONE},
    [KOFN_U32] = {"u32", 4, KOFN_DTYPE_NONE},
    [KOFN_I32] = {"i32", 4, KOFN_DTYPE_NONE},
    [KOFN_I64] = {"i64", 8, KOFN_DTYPE_NONE},
    [KOFN_C64] = {"c64", 8, KOFN_F32},
    [KOFN_C128] = {"c128", 16, KOFN_F64},
};

enum { DTYPES = sizeof dtypes / sizeof dtypes[0] };

size_t
kofn_dtype_width(kofn_dtype dtype)
{
    return (unsigned)dtype < DTYPES ? dtypes[dtype].width : 0;
}

const char *
kofn_dtype_name(kofn_dtype dtype)
{
    return (unsigned)dtype < DTYPES ? dtypes[dtype].name : dtypes[KOFN_DTYPE_NONE].name;
}

kofn_dtype
kofn_dtype_parse(const char *name)
{
    for (unsigned i = KOFN_DTYPE_NONE + 1; i < DTYPES; i++)
        if (strcmp(name, dtypes[i].name) == 0)
            return (kofn_dtype)i;
    return KOFN_DTYPE_NONE;
}

kofn_dtype
kofn_dtype_get_part(kofn_dtype dtype)
{
    return (unsigned)dtype < DTYPES ? dtypes[dtype].part : KOFN_DTYPE_NONE;
}

kofn_dtype
kofn_dtype_get_complex(kofn_dtype part)
{
    unsigned i = KOFN_DTYPE_NONE + 1;
    while (i < DTYPES && (part == KOFN_DTYPE_NONE || dtypes[i].part != part))
        i++;
    return i < DTYPES ? (kofn_dtype)i : KOFN_DTYPE_NONE;
}

kofn_status
kofn_mat_bytes(kofn_dtype dtype, size_t rows, size_t cols, size_t *ret_bytes, kofn_error *err)
{
    const size_t width = kofn_dtype_width(dtype);
    if (width == 0)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "dtype %u is not known", (unsigned)dtype);

    size_t bytes;
    if (__builtin_mul_overflow(rows, cols, &bytes) ||
        __builtin_mul_overflow(bytes, width, &bytes) || bytes > SIZE_MAX / 2)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "a matrix of %zu x %zu %s is larger than the address space", rows, cols,
                         kofn_dtype_name(dtype));
    *ret_bytes = bytes;
    return KOFN_OK;
}

kofn_status
kofn_mat_new(kofn_pool *pool, kofn_dtype dtype, size_t rows, size_t cols, kofn_mat *ret_mat,
             kofn_error *err)
{
    size_t bytes;
    kofn_status status = kofn_mat_bytes(dtype, rows, cols, &bytes, err);
    if (status)
        return status;

    kofn_buf *buf;
    status = kofn_pool_get(pool, bytes, &buf, err);
    if (status)
        return status;
    *ret_mat = kofn_mat_wrap(kofn_buf_get_data(buf), dtype, rows, cols);
    ret_mat->owner = buf;
    return KOFN_OK;
}

static void
release(void *data, void *hint)
{
    (void)hint;
    free(data);
}

kofn_status
kofn_mat_alloc(kofn_dtype dtype, size_t rows, size_t cols, kofn_mat *ret_mat, kofn_error *err)
{
    size_t bytes;
    kofn_status status = kofn_mat_bytes(dtype, rows, cols, &bytes, err);
    if (status)
        return status;
    void *data = calloc(bytes > 0 ? bytes : 1, 1);
    if (!data)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu x %zu %s", rows, cols,
                         kofn_dtype_name(dtype));
    kofn_mat mat = kofn_mat_wrap(data, dtype, rows, cols);
    status = kofn_buf_wrap(data, bytes, release, NULL, &mat.owner, err);
    if (status)
        free(data);
    else
        *ret_mat = mat;
    return status;
}

kofn_mat
kofn_mat_wrap(void *data, kofn_dtype dtype, size_t rows, size_t cols)
{
    return (kofn_mat){.data = data, .dtype = dtype, .rows = rows, .cols = cols, .stride = cols};
}

kofn_mat
kofn_mat_ref(const kofn_mat *mat)
{
    kofn_mat second = *mat;
    if (mat->owner)
        second.owner = kofn_buf_ref(mat->owner);
    return second;
}

void
kofn_mat_fini(kofn_mat *mat)
{
    kofn_buf_unref(&mat->owner);
    *mat = (kofn_mat){0};
}

bool
kofn_mat_is_contiguous(const kofn_mat *mat)
{
    return mat->stride == mat->cols || mat->rows <= 1;
}

void *
kofn_mat_get_row(const kofn_mat *mat, size_t row)
{
    assert(row < mat->rows);
    return (unsigned char *)mat->data + row * mat->stride * kofn_dtype_width(mat->dtype);
}

void
kofn_bands_init(kofn_bands *bands, kofn_dtype dtype, size_t rows, size_t cols)
{
    *bands = (kofn_bands){.dtype = dtype, .rows = rows, .cols = cols};
}

static size_t
rows_present(const kofn_bands *bands)
{
    if (bands->count == 0)
        return 0;
    const kofn_band *last = &bands->at[bands->count - 1];
    return last->first_row + last->mat.rows;
}

static kofn_status
grow(kofn_bands *bands, kofn_error *err)
{
    if (bands->count < bands->capacity)
        return KOFN_OK;
    const size_t capacity = bands->capacity ? 2 * bands->capacity : 1;
    kofn_band *at = reallocarray(bands->at, capacity, sizeof *at);
    if (!at)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu bands of a matrix",
                         capacity);
    bands->at = at;
    bands->capacity = capacity;
    return KOFN_OK;
}

kofn_status
kofn_bands_append(kofn_bands *bands, kofn_mat *mat, void *frame, size_t frame_bytes,
                  kofn_error *err)
{
    const size_t first_row = rows_present(bands);
    if (mat->dtype != bands->dtype || mat->cols != bands->cols)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a band of %zu columns of %s does not fit a matrix of %zu columns of %s",
                         mat->cols, kofn_dtype_name(mat->dtype), bands->cols,
                         kofn_dtype_name(bands->dtype));
    if (mat->rows > bands->rows - first_row)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a band of %zu rows at row %zu passes the matrix's %zu rows", mat->rows,
                         first_row, bands->rows);

    kofn_status status = grow(bands, err);
    if (status)
        return status;
    bands->at[bands->count++] = (kofn_band){
        .first_row = first_row, .mat = *mat, .frame = frame, .frame_bytes = frame_bytes};
    *mat = (kofn_mat){0};
    return KOFN_OK;
}

kofn_status
kofn_bands_ref(const kofn_bands *bands, kofn_bands *ret_bands, kofn_error *err)
{
    kofn_bands second = *bands;
    second.capacity = bands->count;
    second.at = NULL;
    if (bands->count > 0) {
        second.at = calloc(bands->count, sizeof *second.at);
        if (!second.at)
            return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for %zu bands of a matrix",
                             bands->count);
    }
    for (size_t i = 0; i < bands->count; i++) {
        second.at[i] = bands->at[i];
        second.at[i].mat = kofn_mat_ref(&bands->at[i].mat);
    }
    *ret_bands = second;
    return KOFN_OK;
}

kofn_status
kofn_bands_from_mat(const kofn_mat *mat, kofn_bands *ret_bands, kofn_error *err)
{
    kofn_bands bands;
    kofn_bands_init(&bands, mat->dtype, mat->rows, mat->cols);
    kofn_mat second = kofn_mat_ref(mat);
    kofn_status status = kofn_bands_append(&bands, &second, NULL, 0, err);
    if (status) {
        kofn_mat_fini(&second);
        return status;
    }
    *ret_bands = bands;
    return KOFN_OK;
}

kofn_status
kofn_bands_get_rows(const kofn_bands *bands, size_t first, size_t rows, kofn_bands *ret_bands,
                    kofn_error *err)
{
    const size_t end = first + rows;
    assert(kofn_bands_are_complete(bands) && first <= bands->rows && rows <= bands->rows - first);
    kofn_bands part;
    kofn_bands_init(&part, bands->dtype, rows, bands->cols);
    kofn_status status = KOFN_OK;
    for (size_t i = 0; i < bands->count && !status; i++) {
        const kofn_band *band = &bands->at[i];
        const size_t band_end = band->first_row + band->mat.rows;
        const size_t from = first > band->first_row ? first : band->first_row;
        const size_t to = end < band_end ? end : band_end;
        if (from >= to)
            continue;
        kofn_mat view = kofn_mat_ref(&band->mat);
        view.data = kofn_mat_get_row(&band->mat, from - band->first_row);
        view.rows = to - from;
        status = kofn_bands_append(&part, &view, NULL, 0, err);
        if (status)
            kofn_mat_fini(&view);
    }
    if (status) {
        kofn_bands_fini(&part);
        return status;
    }
    *ret_bands = part;
    return KOFN_OK;
}

bool
kofn_bands_are_complete(const kofn_bands *bands)
{
    return rows_present(bands) == bands->rows;
}

void *
kofn_bands_get_row(const kofn_bands *bands, size_t row, size_t *band)
{
    assert(row < bands->rows);
    while (row >= bands->at[*band].first_row + bands->at[*band].mat.rows)
        ++*band;
    return kofn_mat_get_row(&bands->at[*band].mat, row - bands->at[*band].first_row);
}

void
kofn_bands_fini(kofn_bands *bands)
{
    for (size_t i = 0; i < bands->count; i++)
        kofn_mat_fini(&bands->at[i].mat);
    free(bands->at);
    *bands = (kofn_bands){0};
}

static void
copy_rows(const kofn_mat *from, kofn_mat *to, size_t first_row)
{
    const size_t width = kofn_dtype_width(from->dtype);
    const size_t row_bytes = from->cols * width;
    if (from->rows == 0 || row_bytes == 0)
        return;
    if (kofn_mat_is_contiguous(from)) {
        memcpy(kofn_mat_get_row(to, first_row), from->data, from->rows * row_bytes);
        return;
    }
    for (size_t i = 0; i < from->rows; i++)
        memcpy(kofn_mat_get_row(to, first_row + i), kofn_mat_get_row(from, i), row_bytes);
}

kofn_status
kofn_bands_gather(const kofn_bands *bands, kofn_pool *pool, kofn_mat *ret_mat, kofn_error *err)
{
    assert(kofn_bands_are_complete(bands));
    if (bands->count == 1) {
        *ret_mat = kofn_mat_ref(&bands->at[0].mat);
        return KOFN_OK;
    }

    kofn_mat whole;
    kofn_status status = kofn_mat_new(pool, bands->dtype, bands->rows, bands->cols, &whole, err);
    if (status)
        return status;
    for (size_t i = 0; i < bands->count; i++)
        copy_rows(&bands->at[i].mat, &whole, bands->at[i].first_row);
    *ret_mat = whole;
    return KOFN_OK;
}
