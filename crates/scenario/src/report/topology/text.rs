//! Texts broken into lines that fit, by the usual width of letters.
//!
//! Owns the estimate. SVG does not break lines itself, and fonts differ, so it is a generous one.

use crate::report::svg::shortened;

/// Sizes of letters, in units of the drawing.
pub(super) struct Lettering {
    /// Width of a title's letter.
    pub(super) title: i32,
    /// Width of a detail's letter.
    pub(super) detail: i32,
    pub(super) title_line: i32,
    pub(super) detail_line: i32,
}

/// A title, details below it, chips below those.
pub(super) struct Block {
    pub(super) title: String,
    /// Lines with the place of their baselines, from the block's upper edge.
    pub(super) lines: Vec<(i32, String)>,
    /// Chips: place of the left and the upper edge, width, text.
    pub(super) chips: Vec<(i32, i32, i32, String)>,
    pub(super) height: i32,
}

/// Height of a chip.
pub(super) const CHIP_HEIGHT: i32 = 18;
const CHIP_PAD: i32 = 7;

impl Lettering {
    /// Fits a block into a width.
    pub(super) fn block(
        &self,
        title: &str,
        details: &[String],
        chips: &[String],
        width: i32,
    ) -> Block {
        let fits = |letter: i32| usize::try_from(width / letter).unwrap_or(1).max(4);
        let mut y = self.title_line;
        let mut lines = Vec::new();
        for line in lines_of(details, fits(self.detail)) {
            y += self.detail_line;
            lines.push((y - 1, line));
        }
        let mut placed = Vec::new();
        let mut x = 0;
        if !chips.is_empty() {
            y += 7;
        }
        for chip in chips {
            let room = usize::try_from((width - 2 * CHIP_PAD) / self.detail).unwrap_or(1);
            let text = shortened(chip, room.max(2));
            let letters = i32::try_from(text.chars().count()).unwrap_or(0);
            let chip_width = letters * self.detail + 2 * CHIP_PAD;
            if x > 0 && x + chip_width > width {
                x = 0;
                y += CHIP_HEIGHT + 4;
            }
            placed.push((x, y, chip_width, text));
            x += chip_width + 5;
        }
        if !chips.is_empty() {
            y += CHIP_HEIGHT;
        }
        Block { title: shortened(title, fits(self.title)), lines, chips: placed, height: y + 4 }
    }
}

/// Pieces one after the other, a dot between them, broken where a line is full; a piece that is
/// longer than a line is broken at its spaces, and shortened where it has none.
fn lines_of(pieces: &[String], max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for piece in pieces {
        let separator = if line.is_empty() { "" } else { " · " };
        let length = line.chars().count() + separator.chars().count() + piece.chars().count();
        if length <= max {
            line.push_str(separator);
            line.push_str(piece);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for word in piece.split(' ') {
            let length = line.chars().count() + 1 + word.chars().count();
            if !line.is_empty() && length > max {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&shortened(word, max));
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// As many words as there is room for, and how many are left.
pub(super) fn label(words: &[String], failed: bool, room: usize) -> String {
    let mark = if failed { "! " } else { "" };
    let mut text = String::new();
    for (place, word) in words.iter().enumerate() {
        let more = words.len() - place - 1;
        let separator = if place == 0 { mark } else { ", " };
        let tail = if more > 0 { format!(" +{more}") } else { String::new() };
        let next = format!("{text}{separator}{word}");
        if place > 0 && next.chars().count() + tail.chars().count() > room {
            let left = words.len() - place;
            return format!("{text} +{left}");
        }
        text = next;
        if place == 0 && more > 0 {
            let room = room.saturating_sub(tail.chars().count());
            text = shortened(&text, room.max(3));
        }
    }
    shortened(&text, room.max(3))
}

#[cfg(test)]
mod tests {
    use super::{Lettering, lines_of};

    #[test]
    fn pieces_share_lines_while_they_fit() {
        let check = |pieces: &[&str], max, expected: &[&str]| {
            let pieces: Vec<String> = pieces.iter().map(ToString::to_string).collect();
            assert_eq!(lines_of(&pieces, max), expected, "{pieces:?}");
        };
        check(&[], 10, &[]);
        check(&["172.16.1.10", "47.96.10.1"], 40, &["172.16.1.10 · 47.96.10.1"]);
        check(&["172.16.1.10", "47.96.10.1"], 20, &["172.16.1.10", "47.96.10.1"]);
        check(&["serves http 80, https 443"], 15, &["serves http 80,", "https 443"]);
        check(&["2408:4005:1:2:3:4:5:10"], 10, &["2408:4005…"]);
        check(&["a", "bb cc"], 5, &["a", "bb cc"]);
    }

    #[test]
    fn blocks_grow_with_what_they_hold() {
        let letters = Lettering { title: 8, detail: 7, title_line: 20, detail_line: 15 };
        let block = letters.block("web-1", &["10.0.0.1".to_owned()], &["sg-a".to_owned()], 100);
        assert_eq!(block.title, "web-1");
        assert_eq!(block.lines, [(34, "10.0.0.1".to_owned())]);
        assert_eq!(block.chips, [(0, 42, 42, "sg-a".to_owned())]);
        assert_eq!(block.height, 64);
        let chips = ["sg-first".to_owned(), "sg-second".to_owned()];
        let block = letters.block("web-1", &[], &chips, 100);
        let places: Vec<(i32, i32)> = block.chips.iter().map(|chip| (chip.0, chip.1)).collect();
        assert_eq!(places, [(0, 27), (0, 49)]);
    }
}
