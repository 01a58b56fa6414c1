/* What streams.c and stream_open.c share: a stream's insides.
 */
#ifndef KOFN_MASTER_STREAM_H
#define KOFN_MASTER_STREAM_H

#include "master/streams.h"

typedef enum kofn_stream_state {
    KOFN_STREAM_OPENING,
    KOFN_STREAM_OPEN,
    KOFN_STREAM_CLOSING,
    KOFN_STREAM_CLOSED,
} kofn_stream_state;

typedef struct kofn_stream_place {
    kofn_job *job; // NULL: free
    bool ready;    // its operands are there
} kofn_stream_place;

typedef struct kofn_stream_closer { // who waits for the end
    kofn_stream_done *done;
    void *context;
    STAILQ_ENTRY(kofn_stream_closer) next;
} kofn_stream_closer;

struct kofn_stream {
    kofn_streams *of;
    uint64_t id;
    char name[KOFN_ID_MAX];
    char owner[KOFN_CURVE_TEXT];
    kofn_stream_state state;
    uint64_t session; // that used it last; 0: it is gone
    uint64_t call;    // that opened it
    bool given_up; // for good: what it owed is not what a client that comes back should take for it
    int64_t opened_ns, orphaned_ns, closed_ns;

    kofn_rounds_config rounds; // settled
    size_t need, limit;
    int64_t grace_ns;
    const kofn_field *field; // a ref
    kofn_code_spec spec;     // its tasks are the coded rows
    size_t rows;             // of the code
    bool plain;              // plain ones stand in front
    kofn_code *code;         // NULL once it is CLOSED
    size_t charge;

    uint64_t released, answered, handed, pushed; // indices: see streams.h
    uint64_t done, failed;
    kofn_stream_place *places;   // [limit]: that of index i at i % limit
    kofn_sched_stream_view last; // once it is CLOSED
    kofn_wire_bytes trace;       // likewise; empty: no memory, or no round
    STAILQ_HEAD(, kofn_stream_closer) closers;
    TAILQ_ENTRY(kofn_stream) of_all;
};

/* A record with everything that the request and the configuration say, and what follows from them;
 * its code is not built. Errors as of kofn_streams_open. Ownership: kofn_streams_free_record. */
KOFN_MUST_CHECK kofn_status kofn_stream_settle(kofn_master *master,
                                               const kofn_msg_open_stream *asked,
                                               kofn_stream **ret_stream, kofn_error *err);

/* Bytes of the record and of those of its jobs that are over: what stays of it when it is CLOSED,
 * but for its trace. */
size_t kofn_stream_count_account(const kofn_stream *stream);
void kofn_streams_free_record(kofn_stream **stream_p); // accepts NULL

#endif
