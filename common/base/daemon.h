/* What the daemons' mains have in common: `-c FILE --check-config --set KEY=VALUE`, shortcuts for
 * some keys, --help with the table of keys, stopping and reloading on signals, and what their loops
 * tell whoever supervises them.
 *
 * Exit codes  0 stopped as asked, 1 failed, 2 wrong usage or configuration.
 * Threads     The main thread, before others are started.
 */
#ifndef KOFN_BASE_DAEMON_H
#define KOFN_BASE_DAEMON_H

#include "common/base/keys.h"

enum { KOFN_DAEMON_SETTINGS_MAX = 64, KOFN_DAEMON_EXIT_USAGE = 2 };

/* An option that sets a key: `--master ENDPOINT` for `--set master=ENDPOINT`. */
typedef struct kofn_daemon_shortcut {
    const char *option, *key, *argument;
} kofn_daemon_shortcut;

/* A table of keys as --help shows it. */
typedef struct kofn_daemon_section {
    const char *prefix; // in front of the keys' names: "scheduler."; "" for none
    kofn_keys keys;
} kofn_daemon_section;

enum { KOFN_DAEMON_SECTIONS_MAX = 6 };

typedef struct kofn_daemon {
    const char *doc;                                        // one sentence for --help
    kofn_daemon_section sections[KOFN_DAEMON_SECTIONS_MAX]; // ended by one without a prefix
    const kofn_daemon_shortcut *shortcuts; // ended by one without an option; NULL: none
} kofn_daemon;

typedef struct kofn_daemon_setting {
    const char *key, *value;
} kofn_daemon_setting;

/* What the command line says: the file first, then the settings in their order. Points into argv,
 * whose KEY=VALUE arguments are cut at the sign. */
typedef struct kofn_daemon_line {
    const char *file; // NULL: defaults
    bool check_only;
    size_t count;
    kofn_daemon_setting settings[KOFN_DAEMON_SETTINGS_MAX];
} kofn_daemon_line;

/* Parse, or print help, version or what is wrong and exit. */
void kofn_daemon_parse(const kofn_daemon *daemon, int argc, char **argv,
                       kofn_daemon_line *ret_line);

/* Call stop(context) on SIGTERM and SIGINT, from a signal handler; ignore SIGPIPE. NULL: ignore all
 * three from now on. */
void kofn_daemon_on_stop(void (*stop)(void *context), void *context);

/* Call reload(context) on SIGHUP, from a signal handler. NULL: ignore it from now on. */
void kofn_daemon_on_reload(void (*reload)(void *context), void *context);

/* Who looks after a daemon, as its loop sees them: a service manager, or nobody. Each is called in
 * the loop's thread and must not block. */
typedef struct kofn_supervisor {
    int64_t round_ns;                // at least so often `round` wants to be called
    void (*starting)(void *context); // now and then before that: the start goes on
    void (*ready)(void *context);    // once: requests are served from now on
    void (*round)(void *context);    // the loop has made its round: nothing holds it up
    void (*reload)(void *context);   // the daemon was asked to read its configuration again
    void (*stopping)(void *context); // nothing new is taken from now on; may come twice
    void *context;
} kofn_supervisor;

/* Nobody: every call does nothing. */
extern const kofn_supervisor kofn_supervisor_none;

#endif
