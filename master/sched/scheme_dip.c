/* DIP: coded rows only, and as many of the due job as it takes (Algorithm 1).
 *
 * Nothing is assumed of stragglers. Whoever comes back brings one answer for each unfinished job;
 * what the due job then lacks is given to all slots so that any lambda of them suffice. */
#include "common/base/size.h"
#include "master/sched/scheme.h"

enum { DELAY_DEFAULT = 3 }; // the paper's

static kofn_status
settle(kofn_rounds_config *config, size_t need, kofn_error *err)
{
    (void)need;
    kofn_status status = kofn_scheme_settle_delay(config, DELAY_DEFAULT, err);
    if (status != KOFN_OK)
        return status;
    if (config->delay < 1)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "dip: T = 0, and T >= 1 (W = T + 1 >= 2) is needed: take delay=1, or the "
                         "scheme polynomial");
    if (config->lambda == 0)
        config->lambda = config->slots;
    if (config->lambda < 1 || config->lambda > config->slots)
        return kofn_fail(err, KOFN_OUT_OF_RANGE,
                         "dip: lambda = %lld, but 1 <= lambda <= P = %lld: take lambda=%lld",
                         (long long)config->lambda, (long long)config->slots,
                         config->lambda < 1 ? 1LL : (long long)config->slots);
    return KOFN_OK;
}

static size_t
count_due(const kofn_rounds_config *config, size_t missing) // rows of each slot
{
    const size_t lambda = (size_t)config->lambda;
    return missing / lambda + (missing % lambda != 0);
}

static uint64_t
count_tasks(const kofn_rounds_config *config, size_t need)
{
    return (uint64_t)config->slots * ((uint64_t)config->delay + count_due(config, need));
}

static void
count_rows(const kofn_rounds_config *config, size_t need, size_t *ret_plain, size_t *ret_coded)
{
    *ret_plain = 0;
    *ret_coded = (size_t)count_tasks(config, need);
}

static void
give_each(kofn_rounds *r, kofn_book *book, size_t count)
{
    const size_t slots = (size_t)kofn_rounds_get_config(r)->slots;
    for (size_t i = 0; i < count; i++)
        for (size_t slot = 0; slot < slots; slot++)
            if (!kofn_rounds_is_vacant(r, slot))
                kofn_rounds_give_coded(r, book, slot);
}

static void
give(kofn_rounds *r)
{
    const kofn_rounds_config *config = kofn_rounds_get_config(r);
    const size_t delay = (size_t)config->delay, need = kofn_rounds_get_need(r);
    for (size_t age = 0; age < delay; age++) { // lines 2 to 8, l = age + 1
        kofn_book *book = kofn_rounds_find_book(r, age);
        if (book)
            give_each(r, book, 1);
    }
    kofn_book *due = kofn_rounds_find_book(r, delay); // lines 9 to 13
    if (!due)
        return;
    const size_t answers = kofn_size_smaller(due->answers, need);
    give_each(r, due, count_due(config, need - answers));
}

const kofn_scheme_ops kofn_scheme_dip = {
    .name = "dip",
    .keys = " slots delay lambda tolerance window rescue ",
    .settle = settle,
    .count_rows = count_rows,
    .count_tasks = count_tasks,
    .give = give,
};
