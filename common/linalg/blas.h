/* OpenBLAS as a process-wide thing: its threads, its kernel, and having it use the right one.
 *
 * OpenBLAS picks a kernel for the processor when it is loaded. A release does not know processors
 * that came after it and falls back to the oldest kernel: 0.3.21 runs "Prescott" (SSE3) on an
 * Emerald Rapids, 16 Gflop/s of dgemm on one core where "SkylakeX" does 79. $OPENBLAS_CORETYPE
 * overrides the choice, but is only read at that moment, before main.
 */
#ifndef KOFN_LINALG_BLAS_H
#define KOFN_LINALG_BLAS_H

#include <stdbool.h>

/* Call first in main. Where OpenBLAS fell back and the processor can do better, run this program
 * again with OPENBLAS_CORETYPE set; returns where there is nothing to mend, the user has set the
 * variable, or the program cannot be run again. */
void kofn_blas_choose_kernel(char **argv);

/* Did the user set OPENBLAS_CORETYPE, and not kofn_blas_choose_kernel? */
bool kofn_blas_is_forced(void);

#endif
