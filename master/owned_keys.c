#include "master/owned_keys.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MIN = 16 }; // a power of two

kofn_owned_key
kofn_owned_key_make(const char *owner, const char *key)
{
    kofn_owned_key made = {.text = ""};
    if (key[0])
        (void)snprintf(made.text, sizeof made.text, "%s%s", owner, key);
    return made;
}

kofn_status
kofn_owned_keys_init(kofn_owned_keys *keys, kofn_error *err)
{
    *keys = (kofn_owned_keys){.bucket_count = BUCKETS_MIN};
    (void)!sodium_init(); // or the seed comes the slower way
    crypto_shorthash_keygen(keys->seed);
    keys->buckets = calloc(BUCKETS_MIN, sizeof *keys->buckets);
    return keys->buckets ? KOFN_OK
                         : kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a table of keys");
}

void
kofn_owned_keys_fini(kofn_owned_keys *keys)
{
    free(keys->buckets);
    *keys = (kofn_owned_keys){0};
}

static kofn_owned_key **
find_bucket(const kofn_owned_keys *keys, const char *text)
{
    unsigned char bytes[crypto_shorthash_BYTES];
    uint64_t hash;
    _Static_assert(sizeof bytes == sizeof hash, "a hash is a number");
    (void)crypto_shorthash(bytes, (const unsigned char *)text, strlen(text), keys->seed);
    memcpy(&hash, bytes, sizeof hash);
    return &keys->buckets[hash & (keys->bucket_count - 1)];
}

static kofn_owned_key *
find_key(const kofn_owned_keys *keys, const char *text)
{
    kofn_owned_key *key = *find_bucket(keys, text);
    while (key && strcmp(key->text, text) != 0)
        key = key->next;
    return key;
}

void *
kofn_owned_keys_find(const kofn_owned_keys *keys, const kofn_owned_key *like)
{
    const kofn_owned_key *key = like->text[0] ? find_key(keys, like->text) : NULL;
    return key ? key->record : NULL;
}

static void
push(kofn_owned_keys *keys, kofn_owned_key *key)
{
    kofn_owned_key **bucket = find_bucket(keys, key->text);
    key->next = *bucket;
    *bucket = key;
}

/* One key a bucket; without memory for that, more of them. */
static void
grow(kofn_owned_keys *keys)
{
    kofn_owned_keys grown = *keys;
    grown.bucket_count *= 2;
    grown.buckets = calloc(grown.bucket_count, sizeof *grown.buckets);
    if (!grown.buckets)
        return;
    for (size_t b = 0; b < keys->bucket_count; b++)
        for (kofn_owned_key *key = keys->buckets[b], *next; key; key = next) {
            next = key->next;
            push(&grown, key);
        }
    free(keys->buckets);
    *keys = grown;
}

void
kofn_owned_keys_put(kofn_owned_keys *keys, kofn_owned_key *key, void *record)
{
    if (!key->text[0])
        return;
    const kofn_owned_key *had = find_key(keys, key->text);
    if (had)
        kofn_owned_keys_remove(keys, had);
    if (keys->count >= keys->bucket_count)
        grow(keys);
    key->record = record;
    push(keys, key);
    keys->count++;
}

void
kofn_owned_keys_remove(kofn_owned_keys *keys, const kofn_owned_key *key)
{
    kofn_owned_key **link = find_bucket(keys, key->text);
    while (*link && *link != key)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = key->next;
    keys->count--;
}
