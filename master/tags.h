/* Tags: what an answer or a coded block is, as a digest, whoever makes it and in whatever life of
 * the master.
 *
 *     answer   the job's id, its field and form; and of each operand the cut, whether it is
 *              transposed, which stored operand it is, and the task's row of E
 *     block    the stored operand's id, the field, the cut as it is stored, and the row of E in the
 *              order of the stored blocks (coded.h)
 *
 * The row itself goes in, not the code's parameters and seed: so an answer of a code that was
 * chosen otherwise after a restart, or that another version builds otherwise, is another answer.
 *
 * Source     BLAKE2b with 128 bits (libsodium's generichash), in hexadecimal.
 * Cost       About a microsecond and a nanosecond for each byte of coefficients.
 */
#ifndef KOFN_MASTER_TAGS_H
#define KOFN_MASTER_TAGS_H

#include "master/job.h"
#include "master/operands.h"

void kofn_tag_answer(const kofn_job *job, size_t task, char ret_tag[KOFN_TAG_MAX]);
void kofn_tag_block(const kofn_operand *operand, const kofn_coded_key *key,
                    char ret_tag[KOFN_TAG_MAX]);

#endif
