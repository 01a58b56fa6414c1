/* The client's engine: calls in flight over one connection, until each has an outcome.
 *
 *              connection is up                    reply, more blocks
 *     QUEUED --------------------------> SENT --------------------------> RECEIVING
 *       ^                                 |                                   |
 *       |  connection lost, put off       | reply, error, deadline            | last block
 *       +---------------------------------+---------> DONE <------------------+
 *
 * A call keeps its packed request and its operands until it is DONE, so that it can be sent again.
 * What makes that safe is the idempotency key, the same for every attempt: it finds the job that an
 * earlier attempt made, and runs it anew if that one failed.
 *
 * Threads    The client's. Only kofn_engine_step waits.
 */
#ifndef KOFN_CLIENT_ENGINE_H
#define KOFN_CLIENT_ENGINE_H

#include "client/connection.h"
#include "client/factors.h"
#include "client/kofn.h"
#include "client/local.h"
#include "common/base/rng.h"

#include <sys/queue.h>

/* The master answers at the deadline; its answer gets this long to arrive before the client gives
 * up by itself. */
enum { KOFN_CLIENT_SLACK_MS = 2000 };

/* A master says something every second to who has a call open, and goes on with a product that it
 * sends. One that is silent for so long does not know of the call: it had no words left for us,
 * say, when it turned away a crowd. Long, since on a
 * slow link one large frame may be all that moves. */
#define KOFN_CLIENT_SILENCE_NS (60 * KOFN_NS_PER_S)

/* Nor is one away sooner that has not said anything: its word is late under load. */
#define KOFN_CLIENT_BEAT_NS (3 * KOFN_NS_PER_S)

/* A progress callback is asked at least this often. */
#define KOFN_CLIENT_TICK_NS (200 * KOFN_NS_PER_MS)

typedef enum kofn_call_state {
    KOFN_CALL_QUEUED,
    KOFN_CALL_SENT,
    KOFN_CALL_RECEIVING,
    KOFN_CALL_DONE,
} kofn_call_state;

struct kofn_call {
    kofn_client *client;
    TAILQ_ENTRY(kofn_call) link; // of the client's open or done calls
    kofn_call_state state;
    kofn_method method;
    uint64_t id;           // of the latest attempt
    kofn_wire_buffer body; // packed request; of a push, when it has left
    char key[KOFN_KEY_TEXT_MAX];
    size_t operand_count;
    kofn_bands operands[KOFN_OPERANDS_MAX]; // unframed, in the caller's memory

    int64_t started_ns, deadline_ns, slack_ns;
    int64_t sent_ns;    // the latest attempt
    int64_t refusal_ns; // what the master took to put it off last; 0: it has not
    int attempts, retries;
    int64_t retry_ns; // not to be sent before

    void *reply;             // the method's reply struct; NULL: none came
    kofn_assembler blocks;   // of the reply
    kofn_msg_matrix product; // what the blocks must be; dtype "": the reply decides
    kofn_error error;        // outcome; KOFN_OK: reply and blocks are complete. Until then: why it
                             // was put off last
    bool answered;           // the master refused with an account: the job failed, not the call
    int64_t done_ns;

    void (*on_event)(kofn_call *call, const kofn_msg_job *job); // Watch
    void *event_context;
    char verify[16];     // of a product: how it was to be verified
    bool compressed;     // its product says what its operands were made from
    kofn_stream *stream; // of a push: it does not leave before earlier ones of its stream
    kofn_msg_push push;  // packed when it leaves, since it says what has come until then
    bool told;           // kofn_client_next has named it
    void *context;       // the caller's
};

typedef TAILQ_HEAD(kofn_call_list, kofn_call) kofn_call_list;
typedef TAILQ_HEAD(kofn_stream_list, kofn_stream) kofn_stream_list;

/* The pool lives as long as the client or any of its results. */
typedef struct kofn_client_memory {
    size_t holders;
    kofn_pool *pool;
} kofn_client_memory;

void kofn_client_memory_release(kofn_client_memory **memory_p);

struct kofn_client {
    kofn_client_options options; // defaults filled in
    char endpoint[256];
    void *context;       // libzmq's
    kofn_link_keys keys; // with options.key
    kofn_client_memory *memory;
    kofn_local *local;
    kofn_connection connection;
    kofn_inbound in;
    int64_t down_ns;    // since when there is no connection; KOFN_NEVER_NS: there is one
    int64_t reopen_ns;  // when to try the next one; KOFN_NEVER_NS: one is being made
    int losses;         // connections lost since a message came
    int64_t unheard_ns; // when the first of those was lost
    int64_t heard_ns;   // when the last message came
    int64_t silence_ns; // KOFN_CLIENT_SILENCE_NS, but for tests
    bool spoken;        // the master has sent something: it exists
    kofn_rng rng;       // keys and jitter
    uint64_t last_call;
    kofn_call_list open, done;
    kofn_stream_list streams;
    uint64_t endings; // calls that became done: a step that saw one does not wait
};

/* What a call is made of. */
typedef struct kofn_call_params {
    kofn_method method;
    const void *request; // of the method's request message
    size_t operand_count;
    const kofn_stack *operands;     // each checked; elements are borrowed until the call is done
    const kofn_msg_matrix *product; // shape that the reply must have; NULL: not known
    int64_t timeout_ms;             // 0: none
    int64_t slack_ms;               // what its outcome may take after the deadline; 0: default
    const char *key;                // NULL: a random one where the method makes something
    int retries;                    // -1: none, 0: the client's
    bool compressed;                // of a product that says what its operands were made from
    kofn_stream *stream;            // of a push
} kofn_call_params;

/* Queue a call. INVALID_ARGUMENT: the key is too long. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_engine_open(kofn_client *client, const kofn_call_params *params,
                                             kofn_call **ret_call, kofn_error *err);

/* Send a call whose reply nobody waits for, if there is a connection. */
void kofn_engine_tell(kofn_client *client, kofn_method method, const void *request);

/* Abandons it at the master if it is not done. Accepts NULL. */
void kofn_engine_drop(kofn_call **call_p);

/* Send, receive, retry whatever can move; wait for something to move until until_ns (in the past:
 * do not wait). False when a signal interrupted the wait. Never fails: troubles end calls. */
bool kofn_engine_step(kofn_client *client, int64_t until_ns);

/* Until the call is done. CANCELLED: the client's onlooker does not want to wait; the call is still
 * open. */
KOFN_MUST_CHECK kofn_status kofn_engine_await(kofn_client *client, const kofn_call *call,
                                              kofn_error *err);

/* Make the call and wait. The reply, in *ret_call, is the caller's to drop. */
KOFN_MUST_CHECK kofn_status kofn_engine_call(kofn_client *client, const kofn_call_params *params,
                                             kofn_call **ret_call, kofn_error *err);

/* A product of the stream was taken: a push that waits for room tries now. */
void kofn_engine_hurry(kofn_client *client, const kofn_stream *stream);

/* The index of the last product that was taken. */
uint64_t kofn_stream_get_taken(const kofn_stream *stream);

/* The backoff before the attempt of this number (0: none), while the client goes on working. */
void kofn_engine_pause(kofn_client *client, int attempt);

/* Is a master that was there away? Calls go on when it is back. */
bool kofn_engine_is_away(const kofn_client *client);

/* Bytes of operands that have not left yet. */
size_t kofn_engine_get_unsent(const kofn_client *client);

#endif
