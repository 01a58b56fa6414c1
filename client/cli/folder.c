#include "client/cli/folder.h"

#include "client/cli/output.h"
#include "client/cli/signals.h"
#include "client/cli/text.h"
#include "client/convert.h"
#include "common/base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    BATCH_BYTES = 256 << 20, // coded blocks held at a time
    BATCH_TASKS_MAX = 256,
    TILE = 32,         // of a transposition: two tiles of f64 fit the first-level cache
    OPINION_ROWS = 16, // of each block, on which two decodes are compared
};

/* Time since *since in seconds; *since becomes now. */
static double
lap(int64_t *since)
{
    const int64_t now = kofn_clock_ns();
    const double seconds = (double)(now - *since) / 1e9;
    *since = now;
    return seconds;
}

/* Asked between files, so that none is left half written. */
static kofn_status
check_signals(kofn_error *err)
{
    return cli_signals_get() ? kofn_fail(err, KOFN_CANCELLED, "interrupted") : KOFN_OK;
}

/* *ret_set is NULL where no directory is named. */
static kofn_status
load_algorithms(const char *directory, kofn_algorithms **ret_set, kofn_error *err)
{
    if (!directory || !*directory)
        directory = getenv("KOFN_ALGORITHMS");
    *ret_set = NULL;
    return directory && *directory ? kofn_algorithms_load(directory, ret_set, err) : KOFN_OK;
}

/* ---- turning round --------------------------------------------------------------------------- */

static void
transpose_tile(const kofn_mat *from, const kofn_mat *to, size_t first_row, size_t first_col)
{
    const size_t width = kofn_dtype_width(from->dtype);
    for (size_t row = first_row; row < first_row + TILE && row < from->rows; row++)
        for (size_t col = first_col; col < first_col + TILE && col < from->cols; col++)
            memcpy((char *)to->data + (col * to->stride + row) * width,
                   (const char *)from->data + (row * from->stride + col) * width, width);
}

/* *ret_to := from^T, from the pool. */
static kofn_status
transpose(kofn_pool *pool, const kofn_mat *from, kofn_mat *ret_to, kofn_error *err)
{
    kofn_status status = kofn_mat_new(pool, from->dtype, from->cols, from->rows, ret_to, err);
    if (status != KOFN_OK)
        return status;
    for (size_t row = 0; row < from->rows; row += TILE)
        for (size_t col = 0; col < from->cols; col += TILE)
            transpose_tile(from, ret_to, row, col);
    return KOFN_OK;
}

/* ---- encode ---------------------------------------------------------------------------------- */

typedef struct encoder {
    const char *folder;
    const cli_product *product;
    kofn_algorithms *algorithms; // NULL: none but those that ship
    const kofn_field *field;
    kofn_pool *pool;
    kofn_code *code;
    kofn_coding coding;
    cli_seconds seconds;
    size_t tasks[BATCH_TASKS_MAX];
    kofn_bands blocks[BATCH_TASKS_MAX];
} encoder;

static bool
ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text);
    return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

/* Answers to other tasks must never be taken for answers to these. */
static kofn_status
check_folder(const char *folder, kofn_error *err)
{
    if (mkdir(folder, 0777) == 0)
        return KOFN_OK;
    DIR *dir = errno == EEXIST ? opendir(folder) : NULL;
    if (!dir)
        return kofn_fail(err, kofn_status_from_errno(errno), "-d %s: %s", folder, strerror(errno));
    kofn_status status = KOFN_OK;
    for (const struct dirent *entry; status == KOFN_OK && (entry = readdir(dir));)
        if (strcmp(entry->d_name, "manifest.json") == 0 || ends_with(entry->d_name, ".c.npy"))
            status = kofn_fail(err, KOFN_ALREADY_EXISTS,
                               "-d %s: it holds %s of other tasks; choose another folder", folder,
                               entry->d_name);
    (void)closedir(dir);
    return status;
}

