/* Ctrl-C and SIGTERM, the same for every command: what waits stops waiting, what writes files
 * finishes the one it is at, and the exit code is CLI_CANCELLED. A second signal ends the process
 * at once.
 */
#ifndef KOFN_CLI_SIGNALS_H
#define KOFN_CLI_SIGNALS_H

void cli_signals_catch(void);

int cli_signals_get(void); // that came; 0: none

#endif
