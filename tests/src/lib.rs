//! What the tests that cross the crates share: random worlds and packets from a seed
//! ([`world`], [`groups`], [`packets`]), a second reading of part 0 of the specification that
//! knows nothing of the first ([`algebra`]), and frames to send ([`frames`]).
//!
//! Holds no test itself; those stand in `tests/`.

pub mod algebra;
pub mod dice;
pub mod frames;
pub mod groups;
mod intervals;
pub mod packets;
pub mod world;
