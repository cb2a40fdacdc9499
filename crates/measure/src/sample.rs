//! What many trials of one thing gave, and how far they lie apart.

/// Minimum, median and maximum of some trials.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The middle one; of an even number, the mean of the middle two.
    pub median: f64,
    /// The greatest.
    pub max: f64,
}

/// The values of trials, in the order in which they were made.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    values: Vec<f64>,
    sorted: Vec<f64>,
}

impl Sample {
    /// The values of at least one trial. What is no number is left out; `None` if nothing is left.
    pub fn new(mut values: Vec<f64>) -> Option<Sample> {
        values.retain(|value| value.is_finite());
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        match values.is_empty() {
            true => None,
            false => Some(Sample { values, sorted }),
        }
    }

    /// The values in the order in which they were made.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The values from the least to the greatest.
    pub fn sorted(&self) -> &[f64] {
        &self.sorted
    }

    /// Minimum, median and maximum.
    pub fn spread(&self) -> Spread {
        let last = self.sorted.len() - 1;
        let median = (self.sorted[last / 2] + self.sorted[last.div_ceil(2)]) / 2.0;
        Spread { min: self.sorted[0], median, max: self.sorted[last] }
    }

    /// The value below which this share of the values lies (the nearest one; 0 to 1).
    pub fn quantile(&self, share: f64) -> f64 {
        let last = self.sorted.len() - 1;
        let place = (share.clamp(0.0, 1.0) * last as f64).round() as usize;
        self.sorted[place.min(last)]
    }

    /// This over `base`, trial by trial where both have as many, so that what disturbed both at
    /// once cancels out; otherwise of the medians. `None` where `base` is zero throughout.
    pub fn over(&self, base: &Sample) -> Option<Sample> {
        let ratios = match self.values.len() == base.values.len() {
            true => self.values.iter().zip(&base.values).map(|(it, base)| it / base).collect(),
            false => vec![self.spread().median / base.spread().median],
        };
        Sample::new(ratios)
    }

    /// Each value changed alike.
    pub fn map(&self, change: impl Fn(f64) -> f64) -> Option<Sample> {
        Sample::new(self.values.iter().map(|&value| change(value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Sample, Spread};

    #[test]
    fn spreads() {
        let check = |values: &[f64], expected: Option<(f64, f64, f64)>| {
            let spread = Sample::new(values.to_vec()).map(|it| it.spread());
            let expected = expected.map(|(min, median, max)| Spread { min, median, max });
            assert_eq!(spread, expected, "{values:?}");
        };
        check(&[], None);
        check(&[f64::NAN, f64::INFINITY], None);
        check(&[3.0], Some((3.0, 3.0, 3.0)));
        check(&[3.0, f64::NAN, 1.0], Some((1.0, 2.0, 3.0)));
        check(&[5.0, 1.0, 2.0], Some((1.0, 2.0, 5.0)));
    }

    #[test]
    fn ratios_are_of_trials_made_side_by_side() {
        let check = |a: &[f64], b: &[f64], expected: Option<&[f64]>| {
            let (a, b) = (Sample::new(a.to_vec()).unwrap(), Sample::new(b.to_vec()).unwrap());
            let ratio = a.over(&b);
            assert_eq!(ratio.as_ref().map(Sample::values), expected);
        };
        // a neighbour made both slow in the second trial
        check(&[10.0, 40.0, 10.0], &[5.0, 20.0, 5.0], Some(&[2.0, 2.0, 2.0]));
        check(&[10.0, 40.0, 10.0], &[5.0], Some(&[2.0]));
        check(&[1.0], &[0.0], None);
    }

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let sample = Sample::new(vec![4.0, 1.0, 3.0, 2.0, 5.0]).unwrap();
        let check = |share, expected| assert_eq!(sample.quantile(share), expected, "{share}");
        check(0.0, 1.0);
        check(0.25, 2.0);
        check(0.5, 3.0);
        check(1.0, 5.0);
        check(7.0, 5.0);
    }
}
