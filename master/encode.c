#include "master/jobs.h"
#include "master/operands.h"
#include "proto/block.h"

#include <stdlib.h>

struct kofn_queued_task {
    size_t task;
    uint64_t assignment;
};

void
kofn_job_queue_send(kofn_job *job, const kofn_action *action)
{
    if (job->times.sent_ns == 0)
        job->times.sent_ns = kofn_clock_ns();
    if (job->born == 0)
        job->born = action->round;
    job->last.sent++;
    job->last.backups += action->backup;
    kofn_job_queue_again(job, action->task, action->assignment);
}

void
kofn_job_queue_again(kofn_job *job, size_t task, uint64_t assignment)
{
    const kofn_master *master = job->master;
    if (job->send_count == job->send_capacity) {
        const size_t capacity = job->send_capacity ? 2 * job->send_capacity : 4;
        kofn_queued_task *sends = realloc(job->sends, capacity * sizeof *sends);
        if (!sends) {
            kofn_error err;
            kofn_fail(&err, KOFN_RESOURCE_EXHAUSTED, "no memory to queue a task");
            master->carrier->fail(master->fleet, assignment, &err);
            return;
        }
        job->sends = sends;
        job->send_capacity = capacity;
    }
    job->sends[job->send_count++] = (kofn_queued_task){.task = task, .assignment = assignment};
    kofn_jobs_add_touched(job->master->jobs, job);
}

typedef struct encode_batch encode_batch;

/* One operand's blocks for the tasks of a batch: an item of its own, so that operands are encoded
 * side by side while nothing else can be done for the job. */
typedef struct encode_part {
    kofn_coder_item item;
    encode_batch *batch;
    size_t operand;
    kofn_bands *blocks; // [batch->count]
    kofn_status status;
    kofn_error error;
} encode_part;

struct encode_batch {
    kofn_job *job;
    size_t count;
    kofn_queued_task *sends; // [count]
    size_t out;              // parts that are not done
    encode_part part[KOFN_OPERANDS_MAX];
};

/* Is a task's factor the operand itself? */
static bool
is_whole(const kofn_job *job, size_t operand, size_t task)
{
    return job->code->e[operand].cols == 1 && !(operand < 2 && job->sparse.is[operand]) &&
           kofn_code_plain_block(job->code, operand, task) != SIZE_MAX;
}

/* The blocks of a task's factor that the job has already, or NULL: an operand that is not cut, or a
 * plain block that was copied out before. */
static const kofn_bands *
find_ready(const kofn_job *job, size_t operand, size_t task)
{
    if (is_whole(job, operand, task))
        return &job->operands.mat[operand];
    const size_t block = kofn_code_plain_block(job->code, operand, task);
    if (block == SIZE_MAX)
        return NULL;
    const kofn_bands *plain = &job->plain[operand][block];
    return plain->dtype != KOFN_DTYPE_NONE ? plain : NULL; // one without rows has no bands
}

kofn_coded_key
kofn_job_get_coded_key(const kofn_job *job, size_t operand, size_t task)
{
    return (kofn_coded_key){
        .field = job->field,
        .grid = job->coding.grid[operand],
        .transposed = job->transposed[operand],
        .coef = kofn_code_get_row(job->code, operand, task),
    };
}

/* The same, with those that were kept with a stored operand; those are the I/O thread's. *reused
 * counts what another job made. */
static const kofn_bands *
find_block(const kofn_job *job, size_t operand, size_t task, size_t *reused)
{
    const kofn_bands *ready = find_ready(job, operand, task);
    if (ready || !job->stored[operand])
        return ready;
    bool others = false;
    const kofn_coded_key key = kofn_job_get_coded_key(job, operand, task);
    ready = kofn_operand_find_coded(job->stored[operand], &key, job->id, &others);
    *reused += ready && others;
    return ready;
}

static kofn_status
new_block(const kofn_job *job, size_t operand, kofn_bands *ret_bands, kofn_error *err)
{
    size_t rows, cols;
    kofn_coding_block_shape(&job->coding, operand, &rows, &cols);
    return kofn_block_bands_new(job->master->pool, job->field->dtype, rows, cols,
                                job->master->config.chunk_bytes, ret_bands, err);
}

