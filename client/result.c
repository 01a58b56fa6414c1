#include "client/result.h"

#include "client/complex.h"
#include "client/convert.h"
#include "common/code/complex.h"
#include "common/code/projection.h"
#include "common/code/sketch.h"
#include "common/linalg/npy.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WRITTEN_AT_ONCE = 32 }; // files

struct kofn_result {
    kofn_account account;
    kofn_client_memory *memory; // the pool that joins bands
    kofn_bands product;         // as it arrived
    kofn_mat joined;            // made by the first get_matrix; dtype none: not yet
};

kofn_status
kofn_compression_fail(kofn_error *err)
{
    return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                     "the master does not know what products are made from, so this one would pass "
                     "for another: it is older than this client; update it, or ask for the product "
                     "itself");
}

/* ---- what is known of the error -------------------------------------------------------------- */

/* Norms of blocks as they travel are within 2^3 of each other on either side (balance.h). */
double
kofn_account_bound_each(const kofn_account *account)
{
    const bool is_batch = account->pairs > 0 && !account->compression.method[0];
    if (account->error_bound == 0)
        return 0;
    return is_batch ? 64 * (double)account->pairs * account->error_bound : INFINITY;
}

/* ---- what was compressed --------------------------------------------------------------------- */

static bool
is_known(const char *method)
{
    kofn_complex_method parts;
    return kofn_sketch_find(method) || kofn_complex_method_parse(method, &parts, NULL) == KOFN_OK;
}

static kofn_status
check_compression(const kofn_call *call, const kofn_msg_job *job, kofn_error *err)
{
    const char *method = job->compression.method;
    if (!method[0])
        return call->compressed ? kofn_compression_fail(err) : KOFN_OK;
    if (is_known(method) || call->blocks.count == 0)
        return KOFN_OK;
    return kofn_fail(err, KOFN_UNIMPLEMENTED,
                     "the product of job '%s' is made of others by %s, which this version does not "
                     "know: take a newer one",
                     job->id, method);
}

/* Where blocks stuck out over the edges there are rows and columns behind the product's own. */
static kofn_status
crop(kofn_bands *product, const kofn_msg_compression *c, kofn_error *err)
{
    kofn_bands own;
    if (product->rows < c->rows || product->cols < c->cols)
        return kofn_fail(err, KOFN_DATA_LOSS,
                         "a sketch of %" PRIu64 " x %" PRIu64 " elements came as %zu x %zu",
                         c->rows, c->cols, product->rows, product->cols);
    if (product->rows == c->rows && product->cols == c->cols)
        return KOFN_OK;
    const kofn_status status = kofn_bands_get_rows(product, 0, c->rows, &own, err);
    if (status != KOFN_OK)
        return status;
    own.cols = c->cols;
    for (size_t i = 0; i < own.count; i++)
        own.at[i].mat.cols = c->cols;
    kofn_bands_fini(product);
    *product = own;
    return KOFN_OK;
}

/* Of |C|, which |C'| is but for the error that is in it: E |C'|^2 = |C|^2 + E |C' - C|^2. INFINITY:
 * most of C' is error, and |C| what is left of it by chance. */
static double
relate(double error, double norm)
{
    const double square = norm * norm - error * error;
    return square > 0.1 * error * error ? error / sqrt(square) : INFINITY;
}

/* One pass over C: what it says of its own error. */
static void
fill_expected(const kofn_bands *product, const kofn_msg_compression *c, kofn_account *account)
{
    const kofn_block all = {
        .of = product, .valid_rows = product->rows, .valid_cols = product->cols};
    const double norm = kofn_projection_measure(kofn_field_for_dtype(product->dtype), &all);
    kofn_compression *to = &account->compression;
    if (!(norm > 0 && isfinite(norm) && c->size > 0))
        return; // nothing was drawn but zeros, or it overflowed: the bound is all there is
    to->expected = kofn_sketch_expect(c->bound, c->most, norm / c->size);
    to->relative = relate(to->expected, norm / c->size);
    account->error_estimate = to->relative;
}

static kofn_status
take_sketch(const kofn_msg_compression *c, kofn_result *result, kofn_error *err)
{
    const kofn_status status = crop(&result->product, c, err);
    if (status == KOFN_OK && c->bound > 0)
        fill_expected(&result->product, c, &result->account);
    return status;
}

