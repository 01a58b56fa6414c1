/* A map from 64-bit numbers to pointers: jobs, workers and assignments by their ids.
 *
 * Open addressing with linear probing in a table of a power of two, at most three quarters full;
 * removal shifts the entries behind it back, so that there are no tombstones and a map in which
 * entries come and go for years stays as fast as a fresh one. Keys are mixed first: ids are often
 * consecutive.
 *
 * Cost       find, put, remove: O(1) expected, one cache line most of the time; 16 bytes a slot.
 * Threads    One thread at a time.
 */
#ifndef KOFN_BASE_MAP_H
#define KOFN_BASE_MAP_H

#include "common/base/status.h"

#include <stdint.h>

typedef struct kofn_map_slot {
    uint64_t key;
    void *value; // NULL: empty
} kofn_map_slot;

typedef struct kofn_map {
    kofn_map_slot *slots;
    size_t capacity; // 0 or a power of two
    size_t count;
} kofn_map;

void kofn_map_init(kofn_map *map); // allocates nothing; a zeroed map is one too
void kofn_map_fini(kofn_map *map); // values are the caller's

/* Room for `count` entries: puts up to that number cannot fail. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_map_reserve(kofn_map *map, size_t count, kofn_error *err);

/* Any key will do, no value may be NULL. ALREADY_EXISTS: the key. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_map_put(kofn_map *map, uint64_t key, void *value, kofn_error *err);

void *kofn_map_find(const kofn_map *map, uint64_t key); // NULL: not there
void *kofn_map_remove(kofn_map *map, uint64_t key);     // the value it had, or NULL

/* Walk over all entries in no particular order: start with *cursor 0, until NULL. Nothing may be
 * put or removed meanwhile. */
void *kofn_map_next(const kofn_map *map, size_t *cursor);

#endif
