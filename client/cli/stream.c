/* kofn stream: a list of products, pushed as the list comes and written in its order.
 *
 *     list --pairs--> jobs: read, not pushed | pushed, not taken --stream--> written, or told why not
 *
 * A job keeps its operands until its product was taken, so a stream that is gone with its master is
 * opened anew and gets what the old one owed.
 */
#include "client/cli/cli.h"
#include "client/cli/output.h"
#include "client/cli/pairs.h"
#include "client/cli/product.h"
#include "client/cli/progress.h"
#include "client/cli/quiet.h"
#include "client/cli/report.h"
#include "client/cli/signals.h"
#include "client/cli/text.h"
#include "client/cli/trace.h"
#include "common/base/clock.h"
#include "common/linalg/integers.h"
#include "master/sched/rounds.h"
#include "proto/limits.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
    KEY_LIMIT = 0x900,
    KEY_GRACE,
    KEY_AWAY,
    KEY_TRACE,
    KEY_ROUNDS, // and as many as kofn_rounds_keys has
    ROUNDS_MAX = 16,
    WAIT_MS = 200,  // between looks at signals
    GLANCE_MS = 20, // for a product, while the list may go on: nothing tells of both
    REOPEN_MAX = 5, // streams in a row that brought nothing
    BATCH = 64,     // products that are written together
};

/* And no further one once they have so many elements. */
#define BATCH_BYTES ((size_t)64 << 20)

/* For the account of a stream whose products are all here, and of one that is given up. */
#define CLOSE_NS (30 * KOFN_NS_PER_S)
#define ASK_NS   (3 * KOFN_NS_PER_S)

/* A master that is started again is back by then, with its workers. */
#define AWAY_NS (600 * KOFN_NS_PER_S)

/* ---- arguments ------------------------------------------------------------------------------- */

typedef struct arguments {
    cli_common common;
    cli_product product; // of each line, but for its operands
    const char *list, *folder, *trace;
    kofn_rounds_config rounds;
    bool given[ROUNDS_MAX]; // of kofn_rounds_keys
    int64_t limit, grace_ns;
} arguments;

