/* Baselines without delay: each job is finished in the round in which it is born.
 *
 *     polynomial   a coded row for each slot: any `need` of them suffice
 *     uncoded      plain rows, dealt to the slots in turn: all are needed */
#include "master/sched/scheme.h"

static kofn_status
settle_delay(kofn_rounds_config *config, const char *name, kofn_error *err)
{
    if (config->delay != 0 || config->window > 1)
        return kofn_fail(
            err, KOFN_INVALID_ARGUMENT,
            "%s finishes each job in its round: T = W - 1 = 0, not %lld: take delay=0, "
            "or the scheme dip or idip",
            name, (long long)(config->delay != 0 ? config->delay : config->window - 1));
    config->window = 1;
    return KOFN_OK;
}

static kofn_status
settle_polynomial(kofn_rounds_config *config, size_t need, kofn_error *err)
{
    if (need > (size_t)config->slots)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "polynomial: need = %zu answers, one of each slot, but need <= P = %lld: "
                         "take jobs of %lld blocks at most, or slots=%zu",
                         need, (long long)config->slots, (long long)config->slots, need);
    return settle_delay(config, "polynomial", err);
}

static kofn_status
settle_uncoded(kofn_rounds_config *config, size_t need, kofn_error *err)
{
    (void)need;
    return settle_delay(config, "uncoded", err);
}

static void
count_rows_polynomial(const kofn_rounds_config *config, size_t need, size_t *ret_plain,
                      size_t *ret_coded)
{
    (void)need;
    *ret_plain = 0;
    *ret_coded = (size_t)config->slots;
}

static void
count_rows_uncoded(const kofn_rounds_config *config, size_t need, size_t *ret_plain,
                   size_t *ret_coded)
{
    (void)config;
    *ret_plain = need;
    *ret_coded = 0;
}

static uint64_t
count_tasks_polynomial(const kofn_rounds_config *config, size_t need)
{
    (void)need;
    return (uint64_t)config->slots;
}

static uint64_t
count_tasks_uncoded(const kofn_rounds_config *config, size_t need)
{
    (void)config;
    return need;
}

static void
give_polynomial(kofn_rounds *r)
{
    kofn_book *book = kofn_rounds_find_book(r, 0);
    const size_t slots = (size_t)kofn_rounds_get_config(r)->slots;
    for (size_t slot = 0; book && slot < slots; slot++)
        kofn_rounds_give_coded(r, book, slot);
}

static void
give_uncoded(kofn_rounds *r)
{
    kofn_book *book = kofn_rounds_find_book(r, 0);
    const size_t slots = (size_t)kofn_rounds_get_config(r)->slots, need = kofn_rounds_get_need(r);
    for (size_t row = 0; book && row < need; row++)
        kofn_rounds_give_plain(r, book, row % slots);
}

const kofn_scheme_ops kofn_scheme_polynomial = {
    .name = "polynomial",
    .keys = " slots delay tolerance window rescue ",
    .deals = true,
    .settle = settle_polynomial,
    .count_rows = count_rows_polynomial,
    .count_tasks = count_tasks_polynomial,
    .give = give_polynomial,
};

const kofn_scheme_ops kofn_scheme_uncoded = {
    .name = "uncoded",
    .keys = " slots delay tolerance window rescue ",
    .deals = true,
    .settle = settle_uncoded,
    .count_rows = count_rows_uncoded,
    .count_tasks = count_tasks_uncoded,
    .give = give_uncoded,
};
