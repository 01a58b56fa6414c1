/* Element types of matrices. Part of the public interface: installed as <kofn/dtype.h>.
 *
 * Threads    Any thread.
 */
#ifndef KOFN_LINALG_DTYPE_H
#define KOFN_LINALG_DTYPE_H

#include <stddef.h>

/* The numbers travel in block frames, those of complex matrices do not: never renumber. */
typedef enum kofn_dtype {
    KOFN_DTYPE_NONE = 0,
    KOFN_F64 = 1,
    KOFN_F32 = 2,
    KOFN_U8 = 3,
    KOFN_U32 = 4,
    KOFN_I32 = 5,
    KOFN_I64 = 6,
    KOFN_C64 = 7,  // two f32, the real part first
    KOFN_C128 = 8, // two f64
} kofn_dtype;

size_t kofn_dtype_width(kofn_dtype dtype);     // bytes an element, 0 for an unknown dtype
const char *kofn_dtype_name(kofn_dtype dtype); // "f64"; "none" for an unknown dtype
kofn_dtype kofn_dtype_parse(const char *name); // KOFN_DTYPE_NONE for an unknown name

#endif
