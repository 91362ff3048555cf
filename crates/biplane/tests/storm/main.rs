//! A storm: many processes create, write, commit, remove and restore worktrees on a small disk that is full now and then,
//! and are killed in the middle. In the end every byte that an agent wrote is in a worktree, a branch or a snapshot.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]
#![expect(clippy::print_stdout, reason = "says what was seen")]

mod agent;
mod world;

use std::time::{Duration, Instant};

use agent::Agent;
use world::World;

/// How many agents there are; each has at most one command at work.
const AGENTS: u64 = 32;
/// How long the storm lasts unless `STORM_SECONDS` says otherwise.
const LENGTH: Duration = Duration::from_secs(120);
/// How often the disk is full, and for how long.
const CALM: Duration = Duration::from_secs(9);
const FULL: Duration = Duration::from_millis(1500);

fn length() -> Duration {
    let wish = std::env::var("STORM_SECONDS").ok().and_then(|text| text.parse().ok());
    wish.map_or(LENGTH, Duration::from_secs)
}

#[test]
#[ignore = "needs a mount, and two minutes"]
fn nothing_is_lost_in_a_storm() {
    let world = World::new();
    let end = Instant::now() + length();
    let counts = std::thread::scope(|scope| {
        let agents: Vec<_> = (0..AGENTS)
            .map(|number| {
                let world = &world;
                scope.spawn(move || Agent::new(world, number).live_until(end))
            })
            .collect();
        scope.spawn(|| {
            while Instant::now() + CALM < end {
                std::thread::sleep(CALM);
                world.fill_the_disk(FULL);
            }
        });
        agents.into_iter().map(|agent| agent.join().unwrap()).collect::<Vec<_>>()
    });
    let sum = agent::sum(&counts);
    println!("storm: {sum}");
    world.settle();
    let lost = world.lost();
    assert!(lost.is_empty(), "{} of {} writes are lost: {lost:?}", lost.len(), world.written());
    world.is_sound();
    println!("storm: {} writes, all of them in a worktree, a branch or a snapshot", world.written());
    // A storm in which nothing happened shows nothing.
    assert!(sum.created > 50 && sum.removed > 30 && sum.killed > 30 && world.written() > 500, "{sum}");
}
