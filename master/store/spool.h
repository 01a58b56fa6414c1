/* The spool: matrices that are too large for a row, a file each.
 *
 *     <folder>/4f2a90c1d7e35b68        elements, row-major, nothing else
 *     <folder>/4f2a90c1d7e35b68.new    one that is being written
 *     <folder>/lost/                   whole ones that no row named at a start
 *
 * A file is written under its second name, synced and renamed, so that whatever has the first name
 * is whole; it counts when a row names it. A kill leaves a few that no row names yet, or no row any
 * more; a database that lost rows leaves more. Nobody can tell these apart, so none is removed at
 * once: at the next start they go to lost/, where they stay for a while, and come back if a row
 * names them after all, as when somebody puts an older database in place.
 *
 * Threads    Any thread: the folder's descriptor is all that is shared.
 */
#ifndef KOFN_MASTER_STORE_SPOOL_H
#define KOFN_MASTER_STORE_SPOOL_H

#include "common/linalg/mat.h"

#include <stdatomic.h>

typedef struct kofn_spool {
    int folder; // descriptor; -1: closed
    bool sync;
    atomic_uint_fast64_t *moved; // counts bytes that were written or read
} kofn_spool;

/* Statuses below are kofn_status_from_errno's, but for rights and folders that are missing: these
 * are the store's to mend, not those of whoever asks for a job, so FAILED_PRECONDITION. */
kofn_status kofn_spool_status(int error_number);

/* The folder, made if it is not there, and on disk if `sync`: without its parent a folder can be
 * gone after a power cut, with all that is in it. */
KOFN_MUST_CHECK kofn_status kofn_spool_make_folder(const char *path, bool sync, kofn_error *err);

/* Makes the folder if it is not there; `moved` outlives the spool. */
KOFN_MUST_CHECK kofn_status kofn_spool_open(const char *path, bool sync,
                                            atomic_uint_fast64_t *moved, kofn_spool *ret_spool,
                                            kofn_error *err);
void kofn_spool_close(kofn_spool *spool); // accepts a closed one

/* After it the file is whole, and there after a crash once kofn_spool_sync has followed. On failure
 * nothing is left. RESOURCE_EXHAUSTED: the disk is full. */
KOFN_MUST_CHECK kofn_status kofn_spool_write(const kofn_spool *spool, uint64_t file,
                                             const kofn_bands *bands, kofn_error *err);

/* Names of files written before now are on disk. */
KOFN_MUST_CHECK kofn_status kofn_spool_sync(const kofn_spool *spool, kofn_error *err);

/* The elements, unchecked but for their number. DATA_LOSS: no such file, or not of that size.
 * RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_spool_read(const kofn_spool *spool, uint64_t file, kofn_pool *pool,
                                            kofn_dtype dtype, size_t rows, size_t cols,
                                            kofn_mat *ret_mat, kofn_error *err);

/* What cannot be removed is left for the next start. */
void kofn_spool_remove(const kofn_spool *spool, uint64_t file);

/* Put what is_wanted does not want into lost/, take from there what it wants, and remove what is
 * half written. Of lost/ goes what is older than a week, and the oldest beyond `bytes_max`, or
 * beyond a quarter of the space that is free where that is 0. *ret_count files, *ret_bytes: put
 * there now. */
KOFN_MUST_CHECK kofn_status kofn_spool_sweep(const kofn_spool *spool,
                                             bool (*is_wanted)(void *context, uint64_t file),
                                             void *context, uint64_t bytes_max, uint64_t *ret_count,
                                             uint64_t *ret_bytes, kofn_error *err);

/* Bytes that the file system has left. */
KOFN_MUST_CHECK kofn_status kofn_spool_get_free(const kofn_spool *spool, uint64_t *ret_bytes,
                                                kofn_error *err);

#endif
