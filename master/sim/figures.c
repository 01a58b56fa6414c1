#include "master/sim/simulate.h"

#include <math.h>
#include <stdlib.h>

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
