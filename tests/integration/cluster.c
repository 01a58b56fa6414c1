#include "tests/integration/cluster.h"

#include "tests/assert.h"

#include <arpa/inet.h>
#include <cblas.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 48, RUNS_MAX = 64, ENDPOINT_MAX = 64, LOG_MAX = 1 << 20 };

typedef struct process {
    pid_t pid; // 0: not running
    int status;
} process;

struct cluster {
    char folder[CLUSTER_PATH_MAX / 2];
    char clients[ENDPOINT_MAX], workers[ENDPOINT_MAX];
    char route[ENDPOINT_MAX]; // where workers connect to; "": to `workers`
    process master, worker[CLUSTER_WORKERS_MAX], run[RUNS_MAX];
    kofn_client *client;
    char failpoint[64]; // of the master; "": it has none
    char log[LOG_MAX];
};

/* ---- time ------------------------------------------------------------------------------------ */

static double
now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); // cannot fail for this clock
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Between two looks at something that another process will do. */
static void
pause_briefly(void)
{
    const struct timespec t = {.tv_nsec = 5 * 1000 * 1000};
    (void)nanosleep(&t, NULL);
}

/* ---- folder and ports ------------------------------------------------------------------------ */

void
cluster_get_path(const cluster *c, const char *name, char ret_path[CLUSTER_PATH_MAX])
{
    (void)snprintf(ret_path, CLUSTER_PATH_MAX, "%s/%s", c->folder, name);
}

static void
write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void
remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    for (const struct dirent *e; (e = readdir(dir));) {
        char path[sizeof e->d_name + CLUSTER_PATH_MAX];
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && unlink(path) != 0)
            remove_folder(path);
    }
    (void)closedir(dir);
    (void)rmdir(folder);
}

static bool
is_taken(int port)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_true(fd >= 0);
    const int failure = bind(fd, (const struct sockaddr *)&address, sizeof address);
    (void)close(fd);
    return failure != 0;
}

/* Until this program ends, also while its daemon is down: another test would have the port by then.
 * A name among abstract sockets is one program's at a time, and goes with it, as do ports with
 * their network. */
static bool
claim_port(int port)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "kofn-test-port-%d", port);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (bind(fd, (const struct sockaddr *)&name, sizeof name) == 0)
        return true; // and stays open
    (void)close(fd);
    return false;
}

/* A port that nobody has. Below the range of outgoing connections, so that none of those takes it
 * before the daemon does; the daemons must find it again after a restart, so 0 would not do. */
static int
free_port(void)
{
    static unsigned next;
    for (unsigned tries = 0; tries < 10000; tries++) {
        const int port = 20000 + (int)(((unsigned)getpid() * 37 + next++) % 12000);
        if (!is_taken(port) && claim_port(port))
            return port;
    }
    fail_msg("no free port");
    return 0;
}

/* ---- processes ------------------------------------------------------------------------------- */

typedef struct start {
    const char *program;
    char *arguments[ARGUMENTS_MAX];
    const char *out, *err; // files
    const char *folder;    // working folder
} start;

static void
redirect(const char *path, int fd)
{
    const int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0 || dup2(file, fd) < 0)
        _exit(126);
}

/* fork and not posix_spawn: only the child itself can ask to die with its parent. */
static pid_t
start_process(const start *s)
{
    const pid_t parent = getpid(), pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || chdir(s->folder) != 0)
        _exit(126);
    redirect(s->out, STDOUT_FILENO);
    redirect(s->err, STDERR_FILENO);
    (void)execv(s->program, s->arguments);
    _exit(127);
}

static int
exit_code(int wait_status)
{
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/* True when it has ended (or never ran). */
static bool
has_ended(process *p)
{
    int status = 0;
    if (p->pid != 0 && waitpid(p->pid, &status, WNOHANG) == p->pid) {
        p->pid = 0;
        p->status = exit_code(status);
    }
    return p->pid == 0;
}

static void
end_process(process *p)
{
    if (has_ended(p))
        return;
    (void)kill(p->pid, SIGKILL); // works on stopped processes as well
    (void)waitpid(p->pid, NULL, 0);
    p->pid = 0;
}

static void
print_log(const cluster *c, const char *name)
{
    char path[CLUSTER_PATH_MAX], line[1024];
    cluster_get_path(c, name, path);
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    print_error("--- %s\n", name);
    while (fgets(line, sizeof line, file))
        print_error("%s", line);
    (void)fclose(file);
}

static double patience_s = PATIENCE_S;

double
cluster_get_patience_s(void)
{
    return patience_s;
}

void
cluster_note_in_vain(void)
{
    enum { NEXT_S = 10 };
    patience_s = NEXT_S;
}

static void
give_up(const cluster *c, const char *what)
{
    const double waited_s = patience_s;
    cluster_note_in_vain();
    print_log(c, "spawned.log");
    print_log(c, "master.log");
    for (size_t i = 0; i < CLUSTER_WORKERS_MAX; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "w%zu.log", i);
        print_log(c, name);
    }
    fail_msg("%s did not happen within %.0f s", what, waited_s);
}