static kofn_status
write_block(encoder *e, size_t operand, size_t i, kofn_error *err)
{
    char path[CLI_PATH_MAX];
    kofn_status status = check_signals(err);
    if (status == KOFN_OK)
        status = cli_task_path(e->folder, e->tasks[i], operand == 0 ? 'a' : 'b', path, err);
    if (status != KOFN_OK || !e->coding.transposed[operand])
        return status == KOFN_OK ? kofn_npy_write(path, &e->blocks[i], err) : status;

    kofn_mat turned;
    kofn_bands bands;
    status = transpose(e->pool, &e->blocks[i].at[0].mat, &turned, err);
    if (status != KOFN_OK)
        return status;
    status = kofn_bands_from_mat(&turned, &bands, err);
    kofn_mat_fini(&turned);
    if (status != KOFN_OK)
        return status;
    status = kofn_npy_write(path, &bands, err);
    kofn_bands_fini(&bands);
    return status;
}

static kofn_status
new_block(encoder *e, size_t operand, kofn_bands *ret_block, kofn_error *err)
{
    size_t rows, cols;
    kofn_mat mat;
    kofn_coding_block_shape(&e->coding, operand, &rows, &cols);
    kofn_status status =
        kofn_mat_new(e->pool, e->product->npy[operand].mat.dtype, rows, cols, &mat, err);
    if (status != KOFN_OK)
        return status;
    status = kofn_bands_from_mat(&mat, ret_block, err);
    kofn_mat_fini(&mat);
    return status;
}

/* Tasks [first, first + count) of one operand: one pass over it, then the files. */
static kofn_status
encode_batch(encoder *e, size_t operand, const kofn_bands *stored, size_t first, size_t count,
             kofn_error *err)
{
    size_t made = 0;
    int64_t since = kofn_clock_ns();
    kofn_status status = KOFN_OK;
    while (status == KOFN_OK && made < count) {
        e->tasks[made] = first + made;
        status = new_block(e, operand, &e->blocks[made], err);
        made += status == KOFN_OK;
    }
    if (status == KOFN_OK)
        status = kofn_coding_encode(&e->coding, operand, stored, count, e->tasks, e->blocks, err);
    e->seconds.code += lap(&since);
    for (size_t i = 0; status == KOFN_OK && i < count; i++)
        status = write_block(e, operand, i, err);
    e->seconds.write += lap(&since);
    while (made > 0)
        kofn_bands_fini(&e->blocks[--made]);
    return status;
}

static size_t
batch_size(const encoder *e, size_t operand)
{
    size_t rows, cols;
    kofn_coding_block_shape(&e->coding, operand, &rows, &cols);
    const size_t bytes = rows * cols * kofn_dtype_width(e->product->npy[operand].mat.dtype);
    const size_t fit = bytes > 0 ? BATCH_BYTES / bytes : BATCH_TASKS_MAX;
    return fit == 0 ? 1 : fit < BATCH_TASKS_MAX ? fit : BATCH_TASKS_MAX;
}

static kofn_status
encode_operand(encoder *e, size_t operand, kofn_error *err)
{
    kofn_bands stored;
    kofn_status status = kofn_bands_from_mat(&e->product->npy[operand].mat, &stored, err);
    if (status != KOFN_OK)
        return status;
    const size_t step = batch_size(e, operand);
    for (size_t first = 0; status == KOFN_OK && first < e->code->tasks; first += step) {
        const size_t left = e->code->tasks - first;
        status = encode_batch(e, operand, &stored, first, left < step ? left : step, err);
    }
    kofn_bands_fini(&stored);
    return status;
}

/* What the arithmetic would take without harm, and give a product that is worth nothing. */
static kofn_status
check_elements(const encoder *e, kofn_error *err)
{
    const kofn_field *field = e->field;
    kofn_status status = KOFN_OK;
    for (size_t o = 0; kofn_field_is_partial(field) && status == KOFN_OK && o < 2; o++) {
        kofn_bands stored;
        status = kofn_bands_from_mat(&e->product->npy[o].mat, &stored, err);
        if (status != KOFN_OK)
            return status;
        status = kofn_field_check_elements(field, e->product->path[o], &stored, err);
        kofn_bands_fini(&stored);
    }
    return status;
}

