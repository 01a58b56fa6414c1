/* The messages: structs for C, tables for everything else. PROTOCOL.md leads, this follows.
 *
 * Every envelope is a map with a `type` key. Client calls name a method; the method's request and
 * reply travel as the call's and the reply's `body`.
 *
 *     client -> master   call, data, ack, abandon
 *     master -> client   reply, data, ack, event
 *     worker -> master   hello, result, data, ack, heartbeat, bye, evicted
 *     master -> worker   welcome, refuse, task, data, ack, heartbeat, cancel, recall, settled
 *
 * Units      *_ms milliseconds of remaining time, *_ns nanoseconds of duration, bytes in bytes.
 */
#ifndef KOFN_PROTO_MESSAGES_H
#define KOFN_PROTO_MESSAGES_H

#include "common/code/algorithms.h"
#include "common/code/batch.h"
#include "common/code/plan.h"
#include "common/code/spec.h"
#include "proto/codec.h"

/* ---- parts of messages ----------------------------------------------------------------------- */

typedef struct kofn_msg_matrix { // shape of a matrix whose blocks travel with the message
    char dtype[8];
    uint64_t rows, cols;
    char format[8];    // "": all elements; csr: those that are not zero (an operand of a product)
    uint64_t elements; // of format csr
} kofn_msg_matrix;

#define KOFN_FORMAT_CSR "csr" // three lists: values, row offsets i64, columns i32

typedef struct kofn_msg_factor { // an operand of an outer product beyond the second
    kofn_msg_matrix matrix;      // as stored; dtype "": taken from the operand
    char operand[KOFN_ID_MAX];   // in a product: a stored one; "": blocks follow
    bool transposed;
} kofn_msg_factor;

/* Forms of products and tasks: "" is C := A B. */
#define KOFN_FORM_OUTER                                                                            \
    "outer" // C := A_1 (x) A_2 (x) ...: A_1 is a, A_2 is b, the others are further
#define KOFN_FORM_BATCH "batch" // of products alone: C_t := sum_i weights[t, i] X_i Y_i
enum { KOFN_FORM_MAX = 16 };

typedef enum kofn_form { KOFN_PRODUCT, KOFN_OUTER_PRODUCT, KOFN_BATCH_OF_PRODUCTS } kofn_form;
const char *kofn_form_name(kofn_form form); // as on the wire

typedef struct kofn_msg_batch { // kofn_batch on the wire; the lists are of entries of 16 bytes
    uint64_t a_rows, a_cols, b_rows, b_cols, c_rows, c_cols; // blocks; 0 is 1
    uint64_t pairs;
    kofn_wire_bytes left, right, weights;
} kofn_msg_batch;

/* What a client made the operands of a product from, so that whoever fetches the job knows what its
 * C is: the master keeps it with the job, and does not act on it. */
typedef struct kofn_msg_compression {
    char method[16];            // cr, block_cr, grid_cr: a sketch; 3m, 4m, plain: complex numbers
    char dtype[8];              // of the original matrices: f64, f32, c128, c64
    uint64_t rows, inner, cols; // of the original product
    uint64_t samples, most;     // of a sketch: kofn_sketched
    uint64_t seed;
    double bound, lemma; // root of E |C' - C|^2, at most, relative to `size`
    double size;         // |A| |B| of the original matrices, Frobenius norms
    uint64_t elements;   // of both operands, as they are sent
} kofn_msg_compression;

typedef struct kofn_msg_set {
    char name[KOFN_NAME_MAX];
    char value[KOFN_SET_VALUE_MAX];
} kofn_msg_set;

typedef struct kofn_msg_code { // kofn_code_spec on the wire
    char family[KOFN_NAME_MAX];
    uint64_t x, z, y, tasks, reserve, seed;
    char parts[KOFN_CUTS_TEXT_MAX]; // of an outer product: kofn_cuts_format
    bool has_seed;
    kofn_wire_list sets; // of kofn_msg_set
} kofn_msg_code;

typedef struct kofn_msg_seconds { // where a job's time went
    double queue, receive, encode, send, wait, decode, check, total;
} kofn_msg_seconds;

