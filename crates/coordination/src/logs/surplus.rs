//! Which logs are too many: a pure function.

use biplane_model::{RunId, Timestamp};

/// What is kept of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The run.
    pub(crate) run: RunId,
    /// What it takes on the disk, in bytes.
    pub(crate) bytes: u64,
    /// When it ended; `None` when it has not, or is needed: then it stays.
    pub(crate) ended_at: Option<Timestamp>,
}

/// The runs whose logs go: those that ended before `oldest`, and then the oldest ones until all together take `most` bytes.
pub(crate) fn surplus(mut stored: Vec<Stored>, most: u64, oldest: Timestamp) -> Vec<RunId> {
    let mut total = stored.iter().fold(0_u64, |sum, one| sum.saturating_add(one.bytes));
    stored.sort_by_key(|one| (one.ended_at, one.run));
    let mut gone = Vec::new();
    for one in stored {
        let Some(ended_at) = one.ended_at else { continue };
        if ended_at < oldest || total > most {
            total -= one.bytes;
            gone.push(one.run);
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_until_the_rest_fits_and_what_is_needed_stays() {
        let at = |run, bytes, ended: i64| {
            let ended_at = (ended > 0).then_some(Timestamp(ended));
            Stored { run: RunId(run), bytes, ended_at }
        };
        let stored = || vec![at(1, 100, 30), at(2, 100, 10), at(3, 100, 0), at(4, 100, 20), at(5, 50, 40)];
        let numbers = |most, oldest| {
            surplus(stored(), most, Timestamp(oldest)).iter().map(|run| run.0).collect::<Vec<_>>()
        };
        assert_eq!(numbers(1000, 0), [0_u64; 0]);
        assert_eq!(numbers(450, 0), [0_u64; 0]);
        assert_eq!(numbers(449, 0), [2]);
        assert_eq!(numbers(300, 0), [2, 4]);
        assert_eq!(numbers(0, 0), [2, 4, 1, 5], "the open one stays, whatever there is room for");
        assert_eq!(numbers(1000, 25), [2, 4]);
        assert_eq!(numbers(200, 25), [2, 4, 1]);
    }
}
