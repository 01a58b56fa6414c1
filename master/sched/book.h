/* A job of a stream that was born, and which of its rows were given.
 *
 *     fresh    never given: taken in ascending order, so that those that were given are two
 *              prefixes, of the plain rows and of the coded ones
 *     out      in a list, sent or not
 *     owed     failed in a slot's list, and to be given to the same slot in the next round
 *     failed   otherwise: to be given again when there are no fresh ones
 *     answered
 *
 * Cost       O(1), to close O(slots); for each row 12 bytes.
 * Threads    The engine's.
 */
#ifndef KOFN_MASTER_SCHED_BOOK_H
#define KOFN_MASTER_SCHED_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kofn_mini;

typedef struct kofn_book {
    uint64_t job, birth;             // 0: there is none
    size_t plain, coded, slots;      // rows; slots of the stream
    size_t plain_given, coded_given; // of them
    size_t answers, out;
    struct kofn_mini **at; // [row]: the engine's, of those that are out; NULL: it is not
    uint32_t *failed;      // a stack
    size_t failed_count;
    uint32_t *owed; // [slot]: row + 1; 0: none
    size_t owed_count;
} kofn_book;

/* False: no memory; to be closed with kofn_book_fini all the same. */
bool kofn_book_init(kofn_book *book, size_t plain, size_t coded, size_t slots);
void kofn_book_fini(kofn_book *book);

void kofn_book_open(kofn_book *book, uint64_t job, uint64_t birth); // it is empty
void kofn_book_close(kofn_book *book);                              // no row is out

size_t kofn_book_take_plain(kofn_book *book);             // a fresh one, of which there is one
size_t kofn_book_take_owed(kofn_book *book, size_t slot); // it is owed one

/* A coded row that is fresh; or where there is none, any that failed; or a plain one. False: none
 * of these either. */
bool kofn_book_take_any(kofn_book *book, size_t *ret_row);

size_t kofn_book_count_plain(const kofn_book *book); // fresh ones
bool kofn_book_is_owed(const kofn_book *book, size_t slot);

void kofn_book_fail(kofn_book *book, size_t row);
void kofn_book_owe(kofn_book *book, size_t row, size_t slot); // nothing is owed to it

#endif