static kofn_status
take_compressed(const kofn_msg_compression *c, kofn_result *result, kofn_error *err)
{
    return kofn_sketch_find(c->method)
               ? take_sketch(c, result, err)
               : kofn_complex_restore(c, result->memory->pool, &result->product, err);
}

/* ---- results --------------------------------------------------------------------------------- */

kofn_status
kofn_result_take(kofn_call *call, kofn_result **ret_result, kofn_error *err)
{
    const kofn_msg_outcome *outcome = call->reply;
    kofn_status status = check_compression(call, &outcome->job, err);
    if (status != KOFN_OK)
        return status;
    kofn_result *result = calloc(1, sizeof *result);
    if (!result)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a result");

    kofn_account_from_message(&outcome->job, &result->account);
    result->account.seconds.call = (double)(call->done_ns - call->started_ns) / 1e9;
    if (call->blocks.count > 0) {
        result->product = call->blocks.mat[0];
        call->blocks.mat[0] = (kofn_bands){0};
        call->blocks.count = 0;
    }
    result->memory = call->client->memory;
    result->memory->holders++;
    if (result->product.dtype != KOFN_DTYPE_NONE && outcome->job.compression.method[0])
        status = take_compressed(&outcome->job.compression, result, err);
    if (status != KOFN_OK)
        kofn_result_destroy(&result);
    else
        *ret_result = result;
    return status;
}

void
kofn_result_set_call_seconds(kofn_result *result, double seconds)
{
    result->account.seconds.call = seconds;
}

void
kofn_result_destroy(kofn_result **result_p)
{
    kofn_result *result = *result_p;
    *result_p = NULL;
    if (!result)
        return;
    kofn_bands_fini(&result->product);
    kofn_mat_fini(&result->joined);
    kofn_client_memory_release(&result->memory);
    free(result);
}

const kofn_account *
kofn_result_get_account(const kofn_result *result)
{
    return &result->account;
}

size_t
kofn_result_get_rows(const kofn_result *result)
{
    return result->product.rows;
}

size_t
kofn_result_get_cols(const kofn_result *result)
{
    return result->product.cols;
}

kofn_dtype
kofn_result_get_dtype(const kofn_result *result)
{
    return result->product.dtype;
}

static kofn_status
check_has_product(const kofn_result *result, kofn_error *err)
{
    if (result->product.dtype != KOFN_DTYPE_NONE)
        return KOFN_OK;
    return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                     "the result of job '%s' is an account without a product; wait for it again "
                     "without `without_product`",
                     result->account.job);
}

static void
copy_band(const kofn_band *band, char *to, size_t stride, size_t width)
{
    const size_t row_bytes = band->mat.cols * width;
    if (row_bytes == 0)
        return;
    to += band->first_row * stride * width;
    if (stride == band->mat.cols && kofn_mat_is_contiguous(&band->mat)) {
        memcpy(to, band->mat.data, band->mat.rows * row_bytes);
        return;
    }
    for (size_t row = 0; row < band->mat.rows; row++)
        memcpy(to + row * stride * width, kofn_mat_get_row(&band->mat, row), row_bytes);
}

static void
copy_bands(const kofn_bands *product, void *data, size_t stride)
{
    for (size_t i = 0; i < product->count; i++)
        copy_band(&product->at[i], data, stride, kofn_dtype_width(product->dtype));
}

/* A band is where its message was read, at any address: good for memcpy, not for double *. */
static bool
is_usable(const kofn_bands *product)
{
    return product->count == 1 &&
           (uintptr_t)product->at[0].mat.data % kofn_dtype_width(product->dtype) == 0;
}

static kofn_status
join(kofn_result *result, kofn_error *err)
{
    const kofn_bands *product = &result->product;
    if (is_usable(product)) {
        result->joined = kofn_mat_ref(&product->at[0].mat);
        return KOFN_OK;
    }
    kofn_mat joined;
    kofn_status status = kofn_mat_new(result->memory->pool, product->dtype, product->rows,
                                      product->cols, &joined, err);
    if (status != KOFN_OK)
        return status;
    copy_bands(product, joined.data, joined.stride);
    result->joined = joined;
    return KOFN_OK;
}

