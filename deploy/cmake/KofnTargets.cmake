# kofn_layer(name SOURCES ... LINKS ...): a folder as one static library that links only the layers
# and libraries that it may include. kofn_daemon / kofn_test / kofn_bench: programs on top.
add_compile_options(-Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes
    -Wno-format-zero-length # kofn_log_write takes "" for no pairs
    -ffp-contract=off -fno-math-errno
    # Messages are cut to their buffers on purpose; which cuts gcc sees depends on its inlining.
    $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>)
add_compile_definitions(_GNU_SOURCE KOFN_VERSION="${PROJECT_VERSION}")
if(KOFN_WERROR)
    add_compile_options(-Werror)
endif()
if(KOFN_SANITIZE)
    add_compile_definitions(KOFN_SANITIZED)
    add_compile_options(-fsanitize=${KOFN_SANITIZE} -fno-omit-frame-pointer
        -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${KOFN_SANITIZE})
endif()

function(kofn_layer name)
    cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
    add_library(${name} STATIC ${arg_SOURCES})
    target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
    target_link_libraries(${name} PUBLIC ${arg_LINKS})
endfunction()

# kofn_test(polynomial LINKS kofn_code): tests/unit/test_polynomial.c, one cmocka program.
function(kofn_test name)
    cmake_parse_arguments(arg "" "FOLDER;TIMEOUT" "LINKS;SOURCES" ${ARGN})
    if(NOT arg_FOLDER)
        set(arg_FOLDER unit)
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 120)
    endif()
    add_executable(test_${name} ${arg_FOLDER}/test_${name}.c ${arg_SOURCES})
    target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR})
    target_link_libraries(test_${name} PRIVATE ${arg_LINKS} kofn::cmocka m)
    target_compile_definitions(test_${name} PRIVATE
        KOFN_SOURCE_DIR="${CMAKE_SOURCE_DIR}" KOFN_BINARY_DIR="${CMAKE_BINARY_DIR}")
    add_test(NAME ${name} COMMAND test_${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS ${arg_FOLDER})
endfunction()
