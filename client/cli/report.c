#include "client/cli/report.h"

#include "client/cli/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- JSON ------------------------------------------------------------------------------------ */

/* JSON has no infinities and no NaN. */
static json_t *
real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *
count(uint64_t value)
{
    return json_integer((json_int_t)value); // sizes and counts: far below 2^63
}

/* A text as UTF-8, whatever it holds: it came from elsewhere. */
static json_t *
text(const char *value)
{
    json_t *string = json_string(value);
    return string ? string : json_string("?");
}

json_t *
cli_json_of_code(const kofn_code_choice *code)
{
    char seed[24];
    (void)snprintf(seed, sizeof seed, "%" PRIu64, code->seed);
    json_t *sets = json_object();
    for (size_t i = 0; sets && i < code->set_count; i++)
        (void)json_object_set_new(sets, code->sets[i].name, text(code->sets[i].value));
    return json_pack("{s:o, s:[o,o,o], s:o, s:s, s:o}", "code", text(code->family), "partition",
                     count(code->x), count(code->z), count(code->y), "tasks", count(code->tasks),
                     "seed", seed, "set", sets);
}

static json_t *
json_of_seconds(const kofn_account *account)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "queue",
                     real(account->seconds.queue), "receive", real(account->seconds.receive),
                     "encode", real(account->seconds.encode), "send", real(account->seconds.send),
                     "wait", real(account->seconds.wait), "decode", real(account->seconds.decode),
                     "check", real(account->seconds.check), "total", real(account->seconds.total),
                     "call", real(account->seconds.call));
}

/* One object of four; all are taken. */
static json_t *
join(json_t *first, json_t *second, json_t *third, json_t *fourth)
{
    json_t *const others[] = {second, third, fourth};
    for (size_t i = 0; i < 3; i++) {
        if (!others[i] || json_object_update(first, others[i]) != 0) {
            json_decref(first);
            first = NULL; // json_object_update refuses NULL, so the rest is only released
        }
        json_decref(others[i]);
    }
    return first;
}

json_t *
cli_json_of_account(const kofn_account *account)
{
    json_t *object =
        json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:{s:o, s:o, s:o}}", "job", text(account->job),
                  "state", text(account->state), "status", kofn_status_name(account->status),
                  "message", text(account->message), "policy", text(account->policy), "field",
                  text(account->field), "shape", "rows", count(account->rows), "inner",
                  count(account->inner), "cols", count(account->cols));
    json_t *more = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b}", "threshold", count(account->threshold),
        "tasks_sent", count(account->tasks_sent), "answers", count(account->answers),
        "answers_used", count(account->answers_used), "workers", count(account->workers), "backups",
        count(account->backups), "replaced", count(account->replaced), "decodable",
        account->decodable, "waited", account->waited);
    json_t *quality =
        json_pack("{s:{s:o, s:o}, s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "error", "kind",
                  text(account->error_kind), "bound", real(account->error_bound), "condition",
                  real(account->condition), "amplification", real(account->amplification),
                  "residual", real(account->residual), "nonfinite", account->nonfinite, "progress",
                  real(account->progress), "age_ms", count(account->age_ms), "seconds",
                  json_of_seconds(account));
    return join(object, cli_json_of_code(&account->code), more, quality);
}

json_t *
cli_json_of_health(const kofn_health *health)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "status",
                     text(health->status), "version", text(health->version), "workers",
                     count(health->workers), "jobs_running", count(health->jobs_running),
                     "jobs_queued", count(health->jobs_queued), "jobs_done",
                     count(health->jobs_done), "jobs_failed", count(health->jobs_failed),
                     "memory_bytes", count(health->memory_bytes), "memory_limit_bytes",
                     count(health->memory_limit_bytes), "uptime_ms", count(health->uptime_ms));
}

json_t *
cli_json_of_worker(const kofn_worker_info *worker)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
        text(worker->name), "id", count(worker->id), "version", text(worker->version), "state",
        text(worker->state), "kernel", text(worker->kernel), "cores", count(worker->cores),
        "blas_threads", count(worker->blas_threads), "memory_bytes", count(worker->memory_bytes),
        "credit", count(worker->credit), "tasks_running", count(worker->tasks_running),
        "tasks_done", count(worker->tasks_done), "tasks_failed", count(worker->tasks_failed),
        "tasks_cancelled", count(worker->tasks_cancelled), "gflops", real(worker->gflops),
        "slowdown", real(worker->slowdown), "silent_ms", count(worker->silent_ms));
}