static int
await_end(cluster *c, process *p, const char *what)
{
    const double limit = now_s() + patience_s;
    while (!has_ended(p)) {
        if (now_s() > limit)
            give_up(c, what);
        pause_briefly();
    }
    return p->status;
}

/* ---- the cluster ----------------------------------------------------------------------------- */

cluster *
cluster_new(void **state, const char *master_yaml)
{
    cluster *c = calloc(1, sizeof *c);
    assert_non_null(c);
    *state = c;
    const char *base = getenv("TMPDIR");
    (void)snprintf(c->folder, sizeof c->folder, "%.80s/kofn-test-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(c->folder));
    (void)snprintf(c->clients, sizeof c->clients, "tcp://127.0.0.1:%d", free_port());
    (void)snprintf(c->workers, sizeof c->workers, "tcp://127.0.0.1:%d", free_port());
    char path[CLUSTER_PATH_MAX], text[4096];
    cluster_get_path(c, "master.yaml", path);
    (void)snprintf(text, sizeof text, "listen:\n  clients: %s\n  workers: %s\n%s", c->clients,
                   c->workers, master_yaml);
    write_text(path, text);
    return c;
}

int
cluster_teardown(void **state)
{
    cluster *c = *state;
    if (!c)
        return 0;
    kofn_client_close(&c->client);
    for (size_t i = 0; i < RUNS_MAX; i++)
        end_process(&c->run[i]);
    for (size_t i = 0; i < CLUSTER_WORKERS_MAX; i++)
        end_process(&c->worker[i]);
    end_process(&c->master);
    remove_folder(c->folder);
    free(c);
    *state = NULL;
    return 0;
}

static void
start_daemon(cluster *c, process *p, const char *program, const char *name)
{
    assert_true(has_ended(p));
    char config[CLUSTER_PATH_MAX], log[CLUSTER_PATH_MAX], file[64];
    (void)snprintf(file, sizeof file, "%s.yaml", name);
    cluster_get_path(c, file, config);
    (void)snprintf(file, sizeof file, "%s.log", name);
    cluster_get_path(c, file, log);
    start s = {.program = program,
               .arguments = {(char *)program, "-c", config},
               .out = log,
               .err = log,
               .folder = c->folder};
    if (getenv("KOFN_TEST_CONFINE")) { // under the locks of their units, by tests/systemd/confine.c
        s.program = getenv("KOFN_TEST_CONFINE");
        memmove(s.arguments + 1, s.arguments, 3 * sizeof s.arguments[0]);
        s.arguments[0] = (char *)s.program;
    }
    p->pid = start_process(&s);
}

void
cluster_start_master(cluster *c)
{
    if (!c->failpoint[0]) {
        start_daemon(c, &c->master, KOFN_MASTER_PROGRAM, "master");
        return;
    }
    assert_int_equal(setenv("KOFN_FAILPOINT", c->failpoint, 1), 0); // for the child alone
    start_daemon(c, &c->master, KOFN_MASTER_FAILING_PROGRAM, "master");
    assert_int_equal(unsetenv("KOFN_FAILPOINT"), 0);
}

void
cluster_kill_master(cluster *c)
{
    cluster_signal_master(c, SIGKILL);
    assert_int_equal(cluster_await_master_end(c), 128 + SIGKILL);
}

void
cluster_arm_master(cluster *c, const char *failpoint)
{
    (void)snprintf(c->failpoint, sizeof c->failpoint, "%s", failpoint ? failpoint : "");
}

void
cluster_start_worker(cluster *c, size_t number, const char *yaml)
{
    assert_true(number < CLUSTER_WORKERS_MAX);
    char name[16], file[32], path[CLUSTER_PATH_MAX], text[4096];
    (void)snprintf(name, sizeof name, "w%zu", number);
    (void)snprintf(file, sizeof file, "%s.yaml", name);
    cluster_get_path(c, file, path);
    (void)snprintf(text, sizeof text, "master: %s\nname: %s\n%s",
                   c->route[0] ? c->route : c->workers, name, yaml);
    write_text(path, text);
    start_daemon(c, &c->worker[number], KOFN_WORKER_PROGRAM, name);
}

void
cluster_set_route(cluster *c, const char *endpoint)
{
    (void)snprintf(c->route, sizeof c->route, "%s", endpoint ? endpoint : "");
}

cluster *
cluster_new_ready(void **state, const char *master_yaml, size_t workers)
{
    cluster *c = cluster_new(state, master_yaml);
    cluster_start_master(c);
    for (size_t i = 0; i < workers; i++)
        cluster_start_worker(c, i, "");
    cluster_await_workers(c, workers);
    return c;
}

static void
send_signal(process *p, int signal)
{
    assert_false(has_ended(p));
    assert_int_equal(kill(p->pid, signal), 0);
}

void
cluster_signal_master(cluster *c, int signal)
{
    send_signal(&c->master, signal);
}

void
cluster_signal_worker(cluster *c, size_t number, int signal)
{
    send_signal(&c->worker[number], signal);
}

int
cluster_await_master_end(cluster *c)
{
    return await_end(c, &c->master, "the master's end");
}

int
cluster_await_worker_end(cluster *c, size_t number)
{
    return await_end(c, &c->worker[number], "the worker's end");
}

bool
cluster_master_has_ended(cluster *c)
{
    return has_ended(&c->master);
}

bool
cluster_worker_has_ended(cluster *c, size_t number)
{
    return has_ended(&c->worker[number]);
}

kofn_client *
cluster_get_client(cluster *c)
{
    kofn_error error;
    const kofn_client_options options = {.endpoint = c->clients, .patience_ms = PATIENCE_S * 1000};
    if (!c->client)
        assert_ok(kofn_client_open(&options, &c->client, &error));
    return c->client;
}

pid_t
cluster_get_worker_pid(const cluster *c, size_t number)
{
    return c->worker[number].pid;
}

kofn_health
cluster_check(cluster *c)
{
    const double limit = now_s() + patience_s;
    kofn_health health = {0};
    while (kofn_client_check(cluster_get_client(c), NULL, 1000, &health, NULL) != KOFN_OK) {
        if (now_s() > limit)
            give_up(c, "an answer of the master");
        pause_briefly();
    }
    return health;
}

void
cluster_await_workers(cluster *c, size_t count)
{
    const double limit = now_s() + patience_s;
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "%zu workers, as the master counts them", count);
    while (cluster_check(c).workers != count) {
        if (now_s() > limit)
            give_up(c, wanted);
        pause_briefly();
    }
}

