# The contract of `mean` changes, and with it every caller that there is now.
say "looks for the callers of mean"
wait_until has_begun 4
edit src/stats.rs 's/^pub fn mean.*/pub fn mean(day: \&[f64]) -> Option<f64> {/
s/the mean of a day.s readings\.$/&/
s/^    day.iter().sum.*/    (!day.is_empty()).then(|| day.iter().sum::<f64>() \/ day.len() as f64)/
s/^\/\/\/ The mean of a day.s readings\.$/\/\/\/ The mean of a day'"'"'s readings; `None` for a day without any./
s/assert_eq!(mean(&\[18.0, 22.0\]), 20.0);/assert_eq!(mean(\&[18.0, 22.0]), Some(20.0));/
/Some(20.0)/a\
        assert_eq!(mean(\&[]), None);'
say "mean gives None for a day without readings"
edit src/report.rs 's/^    format!.*/    match stats::mean(day) {\
        Some(mean) => format!("{name}: mean {}", reading(mean)),\
        None => format!("{name}: no readings"),\
    }/
/starts_with/a\
        assert_eq!(line("Tue", \&[]), "Tue: no readings");'
say "adapts its only caller, src/report.rs"
message="Tell an empty day from 0 °C"
