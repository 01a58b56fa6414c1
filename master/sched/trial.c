#include "master/sched/trial.h"

#include <stdlib.h>

kofn_status
kofn_trial_new(kofn_code *code, double max_amplification, kofn_trial **ret_trial, kofn_error *err)
{
    kofn_trial *trial = calloc(1, sizeof *trial + code->tasks * sizeof trial->task[0]);
    if (!trial)
        return kofn_fail(err, KOFN_RESOURCE_EXHAUSTED, "no memory to try the answers of %zu tasks",
                         code->tasks);
    const kofn_status status = kofn_decoder_new(code, max_amplification, &trial->decoder, err);
    if (status) {
        free(trial);
        return status;
    }
    trial->code = kofn_code_ref(code);
    kofn_decoder_watch(trial->decoder, &trial->cancelled);
    *ret_trial = trial;
    return KOFN_OK;
}

void
kofn_trial_destroy(kofn_trial **trial_p)
{
    kofn_trial *trial = *trial_p;
    *trial_p = NULL;
    if (!trial)
        return;
    kofn_decoder_destroy(&trial->decoder);
    kofn_code_destroy(&trial->code);
    free(trial);
}

kofn_status
kofn_trial_load(kofn_trial *trial, const kofn_decoder *from, kofn_code *code, kofn_error *err)
{
    if (code != trial->code) {
        const kofn_status status = kofn_decoder_recode(trial->decoder, code, err);
        if (status)
            return status;
        kofn_code_destroy(&trial->code);
        trial->code = kofn_code_ref(code);
    }
    trial->count = kofn_decoder_get_count(from);
    for (size_t i = kofn_decoder_get_count(trial->decoder); i < trial->count; i++)
        trial->task[i] = kofn_decoder_get_task(from, i);
    return KOFN_OK;
}

void
kofn_trial_run(kofn_trial *trial)
{
    trial->status = KOFN_OK;
    for (size_t i = kofn_decoder_get_count(trial->decoder); i < trial->count && !trial->status; i++)
        trial->status = kofn_decoder_add(trial->decoder, trial->task[i], &trial->why);
    if (!trial->status && trial->looks)
        trial->look = kofn_look_at(trial->decoder, trial->noise, trial->error);
}

void
kofn_trial_give_up(kofn_trial *trial)
{
    atomic_store(&trial->cancelled, true);
}
