/* Codes on the wire: specs to messages and back, and ListCodes from the families' own tables.
 */
#include "proto/messages.h"

#include "common/code/algorithms.h"
#include "common/code/family.h"

#include <stdio.h>
#include <string.h>

kofn_status
kofn_msg_code_from_spec(const kofn_code_spec *spec, kofn_msg_code *ret_message, kofn_error *err)
{
    kofn_msg_code message = {
        .x = spec->part.x,
        .z = spec->part.z,
        .y = spec->part.y,
        .tasks = spec->tasks,
        .reserve = spec->reserve,
        .seed = spec->seed,
        .has_seed = spec->has_seed,
    };
    memcpy(message.family, spec->family, sizeof message.family);
    kofn_cuts_format(&spec->parts, message.parts);

    kofn_status status =
        kofn_wire_list_new(spec->set_count, sizeof(kofn_msg_set), &message.sets, err);
    if (status != KOFN_OK)
        return status;
    kofn_msg_set *sets = message.sets.at;
    for (size_t i = 0; i < spec->set_count; i++) {
        memcpy(sets[i].name, spec->sets[i].name, sizeof sets[i].name);
        memcpy(sets[i].value, spec->sets[i].value, sizeof sets[i].value);
    }
    *ret_message = message;
    return KOFN_OK;
}

kofn_status
kofn_msg_code_to_spec(const kofn_msg_code *message, kofn_code_spec *ret_spec, kofn_error *err)
{
    kofn_code_spec spec = {
        .part = {.x = message->x, .z = message->z, .y = message->y},
        .tasks = message->tasks,
        .reserve = message->reserve,
        .has_seed = message->has_seed || message->seed != 0,
        .seed = message->seed,
    };
    memcpy(spec.family, message->family, sizeof spec.family);
    if (message->parts[0]) {
        const kofn_status status =
            kofn_cuts_parse(message->parts, KOFN_TASKS_MAX, &spec.parts, err);
        if (status != KOFN_OK)
            return status;
    }

    /* Through the one function that records a parameter, so that a name given twice or in vain is
     * treated as in a configuration. */
    const kofn_msg_set *sets = message->sets.at;
    for (size_t i = 0; i < message->sets.count; i++) {
        kofn_status status = kofn_code_spec_set(&spec, sets[i].name, sets[i].value, err);
        if (status != KOFN_OK)
            return status;
    }
    *ret_spec = spec;
    return KOFN_OK;
}

static const char *const forms[] = {
    [KOFN_PRODUCT] = "",
    [KOFN_OUTER_PRODUCT] = KOFN_FORM_OUTER,
    [KOFN_BATCH_OF_PRODUCTS] = KOFN_FORM_BATCH,
};

const char *
kofn_form_name(kofn_form form)
{
    return forms[form];
}

kofn_status
kofn_msg_form_read(const char *name, const kofn_wire_list *further, kofn_form *ret_form,
                   size_t *ret_operands, kofn_error *err)
{
    kofn_form form = KOFN_PRODUCT;
    while (form <= KOFN_BATCH_OF_PRODUCTS && strcmp(forms[form], name) != 0)
        form++;
    if (form > KOFN_BATCH_OF_PRODUCTS)
        return kofn_fail(err, KOFN_UNIMPLEMENTED,
                         "there are no products of form '%s': leave it empty for A B, or take "
                         "outer or batch",
                         name);
    if (form != KOFN_OUTER_PRODUCT && further->count > 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "a product A B has two operands, and %zu further ones are given",
                         further->count);
    *ret_form = form;
    *ret_operands = 2 + further->count;
    return KOFN_OK;
}

/* Cut to the field: what families say of themselves is for people. */
static void
set_text(char *to, size_t size, const char *text)
{
    (void)snprintf(to, size, "%s", text);
}

static void
fill_param(const kofn_key *key, kofn_msg_param *ret_param)
{
    set_text(ret_param->name, sizeof ret_param->name, key->name);
    set_text(ret_param->type, sizeof ret_param->type, kofn_key_type_name(key->type));
    kofn_key_format_bounds(key, ret_param->bounds, sizeof ret_param->bounds);
    set_text(ret_param->fallback, sizeof ret_param->fallback, key->fallback);
    set_text(ret_param->help, sizeof ret_param->help, key->help);
}

static kofn_status
fill_family(const kofn_family *family, kofn_msg_family *ret_family, kofn_error *err)
{
    kofn_status status =
        kofn_wire_list_new(family->keys.count, sizeof(kofn_msg_param), &ret_family->params, err);
    if (status != KOFN_OK)
        return status;

    kofn_msg_param *params = ret_family->params.at;
    for (size_t i = 0; i < family->keys.count; i++)
        fill_param(&family->keys.at[i], &params[i]);
    set_text(ret_family->name, sizeof ret_family->name, family->name);
    set_text(ret_family->summary, sizeof ret_family->summary, family->summary);
    set_text(ret_family->threshold, sizeof ret_family->threshold, family->threshold);
    set_text(ret_family->encoding, sizeof ret_family->encoding, family->encoding);
    set_text(ret_family->communication, sizeof ret_family->communication, family->communication);
    set_text(ret_family->storage, sizeof ret_family->storage, family->storage);
    set_text(ret_family->source, sizeof ret_family->source, family->source);
    ret_family->rateless = family->rateless;
    ret_family->outer = family->outer;
    ret_family->batches = family->batches;
    ret_family->only_batches = family->only_batches;
    return KOFN_OK;
}

static kofn_status
fill_algorithm(const kofn_algorithms *set, const char *name, kofn_msg_algorithm *ret,
               kofn_error *err)
{
    kofn_bilinear *f;
    kofn_status status = kofn_algorithms_parse(set, name, &f, err);
    if (status != KOFN_OK)
        return status;
    *ret = (kofn_msg_algorithm){.x = f->x,
                                .z = f->z,
                                .y = f->y,
                                .rank = f->rank,
                                .denominator = (uint64_t)f->denominator,
                                .additions = kofn_bilinear_count_additions(f),
                                .ships = kofn_algorithms_is_shipped(name)};
    set_text(ret->name, sizeof ret->name, name);
    kofn_bilinear_destroy(&f);
    return KOFN_OK;
}

static kofn_status
fill_algorithms(const kofn_algorithms *set, kofn_wire_list *ret_list, kofn_error *err)
{
    kofn_status status =
        kofn_wire_list_new(kofn_algorithms_count(set), sizeof(kofn_msg_algorithm), ret_list, err);
    kofn_msg_algorithm *at = ret_list->at;
    for (size_t i = 0; status == KOFN_OK && i < ret_list->count; i++)
        status = fill_algorithm(set, kofn_algorithms_get_name(set, i), &at[i], err);
    return status;
}

kofn_status
kofn_msg_codes_fill(const kofn_algorithms *algorithms, kofn_msg_codes *ret_codes, kofn_error *err)
{
    kofn_msg_codes codes = {0};
    kofn_status status =
        kofn_wire_list_new(kofn_family_count(), sizeof(kofn_msg_family), &codes.families, err);
    kofn_msg_family *families = codes.families.at;
    for (size_t i = 0; status == KOFN_OK && i < codes.families.count; i++)
        status = fill_family(kofn_family_at(i), &families[i], err);
    if (status == KOFN_OK)
        status = fill_algorithms(algorithms, &codes.algorithms, err);
    if (status == KOFN_OK)
        *ret_codes = codes;
    else
        kofn_message_clear(&kofn_codes_message, &codes);
    return status;
}
