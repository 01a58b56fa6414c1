#include "client/cli/plot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Points that are kept: whenever they are full every other one goes, and from then on half as many
 * come in, so that any number of jobs fits. Of times, all are counted. */
enum { POINTS = 2048, BINS = 400 };

/* Bins of times are a constant factor wide, from a nanosecond on. */
static const double BIN_STEP = 1.1;

/* Of times, by powers of that step. */
typedef struct histogram {
    uint64_t bins[BINS];
} histogram;

struct cli_plot {
    const char *path;
    const char *terminal; // gnuplot's
    double ended[POINTS];
    double done[POINTS]; // jobs by then
    size_t points, every;
    uint64_t jobs;
    histogram took, rounds, waited; // jobs; rounds, all of them and those that waited
    bool has_rounds;
};

static bool
is_there(const char *program)
{
    const char *path = getenv("PATH");
    char file[4096];
    for (const char *at = path; at && *at; at += strcspn(at, ":") + (at[strcspn(at, ":")] == ':')) {
        (void)snprintf(file, sizeof file, "%.*s/%s", (int)strcspn(at, ":"), at, program);
        if (access(file, X_OK) == 0)
            return true;
    }
    return false;
}

static const char *
find_terminal(const char *path)
{
    const char *dot = strrchr(path, '.');
    if (dot && strcmp(dot, ".svg") == 0)
        return "svg size 900,700 dynamic font 'sans,12' background 'white'";
    if (dot && strcmp(dot, ".png") == 0)
        return "pngcairo size 900,700 font 'sans,10'";
    return NULL;
}

kofn_status
cli_plot_new(const char *path, cli_plot **ret_plot, kofn_error *err)
{
    const char *terminal = find_terminal(path);
    if (!terminal)
        return kofn_fail(err, KOFN_INVALID_ARGUMENT, "--plot %s: want FILE.svg or FILE.png", path);
    if (path[strcspn(path, "'\n\r")] != '\0')
        return kofn_fail(err, KOFN_INVALID_ARGUMENT,
                         "--plot: a name with a quote or a line end does not go through gnuplot");
    if (!is_there("gnuplot"))
        return kofn_fail(
            err, KOFN_FAILED_PRECONDITION,
            "--plot needs gnuplot, which is not installed (Debian: gnuplot-nox); --csv "
            "writes the figures themselves");
    FILE *picture = fopen(path, "ae"); // before hours of work, not behind them
    if (!picture)
        return kofn_fail(err, kofn_status_from_errno(errno), "%s: cannot be written: %s", path,
                         strerror(errno));
    (void)fclose(picture); // as it was
    cli_plot *plot = calloc(1, sizeof *plot);
    if (!plot)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory for a plot");
    plot->path = path;
    plot->terminal = terminal;
    plot->every = 1;
    *ret_plot = plot;
    return KOFN_OK;
}

void
cli_plot_destroy(cli_plot **plot_p)
{
    free(*plot_p);
    *plot_p = NULL;
}

static void
thin_out(cli_plot *plot)
{
    for (size_t i = 0; i < POINTS / 2; i++) {
        plot->ended[i] = plot->ended[2 * i + 1];
        plot->done[i] = plot->done[2 * i + 1];
    }
    plot->points = POINTS / 2;
    plot->every *= 2;
}

static void
count_time(histogram *h, double seconds)
{
    const double bin = floor(log(fmax(seconds * 1e9, 1)) / log(BIN_STEP));
    h->bins[bin < BINS ? (size_t)bin : BINS - 1]++;
}

void
cli_plot_add(cli_plot *plot, double ended, double seconds)
{
    count_time(&plot->took, seconds);
    if (++plot->jobs % plot->every != 0)
        return;
    if (plot->points == POINTS)
        thin_out(plot);
    plot->ended[plot->points] = ended;
    plot->done[plot->points++] = (double)plot->jobs;
}

void
cli_plot_add_round(cli_plot *plot, double seconds, bool waited)
{
    plot->has_rounds = true;
    count_time(&plot->rounds, seconds);
    if (waited)
        count_time(&plot->waited, seconds);
}

/* ---- gnuplot's script: what a write comes to is known when the pipe is closed
 * ------------------ */

/* A line each: the middle of a bin, its width, how many. */
static void
write_histogram(const char *name, const histogram *h, FILE *to)
{
    (void)fprintf(to, "$%s << EOD\n", name);
    for (size_t i = 0; i < BINS; i++)
        if (h->bins[i] > 0)
            (void)fprintf(to, "%.9g %.9g %llu\n", 1e-9 * pow(BIN_STEP, (double)i + 0.5),
                          1e-9 * pow(BIN_STEP, (double)i) * (BIN_STEP - 1),
                          (unsigned long long)h->bins[i]);
    (void)fputs("EOD\n", to);
}

/* In gnuplot's quotes: 'it''s'. */
static void
write_text(const char *text, FILE *to)
{
    for (; *text; text++)
        (void)fputs(*text == '\'' ? "''" : (char[]){*text, '\0'}, to);
}

static void
write_rounds(const cli_plot *plot, FILE *to)
{
    bool any = false;
    for (size_t i = 0; i < BINS; i++)
        any = any || plot->waited.bins[i] > 0;
    (void)fprintf(
        to,
        "set xlabel 'seconds that a round took'\nset ylabel 'rounds'\nset key top right\n"
        "plot $rounds using 1:3:2 with boxes title 'all'%s\n",
        any ? ", $waited using 1:3:2 with boxes title 'of them, waited beyond the tolerance'" : "");
}

static void
write_script(const cli_plot *plot, const char *title, const char *subtitle, FILE *to)
{
    write_histogram("took", &plot->took, to);
    write_histogram("rounds", &plot->rounds, to);
    write_histogram("waited", &plot->waited, to);
    (void)fputs("$done << EOD\n0 0\n", to);
    for (size_t i = 0; i < plot->points; i++)
        (void)fprintf(to, "%.9g %.9g\n", plot->done[i], plot->ended[i]);
    (void)fprintf(to, "EOD\nset terminal %s\nset output '%s'\nset multiplot layout 2,1 title '",
                  plot->terminal, plot->path);
    write_text(title, to);
    (void)fputs("'.\"\\n\".'", to);
    write_text(subtitle, to);
    (void)fputs("' noenhanced\nset grid\nunset key\nset style fill solid\nset logscale xy\n"
                "set xlabel 'seconds from begun to ended'\nset ylabel 'jobs'\n"
                "set yrange [0.5:*]\nplot $took using 1:3:2 with boxes\n",
                to);
    if (plot->has_rounds)
        write_rounds(plot, to);
    else
        (void)fputs("unset logscale\nset yrange [0:*]\nset xlabel 'jobs done'\n"
                    "set ylabel 'virtual time, seconds'\nplot $done with lines linewidth 2\n",
                    to);
    (void)fputs("unset multiplot\n", to);
}

kofn_status
cli_plot_draw(cli_plot *plot, const char *title, const char *subtitle, kofn_error *err)
{
    FILE *gnuplot = popen("exec gnuplot >/dev/null", "we");
    if (!gnuplot)
        return kofn_fail(err, kofn_status_from_errno(errno), "gnuplot cannot be started: %s",
                         strerror(errno));
    write_script(plot, title, subtitle, gnuplot);
    const int code = pclose(gnuplot);
    if (code != 0)
        return kofn_fail(err, KOFN_FAILED_PRECONDITION,
                         "--plot %s: gnuplot failed with exit code %d", plot->path,
                         WIFEXITED(code) ? WEXITSTATUS(code) : -1);
    return KOFN_OK;
}