/* Elements of blocks that could not be encoded are undefined: they must not be found ready. */
static void
drop_unmade(kofn_job *job, size_t operand, size_t made, const size_t *tasks)
{
    for (size_t i = 0; i < made; i++) {
        const size_t block = kofn_code_plain_block(job->code, operand, tasks[i]);
        if (block != SIZE_MAX)
            kofn_bands_fini(&job->plain[operand][block]);
    }
}

/* Was it found when the batch was made? */
static bool
is_there(const kofn_bands *block)
{
    return block->dtype != KOFN_DTYPE_NONE; // one without rows has no bands
}

/* Blocks of one operand for all tasks of the batch: what is not there yet is made in one pass. */
static kofn_status
encode_operand(encode_part *part, kofn_error *err)
{
    const encode_batch *batch = part->batch;
    const size_t operand = part->operand;
    kofn_job *job = batch->job;
    size_t made = 0;
    size_t *tasks = calloc(batch->count, sizeof *tasks);
    kofn_bands *fresh = calloc(batch->count, sizeof *fresh); // borrowed views of what is made
    kofn_status status = KOFN_OK;
    if (!tasks || !fresh)
        status =
            kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to encode %zu tasks", batch->count);
    for (size_t i = 0; !status && i < batch->count; i++) {
        const size_t task = batch->sends[i].task;
        if (is_there(&part->blocks[i]) || find_ready(job, operand, task))
            continue;
        const size_t block = kofn_code_plain_block(job->code, operand, task);
        kofn_bands *into = block == SIZE_MAX ? &part->blocks[i] : &job->plain[operand][block];
        status = new_block(job, operand, into, err);
        if (status)
            break;
        tasks[made] = task;
        fresh[made++] = *into;
    }
    if (!status && made > 0)
        status = kofn_job_encode(job, operand, made, tasks, fresh, err);
    if (status)
        drop_unmade(job, operand, made, tasks);
    for (size_t i = 0; !status && i < batch->count; i++) {
        const kofn_bands *ready = find_ready(job, operand, batch->sends[i].task);
        if (ready && !is_there(&part->blocks[i]))
            status = kofn_bands_ref(ready, &part->blocks[i], err);
    }
    free(tasks);
    free(fresh);
    return status;
}

static void
encode_run(kofn_coder_item *item)
{
    encode_part *part = (encode_part *)item;
    part->status = encode_operand(part, &part->error);
}

static void
destroy_batch(encode_batch *batch)
{
    for (size_t o = 0; o < KOFN_OPERANDS_MAX; o++)
        kofn_bands_array_fini(&batch->part[o].blocks, batch->count);
    free(batch->sends);
    free(batch);
}

/* What was made of a stored operand is offered to the next product; what was found is known. */
static void
keep_blocks(const encode_part *part)
{
    const encode_batch *batch = part->batch;
    kofn_operand *stored = batch->job->stored[part->operand];
    if (!stored || part->status)
        return;
    for (size_t i = 0; i < batch->count; i++) {
        const size_t task = batch->sends[i].task;
        if (is_whole(batch->job, part->operand, task))
            continue;
        const kofn_coded_key key = kofn_job_get_coded_key(batch->job, part->operand, task);
        kofn_operand_keep_coded(stored, &key, batch->job->id, &part->blocks[i]);
    }
}

/* Blocks that came out well go to their workers; a task lacking one has failed there. */
static void
send_batch(encode_batch *batch)
{
    const kofn_master *master = batch->job->master;
    const size_t operands = batch->job->code->operands;
    const encode_part *failed = NULL;
    for (size_t o = 0; o < operands && !failed; o++)
        failed = batch->part[o].status ? &batch->part[o] : NULL;
    for (size_t i = 0; i < batch->count; i++) {
        const uint64_t assignment = batch->sends[i].assignment;
        const kofn_bands *blocks[KOFN_OPERANDS_MAX];
        for (size_t o = 0; o < operands; o++)
            blocks[o] = &batch->part[o].blocks[i];
        if (failed)
            master->carrier->fail(master->fleet, assignment, &failed->error);
        else // false: cancelled meanwhile
            (void)master->carrier->send(master->fleet, assignment, blocks);
    }
}

/* Else the pool was drained before it could: the master stops. */
static bool
has_run(const encode_batch *batch)
{
    bool all = true;
    for (size_t o = 0; o < batch->job->code->operands; o++)
        all &= batch->part[o].item.start_ns != 0;
    return all;
}

