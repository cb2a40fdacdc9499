//! Things run many short times: the same one over and over, or several in turn so that their ratio
//! can be told however noisy the machine is.

use std::hint::black_box;
use std::time::Duration;

use crate::clock::Clock;
use crate::sample::Sample;

/// How often, and how long each time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Plan {
    /// How many trials.
    pub trials: usize,
    /// How long a trial goes on at least. A step that takes longer is made once.
    pub budget: Duration,
}

/// A thing to measure: does some operations and says how many.
pub type Step<'a> = &'a mut dyn FnMut() -> u64;

/// Ticks for each operation of one trial: `step` again and again until the time is over. `None` if
/// it did no operation.
pub fn trial(clock: &Clock, budget: Duration, step: &mut dyn FnMut() -> u64) -> Option<f64> {
    let budget = clock.ticks(budget);
    let mut operations = 0u64;
    let start = clock.now();
    let elapsed = loop {
        operations += black_box(step());
        let elapsed = clock.now().since(start);
        if elapsed >= budget {
            break elapsed;
        }
    };
    match operations {
        0 => None,
        _ => Some(elapsed as f64 / operations as f64),
    }
}

/// Nanoseconds for each operation of `step`, run once unmeasured to warm caches and predictors.
/// `None` if it did no operation.
pub fn run(clock: &Clock, plan: Plan, step: Step<'_>) -> Option<Sample> {
    in_turn(clock, plan, &mut [step]).pop().flatten()
}

/// Nanoseconds for each operation of several things, the first trial of each before the second of
/// any, so that their samples can be divided trial by trial ([`Sample::over`]).
pub fn in_turn(clock: &Clock, plan: Plan, steps: &mut [Step<'_>]) -> Vec<Option<Sample>> {
    in_turn_while(clock, plan, steps, &mut || true)
}

/// The same, as long as it is to `go_on`, which is asked after each trial of all: one of each is made
/// whatever it says.
pub fn in_turn_while(
    clock: &Clock,
    plan: Plan,
    steps: &mut [Step<'_>],
    go_on: &mut dyn FnMut() -> bool,
) -> Vec<Option<Sample>> {
    let mut values: Vec<Vec<f64>> = steps.iter().map(|_| Vec::new()).collect();
    for trial_number in 0..=plan.trials {
        if trial_number > 1 && !go_on() {
            break;
        }
        for (step, values) in steps.iter_mut().zip(&mut values) {
            let budget = if trial_number == 0 { Duration::ZERO } else { plan.budget };
            let ticks = trial(clock, budget, *step);
            if trial_number > 0 {
                values.push(ticks.map_or(f64::NAN, |ticks| clock.ticks_to_ns(ticks)));
            }
        }
    }
    values.into_iter().map(Sample::new).collect()
}

#[cfg(test)]
mod tests {
    use super::{Plan, in_turn, in_turn_while, run};
    use crate::clock::Clock;
    use std::time::Duration;

    const PLAN: Plan = Plan { trials: 5, budget: Duration::from_micros(50) };

    #[test]
    fn a_slower_thing_is_slower() {
        let clock = Clock::calibrate();
        let spin = |ticks: u64| {
            let clock = clock.clone();
            move || {
                let start = clock.now();
                while clock.now().since(start) < ticks {}
                1
            }
        };
        let microsecond = clock.ticks(Duration::from_micros(1));
        let (mut short, mut long) = (spin(microsecond), spin(10 * microsecond));
        let samples = in_turn(&clock, PLAN, &mut [&mut short, &mut long]);
        let [Some(short), Some(long)] = samples.as_slice() else { panic!("{samples:?}") };
        assert_eq!((short.values().len(), long.values().len()), (5, 5));
        assert!(short.spread().min >= 990.0, "{short:?}");
        assert!(long.spread().min >= 9_900.0, "{long:?}");
        assert!(short.spread().min < long.spread().min, "{short:?} {long:?}");
    }

    #[test]
    fn a_long_step_is_made_once_a_trial_and_once_to_warm_up() {
        let clock = Clock::calibrate();
        let mut calls = 0;
        let long = Plan { trials: 3, budget: Duration::ZERO };
        let sample = run(&clock, long, &mut || {
            calls += 1;
            10
        });
        assert_eq!((calls, sample.unwrap().values().len()), (4, 3));
    }

    #[test]
    fn what_is_to_stop_has_the_trials_made_until_then() {
        let clock = Clock::calibrate();
        for (more, trials) in [(0, 1), (1, 2), (9, 5)] {
            let mut left = more;
            let mut go_on = || {
                left -= 1;
                left >= 0
            };
            let samples = in_turn_while(&clock, PLAN, &mut [&mut || 1, &mut || 1], &mut go_on);
            let made: Vec<usize> = samples.iter().flatten().map(|it| it.values().len()).collect();
            assert_eq!(made, [trials; 2]);
        }
    }

    #[test]
    fn nothing_done_is_no_figure() {
        let clock = Clock::calibrate();
        let none = Plan { trials: 2, budget: Duration::ZERO };
        assert_eq!(run(&clock, none, &mut || 0), None);
    }
}
