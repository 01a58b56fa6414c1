#include "master/choices.h"
#include "common/base/hash.h"

#include <math.h>
#include <string.h>

static double
round_rate(double rate)
{
    return rate > 0 && isfinite(rate) ? exp2(round(2 * log2(rate)) / 2) : rate;
}

void
kofn_choices_round(kofn_plan_machine *machine, kofn_plan_worker *at)
{
    machine->flops_rate = round_rate(machine->flops_rate);
    machine->link_rate = round_rate(machine->link_rate);
    for (size_t w = 0; at && w < machine->workers; w++) {
        at[w].flops_rate = round_rate(at[w].flops_rate);
        at[w].link_rate = round_rate(at[w].link_rate);
    }
}

static uint64_t
hash_double(uint64_t hash, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return kofn_hash_word(hash, bits);
}

/* Workers come and go in any order: a sum of the hashes of each. */
uint64_t
kofn_choices_digest(const kofn_plan_machine *machine)
{
    const uint64_t start = KOFN_HASH_START;
    uint64_t sum = hash_double(start, machine->flops_rate);
    for (size_t w = 0; machine->at && w < machine->workers; w++)
        sum += hash_double(hash_double(start, machine->at[w].flops_rate), machine->at[w].link_rate);
    return sum;
}

static bool
is_same(const kofn_choice_key *a, const kofn_choice_key *b)
{
    return strcmp(a->field, b->field) == 0 && a->shape.rows == b->shape.rows &&
           a->shape.inner == b->shape.inner && a->shape.cols == b->shape.cols &&
           a->workers == b->workers && a->stragglers == b->stragglers && a->error == b->error &&
           a->link_rate == b->link_rate && a->slowdown == b->slowdown && a->rates == b->rates &&
           a->seed == b->seed && a->exact == b->exact && a->liars == b->liars &&
           a->reserve == b->reserve;
}

const kofn_code_spec *
kofn_choices_find(const kofn_choices *choices, const kofn_choice_key *key)
{
    for (size_t i = 0; i < KOFN_CHOICES_MAX; i++)
        if (choices->at[i].used && is_same(&choices->at[i].key, key))
            return &choices->at[i].spec;
    return NULL;
}

void
kofn_choices_keep(kofn_choices *choices, const kofn_choice_key *key, const kofn_code_spec *spec)
{
    choices->at[choices->next].used = true;
    choices->at[choices->next].key = *key;
    choices->at[choices->next].spec = *spec;
    choices->next = (choices->next + 1) % KOFN_CHOICES_MAX;
}
