# The programs behind bench/papers/compression/two_stage; included from bench/.
set(folder ${CMAKE_CURRENT_LIST_DIR})
add_executable(bench_compression_two_stage_sim ${folder}/two_stage_sim.c ${folder}/two_stage.c bench.c)
target_link_libraries(bench_compression_two_stage_sim PRIVATE kofn_sim m)
set(programs bench_compression_two_stage_sim)
if(TARGET kofn_cluster)
    add_executable(bench_compression_two_stage_real ${folder}/two_stage_real.c ${folder}/two_stage.c bench.c)
    target_link_libraries(bench_compression_two_stage_real PRIVATE kofn_cluster m)
    list(APPEND programs bench_compression_two_stage_real)
    # Both, small.
    add_test(NAME papers_two_stage
        COMMAND ${folder}/two_stage --quick --real ${CMAKE_BINARY_DIR} ${CMAKE_BINARY_DIR}/papers/two_stage)
    set_tests_properties(papers_two_stage PROPERTIES TIMEOUT 120 LABELS bench PROCESSORS 2)
endif()
set_target_properties(${programs} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench/papers/compression)
foreach(program ${programs})
    target_include_directories(${program} PRIVATE ${CMAKE_SOURCE_DIR})
endforeach()
