#include "client/cli/product.h"

#include "common/code/complex.h"
#include "common/linalg/matrix_market.h"
#include "common/linalg/multiply.h"
#include "common/linalg/outer.h"
#include "common/linalg/planes.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEY_CODE = 0x200,
    KEY_PARTITION,
    KEY_PARTS,
    KEY_TASKS,
    KEY_RESERVE,
    KEY_SEED,
    KEY_SET,
    KEY_A,
    KEY_B,
    KEY_TRANSPOSE,
    KEY_FIELD,
};

static void
set_code(struct argp_state *state, const char *key, const char *text)
{
    cli_product *product = state->input;
    kofn_error error;
    if (kofn_code_choice_set(&product->code, key, text, &error) != KOFN_OK)
        argp_error(state, "%s", error.text);
}

static void
set_parameter(struct argp_state *state, const char *text)
{
    char name[KOFN_CLIENT_NAME_MAX];
    const char *value = cli_parse_setting(state, text, name);
    set_code(state, name, value);
}

static void
add_operand(struct argp_state *state, const char *path)
{
    cli_product *product = state->input;
    const size_t most = product->outer ? KOFN_OPERANDS_MAX : 2;
    if (product->count == most && product->outer)
        argp_error(state, "'%s' is one operand too many: an outer product has at most %zu", path,
                   most);
    if (product->count == most)
        argp_error(state, "'%s' is one operand too many: want A.npy B.npy", path);
    product->path[product->count++] = path;
}

static void
check_operands(struct argp_state *state)
{
    const cli_product *product = state->input;
    if (product->count < 2)
        argp_error(state, product->outer ? "want two operands or more, A1.npy A2.npy ..."
                                         : "want two operands, A.npy and B.npy");
    for (size_t i = product->count; i < KOFN_OPERANDS_MAX; i++)
        if (product->transpose[i])
            argp_error(state, "--transpose %zu: there are %zu operands", i + 1, product->count);
}

