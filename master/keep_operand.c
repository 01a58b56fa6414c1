/* Stored operands as records: a small body, and the elements in slot 0. */
#include "master/keep.h"
#include "master/operands.h"

enum { IN_USE = 1, DROPPED = 2 }; // states of a record: on disk, never renumber

typedef struct kept_operand {
    kofn_msg_matrix matrix;
    bool transposed;
} kept_operand;

static const kofn_wire_field fields[] = {
    {.name = "matrix",
     .type = KOFN_WIRE_MESSAGE,
     .required = true,
     .offset = offsetof(kept_operand, matrix),
     .size = sizeof(kofn_msg_matrix),
     .of = &kofn_matrix_message,
     .help = "its shape"},
    {.name = "transposed",
     .type = KOFN_WIRE_BOOL,
     .offset = offsetof(kept_operand, transposed),
     .size = sizeof(bool),
     .help = "the operand is the transpose of it"},
};
static const kofn_wire_message kept_operand_message = {.name = "kept_operand",
                                                       .fields = fields,
                                                       .count = sizeof fields / sizeof fields[0],
                                                       .struct_size = sizeof(kept_operand),
                                                       .help = "a stored operand on disk"};

static void
on_done(kofn_keep_request *request)
{
    kofn_error err = request->store.error;
    kofn_bands elements = {0};
    kofn_status status = err.status;
    if (request->store.verb == KOFN_STORE_FETCH)
        status = kofn_keep_take_fetched(request, &elements, &err);
    if (request->operand_done)
        request->operand_done(request->about, status ? &err : NULL, &elements);
    else if (status) // nobody waits; the next start finds it
        kofn_log_write(kofn_keep_get_log(request->keep), KOFN_LOG_WARNING, "operand_not_removed",
                       err.text, "operand=%016" PRIx64, request->store.record.id);
    kofn_bands_fini(&elements);
}

static kofn_keep_request *
new_request(kofn_keep *keep, kofn_store_verb verb, uint64_t id, kofn_kept_operand_done *done,
            void *operand)
{
    kofn_error err;
    kofn_keep_request *request = kofn_keep_request_new(keep, verb, KOFN_STORE_OPERAND, id, &err);
    if (!request) {
        if (done)
            done(operand, &err, NULL);
        return NULL;
    }
    request->done = on_done;
    request->operand_done = done;
    request->about = operand;
    return request;
}

static kofn_status
fill_record(kofn_keep_request *request, const kofn_kept_operand *what, kofn_error *err)
{
    kofn_store_record *record = &request->store.record;
    kept_operand body = {.matrix = {.rows = what->rows, .cols = what->cols},
                         .transposed = what->transposed};
    snprintf(body.matrix.dtype, sizeof body.matrix.dtype, "%s", kofn_dtype_name(what->dtype));
    snprintf(record->owner, sizeof record->owner, "%s", what->owner);
    snprintf(record->key, sizeof record->key, "%s", what->key);
    record->state = what->dropped ? DROPPED : IN_USE;
    record->created_ms = what->stored_ms;
    return kofn_message_pack(&kept_operand_message, &body, &request->body, err);
}

void
kofn_keep_operand(kofn_keep *keep, const kofn_kept_operand *what, const kofn_bands *bands,
                  kofn_kept_operand_done *done, void *operand)
{
    kofn_error err;
    kofn_keep_request *request = new_request(keep, KOFN_STORE_PUT, what->id, done, operand);
    if (!request)
        return;
    if (fill_record(request, what, &err) != KOFN_OK) {
        kofn_keep_request_destroy(&request);
        if (done)
            done(operand, &err, NULL);
        return;
    }
    request->store.is_new = bands != NULL;
    if (bands) {
        request->store.matrix_count = 1;
        request->store.matrices[0] = (kofn_store_matrix){.slot = 0, .bands = bands};
    }
    kofn_keep_submit(&request);
}

void
kofn_keep_fetch_elements(kofn_keep *keep, uint64_t id, kofn_kept_operand_done *done, void *operand)
{
    kofn_keep_request *request = new_request(keep, KOFN_STORE_FETCH, id, done, operand);
    if (request)
        kofn_keep_submit(&request);
}

void
kofn_keep_remove_operand(kofn_keep *keep, uint64_t id, kofn_kept_operand_done *done, void *operand)
{
    kofn_keep_request *request = new_request(keep, KOFN_STORE_REMOVE, id, done, operand);
    if (request)
        kofn_keep_submit(&request);
}

/* ---- at the start ---------------------------------------------------------------------------- */

static kofn_status
read_record(const kofn_store_record *record, kofn_kept_operand *ret_what, kofn_error *err)
{
    kept_operand body;
    const kofn_status status =
        kofn_message_unpack(&kept_operand_message, record->body, record->body_bytes, &body, err);
    if (status)
        return status;
    *ret_what = (kofn_kept_operand){
        .id = record->id,
        .owner = record->owner,
        .key = record->key,
        .transposed = body.transposed,
        .dropped = record->state == DROPPED,
        .dtype = kofn_dtype_parse(body.matrix.dtype),
        .rows = body.matrix.rows,
        .cols = body.matrix.cols,
        .stored_ms = record->created_ms,
    };
    if (ret_what->dtype == KOFN_DTYPE_NONE)
        return kofn_fail(err, KOFN_DATA_LOSS, "its dtype is '%s'", body.matrix.dtype);
    return KOFN_OK;
}

/* One that is broken is left where it is, for whoever wants to look. */
kofn_status
kofn_keep_restore_operand(kofn_master *master, const kofn_store_record *record,
                          const kofn_error *broken, kofn_error *err)
{
    kofn_kept_operand what;
    kofn_error why;
    if (broken)
        why = *broken;
    else if (read_record(record, &what, &why) == KOFN_OK &&
             kofn_operands_restore(master->operands, &what, &why) == KOFN_OK)
        return KOFN_OK;
    if (why.status == KOFN_RESOURCE_EXHAUSTED) {
        *err = why;
        return why.status;
    }
    kofn_log_write(&master->log, KOFN_LOG_ERROR, "operand_lost", why.text, "operand=%016" PRIx64,
                   record->id);
    return KOFN_OK;
}
