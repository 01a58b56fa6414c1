#include "master/sched/book.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool
kofn_book_init(kofn_book *book, size_t plain, size_t coded, size_t slots)
{
    *book = (kofn_book){
        .plain = plain,
        .coded = coded,
        .slots = slots,
        .at = calloc(plain + coded, sizeof *book->at),
        .failed = calloc(plain + coded, sizeof *book->failed),
        .owed = calloc(slots, sizeof *book->owed),
    };
    return book->at && book->failed && book->owed;
}

void
kofn_book_fini(kofn_book *book)
{
    free(book->at);
    free(book->failed);
    free(book->owed);
}

void
kofn_book_open(kofn_book *book, uint64_t job, uint64_t birth)
{
    assert(book->job == 0);
    book->job = job;
    book->birth = birth;
}

void
kofn_book_close(kofn_book *book)
{
    assert(book->out == 0);
    if (book->owed_count > 0)
        memset(book->owed, 0, book->slots * sizeof *book->owed);
    book->job = book->birth = 0;
    book->plain_given = book->coded_given = book->answers = 0;
    book->failed_count = book->owed_count = 0;
}

size_t
kofn_book_take_plain(kofn_book *book)
{
    assert(book->plain_given < book->plain);
    return book->plain_given++;
}

size_t
kofn_book_take_owed(kofn_book *book, size_t slot)
{
    assert(book->owed[slot] != 0);
    const size_t row = book->owed[slot] - 1;
    book->owed[slot] = 0;
    book->owed_count--;
    return row;
}

bool
kofn_book_take_any(kofn_book *book, size_t *ret_row)
{
    if (book->coded_given < book->coded)
        *ret_row = book->plain + book->coded_given++;
    else if (book->failed_count > 0)
        *ret_row = book->failed[--book->failed_count];
    else if (book->plain_given < book->plain)
        *ret_row = book->plain_given++;
    else
        return false;
    return true;
}

size_t
kofn_book_count_plain(const kofn_book *book)
{
    return book->plain - book->plain_given;
}

bool
kofn_book_is_owed(const kofn_book *book, size_t slot)
{
    return book->owed[slot] != 0;
}

void
kofn_book_fail(kofn_book *book, size_t row)
{
    book->failed[book->failed_count++] = (uint32_t)row;
}

void
kofn_book_owe(kofn_book *book, size_t row, size_t slot)
{
    assert(book->owed[slot] == 0);
    book->owed[slot] = (uint32_t)row + 1;
    book->owed_count++;
}
