//! A list that is cheap to copy and to change in one place: it lies in pieces that copies share
//! until one of them is changed.

use std::sync::Arc;

/// Elements in one piece.
const PIECE_LEN: usize = 256;

/// A list in shared pieces.
#[derive(Clone, Debug)]
pub(crate) struct Pieces<T> {
    pieces: Vec<Arc<[T]>>,
}

impl<T: Clone> Pieces<T> {
    /// # Panics
    /// If there is no such element.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> &T {
        &self.pieces[index / PIECE_LEN][index % PIECE_LEN]
    }

    /// # Panics
    /// If there is no such element.
    pub(crate) fn get_mut(&mut self, index: usize) -> &mut T {
        &mut Arc::make_mut(&mut self.pieces[index / PIECE_LEN])[index % PIECE_LEN]
    }

    pub(crate) fn len(&self) -> usize {
        let last = self.pieces.last().map_or(0, |last| last.len());
        self.pieces.len().saturating_sub(1) * PIECE_LEN + last
    }

    pub(crate) fn push(&mut self, element: T) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE_LEN => {
                *last = last.iter().cloned().chain([element]).collect();
            }
            _ => self.pieces.push(Arc::new([element])),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flat_map(|piece| piece.iter())
    }
}

impl<T: Clone> FromIterator<T> for Pieces<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Pieces<T> {
        let elements: Vec<T> = elements.into_iter().collect();
        Pieces { pieces: elements.chunks(PIECE_LEN).map(Arc::from).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::Pieces;

    #[test]
    fn a_copy_stays_as_it_was() {
        let mut list: Pieces<usize> = (0..600).collect();
        let copy = list.clone();
        *list.get_mut(300) = 7;
        list.push(600);
        assert_eq!((*list.get(300), list.len(), list.iter().count()), (7, 601, 601));
        assert_eq!((*copy.get(300), copy.len(), copy.iter().count()), (300, 600, 600));
        let mut grown: Pieces<usize> = [].into_iter().collect();
        assert_eq!(grown.len(), 0);
        (0..600).for_each(|it| grown.push(it));
        assert!(grown.iter().copied().eq(0..600));
    }
}
