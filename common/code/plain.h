/* Plain tasks: rows that copy one block of each operand. Shared by the families that have some.
 *
 * Order      Products count as their sums are written: product (i y + j) z + k is A_ik B_kj. Of an
 *            outer product they are its pieces, in their order, and of a batch its pairs.
 */
#ifndef KOFN_CODE_PLAIN_H
#define KOFN_CODE_PLAIN_H

#include "common/code/family.h"

/* The column of G that holds product `product` < x y z. */
size_t kofn_product_column(kofn_partition part, size_t product);

/* Rows `task` of all of E, zero so far, become the unit vectors of product `product` < x y z. */
void kofn_code_set_plain(kofn_code *code, size_t task, size_t product);

/* Products that there are: x y z, or the pairs of a batch. */
size_t kofn_family_count_products(const kofn_family_args *args);

/* "x y z", or "pairs": what that is in messages. */
const char *kofn_family_name_products(const kofn_family_args *args);

/* Rows `task` of all of E, zero so far, become those of that product: unit vectors, or what the
 * sides of the pair are sums of. */
void kofn_family_fill_product(const kofn_family_args *args, kofn_code *code, size_t task,
                              size_t product);

#endif
