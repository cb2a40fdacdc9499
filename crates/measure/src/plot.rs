//! Plots as data: axes, series, points with a range. How they are drawn is `svg`'s.

pub(crate) mod scale;
pub(crate) mod svg;

use crate::latency::Latency;
use crate::sample::Spread;

/// How values lie on an axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scale {
    /// Evenly, from zero.
    Linear,
    /// By their logarithm. Values of zero and less are left out.
    Log,
    /// Per cent, each nine as far from the last (50, 90, 99, 99.9 ...).
    Percentile,
}

/// An axis.
#[derive(Clone, PartialEq, Debug)]
pub struct Axis {
    /// What it shows, with its unit: `sessions`, `ns a look-up`.
    pub label: String,
    /// How values lie on it.
    pub scale: Scale,
}

impl Axis {
    /// An axis.
    pub fn new(label: &str, scale: Scale) -> Axis {
        Axis { label: label.to_owned(), scale }
    }
}

/// A point, with the range of its trials if it has one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point {
    /// Where.
    pub x: f64,
    /// The value.
    pub y: f64,
    /// Minimum and maximum.
    pub range: Option<(f64, f64)>,
}

impl Point {
    /// A value alone.
    pub fn new(x: f64, y: f64) -> Point {
        Point { x, y, range: None }
    }

    /// The median of trials, with their range.
    pub fn of(x: f64, spread: Spread) -> Point {
        Point { x, y: spread.median, range: Some((spread.min, spread.max)) }
    }
}

/// A line.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// What it is.
    pub name: String,
    /// Its points from left to right.
    pub points: Vec<Point>,
    /// Whether it is a yardstick, drawn fainter and dashed.
    pub is_yardstick: bool,
}

impl Series {
    /// A line.
    pub fn new(name: &str, points: Vec<Point>) -> Series {
        Series { name: name.to_owned(), points, is_yardstick: false }
    }

    /// A line that others are measured by.
    pub fn yardstick(name: &str, points: Vec<Point>) -> Series {
        Series { is_yardstick: true, ..Series::new(name, points) }
    }
}

/// A plot.
#[derive(Clone, PartialEq, Debug)]
pub struct Plot {
    /// Short, for file names and anchors: lower-case letters, digits and hyphens.
    pub id: String,
    /// What it shows, in words.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// The lines.
    pub series: Vec<Series>,
}

impl Plot {
    /// Latency by percentile, a line for each.
    pub fn percentiles<'a>(
        id: &str,
        title: &str,
        latencies: impl IntoIterator<Item = (&'a str, &'a Latency)>,
    ) -> Plot {
        let line = |(name, latency): (&str, &Latency)| {
            let points = latency.percentile_points();
            Series::new(name, points.into_iter().map(|(x, y)| Point::new(x, y)).collect())
        };
        Plot {
            id: id.to_owned(),
            title: title.to_owned(),
            x: Axis::new("per cent of frames", Scale::Percentile),
            y: Axis::new("ns", Scale::Log),
            series: latencies.into_iter().map(line).collect(),
        }
    }

    /// The plot as an SVG file that stands alone.
    pub fn to_svg(&self) -> String {
        svg::file(self)
    }
}
