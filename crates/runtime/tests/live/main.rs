//! Worker threads: loads with every frame checked, changes while frames flow, sleep, rings, the end.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod load;
mod paced;
mod speed;
mod threads;
mod world;
