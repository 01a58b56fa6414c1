# What systemd makes of the units, where there is one to ask.
find_program(SYSTEMD_ANALYZE systemd-analyze)
if(SYSTEMD_ANALYZE)
    add_test(NAME units COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/systemd/check_units
        ${CMAKE_BINARY_DIR}/deploy/systemd $<TARGET_FILE:kofn-master> $<TARGET_FILE:kofn-worker>)
    set_tests_properties(units PROPERTIES TIMEOUT 60 LABELS unit)
endif()
