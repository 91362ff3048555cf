//! Endurance: many small tasks through one `up`, as in a run of many hours. Agents write, fail, have nothing to show, hang,
//! conflict with each other and are sent back. In the end every task is where it belongs, nothing is left over, and memory,
//! time and bytes for a task are what they were in the beginning.
//!
//! `ENDURANCE_TASKS=2000 cargo test -p biplane --test endurance -- --ignored --nocapture` has as many tasks as are wished
//! for; without the variable there are 480, which take about three minutes on two cores. The figures are printed.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]
#![expect(clippy::print_stdout, reason = "says what was seen")]

mod growth;
mod home;
mod plan;
mod remains;

use std::time::{Duration, Instant};

use growth::Watched;
use home::Home;
use plan::Plan;

/// How many tasks there are unless `ENDURANCE_TASKS` says otherwise.
/// In the first hundred the threads take what memory they will use.
const TASKS: usize = 480;
/// The fewest that show anything: four quarters with each kind of task in them.
const FEWEST: usize = 4 * plan::PERIOD;
/// How long one of them may take of the whole, so that a test that hangs ends.
const PATIENCE: Duration = Duration::from_secs(10);

fn tasks() -> usize {
    let wish = std::env::var("ENDURANCE_TASKS").ok().and_then(|text| text.parse().ok());
    wish.unwrap_or(TASKS).max(FEWEST)
}

#[test]
#[ignore = "needs minutes"]
fn many_tasks_through_one_up_leave_nothing_and_cost_what_the_first_ones_cost() {
    let count = tasks();
    let home = Home::new();
    let plan = Plan::of(count, &home);
    let began = Instant::now();
    plan.tasks.iter().for_each(|task| home.create(task));
    println!("endurance: {count} tasks created in {:.0} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    let watched = Watched::to_its_end(home.up(), PATIENCE * u32::try_from(count).unwrap());
    println!("endurance: done in {:.0} s", began.elapsed().as_secs_f64());
    home.settle();
    let records = home.records();
    plan.came_true(&home, &records);
    remains::nothing_is_left(&home, &plan);
    remains::records_are_small(&home, count);
    watched.is_level(&growth::ends(&records));
}
