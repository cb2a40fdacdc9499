//! The choice of the machine, once for each call: the whole look-up is compiled for each. Owns
//! nothing else.

#![allow(unsafe_code, reason = "calls of what is compiled for machines with wider vectors")]

use ringfence_cloud::GroupIndex;

use super::Classifier;
use super::batch::LANES;
use super::machine::{AnyMachine, Here, Machine};
use crate::{Decision, Question};

#[cfg(target_arch = "x86_64")]
use super::machine::{Avx2Machine, Avx512Machine};

type Asked<'a> = (Question, Option<&'a [GroupIndex]>);

#[inline]
pub(super) fn decide(
    classifier: &Classifier,
    question: &Question,
    peer: Option<&[GroupIndex]>,
) -> Decision {
    match classifier.here {
        // SAFETY: a machine of this type has what is enabled there.
        #[cfg(target_arch = "x86_64")]
        Here::Avx512(machine) => unsafe { decide_avx512(machine, classifier, question, peer) },
        // SAFETY: likewise.
        #[cfg(target_arch = "x86_64")]
        Here::Avx2(machine) => unsafe { decide_avx2(machine, classifier, question, peer) },
        Here::Any => classifier.decide_on(AnyMachine, question, peer),
    }
}

pub(super) fn decide_batch(classifier: &Classifier, asked: &[Asked<'_>], out: &mut [Decision]) {
    match classifier.here {
        // SAFETY: as in `decide`.
        #[cfg(target_arch = "x86_64")]
        Here::Avx512(machine) => unsafe { batch_avx512(machine, classifier, asked, out) },
        // SAFETY: as in `decide`.
        #[cfg(target_arch = "x86_64")]
        Here::Avx2(machine) => unsafe { batch_avx2(machine, classifier, asked, out) },
        Here::Any => batch(AnyMachine, classifier, asked, out),
    }
}

#[inline(always)]
fn batch(
    machine: impl Machine,
    classifier: &Classifier,
    asked: &[Asked<'_>],
    out: &mut [Decision],
) {
    for (asked, out) in asked.chunks(LANES).zip(out.chunks_mut(LANES)) {
        classifier.decide_chunk(machine, asked, out);
    }
}

/// The look-up compiled for one kind of machine.
#[cfg(target_arch = "x86_64")]
macro_rules! compiled_for {
    ($machine:ty, $features:literal, $decide:ident, $batch:ident) => {
        /// # Safety
        /// The machine has what is enabled.
        #[target_feature(enable = $features)]
        unsafe fn $decide(
            machine: $machine,
            classifier: &Classifier,
            question: &Question,
            peer: Option<&[GroupIndex]>,
        ) -> Decision {
            classifier.decide_on(machine, question, peer)
        }

        /// # Safety
        /// The machine has what is enabled.
        #[target_feature(enable = $features)]
        unsafe fn $batch(
            machine: $machine,
            classifier: &Classifier,
            asked: &[Asked<'_>],
            out: &mut [Decision],
        ) {
            batch(machine, classifier, asked, out);
        }
    };
}

#[cfg(target_arch = "x86_64")]
compiled_for!(
    Avx512Machine,
    "avx512f,avx512bw,avx512vl,bmi1,bmi2,popcnt",
    decide_avx512,
    batch_avx512
);
#[cfg(target_arch = "x86_64")]
compiled_for!(Avx2Machine, "avx2,bmi1,bmi2,popcnt", decide_avx2, batch_avx2);