/* What is known of one product: state while it runs, account when it is done. */
typedef struct kofn_msg_job {
    char id[KOFN_ID_MAX];
    char state[16];  // receiving, storing, blocked, queued, running, decoding, done, failed,
                     // cancelled
    uint64_t status; // kofn_status of a finished job
    char message[KOFN_TEXT_MAX]; // why it failed; or, while it waits, for what
    char policy[KOFN_NAME_MAX];
    char form[KOFN_FORM_MAX];
    uint64_t pairs;     // of a batch, or that a product of sparse operands became
    kofn_msg_code code; // complete: what was really used
    char field[KOFN_NAME_MAX];
    uint64_t rows, inner, cols;
    uint64_t threshold, tasks, tasks_sent, answers, answers_used, workers;
    uint64_t backups,
        replaced;   // speculative copies; tasks sent again, or others for them, after a loss
    uint64_t fresh; // tasks of the code's reserve that were sent
    bool likely;    // most sets of `threshold` answers suffice, not any
    uint64_t blocks_reused; // coded blocks of stored operands that an earlier product made
    uint64_t blocks_spared; // and those that their workers had, so that they were not sent
    uint64_t answers_held;  // answers that workers had from an earlier connection
    uint64_t enough;        // answers that what the job accepts takes in the worst case
    char accept[16];        // as in the product
    char verify[16];        // how answers are verified; "": they are not
    uint64_t refuted;       // answers that were found to be wrong
    uint64_t unchecked;     // answers of which freivalds could say nothing
    char liars[128];        // workers that gave them: "w3,w7"
    double accept_error;
    bool decodable, waited; // the answers so far suffice; more were waited for all the same
    char error_kind[16];    // exact, rounding, estimate
    double error_bound;     // |C' - C| / (|A| |B|) is at most this, in Frobenius norms
    double error_estimate;  // of |C' - C| / |C|, from what other answers say; 0: there were none
    double condition, amplification, residual;
    bool nonfinite; // the product holds NaN or Inf: blocks may have smeared into each other
    kofn_msg_seconds seconds;
    double progress;                  // 0 to 1
    uint64_t age_ms;                  // since it was accepted
    bool durable;                     // it is on disk: the master may end
    kofn_msg_compression compression; // as in the product
    kofn_wire_list primes;            // of kofn_msg_prime: then all counts are sums over them
    char stream[KOFN_ID_MAX];         // that it is a job of
    uint64_t index, born, finished;   // its number there; rounds: its first and its last
} kofn_msg_job;

typedef struct kofn_msg_prime { // of a product of integers: the product modulo one prime
    uint64_t prime;
    char state[16]; // as a job's
    uint64_t enough, tasks_sent, answers;
} kofn_msg_prime;

typedef struct kofn_msg_operand { // one that is stored
    char id[KOFN_ID_MAX];
    kofn_msg_matrix matrix; // as stored
    bool transposed;        // the operand is the transpose of that
    uint64_t bytes, coded_bytes, coded_blocks;
    uint64_t jobs, products; // that use it now; that named it so far
    uint64_t unused_ms, age_ms;
} kofn_msg_operand;

typedef struct kofn_msg_worker {
    char name[KOFN_NAME_MAX * 2];
    uint64_t id;
    char version[KOFN_NAME_MAX];
    char state[16]; // idle, busy, silent, leaving, quarantined
    char kernel[KOFN_NAME_MAX];
    uint64_t cores, blas_threads, memory_bytes, credit;
    uint64_t tasks_running, tasks_done, tasks_failed, tasks_cancelled;
    double gflops;          // measured, of recent tasks
    double link_rate;       // measured, bytes a second to it
    double slowdown;        // its time against the median worker's for the same work
    uint64_t silent_ms;     // since it was last heard
    uint64_t quarantine_ms; // until that is over; 0: it is in none
} kofn_msg_worker;

typedef struct kofn_msg_param {
    char name[KOFN_NAME_MAX];
    char type[16];
    char bounds[KOFN_TEXT_MAX];
    char fallback[KOFN_SET_VALUE_MAX];
    char help[KOFN_TEXT_MAX];
} kofn_msg_param;

typedef struct kofn_msg_family {
    char name[KOFN_NAME_MAX];
    char summary[KOFN_TEXT_MAX];
    char threshold[KOFN_TEXT_MAX];
    char encoding[KOFN_TEXT_MAX];
    char communication[KOFN_TEXT_MAX];
    char storage[KOFN_TEXT_MAX];
    char source[KOFN_TEXT_MAX];
    bool rateless, outer, batches, only_batches;
    kofn_wire_list params; // of kofn_msg_param
} kofn_msg_family;

