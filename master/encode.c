#include "master/jobs.h"
#include "proto/block.h"

#include <stdlib.h>

struct kofn_queued_task {
    size_t task;
    uint64_t assignment;
};

void
kofn_job_queue_send(kofn_job *job, const kofn_action *action)
{
    const kofn_master *master = job->master;
    if (job->times.sent_ns == 0)
        job->times.sent_ns = kofn_clock_ns();
    job->last.sent++;
    job->last.backups += action->backup;
    if (job->send_count == job->send_capacity) {
        const size_t capacity = job->send_capacity ? 2 * job->send_capacity : 4;
        kofn_queued_task *sends = realloc(job->sends, capacity * sizeof *sends);
        if (!sends) {
            kofn_error err;
            kofn_fail(&err, KOFN_RESOURCE_EXHAUSTED, "no memory to queue a task");
            master->carrier->fail(master->fleet, action->assignment, &err);
            return;
        }
        job->sends = sends;
        job->send_capacity = capacity;
    }
    job->sends[job->send_count++] =
        (kofn_queued_task){.task = action->task, .assignment = action->assignment};
    kofn_jobs_add_touched(job->master->jobs, job);
}

typedef struct encode_item {
    kofn_coder_item item;
    kofn_job *job;
    kofn_error error;
    kofn_status status;
    bool ran;
    size_t count;
    kofn_queued_task *sends;               // [count]
    kofn_bands *blocks[KOFN_OPERANDS_MAX]; // [count] each
} encode_item;

/* The blocks of a task's factor that are there already, or NULL: an operand that is not cut, or a
 * plain block that was copied out before. */
static const kofn_bands *
find_ready(const kofn_job *job, size_t operand, size_t task)
{
    const size_t block = kofn_code_plain_block(job->code, operand, task);
    if (block == SIZE_MAX)
        return NULL;
    if (job->code->e[operand].cols == 1)
        return &job->operands.mat[operand];
    const kofn_bands *plain = &job->plain[operand][block];
    return plain->dtype != KOFN_DTYPE_NONE ? plain : NULL; // one without rows has no bands
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
drop_unmade(encode_item *encode, size_t operand, size_t made, const size_t *tasks)
{
    for (size_t i = 0; i < made; i++) {
        const size_t block = kofn_code_plain_block(encode->job->code, operand, tasks[i]);
        if (block != SIZE_MAX)
            kofn_bands_fini(&encode->job->plain[operand][block]);
    }
}

/* Blocks of one operand for all tasks of the item: what is not there yet is made in one pass. */
static kofn_status
encode_operand(encode_item *encode, size_t operand, kofn_error *err)
{
    kofn_job *job = encode->job;
    size_t made = 0;
    size_t *tasks = calloc(encode->count, sizeof *tasks);
    kofn_bands *fresh = calloc(encode->count, sizeof *fresh); // borrowed views of what is made
    kofn_status status = KOFN_OK;
    if (!tasks || !fresh)
        status =
            kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to encode %zu tasks", encode->count);
    for (size_t i = 0; !status && i < encode->count; i++) {
        const size_t task = encode->sends[i].task;
        if (find_ready(job, operand, task))
            continue;
        const size_t block = kofn_code_plain_block(job->code, operand, task);
        kofn_bands *into =
            block == SIZE_MAX ? &encode->blocks[operand][i] : &job->plain[operand][block];
        status = new_block(job, operand, into, err);
        if (status)
            break;
        tasks[made] = task;
        fresh[made++] = *into;
    }
    if (!status && made > 0)
        status = kofn_coding_encode(&job->coding, operand, &job->operands.mat[operand], made, tasks,
                                    fresh, err);
    if (status)
        drop_unmade(encode, operand, made, tasks);
    for (size_t i = 0; !status && i < encode->count; i++) {
        const kofn_bands *ready = find_ready(job, operand, encode->sends[i].task);
        if (ready)
            status = kofn_bands_ref(ready, &encode->blocks[operand][i], err);
    }
    free(tasks);
    free(fresh);
    return status;
}

static void
encode_run(kofn_coder_item *item)
{
    encode_item *encode = (encode_item *)item;
    encode->ran = true;
    for (size_t o = 0; o < encode->job->code->operands && !encode->status; o++)
        encode->status = encode_operand(encode, o, &encode->error);
}

static void
destroy_encode(encode_item *encode)
{
    for (size_t o = 0; o < KOFN_OPERANDS_MAX; o++)
        kofn_bands_array_fini(&encode->blocks[o], encode->count);
    free(encode->sends);
    free(encode);
}

static void
encode_done(kofn_coder_item *item)
{
    encode_item *encode = (encode_item *)item;
    kofn_job *job = encode->job;
    const kofn_master *master = job->master;
    job->items--;
    job->encoding = false;
    job->times.encode_ns += item->run_ns;
    for (size_t i = 0; i < encode->count && encode->ran; i++) {
        const uint64_t assignment = encode->sends[i].assignment;
        if (encode->status)
            master->carrier->fail(master->fleet, assignment, &encode->error);
        else
            (void)master->carrier->send(master->fleet, assignment, &encode->blocks[0][i],
                                        &encode->blocks[1][i]); // false: cancelled meanwhile
    }
    destroy_encode(encode);
    if (kofn_job_is_over(job))
        kofn_job_release_work(job);
    else if (job->state == KOFN_JOB_RUNNING)
        kofn_job_send(job);
    kofn_jobs_act(job->master->jobs);
}

static kofn_status
start_encode(kofn_job *job, kofn_error *err)
{
    encode_item *encode = calloc(1, sizeof *encode);
    if (!encode)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to encode");
    encode->count = job->send_count;
    encode->sends = job->sends;
    job->sends = NULL;
    job->send_count = job->send_capacity = 0;
    bool short_of_memory = false;
    for (size_t o = 0; o < job->code->operands; o++) {
        encode->blocks[o] = calloc(encode->count, sizeof(kofn_bands));
        short_of_memory |= !encode->blocks[o];
    }
    if (short_of_memory) {
        destroy_encode(encode);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to encode");
    }
    encode->item.run = encode_run;
    encode->item.done = encode_done;
    encode->job = job;
    job->items++;
    job->encoding = true;
    kofn_coders_submit(job->master->coders, &encode->item);
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
    for (size_t i = 0; i < job->send_count && ready; i++)
        for (size_t o = 0; o < job->code->operands && ready; o++)
            ready = find_ready(job, o, job->sends[i].task) != NULL;
    kofn_error err;
    if (!ready) {
        if (start_encode(job, &err) != KOFN_OK)
            kofn_job_end(job, &err);
        return;
    }
    const kofn_master *master = job->master;
    const size_t count = job->send_count;
    job->send_count = 0; // the array stays for reuse; nothing is added while we send
    for (size_t i = 0; i < count; i++)
        (void)master->carrier->send(master->fleet, job->sends[i].assignment,
                                    find_ready(job, 0, job->sends[i].task),
                                    find_ready(job, 1, job->sends[i].task));
}
