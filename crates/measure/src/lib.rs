//! Clocks, trials, figures, tables and plots of measurements. Knows nothing of what is measured.
//!
//! A measurement takes a [`Clock`], runs each thing many short times ([`trials`]), says on which
//! [`Machine`] and in which [`noise`], and puts everything into a [`Report`], which is printed and
//! written by whoever asked for it.

mod clock;
pub mod counting;
pub mod floor;
mod latency;
mod machine;
pub mod noise;
mod plot;
mod report;
mod sample;
pub mod search;
pub mod trials;

pub use clock::{Clock, Ticks};
pub use latency::{Latency, PERCENTILES, Recorder};
pub use machine::Machine;
pub use plot::{Axis, Plot, Point, Scale, Series};
pub use report::files::{Files, WriteError};
pub use report::{Cell, Column, Report, Table, Unit};
pub use sample::{Sample, Spread};
