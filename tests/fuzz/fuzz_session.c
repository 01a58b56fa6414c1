/* Any sequence of messages from clients and workers to a master: it lives, keeps to its memory, and
 * lets go of all in the end.
 *
 *     input -> turns     [who and how many frames] [length] [bytes] [length] [bytes] ...
 *                        [time] how far the clock goes
 *
 * The master is a real one over inproc, its handlers called in this thread, its clock ours; only
 * its compute threads are their own. Numbers that an input cannot know are taken from what the
 * master sent last: JOB (16 letters J) and OPERAND (16 letters O) in texts, and as 8-byte integers
 * of aa an assignment and of ee the epoch. */
#include "common/base/clock.h"
#include "proto/link/link.h"
#include "tests/fuzz/fuzz_master.h"

#include <string.h>

enum { CLIENTS = 2, PEERS = 4, FRAMES_MAX = 8, TURNS_MAX = 64, MEMORY = 8 << 20, ID = 16 };

typedef struct stage {
    fuzz_source from;
    void *context;
    kofn_master *master;
    void *peers[PEERS]; // clients, then workers
    kofn_inbound in;
    int64_t ahead_ns; // of the real clock
    char job[ID + 1], operand[ID + 1], stream[ID + 1];
    uint64_t assignment, epoch;
} stage;

/* ---- the master ------------------------------------------------------------------------------ */

static void
open_stage(stage *s)
{
    kofn_master_config config;
    kofn_log log;
    insist(kofn_master_config_load(NULL, &config, NULL) == KOFN_OK);
    (void)snprintf(config.workers, sizeof config.workers, "inproc://workers");
    (void)snprintf(config.clients, sizeof config.clients, "inproc://clients");
    config.memory = MEMORY;
    config.window = 1 << 20;
    config.compute_threads = 1;
    config.jobs_max = 8;
    config.operands_max = 4;
    config.streams_max = 4;
    kofn_log_init(&log, KOFN_LOG_ERROR, -1);
    s->context = zmq_ctx_new();
    insist(kofn_master_new(s->context, &config, log, NULL, &s->master, NULL) == KOFN_OK);
    for (size_t i = 0; i < PEERS; i++)
        s->peers[i] = connect_peer(s->context, i < CLIENTS ? config.clients : config.workers);
}

static void
close_stage(stage *s)
{
    kofn_inbound_fini(&s->in);
    for (size_t i = 0; i < PEERS; i++)
        insist(zmq_close(s->peers[i]) == 0);
    close_master(&s->master, s->context);
}

/* ---- what it says ---------------------------------------------------------------------------- */

static void
note_reply(stage *s, const void *bytes, size_t length)
{
    kofn_msg_reply reply;
    kofn_msg_job_ref job;
    kofn_msg_operand_ref operand;
    kofn_msg_stream stream;
    insist(kofn_message_unpack(&kofn_reply_message, bytes, length, &reply, NULL) == KOFN_OK);
    if (reply.status != KOFN_OK || !reply.body.bytes)
        return;
    if (kofn_message_unpack(&kofn_job_ref_message, reply.body.bytes, reply.body.length, &job,
                            NULL) == KOFN_OK &&
        strlen(job.job) == ID)
        memcpy(s->job, job.job, sizeof s->job);
    if (kofn_message_unpack(&kofn_operand_ref_message, reply.body.bytes, reply.body.length,
                            &operand, NULL) == KOFN_OK &&
        strlen(operand.operand) == ID)
        memcpy(s->operand, operand.operand, sizeof s->operand);
    if (kofn_message_unpack(&kofn_stream_message, reply.body.bytes, reply.body.length, &stream,
                            NULL) == KOFN_OK) {
        if (strlen(stream.id) == ID)
            memcpy(s->stream, stream.id, sizeof s->stream);
        kofn_message_clear(&kofn_stream_message, &stream);
    }
}

static void
note_task(stage *s, const void *bytes, size_t length)
{
    kofn_msg_task task;
    insist(kofn_message_unpack(&kofn_task_message, bytes, length, &task, NULL) == KOFN_OK);
    s->assignment = task.assignment;
    kofn_message_clear(&kofn_task_message, &task);
}

static void
note_welcome(stage *s, const void *bytes, size_t length)
{
    kofn_msg_welcome welcome;
    insist(kofn_message_unpack(&kofn_welcome_message, bytes, length, &welcome, NULL) == KOFN_OK);
    s->epoch = welcome.epoch;
}

