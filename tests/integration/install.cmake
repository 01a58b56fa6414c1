# What `cmake --install` leaves works wherever it was put: the command finds its library, and a
# program of somebody else's builds against it by pkg-config and by find_package.
#     cmake -DBUILD=dir -DSOURCE=dir -DGENERATOR=Ninja -DCC=cc -DFLAGS=-fsanitize=... -DDOCUMENTS=ON
#         -P install.cmake
set(root ${BUILD}/tests/installed)
set(prefix ${root}/prefix)
file(REMOVE_RECURSE ${root})
file(MAKE_DIRECTORY ${root})

function(run)
    execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${root} OUTPUT_VARIABLE out
        ERROR_VARIABLE err RESULT_VARIABLE result)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "'${ARGN}' fails (${result}):\n${out}${err}")
    endif()
    set(output "${out}" PARENT_SCOPE)
endfunction()

set(ENV{DESTDIR})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})

# Moved afterwards: nothing inside may remember where it was.
file(RENAME ${prefix} ${root}/elsewhere)
set(prefix ${root}/elsewhere)
run(${prefix}/bin/kofn codes)
if(NOT output MATCHES "rkrp")
    message(FATAL_ERROR "the installed kofn lists no codes:\n${output}")
endif()
if(DOCUMENTS)
    foreach(made man/man1/kofn.1 man/man8/kofn-master.8 man/man8/kofn-worker.8
            man/man5/kofn-master.yaml.5 man/man5/kofn-worker.yaml.5
            bash-completion/completions/kofn bash-completion/completions/kofn-master
            bash-completion/completions/kofn-worker doc/kofn/examples/master.yaml)
        if(NOT EXISTS ${prefix}/share/${made})
            message(FATAL_ERROR "share/${made} is not installed")
        endif()
    endforeach()
endif()

file(GLOB_RECURSE pc ${prefix}/*/kofn.pc)
get_filename_component(pc_dir ${pc} DIRECTORY)
get_filename_component(lib_dir ${pc_dir} DIRECTORY)
set(ENV{PKG_CONFIG_PATH} ${pc_dir})
set(ENV{LD_LIBRARY_PATH} ${lib_dir})
run(pkg-config --cflags --libs kofn)
separate_arguments(flags UNIX_COMMAND "${output} ${FLAGS}")
run(${CC} ${SOURCE}/client/examples/multiply.c ${flags} -o multiply)
run(${root}/multiply --local)

file(WRITE ${root}/user/CMakeLists.txt "cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES C)
find_package(kofn REQUIRED)
add_executable(user ${SOURCE}/client/examples/multiply.c)
target_link_libraries(user PRIVATE kofn::kofn)
")
run(${CMAKE_COMMAND} -S user -B user/build -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_C_COMPILER=${CC}
    "-DCMAKE_C_FLAGS=${FLAGS}")
run(${CMAKE_COMMAND} --build user/build)
run(${root}/user/build/user --local)
file(REMOVE_RECURSE ${root})
