#include "common/systemd/journal.h"

#include "tests/assert.h"

#include <errno.h>

/* The field's value; NULL: there is none. Static: the fields have no end of their own. */
static const char *
get(const kofn_journal_entry *e, const char *name)
{
    static char value[KOFN_JOURNAL_BYTES_MAX];
    const size_t length = strlen(name);
    for (size_t i = 0; i < e->count; i++) {
        const char *at = e->fields[i].iov_base;
        if (strncmp(at, name, length) != 0 || at[length] != '=')
            continue;
        (void)snprintf(value, sizeof value, "%.*s", (int)(e->fields[i].iov_len - length - 1),
                       at + length + 1);
        return value;
    }
    return NULL;
}

static void
an_entry_has_message_priority_and_searchable_pairs(void **state)
{
    (void)state;
    kofn_journal_entry e;
    kofn_journal_fill(&e, &(kofn_log_entry){
                              .level = KOFN_LOG_WARNING,
                              .event = "task_failed",
                              .sentence = "out of memory",
                              .pairs = "job=4f2a task=17 worker=w03 ms=1.5",
                              .format = "job=%s task=%zu worker=%s ms=%.1f",
                          });
    assert_string_equal(get(&e, "MESSAGE"),
                        "task_failed: out of memory job=4f2a task=17 worker=w03 ms=1.5");
    assert_string_equal(get(&e, "PRIORITY"), "4");
    assert_string_equal(get(&e, "SYSLOG_IDENTIFIER"), program_invocation_short_name);
    assert_string_equal(get(&e, "EVENT"), "task_failed");
    assert_string_equal(get(&e, "JOB"), "4f2a");
    assert_string_equal(get(&e, "TASK"), "17");
    assert_string_equal(get(&e, "WORKER"), "w03");
    assert_null(get(&e, "MS"));
    assert_null(get(&e, "SESSION"));
}

static void
an_entry_without_pairs_has_no_more_than_its_sentence(void **state)
{
    (void)state;
    kofn_journal_entry e;
    kofn_journal_fill(&e, &(kofn_log_entry){KOFN_LOG_NOTICE, "stopped", "it has ended", "", ""});
    assert_string_equal(get(&e, "MESSAGE"), "stopped: it has ended");
    assert_int_equal(e.count, 4);
}

static void
a_peer_cannot_forge_a_field(void **state)
{
    (void)state;
    kofn_journal_entry e;
    kofn_journal_fill(&e,
                      &(kofn_log_entry){KOFN_LOG_NOTICE, "worker_joined", "ready",
                                        "worker=w job=1 worker=x number=2", "worker=%s number=%d"});
    assert_null(get(&e, "JOB"));
    assert_string_equal(get(&e, "WORKER"), "w");

    /* Nor by a word that ends like a key. */
    kofn_journal_fill(&e, &(kofn_log_entry){KOFN_LOG_INFO, "x", "y", "ajob=1", "ajob=%d"});
    assert_null(get(&e, "JOB"));
}

static void
an_entry_that_is_too_long_keeps_its_message(void **state)
{
    (void)state;
    kofn_journal_entry e;
    char value[KOFN_JOURNAL_BYTES_MAX - 64];
    memset(value, 'x', sizeof value - 1);
    memcpy(value, "job=", 4);
    value[sizeof value - 1] = '\0';
    kofn_journal_fill(&e, &(kofn_log_entry){KOFN_LOG_ERROR, "long", "cut", value, "job=%s"});
    assert_non_null(get(&e, "MESSAGE"));
    assert_string_equal(get(&e, "PRIORITY"), "3");
    assert_null(get(&e, "JOB"));
}

static void
only_the_journal_is_sent_entries(void **state)
{
    (void)state;
    kofn_log log;
    kofn_log_init(&log, KOFN_LOG_INFO, -1);
    kofn_journal_attach(&log);
    assert_null(log.send);
    log.journal = true;
    kofn_journal_attach(&log);
    assert_non_null(log.send);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_has_message_priority_and_searchable_pairs),
        cmocka_unit_test(an_entry_without_pairs_has_no_more_than_its_sentence),
        cmocka_unit_test(a_peer_cannot_forge_a_field),
        cmocka_unit_test(an_entry_that_is_too_long_keeps_its_message),
        cmocka_unit_test(only_the_journal_is_sent_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
