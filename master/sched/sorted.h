/* Numbers kept in order, for a median that is always at hand.
 *
 * A plain sorted array in memory of the caller's: replacing a number moves only what lies between
 * its old place and its new one, and measured rates move little; ten thousand numbers are 80 KB.
 */
#ifndef KOFN_MASTER_SCHED_SORTED_H
#define KOFN_MASTER_SCHED_SORTED_H

#include <stddef.h>

/* `at` holds `count` numbers in ascending order; no NaN. */
void kofn_sorted_insert(double *at, size_t *count, double value); // there is room for one more
void kofn_sorted_remove(double *at, size_t *count, double value); // which is there
void kofn_sorted_replace(double *at, size_t count, double old, double value); // old is there
double kofn_sorted_median(const double *at, size_t count); // the upper one of two; 0 when empty

#endif
