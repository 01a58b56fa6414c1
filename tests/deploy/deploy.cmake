# Files for other machines, and more than one machine in namespaces. Those exit with 77 where there is
# no root or no namespaces: ctest then says that they were skipped.
set(programs $<TARGET_FILE:kofn-master> $<TARGET_FILE:kofn-worker> $<TARGET_FILE:kofn-cli>)
