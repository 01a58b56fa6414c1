/* What a stream is, from what was asked for, what is configured, and what follows from both. */
#include "master/stream.h"

#include "common/code/inner.h"

#include <stdlib.h>

/* Of what the rounds keep for each mini-task, each row of a job and each slot, about. */
enum { MINI_TASK_BYTES = 64, ROW_BYTES = 16, SLOT_BYTES = 256 };

static_assert((int)KOFN_STREAM_SLOTS_MAX == (int)KOFN_SLOTS_MAX &&
                  (int)KOFN_STREAM_DELAY_MAX == (int)KOFN_DELAY_MAX &&
                  (int)KOFN_STREAM_TRACE_MAX == (int)KOFN_TRACE_BYTES_MAX,
              "the protocol's limits are the scheduler's");

/* ---- rounds ---------------------------------------------------------------------------------- */

/* Numbers that hang together by one equation are configured together, or asked for together. */
static bool
names_shape(const kofn_msg_open_stream *asked)
{
    return asked->slots || asked->delay || asked->lambda || asked->failures || asked->window ||
           asked->burst;
}

static kofn_status
merge_rounds(const kofn_rounds_config *configured, const kofn_msg_open_stream *asked,
             kofn_rounds_config *ret_rounds, kofn_error *err)
{
    kofn_rounds_config rounds = *configured;
    kofn_status status = KOFN_OK;
    if (asked->scheme[0])
        status = kofn_keys_parse(kofn_rounds_keys, "scheme", asked->scheme, &rounds, err);
    if (!status && (names_shape(asked) || rounds.scheme != configured->scheme)) {
        rounds.slots = (int64_t)asked->slots; // the tables of messages bound them
        rounds.delay = (int64_t)asked->delay;
        rounds.lambda = (int64_t)asked->lambda;
        rounds.failures = (int64_t)asked->failures;
        rounds.window = (int64_t)asked->window;
        rounds.burst = (int64_t)asked->burst;
    }
    if (asked->tolerance != 0) // bounds are kofn_rounds_settle's
        rounds.tolerance = asked->tolerance < 0 ? 0 : asked->tolerance;
    if (asked->rescue != 0)
        rounds.rescue = asked->rescue < 0 ? 0 : asked->rescue;
    if (!status)
        *ret_rounds = rounds;
    return status;
}

static kofn_status
settle_slots(kofn_master *master, const kofn_field *field, kofn_rounds_config *rounds,
             kofn_error *err)
{
    const size_t there = kofn_sched_count_able(master->sched, field);
    if (rounds->slots > 0)
        return KOFN_OK;
    if (there == 0)
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "slots is 0, which is one for each worker, and none is connected that "
                         "computes in %s: say how many, or wait for workers",
                         field->name);
    rounds->slots = there < KOFN_SLOTS_MAX ? (int64_t)there : KOFN_SLOTS_MAX;
    return KOFN_OK;
}

/* ---- the inner code -------------------------------------------------------------------------- */

static kofn_status
merge_spec(const kofn_master *master, const kofn_msg_open_stream *asked, const kofn_field *field,
           kofn_code_spec *ret_spec, kofn_error *err)
{
    kofn_code_spec spec;
    kofn_status status = kofn_msg_code_to_spec(&asked->code, &spec, err);
    if (!status)
        status = kofn_code_spec_set_form(&spec, 0, err);
    if (status)
        return status;
    if (spec.tasks > 0 || spec.reserve > 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "the inner code has tasks %zu and reserve %zu: how many rows it has "
                         "follows from the scheme, leave both out",
                         spec.tasks, spec.reserve);
    if (kofn_code_spec_is_open(&spec) && spec.set_count == 0) {
        const kofn_code_spec named = spec;
        spec = master->config.stream_code;
        if (named.has_seed)
            spec.seed = named.seed, spec.has_seed = true;
        if (!kofn_code_spec_is_uncut(&named))
            spec.part = named.part;
    }
    if (!spec.has_seed) {
        spec.has_seed = true;
        spec.seed = 1;
    }
    spec.algorithms = master->config.known;
    status = kofn_inner_set_defaults(&spec, field, err);
    if (!status)
        *ret_spec = spec;
    return status;
}

