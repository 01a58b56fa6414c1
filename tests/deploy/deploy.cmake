# Files for other machines, and more than one machine in namespaces. What needs root, namespaces or
# Ansible exits with 77 where they are not to be had, and ctest says that it was skipped.
set(programs $<TARGET_FILE:kofn-master> $<TARGET_FILE:kofn-worker> $<TARGET_FILE:kofn-cli>)
set(folder ${CMAKE_SOURCE_DIR}/tests/deploy)
add_test(NAME deploy_files COMMAND ${folder}/files ${CMAKE_SOURCE_DIR} $<TARGET_FILE:kofn-master>
    $<TARGET_FILE:kofn-worker>)
add_test(NAME slurm COMMAND ${folder}/slurm ${programs})
set_tests_properties(deploy_files slurm PROPERTIES LABELS deploy TIMEOUT 120)
add_test(NAME network_partition COMMAND ${folder}/partition ${programs})
set_tests_properties(network_partition PROPERTIES LABELS netns TIMEOUT 300 PROCESSORS 2
    SKIP_RETURN_CODE 77)

# Of the packages that deploy/package has put into build/packages:  ctest -C packages -L packages
foreach(name ansible two-vms packages) # the longest first
    add_test(NAME ${name} COMMAND ${folder}/${name} ${CMAKE_SOURCE_DIR}/build/packages
        CONFIGURATIONS packages)
    set_tests_properties(${name} PROPERTIES LABELS packages TIMEOUT 600 SKIP_RETURN_CODE 77)
endforeach()
