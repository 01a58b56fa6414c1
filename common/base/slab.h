/* Records of one size that come and go all the time, many of which stay: the jobs of a master.
 *
 * malloc puts a record wherever there is room. Those made while 500 connections are open lie among
 * the connections' buffers, and when these are gone each record keeps the two pages that it
 * touches: 4 MiB more for 1000 of them, until newer ones have taken their places. A slab keeps
 * records by themselves, 64 KiB of whole pages at a time, and gives these back once they hold none.
 *
 * Cost       take, give: O(1), and clearing a record; a pointer or two a record, and what is left
 *            of the last chunk. Chunks never hold more records than there once were at a time.
 * Threads    One thread at a time.
 */
#ifndef KOFN_BASE_SLAB_H
#define KOFN_BASE_SLAB_H

#include <stddef.h>
#include <sys/queue.h>

typedef struct kofn_slab_chunk kofn_slab_chunk;

typedef struct kofn_slab {
    size_t stride, per_chunk;
    TAILQ_HEAD(, kofn_slab_chunk) roomy; // chunks with room
    size_t chunks;                       // all
} kofn_slab;

void kofn_slab_init(kofn_slab *slab, size_t record_bytes); // allocates nothing
void kofn_slab_fini(const kofn_slab *slab);                // all records were given back

/* A record of zeros, aligned for anything. NULL: no memory. */
void *kofn_slab_take(kofn_slab *slab);
void kofn_slab_give(kofn_slab *slab, void *record); // accepts NULL

size_t kofn_slab_count_bytes(const kofn_slab *slab); // held for records, and for those to come

#endif
