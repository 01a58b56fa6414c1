/* libkofn: matrix products on machines that may be slow, lost or lying.
 *
 * A client hands two matrices to a kofn master, which cuts them, codes them, has workers multiply,
 * and sends back the product rebuilt from the first answers that suffice.
 *
 *     kofn_error error;
 *     kofn_client *client = NULL;
 *     kofn_result *result = NULL;
 *     kofn_matrix a = {.data = x, .dtype = KOFN_F64, .rows = 1797, .cols = 64};
 *     kofn_matrix b = a;
 *     b.transposed = true;
 *     if (kofn_client_open(NULL, &client, &error) == KOFN_OK &&
 *         kofn_client_multiply(client, &a, &b, NULL, &result, &error) == KOFN_OK)
 *         kofn_result_write_npy(result, "gram.npy", &error);
 *
 * Statuses   Every function that can fail returns a kofn_status and, when `err` is not NULL,
 *            fills it with one sentence for a person (<kofn/status.h>). Outputs `ret_x` are
 *            untouched on failure.
 *                KOFN_INVALID_ARGUMENT, KOFN_OUT_OF_RANGE, KOFN_NOT_FOUND   fix the call
 *                KOFN_RESOURCE_EXHAUSTED   the master (or this process) has no room: later, smaller
 *                KOFN_UNAUTHENTICATED      the master does not take this key
 *                KOFN_UNAVAILABLE          no master, after all retries; or it has no workers left
 *                KOFN_DEADLINE_EXCEEDED, KOFN_CANCELLED   the call was given up
 *                KOFN_ABORTED              a stream is gone: begin another one
 *                KOFN_DATA_LOSS            what arrived is not what was sent
 * Retries    Calls whose connection is lost are made again when the master is back: until their
 *            deadline, or for `away_ms`. So a wait outlives a restart of the master, and an upload
 *            or a product begins anew. Calls that the master puts off (KOFN_UNAVAILABLE,
 *            KOFN_RESOURCE_EXHAUSTED with a hint when to come again) are repeated with exponential
 *            backoff and jitter, never sooner than the hint. Each product carries an idempotency
 *            key, so a repeated call never becomes a second job.
 * Memory     Operands are borrowed until their call is done. They are never copied whole: bands of
 *            them are copied into message frames as the master takes them. Of a sketch the columns
 *            and rows that it keeps are copied before.
 * Threads    A client and everything made from it belong to one thread at a time. No thread runs
 *            behind the caller's back (but for ZeroMQ's own, and a local client's master and
 *            workers): calls in flight move on only inside functions of this header that wait.
 *            Different clients are independent.
 * Signals    A function that waits looks at its `progress` callback, or else at the client's,
 *            whenever a signal interrupted it, so a handler that sets a flag is enough to stop it.
 * Versions   Fields may be added to the structs below only with a new soname.
 */
#ifndef KOFN_H
#define KOFN_H

#include "kofn/dtype.h"
#include "kofn/status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    KOFN_CLIENT_NAME_MAX = 32,    // names of families, parameters, policies; with the final NUL
    KOFN_CLIENT_TEXT_MAX = 512,   // sentences
    KOFN_CLIENT_JOB_MAX = 20,     // ids of jobs and of stored operands
    KOFN_CLIENT_VALUE_MAX = 64,   // values of a family's parameters
    KOFN_CLIENT_SETS_MAX = 16,    // parameters of one code
    KOFN_CLIENT_OPERANDS_MAX = 8, // of an outer product
    KOFN_CLIENT_PRIMES_MAX = 9,   // of a product of integers
};

/* "0.1.0": of the library that is linked, not of this header. */
const char *kofn_client_version(void);

/* ---- clients --------------------------------------------------------------------------------- */

typedef struct kofn_account kofn_account; // of a job, below

/* Called while a function waits: at every news of the job, at least five times a second, and after
 * a signal. False gives up: the job is cancelled and the function returns KOFN_CANCELLED. The
 * account may still be empty (state ""). Must not call into the same client. */
typedef bool kofn_progress(void *context, const kofn_account *account);

/* KOFN_CLIENT_LOCAL_CORES: as many local workers as the machine has cores. */
#define KOFN_CLIENT_LOCAL_CORES (-1)

/* KOFN_CLIENT_FOREVER: a time without an end. */
#define KOFN_CLIENT_FOREVER (-1)

/* Zero or NULL in any field takes what is said in its comment. */
typedef struct kofn_client_options {
    const char *endpoint;   // of the master; $KOFN_MASTER, or else tcp://127.0.0.1:7501
    int local_workers;      // 0: use the endpoint. Otherwise a master and this many workers run
                            // inside this process, and no daemon is needed
    int64_t patience_ms;    // how long to look for a master that is not there; 5000
    int64_t away_ms;        // how long calls without a deadline wait for a master that was there
                            // and is away, from its last word on (but for 3 s of
                            // silence); 60000, or KOFN_CLIENT_FOREVER
    bool insist;            // a call that is put off is made again until its deadline, and
                            // without one for ever, not only `retries` times
    int retries;            // of one call that is put off; 8, and -1 for none, whatever fails
    int64_t backoff_ms;     // before the first retry, doubled for each further one; 100
    int64_t backoff_max_ms; // longest backoff; 5000
    uint64_t window;        // bytes of products that may be under way to us; 16 MiB
    uint64_t keep_bytes;    // of message buffers kept for use again; 256 MiB
    const char *algorithms; // with local workers: directory of bilinear algorithms that codes may
                            // name beside those that ship; $KOFN_ALGORITHMS, or else none
    const char *key;        // file of this client's certificate, made by `kofn keygen`: the link is
                            // encrypted, and jobs are seen by this key alone; $KOFN_KEY, or none
    const char *server_key; // file of the master's public certificate; $KOFN_SERVER_KEY
    kofn_progress *progress; // of functions that take none of their own: NULL waits on; the account
                             // it gets is empty, and false ends no job
    void *context;           // for progress
} kofn_client_options;

typedef struct kofn_client kofn_client;

/* Open a client; `options` may be NULL. The connection is made in the background, so a master that
 * is not there shows in the first call. A local client is ready when this returns.
 * Ownership: end *ret_client with kofn_client_close.
 * Errors: INVALID_ARGUMENT: no such kind of endpoint, or options out of range, or files that are no
 * certificates. NOT_FOUND, PERMISSION_DENIED: those files. RESOURCE_EXHAUSTED:
 * memory, threads or file descriptors. */
