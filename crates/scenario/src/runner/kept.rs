//! Whether a flow that is kept going lives on, on paper: its two halves, round by round, under the
//! rules of each moment. Owns the reading of part 12 for a client that asks and a server that
//! answers; what really became of it, frames and guests say.

use std::time::Duration;

use ringfence_frame::{Direction, Instant, Protocol};
use ringfence_policy::{Question, decide};
use ringfence_session::{TcpMidstream, Timeouts};
use ringfence_switch::OnRuleChange;

use super::history::History;
use crate::model::SessionExpectation;
use crate::paper::Questions;

/// One interface's session of the flow.
struct Half {
    /// What its first packet asked.
    question: Question,
    /// How long it lives without a packet; none while there is no session.
    timeout: Option<Duration>,
}

/// Whether the last round of a flow that starts at `start` is answered. `questions` are those of
/// its first packet.
pub(super) fn is_kept(
    history: &History,
    questions: &Questions,
    start: Instant,
    session: &SessionExpectation,
) -> bool {
    let asked = questions.outbound.into_iter().chain(questions.inbound);
    let mut halves: Vec<Half> = asked.map(|question| Half { question, timeout: None }).collect();
    let mut answered = passes(history, &mut halves, start, start, true);
    let mut last = start;
    let mut round = start + session.interval;
    while answered_or_not_over(round, session) {
        answered = passes(history, &mut halves, last, round, false);
        if answered {
            last = round;
        }
        round += session.interval;
    }
    answered
}

fn answered_or_not_over(round: Instant, session: &SessionExpectation) -> bool {
    !session.interval.is_zero() && round <= session.until
}

/// Whether a packet passes both halves at `now`, the last one having passed at `last`.
fn passes(
    history: &History,
    halves: &mut [Half],
    last: Instant,
    now: Instant,
    opens: bool,
) -> bool {
    let fabric = history.at(now);
    for half in halves.iter_mut() {
        if !lives(history, half, last, now) {
            half.timeout = None;
            let midstream = half.question.tuple.protocol == Protocol::TCP
                && !opens
                && fabric.options.tcp_midstream == TcpMidstream::Drop;
            let decision = decide(&fabric.world, &fabric.policies, &half.question);
            if midstream || !decision.allowed {
                return false;
            }
        }
    }
    for half in halves {
        let timeouts = &fabric.timeouts[half.question.interface.as_usize()];
        half.timeout.get_or_insert_with(|| idle_timeout(timeouts, half.question.tuple.protocol));
    }
    true
}

fn lives(history: &History, half: &Half, last: Instant, now: Instant) -> bool {
    let Some(timeout) = half.timeout else { return false };
    let idle_ms = u128::from(now.as_ms().saturating_sub(last.as_ms()));
    if idle_ms > timeout.as_millis() {
        return false;
    }
    let Question { interface, direction, .. } = half.question;
    if !history.has_touched(interface, last, now) {
        return true;
    }
    let fabric = history.at(now);
    match fabric.options.on_rule_change {
        OnRuleChange::CutIfDenied => {
            decide(&fabric.world, &fabric.policies, &half.question).allowed
        }
        OnRuleChange::Keep => true,
        OnRuleChange::Flush => false,
        OnRuleChange::FlushInbound => direction != Direction::Inbound,
    }
}

/// How long a session of an answered flow lives without a packet.
pub(super) fn idle_timeout(timeouts: &Timeouts, protocol: Protocol) -> Duration {
    match protocol {
        Protocol::TCP => timeouts.tcp_established,
        Protocol::UDP => timeouts.udp_stream,
        Protocol::ICMP | Protocol::ICMPV6 => timeouts.icmp,
        _ => timeouts.other,
    }
}
