//! The TCP state of one session: what each side sent, FINs, windows. When to believe a FIN or RST.

use ringfence_frame::{Tcp, TcpFlags};

use ringfence_session::TcpPhase;

/// "else 64 KiB": the window that is assumed where its scale is not known.
const UNKNOWN_WINDOW: u32 = 64 * 1024;

/// Whether a segment asks for a new connection. A SYN with ACK or RST does not.
pub fn is_opening_syn(segment: &Tcp) -> bool {
    let flags = segment.flags;
    flags.contains(TcpFlags::SYN)
        && !flags.contains(TcpFlags::ACK)
        && !flags.contains(TcpFlags::RST)
}

/// What a segment does to its session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// "Neither advances nor refreshes."
    Nothing,
    /// It was seen: the session lives on.
    Seen,
    /// It ends the conversation.
    Closes,
}

/// Both sides of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sides {
    /// The sender of the first packet.
    opener: Side,
    /// Its peer.
    answerer: Side,
}

/// What one side has sent so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Side {
    syn: Option<Syn>,
    /// The last number that it acknowledged.
    acknowledged: Option<u32>,
    /// The window field that it last advertised.
    window: u16,
    /// "The window field in a SYN segment is never scaled" (RFC 7323, 2.2).
    window_of_syn: bool,
    fin: bool,
}

/// A SYN that was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Syn {
    /// The first number behind it.
    next: u32,
    payload_len: u32,
    window_scale: Option<u8>,
}

impl Sides {
    /// The state after the first packet. Its FIN cannot be believed yet: nothing is known of the
    /// window of the other side.
    pub fn open(first: &Tcp) -> Sides {
        let mut sides = Sides::default();
        sides.opener.note(first);
        sides
    }

    /// Takes a segment of the opener (`forward`) or the answerer, in any phase but `Closing`.
    pub fn take(&mut self, phase: TcpPhase, forward: bool, segment: &Tcp) -> Effect {
        if segment.flags.contains(TcpFlags::RST) {
            return match self.believes_rst(phase, forward, segment) {
                true => Effect::Closes,
                false => Effect::Nothing,
            };
        }
        let fin = segment.flags.contains(TcpFlags::FIN);
        if fin && !self.believes_fin(forward, segment) {
            return Effect::Nothing;
        }
        let sender = if forward { &mut self.opener } else { &mut self.answerer };
        sender.note(segment);
        sender.fin |= fin;
        match self.opener.fin && self.answerer.fin {
            true => Effect::Closes,
            false => Effect::Seen,
        }
    }

    /// "RST and FIN count only inside the window", or "before the peer was heard, a RST that
    /// acknowledges the SYN counts (a refused connection)".
    fn believes_rst(&self, phase: TcpPhase, forward: bool, segment: &Tcp) -> bool {
        let unheard = phase == TcpPhase::Opening && !forward;
        let refused = unheard
            && segment.flags.contains(TcpFlags::ACK)
            && self.opener.syn.is_some_and(|syn| syn.is_acknowledged_by(segment.acknowledgement));
        refused || self.in_window(forward, segment.sequence)
    }

    /// A FIN counts by where its segment begins or by its own place behind the data: a
    /// retransmission may begin below the window, and its FIN may stand on the right edge.
    fn believes_fin(&self, forward: bool, segment: &Tcp) -> bool {
        let syn_len = u32::from(segment.flags.contains(TcpFlags::SYN));
        let fin = segment.sequence.wrapping_add(syn_len).wrapping_add(segment.payload_len);
        self.in_window(forward, segment.sequence) || self.in_window(forward, fin)
    }

    /// Whether `sequence`, sent by the opener (`forward`) or the answerer, lies inside "the
    /// receiver's last acknowledged number up to its advertised window". Both edges are inside,
    /// as for Linux: a FIN behind a full window stands on the right one.
    ///
    /// A receiver that sent its SYN and has acknowledged nothing yet will acknowledge the
    /// sender's SYN first, so that its window is known as soon as both SYNs are. Of a receiver
    /// that was not heard, no window is known, and nothing is inside it.
    fn in_window(&self, forward: bool, sequence: u32) -> bool {
        let (sender, receiver) = match forward {
            true => (&self.opener, &self.answerer),
            false => (&self.answerer, &self.opener),
        };
        let first_expected = || receiver.syn.and(sender.syn).map(|syn| syn.next);
        let Some(left) = receiver.acknowledged.or_else(first_expected) else { return false };
        sequence.wrapping_sub(left) <= receiver.window_to(sender)
    }
}

impl Side {
    fn note(&mut self, segment: &Tcp) {
        let is_syn = segment.flags.contains(TcpFlags::SYN);
        if is_syn {
            self.syn = Some(Syn {
                next: segment.sequence.wrapping_add(1),
                payload_len: segment.payload_len,
                window_scale: segment.window_scale,
            });
        }
        let acknowledges = segment.flags.contains(TcpFlags::ACK);
        if acknowledges {
            self.acknowledged = Some(segment.acknowledgement);
        }
        if acknowledges || (is_syn && self.acknowledged.is_none()) {
            self.window = segment.window;
            self.window_of_syn = is_syn;
        }
    }

    /// Its window in bytes: "scaled if the SYNs were seen, else 64 KiB". Scaling is in force if
    /// both SYNs offer it.
    fn window_to(&self, peer: &Side) -> u32 {
        let (Some(own), Some(peers)) = (self.syn, peer.syn) else { return UNKNOWN_WINDOW };
        let scale = match (own.window_scale, peers.window_scale) {
            (Some(scale), Some(_)) if !self.window_of_syn => scale.min(14),
            _ => 0,
        };
        u32::from(self.window) << scale
    }
}

impl Syn {
    /// Whether `acknowledgement` takes the SYN, and no more than it and its data.
    fn is_acknowledged_by(self, acknowledgement: u32) -> bool {
        acknowledgement.wrapping_sub(self.next) <= self.payload_len
    }
}