typedef struct kofn_msg_algorithm {
    char name[KOFN_BILINEAR_NAME_MAX];
    uint64_t x, z, y, rank;
    uint64_t denominator, additions;
    bool ships; // else of the master's directory
} kofn_msg_algorithm;

typedef struct kofn_msg_stream { // a stream: what it is, and its account
    char id[KOFN_ID_MAX];
    char state[16];             // open, closing, closed
    char scheme[KOFN_NAME_MAX]; // complete from here to grace_ms
    uint64_t slots, delay, lambda, failures, window, burst;
    double tolerance, rescue;
    kofn_msg_code code; // of all its jobs; tasks are its coded rows
    char field[KOFN_NAME_MAX];
    uint64_t need, limit, grace_ms;
    uint64_t pushed, answered;                  // jobs: indices used; replies that may go out
    uint64_t done, failed, waiting, unfinished; // jobs
    uint64_t round, rounds, waited, stragglers; // rounds: the one that is on, or was last
    uint64_t given, returned, lost, dropped, rescued, mended; // mini-tasks
    uint64_t load, load_sum, load_max;                        // mini-tasks of the longest list
    uint64_t vacant;                                          // slots
    double busy;                                              // seconds with a round on
    uint64_t late, timed;  // lists: not done in time; of them those done after all
    double slowdown;       // mean of these, times tau
    kofn_wire_bytes trace; // [rounds kept, ceil(slots / 8)], the oldest first; if asked for
    uint64_t age_ms;
} kofn_msg_stream;

typedef struct kofn_msg_plan_row { // kofn_plan_row on the wire
    kofn_msg_code code;            // complete
    char policy[KOFN_NAME_MAX];
    uint64_t threshold, enough, needed; // answers
    double flops, bytes_in, bytes_out;  // of the worker with most tasks
    double encode, decode;              // seconds
    double amplification, worst_amplification;
    double error, decodable;
    uint64_t typical; // recovery threshold for the query's odds; 0: none were asked for
    char typical_by[KOFN_NAME_MAX];
    bool likely;
    double seconds, seconds_late;
    bool redundant, pays;
} kofn_msg_plan_row;

/* ---- envelopes between client and master ----------------------------------------------------- */

typedef struct kofn_msg_call {
    uint64_t version;
    uint64_t call; // chosen by the client, unique on its connection while the call is open
    char method[KOFN_METHOD_MAX];
    uint64_t timeout_ms;         // remaining time; 0: none
    char key[KOFN_KEY_TEXT_MAX]; // idempotency key
    uint64_t window;             // bytes the client takes unacknowledged; 0: reply in one message
    bool more;                   // block frames follow in data messages
    kofn_wire_raw body;          // the method's request
} kofn_msg_call;

typedef struct kofn_msg_reply {
    uint64_t version;
    uint64_t call;
    uint64_t status;
    char message[KOFN_TEXT_MAX];
    uint64_t retry_ms; // with UNAVAILABLE and RESOURCE_EXHAUSTED: a hint
    bool more;
    kofn_wire_raw body;
} kofn_msg_reply;

typedef struct kofn_msg_event { // of a Watch that is open
    uint64_t call;
    kofn_msg_job job;
} kofn_msg_event;

typedef struct kofn_msg_abandon { // the client no longer wants this call's reply
    uint64_t call;
} kofn_msg_abandon;

/* ---- on every connection --------------------------------------------------------------------- */

typedef struct kofn_msg_data { // further block frames of a call, reply, task or result
    uint64_t id;               // its call, or its assignment
    bool more;
} kofn_msg_data;

typedef struct kofn_msg_ack {
    uint64_t bytes; // block frame bytes taken since the last ack
} kofn_msg_ack;

/* ---- requests and replies of the methods ----------------------------------------------------- */

typedef struct kofn_msg_product { // Multiply, Submit
    kofn_msg_matrix a, b;         // as stored; dtype "": taken from the operand
    char operand_a[KOFN_ID_MAX], operand_b[KOFN_ID_MAX]; // stored operands; "": blocks follow
    bool transpose_a, transpose_b;
    char form[KOFN_FORM_MAX];         // "": A B; outer
    kofn_wire_list further;           // of kofn_msg_factor
    kofn_msg_batch batch;             // of form batch
    kofn_msg_compression compression; // method "": the operands are the original ones
    char field[KOFN_NAME_MAX];        // "": implied by the dtype
    kofn_msg_code code;
    char policy[KOFN_NAME_MAX]; // "": the master's default
    char accept[16];            // "": what the code's family promises; exact, error
    double accept_error;
    bool deadline_best;
    uint64_t settle_ms;
    char verify[16]; // "": the master's default; none, freivalds, parity
    uint64_t liars;  // with parity: answers that may be wrong; 0: the master's default
} kofn_msg_product;

