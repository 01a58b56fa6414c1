/* What an argp parser takes, for programs to read: man pages and shell completion are made of it,
 * so they say what --help says. The programs print it for the argument --describe, which is theirs
 * and the build's own business: it is in no list of options.
 *
 * Form   One record a line, its fields separated by tabs; neither has a tab or a line end inside.
 *
 *            usage   ARGUMENTS
 *            about   TEXT                             before the list of options
 *            more    TEXT                             behind it
 *            group   HEADING
 *            option  LETTER LONG ARGUMENT NEED HELP   LETTER or ARGUMENT may be empty;
 *                                                     NEED: none, required or optional
 *            key     NAME TYPE BOUNDS DEFAULT HELP    of a daemon's configuration
 *            command NAME HELP                        of a program that has some
 *
 * Threads  Any thread.
 */
#ifndef KOFN_BASE_OPTIONS_H
#define KOFN_BASE_OPTIONS_H

#include "common/base/keys.h"

#include <argp.h>
#include <stdio.h>

/* Is --describe all that was asked? */
bool kofn_options_wanted(int argc, char **argv);

/* The options of argp and its children, group by group, each child behind its header. */
void kofn_options_describe(const struct argp *argp, FILE *out);

/* The keys of a table; `prefix` stands in front of their names. */
void kofn_options_describe_keys(const char *prefix, kofn_keys keys, FILE *out);

/* One record: fields up to NULL. What would break the form, tabs and line ends, becomes spaces. */
void kofn_options_print(FILE *out, const char *kind, ...) __attribute__((sentinel));

#endif
