#include "proto/messages.h"

#include "tests/assert.h"

#include <math.h>

static kofn_error error;

/* ---- tables ---------------------------------------------------------------------------------- */

static size_t
width_of(const kofn_wire_field *field)
{
    switch (field->type) {
    case KOFN_WIRE_BOOL:
        return sizeof(bool);
    case KOFN_WIRE_U64:
    case KOFN_WIRE_I64:
    case KOFN_WIRE_F64:
        return 8;
    case KOFN_WIRE_MESSAGE:
        return field->of->struct_size;
    case KOFN_WIRE_LIST:
        return sizeof(kofn_wire_list);
    case KOFN_WIRE_BYTES:
        return sizeof(kofn_wire_bytes);
    case KOFN_WIRE_RAW:
        return sizeof(kofn_wire_raw);
    case KOFN_WIRE_TEXT:
        break;
    }
    return field->size; // any
}

static void
every_table_fits_its_struct(void **state)
{
    (void)state;
    for (size_t m = 0; m < kofn_messages_count(); m++) {
        const kofn_wire_message *of = kofn_messages_at(m);
        assert_true(of->count <= KOFN_WIRE_FIELDS_MAX);
        for (size_t i = 0; i < of->count; i++) {
            const kofn_wire_field *field = &of->fields[i];
            assert_int_equal(field->size, width_of(field));
            assert_true(field->offset + field->size <= of->struct_size);
            assert_true(field->size <= KOFN_TEXT_MAX || field->type != KOFN_WIRE_TEXT);
            assert_true(field->help && *field->help && strlen(field->help) < KOFN_TEXT_MAX);
            for (size_t j = 0; j < i; j++) {
                assert_string_not_equal(field->name, of->fields[j].name);
                assert_int_not_equal(field->offset, of->fields[j].offset);
            }
        }
    }
}

static void
envelopes_are_found_by_type_and_nothing_else_is(void **state)
{
    (void)state;
    size_t envelopes = 0;
    for (size_t m = 0; m < kofn_messages_count(); m++) {
        const kofn_wire_message *of = kofn_messages_at(m);
        assert_ptr_equal(kofn_envelope_find(of->name), of->envelope ? of : NULL);
        envelopes += of->envelope;
    }
    assert_int_equal(envelopes, 17);
    assert_null(kofn_envelope_find(""));
    assert_null(kofn_envelope_find("nonsense"));
}

static void
an_empty_struct_of_every_message_packs_and_unpacks(void **state)
{
    (void)state;
    for (size_t m = 0; m < kofn_messages_count(); m++) {
        const kofn_wire_message *of = kofn_messages_at(m);
        void *message = calloc(1, of->struct_size);
        kofn_wire_buffer buffer = {0};
        assert_non_null(message);
        assert_ok(kofn_message_pack(of, message, &buffer, &error));
        assert_ok(kofn_message_unpack(of, buffer.at, buffer.length, message, &error));
        kofn_message_clear(of, message);
        kofn_wire_buffer_fini(&buffer);
        free(message);
    }
}

/* Every number at its largest, every text at its longest. */
static void
fill_to_the_brim(const kofn_wire_message *of, void *message)
{
    for (size_t i = 0; i < of->count; i++) {
        const kofn_wire_field *field = &of->fields[i];
        void *at = (char *)message + field->offset;
        const double max = kofn_wire_field_max(field);
        if (field->type == KOFN_WIRE_MESSAGE)
            fill_to_the_brim(field->of, at);
        else if (field->type == KOFN_WIRE_TEXT)
            memset(at, 'x', field->size - 1);
        else if (field->type == KOFN_WIRE_U64)
            *(uint64_t *)at = max > 0 ? (uint64_t)max : UINT64_MAX;
        else if (field->type == KOFN_WIRE_F64)
            *(double *)at = 0.1;
        else if (field->type == KOFN_WIRE_BOOL)
            *(bool *)at = true;
    }
}

static void
assert_fits(const kofn_wire_message *of, const void *message)
{
    kofn_wire_buffer buffer = {0};
    void *again = malloc(of->struct_size);
    assert_non_null(again);
    assert_ok(kofn_message_pack(of, message, &buffer, &error));
    assert_ok(kofn_message_unpack(of, buffer.at, buffer.length, again, &error));
    print_message("%s: %zu bytes\n", of->name, buffer.length);
    assert_true(buffer.length <= KOFN_ENVELOPE_BYTES_MAX - 2048); // and the reply around it
    kofn_message_clear(of, again);
    free(again);
    kofn_wire_buffer_fini(&buffer);
}

