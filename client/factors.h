/* Operands as a caller gives them: checked, and described for a message.
 *
 * Threads    The client's.
 */
#ifndef KOFN_CLIENT_FACTORS_H
#define KOFN_CLIENT_FACTORS_H

#include "client/kofn.h"
#include "proto/messages.h"

/* One operand: usually one matrix. Of a batch matrices of one shape, dtype and direction, stacked
 * on each other as they are stored. Borrowed. */
typedef struct kofn_stack {
    const kofn_matrix *of;
    size_t count;
    const size_t *index; // [count]: which of `of`; NULL: the first ones
    kofn_buf *owner;     // keeps the elements as long as somebody needs them; NULL: the caller does
} kofn_stack;

const kofn_matrix *kofn_stack_get(const kofn_stack *stack, size_t i);

/* Its elements as they are stored: to be read, though the type does not say so. */
kofn_mat kofn_matrix_view(const kofn_matrix *m);

/* What is multiplied, of any form. All is borrowed. */
typedef struct kofn_factors {
    bool outer;
    size_t count;
    kofn_stack at[KOFN_OPERANDS_MAX];
    const kofn_batch *batch; // NULL: a product of all operands. Else what it is made of was checked
    const kofn_msg_compression *compression; // what operands were made from; NULL: nothing else
} kofn_factors;

kofn_factors kofn_factors_two(const kofn_matrix *a, const kofn_matrix *b);

/* INVALID_ARGUMENT: fewer than two operands, or too many. */
KOFN_MUST_CHECK kofn_status kofn_factors_outer(const kofn_matrix *operands, size_t count,
                                               kofn_factors *ret_factors, kofn_error *err);

/* INVALID_ARGUMENT, OUT_OF_RANGE, UNIMPLEMENTED, NOT_FOUND (an empty id): what is wrong with an
 * operand, by the name given to it; or with all of them together. *ret_c is the product's shape;
 * empty when an operand is stored: only the master knows which way. */
KOFN_MUST_CHECK kofn_status kofn_factor_check(const kofn_matrix *m, const char *name,
                                              kofn_error *err);
KOFN_MUST_CHECK kofn_status kofn_factors_check(const kofn_factors *f, kofn_msg_matrix *ret_c,
                                               kofn_error *err);

/* The first of elements of any dtype, in the caller's memory: it refuses complex ones. */
KOFN_MUST_CHECK kofn_status kofn_factor_check_elements(const kofn_matrix *m, const char *name,
                                                       kofn_error *err);

/* Those whose blocks travel, and how many: operands, then the lists of sparse ones (PROTOCOL.md,
 * 5.11). Points into itself and to what the factors borrow. */
typedef struct kofn_sent {
    kofn_stack at[KOFN_OPERANDS_MAX];
    kofn_matrix list[6]; // of two operands that are sparse
} kofn_sent;

size_t kofn_factors_list_sent(const kofn_factors *f, kofn_sent *ret_sent);

/* Its shape, or its id and whatever the caller says of its shape. INVALID_ARGUMENT: the id is too
 * long. */
KOFN_MUST_CHECK kofn_status kofn_factor_describe(const kofn_stack *s, kofn_msg_matrix *ret_matrix,
                                                 char ret_id[KOFN_ID_MAX], kofn_error *err);
void kofn_shape_describe(kofn_dtype dtype, size_t rows, size_t cols, kofn_msg_matrix *ret_message);

/* `from` (NULL: nothing) into a text of a message. INVALID_ARGUMENT: it is too long. */
KOFN_MUST_CHECK kofn_status kofn_text_describe(char *to, size_t size, const char *from,
                                               const char *what, kofn_error *err);

#endif
