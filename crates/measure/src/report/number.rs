//! Numbers as people read them: three digits that matter.

use super::{Cell, Unit};

/// What stands where there is no figure.
const MISSING: &str = "–";

/// A cell as text; with `is_wide` a figure of many trials shows its range.
pub(super) fn cell(cell: &Cell, unit: Unit, is_wide: bool) -> String {
    match cell {
        Cell::Missing => MISSING.to_owned(),
        Cell::Text(text) => text.clone(),
        Cell::Count(count) if unit == Unit::Bytes => bytes(*count as f64),
        Cell::Count(count) => grouped(*count),
        Cell::Number(number) => figure(*number, unit),
        Cell::Spread(spread) if is_wide => format!(
            "{} ({}–{})",
            figure(spread.median, unit),
            figure(spread.min, unit),
            figure(spread.max, unit)
        ),
        Cell::Spread(spread) => figure(spread.median, unit),
    }
}

fn figure(number: f64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => bytes(number),
        _ => significant(number),
    }
}

/// Three digits that matter, all digits before the point.
fn significant(number: f64) -> String {
    if !number.is_finite() {
        return MISSING.to_owned();
    }
    let magnitude = number.abs();
    match magnitude {
        // what rounds up to the next power of ten has one decimal less
        _ if magnitude == 0.0 => "0".to_owned(),
        _ if magnitude < 0.0005 => format!("{number:.1e}"),
        _ if magnitude < 0.9995 => format!("{number:.3}"),
        _ if magnitude < 9.995 => format!("{number:.2}"),
        _ if magnitude < 99.95 => format!("{number:.1}"),
        _ => {
            let sign = if number < 0.0 { "-" } else { "" };
            format!("{sign}{}", grouped(magnitude.round() as u64))
        }
    }
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the largest unit of which there are ten.
fn bytes(number: f64) -> String {
    const UNITS: [(f64, &str); 3] =
        [((1u64 << 30) as f64, "GiB"), ((1u64 << 20) as f64, "MiB"), ((1u64 << 10) as f64, "KiB")];
    match UNITS.iter().find(|(size, _)| number.abs() >= size * 10.0) {
        Some((size, name)) => format!("{} {name}", significant(number / size)),
        None if number.fract() == 0.0 => format!("{} B", grouped(number.max(0.0) as u64)),
        None => format!("{} B", significant(number)),
    }
}

/// A number at an axis: as short as it can be.
pub(crate) fn axis_number(number: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    let (scaled, unit) = match UNITS.iter().find(|(size, _)| number.abs() >= *size) {
        Some((size, unit)) => (number / size, *unit),
        None => (number, ""),
    };
    let text = format!("{scaled:.3}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::{axis_number, cell};
    use crate::report::{Cell, Unit};
    use crate::sample::Spread;

    #[test]
    fn cells_as_text() {
        let check = |it: Cell, unit, expected: &str| assert_eq!(cell(&it, unit, false), expected);
        check(Cell::Missing, Unit::Ns, "–");
        check(Cell::from(f64::NAN), Unit::Ns, "–");
        check(Cell::from("words"), Unit::Ns, "words");
        check(Cell::from(10_000_000u64), Unit::None, "10,000,000");
        check(Cell::from(999u64), Unit::None, "999");
        check(Cell::from(0.0), Unit::Ns, "0");
        check(Cell::from(0.000_12), Unit::Ns, "1.2e-4");
        check(Cell::from(0.123_4), Unit::Ns, "0.123");
        check(Cell::from(0.999_6), Unit::Ns, "1.00");
        check(Cell::from(1.234), Unit::Ns, "1.23");
        check(Cell::from(9.996), Unit::Ns, "10.0");
        check(Cell::from(12.34), Unit::Ns, "12.3");
        check(Cell::from(99.96), Unit::Ns, "100");
        check(Cell::from(1234.5), Unit::Ns, "1,235");
        check(Cell::from(-1234.4), Unit::Ns, "-1,234");
        check(Cell::from(144u64), Unit::Bytes, "144 B");
        check(Cell::from(10_239u64), Unit::Bytes, "10,239 B");
        check(Cell::from(10_240u64), Unit::Bytes, "10.0 KiB");
        check(Cell::from(141.3), Unit::Bytes, "141 B");
        check(Cell::from(3u64 << 30), Unit::Bytes, "3,072 MiB");
    }

    #[test]
    fn ranges_where_there_is_room() {
        let spread = Cell::from(Spread { min: 9.0, median: 10.0, max: 1200.0 });
        assert_eq!(cell(&spread, Unit::Ns, true), "10.0 (9.00–1,200)");
        assert_eq!(cell(&spread, Unit::Ns, false), "10.0");
    }

    #[test]
    fn numbers_at_an_axis() {
        let check = |number, expected: &str| assert_eq!(axis_number(number), expected);
        check(0.0, "0");
        check(0.05, "0.05");
        check(2.0, "2");
        check(99.999, "99.999");
        check(1_000.0, "1k");
        check(2_500_000.0, "2.5M");
        check(1e10, "10G");
    }
}
