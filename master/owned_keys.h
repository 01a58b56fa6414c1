/* Idempotency keys, and a table of what has them: of jobs, and of stored operands.
 *
 * A key is its owner's: the same one of two clients is two. It lives in the record that has it, and
 * so does the table's link to it: an allocation for each entry would lie wherever malloc had room,
 * and keep a page (slab.h).
 *
 * Cost       find, put, remove: O(1) expected, whatever texts clients choose, since the hash is
 *            keyed; a pointer or two an entry.
 * Threads    One thread at a time.
 * Source     SipHash-2-4 (libsodium's shorthash).
 */
#ifndef KOFN_MASTER_OWNED_KEYS_H
#define KOFN_MASTER_OWNED_KEYS_H

#include "common/base/status.h"
#include "proto/limits.h"
#include "proto/link/certificate.h"

#include <sodium.h>

typedef struct kofn_owned_key {
    char text[KOFN_CURVE_TEXT + KOFN_KEY_TEXT_MAX]; // owner and key; "": none
    struct kofn_owned_key *next;                    // in a table: another of its bucket
    void *record;                                   // in a table: what has it
} kofn_owned_key;

kofn_owned_key kofn_owned_key_make(const char *owner, const char *key); // in no table

typedef struct kofn_owned_keys {
    kofn_owned_key **buckets;
    size_t bucket_count, count;
    unsigned char seed[crypto_shorthash_KEYBYTES];
} kofn_owned_keys;

/* RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_owned_keys_init(kofn_owned_keys *keys, kofn_error *err);
void kofn_owned_keys_fini(kofn_owned_keys *keys); // a zeroed one, too; keys are the caller's

/* What has a key of this text; NULL: nothing, or there is no text. */
void *kofn_owned_keys_find(const kofn_owned_keys *keys, const kofn_owned_key *like);

/* From now on `record` has the key, and whatever had one of its text has none; nothing without a
 * text. It is in no table, and stays where it is until it is removed. */
void kofn_owned_keys_put(kofn_owned_keys *keys, kofn_owned_key *key, void *record);

/* This one, and no other of its text; nothing if it is not there. */
void kofn_owned_keys_remove(kofn_owned_keys *keys, const kofn_owned_key *key);

#endif
