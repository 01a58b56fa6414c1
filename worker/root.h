/* The worker's root: what its files share. Private to this folder.
 *
 *     worker.c    birth, loop, end; which handler gets which message
 *     session.c   hello, welcome, refuse, heartbeats, silence, bye
 *     tasks.c     task, data, cancel; memory; answers
 *     keepsakes.c what outlives a connection: answers, coded blocks; recall, settled
 *
 * Threads    The I/O thread, all of it but stop_fd and reload_fd.
 */
#ifndef KOFN_WORKER_ROOT_H
#define KOFN_WORKER_ROOT_H

#include "proto/link/link.h"
#include "proto/link/monitor.h"
#include "worker/cache.h"
#include "worker/compute.h"
#include "worker/inject.h"
#include "worker/shelf.h"
#include "worker/worker.h"

enum { KOFN_EVICTED_AT_ONCE = 64 };

typedef enum session_state {
    SESSION_GREETING, // hello was said, or is due; nothing is held
    SESSION_READY,    // welcomed: tasks come, heartbeats go both ways
    SESSION_LEAVING,  // bye was said: what is held is finished, nothing new is taken
    SESSION_FROZEN,   // an injected fault: neither reads nor writes
    SESSION_OVER,     // run returns
} session_state;

typedef enum task_state {
    TASK_RECEIVING, // blocks are missing
    TASK_COMPUTING, // queued or running in the compute thread
    TASK_CANCELLED, // the same, but the master only wants to hear that it is over
    TASK_ABANDONED, // the same, but there is nobody who would want to hear of it
    TASK_DETACHED,  // the same, but its connection is over: its answer is kept, or recalled
} task_state;

typedef struct held_task {
    uint64_t assignment;
    kofn_answer_id id;
    bool listed;                                 // in the latest hello
    char names[KOFN_OPERANDS_MAX][KOFN_TAG_MAX]; // of operands that are to be cached; else ""
    task_state state;
    kofn_assembler assembler;
    kofn_work work;
    uint64_t charge; // of memory_used
    double flops;
    uint64_t round, slot; // of its stream, as in the message
    struct held_task *next;
} held_task;

struct kofn_worker {
    void *context;
    kofn_worker_config config;
    kofn_log log;
    uint64_t memory_limit;
    kofn_link_keys keys; // with config.own_key
    int stop_fd;         // counts the calls of stop
    int reload_fd;       // and of reload
    kofn_supervisor supervisor;

    kofn_pool *pool;
    kofn_compute *compute;
    kofn_injector injector;

    void *socket;         // NULL: could not be opened, tried again with the next hello
    kofn_monitor monitor; // of `socket`, unless that is inproc
    kofn_peer *peer;
    kofn_inbound in;
    kofn_error in_error; // of the blocks of `in`; its status is OK when all are there
    uint64_t unreadable; // messages that could not be read

    session_state state;
    uint64_t epoch, number; // as in welcome
    uint64_t life;          // as in hello
    size_t chunk_bytes;
    int64_t heartbeat_ns, silence_ns;
    int64_t heard_ns;            // when the master was last heard
    int64_t beat_due_ns;         // our next heartbeat
    int64_t hello_due_ns;        // our next hello
    bool hello_waits;            // for the connection
    uint64_t hellos_open;        // said on this connection and not answered: each is, in order
    bool welcomed;               // one of them was: no more are said on this connection
    unsigned unreached;          // times that this was said since the last welcome
    int64_t grace_until_ns;      // of SESSION_LEAVING
    char refusal[KOFN_TEXT_MAX]; // the last that was logged

    const kofn_field *field; // of the last task, a ref of it: the next one is mostly of the same
    kofn_shelf shelf;
    kofn_cache cache;
    kofn_msg_block_name evicted[KOFN_EVICTED_AT_ONCE]; // not told yet
    size_t evicted_count;

    held_task *tasks;
    size_t tasks_held;    // that the master waits for: received or computed, not cancelled
    uint64_t memory_used; // all of them
};

/* ---- worker.c -------------------------------------------------------------------------------- */

/* A task has come whole: acknowledge at once what it brought, unless that is little, so that the
 * master can tell how long the way took. */
