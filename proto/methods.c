/* What both sides agree on: versions, the methods that a client can call, and what a master says of
 * itself. Reflect is read off the tables, so it cannot be out of date.
 */
#include "proto/messages.h"

#include "common/base/keys.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

kofn_status
kofn_version_agree(uint64_t theirs, uint64_t *ret_version, kofn_error *err)
{
    if (theirs < KOFN_PROTOCOL_VERSION_MIN || theirs > KOFN_PROTOCOL_VERSION + 1)
        return kofn_fail(err, KOFN_UNIMPLEMENTED,
                         "protocol version %" PRIu64 " is not understood, versions %d to %d are: "
                         "update the older side",
                         theirs, KOFN_PROTOCOL_VERSION_MIN, KOFN_PROTOCOL_VERSION);
    *ret_version = theirs < KOFN_PROTOCOL_VERSION ? theirs : KOFN_PROTOCOL_VERSION;
    return KOFN_OK;
}

static const kofn_method_info methods[KOFN_METHOD_COUNT] = {
    [KOFN_METHOD_MULTIPLY] = {"kofn.v1.Master/Multiply", &kofn_product_message,
                              &kofn_outcome_message, "multiply and reply with the product"},
    [KOFN_METHOD_SUBMIT] = {"kofn.v1.Master/Submit", &kofn_product_message, &kofn_job_ref_message,
                            "accept a product as a job and reply with its id at once"},
    [KOFN_METHOD_WAIT] = {"kofn.v1.Master/Wait", &kofn_job_ref_message, &kofn_outcome_message,
                          "reply when the job has ended, with its product"},
    [KOFN_METHOD_WATCH] = {"kofn.v1.Master/Watch", &kofn_job_ref_message, &kofn_outcome_message,
                           "send events as the job moves, and reply without product when it has "
                           "ended"},
    [KOFN_METHOD_CANCEL] = {"kofn.v1.Master/Cancel", &kofn_job_ref_message, &kofn_outcome_message,
                            "end the job with CANCELLED; one that has ended stays as it is"},
    [KOFN_METHOD_GET_JOB] = {"kofn.v1.Master/GetJob", &kofn_job_ref_message, &kofn_outcome_message,
                             "the job as it is now, without product"},
    [KOFN_METHOD_LIST_JOBS] = {"kofn.v1.Master/ListJobs", &kofn_list_jobs_message,
                               &kofn_jobs_message, "jobs that the master remembers"},
    [KOFN_METHOD_PUT_OPERAND] = {"kofn.v1.Master/PutOperand", &kofn_put_operand_message,
                                 &kofn_operand_ref_message,
                                 "store a matrix for use in many products and reply with its id"},
    [KOFN_METHOD_DROP_OPERAND] = {"kofn.v1.Master/DropOperand", &kofn_operand_ref_message,
                                  &kofn_nothing_message,
                                  "forget a stored operand; it goes when the last job that uses it "
                                  "has ended"},
    [KOFN_METHOD_LIST_OPERANDS] = {"kofn.v1.Master/ListOperands", &kofn_nothing_message,
                                   &kofn_operands_message, "stored operands"},
    [KOFN_METHOD_OPEN_STREAM] = {"kofn.v1.Master/OpenStream", &kofn_open_stream_message,
                                 &kofn_stream_message,
                                 "open a stream of products that share rounds"},
    [KOFN_METHOD_PUSH] = {"kofn.v1.Master/Push", &kofn_push_message, &kofn_outcome_message,
                          "the stream's next job; reply with the product, in the order of the "
                          "jobs"},
    [KOFN_METHOD_CLOSE_STREAM] = {"kofn.v1.Master/CloseStream", &kofn_close_stream_message,
                                  &kofn_stream_message,
                                  "take no further jobs, and reply when the last one has ended"},
    [KOFN_METHOD_LIST_STREAMS] = {"kofn.v1.Master/ListStreams", &kofn_nothing_message,
                                  &kofn_streams_message, "streams that the master knows"},
    [KOFN_METHOD_LIST_WORKERS] = {"kofn.v1.Master/ListWorkers", &kofn_nothing_message,
                                  &kofn_workers_message, "connected workers"},
    [KOFN_METHOD_LIST_CODES] =
        {"kofn.v1.Master/ListCodes", &kofn_nothing_message, &kofn_codes_message,
         "code families, their parameters, scheduling policies, and bilinear "
         "algorithms"},
    [KOFN_METHOD_PLAN_CODE] = {"kofn.v1.Master/PlanCode", &kofn_plan_query_message,
                               &kofn_plan_message,
                               "which codes fit a product, and how long they would take"},
    [KOFN_METHOD_CHECK] = {"kofn.v1.Master/Check", &kofn_check_message, &kofn_health_message,
                           "health, with gRPC's values"},
    [KOFN_METHOD_REFLECT] = {"kofn.v1.Master/Reflect", &kofn_nothing_message,
                             &kofn_reflection_message, "methods, messages, fields and limits"},
};

