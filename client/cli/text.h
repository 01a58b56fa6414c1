/* Text for people: what the commands print when --json is not given, and everything on standard
 * error.
 *
 * Names and sentences come from others: a worker chooses its name, a master its messages. Printed
 * as they are, they could clear a screen, retitle a terminal or type into it. All text therefore
 * goes out through here, with each control character (C0, DEL, C1) and each byte that is no UTF-8
 * as '?'. JSON keeps them, escaped (CLI_JSON_FLAGS).
 */
#ifndef KOFN_CLI_TEXT_H
#define KOFN_CLI_TEXT_H

#include "client/kofn.h"

#include <stdio.h>

/* In place; the text may become shorter. */
void cli_clean(char *text);

/* One line: formatted, cleaned, and then ended. False: it could not be written, errno says why. */
bool cli_line(FILE *to, const char *format, ...) KOFN_PRINTF(2, 3);

/* "1.5s", "350ms", "87us", "2h05m": about three digits. */
void cli_format_seconds(double seconds, char *ret_text, size_t size);

/* What makes "job" plural: "%zu job%s", count, cli_s(count). */
const char *cli_s(uint64_t count);

/* "2e-05": one digit, and never less than it is. */
void cli_format_bound(double bound, char *ret_text, size_t size);

/* "1.86GiB" */
void cli_format_bytes(uint64_t bytes, char *ret_text, size_t size);

/* "1797 x 64 x 1797": rows, inner, columns of a product, the same wherever it is said. */
void cli_format_shape(uint64_t rows, uint64_t inner, uint64_t cols, char *ret_text, size_t size);

#endif
