//! The frame crate from outside: what is read, refused, built, changed, cut, and captured.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing says so by failing")]

mod build;
mod capture;
mod fragment;
mod hostile;
mod malformed;
mod parse;
mod quick;
mod quoted;
mod rewrite;
mod support;
mod values;
