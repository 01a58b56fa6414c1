/* The tables of all messages: PROTOCOL.md's tables, field for field (a test compares them, so a
 * change here is a change there).
 *
 * A row reads: key, REQUIRED or OPTIONAL, limit where there is one, meaning. `S` is the struct that
 * the rows around it describe.
 */
#include "proto/messages.h"
#include "common/code/liars.h"

#include <string.h>

enum { OPTIONAL = 0, REQUIRED = 1 };

#define ROW(key_, type_, need_, max_, of_, help_)                                                  \
    {                                                                                              \
        .name = #key_, .type = type_, .required = need_, .offset = offsetof(S, key_),              \
        .size = sizeof(((S *)0)->key_), .max = max_, .of = of_, .help = help_                      \
    }
#define BOOL(key_, help_)             ROW(key_, KOFN_WIRE_BOOL, OPTIONAL, 0, NULL, help_)
#define U64(key_, need_, max_, help_) ROW(key_, KOFN_WIRE_U64, need_, max_, NULL, help_)
#define F64(key_, need_, help_)       ROW(key_, KOFN_WIRE_F64, need_, 0, NULL, help_)
#define TEXT(key_, need_, help_)      ROW(key_, KOFN_WIRE_TEXT, need_, 0, NULL, help_)
#define PART(key_, need_, of_, help_) ROW(key_, KOFN_WIRE_MESSAGE, need_, 0, &of_, help_)
#define LIST(key_, max_, of_, help_)  ROW(key_, KOFN_WIRE_LIST, OPTIONAL, max_, &of_, help_)
#define BYTES(key_, max_, help_)      ROW(key_, KOFN_WIRE_BYTES, OPTIONAL, max_, NULL, help_)
#define RAW(key_, help_)              ROW(key_, KOFN_WIRE_RAW, OPTIONAL, 0, NULL, help_)

#define FIELDS(rows_)                                                                              \
    .fields = rows_, .count = sizeof rows_ / sizeof rows_[0], .struct_size = sizeof(S)

/* ---- parts of messages ----------------------------------------------------------------------- */

#define S kofn_msg_matrix
static const kofn_wire_field matrix_fields[] = {
    TEXT(dtype, REQUIRED, "element type: f64, f32, u8, u32, i32, i64"),
    U64(rows, REQUIRED, KOFN_DIMENSION_MAX, "rows, as stored"),
    U64(cols, REQUIRED, KOFN_DIMENSION_MAX, "columns, as stored"),
    TEXT(format, OPTIONAL, "of an operand of a product: csr (5.11); absent: all elements follow"),
    U64(elements, OPTIONAL, KOFN_DIMENSION_MAX, "of format csr: elements that are stored"),
};
const kofn_wire_message kofn_matrix_message = {
    .name = "matrix", FIELDS(matrix_fields), .help = "the shape of a matrix whose blocks travel"};
#undef S

#define S kofn_msg_factor
static const kofn_wire_field factor_fields[] = {
    PART(matrix, OPTIONAL, kofn_matrix_message, "its shape as stored; absent: that of the operand"),
    TEXT(operand, OPTIONAL, "of a product: a stored operand's id, and no blocks of it follow"),
    BOOL(transposed, "the operand is the transpose of what is stored"),
};
const kofn_wire_message kofn_factor_message = {
    .name = "factor",
    FIELDS(factor_fields),
    .help = "an operand of an outer product beyond the second"};
#undef S

#define S kofn_msg_batch
static const kofn_wire_field batch_fields[] = {
    U64(a_rows, OPTIONAL, KOFN_PAIRS_MAX,
        "blocks that op(A) is cut into from top to bottom; 0 is 1"),
    U64(a_cols, OPTIONAL, KOFN_PAIRS_MAX, "from left to right; 0 is 1"),
    U64(b_rows, OPTIONAL, KOFN_PAIRS_MAX, "of op(B), likewise"),
    U64(b_cols, OPTIONAL, KOFN_PAIRS_MAX, "of op(B), likewise"),
    U64(c_rows, OPTIONAL, KOFN_PAIRS_MAX, "of C; 0: as many as there are pairs, or with weights 1"),
    U64(c_cols, OPTIONAL, KOFN_PAIRS_MAX, "of C; 0 is 1"),
    U64(pairs, REQUIRED, KOFN_PAIRS_MAX, "k"),
    BYTES(left, KOFN_BATCH_BYTES_MAX, "entries pair, block of A, coefficient: X_i; absent: A_i"),
    BYTES(right, KOFN_BATCH_BYTES_MAX, "entries pair, block of B, coefficient: Y_i; absent: B_i"),
    BYTES(weights, KOFN_BATCH_BYTES_MAX,
          "entries block of C, pair, weight; absent: block i of C is X_i Y_i"),
};
const kofn_wire_message kofn_batch_message = {
    .name = "batch", FIELDS(batch_fields), .help = "which products a batch is of"};
#undef S

#define S kofn_msg_compression
static const kofn_wire_field compression_fields[] = {
    TEXT(method, REQUIRED, "cr, block_cr, grid_cr: a sketch; 3m, 4m, plain: complex matrices"),
    TEXT(dtype, REQUIRED, "of the original matrices: f64, f32, c128, c64"),
    U64(rows, REQUIRED, KOFN_DIMENSION_MAX, "rows of the original C"),
    U64(inner, REQUIRED, KOFN_DIMENSION_MAX, "columns of the original op(A)"),
    U64(cols, REQUIRED, KOFN_DIMENSION_MAX, "columns of the original C"),
    U64(samples, OPTIONAL, 0, "of a sketch: drawn in all"),
    U64(most, OPTIONAL, 0,
        "of a sketch: the most that were drawn for one block of C; 0: some block has all it could"),
    U64(seed, OPTIONAL, 0, "of a sketch: what they were drawn by"),
    F64(bound, OPTIONAL,
        "of a sketch: the root of its mean square error is at most this, relative to `size`"),
    F64(lemma, OPTIONAL, "the same by the norms of the whole matrices alone: never less"),
    F64(size, OPTIONAL, "Frobenius norms of the original matrices, multiplied"),
    U64(elements, OPTIONAL, 0, "of both operands, as they are sent"),
};
const kofn_wire_message kofn_compression_message = {
    .name = "compression",
    FIELDS(compression_fields),
    .help = "what a client made the operands of a product from"};
#undef S

#define S kofn_msg_set
static const kofn_wire_field set_fields[] = {
    TEXT(name, REQUIRED, "a parameter of the code family"),
    TEXT(value, OPTIONAL, "its value, as it would be written in a configuration"),
};
const kofn_wire_message kofn_set_message = {
    .name = "set", FIELDS(set_fields), .help = "one parameter of a code family"};
#undef S

