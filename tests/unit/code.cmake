foreach(name code families uncoded replication polynomial rkrp spec decoder coding)
    kofn_test(${name} LINKS kofn_code)
endforeach()