static bool
find_worker(cluster *c, size_t number, kofn_worker_info *ret_info)
{
    kofn_error error;
    kofn_worker_info *workers = NULL;
    size_t count = 0;
    char name[16];
    (void)snprintf(name, sizeof name, "w%zu", number);
    assert_ok(kofn_client_list_workers(cluster_get_client(c), &workers, &count, &error));
    bool found = false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(workers[i].name, name) == 0) {
            *ret_info = workers[i];
            found = true;
        }
    free(workers);
    return found;
}

kofn_worker_info
cluster_get_worker(cluster *c, size_t number)
{
    kofn_worker_info info = {0};
    if (!find_worker(c, number, &info))
        fail_msg("the master does not know worker w%zu", number);
    return info;
}

/* Until `holds` is true of what the master says of the worker. */
static void
await_worker(cluster *c, size_t number, bool (*holds)(const kofn_worker_info *info, size_t tasks),
             size_t tasks, const char *what)
{
    const double limit = now_s() + patience_s;
    for (kofn_worker_info info; !find_worker(c, number, &info) || !holds(&info, tasks);) {
        if (now_s() > limit)
            give_up(c, what);
        pause_briefly();
    }
}

static bool
is_running(const kofn_worker_info *info, size_t tasks)
{
    return tasks == 0 ? info->tasks_running == 0 : info->tasks_running >= tasks;
}

void
cluster_await_running(cluster *c, size_t number, size_t tasks)
{
    await_worker(c, number, is_running, tasks, "the wanted number of running tasks");
}

static bool
has_failed(const kofn_worker_info *info, size_t tasks)
{
    return info->tasks_failed >= tasks;
}