static error_t
parse_product(int key, char *arg, struct argp_state *state)
{
    cli_product *product = state->input;
    switch (key) {
    case KEY_CODE:
        set_code(state, "family", arg);
        return 0;
    case KEY_PARTITION:
        set_code(state, "partition", arg);
        return 0;
    case KEY_PARTS:
        set_code(state, "parts", arg);
        return 0;
    case KEY_TASKS:
        set_code(state, "tasks", arg);
        return 0;
    case KEY_RESERVE:
        set_code(state, "reserve", arg);
        return 0;
    case KEY_SEED:
        set_code(state, "seed", arg);
        return 0;
    case KEY_SET:
        set_parameter(state, arg);
        return 0;
    case KEY_A:
    case KEY_B:
        product->transpose[key - KEY_A] = true;
        return 0;
    case KEY_TRANSPOSE:
        product->transpose[cli_parse_number(state, "--transpose", arg, 1, KOFN_OPERANDS_MAX) - 1] =
            true;
        return 0;
    case KEY_FIELD:
        product->field = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (product->listed)
            return ARGP_ERR_UNKNOWN;
        add_operand(state, arg);
        return 0;
    case ARGP_KEY_END:
        if (!product->listed)
            check_operands(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

#define CODE_OPTION                                                                                \
    {                                                                                              \
        "code", KEY_CODE, "NAME", 0, "Code family; `kofn codes` lists them", 10                    \
    }
#define SEED_OPTION                                                                                \
    {                                                                                              \
        "seed", KEY_SEED, "S", 0, "Seed of random codes", 10                                       \
    }
#define SET_OPTION                                                                                 \
    {                                                                                              \
        "set", KEY_SET, "NAME=VALUE", 0, "Parameter of the family; may be given again", 10         \
    }
#define PARTITION_OPTION                                                                           \
    {                                                                                              \
        "partition", KEY_PARTITION, "X,Z,Y", 0,                                                    \
            "Parts of A's rows, of the inner dimension, of B's columns; 0 leaves one open", 10     \
    }
#define TRANSPOSE_OPTIONS                                                                          \
    {"transpose-a", KEY_A, NULL, 0, "Multiply A's transpose", 20},                                 \
    {                                                                                              \
        "transpose-b", KEY_B, NULL, 0, "Multiply B's transpose", 20                                \
    }

#define CODE_OPTIONS                                                                               \
    {NULL, 0, NULL, 0, "How to code (left out: chosen for the product and the workers):", 10},     \
        CODE_OPTION, {"tasks", KEY_TASKS, "N", 0, "Coded tasks", 10},                              \
        {"reserve",                                                                                \
         KEY_RESERVE,                                                                              \
         "N",                                                                                      \
         0,                                                                                        \
         "Fresh tasks beyond those, for what is lost or late (policies rateless and two_stage "    \
         "have some by themselves); for a family that is named",                                   \
         10},                                                                                      \
        SEED_OPTION, SET_OPTION,                                                                   \
    {                                                                                              \
        NULL, 0, NULL, 0, "Operands:", 20                                                          \
    }

static const struct argp_option product_options[] = {
    CODE_OPTIONS,
    PARTITION_OPTION,
    TRANSPOSE_OPTIONS,
    {"field", KEY_FIELD, "NAME", 0,
     "Arithmetic: f64, f32, gf256, gf16, gf4, gfp:P for a prime P, or integers (left out: f64, "
     "f32, "
     "gf256 or integers for f8, f4, u1 or i4 and i8 elements)",
     20},
    {0},
};

static const struct argp_option listed_options[] = {
    {NULL, 0, NULL, 0, "How to code (left out: chosen for the scheme and the workers):", 10},
    CODE_OPTION,
    SEED_OPTION,
    SET_OPTION,
    PARTITION_OPTION,
    {NULL, 0, NULL, 0, "Operands, all of them:", 20},
    TRANSPOSE_OPTIONS,
    {"field", KEY_FIELD, "NAME", 0,
     "Arithmetic: f64, f32, gf256, gf16, gf4 or gfp:P for a prime P (left out: f64, f32 or gf256 "
     "for f8, f4 or u1 elements of the first); streams are not made of integers (i4, i8)",
     20},
    {0},
};

static const struct argp_option code_options[] = {
    {NULL, 0, NULL, 0, "How to code (left out: chosen for the workers):", 10},
    CODE_OPTION,
    PARTITION_OPTION,
    {"tasks", KEY_TASKS, "N", 0, "Coded tasks; of a stream, its scheme says how many", 10},
    {"reserve", KEY_RESERVE, "N", 0, "Fresh tasks beyond those; not of a stream", 10},
    SET_OPTION,
    {"field", KEY_FIELD, "NAME", 0, "Arithmetic of the code (default: f64)", 10},
    {0},
};

static const struct argp_option batch_options[] = {
    CODE_OPTIONS,
    TRANSPOSE_OPTIONS,
    {"field", KEY_FIELD, "NAME", 0,
     "Arithmetic: f64, f32, gf256, gf16, gf4 or gfp:P for a prime P (left out: f64, f32 or gf256 "
     "for f8, f4 or u1 elements); batches are not made of integers (i4, i8)",
     20},
    {0},
};

static const struct argp_option outer_options[] = {
    CODE_OPTIONS,
    {"parts", KEY_PARTS, "D1,D2,...", 0,
     "Parts of each operand, along its longer direction; 0 leaves one open", 10},
    {"transpose", KEY_TRANSPOSE, "I", 0,
     "Take the transpose of operand I, from 1; may be given again", 20},
    {"field", KEY_FIELD, "NAME", 0,
     "Arithmetic: f64, f32, gf256, gf16, gf4 or gfp:P for a prime P (left out: f64, f32 or gf256 "
     "for f8, f4 or u1 elements)",
     20},
    {0},
};

const struct argp cli_product_argp = {.options = product_options, .parser = parse_product};
const struct argp cli_listed_argp = {.options = listed_options, .parser = parse_product};
const struct argp cli_code_argp = {.options = code_options, .parser = parse_product};
const struct argp cli_batch_argp = {.options = batch_options, .parser = parse_product};
const struct argp cli_outer_argp = {.options = outer_options, .parser = parse_product};

bool
cli_product_is_transposed(const cli_product *product, size_t operand)
{
    return product->npy[operand].transposed != product->transpose[operand];
}

bool
cli_product_is_stored(const cli_product *product, size_t operand)
{
    return product->path[operand][0] == '@';
}

kofn_matrix
cli_product_get_matrix(const cli_product *product, size_t operand)
{
    if (cli_product_is_stored(product, operand)) // the master knows its shape
        return (kofn_matrix){.operand = product->path[operand] + 1,
                             .transposed = product->transpose[operand]};
    const kofn_mat *mat = &product->npy[operand].mat;
    const bool sparse = operand < 2 && product->sparse[operand].first;
    return (kofn_matrix){.data = mat->data,
                         .dtype = mat->dtype,
                         .rows = mat->rows,
                         .cols = mat->cols,
                         .stride = mat->stride,
                         .transposed = cli_product_is_transposed(product, operand),
                         .sparse = sparse ? &product->sparse[operand] : NULL};
}

static size_t
get_rows(const cli_product *product, size_t operand)
{
    const kofn_mat *mat = &product->npy[operand].mat;
    return cli_product_is_transposed(product, operand) ? mat->cols : mat->rows;
}

static size_t
get_cols(const cli_product *product, size_t operand)
{
    const kofn_mat *mat = &product->npy[operand].mat;
    return cli_product_is_transposed(product, operand) ? mat->rows : mat->cols;
}

kofn_shape
cli_product_get_shape(const cli_product *product)
{
    kofn_shape shape = {
        .rows = get_rows(product, 0), .inner = get_cols(product, 0), .cols = get_cols(product, 1)};
    if (product->outer)
        shape = (kofn_shape){1, 1, 1};
    for (size_t i = 0; product->outer && i < product->count; i++) {
        shape.rows = kofn_size_multiply(shape.rows, get_rows(product, i));
        shape.cols = kofn_size_multiply(shape.cols, get_cols(product, i));
    }
    return shape;
}

/* Of the file as whoever wrote it has it, in whichever order it is stored. */
static size_t
get_file_rows(const cli_product *product, size_t operand)
{
    const kofn_npy *npy = &product->npy[operand];
    return npy->transposed ? npy->mat.cols : npy->mat.rows;
}

static size_t
get_file_cols(const cli_product *product, size_t operand)
{
    const kofn_npy *npy = &product->npy[operand];
    return npy->transposed ? npy->mat.rows : npy->mat.cols;
}

static kofn_status
check_product(const cli_product *product, kofn_error *err)
{
    size_t rows, cols;
    const kofn_product shape = {
        .a = &product->npy[0].mat,
        .b = &product->npy[1].mat,
        .transpose_a = cli_product_is_transposed(product, 0),
        .transpose_b = cli_product_is_transposed(product, 1),
    };
    const kofn_status status = kofn_product_shape(&shape, &rows, &cols, err);
    if (status == KOFN_OK)
        return KOFN_OK;
    return kofn_fail_within(err, "%s, %zu x %zu%s, and %s, %zu x %zu%s", product->path[0],
                            get_file_rows(product, 0), get_file_cols(product, 0),
                            product->transpose[0] ? ", transposed" : "", product->path[1],
                            get_file_rows(product, 1), get_file_cols(product, 1),
                            product->transpose[1] ? ", transposed" : "");
}

static kofn_status
check_outer_product(const cli_product *product, kofn_error *err)
{
    size_t rows, cols;
    kofn_mat mats[KOFN_OPERANDS_MAX];
    bool transposed[KOFN_OPERANDS_MAX];
    for (size_t i = 0; i < product->count; i++) {
        mats[i] = product->npy[i].mat;
        transposed[i] = cli_product_is_transposed(product, i);
    }
    const kofn_outer shape = {.count = product->count, .factor = mats, .transpose = transposed};
    const kofn_status status = kofn_outer_shape(&shape, &rows, &cols, err);
    if (status == KOFN_OK && (rows > KOFN_DIMENSION_MAX || cols > KOFN_DIMENSION_MAX))
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "the product is %zu x %zu, at most %d in each direction", rows, cols,
                         KOFN_DIMENSION_MAX);
    return status;
}

static bool
has_complex(const cli_product *product)
{
    return kofn_dtype_get_part(product->npy[0].mat.dtype) != KOFN_DTYPE_NONE;
}

/* What else the library would say only once there is a master. */
static kofn_status
check_complex(const cli_product *product, kofn_error *err)
{
    kofn_complex_method method = KOFN_COMPLEX_3M;
    const kofn_field *field = NULL;
    kofn_status status = kofn_complex_method_parse(product->complex_method, &method, err);
    if (status == KOFN_OK)
        status = kofn_complex_check_family(method, product->code.family, err);
    if (status == KOFN_OK)
        status = kofn_complex_choose_field(product->field, product->npy[0].mat.dtype, &field, err);
    for (size_t i = 0; i < product->count && status == KOFN_OK; i++)
        if (!cli_product_is_stored(product, i))
            status = kofn_planes_check(product->path[i], &product->npy[i].mat, err);
    return status;
}

static kofn_status
check_shapes(const cli_product *product, kofn_error *err)
{
    kofn_code_choice code = product->code;
    kofn_status status =
        product->outer ? check_outer_product(product, err) : check_product(product, err);
    if (status != KOFN_OK)
        return status;
    if (code.operands > 0 && code.operands != (product->outer ? product->count : 0))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "parts are given for an outer product of %zu operands, and this is %s %zu",
                         code.operands, product->outer ? "one of" : "a product of", product->count);
    code.operands = product->outer ? product->count : 0;
    if (product->complex_method && !has_complex(product))
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "--complex=%.20s is for complex matrices, and '%s' holds %s: leave it out",
                         product->complex_method, product->path[0],
                         kofn_dtype_name(product->npy[0].mat.dtype));
    if (product->sketched) // the library's, for what is drawn
        return KOFN_OK;
    if (product->sparse[0].first || product->sparse[1].first) // for what is not zero: the master's
        return KOFN_OK;
    if (product->takes_complex && has_complex(product))
        return check_complex(product, err);
    return kofn_code_choice_check(&code, product->npy[0].mat.dtype, product->field, err);
}

