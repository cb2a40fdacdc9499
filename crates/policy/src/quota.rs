//! Quotas (specification, part 6).
