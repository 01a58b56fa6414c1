/* .npy files (NumPy format 1.0 to 3.0): what users keep their matrices in.
 *
 * Read: C and Fortran order, one or two dimensions (a vector of m is m x 1), little-endian f8, f4,
 * u1, u4, i4, i8, c8, c16 (the last two are c64 and c128 here). A Fortran-order file is a row-major
 * view with `transposed` set. Files of 1 MiB and more are mapped, smaller ones read. Checked before
 * anything is allocated or mapped: magic, version, header length (at most 64 KiB), the dictionary's
 * grammar, overflow of the shape's product, and the file's size against it.
 *
 * Written: format 1.0, C order, to a temporary file beside the target that is renamed onto it after
 * fsync, so that a full disk never leaves half a matrix under the final name.
 *
 * Threads    Any thread. Blocks on files.
 */
#ifndef KOFN_LINALG_NPY_H
#define KOFN_LINALG_NPY_H

#include "common/linalg/mat.h"

typedef struct kofn_npy {
    kofn_mat mat;    // owner unmaps or frees
    bool transposed; // the file is in Fortran order: the matrix is mat's transpose
} kofn_npy;

/* NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE: the file. INVALID_ARGUMENT: no .npy, hostile,
 * truncated or longer than its matrix, or more than two dimensions. UNIMPLEMENTED: a dtype or byte
 * order we do not carry. The caller ends *ret_npy with kofn_mat_fini(&npy.mat). */
KOFN_MUST_CHECK kofn_status kofn_npy_read(const char *path, kofn_npy *ret_npy, kofn_error *err);

/* The header alone, from memory: for the fuzzer and for kofn_npy_read. *ret_offset is where the
 * elements start; fills dtype, rows, cols and stride of ret_npy->mat, no data. */
KOFN_MUST_CHECK kofn_status kofn_npy_parse(const void *data, size_t length, uint64_t file_size,
                                           kofn_npy *ret_npy, size_t *ret_offset, kofn_error *err);

/* RESOURCE_EXHAUSTED: disk full. PERMISSION_DENIED, NOT_FOUND (directory), UNAVAILABLE. */
KOFN_MUST_CHECK kofn_status kofn_npy_write(const char *path, const kofn_bands *bands,
                                           kofn_error *err);

typedef struct kofn_npy_file {
    const char *path;
    const kofn_bands *bands;
    kofn_error error; // out: KOFN_OK, or as above
} kofn_npy_file;

/* Several, each whole or not at all whatever becomes of the others. All are given to the disk
 * before the first is waited for: a journal that is written for that one has the others' names in
 * it, too. */
void kofn_npy_write_all(kofn_npy_file *files, size_t count);

#endif
