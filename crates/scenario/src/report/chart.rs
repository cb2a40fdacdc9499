//! Small charts: round trips as bars, latencies as a histogram.
//!
//! Owns their scales. Colours come from the page's style sheet, by class.

use super::svg::{Anchor, Rect, Svg};
use super::units;
use crate::runner::report::{LatencyBucket, LatencyReport};

/// Width and height of a histogram: that of a narrow phone, so that its letters can be read there.
const SIZE: (i32, i32) = (360, 210);
const PLOT: Rect = Rect { x: 46, y: 26, width: 306, height: 146 };
/// Shares of a chart's width, in thousandths.
const WHOLE: u64 = 1_000;

/// A bar on a scale that many share: solid up to the median, faint up to the longest. What it says
/// stands beside it in words.
pub(super) fn bar(median: u64, longest: u64, scale: u64) -> String {
    let share = |value: u64| share(value, scale).max(4);
    let (median, longest) = (share(median), share(longest));
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 {WHOLE} 10\" preserveAspectRatio=\"none\" \
         aria-hidden=\"true\"><rect class=\"faint\" width=\"{longest}\" height=\"10\"/>\
         <rect class=\"solid\" width=\"{median}\" height=\"10\"/></svg>"
    )
}

fn share(value: u64, scale: u64) -> u64 {
    let share = u128::from(value) * u128::from(WHOLE) / u128::from(scale.max(1));
    u64::try_from(share).unwrap_or(WHOLE).min(WHOLE)
}

/// How many frames took how long.
pub(super) fn histogram(latency: &LatencyReport, name: &str, id: &str) -> String {
    let highest = latency.histogram.iter().map(|bucket| bucket.frames).max().unwrap_or(0);
    let total: u64 = latency.histogram.iter().map(|bucket| bucket.frames).sum();
    let description = format!(
        "{} frames; shortest {}, half within {}, 99 % within {}, longest {}; virtual time",
        units::count(total),
        units::duration(latency.min),
        units::duration(latency.p50),
        units::duration(latency.p99),
        units::duration(latency.max)
    );
    let title = format!("Latency histogram of {name}");
    let mut svg = Svg::new(SIZE, "histogram", id, &title, &description);
    draw_scale(&mut svg, highest, is_even(&latency.histogram));
    let buckets = latency.histogram.len().max(1);
    let left_of = |place: usize| {
        let offset = place as u64 * PLOT.width as u64 / buckets as u64;
        PLOT.x + i32::try_from(offset).unwrap_or(0)
    };
    for (place, bucket) in latency.histogram.iter().enumerate() {
        let full = share(bucket.frames, highest) * PLOT.height as u64 / WHOLE;
        let height = i32::try_from(full).unwrap_or(0).max(i32::from(bucket.frames > 0));
        let (left, right) = (left_of(place), left_of(place + 1));
        let words = format!(
            "up to {}: {} frames",
            units::duration(bucket.up_to_ns),
            units::count(bucket.frames)
        );
        let width = (right - left - 1).clamp(1, 60);
        let x = left + (right - left - width) / 2;
        svg.open("column", &words);
        svg.rect("bar", Rect { x, y: PLOT.bottom() - height, width, height }, 1);
        svg.close();
    }
    draw_quantiles(&mut svg, latency, &left_of);
    svg.finish()
}

fn draw_scale(svg: &mut Svg, highest: u64, is_even: bool) {
    let (x, right, bottom) = (PLOT.x, PLOT.right(), PLOT.bottom());
    for (y, value) in [(PLOT.y, highest), (PLOT.y + PLOT.height / 2, highest / 2), (bottom, 0)] {
        svg.path("grid", &format!("M{x} {y}H{right}"));
        svg.text("tick", (x - 5, y + 4), Anchor::End, &units::count(value));
    }
    svg.text("tick", (x - 44, 9), Anchor::Start, "frames");
    let axis = match is_even {
        true => "latency, virtual time",
        false => "latency (logarithmic), virtual time",
    };
    svg.text("tick", (right, SIZE.1 - 4), Anchor::End, axis);
}

/// Whether buckets are of one width, the first aside; widths grow by a quarter where they are not.
fn is_even(buckets: &[LatencyBucket]) -> bool {
    let width = |place: usize| buckets[place + 1].up_to_ns - buckets[place].up_to_ns;
    match buckets.len() {
        0..3 => true,
        many => width(many - 2) - width(0) <= width(0) / 8,
    }
}