void kofn_worker_acknowledge_task(kofn_worker *worker);

/* A new socket for the master, with our keys if there are any; not yet connected. */
KOFN_MUST_CHECK kofn_status kofn_worker_new_socket(kofn_worker *worker, void **ret_socket,
                                                   kofn_error *err);

/* ---- session.c ------------------------------------------------------------------------------- */

/* Connect anew and say hello at hello_ns. What is computed goes on and is kept, what was received
 * in part is dropped. */
void kofn_session_restart(kofn_worker *worker, int64_t hello_ns);
void kofn_session_close(kofn_worker *worker, int linger_ms);

/* The same at once, with other keys: what is held is handed back first. */
void kofn_session_renew(kofn_worker *worker);

/* Send a control message. One that cannot be sent needs no more than a line in the log: a
 * connection that is lost shows as silence. */
void kofn_session_post(kofn_worker *worker, const kofn_wire_message *of, const void *message);

/* Do what is due, and say when the next thing is. */
int64_t kofn_session_on_time(kofn_worker *worker, int64_t now_ns);
void kofn_session_on_stop(kofn_worker *worker, int64_t now_ns);

void kofn_session_on_damage(kofn_worker *worker, const kofn_error *what);
void kofn_session_on_welcome(kofn_worker *worker, const void *message);
void kofn_session_on_refuse(kofn_worker *worker, const void *message);
void kofn_session_on_heartbeat(kofn_worker *worker, const void *message);
/* News of the connection: say why the master does not let us in. */
void kofn_session_on_connection(kofn_worker *worker);

void kofn_session_on_ack(kofn_worker *worker, const void *message);

/* ---- tasks.c --------------------------------------------------------------------------------- */

void kofn_tasks_on_task(kofn_worker *worker, const void *message);
void kofn_tasks_on_data(kofn_worker *worker, const void *message);
void kofn_tasks_on_cancel(kofn_worker *worker, const void *message);
void kofn_tasks_on_done(kofn_worker *worker); // the compute thread finished something
void kofn_tasks_forget(kofn_worker *worker, held_task *task);
void kofn_tasks_abandon_all(kofn_worker *worker);

/* The connection is over: what may be kept is computed on. */
void kofn_tasks_detach_all(kofn_worker *worker);
void kofn_tasks_abandon(kofn_worker *worker, held_task *task);

/* Have the master wait for a detached task under another number. */
void kofn_tasks_attach(kofn_worker *worker, held_task *task, kofn_answer_name name);

bool kofn_tasks_are_held(const kofn_worker *worker, uint64_t assignment);

/* Answers of a task; the first two without blocks. */
void kofn_tasks_fail(kofn_worker *worker, uint64_t assignment, const kofn_error *why);
void kofn_tasks_send_kept(kofn_worker *worker, const kofn_kept *kept);

/* Tell the master of each task that it will not be done here. */
void kofn_tasks_hand_back(kofn_worker *worker);

/* ---- keepsakes.c ----------------------------------------------------------------------------- */

void kofn_keepsakes_init(kofn_worker *worker);
void kofn_keepsakes_fini(kofn_worker *worker);

/* What outlives connections, for a hello; its lists are the caller's to clear. Short of memory they
 * are empty, and what is not listed goes with the welcome. */
void kofn_keepsakes_list(kofn_worker *worker, kofn_msg_hello *hello);
void kofn_keepsakes_drop_unlisted(kofn_worker *worker);

/* The answer of a task that is done. NULL: it is not kept. */
kofn_kept *kofn_keepsakes_add(kofn_worker *worker, const kofn_answer_id *id, const kofn_work *work);

/* Let go of blocks, then of answers, as far as a task of so many bytes needs the room: they are
 * worth less than that. */
void kofn_keepsakes_yield(kofn_worker *worker, uint64_t bytes);

/* Tell the master which blocks went. */
void kofn_keepsakes_tell_evicted(kofn_worker *worker);

void kofn_keepsakes_on_recall(kofn_worker *worker, const void *message);
void kofn_keepsakes_on_settled(kofn_worker *worker, const void *message);

#endif