const kofn_method_info *
kofn_method_get(kofn_method method)
{
    assert(method < KOFN_METHOD_COUNT);
    return &methods[method];
}

static kofn_status
fail_unknown_method(const char *name, kofn_error *err)
{
    const char *names[KOFN_METHOD_COUNT];
    for (size_t i = 0; i < KOFN_METHOD_COUNT; i++)
        names[i] = methods[i].name;
    const char *nearest = kofn_nearest_name(name, names, KOFN_METHOD_COUNT);
    if (nearest)
        return kofn_fail(err, KOFN_UNIMPLEMENTED, "no method '%s': did you mean '%s'?", name,
                         nearest);
    return kofn_fail(err, KOFN_UNIMPLEMENTED, "no method '%s': call '%s' for a list", name,
                     methods[KOFN_METHOD_REFLECT].name);
}

kofn_status
kofn_method_find(const char *name, kofn_method *ret_method, kofn_error *err)
{
    for (size_t i = 0; i < KOFN_METHOD_COUNT; i++) {
        if (strcmp(methods[i].name, name) == 0) {
            *ret_method = (kofn_method)i;
            return KOFN_OK;
        }
    }
    return fail_unknown_method(name, err);
}

/* ---- Reflect --------------------------------------------------------------------------------- */

static const kofn_msg_limit_info limits[] = {
    {"KOFN_PROTOCOL_VERSION", KOFN_PROTOCOL_VERSION},
    {"KOFN_PROTOCOL_VERSION_MIN", KOFN_PROTOCOL_VERSION_MIN},
    {"KOFN_ENVELOPE_BYTES_MAX", KOFN_ENVELOPE_BYTES_MAX},
    {"KOFN_ENVELOPE_DEPTH_MAX", KOFN_ENVELOPE_DEPTH_MAX},
    {"KOFN_ENVELOPE_ITEMS_MAX", KOFN_ENVELOPE_ITEMS_MAX},
    {"KOFN_MESSAGE_FRAMES_MAX", KOFN_MESSAGE_FRAMES_MAX},
    {"KOFN_MATRIX_FRAMES_MAX", KOFN_MATRIX_FRAMES_MAX},
    {"KOFN_SMALL_FRAMES_MAX", KOFN_SMALL_FRAMES_MAX},
    {"KOFN_SMALL_FRAME_BYTES", KOFN_SMALL_FRAME_BYTES},
    {"KOFN_FRAME_BYTES_MAX", KOFN_FRAME_BYTES_MAX},
    {"KOFN_CHUNK_BYTES", KOFN_CHUNK_BYTES},
    {"KOFN_CHUNK_BYTES_CURVE", KOFN_CHUNK_BYTES_CURVE},
    {"KOFN_WINDOW_BYTES", KOFN_WINDOW_BYTES},
    {"KOFN_DIMENSION_MAX", KOFN_DIMENSION_MAX},
    {"KOFN_LIST_MAX", KOFN_LIST_MAX},
    {"KOFN_CALLS_MAX", KOFN_CALLS_MAX},
    {"KOFN_STREAM_SLOTS_MAX", KOFN_STREAM_SLOTS_MAX},
    {"KOFN_STREAM_DELAY_MAX", KOFN_STREAM_DELAY_MAX},
    {"KOFN_STREAM_JOBS_MAX", KOFN_STREAM_JOBS_MAX},
};

