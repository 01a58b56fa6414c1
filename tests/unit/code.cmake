foreach(name code families uncoded replication polynomial rkrp spec decoder estimate coding odds
    plan_time plan)
    kofn_test(${name} LINKS kofn_code)
endforeach()

kofn_test(code_memory LINKS kofn_code ${KOFN_SHORT_MEMORY})

foreach(name entangled orthopoly eps)
    kofn_test(${name} LINKS kofn_code)
endforeach()
