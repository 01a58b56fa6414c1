#include "tests/faults/faults.h"

#include "tests/assert.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

size_t
fault_amount(size_t brief, size_t full)
{
    const char *wish = getenv("KOFN_FAULTS_FULL");
    return wish && strcmp(wish, "1") == 0 ? full : brief;
}

double
fault_now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); // cannot fail for this clock
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void
fault_pause(void)
{
    const struct timespec t = {.tv_nsec = 5 * 1000 * 1000};
    (void)nanosleep(&t, NULL);
}

size_t
fault_get_memory(pid_t pid)
{
    char path[64], line[256];
    size_t kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        (void)sscanf(line, "RssAnon: %zu kB", &kib);
    (void)fclose(file);
    return kib * 1024;
}

size_t
fault_count_descriptors(pid_t pid)
{
    char path[64];
    size_t count = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    (void)closedir(dir);
    return count;
}
