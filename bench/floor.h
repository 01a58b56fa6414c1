/* The floor: the least that a ZeroMQ program can do for one coded job, any 4 of 5.
 *
 * What kofn's end-to-end time is divided by. Same data path (operands in the client, a master that
 * encodes, four worker processes of one BLAS thread over TCP loopback, a master that decodes from
 * whichever four of five parts come first, the product back in the client), and nothing else: bare
 * frames of known shape in a known order, kept buffers, one job at a time, no queue, no checks, no
 * heartbeats. Every step is streamed: see floor.c.
 *
 * Shapes     A, B and C [n, n] f64 row-major; x = y = 2, z = 1, five tasks.
 * Threads    The caller's; one job at a time.
 */
#ifndef KOFN_BENCH_FLOOR_H
#define KOFN_BENCH_FLOOR_H

#include <stdbool.h>
#include <stddef.h>

enum { FLOOR_WORKERS = 4, FLOOR_TASKS = 5 };

typedef struct floor_setup {
    size_t n;          // even
    size_t chunk_rows; // rows of an operand in one frame; divides n / 2
    bool hold;         // keep the fifth task back: what a policy could save that sends it when late
} floor_setup;

typedef struct floor_cluster floor_cluster;

/* Start the master and the workers: `program` is an executable whose main calls floor_main. Exits
 * the program with a message when that fails: a benchmark has nothing to go on with. */
floor_cluster *floor_new(const char *program, const floor_setup *setup);
void floor_destroy(floor_cluster **cluster_p);

/* C := A B. The product stays in the frames that it came in until the next call. */
void floor_multiply(floor_cluster *cluster, const double *a, const double *b);

/* Row `row` of the last product. */
const double *floor_get_row(const floor_cluster *cluster, size_t row);

/* Be the master or a worker, if the command line says so (then does not return). */
void floor_main(int argc, char **argv);

#endif
