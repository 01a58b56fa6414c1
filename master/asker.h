/* Who asks, and whose something is: jobs and stored operands belong to the key that made them. A
 * client sees its own, an admin all. What is another's is as if it were not there.
 *
 * Without keys every asker is "" and everything is "": whoever connects sees all.
 */
#ifndef KOFN_MASTER_ASKER_H
#define KOFN_MASTER_ASKER_H

#include "proto/link/certificate.h"

#include <stdbool.h>
#include <string.h>

typedef struct kofn_asker {
    char key[KOFN_CURVE_TEXT]; // public key, "" without keys
    bool admin;
} kofn_asker;

static inline bool
kofn_asker_may(const kofn_asker *who, const char *owner)
{
    return who->admin || strcmp(who->key, owner) == 0;
}

#endif
