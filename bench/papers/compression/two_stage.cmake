# The programs behind bench/papers/compression/two_stage; included from bench/.
set(folder ${CMAKE_CURRENT_LIST_DIR})
function(kofn_two_stage name layer)
    set(target bench_compression_two_stage_${name})
    add_executable(${target} ${folder}/two_stage_${name}.c ${folder}/two_stage.c bench.c)
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
    target_link_libraries(${target} PRIVATE ${layer} m)
    set_target_properties(${target} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench/papers/compression)
endfunction()

kofn_two_stage(sim kofn_sim)
if(TARGET kofn_cluster)
    kofn_two_stage(real kofn_cluster)
    # Both, small.
    add_test(NAME papers_two_stage
        COMMAND ${folder}/two_stage --quick --real ${CMAKE_BINARY_DIR}
            ${CMAKE_BINARY_DIR}/two_stage)
    set_tests_properties(papers_two_stage PROPERTIES TIMEOUT 120 LABELS bench PROCESSORS 2)
endif()
