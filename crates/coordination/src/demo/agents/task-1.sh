# One decimal for every reading. Task 2 changes the same lines.
say "looks at src/format.rs"
wait_until has_begun 2
edit src/format.rs 's/{celsius}/{celsius:.1}/
/reading(21.5)/a\
        assert_eq!(reading(19.0), "19.0");'
say "shows every reading with one decimal"
message="Show one decimal"
