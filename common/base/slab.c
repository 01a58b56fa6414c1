#include "common/base/slab.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Under the address sanitizer each record is alone, so that one that is used after it was given
 * back is found. */
#if defined __SANITIZE_ADDRESS__
#define KOFN_SLAB_ALONE 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define KOFN_SLAB_ALONE 1
#endif
#endif
#ifndef KOFN_SLAB_ALONE
#define KOFN_SLAB_ALONE 0
#endif

enum { PAGE = 4096, CHUNK_BYTES = 64 << 10, ALIGNMENT = _Alignof(max_align_t) };

typedef struct slot { // in front of each record
    _Alignas(max_align_t) kofn_slab_chunk *of;
    struct slot *next; // of those that are free
} slot;

struct kofn_slab_chunk {
    TAILQ_ENTRY(kofn_slab_chunk) of_roomy;
    slot *free;         // records that were given back
    size_t used, fresh; // records that are out; that were out at some time
    _Alignas(slot) char slots[];
};

static size_t
round_up(size_t bytes, size_t to)
{
    return (bytes + to - 1) / to * to;
}

static size_t
chunk_bytes(const kofn_slab *slab)
{
    const size_t bytes = sizeof(kofn_slab_chunk) + slab->per_chunk * slab->stride;
    return KOFN_SLAB_ALONE ? bytes : round_up(bytes, PAGE);
}

void
kofn_slab_init(kofn_slab *slab, size_t record_bytes)
{
    *slab = (kofn_slab){.stride = sizeof(slot) + round_up(record_bytes, ALIGNMENT)};
    slab->per_chunk = (CHUNK_BYTES - sizeof(kofn_slab_chunk)) / slab->stride;
    if (slab->per_chunk == 0 || KOFN_SLAB_ALONE)
        slab->per_chunk = 1;
    TAILQ_INIT(&slab->roomy);
}

void
kofn_slab_fini(const kofn_slab *slab)
{
    assert(slab->chunks == 0);
    (void)slab;
}

static kofn_slab_chunk *
add_chunk(kofn_slab *slab)
{
    kofn_slab_chunk *chunk =
        KOFN_SLAB_ALONE ? malloc(chunk_bytes(slab)) : aligned_alloc(PAGE, chunk_bytes(slab));
    if (!chunk)
        return NULL;
    chunk->free = NULL;
    chunk->used = chunk->fresh = 0;
    TAILQ_INSERT_TAIL(&slab->roomy, chunk, of_roomy);
    slab->chunks++;
    return chunk;
}

void *
kofn_slab_take(kofn_slab *slab)
{
    kofn_slab_chunk *chunk = TAILQ_FIRST(&slab->roomy);
    if (!chunk)
        chunk = add_chunk(slab);
    if (!chunk)
        return NULL;
    slot *s = chunk->free;
    if (s)
        chunk->free = s->next;
    else
        s = (slot *)(chunk->slots + chunk->fresh++ * slab->stride);
    s->of = chunk;
    if (++chunk->used == slab->per_chunk)
        TAILQ_REMOVE(&slab->roomy, chunk, of_roomy);
    return memset(s + 1, 0, slab->stride - sizeof *s);
}

void
kofn_slab_give(kofn_slab *slab, void *record)
{
    if (!record)
        return;
    slot *s = (slot *)record - 1;
    kofn_slab_chunk *chunk = s->of;
    if (chunk->used-- == slab->per_chunk)
        TAILQ_INSERT_TAIL(&slab->roomy, chunk, of_roomy);
    s->next = chunk->free;
    chunk->free = s;
    if (chunk->used > 0)
        return;
    TAILQ_REMOVE(&slab->roomy, chunk, of_roomy);
    free(chunk);
    slab->chunks--;
}

size_t
kofn_slab_count_bytes(const kofn_slab *slab)
{
    return slab->chunks * chunk_bytes(slab);
}
