/* The conversation with the master around the tasks.
 *
 *     GREETING --welcome--> READY --stop--> LEAVING --all answered, or grace over--> OVER
 *        ^                    |                |
 *        +--silence, refuse---+                +--silence, refuse--> OVER
 *
 * Each session has a connection of its own. Going back to GREETING closes the socket and opens
 * another, so that no torso, ack or answer of one session can be taken for one of the next. For the
 * same reason the last of several hellos on one connection counts alone: to the master each begins
 * a session, and ends the one before. What comes before the last welcome is dropped, and nothing is
 * said until then, acks included.
 */
#include "worker/root.h"

#include "common/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define HELLO_AGAIN_NS    KOFN_NS_PER_S       // after a hello without an answer, or in vain
#define HELLO_REFUSED_NS  (5 * KOFN_NS_PER_S) // after a refusal that somebody must look at
#define UNHEARD_NS        (5 * KOFN_NS_PER_S) // without a word from the master: it is said
#define LAST_WELCOME_NS   (2 * KOFN_NS_PER_S) // after the first, where several hellos were said
#define RESTART_LINGER_MS 200                 // for the last words on a connection
#define HEARTBEAT_MIN_MS  10
#define HEARTBEAT_MAX_MS  60000
#define CHUNK_BYTES_MIN   4096

/* ---- opening and closing --------------------------------------------------------------------- */

static kofn_status
open_link(kofn_worker *worker, kofn_error *err)
{
    kofn_status status = kofn_worker_new_socket(worker, &worker->socket, err);
    if (status == KOFN_OK && strncmp(worker->config.master, "inproc://", 9) != 0)
        status = kofn_monitor_open(worker->context, worker->socket, true, &worker->monitor, err);
    if (status == KOFN_OK)
        status =
            kofn_link_open(worker->socket, KOFN_LINK_WORKER, worker->config.master, NULL, 0, err);
    if (status == KOFN_OK) // without a window: nothing but hello goes out before the welcome
        status = kofn_peer_new(worker->socket, KOFN_LINK_WORKER, NULL, 0, &worker->peer, err);
    return status;
}

void
kofn_session_close(kofn_worker *worker, int linger_ms)
{
    kofn_tasks_detach_all(worker);
    kofn_peer_destroy(&worker->peer);
    kofn_monitor_close(&worker->monitor);
    if (!worker->socket)
        return;
    (void)zmq_setsockopt(worker->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    (void)zmq_close(worker->socket); // fails only for what is no socket
    worker->socket = NULL;
}

void
kofn_session_restart(kofn_worker *worker, int64_t hello_ns)
{
    kofn_session_close(worker, RESTART_LINGER_MS);
    worker->state = SESSION_GREETING;
    worker->hello_due_ns = hello_ns;
    worker->hello_waits = false;
    worker->hellos_open = 0;
    worker->welcomed = false;
}

void
kofn_session_post(kofn_worker *worker, const kofn_wire_message *of, const void *message)
{
    kofn_error error;
    if (kofn_peer_post(worker->peer, of, message, &error) != KOFN_OK)
        kofn_log_write(&worker->log, KOFN_LOG_INFO, "not_sent", error.text, "type=%s", of->name);
}

void
kofn_session_renew(kofn_worker *worker)
{
    enum { LAST_ANSWERS_MS = 1000 };
    if (worker->state != SESSION_GREETING && worker->state != SESSION_READY)
        return; // it ends, or does not listen: there is no next session
    kofn_log_write(&worker->log, KOFN_LOG_NOTICE, "keys_changed", "connecting with the new ones",
                   "master=%s tasks=%zu", worker->config.master, worker->tasks_held);
    if (worker->state == SESSION_READY) {
        const kofn_msg_bye bye = {.reason = "its keys changed"};
        kofn_session_post(worker, &kofn_bye_message, &bye);
        kofn_tasks_hand_back(worker);
    }
    worker->refusal[0] = '\0';
    kofn_session_close(worker, LAST_ANSWERS_MS);
    kofn_session_restart(worker, kofn_clock_ns());
}

/* The session is over; another follows unless the worker is leaving. */
static void
lose_master(kofn_worker *worker, const char *event, const char *sentence, int64_t pause_ns)
{
    kofn_log_write(&worker->log, KOFN_LOG_WARNING, event, sentence,
                   "master=%s tasks=%zu answers=%zu", worker->config.master, worker->tasks_held,
                   worker->shelf.count);
    if (worker->state == SESSION_LEAVING)
        worker->state = SESSION_OVER;
    else
        kofn_session_restart(worker, kofn_clock_after(kofn_clock_ns(), pause_ns));
}

/* To a master that may be there: that this connection ends is no death of what we hold. */
static void
give_up_master(kofn_worker *worker, const char *event, const char *sentence)
{
    if (worker->state == SESSION_READY)
        kofn_session_post(worker, &kofn_bye_message,
                          &(kofn_msg_bye){.reason = "it gives this connection up"});
    lose_master(worker, event, sentence, 0);
}

/* It may have been a task, or anything: both sides begin anew. */
void
kofn_session_on_damage(kofn_worker *worker, const kofn_error *what)
{
    if (worker->state != SESSION_GREETING) // else nothing is lost
        give_up_master(worker, "message_damaged", what->text);
}

/* ---- hello ----------------------------------------------------------------------------------- */

/* "f64,f32,...,gfp" */
static void
list_fields(char *ret_text, size_t size)
{
    size_t length = 0;
    const char *kind;
    ret_text[0] = '\0';
    for (size_t i = 0; (kind = kofn_field_kind_at(i)) != NULL && length < size; i++)
        length += (size_t)snprintf(ret_text + length, size - length, "%s%s", i ? "," : "", kind);
}

static void
make_hello(kofn_worker *worker, kofn_msg_hello *hello)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    *hello = (kofn_msg_hello){
        .version = KOFN_PROTOCOL_VERSION,
        .software = KOFN_VERSION,
        .cores = cores > 0 ? (uint64_t)cores : 1,
        .blas_threads = (uint64_t)worker->config.blas_threads,
        .memory_bytes = worker->memory_limit,
        .credit = (uint64_t)worker->config.credit,
        .window = worker->config.window,
        .keep_bytes = worker->shelf.limit,
        .cache_bytes = worker->cache.limit,
        .life = worker->life,
    };
    kofn_keepsakes_list(worker, hello);
    (void)snprintf(hello->name, sizeof hello->name, "%s", worker->config.name);
    (void)snprintf(hello->kernel, sizeof hello->kernel, "%s", kofn_blas_kernel());
    list_fields(hello->fields, sizeof hello->fields);
}

