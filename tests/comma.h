/* A locale in which a comma is the point, made for a test where there is localedef. */
#ifndef KOFN_TESTS_COMMA_H
#define KOFN_TESTS_COMMA_H

#include "tests/assert.h"

#include <locale.h>
#include <unistd.h>

/* The program's own from here on. False: there is no localedef, and nothing has changed. */
static inline bool
comma_begin(void)
{
    static const char definition[] = "LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \".\"\n"
                                     "grouping 3;3\nEND LC_NUMERIC\n";
    char folder[] = "/tmp/kofn-locale-XXXXXX", path[64], command[256];
    assert_non_null(mkdtemp(folder));
    assert_int_equal(setenv("LOCPATH", folder, 1), 0);
    (void)snprintf(path, sizeof path, "%s/definition", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(definition, file) >= 0);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(command, sizeof command,
                   "localedef -c -f ANSI_X3.4-1968 -i %s %s/comma >/dev/null 2>&1", path, folder);
    (void)!system(command); // complains of what a locale has beside
    const bool there = setlocale(LC_NUMERIC, "comma") && localeconv()->decimal_point[0] == ',';
    (void)unsetenv("LOCPATH");
    (void)snprintf(command, sizeof command, "rm -r %s", folder); // it is read
    assert_int_equal(system(command), 0);
    return there;
}

static inline void
comma_end(void)
{
    (void)setlocale(LC_NUMERIC, "C");
}

#endif