static void
the_longest_lists_fit_an_envelope(void **state)
{
    (void)state;
    kofn_msg_jobs jobs = {0};
    kofn_msg_workers workers = {0};
    kofn_msg_plan plan = {0};
    assert_ok(
        kofn_wire_list_new(KOFN_PLAN_LISTED_MAX, sizeof(kofn_msg_plan_row), &plan.rows, &error));
    for (size_t i = 0; i < plan.rows.count; i++)
        fill_to_the_brim(&kofn_plan_row_message, (kofn_msg_plan_row *)plan.rows.at + i);
    assert_fits(&kofn_plan_message, &plan);
    kofn_message_clear(&kofn_plan_message, &plan);
    assert_ok(kofn_wire_list_new(KOFN_JOBS_LISTED_MAX, sizeof(kofn_msg_job), &jobs.jobs, &error));
    assert_ok(kofn_wire_list_new(KOFN_WORKERS_LISTED_MAX, sizeof(kofn_msg_worker), &workers.workers,
                                 &error));
    for (size_t i = 0; i < jobs.jobs.count; i++)
        fill_to_the_brim(&kofn_job_message, (kofn_msg_job *)jobs.jobs.at + i);
    for (size_t i = 0; i < workers.workers.count; i++)
        fill_to_the_brim(&kofn_worker_message, (kofn_msg_worker *)workers.workers.at + i);
    assert_fits(&kofn_jobs_message, &jobs);
    assert_fits(&kofn_workers_message, &workers);
    kofn_message_clear(&kofn_jobs_message, &jobs);
    kofn_message_clear(&kofn_workers_message, &workers);
}

/* ---- other languages ------------------------------------------------------------------------- */

/* PROTOCOL.md's worked example, as python3-msgpack 1.0.3 packs it. */
static const unsigned char python_call[] = "\x86\xa4type\xa4"
                                           "call\xa7version\x01\xa4"
                                           "call\x01\xa6method\xb7kofn.v1.Master/Multiply"
                                           "\xaatimeout_ms\xcdu0\xa4"
                                           "body\x82\xa1"
                                           "a\x83\xa5"
                                           "dtype\xa3"
                                           "f64\xa4rows\x02\xa4"
                                           "cols\x02\xa1"
                                           "b\x83\xa5"
                                           "dtype\xa3"
                                           "f64\xa4rows\x02\xa4"
                                           "cols\x01";

static void
a_call_packed_by_python_is_read(void **state)
{
    (void)state;
    kofn_msg_call call;
    kofn_msg_product product;
    char type[KOFN_NAME_MAX];
    const size_t length = sizeof python_call - 1;
    assert_ok(kofn_message_peek(python_call, length, "type", type, sizeof type, &error));
    assert_ptr_equal(kofn_envelope_find(type), &kofn_call_message);
    assert_ok(kofn_message_unpack(&kofn_call_message, python_call, length, &call, &error));
    assert_int_equal(call.version, 1);
    assert_int_equal(call.call, 1);
    assert_string_equal(call.method, "kofn.v1.Master/Multiply");
    assert_int_equal(call.timeout_ms, 30000);
    assert_int_equal(call.window, 0);
    assert_ok(kofn_message_unpack(&kofn_product_message, call.body.bytes, call.body.length,
                                  &product, &error));
    assert_string_equal(product.a.dtype, "f64");
    assert_int_equal(product.a.rows, 2);
    assert_int_equal(product.b.cols, 1);
    kofn_message_clear(&kofn_product_message, &product);
}

/* msgpack.packb of a reply whose body has what Python likes: None, floats for whole numbers where a
 * float is meant, str16 and a nested list, and keys of a later version. */