/* Names and helps are our own literals; one that is cut shows in the test that reads them back. */
static void
set_text(char *to, size_t size, const char *text)
{
    (void)snprintf(to, size, "%s", text);
}

static kofn_status
fill_methods(kofn_wire_list *ret_list, kofn_error *err)
{
    kofn_status status =
        kofn_wire_list_new(KOFN_METHOD_COUNT, sizeof(kofn_msg_method_info), ret_list, err);
    if (status != KOFN_OK)
        return status;

    kofn_msg_method_info *infos = ret_list->at;
    for (size_t i = 0; i < KOFN_METHOD_COUNT; i++) {
        set_text(infos[i].name, sizeof infos[i].name, methods[i].name);
        set_text(infos[i].request, sizeof infos[i].request, methods[i].request->name);
        set_text(infos[i].reply, sizeof infos[i].reply, methods[i].reply->name);
        set_text(infos[i].help, sizeof infos[i].help, methods[i].help);
    }
    return KOFN_OK;
}

static void
fill_field(const kofn_wire_field *field, kofn_msg_field_info *ret_info)
{
    set_text(ret_info->name, sizeof ret_info->name, field->name);
    kofn_wire_type_format(field, ret_info->type, sizeof ret_info->type);
    ret_info->required = field->required;
    ret_info->max = kofn_wire_field_max(field);
    set_text(ret_info->help, sizeof ret_info->help, field->help);
}

static kofn_status
fill_message(const kofn_wire_message *of, kofn_msg_message_info *ret_info, kofn_error *err)
{
    kofn_status status =
        kofn_wire_list_new(of->count, sizeof(kofn_msg_field_info), &ret_info->fields, err);
    if (status != KOFN_OK)
        return status;

    kofn_msg_field_info *fields = ret_info->fields.at;
    for (size_t i = 0; i < of->count; i++)
        fill_field(&of->fields[i], &fields[i]);
    set_text(ret_info->name, sizeof ret_info->name, of->name);
    set_text(ret_info->help, sizeof ret_info->help, of->help);
    ret_info->envelope = of->envelope;
    return KOFN_OK;
}

static kofn_status
fill_messages(kofn_wire_list *ret_list, kofn_error *err)
{
    kofn_status status =
        kofn_wire_list_new(kofn_messages_count(), sizeof(kofn_msg_message_info), ret_list, err);
    kofn_msg_message_info *infos = ret_list->at;
    for (size_t i = 0; status == KOFN_OK && i < ret_list->count; i++)
        status = fill_message(kofn_messages_at(i), &infos[i], err);
    return status;
}

static kofn_status
fill_limits(kofn_wire_list *ret_list, kofn_error *err)
{
    kofn_status status =
        kofn_wire_list_new(sizeof limits / sizeof limits[0], sizeof limits[0], ret_list, err);
    if (status == KOFN_OK)
        memcpy(ret_list->at, limits, sizeof limits);
    return status;
}

kofn_status
kofn_msg_reflection_fill(kofn_msg_reflection *ret_reflection, kofn_error *err)
{
    kofn_msg_reflection reflection = {.version = KOFN_PROTOCOL_VERSION};
    kofn_status status = fill_methods(&reflection.methods, err);
    if (status == KOFN_OK)
        status = fill_messages(&reflection.messages, err);
    if (status == KOFN_OK)
        status = fill_limits(&reflection.limits, err);
    if (status == KOFN_OK)
        *ret_reflection = reflection;
    else
        kofn_message_clear(&kofn_reflection_message, &reflection);
    return status;
}
