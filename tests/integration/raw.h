/* Peers that speak the protocol by hand: clients and workers as somebody else might write them, and
 * as nobody should.
 *
 * Only libzmq and the codec's tables are used, none of the code that the daemons or libkofn send
 * and receive with.
 */
#ifndef KOFN_TESTS_INTEGRATION_RAW_H
#define KOFN_TESTS_INTEGRATION_RAW_H

#include "proto/messages.h"

#include <zmq.h>

enum { RAW_FRAMES_MAX = 64 };

typedef struct raw_peer {
    void *context, *socket;
    bool delimited; // send and expect the empty frame (DEALER clients)
} raw_peer;

/* One message that came in, without its delimiter. */
typedef struct raw_message {
    size_t count;
    zmq_msg_t frame[RAW_FRAMES_MAX];
} raw_message;

/* ZMQ_REQ or ZMQ_DEALER. */
void raw_open(raw_peer *peer, int type, bool delimited, const char *endpoint);
void raw_close(raw_peer *peer); // at once; accepts a closed one

/* Frames of one message: all but the last with `more`. */
void raw_send(raw_peer *peer, const void *bytes, size_t length, bool more);
void raw_send_start(raw_peer *peer); // the delimiter, if this peer has one
void raw_send_message(raw_peer *peer, const kofn_wire_message *of, const void *message, bool more);

/* rows x cols doubles as a block frame, from `first_row` on. */
void raw_send_block(raw_peer *peer, const double *at, size_t rows, size_t cols, size_t first_row,
                    bool more);

/* Call `method`; the blocks are to follow when `more`. */
void raw_call(raw_peer *peer, kofn_msg_call *call, kofn_method method, const void *body, bool more);

/* The next message; fails the test after PATIENCE_S. End it with raw_message_fini. */
void raw_receive(raw_peer *peer, raw_message *ret_message);
void raw_message_fini(raw_message *message);

/* Skip messages until one of this type comes; unpack its envelope (kofn_message_clear it). */
void raw_expect(raw_peer *peer, const char *type, void *ret_envelope, raw_message *ret_message);

/* Await a reply to `call`, check its status; *ret_body (may be NULL) as the method's reply, to be
 * cleared with its table. */
void raw_expect_reply(raw_peer *peer, uint64_t call, kofn_status status, kofn_method method,
                      void *ret_body, raw_message *ret_message);

/* The doubles of a block frame, with its shape. */
const double *raw_get_block(const zmq_msg_t *frame, size_t *ret_rows, size_t *ret_cols);

/* ---- a worker that does as the test says ----------------------------------------------------- */

/* hello, and welcome awaited. */
void raw_join(raw_peer *peer, const char *endpoint, const char *name,
              kofn_msg_welcome *ret_welcome);

/* The result of a task: `c` of rows x cols, or a status. */
void raw_answer(raw_peer *peer, const kofn_msg_task *task, const double *c, size_t rows,
                size_t cols);

#endif
