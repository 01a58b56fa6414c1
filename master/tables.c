#include "master/root.h"
#include "common/base/hash.h"
#include "proto/link/link.h"

static size_t
hash_peer(const void *key)
{
    const kofn_peer_id *id = key;
    return kofn_hash_bytes(KOFN_HASH_START, id->at, id->length);
}

static int
compare_peers(const void *a, const void *b)
{
    const kofn_peer_id *left = a, *right = b;
    if (left->length != right->length)
        return left->length < right->length ? -1 : 1;
    return memcmp(left->at, right->at, left->length);
}

zhashx_t *
kofn_peer_table_new(void)
{
    zhashx_t *table = zhashx_new();
    if (!table)
        return NULL;
    zhashx_set_key_duplicator(table, NULL); // keys live in their items
    zhashx_set_key_destructor(table, NULL);
    zhashx_set_key_hasher(table, hash_peer);
    zhashx_set_key_comparator(table, compare_peers);
    return table;
}
