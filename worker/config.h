/* The worker's configuration: config/worker.yaml as a struct. One table; see config.c for the keys.
 */
#ifndef KOFN_WORKER_CONFIG_H
#define KOFN_WORKER_CONFIG_H

#include "common/base/keys.h"
#include "common/base/log.h"
#include "common/code/straggler.h"

typedef enum kofn_inject_by { // how a straggler of the model is slow
    KOFN_INJECT_BY_REPEAT,    // it multiplies so many times
    KOFN_INJECT_BY_WAIT,      // it multiplies once, and waits
} kofn_inject_by;

/* Faults on purpose, for experiments and tests; everything off by default. */
typedef struct kofn_inject {
    int64_t repeat;       // do each multiplication this many times (a 5x straggler: 5)
    int64_t sleep_ns;     // wait this long before each task's answer
    double probability;   // with which a task is slowed as above; 1: every task
    int64_t seed;         // of what is drawn
    int64_t freeze_after; // stop answering and beating after this many tasks; 0: never
    int64_t crash_after;  // exit in the middle of the task after this many; 0: never
    double wrong;         // probability of a wrong answer

    char straggler[KOFN_STRAGGLER_PATH_MAX + 64]; // as kofn_straggler_parse takes it; "": none
    int64_t straggler_workers;                    // columns of its pattern
    int64_t column;                               // this worker's, for tasks of no stream
    int by;                                       // kofn_inject_by
    double pace; // GFlop/s: a task takes at least its flops over this; 0: as long as it takes
} kofn_inject;

typedef struct kofn_worker_config {
    char master[256];     // endpoint to connect to
    char own_key[256];    // this worker's certificate; "": no keys
    char master_key[256]; // the master's public one
    char name[64];        // for people; "": host name and process id
    int64_t blas_threads;
    int64_t credit;   // tasks held at a time
    uint64_t window;  // block bytes taken unacknowledged
    uint64_t memory;  // of tasks and answers held; 0: half of the machine's
    uint64_t keep;    // of that, for answers that are not settled; 0: none is kept
    uint64_t cache;   // and for coded blocks; 0: none is kept
    int64_t grace_ns; // after SIGTERM: finish what is running within this time
    int log_level;    // index into the choices of log.level
    kofn_inject inject;
} kofn_worker_config;

extern const kofn_keys kofn_worker_keys;

/* Defaults, then the file when path is not NULL; checked as a whole. Errors carry file, line,
 * column. */
KOFN_MUST_CHECK kofn_status kofn_worker_config_load(const char *path,
                                                    kofn_worker_config *ret_config,
                                                    kofn_error *err);

/* What no single key can tell; for callers that changed a loaded config. INVALID_ARGUMENT; errors
 * of kofn_straggler_new, which reads a trace. */
KOFN_MUST_CHECK kofn_status kofn_worker_config_check(const kofn_worker_config *config,
                                                     kofn_error *err);

kofn_log_level kofn_worker_config_get_log_level(const kofn_worker_config *config);

#endif
