# libkofn exports what its headers declare, and nothing else:
#     cmake -DLIBRARY=libkofn.so -DHEADERS="kofn.h;status.h;dtype.h" -DNM=nm -P symbols.cmake
set(declared)
foreach(header ${HEADERS})
    file(READ ${header} text)
    string(REGEX REPLACE "/\\*([^*]|\\*[^/])*\\*/" "" text "${text}")
    string(REGEX REPLACE "//[^\n]*" "" text "${text}")
    string(REGEX MATCHALL "kofn_[a-z_]+\\(" names "${text}")
    list(APPEND declared ${names})
endforeach()
list(TRANSFORM declared REPLACE "\\($" "")
list(REMOVE_ITEM declared kofn_progress) # a type of function
list(REMOVE_DUPLICATES declared)

execute_process(COMMAND ${NM} -D --defined-only ${LIBRARY} OUTPUT_VARIABLE table
    COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL " T [A-Za-z_0-9]+" exported "${table}")
list(TRANSFORM exported REPLACE "^ T " "")

set(missing ${declared})
list(REMOVE_ITEM missing ${exported})
set(surplus ${exported})
list(REMOVE_ITEM surplus ${declared})
list(LENGTH declared count)
if(missing OR surplus)
    message(FATAL_ERROR "libkofn.map: declared and not exported: ${missing}; exported and not declared: ${surplus}")
endif()
message(STATUS "${count} functions, each declared and exported")