/* Everything that a master says can be read. */
static void
hear(stage *s, size_t peer)
{
    bool got;
    const kofn_link_kind kind = peer < CLIENTS ? KOFN_LINK_CLIENT : KOFN_LINK_WORKER;
    while (kofn_inbound_recv(s->peers[peer], kind, &s->in, &got, NULL) == KOFN_OK && got) {
        const void *bytes = kofn_buf_get_data(s->in.head);
        const size_t length = kofn_buf_get_size(s->in.head);
        char type[KOFN_NAME_MAX];
        insist(kofn_message_peek(bytes, length, "type", type, sizeof type, NULL) == KOFN_OK);
        insist(kofn_envelope_find(type) != NULL);
        if (strcmp(type, "reply") == 0)
            note_reply(s, bytes, length);
        else if (strcmp(type, "task") == 0)
            note_task(s, bytes, length);
        else if (strcmp(type, "welcome") == 0)
            note_welcome(s, bytes, length);
    }
}

/* ---- what it hears --------------------------------------------------------------------------- */

static void
replace(uint8_t *bytes, size_t length, const void *mark, const void *by, size_t size)
{
    for (uint8_t *at = bytes; (at = memmem(at, length - (size_t)(at - bytes), mark, size)) != NULL;)
        memcpy(at, by, size);
}

static void
replace_number(uint8_t *bytes, size_t length, int mark, uint64_t number)
{
    uint8_t marks[8], digits[8];
    memset(marks, mark, sizeof marks);
    for (size_t i = 0; i < sizeof digits; i++)
        digits[i] = (uint8_t)(number >> (56 - 8 * i));
    if (memcmp(marks, digits, sizeof marks) != 0)
        replace(bytes, length, marks, digits, sizeof marks);
}

static void
send_frame(stage *s, void *socket, const uint8_t *bytes, size_t length, bool more)
{
    uint8_t *copy = malloc(length ? length : 1);
    insist(copy != NULL);
    if (length > 0)
        memcpy(copy, bytes, length);
    replace(copy, length, "JJJJJJJJJJJJJJJJ", s->job, ID);
    replace(copy, length, "OOOOOOOOOOOOOOOO", s->operand, ID);
    replace(copy, length, "SSSSSSSSSSSSSSSS", s->stream, ID);
    replace_number(copy, length, 0xaa, s->assignment);
    replace_number(copy, length, 0xee, s->epoch);
    insist(zmq_send(socket, copy, length, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) >= 0);
    free(copy);
}

static void
speak(stage *s, size_t peer, size_t frames, bool delimited)
{
    void *socket = s->peers[peer];
    if (delimited)
        insist(zmq_send(socket, "", 0, ZMQ_DONTWAIT | ZMQ_SNDMORE) == 0);
    for (size_t i = 0; i < frames; i++) {
        size_t length = next_byte(&s->from);
        length |= (size_t)next_byte(&s->from) << 8;
        const uint8_t *bytes = next_bytes(&s->from, &length);
        send_frame(s, socket, bytes, length, i + 1 < frames);
    }
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void
pass_time(stage *s, unsigned how_far)
{
    s->ahead_ns += (int64_t)how_far * how_far * KOFN_NS_PER_MS * 10; // to 11 minutes
    const int64_t now_ns = kofn_clock_ns() + s->ahead_ns;
    tick_at(s->master, now_ns);
}

/* A byte: two bits who, three how many frames, one without the delimiter, two what else. */
static void
turn(stage *s)
{
    const unsigned op = next_byte(&s->from);
    const size_t peer = op & 3;
    if (op >> 6 == 3)
        pass_time(s, next_byte(&s->from));
    else
        speak(s, peer, 1 + (op >> 2 & 7) % FRAMES_MAX, peer < CLIENTS && !(op & 32));
    kofn_sessions_on_readable(s->master->sessions);
    kofn_fleet_on_readable(s->master->fleet);
    if (op >> 6 == 2)
        run_loop(s->master);
    for (size_t i = 0; i < PEERS; i++)
        hear(s, i);
    insist(kofn_master_get_charge(s->master) <= MEMORY);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    stage s = {.from = {data, length},
               .job = "0123456789abcdef",
               .operand = "0123456789abcdef",
               .stream = "0123456789abcdef"};
    open_stage(&s);
    for (size_t i = 0; i < TURNS_MAX && s.from.left > 0; i++)
        turn(&s);
    close_stage(&s);
    return 0;
}
