//! Rule sets, worlds and flows for load tests, each made from a seed, with the answers that the
//! reference expects of them.
//!
//! A [`BenchWorld`] is a fabric with its ports numbered. [`BenchWorld::lanes`] looks for ways through
//! it that have a wanted fate and asks the reference about each; [`Lanes::flows`] makes flows of
//! them, to be handed to [`Traffic`](ringfence_endpoints::generator::Traffic) with their answers.
//! [`BenchWorld::sweep`] and [`BenchWorld::syn_flood`] make what attackers send.

mod aimed;
mod build;
mod draw;
mod drive;
mod flood;
mod lanes;
mod question;
mod reason;
mod reference;
pub mod rules;
mod world;

pub use drive::Drive;
pub use flood::{FloodWish, SynFlood};
pub use lanes::{Fate, LaneWish, Lanes, LoadError, Sweep, Way};
pub use question::Question;
pub use reason::{reason, reason_name};
pub use reference::{Answer, reference};
pub use world::{BenchWorld, WorldShape};
