#include "worker/cache.h"

#include "common/base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
kofn_cache_init(kofn_cache *cache, size_t limit, void (*gone)(void *context, const char *name),
                void *context)
{
    *cache = (kofn_cache){.limit = limit, .gone = gone, .context = context};
    kofn_map_init(&cache->by_hash);
    TAILQ_INIT(&cache->all);
}

static void
destroy(kofn_cache *cache, kofn_cached *entry)
{
    TAILQ_REMOVE(&cache->all, entry, of_cache);
    (void)kofn_map_remove(&cache->by_hash, entry->hash); // it is at hand
    cache->bytes -= entry->bytes;
    kofn_bands_fini(&entry->block);
    free(entry);
}

void
kofn_cache_fini(kofn_cache *cache)
{
    while (!TAILQ_EMPTY(&cache->all))
        destroy(cache, TAILQ_FIRST(&cache->all));
    kofn_map_fini(&cache->by_hash);
}

static kofn_cached *
find(const kofn_cache *cache, const char *name)
{
    kofn_cached *entry = kofn_map_find(&cache->by_hash, kofn_hash_text(name));
    return entry && strcmp(entry->name, name) == 0 ? entry : NULL;
}

const kofn_bands *
kofn_cache_find(kofn_cache *cache, const char *name)
{
    kofn_cached *entry = find(cache, name);
    if (!entry)
        return NULL;
    TAILQ_REMOVE(&cache->all, entry, of_cache);
    TAILQ_INSERT_TAIL(&cache->all, entry, of_cache);
    return &entry->block;
}

static void
evict_oldest(kofn_cache *cache)
{
    kofn_cached *oldest = TAILQ_FIRST(&cache->all);
    cache->gone(cache->context, oldest->name);
    destroy(cache, oldest);
}

void
kofn_cache_shrink(kofn_cache *cache, size_t bytes)
{
    while (cache->bytes > bytes)
        evict_oldest(cache);
}

static kofn_cached *
new_entry(const char *name, const kofn_bands *block)
{
    kofn_cached *entry = calloc(1, sizeof *entry);
    if (!entry || kofn_bands_ref(block, &entry->block, NULL) != KOFN_OK) {
        free(entry);
        return NULL;
    }
    entry->hash = kofn_hash_text(name);
    (void)snprintf(entry->name, sizeof entry->name, "%s", name);
    return entry;
}

/* NULL: there is no room, or no memory. */
static kofn_cached *
make_entry(kofn_cache *cache, const char *name, const kofn_bands *block, size_t bytes)
{
    if (bytes > cache->limit)
        return NULL;
    kofn_cached *entry = new_entry(name, block);
    if (entry && kofn_map_put(&cache->by_hash, entry->hash, entry, NULL) != KOFN_OK) {
        kofn_bands_fini(&entry->block);
        free(entry);
        return NULL;
    }
    return entry;
}

void
kofn_cache_put(kofn_cache *cache, const char *name, const kofn_bands *block)
{
    const size_t bytes =
        sizeof(kofn_cached) + block->rows * block->cols * kofn_dtype_width(block->dtype);
    if (kofn_cache_find(cache, name))
        return;
    kofn_cached *entry = make_entry(cache, name, block, bytes);
    if (!entry) {
        cache->gone(cache->context, name);
        return;
    }
    kofn_cache_shrink(cache, cache->limit - bytes);
    if (cache->by_hash.count > KOFN_CACHED_MAX)
        evict_oldest(cache);
    entry->bytes = bytes;
    cache->bytes += bytes;
    TAILQ_INSERT_TAIL(&cache->all, entry, of_cache);
}
