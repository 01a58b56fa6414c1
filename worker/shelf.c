#include "worker/shelf.h"

#include <stdlib.h>

static bool
is_same(kofn_answer_name a, kofn_answer_name b)
{
    return a.epoch == b.epoch && a.assignment == b.assignment;
}

bool
kofn_answer_is(const kofn_answer_id *id, kofn_answer_name name)
{
    return is_same(id->first, name) || is_same(id->latest, name);
}

void
kofn_shelf_init(kofn_shelf *shelf, size_t limit)
{
    *shelf = (kofn_shelf){.limit = limit};
    TAILQ_INIT(&shelf->all);
}

void
kofn_shelf_fini(kofn_shelf *shelf)
{
    while (!TAILQ_EMPTY(&shelf->all))
        kofn_shelf_drop(shelf, TAILQ_FIRST(&shelf->all));
}

void
kofn_shelf_drop(kofn_shelf *shelf, kofn_kept *kept)
{
    TAILQ_REMOVE(&shelf->all, kept, of_shelf);
    shelf->count--;
    shelf->bytes -= kept->bytes;
    kofn_bands_fini(&kept->c);
    free(kept);
}

static void
let_go(kofn_shelf *shelf)
{
    kofn_shelf_drop(shelf, TAILQ_FIRST(&shelf->all));
    shelf->let_go++;
}

void
kofn_shelf_shrink(kofn_shelf *shelf, size_t bytes)
{
    while (shelf->bytes > bytes)
        let_go(shelf);
}

kofn_kept *
kofn_shelf_add(kofn_shelf *shelf, const kofn_answer_id *id, const kofn_bands *c)
{
    const size_t bytes = sizeof(kofn_kept) + c->rows * c->cols * kofn_dtype_width(c->dtype);
    if (bytes > shelf->limit)
        return NULL;
    kofn_kept *kept = calloc(1, sizeof *kept);
    if (!kept || kofn_bands_ref(c, &kept->c, NULL) != KOFN_OK) {
        free(kept);
        return NULL;
    }
    kofn_shelf_shrink(shelf, shelf->limit - bytes);
    if (shelf->count == KOFN_KEPT_MAX)
        let_go(shelf);
    kept->id = *id;
    kept->bytes = bytes;
    TAILQ_INSERT_TAIL(&shelf->all, kept, of_shelf);
    shelf->count++;
    shelf->bytes += bytes;
    return kept;
}

kofn_kept *
kofn_shelf_find(const kofn_shelf *shelf, kofn_answer_name name)
{
    kofn_kept *kept;
    TAILQ_FOREACH(kept, &shelf->all, of_shelf)
    {
        if (kofn_answer_is(&kept->id, name))
            break;
    }
    return kept;
}
