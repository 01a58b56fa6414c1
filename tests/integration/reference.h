/* Arithmetic that shares no code with kofn's: numbers as doubles, whatever their dtype, GF(2^8) by
 * shifting and reducing bit by bit. */
#ifndef KOFN_TESTS_INTEGRATION_REFERENCE_H
#define KOFN_TESTS_INTEGRATION_REFERENCE_H

#include "kofn/dtype.h"

#include <stdlib.h>
#include <string.h>

static inline kofn_dtype
reference_dtype(const char *field)
{
    if (strncmp(field, "gfp:", 4) == 0)
        return KOFN_U32;
    return strcmp(field, "f64") == 0 ? KOFN_F64 : strcmp(field, "f32") == 0 ? KOFN_F32 : KOFN_U8;
}

/* Of a field with P elements; 0: of the reals. */
static inline uint64_t
reference_order(const char *field)
{
    const kofn_dtype dtype = reference_dtype(field);
    return dtype == KOFN_U32 ? strtoull(field + 4, NULL, 10) : dtype == KOFN_U8 ? 256 : 0;
}

static inline void
reference_store(void *stored, kofn_dtype dtype, size_t at, double number)
{
    if (dtype == KOFN_F64)
        ((double *)stored)[at] = number;
    else if (dtype == KOFN_F32)
        ((float *)stored)[at] = (float)number;
    else if (dtype == KOFN_U8)
        ((unsigned char *)stored)[at] = (unsigned char)number;
    else
        ((uint32_t *)stored)[at] = (uint32_t)number;
}

static inline double
reference_load(const void *stored, kofn_dtype dtype, size_t at)
{
    if (dtype == KOFN_F64)
        return ((const double *)stored)[at];
    if (dtype == KOFN_F32)
        return (double)((const float *)stored)[at];
    return dtype == KOFN_U8 ? ((const unsigned char *)stored)[at] : ((const uint32_t *)stored)[at];
}

static inline double
reference_multiply(const char *field, double a, double b)
{
    if (reference_dtype(field) == KOFN_U32)
        return (double)((uint64_t)a * (uint64_t)b % reference_order(field));
    if (reference_dtype(field) != KOFN_U8)
        return a * b;
    unsigned product = 0, x = (unsigned)a;
    for (unsigned y = (unsigned)b; y; y >>= 1, x = x & 0x80 ? (x << 1) ^ 0x11d : x << 1)
        product ^= y & 1 ? x : 0;
    return product;
}

static inline double
reference_add(const char *field, double a, double b)
{
    if (reference_dtype(field) == KOFN_U32)
        return (double)(((uint64_t)a + (uint64_t)b) % reference_order(field));
    return reference_dtype(field) == KOFN_U8 ? (double)((unsigned)a ^ (unsigned)b) : a + b;
}

#endif
