//! A plot as SVG, for a page or as a file of its own. Coordinates have one decimal, so that the
//! same plot has the same bytes; colours are classes, so that they follow the reader's scheme.

use std::fmt::Write as _;

use super::scale::Fitted;
use super::{Plot, Point, Scale, Series};
use crate::report::axis_number;

/// Small enough that its letters can be read on a phone.
const WIDTH: f64 = 480.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 466.0;
/// Height of the field between the axes.
const FIELD: f64 = 240.0;
/// How high a line of the title or of the legend is, and where the first one stands.
const LINE: f64 = 18.0;
const FIRST_LINE: f64 = 18.0;
const TITLE_LEFT: f64 = 8.0;
/// Letters of a title's line.
const TITLE_LETTERS: usize = 54;
/// Below the field: marks and the axis's name.
const BOTTOM: f64 = 44.0;
/// About how wide a letter is.
const LETTER: f64 = 6.6;
/// How many colours there are.
const COLOURS: usize = 6;

/// Colours and letters of plots, in both schemes.
pub(crate) const STYLE: &str = include_str!("plot.css");

/// Text that cannot be taken for markup, in elements and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // what XML forbids, even escaped
            '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                escaped.push('\u{fffd}')
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// For a page that holds [`STYLE`].
pub(crate) fn inline(plot: &Plot) -> String {
    draw(plot, "")
}

/// A file that stands alone.
pub(crate) fn file(plot: &Plot) -> String {
    let style = format!("<style>\n{STYLE}.plot {{ background: var(--plot-back); }}\n</style>");
    draw(plot, &style) + "\n"
}

struct Drawing {
    text: String,
}

impl Drawing {
    fn push(&mut self, part: std::fmt::Arguments<'_>) {
        self.text.write_fmt(part).expect("a String takes everything");
    }

    fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.push(format_args!(
            "<path class=\"{class}\" d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\"/>\n"
        ));
    }

    fn text(&mut self, anchor: &str, (x, y): (f64, f64), text: &str) {
        let text = escape(text);
        self.push(format_args!(
            "<text class=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>\n"
        ));
    }

    /// A mark whose shape, like its colour, says which series it is of.
    fn mark(&mut self, class: &str, number: usize, (x, y): (f64, f64)) {
        let d = match number % 4 {
            0 => format!("M{:.1} {y:.1}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z", x - 3.0),
            1 => format!("M{:.1} {:.1}h5v5h-5z", x - 2.5, y - 2.5),
            2 => format!("M{x:.1} {:.1}l3.6 3.6l-3.6 3.6l-3.6 -3.6z", y - 3.6),
            _ => format!("M{x:.1} {:.1}l3.6 6h-7.2z", y - 3.8),
        };
        self.push(format_args!("<path class=\"mark {class}\" d=\"{d}\"/>\n"));
    }
}

