/* A picture of a simulation, by gnuplot: how long jobs took; and of jobs by themselves the time
 * over jobs, of a stream how long its rounds took, and which of them waited.
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

/* A job that ended then, after so many seconds; a round that took so many. */
void cli_plot_add(cli_plot *plot, double ended, double seconds);
void cli_plot_add_round(cli_plot *plot, double seconds, bool waited);

/* Two lines of title, what ran and for which stragglers; any text will do. FAILED_PRECONDITION:
 * gnuplot failed, with its exit code. RESOURCE_EXHAUSTED. */
KOFN_MUST_CHECK kofn_status cli_plot_draw(cli_plot *plot, const char *title, const char *subtitle,
                                          kofn_error *err);

#endif
