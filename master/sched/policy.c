#include "master/sched/policy.h"
#include "common/base/keys.h"

#include <assert.h>
#include <string.h>

static const kofn_policy *const policies[] = {
    &kofn_policy_oneshot,
    &kofn_policy_speculative,
    &kofn_policy_rateless,
    &kofn_policy_two_stage,
};

enum { POLICY_COUNT = sizeof policies / sizeof policies[0] };

const kofn_policy *
kofn_policy_find(const char *name)
{
    for (size_t i = 0; i < POLICY_COUNT; i++)
        if (strcmp(policies[i]->name, name) == 0)
            return policies[i];
    return NULL;
}

const char *
kofn_policy_nearest(const char *name)
{
    const char *names[POLICY_COUNT];
    for (size_t i = 0; i < POLICY_COUNT; i++)
        names[i] = policies[i]->name;
    return kofn_nearest_name(name, names, POLICY_COUNT);
}

size_t
kofn_policy_count(void)
{
    return POLICY_COUNT;
}

const kofn_policy *
kofn_policy_at(size_t index)
{
    assert(index < POLICY_COUNT);
    return policies[index];
}
