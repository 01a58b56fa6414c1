#include "common/base/log.h"

#include "tests/assert.h"

#include <pthread.h>
#include <regex.h>
#include <sys/stat.h>
#include <unistd.h>

/* A pipe in place of standard error. */
typedef struct capture {
    int fds[2];
    char text[4096];
} capture;

static void
capture_init(capture *c)
{
    assert_int_equal(pipe(c->fds), 0);
}

/* All that was written; the writing end is closed by it. */
static const char *
capture_take(capture *c)
{
    close(c->fds[1]);
    size_t used = 0;
    for (ssize_t got; (got = read(c->fds[0], c->text + used, sizeof c->text - 1 - used)) > 0;)
        used += (size_t)got;
    c->text[used] = '\0';
    close(c->fds[0]);
    return c->text;
}

static void
a_line_has_time_level_event_sentence_and_pairs(void **state)
{
    (void)state;
    capture c;
    kofn_log log;
    regex_t form;
    capture_init(&c);
    kofn_log_init(&log, KOFN_LOG_INFO, c.fds[1]);
    kofn_log_write(&log, KOFN_LOG_NOTICE, "worker_joined", "ready for tasks", "worker=%s cores=%d",
                   "w03", 4);
    assert_int_equal(regcomp(&form,
                             "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "
                             "notice worker_joined: ready for tasks worker=w03 cores=4\n$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    assert_int_equal(regexec(&form, capture_take(&c), 0, NULL, 0), 0);
    regfree(&form);
}

static void
lines_above_the_level_are_not_written(void **state)
{
    (void)state;
    capture c;
    kofn_log log;
    capture_init(&c);
    kofn_log_init(&log, KOFN_LOG_WARNING, c.fds[1]);
    kofn_log_write(&log, KOFN_LOG_NOTICE, "quiet", "not written", "");
    kofn_log_write(&log, KOFN_LOG_ERROR, "loud", "written", "");
    const char *text = capture_take(&c);
    assert_null(strstr(text, "quiet"));
    assert_non_null(strstr(text, "error loud: written\n"));
}

static void
nothing_is_written_without_a_descriptor(void **state)
{
    (void)state;
    kofn_log log;
    kofn_log_init(&log, KOFN_LOG_DEBUG, -1);
    kofn_log_write(&log, KOFN_LOG_ERROR, "nowhere", "to go", "");
    assert_false(log.journal);
}

static void
a_peer_cannot_forge_a_line_or_drive_a_terminal(void **state)
{
    (void)state;
    capture c;
    kofn_log log;
    capture_init(&c);
    kofn_log_init(&log, KOFN_LOG_INFO, c.fds[1]);
    kofn_log_write(&log, KOFN_LOG_INFO, "job", "refused", "id=%s", "x\n\r\033[2Jy\x7f");
    const char *text = capture_take(&c);
    assert_non_null(strstr(text, "id=x???[2Jy?\n"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void
a_line_too_long_is_cut_and_ended(void **state)
{
    (void)state;
    capture c;
    kofn_log log;
    char long_value[3000];
    memset(long_value, 'x', sizeof long_value);
    long_value[sizeof long_value - 1] = '\0';
    capture_init(&c);
    kofn_log_init(&log, KOFN_LOG_INFO, c.fds[1]);
    kofn_log_write(&log, KOFN_LOG_INFO, "job", "long", "id=%s more=%s", long_value, long_value);
    const char *text = capture_take(&c);
    assert_int_equal(strlen(text), 2048);
    assert_string_equal(text + 2046, "x\n");
}

static void
lines_to_the_journal_carry_a_priority_and_no_time(void **state)
{
    (void)state;
    capture c;
    kofn_log log;
    struct stat at;
    char stream[64];
    capture_init(&c);
    assert_int_equal(fstat(c.fds[1], &at), 0);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)at.st_dev, (uintmax_t)at.st_ino + 1);
    setenv("JOURNAL_STREAM", stream, 1);
    kofn_log_init(&log, KOFN_LOG_INFO, c.fds[1]);
    assert_false(log.journal);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)at.st_dev, (uintmax_t)at.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    kofn_log_init(&log, KOFN_LOG_INFO, c.fds[1]);
    unsetenv("JOURNAL_STREAM");
    kofn_log_write(&log, KOFN_LOG_WARNING, "slow", "worker is late", "worker=w1");
    assert_string_equal(capture_take(&c), "<4>warning slow: worker is late worker=w1\n");
}

static void
a_redirected_descriptor_is_not_the_journal(void **state)
{
    (void)state;
    kofn_log log;
    static const char *const streams[] = {"1:2", "garbage", ""};
    for (size_t i = 0; i < 3; i++) {
        setenv("JOURNAL_STREAM", streams[i], 1);
        kofn_log_init(&log, KOFN_LOG_INFO, STDERR_FILENO);
        assert_false(log.journal);
    }
    unsetenv("JOURNAL_STREAM");
}

static char sent[512];

static bool
take_entry(const kofn_log_entry *entry)
{
    (void)snprintf(sent, sizeof sent, "%d|%s|%s|%s|%s", (int)entry->level, entry->event,
                   entry->sentence, entry->pairs, entry->format);
    return strcmp(entry->event, "lost") != 0;
}

static void
entries_go_where_they_are_wanted_or_become_lines(void **state)
{
    (void)state;
    capture c;
    kofn_log log;
    capture_init(&c);
    kofn_log_init(&log, KOFN_LOG_INFO, c.fds[1]);
    log.send = take_entry;
    kofn_log_write(&log, KOFN_LOG_DEBUG, "quiet", "above the level", "");
    assert_string_equal(sent, "");
    kofn_log_write(&log, KOFN_LOG_ERROR, "taken", "it said\n'x'", "job=%s", "1\033");
    assert_string_equal(sent, "3|taken|it said?'x'|job=1?|job=%s");
    kofn_log_write(&log, KOFN_LOG_ERROR, "lost", "nobody took it", "job=%d", 7);
    const char *text = capture_take(&c);
    assert_null(strstr(text, "taken"));
    assert_non_null(strstr(text, " error lost: nobody took it job=7\n"));
}

static void *
write_lines(void *context)
{
    for (int i = 0; i < 10; i++)
        kofn_log_write(context, KOFN_LOG_INFO, "thread", "says", "value=%s", "0123456789");
    return NULL;
}

static void
lines_of_several_threads_stay_whole(void **state)
{
    (void)state;
    capture c;
    kofn_log log;
    pthread_t threads[4];
    capture_init(&c);
    kofn_log_init(&log, KOFN_LOG_INFO, c.fds[1]);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &log), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);

    size_t lines = 0;
    for (char *line = (char *)capture_take(&c), *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        assert_string_equal(line + strlen("2026-01-31T12:00:00.123Z "),
                            "info thread: says value=0123456789");
        lines++;
    }
    assert_int_equal(lines, 40);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_event_sentence_and_pairs),
        cmocka_unit_test(lines_above_the_level_are_not_written),
        cmocka_unit_test(nothing_is_written_without_a_descriptor),
        cmocka_unit_test(a_peer_cannot_forge_a_line_or_drive_a_terminal),
        cmocka_unit_test(a_line_too_long_is_cut_and_ended),
        cmocka_unit_test(lines_to_the_journal_carry_a_priority_and_no_time),
        cmocka_unit_test(a_redirected_descriptor_is_not_the_journal),
        cmocka_unit_test(entries_go_where_they_are_wanted_or_become_lines),
        cmocka_unit_test(lines_of_several_threads_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