static const unsigned char python_reply[] = "\x85\xa4type\xa5reply\xa7version\x02\xa4"
                                            "call\xcc\xc8\xa7message\xc0\xa4"
                                            "body\x83\xa3"
                                            "job\x85\xa2id\xb0"
                                            "00c0ffee00c0ffee\xa5state\xa4"
                                            "done\xa8progress\x01\xa4"
                                            "code\x82\xa6"
                                            "family\xa4rkrp\xa4sets\x91\x82\xa4name\xaasystematic"
                                            "\xa5value\xa3yes\xa7seconds\x81\xa5total\xcb"
                                            "\x3f\xf8\0\0\0\0\0\0\xa1"
                                            "c\x83\xa5"
                                            "dtype\xa3"
                                            "f64\xa4rows\x02\xa4"
                                            "cols\x01\xa6novels\x93\x01\xc0\xc4\x01z";

static void
a_reply_packed_by_python_is_read(void **state)
{
    (void)state;
    kofn_msg_reply reply;
    kofn_msg_outcome outcome;
    assert_ok(kofn_message_unpack(&kofn_reply_message, python_reply, sizeof python_reply - 1,
                                  &reply, &error));
    assert_int_equal(reply.call, 200);
    assert_int_equal(reply.status, KOFN_OK);
    assert_ok(kofn_message_unpack(&kofn_outcome_message, reply.body.bytes, reply.body.length,
                                  &outcome, &error));
    assert_string_equal(outcome.job.id, "00c0ffee00c0ffee");
    assert_true(outcome.job.progress == 1 && outcome.job.seconds.total == 1.5);
    assert_int_equal(outcome.job.code.sets.count, 1);
    assert_string_equal(((kofn_msg_set *)outcome.job.code.sets.at)->value, "yes");
    assert_int_equal(outcome.c.rows, 2);
    kofn_message_clear(&kofn_outcome_message, &outcome);
}

/* ---- methods, versions, reflection ----------------------------------------------------------- */

static void
methods_are_found_by_name(void **state)
{
    (void)state;
    for (kofn_method m = 0; m < KOFN_METHOD_COUNT; m++) {
        kofn_method found;
        assert_ok(kofn_method_find(kofn_method_get(m)->name, &found, &error));
        assert_int_equal(found, m);
    }
}

static void
an_unknown_method_is_unimplemented_and_a_near_one_is_named(void **state)
{
    (void)state;
    kofn_method method;
    assert_fails(kofn_method_find("kofn.v1.Master/Multipy", &method, &error), KOFN_UNIMPLEMENTED);
    assert_non_null(strstr(error.text, "did you mean 'kofn.v1.Master/Multiply'?"));
    assert_fails(kofn_method_find("", &method, &error), KOFN_UNIMPLEMENTED);
    assert_non_null(strstr(error.text, "Reflect"));
}

static void
neighbouring_versions_mix_and_others_do_not(void **state)
{
    (void)state;
    uint64_t version = 0;
    assert_ok(kofn_version_agree(1, &version, &error));
    assert_int_equal(version, 1);
    assert_ok(kofn_version_agree(2, &version, &error));
    assert_int_equal(version, 1);
    assert_fails(kofn_version_agree(0, &version, &error), KOFN_UNIMPLEMENTED);
    assert_fails(kofn_version_agree(3, &version, &error), KOFN_UNIMPLEMENTED);
    assert_fails(kofn_version_agree(UINT64_MAX, &version, &error), KOFN_UNIMPLEMENTED);
}

static void
reflection_lists_everything_and_fits_an_envelope(void **state)
{
    (void)state;
    kofn_msg_reflection reflection;
    assert_ok(kofn_msg_reflection_fill(&reflection, &error));
    assert_int_equal(reflection.methods.count, KOFN_METHOD_COUNT);
    assert_int_equal(reflection.messages.count, kofn_messages_count());
    const kofn_msg_message_info *infos = reflection.messages.at;
    for (size_t m = 0; m < kofn_messages_count(); m++) {
        assert_string_equal(infos[m].name, kofn_messages_at(m)->name);
        assert_string_equal(infos[m].help, kofn_messages_at(m)->help);
        assert_int_equal(infos[m].fields.count, kofn_messages_at(m)->count);
    }
    assert_fits(&kofn_reflection_message, &reflection);
    kofn_message_clear(&kofn_reflection_message, &reflection);
}

