//! Chance from a seed, in the few shapes that drawing worlds needs.

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Draws; the same seed draws the same.
#[derive(Clone, Debug)]
pub struct Dice(Pcg64Mcg);

impl Dice {
    /// Dice for a seed.
    pub fn new(seed: u64) -> Dice {
        Dice(Pcg64Mcg::seed_from_u64(seed))
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.0.random_ratio(percent, 100)
    }

    /// `low..=high`.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        self.0.random_range(low..=high)
    }

    /// Any 16 bits.
    pub fn u16(&mut self) -> u16 {
        self.0.random()
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        self.0.random()
    }

    /// Any 64 bits: a seed for other dice.
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// One of them.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.between(0, from.len() - 1)]
    }

    /// One of them, if there is one.
    pub fn pick_any<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        match from {
            [] => None,
            from => Some(self.pick(from)),
        }
    }

    /// Some of them, at most `most`, none twice, in any order.
    pub fn some<T: Copy>(&mut self, from: &[T], most: usize) -> Vec<T> {
        let mut rest = from.to_vec();
        let mut chosen = Vec::new();
        while chosen.len() < most && !rest.is_empty() {
            let place = self.between(0, rest.len() - 1);
            chosen.push(rest.swap_remove(place));
        }
        chosen
    }
}