/* Reply of Multiply, Wait, Watch, Cancel and GetJob; blocks of C follow when it has a shape. */
typedef struct kofn_msg_outcome {
    kofn_msg_job job;
    kofn_msg_matrix c;
} kofn_msg_outcome;

/* OpenStream. Zero in any number: the master's default. */
typedef struct kofn_msg_open_stream {
    char scheme[KOFN_NAME_MAX];
    uint64_t slots, delay, lambda, failures, window, burst;
    double tolerance, rescue; // rescue below 0: never
    kofn_msg_code code;       // the inner one: its tasks and reserve stay 0
    char field[KOFN_NAME_MAX];
    uint64_t limit, grace_ms;
} kofn_msg_open_stream;

typedef struct kofn_msg_push {
    char stream[KOFN_ID_MAX];
    uint64_t index;    // from 1
    uint64_t received; // outcomes up to this one have come
    kofn_msg_matrix a, b;
    char operand_a[KOFN_ID_MAX], operand_b[KOFN_ID_MAX]; // as in product
    bool transpose_a, transpose_b;
} kofn_msg_push;

typedef struct kofn_msg_close_stream {
    char stream[KOFN_ID_MAX];
    bool abandon; // jobs that are under way are cancelled
    bool trace;   // the reply has it
} kofn_msg_close_stream;

typedef struct kofn_msg_streams {
    kofn_wire_list streams; // of kofn_msg_stream
} kofn_msg_streams;

typedef struct kofn_msg_job_ref { // Wait, Watch, Cancel, GetJob; reply of Submit
    char job[KOFN_ID_MAX];
    bool without_result; // Wait: only the account, keep the product for another Wait
    bool hold, let_go;   // Wait: keep the product until let go; let it go
} kofn_msg_job_ref;

typedef struct kofn_msg_nothing {
    bool unused;
} kofn_msg_nothing;

typedef struct kofn_msg_list_jobs {
    uint64_t limit; // newest first; 0: 100
} kofn_msg_list_jobs;

typedef struct kofn_msg_jobs {
    kofn_wire_list jobs; // of kofn_msg_job
} kofn_msg_jobs;

typedef struct kofn_msg_put_operand {
    kofn_msg_matrix matrix; // as stored
    bool transposed;        // the operand is the transpose of that
} kofn_msg_put_operand;

typedef struct kofn_msg_operand_ref { // DropOperand; reply of PutOperand
    char operand[KOFN_ID_MAX];
} kofn_msg_operand_ref;

typedef struct kofn_msg_operands {
    kofn_wire_list operands; // of kofn_msg_operand
} kofn_msg_operands;

typedef struct kofn_msg_workers {
    kofn_wire_list workers; // of kofn_msg_worker
} kofn_msg_workers;

typedef struct kofn_msg_codes {
    kofn_wire_list families;   // of kofn_msg_family
    kofn_wire_list policies;   // of kofn_msg_param: name and help
    kofn_wire_list algorithms; // of kofn_msg_algorithm
} kofn_msg_codes;

/* PlanCode. Zero in any field: measured, or else its default. */
typedef struct kofn_msg_plan_query {
    char field[KOFN_NAME_MAX];
    uint64_t rows, inner, cols;
    uint64_t x, z, y; // parts
    uint64_t workers, stragglers, tasks, limit, seed;
    double failure, odds, error, slowdown;
    double gflops, local_gflops, link_rate;
} kofn_msg_plan_query;

typedef struct kofn_msg_plan {
    kofn_wire_list rows; // of kofn_msg_plan_row
    bool pays;
    char verdict[KOFN_TEXT_MAX];
    uint64_t candidates, left_out;
    char left_why[KOFN_TEXT_MAX];
    uint64_t workers;         // it is made for
    double gflops, link_rate; // median worker's, the master's
    bool measured;            // they were; else given or assumed
    double local;             // seconds; 0: not known
} kofn_msg_plan;

