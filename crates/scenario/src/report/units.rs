//! Numbers as people read them: three digits that matter, and a unit.
//!
//! Owns formatting only; whole numbers come in, so that the same run always reads the same.

/// A length of virtual time: `200 µs`, `5.31 ms`, `10 s`.
pub(super) fn duration(ns: u64) -> String {
    scaled(ns, &[(1, "ns"), (1_000, "µs"), (1_000_000, "ms"), (1_000_000_000, "s")])
}

/// A rate: `2.05 Mbit/s`.
pub(super) fn bit_rate(bits_per_second: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1, "bit/s"), (1_000, "kbit/s"), (1_000_000, "Mbit/s"), (1_000_000_000, "Gbit/s")];
    scaled(bits_per_second, &UNITS)
}

/// A number in groups of three digits: `10 000`, with narrow spaces that do not break.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A part of a whole: `0 %`, `16.7 %`, `100 %`.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let tenths = u128::from(part) * 1_000 / u128::from(whole.max(1));
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} %"),
        (whole, tenth) => format!("{whole}.{tenth} %"),
    }
}

/// `value` in the largest unit of which there is one, rounded to three digits that matter.
fn scaled(value: u64, units: &[(u64, &str)]) -> String {
    let fitting = units.iter().rev().find(|(size, _)| value >= *size);
    let &(size, unit) = fitting.or(units.first()).expect("there is a unit");
    let decimals: u32 = match value / size {
        0..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    let parts = 10_u128.pow(decimals);
    let rounded = (u128::from(value) * parts * 2 / u128::from(size)).div_ceil(2);
    let whole = u64::try_from(rounded / parts).unwrap_or(u64::MAX);
    let rest = u64::try_from(rounded % parts).unwrap_or_default();
    let is_next = |(larger, _): &&(u64, &str)| whole.saturating_mul(size) == *larger;
    if let Some((_, larger)) = units.iter().find(is_next).filter(|_| rest == 0) {
        return format!("1 {larger}");
    }
    let shown = format!("{rest:0width$}", width = decimals as usize);
    match shown.trim_end_matches('0') {
        "" => format!("{} {unit}", count(whole)),
        shown => format!("{whole}.{shown} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{bit_rate, count, duration, percent};

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        let check = |ns, words: &str| assert_eq!(duration(ns), words, "{ns} ns");
        check(0, "0 ns");
        check(999, "999 ns");
        check(1_000, "1 µs");
        check(200_000, "200 µs");
        check(5_308_415, "5.31 ms");
        check(12_345_678, "12.3 ms");
        check(1_005_000, "1.01 ms");
        check(1_004_999, "1 ms");
        check(9_999_999, "10 ms");
        check(999_600, "1 ms");
        check(999_400, "999 µs");
        check(1_250_000_000, "1.25 s");
        check(910_000_000_000, "910 s");
        check(u64::MAX, "18\u{202f}446\u{202f}744\u{202f}074 s");
    }

    #[test]
    fn rates_counts_and_parts() {
        assert_eq!(bit_rate(2_048_000), "2.05 Mbit/s");
        assert_eq!(bit_rate(0), "0 bit/s");
        assert_eq!(count(7), "7");
        assert_eq!(count(123), "123");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(percent(0, 0), "0 %");
        assert_eq!(percent(1, 6), "16.6 %");
        assert_eq!(percent(3, 3), "100 %");
    }
}
