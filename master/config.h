/* The master's configuration: config/master.yaml as a struct. One table; see config.c for the keys.
 */
#ifndef KOFN_MASTER_CONFIG_H
#define KOFN_MASTER_CONFIG_H

#include "common/base/log.h"
#include "common/code/algorithms.h"
#include "common/code/spec.h"
#include "master/sched/sched.h"

typedef struct kofn_master_plan { // what codes that are left open are chosen for
    int64_t stragglers;           // 0: one in six workers, at least one
    double slowdown;              // a straggler takes this times as long
    double gflops;                // of each worker; 0: as measured
    double link;                  // of the master, GB/s; 0: as measured
} kofn_master_plan;

typedef enum kofn_durability { // choices of `durability`, in their order
    KOFN_DURABILITY_FULL,      // what was accepted survives the machine
    KOFN_DURABILITY_NONE,      // it survives the process: nothing is synced
} kofn_durability;

typedef struct kofn_master_config {
    char workers[256];      // endpoint for workers
    char clients[256];      // endpoint for clients
    char own_key[256];      // the master's certificate; "": no keys
    char allowed_keys[256]; // folder of those that may connect
    bool insecure;          // may listen beyond loopback without keys
    int64_t compute_threads;
    int64_t heartbeat_ns; // how often both sides beat
    int64_t silence_ns;   // a worker not heard for this long is lost
    uint64_t chunk_bytes; // target size of a block frame
    uint64_t window;      // block bytes a peer may send us unacknowledged
    uint64_t memory;  // of operands, coded blocks, answers and results; 0: half of the machine's
    int64_t jobs_max; // accepted and not finished
    int64_t connections_max;    // of clients
    int64_t operands_max;       // stored
    int64_t streams_max;        // open
    int64_t client_streams_max; // of one key; without keys: connection
    int64_t stream_grace_ns;    // how long one outlives its client's connection
    int64_t keep_operands_ns;   // a stored operand that no job used for so long goes; 0: none does
    uint64_t coded_cache;       // of coded blocks of stored operands
    char store[256];            // folder of what survives the master; "": nothing does
    int durability;             // kofn_durability
    uint64_t store_bytes;       // in that folder at most; 0: as the disk allows
    int64_t keep_ns;            // how long a result waits to be fetched
    int64_t keep_jobs;          // finished jobs that stay in the list
    int64_t grace_ns;           // after SIGTERM: finish what is running within this time
    double whole_flops;         // products of no more flops go whole to one worker
    char policy[KOFN_NAME_MAX]; // for jobs that name none; "auto": by the code (build.c)
    int verify;                 // kofn_verify, of jobs that say nothing
    int64_t liars;              // likewise, of parity
    int64_t quarantine_ns;      // how long who answered wrongly gets nothing
    int log_level;              // index into the choices of `log.level`
    kofn_sched_config sched;
    kofn_master_plan plan;
    kofn_code_spec code;        // for jobs that name none
    kofn_rounds_config streams; // for streams that name none
    kofn_code_spec stream_code; // the inner one, likewise
    char algorithms[256];       // directory; "": none
    kofn_algorithms *known;     // what it holds; NULL: none. A ref, see kofn_master_config_fini
} kofn_master_config;

extern const kofn_keys kofn_master_keys;

/* Set one key by its dotted path, `code.*` among them: for the file and for the command line.
 * `algorithms` is read at once: errors of kofn_algorithms_load. */
KOFN_MUST_CHECK kofn_status kofn_master_config_set(kofn_master_config *config, const char *path,
                                                   const char *value, kofn_error *err);

/* Lets go of the algorithms, if there are any. A config that is copied is held by one of its
 * copies. */
void kofn_master_config_fini(kofn_master_config *config);

/* What keys cannot say one by one. */
KOFN_MUST_CHECK kofn_status kofn_master_config_check(const kofn_master_config *config,
                                                     kofn_error *err);

/* An endpoint that other machines reach, neither keys nor `insecure`: FAILED_PRECONDITION, and what
 * to do. Apart from the check above because a command line may add keys to a file that has none. */
KOFN_MUST_CHECK kofn_status kofn_master_config_check_exposure(const kofn_master_config *config,
                                                              kofn_error *err);

/* limits.memory; half of the machine's where it is 0. */
uint64_t kofn_master_config_get_memory(const kofn_master_config *config);

/* "auto" or a policy of the scheduler. NOT_FOUND, with the nearest name. */
KOFN_MUST_CHECK kofn_status kofn_master_policy_check(const char *name, kofn_error *err);

kofn_log_level kofn_master_config_get_log_level(const kofn_master_config *config);

/* Defaults, then the file when path is not NULL (`code:` is read by kofn_code_spec_set); checked as
 * a whole. Errors carry file, line, column. End it with kofn_master_config_fini. */
KOFN_MUST_CHECK kofn_status kofn_master_config_load(const char *path,
                                                    kofn_master_config *ret_config,
                                                    kofn_error *err);

#endif