#define S kofn_msg_code
static const kofn_wire_field code_fields[] = {
    TEXT(family, OPTIONAL, "code family; empty or auto: the master chooses"),
    U64(x, OPTIONAL, KOFN_TASKS_MAX, "row parts of A; 0: the master chooses"),
    U64(z, OPTIONAL, KOFN_TASKS_MAX, "inner parts; 0: the master chooses"),
    U64(y, OPTIONAL, KOFN_TASKS_MAX, "column parts of B; 0: the master chooses"),
    TEXT(parts, OPTIONAL,
         "of an outer product, not x, z, y: parts of each operand, like 2,3,1; 0: the master "
         "chooses"),
    U64(tasks, OPTIONAL, KOFN_TASKS_MAX, "coded tasks n; 0: the master chooses"),
    U64(reserve, OPTIONAL, KOFN_TASKS_MAX,
        "tasks beyond n that are sent only in place of others, of a family that is named; 0: by "
        "the "
        "policy"),
    U64(seed, OPTIONAL, 0, "of whatever the family draws"),
    BOOL(has_seed, "seed is meant even if it is 0"),
    LIST(sets, KOFN_SETS_MAX, kofn_set_message, "the family's own parameters"),
};
const kofn_wire_message kofn_code_message = {
    .name = "code", FIELDS(code_fields), .help = "how a product is cut and coded"};
#undef S

#define S kofn_msg_seconds
static const kofn_wire_field seconds_fields[] = {
    F64(queue, OPTIONAL, "waiting for its turn"),
    F64(receive, OPTIONAL, "from the call to the last operand block"),
    F64(encode, OPTIONAL, "making coded blocks"),
    F64(send, OPTIONAL, "from the first task handed over to the last block sent"),
    F64(wait, OPTIONAL, "from the last block sent to enough answers"),
    F64(decode, OPTIONAL, "rebuilding the product"),
    F64(check, OPTIONAL, "verifying answers"),
    F64(total, OPTIONAL, "from the call to the end"),
};
const kofn_wire_message kofn_seconds_message = {
    .name = "seconds", FIELDS(seconds_fields), .help = "where a job's time went, in seconds"};
#undef S

#define S kofn_msg_prime
static const kofn_wire_field prime_fields[] = {
    U64(prime, REQUIRED, 0, "the modulus"),   TEXT(state, REQUIRED, "as of a job"),
    U64(enough, OPTIONAL, 0, "as of a job"),  U64(tasks_sent, OPTIONAL, 0, "as of a job"),
    U64(answers, OPTIONAL, 0, "as of a job"),
};
const kofn_wire_message kofn_prime_message = {
    .name = "prime", FIELDS(prime_fields), .help = "a product of integers modulo one prime"};
#undef S

#define S kofn_msg_job
static const kofn_wire_field job_fields[] = {
    TEXT(id, REQUIRED, "16 hexadecimal digits"),
    TEXT(state, REQUIRED,
         "receiving, storing, blocked, queued, running, decoding, done, failed, cancelled"),
    U64(status, OPTIONAL, 0, "of a job that has ended: a status number"),
    TEXT(message, OPTIONAL, "why it failed; or, while it waits, for what"),
    TEXT(policy, OPTIONAL, "scheduling policy"),
    TEXT(form, OPTIONAL, "as in the product"),
    U64(pairs, OPTIONAL, 0, "of a batch: distinct pairs, k; of sparse operands: what they became"),
    PART(code, OPTIONAL, kofn_code_message, "complete: what was really used"),
    TEXT(field, OPTIONAL, "arithmetic, as in product"),
    U64(rows, OPTIONAL, 0, "rows of C"),
    U64(inner, OPTIONAL, 0, "columns of op(A), rows of op(B); 1 of an outer product"),
    U64(cols, OPTIONAL, 0, "columns of C"),
    U64(threshold, OPTIONAL, 0, "answers that give the product in the worst case, k"),
    U64(enough, OPTIONAL, 0, "answers that what the job accepts takes in the worst case"),
    BOOL(likely, "threshold and enough hold for most sets of answers, not for any"),
    U64(tasks, OPTIONAL, 0, "coded tasks, n"),
    U64(tasks_sent, OPTIONAL, 0, "assignments handed to workers so far"),
    U64(answers, OPTIONAL, 0, "answers that arrived"),
    U64(answers_used, OPTIONAL, 0, "answers that the product was rebuilt from"),
    U64(workers, OPTIONAL, 0, "distinct workers that were given a task"),
    U64(backups, OPTIONAL, 0, "speculative copies sent"),
    U64(replaced, OPTIONAL, 0, "tasks sent again, or fresh ones in their place, after a loss"),
    U64(fresh, OPTIONAL, 0, "tasks sent beyond the first n, of the code's reserve"),
    U64(blocks_reused, OPTIONAL, 0,
        "coded blocks of stored operands sent as an earlier product had made them"),
    U64(blocks_spared, OPTIONAL, 0,
        "coded blocks of stored operands not sent, since their workers kept them"),
    U64(answers_held, OPTIONAL, 0,
        "answers that workers had kept when their connection, or the master, was lost"),
    TEXT(accept, OPTIONAL, "as in the product"),
    F64(accept_error, OPTIONAL, "as in the product"),
    TEXT(verify, OPTIONAL, "how answers were verified: freivalds, parity; empty: they were not"),
    U64(refuted, OPTIONAL, 0, "answers that were found to be wrong"),
    U64(unchecked, OPTIONAL, 0,
        "answers of which freivalds could say nothing: NaN, Inf, or close to overflow"),
    TEXT(liars, OPTIONAL, "the workers that gave them, as far as it could be told: w3,w7"),
    BOOL(decodable, "the answers so far suffice"),
    BOOL(waited, "answers sufficed, and better ones were waited for"),
    TEXT(error_kind, OPTIONAL, "exact, rounding, estimate"),
    F64(error_bound, OPTIONAL, "the error is at most this, relative to the operands' norms"),
    F64(error_estimate, OPTIONAL, "about the error, relative to the product's norm; 0: not known"),
    F64(condition, OPTIONAL, "condition number of the decode"),
    F64(amplification, OPTIONAL, "how much errors of the answers can grow"),
    F64(residual, OPTIONAL, "relative residual of the decode's coefficients"),
    BOOL(nonfinite, "C holds NaN or Inf: one block's may have spread to others"),
    PART(seconds, OPTIONAL, kofn_seconds_message, "where the time went"),
    F64(progress, OPTIONAL, "0 to 1"),
    U64(age_ms, OPTIONAL, 0, "since the job was accepted"),
    BOOL(durable, "it is on the master's disk: it goes on even if the master is killed"),
    PART(compression, OPTIONAL, kofn_compression_message, "as in the product (5.12)"),
    LIST(primes, KOFN_PRIMES_MAX, kofn_prime_message,
         "of a product of integers: one modulo each, the counts above are sums; not in ListJobs"),
    TEXT(stream, OPTIONAL, "the stream that it is a job of; absent: of none"),
    U64(index, OPTIONAL, 0, "of a stream: the job's number there"),
    U64(born, OPTIONAL, 0,
        "of a stream: the round in which its first tasks were given; 0: none yet"),
    U64(finished, OPTIONAL, 0, "of a stream: the round that was on when it ended"),
};
const kofn_wire_message kofn_job_message = {
    .name = "job", FIELDS(job_fields), .help = "what is known of one product"};
#undef S

#define S kofn_msg_operand
static const kofn_wire_field operand_fields[] = {
    TEXT(id, REQUIRED, "16 hexadecimal digits"),
    PART(matrix, REQUIRED, kofn_matrix_message, "its shape as stored"),
    BOOL(transposed, "the operand is the transpose of what is stored"),
    U64(bytes, OPTIONAL, 0, "its elements"),
    U64(coded_bytes, OPTIONAL, 0, "coded blocks of it that are kept"),
    U64(coded_blocks, OPTIONAL, 0, "their number"),
    U64(jobs, OPTIONAL, 0, "jobs that use it now"),
    U64(products, OPTIONAL, 0, "products that named it so far"),
    U64(unused_ms, OPTIONAL, 0, "since a job last used it; 0 while one does"),
    U64(age_ms, OPTIONAL, 0, "since it was stored"),
};
const kofn_wire_message kofn_operand_message = {
    .name = "operand", FIELDS(operand_fields), .help = "one stored operand"};
