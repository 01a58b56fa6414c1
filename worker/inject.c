#include "worker/inject.h"

#include "common/base/clock.h"
#include "common/base/rng.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

kofn_status
kofn_injector_init(kofn_injector *injector, const kofn_inject *config, kofn_error *err)
{
    kofn_straggler *straggler = NULL;
    if (config->straggler[0]) {
        kofn_straggler_spec spec;
        kofn_status status = kofn_straggler_parse(config->straggler, &spec, err);
        if (status == KOFN_OK)
            status = kofn_straggler_new(&spec, (size_t)config->straggler_workers, &straggler, err);
        if (status != KOFN_OK) {
            (void)kofn_fail_within(err, "inject.straggler");
            return status;
        }
    }
    *injector = (kofn_injector){.config = *config, .straggler = straggler};
    return KOFN_OK;
}

void
kofn_injector_fini(kofn_injector *injector)
{
    kofn_straggler_destroy(&injector->straggler);
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
           config->wrong > 0 || injector->straggler || config->pace > 0;
}

static int64_t
to_i64(double x)
{
    return x < 0x1p63 ? (int64_t)x : INT64_MAX;
}

/* How many times as long as usual the model wants this task, the `index`-th here, to take. */
static double
find_slowdown(kofn_injector *injector, const kofn_victim *task, uint64_t index)
{
    const bool streams = task->round > 0;
    const uint64_t round = streams ? task->round - 1 : index;
    const uint64_t column = streams ? task->slot : (uint64_t)injector->config.column;
    if (!injector->straggler)
        return 1;
    return kofn_straggler_get_factor(
        injector->straggler, round % KOFN_INJECT_ROUNDS,
        (size_t)(column % (uint64_t)injector->config.straggler_workers));
}

static void
slow_down(const kofn_inject *config, double slowdown, double flops, kofn_faults *faults)
{
    if (config->by == KOFN_INJECT_BY_REPEAT)
        faults->repeat = to_i64(nearbyint((double)faults->repeat * slowdown));
    const double usual_ns = config->pace > 0 ? (double)faults->repeat * flops / config->pace : 0;
    faults->least_ns = to_i64(usual_ns); // GFlop/s are flops a nanosecond
    if (config->by == KOFN_INJECT_BY_REPEAT)
        return;
    if (config->pace > 0)
        faults->sleep_ns = kofn_clock_after(faults->sleep_ns, to_i64((slowdown - 1) * usual_ns));
    else
        faults->lag = slowdown - 1;
}

kofn_faults
kofn_injector_next(kofn_injector *injector, const kofn_victim *task)
{
    kofn_faults faults = {.repeat = 1};
    if (!kofn_injector_is_on(injector))
        return faults;

    const kofn_inject *config = &injector->config;
    const uint64_t index = injector->drawn++;
    kofn_rng rng;
    kofn_rng_init(&rng, (uint64_t)config->seed, index);

    /* Always the same draws in the same order, used or not. */
    const bool slow = kofn_rng_unit(&rng) < config->probability;
    const bool wrong = kofn_rng_unit(&rng) < config->wrong;
    const bool whole_block = kofn_rng_below(&rng, 2) == 1;
    faults.where = kofn_rng_u64(&rng);

    if (slow && slows(config)) {
        faults.repeat = config->repeat;
        faults.sleep_ns = config->sleep_ns;
    }
    slow_down(config, find_slowdown(injector, task, index), task->flops, &faults);
    if (wrong)
        faults.spoil = whole_block ? KOFN_SPOIL_BLOCK : KOFN_SPOIL_ELEMENT;
    /* Or one that comes later: the task itself may be cancelled before it is in its middle. */
    faults.crash = config->crash_after > 0 && index >= (uint64_t)config->crash_after;
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
                   " freeze_after=%" PRId64 " crash_after=%" PRId64
                   " wrong=%g straggler='%s' column=%" PRId64 "/%" PRId64 " by=%s pace=%g",
                   config->repeat, config->sleep_ns, config->probability, config->seed,
                   config->freeze_after, config->crash_after, config->wrong, config->straggler,
                   config->column, config->straggler_workers,
                   config->by == KOFN_INJECT_BY_WAIT ? "wait" : "repeat", config->pace);
}