void
cluster_await_failed(cluster *c, size_t number, size_t tasks)
{
    await_worker(c, number, has_failed, tasks, "the failure of a task");
}

const char *
cluster_get_clients_endpoint(const cluster *c)
{
    return c->clients;
}

pid_t
cluster_get_master_pid(const cluster *c)
{
    return c->master.pid;
}

const char *
cluster_get_workers_endpoint(const cluster *c)
{
    return c->workers;
}

static void
read_text(const char *path, char *ret_text, size_t size)
{
    ret_text[0] = '\0';
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    const size_t length = fread(ret_text, 1, size - 1, file);
    ret_text[length] = '\0';
    (void)fclose(file);
}

const char *
cluster_get_master_log(cluster *c)
{
    char path[CLUSTER_PATH_MAX];
    cluster_get_path(c, "master.log", path);
    read_text(path, c->log, sizeof c->log);
    return c->log;
}

void
cluster_await_master_log(cluster *c, const char *text)
{
    const double limit = now_s() + patience_s;
    while (!strstr(cluster_get_master_log(c), text)) {
        if (now_s() > limit)
            give_up(c, text);
        pause_briefly();
    }
}

/* ---- programs -------------------------------------------------------------------------------- */

static process *
free_run(cluster *c)
{
    for (size_t i = 0; i < RUNS_MAX; i++)
        if (c->run[i].pid == 0)
            return &c->run[i];
    fail_msg("more than %d programs at a time", RUNS_MAX);
    return NULL;
}

/* Arguments from the list, behind the program's name, up to NULL. */
static void
take_arguments(start *s, va_list list)
{
    size_t count = 0;
    s->arguments[count++] = (char *)s->program;
    for (char *argument; (argument = va_arg(list, char *));) {
        assert_true(count < ARGUMENTS_MAX - 1);
        s->arguments[count++] = argument;
    }
}

static void
run_to_end(cluster *c, start *s, outcome *ret_outcome)
{
    char out[CLUSTER_PATH_MAX], err[CLUSTER_PATH_MAX];
    cluster_get_path(c, "run.out", out);
    cluster_get_path(c, "run.err", err);
    (void)unlink(out);
    (void)unlink(err);
    s->out = out;
    s->err = err;
    s->folder = c->folder;
    process *p = free_run(c);
    p->pid = start_process(s);
    ret_outcome->status = await_end(c, p, "the program's end");
    read_text(out, ret_outcome->out, sizeof ret_outcome->out);
    read_text(err, ret_outcome->err, sizeof ret_outcome->err);
}

void
cluster_run(cluster *c, outcome *ret_outcome, ...)
{
    start s = {.program = KOFN_CLI_PROGRAM};
    va_list list;
    va_start(list, ret_outcome);
    take_arguments(&s, list);
    va_end(list);
    assert_int_equal(setenv("KOFN_MASTER", c->clients, 1), 0);
    run_to_end(c, &s, ret_outcome);
}

void
cluster_run_program(cluster *c, outcome *ret_outcome, const char *program, ...)
{
    start s = {.program = program};
    va_list list;
    va_start(list, program);
    take_arguments(&s, list);
    va_end(list);
    run_to_end(c, &s, ret_outcome);
}

