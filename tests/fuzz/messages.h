/* Messages out of nothing but their tables: whole ones as seeds, altered ones for a fuzzer that
 * should reach what lies deep inside, and the property that each must have.
 *
 * Format     of an input: the message's name, a line end, its packed bytes. A name, not an index:
 *            a new message leaves all seeds what they are.
 */
#ifndef KOFN_TESTS_FUZZ_MESSAGES_H
#define KOFN_TESTS_FUZZ_MESSAGES_H

#include "common/base/rng.h"
#include "proto/messages.h"

/* Every field filled in, with values that it may have. Raw objects are constants. Cleared by the
 * caller. */
void fuzz_message_fill(const kofn_wire_message *of, kofn_rng *rng, void *message);

/* One field, or one of a part or of a list's entry, becomes another value, or none. */
void fuzz_message_alter(const kofn_wire_message *of, kofn_rng *rng, void *message);

/* Unpacked bytes are refused with a sentence, or packed again they read as the same. True: the
 * former did not happen. */
bool fuzz_message_try(const kofn_wire_message *of, const void *bytes, size_t length);

/* The message that an input names, and where its bytes begin; NULL: none. */
const kofn_wire_message *fuzz_message_named(const uint8_t *input, size_t length, size_t *ret_start);

#endif
