/* Matrix Market files (.mtx): how sparse matrices are exchanged.
 *
 *     %%MatrixMarket matrix coordinate real general
 *     % comments and empty lines, anywhere below the first line
 *     3 4 2                       rows, columns, entries
 *     1 1 5.0                     row, column, value; counted from 1
 *     3 4 -1e-3
 *
 * Read: coordinate files as CSR and array files as dense matrices; fields real, integer and
 * pattern (ones); symmetries general, symmetric and skew-symmetric, of which only the lower
 * triangle is listed. Entries in any order; those of one place are summed, in the file's order.
 * All values become f64, so integers beyond 2^53 are refused, in sums as well. Numbers have a
 * point, whatever the program's locale. Nothing is allocated before the sizes
 * that a header promises are held against the file's length and the caller's limit.
 *
 * Source     Boisvert, Pozo, Remington, "The Matrix Market Exchange Formats: Initial Design",
 *            NISTIR 5935, 1996. Lines of up to 1024 characters, as there.
 * Cost       About 0.2 us an entry.
 * Threads    Any thread. Blocks on files.
 */
#ifndef KOFN_LINALG_MATRIX_MARKET_H
#define KOFN_LINALG_MATRIX_MARKET_H

#include "common/linalg/csr.h"

typedef struct kofn_matrix_market {
    bool sparse;  // a coordinate file; else an array file
    kofn_csr csr; // of a coordinate file
    kofn_mat mat; // of an array file: the transpose of its matrix, since it goes by columns
} kofn_matrix_market;

/* `most_bytes`: memory that reading it may take. NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE: the
 * file. INVALID_ARGUMENT: no such file, with the line. UNIMPLEMENTED: complex or Hermitian.
 * OUT_OF_RANGE: above the limit, 2^31 - 1 rows or columns. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_matrix_market_read(const char *path, size_t most_bytes,
                                                    kofn_matrix_market *ret_read, kofn_error *err);
void kofn_matrix_market_fini(kofn_matrix_market *read); // accepts a cleared one

#endif