typedef struct kofn_msg_check {
    char service[KOFN_METHOD_MAX]; // "": the whole server
} kofn_msg_check;

typedef struct kofn_msg_health {
    char status[24]; // UNKNOWN, SERVING, NOT_SERVING, SERVICE_UNKNOWN
    char why[KOFN_TEXT_MAX];
    char version[KOFN_NAME_MAX];
    uint64_t workers, jobs_running, jobs_queued, jobs_done, jobs_failed;
    uint64_t memory_bytes, memory_limit_bytes;
    uint64_t store_bytes, store_limit_bytes; // on disk
    uint64_t uptime_ms;
} kofn_msg_health;

typedef struct kofn_msg_field_info {
    char name[KOFN_NAME_MAX];
    char type[KOFN_METHOD_MAX]; // "u64", "text", "matrix", "list of job"
    bool required;
    double max;
    char help[KOFN_TEXT_MAX];
} kofn_msg_field_info;

typedef struct kofn_msg_message_info {
    char name[KOFN_METHOD_MAX];
    bool envelope;
    char help[KOFN_TEXT_MAX];
    kofn_wire_list fields; // of kofn_msg_field_info
} kofn_msg_message_info;

typedef struct kofn_msg_method_info {
    char name[KOFN_METHOD_MAX];
    char request[KOFN_NAME_MAX], reply[KOFN_NAME_MAX];
    char help[KOFN_TEXT_MAX];
} kofn_msg_method_info;

typedef struct kofn_msg_limit_info {
    char name[KOFN_METHOD_MAX];
    double value;
} kofn_msg_limit_info;

typedef struct kofn_msg_reflection {
    uint64_t version;
    kofn_wire_list methods;  // of kofn_msg_method_info
    kofn_wire_list messages; // of kofn_msg_message_info
    kofn_wire_list limits;   // of kofn_msg_limit_info
} kofn_msg_reflection;

/* ---- envelopes between worker and master ----------------------------------------------------- */

/* An answer that a worker computed, or computes, for a connection that is over. */
typedef struct kofn_msg_held {
    uint64_t assignment, epoch; // as in its task: how it is called
    char job[KOFN_ID_MAX];
    uint64_t task;
    char answer[KOFN_TAG_MAX];
} kofn_msg_held;

typedef struct kofn_msg_task_block { // of one operand of a task
    char name[KOFN_TAG_MAX];         // "": not to be kept
    bool kept;                       // the worker has it: it does not follow
} kofn_msg_task_block;

typedef struct kofn_msg_block_name {
    char name[KOFN_TAG_MAX];
} kofn_msg_block_name;

typedef struct kofn_msg_settlement {
    uint64_t assignment, epoch;
} kofn_msg_settlement;

typedef struct kofn_msg_hello {
    uint64_t version;             // of the protocol
    char name[KOFN_NAME_MAX * 2]; // for people; identity is the connection (later: the key)
    char software[KOFN_NAME_MAX];
    char fields[KOFN_TEXT_MAX]; // "f64,f32"
    char kernel[KOFN_NAME_MAX]; // of OpenBLAS
    uint64_t cores, blas_threads, memory_bytes;
    uint64_t credit;                  // tasks it takes at a time
    uint64_t window;                  // block bytes it takes unacknowledged
    uint64_t keep_bytes, cache_bytes; // for answers that are not settled; for coded blocks
    uint64_t life;                    // of its process
    kofn_wire_list held;              // of kofn_msg_held
    kofn_wire_list cached;            // of kofn_msg_block_name
} kofn_msg_hello;

typedef struct kofn_msg_welcome {
    uint64_t version;
    uint64_t epoch;  // of this master's life; echoed in results
    uint64_t worker; // this connection's number
    uint64_t window; // block bytes the master takes unacknowledged
    uint64_t heartbeat_ms, silence_ms;
    uint64_t chunk_bytes;
} kofn_msg_welcome;

typedef struct kofn_msg_refuse { // the master will not talk to this peer as it is
    uint64_t status;
    char message[KOFN_TEXT_MAX];
} kofn_msg_refuse;