KOFN_MUST_CHECK kofn_status kofn_client_open(const kofn_client_options *options,
                                             kofn_client **ret_client, kofn_error *err);

/* Abandons the calls and streams that are still open (their pointers become invalid), stops a local
 * master and its workers. Results stay valid. Accepts NULL, NULLs the caller's pointer. */
void kofn_client_close(kofn_client **client_p);

/* ---- what to multiply, and how --------------------------------------------------------------- */

/* Where the elements of a sparse matrix belong: compressed rows (CSR). Row r has those numbered
 * first[r] to before first[r + 1]; in a row columns ascend. */
typedef struct kofn_sparse {
    const int64_t *first;  // [rows + 1]
    const int32_t *column; // [elements]
    size_t elements;
} kofn_sparse;

/* A matrix in the caller's memory. Little-endian elements, row-major. A column-major m x k matrix
 * is the row-major k x m one with `transposed` set: nothing is moved.
 *
 * Or one that the master has: `operand` is what kofn_client_put said, data is not looked at, and
 * dtype, rows and cols may be left 0; if they are not, the master checks them against what it has.
 * `transposed` is of the operand then, whichever way it is stored. */
typedef struct kofn_matrix {
    const void *data;
    kofn_dtype dtype;
    size_t rows, cols;         // as stored
    size_t stride;             // elements from one row to the next; 0: cols
    bool transposed;           // the factor is the transpose of what is stored
    const char *operand;       // a stored operand's id; NULL: the elements are at `data`
    const kofn_sparse *sparse; // of a product of two: `data` has only the elements that it names;
                               // stride is not read. NULL: all are there
} kofn_matrix;

typedef struct kofn_setting {
    char name[KOFN_CLIENT_NAME_MAX];
    char value[KOFN_CLIENT_VALUE_MAX];
} kofn_setting;

/* Which code. All zero: the master chooses for the operands and its workers. In an account it is
 * complete and says what was really used; given back, it builds the same code again. */
typedef struct kofn_code_choice {
    char family[KOFN_CLIENT_NAME_MAX]; // "rkrp", "polynomial", ...; "": open
    uint64_t x, z, y; // parts of A's rows, the inner dimension, B's columns; 0: open
    size_t operands;  // of an outer product whose parts are given, else 0
    uint64_t parts[KOFN_CLIENT_OPERANDS_MAX]; // of each of them, in the place of x, z, y; 0: open
    uint64_t tasks;                           // coded tasks; 0: open
    uint64_t reserve; // fresh ones beyond them for what is lost or late; 0: by the policy
    bool has_seed;
    uint64_t seed;
    size_t set_count;
    kofn_setting sets[KOFN_CLIENT_SETS_MAX]; // the family's own parameters
} kofn_code_choice;

/* One field from text: "family", "partition" ("2,1,2"), "parts" ("2,3,1"), "tasks", "reserve",
 * "seed", or a parameter of the family. INVALID_ARGUMENT, OUT_OF_RANGE, RESOURCE_EXHAUSTED (too
 * many parameters). */
KOFN_MUST_CHECK kofn_status kofn_code_choice_set(kofn_code_choice *choice, const char *key,
                                                 const char *text, kofn_error *err);

/* All that can be checked without operands and without a master: that the family and its
 * parameters exist (or else which name is near), that tasks suffice, and that the field has points
 * for them. A choice with an algorithm that does not ship is left to the master, which may have one
 * of that name. `field` as in kofn_product_options; NULL: the one that the dtype implies. */
KOFN_MUST_CHECK kofn_status kofn_code_choice_check(const kofn_code_choice *choice, kofn_dtype dtype,
                                                   const char *field, kofn_error *err);

/* What a job is done with. Any answers give a best estimate of the product, with a bound of its
 * error that holds for all matrices; approximate families promise a good one from fewer answers
 * than the product takes. A job that can never get what it accepts is refused (INVALID_ARGUMENT,
 * with the nearest that works). The account says what came of it: error_kind, error_bound,
 * error_estimate. */
typedef enum kofn_accept_choice {
    KOFN_ACCEPT_PROMISED, // the product; of an approximate family, the estimate it promises
    KOFN_ACCEPT_EXACTLY,  // the product, whatever the family promises
    KOFN_ACCEPT_WITHIN,   // whatever has an error_bound of at most `error`
} kofn_accept_choice;

typedef struct kofn_accept_options {
    kofn_accept_choice kind;
    double error; // of KOFN_ACCEPT_WITHIN: more than 0
} kofn_accept_options;

/* A product of integers is put together from products modulo some primes; each has a code, tasks
 * and answers of its own. */
typedef struct kofn_prime_account {
    uint64_t prime;
    char state[16];
    uint64_t enough, tasks_sent, answers;
} kofn_prime_account;

/* What the operands of a job were made from by the client that sent them, so that C is another
 * product than that of the matrices which were sent. Of a sketch (cr, block_cr, grid_cr) it is an
 * estimate of the product, drawn at random, with the product as its mean; |X| is the Frobenius
 * norm. Of complex matrices (3m, 4m, plain) it is the product: all numbers below are 0 but
 * `elements`. */
typedef struct kofn_compression {
    char method[16];   // "": they were sent as they are
    kofn_dtype dtype;  // of A, B and C; KOFN_DTYPE_NONE likewise
    uint64_t samples;  // that were drawn: columns, or pairs of blocks, again and again
    uint64_t elements; // of both operands as they were sent; A and B have (rows + cols) inner
    uint64_t seed;     // that they were drawn by
    double bound; // the mean of |C' - C|^2 over all seeds is at most (bound |A| |B|)^2; 0: all was
                  // taken, and C is the product
    double lemma; // the same by |A|, |B| and the samples alone: never less than bound
    /* As bound, by what C' itself says: of cr without bias, of blocks at most. 0: C' is not at
     * hand. */
    double expected;
    double relative; // and as a part of |C|: the one to look at; INFINITY: C' is little else than
                     // error; 0: likewise
} kofn_compression;

