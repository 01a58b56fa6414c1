/* The checksum of a message: an entry of its envelope that covers envelope and block frames.
 *
 *     82 | a3 'c' 'r' 'c' ce xx xx xx xx | a4 't' 'y' 'p' 'e' ...        first block     second
 *     +--+                               +--------------------...        +-----------... +-----...
 *      CRC32C over these, in this order; sent as the map's first entry, five bytes in u32
 *
 * Without keys nothing but TCP's sum, which is weak and ends where a proxy begins, stands between a
 * bit that flips on the way and a product that is wrong in silence. To receivers who do not know it
 * the entry is an unknown key; senders who do not know it are not checked.
 *
 * Cost       CRC32C of ISA-L, on each end once: 67 GB/s in cache, 4 from memory that others use
 *            too. It is not fused with the copies, so large frames are read once more on each end.
 *            Elapsed and CPU time of whole jobs with and without: bench/checksum.
 * Threads    Any thread.
 */
#ifndef KOFN_PROTO_LINK_CHECKSUM_H
#define KOFN_PROTO_LINK_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KOFN_CHECKSUM_ROOM = 11 }; // bytes that an envelope grows by, at most

/* The envelope with an entry for the sum, not filled in yet; its length. `ret_head` has room for
 * KOFN_CHECKSUM_ROOM more. 0: it is no map of less than 65535 entries. */
size_t kofn_checksum_insert(const void *head, size_t length, void *ret_head);

/* Where the sum lies in the envelope; 0: there is none. */
size_t kofn_checksum_find(const void *head, size_t length);

/* The sum over the envelope but for its entry at `place`; then over each block frame. */
uint32_t kofn_checksum_of_head(const void *head, size_t length, size_t place);
uint32_t kofn_checksum_add(uint32_t sum, const void *frame, size_t length);

void kofn_checksum_put(void *head, size_t place, uint32_t sum);
uint32_t kofn_checksum_get(const void *head, size_t place);

#endif