typedef struct kofn_msg_task {
    uint64_t assignment, epoch;
    char job[KOFN_ID_MAX];
    uint64_t task;
    char field[KOFN_NAME_MAX];
    kofn_msg_matrix a, b; // as stored
    bool transpose_a, transpose_b;
    char form[KOFN_FORM_MAX];  // "": A B; outer
    kofn_wire_list further;    // of kofn_msg_factor
    char answer[KOFN_TAG_MAX]; // what names the answer, whoever computes it; "": not to be kept
    kofn_wire_list blocks;     // of kofn_msg_task_block, for the first operands; without: none
    uint64_t round, slot;      // of a stream; round 0: of none
    bool more;
} kofn_msg_task;

typedef struct kofn_msg_result {
    uint64_t assignment, epoch;
    uint64_t status;
    char message[KOFN_TEXT_MAX];
    kofn_msg_matrix c;
    bool nonfinite;      // C holds NaN or Inf, or what is no number of a finite field
    uint64_t compute_ns; // of the multiplication alone
    bool more;
} kofn_msg_result;

typedef struct kofn_msg_cancel {
    uint64_t assignment, epoch;
} kofn_msg_cancel;

typedef struct kofn_msg_recall { // send what you hold
    uint64_t assignment, epoch;  // as the result of this
    uint64_t held_assignment, held_epoch;
} kofn_msg_recall;

typedef struct kofn_msg_settled { // answers that need not be kept any more
    kofn_wire_list answers;       // of kofn_msg_settlement
} kofn_msg_settled;

typedef struct kofn_msg_evicted { // coded blocks that the worker does not keep any more
    kofn_wire_list blocks;        // of kofn_msg_block_name
} kofn_msg_evicted;

typedef struct kofn_msg_heartbeat {
    uint64_t epoch; // the sender's idea of it; 0 before a welcome
    uint64_t tasks; // held by a worker
} kofn_msg_heartbeat;

typedef struct kofn_msg_bye { // the worker stops: no further tasks, please
    char reason[KOFN_TEXT_MAX];
} kofn_msg_bye;

/* ---- tables ---------------------------------------------------------------------------------- */

extern const kofn_wire_message kofn_call_message, kofn_reply_message, kofn_event_message,
    kofn_abandon_message, kofn_data_message, kofn_ack_message, kofn_hello_message,
    kofn_welcome_message, kofn_refuse_message, kofn_task_message, kofn_result_message,
    kofn_cancel_message, kofn_recall_message, kofn_settled_message, kofn_evicted_message,
    kofn_heartbeat_message, kofn_bye_message; // envelopes

extern const kofn_wire_message kofn_product_message, kofn_outcome_message, kofn_job_ref_message,
    kofn_nothing_message, kofn_list_jobs_message, kofn_jobs_message, kofn_put_operand_message,
    kofn_operand_ref_message, kofn_operands_message, kofn_workers_message, kofn_codes_message,
    kofn_plan_query_message, kofn_plan_message, kofn_check_message, kofn_health_message,
    kofn_reflection_message, kofn_open_stream_message, kofn_push_message, kofn_close_stream_message,
    kofn_streams_message; // bodies

extern const kofn_wire_message kofn_matrix_message, kofn_factor_message, kofn_set_message,
    kofn_code_message, kofn_seconds_message, kofn_prime_message, kofn_job_message,
    kofn_operand_message, kofn_worker_message, kofn_param_message, kofn_family_message,
    kofn_algorithm_message, kofn_field_info_message, kofn_message_info_message,
    kofn_method_info_message, kofn_limit_info_message, kofn_plan_row_message, kofn_held_message,
    kofn_task_block_message, kofn_block_name_message, kofn_settlement_message, kofn_stream_message,
    kofn_batch_message, kofn_compression_message; // parts

/* All of the above, in the order of PROTOCOL.md: index < count. */
size_t kofn_messages_count(void);
const kofn_wire_message *kofn_messages_at(size_t index);

/* Envelope by its `type`; NULL when unknown. kofn_message_pack writes `type` for these. */
const kofn_wire_message *kofn_envelope_find(const char *type);

/* The version that both sides will use, given the newest one that the peer speaks: whoever speaks N
 * also speaks N - 1. UNIMPLEMENTED: there is none; the text has all numbers. */
KOFN_MUST_CHECK kofn_status kofn_version_agree(uint64_t theirs, uint64_t *ret_version,
                                               kofn_error *err);

