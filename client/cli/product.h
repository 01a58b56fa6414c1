/* What multiply, outer, submit, batch, stream and encode share: files and how to multiply them. Of
 * simulate, only how. */
#ifndef KOFN_CLI_PRODUCT_H
#define KOFN_CLI_PRODUCT_H

#include "client/cli/cli.h"
#include "common/code/coding.h"
#include "common/linalg/csr.h"
#include "common/linalg/npy.h"

typedef struct cli_product {
    bool outer;                          // set before parsing
    bool listed;                         // likewise: the command line names no operands
    size_t count;                        // operands: 2, of an outer product 2 or more
    const char *path[KOFN_OPERANDS_MAX]; // A, B, ...: a file, or "@ID"
    bool transpose[KOFN_OPERANDS_MAX];   // --transpose-a, -b; --transpose I
    kofn_code_choice code;
    const char *field; // NULL: implied by the dtype
    kofn_npy
        npy[KOFN_OPERANDS_MAX]; // once read; of a stored operand, once found, all but the elements
    bool takes_sparse;          // set before reading: else sparse files are made dense
    bool takes_complex;         // likewise: else complex files are refused
    bool sketched;              // likewise: the code is not of the whole product, and not checked
    const char *complex_method; // of complex files; NULL: the default
    kofn_csr csr[2];            // of those that are sparse, and then npy has their values
    kofn_sparse sparse[2];      // the same for the library; no `first`: it is dense
} cli_product;

/* A.npy B.npy --code --partition --tasks --reserve --seed --set --field --transpose-a
 * --transpose-b */
extern const struct argp cli_product_argp;

/* A1.npy A2.npy ... --code --parts --tasks --seed --set --field --transpose; its input's `outer` is
 * true. */
extern const struct argp cli_outer_argp;

/* --code --tasks --reserve --seed --set --field --transpose-a --transpose-b; its input's `listed`
 * is true. */
extern const struct argp cli_batch_argp;

/* --code --partition --seed --set --field --transpose-a --transpose-b; its input's `listed` is
 * true. */
extern const struct argp cli_listed_argp;

/* --code --partition --tasks --reserve --set --field; its input's `listed` is true. */
extern const struct argp cli_code_argp;

/* A matrix of a file, .mtx (made dense) or else .npy. Ownership: kofn_mat_fini(&ret_npy->mat).
 * Errors: the file. */
KOFN_MUST_CHECK kofn_status cli_dense_read(const char *path, kofn_npy *ret_npy, kofn_error *err);

/* Read the files, .mtx or else .npy (INVALID_ARGUMENT and its like: what is wrong with them) and,
 * if all are files, check the shapes and the code against each other. End with cli_product_fini. */
KOFN_MUST_CHECK kofn_status cli_product_read(cli_product *product, kofn_error *err);

/* Is an operand named that the master has? */
bool cli_product_is_stored(const cli_product *product, size_t operand);

/* Ask the master what it has of those, and check as above. NOT_FOUND: it has not got one. */
KOFN_MUST_CHECK kofn_status cli_product_find(cli_product *product, kofn_client *client,
                                             kofn_error *err);
void cli_product_fini(cli_product *product);

/* Is op(operand) the transpose of what is stored? A Fortran-order file is one already. */
bool cli_product_is_transposed(const cli_product *product, size_t operand);
kofn_matrix cli_product_get_matrix(const cli_product *product, size_t operand);

/* Of the product, once read. */
kofn_shape cli_product_get_shape(const cli_product *product);

#endif
