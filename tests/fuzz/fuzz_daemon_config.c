/* Any bytes as the configuration of a master and of a worker, checks of the whole included: refused
 * with a sentence that has its place, or one that can be checked again and that no bound is broken
 * in. */
#include "master/config.h"
#include "tests/fuzz/fuzz.h"
#include "worker/config.h"

#include <string.h>

/* Each key's value, written out, is one that the key takes. */
static void
insist_on_bounds(kofn_keys keys, void *config)
{
    for (size_t i = 0; i < keys.count; i++) {
        char written[512];
        if (strcmp(keys.at[i].name, "algorithms") == 0)
            continue; // a folder, read at once
        kofn_key_format(&keys.at[i], config, written, sizeof written);
        insist(kofn_key_parse(&keys.at[i], written, config, NULL) == KOFN_OK);
    }
}

static void
read_master(const char *path)
{
    kofn_master_config config;
    kofn_error error = {0};
    if (kofn_master_config_load(path, &config, &error) != KOFN_OK) {
        insist(strstr(error.text, path) != NULL);
        return;
    }
    insist_on_bounds(kofn_master_keys, &config);
    insist(kofn_master_config_check(&config, NULL) == KOFN_OK);
    insist(kofn_master_config_get_memory(&config) > 0);
    if (kofn_master_config_check_exposure(&config, &error) != KOFN_OK)
        insist(!config.insecure && !config.own_key[0]);
    (void)kofn_master_config_get_log_level(&config);
    kofn_master_config_fini(&config);
}

static void
read_worker(const char *path)
{
    kofn_worker_config config;
    kofn_error error = {0};
    if (kofn_worker_config_load(path, &config, &error) != KOFN_OK) {
        insist(strstr(error.text, path) != NULL);
        return;
    }
    insist_on_bounds(kofn_worker_keys, &config);
    insist(kofn_worker_config_check(&config, NULL) == KOFN_OK);
    (void)kofn_worker_config_get_log_level(&config);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    const char *path = file_of(data, length);
    read_master(path);
    read_worker(path);
    return 0;
}
