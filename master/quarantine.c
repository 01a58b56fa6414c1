#include "master/quarantine.h"
#include "common/base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
kofn_quarantine_fini(kofn_quarantine *quarantine)
{
    free(quarantine->at);
    *quarantine = (kofn_quarantine){0};
}

bool
kofn_giver_is(const kofn_giver *a, const kofn_giver *b)
{
    if (a->key[0] || b->key[0])
        return strcmp(a->key, b->key) == 0;
    return strcmp(a->name, b->name) == 0;
}

uint64_t
kofn_giver_hash(const kofn_giver *giver)
{
    return kofn_hash_text(giver->key[0] ? giver->key : giver->name);
}

static kofn_quarantined *
find(const kofn_quarantine *quarantine, const kofn_giver *who)
{
    for (size_t i = 0; i < quarantine->count; i++)
        if (kofn_giver_is(&quarantine->at[i].who, who))
            return &quarantine->at[i];
    return NULL;
}

static kofn_quarantined *
find_first_over(const kofn_quarantine *quarantine)
{
    kofn_quarantined *first = &quarantine->at[0];
    for (size_t i = 1; i < quarantine->count; i++)
        if (quarantine->at[i].until_ns < first->until_ns)
            first = &quarantine->at[i];
    return first;
}

/* Room for one more; NULL: no memory. */
static kofn_quarantined *
extend(kofn_quarantine *quarantine)
{
    if (quarantine->count == KOFN_QUARANTINED_MAX)
        return find_first_over(quarantine);
    if (quarantine->count == quarantine->capacity) {
        const size_t capacity = 2 * quarantine->capacity + 4;
        kofn_quarantined *at = realloc(quarantine->at, capacity * sizeof *at);
        if (!at)
            return NULL;
        quarantine->at = at;
        quarantine->capacity = capacity;
    }
    return &quarantine->at[quarantine->count++];
}

bool
kofn_quarantine_add(kofn_quarantine *quarantine, const kofn_giver *who, int64_t until_ns)
{
    kofn_quarantined *known = find(quarantine, who);
    if (known && known->until_ns >= until_ns)
        return true;
    if (!known)
        known = extend(quarantine);
    if (known)
        *known = (kofn_quarantined){.who = *who, .until_ns = until_ns};
    return known != NULL;
}

int64_t
kofn_quarantine_get_until(kofn_quarantine *quarantine, const kofn_giver *who, int64_t now_ns)
{
    size_t kept = 0;
    for (size_t i = 0; i < quarantine->count; i++)
        if (quarantine->at[i].until_ns > now_ns)
            quarantine->at[kept++] = quarantine->at[i];
    quarantine->count = kept;
    const kofn_quarantined *known = find(quarantine, who);
    return known ? known->until_ns : 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool
has_name(const char *names, const char *name, size_t length)
{
    for (const char *at = names; *at; at += strspn(at, ",")) {
        const size_t here = strcspn(at, ",");
        if (here == length && memcmp(at, name, length) == 0)
            return true;
        at += here;
    }
    return false;
}

void
kofn_names_add(char *names, size_t size, const char *more)
{
    for (const char *at = more; *at; at += strspn(at, ",")) {
        const size_t length = strcspn(at, ","), used = strlen(names);
        if (length > 0 && !has_name(names, at, length) && used + length + 2 <= size)
            (void)snprintf(names + used, size - used, "%s%.*s", used > 0 ? "," : "", (int)length,
                           at);
        at += length;
    }
}