static kofn_status
plan_encode(encoder *e, size_t workers, cli_manifest *ret_manifest, kofn_error *err)
{
    const kofn_dtype dtype = e->product->npy[0].mat.dtype;
    const char *name = e->product->field ? e->product->field : "";
    cli_manifest manifest = {.dtype = dtype, .shape = cli_product_get_shape(e->product)};
    kofn_status status = kofn_field_choose(name, dtype, &e->field, err);
    if (status == KOFN_OK)
        status = check_elements(e, err);
    if (status != KOFN_OK)
        return status;
    (void)snprintf(manifest.field, sizeof manifest.field, "%s", e->field->name);
    const kofn_code_context context = {.field = e->field,
                                       .rows = manifest.shape.rows,
                                       .inner = manifest.shape.inner,
                                       .cols = manifest.shape.cols,
                                       .workers = workers};
    status = kofn_choice_to_spec(&e->product->code, &manifest.spec, err);
    manifest.spec.algorithms = e->algorithms;
    if (status == KOFN_OK && manifest.spec.reserve > 0)
        status = kofn_fail(err, KOFN_INVALID_ARGUMENT,
                           "reserve=%zu: nobody sends fresh tasks from a folder; take %zu more "
                           "tasks instead",
                           manifest.spec.reserve, manifest.spec.reserve);
    if (status == KOFN_OK)
        status = kofn_code_spec_set_form(&manifest.spec, 0, err);
    if (status == KOFN_OK)
        status = kofn_code_spec_complete(&manifest.spec, &context, err);
    if (status == KOFN_OK)
        status = kofn_code_spec_build(&manifest.spec, e->field, &e->code, err);
    if (status != KOFN_OK)
        return status;
    kofn_coding_init(&e->coding, e->code, manifest.shape, cli_product_is_transposed(e->product, 0),
                     cli_product_is_transposed(e->product, 1));
    *ret_manifest = manifest;
    return KOFN_OK;
}

static kofn_status
encode_into(encoder *e, size_t workers, cli_encoded *ret_encoded, kofn_error *err)
{
    cli_manifest manifest;
    kofn_status status = kofn_pool_new(BATCH_BYTES, &e->pool, err);
    if (status == KOFN_OK)
        status = plan_encode(e, workers, &manifest, err);
    if (status == KOFN_OK)
        status = check_folder(e->folder, err);
    for (size_t operand = 0; status == KOFN_OK && operand < e->code->operands; operand++)
        status = encode_operand(e, operand, err);
    if (status == KOFN_OK)
        status = cli_manifest_save(&manifest, e->folder, err);
    if (status == KOFN_OK)
        *ret_encoded = (cli_encoded){.manifest = manifest,
                                     .threshold = e->code->threshold,
                                     .enough = e->code->enough,
                                     .likely = e->code->likely,
                                     .part = e->coding.part,
                                     .seconds = e->seconds};
    return status;
}

kofn_status
cli_folder_encode(const char *folder, const cli_product *product, const char *algorithms,
                  size_t workers, cli_encoded *ret_encoded, kofn_error *err)
{
    encoder *e = calloc(1, sizeof *e);
    if (!e)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to encode");
    e->folder = folder;
    e->product = product;
    kofn_status status = load_algorithms(algorithms, &e->algorithms, err);
    if (status == KOFN_OK)
        status = encode_into(e, workers, ret_encoded, err);
    if (status == KOFN_OK)
        ret_encoded->manifest.spec.algorithms = NULL; // on their way out
    kofn_algorithms_destroy(&e->algorithms);
    kofn_code_destroy(&e->code);
    kofn_field_destroy(&e->field);
    kofn_pool_destroy(&e->pool);
    free(e);
    return status;
}