static error_t
parse_stream(int key, char *arg, struct argp_state *state)
{
    arguments *args = state->input;
    kofn_error error;
    if (key >= KEY_ROUNDS && key < KEY_ROUNDS + (int)kofn_rounds_keys.count) {
        const size_t i = (size_t)(key - KEY_ROUNDS);
        if (kofn_key_parse(&kofn_rounds_keys.at[i], arg, &args->rounds, &error) != KOFN_OK)
            argp_error(state, "%s", error.text);
        args->given[i] = true;
        return 0;
    }
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->product;
        state->child_inputs[1] = &args->common;
        return 0;
    case 'd':
        args->folder = arg;
        return 0;
    case KEY_LIMIT:
        args->limit = cli_parse_number(state, "--limit", arg, 1, KOFN_STREAM_JOBS_MAX);
        return 0;
    case KEY_GRACE:
        args->grace_ns = cli_parse_duration(state, "--grace", arg);
        return 0;
    case KEY_AWAY:
        args->common.away_ns = cli_parse_duration(state, "--away", arg);
        return 0;
    case KEY_TRACE:
        args->trace = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (args->list)
            argp_error(state, "'%s' is one argument too many: want one list", arg);
        args->list = arg;
        return 0;
    case ARGP_KEY_END:
        if (!args->list)
            argp_error(state, "say which list of products; - is standard input");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option own_options[] = {
    {"directory", 'd', "DIR", 0,
     "Where products go that the list has no name for: DIR/1.npy is of the first line. DIR is made "
     "where it is missing, folders above it are not",
     1},
    {"limit", KEY_LIMIT, "N", 0,
     "Products at most that are under way or have come out of turn, and are in memory with their "
     "operands (left out: 2 (T + 1))",
     1},
    {"grace", KEY_GRACE, "TIME", 0,
     "How long the master keeps the stream for a client whose connection is lost", 1},
    {"away", KEY_AWAY, "TIME", 0,
     "How long to wait for a master that went away, or for workers when none is left (default: "
     "10min)",
     1},
    {"trace", KEY_TRACE, "FILE", 0,
     "Write which workers were slow in which of the latest rounds, for kofn plan and simulate: "
     "--straggler trace:file=FILE",
     1},
    {NULL, 0, NULL, 0, "How rounds are made (left out: by the master's configuration):", 5},
};

enum { OWN_OPTIONS = sizeof own_options / sizeof own_options[0] };

/* The scheme's options are the keys of its table, and say what that says. */
typedef struct stream_options {
    struct argp_option at[OWN_OPTIONS + ROUNDS_MAX + 1];
    char help[ROUNDS_MAX][512], kinds[ROUNDS_MAX][16];
} stream_options;

static void
describe_key(const kofn_key *key, char *ret_help, size_t size, char ret_kind[16])
{
    char bounds[256];
    kofn_key_format_bounds(key, bounds, sizeof bounds);
    (void)snprintf(ret_help, size, "%s%s%s", key->help, key->type == KOFN_KEY_CHOICE ? ": " : "",
                   key->type == KOFN_KEY_CHOICE ? bounds : "");
    if (ret_help[strcspn(ret_help, ": ")] == ' ') // else it begins with the name of a number
        ret_help[0] = (char)toupper((unsigned char)ret_help[0]);
    (void)snprintf(ret_kind, 16, "%s",
                   key->type == KOFN_KEY_CHOICE ? "NAME"
                   : key->type == KOFN_KEY_REAL ? "X"
                                                : "N");
}

static void
fill_options(stream_options *ret_options)
{
    memset(ret_options, 0, sizeof *ret_options);
    memcpy(ret_options->at, own_options, sizeof own_options);
    for (size_t i = 0; i < kofn_rounds_keys.count && i < ROUNDS_MAX; i++) {
        const kofn_key *key = &kofn_rounds_keys.at[i];
        describe_key(key, ret_options->help[i], sizeof ret_options->help[i], ret_options->kinds[i]);
        ret_options->at[OWN_OPTIONS + i] = (struct argp_option){.name = key->name,
                                                                .key = KEY_ROUNDS + (int)i,
                                                                .arg = ret_options->kinds[i],
                                                                .doc = ret_options->help[i],
                                                                .group = 5};
    }
}

static const struct argp_child children[] = {
    {&cli_listed_argp, 0, NULL, 0}, {&cli_connect_argp, 0, "Connection and output:", 80}, {0}};

static const char args_doc[] = "LIST|-";
static const char doc[] =
    "Multiply a list of pairs in rounds: what a straggler did not do of one product is done beside "
    "later ones.\vLIST has a line for each product: A.npy B.npy C.npy, or A.npy B.npy with -d; @ID "
    "is an operand that `kofn put` stored, a line that begins with # is none. A line that reads an "
    "earlier line's product waits until that is written. - is standard input, "
    "and another program may write it as it goes on: each product's name is printed once it is "
    "written, in the order of the list. A bad line, or a product that cannot be made, is told and "
    "passed over; the exit code is 3 then. With --json the stream's account is printed at the end, "
    "with a list of errors, the largest bound on a product's relative error (error_bound), and the "
    "lines whose products lost more than half of their digits (poor) or hold NaN or Inf "
    "(nonfinite). "
    "Ctrl-C cancels what is under way, and the account is of what was done. A stream whose master "
    "was started again goes on as another one: account and trace are of the last of them "
    "(streams says how many there were), but the number of products written is of all.";

static bool
is_given(const arguments *args, const char *name)
{
    const kofn_key *key = kofn_keys_find(kofn_rounds_keys, name);
    return key && args->given[key - kofn_rounds_keys.at];
}

static kofn_stream_options
options_of(const arguments *args)
{
    const kofn_rounds_config *rounds = &args->rounds;
    return (kofn_stream_options){
        .scheme = is_given(args, "scheme") ? kofn_scheme_name((kofn_scheme)rounds->scheme) : NULL,
        .code = args->product.code,
        .field = args->product.field,
        .slots = (uint64_t)rounds->slots,
        .delay = (uint64_t)rounds->delay,
        .lambda = (uint64_t)rounds->lambda,
        .failures = (uint64_t)rounds->failures,
        .window = (uint64_t)rounds->window,
        .burst = (uint64_t)rounds->burst,
        .tolerance = is_given(args, "tolerance") ? kofn_stream_number(rounds->tolerance) : 0,
        .rescue = is_given(args, "rescue") ? kofn_stream_number(rounds->rescue) : 0,
        .limit = (uint64_t)args->limit,
        .grace_ms = (args->grace_ns + 999999) / 1000000,
    };
}

/* ---- jobs ------------------------------------------------------------------------------------ */

typedef struct job {
    STAILQ_ENTRY(job) link;
    size_t line;
    cli_product product;
    char *operands[2], *output;
    char *sources[2], *target; // the same files by the one name that each has; NULL: it has none
    bool read, pushed;
} job;

typedef STAILQ_HEAD(job_list, job) job_list;

/* A product that was taken, and is not written. */
typedef struct finished {
    job *job;
    kofn_result *result;
} finished;

typedef struct session {
    arguments *args;
    kofn_client *client;
    kofn_stream *stream;        // NULL: not yet, or not any more
    kofn_stream_account opened; // the latest
    cli_pairs pairs;
    job_list jobs; // in the order of the list: those pushed, then the others
    finished finished[BATCH];
    size_t finished_count, finished_bytes;
    size_t done, failed;
    int output_reason;  // why a name could not be said on standard output, an errno; 0: all were
    bool untraced;      // no trace was written, though one was asked for
    size_t streams;     // that were opened
    bool account_lost;  // of the latest
    size_t fruitless;   // streams in a row that were lost before they brought anything
    json_t *errors;     // of {line, status, message}
    json_t *spoiled;    // of those, by target, while no later line has written that
    json_t *nonfinite;  // lines whose product holds NaN or Inf
    json_t *poor;       // lines whose product has lost more than half of its digits
    double error_bound; // the largest of those that were written; below 0: there is none
    int64_t start_ns;
    cli_quiet quiet;
    bool told_why; // nothing comes
    bool is_usage; // what ended it is the command's own finding, not the master's
    cli_progress progress;
} session;

static void
job_destroy(job **job_p)
{
    job *j = *job_p;
    *job_p = NULL;
    if (!j)
        return;
    cli_product_fini(&j->product);
    for (size_t i = 0; i < 2; i++) {
        free(j->operands[i]);
        free(j->sources[i]);
    }
    free(j->output);
    free(j->target);
    free(j);
}

static kofn_status
job_new(const arguments *args, const cli_pair *pair, job **ret_job, kofn_error *err)
{
    if (!pair->c && !args->folder)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "no word says where the product goes: A.npy B.npy C.npy, or give -d DIR");
    if (pair->c && cli_output_check_name(pair->c, err) != KOFN_OK)
        return err->status;
    job *j = calloc(1, sizeof *j);
    if (j) {
        j->line = pair->line;
        j->product = args->product;
        j->operands[0] = strdup(pair->a);
        j->operands[1] = strdup(pair->b);
        j->output = cli_pair_name_output(pair, args->folder);
    }
    if (!j || !j->operands[0] || !j->operands[1] || !j->output) {
        job_destroy(&j);
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a product");
    }
    j->product.count = 2;
    j->product.path[0] = j->operands[0];
    j->product.path[1] = j->operands[1];
    j->target = cli_output_locate(j->output);
    for (size_t i = 0; i < 2; i++)
        j->sources[i] =
            cli_product_is_stored(&j->product, i) ? NULL : cli_output_locate(j->operands[i]);
    *ret_job = j;
    return KOFN_OK;
}

