#include "proto/link/checksum.h"

#include <isa-l/crc.h>
#include <string.h>

/* Key and marker of the entry; the sum follows, big-endian. */
static const unsigned char entry[] = {0xa3, 'c', 'r', 'c', 0xce};

enum { SUM_BYTES = 4, STEP = 1 << 30 }; // ISA-L counts in int

/* Bytes of the map's head, and its entries; 0: it is no map of a size that we write. */
static size_t
read_map(const unsigned char *head, size_t length, size_t *ret_entries)
{
    if (length >= 1 && (head[0] & 0xf0) == 0x80) {
        *ret_entries = head[0] & 0x0f;
        return 1;
    }
    if (length >= 3 && head[0] == 0xde) {
        *ret_entries = (size_t)head[1] << 8 | head[2];
        return 3;
    }
    return 0;
}

size_t
kofn_checksum_insert(const void *head, size_t length, void *ret_head)
{
    const unsigned char *from = head;
    unsigned char *to = ret_head;
    size_t entries = 0;
    const size_t skip = read_map(from, length, &entries);
    if (skip == 0 || entries >= UINT16_MAX)
        return 0;
    if (++entries < 16) {
        *to++ = (unsigned char)(0x80 | entries);
    } else {
        *to++ = 0xde;
        *to++ = (unsigned char)(entries >> 8);
        *to++ = (unsigned char)entries;
    }
    memcpy(to, entry, sizeof entry);
    memset(to + sizeof entry, 0, SUM_BYTES);
    to += sizeof entry + SUM_BYTES;
    memcpy(to, from + skip, length - skip);
    return (size_t)(to - (unsigned char *)ret_head) + length - skip;
}

size_t
kofn_checksum_find(const void *head, size_t length)
{
    size_t entries = 0;
    const size_t skip = read_map(head, length, &entries);
    const bool there = skip > 0 && entries > 0 && length - skip >= sizeof entry + SUM_BYTES &&
                       memcmp((const unsigned char *)head + skip, entry, sizeof entry) == 0;
    return there ? skip + sizeof entry : 0;
}

uint32_t
kofn_checksum_add(uint32_t sum, const void *frame, size_t length)
{
    unsigned char *at = (unsigned char *)(uintptr_t)frame; // ISA-L only reads
    for (; length > STEP; length -= STEP, at += STEP)
        sum = crc32_iscsi(at, STEP, sum);
    return length > 0 ? crc32_iscsi(at, (int)length, sum) : sum;
}

uint32_t
kofn_checksum_of_head(const void *head, size_t length, size_t place)
{
    const unsigned char *at = head;
    const size_t end = place + SUM_BYTES;
    const uint32_t sum = kofn_checksum_add(UINT32_MAX, at, place - sizeof entry);
    return kofn_checksum_add(sum, at + end, length - end);
}

void
kofn_checksum_put(void *head, size_t place, uint32_t sum)
{
    unsigned char *at = (unsigned char *)head + place;
    for (size_t i = 0; i < SUM_BYTES; i++)
        at[i] = (unsigned char)(sum >> (8 * (SUM_BYTES - 1 - i)));
}

uint32_t
kofn_checksum_get(const void *head, size_t place)
{
    const unsigned char *at = (const unsigned char *)head + place;
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}
