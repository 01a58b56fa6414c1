/* Names of coded blocks, as digests in hex: by their numbers they are found in a map. Two names may
 * have one number, so whoever finds a block compares its name. */
#ifndef KOFN_PROTO_TAG_H
#define KOFN_PROTO_TAG_H

#include <stdint.h>

uint64_t kofn_tag_hash(const char *tag);

#endif
