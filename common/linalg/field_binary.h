/* GF(2^m), elements in u8: polynomials over GF(2) modulo one of degree m, bit i for x^i.
 *
 *     gf4     x^2 + x + 1                     0x7
 *     gf16    x^4 + x + 1                     0x13
 *     gf256   x^8 + x^4 + x^3 + x^2 + 1       0x11d, the polynomial of ISA-L and of Reed-Solomon
 *                                             codes in storage
 *
 * Addition is exclusive or, so every element is its own negative. GF(2) is gfp:2.
 *
 * Accuracy   Exact.
 * Cost       gf256: ISA-L's kernels (gf256.c), measured in bench/. The small fields are there for
 *            what codes over them are worth, not for bulk: some GB/s.
 * Threads    Any thread.
 */
#ifndef KOFN_LINALG_FIELD_BINARY_H
#define KOFN_LINALG_FIELD_BINARY_H

#include "common/linalg/field.h"

typedef struct kofn_field_binary {
    kofn_field field;
    unsigned degree, polynomial;
} kofn_field_binary;

extern const kofn_field_binary kofn_field_gf4;
extern const kofn_field_binary kofn_field_gf16;
extern const kofn_field_binary kofn_field_gf256;

/* The table's functions by the definition, for any of these fields: gf256's twins. */
void kofn_binary_combine(const kofn_field *f, const kofn_combination *c);
void kofn_binary_multiply_panel(const kofn_field *f, const kofn_panel *p);

/* gf256 through ISA-L. */
void kofn_gf256_combine(const kofn_field *f, const kofn_combination *c);
void kofn_gf256_multiply_panel(const kofn_field *f, const kofn_panel *p);
size_t kofn_gf256_scratch_bytes(const kofn_field *f, size_t rows, size_t cols, size_t inner);

#endif
