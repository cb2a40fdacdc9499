//! The memory that compiled rules lie in: cache lines of words. Owns where a piece may lie, so that
//! a small one never straddles two lines; knows nothing of what the words mean.

#![allow(unsafe_code, reason = "lines seen as words")]

use ringfence_memory::prefetch_at;

/// Words of a cache line.
pub(crate) const LINE: usize = 16;
/// Words of the smallest piece.
const QUAD: usize = 4;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([u32; LINE]);

/// Where a piece starts, in quads of words. 0 is the piece of four zero words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Place(pub(crate) u32);

impl Place {
    /// The piece that every arena starts with.
    pub(crate) const ZERO: Place = Place(0);

    #[inline]
    pub(crate) fn word(self) -> usize {
        self.0 as usize * QUAD
    }
}

/// Pieces, one after the other; none is ever moved or given back.
#[derive(Clone, Debug)]
pub(crate) struct Arena {
    lines: Vec<Line>,
    /// The line that small pieces go to, and how many of its quads are taken.
    open: usize,
    taken: usize,
}

impl Arena {
    pub(crate) fn new() -> Arena {
        Arena { lines: vec![Line([0; LINE])], open: 0, taken: 1 }
    }

    /// Puts a piece down.
    pub(crate) fn put(&mut self, words: &[u32]) -> Place {
        let quads = words.len().div_ceil(QUAD).max(1);
        let place = if quads <= LINE / QUAD {
            if self.taken + quads > LINE / QUAD {
                self.open = self.lines.len();
                self.taken = 0;
                self.lines.push(Line([0; LINE]));
            }
            self.taken += quads;
            self.open * (LINE / QUAD) + self.taken - quads
        } else {
            self.put_lines(words.len().div_ceil(LINE)) * (LINE / QUAD)
        };
        let start = place * QUAD;
        self.words_mut()[start..start + words.len()].copy_from_slice(words);
        Place(u32::try_from(place).expect("an arena holds less than 64 GiB"))
    }

    /// Whole lines of zeros; answers with the number of the first.
    pub(crate) fn put_lines(&mut self, count: usize) -> usize {
        let first = self.lines.len();
        self.lines.resize(first + count, Line([0; LINE]));
        first
    }

    #[inline]
    pub(crate) fn line_mut(&mut self, line: usize) -> &mut [u32; LINE] {
        &mut self.lines[line].0
    }

    #[inline]
    pub(crate) fn line(&self, line: usize) -> &[u32; LINE] {
        &self.lines[line].0
    }

    /// All words.
    #[inline]
    pub(crate) fn words(&self) -> &[u32] {
        // SAFETY: `Line` is `repr(C)` and holds 16 words and nothing else, so that lines one after
        // the other are words one after the other.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * LINE) }
    }

    pub(crate) fn words_mut(&mut self) -> &mut [u32] {
        let count = self.lines.len() * LINE;
        // SAFETY: as in `words`; the borrow is the only one.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), count) }
    }

    /// Asks for the line in which a piece starts.
    #[inline]
    pub(crate) fn prefetch(&self, place: Place) {
        self.prefetch_line(place.word() / LINE);
    }

    /// Asks for a line. A line that does not exist is no harm.
    #[inline]
    pub(crate) fn prefetch_line(&self, line: usize) {
        prefetch_at(self.lines.as_ptr().wrapping_add(line));
    }

    pub(crate) fn bytes(&self) -> usize {
        self.lines.capacity() * size_of::<Line>()
    }

    /// Lines taken.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(crate) fn shrink_to_fit(&mut self) {
        self.lines.shrink_to_fit();
    }
}
