/* Coded tasks in a folder: the work behind `kofn encode` and `kofn decode`, without a daemon.
 *
 * A task's two files are made so that whoever multiplies them needs to know nothing: c = a @ b, in
 * any program that reads .npy. Blocks of transposed operands are turned round before they are
 * written.
 */
#ifndef KOFN_CLI_FOLDER_H
#define KOFN_CLI_FOLDER_H

#include "client/cli/manifest.h"
#include "client/cli/product.h"

typedef struct cli_seconds {
    double read, code, write;
} cli_seconds;

typedef struct cli_encoded {
    cli_manifest manifest;
    size_t threshold, enough; // answers for the product, for the estimate that the code promises
    bool likely;              // so many suffice with high probability only
    kofn_shape part;          // of one task
    cli_seconds seconds;
} cli_encoded;

/* `algorithms`: directory of bilinear algorithms that the code may name beside those that ship;
 * NULL: $KOFN_ALGORITHMS, or else none. */

/* Write all tasks of the product into the folder, which is made if it is not there, then the
 * manifest. `workers`: how many will multiply, for what is left open of the code. ALREADY_EXISTS:
 * the folder holds a manifest or answers. RESOURCE_EXHAUSTED: the disk is full. CANCELLED: a signal
 * came; whole files of tasks may be there, and no manifest. */
KOFN_MUST_CHECK kofn_status cli_folder_encode(const char *folder, const cli_product *product,
                                              const char *algorithms, size_t workers,
                                              cli_encoded *ret_encoded, kofn_error *err);

typedef struct cli_refused { // an answer that is none
    size_t task;
    kofn_error error;
} cli_refused;

typedef enum cli_decode_aim {
    CLI_DECODE_PROMISED, // the product; of an epsilon-approximate code its estimate, once promised
    CLI_DECODE_BEST,     // whatever the answers give
} cli_decode_aim;

typedef struct cli_decoded {
    cli_manifest manifest;
    size_t threshold;
    size_t answers, used; // read; in the product
    size_t *wanted;       // tasks that would do, when there is no product
    size_t wanted_count;
    cli_refused *refused;
    size_t refused_count;
    bool no_output; // the product could not be written, which was seen before anything was read
    bool decoded;   // what follows is known
    bool nonfinite;
    bool estimate;         // made from answers that do not give the product exactly
    double error_bound;    // |C' - C|_F is at most so much of |A|_F |B|_F
    double error_estimate; // of |C|_F, by leaving one answer out; 0: there is none to spare
    kofn_span_quality quality;
    cli_seconds seconds;
} cli_decoded;

/* Rebuild the product from the answers in the folder, and write it to `output`. Answers are read in
 * the order of tasks until they suffice; one that cannot be read, or has another shape or dtype,
 * counts as missing and is listed. FAILED_PRECONDITION: they do not suffice yet, `wanted` says what
 * would do; for CLI_DECODE_BEST, there is none. CANCELLED: a signal came. *ret_decoded is filled as
 * far as it went, in every case; end it with cli_decoded_fini. */
KOFN_MUST_CHECK kofn_status cli_folder_decode(const char *folder, const char *output,
                                              const char *algorithms, cli_decode_aim aim,
                                              cli_decoded *ret_decoded, kofn_error *err);
void cli_decoded_fini(cli_decoded *decoded);

#endif
