# The unit behind every reading. Task 1 changes the same lines and lands first, so the first attempt conflicts.
say "looks at src/format.rs"
edit src/format.rs '/format!/s/}")/} °C")/
/assert_eq!/s/");/ °C");/'
say "puts the unit behind every reading"
message="Show the unit"
after=1
