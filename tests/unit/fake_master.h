/* A master that does what a test tells it: a thread with a ROUTER socket that takes calls, collects
 * operands with credit, and hands each complete call to the test's handler.
 *
 * The handler runs on the fake's thread and answers through the functions below, or does not. What
 * a test reads afterwards, it reads after fake_stop.
 */
#ifndef KOFN_TESTS_FAKE_MASTER_H
#define KOFN_TESTS_FAKE_MASTER_H

#include "proto/link/link.h"

#include <pthread.h>
#include <stdatomic.h>

enum { FAKE_CALLS_MAX = 256 };

typedef struct fake_call {
    kofn_msg_call call; // its body is packed below
    kofn_method method;
    kofn_msg_product
        product;          // Multiply, Submit; its list is cleared at the end. Push: its operands
    kofn_msg_job_ref job; // Wait, Watch, Cancel, GetJob
    kofn_msg_put_operand put;      // PutOperand
    kofn_msg_operand_ref operand;  // DropOperand
    kofn_msg_open_stream opening;  // OpenStream; its list is cleared at the end
    kofn_msg_push push;            // Push
    kofn_msg_close_stream closing; // CloseStream
    kofn_assembler operands;
    bool complete; // was handed to the handler
} fake_call;

typedef struct fake_master fake_master;
typedef void fake_handler(fake_master *fake, fake_call *call);

struct fake_master {
    fake_handler *handle;
    fake_handler *on_head; // NULL, or called before the operands are complete
    void *test;            // the test's own
    void *context, *socket;
    char endpoint[256];
    pthread_t thread;
    atomic_bool stop;
    kofn_pool *pool;
    kofn_peer *peer; // the latest client
    kofn_peer_id peer_id;
    atomic_size_t call_count;
    size_t peers; // connections that called
    size_t taken; // block bytes
    fake_call calls[FAKE_CALLS_MAX];
    size_t abandoned;            // abandon messages
    uint64_t last_abandoned;     // call
    size_t unacked, unacked_max; // block bytes taken and not yet acknowledged: the client's credit
    bool vanish;                 // the handler asks to close the socket and to bind it anew
    bool ran;
};

/* Bind a port of its own on loopback and run. */
void fake_start(fake_master *fake, fake_handler *handle, void *test);
void fake_stop(fake_master *fake);

/* ---- for handlers ---------------------------------------------------------------------------- */

void fake_reply(fake_master *fake, const fake_call *call, const kofn_wire_message *of,
                const void *body);
void fake_refuse(fake_master *fake, const fake_call *call, kofn_status status, const char *message,
                 uint64_t retry_ms);

/* A refusal with an account: it is the job that failed. */
void fake_fail_job(fake_master *fake, const fake_call *call, kofn_status status,
                   const char *message);

/* C := op(A) op(B), in frames of about `chunk` bytes, as credit allows. */
void fake_multiply(fake_master *fake, const fake_call *call, size_t chunk);
void fake_event(fake_master *fake, const fake_call *call, const kofn_msg_job *job);

/* These bytes as the envelope of a message to the latest client. */
void fake_send_raw(fake_master *fake, const void *bytes, size_t length);

/* An outcome that claims a product of this shape, followed by `rows_sent` rows of zeros. */
void fake_send_product(fake_master *fake, const fake_call *call, const kofn_msg_matrix *c,
                       size_t rows_sent);

#endif
