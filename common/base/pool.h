/* Buffers that are kept and used again, because first touch of fresh pages costs eight copies.
 *
 * A pool hands out counted, 64-byte aligned buffers and takes them back when the last owner lets
 * go. Buffers are sorted into size classes (powers of two and their three-quarter points), so that
 * blocks of nearly the same size share pages that are already mapped. What is idle beyond
 * `keep_bytes` goes back to the operating system, largest first.
 *
 * Ownership  kofn_buf is counted: each ref is let go by one kofn_buf_unref. The pool outlives its
 *            buffers: destroy waits for none, the last buffer frees what is left of the pool.
 * Threads    Any thread: a mutex around the free lists, atomic counts. Never blocks otherwise.
 */
#ifndef KOFN_BASE_POOL_H
#define KOFN_BASE_POOL_H

#include "common/base/status.h"

typedef struct kofn_pool kofn_pool;
typedef struct kofn_buf kofn_buf;

KOFN_MUST_CHECK kofn_status kofn_pool_new(size_t keep_bytes, kofn_pool **ret_pool, kofn_error *err);
void kofn_pool_destroy(kofn_pool **pool_p);

/* A buffer of at least `bytes` (0 gives a valid empty one), contents undefined, with one ref.
 * RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_pool_get(kofn_pool *pool, size_t bytes, kofn_buf **ret_buf,
                                          kofn_error *err);

/* Memory of somebody else's as a buffer: `release(data, hint)` runs when the last ref goes;
 * NULL for memory that outlives every ref. */
KOFN_MUST_CHECK kofn_status kofn_buf_wrap(void *data, size_t bytes,
                                          void (*release)(void *data, void *hint), void *hint,
                                          kofn_buf **ret_buf, kofn_error *err);

void *kofn_buf_get_data(const kofn_buf *buf);
size_t kofn_buf_get_size(const kofn_buf *buf); // as asked for
kofn_buf *kofn_buf_ref(kofn_buf *buf);
void kofn_buf_unref(kofn_buf **buf_p); // accepts NULL, NULLs the caller's pointer

/* Bytes held in buffers that are out, with their unused ends, and in those that wait for reuse. */
void kofn_pool_get_usage(kofn_pool *pool, size_t *ret_out, size_t *ret_idle);

#endif
