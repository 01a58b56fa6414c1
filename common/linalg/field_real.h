/* The tables of the real fields; field.c registers them. Everyone else asks kofn_field_find. */
#ifndef KOFN_LINALG_FIELD_REAL_H
#define KOFN_LINALG_FIELD_REAL_H

#include "common/linalg/field.h"

extern const kofn_field kofn_field_f64;
extern const kofn_field kofn_field_f32;

#endif
