/* kofn-worker as a program: exit codes, signals, and a crash on purpose. */
#include "tests/assert.h"

#include "proto/link/link.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

enum { ARGUMENTS_MAX = 12, PATIENCE_MS = 20000 };

/* With its log into `log_fd`; -1: to nowhere. */
static pid_t
start_logging(const char *const *arguments, int log_fd)
{
    const char *argv[ARGUMENTS_MAX + 2] = {KOFN_WORKER_PROGRAM};
    for (size_t i = 0; arguments[i]; i++) {
        assert_true(i < ARGUMENTS_MAX);
        argv[i + 1] = arguments[i];
    }
    pid_t pid;
    posix_spawn_file_actions_t quiet;
    assert_int_equal(posix_spawn_file_actions_init(&quiet), 0);
    for (int fd = 1; fd <= 2 && !getenv("KOFN_TEST_LOG"); fd++)
        assert_int_equal(posix_spawn_file_actions_addopen(&quiet, fd, "/dev/null", 1, 0), 0);
    if (log_fd >= 0)
        assert_int_equal(posix_spawn_file_actions_adddup2(&quiet, log_fd, 2), 0);
    assert_int_equal(
        posix_spawn(&pid, KOFN_WORKER_PROGRAM, &quiet, NULL, (char *const *)argv, environ), 0);
    posix_spawn_file_actions_destroy(&quiet);
    return pid;
}

static pid_t
start(const char *const *arguments)
{
    return start_logging(arguments, -1);
}

static int
wait_exit(pid_t pid)
{
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFEXITED(how));
    return WEXITSTATUS(how);
}

#define exit_code(...) wait_exit(start((const char *const[]){__VA_ARGS__, NULL}))

static void
wrong_usage_exits_with_2(void **state)
{
    (void)state;
    assert_int_equal(exit_code("--no-such-option"), 2);
    assert_int_equal(exit_code("surplus"), 2);
    assert_int_equal(exit_code("--set", "credit"), 2);
    assert_int_equal(exit_code("--set", "credit=0"), 2);
    assert_int_equal(exit_code("--set", "credt=1"), 2);
    assert_int_equal(exit_code("-c", "/nowhere/worker.yaml"), 2);
    assert_int_equal(exit_code("--set", "memory=1MiB", "--check-config"), 2); // below the window
}

static void
good_configuration_passes_the_check(void **state)
{
    (void)state;
    assert_int_equal(exit_code("--check-config"), 0);
    assert_int_equal(exit_code("-c", KOFN_SOURCE_DIR "/config/worker.yaml", "--check-config"), 0);
    assert_int_equal(exit_code("--version"), 0);
    assert_int_equal(exit_code("--help"), 0);
}

static void
endpoint_that_is_none_exits_with_2(void **state)
{
    (void)state;
    assert_int_equal(exit_code("--master", "tcp://nowhere"), 2);
    assert_int_equal(exit_code("--master", "foo"), 2);
    assert_int_equal(exit_code("--master", "foo", "--check-config"), 2);
}

/* ---- with a master --------------------------------------------------------------------------- */

typedef struct master {
    void *context, *socket;
    char endpoint[256];
    kofn_inbound in;
    kofn_peer *peer;
} master;

static void
master_open(master *m)
{
    kofn_error error;
    *m = (master){.context = zmq_ctx_new()};
    assert_ok(kofn_link_socket_new(m->context, KOFN_LINK_MASTER_WORKERS, &m->socket, &error));
    assert_ok(kofn_link_open(m->socket, KOFN_LINK_MASTER_WORKERS, "tcp://127.0.0.1:*", m->endpoint,
                             sizeof m->endpoint, &error));
}

static void
master_close(master *m)
{
    const int none = 0;
    kofn_peer_destroy(&m->peer);
    kofn_inbound_fini(&m->in);
    zmq_setsockopt(m->socket, ZMQ_LINGER, &none, sizeof none);
    zmq_close(m->socket);
    zmq_ctx_term(m->context);
}

/* Wait for a message of that kind; others are passed over. */
static void
await(master *m, const kofn_wire_message *of)
{
    char type[KOFN_NAME_MAX] = "";
    kofn_error error;
    zmq_pollitem_t item = {.socket = m->socket, .events = ZMQ_POLLIN};
    while (strcmp(type, of->name) != 0) {
        bool got;
        assert_int_equal(zmq_poll(&item, 1, PATIENCE_MS), 1);
        assert_ok(kofn_inbound_recv(m->socket, KOFN_LINK_MASTER_WORKERS, &m->in, &got, &error));
        assert_ok(kofn_message_peek(kofn_buf_get_data(m->in.head), kofn_buf_get_size(m->in.head),
                                    "type", type, sizeof type, &error));
    }
}