/* The indented lines of a section, as a script. */
static size_t
read_section(const char *name, char *ret_script, size_t size)
{
    static char text[1 << 17];
    char title[128];
    size_t commands = 0;
    FILE *file = fopen(KOFN_README, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
    (void)snprintf(title, sizeof title, "\n## %s\n", name);
    char *section = strstr(text, title);
    assert_non_null(section);
    *strstr(section + 4, "\n## ") = '\0';
    ret_script[0] = '\0';
    for (char *line = strtok(section, "\n"); line; line = strtok(NULL, "\n"))
        if (strncmp(line, "    ", 4) == 0) {
            commands++;
            (void)strncat(ret_script, line, size - strlen(ret_script) - 1);
            (void)strncat(ret_script, "\n", size - strlen(ret_script) - 1);
        }
    return commands;
}

size_t
cluster_run_readme(cluster *c, const char *section, outcome *ret_outcome)
{
    char script[4096], path[4096];
    const size_t commands = read_section(section, script, sizeof script);
    const int folder = (int)(strrchr(KOFN_CLI_PROGRAM, '/') - KOFN_CLI_PROGRAM);
    (void)snprintf(path, sizeof path, "%.*s:%s", folder, KOFN_CLI_PROGRAM, getenv("PATH"));
    assert_int_equal(setenv("PATH", path, 1), 0);
    assert_int_equal(setenv("KOFN_MASTER", c->clients, 1), 0);
    cluster_run_program(c, ret_outcome, "/bin/sh", "-ec", script, NULL);
    if (ret_outcome->status != 0)
        fail_msg("exit %d: %s", ret_outcome->status, ret_outcome->err);
    return commands;
}

pid_t
cluster_spawn(cluster *c, ...)
{
    char log[CLUSTER_PATH_MAX];
    cluster_get_path(c, "spawned.log", log);
    start s = {.program = KOFN_CLI_PROGRAM, .out = log, .err = log, .folder = c->folder};
    va_list list;
    va_start(list, c);
    take_arguments(&s, list);
    va_end(list);
    assert_int_equal(setenv("KOFN_MASTER", c->clients, 1), 0);
    process *p = free_run(c);
    p->pid = start_process(&s);
    return p->pid;
}

int
cluster_await_run(cluster *c, pid_t pid)
{
    for (size_t i = 0; i < RUNS_MAX; i++)
        if (c->run[i].pid == pid)
            return await_end(c, &c->run[i], "a program's end");
    fail_msg("no program with that pid");
    return -1;
}

/* ---- matrices -------------------------------------------------------------------------------- */

double *
test_matrix(size_t rows, size_t cols, uint64_t seed)
{
    double *at = malloc(rows * cols * sizeof *at + 1);
    assert_non_null(at);
    uint64_t state = seed * 2 + 1;
    for (size_t i = 0; i < rows * cols; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        at[i] = (double)(int64_t)(state ^ (state >> 31)) * 0x1p-63;
    }
    return at;
}

kofn_matrix
test_view(const double *at, size_t rows, size_t cols)
{
    return (kofn_matrix){.data = at, .dtype = KOFN_F64, .rows = rows, .cols = cols};
}

static double
largest(const double *at, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmax(most, fabs(at[i]));
    return most;
}

void
assert_product(const double *a, const double *b, const kofn_matrix *c, size_t inner,
               double amplification)
{
    const size_t rows = c->rows, cols = c->cols, stride = c->stride ? c->stride : cols;
    double *expected = calloc(rows * cols + 1, sizeof *expected);
    assert_non_null(expected);
    if (rows && cols && inner)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)cols, (int)inner, 1,
                    a, (int)inner, b, (int)cols, 0, expected, (int)cols);
    double error = 0;
    for (size_t i = 0; i < rows * cols; i++) {
        const double *row = (const double *)c->data + i / cols * stride;
        const double off = fabs(row[i % cols] - expected[i]);
        error = off > error || isnan(off) ? off : error;
    }
    free(expected);
    const double scale = largest(a, rows * inner) * largest(b, inner * cols);
    assert_at_most(error, 8 * (amplification + 1) * (double)inner * 0x1p-53 * scale);
}

void
test_choose(kofn_product_options *options, const char *name, const char *text)
{
    kofn_error error;
    if (text)
        assert_ok(kofn_code_choice_set(&options->code, name, text, &error));
}

kofn_product_options
test_options(const char *policy, const char *family)
{
    kofn_product_options options = {.policy = policy, .timeout_ms = PATIENCE_S * 1000};
    test_choose(&options, "family", family);
    return options;
}

kofn_account
cluster_multiply(cluster *c, const product_wish *wish)
{
    kofn_error error;
    double *a = test_matrix(wish->rows, wish->inner, 1);
    double *b = test_matrix(wish->inner, wish->cols, 2);
    const kofn_matrix a_view = test_view(a, wish->rows, wish->inner);
    const kofn_matrix b_view = test_view(b, wish->inner, wish->cols);
    kofn_product_options options = test_options(wish->policy, wish->family);
    options.code.tasks = wish->tasks;
    test_choose(&options, "partition", wish->partition);
    kofn_result *result = NULL;
    kofn_matrix product;
    assert_ok(
        kofn_client_multiply(cluster_get_client(c), &a_view, &b_view, &options, &result, &error));
    assert_ok(kofn_result_get_matrix(result, &product, &error));
    const kofn_account account = *kofn_result_get_account(result);
    assert_int_equal(product.rows, wish->rows);
    assert_int_equal(product.cols, wish->cols);
    assert_product(a, b, &product, wish->inner, account.amplification);
    kofn_result_destroy(&result);
    free(a);
    free(b);
    return account;
}
