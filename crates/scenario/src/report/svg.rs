//! Drawings as SVG text.
//!
//! Owns escaping and the few shapes that the report is made of. Whole units only, so that the same
//! drawing always has the same bytes. Colours come from the page's style sheet, by class.

use std::fmt::Write as _;

/// Text that cannot be taken for markup, in elements and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // what XML and HTML forbid, even escaped
            '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => escaped.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// At most `max` characters of `text`; what is left out is an ellipsis.
pub(super) fn shortened(text: &str, max: usize) -> String {
    match text.chars().count() <= max {
        true => text.to_owned(),
        false => text.chars().take(max.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// A rectangle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rect {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

impl Rect {
    pub(super) fn right(&self) -> i32 {
        self.x + self.width
    }

    pub(super) fn bottom(&self) -> i32 {
        self.y + self.height
    }
}

/// Where a text's `x` is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing on its way.
pub(super) struct Svg {
    text: String,
}

impl Svg {
    /// A drawing with a name and a longer description for those who cannot see it; `id` is its
    /// own in the page.
    pub(super) fn new(
        (width, height): (i32, i32),
        class: &str,
        id: &str,
        title: &str,
        description: &str,
    ) -> Svg {
        let mut svg = Svg { text: String::new() };
        let (title, description) = (escape(title), escape(description));
        svg.push(format_args!(
            "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
             <title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{description}</desc>\n"
        ));
        svg
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("a String takes everything");
    }

    /// A group; `title` is shown where a pointer rests on it.
    pub(super) fn open(&mut self, class: &str, title: &str) {
        let title = escape(title);
        self.push(format_args!("<g class=\"{class}\"><title>{title}</title>"));
    }

    /// Ends a group.
    pub(super) fn close(&mut self) {
        self.text.push_str("</g>\n");
    }

    /// A rectangle with round corners.
    pub(super) fn rect(&mut self, class: &str, rect: Rect, radius: i32) {
        let Rect { x, y, width, height } = rect;
        self.push(format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
             rx=\"{radius}\"/>"
        ));
    }

    /// A path; `d` is made of commands and numbers alone.
    pub(super) fn path(&mut self, class: &str, d: &str) {
        self.push(format_args!("<path class=\"{class}\" d=\"{d}\"/>"));
    }

    /// A text on one line.
    pub(super) fn text(&mut self, class: &str, (x, y): (i32, i32), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let text = escape(text);
        self.push(format_args!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\"{anchor}>{text}</text>"
        ));
    }

    /// The drawing.
    pub(super) fn finish(mut self) -> String {
        self.text.push_str("</svg>");
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::{Anchor, Svg, escape, shortened};

    #[test]
    fn nothing_escaped_is_markup() {
        assert_eq!(
            escape("<script>alert('x' & \"y\")</script>"),
            "&lt;script&gt;alert(&#39;x&#39; &amp; &quot;y&quot;)&lt;/script&gt;"
        );
        assert_eq!(escape("a\u{0}b\u{1b}c\n\t\u{ffff}"), "a\u{fffd}b\u{fffd}c\n\t\u{fffd}");
    }

    #[test]
    fn texts_are_shortened_by_characters() {
        assert_eq!(shortened("é".repeat(5).as_str(), 5), "ééééé");
        assert_eq!(shortened("é".repeat(6).as_str(), 5), "éééé…");
        assert_eq!(shortened("abc", 0), "…");
    }

    #[test]
    fn a_drawing_names_itself() {
        let mut svg = Svg::new((10, 20), "c", "id", "a < b", "words");
        svg.text("t", (1, 2), Anchor::End, "<x>");
        assert_eq!(
            svg.finish(),
            "<svg class=\"c\" viewBox=\"0 0 10 20\" width=\"10\" height=\"20\" role=\"img\" \
             aria-labelledby=\"id-t id-d\"><title id=\"id-t\">a &lt; b</title><desc \
             id=\"id-d\">words</desc>\n<text class=\"t\" x=\"1\" y=\"2\" \
             text-anchor=\"end\">&lt;x&gt;</text></svg>"
        );
    }
}