#undef S

#define S kofn_msg_worker
static const kofn_wire_field worker_fields[] = {
    TEXT(name, OPTIONAL, "as the worker calls itself; need not be unique"),
    U64(id, REQUIRED, 0, "number of its connection in this life of the master"),
    TEXT(version, OPTIONAL, "of its software"),
    TEXT(state, REQUIRED, "idle, busy, silent, leaving, quarantined"),
    TEXT(kernel, OPTIONAL, "which BLAS kernel it runs"),
    U64(cores, OPTIONAL, 0, "processors it may use"),
    U64(blas_threads, OPTIONAL, 0, "threads of one multiplication"),
    U64(memory_bytes, OPTIONAL, 0, "memory it may use"),
    U64(credit, OPTIONAL, 0, "tasks it takes at a time"),
    U64(tasks_running, OPTIONAL, 0, "assignments it holds"),
    U64(tasks_done, OPTIONAL, 0, "answers it gave"),
    U64(tasks_failed, OPTIONAL, 0, "results with a status other than OK"),
    U64(tasks_cancelled, OPTIONAL, 0, "assignments taken back"),
    F64(gflops, OPTIONAL, "measured, of recent tasks"),
    F64(link_rate, OPTIONAL, "measured: block bytes a second that it takes"),
    F64(slowdown, OPTIONAL, "its time against the median worker's for the same work"),
    U64(silent_ms, OPTIONAL, 0, "since it was last heard"),
    U64(quarantine_ms, OPTIONAL, 0, "until its quarantine is over; 0: it is in none"),
};
const kofn_wire_message kofn_worker_message = {
    .name = "worker", FIELDS(worker_fields), .help = "one connected worker"};
#undef S

#define S kofn_msg_param
static const kofn_wire_field param_fields[] = {
    TEXT(name, REQUIRED, "what a set names"),
    TEXT(type, OPTIONAL, "integer, bool, choice and so on"),
    TEXT(bounds, OPTIONAL, "what values are right"),
    TEXT(fallback, OPTIONAL, "the default"),
    TEXT(help, OPTIONAL, "meaning"),
};
const kofn_wire_message kofn_param_message = {
    .name = "param", FIELDS(param_fields), .help = "one parameter that can be set"};
#undef S

#define S kofn_msg_family
static const kofn_wire_field family_fields[] = {
    TEXT(name, REQUIRED, "what a code's family names"),
    TEXT(summary, OPTIONAL, "one sentence"),
    TEXT(threshold, OPTIONAL, "answers that suffice, as a formula"),
    TEXT(encoding, OPTIONAL, "what making one task costs, as a formula"),
    TEXT(communication, OPTIONAL, "what travels for one task, as a formula"),
    TEXT(storage, OPTIONAL, "what one task keeps on its worker, as a formula"),
    TEXT(source, OPTIONAL, "the paper"),
    BOOL(rateless, "new tasks can be made on demand"),
    BOOL(outer, "it makes outer products, too"),
    BOOL(batches, "it makes batches"),
    BOOL(only_batches, "and nothing else"),
    LIST(params, 64, kofn_param_message, "its parameters"),
};
const kofn_wire_message kofn_family_message = {
    .name = "family", FIELDS(family_fields), .help = "one code family"};
#undef S

#define S kofn_msg_algorithm
static const kofn_wire_field algorithm_fields[] = {
    TEXT(name, REQUIRED, "what the parameter `algorithm` names"),
    U64(x, OPTIONAL, KOFN_BILINEAR_SIZE_MAX, "parts of A's rows"),
    U64(z, OPTIONAL, KOFN_BILINEAR_SIZE_MAX, "parts of the inner dimension"),
    U64(y, OPTIONAL, KOFN_BILINEAR_SIZE_MAX, "parts of B's columns"),
    U64(rank, OPTIONAL, KOFN_BILINEAR_RANK_MAX, "products of sums of blocks"),
    U64(denominator, OPTIONAL, 0, "it works in fields where this is not zero"),
    U64(additions, OPTIONAL, 0, "of blocks, in all sums as they stand"),
    BOOL(ships, "with kofn; else it is of the master's own directory"),
};
const kofn_wire_message kofn_algorithm_message = {
    .name = "algorithm", FIELDS(algorithm_fields), .help = "one bilinear algorithm"};
#undef S

#define S kofn_msg_field_info
static const kofn_wire_field field_info_fields[] = {
    TEXT(name, REQUIRED, "key on the wire"),
    TEXT(type, REQUIRED, "as in the tables of PROTOCOL.md"),
    BOOL(required, "a message without it is refused"),
    F64(max, OPTIONAL, "largest value, longest text in bytes, longest list; 0: the type's own"),
    TEXT(help, OPTIONAL, "meaning and unit"),
};
const kofn_wire_message kofn_field_info_message = {
    .name = "field_info", FIELDS(field_info_fields), .help = "one field of a message"};
#undef S

#define S kofn_msg_message_info
static const kofn_wire_field message_info_fields[] = {
    TEXT(name, REQUIRED, "name of the message or part"),
    BOOL(envelope, "it travels as an envelope, with a type key"),
    TEXT(help, OPTIONAL, "meaning"),
    LIST(fields, KOFN_WIRE_FIELDS_MAX, kofn_field_info_message, "its fields"),
};
const kofn_wire_message kofn_message_info_message = {
    .name = "message_info", FIELDS(message_info_fields), .help = "one message"};
#undef S

#define S kofn_msg_method_info
static const kofn_wire_field method_info_fields[] = {
    TEXT(name, REQUIRED, "what a call's method names"),
    TEXT(request, REQUIRED, "message in the call's body"),
    TEXT(reply, REQUIRED, "message in the reply's body"),
    TEXT(help, OPTIONAL, "meaning"),
};
const kofn_wire_message kofn_method_info_message = {
    .name = "method_info", FIELDS(method_info_fields), .help = "one method"};
#undef S

#define S kofn_msg_limit_info
static const kofn_wire_field limit_info_fields[] = {
    TEXT(name, REQUIRED, "as in PROTOCOL.md"),
    F64(value, REQUIRED, "in the limit's unit"),
};
const kofn_wire_message kofn_limit_info_message = {
    .name = "limit_info", FIELDS(limit_info_fields), .help = "one limit"};
#undef S

