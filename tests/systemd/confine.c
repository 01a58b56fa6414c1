/* Run a program under the locks of its unit, without systemd: `confine PROGRAM ARGUMENT...`.
 *
 * It reads the unit as it will be installed, so that a lock which the daemons cannot bear shows in
 * their live tests, and not on the first machine that boots with it. It becomes the program: same
 * process, same signals, same exit status.
 *
 *     applied     ProtectSystem=strict, StateDirectory= (CONFINE_STATE where it starts, whatever
 *                 the unit calls it), PrivateDevices=, ProcSubset= and ProtectProc= (confine.h),
 *                 CapabilityBoundingSet= (empty), NoNewPrivileges=, SystemCallFilter=,
 *                 SystemCallErrorNumber=, RestrictAddressFamilies=, RestrictNamespaces=,
 *                 MemoryDenyWriteExecute=, LockPersonality=, RestrictRealtime=, UMask=
 *     left out    DynamicUser= and PrivateUsers= (the tests' folders are the user's), PrivateTmp=
 *                 and ProtectHome= (they are there, and so may be the build), Protect*= that forbid
 *                 what the list of calls and the empty set of capabilities forbid already
 */
#include "tests/systemd/confine.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 1 << 17, WORD_MAX = 64 };

static void
must(bool holds, const char *what)
{
    if (!holds)
        err(126, "confine: %s", what);
}

/* ---- the unit -------------------------------------------------------------------------------- */

static char unit[TEXT_MAX];

static void
read_all(FILE *file, char *ret_text, const char *what)
{
    must(file != NULL, what);
    const size_t length = fread(ret_text, 1, TEXT_MAX - 1, file);
    ret_text[length] = '\0';
    must(length > 0 && length < TEXT_MAX - 1, what);
}

static void
read_unit(const char *program)
{
    const char *path = strstr(program, "kofn-worker") ? KOFN_UNITS "/kofn-worker@.service"
                                                      : KOFN_UNITS "/kofn-master.service";
    FILE *file = fopen(path, "r");
    read_all(file, unit, path);
    (void)fclose(file);
}

/* The value of the next line "key=value" at or behind *at, which moves on; false: there is none. */
static bool
next_value(const char **at, const char *key, char *ret_value, size_t size)
{
    const size_t length = strlen(key);
    while ((*at)[0]) {
        const char *line = *at, *end = line + strcspn(line, "\n");
        *at = end[0] ? end + 1 : end;
        if (strncmp(line, key, length) != 0 || line[length] != '=')
            continue;
        const char *value = line + length + 1;
        (void)snprintf(ret_value, size, "%.*s", (int)(end - value), value);
        return true;
    }
    return false;
}

static bool
says(const char *key, const char *value)
{
    char got[WORD_MAX];
    const char *at = unit;
    return next_value(&at, key, got, sizeof got) && strcmp(got, value) == 0;
}

/* ---- what can be seen ------------------------------------------------------------------------ */

static const char *const devices[] = {"null", "zero", "full", "random", "urandom"};

enum { DEVICES = sizeof devices / sizeof devices[0] };

/* The devices of the old /dev are bound into the new one by descriptors that were opened before. */
static void
replace_devices(void)
{
    char from[32], to[32];
    int fds[DEVICES];
    for (size_t i = 0; i < DEVICES; i++) {
        (void)snprintf(to, sizeof to, "/dev/%s", devices[i]);
        fds[i] = open(to, O_PATH | O_CLOEXEC);
        must(fds[i] >= 0, to);
    }
    must(mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k") == 0, "/dev");
    for (size_t i = 0; i < DEVICES; i++) {
        (void)snprintf(from, sizeof from, "/proc/self/fd/%d", fds[i]);
        (void)snprintf(to, sizeof to, "/dev/%s", devices[i]);
        must(mknod(to, S_IFREG | 0666, 0) == 0, to);
        must(mount(from, to, NULL, MS_BIND, NULL) == 0, to);
    }
}

static bool
has(const char *key)
{
    char got[WORD_MAX];
    const char *at = unit;
    return next_value(&at, key, got, sizeof got);
}

/* A mount of its own, so that it can be open to writing where all else is not. */
static void
make_state(void)
{
    must(mkdir(CONFINE_STATE, 0700) == 0 || errno == EEXIST, CONFINE_STATE);
    must(mount(CONFINE_STATE, CONFINE_STATE, NULL, MS_BIND, NULL) == 0, CONFINE_STATE);
}

static void
protect_system(void)
{
    struct mount_attr closed = {.attr_set = MOUNT_ATTR_RDONLY},
                      open_again = {.attr_clr = MOUNT_ATTR_RDONLY};
    const bool state = has("StateDirectory");
    if (state)
        make_state();
    must(mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &closed, sizeof closed) == 0,
         "a read-only file system");
    if (state)
        must(mount_setattr(AT_FDCWD, CONFINE_STATE, 0, &open_again, sizeof open_again) == 0,
             CONFINE_STATE);
}

static void
hide_files(void)
{
    must(unshare(CLONE_NEWNS) == 0, "a mount namespace");
    must(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0, "private mounts");
    if (says("ProtectSystem", "strict"))
        protect_system();
    if (says("PrivateDevices", "yes"))
        replace_devices();
    if (says("ProtectProc", "invisible"))
        must(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                   says("ProcSubset", "pid") ? "hidepid=invisible,subset=pid"
                                             : "hidepid=invisible") == 0,
             "/proc");
}

/* ---- what can be done ------------------------------------------------------------------------ */

static void
drop_capabilities(void)
{
    for (int c = 0; prctl(PR_CAPBSET_READ, c) >= 0; c++)
        if (geteuid() == 0)
            must(prctl(PR_CAPBSET_DROP, c) == 0, "a capability");
    must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0, "ambient capabilities");
}