/* A product that has no place to go is better known before it is made. */
static kofn_status
check_output(const job *j, kofn_error *err)
{
    if (cli_product_is_stored(&j->product, 0) || cli_product_is_stored(&j->product, 1))
        return KOFN_OK; // its shape is with the master
    const kofn_shape shape = cli_product_get_shape(&j->product);
    const kofn_dtype dtype = kofn_integers_get_product_dtype(j->product.npy[0].mat.dtype);
    return cli_output_check(j->output, dtype, shape.rows, shape.cols, err);
}

/* ---- what failed ----------------------------------------------------------------------------- */

/* One line of the list; the others go on, but for those that read its product (target NULL:
 * none). */
static void
tell_failure(session *s, size_t line, const char *target, const kofn_error *why)
{
    s->failed++;
    cli_progress_end(&s->progress);
    (void)cli_line(stderr, "kofn: %s:%zu: %s", s->pairs.name, line, why->text);
    json_t *object = json_pack("{s:I, s:s, s:s}", "line", (json_int_t)line, "status",
                               kofn_status_name(why->status), "message", why->text);
    if (target)
        (void)json_object_set_nocheck(s->spoiled, target, object);
    (void)json_array_append_new(s->errors, object); // NULL where there is no memory
}

/* Unless a later line failed at the same file. */
static void
tell_good(session *s, const job *j)
{
    const json_t *why = j->target ? json_object_get(s->spoiled, j->target) : NULL;
    if (why && json_integer_value(json_object_get(why, "line")) < (json_int_t)j->line)
        (void)json_object_del(s->spoiled, j->target); // it is there
}

/* As kofn multiply says it, of a product that is written all the same: no number is known of NaN
 * and Inf, and rounds do not wait for answers that decode better. */