#define S kofn_msg_plan_row
static const kofn_wire_field plan_row_fields[] = {
    PART(code, REQUIRED, kofn_code_message, "complete: given back with a product, it is used"),
    TEXT(policy, OPTIONAL, "scheduling policy that auto takes for it"),
    U64(threshold, OPTIONAL, 0, "answers that give the product, k"),
    U64(enough, OPTIONAL, 0, "answers from which an estimate is promised"),
    U64(needed, OPTIONAL, 0, "the one of the two that the plan counts on"),
    F64(flops, OPTIONAL, "of the worker with most tasks"),
    F64(bytes_in, OPTIONAL, "to the worker with most tasks"),
    F64(bytes_out, OPTIONAL, "from the worker with most tasks"),
    F64(encode, OPTIONAL, "seconds to make the coded blocks"),
    F64(decode, OPTIONAL, "seconds to rebuild the product"),
    F64(amplification, OPTIONAL, "how much errors of the answers grow: the median of trials"),
    F64(worst_amplification, OPTIONAL, "and the largest"),
    F64(error, OPTIONAL, "expected, relative to the operands' norms"),
    F64(decodable, OPTIONAL, "probability, when each worker fails with `failure`"),
    U64(typical, OPTIONAL, 0,
        "with `odds`: the typical recovery threshold, the fewest tasks, on a worker each, that "
        "fail "
        "to decode with a probability below them"),
    TEXT(typical_by, OPTIONAL,
         "how that was found: formula, bound (it is so many or fewer) or trials"),
    BOOL(likely, "so many answers suffice with high probability only, whichever they are"),
    F64(seconds, OPTIONAL, "from the call to the product, undisturbed"),
    F64(seconds_late, OPTIONAL, "the same with the stragglers"),
    BOOL(redundant, "tasks can be lost"),
    BOOL(pays, "faster with the stragglers than all that cannot lose a task, and than local"),
};
const kofn_wire_message kofn_plan_row_message = {
    .name = "plan_row", FIELDS(plan_row_fields), .help = "one code of a plan"};
#undef S

#define S kofn_msg_held
static const kofn_wire_field held_fields[] = {
    U64(assignment, REQUIRED, 0, "of the task"), U64(epoch, REQUIRED, 0, "of the task"),
    TEXT(job, REQUIRED, "of the task"),          U64(task, OPTIONAL, KOFN_TASKS_MAX, "of the task"),
    TEXT(answer, REQUIRED, "of the task"),
};
const kofn_wire_message kofn_held_message = {
    .name = "held", FIELDS(held_fields), .help = "an answer that a worker has or computes"};
#undef S

#define S kofn_msg_task_block
static const kofn_wire_field task_block_fields[] = {
    TEXT(name, OPTIONAL, "names the coded block, whatever task it is for: keep it; absent: do not"),
    BOOL(kept, "the worker keeps it: no frames of it follow"),
};
const kofn_wire_message kofn_task_block_message = {
    .name = "task_block", FIELDS(task_block_fields), .help = "a coded block of a task"};
#undef S

#define S kofn_msg_block_name
static const kofn_wire_field block_name_fields[] = {
    TEXT(name, REQUIRED, "as in task_block"),
};
const kofn_wire_message kofn_block_name_message = {
    .name = "block_name", FIELDS(block_name_fields), .help = "a coded block"};
#undef S

#define S kofn_msg_settlement
static const kofn_wire_field settlement_fields[] = {
    U64(assignment, REQUIRED, 0, "of the task"),
    U64(epoch, REQUIRED, 0, "of the task"),
};
const kofn_wire_message kofn_settlement_message = {
    .name = "settlement", FIELDS(settlement_fields), .help = "an answer"};
#undef S

#define S kofn_msg_stream
static const kofn_wire_field stream_fields[] = {
    TEXT(id, REQUIRED, "16 hexadecimal digits"),
    TEXT(state, REQUIRED, "open; closing: takes no further jobs; closed: has none any more"),
    TEXT(scheme, OPTIONAL, "as in open_stream, and so are those down to grace_ms: complete"),
    U64(slots, OPTIONAL, 0, "P"),
    U64(delay, OPTIONAL, 0, "T"),
    U64(lambda, OPTIONAL, 0, "of dip"),
    U64(failures, OPTIONAL, 0, "N, of idip"),
    U64(window, OPTIONAL, 0, "W, of idip"),
    U64(burst, OPTIONAL, 0, "B, of idip_burst"),
    F64(tolerance, OPTIONAL, "mu"),
    F64(rescue, OPTIONAL, "times tau; 0: never"),
    PART(code, OPTIONAL, kofn_code_message, "of all its jobs; tasks: its coded rows"),
    TEXT(field, OPTIONAL, "arithmetic of all its jobs"),
    U64(need, OPTIONAL, 0, "answers that a job takes"),
    U64(limit, OPTIONAL, 0, "jobs that may be pushed and not answered"),
    U64(grace_ms, OPTIONAL, 0, "how long it outlives its client's connection"),
    U64(pushed, OPTIONAL, 0, "jobs so far: the next one has this index and one more"),
    U64(answered, OPTIONAL, 0, "jobs that have ended, and all before them"),
    U64(done, OPTIONAL, 0, "jobs that have ended with a product"),
    U64(failed, OPTIONAL, 0, "jobs that have ended without one"),
    U64(waiting, OPTIONAL, 0, "jobs that are not born yet"),
    U64(unfinished, OPTIONAL, 0, "jobs that are born and not finished"),
    U64(round, OPTIONAL, 0, "the round that is on, or was last; from 1"),
    U64(rounds, OPTIONAL, 0, "rounds that have ended"),
    U64(waited, OPTIONAL, 0, "of them, those that waited beyond the tolerance"),
    U64(stragglers, OPTIONAL, 0, "slots, of the round that ended last"),
    U64(given, OPTIONAL, 0, "mini-tasks sent to workers"),
    U64(returned, OPTIONAL, 0, "mini-tasks answered"),
    U64(lost, OPTIONAL, 0, "mini-tasks that failed: taken back, or their worker lost"),
    U64(dropped, OPTIONAL, 0, "mini-tasks that were not needed any more: their job was finished"),
    U64(rescued, OPTIONAL, 0, "mini-tasks copied to another slot, since their round waited"),
    U64(mended, OPTIONAL, 0, "further rows given, since those of a due job could not suffice"),
    U64(load, OPTIONAL, 0, "mini-tasks of the round's longest list"),
    U64(load_sum, OPTIONAL, 0, "the same, of all rounds together"),
    U64(load_max, OPTIONAL, 0, "the same, of the worst round"),
    U64(vacant, OPTIONAL, 0, "slots without a worker"),
    F64(busy, OPTIONAL, "seconds with a round on"),
    U64(late, OPTIONAL, 0, "lists of slots that were not done after (1 + mu) tau, of all rounds"),
    U64(timed, OPTIONAL, 0,
        "of them those that were done after all, by their slot alone, as long as the first one's"),
    F64(slowdown, OPTIONAL, "mean time of these, times tau"),
    BYTES(trace, KOFN_STREAM_TRACE_MAX,
          "reply of CloseStream with `trace`: which slots were late in the latest rounds"),
    U64(age_ms, OPTIONAL, 0, "since it was opened"),
};
const kofn_wire_message kofn_stream_message = {
    .name = "stream", FIELDS(stream_fields), .help = "a stream: what it is, and its account"};
#undef S

/* ---- envelopes between client and master ----------------------------------------------------- */

#define S kofn_msg_call
static const kofn_wire_field call_fields[] = {
    U64(version, REQUIRED, 0, "of the protocol that the client speaks"),
    U64(call, REQUIRED, 0, "the client's number for it, unique on its connection while it is open"),
    TEXT(method, REQUIRED, "a method's full name"),
    U64(timeout_ms, OPTIONAL, 0, "time that is left for the call, in ms; 0: as long as it takes"),
    TEXT(key, OPTIONAL, "idempotency key, for Multiply, Submit and PutOperand"),
    U64(window, OPTIONAL, 0, "block bytes the client takes unacknowledged; 0: a plain call"),
    BOOL(more, "further block frames follow in data messages"),
    RAW(body, "the method's request; absent: an empty map"),
};
const kofn_wire_message kofn_call_message = {
    .name = "call", .envelope = true, FIELDS(call_fields), .help = "a client calls a method"};