/* Plain rows are all that there is: whatever family was named or configured has nothing to say. */
static void
take_no_code(kofn_code_spec *spec)
{
    snprintf(spec->family, sizeof spec->family, "uncoded");
    spec->set_count = 0;
}

/* What is left open of parameters; the number of rows is not known yet, and nothing depends on
 * it. */
static kofn_status
complete_spec(const kofn_field *field, kofn_code_spec *spec, kofn_error *err)
{
    const kofn_code_context context = {
        .field = field,
        .rows = KOFN_DIMENSION_MAX,
        .inner = KOFN_DIMENSION_MAX,
        .cols = KOFN_DIMENSION_MAX,
        .workers = 1,
        .exact = true,
        .reserve = KOFN_RESERVE_NONE,
    };
    return kofn_code_spec_complete(spec, &context, err);
}

/* Answers that a job takes: x y, unless the inner dimension is cut, and the family says. */
static kofn_status
find_need(kofn_stream *stream, kofn_error *err)
{
    const kofn_partition p = stream->spec.part;
    kofn_code_spec spec = stream->spec;
    kofn_thresholds k = {.exact = kofn_size_multiply(p.x, p.y)};
    if (k.exact > KOFN_TASKS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE, "x y = %zu x %zu is more than %d: fewer parts",
                         p.x, p.y, KOFN_TASKS_MAX);
    if (p.z <= 1)
        spec.tasks = k.exact; // the scheme's are counted later, and the family's own would be more
    kofn_status status = complete_spec(stream->field, &spec, err);
    if (!status && p.z > 1)
        status = kofn_code_spec_thresholds(&spec, stream->field, &k, err);
    stream->need = k.exact;
    stream->spec = spec;
    return status;
}

/* The same of a stream that is not cut yet, where the family has something to say; else 0. */
static size_t
get_need_of_cut(const kofn_stream *stream)
{
    kofn_stream like = *stream;
    return stream->spec.part.z > 1 && find_need(&like, NULL) == KOFN_OK ? like.need : 0;
}

static bool
takes_rows(const kofn_stream *stream, size_t rows)
{
    kofn_code_spec spec = stream->spec;
    kofn_thresholds k;
    spec.tasks = rows;
    return kofn_code_spec_thresholds(&spec, stream->field, &k, NULL) == KOFN_OK;
}

/* Coded rows that there can be of a cut that is given, which only its family knows. */
static size_t
count_rows_of_cut(const kofn_stream *stream, size_t need)
{
    size_t some = need, more = KOFN_TASKS_MAX + 1; // some can be had, more cannot
    if (takes_rows(stream, KOFN_TASKS_MAX))
        return SIZE_MAX;
    while (more - some > 1) {
        const size_t middle = some + (more - some) / 2;
        if (takes_rows(stream, middle))
            some = middle;
        else
            more = middle;
    }
    return some;
}

/* Over a small field what is left open is chosen so that there are points for all rows. */
static kofn_status
fit_field(kofn_stream *stream, kofn_error *err)
{
    const size_t need = get_need_of_cut(stream);
    if (stream->spec.part.z > 1 && need == 0)
        return KOFN_OK; // find_need says what is wrong
    const size_t points = need > 0 ? count_rows_of_cut(stream, need)
                                   : kofn_inner_count_rows(&stream->spec, stream->field);
    const kofn_status status =
        kofn_rounds_fit(&stream->rounds, need, points, &stream->spec.part, err);
    return status ? kofn_fail_within(err, "field %s has only %zu points for %s",
                                     stream->field->name, points, stream->spec.family)
                  : KOFN_OK;
}

static kofn_status
count_rows(kofn_stream *stream, kofn_error *err)
{
    size_t plain, coded;
    kofn_rounds_count_rows(&stream->rounds, stream->need, &plain, &coded);
    if (plain + coded > KOFN_TASKS_MAX)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "the inner code would have %zu rows for %d slots, need %d or fewer: take "
                         "fewer parts, slots or rounds",
                         plain + coded, (int)stream->rounds.slots, KOFN_TASKS_MAX);
    stream->plain = plain > 0 && coded > 0;
    stream->spec.tasks = coded > 0 ? coded : plain;
    stream->rows = plain + coded;
    return KOFN_OK;
}

