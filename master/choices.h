/* Choices: which code was planned for which product, so that the same product is not planned again.
 *
 * A plan takes some ten ms, a small product less than one. Rates are measured anew with each task,
 * so they are rounded before they are compared: to half an octave, finer than any plan depends on.
 * That also keeps equal products on equal codes, bit by bit, as long as the machine does not
 * change.
 *
 * Threads    The I/O thread.
 */
#ifndef KOFN_MASTER_CHOICES_H
#define KOFN_MASTER_CHOICES_H

#include "common/code/coding.h"
#include "common/code/spec.h"

enum { KOFN_CHOICES_MAX = 64 }; // remembered; the oldest goes

/* Round every rate of the machine and of `at` [workers] in place. */
void kofn_choices_round(kofn_plan_machine *machine, kofn_plan_worker *at);

/* What a choice depends on; zeroed before it is filled in. */
typedef struct kofn_choice_key {
    char field[KOFN_FIELD_NAME_MAX]; // a table may be gone and made again
    kofn_shape shape;
    size_t workers, stragglers;
    double error, link_rate, slowdown;
    uint64_t rates; // digest of the workers' rounded rates
    uint64_t seed;
    bool exact;
    size_t liars;
    kofn_reserve_choice reserve;
} kofn_choice_key;

uint64_t kofn_choices_digest(const kofn_plan_machine *machine);

typedef struct kofn_choices {
    size_t next; // to be overwritten
    struct {
        bool used;
        kofn_choice_key key;
        kofn_code_spec spec;
    } at[KOFN_CHOICES_MAX];
} kofn_choices; // zeroed: none

const kofn_code_spec *kofn_choices_find(const kofn_choices *choices, const kofn_choice_key *key);
void kofn_choices_keep(kofn_choices *choices, const kofn_choice_key *key,
                       const kofn_code_spec *spec);

#endif
