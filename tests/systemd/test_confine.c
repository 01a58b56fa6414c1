/* The locks of tests/systemd/confine.c hold: each try is this program once more, confined as a unit
 * says. Without them the daemons' tests under locks would show nothing. */
#include "tests/assert.h"
#include "tests/systemd/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int
write_a_system_file(void)
{
    return open("/etc/kofn-was-here", O_WRONLY | O_CREAT, 0600);
}

static int
write_beside_the_state(void)
{
    return open("elsewhere", O_WRONLY | O_CREAT, 0600);
}

/* As SQLite's log of what was written does: shared, synced, and given another name. */
static int
write_the_state(void)
{
    const int fd = open(CONFINE_STATE "/a", O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, 4096) != 0)
        return -1;
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    const struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    return at == MAP_FAILED || fcntl(fd, F_SETLK, &lock) != 0 || fdatasync(fd) != 0 ||
                   rename(CONFINE_STATE "/a", CONFINE_STATE "/b") != 0 ||
                   unlink(CONFINE_STATE "/b") != 0
               ? -1
               : 0;
}

static int
become_another_user(void)
{
    return setuid(12345);
}

static int
see_all_packets(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0);
}

static int
make_code(void)
{
    void *at = mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? -1 : 0;
}

static int
leave_for_a_namespace(void)
{
    return unshare(CLONE_NEWUSER);
}

static int
trace(void)
{
    return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int
change_personality(void)
{
    return personality(PER_LINUX32);
}

static int
take_the_processor(void)
{
    return sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
}

static int
see_a_device(void)
{
    return access("/dev/tty", F_OK);
}

static int
serve(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) < 0 || socket(AF_UNIX, SOCK_DGRAM, 0) < 0 ||
                   access("/dev/urandom", R_OK) != 0 || open("/dev/null", O_WRONLY) < 0
               ? -1
               : 0;
}

static const struct
try {
    const char *name;
    int (*run)(void);
    int error;    // 0: it works
    bool as_root; // the lock is one that only root can put on
}
tries[] = {
    {"write_a_system_file", write_a_system_file, EROFS, true},
    {"write_beside_the_state", write_beside_the_state, EROFS, true},
    {"write_the_state", write_the_state, 0, true},
    {"become_another_user", become_another_user, EPERM, false},
    {"see_all_packets", see_all_packets, EAFNOSUPPORT, false},
    {"make_code", make_code, EPERM, false},
    {"leave_for_a_namespace", leave_for_a_namespace, EPERM, false},
    {"trace", trace, EPERM, false},
    {"change_personality", change_personality, EPERM, false},
    {"take_the_processor", take_the_processor, EPERM, false},
    {"see_a_device", see_a_device, ENOENT, true},
    {"serve", serve, 0, false},
};

enum { TRIES = sizeof tries / sizeof tries[0] };

/* The confined program's exit status: what errno was. */
static int
attempt(const char *name)
{
    for (size_t i = 0; i < TRIES; i++)
        if (strcmp(name, tries[i].name) == 0)
            return tries[i].run() < 0 ? errno : 0;
    return 255;
}

/* A folder to start in, which the tries leave as empty as it was. */
static char folder[] = "/tmp/kofn-confine-XXXXXX";

static int
setup(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    (void)rmdir(CONFINE_STATE); // not there where no locks on files are
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void
what_a_unit_forbids_is_refused_and_the_rest_is_not(void **state)
{
    (void)state;
    char self[512];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    for (size_t i = 0; i < TRIES; i++) {
        if (tries[i].as_root && !confine_locks_files())
            continue;
        const char *const argv[] = {KOFN_CONFINE, self, tries[i].name, NULL};
        pid_t pid;
        int how;
        assert_int_equal(posix_spawn(&pid, KOFN_CONFINE, NULL, NULL, (char *const *)argv, environ),
                         0);
        assert_int_equal(waitpid(pid, &how, 0), pid);
        assert_true(WIFEXITED(how));
        if (WEXITSTATUS(how) != tries[i].error)
            fail_msg("%s: %d (%s), wanted %d", tries[i].name, WEXITSTATUS(how),
                     strerror(WEXITSTATUS(how)), tries[i].error);
    }
}

int
main(int argc, char **argv)
{
    if (argc > 1)
        return attempt(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_unit_forbids_is_refused_and_the_rest_is_not, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
