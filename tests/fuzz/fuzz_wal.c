/* Any bytes as SQLite's log, and the same with a header and sums that are right: of such a log
 * nothing is lost, until a byte is changed. */
#include "master/store/wal.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { HEADER = 32, FRAME = 24, PAGE = 512, SALTS = 8, LENGTH_MAX = 1 << 16 };

static void
put_number(uint8_t *at, uint32_t number)
{
    for (size_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(number >> (24 - 8 * i));
}

static uint32_t
get_word(const uint8_t *at) // little-endian
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void
add(uint32_t sum[2], const uint8_t *at, size_t bytes)
{
    for (; bytes >= 8; at += 8, bytes -= 8) {
        sum[0] += get_word(at) + sum[1];
        sum[1] += get_word(at + 4) + sum[0];
    }
}

static void
put_sum(uint8_t *at, const uint32_t sum[2])
{
    put_number(at, sum[0]);
    put_number(at + 4, sum[1]);
}

/* Pages and numbers stay what they are. */
static size_t
mend(uint8_t *log, size_t length)
{
    uint32_t sum[2] = {0, 0};
    put_number(log, 0x377f0682);
    put_number(log + 8, PAGE);
    add(sum, log, HEADER - 8);
    put_sum(log + HEADER - 8, sum);
    size_t frames = 0;
    for (uint8_t *f = log + HEADER; f + FRAME + PAGE <= log + length; f += FRAME + PAGE, frames++) {
        memcpy(f + 8, log + 16, SALTS);
        add(sum, f, 8);
        add(sum, f + FRAME, PAGE);
        put_sum(f + 16, sum);
    }
    return frames;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static uint8_t log[LENGTH_MAX];
    insist(kofn_wal_count_lost(file_of(data, length)) <= length / FRAME);
    if (length < HEADER + FRAME || length > sizeof log)
        return 0;
    memcpy(log, data, length);
    const size_t frames = mend(log, length);
    insist(kofn_wal_count_lost(file_of(log, length)) == 0);
    if (frames == 0)
        return 0;
    log[HEADER + FRAME] ^= 1; // in the first page: all that follows is lost, and only commits count
    size_t commits = 0;
    for (size_t i = 1; i < frames; i++) {
        const uint8_t *f = log + HEADER + i * (FRAME + PAGE);
        commits += get_word(f) != 0 && get_word(f + 4) != 0;
    }
    insist(kofn_wal_count_lost(file_of(log, length)) == commits);
    return 0;
}