static scmp_filter_ctx filter;
static char sets[TEXT_MAX]; // as systemd-analyze lists them

enum { CALLS_MAX = 1024 };

/* Calls of other machines have no number here. */
static void
allow_call(const char *name, bool allowed, bool *calls)
{
    const int number = seccomp_syscall_resolve_name(name);
    if (number >= 0 && number < CALLS_MAX)
        calls[number] = allowed;
}

/* Members stand below a set's name at the beginning of a line, each after blanks. */
static void
allow_set(const char *name, bool allowed, bool *calls)
{
    char head[WORD_MAX], word[WORD_MAX];
    if (name[0] != '@') {
        allow_call(name, allowed, calls);
        return;
    }
    (void)snprintf(head, sizeof head, "%s\n", name);
    const char *at = strncmp(sets, head, strlen(head)) == 0 ? sets : strstr(sets, head);
    while (at && at > sets && at[-1] != '\n') // a member of that name, not the set
        at = strstr(at + 1, head);
    must(at != NULL, name);
    for (at += strlen(head); at[0] == ' '; at += strcspn(at, "\n") + 1)
        if (sscanf(at, " %63s", word) == 1 && word[0] != '#')
            allow_set(word, allowed, calls);
}

static void
filter_calls(void)
{
    bool calls[CALLS_MAX] = {false};
    char value[1024];
    FILE *list = popen("systemd-analyze --no-pager syscall-filter 2>/dev/null", "r");
    read_all(list, sets, "systemd-analyze syscall-filter");
    must(pclose(list) == 0, "systemd-analyze syscall-filter");
    allow_set("@default", true, calls); // systemd always allows these
    for (const char *at = unit; next_value(&at, "SystemCallFilter", value, sizeof value);) {
        const bool allowed = value[0] != '~';
        for (char *rest, *set = strtok_r(value, "~ ", &rest); set; set = strtok_r(NULL, " ", &rest))
            allow_set(set, allowed, calls);
    }
    for (int number = 0; number < CALLS_MAX; number++)
        if (calls[number])
            must(seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0) == 0, "a call");
}

static void
load(scmp_filter_ctx *f)
{
    must(seccomp_load(*f) == 0, "a filter of calls");
    seccomp_release(*f);
    *f = NULL;
}

/* What depends on arguments is a filter of its own: the strictest answer of several counts. */
static void
forbid(int error, int number, struct scmp_arg_cmp which)
{
    must(seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(error), number, 1, &which) == 0, "a rule");
}

static void
forbid_always(int error, int number)
{
    must(seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(error), number, 0, NULL) == 0, "a rule");
}

static int
find_family(const char *name)
{
    static const struct {
        const char *name;
        int family;
    } families[] = {{"AF_INET", AF_INET},
                    {"AF_INET6", AF_INET6},
                    {"AF_UNIX", AF_UNIX},
                    {"AF_NETLINK", AF_NETLINK}};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (strcmp(name, families[i].name) == 0)
            return families[i].family;
    errx(126, "confine: RestrictAddressFamilies=%s is not known here", name);
}

static void
restrict_families(void)
{
    bool allowed[AF_MAX] = {false};
    char value[256];
    const char *at = unit;
    if (!next_value(&at, "RestrictAddressFamilies", value, sizeof value))
        return;
    for (char *rest, *name = strtok_r(value, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
        allowed[find_family(name)] = true;
    for (unsigned family = 0; family < AF_MAX; family++)
        if (!allowed[family])
            forbid(EAFNOSUPPORT, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, family, 0));
}

static void
restrict_memory(void)
{
    enum { BOTH = PROT_WRITE | PROT_EXEC };
    if (!says("MemoryDenyWriteExecute", "yes"))
        return;
    forbid(EPERM, SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, BOTH, BOTH));
    forbid(EPERM, SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
    forbid(EPERM, SCMP_SYS(pkey_mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
}

/* clone3 hides its flags behind a pointer: the C library takes clone when it is not there. */
static void
restrict_namespaces(void)
{
    static const unsigned spaces[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                      CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};
    if (!says("RestrictNamespaces", "yes"))
        return;
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++)
        forbid(EPERM, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, spaces[i], spaces[i]));
    forbid_always(ENOSYS, SCMP_SYS(clone3));
    forbid_always(EPERM, SCMP_SYS(unshare));
    forbid_always(EPERM, SCMP_SYS(setns));
}

static void
filter_arguments(void)
{
    restrict_families();
    restrict_memory();
    restrict_namespaces();
    if (says("LockPersonality", "yes"))
        forbid_always(EPERM, SCMP_SYS(personality));
    if (says("RestrictRealtime", "yes"))
        forbid(EPERM, SCMP_SYS(sched_setscheduler), SCMP_A1(SCMP_CMP_GT, 0, 0));
}

/* The arguments' filter first: the calls' one forbids to load another. */
static void
lock_kernel(void)
{
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no new privileges");
    filter = seccomp_init(SCMP_ACT_ALLOW);
    must(filter != NULL, "a filter of arguments");
    filter_arguments();
    scmp_filter_ctx arguments = filter;
    filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    must(filter != NULL, "a filter of calls");
    filter_calls();
    load(&arguments);
    load(&filter);
}

int
main(int argc, char **argv)
{
    if (argc < 2)
        errx(2, "usage: confine PROGRAM ARGUMENT...");
    read_unit(argv[1]);
    if (confine_locks_files())
        hide_files();
    if (says("UMask", "0077"))
        (void)umask(0077);
    drop_capabilities();
    lock_kernel();
    (void)execv(argv[1], argv + 1);
    err(127, "confine: %s", argv[1]);
}
