#include "common/linalg/field.h"
#include "common/linalg/field_binary.h"
#include "common/linalg/field_prime.h"
#include "common/linalg/field_real.h"
#include "common/linalg/planes.h"
#include "common/linalg/prime.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The fields without parameter; of one dtype, the one that it implies comes first. A further field
 * is one file and one line here. */
static const kofn_field *const fields[] = {
    &kofn_field_f64,        &kofn_field_f32,       &kofn_field_gf256.field,
    &kofn_field_gf16.field, &kofn_field_gf4.field,
};

enum { FIELDS = sizeof fields / sizeof fields[0] };

/* ---- look-up --------------------------------------------------------------------------------- */

const kofn_field *
kofn_field_find(const char *name)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (strcmp(fields[i]->name, name) == 0)
            return fields[i];
    return NULL;
}

const kofn_field *
kofn_field_for_dtype(kofn_dtype dtype)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (fields[i]->dtype == dtype)
            return fields[i];
    return NULL;
}

kofn_status
kofn_field_new(const char *name, const kofn_field **ret_field, kofn_error *err)
{
    static const char prefix[] = "gfp:";
    if (strncmp(name, prefix, sizeof prefix - 1) == 0)
        return kofn_field_prime_new(name + sizeof prefix - 1, ret_field, err);
    const kofn_field *field = kofn_field_find(name);
    if (!field)
        return kofn_fail(
            err, KOFN_NOT_FOUND,
            "there is no field '%.40s' here; there are f64, f32, gf256, gf16, gf4 and gfp:P "
            "for primes P up to %d",
            name, KOFN_PRIME_MAX);
    *ret_field = field;
    return KOFN_OK;
}

static bool
has_field_of(kofn_dtype dtype)
{
    return dtype == KOFN_U32 || kofn_field_for_dtype(dtype);
}

kofn_status
kofn_field_choose(const char *name, kofn_dtype dtype, const kofn_field **ret_field, kofn_error *err)
{
    const kofn_field *implied = kofn_field_for_dtype(dtype), *field = NULL;
    if (kofn_dtype_get_part(dtype))
        return kofn_fail(err, KOFN_UNIMPLEMENTED,
                         "no field has elements of %s: complex matrices are multiplied two at a "
                         "time, whole and dense, and nothing else is made of them",
                         kofn_planes_title(dtype));
    if (!has_field_of(dtype))
        return kofn_fail(
            err, KOFN_UNIMPLEMENTED,
            "no field has elements of %s: whole numbers are multiplied two matrices at a "
            "time, and nothing else is made of them; convert them to f64 or f32, or "
            "to u32 for a field gfp:P",
            kofn_dtype_name(dtype));
    if (!name[0] && !implied)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "%s elements may be of many fields: name one, --field gfp:P for a prime P "
                         "above every element",
                         kofn_dtype_name(dtype));
    kofn_status status = name[0] ? kofn_field_new(name, &field, err) : KOFN_OK;
    if (status)
        return status;
    field = name[0] ? field : implied;
    if (field->dtype != dtype) {
        status = kofn_fail(err, KOFN_INVALID_ARGUMENT,
                           "field %s has elements of %s, and these are of %s: convert them",
                           field->name, kofn_dtype_name(field->dtype), kofn_dtype_name(dtype));
        kofn_field_destroy(&field);
        return status;
    }
    *ret_field = field;
    return KOFN_OK;
}

const char *
kofn_field_kind_at(size_t index)
{
    return index < FIELDS ? fields[index]->name : index == FIELDS ? "gfp" : NULL;
}

size_t
kofn_field_kind_of(const kofn_field *f)
{
    size_t i = 0;
    while (i < FIELDS && strcmp(fields[i]->name, f->name) != 0)
        i++;
    return i;
}

static uint32_t
parse_kind(const char *name, size_t length)
{
    const char *kind;
    for (size_t i = 0; (kind = kofn_field_kind_at(i)) != NULL; i++)
        if (strlen(kind) == length && memcmp(kind, name, length) == 0)
            return UINT32_C(1) << i;
    return 0;
}

