/* PREPARING, before anything is made of the operands: are their elements numbers of the field?
 * Arithmetic would take others without harm, and give a product that is worth nothing.
 *
 * Real numbers are not looked at (NaN is a value) but in a batch, where a NaN of one pair would
 * come out in the products of all; nor is anything where every bit pattern is an element (gf256).
 * Looking takes a pass over the operands, some GB/s: a coder does it, and what is known of
 * a stored operand is kept with it.
 */
#include "master/integers.h"
#include "master/jobs.h"
#include "master/operands.h"

#include <stdlib.h>

typedef struct check_item {
    kofn_coder_item item;
    kofn_job *job;
    bool look[KOFN_OPERANDS_MAX]; // at which
    kofn_status status;
    kofn_error error;
} check_item;

static bool
looks_at_all(const kofn_job *job)
{
    return kofn_field_is_partial(job->field) || (job->batch && job->field->order == 0);
}

/* Which operands must be looked at, and their bytes: not one that is stored and was looked at
 * before, for this field or a smaller one. */
static size_t
choose_operands(const kofn_job *job, bool *ret_look)
{
    size_t bytes = 0;
    for (size_t o = 0; o < job->operands.count; o++) {
        const kofn_bands *m = &job->operands.mat[o];
        ret_look[o] =
            looks_at_all(job) && !(job->stored[o] && job->field->order > 0 &&
                                   kofn_operand_get_bound(job->stored[o]) <= job->field->order);
        if (ret_look[o])
            bytes += m->rows * m->cols * kofn_dtype_width(m->dtype);
    }
    return bytes;
}

/* The first row of the block that holds no number of the field, counted in the operand; SIZE_MAX:
 * there is none. */
static size_t
find_foreign_row(const kofn_field *f, const kofn_block *block)
{
    const size_t end = block->first_row + block->valid_rows, width = kofn_dtype_width(f->dtype);
    for (size_t i = 0; i < block->of->count; i++) {
        const kofn_band *band = &block->of->at[i];
        for (size_t row = 0; row < band->mat.rows; row++) {
            const size_t at = band->first_row + row;
            const unsigned char *elements = kofn_mat_get_row(&band->mat, row);
            if (at >= block->first_row && at < end &&
                f->has_foreign(f, elements + block->first_col * width, block->valid_cols))
                return at;
        }
    }
    return SIZE_MAX;
}

/* One look at all; only where that finds something, whose it is. Blocks that no pair is made of may
 * hold anything. */
static kofn_status
check_pairs(const kofn_job *job, size_t operand, kofn_error *err)
{
    const kofn_sums *side = &job->batch->side[operand];
    const kofn_bands *stored = &job->operands.mat[operand];
    const kofn_grid grid = job->batch->grid[operand];
    const kofn_grid turned = {.rows = grid.cols, .cols = grid.rows};
    if (kofn_field_check_elements(job->field, "", stored, NULL) == KOFN_OK)
        return KOFN_OK;
    for (size_t pair = 0; pair < job->batch->count; pair++)
        for (size_t i = side->first[pair]; i < side->first[pair + 1]; i++) {
            const size_t row = side->column[i] / grid.cols, col = side->column[i] % grid.cols;
            const kofn_block block = job->transposed[operand]
                                         ? kofn_grid_get_block(turned, stored, col, row)
                                         : kofn_grid_get_block(grid, stored, row, col);
            const size_t foreign = find_foreign_row(job->field, &block);
            if (foreign != SIZE_MAX)
                return kofn_fail(
                    err, KOFN_INVALID_ARGUMENT,
                    "pair %zu of the batch: its block %zu of %s holds NaN or Inf, in row "
                    "%zu as stored; coded tasks would carry it into all products, so "
                    "leave that pair out, or multiply it by itself",
                    job->batch->origin[pair], side->column[i], kofn_operand_name(false, operand),
                    foreign);
        }
    return KOFN_OK;
}

static kofn_status
check_operands(const kofn_job *job, const bool *look, kofn_error *err)
{
    kofn_status status = KOFN_OK;
    for (size_t o = 0; !status && o < job->operands.count; o++)
        if (look[o])
            status = job->field->order == 0
                         ? check_pairs(job, o, err)
                         : kofn_field_check_elements(job->field, kofn_operand_name(job->outer, o),
                                                     &job->operands.mat[o], err);
    return status;
}

/* Looked at: go on, or fail the job. */
static void
end_check(kofn_job *job, const bool *look, kofn_status status, const kofn_error *why)
{
    if (status) {
        kofn_job_break(job, why);
        return;
    }
    for (size_t o = 0; o < job->operands.count; o++)
        if (job->stored[o] && look[o] && job->field->order > 0)
            kofn_operand_set_bound(job->stored[o], job->field->order);
    kofn_job_begin(job);
}

static void
check_run(kofn_coder_item *item)
{
    check_item *check = (check_item *)item;
    check->status = check_operands(check->job, check->look, &check->error);
}

static void
check_done(kofn_coder_item *item)
{
    check_item *check = (check_item *)item;
    kofn_job *job = check->job;
    kofn_job_leave(job);
    if (!item->start_ns) // the pool was drained before it ran
        check->status = kofn_fail(&check->error, KOFN_UNAVAILABLE, "the master stopped");
    if (!kofn_job_is_over(job))
        end_check(job, check->look, check->status, &check->error);
    free(check);
}

void
kofn_job_check(kofn_job *job)
{
    kofn_error err;
    bool look[KOFN_OPERANDS_MAX] = {false};
    if (kofn_sparse_is_any(&job->sparse)) { // with what else is to be known of them: kofn_job_cut
        kofn_job_begin(job);
        return;
    }
    if (job->parts) { // any integer will do; how large they are is asked
        kofn_job_scan(job);
        return;
    }
    if (choose_operands(job, look) <= KOFN_CHECK_AT_ONCE) { // of most jobs: nothing
        end_check(job, look, check_operands(job, look, &err), &err);
        return;
    }
    check_item *check = calloc(1, sizeof *check);
    if (!check) {
        kofn_fail(&err, KOFN_RESOURCE_EXHAUSTED, "no memory to check the operands");
        kofn_job_break(job, &err);
        return;
    }
    check->item = (kofn_coder_item){.run = check_run, .done = check_done};
    check->job = job;
    memcpy(check->look, look, sizeof look);
    job->items++;
    kofn_coders_submit(job->master->coders, &check->item);
}