/// The bounds of the first and the last bucket below, median and 99 % above.
fn draw_quantiles(svg: &mut Svg, latency: &LatencyReport, left_of: &dyn Fn(usize) -> i32) {
    let buckets = &latency.histogram;
    let y = PLOT.bottom() + 16;
    svg.text("tick", (PLOT.x, y), Anchor::Start, &units::duration(latency.min));
    if latency.max > latency.min {
        svg.text("tick", (PLOT.right(), y), Anchor::End, &units::duration(latency.max));
    }
    if buckets.len() >= 8 {
        let half = buckets.len() / 2;
        let words = units::duration(buckets[half - 1].up_to_ns);
        svg.path("grid", &format!("M{x} {}v4", PLOT.bottom(), x = left_of(half)));
        svg.text("tick", (left_of(half), y), Anchor::Middle, &words);
    }
    let place = |value: u64| {
        let within = buckets.iter().position(|bucket| value <= bucket.up_to_ns);
        let within = within.unwrap_or(buckets.len().saturating_sub(1));
        (left_of(within) + left_of(within + 1)) / 2
    };
    let (middle, most) = (place(latency.p50), place(latency.p99));
    svg.path("quantile", &format!("M{middle} {}V{}", PLOT.y - 4, PLOT.bottom()));
    if most - middle < 90 {
        let both = format!(
            "median {}, 99 % {}",
            units::duration(latency.p50),
            units::duration(latency.p99)
        );
        let x = middle.clamp(PLOT.x + 76, PLOT.right() - 90);
        svg.text("tick", (x, PLOT.y - 8), Anchor::Middle, &both);
    } else {
        let median = format!("median {}", units::duration(latency.p50));
        let x = middle.max(PLOT.x + 46);
        svg.text("tick", (x, PLOT.y - 8), Anchor::Middle, &median);
        let last = format!("99 % {}", units::duration(latency.p99));
        svg.text("tick", (most.min(PLOT.right() - 40), PLOT.y - 8), Anchor::Middle, &last);
    }
    if most > middle {
        svg.path("quantile", &format!("M{most} {}V{}", PLOT.y - 4, PLOT.bottom()));
    }
}

#[cfg(test)]
mod tests {
    use super::{bar, histogram, is_even};
    use crate::runner::report::{LatencyBucket, LatencyReport};

    #[test]
    fn bars_share_a_scale_and_are_never_invisible() {
        let check = |median, longest, scale, solid: u64, faint: u64| {
            let bar = bar(median, longest, scale);
            let expected = format!("width=\"{faint}\"");
            assert!(bar.contains(&format!("\"faint\" {expected}")), "{bar}");
            assert!(bar.contains(&format!("\"solid\" width=\"{solid}\"")), "{bar}");
        };
        check(50, 100, 100, 500, 1_000);
        check(0, 0, 100, 4, 4);
        check(7, 7, 0, 1_000, 1_000);
        check(u64::MAX, u64::MAX, 1, 1_000, 1_000);
    }

    #[test]
    fn a_scale_says_whether_it_is_even() {
        let check = |bounds: &[u64], expected: bool| {
            let bucket = |&up_to_ns: &u64| LatencyBucket { frames: 1, up_to_ns };
            let buckets: Vec<LatencyBucket> = bounds.iter().map(bucket).collect();
            assert_eq!(is_even(&buckets), expected, "{bounds:?}");
        };
        check(&[], true);
        check(&[5, 9], true);
        check(&[100, 200, 300, 400], true);
        check(&[1_000, 1_250, 1_562, 1_953], false);
    }

    #[test]
    fn a_histogram_holds_every_bucket_in_words() {
        let buckets = [(5, 10_000), (0, 20_000), (1_200, 30_000)];
        let latency = LatencyReport {
            histogram: buckets
                .map(|(frames, up_to_ns)| LatencyBucket { frames, up_to_ns })
                .to_vec(),
            max: 29_000,
            mean: 25_000,
            min: 9_000,
            p50: 28_000,
            p90: 28_500,
            p99: 29_000,
            p999: 29_000,
        };
        let svg = histogram(&latency, "<load>", "h1");
        assert_eq!(svg.matches("class=\"column\"").count(), 3);
        for words in [
            "up to 10 µs: 5 frames",
            "up to 20 µs: 0 frames",
            "up to 30 µs: 1\u{202f}200 frames",
            "1\u{202f}205 frames; shortest 9 µs, half within 28 µs, 99 % within 29 µs",
            "Latency histogram of &lt;load&gt;",
            "virtual time",
        ] {
            assert!(svg.contains(words), "{words}: {svg}");
        }
    }
}