/* What is known of a job: its state while it runs, its account when it is done. */
struct kofn_account {
    char job[KOFN_CLIENT_JOB_MAX];
    char state[16]; // receiving, storing, blocked (on disk, for another master; message says why),
                    // queued, running, decoding, done, failed, cancelled; of this library's own:
                    // sending (operands), away (the master is) and put off (it has no room, or is
                    // stopping), both tried again
    kofn_status status;                 // of a finished job, or the refusal that put it off
    char message[KOFN_CLIENT_TEXT_MAX]; // why it failed, or was put off; while it waits, for what
    char policy[KOFN_CLIENT_NAME_MAX];
    kofn_code_choice code;            // complete
    char field[KOFN_CLIENT_NAME_MAX]; // "f64"
    bool outer;                       // an outer product: inner is 1, code.parts say how it is cut
    uint64_t zero_products;           // of sparse operands: products of their blocks left out
    uint64_t pairs;                   // of a batch: those that differ; 0: it is none. inner is the
                                      // most products that an element of C is a sum of
    uint64_t rows, inner, cols;       // C [rows, cols] = A [rows, inner] B [inner, cols]
    uint64_t threshold;               // answers that give the product, whichever they are
    uint64_t enough;                  // answers that what the job accepts takes, likewise
    bool likely;                      // most sets of so many do, but not any
    uint64_t tasks, tasks_sent;       // of the code; assignments that went out
    uint64_t answers, answers_used;   // received; in the product
    uint64_t workers;                 // distinct ones that were given a task
    uint64_t backups;                 // copies for late tasks
    uint64_t replaced;                // tasks sent again, or fresh ones for them, after a loss
    uint64_t fresh;                   // tasks sent beyond `tasks`, of the code's reserve
    uint64_t blocks_reused;           // of stored operands, as an earlier product had coded them
    uint64_t blocks_spared;           // and those not sent, since their workers kept them
    uint64_t answers_held;            // that workers had from before a connection was lost
    kofn_accept_options accept;       // as asked for
    char verify[16];     // how answers are verified: freivalds, parity; "": they are not
    uint64_t refuted;    // answers that were found to be wrong
    uint64_t unchecked;  // of which freivalds could say nothing: NaN, Inf, or close to overflow
    char liars[128];     // workers that gave them: "w3,w7"
    bool decodable;      // the answers so far suffice
    bool waited;         // they did, and better ones were waited for
    char error_kind[16]; // exact, rounding, estimate, sketch
    double error_bound;  // |C' - C| / (|A| |B|) is at most this, in Frobenius norms (of a batch see
                         // kofn_client_batch); of a job that
    // runs and accepts an error: reached so far, 0: nothing yet; INFINITY: of a
    // sketch, of whose error only the mean is bounded
    double error_estimate; // about |C' - C| / |C|, by what an answer to spare says; 0: none was
    double condition, amplification, residual; // of the decode
    bool nonfinite;                            // NaN or Inf in the product: they may have spread
    kofn_compression compression;              // rows, inner and cols are of the original product
    struct {
        double queue, receive, encode, send, wait, decode, check, total; // at the master
        double call; // as the client saw it, from the call to the last element
    } seconds;
    double progress; // 0 to 1
    uint64_t age_ms; // since it was accepted
    bool durable;    // it is on the master's disk: it goes on even if the master is killed
    char stream[KOFN_CLIENT_JOB_MAX]; // that it is a job of; "": of none
    uint64_t index, born, finished;   // of a stream: the number of its push; the rounds in which it
                                      // began and ended, 0: not yet
    size_t prime_count; // of a product of integers: then counts above are sums over the primes, and
                        // `code` is that of each. Not in lists of jobs
    kofn_prime_account primes[KOFN_CLIENT_PRIMES_MAX];
};

/* Zero or NULL in any field leaves it to the master. */
typedef struct kofn_product_options {
    kofn_code_choice code;
    const char *policy; // oneshot, speculative, ...
    const char *field;  // arithmetic: f64, f32, gf256, gf16, gf4, gfp:P for a prime P below 2^31,
                        // or integers; "": what the dtype implies, f64, f32, gf256 for u8, integers
                        // for i32 and i64 (C is i64 then); u32 has none
    int64_t timeout_ms; // for the whole product; 0: none
    const char *key;    // idempotency key; NULL: a random one
    kofn_accept_options accept;
    bool deadline_best; // at the timeout, or when no answer can come any more: the best estimate
                        // of what came, if anything did. Made after the timeout, so the result may
                        // come up to as much later. Refused where nothing is rounded
    int64_t settle_ms;  // once an estimate would do, wait so long for the product, if it can still
                        // come; a day at most. 0: not at all
    const char *verify; // are answers right? none, freivalds (each against the operands), parity
                        // (from 2 more than needed for each of `liars`). FAILED_PRECONDITION: the
                        // master is an older one, and does not look
    uint64_t
        liars; // with parity: workers that may lie, each in all of its answers. FAILED_PRECONDITION:
               // there are too few others to tell; it says how many it takes
    /* How a product of complex matrices becomes real ones (below): 3m, 4m, plain; NULL: 3m.
     * INVALID_ARGUMENT with anything else than such a product. */
    const char *complex_method;
    double approx; // an estimate of the product of two will do: a sketch, drawn here and sent in
                   // place of A and B. The mean of |C' - C|^2 is at most (approx |A| |B|)^2, with
                   // norms as in kofn_compression; 0.05, say. 0: the product itself
    uint64_t samples; // the same with so many columns, or pairs of blocks; 0: as approx takes
    const char
        *sketch; // which: cr, block_cr or grid_cr; NULL: cr. x, z, y of `code` say how block_cr
                 // and grid_cr cut; a seed is that of `code`, else made from `key`, else random
    kofn_progress *progress;
    void *context; // for progress
} kofn_product_options;

/* ---- products -------------------------------------------------------------------------------- */

typedef struct kofn_result kofn_result;

/* C := op(A) op(B), and wait for it. `options` may be NULL.
 * Ownership: end *ret_result with kofn_result_destroy.
 * Errors: as on top of this header; INVALID_ARGUMENT: shapes or dtypes do not match.
 *
 * A and B may both be complex, c64 or c128: dense, here or transposed, not conjugated. The library
 * sends their real and imaginary parts as operands of a real product, and gives C as a complex
 * matrix.
 *     3m     three real products for each product of blocks, the third one of sums, coded by their
 *            dependence: of 3 + s tasks of `locality` any s may be lost. A quarter less work than
 *            4m. Its error is as small relative to the norm of C, but not in each element: where
 *            |Im C| is much smaller than |Re C|, as when the parts of A or B differ much in size,
 *            Im C has fewer digits. Its sums of real and imaginary parts may overflow where C does
 *            not (the account then says nonfinite); 4m makes none.
 *     4m     four real products. What decoding costs is small in Re C and in Im C, each by itself:
 *            relative to |Re A| |Re B| + |Im A| |Im B| and |Re A| |Im B| + |Im A| |Re B|, whatever
 *            the size of the parts up to 2^120 (c64: 2^30), since parts are sent in one size.
 *            Answers that need no decoding are, in each element, as exact as zgemm's. Its account's
 *            error_bound is relative to as much as 2 |A| |B|.
 *     plain  one real product of twice the rows and the inner size, for any code; what decoding
 *            costs is small relative to |A| |B| alone, else it is as exact as 4m. The error_bound
 *            of its account is relative to |A| |B| times the root of 2.
 * options->code.x, z and y cut A and B; the products of blocks of 3m and 4m are a batch, for
 * families that make such. Left open, A and B are cut for all workers, who are counted first, or
 * for code.tasks, so that one task may be lost; by kofn_client_start, which does not wait, and with
 * a key, which has to come with the same order again, for code.tasks alone.
 * INVALID_ARGUMENT: a part is NaN or infinite, with row and column as stored. UNIMPLEMENTED:
 * complex operands that are stored with the master, or sparse, or of anything else than this
 * function, kofn_client_start and kofn_client_submit.
 * Memory: the parts take as much as the operands, until the call is done; C's, until it is here. */
