/* A master in its thread, and peers made of nothing but sockets that say what a test has them say.
 *
 * Matrices are of small integers, so that every sum is exact and a product is compared bit by bit.
 * Nothing here sleeps: waits end with a message, or with the test after PATIENCE_MS.
 */
#ifndef KOFN_TESTS_MASTER_STAGE_H
#define KOFN_TESTS_MASTER_STAGE_H

#include "tests/assert.h"

#include "common/base/clock.h"
#include "master/master.h"
#include "proto/link/link.h"

#include <pthread.h>

enum { PATIENCE_MS = 20000, PEERS_MAX = 16 };

typedef struct peer {
    void *socket; // NULL: not open
    kofn_link_kind kind;
    kofn_peer *link;
    kofn_inbound in;  // the last message that `expect` gave out
    size_t window;    // what we grant; 0: plain calls
    size_t acked;     // what the master acknowledged
    bool silent_acks; // take blocks without acknowledging them
    uint64_t epoch;   // of a worker: from its welcome
} peer;

typedef struct stage {
    void *context;
    kofn_master_config config; // change it between stage_init and stage_run
    kofn_master *master;
    pthread_t thread;
    bool running;
    int log_fd;        // 0: none
    kofn_status ended; // of kofn_master_run, after stage_join
    kofn_pool *pool;
    peer peers[PEERS_MAX];
    size_t count;
} stage;

/* Setup and teardown of every test; a silent worker is never lost unless the test configures it. */
void stage_init(stage *s);
void stage_run(stage *s);
void stage_join(stage *s); // once the master stops
int stage_setup(void **state);
int stage_teardown(void **state);

/* The same with a store, in a folder of its own. */
int stage_setup_kept(void **state);
int stage_teardown_kept(void **state);

/* At once: open jobs stay open. All peers are gone afterwards. */
void stage_stop(stage *s);
void stage_restart(stage *s);

/* ---- peers ----------------------------------------------------------------------------------- */

peer *open_client(stage *s, size_t window); // a DEALER; window 0: its calls are plain
peer *open_req_client(stage *s);
peer *open_worker(stage *s); // says nothing yet
peer *join_worker(stage *s, const char *name, size_t credit);
peer *join_worker_of(stage *s, const char *name, size_t credit, const char *fields);
void close_peer(peer *p);

void post(peer *p, const kofn_wire_message *of, const void *message);
void post_raw(peer *p, const void *head, size_t length, const void *block, size_t block_length);

/* The next message but for heartbeats, empty acks and acks, which are dealt with on the way: it
 * must be of that kind. Cleared by the caller where it has lists. */
void expect(peer *p, const kofn_wire_message *of, void *ret_message);

/* Acknowledgements until the master took so many bytes of ours, all in all. */
void expect_acks(peer *p, size_t bytes);

/* ---- calls ----------------------------------------------------------------------------------- */

/* What a test multiplies: op(A) op(B) with elements by formula. */
typedef struct problem {
    size_t rows, inner, cols;
    bool transpose_a, transpose_b;
    const char *family; // NULL: left open
    size_t x, z, y, tasks;
    bool coded_only;    // the code's systematic=no
    const char *policy; // NULL: the master's
    const char *key;    // NULL: none
    uint64_t timeout_ms;
    size_t frame_rows;      // rows in a frame; 0: all
    double scale;           // of A's elements; 0: 1
    bool mirrored;          // A's elements are those of the transpose of an A without this
    const char *operand[2]; // ids of stored operands that are A, B; NULL: its blocks are sent
    bool described;         // the shapes of those are said all the same
    uint32_t prime;         // elements are u32, 0 to 10 modulo this, the field gfp:PRIME; 0: f64
    bool single;            // f32
    kofn_dtype integers;    // elements are i32 or i64, without a field: they must be whole and fit
    bool deadline_best;     // the best estimate in time
    const char *stream;     // with KOFN_METHOD_PUSH: that it is pushed to
    uint64_t index, received;
    bool sparse[2];  // A, B is zero on the dark squares of a board of 2 x 2 elements each, and CSR
    bool foreign[2]; // the last element of A, B as stored is the prime itself
    const kofn_msg_batch *batch; // the pairs that it is asked for as; NULL: it is none
    const kofn_msg_compression
        *compression; // what it says that A and B were made from; NULL: nothing
} problem;

kofn_msg_product problem_message(const problem *p);
void problem_operand(stage *s, const problem *p, size_t operand, kofn_bands *ret_bands);

void send_call(peer *p, uint64_t call, kofn_method method, const kofn_wire_message *of,
               const void *body);
void send_timed_call(peer *p, uint64_t call, uint64_t timeout_ms, kofn_method method,
                     const kofn_wire_message *of, const void *body);

/* A Multiply or Submit with all its blocks, as credit allows: the rest follows with acks. */
void send_product(stage *s, peer *p, uint64_t call, kofn_method method, const problem *what);

/* PutOperand: one operand of the problem, as it is stored, with all its blocks. */
void send_operand(stage *s, peer *p, uint64_t call, const problem *what, size_t operand);
void put_operand(stage *s, peer *p, uint64_t call, const problem *what, size_t operand,
                 char *ret_id);

/* The same with the head alone, `more` set: nothing follows by itself. */
void send_head(peer *p, uint64_t call, kofn_method method, const problem *what);
void send_job_call(peer *p, uint64_t call, kofn_method method, const char *job);

/* The reply to that call: its status; its body, if it has one, into ret_body. */
kofn_status expect_reply(peer *p, uint64_t call, const kofn_wire_message *of, void *ret_body);

/* A reply with the right product. Returns nothing of the account but its job id. */
void expect_product(stage *s, peer *p, uint64_t call, const problem *what, char *ret_job);
void submit(stage *s, peer *p, uint64_t call, const problem *what, char *ret_job);
kofn_msg_job get_job(peer *p, const char *job); // its code's list is cleared
kofn_msg_health check_health(peer *p);
void await_read(peer *p); // the master, all that the peer has sent; what comes meanwhile is dropped

/* Ask until the job is in that state. */
void await_state(peer *p, const char *job, const char *state);

/* ---- tasks ----------------------------------------------------------------------------------- */

typedef struct task {
    kofn_msg_task head;
    kofn_assembler blocks;
} task;

void expect_task(peer *p, task *ret_task); // with all its blocks
void task_fini(task *t);
void answer(stage *s, peer *p, task *t);                        // rightly; ends the task
void answer_as(stage *s, peer *p, const kofn_msg_result *head); // with zeros of the head's shape
void answer_filled(stage *s, peer *p, const kofn_msg_result *head, double value);
kofn_msg_result result_of(const peer *p, const task *t); // what a right answer would say

#endif
