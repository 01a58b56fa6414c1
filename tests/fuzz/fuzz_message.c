/* Any bytes as the message that they name, each one of the tables: refused with a sentence, or
 * read; what was read packs, and reads as the same again. What means more than its fields is taken
 * further, as its receiver would.
 *
 * Bytes alone hardly ever reach the third list in a list, so with libFuzzer half of the new inputs
 * are messages that were read, changed in one field by their table, and packed again. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/messages.h"

#include <string.h>

static void
read_code(const void *message)
{
    const kofn_msg_code *code = message;
    kofn_code_spec spec;
    kofn_msg_code again;
    kofn_error error = {0};
    if (kofn_msg_code_to_spec(code, &spec, &error) != KOFN_OK) {
        insist(error.text[0] != '\0');
        return;
    }
    insist(kofn_code_spec_check(&spec, kofn_field_find("f64"), &error) == KOFN_OK ||
           error.text[0] != '\0');
    insist(kofn_msg_code_from_spec(&spec, &again, NULL) == KOFN_OK);
    insist(again.x == spec.part.x && again.sets.count == spec.set_count);
    insist(kofn_msg_code_to_spec(&again, &spec, NULL) == KOFN_OK);
    kofn_message_clear(&kofn_code_message, &again);
}

static void
read_product(const void *message)
{
    const kofn_msg_product *product = message;
    kofn_error error = {0};
    kofn_form form;
    size_t operands;
    if (kofn_msg_form_read(product->form, &product->further, &form, &operands, &error) == KOFN_OK)
        insist(operands >= 2 && operands <= KOFN_OPERANDS_MAX &&
               (form == KOFN_OUTER_PRODUCT || operands == 2));
    else
        insist(error.text[0] != '\0');
}

static void
read_batch(const void *message)
{
    const kofn_msg_batch *asked = message;
    kofn_batch *batch, *again;
    kofn_msg_batch back;
    kofn_error error = {0};
    const kofn_field *f64 = kofn_field_find("f64");
    if (kofn_msg_batch_to_batch(asked, f64, &batch, &error) != KOFN_OK) {
        insist(error.text[0] != '\0');
        return;
    }
    if (kofn_msg_batch_from_batch(batch, &back, NULL) == KOFN_OK) {
        insist(kofn_msg_batch_to_batch(&back, f64, &again, NULL) == KOFN_OK);
        insist(again->count == batch->count);
        kofn_batch_destroy(&again);
        kofn_message_clear(&kofn_batch_message, &back);
    }
    kofn_batch_destroy(&batch);
}

static void
read_compression(const void *message)
{
    const kofn_msg_compression *c = message;
    kofn_error error = {0};
    if (kofn_msg_compression_check(c, 40, 30, &error) != KOFN_OK) {
        insist(error.text[0] != '\0');
        return;
    }
    insist(c->rows <= 1200 && c->cols <= 1200 && c->rows * c->cols <= 1200);
    insist(c->bound >= 0 && c->lemma >= 0 && c->size >= 0 && c->most <= c->samples);
}

static void
read_plan_query(const void *message)
{
    const kofn_msg_plan_query *asked = message;
    kofn_plan_query query;
    kofn_error error = {0};
    if (kofn_msg_plan_query_to_query(asked, NULL, &query, &error) == KOFN_OK)
        kofn_field_destroy(&query.field);
    else
        insist(error.text[0] != '\0');
}

static void
read_further(const kofn_wire_message *of, const uint8_t *bytes, size_t length)
{
    static const struct {
        const kofn_wire_message *of;
        void (*read)(const void *message);
    } readers[] = {
        {&kofn_code_message, read_code},
        {&kofn_product_message, read_product},
        {&kofn_batch_message, read_batch},
        {&kofn_compression_message, read_compression},
        {&kofn_plan_query_message, read_plan_query},
    };
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        if (readers[i].of != of)
            continue;
        void *message = malloc(of->struct_size);
        insist(message && kofn_message_unpack(of, bytes, length, message, NULL) == KOFN_OK);
        readers[i].read(message);
        kofn_message_clear(of, message);
        free(message);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    size_t start;
    const kofn_wire_message *of = fuzz_message_named(data, length, &start);
    if (of && fuzz_message_try(of, data + start, length - start))
        read_further(of, data + start, length - start);
    return 0;
}

#ifdef KOFN_FUZZ

size_t LLVMFuzzerMutate(uint8_t *data, size_t length, size_t length_max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t length, size_t length_max, unsigned seed);

/* "NAME\n" and the packed message; 0: there is no room. */
static size_t
write_input(const kofn_wire_message *of, const void *message, uint8_t *data, size_t length_max)
{
    kofn_wire_buffer packed = {0};
    const size_t name = strlen(of->name);
    size_t length = 0;
    if (kofn_message_pack(of, message, &packed, NULL) == KOFN_OK &&
        name + 1 + packed.length <= length_max) {
        memcpy(data, of->name, name);
        data[name] = '\n';
        memcpy(data + name + 1, packed.at, packed.length);
        length = name + 1 + packed.length;
    }
    kofn_wire_buffer_fini(&packed);
    return length;
}

/* Of any message, where the input is none or it is time for another. */
static size_t
write_fresh(kofn_rng *rng, uint8_t *data, size_t length_max)
{
    const kofn_wire_message *of = kofn_messages_at(kofn_rng_below(rng, kofn_messages_count()));
    void *message = malloc(of->struct_size);
    insist(message != NULL);
    fuzz_message_fill(of, rng, message);
    const size_t length = write_input(of, message, data, length_max);
    kofn_message_clear(of, message);
    free(message);
    return length;
}

/* 0: it cannot be read. */
static size_t
alter_input(const kofn_wire_message *of, size_t start, kofn_rng *rng, uint8_t *data, size_t length,
            size_t length_max)
{
    size_t altered = 0;
    void *message = malloc(of->struct_size);
    uint8_t *copy = malloc(length); // raw objects point into what they were read from
    insist(message && copy);
    memcpy(copy, data, length);
    if (kofn_message_unpack(of, copy + start, length - start, message, NULL) == KOFN_OK) {
        fuzz_message_alter(of, rng, message);
        altered = write_input(of, message, data, length_max);
        kofn_message_clear(of, message);
    }
    free(copy);
    free(message);
    return altered;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t length, size_t length_max, unsigned seed)
{
    kofn_rng rng;
    size_t start, made = 0;
    kofn_rng_init(&rng, seed, 0);
    const kofn_wire_message *of = fuzz_message_named(data, length, &start);
    if (!of || kofn_rng_below(&rng, 64) == 0)
        made = write_fresh(&rng, data, length_max);
    else if (kofn_rng_below(&rng, 2) == 0)
        made = alter_input(of, start, &rng, data, length, length_max);
    if (made == 0 && of) // the name stays
        made = start + LLVMFuzzerMutate(data + start, length - start, length_max - start);
    return made;
}

#endif