/* From when the first part began until the last one ended: 0 by a coarse clock. */
static int64_t
batch_ns(const encode_batch *batch)
{
    int64_t start_ns = batch->part[0].item.start_ns, end_ns = batch->part[0].item.end_ns;
    for (size_t o = 1; o < batch->job->code->operands; o++) {
        const kofn_coder_item *item = &batch->part[o].item;
        start_ns = item->start_ns < start_ns ? item->start_ns : start_ns;
        end_ns = item->end_ns > end_ns ? item->end_ns : end_ns;
    }
    return end_ns - start_ns;
}

static void
encode_done(kofn_coder_item *item)
{
    encode_batch *batch = ((encode_part *)item)->batch;
    if (--batch->out > 0)
        return;
    kofn_job *job = batch->job;
    job->encoding = false;
    if (has_run(batch)) {
        job->times.encode_ns += batch_ns(batch);
        for (size_t o = 0; o < job->code->operands; o++)
            keep_blocks(&batch->part[o]);
        send_batch(batch);
    }
    destroy_batch(batch);
    kofn_job_take_rows(job);
    kofn_job_leave(job); // not sooner: its operands were used
    if (job->state == KOFN_JOB_RUNNING)
        kofn_job_send(job);
    kofn_jobs_act(job->master->jobs);
}

static bool
fill_part(encode_batch *batch, size_t operand)
{
    batch->part[operand] = (encode_part){
        .item = {.run = encode_run, .done = encode_done},
        .batch = batch,
        .operand = operand,
        .blocks = calloc(batch->count, sizeof(kofn_bands)),
    };
    return batch->part[operand].blocks != NULL;
}

/* Blocks that were kept need not be made; short of memory, they are. */
static void
take_kept(encode_part *part)
{
    kofn_job *job = part->batch->job;
    for (size_t i = 0; job->stored[part->operand] && i < part->batch->count; i++) {
        const size_t task = part->batch->sends[i].task;
        size_t reused = 0;
        const kofn_bands *kept = find_block(job, part->operand, task, &reused);
        if (kept && kofn_bands_ref(kept, &part->blocks[i], NULL) == KOFN_OK)
            job->blocks_reused += reused;
    }
}

static kofn_status
start_encode(kofn_job *job, kofn_error *err)
{
    encode_batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to encode");
    batch->job = job;
    batch->count = job->send_count;
    batch->sends = job->sends;
    job->sends = NULL;
    job->send_count = job->send_capacity = 0;
    bool short_of_memory = false;
    for (size_t o = 0; o < job->code->operands; o++)
        short_of_memory |= !fill_part(batch, o);
    if (short_of_memory) {
        destroy_batch(batch);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to encode");
    }
    for (size_t o = 0; o < job->code->operands; o++)
        take_kept(&batch->part[o]);
    job->items++;
    job->encoding = true;
    batch->out = job->code->operands;
    for (size_t o = 0; o < job->code->operands; o++)
        kofn_coders_submit(job->master->coders, &batch->part[o].item);
    return KOFN_OK;
}

/* Send the waiting tasks: at once where every block is there, else through a compute thread. Tasks
 * that come while one encode runs wait for the next, so that an operand is read once for many. */
void
kofn_job_send(kofn_job *job)
{
    if (job->encoding || job->send_count == 0 || job->state != KOFN_JOB_RUNNING)
        return;

    bool ready = true;
    size_t reused = 0;
    for (size_t i = 0; i < job->send_count && ready; i++)
        for (size_t o = 0; o < job->code->operands && ready; o++)
            ready = find_block(job, o, job->sends[i].task, &reused) != NULL;
    kofn_error err;
    if (!ready) {
        if (start_encode(job, &err) != KOFN_OK)
            kofn_job_end(job, &err);
        return;
    }
    const kofn_master *master = job->master;
    const size_t count = job->send_count;
    job->blocks_reused += reused;
    job->send_count = 0; // the array stays for reuse; nothing is added while we send
    for (size_t i = 0; i < count; i++) {
        const kofn_bands *blocks[KOFN_OPERANDS_MAX];
        for (size_t o = 0; o < job->code->operands; o++)
            blocks[o] = find_block(job, o, job->sends[i].task, &reused);
        (void)master->carrier->send(master->fleet, job->sends[i].assignment, blocks);
    }
}
