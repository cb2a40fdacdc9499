//! What a worker says of a frame to the tester: a number beside it in the ring.

use ringfence_endpoints::generator::Reason;

use crate::live::load::notes::Kind;

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// It goes out, and this happened to it.
    Crossed(Kind),
    /// It was dropped; only its number is here.
    Dropped(Reason),
    /// The fabric keeps it, and may answer; only its number is here.
    Kept,
    /// It is none that was handed in: the fabric's own.
    Own,
    /// There was no switch.
    Passed,
}

impl Told {
    pub(crate) fn mark(self) -> u32 {
        match self {
            Told::Crossed(Kind::Established) => 0,
            Told::Crossed(Kind::New) => 1,
            Told::Crossed(Kind::Slow) => 2,
            Told::Kept => 3,
            Told::Own => 4,
            Told::Passed => 5,
            Told::Crossed(Kind::Denied) => 6,
            Told::Dropped(reason) => 7 | u32::from(reason.get()) << 8,
        }
    }

    /// # Panics
    /// If that is no mark.
    pub(crate) fn of(mark: u32) -> Told {
        match mark & 0xff {
            0 => Told::Crossed(Kind::Established),
            1 => Told::Crossed(Kind::New),
            2 => Told::Crossed(Kind::Slow),
            3 => Told::Kept,
            4 => Told::Own,
            5 => Told::Passed,
            6 => Told::Crossed(Kind::Denied),
            7 => {
                let reason = u8::try_from(mark >> 8).ok().and_then(Reason::new);
                Told::Dropped(reason.expect("a worker gives reasons that are some"))
            }
            _ => unreachable!("only `mark` makes marks"),
        }
    }
}

#[cfg(test)]
mod tests {
    use ringfence_endpoints::generator::Reason;

    use super::{Kind, Told};

    #[test]
    fn what_is_told_is_understood() {
        let kinds = [Kind::Established, Kind::New, Kind::Slow, Kind::Denied].map(Told::Crossed);
        let reasons = (0..Reason::COUNT as u8).filter_map(Reason::new).map(Told::Dropped);
        let others = [Told::Kept, Told::Own, Told::Passed];
        let mut marks = std::collections::BTreeSet::new();
        for told in kinds.into_iter().chain(others).chain(reasons) {
            assert_eq!(Told::of(told.mark()), told);
            assert!(marks.insert(told.mark()));
        }
    }
}