static void
tell_quality(session *s, const job *j, const kofn_account *account)
{
    char text[CLI_QUALITY_MAX];
    const cli_quality quality = cli_quality_of(account);
    const bool is_poor = cli_quality_is_poor(&quality);
    if (!quality.nonfinite)
        s->error_bound = fmax(s->error_bound, quality.error_bound);
    if (!quality.nonfinite && !is_poor)
        return;
    cli_format_quality(&quality, text, sizeof text);
    cli_progress_end(&s->progress);
    if (is_poor)
        cli_say(&s->args->common,
                "%s:%zu: %s: %s, since its decode has condition %.0e: take another code, or fewer "
                "parts",
                s->pairs.name, j->line, j->output, text, quality.condition);
    else
        cli_say(&s->args->common, "%s:%zu: %s: %s", s->pairs.name, j->line, j->output, text);
    (void)json_array_append_new(is_poor ? s->poor : s->nonfinite,
                                json_integer((json_int_t)j->line));
}

/* ---- from the list to the stream ------------------------------------------------------------- */

static void
add_pair(session *s, const cli_pair *pair)
{
    kofn_error error;
    job *j = NULL;
    if (job_new(s->args, pair, &j, &error) == KOFN_OK)
        STAILQ_INSERT_TAIL(&s->jobs, j, link);
    else
        tell_failure(s, pair->line, NULL, &error);
}

/* Is a file of j's what another line writes? */
static bool
reads_from(const job *j, const job *other)
{
    for (size_t i = 0; i < 2; i++)
        if (j->sources[i] && other->target && strcmp(j->sources[i], other->target) == 0)
            return true;
    return false;
}

/* Does it read what an earlier line has yet to write? Later lines are not even looked at until
 * then, so what it waits for comes by itself. */
static bool
is_held(const session *s, const job *j)
{
    const job *before;
    STAILQ_FOREACH(before, &s->jobs, link)
    {
        if (before == j)
            break;
        if (reads_from(j, before))
            return true;
    }
    for (size_t i = 0; i < s->finished_count; i++)
        if (reads_from(j, s->finished[i].job))
            return true;
    return false;
}

/* A file that an earlier line failed to write holds what was there before: nothing of this list. */
static kofn_status
check_sources(const session *s, const job *j, kofn_error *err)
{
    for (size_t i = 0; i < 2; i++) {
        const json_t *why = j->sources[i] ? json_object_get(s->spoiled, j->sources[i]) : NULL;
        if (why)
            return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                             "%s is the product of line %lld, which failed: %s", j->operands[i],
                             (long long)json_integer_value(json_object_get(why, "line")),
                             json_string_value(json_object_get(why, "message")));
    }
    return KOFN_OK;
}

static void
drop_job(session *s, job *j, const kofn_error *why)
{
    tell_failure(s, j->line, j->target, why);
    STAILQ_REMOVE(&s->jobs, j, job, link);
    job_destroy(&j);
}

/* Arithmetic is of all jobs alike, so a code that cannot work in that of the first elements at hand
 * is wrong for the whole list, and told once. */
static kofn_status
judge_code(session *s, const job *j, kofn_error *err)
{
    const kofn_dtype dtype = j->product.npy[0].mat.dtype;
    if (s->streams > 0 || dtype == KOFN_DTYPE_NONE)
        return KOFN_OK;
    kofn_status status = kofn_code_choice_check(&j->product.code, dtype, j->product.field, err);
    s->is_usage = status != KOFN_OK;
    return status;
}

static kofn_status
read_job(session *s, job *j, kofn_error *err)
{
    kofn_error error;
    kofn_status status = check_sources(s, j, &error);
    if (status == KOFN_OK)
        status = cli_product_read(&j->product, &error);
    if (status != KOFN_OK && judge_code(s, j, err) != KOFN_OK)
        return err->status;
    if (status == KOFN_OK)
        status = check_output(j, &error);
    j->read = status == KOFN_OK;
    if (!j->read)
        drop_job(s, j, &error);
    return KOFN_OK;
}

/* Takes a line of the list if there is one in time. */
static kofn_status
read_pair(session *s, int timeout_ms, kofn_error *err)
{
    cli_pair pair;
    kofn_status status = cli_pairs_next(&s->pairs, timeout_ms, &pair, err);
    if (status == KOFN_OK && pair.line)
        add_pair(s, &pair);
    if (status == KOFN_INVALID_ARGUMENT && pair.line) {
        tell_failure(s, pair.line, NULL, err);
        return KOFN_OK;
    }
    return status;
}

static job *
find_unpushed(const session *s)
{
    job *j;
    STAILQ_FOREACH(j, &s->jobs, link)
    if (!j->pushed)
        return j;
    return NULL;
}

