# What systemd makes of the units, where there is one to ask.
find_program(SYSTEMD_ANALYZE systemd-analyze)
if(SYSTEMD_ANALYZE)
    add_test(NAME units COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/systemd/check_units
        ${CMAKE_BINARY_DIR}/deploy/systemd $<TARGET_FILE:kofn-master> $<TARGET_FILE:kofn-worker>
        ${CMAKE_SOURCE_DIR}/deploy/systemd/kofn-backoff)
    set_tests_properties(units PROPERTIES TIMEOUT 60 LABELS unit)
endif()

add_test(NAME backoff COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/systemd/check_backoff
    ${CMAKE_SOURCE_DIR}/deploy/systemd/kofn-backoff)
set_tests_properties(backoff PROPERTIES TIMEOUT 60 LABELS unit)

# The daemons under the locks of their units. Sanitizers need what these forbid.
pkg_check_modules(seccomp IMPORTED_TARGET QUIET libseccomp)
if(SYSTEMD_ANALYZE AND seccomp_FOUND AND NOT KOFN_SANITIZE AND TARGET test_live_cluster)
    add_executable(confine systemd/confine.c)
    target_include_directories(confine PRIVATE ${CMAKE_SOURCE_DIR})
    target_link_libraries(confine PRIVATE PkgConfig::seccomp)
    target_compile_definitions(confine PRIVATE KOFN_UNITS="${CMAKE_BINARY_DIR}/deploy/systemd")
    kofn_test(confine FOLDER systemd)
    target_compile_definitions(test_confine PRIVATE KOFN_CONFINE="$<TARGET_FILE:confine>")
    add_dependencies(test_confine confine)
    foreach(name cluster jobs fields store keys)
        add_test(NAME confined_${name} COMMAND test_live_${name})
        set_tests_properties(confined_${name} PROPERTIES TIMEOUT 300 LABELS systemd
            ENVIRONMENT "KOFN_TEST_CONFINE=$<TARGET_FILE:confine>")
    endforeach()
endif()
