#include "common/code/staged.h"

#include <math.h>

static const double TAIL = 1.645; // deviations of a normal, exceeded by 1 in 20

/* The least n with n q - TAIL sqrt(n p q) >= needed. */
size_t
kofn_staged_count_spare(size_t needed, double rate)
{
    const double p = rate, q = 1 - rate, k = (double)needed;
    const double root = (TAIL * sqrt(p * q) + sqrt(TAIL * TAIL * p * q + 4 * q * k)) / (2 * q);
    return (size_t)ceil(root * root - k);
}
