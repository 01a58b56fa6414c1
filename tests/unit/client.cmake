kofn_test(client LINKS kofn_client SOURCES unit/fake_master.c)
kofn_test(client_stream LINKS kofn_client SOURCES unit/fake_master.c)
kofn_test(client_batch LINKS kofn_client SOURCES unit/fake_master.c)
kofn_test(client_complex LINKS kofn_client kofn::openblas SOURCES unit/fake_master.c)
kofn_test(client_batch_memory LINKS kofn_client ${KOFN_SHORT_MEMORY})
kofn_test(client_sketches LINKS kofn_client kofn::openblas SOURCES unit/fake_master.c)
kofn_test(folder LINKS kofn_cli_core)
kofn_test(pairs LINKS kofn_cli_core)
kofn_test(pair_names LINKS kofn_cli_core)
kofn_test(report LINKS kofn_cli_core)
kofn_test(command FOLDER integration LINKS kofn_linalg kofn::jansson TIMEOUT 300)
add_dependencies(test_command kofn-cli kofn-master kofn-worker)
add_test(NAME symbols COMMAND ${CMAKE_COMMAND} -DLIBRARY=$<TARGET_FILE:kofn> -DNM=${CMAKE_NM}
    "-DHEADERS=${CMAKE_SOURCE_DIR}/client/kofn.h;${CMAKE_SOURCE_DIR}/common/base/status.h;${CMAKE_SOURCE_DIR}/common/linalg/dtype.h"
    -P ${CMAKE_CURRENT_SOURCE_DIR}/unit/symbols.cmake)
set_tests_properties(symbols PROPERTIES LABELS unit)
if(KOFN_SANITIZE)
    set(sanitize -fsanitize=${KOFN_SANITIZE})
endif()
add_test(NAME install COMMAND ${CMAKE_COMMAND} -DBUILD=${CMAKE_BINARY_DIR}
    -DSOURCE=${CMAKE_SOURCE_DIR} -DCC=${CMAKE_C_COMPILER} "-DFLAGS=${sanitize}"
    -DGENERATOR=${CMAKE_GENERATOR} -DDOCUMENTS=$<TARGET_EXISTS:documents>
    -P ${CMAKE_CURRENT_SOURCE_DIR}/integration/install.cmake)
set_tests_properties(install PROPERTIES LABELS integration TIMEOUT 300)

# The example learns: all five networks know nine made-up digits in ten.
add_test(NAME example_train COMMAND kofn-example-train --local 4 --hidden 32 --batch 128 --iterations 20
    --test-every 20 --scheme idip --set partition=2,1,3)
string(REPEAT "rate [^\n]*accuracy (1\\.0|0\\.9)[^\n]*\n *" 5 five_good)
set_tests_properties(example_train PROPERTIES LABELS integration TIMEOUT 120
    PASS_REGULAR_EXPRESSION "${five_good}800 products")
# A zero that is asked for is not left to the master, which has a tolerance of 0.25.
add_test(NAME example_train_zeros COMMAND kofn-example-train --local 2 --hidden 8 --batch 8 --iterations 1
    --scheme uncoded --set slots=2 --set tolerance=0 --set rescue=0)
set_tests_properties(example_train_zeros PROPERTIES LABELS integration TIMEOUT 120
    PASS_REGULAR_EXPRESSION "\\(tolerance 0, rescue 0\\)")
add_test(NAME example_train_options COMMAND kofn-example-train --hidden -1)
set_tests_properties(example_train_options PROPERTIES PASS_REGULAR_EXPRESSION "--hidden '-1': want")
