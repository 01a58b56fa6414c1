#include "proto/tag.h"

uint64_t
kofn_tag_hash(const char *tag) // FNV-1a
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *tag; tag++)
        hash = (hash ^ (unsigned char)*tag) * 0x100000001b3u;
    return hash;
}
