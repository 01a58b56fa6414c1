/* Any bytes as a file of an algorithm: it is proven, or refused with a sentence. What is taken
 * multiplies matrices. */
#include "common/code/bilinear.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    kofn_error error = {0};
    kofn_bilinear *f = NULL;
    const kofn_status status = kofn_bilinear_load(file_of(data, length), &f, &error);
    insist(status != KOFN_INTERNAL && status != KOFN_UNKNOWN);
    if (status) {
        insist(f == NULL && error.text[0] != '\0');
        return 0;
    }
    insist(f->denominator >= 1 && kofn_bilinear_check(f, &error) == KOFN_OK);
    insist(f->rank >= f->x * f->z && f->rank >= f->z * f->y && f->rank >= f->x * f->y);
    (void)kofn_bilinear_count_additions(f);
    kofn_bilinear_destroy(&f);
    return 0;
}
