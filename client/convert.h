/* Between the public structs, the specs of codes and the messages: the same words three times,
 * since the public header knows neither layer.
 *
 * Threads    Any thread.
 */
#ifndef KOFN_CLIENT_CONVERT_H
#define KOFN_CLIENT_CONVERT_H

#include "client/kofn.h"
#include "proto/messages.h"

/* INVALID_ARGUMENT: a name without its final NUL, or too many parameters. OUT_OF_RANGE: a number
 * beyond size_t. */
KOFN_MUST_CHECK kofn_status kofn_choice_to_spec(const kofn_code_choice *choice,
                                                kofn_code_spec *ret_spec, kofn_error *err);
void kofn_choice_from_spec(const kofn_code_spec *spec, kofn_code_choice *ret_choice);

void kofn_account_from_message(const kofn_msg_job *job, kofn_account *ret_account);
void kofn_stream_from_message(const kofn_msg_stream *stream, kofn_stream_account *ret_account);

/* Ends with kofn_stream_trace_fini. INTERNAL: it is none of these slots and rounds. UNIMPLEMENTED:
 * there is none. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_trace_from_message(const kofn_msg_stream *stream,
                                                    kofn_stream_trace *ret_trace, kofn_error *err);
void kofn_operand_from_message(const kofn_msg_operand *operand, kofn_operand_info *ret_operand);
void kofn_worker_from_message(const kofn_msg_worker *worker, kofn_worker_info *ret_worker);
void kofn_health_from_message(const kofn_msg_health *health, kofn_health *ret_health);

/* INVALID_ARGUMENT: a dtype that is not multiplied. */
KOFN_MUST_CHECK kofn_status kofn_question_to_message(const kofn_plan_question *question,
                                                     kofn_msg_plan_query *ret_query,
                                                     kofn_error *err);

/* Ends with kofn_plan_answer_fini. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_answer_from_message(const kofn_msg_plan *plan,
                                                     kofn_plan_answer *ret_answer, kofn_error *err);

/* Ends with kofn_code_list_fini. RESOURCE_EXHAUSTED: no memory. */
KOFN_MUST_CHECK kofn_status kofn_codes_from_message(const kofn_msg_codes *codes,
                                                    kofn_code_list *ret_list, kofn_error *err);

/* The public header repeats limits of the layers below. */
_Static_assert((int)KOFN_CLIENT_NAME_MAX == (int)KOFN_NAME_MAX &&
                   (int)KOFN_CLIENT_TEXT_MAX == (int)KOFN_TEXT_MAX &&
                   (int)KOFN_CLIENT_JOB_MAX == (int)KOFN_ID_MAX &&
                   (int)KOFN_CLIENT_VALUE_MAX == (int)KOFN_SET_VALUE_MAX &&
                   (int)KOFN_CLIENT_SETS_MAX == (int)KOFN_SETS_MAX &&
                   (int)KOFN_CLIENT_OPERANDS_MAX == (int)KOFN_OPERANDS_MAX,
               "limits of the public header");

#endif