kofn_status
kofn_result_get_matrix(kofn_result *result, kofn_matrix *ret_matrix, kofn_error *err)
{
    kofn_status status = check_has_product(result, err);
    if (status == KOFN_OK && result->joined.dtype == KOFN_DTYPE_NONE)
        status = join(result, err);
    if (status != KOFN_OK)
        return status;
    *ret_matrix = (kofn_matrix){
        .data = result->joined.data,
        .dtype = result->joined.dtype,
        .rows = result->joined.rows,
        .cols = result->joined.cols,
        .stride = result->joined.stride,
    };
    return KOFN_OK;
}

static kofn_status
check_stride(const kofn_result *result, size_t stride, kofn_error *err)
{
    if (stride == 0 || stride >= result->product.cols)
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT, "a stride of %zu for rows of %zu elements", stride,
                     result->product.cols);
}

kofn_status
kofn_result_copy(const kofn_result *result, void *data, size_t stride, kofn_error *err)
{
    const kofn_bands *product = &result->product;
    kofn_status status = check_has_product(result, err);
    if (status == KOFN_OK)
        status = check_stride(result, stride, err);
    if (status == KOFN_OK)
        copy_bands(product, data, stride ? stride : product->cols);
    return status;
}

static kofn_status
get_rows(const kofn_result *result, size_t first, size_t rows, kofn_bands *ret_bands,
         kofn_error *err)
{
    const kofn_bands *product = &result->product;
    kofn_status status = check_has_product(result, err);
    if (status != KOFN_OK)
        return status;
    if (first > product->rows || rows > product->rows - first)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "%zu rows from row %zu of a product of %zu rows",
                         rows, first, product->rows);
    return kofn_bands_get_rows(product, first, rows, ret_bands, err);
}

kofn_status
kofn_result_copy_rows(const kofn_result *result, size_t first, size_t rows, void *data,
                      size_t stride, kofn_error *err)
{
    kofn_bands part;
    kofn_status status = check_stride(result, stride, err);
    if (status == KOFN_OK)
        status = get_rows(result, first, rows, &part, err);
    if (status != KOFN_OK)
        return status;
    copy_bands(&part, data, stride ? stride : part.cols);
    kofn_bands_fini(&part);
    return KOFN_OK;
}

kofn_status
kofn_result_write_npy(const kofn_result *result, const char *path, kofn_error *err)
{
    kofn_status status = check_has_product(result, err);
    return status == KOFN_OK ? kofn_npy_write(path, &result->product, err) : status;
}

/* The rows that are meant, which are all when none are named. */
static kofn_status
find_rows(const kofn_result_file *file, kofn_bands *ret_bands, kofn_error *err)
{
    const size_t all = file->result->product.rows;
    const bool whole = file->first == 0 && file->rows == 0;
    return get_rows(file->result, file->first, whole ? all : file->rows, ret_bands, err);
}

static void
write_some(kofn_result_file *files, size_t count)
{
    kofn_npy_file npys[WRITTEN_AT_ONCE];
    kofn_bands parts[WRITTEN_AT_ONCE];
    size_t of[WRITTEN_AT_ONCE], npy_count = 0; // npys[i] is files[of[i]]
    for (size_t i = 0; i < count; i++) {
        files[i].error = (kofn_error){.status = KOFN_OK};
        if (find_rows(&files[i], &parts[npy_count], &files[i].error) != KOFN_OK)
            continue;
        of[npy_count] = i;
        npys[npy_count] = (kofn_npy_file){.path = files[i].path, .bands = &parts[npy_count]};
        npy_count++;
    }
    kofn_npy_write_all(npys, npy_count);
    for (size_t i = 0; i < npy_count; i++) {
        files[of[i]].error = npys[i].error;
        kofn_bands_fini(&parts[i]);
    }
}

void
kofn_results_write_npy(kofn_result_file *files, size_t count)
{
    for (size_t i = 0; i < count; i += WRITTEN_AT_ONCE)
        write_some(&files[i], count - i < WRITTEN_AT_ONCE ? count - i : WRITTEN_AT_ONCE);
}