/// A title in lines that fit; a word that does not is left as it is.
fn title_lines(title: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in title.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= TITLE_LETTERS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Where the legend's entries stand: left edge and line.
fn legend(series: &[Series]) -> (Vec<(f64, usize)>, usize) {
    let (mut x, mut line) = (LEFT, 0);
    let mut places = Vec::new();
    for it in series {
        let width = 38.0 + it.name.chars().count() as f64 * LETTER;
        if x > LEFT && x + width > RIGHT {
            (x, line) = (LEFT, line + 1);
        }
        places.push((x, line));
        x += width;
    }
    (places, line + 1)
}

fn draw(plot: &Plot, style: &str) -> String {
    let points = || plot.series.iter().flat_map(|series| &series.points);
    let x_scale = Fitted::new(plot.x.scale, points().map(|point| point.x));
    let y_values = points().flat_map(|point| {
        let (low, high) = point.range.unwrap_or((point.y, point.y));
        [point.y, low, high]
    });
    let y_scale = Fitted::new(plot.y.scale, y_values);
    let (legend_places, legend_lines) = legend(&plot.series);
    let titles = title_lines(&plot.title);
    let legend_top = FIRST_LINE + titles.len() as f64 * LINE;
    let top = legend_top + legend_lines as f64 * LINE;
    let bottom = top + FIELD;
    let height = bottom + BOTTOM;
    let x = |value: f64| x_scale.place(value).map(|it| LEFT + it * (RIGHT - LEFT));
    let y = |value: f64| y_scale.place(value).map(|it| bottom - it * FIELD);

    let mut drawing = Drawing { text: String::new() };
    let (title, id) = (escape(&plot.title), escape(&plot.id));
    drawing.push(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {WIDTH:.0} \
         {height:.0}\" role=\"img\" aria-labelledby=\"{id}-title\">{style}<title \
         id=\"{id}-title\">{title}</title>\n"
    ));
    for (number, line) in titles.iter().enumerate() {
        drawing.text("title", (TITLE_LEFT, FIRST_LINE + number as f64 * LINE), line);
    }
    for (number, (series, (left, line))) in plot.series.iter().zip(legend_places).enumerate() {
        let middle = legend_top + line as f64 * LINE;
        drawing.line(&class(series, number), (left, middle), (left + 18.0, middle));
        drawing.mark(&colour(number), number, (left + 9.0, middle));
        drawing.text("start", (left + 23.0, middle + 4.0), &series.name);
    }
    for value in y_scale.marks() {
        if let Some(y) = y(value) {
            drawing.line("grid", (LEFT, y), (RIGHT, y));
            drawing.text("end", (LEFT - 6.0, y + 4.0), &axis_number(value));
        }
    }
    for value in x_scale.marks() {
        if let Some(x) = x(value) {
            drawing.line("grid", (x, bottom), (x, bottom + 5.0));
            drawing.text("middle", (x, bottom + 18.0), &axis_number(value));
        }
    }
    let hint = |scale: Scale| if scale == Scale::Log { " (logarithmic)" } else { "" };
    let x_words = format!("{}{}", plot.x.label, hint(plot.x.scale));
    drawing.text("end", (RIGHT, bottom + 36.0), &x_words);
    let y_words = format!("{}{}", plot.y.label, hint(plot.y.scale));
    drawing.text("start", (4.0, bottom + 36.0), &format!("↑ {y_words}"));
    for (number, series) in plot.series.iter().enumerate() {
        draw_series(&mut drawing, series, number, &|point| Some((x(point.x)?, point.y)), &y);
    }
    drawing.text.push_str("</svg>");
    drawing.text
}

fn colour(number: usize) -> String {
    format!("c{}", number % COLOURS)
}

fn class(series: &Series, number: usize) -> String {
    let kind = if series.is_yardstick { "line yardstick" } else { "line" };
    format!("{kind} {}", colour(number))
}

fn draw_series(
    drawing: &mut Drawing,
    series: &Series,
    number: usize,
    x: &dyn Fn(&Point) -> Option<(f64, f64)>,
    y: &dyn Fn(f64) -> Option<f64>,
) {
    let mut d = String::new();
    for point in &series.points {
        let (Some((x, value)), Some(y_at)) = (x(point), y(point.y)) else { continue };
        let letter = if d.is_empty() { 'M' } else { 'L' };
        write!(d, "{letter}{x:.1} {y_at:.1}").expect("a String takes everything");
        if let Some((Some(low), Some(high))) = point.range.map(|(low, high)| (y(low), y(high))) {
            drawing.line(&format!("range {}", colour(number)), (x, low), (x, high));
        }
        // a line of many points needs no marks, and words for each would be a burden
        if series.points.len() <= 24 {
            drawing.mark(&colour(number), number, (x, y_at));
            let words = format!("{}: {}", series.name, axis_number(value));
            let at = drawing.text.trim_end().len() - "/>".len();
            drawing.text.truncate(at);
            drawing.push(format_args!("><title>{}</title></path>\n", escape(&words)));
        }
    }
    if !d.is_empty() {
        drawing.push(format_args!("<path class=\"{}\" d=\"{d}\"/>\n", class(series, number)));
    }
}

#[cfg(test)]
mod tests {
    use super::{escape, title_lines};

    #[test]
    fn nothing_escaped_is_markup() {
        assert_eq!(escape("<a b='c'>&\"\u{1b}"), "&lt;a b=&#39;c&#39;&gt;&amp;&quot;\u{fffd}");
    }

    #[test]
    fn long_titles_have_several_lines() {
        let check = |title: &str, expected: &[&str]| assert_eq!(title_lines(title), expected);
        check("Hit", &["Hit"]);
        check(
            "Hit: a frame of a session, looked up and counted, 1 worker",
            &["Hit: a frame of a session, looked up and counted, 1", "worker"],
        );
        let long = "x".repeat(80);
        check(&format!("a {long} b"), &["a", &long, "b"]);
    }
}