KOFN_MUST_CHECK kofn_status kofn_client_multiply(kofn_client *client, const kofn_matrix *a,
                                                 const kofn_matrix *b,
                                                 const kofn_product_options *options,
                                                 kofn_result **ret_result, kofn_error *err);

/* The outer (Kronecker) product of two operands and more, C := A_1 (x) ... (x) A_count, and wait
 * for it. With A_i of m_i by n_i, C is m_1 ... m_count by n_1 ... n_count, and element
 * [(i_1, ..., i_count), (j_1, ..., j_count)] is A_1[i_1, j_1] ... A_count[i_count, j_count]; rows
 * and columns count like digits, the last one fastest. options->code.parts cuts the operands. All
 * else as kofn_client_multiply. INVALID_ARGUMENT also: fewer than 2 operands, or more than
 * KOFN_CLIENT_OPERANDS_MAX. OUT_OF_RANGE: C has too many rows or columns. */
KOFN_MUST_CHECK kofn_status kofn_client_outer(kofn_client *client, const kofn_matrix *operands,
                                              size_t count, const kofn_product_options *options,
                                              kofn_result **ret_result, kofn_error *err);

/* The pair is a combination of others: X_pair = sum_j scale[j] X_of[j], and Y_pair the same of Y.
 * Then its blocks need not travel, and codes that know of it take fewer answers. */
typedef struct kofn_dependency {
    size_t pair, count;
    const size_t *of;    // [count]: pairs that do not depend on others themselves
    const double *scale; // [count]: not 0; over a finite field numbers of it
} kofn_dependency;

/* Many products of one shape. All X are of one shape, dtype and direction, and all Y; none is a
 * stored operand. A block that several pairs have in common, in the same memory or elsewhere,
 * travels once. */
typedef struct kofn_pairs {
    size_t count;            // 1 to 4096
    const kofn_matrix *x;    // [count]
    const kofn_matrix *y;    // [count]
    const double *weights;   // [count]; NULL: all products are wanted, not a sum
    size_t dependency_count; // those that the caller knows of; they are checked
    const kofn_dependency *dependencies;
} kofn_pairs;

/* All that can be checked without a master, as kofn_client_batch does it: the pairs, and the code
 * for them (NULL: open). `field` as in kofn_product_options. Errors: as there. */
KOFN_MUST_CHECK kofn_status kofn_pairs_check(const kofn_pairs *pairs, const kofn_code_choice *code,
                                             const char *field, kofn_error *err);

/* All products of a batch in one job, C := X_0 Y_0 on X_1 Y_1 on ..., of which product i is rows i
 * m to (i + 1) m with m the rows of an X (kofn_result_copy_rows, kofn_results_write_npy); or with
 * weights their sum, C := sum_i weights[i] X_i Y_i. One code protects all of them (lagrange and
 * others, those with `batches` in kofn_family_info): each task multiplies one mixture of all X by
 * one of all Y, of which any so many suffice for all products. All else as kofn_client_multiply.
 * INVALID_ARGUMENT also: pairs that are not alike, a dependency that does not hold, NaN or Inf,
 * which a code would carry into all products; the text has the pair, counted from 0. UNIMPLEMENTED:
 * integers.
 *
 * Sizes: over the reals each product of a batch without weights is as exact as the others. Blocks
 * whose norms differ by more than 2^3 are brought to one size by powers of two, which its product
 * is freed of at the end, all without rounding but where that underflows. error_bound is relative
 * to |A| |B| of all blocks as they are sent: product i is off by at most 64 sqrt(n m) error_bound
 * |X_i| |Y_i|, of n different X and m different Y. OUT_OF_RANGE: |X_i| |Y_i| of a pair is 2^250
 * times smaller than that of another, of f32 2^60; or dependencies are declared, which keep blocks
 * as they are, and their norms differ by more than 2^20. With weights C is one matrix, and |A| |B|
 * are those of all blocks. Memory: blocks below 64 KiB are copied, and so are those that are
 * brought to another size. */
KOFN_MUST_CHECK kofn_status kofn_client_batch(kofn_client *client, const kofn_pairs *pairs,
                                              const kofn_product_options *options,
                                              kofn_result **ret_result, kofn_error *err);

/* Of a batch without weights or declared dependencies: product i is off by at most so much of its
 * own |X_i| |Y_i|, which is 64 k error_bound, since there are no more than k = account->pairs
 * different X, nor Y. Other accounts have no such number: 0 where that is exact, else INFINITY. */
double kofn_account_bound_each(const kofn_account *account);

/* A product in flight. Many may be open on one client. */
typedef struct kofn_call kofn_call;

/* The same without waiting. The operands' memory must stay as it is until the call is done;
 * `options` need not, and its progress is not called. */
KOFN_MUST_CHECK kofn_status kofn_client_start(kofn_client *client, const kofn_matrix *a,
                                              const kofn_matrix *b,
                                              const kofn_product_options *options,
                                              kofn_call **ret_call, kofn_error *err);

KOFN_MUST_CHECK kofn_status kofn_client_start_outer(kofn_client *client,
                                                    const kofn_matrix *operands, size_t count,
                                                    const kofn_product_options *options,
                                                    kofn_call **ret_call, kofn_error *err);

/* Of `pairs` only the elements must stay. */
KOFN_MUST_CHECK kofn_status kofn_client_start_batch(kofn_client *client, const kofn_pairs *pairs,
                                                    const kofn_product_options *options,
                                                    kofn_call **ret_call, kofn_error *err);

