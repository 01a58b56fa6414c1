#include "common/code/sketch.h"
#include "common/code/sketch_cr.h"
#include "common/code/sketch_grid_cr.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const kofn_sketch *const sketches[] = {
    &kofn_cr_sketch,
    &kofn_block_cr_sketch,
    &kofn_grid_cr_sketch,
};

void
kofn_sketched_fini(kofn_sketched *sketched)
{
    kofn_batch_destroy(&sketched->batch);
    free(sketched->column);
    free(sketched->scale);
    *sketched = (kofn_sketched){0};
}

const kofn_sketch *
kofn_sketch_find(const char *name)
{
    for (size_t i = 0; i < kofn_sketch_count(); i++)
        if (strcmp(sketches[i]->name, name) == 0)
            return sketches[i];
    return NULL;
}

size_t
kofn_sketch_count(void)
{
    return sizeof sketches / sizeof sketches[0];
}

const kofn_sketch *
kofn_sketch_at(size_t index)
{
    assert(index < kofn_sketch_count());
    return sketches[index];
}