size_t
kofn_stream_count_account(const kofn_stream *stream)
{
    return sizeof *stream + stream->limit * (sizeof *stream->places + sizeof(kofn_job));
}

/* The code, the rounds (each row of a job is a mini-task once), and records of jobs that are over:
 * those that are not are charged as jobs. Without overflow: sizes of a spec have 17 bits, of rounds
 * fewer. */
static size_t
count_bytes(const kofn_stream *stream)
{
    const kofn_partition p = stream->spec.part;
    const size_t rounds = (size_t)stream->rounds.delay + 1, slots = (size_t)stream->rounds.slots;
    const size_t copies = stream->rounds.rescue > 0 ? 2 : 1; // of a mini-task
    return kofn_stream_count_account(stream) + stream->rows * p.z * (p.x + p.y) * sizeof(double) +
           rounds * stream->rows * (copies * MINI_TASK_BYTES + ROW_BYTES) + slots * SLOT_BYTES +
           KOFN_TRACE_BYTES_MAX;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static kofn_status
settle_limits(const kofn_master *master, const kofn_msg_open_stream *asked, kofn_stream *stream,
              kofn_error *err)
{
    const size_t least = (size_t)stream->rounds.delay + 1;
    stream->limit = asked->limit ? (size_t)asked->limit : 2 * least;
    stream->grace_ns = asked->grace_ms ? (int64_t)asked->grace_ms * KOFN_NS_PER_MS
                                       : master->config.stream_grace_ns;
    if (stream->limit < least)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "limit %zu is less than T + 1 = %zu: a job may end only when as many were "
                         "pushed",
                         stream->limit, least);
    stream->places = calloc(stream->limit, sizeof *stream->places);
    if (!stream->places)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for another stream");
    return KOFN_OK;
}

static kofn_status
choose_field(const char *name, const kofn_field **ret_field, kofn_error *err)
{
    if (strcmp(name, "integers") == 0)
        return kofn_fail(err, KOFN_UNIMPLEMENTED,
                         "streams are not made of integers; take f64, or u32 elements and a field "
                         "gfp:P");
    return kofn_field_new(name[0] ? name : "f64", ret_field, err);
}

static kofn_status
fill(kofn_master *master, const kofn_msg_open_stream *asked, kofn_stream *stream, kofn_error *err)
{
    kofn_status status = choose_field(asked->field, &stream->field, err);
    if (!status)
        status = merge_rounds(&master->config.streams, asked, &stream->rounds, err);
    if (!status)
        status = settle_slots(master, stream->field, &stream->rounds, err);
    if (!status)
        status = merge_spec(master, asked, stream->field, &stream->spec, err);
    if (status)
        return status;
    if (stream->rounds.scheme == KOFN_SCHEME_UNCODED)
        take_no_code(&stream->spec);
    status = fit_field(stream, err);
    if (!status)
        status = find_need(stream, err);
    if (!status)
        status = kofn_rounds_check_need(&stream->rounds, stream->need, err);
    if (!status)
        status = kofn_rounds_settle(&stream->rounds, stream->need, err);
    if (!status)
        status = count_rows(stream, err);
    if (!status)
        status = settle_limits(master, asked, stream, err);
    if (!status)
        stream->charge = count_bytes(stream);
    return status;
}

kofn_status
kofn_stream_settle(kofn_master *master, const kofn_msg_open_stream *asked, kofn_stream **ret_stream,
                   kofn_error *err)
{
    kofn_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for another stream");
    STAILQ_INIT(&stream->closers);
    const kofn_status status = fill(master, asked, stream, err);
    if (status)
        kofn_streams_free_record(&stream);
    else
        *ret_stream = stream;
    return status;
}

void
kofn_streams_free_record(kofn_stream **stream_p)
{
    kofn_stream *stream = *stream_p;
    if (!stream)
        return;

    kofn_code_destroy(&stream->code);
    kofn_field_destroy(&stream->field);
    free(stream->trace.at);
    free(stream->places);
    free(stream);
    *stream_p = NULL;
}
