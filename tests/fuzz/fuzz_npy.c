/* .npy headers: whatever comes in, the parser keeps within its input, and what it accepts fits the
 * file that it was told of. The first byte says how much longer than its head the file claims to
 * be. */
#include "common/linalg/npy.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const uint64_t beyond = data[0] < 64 ? UINT64_C(1) << data[0] : 0;
    uint8_t *head =
        malloc(size > 1 ? size - 1 : 1); // of its own, so that a sanitizer sees every step outside
    if (!head)
        return 0;
    memcpy(head, data + 1, size - 1);

    kofn_npy npy;
    kofn_error error;
    size_t offset;
    const uint64_t file_size = beyond > UINT64_MAX - size ? UINT64_MAX : size - 1 + beyond;
    if (kofn_npy_parse(head, size - 1, file_size, &npy, &offset, &error) == KOFN_OK) {
        size_t bytes;
        if (offset > size - 1 || npy.mat.data || npy.mat.owner || npy.mat.stride < npy.mat.cols ||
            kofn_mat_bytes(npy.mat.dtype, npy.mat.rows, npy.mat.cols, &bytes, NULL) ||
            bytes > file_size - offset)
            abort();
    } else if (error.text[0] == '\0') {
        abort(); // every refusal has its sentence
    }
    free(head);
    return 0;
}
