/* The combine kernels of the real fields: what kofn_field.combine does, for f64 and f32.
 *
 * Accuracy   Each result is a sum in ascending order of its sources, except that within a group of
 *            four results the sources that all four need come first; fused multiply-add where the
 *            processor has it. Error at most about ins times epsilon times sum |coef src|.
 * Cost       Memory traffic outs + ins elements for each of len columns while outs and ins are at
 *            most 64; one more pass over the sources for each further 64 results.
 * Threads    Any thread; 55 KiB of stack.
 */
#ifndef KOFN_LINALG_COMBINE_H
#define KOFN_LINALG_COMBINE_H

#include "common/linalg/field.h"

/* The kernels: a build has them for several vector widths, and `vector_bytes` names one. */
typedef struct kofn_combine_kernel {
    const char *name; // "avx512f"
    size_t vector_bytes;
    void (*f64)(const kofn_combination *c);
    void (*f32)(const kofn_combination *c);
} kofn_combine_kernel;

/* The widest kernel that this processor runs, and all that it runs by index, widest first; NULL
 * past the last, which is always the plain twin: loops that one can check by eye. */
const kofn_combine_kernel *kofn_combine_best(void);
const kofn_combine_kernel *kofn_combine_at(size_t index);

#endif
