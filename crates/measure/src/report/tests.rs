//! Each renderer against what is checked in; `BLESS=1` in the environment writes it anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use super::files::Files;
use super::{Cell, Column, Report, Table, Unit};
use crate::latency::{Latency, Recorder};
use crate::machine::Machine;
use crate::plot::{Axis, Plot, Point, Scale, Series};
use crate::sample::Spread;

fn spread(min: f64, median: f64, max: f64) -> Spread {
    Spread { min, median, max }
}

fn report() -> Report {
    let machine = Machine {
        processor: "A CPU".to_owned(),
        cores: 2,
        tsc_hz: 2_600_000_000,
        timer_overhead_clocks: 25,
        caches: vec![("L1d".to_owned(), 32 << 10), ("L2".to_owned(), 1 << 20)],
        memory_bytes: 24 << 30,
        huge_pages: "madvise".to_owned(),
        kernel: "6.1".to_owned(),
        is_virtual: true,
        commit: "abc".to_owned(),
        build: "release",
    };
    let mut report = Report::new("table", "Tables & <others>", machine);
    report.parameter("seed", 1u64);
    report.parameter("trials", 11u64);
    let mut table = Table::new(
        "hit",
        "Hit",
        vec![
            Column::new("structure", Unit::None),
            Column::new("sessions", Unit::None),
            Column::new("ours", Unit::Ns),
            Column::new("a session", Unit::Bytes),
            Column::wide("ratio", Unit::Ratio),
        ],
    );
    table.push(vec!["one".into(), 1u64.into(), spread(2.0, 2.25, 9.0).into(), 144u64.into()]);
    table.push(vec![
        "two".into(),
        10_000_000u64.into(),
        spread(88.0, 89.5, 1234.0).into(),
        141.25.into(),
        0.5.into(),
        "beyond the last column".into(),
    ]);
    report.table(table);
    report.plot(Plot {
        id: "hit".to_owned(),
        title: "Hit <ns>".to_owned(),
        x: Axis::new("sessions", Scale::Log),
        y: Axis::new("ns", Scale::Log),
        series: vec![
            Series::new(
                "ours",
                vec![
                    Point::of(1.0, spread(2.0, 2.25, 9.0)),
                    Point::of(1e7, spread(88.0, 89.5, 1234.0)),
                ],
            ),
            Series::yardstick("floor", vec![Point::new(1.0, 2.0), Point::new(1e7, 10.0)]),
        ],
    });
    report.note("Read \"me\".");
    report
}

fn check(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/expected").join(name);
    #[expect(clippy::disallowed_methods, reason = "one variable blesses what is checked in")]
    let blesses = std::env::var_os("BLESS").is_some();
    if blesses {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(actual == expected, "{name} differs; it is now:\n{actual}");
}

fn text(is_wide: bool) -> String {
    let mut bytes = Vec::new();
    report().write_text(&mut bytes, is_wide).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn as_text() {
    check("report.txt", &text(false));
    check("report-wide.txt", &text(true));
}

#[test]
fn as_documents() {
    check("report.json", &(serde_json::to_string_pretty(&report().to_json()).unwrap() + "\n"));
    let lines: String = report().to_json_lines().iter().map(|line| format!("{line}\n")).collect();
    check("report.jsonl", &lines);
}

#[test]
fn as_a_page_and_as_drawings() {
    check("report.html", &report().to_html());
    check("plot.svg", &report().plots[0].to_svg());
}

#[test]
fn a_percentile_plot() {
    let mut recorder = Recorder::new();
    (1..=1_000).for_each(|ns| recorder.record(ns * 10));
    let latency = Latency::merged([&recorder]);
    let plot = Plot::percentiles("latency", "Latency", [("established", &latency)]);
    check("percentiles.svg", &plot.to_svg());
}

#[test]
fn keys_carry_their_unit_once() {
    let check = |name: &str, unit, expected: &str| {
        assert_eq!(Column::new(name, unit).key(), expected);
    };
    check("build time", Unit::Ms, "build_time_ms");
    check("p99.9", Unit::Ns, "p99_9_ns");
    check("ratio", Unit::Ratio, "ratio");
    check("floor ratio", Unit::Ratio, "floor_ratio");
    check("Mpps", Unit::Mpps, "mpps");
    check("rules", Unit::None, "rules");
}

#[test]
fn latencies_are_in_documents_and_files() {
    let mut recorder = Recorder::new();
    (1..=100).for_each(|ns| recorder.record(ns));
    let mut report = report();
    report.latency("new flows/½", Latency::merged([&recorder]));
    let latency = &report.to_json()["latencies"]["new flows/½"];
    assert_eq!((&latency["count"], &latency["p90_ns"]), (&100.into(), &90.into()));
    assert!(latency["p99_ns"].is_null());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tmp/measure-files");
    let _ = fs::remove_dir_all(&folder);
    let page = folder.join("deep/page.html");
    let files = Files { html: Some(&page), svg: Some(&folder), hgrm: Some(&folder) };
    let written = report.write_files(files).unwrap();
    let names: Vec<_> = written.iter().map(|it| it.strip_prefix(&folder).unwrap()).collect();
    assert_eq!(
        names,
        [Path::new("deep/page.html"), "hit.svg".as_ref(), "new-flows--.hgrm".as_ref()]
    );
    assert!(written.iter().all(|path| fs::metadata(path).unwrap().len() > 100));
    let error = report.write_files(Files { html: Some(&folder), ..Files::default() }).unwrap_err();
    assert_eq!(error.path, folder);
    assert_eq!(Cell::from(None::<f64>), Cell::Missing);
}
