#include "client/cli/manifest.h"

#include "client/cli/output.h"
#include "client/cli/report.h"
#include "client/convert.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANIFEST_VERSION = 2, OLDEST_VERSION = 1 }; // 1 has no edition

static kofn_status
check_length(int length, const char *folder, kofn_error *err)
{
    if (length >= 0 && length < CLI_PATH_MAX)
        return KOFN_OK;
    return kofn_fail(err, KOFN_OUT_OF_RANGE, "the path of '%.60s...' is longer than %d", folder,
                     CLI_PATH_MAX - 1);
}

kofn_status
cli_manifest_path(const char *folder, char ret_path[CLI_PATH_MAX], kofn_error *err)
{
    return check_length(snprintf(ret_path, CLI_PATH_MAX, "%s/manifest.json", folder), folder, err);
}

kofn_status
cli_task_path(const char *folder, size_t task, char file, char ret_path[CLI_PATH_MAX],
              kofn_error *err)
{
    return check_length(snprintf(ret_path, CLI_PATH_MAX, "%s/%03zu.%c.npy", folder, task, file),
                        folder, err);
}

/* ---- algorithms ------------------------------------------------------------------------------ */

/* A name may stand for another algorithm by now, and the wrong one gives a wrong product: the
 * manifest has the numbers' digest. *ret_text is "" where the code is over no algorithm. */
enum { DIGEST_MAX = 17 };

static kofn_status
format_digest(const kofn_code_spec *spec, char ret_text[DIGEST_MAX], kofn_error *err)
{
    const char *name = kofn_code_spec_get_algorithm(spec);
    kofn_bilinear *algorithm;
    ret_text[0] = '\0';
    if (!name)
        return KOFN_OK;
    const kofn_status status = kofn_algorithms_parse(spec->algorithms, name, &algorithm, err);
    if (status != KOFN_OK)
        return status;
    (void)snprintf(ret_text, DIGEST_MAX, "%016" PRIx64, kofn_bilinear_digest(algorithm));
    kofn_bilinear_destroy(&algorithm);
    return KOFN_OK;
}

/* `digest` may be NULL: a manifest from before there were any. */
static kofn_status
check_digest(const kofn_code_spec *spec, const char *digest, kofn_error *err)
{
    char here[DIGEST_MAX];
    const kofn_status status = format_digest(spec, here, err);
    if (status != KOFN_OK || !digest || strcmp(digest, here) == 0)
        return status;
    return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                     "the algorithm %s is not the one that the tasks were made by (digest %s, the "
                     "manifest has %.16s): name its directory by --algorithms",
                     kofn_code_spec_get_algorithm(spec), here, digest);
}

/* ---- editions -------------------------------------------------------------------------------- */

static unsigned
find_edition(const kofn_code_spec *spec, const kofn_field *field)
{
    const kofn_family *family = kofn_family_find(spec->family); // is in the list
    return field->order == 0 ? family->edition : 0;
}

/* Another kofn may have made other rows from the same words; its answers would give a wrong
 * product. */
static kofn_status
check_edition(const kofn_code_spec *spec, const kofn_field *field, json_int_t edition,
              kofn_error *err)
{
    const unsigned here = find_edition(spec, field);
    if (edition == (json_int_t)here)
        return KOFN_OK;
    return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                     "the tasks were made by edition %" JSON_INTEGER_FORMAT
                     " of family %s, and this kofn has edition %u, with other coefficients: decode "
                     "with the version that encoded them, or encode anew",
                     edition, spec->family, here);
}

/* ---- write ----------------------------------------------------------------------------------- */

static json_t *
json_of_manifest(const cli_manifest *manifest, unsigned edition, const char *digest)
{
    kofn_code_choice code;
    kofn_choice_from_spec(&manifest->spec, &code);
    json_t *object = cli_json_of_code(&code);
    json_t *more = json_pack(
        "{s:i, s:I, s:s, s:s, s:I, s:I, s:I}", "kofn", MANIFEST_VERSION, "edition",
        (json_int_t)edition, "field", manifest->field, "dtype", kofn_dtype_name(manifest->dtype),
        "rows", (json_int_t)manifest->shape.rows, "inner", (json_int_t)manifest->shape.inner,
        "cols", (json_int_t)manifest->shape.cols);
    if (!more || json_object_update(object, more) != 0) {
        json_decref(object);
        object = NULL;
    }
    json_decref(more);
    if (*digest && json_object_set_new(object, "algorithm", json_string(digest)) != 0) {
        json_decref(object);
        object = NULL;
    }
    return object;
}