static kofn_status
push(session *s, job *j, kofn_error *err)
{
    kofn_error error;
    const kofn_matrix a = cli_product_get_matrix(&j->product, 0);
    const kofn_matrix b = cli_product_get_matrix(&j->product, 1);
    if (kofn_stream_count(s->stream) == 0) // nothing was waited for
        s->quiet.moved_ns = kofn_clock_ns();
    kofn_status status = kofn_stream_push(s->stream, &a, &b, j, &error);
    j->pushed = status == KOFN_OK;
    if (status == KOFN_OK)
        return KOFN_OK;
    if (status != KOFN_INVALID_ARGUMENT && status != KOFN_OUT_OF_RANGE && status != KOFN_NOT_FOUND)
        return kofn_fail(err, status, "%s", error.text); // the stream's
    drop_job(s, j, &error);
    return KOFN_OK;
}

/* ---- from the stream to files ---------------------------------------------------------------- */

/* Products are written all the same, but for a reader that is gone. */
static void
note_output(session *s, bool good)
{
    if (good || s->output_reason != 0)
        return;
    s->output_reason = errno;
    if (s->output_reason != EPIPE) // which ends the stream, and is told then
        (void)cli_line(stderr, "kofn: standard output: %s", strerror(s->output_reason));
}

static void
tell_written(session *s, finished *of, const kofn_error *outcome)
{
    if (outcome->status == KOFN_OK) {
        s->done++;
        tell_good(s, of->job);
        tell_quality(s, of->job, kofn_result_get_account(of->result));
        if (!s->args->common.json) {
            cli_progress_end(&s->progress);
            note_output(s, cli_line(stdout, "%s", of->job->output));
        }
    } else {
        tell_failure(s, of->job->line, of->job->target, outcome);
    }
    kofn_result_destroy(&of->result);
    job_destroy(&of->job);
}

/* One wait for the disk, and none is named before it is over. */
static void
write_finished(session *s)
{
    kofn_result_file files[BATCH];
    for (size_t i = 0; i < s->finished_count; i++)
        files[i] =
            (kofn_result_file){.result = s->finished[i].result, .path = s->finished[i].job->output};
    kofn_results_write_npy(files, s->finished_count);
    for (size_t i = 0; i < s->finished_count; i++)
        tell_written(s, &s->finished[i], &files[i].error);
    s->finished_count = s->finished_bytes = 0;
    note_output(s, fflush(stdout) == 0); // a program may wait for it
}

static void
finish_job(session *s, kofn_stream_product *product)
{
    job *j = product->context;
    kofn_result *result = product->result;
    STAILQ_REMOVE_HEAD(&s->jobs, link);
    if (!result) {
        tell_failure(s, j->line, j->target, &product->error);
        job_destroy(&j);
        return;
    }
    cli_product_fini(&j->product);
    s->finished[s->finished_count++] = (finished){.job = j, .result = result};
    s->finished_bytes += kofn_result_get_rows(result) * kofn_result_get_cols(result) *
                         kofn_dtype_width(kofn_result_get_dtype(result));
    if (s->finished_count == BATCH || s->finished_bytes >= BATCH_BYTES)
        write_finished(s);
}

/* What has come is written once there is nothing else to do: by then the master has as much as it
 * takes, and works while the disk does. */
static kofn_status
take_product(session *s, int64_t timeout_ms, kofn_error *err)
{
    kofn_stream_product product = {0};
    kofn_status status = KOFN_OK;
    if (s->stream && kofn_stream_count(s->stream) > 0)
        status = kofn_stream_next(s->stream, s->finished_count > 0 ? 0 : timeout_ms, &product, err);
    if (status != KOFN_OK)
        return status;
    if (product.index == 0) {
        write_finished(s);
        return KOFN_OK;
    }
    s->quiet.moved_ns = kofn_clock_ns();
    s->fruitless = 0;
    finish_job(s, &product);
    return KOFN_OK;
}

/* ---- the stream ------------------------------------------------------------------------------ */

/* The same numbers again, whoever is there by now: workers come back later than their master. */
static void
ask_again(const kofn_stream_account *before, kofn_stream_options *options)
{
    options->scheme = before->scheme;
    options->code = before->code;
    options->code.tasks = options->code.reserve = 0; // the scheme's
    options->field = before->field;
    options->slots = before->slots;
    options->delay = before->delay;
    options->lambda = before->lambda;
    options->failures = before->failures;
    options->window = before->window;
    options->burst = before->burst;
}

/* Arithmetic is of all jobs alike: left out, of the first one's elements where they are at hand. */
static kofn_status
open_stream(session *s, const job *first, kofn_error *err)
{
    kofn_stream_options options = options_of(s->args);
    const kofn_field *field = NULL;
    if (!options.field && !cli_product_is_stored(&first->product, 0) &&
        kofn_field_choose("", first->product.npy[0].mat.dtype, &field, NULL) == KOFN_OK)
        options.field = field->name;
    if (s->opened.stream[0])
        ask_again(&s->opened, &options);
    kofn_status status = kofn_client_open_stream(s->client, &options, &s->stream, err);
    kofn_field_destroy(&field);
    if (status != KOFN_OK)
        return status;
    s->opened = *kofn_stream_get_account(s->stream);
    s->streams++;
    return KOFN_OK;
}