static void
say_hello(kofn_worker *worker, int64_t now_ns)
{
    worker->hello_due_ns = kofn_clock_after(now_ns, HELLO_AGAIN_NS);
    kofn_error error;
    if (!worker->socket && open_link(worker, &error) != KOFN_OK) {
        kofn_session_close(worker, 0);
        kofn_log_write(&worker->log, KOFN_LOG_ERROR, "link_failed", error.text, "");
        return;
    }
    kofn_msg_hello hello;
    make_hello(worker, &hello);
    worker->hello_waits = kofn_peer_post(worker->peer, &kofn_hello_message, &hello, &error) != 0;
    worker->hellos_open += !worker->hello_waits;
    kofn_message_clear(&kofn_hello_message, &hello);
    kofn_log_write(&worker->log, KOFN_LOG_DEBUG, "hello",
                   worker->hello_waits ? "waits for a connection" : "said", "master=%s",
                   worker->config.master);
}

/* Once said is enough. */
static void
say_refused(kofn_worker *worker, kofn_monitor_event event)
{
    kofn_error why;
    (void)kofn_monitor_explain(event, worker->config.master, "worker", worker->config.own_key[0],
                               &why);
    if (strcmp(worker->refusal, why.text) != 0)
        kofn_log_write(&worker->log, KOFN_LOG_ERROR, "refused", why.text,
                       "status=%s master=%s name=%s", kofn_status_name(why.status),
                       worker->config.master, worker->config.name);
    (void)snprintf(worker->refusal, sizeof worker->refusal, "%s", why.text);
}

void
kofn_session_on_connection(kofn_worker *worker)
{
    kofn_monitor_event event;
    while (kofn_monitor_next(&worker->monitor, &event)) {
        if (event == KOFN_MONITOR_UP || event == KOFN_MONITOR_DOWN)
            continue;
        say_refused(worker, event);
        if (event != KOFN_MONITOR_CUT && worker->state == SESSION_GREETING) {
            kofn_session_restart(worker, kofn_clock_after(kofn_clock_ns(), HELLO_REFUSED_NS));
            return; // libzmq has given up
        }
    }
}

