#include "master/sparse.h"
#include "common/base/size.h"
#include "master/integers.h"
#include "master/jobs.h"
#include "proto/block.h"

#include <stdlib.h>

/* ---- orders ---------------------------------------------------------------------------------- */

bool
kofn_sparse_is_any(const kofn_job_sparse *sparse)
{
    return sparse->is[0] || sparse->is[1];
}

kofn_status
kofn_sparse_refuse(const char *what, const kofn_msg_matrix *matrix, kofn_error *err)
{
    if (!matrix->format[0] && matrix->elements == 0)
        return KOFN_OK;
    return kofn_fail(err, KOFN_UNIMPLEMENTED,
                     "%s is said to be of format '%s': only operands of a product of two matrices "
                     "over a field, whose blocks come with it, are sparse",
                     what, matrix->format);
}

static kofn_status
read_matrix(const char *what, const kofn_msg_matrix *m, bool *ret_sparse, kofn_error *err)
{
    *ret_sparse = m->format[0];
    if (!*ret_sparse && m->elements == 0)
        return KOFN_OK;
    if (strcmp(m->format, KOFN_FORMAT_CSR) != 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s has %" PRIu64 " elements and the format '%s', need csr, or neither",
                         what, m->elements, m->format);
    if (m->elements > kofn_size_multiply(m->rows, m->cols))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s is %" PRIu64 " x %" PRIu64 " and said to have %" PRIu64 " elements",
                         what, m->rows, m->cols, m->elements);
    return KOFN_OK;
}

kofn_status
kofn_sparse_read(const kofn_msg_matrix *a, const kofn_msg_matrix *b, const kofn_msg_code *code,
                 kofn_job *job, kofn_error *err)
{
    static const size_t first[] = {0};
    kofn_job_sparse *sparse = &job->sparse;
    kofn_status status = read_matrix("A", a, &sparse->is[0], err);
    if (!status)
        status = read_matrix("B", b, &sparse->is[1], err);
    if (status || !kofn_sparse_is_any(sparse))
        return status;
    sparse->elements[0] = a->elements;
    sparse->elements[1] = b->elements;
    sparse->asked = (kofn_partition){.x = code->x, .z = code->z, .y = code->y};
    sparse->uncut = true;
    return kofn_batch_new_stacked(1, 1, 1, first, first, NULL, job->field, &job->batch, err);
}

/* ---- what comes ------------------------------------------------------------------------------ */

/* Where the row offsets of a sparse operand are among the job's matrices; columns follow. */
static size_t
find_lists(const kofn_job_sparse *sparse, size_t operand)
{
    return operand == 0 || !sparse->is[0] ? 2 : 4;
}

kofn_bands
kofn_job_describe_matrix(const kofn_job *job, size_t index)
{
    const kofn_job_sparse *sparse = &job->sparse;
    const bool lists = index >= 2 && kofn_sparse_is_any(sparse);
    const size_t o = !lists ? index : index - find_lists(sparse, 1) < 2 ? 1 : 0;
    const size_t rows = job->transposed[o] ? job->extents.cols[o] : job->extents.rows[o];
    const size_t cols = job->transposed[o] ? job->extents.rows[o] : job->extents.cols[o];
    const kofn_dtype dtype = job->parts ? job->parts->dtype : job->field->dtype;
    kofn_bands like;
    if (lists && index % 2 == 0)
        kofn_bands_init(&like, KOFN_I64, rows + 1, 1);
    else if (lists)
        kofn_bands_init(&like, KOFN_I32, sparse->elements[o], 1);
    else if (o < 2 && sparse->is[o])
        kofn_bands_init(&like, dtype, sparse->elements[o], 1);
    else
        kofn_bands_init(&like, dtype, rows, cols);
    return like;
}

/* ---- the batch ------------------------------------------------------------------------------- */

typedef struct cut_item {
    kofn_coder_item item;
    kofn_job *job;
    size_t workers;
    kofn_csr csr[2];
    kofn_nonzero_choice choice;
    kofn_bands product; // where nothing is left of it
    kofn_status status;
    kofn_error error;
} cut_item;