kofn_status
cli_manifest_save(const cli_manifest *manifest, const char *folder, kofn_error *err)
{
    char path[CLI_PATH_MAX], digest[DIGEST_MAX];
    kofn_status status = cli_manifest_path(folder, path, err);
    if (status != KOFN_OK)
        return status;
    status = format_digest(&manifest->spec, digest, err);
    if (status != KOFN_OK)
        return status;
    const kofn_field *field;
    status = kofn_field_choose(manifest->field, manifest->dtype, &field, err);
    if (status != KOFN_OK)
        return status;
    json_t *object = json_of_manifest(manifest, find_edition(&manifest->spec, field), digest);
    kofn_field_destroy(&field);
    char *text = object ? json_dumps(object, JSON_INDENT(2)) : NULL;
    json_decref(object);
    status = text ? cli_text_write(path, text, err)
                  : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for the manifest");
    free(text);
    return status;
}

/* ---- read ------------------------------------------------------------------------------------ */

static kofn_status
fail_read(const char *path, kofn_error *err)
{
    return kofn_fail(err, kofn_status_from_errno(errno), "%s cannot be read: %s", path,
                     strerror(errno));
}

static kofn_status
read_text(const char *path, char ret_text[CLI_MANIFEST_BYTES_MAX + 1], kofn_error *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return fail_read(path, err);
    const size_t length = fread(ret_text, 1, CLI_MANIFEST_BYTES_MAX + 1, file);
    const bool failed = ferror(file) != 0;
    kofn_status status = failed ? fail_read(path, err) : KOFN_OK;
    (void)fclose(file); // only read
    if (failed)
        return status;
    if (length > CLI_MANIFEST_BYTES_MAX)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s is larger than a manifest of %d bytes",
                         path, CLI_MANIFEST_BYTES_MAX);
    ret_text[length] = '\0';
    return KOFN_OK;
}

/* A parameter's value is a text. */
static kofn_status
take_sets(json_t *sets, kofn_code_spec *spec, kofn_error *err)
{
    const char *name;
    json_t *value;
    if (!json_is_object(sets))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "set is no object");
    json_object_foreach(sets, name, value)
    {
        if (!json_is_string(value))
            return kofn_fail(err, KOFN_INVALID_ARGUMENT, "set.%s is no text", name);
        if (strcmp(name, "family") == 0 || strcmp(name, "partition") == 0 ||
            strcmp(name, "tasks") == 0 || strcmp(name, "reserve") == 0 || strcmp(name, "seed") == 0)
            return kofn_fail(err, KOFN_INVALID_ARGUMENT, "set.%s is no parameter of a family",
                             name);
        kofn_status status = kofn_code_spec_set(spec, name, json_string_value(value), err);
        if (status != KOFN_OK)
            return status;
    }
    return KOFN_OK;
}

typedef struct fields { // as they stand in the file
    int version;
    const char *family, *seed, *dtype;
    const char *field; // "": implied by the dtype, as older manifests have it
    json_int_t x, z, y, tasks, rows, inner, cols;
    json_int_t edition;    // of the family
    json_t *sets;          // borrowed
    const char *algorithm; // digest; NULL: none
} fields;

static bool
is_size(json_int_t value, json_int_t min)
{
    return value >= min && value <= INT32_MAX; // rows and columns are what BLAS counts to
}

static kofn_status
check_fields(const fields *f, kofn_error *err)
{
    if (f->version < OLDEST_VERSION || f->version > MANIFEST_VERSION)
        return kofn_fail(err, KOFN_UNIMPLEMENTED,
                         "version %d of the manifest is not known, only %d to %d", f->version,
                         OLDEST_VERSION, MANIFEST_VERSION);
    if (f->version > 1 && f->edition < 0)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "edition is missing or below 0");
    if (!is_size(f->x, 1) || !is_size(f->z, 1) || !is_size(f->y, 1) || !is_size(f->tasks, 1))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "partition or tasks are out of range");
    if (!is_size(f->rows, 0) || !is_size(f->inner, 0) || !is_size(f->cols, 0))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "rows, inner or cols are out of range");
    return KOFN_OK;
}

