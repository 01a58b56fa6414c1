/* Hashes, FNV-1a with 64 bits: for tables, and to see whether something changed. Whoever means harm
 * finds two texts of one number; what must not be is compared, or has a digest of libsodium's.
 *
 * Source     Fowler, Noll, Vo, draft-eastlake-fnv; by words, it is quicker and ours.
 * Threads    Any thread; values.
 */
#ifndef KOFN_BASE_HASH_H
#define KOFN_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KOFN_HASH_START UINT64_C(0xcbf29ce484222325) // of nothing

static inline uint64_t
kofn_hash_word(uint64_t hash, uint64_t word)
{
    return (hash ^ word) * UINT64_C(0x100000001b3);
}

static inline uint64_t
kofn_hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = kofn_hash_word(hash, ((const unsigned char *)bytes)[i]);
    return hash;
}

static inline uint64_t
kofn_hash_text(const char *text)
{
    return kofn_hash_bytes(KOFN_HASH_START, text, strlen(text));
}

#endif