static kofn_status
gather_operand(const kofn_job *job, size_t operand, kofn_csr *csr, kofn_error *err)
{
    const kofn_bands *mats = job->operands.mat;
    const size_t lists = find_lists(&job->sparse, operand);
    const bool turned = job->transposed[operand];
    const char *what = kofn_operand_name(false, operand);
    csr->rows = turned ? job->extents.cols[operand] : job->extents.rows[operand];
    csr->cols = turned ? job->extents.rows[operand] : job->extents.cols[operand];
    kofn_status status = kofn_bands_gather(&mats[operand], job->master->pool, &csr->value, err);
    if (!status)
        status = kofn_bands_gather(&mats[lists], job->master->pool, &csr->first, err);
    if (!status)
        status = kofn_bands_gather(&mats[lists + 1], job->master->pool, &csr->column, err);
    return status ? status : kofn_csr_check(what, csr, err);
}

/* Numbers of the field, finite ones: coded tasks would carry others into all of the product. */
static kofn_status
check_numbers(const kofn_job *job, size_t operand, kofn_error *err)
{
    static const char *const names[][2] = {{"A", "B"}, {"the values of A", "the values of B"}};
    return kofn_field_check_elements(job->field, names[job->sparse.is[operand]][operand],
                                     &job->operands.mat[operand], err);
}

static kofn_status
make_zeros(const kofn_job *job, kofn_bands *ret_product, kofn_error *err)
{
    const kofn_status status =
        kofn_block_bands_new(job->master->pool, job->field->dtype, job->shape.rows, job->shape.cols,
                             job->master->config.chunk_bytes, ret_product, err);
    for (size_t i = 0; !status && i < ret_product->count; i++) {
        const kofn_mat *mat = &ret_product->at[i].mat;
        for (size_t row = 0; row < mat->rows; row++)
            memset(kofn_mat_get_row(mat, row), 0, mat->cols * kofn_dtype_width(mat->dtype));
    }
    return status;
}

static void
cut_run(kofn_coder_item *item)
{
    cut_item *cut = (cut_item *)item;
    const kofn_job *job = cut->job;
    kofn_nonzero_operand operands[2];
    for (size_t o = 0; o < 2 && !cut->status; o++) {
        operands[o] = (kofn_nonzero_operand){
            .csr = job->sparse.is[o] ? &cut->csr[o] : NULL,
            .dense = &job->operands.mat[o],
            .transposed = job->transposed[o],
        };
        if (job->sparse.is[o])
            cut->status = gather_operand(job, o, &cut->csr[o], &cut->error);
        if (!cut->status)
            cut->status = check_numbers(job, o, &cut->error);
    }
    if (!cut->status)
        cut->status = kofn_nonzero_choose(operands, &job->shape, job->sparse.asked, cut->workers,
                                          job->field, &cut->choice, &cut->error);
    if (!cut->status && !cut->choice.batch)
        cut->status = make_zeros(job, &cut->product, &cut->error);
}

/* Dense blocks of sparse operands, on their way and kept: what was not to be known before. */
static kofn_status
charge_blocks(kofn_job *job, const kofn_nonzero_choice *choice, kofn_error *err)
{
    const kofn_partition p = choice->part;
    const kofn_grid grid[2] = {{p.x, p.z}, {p.z, p.y}};
    size_t bytes = 0;
    for (size_t o = 0; o < 2; o++) {
        const size_t blocks = kofn_size_smaller(grid[o].rows * grid[o].cols, choice->left);
        const size_t block = kofn_size_multiply(kofn_part_size(job->extents.rows[o], grid[o].rows),
                                                kofn_part_size(job->extents.cols[o], grid[o].cols));
        const size_t all = kofn_size_multiply(2 * blocks * kofn_dtype_width(job->field->dtype),
                                              job->sparse.is[o] ? block : 0);
        bytes = all < SIZE_MAX / 4 ? bytes + all : SIZE_MAX / 4;
    }
    bool never;
    const kofn_status status = kofn_master_check_room(job->master, "the blocks of this job",
                                                      job->charge, bytes, &never, err);
    if (!status)
        kofn_jobs_change_charge(job->master->jobs, job, job->charge + bytes);
    return status;
}

