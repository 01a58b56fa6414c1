#include "master/store/wal.h"

#include <endian.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_BYTES = 32, // magic, version, page size, sequence, salts, checksum
    FRAME_BYTES = 24,  // page, size of the database or 0, salts, checksum; the page follows
    PAGE_BYTES_MAX = 65536,
};

static const uint32_t magic = 0x377f0682; // plus 1 where words are summed up as big-endian ones

typedef struct wal {
    FILE *file;
    size_t page_bytes;
    bool big_endian;
    uint8_t salts[8];
    uint32_t sum[2]; // up to the last frame that was right
} wal;

static uint32_t
get_number(const uint8_t *at)
{
    uint32_t number;
    memcpy(&number, at, sizeof number);
    return be32toh(number);
}

static void
add_words(const wal *log, const uint8_t *data, size_t bytes, uint32_t sum[2])
{
    for (size_t i = 0; i + 8 <= bytes; i += 8) {
        uint32_t words[2];
        memcpy(words, data + i, sizeof words);
        for (size_t w = 0; w < 2; w++) {
            words[w] = log->big_endian ? be32toh(words[w]) : le32toh(words[w]);
            sum[w] += words[w] + sum[1 - w];
        }
    }
}

static bool
is_sum(const uint32_t sum[2], const uint8_t *at)
{
    return sum[0] == get_number(at) && sum[1] == get_number(at + 4);
}

/* False: SQLite will not look at a single frame. */
static bool
read_header(wal *log, const uint8_t header[HEADER_BYTES])
{
    log->big_endian = (get_number(header) & 1) != 0;
    log->page_bytes = get_number(header + 8);
    memcpy(log->salts, header + 16, sizeof log->salts);
    add_words(log, header, HEADER_BYTES - 8, log->sum);
    return (get_number(header) & ~1U) == magic && is_sum(log->sum, header + HEADER_BYTES - 8);
}

/* Whose header is wrong: the frames tell what they have in common. */
static void
guess_header(wal *log, const uint8_t header[HEADER_BYTES], const uint8_t frame[FRAME_BYTES])
{
    log->page_bytes = get_number(header + 8);
    if (log->page_bytes < 512 || log->page_bytes > PAGE_BYTES_MAX ||
        (log->page_bytes & (log->page_bytes - 1)) != 0)
        log->page_bytes = 4096; // SQLite's own, and so ours
    memcpy(log->salts, frame + 8, sizeof log->salts);
}

static uint64_t
count_lost(wal *log, bool good, uint8_t *frame)
{
    uint64_t lost = 0;
    bool first_bad = good; // which may be what a kill left half written
    while (fread(frame, 1, FRAME_BYTES + log->page_bytes, log->file) ==
           FRAME_BYTES + log->page_bytes) {
        const bool same = memcmp(frame + 8, log->salts, sizeof log->salts) == 0;
        if (good && same) {
            add_words(log, frame, 8, log->sum);
            add_words(log, frame + FRAME_BYTES, log->page_bytes, log->sum);
            good = is_sum(log->sum, frame + 16);
        } else {
            good = false;
        }
        if (good)
            continue;
        lost += !first_bad && same && get_number(frame) != 0 && get_number(frame + 4) != 0;
        first_bad = false;
    }
    return lost;
}

uint64_t
kofn_wal_count_lost(const char *path)
{
    uint8_t header[HEADER_BYTES + FRAME_BYTES];
    wal log = {.file = fopen(path, "rbe")};
    uint8_t *frame = malloc(FRAME_BYTES + PAGE_BYTES_MAX);
    uint64_t lost = 0;
    if (log.file && frame && fread(header, 1, sizeof header, log.file) == sizeof header) {
        const bool good = read_header(&log, header) && log.page_bytes <= PAGE_BYTES_MAX;
        if (!good)
            guess_header(&log, header, header + HEADER_BYTES);
        if (fseek(log.file, HEADER_BYTES, SEEK_SET) == 0)
            lost = count_lost(&log, good, frame);
    }
    if (log.file)
        (void)fclose(log.file);
    free(frame);
    return lost;
}