static bool
is_matrix_market(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && strcmp(dot, ".mtx") == 0;
}

static kofn_status
make_dense(const char *path, const kofn_csr *csr, kofn_mat *ret_mat, kofn_error *err)
{
    static const double one = 1;
    kofn_mat mat = {0};
    kofn_bands bands = {0};
    kofn_status status = kofn_mat_alloc(csr->value.dtype, csr->rows, csr->cols, &mat, err);
    if (status == KOFN_OK)
        status = kofn_bands_from_mat(&mat, &bands, err);
    if (status == KOFN_OK)
        status = kofn_csr_combine(kofn_field_for_dtype(mat.dtype), csr, (kofn_grid){1, 1}, 1,
                                  &bands, &one, err);
    kofn_bands_fini(&bands);
    if (status == KOFN_OK) {
        *ret_mat = mat;
        return KOFN_OK;
    }
    kofn_mat_fini(&mat);
    return kofn_fail_within(err, "'%s', as a dense matrix", path);
}

static void
keep_sparse(cli_product *product, size_t operand, kofn_csr *csr)
{
    product->npy[operand].mat =
        kofn_mat_wrap(csr->value.data, csr->value.dtype, csr->rows, csr->cols);
    product->sparse[operand] = (kofn_sparse){
        .first = csr->first.data, .column = csr->column.data, .elements = csr->value.rows};
    product->csr[operand] = *csr;
    *csr = (kofn_csr){0};
}

