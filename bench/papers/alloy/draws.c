#include "bench/papers/alloy/draws.h"
#include "bench/bench.h"

#include <math.h>

const char *
draw_name(kofn_alloy_draw kind)
{
    switch (kind) {
    case KOFN_ALLOY_NONZERO:
        return "nonzero";
    case KOFN_ALLOY_PRODUCT:
        return "product";
    case KOFN_ALLOY_UNIFORM:
        return "uniform";
    default:
        bench_die("there is no such draw here");
    }
}

double
draw_zero(draw d, double q, size_t len)
{
    switch (d.kind) {
    case KOFN_ALLOY_PRODUCT: // 1 - ((q - 1) / q)^(1 / order)
        return -expm1(log1p(-1 / q) / (double)d.order);
    case KOFN_ALLOY_NONZERO: // all vectors but one, among those with a zero there
        return (pow(q, (double)len - 1) - 1) / (pow(q, (double)len) - 1);
    default:
        return 1 / q;
    }
}

double
draw_all_zero(draw d, double q, size_t len)
{
    return d.kind == KOFN_ALLOY_NONZERO ? 0 : pow(draw_zero(d, q, len), (double)len);
}

double
draw_axis(draw d, double q)
{
    const double zero = draw_zero(d, q, 2);
    return d.kind == KOFN_ALLOY_NONZERO ? 1 / (q + 1) : zero * (1 - zero);
}

double
draw_slope(draw d, double q)
{
    const double zero = draw_zero(d, q, 2);
    return d.kind == KOFN_ALLOY_NONZERO ? 1 / (q + 1) : (1 - zero) * (1 - zero) / (q - 1);
}

void
draw_vector(const kofn_field *f, draw d, kofn_rng *rng, size_t len, double *ret)
{
    const kofn_alloy_params params = {.draw = (int)d.kind};
    kofn_alloy_fill(f, &params, d.order, rng, len, ret);
}
