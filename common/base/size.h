/* Sizes: what the standard library leaves out.
 *
 * Threads    Any thread; no state.
 */
#ifndef KOFN_BASE_SIZE_H
#define KOFN_BASE_SIZE_H

#include <stddef.h>

static inline size_t
kofn_size_smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* For qsort and bsearch: ascending. */
static inline int
kofn_size_compare(const void *left, const void *right)
{
    const size_t a = *(const size_t *)left, b = *(const size_t *)right;
    return (a > b) - (a < b);
}

#endif
