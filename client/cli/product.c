#include "client/cli/product.h"

#include "common/linalg/multiply.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_CODE = 0x200, KEY_PARTITION, KEY_TASKS, KEY_SEED, KEY_SET, KEY_A, KEY_B, KEY_FIELD };

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
    const size_t length = strcspn(text, "=");
    if (text[length] != '=' || length == 0 || length >= sizeof name)
        argp_error(state, "--set '%s': want NAME=VALUE; `kofn codes` lists the names", text);
    memcpy(name, text, length);
    name[length] = '\0';
    set_code(state, name, text + length + 1);
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
    case KEY_TASKS:
        set_code(state, "tasks", arg);
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
    case KEY_FIELD:
        product->field = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num >= 2)
            argp_error(state, "'%s' is one operand too many: want A.npy B.npy", arg);
        product->path[state->arg_num] = arg;
        return 0;
    case ARGP_KEY_END:
        if (state->arg_num < 2)
            argp_error(state, "want two operands, A.npy and B.npy");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "How to code (left out: chosen for the product and the workers):", 10},
    {"code", KEY_CODE, "NAME", 0, "Code family; `kofn codes` lists them", 10},
    {"partition", KEY_PARTITION, "X,Z,Y", 0,
     "Parts of A's rows, of the inner dimension, of B's columns; 0 leaves one open", 10},
    {"tasks", KEY_TASKS, "N", 0, "Coded tasks", 10},
    {"seed", KEY_SEED, "S", 0, "Seed of random codes", 10},
    {"set", KEY_SET, "NAME=VALUE", 0, "Parameter of the family; may be given again", 10},
    {NULL, 0, NULL, 0, "Operands:", 20},
    {"transpose-a", KEY_A, NULL, 0, "Multiply A's transpose", 20},
    {"transpose-b", KEY_B, NULL, 0, "Multiply B's transpose", 20},
    {"field", KEY_FIELD, "NAME", 0,
     "Arithmetic: f64, f32, gf256, gf16, gf4 or gfp:P for a prime P (left out: f64, f32 or gf256 "
     "for f8, f4 or u1 elements)",
     20},
    {0},
};

const struct argp cli_product_argp = {.options = options, .parser = parse_product};

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
    return (kofn_matrix){.data = mat->data,
                         .dtype = mat->dtype,
                         .rows = mat->rows,
                         .cols = mat->cols,
                         .stride = mat->stride,
                         .transposed = cli_product_is_transposed(product, operand)};
}

kofn_shape
cli_product_get_shape(const cli_product *product)
{
    const kofn_mat *a = &product->npy[0].mat;
    const kofn_mat *b = &product->npy[1].mat;
    const bool turned_a = cli_product_is_transposed(product, 0);
    return (kofn_shape){.rows = turned_a ? a->cols : a->rows,
                        .inner = turned_a ? a->rows : a->cols,
                        .cols = cli_product_is_transposed(product, 1) ? b->rows : b->cols};
}

static kofn_status
check_shapes(const cli_product *product, kofn_error *err)
{
    size_t rows, cols;
    const kofn_product shape = {
        .a = &product->npy[0].mat,
        .b = &product->npy[1].mat,
        .transpose_a = cli_product_is_transposed(product, 0),
        .transpose_b = cli_product_is_transposed(product, 1),
    };
    kofn_status status = kofn_product_shape(&shape, &rows, &cols, err);
    if (status == KOFN_OK)
        return kofn_code_choice_check(&product->code, product->npy[0].mat.dtype, product->field,
                                      err);
    return kofn_fail_within(err, "%s and %s", product->path[0], product->path[1]);
}

kofn_status
cli_product_read(cli_product *product, kofn_error *err)
{
    bool stored = false;
    for (size_t i = 0; i < 2; i++) {
        stored |= cli_product_is_stored(product, i);
        if (cli_product_is_stored(product, i))
            continue;
        kofn_status status = kofn_npy_read(product->path[i], &product->npy[i], err);
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
    for (size_t i = 0; i < 2 && status == KOFN_OK; i++)
        if (cli_product_is_stored(product, i))
            status = find_stored(product->path[i] + 1, infos, count, &product->npy[i], err);
    free(infos);
    return status == KOFN_OK ? check_shapes(product, err) : status;
}

void
cli_product_fini(cli_product *product)
{
    for (size_t i = 0; i < 2; i++)
        kofn_mat_fini(&product->npy[i].mat);
}