static void
codes_list_every_family_with_its_parameters(void **state)
{
    (void)state;
    kofn_msg_codes codes;
    assert_ok(kofn_msg_codes_fill(NULL, &codes, &error));
    assert_int_equal(codes.families.count, kofn_family_count());
    const kofn_msg_family *families = codes.families.at;
    for (size_t i = 0; i < codes.families.count; i++) {
        assert_string_equal(families[i].name, kofn_family_at(i)->name);
        assert_string_equal(families[i].encoding, kofn_family_at(i)->encoding);
        assert_string_equal(families[i].communication, kofn_family_at(i)->communication);
        assert_string_equal(families[i].storage, kofn_family_at(i)->storage);
        assert_int_equal(families[i].params.count, kofn_family_at(i)->keys.count);
    }
    assert_fits(&kofn_codes_message, &codes);
    kofn_message_clear(&kofn_codes_message, &codes);
}

static void
a_spec_survives_the_wire(void **state)
{
    (void)state;
    kofn_code_spec spec = {.family = "rkrp", .part = {2, 1, 3}, .tasks = 8, .has_seed = true};
    assert_ok(kofn_code_spec_set(&spec, "systematic", "no", &error));
    kofn_msg_code out, in;
    kofn_code_spec again;
    kofn_wire_buffer buffer = {0};
    assert_ok(kofn_msg_code_from_spec(&spec, &out, &error));
    assert_ok(kofn_message_pack(&kofn_code_message, &out, &buffer, &error));
    assert_ok(kofn_message_unpack(&kofn_code_message, buffer.at, buffer.length, &in, &error));
    assert_ok(kofn_msg_code_to_spec(&in, &again, &error));
    assert_string_equal(again.family, "rkrp");
    assert_int_equal(again.part.x, 2);
    assert_int_equal(again.part.z, 1);
    assert_int_equal(again.part.y, 3);
    assert_int_equal(again.tasks, 8);
    assert_true(again.has_seed && again.seed == 0);
    assert_int_equal(again.set_count, 1);
    assert_string_equal(again.sets[0].name, "systematic");
    assert_string_equal(again.sets[0].value, "no");
    kofn_message_clear(&kofn_code_message, &out);
    kofn_message_clear(&kofn_code_message, &in);
    kofn_wire_buffer_fini(&buffer);
}

static void
parts_of_outer_products_survive_the_wire(void **state)
{
    (void)state;
    const kofn_code_spec spec = {.parts = {.count = 4, .of = {2, 0, 65536, 1}}, .tasks = 9};
    kofn_msg_code out, in;
    kofn_code_spec again;
    kofn_wire_buffer buffer = {0};
    assert_ok(kofn_msg_code_from_spec(&spec, &out, &error));
    assert_string_equal(out.parts, "2,0,65536,1");
    assert_ok(kofn_message_pack(&kofn_code_message, &out, &buffer, &error));
    assert_ok(kofn_message_unpack(&kofn_code_message, buffer.at, buffer.length, &in, &error));
    assert_ok(kofn_msg_code_to_spec(&in, &again, &error));
    assert_true(kofn_cuts_are_equal(&spec.parts, &again.parts));
    kofn_message_clear(&kofn_code_message, &out);
    kofn_message_clear(&kofn_code_message, &in);
    kofn_wire_buffer_fini(&buffer);

    static const char *const wrong[] = {"2", "2,,3", "2,65537", "1,1,1,1,1,1,1,1,1", "x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kofn_msg_code message = {0};
        (void)snprintf(message.parts, sizeof message.parts, "%s", wrong[i]);
        assert_fails(kofn_msg_code_to_spec(&message, &again, &error), KOFN_INVALID_ARGUMENT);
    }
}

static void
forms_are_three_and_only_one_has_further_operands(void **state)
{
    (void)state;
    kofn_form form = KOFN_OUTER_PRODUCT;
    size_t operands = 0;
    const kofn_wire_list none = {0}, three = {.count = 3};
    assert_ok(kofn_msg_form_read("", &none, &form, &operands, &error));
    assert_true(form == KOFN_PRODUCT && operands == 2);
    assert_ok(kofn_msg_form_read("outer", &none, &form, &operands, &error));
    assert_true(form == KOFN_OUTER_PRODUCT && operands == 2);
    assert_ok(kofn_msg_form_read("outer", &three, &form, &operands, &error));
    assert_true(form == KOFN_OUTER_PRODUCT && operands == 5);
    assert_ok(kofn_msg_form_read("batch", &none, &form, &operands, &error));
    assert_true(form == KOFN_BATCH_OF_PRODUCTS && operands == 2);
    assert_fails(kofn_msg_form_read("", &three, &form, &operands, &error), KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_msg_form_read("batch", &three, &form, &operands, &error),
                 KOFN_INVALID_ARGUMENT);
    assert_fails(kofn_msg_form_read("inner", &none, &form, &operands, &error), KOFN_UNIMPLEMENTED);
}

