//! What a generator does with its flows: how popular each is, how long frames are, how often
//! something new or something forbidden comes, and when.

/// How often each flow is picked.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Popularity {
    /// All alike.
    #[default]
    Uniform,
    /// The flow of rank `k` (from 1, in the order in which they were given) with a weight of
    /// `1 / k^exponent`. Behind the first 1,024 ranks neighbours whose weights differ by less than
    /// 0.1 % share theirs.
    Zipf(f64),
    /// One after the other.
    InTurn,
}

/// How long frames are, in bytes on the wire: the FCS counts, which is never in memory. A frame
/// whose headers and tag need more is as long as they need: 64 bytes do for IPv4, 84 for IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sizes {
    /// All alike; at most 2,052.
    Fixed(usize),
    /// 64, 570 and 1,518 bytes, 7 : 4 : 1.
    Imix,
    /// One of these, each as often as the others.
    OneOf([u16; 12]),
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes::Fixed(64)
    }
}

/// How many frames are the first of a new flow (those of flows with `fresh`).
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Fresh {
    /// None.
    #[default]
    None,
    /// This share of all frames, 0 to 1.
    Share(f64),
    /// So many a second, beside the other frames and before them in a batch.
    PerSecond(u64),
}

/// How scheduled times are spaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Spacing {
    /// Equal distances.
    #[default]
    Constant,
    /// A Poisson process.
    Poisson,
}

/// An open loop: frames are due by a plan, and one that was not fetched in time keeps the time at
/// which it was due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Frames a second of one generator.
    pub frames_per_second: u64,
    /// How they are spaced.
    pub spacing: Spacing,
}

/// What a generator sends in [`Stage::Steady`](super::Stage::Steady).
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Pattern {
    /// How often each flow is picked.
    pub popularity: Popularity,
    /// How long frames are.
    pub sizes: Sizes,
    /// Share of frames that are replies, 0 to 1, of those that are neither denied nor fresh.
    pub reply_share: f64,
    /// Share of frames of flows that must be dropped, 0 to 1.
    pub denied_share: f64,
    /// Frames that are the first of a new flow.
    pub fresh: Fresh,
    /// When frames are due. Without it, as fast as they are fetched.
    pub rate: Option<Rate>,
}
