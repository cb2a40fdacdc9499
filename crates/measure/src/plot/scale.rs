//! Where a value lies on an axis, and which values are marked there.

use super::Scale;

/// How many marks an even axis aims at.
const MARKS: f64 = 5.0;
/// The percentiles that are marked.
const NINES: [f64; 8] = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999];

/// A scale fitted to values.
pub(crate) struct Fitted {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Fitted {
    /// A scale on which all of these values lie. Without any, one from 1 to 10.
    pub(crate) fn new(scale: Scale, values: impl IntoIterator<Item = f64>) -> Fitted {
        let values = values.into_iter().filter(|value| lies_on(scale, *value));
        let (low, high) =
            values.fold((f64::MAX, f64::MIN), |(low, high), it| (low.min(it), high.max(it)));
        let (low, high) = if low <= high { (low, high) } else { (1.0, 10.0) };
        let (low, high) = match scale {
            Scale::Linear => (low.min(0.0), even_step(high).1.max(f64::MIN_POSITIVE)),
            Scale::Log => {
                let (low, high) = (round_down(low), round_up(high));
                if low < high { (low, high) } else { (low, low * 10.0) }
            }
            Scale::Percentile => (0.0, NINES.into_iter().find(|it| *it >= high).unwrap_or(high)),
        };
        Fitted { scale, low, high }
    }

    /// Where a value lies, 0 to 1; `None` if it cannot lie on this axis.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        if !lies_on(self.scale, value) {
            return None;
        }
        let at = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => value.log10(),
            Scale::Percentile => -(1.0 - value / 100.0).log10(),
        };
        let span = at(self.high) - at(self.low);
        let place = if span > 0.0 { (at(value) - at(self.low)) / span } else { 0.5 };
        Some(place.clamp(0.0, 1.0))
    }

    /// The values to mark, from the least.
    pub(crate) fn marks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step = even_step(self.high).0;
                let count = (self.high / step).round() as u32;
                (0..=count).map(|it| f64::from(it) * step).collect()
            }
            Scale::Percentile => NINES.into_iter().filter(|it| *it <= self.high).collect(),
            Scale::Log => {
                let decades = (self.high / self.low).log10();
                let parts: &[f64] = if decades <= 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let first = self.low.log10().floor() as i32;
                let last = self.high.log10().ceil() as i32;
                let all =
                    (first..=last).flat_map(|power| parts.iter().map(move |it| it * ten(power)));
                // a hair on both sides, since powers of ten are not exact
                let (low, high) = (self.low * 0.999, self.high * 1.001);
                let marks: Vec<f64> = all.filter(|it| (low..=high).contains(it)).collect();
                let stride = marks.len().div_ceil(9).max(1);
                marks.into_iter().step_by(stride).collect()
            }
        }
    }
}

fn lies_on(scale: Scale, value: f64) -> bool {
    value.is_finite()
        && match scale {
            Scale::Linear => true,
            Scale::Log => value > 0.0,
            Scale::Percentile => (0.0..100.0).contains(&value),
        }
}

fn ten(power: i32) -> f64 {
    10f64.powi(power)
}

/// A round step for an axis that ends at `high`, and where it ends then.
fn even_step(high: f64) -> (f64, f64) {
    if high <= 0.0 {
        return (1.0, 1.0);
    }
    let rough = high / MARKS;
    let step = round_up(rough);
    (step, (high / step - 1e-9).ceil() * step)
}

/// The next 1, 2 or 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = ten(value.log10().floor() as i32);
    let parts = [1.0, 2.0, 5.0, 10.0];
    let part = parts.into_iter().find(|part| value <= part * power * (1.0 + 1e-9));
    part.unwrap_or(10.0) * power
}

/// The last 1, 2 or 5 times a power of ten.
fn round_down(value: f64) -> f64 {
    let power = ten(value.log10().floor() as i32);
    let parts = [5.0, 2.0, 1.0];
    let part = parts.into_iter().find(|part| value >= part * power * (1.0 - 1e-9));
    part.unwrap_or(1.0) * power
}

#[cfg(test)]
mod tests {
    use super::Fitted;
    use crate::plot::Scale;

    #[test]
    fn marks_are_round() {
        let check = |scale, values: &[f64], expected: &[f64]| {
            let marks = Fitted::new(scale, values.iter().copied()).marks();
            let close = |(a, b): (&f64, &f64)| (a - b).abs() <= b.abs() * 1e-9;
            let same = marks.len() == expected.len() && marks.iter().zip(expected).all(close);
            assert!(same, "{values:?}: {marks:?}, not {expected:?}");
        };
        check(Scale::Linear, &[3.0, 9.0], &[0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        check(Scale::Linear, &[0.0], &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        check(Scale::Linear, &[], &[0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        check(Scale::Log, &[12.0, 180.0], &[10.0, 20.0, 50.0, 100.0, 200.0]);
        check(Scale::Log, &[1.0, 1e7], &[1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7]);
        check(Scale::Log, &[7.0, 7.0], &[5.0, 10.0]);
        check(Scale::Log, &[0.0, -3.0, f64::NAN], &[1.0, 2.0, 5.0, 10.0]);
        check(Scale::Percentile, &[1.0, 99.5], &[0.0, 50.0, 90.0, 99.0, 99.9]);
    }

    #[test]
    fn places_go_from_zero_to_one() {
        let check = |scale, values: &[f64], value: f64, expected: Option<f64>| {
            let place = Fitted::new(scale, values.iter().copied()).place(value);
            let close = match (place, expected) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-9,
                (a, b) => a == b,
            };
            assert!(close, "{value}: {place:?}, not {expected:?}");
        };
        check(Scale::Linear, &[10.0], 5.0, Some(0.5));
        check(Scale::Log, &[1.0, 100.0], 10.0, Some(0.5));
        check(Scale::Log, &[1.0, 100.0], 0.0, None);
        check(Scale::Log, &[1.0, 100.0], 1e9, Some(1.0));
        check(Scale::Percentile, &[99.0], 90.0, Some(0.5));
        check(Scale::Percentile, &[99.0], 100.0, None);
    }
}
