/* A picture of a simulation, by gnuplot: how long jobs took, and the time over jobs.
 *
 * gnuplot is a program that need not be here: cli_plot_new says so before anything is simulated. It
 * gets script and data by its standard input; so nothing else is written than the picture.
 */
#ifndef KOFN_CLI_PLOT_H
#define KOFN_CLI_PLOT_H

#include "client/kofn.h"

typedef struct cli_plot cli_plot;

/* INVALID_ARGUMENT: the name ends neither in .svg nor in .png. FAILED_PRECONDITION: no gnuplot.
 * RESOURCE_EXHAUSTED; and what opening the file comes to. The path is borrowed. */
KOFN_MUST_CHECK kofn_status cli_plot_new(const char *path, cli_plot **ret_plot, kofn_error *err);
void cli_plot_destroy(cli_plot **plot_p); // accepts NULL

/* A job that ended then, after so many seconds. Without memory, the drawing fails. */
void cli_plot_add(cli_plot *plot, double ended, double seconds);

/* FAILED_PRECONDITION: gnuplot failed, with its exit code. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status cli_plot_draw(cli_plot *plot, kofn_error *err);

#endif
