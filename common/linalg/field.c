#include "common/linalg/field.h"
#include "common/linalg/field_real.h"

#include <string.h>

/* A further field is one file and one line here. */
static const kofn_field *const fields[] = {
    &kofn_field_f64,
    &kofn_field_f32,
};

enum { FIELDS = sizeof fields / sizeof fields[0] };

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
