//! The scenario file: read, checked, run, explained, reported.
//!
//! Owns the file's shape and its diagnostics, the probes that ask about single packets, the
//! reference verdict on paper, the runner that checks every expectation twice, and the report.
//! Takes a world from wherever it came; decides nothing about packets itself.

pub mod answer;
pub mod batch;
pub mod captures;
pub mod changes;
mod codes;
pub mod diagnostic;
pub mod explain;
mod file;
pub mod flow_log;
pub mod format;
mod frames;
mod guests;
pub mod junit;
pub mod load;
pub mod load_test;
pub mod model;
pub mod paper;
pub mod probe;
pub mod probes;
pub mod record;
pub mod replay;
pub mod report;
pub mod runner;
pub mod schema;
mod words;

pub use batch::Batch;
pub use diagnostic::{Diagnostic, Source};
pub use explain::{Disagreement, Explainer, Explanation};
pub use guests::guests;
pub use load::load;
pub use model::{Expectation, Scenario};
pub use runner::report::RunReport;
pub use runner::{RunOptions, RunOutput, run};