/* ---- messages -------------------------------------------------------------------------------- */

static uint64_t
clamp(uint64_t value, uint64_t min, uint64_t max)
{
    return value < min ? min : value > max ? max : value;
}

/* Take over what the master wants, within reason: a master that asks for a heartbeat every
 * nanosecond, or for a silence shorter than its beats, must not undo the worker. */
static void
adopt(kofn_worker *worker, const kofn_msg_welcome *welcome)
{
    const uint64_t beat_ms = clamp(welcome->heartbeat_ms, HEARTBEAT_MIN_MS, HEARTBEAT_MAX_MS);
    const uint64_t silence_ms = clamp(welcome->silence_ms, 2 * beat_ms, 100 * HEARTBEAT_MAX_MS);
    worker->heartbeat_ns = (int64_t)beat_ms * KOFN_NS_PER_MS;
    worker->silence_ns = (int64_t)silence_ms * KOFN_NS_PER_MS;
    worker->chunk_bytes =
        (size_t)clamp(welcome->chunk_bytes, CHUNK_BYTES_MIN, KOFN_FRAME_BYTES_MAX / 2);
    worker->epoch = welcome->epoch;
    worker->number = welcome->worker;
}

void
kofn_session_on_welcome(kofn_worker *worker, const void *message)
{
    const kofn_msg_welcome *welcome = message;
    if (worker->state != SESSION_GREETING)
        return;
    if (worker->hellos_open > 1) {
        worker->hellos_open--;
        worker->welcomed = true;
        worker->hello_due_ns = kofn_clock_after(kofn_clock_ns(), LAST_WELCOME_NS);
        return;
    }

    kofn_keepsakes_drop_unlisted(worker);
    kofn_peer *peer;
    kofn_error error;
    const size_t window = welcome->window ? welcome->window : KOFN_WINDOW_BYTES;
    if (kofn_peer_new(worker->socket, KOFN_LINK_WORKER, NULL, window, &peer, &error) != KOFN_OK) {
        lose_master(worker, "welcome_lost", error.text, HELLO_AGAIN_NS);
        return;
    }
    kofn_peer_destroy(&worker->peer);
    worker->peer = peer;
    adopt(worker, welcome);
    worker->state = SESSION_READY;
    worker->unreached = 0;
    worker->refusal[0] = '\0';
    worker->beat_due_ns = kofn_clock_ns();
    kofn_log_write(&worker->log, KOFN_LOG_NOTICE, "ready", "the master takes this worker",
                   "master=%s worker=%" PRIu64 " epoch=%" PRIu64, worker->config.master,
                   worker->number, worker->epoch);
}

void
kofn_session_on_refuse(kofn_worker *worker, const void *message)
{
    const kofn_msg_refuse *refuse = message;
    if (refuse->status == KOFN_FAILED_PRECONDITION) { // "say hello first": it lost sight of us
        const bool in_vain = worker->state == SESSION_GREETING;
        lose_master(worker, "unknown_to_master", "saying hello again",
                    in_vain ? HELLO_AGAIN_NS : 0);
        return;
    }

    /* Somebody must act: another version of the protocol, say. Once said is enough. */
    if (strcmp(worker->refusal, refuse->message) != 0)
        kofn_log_write(&worker->log, KOFN_LOG_ERROR, "refused", refuse->message,
                       "status=%s master=%s protocol=%d retry_s=%d",
                       kofn_status_name((kofn_status)refuse->status), worker->config.master,
                       KOFN_PROTOCOL_VERSION, (int)(HELLO_REFUSED_NS / KOFN_NS_PER_S));
    memcpy(worker->refusal, refuse->message, sizeof worker->refusal);
    if (worker->state == SESSION_LEAVING)
        worker->state = SESSION_OVER;
    else
        kofn_session_restart(worker, kofn_clock_after(kofn_clock_ns(), HELLO_REFUSED_NS));
}

void
kofn_session_on_heartbeat(kofn_worker *worker, const void *message)
{
    const kofn_msg_heartbeat *beat = message;
    if (worker->state != SESSION_GREETING && beat->epoch != 0 && beat->epoch != worker->epoch)
        lose_master(worker, "master_restarted", "saying hello again", 0);
}

