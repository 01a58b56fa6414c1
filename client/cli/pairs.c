#include "client/cli/pairs.h"

#include "client/cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char blanks[] = " \t\r\v\f";

static kofn_status
fail_read(const cli_pairs *pairs, kofn_error *err)
{
    return kofn_fail(err, kofn_status_from_errno(errno), "%s: %s", pairs->name, strerror(errno));
}

kofn_status
cli_pairs_open(const char *path, cli_pairs *ret_pairs, kofn_error *err)
{
    const bool is_input = strcmp(path, "-") == 0;
    struct stat info;
    memset(ret_pairs, 0, sizeof *ret_pairs);
    ret_pairs->name = is_input ? "standard input" : path;
    const int file = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return fail_read(ret_pairs, err);
    ret_pairs->file = file;
    if (fstat(file, &info) == 0 && S_ISDIR(info.st_mode)) {
        cli_pairs_close(ret_pairs);
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "%s: it is a directory", path);
    }
    return KOFN_OK;
}

void
cli_pairs_close(cli_pairs *pairs)
{
    if (pairs->file > STDIN_FILENO)
        (void)close(pairs->file);
    pairs->file = 0;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* *ret_got is false when nothing came in time. */
static kofn_status
read_more(cli_pairs *pairs, int timeout_ms, bool *ret_got, kofn_error *err)
{
    struct pollfd input = {.fd = pairs->file, .events = POLLIN};
    *ret_got = false;
    memmove(pairs->bytes, pairs->bytes + pairs->from, pairs->to - pairs->from);
    pairs->to -= pairs->from;
    pairs->from = 0;
    if (poll(&input, 1, timeout_ms) <= 0)
        return KOFN_OK;
    const ssize_t got = read(pairs->file, pairs->bytes + pairs->to, CLI_PAIRS_LINE_MAX - pairs->to);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN ? KOFN_OK : fail_read(pairs, err);
    pairs->to += (size_t)got;
    pairs->exhausted = got == 0;
    *ret_got = true;
    return KOFN_OK;
}

/* The next line, which the last one of a file may end without its end. NULL: it is not all
 * there. */
static char *
cut_line(cli_pairs *pairs)
{
    char *line = pairs->bytes + pairs->from;
    const size_t left = pairs->to - pairs->from;
    char *end = memchr(line, '\n', left);
    if (!end && !(pairs->exhausted && left > 0))
        return NULL;
    pairs->from += end ? (size_t)(end - line) + 1 : left;
    if (!end)
        end = line + left; // there is room for one byte more
    for (char *nul = memchr(line, '\0', (size_t)(end - line)); nul;
         nul = memchr(nul, '\0', (size_t)(end - nul)))
        *nul = '?'; // names no file, and hides nothing behind it
    *end = '\0';
    return line;
}

/* *ret_line is NULL when there is none yet, or no more. */
static kofn_status
next_line(cli_pairs *pairs, int timeout_ms, char **ret_line, kofn_error *err)
{
    bool got = true;
    while (!(*ret_line = cut_line(pairs)) && !pairs->exhausted && got) {
        if (pairs->to - pairs->from == CLI_PAIRS_LINE_MAX) { // all of it one line
            pairs->from = pairs->to = 0;
            pairs->passing = true;
        }
        kofn_status status = read_more(pairs, timeout_ms, &got, err);
        if (status != KOFN_OK)
            return status;
    }
    if (!*ret_line && pairs->exhausted)
        pairs->ended = true;
    return KOFN_OK;
}

/* ---- words ----------------------------------------------------------------------------------- */

static kofn_status
split(const cli_pairs *pairs, char *line, cli_pair *ret_pair, kofn_error *err)
{
    const char *words[3] = {0};
    size_t count = 0;
    char *rest;
    for (char *word = strtok_r(line, blanks, &rest); word; word = strtok_r(NULL, blanks, &rest)) {
        if (count < 3)
            words[count] = word;
        count++;
    }
    *ret_pair = (cli_pair){.line = pairs->line, .a = words[0], .b = words[1], .c = words[2]};
    if (count == 2 || count == 3)
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "%zu word%s, want 'A.npy B.npy' or 'A.npy B.npy C.npy'", count, cli_s(count));
}

kofn_status
cli_pairs_next(cli_pairs *pairs, int timeout_ms, cli_pair *ret_pair, kofn_error *err)
{
    *ret_pair = (cli_pair){0};
    for (;;) {
        char *line;
        kofn_status status = next_line(pairs, timeout_ms, &line, err);
        const bool too_long = pairs->passing;
        if (status != KOFN_OK || (!line && !(too_long && pairs->ended)))
            return status;
        pairs->line++;
        pairs->passing = false;
        if (too_long) {
            ret_pair->line = pairs->line;
            return kofn_fail(err, KOFN_INVALID_ARGUMENT, "more than %d bytes in a line",
                             CLI_PAIRS_LINE_MAX);
        }
        line += strspn(line, blanks);
        if (*line != '\0' && *line != '#')
            return split(pairs, line, ret_pair, err);
    }
}

kofn_status
cli_pair_read_weight(const cli_pair *pair, double *ret_weight, kofn_error *err)
{
    char *end;
    *ret_weight = pair->c ? strtod(pair->c, &end) : 1;
    if (!pair->c || (end != pair->c && *end == '\0' && isfinite(*ret_weight)))
        return KOFN_OK;
    return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                     "'%s' is no number: with --sum the third word is what the product counts",
                     pair->c);
}

char *
cli_pair_name_output(const cli_pair *pair, const char *folder)
{
    char *path;
    if (pair->c)
        return strdup(pair->c);
    return asprintf(&path, "%s/%zu.npy", folder, pair->line) < 0 ? NULL : path;
}