/* Wait at most timeout_ms (-1: as long as it takes, 0: only look) until some call is done, and say
 * which; each is said once. NULL in *ret_call when the time is over or a signal came: not an
 * error. FAILED_PRECONDITION: no call is open. */
KOFN_MUST_CHECK kofn_status kofn_client_next(kofn_client *client, int64_t timeout_ms,
                                             kofn_call **ret_call, kofn_error *err);

/* Has it ended? Moves everything that can move on the client, does not wait. */
bool kofn_call_poll(kofn_call *call);

/* Wait until the call is done and take its outcome. The call is over in every case: *call_p becomes
 * NULL. Errors: as kofn_client_multiply. */
KOFN_MUST_CHECK kofn_status kofn_call_finish(kofn_call **call_p, kofn_result **ret_result,
                                             kofn_error *err);

/* Give it up; the master cancels its job. Accepts NULL, NULLs the caller's pointer. */
void kofn_call_abandon(kofn_call **call_p);

/* A pointer of the caller's, carried along. */
void kofn_call_set_context(kofn_call *call, void *context);
void *kofn_call_get_context(const kofn_call *call);

/* ---- streams --------------------------------------------------------------------------------- */

/* A sequence of products, pushed one after the other, that share their workers in rounds: what a
 * straggler did not do of one job is done in the next rounds, beside later jobs, and job i is
 * finished `delay` rounds after its own at the latest. All jobs have one code; shapes may differ.
 *
 *     kofn_stream *stream = NULL;
 *     kofn_stream_product product = {0};
 *     kofn_stream_options options = {.scheme = "dip", .code = {.x = 2, .z = 1, .y = 2}};
 *     status = kofn_client_open_stream(client, &options, &stream, &error);
 *     while (status == KOFN_OK && (next < count || kofn_stream_count(stream) > 0)) {
 *         if (next < count && kofn_stream_count(stream) < kofn_stream_get_limit(stream)) {
 *             status = kofn_stream_push(stream, &a[next], &b[next], &c[next], &error);
 *             next++;
 *             continue;
 *         }
 *         status = kofn_stream_next(stream, -1, &product, &error);
 *         if (status == KOFN_OK && product.result)
 *             use(product.context, product.result);
 *         kofn_result_destroy(&product.result);
 *     }
 *     if (status == KOFN_OK)
 *         status = kofn_stream_close(&stream, &account, &error);
 *     kofn_stream_abandon(&stream);
 *
 * Order      Products come in the order of the pushes, those that failed too: the stream goes on
 *            after them.
 * Memory     Operands are borrowed until their product was taken, or the stream is over.
 * Retries    As on top of this header: the master keeps a stream whose client is away, for its
 *            grace time, and a push that is sent again is known by its index. A master that was
 *            started again knows no streams, nor does one that was away for longer than that time:
 *            then what was not taken is lost, every function says ABORTED, and a new stream begins
 *            with it. A master that stays away for the client's away_ms ends the stream:
 *            UNAVAILABLE. One that has no workers left waits for some without an end, and so do its
 *            clients, who may ask kofn_client_check how many there are, and abandon the stream.
 * Threads    The client's. What was pushed moves on while any function of the client waits. */
typedef struct kofn_stream kofn_stream;

/* Zero or NULL in any field leaves it to the master. */
typedef struct kofn_stream_options {
    const char *scheme;    // dip, idip, idip_burst, polynomial, uncoded
    kofn_code_choice code; // the inner code of each job; its `tasks` and `reserve` are the scheme's
    const char *field;     // arithmetic, as in kofn_product_options, but not integers; f64
    uint64_t slots;        // P: workers that share the rounds; those that are there
    uint64_t delay;        // T: rounds that a job may take beyond its own
    uint64_t lambda;       // dip: workers that answer in the round in which a job is due; P
    uint64_t failures;  // idip: N stragglers in any W rounds; P W less the answers that a job takes
    uint64_t window;    // idip: W; T + 1
    uint64_t burst;     // idip_burst: B rounds in a row in which a worker straggles
    double tolerance;   // mu: who takes longer than 1 + mu times the fastest is a straggler;
                        // below 0: who takes longer than the fastest
    double rescue;      // a round that waits for so many times the fastest gives what it waits for
                        // to other workers as well, and at once if that is past; below 0: never
    uint64_t limit;     // jobs that may be pushed and not taken; 2 (T + 1)
    int64_t grace_ms;   // how long the stream outlives the client's connection
    int64_t timeout_ms; // of opening it; 0: none
} kofn_stream_options;

/* For a tolerance or a rescue that was asked for, and may be zero: below 0 then, since zero itself
 * leaves it to the master. */
double kofn_stream_number(double asked);

/* What a stream is, and how it went. */
typedef struct kofn_stream_account {
    char stream[KOFN_CLIENT_JOB_MAX];
    char state[16]; // open; closing: takes no further jobs; closed: has none any more
    char scheme[KOFN_CLIENT_NAME_MAX];
    kofn_code_choice code; // complete; `tasks` are its coded rows
    char field[KOFN_CLIENT_NAME_MAX];
    uint64_t slots, delay, lambda, failures, window, burst, limit; // complete
    double tolerance, rescue;                                      // likewise
    int64_t grace_ms;                                              // likewise
    uint64_t need;                                                 // answers that a job takes
    uint64_t pushed, done, failed; // jobs; those that ended, with a product and without
    uint64_t rounds, waited;       // that ended; of them, beyond the tolerance
    uint64_t given, answered;    // mini-tasks, the parts of jobs: sent to workers; of them answered
    uint64_t lost, dropped;      // of them failed or too late; and not needed any more
    uint64_t rescued, mended;    // further copies; further ones of a due job
    uint64_t load_sum, load_max; // mini-tasks of the longest list of each round
    uint64_t vacant;             // slots without a worker
    double busy;                 // seconds with a round on
    uint64_t late, timed; // lists not done after 1 + mu times the fastest; of them done after
                          // all, while their round waited
    double slowdown;      // mean time of these, times the fastest; 0: there are none
    uint64_t age_ms;
} kofn_stream_account;

/* Open a stream, and wait until the master has it. `options` may be NULL.
 * Ownership: end *ret_stream with kofn_stream_close, kofn_stream_cancel or kofn_stream_abandon.
 * Errors: as on top of this header. INVALID_ARGUMENT, OUT_OF_RANGE: scheme, code and numbers
 * contradict each other; the text has the equation. FAILED_PRECONDITION: no worker is there. */
KOFN_MUST_CHECK kofn_status kofn_client_open_stream(kofn_client *client,
                                                    const kofn_stream_options *options,
                                                    kofn_stream **ret_stream, kofn_error *err);

