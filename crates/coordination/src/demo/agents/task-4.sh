# A new caller of `mean`. The first attempt is written against the old contract and passes its tests; task 3 lands before
# it, and together the two don't compile.
say "looks at src/stats.rs"
if grep -q 'Option<f64>' src/stats.rs; then
    say "mean gives an Option now: so does the excess"
    returns='Option<f64>' value='Some(peak(day) - mean(day)?)' expected='Some(2.0)'
else
    returns='f64' value='peak(day) - mean(day)' expected='2.0'
fi
cat >src/excess.rs <<END
//! How much a day's peak stands out.

use crate::stats::{mean, peak};

/// How far a day's peak is above its mean.
pub fn excess(day: &[f64]) -> $returns {
    $value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_above_the_mean() {
        assert_eq!(excess(&[18.0, 22.0]), $expected);
    }
}
END
edit src/lib.rs 's/^pub mod format;/pub mod excess;\
&/'
say "writes src/excess.rs"
message="Add the excess of the peak"
after=3
