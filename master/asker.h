/* Who asks, and whose something is: jobs and stored operands belong to the key that made them. A
 * client sees its own, an admin all. What is another's is as if it were not there.
 *
 * Without keys every asker is "" and everything is "": whoever connects sees all.
 */
#ifndef KOFN_MASTER_ASKER_H
#define KOFN_MASTER_ASKER_H

#include "proto/limits.h"
#include "proto/link/certificate.h"

#include <stdio.h>
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

/* An idempotency key as its owner's: the same one of two clients is two. */
typedef struct kofn_owned_key {
    char text[KOFN_CURVE_TEXT + KOFN_KEY_TEXT_MAX]; // "": none
} kofn_owned_key;

static inline kofn_owned_key
kofn_owned_key_make(const char *owner, const char *key)
{
    kofn_owned_key made = {.text = ""};
    if (key[0])
        (void)snprintf(made.text, sizeof made.text, "%s%s", owner, key);
    return made;
}

#endif
