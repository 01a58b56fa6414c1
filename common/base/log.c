#include "common/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 2048 }; // below PIPE_BUF, so that lines of several threads never mix

/* systemd names the device and inode of the stream that it connected to the journal; a descriptor
 * that was redirected since is another. */
static bool
is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat at;
    uintmax_t device, inode;
    return stream && fd >= 0 && fstat(fd, &at) == 0 &&
           sscanf(stream, "%ju:%ju", &device, &inode) == 2 && at.st_dev == (dev_t)device &&
           at.st_ino == (ino_t)inode;
}

void
kofn_log_init(kofn_log *log, kofn_log_level level, int fd)
{
    *log = (kofn_log){.level = level, .fd = fd, .journal = is_journal(fd)};
}

static const char *const level_names[] = {
    [KOFN_LOG_ERROR] = "error", [KOFN_LOG_WARNING] = "warning", [KOFN_LOG_NOTICE] = "notice",
    [KOFN_LOG_INFO] = "info",   [KOFN_LOG_DEBUG] = "debug",
};

/* A line in the making: appends past the end are dropped, a cut line is still one. */
typedef struct line {
    char text[LINE_BYTES_MAX];
    size_t length; // at most LINE_BYTES_MAX - 1, which leaves room for the newline
} line;

static void
append_v(line *l, const char *format, va_list args)
{
    const size_t room = sizeof l->text - l->length;
    const int wanted = vsnprintf(l->text + l->length, room, format, args);
    if (wanted > 0)
        l->length += (size_t)wanted < room ? (size_t)wanted : room - 1;
}

static void KOFN_PRINTF(2, 3) append(line *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append_v(l, format, args);
    va_end(args);
}

static void
append_time(line *l)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now); // cannot fail for this clock on Linux
    gmtime_r(&now.tv_sec, &utc);
    append(l, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ ", utc.tm_year + 1900, utc.tm_mon + 1,
           utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, (int)(now.tv_nsec / 1000000));
}

/* Pairs carry what peers sent: a newline in it must not forge a second line, nor an escape drive a
 * terminal. */
static void
mask_controls(line *l)
{
    for (size_t i = 0; i < l->length; i++)
        if ((unsigned char)l->text[i] < ' ' || l->text[i] == 0x7f)
            l->text[i] = '?';
}

/* The pairs as they are, and the sentence masked like them: it can be an error that quotes a
 * peer. */
static bool
send_entry(const kofn_log *log, kofn_log_level level, const char *event, const char *sentence,
           const char *format, va_list args)
{
    line words = {.length = 0}, pairs = {.length = 0};
    append(&words, "%s", sentence);
    append_v(&pairs, format, args);
    mask_controls(&words);
    mask_controls(&pairs);
    const kofn_log_entry entry = {level, event, words.text, pairs.text, format};
    return log->send(&entry);
}

void
kofn_log_write(const kofn_log *log, kofn_log_level level, const char *event, const char *sentence,
               const char *pairs, ...)
{
    if (log->fd < 0 || level > log->level)
        return;

    if (log->send) {
        va_list args;
        va_start(args, pairs);
        const bool sent = send_entry(log, level, event, sentence, pairs, args);
        va_end(args);
        if (sent)
            return;
    }
    line l = {.length = 0};
    if (log->journal)
        append(&l, "<%d>", (int)level);
    else
        append_time(&l);
    append(&l, "%s %s: %s", level_names[level], event, sentence);
    if (pairs[0] != '\0') {
        append(&l, " ");
        va_list args;
        va_start(args, pairs);
        append_v(&l, pairs, args);
        va_end(args);
    }
    mask_controls(&l);
    l.text[l.length++] = '\n';
    const ssize_t wrote = write(log->fd, l.text, l.length);
    (void)wrote; // there is nowhere left to complain
}