void
kofn_session_on_ack(kofn_worker *worker, const void *message)
{
    const kofn_msg_ack *ack = message;
    kofn_error error;
    if (worker->state == SESSION_GREETING)
        return;
    if (kofn_peer_acked(worker->peer, ack->bytes, &error) != KOFN_OK)
        lose_master(worker, "ack_failed", error.text, HELLO_AGAIN_NS);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void
beat(kofn_worker *worker, int64_t now_ns)
{
    const kofn_msg_heartbeat message = {.epoch = worker->epoch, .tasks = worker->tasks_held};
    worker->beat_due_ns = kofn_clock_after(now_ns, worker->heartbeat_ns);
    kofn_session_post(worker, &kofn_heartbeat_message, &message);
}

static int64_t
sooner(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

/* Beats go on until the last answer is with the master. */
static int64_t
keep_in_touch(kofn_worker *worker, int64_t now_ns)
{
    const int64_t silent_ns = kofn_clock_after(worker->heard_ns, worker->silence_ns);
    if (now_ns >= silent_ns) {
        give_up_master(worker, "master_silent", "keeping what is computed, saying hello again");
        return now_ns;
    }
    if (now_ns >= worker->beat_due_ns)
        beat(worker, now_ns);
    return sooner(silent_ns, worker->beat_due_ns);
}

static int64_t
leave(kofn_worker *worker, int64_t now_ns)
{
    if (worker->tasks_held == 0 && kofn_peer_get_queued(worker->peer) == 0) {
        worker->state = SESSION_OVER;
        return now_ns;
    }
    if (now_ns >= worker->grace_until_ns) {
        kofn_log_write(&worker->log, KOFN_LOG_WARNING, "grace_over", "handing tasks back",
                       "tasks=%zu", worker->tasks_held);
        kofn_tasks_hand_back(worker);
        worker->state = SESSION_OVER;
        return now_ns;
    }
    const int64_t touch_ns = keep_in_touch(worker, now_ns);
    return sooner(touch_ns, worker->grace_until_ns);
}

/* Nobody answers: say so after a while, and again after twice as long each time. Who was refused
 * knows more. */
static int64_t
mind_unheard(kofn_worker *worker, int64_t now_ns)
{
    enum { DOUBLINGS_MAX = 16 }; // four days: it has been said often enough
    if (worker->refusal[0] || worker->unreached > DOUBLINGS_MAX)
        return KOFN_NEVER_NS;
    const int64_t due_ns = kofn_clock_after(worker->heard_ns, UNHEARD_NS << worker->unreached);
    if (now_ns < due_ns)
        return due_ns;
    worker->unreached++;
    kofn_log_write(&worker->log, KOFN_LOG_WARNING, "master_unreached",
                   kofn_monitor_describe_way(&worker->monitor), "master=%s unheard_s=%d",
                   worker->config.master, (int)((now_ns - worker->heard_ns) / KOFN_NS_PER_S));
    return now_ns;
}

static int64_t
greet(kofn_worker *worker, int64_t now_ns)
{
    if (now_ns >= worker->hello_due_ns) {
        if (worker->welcomed) // and an answer is missing: which hello it was for, nobody knows
            kofn_session_restart(worker, now_ns);
        say_hello(worker, now_ns);
    }
    return sooner(worker->hello_due_ns, mind_unheard(worker, now_ns));
}

int64_t
kofn_session_on_time(kofn_worker *worker, int64_t now_ns)
{
    switch (worker->state) {
    case SESSION_GREETING:
        return greet(worker, now_ns);
    case SESSION_READY:
        kofn_keepsakes_tell_evicted(worker);
        return keep_in_touch(worker, now_ns);
    case SESSION_LEAVING:
        return leave(worker, now_ns);
    case SESSION_FROZEN:
        return KOFN_NEVER_NS;
    case SESSION_OVER:
        return now_ns;
    }
    return now_ns; // no further states
}

/* The first stop asks, the second does not wait. */
void
kofn_session_on_stop(kofn_worker *worker, int64_t now_ns)
{
    worker->supervisor.stopping(worker->supervisor.context);
    if (worker->state != SESSION_READY) {
        worker->state = SESSION_OVER;
        return;
    }
    const kofn_msg_bye bye = {.reason = "stopped"};
    kofn_session_post(worker, &kofn_bye_message, &bye);
    worker->state = SESSION_LEAVING;
    worker->grace_until_ns = kofn_clock_after(now_ns, worker->config.grace_ns);
    kofn_log_write(&worker->log, KOFN_LOG_NOTICE, "leaving", "finishing what is held", "tasks=%zu",
                   worker->tasks_held);
}
