/* What the programs in tests/faults have in common. Each runs shortened as a test, and full when
 * `tests/faults/run NAME --full` starts it.
 */
#ifndef KOFN_TESTS_FAULTS_FAULTS_H
#define KOFN_TESTS_FAULTS_FAULTS_H

#include <stddef.h>
#include <sys/types.h>

/* How much of it: `brief` in a test, `full` with KOFN_FAULTS_FULL=1 in the environment. */
size_t fault_amount(size_t brief, size_t full);

double fault_now_s(void); // monotonic
void fault_pause(void);   // 5 ms, between two looks at what another process does

/* Under AddressSanitizer a daemon keeps what it has freed for a while: its memory says nothing
 * then. */
#ifdef __SANITIZE_ADDRESS__
enum { FAULT_MEMORY_COUNTS = 0 };
#else
enum { FAULT_MEMORY_COUNTS = 1 };
#endif

/* Memory of a process that is its own (neither file nor shared), in bytes, and its open
 * descriptors. */
size_t fault_get_memory(pid_t pid);
size_t fault_count_descriptors(pid_t pid);

#endif
