#include "bench/papers/alloy/paper.h"
#include "bench/bench.h"

#include <string.h>

kofn_error paper_error;

void
paper_must(kofn_status status)
{
    if (status != KOFN_OK)
        bench_die("%s", paper_error.text);
}

const kofn_field *
paper_field(const char *name)
{
    const kofn_field *f = NULL;
    paper_must(kofn_field_new(name, &f, &paper_error));
    return f;
}

static void
set_all(kofn_code_spec *spec, const char *set)
{
    char text[256];
    if (snprintf(text, sizeof text, "%s", set) >= (int)sizeof text)
        bench_die("'%s': too long", set);
    char *state;
    for (char *at = strtok_r(text, ",", &state); at; at = strtok_r(NULL, ",", &state)) {
        char *value = strchr(at, '=');
        if (!value)
            bench_die("'%s' sets nothing", at);
        *value++ = '\0';
        for (char *c = value; *c; c++)
            *c = *c == ';' ? ',' : *c;
        paper_must(kofn_code_spec_set(spec, at, value, &paper_error));
    }
}

kofn_code *
paper_code(const char *field, const char *family, size_t tasks, const char *set, uint64_t seed)
{
    kofn_code_spec spec = {.tasks = tasks, .has_seed = true, .seed = seed};
    const kofn_field *f = paper_field(field);
    kofn_code *code = NULL;
    paper_must(kofn_code_spec_set(&spec, "family", family, &paper_error));
    set_all(&spec, set);
    paper_must(kofn_code_spec_build(&spec, f, &code, &paper_error));
    kofn_field_destroy(&f); // the code holds it
    return code;
}

const char *
paper_field_name(size_t q)
{
    static const struct {
        size_t q;
        const char *name;
    } fields[] = {
        {2, "gfp:2"}, {3, "gfp:3"},   {4, "gf4"},           {5, "gfp:5"},
        {16, "gf16"}, {256, "gf256"}, {65537, "gfp:65537"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].q == q)
            return fields[i].name;
    bench_die("there is no field of %zu elements in the table", q);
}