static json_t *
json_of_param(const kofn_param_info *param)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "name", text(param->name), "type",
                     text(param->type), "bounds", text(param->bounds), "default",
                     text(param->fallback), "help", text(param->help));
}

static json_t *
json_of_family(const kofn_family_info *family)
{
    json_t *params = json_array();
    for (size_t i = 0; params && i < family->param_count; i++)
        (void)json_array_append_new(params, json_of_param(&family->params[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:b, s:o}", "name", text(family->name), "summary",
                     text(family->summary), "threshold", text(family->threshold), "source",
                     text(family->source), "rateless", family->rateless, "parameters", params);
}

json_t *
cli_json_of_codes(const kofn_code_list *list)
{
    json_t *families = json_array();
    json_t *policies = json_array();
    for (size_t i = 0; families && i < list->family_count; i++)
        (void)json_array_append_new(families, json_of_family(&list->families[i]));
    for (size_t i = 0; policies && i < list->policy_count; i++)
        (void)json_array_append_new(policies,
                                    json_pack("{s:o, s:o}", "name", text(list->policies[i].name),
                                              "help", text(list->policies[i].help)));
    return json_pack("{s:o, s:o}", "families", families, "policies", policies);
}

/* A master that is gone has nothing to tell, and asking takes time. */
int
cli_fail_job(const cli_common *common, kofn_client *client, const char *job,
             const kofn_error *error, int exit_code)
{
    kofn_account account;
    if (!common->json || job[0] == '\0' || error->status == KOFN_UNAVAILABLE ||
        kofn_client_get_job(client, job, &account, NULL) != KOFN_OK)
        return cli_fail(common, error, exit_code);
    (void)fprintf(stderr, "kofn: %s\n", error->text);
    (void)cli_print_json(cli_json_of_account(&account));
    return exit_code;
}

/* ---- text ------------------------------------------------------------------------------------ */

void
cli_format_code(const kofn_code_choice *code, char *ret_text, size_t size)
{
    if (code->family[0] == '\0')
        (void)snprintf(ret_text, size, "-"); // not chosen yet
    else
        (void)snprintf(ret_text, size, "%s %" PRIu64 ",%" PRIu64 ",%" PRIu64 " n=%" PRIu64,
                       code->family, code->x, code->z, code->y, code->tasks);
}

void
cli_format_seconds(double seconds, char *ret_text, size_t size)
{
    if (!(seconds < 360000)) // NaN too
        (void)snprintf(ret_text, size, "long");
    else if (seconds >= 3600)
        (void)snprintf(ret_text, size, "%dh%02dm", (int)seconds / 3600, (int)seconds / 60 % 60);
    else if (seconds >= 60)
        (void)snprintf(ret_text, size, "%dm%02ds", (int)seconds / 60, (int)seconds % 60);
    else if (seconds >= 1)
        (void)snprintf(ret_text, size, "%.3gs", seconds);
    else
        (void)snprintf(ret_text, size, "%.3gms", 1e3 * seconds);
}

static void
format_bytes(uint64_t bytes, char *ret_text, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(ret_text, size, "%.3g%s", value, units[unit]);
}

void
cli_print_account(const kofn_account *account)
{
    char code[96];
    char total[32];
    cli_format_code(&account->code, code, sizeof code);
    cli_format_seconds(account->seconds.total, total, sizeof total);
    printf("job          %s\n", account->job);
    printf("state        %s\n", account->state);
    if (account->status != KOFN_OK)
        printf("status       %s: %s\n", kofn_status_name(account->status), account->message);
    printf("product      [%" PRIu64 ", %" PRIu64 "] of %s, inner %" PRIu64 "\n", account->rows,
           account->cols, account->field, account->inner);
    printf("code         %s, any %" PRIu64 " suffice, seed %" PRIu64 "\n", code, account->threshold,
           account->code.seed);
    printf("policy       %s\n", account->policy);
    printf("tasks        %" PRIu64 " sent, %" PRIu64 " answered, %" PRIu64 " used\n",
           account->tasks_sent, account->answers, account->answers_used);
    printf("workers      %" PRIu64 ", backups %" PRIu64 ", replaced %" PRIu64 "\n",
           account->workers, account->backups, account->replaced);
    if (account->error_kind[0])
        printf("error        %s, about %.1e, condition %.3g%s%s\n", account->error_kind,
               account->error_bound, account->condition,
               account->waited ? ", waited for one more answer" : "",
               account->nonfinite ? ", NaN or Inf" : "");
    printf("seconds      queue %.3g, receive %.3g, encode %.3g, send %.3g, wait %.3g, decode %.3g, "
           "total %.3g\n",
           account->seconds.queue, account->seconds.receive, account->seconds.encode,
           account->seconds.send, account->seconds.wait, account->seconds.decode,
           account->seconds.total);
}

void
cli_print_jobs(const kofn_account *jobs, size_t count_)
{
    cli_table table;
    cli_table_init(&table, "JOB|STATE|PRODUCT|CODE|>ANSWERS|>PROGRESS|>AGE|STATUS");
    for (size_t i = 0; i < count_; i++) {
        const kofn_account *job = &jobs[i];
        char code[96];
        char age[32];
        cli_format_code(&job->code, code, sizeof code);
        cli_format_seconds((double)job->age_ms / 1e3, age, sizeof age);
        cli_table_add(&table,
                      "%s|%s|%" PRIu64 "x%" PRIu64 "x%" PRIu64 "|%s|%" PRIu64 "/%" PRIu64
                      "|%.0f%%|%s|%s",
                      job->job, job->state, job->rows, job->inner, job->cols, code, job->answers,
                      job->threshold, 100 * job->progress, age,
                      job->status == KOFN_OK ? "" : kofn_status_name(job->status));
    }
    cli_table_print(&table);
}

void
cli_print_workers(const kofn_worker_info *workers, size_t count_)
{
    cli_table table;
    cli_table_init(&table, "WORKER|STATE|>RUNNING|>DONE|>FAILED|>CANCELLED|>GFLOP/S|>SLOWDOWN|"
                           ">SILENT|>CORES|>MEMORY|KERNEL|VERSION");
    for (size_t i = 0; i < count_; i++) {
        const kofn_worker_info *w = &workers[i];
        char silent[32];
        char memory[32];
        char slowdown[32] = "-";
        cli_format_seconds((double)w->silent_ms / 1e3, silent, sizeof silent);
        format_bytes(w->memory_bytes, memory, sizeof memory);
        if (w->slowdown > 0)
            (void)snprintf(slowdown, sizeof slowdown, "%.2f", w->slowdown);
        cli_table_add(
            &table,
            "%s|%s|%" PRIu64 "|%" PRIu64 "|%" PRIu64 "|%" PRIu64 "|%.3g|%s|%s|%" PRIu64 "|%s|%s|%s",
            w->name, w->state, w->tasks_running, w->tasks_done, w->tasks_failed, w->tasks_cancelled,
            w->gflops, slowdown, silent, w->cores, memory, w->kernel, w->version);
    }
    cli_table_print(&table);
}

static void
print_family(const kofn_family_info *family)
{
    printf("%s: %s\n    threshold  %s\n    source     %s\n", family->name, family->summary,
           family->threshold, family->source);
    for (size_t i = 0; i < family->param_count; i++) {
        const kofn_param_info *p = &family->params[i];
        printf("    --set %s=%s  (%s%s%s) %s\n", p->name, p->fallback, p->type,
               p->bounds[0] ? ", " : "", p->bounds, p->help);
    }
}

void
cli_print_codes(const kofn_code_list *list)
{
    for (size_t i = 0; i < list->family_count; i++)
        print_family(&list->families[i]);
    for (size_t i = 0; i < list->policy_count; i++)
        printf("%s--policy %s: %s\n", i == 0 ? "\n" : "", list->policies[i].name,
               list->policies[i].help);
}