/* The master was started again: what it had not answered is pushed anew. */
static kofn_status
reopen(session *s, const kofn_error *why, kofn_error *err)
{
    job *j;
    if (s->fruitless++ == REOPEN_MAX)
        return kofn_fail(err, why->status, "%s", why->text);
    cli_progress_end(&s->progress);
    cli_say(&s->args->common, "%s; a new stream goes on with them", why->text);
    kofn_stream_abandon(&s->stream);
    STAILQ_FOREACH(j, &s->jobs, link)
    j->pushed = false;
    return KOFN_OK;
}

static void
show(session *s)
{
    char line[512], unwritten[48] = "", quiet[400] = "";
    if (!s->stream)
        return;
    const int64_t now = kofn_clock_ns();
    const double seconds = (double)(now - s->start_ns) / 1e9;
    const size_t ready = kofn_stream_count_ready(s->stream), waiting = ready + s->finished_count;
    const bool news = s->quiet.why[0] && !s->told_why;
    s->told_why = s->quiet.why[0] != '\0';
    if (waiting > 0)
        (void)snprintf(unwritten, sizeof unwritten, ", %zu to be written", waiting);
    if (cli_quiet_is(&s->quiet, s->stream))
        (void)snprintf(quiet, sizeof quiet, ", none for %.0fs%s%s",
                       (double)(now - s->quiet.moved_ns) / 1e9, s->quiet.why[0] ? ": " : "",
                       s->quiet.why);
    (void)snprintf(line, sizeof line, "%s: %zu done, %zu failed%s, %zu under way, %.3g/s%s",
                   kofn_stream_get_account(s->stream)->stream, s->done, s->failed, unwritten,
                   kofn_stream_count(s->stream) - ready,
                   seconds > 0 ? (double)s->done / seconds : 0, quiet);
    cli_clean(line);
    cli_progress_say(&s->progress, now, news, line);
}

/* One thing: push what was read, read what there is room for, or take a product. */
static kofn_status
step(session *s, kofn_error *err)
{
    const size_t count = s->stream ? kofn_stream_count(s->stream) : 0;
    const bool room = !s->stream || count < kofn_stream_get_limit(s->stream);
    job *unpushed = find_unpushed(s);
    if (unpushed && !unpushed->read && is_held(s, unpushed))
        return take_product(s, WAIT_MS, err);
    if (unpushed && !unpushed->read)
        return read_job(s, unpushed, err);
    if (unpushed && !s->stream)
        return open_stream(s, unpushed, err);
    if (unpushed && room)
        return push(s, unpushed, err);
    if (!unpushed && room && !s->pairs.ended) {
        const size_t line = s->pairs.line;
        const bool idle = count == 0 && s->finished_count == 0;
        kofn_status status = read_pair(s, idle ? WAIT_MS : 0, err);
        if (status != KOFN_OK || s->pairs.line > line || idle)
            return status;
    }
    return take_product(s, room && !s->pairs.ended ? GLANCE_MS : WAIT_MS, err);
}

static kofn_status
run_list(session *s, kofn_error *err)
{
    kofn_error error;
    kofn_status status = KOFN_OK;
    while (status == KOFN_OK &&
           !(s->pairs.ended && STAILQ_EMPTY(&s->jobs) && s->finished_count == 0)) {
        if (cli_signals_get())
            return kofn_fail(err, KOFN_CANCELLED, "interrupted");
        status = step(s, &error);
        if (status == KOFN_ABORTED)
            status = reopen(s, &error, err);
        else if (status != KOFN_OK)
            return kofn_fail(err, status, "%s", error.text);
        if (status == KOFN_OK && s->output_reason == EPIPE)
            return kofn_fail(err, KOFN_ABORTED, "standard output: %s", strerror(EPIPE));
        if (status == KOFN_OK)
            status = cli_quiet_look(&s->quiet, s->client, s->stream, err);
        if (status == KOFN_OK)
            show(s);
    }
    return status;
}

/* ---- the command ----------------------------------------------------------------------------- */

/* Of the latest stream, what its master says; of all of them, what was written. An account that is
 * lost is left out: its zeros would be wrong. */
