#include "master/sim/simulate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
format_rounds(const kofn_rounds_config *rounds, char *ret_text, size_t size)
{
    switch ((kofn_scheme)rounds->scheme) {
    case KOFN_SCHEME_DIP:
        (void)snprintf(ret_text, size, " T=%" PRId64 " lambda=%" PRId64, rounds->delay,
                       rounds->lambda);
        return;
    case KOFN_SCHEME_IDIP:
        (void)snprintf(ret_text, size, " T=%" PRId64 " W=%" PRId64 " N=%" PRId64, rounds->delay,
                       rounds->window, rounds->failures);
        return;
    case KOFN_SCHEME_IDIP_BURST:
        (void)snprintf(ret_text, size, " T=%" PRId64 " W=%" PRId64 " N=%" PRId64 " B=%" PRId64,
                       rounds->delay, rounds->window, rounds->failures, rounds->burst);
        return;
    case KOFN_SCHEME_POLYNOMIAL:
    case KOFN_SCHEME_UNCODED:
        (void)snprintf(ret_text, size, " T=0");
    }
}

void
kofn_sim_format(const kofn_sim_config *config, char *ret_text, size_t size)
{
    const kofn_partition part = config->code.part;
    char more[96] = "";
    if (strcmp(config->policy, "rounds") == 0) {
        format_rounds(&config->rounds, more, sizeof more);
        (void)snprintf(ret_text, size, "%s %zu,1,%zu%s, tolerance %g",
                       kofn_scheme_name((kofn_scheme)config->rounds.scheme), part.x, part.y, more,
                       config->rounds.tolerance);
        return;
    }
    if (config->at_once > 1)
        (void)snprintf(more, sizeof more, ", %" PRId64 " at once", config->at_once);
    (void)snprintf(ret_text, size, "%s %zu,%zu,%zu n=%zu, %s%s", config->code.family, part.x,
                   part.z, part.y, config->code.tasks, config->policy, more);
}

void
kofn_sim_figures_fini(kofn_sim_figures *figures)
{
    free(figures->latency);
    figures->latency = NULL;
}

double
kofn_sim_percentile(const kofn_sim_figures *figures, double share)
{
    const size_t count = (size_t)(figures->jobs - figures->failed);
    if (count == 0)
        return 0;
    const double rank = ceil(share * (double)count); // the smallest that so many are not above
    const size_t at = rank >= 1 ? (size_t)rank - 1 : 0;
    return figures->latency[at < count ? at : count - 1];
}
