//! Runs as a JUnit report: a suite for each scenario, a case for each expectation.
//!
//! Holds no wall time, so that the same run writes the same bytes.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite, XmlString};

use crate::runner::report::{ExpectationReport, RunReport, Status};

/// The report of several runs, as XML.
///
/// # Errors
/// What the writer of XML says.
pub fn to_xml(runs: &[RunReport]) -> Result<String, String> {
    let mut report = Report::new("ringfence");
    for run in runs {
        let mut suite = TestSuite::new(run.title.clone());
        suite.extra.insert(XmlString::new("file"), XmlString::new(&run.file));
        suite.add_test_cases(run.expectations.iter().map(|it| case(run, it)));
        report.add_test_suite(suite);
    }
    report.to_string().map_err(|error| error.to_string())
}

fn case(run: &RunReport, expectation: &ExpectationReport) -> TestCase {
    let status = match expectation.status {
        Status::Passed => TestCaseStatus::success(),
        Status::Failed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(expectation.failures.join("; "));
            status.set_type("expectation");
            status.set_description(format!(
                "{}\n{}\n{}",
                expectation.origin,
                expectation.failures.join("\n"),
                expectation.walk.join("\n")
            ));
            status
        }
        Status::Skipped => TestCaseStatus::skipped(),
    };
    let mut case = TestCase::new(expectation.name.clone(), status);
    case.set_classname(run.file.clone());
    if !expectation.outcome.is_empty() {
        case.set_system_out(format!("{}: {}", expectation.outcome, expectation.reason));
    }
    case
}