static void
a_seed_alone_is_a_seed(void **state)
{
    (void)state;
    kofn_code_spec spec;
    assert_ok(kofn_msg_code_to_spec(&(kofn_msg_code){.seed = 7}, &spec, &error));
    assert_true(spec.has_seed && spec.seed == 7);
    assert_ok(kofn_msg_code_to_spec(&(kofn_msg_code){0}, &spec, &error));
    assert_false(spec.has_seed);
}

/* ---- plans ----------------------------------------------------------------------------------- */

static void
what_a_plan_query_leaves_open_is_measured_or_has_its_default(void **state)
{
    (void)state;
    static const kofn_plan_worker at[] = {{3e10, 2e9}, {1e10, 0}};
    kofn_msg_plan_query asked = {.rows = 3, .inner = 4, .cols = 5, .workers = 6};
    kofn_plan_machine fallback, measured;
    kofn_plan_query q;
    kofn_plan_machine_init(&fallback, 6);
    kofn_plan_machine_init(&measured, 2);
    measured.at = at;
    measured.flops_rate = 7e9;
    measured.link_rate = 9e9;

    assert_ok(kofn_msg_plan_query_to_query(&asked, NULL, &q, &error));
    assert_memory_equal(&q.machine, &fallback, sizeof fallback);
    assert_true(q.shape.rows == 3 && q.shape.inner == 4 && q.shape.cols == 5 && q.seed == 1);
    assert_string_equal(q.field->name, "f64");
    assert_ok(kofn_msg_plan_query_to_query(&asked, &measured, &q, &error));
    assert_true(q.machine.workers == 6 && !q.machine.at); // others than are there
    assert_true(q.machine.flops_rate == 7e9 && q.machine.link_rate == 9e9);
    asked.workers = 0;
    assert_ok(kofn_msg_plan_query_to_query(&asked, &measured, &q, &error));
    assert_true(q.machine.workers == 2 && q.machine.at == at);
    asked = (kofn_msg_plan_query){.field = "f32",
                                  .rows = 3,
                                  .inner = 4,
                                  .cols = 5,
                                  .stragglers = 1,
                                  .tasks = 9,
                                  .limit = 3,
                                  .seed = 8,
                                  .x = 2,
                                  .z = 1,
                                  .y = 3,
                                  .failure = 0.25,
                                  .odds = 0.125,
                                  .error = 1e-3,
                                  .slowdown = 2,
                                  .gflops = 4,
                                  .local_gflops = 5,
                                  .link_rate = 6};
    assert_ok(kofn_msg_plan_query_to_query(&asked, &measured, &q, &error));
    assert_true(!q.machine.at && q.machine.flops_rate == 4e9 && q.machine.local_rate == 5e9);
    assert_true(q.machine.link_rate == 6 && q.machine.slowdown == 2);
    assert_true(q.stragglers == 1 && q.tasks_max == 9 && q.limit == 3 && q.seed == 8);
    assert_true(q.failure == 0.25 && q.odds == 0.125 && q.error == 1e-3);
    assert_true(q.part.x == 2 && q.part.z == 1 && q.part.y == 3);
    assert_string_equal(q.field->name, "f32");
    snprintf(asked.field, sizeof asked.field, "gfp:65537");
    assert_ok(kofn_msg_plan_query_to_query(&asked, &measured, &q, &error));
    assert_string_equal(q.field->name, "gfp:65537");
    kofn_field_destroy(&q.field);
}

