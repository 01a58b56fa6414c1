#include "master/holdings.h"

#include "common/base/hash.h"
#include "common/base/map.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

typedef struct holding holding;
typedef TAILQ_HEAD(holding_list, holding) holding_list;

typedef struct block {
    uint64_t hash;
    char name[KOFN_TAG_MAX];
    holding_list by; // latest first
} block;

typedef struct holder {
    uint64_t worker;
    kofn_map by_hash; // of holding
    holding_list all; // earliest first
} holder;

struct holding {
    block *block;
    holder *holder;
    TAILQ_ENTRY(holding) of_block, of_holder;
};

struct kofn_holdings {
    kofn_map blocks;  // by hash: of two names with one hash the second is not noted
    kofn_map holders; // by worker
    size_t count;
};

kofn_status
kofn_holdings_new(kofn_holdings **ret_holdings, kofn_error *err)
{
    *ret_holdings = calloc(1, sizeof **ret_holdings);
    if (!*ret_holdings)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a table of kept blocks");
    return KOFN_OK;
}

static block *
find_block(const kofn_holdings *holdings, const char *name)
{
    block *b = kofn_map_find(&holdings->blocks, kofn_hash_text(name));
    return b && strcmp(b->name, name) == 0 ? b : NULL;
}

static holding *
find(const kofn_holdings *holdings, uint64_t worker, const char *name)
{
    const holder *by = kofn_map_find(&holdings->holders, worker);
    const block *b = by ? find_block(holdings, name) : NULL;
    return b ? kofn_map_find(&by->by_hash, b->hash) : NULL;
}

/* A block or a holder of nothing goes with it. */
static void
tidy(kofn_holdings *holdings, block *b, holder *by)
{
    if (b && TAILQ_EMPTY(&b->by)) {
        (void)kofn_map_remove(&holdings->blocks, b->hash); // it is at hand
        free(b);
    }
    if (by && TAILQ_EMPTY(&by->all)) {
        (void)kofn_map_remove(&holdings->holders, by->worker);
        kofn_map_fini(&by->by_hash);
        free(by);
    }
}

static void
drop(kofn_holdings *holdings, holding *h)
{
    block *b = h->block;
    holder *by = h->holder;
    TAILQ_REMOVE(&b->by, h, of_block);
    TAILQ_REMOVE(&by->all, h, of_holder);
    (void)kofn_map_remove(&by->by_hash, b->hash);
    holdings->count--;
    free(h);
    tidy(holdings, b, by);
}

void
kofn_holdings_destroy(kofn_holdings **holdings_p)
{
    kofn_holdings *holdings = *holdings_p;
    if (!holdings)
        return;
    size_t cursor = 0;
    for (holder *by; (by = kofn_map_next(&holdings->holders, &cursor)); cursor = 0)
        kofn_holdings_forget_worker(holdings, by->worker);
    kofn_map_fini(&holdings->blocks);
    kofn_map_fini(&holdings->holders);
    free(holdings);
    *holdings_p = NULL;
}

static block *
get_block(kofn_holdings *holdings, const char *name)
{
    const uint64_t hash = kofn_hash_text(name);
    block *b = kofn_map_find(&holdings->blocks, hash);
    if (b)
        return strcmp(b->name, name) == 0 ? b : NULL;
    b = calloc(1, sizeof *b);
    if (!b || kofn_map_put(&holdings->blocks, hash, b, NULL) != KOFN_OK) {
        free(b);
        return NULL;
    }
    b->hash = hash;
    (void)snprintf(b->name, sizeof b->name, "%s", name);
    TAILQ_INIT(&b->by);
    return b;
}

static holder *
get_holder(kofn_holdings *holdings, uint64_t worker)
{
    holder *by = kofn_map_find(&holdings->holders, worker);
    if (by)
        return by;
    by = calloc(1, sizeof *by);
    if (!by || kofn_map_put(&holdings->holders, worker, by, NULL) != KOFN_OK) {
        free(by);
        return NULL;
    }
    by->worker = worker;
    TAILQ_INIT(&by->all);
    return by;
}

void
kofn_holdings_note(kofn_holdings *holdings, uint64_t worker, const char *name)
{
    block *b = get_block(holdings, name);
    holder *by = b ? get_holder(holdings, worker) : NULL;
    holding *h = by ? calloc(1, sizeof *h) : NULL;
    if (!h || kofn_map_put(&by->by_hash, b->hash, h, NULL) != KOFN_OK) { // it is noted already, say
        free(h);
        tidy(holdings, b, by);
        return;
    }
    h->block = b;
    h->holder = by;
    TAILQ_INSERT_HEAD(&b->by, h, of_block);
    TAILQ_INSERT_TAIL(&by->all, h, of_holder);
    holdings->count++;
    if (by->by_hash.count > KOFN_CACHED_MAX)
        drop(holdings, TAILQ_FIRST(&by->all));
}

void
kofn_holdings_forget(kofn_holdings *holdings, uint64_t worker, const char *name)
{
    holding *h = find(holdings, worker, name);
    if (h)
        drop(holdings, h);
}

void
kofn_holdings_forget_worker(kofn_holdings *holdings, uint64_t worker)
{
    for (const holder *by; (by = kofn_map_find(&holdings->holders, worker));) // goes with its last
        drop(holdings, TAILQ_FIRST(&by->all));
}

bool
kofn_holdings_has(const kofn_holdings *holdings, uint64_t worker, const char *name)
{
    return find(holdings, worker, name) != NULL;
}

size_t
kofn_holdings_count(const kofn_holdings *holdings)
{
    return holdings->count;
}

void
kofn_holdings_each(const kofn_holdings *holdings, const char *name,
                   bool (*visit)(void *context, uint64_t worker), void *context)
{
    const block *b = find_block(holdings, name);
    if (!b)
        return;
    const holding *h;
    TAILQ_FOREACH(h, &b->by, of_block)
    {
        if (!visit(context, h->holder->worker))
            return;
    }
}