/* The next product, C := op(A) op(B). Does not wait. `context` is carried along to its outcome.
 * Errors: RESOURCE_EXHAUSTED: `limit` are under way, and are to be taken first. INVALID_ARGUMENT,
 * OUT_OF_RANGE, NOT_FOUND: these operands, and nothing was pushed. ABORTED: the stream is gone. */
KOFN_MUST_CHECK kofn_status kofn_stream_push(kofn_stream *stream, const kofn_matrix *a,
                                             const kofn_matrix *b, void *context, kofn_error *err);

typedef struct kofn_stream_product {
    uint64_t index;      // of its push, from 1; 0: there is none yet
    void *context;       // of its push
    kofn_result *result; // the caller's, to kofn_result_destroy; NULL: the job failed
    kofn_error error;    // why
} kofn_stream_product;

/* Wait at most timeout_ms (-1: as long as it takes, 0: only look) for the next product in the order
 * of the pushes, and take it. An index of 0 when the time is over or a signal came: not an error.
 * Errors: FAILED_PRECONDITION: none is under way. ABORTED: the stream is gone, and what is under
 * way with it. UNAVAILABLE, UNAUTHENTICATED: the same, since the master is. RESOURCE_EXHAUSTED: no
 * memory for the result, which may be asked for again; or the master took no push for long. */
KOFN_MUST_CHECK kofn_status kofn_stream_next(kofn_stream *stream, int64_t timeout_ms,
                                             kofn_stream_product *ret_product, kofn_error *err);

size_t kofn_stream_count(const kofn_stream *stream);       // pushed, and not taken
size_t kofn_stream_get_limit(const kofn_stream *stream);   // of them
size_t kofn_stream_count_ready(const kofn_stream *stream); // of them: here, and to be taken in turn

/* What the master has made of the options: of its numbers, those that are settled when it is
 * opened. */
const kofn_stream_account *kofn_stream_get_account(const kofn_stream *stream);

/* Wait until its jobs have ended, and end it; products that were not taken are dropped.
 * *ret_account may be NULL. The stream is over in every case: *stream_p becomes NULL.
 * Errors: as kofn_stream_next. */
KOFN_MUST_CHECK kofn_status kofn_stream_close(kofn_stream **stream_p,
                                              kofn_stream_account *ret_account, kofn_error *err);

/* Which workers were slow: a model of stragglers that was measured. The latest rounds, as many as
 * the master keeps: 32768 of up to 8 slots, 2048 of 128. */
typedef struct kofn_stream_trace {
    size_t slots, rounds; // columns, rows
    uint64_t first;       // number of the first row's round, from 1
    uint8_t *late;        // [rounds, slots]: 1, or 0
} kofn_stream_trace;

/* As kofn_stream_close, with the trace. UNIMPLEMENTED: the master sent none, since it is an older
 * one, or has no memory for it. Ownership: end *ret_trace with kofn_stream_trace_fini. */
KOFN_MUST_CHECK kofn_status kofn_stream_close_traced(kofn_stream **stream_p,
                                                     kofn_stream_account *ret_account,
                                                     kofn_stream_trace *ret_trace, kofn_error *err);
void kofn_stream_trace_fini(kofn_stream_trace *trace); // accepts zeros

/* Give it up, and wait for what the master says of it once it has cancelled its jobs: these count
 * as failed. *ret_account and *ret_trace may be NULL. The stream is over in every case: *stream_p
 * becomes NULL. Errors: as kofn_stream_close_traced. */
KOFN_MUST_CHECK kofn_status kofn_stream_cancel(kofn_stream **stream_p,
                                               kofn_stream_account *ret_account,
                                               kofn_stream_trace *ret_trace, kofn_error *err);

/* Give it up; the master cancels its jobs. Accepts NULL, NULLs the caller's pointer. */
void kofn_stream_abandon(kofn_stream **stream_p);

/* Streams that the master knows: with keys, those of this one, and all for an admin. Newest first.
 * Ownership: free(*ret_streams). */
KOFN_MUST_CHECK kofn_status kofn_client_list_streams(kofn_client *client,
                                                     kofn_stream_account **ret_streams,
                                                     size_t *ret_count, kofn_error *err);

/* ---- stored operands ------------------------------------------------------------------------- */

/* A matrix that takes part in many products is sent once:
 *
 *     char id[KOFN_CLIENT_JOB_MAX];
 *     kofn_client_put(client, &x, NULL, id, &error);
 *     kofn_matrix stored = {.operand = id}, turned = {.operand = id, .transposed = true};
 *     kofn_client_multiply(client, &stored, &w, NULL, &result, &error);
 *     kofn_client_multiply(client, &turned, &r, NULL, &result, &error);
 *
 * The master keeps coded blocks of it as well, while there is room: a product that cuts and codes
 * it as an earlier one did, transposed or not, does not encode it again.
 *
 * Lifetime   The master's, not the client's: until kofn_client_drop, until it was unused for the
 *            master's limits.keep_operands, or until a master without a store ends. Then products
 *            that name it fail with NOT_FOUND. With keys it is this key's, and an admin's; without,
 *            any client of the master may use and drop it. */

typedef struct kofn_put_options {
    int64_t timeout_ms;      // for the upload; 0: none
    const char *key;         // idempotency key: the same one means the same operand; NULL: random
    kofn_progress *progress; // called with the state "sending"; false gives up
    void *context;           // for progress
} kofn_put_options;

/* Have the master store a matrix, and wait until it has. `options` may be NULL.
 * Errors: as on top of this header. RESOURCE_EXHAUSTED: it has no room, or too many operands. */
KOFN_MUST_CHECK kofn_status kofn_client_put(kofn_client *client, const kofn_matrix *matrix,
                                            const kofn_put_options *options,
                                            char ret_operand[KOFN_CLIENT_JOB_MAX], kofn_error *err);

/* Have it forget one. Jobs that use it go on. NOT_FOUND: it has none of that id; if the connection
 * was lost on the way, maybe since this call dropped it before. */
KOFN_MUST_CHECK kofn_status kofn_client_drop(kofn_client *client, const char *operand,
                                             kofn_error *err);

typedef struct kofn_operand_info {
    char operand[KOFN_CLIENT_JOB_MAX]; // its id
    kofn_dtype dtype;
    size_t rows, cols;                  // as stored
    bool transposed;                    // the operand is the transpose of what is stored
    uint64_t bytes;                     // its elements
    uint64_t coded_bytes, coded_blocks; // coded blocks that are kept with it
    uint64_t jobs, products;            // that use it now; that named it so far
    uint64_t unused_ms, age_ms;         // since a job last used it; since it was stored
} kofn_operand_info;