#undef S

#define S kofn_msg_reply
static const kofn_wire_field reply_fields[] = {
    U64(version, REQUIRED, 0, "of the protocol that the master speaks"),
    U64(call, REQUIRED, 0, "the call that is answered"),
    U64(status, OPTIONAL, 0, "a status number; absent: OK"),
    TEXT(message, OPTIONAL, "one sentence for a person, when the status is not OK"),
    U64(retry_ms, OPTIONAL, 0, "with UNAVAILABLE and RESOURCE_EXHAUSTED: try again after so long"),
    BOOL(more, "further block frames follow in data messages"),
    RAW(body, "the method's reply; absent: an empty map"),
};
const kofn_wire_message kofn_reply_message = {
    .name = "reply", .envelope = true, FIELDS(reply_fields), .help = "the end of a call"};
#undef S

#define S kofn_msg_event
static const kofn_wire_field event_fields[] = {
    U64(call, REQUIRED, 0, "the Watch that it belongs to"),
    PART(job, REQUIRED, kofn_job_message, "the job as it is now"),
};
const kofn_wire_message kofn_event_message = {
    .name = "event", .envelope = true, FIELDS(event_fields), .help = "a watched job has moved"};
#undef S

#define S kofn_msg_abandon
static const kofn_wire_field abandon_fields[] = {
    U64(call, REQUIRED, 0, "the call whose reply is no longer wanted"),
};
const kofn_wire_message kofn_abandon_message = {.name = "abandon",
                                                .envelope = true,
                                                FIELDS(abandon_fields),
                                                .help = "the client gives up a call"};
#undef S

/* ---- on every connection --------------------------------------------------------------------- */

#define S kofn_msg_data
static const kofn_wire_field data_fields[] = {
    U64(id, REQUIRED, 0, "call (clients) or assignment (workers) whose blocks these are"),
    BOOL(more, "still further block frames follow"),
};
const kofn_wire_message kofn_data_message = {
    .name = "data", .envelope = true, FIELDS(data_fields), .help = "further block frames"};
#undef S

#define S kofn_msg_ack
static const kofn_wire_field ack_fields[] = {
    U64(bytes, REQUIRED, 0, "block frame bytes taken since the last ack"),
};
const kofn_wire_message kofn_ack_message = {
    .name = "ack", .envelope = true, FIELDS(ack_fields), .help = "credit is given back"};
#undef S

/* ---- requests and replies of the methods ----------------------------------------------------- */

#define S kofn_msg_product
static const kofn_wire_field product_fields[] = {
    PART(a, OPTIONAL, kofn_matrix_message, "A as stored; may be absent with operand_a"),
    PART(b, OPTIONAL, kofn_matrix_message, "B as stored; may be absent with operand_b"),
    TEXT(operand_a, OPTIONAL, "a stored operand's id: A is that one, and no blocks of it follow"),
    TEXT(operand_b, OPTIONAL, "a stored operand's id: B is that one, and no blocks of it follow"),
    BOOL(transpose_a, "op(A) is the transpose of A"),
    BOOL(transpose_b, "op(B) is the transpose of B"),
    TEXT(form, OPTIONAL,
         "empty: C = A B; outer: C = A (x) B (x) further operands; batch: see batch"),
    LIST(further, KOFN_OPERANDS_MAX - 2, kofn_factor_message,
         "of an outer product: the third operand and later ones"),
    PART(batch, OPTIONAL, kofn_batch_message, "of form batch: which products"),
    PART(compression, OPTIONAL, kofn_compression_message,
         "what the client made the operands from (5.12)"),
    TEXT(field, OPTIONAL,
         "f64, f32, gf256, gf16, gf4, gfp:P, integers; empty: implied by the dtype, u32 implies "
         "none"),
    PART(code, OPTIONAL, kofn_code_message, "how to cut and code; absent: the master chooses"),
    TEXT(policy, OPTIONAL,
         "scheduling policy; empty: the master's default; under rateless a code left open is of a "
         "family with fresh rows, where one fits; under two_stage it has as few tasks as suffice, "
         "and others in its reserve"),
    TEXT(accept, OPTIONAL, "exact, error; empty: what the code's family promises"),
    F64(accept_error, OPTIONAL, "with accept error: done as soon as error_bound is at most this"),
    BOOL(deadline_best, "when time or answers run out, the best estimate instead of an error"),
    U64(settle_ms, OPTIONAL, KOFN_SETTLE_MS_MAX,
        "once an estimate would do, wait so long for the exact product"),
    TEXT(verify, OPTIONAL, "none, freivalds, parity; empty: the master's default"),
    U64(liars, OPTIONAL, KOFN_LIARS_MAX,
        "with parity: workers that may lie; 0: the master's default"),
};
const kofn_wire_message kofn_product_message = {
    .name = "product",
    FIELDS(product_fields),
    .help = "C := op(A) op(B); blocks of A, then of B follow where they are not stored"};
#undef S

#define S kofn_msg_outcome
static const kofn_wire_field outcome_fields[] = {
    PART(job, REQUIRED, kofn_job_message, "the job's account"),
    PART(c, OPTIONAL, kofn_matrix_message, "shape of C; absent: no blocks follow"),
};
const kofn_wire_message kofn_outcome_message = {
    .name = "outcome",
    FIELDS(outcome_fields),
    .help = "a job, and its product where it was asked for"};
#undef S

#define S kofn_msg_job_ref
static const kofn_wire_field job_ref_fields[] = {
    TEXT(job, REQUIRED, "a job's id"),
    BOOL(without_result, "Wait: only the account, the product stays for another Wait"),
    BOOL(hold, "Wait: the product is sent and stays all the same"),
    BOOL(let_go, "Wait: whoever held the product has it; with without_result"),
};
const kofn_wire_message kofn_job_ref_message = {
    .name = "job_ref", FIELDS(job_ref_fields), .help = "names a job"};
#undef S

const kofn_wire_message kofn_nothing_message = {
    .name = "nothing", .struct_size = sizeof(kofn_msg_nothing), .help = "an empty map"};

#define S kofn_msg_list_jobs
static const kofn_wire_field list_jobs_fields[] = {
    U64(limit, OPTIONAL, KOFN_JOBS_ASKED_MAX, "newest first, so many, of which 400 come; 0: 100"),
};
const kofn_wire_message kofn_list_jobs_message = {
    .name = "list_jobs", FIELDS(list_jobs_fields), .help = "which jobs to list"};
#undef S

#define S kofn_msg_jobs
static const kofn_wire_field jobs_fields[] = {
    LIST(jobs, KOFN_JOBS_LISTED_MAX, kofn_job_message, "newest first"),
};
const kofn_wire_message kofn_jobs_message = {.name = "jobs", FIELDS(jobs_fields), .help = "jobs"};
#undef S