static json_t *
json_of(session *s, const kofn_stream_account *account)
{
    json_t *object = s->account_lost ? json_object() : cli_json_of_stream(account);
    const bool has_bound = s->error_bound >= 0 && isfinite(s->error_bound);
    json_t *list = json_pack("{s:I, s:I, s:o, s:O, s:O, s:O}", "written", (json_int_t)s->done,
                             "streams", (json_int_t)s->streams, "error_bound",
                             has_bound ? json_real(s->error_bound) : json_null(), "poor", s->poor,
                             "nonfinite", s->nonfinite, "errors", s->errors);
    if (!list || json_object_update(object, list) != 0) {
        json_decref(object);
        object = NULL;
    }
    json_decref(list);
    return object;
}

static void
say_account(session *s, const kofn_stream_account *account, size_t given_up)
{
    char seconds[32], lost[48] = "", accuracy[CLI_QUALITY_MAX + 2] = "; ";
    const cli_quality worst = {.error_bound = s->error_bound};
    cli_format_seconds((double)(kofn_clock_ns() - s->start_ns) / 1e9, seconds, sizeof seconds);
    if (!s->args->common.quiet && !s->account_lost && account->stream[0]) {
        cli_print_stream(stderr, account);
        if (s->streams > 1)
            cli_say(&s->args->common,
                    "that is of the last of %zu streams; those before it are lost", s->streams);
    }
    if (given_up > 0)
        (void)snprintf(lost, sizeof lost, ", %zu under way given up", given_up);
    if (s->error_bound >= 0)
        cli_format_quality(&worst, accuracy + 2, sizeof accuracy - 2);
    cli_say(&s->args->common, "%zu product%s in %s, %zu failed%s%s", s->done, cli_s(s->done),
            seconds, s->failed, lost, s->error_bound >= 0 ? accuracy : "");
}

static int
report(session *s, const kofn_stream_account *account)
{
    const bool good = s->failed == 0 && s->output_reason == 0 && !s->untraced;
    const int exit_code = good ? CLI_OK : CLI_FAILED;
    if (s->args->common.json) {
        const int printed = cli_print_json(json_of(s, account));
        return exit_code ? exit_code : printed;
    }
    say_account(s, account, 0);
    return s->output_reason ? exit_code : cli_finish(exit_code);
}

/* What was done is told, whatever ended it. */
static int
report_failure(session *s, const kofn_stream_account *account, size_t given_up,
               const kofn_error *error)
{
    const int exit_code =
        cli_fail_with(&s->args->common, error, s->is_usage ? CLI_USAGE : cli_exit_of(error->status),
                      s->args->common.json ? json_of(s, account) : NULL);
    if (!s->args->common.json && s->streams > 0)
        say_account(s, account, given_up);
    return s->output_reason ? exit_code : cli_finish(exit_code);
}

/* The master went after the last product, or is not heard of in time. */
static bool
is_gone(kofn_status status)
{
    return status == KOFN_ABORTED || status == KOFN_UNAVAILABLE ||
           (status == KOFN_CANCELLED && !cli_signals_get());
}

static void
tell_untraced(session *s, const kofn_error *why)
{
    s->untraced = true;
    (void)cli_line(stderr, "kofn: no trace was written: %s", why->text);
}

static void
write_trace(session *s, const kofn_stream_account *account, const kofn_stream_trace *trace)
{
    kofn_error error;
    if (s->args->trace &&
        cli_trace_write(s->args->trace, account, trace, s->streams, &error) != KOFN_OK)
        tell_untraced(s, &error);
}

/* No line, no stream. */
static kofn_status
close_stream(session *s, kofn_stream_account *ret_account, kofn_error *err)
{
    const char *path = s->args->trace;
    kofn_stream_trace trace = {0};
    kofn_status status = KOFN_OK;
    s->args->common.until_ns = kofn_clock_after(kofn_clock_ns(), CLOSE_NS);
    if (s->stream && path)
        status = kofn_stream_close_traced(&s->stream, ret_account, &trace, err);
    else if (s->stream)
        status = kofn_stream_close(&s->stream, ret_account, err);
    if (status == KOFN_CANCELLED && is_gone(status))
        status = kofn_fail(err, KOFN_UNAVAILABLE, "the master does not answer any more");
    if (status == KOFN_OK)
        write_trace(s, ret_account, &trace);
    kofn_stream_trace_fini(&trace);
    s->account_lost = status != KOFN_OK;
    if (!is_gone(status) || path)
        return status;
    cli_say(&s->args->common, "%s; all is written, and its account is lost", err->text);
    return KOFN_OK;
}

/* A stream that is broken off has an account and a trace, too, if its master can be asked. A second
 * Ctrl-C does not wait for that. */
