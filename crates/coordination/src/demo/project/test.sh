#!/bin/sh
# The test suite: `cargo test` without cargo's settings and caches, so that it is the same on every machine.
set -eu
mkdir -p target
rustc --edition 2021 --test src/lib.rs -o target/tests
exec target/tests --quiet
