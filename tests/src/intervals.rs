//! A function of a whole number that is constant on intervals, and can be changed on one.

/// Defined from 0 to `u128::MAX`; each piece begins where the one before it ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Intervals<V> {
    /// Where pieces begin; the first is 0.
    starts: Vec<u128>,
    values: Vec<V>,
}

impl<V: Clone> Intervals<V> {
    pub(crate) fn everywhere(value: V) -> Intervals<V> {
        Intervals { starts: vec![0], values: vec![value] }
    }

    pub(crate) fn at(&self, point: u128) -> &V {
        &self.values[self.piece(point)]
    }

    /// The pieces that make up `first..=last`, cut so that they make up no more.
    pub(crate) fn within(&mut self, (first, last): (u128, u128)) -> &mut [V] {
        assert!(first <= last, "an interval begins before it ends");
        let from = self.cut(first);
        let to = match last.checked_add(1) {
            Some(after) => self.cut(after),
            None => self.values.len(),
        };
        &mut self.values[from..to]
    }

    fn piece(&self, point: u128) -> usize {
        self.starts.partition_point(|start| *start <= point) - 1
    }

    /// Makes a piece begin at `point`, and says which one.
    fn cut(&mut self, point: u128) -> usize {
        let piece = self.piece(point);
        if self.starts[piece] == point {
            return piece;
        }
        self.starts.insert(piece + 1, point);
        self.values.insert(piece + 1, self.values[piece].clone());
        piece + 1
    }
}

#[cfg(test)]
mod tests {
    use super::Intervals;

    #[test]
    fn painting_an_interval_touches_nothing_beside_it() {
        let mut colours = Intervals::everywhere('a');
        colours.within((5, 9)).fill('b');
        colours.within((0, 5)).fill('c');
        colours.within((8, u128::MAX)).fill('d');
        colours.within((7, 7)).fill('e');
        let seen: String = (0..12).map(|point| *colours.at(point)).collect();
        assert_eq!(seen, "ccccccbedddd");
        assert_eq!(*colours.at(u128::MAX), 'd');
    }
}