/* The job becomes that of these pairs; takes over what the item has. */
static kofn_status
take_batch(kofn_job *job, cut_item *cut, kofn_error *err)
{
    const kofn_status status = charge_blocks(job, &cut->choice, err);
    if (status)
        return status;
    kofn_job_sparse *sparse = &job->sparse;
    job->spec.batch = NULL;
    kofn_batch_destroy(&job->batch);
    job->batch = cut->choice.batch;
    cut->choice.batch = NULL;
    job->pairs = job->batch->count;
    memcpy(sparse->csr, cut->csr, sizeof sparse->csr);
    memset(cut->csr, 0, sizeof cut->csr);
    return kofn_code_spec_set_batch(&job->spec, job->batch, err);
}

/* Nothing is to be sent: it passes through the states as if all had been answered. */
static void
finish_zeros(kofn_job *job, kofn_bands *product)
{
    job->product = *product;
    *product = (kofn_bands){0};
    job->has_product = true;
    kofn_job_move(job, KOFN_JOB_EV_BUILT);
    kofn_job_move(job, KOFN_JOB_EV_ENOUGH);
    kofn_job_finish(job, KOFN_JOB_EV_DECODED);
}

static void
end_cut(kofn_job *job, cut_item *cut)
{
    const kofn_nonzero_choice *choice = &cut->choice;
    job->sparse.uncut = false;
    job->sparse.part = choice->part;
    if (!choice->batch)
        finish_zeros(job, &cut->product);
    else if (take_batch(job, cut, &cut->error) == KOFN_OK)
        kofn_job_prepare(job);
    else
        kofn_job_break(job, &cut->error);
}

static void
cut_done(kofn_coder_item *item)
{
    cut_item *cut = (cut_item *)item;
    kofn_job *job = cut->job;
    kofn_job_leave(job);
    if (!item->start_ns) // the pool was drained before it ran
        cut->status = kofn_fail(&cut->error, KOFN_UNAVAILABLE, "the master stopped");
    if (!kofn_job_is_over(job) && cut->status)
        kofn_job_break(job, &cut->error);
    else if (!kofn_job_is_over(job))
        end_cut(job, cut);
    kofn_batch_destroy(&cut->choice.batch);
    kofn_csr_fini(&cut->csr[0]);
    kofn_csr_fini(&cut->csr[1]);
    kofn_bands_fini(&cut->product);
    free(cut);
}

void
kofn_job_cut(kofn_job *job)
{
    cut_item *cut = calloc(1, sizeof *cut);
    if (!cut) {
        kofn_error err;
        kofn_fail(&err, KOFN_RESOURCE_EXHAUSTED, "no memory to look at sparse operands");
        kofn_job_break(job, &err);
        return;
    }
    cut->item = (kofn_coder_item){.run = cut_run, .done = cut_done};
    cut->job = job;
    cut->workers = kofn_sched_count_able(job->master->sched, job->field);
    job->items++;
    kofn_coders_submit(job->master->coders, &cut->item);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

kofn_status
kofn_job_encode(const kofn_job *job, size_t operand, size_t count, const size_t *tasks,
                const kofn_bands *blocks, kofn_error *err)
{
    if (operand < 2 && job->sparse.is[operand])
        return kofn_coding_encode_csr(&job->coding, operand, &job->sparse.csr[operand], count,
                                      tasks, blocks, err);
    return kofn_coding_encode(&job->coding, operand, &job->operands.mat[operand], count, tasks,
                              blocks, err);
}

void
kofn_sparse_release(kofn_job_sparse *sparse)
{
    kofn_csr_fini(&sparse->csr[0]);
    kofn_csr_fini(&sparse->csr[1]);
}
