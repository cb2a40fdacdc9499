//! The world on paper, from outside: each table quotes the sentence that it holds the crate to.

#[allow(clippy::unwrap_used, reason = "tests")]
mod back;
#[allow(clippy::unwrap_used, reason = "tests")]
mod check;
#[allow(clippy::unwrap_used, reason = "tests")]
mod locate;
#[allow(clippy::unwrap_used, reason = "tests")]
mod text;
#[allow(clippy::unwrap_used, reason = "tests")]
mod world;