typedef enum kofn_method {
    KOFN_METHOD_MULTIPLY,
    KOFN_METHOD_SUBMIT,
    KOFN_METHOD_WAIT,
    KOFN_METHOD_WATCH,
    KOFN_METHOD_CANCEL,
    KOFN_METHOD_GET_JOB,
    KOFN_METHOD_LIST_JOBS,
    KOFN_METHOD_PUT_OPERAND,
    KOFN_METHOD_DROP_OPERAND,
    KOFN_METHOD_LIST_OPERANDS,
    KOFN_METHOD_OPEN_STREAM,
    KOFN_METHOD_PUSH,
    KOFN_METHOD_CLOSE_STREAM,
    KOFN_METHOD_LIST_STREAMS,
    KOFN_METHOD_LIST_WORKERS,
    KOFN_METHOD_LIST_CODES,
    KOFN_METHOD_PLAN_CODE,
    KOFN_METHOD_CHECK,
    KOFN_METHOD_REFLECT,
    KOFN_METHOD_COUNT,
} kofn_method;

typedef struct kofn_method_info {
    const char *name; // "kofn.v1.Master/Multiply"
    const kofn_wire_message *request, *reply;
    const char *help;
} kofn_method_info;

const kofn_method_info *kofn_method_get(kofn_method method);
/* INVALID_ARGUMENT is not used: UNIMPLEMENTED, with the nearest name, for an unknown method. */
KOFN_MUST_CHECK kofn_status kofn_method_find(const char *name, kofn_method *ret_method,
                                             kofn_error *err);

/* Which form it is, and of how many operands. INVALID_ARGUMENT: further operands of a product of
 * two. UNIMPLEMENTED: another form. */
KOFN_MUST_CHECK kofn_status kofn_msg_form_read(const char *form, const kofn_wire_list *further,
                                               kofn_form *ret_form, size_t *ret_operands,
                                               kofn_error *err);

/* Spec to wire and back. The list in *ret_message is owned (kofn_message_clear on its holder). */
KOFN_MUST_CHECK kofn_status kofn_msg_code_from_spec(const kofn_code_spec *spec,
                                                    kofn_msg_code *ret_message, kofn_error *err);
KOFN_MUST_CHECK kofn_status kofn_msg_code_to_spec(const kofn_msg_code *message,
                                                  kofn_code_spec *ret_spec, kofn_error *err);

/* A batch to wire and back. The lists in *ret_message are owned (kofn_message_clear on its holder).
 * OUT_OF_RANGE: more entries than a message carries. Errors of kofn_batch_new. */
KOFN_MUST_CHECK kofn_status kofn_msg_batch_from_batch(const kofn_batch *batch,
                                                      kofn_msg_batch *ret_message, kofn_error *err);
KOFN_MUST_CHECK kofn_status kofn_msg_batch_to_batch(const kofn_msg_batch *message,
                                                    const kofn_field *field, kofn_batch **ret_batch,
                                                    kofn_error *err);

/* Can it be what a C of this shape came from? INVALID_ARGUMENT: no. */
KOFN_MUST_CHECK kofn_status kofn_msg_compression_check(const kofn_msg_compression *c, size_t rows,
                                                       size_t cols, kofn_error *err);

/* The query that a PlanCode asks, with the planner's defaults for what it leaves open; `measured`
 * (may be NULL) is what the fleet is, for what it does not give. Ownership: ret_query->field, to
 * kofn_field_destroy(). FAILED_PRECONDITION: no workers. Else what kofn_field_new says. */
KOFN_MUST_CHECK kofn_status kofn_msg_plan_query_to_query(const kofn_msg_plan_query *message,
                                                         const kofn_plan_machine *measured,
                                                         kofn_plan_query *ret_query,
                                                         kofn_error *err);

/* The reply: what was planned, for what. Cleared by the caller. */
KOFN_MUST_CHECK kofn_status kofn_msg_plan_from_plan(const kofn_plan_query *query,
                                                    const kofn_plan *plan, kofn_msg_plan *ret_plan,
                                                    kofn_error *err);

/* ListCodes and Reflect, filled from the tables, and from the algorithms that are there beside
 * those that ship (may be NULL). Cleared by the caller. Policies are the scheduler's: the master
 * adds them to *ret_codes (kofn_wire_list_new). */
KOFN_MUST_CHECK kofn_status kofn_msg_codes_fill(const kofn_algorithms *algorithms,
                                                kofn_msg_codes *ret_codes, kofn_error *err);
KOFN_MUST_CHECK kofn_status kofn_msg_reflection_fill(kofn_msg_reflection *ret_reflection,
                                                     kofn_error *err);

#endif
