//! What the tests that cross the crates share: random worlds and packets from a seed
//! ([`world`], [`groups`], [`packets`]), a second reading of part 0 of the specification that
//! knows nothing of the first ([`algebra`]), frames to send ([`frames`]), and whole histories of
//! them ([`history`]); what must become of the frames of one flow ([`flow`]), and
//! what became of any ([`told`]).
//!
//! Holds no test itself; those stand in `tests/`.

pub mod algebra;
pub mod dice;
pub mod flow;
pub mod frames;
pub mod groups;
pub mod history;
pub mod hostile;
mod intervals;
pub mod packets;
pub mod scenarios;
pub mod segment;
pub mod told;
pub mod world;

/// A number that the caller of a test may set in the environment.
///
/// # Panics
/// If what is set is no number.
pub fn setting(name: &str, default: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "how long a test runs is its caller's to say")]
    let text = std::env::var(name);
    text.map_or(default, |it| it.parse().unwrap_or_else(|_| panic!("{name}={it} is no number")))
}