/* ---- decode ---------------------------------------------------------------------------------- */

typedef struct reader {
    const char *folder;
    cli_decode_aim aim;
    cli_decoded *out;
    kofn_algorithms *algorithms; // NULL: none but those that ship
    kofn_pool *pool;
    kofn_code *code;
    kofn_coding coding;
    kofn_decoder *decoder;
    kofn_bands *answers; // [code->tasks], those read
} reader;

static kofn_status
turn_round(reader *r, kofn_npy *npy, kofn_error *err)
{
    kofn_mat turned;
    kofn_status status = transpose(r->pool, &npy->mat, &turned, err);
    if (status != KOFN_OK)
        return status;
    kofn_mat_fini(&npy->mat);
    npy->mat = turned;
    npy->transposed = false;
    return KOFN_OK;
}

static kofn_status
check_answer(const reader *r, const char *path, const kofn_npy *npy, kofn_error *err)
{
    const size_t rows = npy->transposed ? npy->mat.cols : npy->mat.rows;
    const size_t cols = npy->transposed ? npy->mat.rows : npy->mat.cols;
    const kofn_shape *part = &r->coding.part;
    if (npy->mat.dtype == r->out->manifest.dtype && rows == part->rows && cols == part->cols)
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%s: %s [%zu, %zu], the manifest wants %s [%zu, %zu]", path,
                     kofn_dtype_name(npy->mat.dtype), rows, cols,
                     kofn_dtype_name(r->out->manifest.dtype), part->rows, part->cols);
}

/* NOT_FOUND: there is no such answer. */
static kofn_status
read_answer(reader *r, size_t task, kofn_bands *ret_answer, kofn_error *err)
{
    char path[CLI_PATH_MAX];
    kofn_npy npy;
    kofn_status status = cli_task_path(r->folder, task, 'c', path, err);
    if (status == KOFN_OK)
        status = kofn_npy_read(path, &npy, err);
    if (status != KOFN_OK)
        return status;
    status = check_answer(r, path, &npy, err);
    if (status == KOFN_OK && npy.transposed)
        status = turn_round(r, &npy, err);
    if (status == KOFN_OK)
        status = kofn_bands_from_mat(&npy.mat, ret_answer, err);
    kofn_mat_fini(&npy.mat);
    if (status == KOFN_OK && kofn_field_is_partial(r->code->field))
        status = kofn_field_check_elements(r->code->field, path, ret_answer, err);
    if (status != KOFN_OK)
        kofn_bands_fini(ret_answer);
    return status;
}

static kofn_status
refuse(cli_decoded *out, size_t task, const kofn_error *why, kofn_error *err)
{
    cli_refused *refused = reallocarray(out->refused, out->refused_count + 1, sizeof *out->refused);
    if (!refused)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a list of answers");
    out->refused = refused;
    refused[out->refused_count++] = (cli_refused){.task = task, .error = *why};
    return KOFN_OK;
}

/* Answers in the order of tasks until they suffice: systematic ones come first. */
static kofn_status
read_answers(reader *r, kofn_error *err)
{
    for (size_t task = 0; task < r->code->tasks; task++) {
        if (kofn_decoder_get_state(r->decoder) == KOFN_DECODE_EXACT)
            return KOFN_OK;
        kofn_error why;
        kofn_status status = check_signals(err);
        if (status != KOFN_OK)
            return status;
        status = read_answer(r, task, &r->answers[task], &why);
        if (status == KOFN_NOT_FOUND)
            continue;
        if (status == KOFN_RESOURCE_EXHAUSTED)
            return kofn_fail(err, status, "%s", why.text);
        status = status == KOFN_OK ? kofn_decoder_add(r->decoder, task, err)
                                   : refuse(r->out, task, &why, err);
        if (status != KOFN_OK)
            return status;
        r->out->answers = kofn_decoder_get_count(r->decoder);
    }
    return KOFN_OK;
}

static bool
promises_estimates(const reader *r)
{
    return r->code->enough < r->code->threshold;
}

