kofn_test(client LINKS kofn_client SOURCES unit/fake_master.c)
