kofn_test(client LINKS kofn_client SOURCES unit/fake_master.c)
kofn_test(folder LINKS kofn_cli_core)
kofn_test(report LINKS kofn_cli_core kofn)
set_property(TEST client APPEND PROPERTY LABELS tsan)