/* Should what there is be estimated? Of a code that promises estimates even a set that seems to
 * decode: its points are so small that rounding decides about that. */
static bool
may_estimate(const reader *r)
{
    if (r->aim == CLI_DECODE_BEST)
        return r->out->answers > 0;
    return promises_estimates(r) && r->out->answers >= r->code->enough;
}

/* Tasks that would do: as many as the code promises an estimate from, or what completes the set. */
static kofn_status
suggest(const reader *r, size_t *ret_tasks, size_t *ret_count, kofn_error *err)
{
    if (!promises_estimates(r))
        return kofn_decoder_suggest(r->decoder, ret_tasks, ret_count, err);
    size_t count = 0;
    for (size_t task = 0; task < r->code->tasks; task++)
        if (r->out->answers + count < r->code->enough && !kofn_decoder_has(r->decoder, task))
            ret_tasks[count++] = task;
    *ret_count = count;
    return KOFN_OK;
}

static kofn_status
fail_incomplete(reader *r, kofn_error *err)
{
    cli_decoded *out = r->out;
    out->wanted = calloc(r->code->tasks, sizeof *out->wanted);
    if (!out->wanted)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a list of tasks");
    kofn_status status = suggest(r, out->wanted, &out->wanted_count, err);
    if (status != KOFN_OK)
        return status;
    return kofn_fail(
        err, KOFN_FAILED_PRECONDITION,
        "%zu answer%s in %s: not enough yet; %zu more would do, for example of the tasks that "
        "follow%s",
        out->answers, cli_s(out->answers), r->folder, out->wanted_count,
        out->answers > 0 ? "; --best takes what there is" : "");
}

static kofn_status
run_plan(reader *r, const kofn_decode_plan *plan, const kofn_bands *c, kofn_error *err)
{
    const kofn_bands **used = calloc(plan->used ? plan->used : 1, sizeof *used);
    if (!used)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to decode");
    for (size_t i = 0; i < plan->used; i++)
        used[i] = &r->answers[plan->task[i]];
    kofn_status status =
        kofn_coding_decode(&r->coding, plan, used, kofn_coding_all_rows(&r->coding), c, err);
    free(used);
    r->out->used = plan->used;
    r->out->quality = plan->quality;
    r->out->decoded = status == KOFN_OK;
    r->out->estimate = plan->estimate;
    r->out->error_bound = plan->truncation + plan->rounding;
    return status;
}

/* What the answers themselves say of the error: compare with a plan that does without one. */
static kofn_status
compare_plans(reader *r, const kofn_decode_plan *plan, kofn_error *err)
{
    kofn_decode_plan other;
    kofn_error why;
    kofn_status status = kofn_decoder_second_opinion(r->decoder, kofn_coding_get_noise(&r->coding),
                                                     plan, &other, &why);
    if (status == KOFN_FAILED_PRECONDITION) // there is none to spare
        return KOFN_OK;
    if (status != KOFN_OK)
        return kofn_fail(err, status, "%s", why.text);
    status = kofn_coding_disagree(&r->coding, plan, &other, r->answers, OPINION_ROWS,
                                  &r->out->error_estimate, err);
    if (!isfinite(r->out->error_estimate)) // NaN in an answer, which is said otherwise
        r->out->error_estimate = 0;
    kofn_decode_plan_fini(&other);
    return status;
}

static kofn_status
decode_into(reader *r, const kofn_bands *c, kofn_error *err)
{
    kofn_decode_plan plan;
    const double noise = kofn_coding_get_noise(&r->coding);
    kofn_status status = may_estimate(r) ? kofn_decoder_estimate(r->decoder, noise, &plan, err)
                                         : kofn_decoder_plan(r->decoder, noise, &plan, err);
    if (status != KOFN_OK)
        return status;
    status = run_plan(r, &plan, c, err);
    if (status == KOFN_OK && plan.estimate)
        status = compare_plans(r, &plan, err);
    kofn_decode_plan_fini(&plan);
    return status;
}

