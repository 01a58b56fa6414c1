#include "common/base/map.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 8 };

void
kofn_map_init(kofn_map *map)
{
    *map = (kofn_map){0};
}

void
kofn_map_fini(kofn_map *map)
{
    free(map->slots);
    *map = (kofn_map){0};
}

/* Finaliser of splitmix64 (Steele, Lea, Flood 2014): every bit of the key reaches the low bits. */
static uint64_t
mix(uint64_t key)
{
    key = (key ^ (key >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    key = (key ^ (key >> 27)) * UINT64_C(0x94d049bb133111eb);
    return key ^ (key >> 31);
}

static size_t
home_of(const kofn_map *map, uint64_t key)
{
    return (size_t)mix(key) & (map->capacity - 1);
}

/* The slot that holds key, or the empty one where it would go. There always is an empty one. */
static size_t
probe(const kofn_map *map, uint64_t key)
{
    size_t at = home_of(map, key);
    while (map->slots[at].value && map->slots[at].key != key)
        at = (at + 1) & (map->capacity - 1);
    return at;
}

static bool
fits(size_t capacity, size_t count)
{
    return count <= capacity - capacity / 4;
}

kofn_status
kofn_map_reserve(kofn_map *map, size_t count, kofn_error *err)
{
    if (map->capacity > 0 && fits(map->capacity, count))
        return KOFN_OK;
    size_t capacity = map->capacity ? map->capacity : CAPACITY_MIN;
    while (!fits(capacity, count) && capacity <= SIZE_MAX / 4)
        capacity *= 2;

    kofn_map grown = {.capacity = capacity, .count = map->count};
    grown.slots = fits(capacity, count) ? calloc(capacity, sizeof *grown.slots) : NULL;
    if (!grown.slots)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a map of %zu entries", count);
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].value)
            grown.slots[probe(&grown, map->slots[i].key)] = map->slots[i];
    free(map->slots);
    *map = grown;
    return KOFN_OK;
}

kofn_status
kofn_map_put(kofn_map *map, uint64_t key, void *value, kofn_error *err)
{
    assert(value);
    kofn_status status = kofn_map_reserve(map, map->count + 1, err);
    if (status != KOFN_OK)
        return status;
    const size_t at = probe(map, key);
    if (map->slots[at].value)
        return kofn_fail(err, KOFN_ALREADY_EXISTS, "key %" PRIu64 " is in the map already", key);
    map->slots[at] = (kofn_map_slot){.key = key, .value = value};
    map->count++;
    return KOFN_OK;
}

void *
kofn_map_find(const kofn_map *map, uint64_t key)
{
    return map->capacity ? map->slots[probe(map, key)].value : NULL;
}

void *
kofn_map_remove(kofn_map *map, uint64_t key)
{
    if (map->capacity == 0)
        return NULL;
    size_t hole = probe(map, key);
    void *value = map->slots[hole].value;
    if (!value)
        return NULL;

    /* Move back whatever the hole would cut off from its home, then leave the hole at the end. */
    const size_t mask = map->capacity - 1;
    for (size_t at = (hole + 1) & mask; map->slots[at].value; at = (at + 1) & mask) {
        const size_t home = home_of(map, map->slots[at].key);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole] = (kofn_map_slot){0};
    map->count--;
    return value;
}

void *
kofn_map_next(const kofn_map *map, size_t *cursor)
{
    while (*cursor < map->capacity) {
        void *value = map->slots[(*cursor)++].value;
        if (value)
            return value;
    }
    return NULL;
}