#define S kofn_msg_put_operand
static const kofn_wire_field put_operand_fields[] = {
    PART(matrix, REQUIRED, kofn_matrix_message, "its shape as stored"),
    BOOL(transposed, "the operand is the transpose of what is stored"),
};
const kofn_wire_message kofn_put_operand_message = {.name = "put_operand",
                                                    FIELDS(put_operand_fields),
                                                    .help =
                                                        "a matrix to be stored; its blocks follow"};
#undef S

#define S kofn_msg_operand_ref
static const kofn_wire_field operand_ref_fields[] = {
    TEXT(operand, REQUIRED, "an operand's id"),
};
const kofn_wire_message kofn_operand_ref_message = {
    .name = "operand_ref", FIELDS(operand_ref_fields), .help = "names a stored operand"};
#undef S

#define S kofn_msg_operands
static const kofn_wire_field operands_fields[] = {
    LIST(operands, KOFN_STORED_MAX, kofn_operand_message, "newest first"),
};
const kofn_wire_message kofn_operands_message = {
    .name = "operands", FIELDS(operands_fields), .help = "stored operands"};
#undef S

#define S kofn_msg_open_stream
static const kofn_wire_field open_stream_fields[] = {
    TEXT(scheme, OPTIONAL,
         "dip, idip, idip_burst, polynomial, uncoded; empty: the master's default"),
    U64(slots, OPTIONAL, KOFN_STREAM_SLOTS_MAX,
        "P, places for workers; 0: as many as there are workers"),
    U64(delay, OPTIONAL, KOFN_STREAM_DELAY_MAX,
        "T: a job ends so many rounds after the one it is born in; 0: by the scheme"),
    U64(lambda, OPTIONAL, KOFN_STREAM_SLOTS_MAX,
        "of dip: workers that are to answer in the round in which a job is due; 0: P"),
    U64(failures, OPTIONAL, KOFN_STREAM_SLOTS_MAX *(KOFN_STREAM_DELAY_MAX + 1),
        "N, of idip: stragglers in any W rounds; 0: P W less the answers that a job takes"),
    U64(window, OPTIONAL, KOFN_STREAM_DELAY_MAX + 1, "W, of idip; 0: T + 1"),
    U64(burst, OPTIONAL, KOFN_STREAM_DELAY_MAX + 1,
        "B, of idip_burst: rounds in which a worker straggles in a row; 0: by the master"),
    F64(tolerance, OPTIONAL,
        "mu: who takes longer than 1 + mu times the fastest straggles; below 0: mu = 0; 0: the "
        "master's default"),
    F64(rescue, OPTIONAL,
        "a round that waits for so many times the fastest copies what it waits for to other "
        "slots; below 0: never; 0: the master's default"),
    PART(code, OPTIONAL, kofn_code_message,
         "the inner code of each job: family, x, z, y, seed, sets; tasks and reserve follow from "
         "the scheme"),
    TEXT(field, OPTIONAL, "arithmetic of all jobs, as in product, not integers; empty: f64"),
    U64(limit, OPTIONAL, KOFN_STREAM_JOBS_MAX,
        "jobs that may be pushed and not answered, at least T + 1; 0: 2 (T + 1)"),
    U64(grace_ms, OPTIONAL, KOFN_GRACE_MS_MAX,
        "the stream outlives its client's connection for so long; 0: the master's default"),
};
const kofn_wire_message kofn_open_stream_message = {.name = "open_stream",
                                                    FIELDS(open_stream_fields),
                                                    .help =
                                                        "a sequence of products that share rounds"};
#undef S

#define S kofn_msg_push
static const kofn_wire_field push_fields[] = {
    TEXT(stream, REQUIRED, "a stream's id"),
    U64(index, REQUIRED, 0, "number of the job in its stream, from 1"),
    U64(received, OPTIONAL, 0, "the outcomes up to this index have come and need not be kept"),
    PART(a, OPTIONAL, kofn_matrix_message, "as in product"),
    PART(b, OPTIONAL, kofn_matrix_message, "as in product"),
    TEXT(operand_a, OPTIONAL, "as in product"),
    TEXT(operand_b, OPTIONAL, "as in product"),
    BOOL(transpose_a, "op(A) is the transpose of A"),
    BOOL(transpose_b, "op(B) is the transpose of B"),
};
const kofn_wire_message kofn_push_message = {
    .name = "push",
    FIELDS(push_fields),
    .help = "a stream's next job; blocks of A, then of B follow where they are not stored"};
#undef S

#define S kofn_msg_close_stream
static const kofn_wire_field close_stream_fields[] = {
    TEXT(stream, REQUIRED, "a stream's id"),
    BOOL(abandon, "cancel the jobs that are under way"),
    BOOL(trace, "the reply is to have the trace"),
};
const kofn_wire_message kofn_close_stream_message = {
    .name = "close_stream", FIELDS(close_stream_fields), .help = "a stream takes no further jobs"};
#undef S

#define S kofn_msg_streams
static const kofn_wire_field streams_fields[] = {
    LIST(streams, KOFN_STREAMS_LISTED_MAX, kofn_stream_message, "newest first"),
};
const kofn_wire_message kofn_streams_message = {
    .name = "streams", FIELDS(streams_fields), .help = "streams"};
#undef S

#define S kofn_msg_workers
static const kofn_wire_field workers_fields[] = {
    LIST(workers, KOFN_WORKERS_LISTED_MAX, kofn_worker_message, "in order of their ids"),
};
const kofn_wire_message kofn_workers_message = {
    .name = "workers", FIELDS(workers_fields), .help = "connected workers"};
#undef S

#define S kofn_msg_codes
static const kofn_wire_field codes_fields[] = {
    LIST(families, 256, kofn_family_message, "code families"),
    LIST(policies, 64, kofn_param_message, "scheduling policies: name and help"),
    LIST(algorithms, 1000, kofn_algorithm_message,
         "bilinear algorithms: what ships, then the master's own"),
};
const kofn_wire_message kofn_codes_message = {
    .name = "codes", FIELDS(codes_fields), .help = "what a product may ask for"};
#undef S

#define S kofn_msg_plan_query
static const kofn_wire_field plan_query_fields[] = {
    TEXT(field, OPTIONAL, "arithmetic, as in product; empty: f64"),
    U64(rows, REQUIRED, KOFN_DIMENSION_MAX, "rows of C, at least 1"),
    U64(inner, REQUIRED, KOFN_DIMENSION_MAX, "columns of op(A), at least 1"),
    U64(cols, REQUIRED, KOFN_DIMENSION_MAX, "columns of C, at least 1"),
    U64(x, OPTIONAL, KOFN_TASKS_MAX, "row parts of A; 0: all are tried"),
    U64(z, OPTIONAL, KOFN_TASKS_MAX, "inner parts; 0: all are tried"),
    U64(y, OPTIONAL, KOFN_TASKS_MAX, "column parts of B; 0: all are tried"),
    U64(workers, OPTIONAL, KOFN_PLAN_WORKERS_MAX, "0: those that are connected"),
    U64(stragglers, OPTIONAL, KOFN_PLAN_WORKERS_MAX, "of them, fewer than workers"),
    U64(tasks, OPTIONAL, KOFN_TASKS_MAX, "at most so many; 0: twice the workers"),
    U64(limit, OPTIONAL, KOFN_PLAN_ROWS_MAX, "rows of each family; 0: 2"),
    U64(seed, OPTIONAL, 0, "of codes and trials; 0: 1"),
    F64(failure, OPTIONAL, "probability that a worker fails, for the odds of decoding"),
    F64(odds, OPTIONAL,
        "of failing to decode, below 1: tasks are chosen to keep below them, on a worker each; 0: "
        "to "
        "lose the stragglers"),
    F64(error, OPTIONAL, "to keep to, relative to the operands' norms; 0: the product itself"),
    F64(slowdown, OPTIONAL, "a straggler takes this times as long, infinity: is lost; 0: 5"),
    F64(gflops, OPTIONAL, "of each worker; 0: as measured"),
    F64(local_gflops, OPTIONAL, "of the client's own BLAS; 0: not known"),
    F64(link_rate, OPTIONAL, "of the master, each way, bytes a second; 0: as measured"),
};
const kofn_wire_message kofn_plan_query_message = {
    .name = "plan_query", FIELDS(plan_query_fields), .help = "what is to be multiplied, on what"};