/* A .mtx file; never more of it than there is memory. */
static kofn_status
read_matrix_market(const char *path, kofn_matrix_market *ret_read, kofn_error *err)
{
    const size_t most = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    return kofn_matrix_market_read(path, most, ret_read, err);
}

static kofn_status
take_dense(const char *path, const kofn_matrix_market *read, kofn_npy *ret_npy, kofn_error *err)
{
    *ret_npy = (kofn_npy){.transposed = !read->sparse};
    if (read->sparse)
        return make_dense(path, &read->csr, &ret_npy->mat, err);
    ret_npy->mat = kofn_mat_ref(&read->mat);
    return KOFN_OK;
}

kofn_status
cli_dense_read(const char *path, kofn_npy *ret_npy, kofn_error *err)
{
    kofn_matrix_market read;
    if (!is_matrix_market(path))
        return kofn_npy_read(path, ret_npy, err);
    kofn_status status = read_matrix_market(path, &read, err);
    if (status != KOFN_OK)
        return status;
    status = take_dense(path, &read, ret_npy, err);
    kofn_matrix_market_fini(&read);
    return status;
}

static kofn_status
read_operand(cli_product *product, size_t operand, kofn_error *err)
{
    const char *path = product->path[operand];
    kofn_matrix_market read;
    if (!product->takes_sparse || operand >= 2 || !is_matrix_market(path))
        return cli_dense_read(path, &product->npy[operand], err);
    kofn_status status = read_matrix_market(path, &read, err);
    if (status != KOFN_OK)
        return status;
    if (read.sparse)
        keep_sparse(product, operand, &read.csr);
    else
        status = take_dense(path, &read, &product->npy[operand], err);
    kofn_matrix_market_fini(&read);
    return status;
}

