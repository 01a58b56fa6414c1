/* A list of products, a line for each: two operands, and where the product goes.
 *
 *     # the first layer
 *     A1.npy  B1.npy  C1.npy
 *     @0123456789abcdef  B2.npy
 *
 * Words are separated by blanks. Empty lines and those that begin with '#' are passed over. The
 * list may come from a program that writes it as it goes on, so reading waits only as long as it is
 * told to.
 */
#ifndef KOFN_CLI_PAIRS_H
#define KOFN_CLI_PAIRS_H

#include "common/base/status.h"

enum { CLI_PAIRS_LINE_MAX = 16 * 1024 };

typedef struct cli_pairs {
    const char *name; // of the file, for messages
    int file;
    size_t line;     // number of the last one, from 1
    bool ended;      // there are no further lines
    bool passing;    // the rest of a line that was too long
    bool exhausted;  // nothing more to be read
    size_t from, to; // of what was read, those bytes that are still to come
    char bytes[CLI_PAIRS_LINE_MAX + 1];
} cli_pairs;

typedef struct cli_pair {
    size_t line;   // 0: there is none yet, or no more
    const char *a; // valid until the next one is asked for
    const char *b; // likewise
    const char *c; // likewise; NULL: not given
} cli_pair;

/* "-": standard input. NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (a folder): the file. */
KOFN_MUST_CHECK kofn_status cli_pairs_open(const char *path, cli_pairs *ret_pairs, kofn_error *err);
void cli_pairs_close(cli_pairs *pairs); // accepts one that was never opened and is zero

/* The next one, for which to wait so long; a signal ends the wait. INVALID_ARGUMENT: ret_pair->line
 * is not one, and the next may be. Else the list cannot be read on. */
KOFN_MUST_CHECK kofn_status cli_pairs_next(cli_pairs *pairs, int timeout_ms, cli_pair *ret_pair,
                                           kofn_error *err);

/* What the product counts in a sum: the third word, 1 without one. INVALID_ARGUMENT: it is no
 * number. */
KOFN_MUST_CHECK kofn_status cli_pair_read_weight(const cli_pair *pair, double *ret_weight,
                                                 kofn_error *err);

/* Where the product goes: as the list says, or "FOLDER/7.npy" for line 7. free() it. NULL: no
 * memory. */
char *cli_pair_name_output(const cli_pair *pair, const char *folder);

#endif
