#include "master/sched/turns.h"

#include <stdlib.h>

void
kofn_turns_init(kofn_turns *turns)
{
    kofn_map_init(&turns->clients);
    kofn_link_init(&turns->ring);
}

void
kofn_turns_fini(kofn_turns *turns)
{
    size_t cursor = 0;
    for (void *turn; (turn = kofn_map_next(&turns->clients, &cursor));)
        free(turn);
    kofn_map_fini(&turns->clients);
}

kofn_status
kofn_turns_add(kofn_turns *turns, uint64_t client, kofn_run *run, kofn_error *err)
{
    kofn_turn *turn = kofn_map_find(&turns->clients, client);
    if (!turn) {
        turn = calloc(1, sizeof *turn);
        if (!turn)
            return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for another client");
        kofn_status status = kofn_map_put(&turns->clients, client, turn, err);
        if (status != KOFN_OK) {
            free(turn);
            return status;
        }
        turn->client = client;
        kofn_link_init(&turn->ring);
        kofn_link_init(&turn->ready);
    }
    turn->runs++;
    run->turn = turn;
    return KOFN_OK;
}

void
kofn_turns_remove(kofn_turns *turns, kofn_run *run)
{
    kofn_turn *turn = run->turn;
    kofn_turns_set_ready(turns, run, false);
    run->turn = NULL;
    if (--turn->runs > 0)
        return;
    (void)kofn_map_remove(&turns->clients, turn->client); // the pointer is at hand already
    free(turn);
}

static kofn_run *
run_of(const kofn_link *ready)
{
    return KOFN_OWNER(ready, kofn_run, ready);
}

void
kofn_turns_set_ready(kofn_turns *turns, kofn_run *run, bool ready)
{
    kofn_turn *turn = run->turn;
    if (kofn_link_is_listed(&run->ready) == ready)
        return;
    if (!ready) {
        kofn_link_remove(&run->ready);
        if (!kofn_link_is_listed(&turn->ready))
            kofn_link_remove(&turn->ring);
        return;
    }

    /* New runs are the last. One that is ready again looks from the front: few are older. */
    kofn_link *where = &turn->ready;
    if (kofn_link_is_listed(where) && run_of(where->prev)->timer.number > run->timer.number) {
        where = where->next;
        while (run_of(where)->timer.number < run->timer.number)
            where = where->next;
    }
    kofn_link_insert_before(where, &run->ready);
    if (!kofn_link_is_listed(&turn->ring))
        kofn_link_insert_before(&turns->ring, &turn->ring);
}

void
kofn_turns_serve(kofn_turns *turns, kofn_run *run)
{
    kofn_turn *turn = run->turn;
    if (!kofn_link_is_listed(&turn->ring))
        return;
    kofn_link_remove(&turn->ring);
    kofn_link_insert_before(&turns->ring, &turn->ring);
}

static kofn_run *
first_of(const kofn_link *ring)
{
    return ring ? run_of(KOFN_OWNER(ring, kofn_turn, ring)->ready.next) : NULL;
}

kofn_run *
kofn_turns_first(const kofn_turns *turns)
{
    return first_of(kofn_list_first(&turns->ring));
}

kofn_run *
kofn_turns_next(const kofn_turns *turns, const kofn_run *run)
{
    const kofn_turn *turn = run->turn;
    const kofn_link *next = kofn_list_after(&turn->ready, &run->ready);
    return next ? run_of(next) : first_of(kofn_list_after(&turns->ring, &turn->ring));
}
