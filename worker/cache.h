/* Coded blocks of stored operands, kept by name for the next product that needs them.
 *
 * A name is all that a block depends on, as a digest that the master makes; here it is a text. A
 * block is found by that text or not at all, so that a task gets the right block or none.
 *
 * Budget     `limit` bytes of elements and KOFN_CACHED_MAX blocks: what was used least recently
 *            goes first. Whatever goes, and what is offered and not kept, is told through `gone`.
 * Threads    One thread at a time.
 */
#ifndef KOFN_WORKER_CACHE_H
#define KOFN_WORKER_CACHE_H

#include "common/base/map.h"
#include "common/linalg/mat.h"
#include "proto/limits.h"

#include <sys/queue.h>

typedef struct kofn_cached {
    uint64_t hash;
    char name[KOFN_TAG_MAX];
    kofn_bands block;
    size_t bytes;
    TAILQ_ENTRY(kofn_cached) of_cache;
} kofn_cached;

typedef TAILQ_HEAD(kofn_cached_list, kofn_cached) kofn_cached_list;

typedef struct kofn_cache {
    kofn_map by_hash;     // of two names with one hash the second is never kept
    kofn_cached_list all; // least recently used first
    size_t bytes, limit;
    void (*gone)(void *context, const char *name);
    void *context;
} kofn_cache;

void kofn_cache_init(kofn_cache *cache, size_t limit, void (*gone)(void *context, const char *name),
                     void *context);
void kofn_cache_fini(kofn_cache *cache); // tells nobody

/* NULL: not kept. Valid until the next call of put or shrink; now used most recently. */
const kofn_bands *kofn_cache_find(kofn_cache *cache, const char *name);

/* Keep a block (refs of its bands). One that is there stays as it is, now used most recently. */
void kofn_cache_put(kofn_cache *cache, const char *name, const kofn_bands *block);

/* Let go until at most `bytes` are left. */
void kofn_cache_shrink(kofn_cache *cache, size_t bytes);

#endif
