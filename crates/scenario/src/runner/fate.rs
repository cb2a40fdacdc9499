//! Why a flow that was kept going lived on or did not, in a sentence, read off the verdicts of its
//! frames. Owns the words; whether it lived, `judge` says.

use ringfence_runtime::simulated::LoggedVerdict;
use ringfence_switch::Because;

use super::history::History;
use crate::explain;

/// Why. `frames` are those of the flow there and back, in order.
pub(super) fn reason(history: &History, frames: &[&LoggedVerdict], kept: bool) -> String {
    let why = |logged: &LoggedVerdict| {
        let fabric = history.after(logged.verdict.epoch);
        (seconds(logged.at.as_ns()), explain::reason(fabric, &logged.verdict))
    };
    let [first, later @ ..] = frames else { return "nothing was sent".to_owned() };
    if !first.verdict.allowed {
        return format!("it never opened: {}", why(first).1);
    }
    let condemned = frames.iter().find(|logged| !logged.verdict.sessions_cut.is_empty());
    let ended = match condemned {
        Some(logged) => {
            let at = seconds(logged.at.as_ns());
            format!("a change had ended its session by the packet at {at}; ")
        }
        None => String::new(),
    };
    let denied = later.iter().find(|logged| !logged.verdict.allowed);
    let anew = later.iter().rfind(|logged| is_decided_anew(logged));
    match (kept, denied, anew) {
        (false, Some(denied), _) => {
            let (at, why) = why(denied);
            format!("{ended}at {at} a packet was denied: {why}")
        }
        (false, None, _) => format!("{ended}no packet was denied, but the last got no answer"),
        (true, _, Some(anew)) if condemned.is_some() => {
            let (at, why) = why(anew);
            format!("{ended}at {at} a packet was decided anew: {why}")
        }
        (true, _, _) => "its packets passed by the session that the first one opened".to_owned(),
    }
}

/// Whether a packet passed by something else than a session on some side.
fn is_decided_anew(logged: &LoggedVerdict) -> bool {
    let verdict = &logged.verdict;
    let sides = [verdict.outbound, verdict.inbound].into_iter().flatten();
    verdict.allowed && sides.into_iter().any(|side| side.because != Because::Session)
}

/// `10.05 s`
fn seconds(ns: u64) -> String {
    let text = format!("{}.{:03}", ns / 1_000_000_000, ns % 1_000_000_000 / 1_000_000);
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}
