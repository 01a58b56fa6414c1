#include "client/cli/text.h"

#include "proto/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool
is_control(const unsigned char *at, size_t length)
{
    if (length == 1)
        return at[0] < 0x20 || at[0] == 0x7f;
    return length == 2 && at[0] == 0xc2 && at[1] < 0xa0; // U+0080 to U+009F
}

void
cli_clean(char *text)
{
    const unsigned char *from = (const unsigned char *)text;
    size_t left = strlen(text);
    char *to = text;
    while (left > 0) {
        const size_t length = kofn_utf8_char(from, left);
        const bool kept = length > 0 && !is_control(from, length);
        const size_t taken = length > 0 ? length : 1;
        if (kept)
            memmove(to, from, taken);
        else
            *to = '?';
        to += kept ? taken : 1;
        from += taken;
        left -= taken;
    }
    *to = '\0';
}

bool
cli_line(FILE *to, const char *format, ...)
{
    char *line;
    va_list args;
    va_start(args, format);
    const int length = vasprintf(&line, format, args);
    va_end(args);
    if (length < 0)
        return fputs("(no memory for this line)\n", to) != EOF;
    cli_clean(line);
    const bool good = fputs(line, to) != EOF && fputc('\n', to) != EOF;
    free(line);
    return good;
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
    else if (seconds >= 0.9995) // 999.5ms would be 1e+03ms
        (void)snprintf(ret_text, size, "%.3gs", seconds);
    else if (seconds >= 0.9995e-3 || seconds <= 0)
        (void)snprintf(ret_text, size, "%.3gms", 1e3 * seconds);
    else
        (void)snprintf(ret_text, size, "%.3gus", 1e6 * seconds);
}

void
cli_format_bytes(uint64_t bytes, char *ret_text, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit + 1 < sizeof units / sizeof units[0]) { // three digits
        value /= 1024;
        unit++;
    }
    (void)snprintf(ret_text, size, "%.3g%s", value, units[unit]);
}

void
cli_format_shape(uint64_t rows, uint64_t inner, uint64_t cols, char *ret_text, size_t size)
{
    (void)snprintf(ret_text, size, "%" PRIu64 " x %" PRIu64 " x %" PRIu64, rows, inner, cols);
}

const char *
cli_s(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* A number that has one digit already comes back as it was, whatever its last bits are. */
void
cli_format_bound(double bound, char *ret_text, size_t size)
{
    (void)snprintf(ret_text, size, "%.0e", bound);
    const char *exponent = strchr(ret_text, 'e');
    const double shown = strtod(ret_text, NULL);
    if (exponent && shown < bound * (1 - 1e-9))
        (void)snprintf(ret_text, size, "%.0e", shown + pow(10, strtod(exponent + 1, NULL)));
}