static kofn_status
fill_spec(const fields *f, kofn_code_spec *spec, kofn_error *err)
{
    kofn_status status = kofn_code_spec_set(spec, "family", f->family, err);
    if (status == KOFN_OK)
        status = kofn_code_spec_set(spec, "seed", f->seed, err);
    if (status == KOFN_OK)
        status = take_sets(f->sets, spec, err);
    spec->part = (kofn_partition){.x = (size_t)f->x, .z = (size_t)f->z, .y = (size_t)f->y};
    spec->tasks = (size_t)f->tasks;
    return status;
}

static kofn_status
fill_manifest(const fields *f, const kofn_algorithms *algorithms, cli_manifest *ret_manifest,
              kofn_error *err)
{
    cli_manifest manifest = {
        .dtype = kofn_dtype_parse(f->dtype),
        .shape = {.rows = (size_t)f->rows, .inner = (size_t)f->inner, .cols = (size_t)f->cols},
    };
    const kofn_field *field;
    kofn_error why;
    if (kofn_field_choose(f->field, manifest.dtype, &field, &why) != KOFN_OK)
        return kofn_fail(err,
                         why.status == KOFN_RESOURCE_EXHAUSTED ? why.status : KOFN_INVALID_ARGUMENT,
                         "dtype '%.20s': %s", f->dtype, why.text);
    (void)snprintf(manifest.field, sizeof manifest.field, "%s", field->name);
    manifest.spec.algorithms = algorithms;
    kofn_status status = fill_spec(f, &manifest.spec, err);
    if (status == KOFN_OK && !kofn_code_spec_is_complete(&manifest.spec))
        status =
            kofn_fail(err, KOFN_INVALID_ARGUMENT,
                      "code '%s' leaves open which family made the tasks", manifest.spec.family);
    if (status == KOFN_OK)
        status = kofn_code_spec_check(&manifest.spec, field, err);
    if (status == KOFN_OK)
        status = check_edition(&manifest.spec, field, f->version > 1 ? f->edition : 0, err);
    kofn_field_destroy(&field);
    if (status == KOFN_OK)
        status = check_digest(&manifest.spec, f->algorithm, err);
    if (status == KOFN_OK)
        *ret_manifest = manifest;
    return status;
}

kofn_status
cli_manifest_parse(const char *text, const kofn_algorithms *algorithms, cli_manifest *ret_manifest,
                   kofn_error *err)
{
    json_error_t where;
    fields f = {.field = "", .edition = -1};
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    if (!object)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "line %d: %s", where.line, where.text);
    kofn_status status = KOFN_OK;
    if (json_unpack_ex(object, &where, 0,
                       "{s:i, s?I, s?s, s:s, s:[I,I,I!], s:I, s:s, s:o, s:s, s:I, s:I, s:I, s?s}",
                       "kofn", &f.version, "edition", &f.edition, "field", &f.field, "code",
                       &f.family, "partition", &f.x, &f.z, &f.y, "tasks", &f.tasks, "seed", &f.seed,
                       "set", &f.sets, "dtype", &f.dtype, "rows", &f.rows, "inner", &f.inner,
                       "cols", &f.cols, "algorithm", &f.algorithm) != 0)
        status = kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s", where.text);
    if (status == KOFN_OK)
        status = check_fields(&f, err);
    if (status == KOFN_OK)
        status = fill_manifest(&f, algorithms, ret_manifest, err);
    json_decref(object);
    return status;
}

kofn_status
cli_manifest_load(const char *folder, const kofn_algorithms *algorithms, cli_manifest *ret_manifest,
                  kofn_error *err)
{
    char path[CLI_PATH_MAX];
    kofn_status status = cli_manifest_path(folder, path, err);
    if (status != KOFN_OK)
        return status;
    char *text = malloc(CLI_MANIFEST_BYTES_MAX + 1);
    if (!text)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a manifest");
    status = read_text(path, text, err);
    if (status == KOFN_OK) {
        status = cli_manifest_parse(text, algorithms, ret_manifest, err);
        if (status != KOFN_OK)
            (void)kofn_fail_within(err, "%s", path);
    }
    free(text);
    return status;
}