/* Newest first. Ownership: free(*ret_operands). */
KOFN_MUST_CHECK kofn_status kofn_client_list_operands(kofn_client *client,
                                                      kofn_operand_info **ret_operands,
                                                      size_t *ret_count, kofn_error *err);

/* ---- results --------------------------------------------------------------------------------- */

void kofn_result_destroy(kofn_result **result_p); // accepts NULL

/* Never NULL; valid as long as the result. */
const kofn_account *kofn_result_get_account(const kofn_result *result);

size_t kofn_result_get_rows(const kofn_result *result);
size_t kofn_result_get_cols(const kofn_result *result);
kofn_dtype kofn_result_get_dtype(const kofn_result *result);

/* The product in one piece, aligned for its dtype, valid as long as the result. It arrives in bands
 * of rows; the first call joins them if need be. RESOURCE_EXHAUSTED: no memory for that. */
KOFN_MUST_CHECK kofn_status kofn_result_get_matrix(kofn_result *result, kofn_matrix *ret_matrix,
                                                   kofn_error *err);

/* The product into the caller's memory, from the bands as they are: row r begins at element
 * r x stride of `data` (stride 0: cols). */
KOFN_MUST_CHECK kofn_status kofn_result_copy(const kofn_result *result, void *data, size_t stride,
                                             kofn_error *err);

/* The same of rows [first, first + rows) alone: one product of a batch, say. OUT_OF_RANGE: it has
 * fewer rows. */
KOFN_MUST_CHECK kofn_status kofn_result_copy_rows(const kofn_result *result, size_t first,
                                                  size_t rows, void *data, size_t stride,
                                                  kofn_error *err);

/* The product as an .npy file, complete or not at all. RESOURCE_EXHAUSTED: the disk is full.
 * NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE: the file. */
KOFN_MUST_CHECK kofn_status kofn_result_write_npy(const kofn_result *result, const char *path,
                                                  kofn_error *err);

typedef struct kofn_result_file {
    const kofn_result *result;
    size_t first, rows; // these rows alone, one product of a batch, say; both 0: all
    const char *path;
    kofn_error error; // out: status is KOFN_OK, and the file is safely there; or why not
} kofn_result_file;

/* Several of them: each as kofn_result_write_npy does it, but they wait for the disk together,
 * which takes little longer than for one. OUT_OF_RANGE: a product has fewer rows. */
void kofn_results_write_npy(kofn_result_file *files, size_t count);

/* ---- jobs ------------------------------------------------------------------------------------ */

/* Hand over a product and return as soon as the master has accepted it. It runs on without this
 * client; its result waits for kofn_client_wait. */
KOFN_MUST_CHECK kofn_status kofn_client_submit(kofn_client *client, const kofn_matrix *a,
                                               const kofn_matrix *b,
                                               const kofn_product_options *options,
                                               char ret_job[KOFN_CLIENT_JOB_MAX], kofn_error *err);

KOFN_MUST_CHECK kofn_status kofn_client_submit_outer(kofn_client *client,
                                                     const kofn_matrix *operands, size_t count,
                                                     const kofn_product_options *options,
                                                     char ret_job[KOFN_CLIENT_JOB_MAX],
                                                     kofn_error *err);

KOFN_MUST_CHECK kofn_status kofn_client_submit_batch(kofn_client *client, const kofn_pairs *pairs,
                                                     const kofn_product_options *options,
                                                     char ret_job[KOFN_CLIENT_JOB_MAX],
                                                     kofn_error *err);

typedef struct kofn_wait_options {
    int64_t timeout_ms;      // give up waiting, not the job; 0: none
    bool without_product;    // the account alone; the product stays for another wait
    kofn_progress *progress; // false stops waiting, the job goes on
    void *context;
} kofn_wait_options;

/* Wait for a submitted job and take its product. `options` may be NULL. Returns the job's own
 * status when it failed. NOT_FOUND: no such job, or its product was fetched or kept too long. */
KOFN_MUST_CHECK kofn_status kofn_client_wait(kofn_client *client, const char *job,
                                             const kofn_wait_options *options,
                                             kofn_result **ret_result, kofn_error *err);

/* How the job stands now. */
KOFN_MUST_CHECK kofn_status kofn_client_get_job(kofn_client *client, const char *job,
                                                kofn_account *ret_account, kofn_error *err);

/* Ends the job if it is not over; *ret_account (may be NULL) says how it stands. */
KOFN_MUST_CHECK kofn_status kofn_client_cancel(kofn_client *client, const char *job,
                                               kofn_account *ret_account, kofn_error *err);

/* The newest `limit` jobs (0: 100), newest first. Ownership: free(*ret_jobs). */
KOFN_MUST_CHECK kofn_status kofn_client_list_jobs(kofn_client *client, size_t limit,
                                                  kofn_account **ret_jobs, size_t *ret_count,
                                                  kofn_error *err);

/* ---- the service ----------------------------------------------------------------------------- */

typedef struct kofn_worker_info {
    char name[2 * KOFN_CLIENT_NAME_MAX];
    uint64_t id;
    char version[KOFN_CLIENT_NAME_MAX];
    char state[16];                    // idle, busy, silent, leaving, quarantined
    char kernel[KOFN_CLIENT_NAME_MAX]; // of its BLAS
    uint64_t cores, blas_threads, memory_bytes, credit;
    uint64_t tasks_running, tasks_done, tasks_failed, tasks_cancelled;
    double gflops;          // measured, of recent tasks
    double link_rate;       // measured, bytes a second to it
    double slowdown;        // its time against the median worker's for the same work
    uint64_t silent_ms;     // since it was last heard
    uint64_t quarantine_ms; // until that is over; 0: it is in none
} kofn_worker_info;

/* Ownership: free(*ret_workers). */
KOFN_MUST_CHECK kofn_status kofn_client_list_workers(kofn_client *client,
                                                     kofn_worker_info **ret_workers,
                                                     size_t *ret_count, kofn_error *err);

typedef struct kofn_param_info { // a parameter of a family; of a policy only name and help
    char name[KOFN_CLIENT_NAME_MAX];
    char type[16];
    char bounds[KOFN_CLIENT_TEXT_MAX];
    char fallback[KOFN_CLIENT_VALUE_MAX]; // its default
    char help[KOFN_CLIENT_TEXT_MAX];
} kofn_param_info;

