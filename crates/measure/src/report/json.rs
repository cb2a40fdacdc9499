//! A report as documents for programs: keys sorted, units in key names, six digits that matter.

use serde_json::{Map, Value, json};

use super::{Cell, Report, Table};
use crate::latency::{Latency, PERCENTILES};

/// Version of the documents' shape: the one before the point changes with what would break a reader.
const FORMAT_VERSION: &str = "1.0";

pub(super) fn document(report: &Report) -> Value {
    let tables: Vec<Value> = report
        .tables
        .iter()
        .map(|table| {
            let rows: Vec<Value> = (0..table.rows.len()).map(|it| row(table, it)).collect();
            json!({ "id": table.id, "rows": rows, "title": table.title })
        })
        .collect();
    let mut document = head(report);
    document.insert("tables".to_owned(), json!(tables));
    sorted(Value::Object(document))
}

pub(super) fn lines(report: &Report) -> Vec<Value> {
    let rows = report.tables.iter().flat_map(|table| {
        (0..table.rows.len()).map(|number| {
            let mut row = row(table, number);
            row["format_version"] = json!(FORMAT_VERSION);
            row["measurement"] = json!(report.measurement);
            row["table"] = json!(table.id);
            row
        })
    });
    std::iter::once(Value::Object(head(report))).chain(rows).map(sorted).collect()
}

fn head(report: &Report) -> Map<String, Value> {
    let parameters: Map<String, Value> =
        report.parameters.iter().map(|(key, value)| (key.clone(), cell(value))).collect();
    let latencies: Map<String, Value> =
        report.latencies.iter().map(|(name, it)| (name.clone(), percentiles(it))).collect();
    let mut head = Map::new();
    head.insert("format_version".to_owned(), json!(FORMAT_VERSION));
    head.insert("machine".to_owned(), report.machine.to_json());
    head.insert("measurement".to_owned(), json!(report.measurement));
    head.insert("notes".to_owned(), json!(report.notes));
    head.insert("parameters".to_owned(), json!(parameters));
    head.insert("title".to_owned(), json!(report.title));
    if !latencies.is_empty() {
        head.insert("latencies".to_owned(), json!(latencies));
    }
    head
}

fn row(table: &Table, number: usize) -> Value {
    let cells = table.columns.iter().zip(&table.rows[number]);
    Value::Object(cells.map(|(column, it)| (column.key(), cell(it))).collect())
}

fn cell(cell: &Cell) -> Value {
    match cell {
        Cell::Missing => Value::Null,
        Cell::Text(text) => json!(text),
        Cell::Count(count) => json!(count),
        Cell::Number(it) => number(*it),
        Cell::Spread(it) => {
            json!({ "max": number(it.max), "median": number(it.median), "min": number(it.min) })
        }
    }
}

fn percentiles(latency: &Latency) -> Value {
    let mut map: Map<String, Value> = PERCENTILES
        .iter()
        .map(|(name, it)| {
            (format!("{}_ns", name.replace('.', "_")), json!(latency.percentile_ns(*it)))
        })
        .collect();
    map.insert("count".to_owned(), json!(latency.count()));
    map.insert("min_ns".to_owned(), json!(latency.min_ns()));
    map.insert("mean_ns".to_owned(), number(latency.mean_ns()));
    Value::Object(map)
}

/// Six digits that matter; no measurement here bears more.
fn number(number: f64) -> Value {
    if number == 0.0 || !number.is_finite() {
        return if number == 0.0 { json!(0) } else { Value::Null };
    }
    let digits = 5 - number.abs().log10().floor() as i32;
    let rounded = match digits {
        ..=0 => number.round(),
        _ => {
            let scale = 10f64.powi(digits);
            (number * scale).round() / scale
        }
    };
    match rounded.fract() == 0.0 && rounded.abs() < 1e15 {
        true => json!(rounded as i64),
        false => json!(rounded),
    }
}

/// Keys in order, whatever map `serde_json` was built with.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::number;
    use serde_json::{Value, json};

    #[test]
    fn numbers_keep_six_digits() {
        let check = |it: f64, expected: Value| assert_eq!(number(it), expected, "{it}");
        check(0.0, json!(0));
        check(f64::NAN, Value::Null);
        check(14.123_456_789, json!(14.1235));
        check(14.0, json!(14));
        check(1_234_567.8, json!(1_234_568));
        check(0.000_123_456_78, json!(0.000_123_457));
        check(-2.5, json!(-2.5));
    }
}
