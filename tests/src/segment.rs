//! What TCP segments do to a session, as the specification has it: when a FIN or a RST is believed.

use ringfence_frame::TcpFlags;

/// What a segment says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Segment {
    /// SYN, ACK, FIN, RST.
    pub flags: TcpFlags,
    /// Its first number.
    pub sequence: u32,
    /// The number that it expects, where it acknowledges.
    pub acknowledgement: u32,
    /// As it stands in the header.
    pub window: u16,
    /// Offered in a SYN.
    pub window_scale: Option<u8>,
    /// Bytes of data.
    pub payload_len: u32,
}

/// Whether it begins a connection.
pub fn opens(segment: &Segment) -> bool {
    let has = |flags| segment.flags.contains(flags);
    has(TcpFlags::SYN) && !has(TcpFlags::ACK) && !has(TcpFlags::RST)
}

/// What comes of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// "Neither advances nor refreshes."
    Nothing,
    /// It is one of the conversation.
    Seen,
    /// It ends it.
    Closes,
}

/// What was seen of the opener and of the answerer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sides([Peer; 2]);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Peer {
    /// Its last SYN.
    syn: Option<Segment>,
    /// Its last segment with an ACK.
    acknowledged: Option<Segment>,
    has_finished: bool,
}

/// "Scaled if the SYNs were seen, else 64 KiB."
const WINDOW_UNKNOWN: u64 = 64 * 1_024;

impl Sides {
    /// After the first packet. Nobody has said what the opener may send, so that a FIN in it is not
    /// believed.
    pub fn open(first: &Segment) -> Sides {
        let mut sides = Sides::default();
        sides.0[0].note(first);
        sides
    }

    /// Takes a segment of the opener (`forward`) or of the answerer, who was not heard before if
    /// `is_unheard`.
    pub fn take(&mut self, segment: &Segment, forward: bool, is_unheard: bool) -> Effect {
        let has = |flags| segment.flags.contains(flags);
        let (own, other) = if forward { (0, 1) } else { (1, 0) };
        if has(TcpFlags::RST) {
            let refuses = !forward && is_unheard && self.0[0].is_answered_by(segment);
            return match refuses || self.is_inside(other, segment.sequence) {
                true => Effect::Closes,
                false => Effect::Nothing,
            };
        }
        if has(TcpFlags::FIN) {
            let data = segment.payload_len + u32::from(has(TcpFlags::SYN));
            let fin = segment.sequence.wrapping_add(data);
            if !self.is_inside(other, segment.sequence) && !self.is_inside(other, fin) {
                return Effect::Nothing;
            }
            self.0[own].has_finished = true;
        }
        self.0[own].note(segment);
        match self.0.iter().all(|peer| peer.has_finished) {
            true => Effect::Closes,
            false => Effect::Seen,
        }
    }

    /// "Inside the window: the receiver's last acknowledged number up to its advertised window."
    fn is_inside(&self, receiver: usize, number: u32) -> bool {
        let (receiver, sender) = (&self.0[receiver], &self.0[receiver ^ 1]);
        let (left, len) = match (receiver.acknowledged, receiver.syn, sender.syn) {
            (Some(last), Some(own), Some(peers)) => {
                let both = own.window_scale.zip(peers.window_scale);
                let scale = both.filter(|_| !last.flags.contains(TcpFlags::SYN));
                let scale = scale.map_or(0, |(own, _)| own.min(14));
                (last.acknowledgement, u64::from(last.window) << scale)
            }
            (Some(last), ..) => (last.acknowledgement, WINDOW_UNKNOWN),
            // it will acknowledge the sender's SYN first
            (None, Some(own), Some(peers)) => {
                (peers.sequence.wrapping_add(1), u64::from(own.window))
            }
            (None, ..) => return false,
        };
        u64::from(number.wrapping_sub(left)) <= len
    }
}

impl Peer {
    fn note(&mut self, segment: &Segment) {
        if segment.flags.contains(TcpFlags::SYN) {
            self.syn = Some(*segment);
        }
        if segment.flags.contains(TcpFlags::ACK) {
            self.acknowledged = Some(*segment);
        }
    }

    /// "A RST that acknowledges the SYN", and no more than it and its data.
    fn is_answered_by(&self, reset: &Segment) -> bool {
        let taken = |syn: Segment| reset.acknowledgement.wrapping_sub(syn.sequence.wrapping_add(1));
        let answers = self.syn.is_some_and(|syn| taken(syn) <= syn.payload_len);
        answers && reset.flags.contains(TcpFlags::ACK)
    }
}