typedef struct kofn_family_info {
    char name[KOFN_CLIENT_NAME_MAX];
    char summary[KOFN_CLIENT_TEXT_MAX];
    char threshold[KOFN_CLIENT_TEXT_MAX]; // formula in x, z, y, n and the parameters
    char encoding[KOFN_CLIENT_TEXT_MAX];  // flops for one task, in x, z, y and M, K, N (the shape)
    char communication[KOFN_CLIENT_TEXT_MAX]; // elements that travel for it, likewise
    char storage[KOFN_CLIENT_TEXT_MAX];       // elements that it keeps on its worker, likewise
    char source[KOFN_CLIENT_TEXT_MAX];
    bool rateless;
    bool outer;        // makes outer products, too
    bool batches;      // makes batches
    bool only_batches; // and nothing else
    size_t param_count;
    kofn_param_info *params;
} kofn_family_info;

/* <x, z, y; rank>: C of x by y blocks, from rank products of sums of blocks. */
typedef struct kofn_algorithm_info {
    char name[KOFN_CLIENT_VALUE_MAX]; // what the parameter `algorithm` says
    uint64_t x, z, y, rank;
    uint64_t denominator; // it works in fields where this is not zero
    uint64_t additions;   // of blocks, in all sums as they stand
    bool ships;           // with kofn; else it is of the master's own directory
} kofn_algorithm_info;

typedef struct kofn_code_list {
    size_t family_count, policy_count, algorithm_count;
    kofn_family_info *families;
    kofn_param_info *policies;
    kofn_algorithm_info *algorithms;
} kofn_code_list;

/* The families, policies and algorithms that the master knows; of this library when client is NULL.
 * Ownership: kofn_code_list_fini. */
KOFN_MUST_CHECK kofn_status kofn_client_list_codes(kofn_client *client, kofn_code_list *ret_list,
                                                   kofn_error *err);
void kofn_code_list_fini(kofn_code_list *list);

/* What a plan is for. Zero in any field takes what is said in its comment. */
typedef struct kofn_plan_question {
    kofn_dtype dtype;           // of the elements; the field's
    const char *field;          // arithmetic, as in kofn_product_options; what the dtype implies
    uint64_t rows, inner, cols; // of the product; each at least 1
    uint64_t workers;           // those that are connected; without a client, it must be given
    uint64_t stragglers;        // none
    double failure;             // probability of each worker's, for the odds of decoding; 0
    double odds;         // of failing to decode, below 1: tasks are chosen to keep below them,
                         // on a worker each; as many as lose the stragglers
    uint64_t x, z, y;    // parts of A's rows, the inner dimension, B's columns: all are tried
    double error;        // relative to |A||B|; the product itself
    double slowdown;     // of a straggler: 5; INFINITY for one that is lost
    double gflops;       // of each worker: as measured, or else 20
    double local_gflops; // of this machine's own BLAS: not known
    double link_rate;    // of the master, bytes a second each way: as measured, or 1e9
    uint64_t tasks;      // at most so many: twice the workers
    uint64_t limit;      // rows of each family, at most 64: 2
    uint64_t seed;       // of codes and trials: 1
} kofn_plan_question;

typedef struct kofn_plan_choice {
    kofn_code_choice code;              // complete: for kofn_product_options
    char policy[KOFN_CLIENT_NAME_MAX];  // which "auto" takes for it
    uint64_t threshold, enough, needed; // answers: for the product; for an estimate; the one meant
    double flops, bytes_in, bytes_out;  // of the worker with most tasks
    double encode, decode;              // seconds
    double amplification, worst_amplification; // of errors: the median of trials, and the largest
    double error;                              // to be expected, a bound relative to |A||B|
    double decodable;                          // probability, with nothing sent again
    uint64_t
        typical; // recovery threshold for the odds: the fewest tasks, on a worker each, that fail
                 // to decode with a probability below them; 0: no odds were asked for
    char typical_by[KOFN_CLIENT_NAME_MAX]; // "formula"; "bound": so many or fewer; "trials"
    bool likely;         // so many answers suffice with high probability only, whichever they are
    double seconds;      // from the call to the product, undisturbed
    double seconds_late; // with the stragglers
    bool redundant;      // tasks can be lost
    bool pays; // faster with the stragglers than all that is not redundant, and than local
} kofn_plan_choice;

typedef struct kofn_plan_answer {
    size_t count;
    kofn_plan_choice *choices; // by seconds_late
    bool pays;                 // coding does, and a plain local product would not be faster
    char verdict[KOFN_CLIENT_TEXT_MAX]; // the same as a sentence
    uint64_t candidates;                // looked at
    uint64_t left_out;                  // families without a choice
    char left_why[KOFN_CLIENT_TEXT_MAX];
    uint64_t workers;         // for which it is made
    double gflops, link_rate; // of the median worker, and of the master
    bool measured;            // both; else given or assumed
    double local;             // seconds of the local product; 0: not known
} kofn_plan_answer;

/* Which codes fit a product, how long each would take, and whether coding pays. Nothing is run;
 * times are a model's. By the master, for its workers; by this library when client is NULL.
 * Ownership: kofn_plan_answer_fini.
 * Errors: INVALID_ARGUMENT. FAILED_PRECONDITION: nothing fits, with what comes nearest; or no
 * worker is connected and none was named. */
KOFN_MUST_CHECK kofn_status kofn_client_plan(kofn_client *client,
                                             const kofn_plan_question *question,
                                             kofn_plan_answer *ret_answer, kofn_error *err);
void kofn_plan_answer_fini(kofn_plan_answer *answer);

typedef struct kofn_health {
    char status[24]; // UNKNOWN, SERVING, NOT_SERVING, SERVICE_UNKNOWN
    char why[512];   // it does not serve, or takes no new jobs for now; "": all is well
    char version[KOFN_CLIENT_NAME_MAX];
    uint64_t workers, jobs_running, jobs_queued, jobs_done, jobs_failed;
    uint64_t memory_bytes, memory_limit_bytes;
    uint64_t store_bytes, store_limit_bytes; // on disk; a limit of 0: as that allows
    uint64_t uptime_ms;
} kofn_health;

/* gRPC's health check of `service` (NULL: the whole server), answered within timeout_ms (0: 5000)
 * or UNAVAILABLE. Not retried. */
KOFN_MUST_CHECK kofn_status kofn_client_check(kofn_client *client, const char *service,
                                              int64_t timeout_ms, kofn_health *ret_health,
                                              kofn_error *err);

#ifdef __cplusplus
}
#endif

#endif
