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

#endif
