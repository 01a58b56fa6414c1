# kofn_fuzz(config LINKS kofn_base): tests/fuzz/fuzz_config.c with the seeds in seeds/config/.
# In ordinary builds the seeds are replayed as one test. With KOFN_FUZZ (clang only) the fuzzer
# itself is built, and its test replays the seeds and goes on looking for KOFN_FUZZ_SECONDS.
option(KOFN_FUZZ "Build the fuzzers with libFuzzer (needs clang)" OFF)
set(KOFN_FUZZ_SECONDS 5 CACHE STRING "How long each fuzzer runs as a test")
if(KOFN_FUZZ AND NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "KOFN_FUZZ needs clang: configure with -DCMAKE_C_COMPILER=clang")
endif()

add_custom_target(fuzzers)

function(kofn_fuzz name)
    cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
    set(seeds ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/seeds/${name})
    add_executable(fuzz_${name} fuzz/fuzz_${name}.c)
    target_include_directories(fuzz_${name} PRIVATE ${CMAKE_SOURCE_DIR})
    target_link_libraries(fuzz_${name} PRIVATE ${arg_LINKS})
    add_dependencies(fuzzers fuzz_${name})
    target_compile_options(fuzz_${name} PRIVATE -Wno-missing-prototypes) # libFuzzer has no header
    if(KOFN_FUZZ)
        set(found ${CMAKE_CURRENT_BINARY_DIR}/corpus/${name})
        file(MAKE_DIRECTORY ${found})
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
        add_test(NAME fuzz_${name} COMMAND fuzz_${name} -max_total_time=${KOFN_FUZZ_SECONDS}
            -timeout=10 -rss_limit_mb=1024 -artifact_prefix=${found}/ ${found} ${seeds})
    else()
        target_sources(fuzz_${name} PRIVATE fuzz/replay.c)
        add_test(NAME fuzz_${name} COMMAND fuzz_${name} ${seeds})
    endif()
    math(EXPR timeout "${KOFN_FUZZ_SECONDS} + 60")
    set_tests_properties(fuzz_${name} PROPERTIES LABELS fuzz TIMEOUT ${timeout})
endfunction()

kofn_fuzz(config LINKS kofn_base)
kofn_fuzz(npy LINKS kofn_linalg)
kofn_fuzz(algorithm LINKS kofn_code)
kofn_fuzz(scan LINKS kofn_proto)
kofn_fuzz(envelope LINKS kofn_proto)
kofn_fuzz(block LINKS kofn_proto)
kofn_fuzz(manifest LINKS kofn_cli_core)
kofn_fuzz(store_row LINKS kofn_store)
