//! The search for the highest rate that a thing bears, in the manner of RFC 2544 and of MLRsearch: rates
//! are tried between one that held and one that did not until the two are near each other. A rate
//! holds if most of its trials do, so that one disturbed trial does not decide.

/// What is searched for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Goal {
    /// The share of frames that may be lost in a trial: 0 for the highest rate without loss.
    pub loss: f64,
    /// How near the rate that did not hold comes to the one that did: 0.01 for 1 %.
    pub width: f64,
    /// Trials of one rate at most; as soon as most of them agree no more are made.
    pub trials: usize,
}

/// The lowest and the highest rate that are tried, a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// If this one does not hold, none does.
    pub min: u64,
    /// If this one holds, it is the highest.
    pub max: u64,
}

/// The highest rate that holds, as far as the trials tell; `None` if not even the lowest does. The
/// search begins at `guess`, and `offer` says which share was lost in one trial of a rate.
///
/// # Errors
/// The first of `offer`.
pub fn highest_rate<E>(
    goal: &Goal,
    bounds: Bounds,
    guess: u64,
    mut offer: impl FnMut(u64) -> Result<f64, E>,
) -> Result<Option<u64>, E> {
    let Bounds { min, max } = bounds;
    let mut holds = |rate| holds(goal, rate, &mut offer);
    let mut rate = guess.clamp(min, max);
    let (mut low, mut high) = (None, None);
    // doubled or halved until there is one of either kind
    while low.is_none() || high.is_none() {
        match holds(rate)? {
            true if rate == max => return Ok(Some(max)),
            true => low = Some(rate),
            false if rate == min => return Ok(None),
            false => high = Some(rate),
        }
        rate = match (low, high) {
            (Some(low), None) => low.saturating_mul(2).min(max),
            (_, Some(high)) => (high / 2).max(min),
            (None, None) => unreachable!("a rate holds or does not"),
        };
    }
    let (Some(mut low), Some(mut high)) = (low, high) else { return Ok(low) };
    loop {
        let middle = ((low as f64) * (high as f64)).sqrt() as u64;
        if middle <= low || (high - low) as f64 <= goal.width * low as f64 {
            return Ok(Some(low));
        }
        match holds(middle)? {
            true => low = middle,
            false => high = middle,
        }
    }
}

/// Whether most trials of a rate lose no more than they may.
fn holds<E>(
    goal: &Goal,
    rate: u64,
    offer: &mut impl FnMut(u64) -> Result<f64, E>,
) -> Result<bool, E> {
    let trials = goal.trials.max(1);
    let (mut good, mut bad) = (0, 0);
    while 2 * good <= trials && 2 * bad < trials {
        match offer(rate)? <= goal.loss {
            true => good += 1,
            false => bad += 1,
        }
    }
    Ok(2 * good > trials)
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Goal, highest_rate};

    const BOUNDS: Bounds = Bounds { min: 1_000, max: 100_000_000 };
    const NONE: Goal = Goal { loss: 0.0, width: 0.01, trials: 3 };

    /// What a thing that forwards `limit` a second loses.
    fn beyond(limit: u64) -> impl FnMut(u64) -> Result<f64, ()> {
        move |rate| Ok(rate.saturating_sub(limit) as f64 / rate as f64)
    }

    #[test]
    fn the_limit_is_found_from_wherever_it_begins() {
        for limit in [1_234, 77_777, 5_000_000, 99_000_000] {
            for guess in [0, 1_000, 4_900_000, u64::MAX] {
                let found = highest_rate(&NONE, BOUNDS, guess, beyond(limit)).unwrap().unwrap();
                let width = (limit as f64 * 0.99) as u64..=limit;
                assert!(width.contains(&found), "{found} of {limit} from {guess}");
            }
        }
    }

    #[test]
    fn what_may_be_lost_is() {
        let half = Goal { loss: 0.5, ..NONE };
        let found = highest_rate(&half, BOUNDS, 1_000_000, beyond(1_000_000)).unwrap().unwrap();
        assert!((1_980_000..=2_000_000).contains(&found), "{found}");
    }

    #[test]
    fn the_bounds_hold() {
        assert_eq!(highest_rate(&NONE, BOUNDS, 5_000, beyond(999)), Ok(None));
        assert_eq!(highest_rate(&NONE, BOUNDS, 5_000, beyond(u64::MAX)), Ok(Some(100_000_000)));
        let one = Bounds { min: 7, max: 7 };
        assert_eq!(highest_rate(&NONE, one, 7, beyond(7)), Ok(Some(7)));
        assert_eq!(highest_rate(&NONE, one, 7, |_| Err("planted")), Err("planted"));
    }

    #[test]
    fn one_disturbed_trial_of_three_decides_nothing() {
        let limit = 5_000_000;
        for disturbed in 0..3 {
            let (mut tried, mut trials) = (0, 0);
            let mut honest = beyond(limit);
            let found = highest_rate(&NONE, BOUNDS, 1_000_000, |rate| {
                trials = if rate == tried { trials + 1 } else { 0 };
                tried = rate;
                if trials == disturbed { Ok(1.0) } else { honest(rate) }
            });
            let found = found.unwrap().unwrap();
            assert!((4_950_000..=limit).contains(&found), "{found}");
        }
        // two of three do
        let mut trials = 0;
        let mostly = highest_rate(&NONE, BOUNDS, 1_000_000, |_| {
            trials += 1;
            Ok::<f64, ()>(if trials % 3 == 0 { 0.0 } else { 1.0 })
        });
        assert_eq!(mostly, Ok(None));
    }
}