static void
welcome(master *m)
{
    kofn_error error;
    const kofn_msg_welcome message = {.version = 1,
                                      .epoch = 7,
                                      .worker = 1,
                                      .window = 1 << 20,
                                      .heartbeat_ms = 100,
                                      .silence_ms = 60000,
                                      .chunk_bytes = 65536};
    await(m, &kofn_hello_message);
    assert_ok(
        kofn_peer_new(m->socket, KOFN_LINK_MASTER_WORKERS, &m->in.peer, 1 << 20, &m->peer, &error));
    assert_ok(kofn_peer_post(m->peer, &kofn_welcome_message, &message, &error));
}

/* An empty product is a task too. */
static void
send_task(master *m, uint64_t assignment)
{
    kofn_error error;
    const kofn_msg_task task = {.assignment = assignment,
                                .epoch = 7,
                                .field = "f64",
                                .a = {.dtype = "f64", .rows = 0, .cols = 3},
                                .b = {.dtype = "f64", .rows = 3, .cols = 0}};
    kofn_bands a, b;
    kofn_pool *pool;
    assert_ok(kofn_pool_new(0, &pool, &error));
    assert_ok(kofn_block_bands_new(pool, KOFN_F64, 0, 3, 4096, &a, &error));
    assert_ok(kofn_block_bands_new(pool, KOFN_F64, 3, 0, 4096, &b, &error));
    assert_ok(kofn_peer_transfer(m->peer, assignment, &kofn_task_message, &task, 2,
                                 (const kofn_bands *const[]){&a, &b}, &error));
    kofn_bands_fini(&a);
    kofn_bands_fini(&b);
    kofn_pool_destroy(&pool);
}

static void
sigterm_ends_an_idle_worker_with_0_after_a_bye(void **state)
{
    (void)state;
    master m;
    master_open(&m);
    const pid_t pid = start((const char *const[]){"--master", m.endpoint, NULL});
    welcome(&m);
    await(&m, &kofn_heartbeat_message);
    assert_int_equal(kill(pid, SIGTERM), 0);
    await(&m, &kofn_bye_message);
    assert_int_equal(wait_exit(pid), 0);
    master_close(&m);
}

static void
sigterm_ends_a_worker_without_a_master_with_0(void **state)
{
    (void)state;
    master m;
    master_open(&m);
    const pid_t pid = start((const char *const[]){"--master", m.endpoint, NULL});
    await(&m, &kofn_hello_message); // its handlers are in place
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(wait_exit(pid), 0);
    master_close(&m);
}

/* Read a log until it says that. */
static void
await_log(int fd, const char *words)
{
    char text[16384] = "";
    size_t length = 0;
    while (!strstr(text, words)) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&readable, 1, 6 * PATIENCE_MS), 1);
        const ssize_t got = read(fd, text + length, sizeof text - 1 - length);
        assert_true(got > 0);
        length += (size_t)got;
        text[length] = '\0';
    }
}

static void
worker_that_nobody_greets_says_why(void **state)
{
    (void)state;
    master silent;
    master_open(&silent); // takes connections, and says nothing
    const struct {
        const char *master, *words;
    } cases[] = {
        {"tcp://nosuch.invalid:7502", "its name does not resolve"},
        {"tcp://127.0.0.1:1", "nobody takes connections there"},
        {silent.endpoint, "does not greet"},
    };
    enum { CASES = sizeof cases / sizeof cases[0] };
    pid_t pids[CASES];
    int logs[CASES][2];
    for (size_t i = 0; i < CASES; i++) {
        assert_int_equal(pipe2(logs[i], O_CLOEXEC), 0);
        pids[i] =
            start_logging((const char *const[]){"--master", cases[i].master, NULL}, logs[i][1]);
        close(logs[i][1]);
    }
    for (size_t i = 0; i < CASES; i++) {
        await_log(logs[i][0], cases[i].words);
        assert_int_equal(kill(pids[i], SIGTERM), 0);
        assert_int_equal(wait_exit(pids[i]), 0);
        close(logs[i][0]);
    }
    master_close(&silent);
}

static void
crash_on_purpose_comes_in_the_middle_of_the_task_after_so_many(void **state)
{
    (void)state;
    master m;
    master_open(&m);
    const pid_t pid =
        start((const char *const[]){"--master", m.endpoint, "--set", "inject.crash_after=1", NULL});
    welcome(&m);
    send_task(&m, 1);
    await(&m, &kofn_result_message);
    send_task(&m, 2);
    assert_int_equal(wait_exit(pid), 137);
    master_close(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_usage_exits_with_2),
        cmocka_unit_test(good_configuration_passes_the_check),
        cmocka_unit_test(endpoint_that_is_none_exits_with_2),
        cmocka_unit_test(sigterm_ends_an_idle_worker_with_0_after_a_bye),
        cmocka_unit_test(sigterm_ends_a_worker_without_a_master_with_0),
        cmocka_unit_test(worker_that_nobody_greets_says_why),
        cmocka_unit_test(crash_on_purpose_comes_in_the_middle_of_the_task_after_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
