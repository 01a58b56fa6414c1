#include "common/systemd/journal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-journal.h>

/* Keys of pairs that become fields: those that somebody searches by. */
static const struct pair_field {
    const char *key, *field;
} pair_fields[] = {
    {"job", "JOB"},         {"task", "TASK"},       {"worker", "WORKER"},
    {"session", "SESSION"}, {"operand", "OPERAND"},
};

/* Fields that find no room are left out; MESSAGE comes first and always does. */
static void KOFN_PRINTF(2, 3) add_field(kofn_journal_entry *e, const char *format, ...)
{
    const size_t room = sizeof e->text - e->used;
    char *at = e->text + e->used;
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(at, room, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= room || e->count == KOFN_JOURNAL_FIELDS_MAX)
        return;
    e->fields[e->count++] = (struct iovec){.iov_base = at, .iov_len = (size_t)length};
    e->used += (size_t)length + 1;
}

/* The value behind " key=" or "key=" at the beginning; NULL: there is none. */
static const char *
find_value(const char *pairs, const char *key)
{
    const size_t length = strlen(key);
    for (const char *at = pairs; (at = strstr(at, key)); at += length)
        if ((at == pairs || at[-1] == ' ') && at[length] == '=')
            return at + length + 1;
    return NULL;
}

/* A worker may call itself "w1 job=4f2a". Only keys of the format count, and of those the first in
 * the text: what is the master's own stands in front of what peers named. */
static void
add_pair(kofn_journal_entry *e, const kofn_log_entry *entry, const struct pair_field *field)
{
    const char *value =
        find_value(entry->format, field->key) ? find_value(entry->pairs, field->key) : NULL;
    if (value)
        add_field(e, "%s=%.*s", field->field, (int)strcspn(value, " "), value);
}

void
kofn_journal_fill(kofn_journal_entry *ret_entry, const kofn_log_entry *entry)
{
    ret_entry->count = ret_entry->used = 0;
    add_field(ret_entry, "MESSAGE=%s: %s%s%s", entry->event, entry->sentence,
              entry->pairs[0] ? " " : "", entry->pairs);
    add_field(ret_entry, "PRIORITY=%d", (int)entry->level);
    add_field(ret_entry, "SYSLOG_IDENTIFIER=%s", program_invocation_short_name);
    add_field(ret_entry, "EVENT=%s", entry->event);
    for (size_t i = 0; i < sizeof pair_fields / sizeof pair_fields[0]; i++)
        add_pair(ret_entry, entry, &pair_fields[i]);
}

static bool
send_entry(const kofn_log_entry *entry)
{
    kofn_journal_entry e;
    kofn_journal_fill(&e, entry);
    return sd_journal_sendv(e.fields, (int)e.count) == 0;
}

void
kofn_journal_attach(kofn_log *log)
{
    if (log->journal)
        log->send = send_entry;
}
