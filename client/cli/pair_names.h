/* A list of pairs by its names alone, for who wants to know a batch and not its products.
 *
 *     A1    B1               the same word is the same matrix
 *     A2    B2  C2.npy       where a product would go is passed over; in a sum it is what it counts
 *     A1+A2 B1+B2            a sum of others: the pair depends on them
 */
#ifndef KOFN_CLI_PAIR_NAMES_H
#define KOFN_CLI_PAIR_NAMES_H

#include "common/code/batch.h"

/* The list as pairs.h reads it. No file that it names is opened. All products, or with `sum` what
 * they add up to. INVALID_ARGUMENT: what is wrong, with its line; no pairs. OUT_OF_RANGE: more than
 * a batch holds. NOT_FOUND and its like: the list. CANCELLED: a signal. */
KOFN_MUST_CHECK kofn_status cli_pair_names_read(const char *path, bool sum, const kofn_field *field,
                                                kofn_batch **ret_batch, kofn_error *err);

#endif
