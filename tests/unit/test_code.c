#include "tests/unit/code_brute.h"
int
main(void)
{
    return 0;
}