#undef S

#define S kofn_msg_plan
static const kofn_wire_field plan_fields[] = {
    LIST(rows, KOFN_PLAN_LISTED_MAX, kofn_plan_row_message, "by time with the stragglers"),
    BOOL(pays, "coding does"),
    TEXT(verdict, OPTIONAL, "whether it does, as a sentence"),
    U64(candidates, OPTIONAL, 0, "looked at"),
    U64(left_out, OPTIONAL, 0, "families without a row"),
    TEXT(left_why, OPTIONAL, "which, and why"),
    U64(workers, OPTIONAL, 0, "that it is made for"),
    F64(gflops, OPTIONAL, "of the median worker"),
    F64(link_rate, OPTIONAL, "of the master, each way, bytes a second"),
    BOOL(measured, "both are measured; else given or assumed"),
    F64(local, OPTIONAL, "seconds of the client's own BLAS; 0: not known"),
};
const kofn_wire_message kofn_plan_message = {
    .name = "plan", FIELDS(plan_fields), .help = "codes that fit, and whether coding pays"};
#undef S

#define S kofn_msg_check
static const kofn_wire_field check_fields[] = {
    TEXT(service, OPTIONAL, "kofn.v1.Master; empty: the whole server"),
};
const kofn_wire_message kofn_check_message = {
    .name = "check", FIELDS(check_fields), .help = "whose health is asked for"};
#undef S

#define S kofn_msg_health
static const kofn_wire_field health_fields[] = {
    TEXT(status, REQUIRED, "UNKNOWN, SERVING, NOT_SERVING, SERVICE_UNKNOWN"),
    TEXT(why, OPTIONAL, "it does not serve, or takes no new jobs for now; empty: all is well"),
    TEXT(version, OPTIONAL, "of the master's software"),
    U64(workers, OPTIONAL, 0, "workers that are not silent, nor in quarantine"),
    U64(jobs_running, OPTIONAL, 0, "jobs under way"),
    U64(jobs_queued, OPTIONAL, 0, "jobs that wait for their turn"),
    U64(jobs_done, OPTIONAL, 0, "since the start"),
    U64(jobs_failed, OPTIONAL, 0, "since the start"),
    U64(memory_bytes, OPTIONAL, 0, "held for jobs and stored operands"),
    U64(memory_limit_bytes, OPTIONAL, 0, "beyond it jobs and operands are refused"),
    U64(store_bytes, OPTIONAL, 0, "on disk"),
    U64(store_limit_bytes, OPTIONAL, 0, "likewise; 0: as the disk allows"),
    U64(uptime_ms, OPTIONAL, 0, "since the start"),
};
const kofn_wire_message kofn_health_message = {
    .name = "health", FIELDS(health_fields), .help = "the master's health"};
#undef S

#define S kofn_msg_reflection
static const kofn_wire_field reflection_fields[] = {
    U64(version, REQUIRED, 0, "of the protocol"),
    LIST(methods, 256, kofn_method_info_message, "all methods"),
    LIST(messages, 256, kofn_message_info_message, "all messages and their parts"),
    LIST(limits, 256, kofn_limit_info_message, "all limits"),
};
const kofn_wire_message kofn_reflection_message = {
    .name = "reflection", FIELDS(reflection_fields), .help = "what this master speaks"};
#undef S

/* ---- envelopes between worker and master ----------------------------------------------------- */

#define S kofn_msg_hello
static const kofn_wire_field hello_fields[] = {
    U64(version, REQUIRED, 0, "of the protocol that the worker speaks"),
    TEXT(name, OPTIONAL, "for people; need not be unique"),
    TEXT(software, OPTIONAL, "the worker's version"),
    TEXT(fields, REQUIRED, "arithmetic it can do, joined by commas: f64,f32,gf256,gf16,gf4,gfp"),
    TEXT(kernel, OPTIONAL, "which BLAS kernel it runs"),
    U64(cores, OPTIONAL, 0, "processors it may use"),
    U64(blas_threads, OPTIONAL, 0, "threads of one multiplication"),
    U64(memory_bytes, OPTIONAL, 0, "memory it may use"),
    U64(credit, REQUIRED, 0, "tasks it takes at a time, at least 1"),
    U64(window, REQUIRED, 0, "block bytes it takes unacknowledged, at least 1"),
    U64(keep_bytes, OPTIONAL, 0, "memory for answers that are not settled; 0: it keeps none"),
    U64(cache_bytes, OPTIONAL, 0, "memory for coded blocks; 0: it keeps none"),
    U64(life, OPTIONAL, 0,
        "random number of this process, the same on all its connections; 0: none"),
    LIST(held, KOFN_HELD_MAX, kofn_held_message,
         "answers that it has, or computes, from earlier connections"),
    LIST(cached, KOFN_CACHED_MAX, kofn_block_name_message, "coded blocks that it keeps"),
};
const kofn_wire_message kofn_hello_message = {
    .name = "hello", .envelope = true, FIELDS(hello_fields), .help = "a worker presents itself"};
#undef S

#define S kofn_msg_welcome
static const kofn_wire_field welcome_fields[] = {
    U64(version, REQUIRED, 0, "of the protocol that both will speak"),
    U64(epoch, REQUIRED, 0, "of this life of the master, not 0"),
    U64(worker, REQUIRED, 0, "the number of this connection"),
    U64(window, REQUIRED, 0, "block bytes the master takes unacknowledged, at least 1"),
    U64(heartbeat_ms, REQUIRED, 0, "send a heartbeat this often"),
    U64(silence_ms, REQUIRED, 0, "a peer not heard for so long is lost"),
    U64(chunk_bytes, REQUIRED, 0, "size of block frames that suits this transport"),
};
const kofn_wire_message kofn_welcome_message = {.name = "welcome",
                                                .envelope = true,
                                                FIELDS(welcome_fields),
                                                .help = "the master takes a worker"};
#undef S

#define S kofn_msg_refuse
static const kofn_wire_field refuse_fields[] = {
    U64(status, REQUIRED, 0, "a status number, not OK"),
    TEXT(message, OPTIONAL, "one sentence for a person"),
};
const kofn_wire_message kofn_refuse_message = {
    .name = "refuse",
    .envelope = true,
    FIELDS(refuse_fields),
    .help = "the master will not go on with this worker as it is"};
#undef S

