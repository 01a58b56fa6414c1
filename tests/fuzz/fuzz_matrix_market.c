/* Matrix Market files: whatever comes in, reading takes no more memory than the limit allows, and
 * what it accepts is well formed: sparse matrices pass the check that foreign ones must pass. */
#include "common/linalg/matrix_market.h"
#include "tests/fuzz/fuzz.h"

enum { MOST = 1 << 22 };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    kofn_matrix_market m;
    kofn_error error = {0};
    if (kofn_matrix_market_read(file_of(data, length), MOST, &m, &error)) {
        insist(error.text[0] != '\0'); // every refusal has its sentence
        return 0;
    }
    if (m.sparse) {
        insist(kofn_csr_check("A", &m.csr, &error) == KOFN_OK);
        insist(m.csr.value.rows <= length); // an entry and its mirror image take 4 bytes
    } else {
        insist(m.mat.data && m.mat.rows * m.mat.cols * sizeof(double) <= MOST);
    }
    kofn_matrix_market_fini(&m);
    return 0;
}
