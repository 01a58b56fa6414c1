#include "master/sched/sorted.h"

#include <assert.h>
#include <string.h>

/* How many are less than value. */
static size_t
rank_of(const double *at, size_t count, double value)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (at[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void
kofn_sorted_insert(double *at, size_t *count, double value)
{
    const size_t rank = rank_of(at, *count, value);
    memmove(at + rank + 1, at + rank, (*count - rank) * sizeof *at);
    at[rank] = value;
    ++*count;
}

void
kofn_sorted_remove(double *at, size_t *count, double value)
{
    const size_t rank = rank_of(at, *count, value);
    assert(rank < *count && at[rank] == value);
    memmove(at + rank, at + rank + 1, (*count - rank - 1) * sizeof *at);
    --*count;
}

void
kofn_sorted_replace(double *at, size_t count, double old, double value)
{
    const size_t from = rank_of(at, count, old);
    size_t to = rank_of(at, count, value);
    assert(from < count && at[from] == old);
    if (to > from) {
        to--; // the old number itself was counted
        memmove(at + from, at + from + 1, (to - from) * sizeof *at);
    } else {
        memmove(at + to + 1, at + to, (from - to) * sizeof *at);
    }
    at[to] = value;
}

double
kofn_sorted_median(const double *at, size_t count)
{
    return count > 0 ? at[count / 2] : 0;
}
