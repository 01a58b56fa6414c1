# Every library, found here and nowhere else, with the Debian package in the message when it is not.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(kofn_need name module package)
    pkg_check_modules(${name} IMPORTED_TARGET QUIET ${module})
    if(NOT ${name}_FOUND)
        message(FATAL_ERROR "kofn needs ${module}: apt-get install ${package} (or run deploy/install-deps)")
    endif()
    if(NOT TARGET kofn::${name})
        add_library(kofn::${name} ALIAS PkgConfig::${name})
    endif()
endfunction()

# Libraries without a pkg-config file in Debian.
function(kofn_need_library name header library package)
    find_path(${name}_INCLUDE ${header})
    find_library(${name}_LIBRARY ${library})
    if(NOT ${name}_INCLUDE OR NOT ${name}_LIBRARY)
        message(FATAL_ERROR "kofn needs ${header} and lib${library}: apt-get install ${package} (or run deploy/install-deps)")
    endif()
    if(NOT TARGET kofn::${name})
        add_library(kofn::${name} UNKNOWN IMPORTED GLOBAL)
        set_target_properties(kofn::${name} PROPERTIES IMPORTED_LOCATION "${${name}_LIBRARY}"
            INTERFACE_INCLUDE_DIRECTORIES "${${name}_INCLUDE}")
    endif()
endfunction()

kofn_need(zmq libzmq libzmq3-dev)
kofn_need(czmq libczmq libczmq-dev)
kofn_need(msgpack msgpack libmsgpack-dev)
kofn_need(openblas openblas libopenblas-pthread-dev)
kofn_need(lapacke lapacke liblapacke-dev)
kofn_need(yaml yaml-0.1 libyaml-dev)
kofn_need(sodium libsodium libsodium-dev)
kofn_need(sqlite sqlite3 libsqlite3-dev)
kofn_need(jansson jansson libjansson-dev)
kofn_need(systemd libsystemd libsystemd-dev)
kofn_need_library(isal isa-l/erasure_code.h isal libisal-dev)
if(KOFN_TESTS)
    kofn_need(cmocka cmocka libcmocka-dev)
    kofn_need_library(flint flint/nmod_mat.h flint libflint-dev) # an oracle
    kofn_need_library(gmp gmp.h gmp libgmp-dev) # which comes with flint, whose headers call it
endif()