static void
cancel_stream(session *s, kofn_stream_account *ret_account)
{
    const char *path = s->args->trace;
    const bool is_silent = cli_quiet_is_silent(&s->quiet);
    kofn_stream_trace trace = {0};
    kofn_error error;
    s->args->common.ends = true;
    s->args->common.until_ns = kofn_clock_after(kofn_clock_ns(), ASK_NS);
    kofn_status status =
        !s->stream || is_silent
            ? kofn_fail(&error, KOFN_UNAVAILABLE, "its stream is lost")
            : kofn_stream_cancel(&s->stream, ret_account, path ? &trace : NULL, &error);
    s->account_lost = status != KOFN_OK;
    if (status == KOFN_CANCELLED) // the time is over
        status = kofn_fail(&error, KOFN_UNAVAILABLE, "the master does not answer any more");
    if (status == KOFN_OK)
        write_trace(s, ret_account, &trace);
    else if (path)
        tell_untraced(s, &error);
    kofn_stream_trace_fini(&trace);
}

static int
run(session *s)
{
    kofn_error error;
    kofn_stream_account account = {0};
    cli_progress_init(&s->progress, &s->args->common);
    s->start_ns = s->quiet.moved_ns = kofn_clock_ns();
    s->quiet.away_ns = s->args->common.away_ns;
    kofn_status status = run_list(s, &error);
    write_finished(s); // where it was broken off, too
    const size_t given_up = s->stream ? kofn_stream_count(s->stream) : 0;
    cli_progress_end(&s->progress);
    if (status == KOFN_OK)
        status = close_stream(s, &account, &error);
    else
        cancel_stream(s, &account);
    return status == KOFN_OK ? report(s, &account) : report_failure(s, &account, given_up, &error);
}

/* What is wrong with every line is told once. Without a field it is the operands' that counts:
 * wrong is what is wrong for real numbers and for bytes. */
static kofn_status
check_code(const cli_product *product, kofn_error *err)
{
    const kofn_field *field = NULL;
    if (product->field && strcmp(product->field, "integers") == 0)
        return kofn_fail(
            err, KOFN_UNIMPLEMENTED,
            "streams are not made of integers: convert them to f64, or to u32 and take "
            "--field gfp:P");
    kofn_status status = product->field ? kofn_field_new(product->field, &field, err) : KOFN_OK;
    if (status != KOFN_OK)
        return status;
    status = kofn_code_choice_check(&product->code, field ? field->dtype : KOFN_F64, product->field,
                                    err);
    if (!field && kofn_code_choice_check(&product->code, KOFN_U8, NULL, NULL) == KOFN_OK)
        status = KOFN_OK;
    kofn_field_destroy(&field);
    return status;
}

static int
open_and_run(session *s)
{
    kofn_error error;
    int exit_code = CLI_USAGE; // whatever is wrong before anything was sent
    kofn_status status = check_code(&s->args->product, &error);
    if (status == KOFN_OK)
        status = cli_pairs_open(s->args->list, &s->pairs, &error);
    if (status == KOFN_OK)
        status = cli_output_make_folder(s->args->folder, &error);
    if (status == KOFN_OK && s->args->trace)
        status = cli_text_check(s->args->trace, &error);
    if (status == KOFN_OK)
        status = cli_open(&s->args->common, &s->client, &error);
    if (status == KOFN_OK)
        exit_code = run(s);
    else
        (void)cli_fail(&s->args->common, &error, exit_code);
    return exit_code;
}

int
cli_stream(int argc, char **argv)
{
    arguments args = {.common = {.insists = true, .away_ns = AWAY_NS}, .product = {.listed = true}};
    stream_options options;
    fill_options(&options);
    const struct argp argp = {.options = options.at,
                              .parser = parse_stream,
                              .args_doc = args_doc,
                              .doc = doc,
                              .children = children};
    cli_parse(&argp, argc, argv, &args);

    session *s = calloc(1, sizeof *s);
    if (!s)
        return CLI_FAILED;
    s->args = &args;
    s->errors = json_array();
    s->spoiled = json_object();
    s->nonfinite = json_array();
    s->poor = json_array();
    s->error_bound = -1;
    STAILQ_INIT(&s->jobs);
    const int exit_code = open_and_run(s);
    kofn_client_close(&s->client); // and with it a stream that is open
    for (job *j; (j = STAILQ_FIRST(&s->jobs));) {
        STAILQ_REMOVE_HEAD(&s->jobs, link);
        job_destroy(&j);
    }
    cli_pairs_close(&s->pairs);
    json_decref(s->errors);
    json_decref(s->spoiled);
    json_decref(s->nonfinite);
    json_decref(s->poor);
    free(s);
    return exit_code;
}