static void
a_plan_query_without_field_or_workers_is_refused(void **state)
{
    (void)state;
    kofn_plan_query q;
    kofn_plan_machine nobody;
    kofn_plan_machine_init(&nobody, 0);
    kofn_msg_plan_query asked = {.rows = 3, .inner = 4, .cols = 5};
    assert_fails(kofn_msg_plan_query_to_query(&asked, NULL, &q, &error), KOFN_FAILED_PRECONDITION);
    assert_fails(kofn_msg_plan_query_to_query(&asked, &nobody, &q, &error),
                 KOFN_FAILED_PRECONDITION);
    asked = (kofn_msg_plan_query){.field = "f128", .workers = 3};
    assert_fails(kofn_msg_plan_query_to_query(&asked, NULL, &q, &error), KOFN_NOT_FOUND);
    asked = (kofn_msg_plan_query){.field = "gfp:91", .workers = 3};
    assert_fails(kofn_msg_plan_query_to_query(&asked, NULL, &q, &error), KOFN_INVALID_ARGUMENT);
}

static void
assert_survives(const kofn_plan_query *q)
{
    kofn_plan plan;
    kofn_msg_plan sent, got;
    kofn_wire_buffer buffer = {0};
    assert_ok(kofn_plan_make(q, &plan, &error));
    assert_ok(kofn_msg_plan_from_plan(q, &plan, &sent, &error));
    assert_ok(kofn_message_pack(&kofn_plan_message, &sent, &buffer, &error));
    assert_ok(kofn_message_unpack(&kofn_plan_message, buffer.at, buffer.length, &got, &error));
    assert_int_equal(got.rows.count, plan.count);
    assert_string_equal(got.verdict, plan.verdict);
    assert_true(got.gflops == 20 && got.link_rate == 1e9 && got.workers == 5);
    const kofn_msg_plan_row *rows = got.rows.at;
    for (size_t i = 0; i < plan.count; i++) {
        kofn_code_spec spec;
        assert_ok(kofn_msg_code_to_spec(&rows[i].code, &spec, &error));
        assert_memory_equal(&spec, &plan.rows[i].spec, sizeof spec);
        assert_string_equal(rows[i].policy, plan.rows[i].policy);
        assert_true(rows[i].seconds_late == plan.rows[i].seconds_late);
        assert_true(rows[i].amplification == plan.rows[i].amplification);
        assert_true(rows[i].decodable == plan.rows[i].decodable);
        assert_true(rows[i].likely == plan.rows[i].likely);
        assert_int_equal(rows[i].typical, q->odds > 0 ? plan.rows[i].spec.tasks : 0);
        assert_int_equal(strlen(rows[i].typical_by) > 0, q->odds > 0);
        assert_true(rows[i].threshold == plan.rows[i].exact && rows[i].pays == plan.rows[i].pays);
    }
    kofn_message_clear(&kofn_plan_message, &sent);
    kofn_message_clear(&kofn_plan_message, &got);
    kofn_wire_buffer_fini(&buffer);
    kofn_plan_fini(&plan);
}

static void
a_plan_survives_the_wire(void **state)
{
    (void)state;
    kofn_plan_query q;
    kofn_plan_query_init(&q, kofn_field_find("f64"), (kofn_shape){900, 900, 900}, 5);
    q.stragglers = 1;
    assert_survives(&q);
    q.odds = 0.01;
    q.field = kofn_field_find("gf256"); // where some codes are only likely
    assert_survives(&q);
}

/* ---- PROTOCOL.md ----------------------------------------------------------------------------- */

