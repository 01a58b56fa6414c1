#include "worker/inject.h"

#include "common/base/rng.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void
kofn_injector_init(kofn_injector *injector, const kofn_inject *config)
{
    *injector = (kofn_injector){.config = *config};
}

static bool
slows(const kofn_inject *config)
{
    return config->repeat > 1 || config->sleep_ns > 0;
}

bool
kofn_injector_is_on(const kofn_injector *injector)
{
    const kofn_inject *config = &injector->config;
    return slows(config) || config->freeze_after > 0 || config->crash_after > 0 ||
           config->wrong > 0;
}

kofn_faults
kofn_injector_next(kofn_injector *injector)
{
    kofn_faults faults = {.repeat = 1};
    if (!kofn_injector_is_on(injector))
        return faults;

    const kofn_inject *config = &injector->config;
    const uint64_t task = injector->drawn++;
    kofn_rng rng;
    kofn_rng_init(&rng, (uint64_t)config->seed, task);

    /* Always the same draws in the same order, used or not. */
    const bool slow = kofn_rng_unit(&rng) < config->probability;
    const bool wrong = kofn_rng_unit(&rng) < config->wrong;
    const bool whole_block = kofn_rng_below(&rng, 2) == 1;
    faults.where = kofn_rng_u64(&rng);

    if (slow && slows(config)) {
        faults.repeat = config->repeat;
        faults.sleep_ns = config->sleep_ns;
    }
    if (wrong)
        faults.spoil = whole_block ? KOFN_SPOIL_BLOCK : KOFN_SPOIL_ELEMENT;
    /* Or one that comes later: the task itself may be cancelled before it is in its middle. */
    faults.crash = config->crash_after > 0 && task >= (uint64_t)config->crash_after;
    return faults;
}

bool
kofn_injector_answered(kofn_injector *injector)
{
    injector->answered++;
    return injector->config.freeze_after > 0 && injector->answered >= injector->config.freeze_after;
}

/* Another value of the same size, so that only a check of the numbers finds it. */
static void
spoil_element(kofn_dtype dtype, unsigned char *at)
{
    if (dtype == KOFN_F64) {
        double value;
        memcpy(&value, at, sizeof value);
        value = -1.25 * value - 0.5;
        memcpy(at, &value, sizeof value);
    } else if (dtype == KOFN_F32) {
        float value;
        memcpy(&value, at, sizeof value);
        value = -1.25f * value - 0.5f;
        memcpy(at, &value, sizeof value);
    } else {
        at[0] ^= 1;
    }
}

static void
spoil_row(const kofn_mat *mat, size_t row)
{
    const size_t width = kofn_dtype_width(mat->dtype);
    for (size_t col = 0; col < mat->cols; col++)
        spoil_element(mat->dtype, (unsigned char *)kofn_mat_get_row(mat, row) + col * width);
}

static void
spoil_one(const kofn_bands *c, uint64_t where)
{
    const size_t row = (size_t)(where % c->rows);
    const size_t col = (size_t)(where / c->rows % c->cols);
    for (size_t i = 0; i < c->count; i++) {
        const kofn_band *band = &c->at[i];
        if (row < band->first_row || row - band->first_row >= band->mat.rows)
            continue;
        unsigned char *at = kofn_mat_get_row(&band->mat, row - band->first_row);
        spoil_element(c->dtype, at + col * kofn_dtype_width(c->dtype));
    }
}

void
kofn_faults_spoil(const kofn_faults *faults, const kofn_bands *c)
{
    if (faults->spoil == KOFN_SPOIL_NOTHING || c->rows == 0 || c->cols == 0)
        return;
    if (faults->spoil == KOFN_SPOIL_ELEMENT) {
        spoil_one(c, faults->where);
        return;
    }
    for (size_t i = 0; i < c->count; i++)
        for (size_t row = 0; row < c->at[i].mat.rows; row++)
            spoil_row(&c->at[i].mat, row);
}

void
kofn_inject_format(const kofn_inject *config, char *ret_text, size_t size)
{
    (void)snprintf(ret_text, size,
                   "repeat=%" PRId64 " sleep_ns=%" PRId64 " probability=%g seed=%" PRId64
                   " freeze_after=%" PRId64 " crash_after=%" PRId64 " wrong=%g",
                   config->repeat, config->sleep_ns, config->probability, config->seed,
                   config->freeze_after, config->crash_after, config->wrong);
}