#define S kofn_msg_task
static const kofn_wire_field task_fields[] = {
    U64(assignment, REQUIRED, 0, "this task on this worker: never used twice in an epoch"),
    U64(epoch, REQUIRED, 0, "as in welcome"),
    TEXT(job, OPTIONAL, "a job's id, for people"),
    U64(task, OPTIONAL, KOFN_TASKS_MAX, "row of the code, for people"),
    TEXT(field, REQUIRED, "arithmetic, as in product"),
    PART(a, REQUIRED, kofn_matrix_message, "coded block of A as stored"),
    PART(b, REQUIRED, kofn_matrix_message, "coded block of B as stored"),
    BOOL(transpose_a, "op(A) is the transpose of A"),
    BOOL(transpose_b, "op(B) is the transpose of B"),
    TEXT(form, OPTIONAL, "empty: multiply; outer: C = A (x) B (x) further operands"),
    LIST(further, KOFN_OPERANDS_MAX - 2, kofn_factor_message,
         "of an outer product: coded blocks of the third operand and later ones"),
    TEXT(answer, OPTIONAL, "names the answer, whoever computes it: keep it; absent: do not"),
    LIST(blocks, KOFN_OPERANDS_MAX, kofn_task_block_message,
         "which coded blocks may be kept, or are; as many as there are operands, or none"),
    U64(round, OPTIONAL, 0, "of a stream, from 1 on, for people; absent: the task is of no stream"),
    U64(slot, OPTIONAL, KOFN_TASKS_MAX, "the worker's place in the stream, for people"),
    BOOL(more, "further block frames follow in data messages"),
};
const kofn_wire_message kofn_task_message = {
    .name = "task",
    .envelope = true,
    FIELDS(task_fields),
    .help = "multiply, please; blocks of A, then of B and of further operands follow"};
#undef S

#define S kofn_msg_result
static const kofn_wire_field result_fields[] = {
    U64(assignment, REQUIRED, 0, "of the task"),
    U64(epoch, REQUIRED, 0, "of the task"),
    U64(status, OPTIONAL, 0, "a status number; absent: OK, and blocks follow"),
    TEXT(message, OPTIONAL, "one sentence for a person, when the status is not OK"),
    PART(c, OPTIONAL, kofn_matrix_message, "shape of the product"),
    BOOL(nonfinite, "C holds what is no number of the field: NaN, Inf, p or more"),
    U64(compute_ns, OPTIONAL, 0, "duration of the multiplication alone"),
    BOOL(more, "further block frames follow in data messages"),
};
const kofn_wire_message kofn_result_message = {
    .name = "result", .envelope = true, FIELDS(result_fields), .help = "a task's answer"};
#undef S

#define S kofn_msg_cancel
static const kofn_wire_field cancel_fields[] = {
    U64(assignment, REQUIRED, 0, "of the task that is no longer wanted"),
    U64(epoch, REQUIRED, 0, "of the task"),
};
const kofn_wire_message kofn_cancel_message = {
    .name = "cancel", .envelope = true, FIELDS(cancel_fields), .help = "give up a task"};
#undef S

#define S kofn_msg_recall
static const kofn_wire_field recall_fields[] = {
    U64(assignment, REQUIRED, 0, "a new one, of which the answer is to be the result"),
    U64(epoch, REQUIRED, 0, "as in welcome"),
    U64(held_assignment, REQUIRED, 0, "as in hello"),
    U64(held_epoch, REQUIRED, 0, "as in hello"),
};
const kofn_wire_message kofn_recall_message = {.name = "recall",
                                               .envelope = true,
                                               FIELDS(recall_fields),
                                               .help = "send an answer that is held"};
#undef S

#define S kofn_msg_settled
static const kofn_wire_field settled_fields[] = {
    LIST(answers, KOFN_LIST_MAX, kofn_settlement_message, "stored, or not wanted"),
};
const kofn_wire_message kofn_settled_message = {.name = "settled",
                                                .envelope = true,
                                                FIELDS(settled_fields),
                                                .help = "answers that need not be kept"};
#undef S

#define S kofn_msg_evicted
static const kofn_wire_field evicted_fields[] = {
    LIST(blocks, KOFN_CACHED_MAX, kofn_block_name_message, "by name"),
};
const kofn_wire_message kofn_evicted_message = {
    .name = "evicted",
    .envelope = true,
    FIELDS(evicted_fields),
    .help = "coded blocks that the worker does not keep, or not any more"};
#undef S

#define S kofn_msg_heartbeat
static const kofn_wire_field heartbeat_fields[] = {
    U64(epoch, OPTIONAL, 0, "the sender's idea of it; 0 before a welcome"),
    U64(tasks, OPTIONAL, 0, "from a worker: assignments it holds"),
};
const kofn_wire_message kofn_heartbeat_message = {
    .name = "heartbeat", .envelope = true, FIELDS(heartbeat_fields), .help = "still here"};
#undef S

#define S kofn_msg_bye
static const kofn_wire_field bye_fields[] = {
    TEXT(reason, OPTIONAL, "one sentence for a person"),
};
const kofn_wire_message kofn_bye_message = {.name = "bye",
                                            .envelope = true,
                                            FIELDS(bye_fields),
                                            .help = "the worker stops: no further tasks, please"};
#undef S

/* ---- all of them ----------------------------------------------------------------------------- */

/* In the order of PROTOCOL.md. */
static const kofn_wire_message *const all[] = {
    &kofn_call_message,        &kofn_reply_message,      &kofn_event_message,
    &kofn_abandon_message,     &kofn_data_message,       &kofn_ack_message,
    &kofn_hello_message,       &kofn_welcome_message,    &kofn_refuse_message,
    &kofn_task_message,        &kofn_result_message,     &kofn_cancel_message,
    &kofn_recall_message,      &kofn_settled_message,    &kofn_evicted_message,
    &kofn_heartbeat_message,   &kofn_bye_message,        &kofn_product_message,
    &kofn_outcome_message,     &kofn_job_ref_message,    &kofn_nothing_message,
    &kofn_list_jobs_message,   &kofn_jobs_message,       &kofn_put_operand_message,
    &kofn_operand_ref_message, &kofn_operands_message,   &kofn_workers_message,
    &kofn_codes_message,       &kofn_plan_query_message, &kofn_plan_message,
    &kofn_check_message,       &kofn_health_message,     &kofn_reflection_message,
    &kofn_open_stream_message, &kofn_push_message,       &kofn_close_stream_message,
    &kofn_streams_message,     &kofn_matrix_message,     &kofn_factor_message,
    &kofn_set_message,         &kofn_code_message,       &kofn_seconds_message,
    &kofn_prime_message,       &kofn_job_message,        &kofn_operand_message,
    &kofn_worker_message,      &kofn_param_message,      &kofn_family_message,
    &kofn_algorithm_message,   &kofn_field_info_message, &kofn_message_info_message,
    &kofn_method_info_message, &kofn_limit_info_message, &kofn_plan_row_message,
    &kofn_held_message,        &kofn_task_block_message, &kofn_block_name_message,
    &kofn_settlement_message,  &kofn_stream_message,     &kofn_batch_message,
    &kofn_compression_message,
};

size_t
kofn_messages_count(void)
{
    return sizeof all / sizeof all[0];
}

const kofn_wire_message *
kofn_messages_at(size_t index)
{
    return all[index];
}

const kofn_wire_message *
kofn_envelope_find(const char *type)
{
    for (size_t i = 0; i < kofn_messages_count(); i++)
        if (all[i]->envelope && strcmp(all[i]->name, type) == 0)
            return all[i];
    return NULL;
}