uint32_t
kofn_field_kinds_parse(const char *list)
{
    uint32_t kinds = 0;
    for (const char *name = list;; name++) {
        const size_t length = strcspn(name, ",");
        kinds |= parse_kind(name, length);
        name += length;
        if (!*name)
            return kinds;
    }
}

const kofn_field *
kofn_field_ref(const kofn_field *f)
{
    if (f->refs)
        (void)atomic_fetch_add_explicit(f->refs, 1, memory_order_relaxed);
    return f;
}

void
kofn_field_destroy(const kofn_field **f_p)
{
    const kofn_field *f = *f_p;
    *f_p = NULL;
    if (f && f->refs && atomic_fetch_sub_explicit(f->refs, 1, memory_order_acq_rel) == 1)
        free((void *)(uintptr_t)f); // the first member of what was allocated
}

/* ---- advice ---------------------------------------------------------------------------------- */

/* The binary field is smaller only by chance, but its arithmetic is faster. */
void
kofn_field_advise(double least, char *text)
{
    const kofn_field *binary = NULL;
    for (size_t i = 0; i < FIELDS; i++)
        if (fields[i]->order > 0 && fields[i]->order >= least &&
            (!binary || fields[i]->order < binary->order))
            binary = fields[i];
    if (least > KOFN_PRIME_MAX)
        (void)snprintf(text, KOFN_FIELD_ADVICE_MAX, "f64: no finite field is that large");
    else
        (void)snprintf(text, KOFN_FIELD_ADVICE_MAX, "gfp:%u%s%s",
                       kofn_next_prime(least > 2 ? (uint32_t)least : 2), binary ? " or " : "",
                       binary ? binary->name : "");
}

/* ---- elements -------------------------------------------------------------------------------- */

bool
kofn_field_is_partial(const kofn_field *f)
{
    return f->order > 0 && f->order < ldexp(1, 8 * (int)kofn_dtype_width(f->dtype));
}

/* The first foreign element of a row that has one: bisect. */
static size_t
find_foreign(const kofn_field *f, const unsigned char *row, size_t len)
{
    const size_t width = kofn_dtype_width(f->dtype);
    size_t first = 0;
    while (len > 1) {
        const size_t half = len / 2;
        if (f->has_foreign(f, row + first * width, half)) {
            len = half;
        } else {
            first += half;
            len -= half;
        }
    }
    return first;
}

static kofn_status
fail_foreign(const kofn_field *f, const char *what, size_t row, size_t col, const void *element,
             kofn_error *err)
{
    uint32_t number = 0;
    if (f->order == 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: element (%zu, %zu) is not finite", what,
                         row, col);
    if (f->dtype == KOFN_U8)
        number = *(const unsigned char *)element;
    else
        memcpy(&number, element, sizeof number);
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%s: element (%zu, %zu) is %u, not in field %s, whose largest is %.0f", what,
                     row, col, number, f->name, f->order - 1);
}

kofn_status
kofn_field_check_elements(const kofn_field *f, const char *what, const kofn_bands *m,
                          kofn_error *err)
{
    if (m->dtype != f->dtype)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: field %s has elements of %s, not of %s",
                         what, f->name, kofn_dtype_name(f->dtype), kofn_dtype_name(m->dtype));
    const size_t width = kofn_dtype_width(f->dtype);
    for (size_t i = 0; i < m->count; i++) {
        const kofn_mat *mat = &m->at[i].mat;
        if (kofn_mat_is_contiguous(mat) && !f->has_foreign(f, mat->data, mat->rows * mat->cols))
            continue; // the usual case, in one look
        for (size_t row = 0; row < mat->rows; row++) {
            const unsigned char *at = kofn_mat_get_row(mat, row);
            if (!f->has_foreign(f, at, mat->cols))
                continue;
            const size_t col = find_foreign(f, at, mat->cols);
            return fail_foreign(f, what, m->at[i].first_row + row, col, at + col * width, err);
        }
    }
    return KOFN_OK;
}