static char *
read_protocol(void)
{
    FILE *file = fopen(KOFN_SOURCE_DIR "/proto/PROTOCOL.md", "rb");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

/* The line that follows `at`, without its end, into line [1024]; NULL at the end of the text. */
static const char *
next_line(const char *at, char line[1024])
{
    const char *end = strchr(at, '\n');
    if (!end)
        return NULL;
    assert_true(end - at < 1024);
    memcpy(line, at, (size_t)(end - at));
    line[end - at] = '\0';
    return end + 1;
}

static void
format_row(const kofn_wire_field *field, char row[1024])
{
    char type[64], limit[32] = "";
    kofn_wire_type_format(field, type, sizeof type);
    const double max = kofn_wire_field_max(field);
    if (max > 0)
        snprintf(limit, sizeof limit, "%.0f", max);
    snprintf(row, 1024, "| `%s` | %s | %s | %s | %s |", field->name, type,
             field->required ? "yes" : "", limit, field->help);
}

/* Behind the message's heading: its table has exactly the rows of `of`, in its order. */
static void
assert_documented(const char *text, const kofn_wire_message *of)
{
    char line[1024], row[1024];
    snprintf(line, sizeof line, "\n#### `%s`\n", of->name);
    const char *at = strstr(text, line);
    if (!at)
        fail_msg("PROTOCOL.md has no heading for '%s'", of->name);
    at += strlen(line);
    do {
        at = next_line(at, line);
        assert_non_null(at);
    } while (strncmp(line, "| --- ", 6) != 0 && strncmp(at, "\n#### ", 6) != 0 && of->count > 0);
    for (size_t i = 0; i < of->count; i++) {
        at = next_line(at, line);
        format_row(&of->fields[i], row);
        assert_string_equal(line, row);
    }
    next_line(at, line);
    assert_true(strncmp(line, "| ", 2) != 0); // no row that the code does not know
}

static void
protocol_md_has_every_field_of_every_message(void **state)
{
    (void)state;
    char *text = read_protocol();
    size_t headings = 0;
    for (size_t m = 0; m < kofn_messages_count(); m++)
        assert_documented(text, kofn_messages_at(m));
    for (const char *at = text; (at = strstr(at, "\n#### `")); at++)
        headings++;
    assert_int_equal(headings, kofn_messages_count());
    free(text);
}

static void
assert_has(const char *text, const char *row)
{
    if (!strstr(text, row))
        fail_msg("PROTOCOL.md lacks the row%s", row);
}

static void
protocol_md_has_every_method_limit_and_status(void **state)
{
    (void)state;
    char *text = read_protocol();
    char row[1024];
    for (kofn_method m = 0; m < KOFN_METHOD_COUNT; m++) {
        const kofn_method_info *info = kofn_method_get(m);
        snprintf(row, sizeof row, "\n| `%s` | `%s` | `%s` | %s |\n", info->name,
                 info->request->name, info->reply->name, info->help);
        assert_has(text, row);
    }
    kofn_msg_reflection reflection;
    assert_ok(kofn_msg_reflection_fill(&reflection, &error));
    for (size_t i = 0; i < reflection.limits.count; i++) {
        const kofn_msg_limit_info *limit = (kofn_msg_limit_info *)reflection.limits.at + i;
        snprintf(row, sizeof row, "\n| `%s` | %.0f |", limit->name, limit->value);
        assert_has(text, row);
    }
    kofn_message_clear(&kofn_reflection_message, &reflection);
    for (kofn_status s = KOFN_OK; s <= KOFN_UNAUTHENTICATED; s++) {
        snprintf(row, sizeof row, "\n| %d | %s |", (int)s, kofn_status_name(s));
        assert_has(text, row);
    }
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_fits_its_struct),
        cmocka_unit_test(envelopes_are_found_by_type_and_nothing_else_is),
        cmocka_unit_test(an_empty_struct_of_every_message_packs_and_unpacks),
        cmocka_unit_test(the_longest_lists_fit_an_envelope),
        cmocka_unit_test(a_call_packed_by_python_is_read),
        cmocka_unit_test(a_reply_packed_by_python_is_read),
        cmocka_unit_test(methods_are_found_by_name),
        cmocka_unit_test(an_unknown_method_is_unimplemented_and_a_near_one_is_named),
        cmocka_unit_test(neighbouring_versions_mix_and_others_do_not),
        cmocka_unit_test(reflection_lists_everything_and_fits_an_envelope),
        cmocka_unit_test(codes_list_every_family_with_its_parameters),
        cmocka_unit_test(a_spec_survives_the_wire),
        cmocka_unit_test(parts_of_outer_products_survive_the_wire),
        cmocka_unit_test(forms_are_three_and_only_one_has_further_operands),
        cmocka_unit_test(a_seed_alone_is_a_seed),
        cmocka_unit_test(what_a_plan_query_leaves_open_is_measured_or_has_its_default),
        cmocka_unit_test(a_plan_query_without_field_or_workers_is_refused),
        cmocka_unit_test(a_plan_survives_the_wire),
        cmocka_unit_test(protocol_md_has_every_field_of_every_message),
        cmocka_unit_test(protocol_md_has_every_method_limit_and_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