kofn_status
cli_product_read(cli_product *product, kofn_error *err)
{
    bool stored = false;
    for (size_t i = 0; i < product->count; i++) {
        stored |= cli_product_is_stored(product, i);
        if (cli_product_is_stored(product, i))
            continue;
        kofn_status status = read_operand(product, i, err);
        if (status != KOFN_OK)
            return status;
    }
    return stored ? KOFN_OK : check_shapes(product, err);
}

static kofn_status
find_stored(const char *id, const kofn_operand_info *infos, size_t count, kofn_npy *ret_npy,
            kofn_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(infos[i].operand, id) != 0)
            continue;
        *ret_npy = (kofn_npy){.mat = {.dtype = infos[i].dtype,
                                      .rows = infos[i].rows,
                                      .cols = infos[i].cols,
                                      .stride = infos[i].cols},
                              .transposed = infos[i].transposed};
        return KOFN_OK;
    }
    return kofn_fail(err, KOFN_NOT_FOUND, "the master has no operand '%.40s': see `kofn operands`",
                     id);
}

kofn_status
cli_product_find(cli_product *product, kofn_client *client, kofn_error *err)
{
    kofn_operand_info *infos = NULL;
    size_t count = 0;
    kofn_status status = kofn_client_list_operands(client, &infos, &count, err);
    for (size_t i = 0; i < product->count && status == KOFN_OK; i++)
        if (cli_product_is_stored(product, i))
            status = find_stored(product->path[i] + 1, infos, count, &product->npy[i], err);
    free(infos);
    return status == KOFN_OK ? check_shapes(product, err) : status;
}

void
cli_product_fini(cli_product *product)
{
    for (size_t i = 0; i < product->count; i++)
        kofn_mat_fini(&product->npy[i].mat);
    kofn_csr_fini(&product->csr[0]);
    kofn_csr_fini(&product->csr[1]);
}
