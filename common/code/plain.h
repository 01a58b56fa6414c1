/* Plain tasks: rows that copy one block of each operand. Shared by the families that have some.
 *
 * Order      Products count as their sums are written: product (i y + j) z + k is A_ik B_kj. Of an
 *            outer product they are its pieces, in their order.
 */
#ifndef KOFN_CODE_PLAIN_H
#define KOFN_CODE_PLAIN_H

#include "common/code/code.h"

/* The column of G that holds product `product` < x y z. */
size_t kofn_product_column(kofn_partition part, size_t product);

/* Rows `task` of all of E, zero so far, become the unit vectors of product `product` < x y z. */
void kofn_code_set_plain(kofn_code *code, size_t task, size_t product);

#endif
