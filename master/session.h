/* Sessions: clients as connections, the requests that they have open, and replies.
 *
 * A request is an open call: from its `call` message to its reply. It is gone when it was
 * answered, when the client abandons it, or when the client is.
 *
 * Threads    The I/O thread.
 */
#ifndef KOFN_MASTER_SESSION_H
#define KOFN_MASTER_SESSION_H

#include "master/job.h"
#include "master/root.h"

typedef struct kofn_session kofn_session;

struct kofn_request {
    kofn_session *session;
    uint64_t call;
    kofn_method method;
    int64_t deadline_ns;
    bool listed;          // among the session's calls by number
    bool window;          // the reply may come in pieces
    bool without_result;  // Wait: the account alone
    bool hold, let_go;    // Wait: the product stays all the same; it has arrived
    bool receiving;       // block frames of this call are still to come, for `upload` or `job`
    kofn_job *job;        // that it waits for; NULL: none
    kofn_operand *upload; // PutOperand: that its blocks go to, owned; NULL: none
    kofn_request **place; // of whoever answers later; NULLed when the request is gone. NULL: nobody
    int64_t opened_ns;
    int64_t told_ns; // Watch: when the last event went out
    TAILQ_ENTRY(kofn_request) of_session, of_job;
};

/* What serves the calls. */
struct kofn_service {
    /* A call came: answer it, or have it wait. Its block frames are with the session, for
     * kofn_request_take_blocks. */
    void (*call)(kofn_master *master, kofn_request *request, const kofn_msg_call *call);
    /* All blocks of a Multiply, Submit, Push or PutOperand are there. */
    void (*received)(kofn_request *request);
    /* This call of the connection was abandoned and is not open, its reply may have crossed
     * that. */
    void (*abandoned)(kofn_master *master, uint64_t session, uint64_t call);
    /* A connection is gone, by its number. */
    void (*gone)(kofn_master *master, uint64_t session);
};

/* For the root. */
extern const kofn_audience kofn_sessions_audience;

KOFN_MUST_CHECK kofn_status kofn_sessions_new(kofn_master *master, kofn_sessions **ret_sessions,
                                              kofn_error *err);
void kofn_sessions_destroy(kofn_sessions **sessions_p);

/* Messages wait on the clients' socket. */
void kofn_sessions_on_readable(kofn_sessions *sessions);

/* The list of keys changed: clients that may not speak any more are lost. */
void kofn_sessions_on_keys(kofn_sessions *sessions);

/* Deadlines of requests, clients that went away, events for watchers. */
void kofn_sessions_on_tick(kofn_sessions *sessions, int64_t now_ns);

/* Fail the uploads of operands: the master stops. */
void kofn_sessions_end_uploads(kofn_sessions *sessions, const kofn_error *why);

/* Has every reply left for its client? */
bool kofn_sessions_are_flushed(const kofn_sessions *sessions);

uint64_t kofn_session_get_number(const kofn_session *session);
const kofn_asker *kofn_session_get_asker(const kofn_session *session);

/* It uses a stream: from now on it is found out within a second or so that it is gone. */
void kofn_session_note_stream(kofn_session *session);

/* Answer a request and forget it. `of` describes body; NULL: none. `mat` (may be NULL) travels with
 * it. */
void kofn_request_reply(kofn_request *request, const kofn_wire_message *of, const void *body,
                        const kofn_bands *mat);
void kofn_request_fail(kofn_request *request, const kofn_error *why);

/* The same for what no later try will change, whatever its status says of tries. */
void kofn_request_refuse(kofn_request *request, const kofn_error *why);

/* Give the operand that the request uploads, or the job that it waits for, the blocks of the
 * message at hand; `more` follow in data messages. Calls the service's `received` once they are
 * complete. */
void kofn_request_take_blocks(kofn_request *request, bool more);

/* Make the request wait for the job: a Submit until it is accepted, any other until it ends and its
 * product is in memory; it is answered now if that is so. */
void kofn_request_wait(kofn_request *request, kofn_job *job);

#endif
