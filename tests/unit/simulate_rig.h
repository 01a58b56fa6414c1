/* Simulations for tests: configurations by a few words, and runs that must not fail. */
#ifndef KOFN_TESTS_UNIT_SIMULATE_RIG_H
#define KOFN_TESTS_UNIT_SIMULATE_RIG_H

#include "tests/assert.h"

#include "common/base/clock.h"
#include "master/sim/simulate.h"

static inline void
choose_code(kofn_sim_config *c, const char *family, size_t x, size_t y, size_t tasks)
{
    (void)snprintf(c->code.family, sizeof c->code.family, "%s", family);
    c->code.part = (kofn_partition){x, 1, y};
    c->code.tasks = tasks;
    c->code.has_seed = true;
    c->code.seed = 1;
}

static inline void
choose_stragglers(kofn_sim_config *c, const char *text, int64_t seed)
{
    kofn_error error;
    assert_ok(kofn_straggler_parse(text, &c->stragglers, &error));
    c->stragglers.seed = seed;
}

static inline kofn_sim_config
config_of(int64_t workers, int64_t jobs)
{
    kofn_sim_config c;
    kofn_sim_config_init(&c);
    c.workers = workers;
    c.jobs = jobs;
    choose_code(&c, "uncoded", (size_t)workers, 1, (size_t)workers);
    return c;
}

static inline kofn_sim_figures
simulate(const kofn_sim_config *c)
{
    kofn_error error;
    kofn_sim_figures f = {0};
    assert_ok(kofn_sim_run(c, NULL, &f, &error));
    assert_int_equal(f.jobs, c->jobs);
    assert_int_equal(f.failed, 0);
    return f;
}

static inline void
assert_refused(kofn_sim_config c, kofn_status status, const char *part)
{
    kofn_error error;
    kofn_sim_figures f;
    assert_fails(kofn_sim_run(&c, NULL, &f, &error), status);
    if (!strstr(error.text, part))
        fail_msg("'%s' lacks '%s'", error.text, part);
}

#endif
