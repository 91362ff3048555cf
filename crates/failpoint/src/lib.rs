//! Failpoints: places at which a test kills the program, as a power cut would.
//!
//! **Contract.** [`reach`] stands before and after every write, rename, deletion and call of git that has an effect. In a
//! release build it is nothing. In a debug build two variables of the environment steer it:
//!
//! - `FAILPOINT_LOG` names a file to which the name of every place that is reached is appended, a line each;
//! - `FAILPOINT` says which one of them kills the process, counted from 1 in the order in which they are reached; with
//!   `NAME@N` only places of this name count;
//! - `FAILPOINT_PAUSE`, as `7:FILE` or `NAME@N:FILE`, says at which place the process waits until there is a file `FILE`,
//!   for at most a minute, so that a test can act meanwhile; `FILE.reached` is made when it begins to wait;
//! - `FAILPOINT_CLOCK` names a file with a number of seconds, read each time: by so many the program's wall clock is set
//!   forward, or back when it is negative. The monotonic clock stays as it is, as on a machine whose clock is set.
//!
//! Why not a library: a test that enumerates the places needs them counted in the order of a run, not named one by one.

#[cfg(debug_assertions)]
mod armed;

/// The program has come to the place `name`: `ledger.commit`, `git update-ref before`.
pub fn reach(name: &str) {
    #[cfg(debug_assertions)]
    armed::reach(name, || {});
    #[cfg(not(debug_assertions))]
    let _ = name;
}

/// As [`reach`]; a process that is killed here does `last` before, such as half of what it is about to do.
pub fn reach_with(name: &str, last: impl FnOnce()) {
    #[cfg(debug_assertions)]
    armed::reach(name, last);
    #[cfg(not(debug_assertions))]
    let _ = (name, last);
}

/// The wall clock's `micros`, set forward or back as a test asks.
pub fn clock(micros: i64) -> i64 {
    #[cfg(debug_assertions)]
    return micros.saturating_add(armed::clock_offset().saturating_mul(1_000_000));
    #[cfg(not(debug_assertions))]
    micros
}

/// Does something that has an effect, between the places `NAME before` and `NAME after`.
pub fn around<T>(name: &str, effect: impl FnOnce() -> T) -> T {
    if cfg!(debug_assertions) {
        reach(&format!("{name} before"));
        let done = effect();
        reach(&format!("{name} after"));
        return done;
    }
    effect()
}
