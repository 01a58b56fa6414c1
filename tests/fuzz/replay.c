/* Feeds every file of the given folders to a fuzzer's entry, so that seeds and past findings are
 * ordinary tests in builds without libFuzzer. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static bool
is_folder(const char *path)
{
    struct stat at;
    return stat(path, &at) == 0 && S_ISDIR(at.st_mode);
}

/* The bytes are in a block of exactly their size, so that ASan and valgrind see a read behind
 * it. */
static bool
replay_file(const char *path)
{
    struct stat at;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &at) != 0) {
        perror(path);
        return false;
    }
    const size_t length = (size_t)at.st_size;
    uint8_t *data = malloc(length ? length : 1);
    const bool is_read = data && fread(data, 1, length, file) == length;
    fclose(file);
    if (is_read)
        (void)LLVMFuzzerTestOneInput(data, length); // always 0, by libFuzzer's convention
    else
        fprintf(stderr, "%s: cannot be read\n", path);
    free(data);
    return is_read;
}

/* Files replayed, or -1. */
static int
replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir) {
        perror(folder);
        return -1;
    }
    int count = 0;
    for (const struct dirent *entry; count >= 0 && (entry = readdir(dir));) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (!is_folder(path))
            count = replay_file(path) ? count + 1 : -1;
    }
    closedir(dir);
    return count;
}

int
main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        const int count = replay_folder(argv[i]);
        if (count < 0)
            return EXIT_FAILURE;
        total += count;
    }
    printf("%d inputs replayed\n", total);
    return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE; // a fuzzer without seeds is a mistake
}
