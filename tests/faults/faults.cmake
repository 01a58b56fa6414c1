# Faults on purpose, against real daemons: tests/faults/test_fault_NAME.c, one cmocka program each.
# ctest runs them shortened; `tests/faults/run NAME --full` as tests/faults/README.md says.
if(TARGET kofn_cluster)
    foreach(name proxy flood poison)
        kofn_test(fault_${name} FOLDER faults TIMEOUT 600 LINKS kofn_cluster)
    endforeach()
endif()
