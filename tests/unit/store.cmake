kofn_test(store LINKS kofn_store_failing)
kofn_test(store_kill LINKS kofn_store_failing)
kofn_test(store_damage LINKS kofn_store_failing)
set_property(TEST store APPEND PROPERTY LABELS tsan)
