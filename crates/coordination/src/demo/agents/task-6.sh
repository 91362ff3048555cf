# What task 4 has brought, for its readers.
say "reads src/excess.rs"
cat >>README.md <<'END'

## Excess

`weather::excess::excess` says how far a day's peak is above its mean; a day without readings has none.
END
say "writes a section of README.md"
message="Explain the excess"