static kofn_status
rebuild(reader *r, const char *output, kofn_error *err)
{
    const kofn_shape *shape = &r->out->manifest.shape;
    kofn_mat mat;
    kofn_bands c;
    int64_t since = kofn_clock_ns();
    kofn_status status =
        kofn_mat_new(r->pool, r->out->manifest.dtype, shape->rows, shape->cols, &mat, err);
    if (status != KOFN_OK)
        return status;
    status = kofn_bands_from_mat(&mat, &c, err);
    if (status == KOFN_OK) {
        status = decode_into(r, &c, err);
        r->out->nonfinite =
            r->code->field->has_foreign(r->code->field, mat.data, shape->rows * shape->cols);
        r->out->seconds.code = lap(&since);
        if (status == KOFN_OK)
            status = check_signals(err);
        if (status == KOFN_OK)
            status = kofn_npy_write(output, &c, err);
        r->out->seconds.write = lap(&since);
        kofn_bands_fini(&c);
    }
    kofn_mat_fini(&mat);
    return status;
}

static kofn_status
open_reader(reader *r, kofn_error *err)
{
    cli_manifest *manifest = &r->out->manifest;
    const kofn_field *field = NULL;
    kofn_status status = cli_manifest_load(r->folder, r->algorithms, manifest, err);
    if (status == KOFN_OK)
        status = kofn_field_choose(manifest->field, manifest->dtype, &field, err);
    if (status == KOFN_OK)
        status = kofn_code_spec_build(&manifest->spec, field, &r->code, err);
    kofn_field_destroy(&field); // the code has a ref
    if (status == KOFN_OK)
        status = kofn_pool_new(0, &r->pool, err);
    if (status == KOFN_OK)
        status = kofn_decoder_new(r->code, 0, &r->decoder, err);
    if (status != KOFN_OK)
        return status;
    r->answers = calloc(r->code->tasks, sizeof *r->answers);
    if (!r->answers)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for answers");
    r->out->threshold = r->code->threshold;
    kofn_coding_init(&r->coding, r->code, manifest->shape, false, false);
    return KOFN_OK;
}

static void
close_reader(reader *r)
{
    for (size_t i = 0; r->answers && i < r->code->tasks; i++)
        kofn_bands_fini(&r->answers[i]);
    free(r->answers);
    kofn_decoder_destroy(&r->decoder);
    kofn_code_destroy(&r->code);
    kofn_algorithms_destroy(&r->algorithms);
    r->out->manifest.spec.algorithms = NULL;
    kofn_pool_destroy(&r->pool);
}

kofn_status
cli_folder_decode(const char *folder, const char *output, const char *algorithms,
                  cli_decode_aim aim, cli_decoded *ret_decoded, kofn_error *err)
{
    reader r = {.folder = folder, .aim = aim, .out = ret_decoded};
    int64_t since = kofn_clock_ns();
    *ret_decoded = (cli_decoded){0};
    kofn_status status = load_algorithms(algorithms, &r.algorithms, err);
    if (status == KOFN_OK)
        status = open_reader(&r, err);
    if (status == KOFN_OK) {
        const cli_manifest *m = &ret_decoded->manifest;
        status = cli_output_check(output, m->dtype, m->shape.rows, m->shape.cols, err);
        ret_decoded->no_output = status != KOFN_OK;
    }
    if (status == KOFN_OK)
        status = read_answers(&r, err);
    ret_decoded->seconds.read = lap(&since);
    if (status == KOFN_OK)
        status = may_estimate(&r) || kofn_decoder_get_state(r.decoder) != KOFN_DECODE_NOT_YET
                     ? rebuild(&r, output, err)
                     : fail_incomplete(&r, err);
    close_reader(&r);
    return status;
}

void
cli_decoded_fini(cli_decoded *decoded)
{
    free(decoded->wanted);
    free(decoded->refused);
    *decoded = (cli_decoded){0};
}
