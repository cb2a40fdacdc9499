//! Every code that a diagnostic can have, and what there is to say about it.

/// The longer text of a code; none if there is no such code.
pub fn explain_code(code: &str) -> Option<&'static str> {
    let _ = code;
    None
}

/// Every code with its title, in order.
pub fn codes() -> &'static [(&'static str, &'static str)] {
    &[]
}
