//! The choice of the machine, once for each call: the whole look-up is compiled for each. Owns
//! nothing else.

#![allow(unsafe_code, reason = "calls of what is compiled for machines that have AVX-512")]

use ringfence_cloud::GroupIndex;

use super::Classifier;
use super::batch::LANES;
use super::machine::{AnyMachine, Machine};
use crate::{Decision, Question};

#[cfg(target_arch = "x86_64")]
use super::machine::WideMachine;

type Asked<'a> = (Question, Option<&'a [GroupIndex]>);

#[inline]
pub(super) fn decide(
    classifier: &Classifier,
    question: &Question,
    peer: Option<&[GroupIndex]>,
) -> Decision {
    #[cfg(target_arch = "x86_64")]
    if let Some(machine) = WideMachine::detect() {
        // SAFETY: the machine was asked whether it has what is enabled there.
        return unsafe { decide_wide(machine, classifier, question, peer) };
    }
    classifier.decide_on(AnyMachine, question, peer)
}

pub(super) fn decide_batch(classifier: &Classifier, asked: &[Asked<'_>], out: &mut [Decision]) {
    #[cfg(target_arch = "x86_64")]
    if let Some(machine) = WideMachine::detect() {
        // SAFETY: as in `decide`.
        return unsafe { batch_wide(machine, classifier, asked, out) };
    }
    batch(AnyMachine, classifier, asked, out);
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

/// # Safety
/// The machine has what is enabled.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2,popcnt")]
unsafe fn decide_wide(
    machine: WideMachine,
    classifier: &Classifier,
    question: &Question,
    peer: Option<&[GroupIndex]>,
) -> Decision {
    classifier.decide_on(machine, question, peer)
}

/// # Safety
/// The machine has what is enabled.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2,popcnt")]
unsafe fn batch_wide(
    machine: WideMachine,
    classifier: &Classifier,
    asked: &[Asked<'_>],
    out: &mut [Decision],
) {
    batch(machine, classifier, asked, out);
}
