//! Where the keys of a new record go: into the index, unless somebody else's line there is as good.
//! Two workers that meet the two directions of a flow at one moment keep to one order of its keys, so that
//! one of them opens it and the other one knows.

use ringfence_frame::Transport;

use crate::Family;
use crate::fused::Keyed;
use crate::index::Put;
use crate::life::Hands;
use crate::open::is_opening_syn;
use crate::sync::Acquire;
use crate::way::{self, Phase};

/// What came of putting one line of a new record into the index.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is there.
    Done,
    /// This line has the key, and is as good.
    Lives(u32),
    /// The index has no place: it passes unremembered.
    Full,
}

impl<F: Family> Hands<'_, F> {
    /// Puts both lines of a record into the index, in an order that everybody keeps to: of two
    /// that open one flow, one is first at the first key, and the other knows then.
    pub(crate) fn place_both(
        &mut self,
        record: u32,
        keys: &[Keyed<F>; 2],
        has_half: [bool; 2],
        first: &Transport,
    ) -> [Place; 2] {
        let rank = |side: usize| (keys[side].hash, F::numbers(&keys[side].key));
        let order = if rank(0) <= rank(1) { [0, 1] } else { [1, 0] };
        let mut places = [Place::Full; 2];
        for side in order {
            let twin = &keys[side ^ 1].key;
            let line = 2 * record + side as u32;
            places[side] = self.place(line, &keys[side], Some(twin), has_half[side], first);
            match places[side] {
                Place::Lives(line) if side == order[0] && self.table.is_key(line ^ 1, twin) => {
                    places[side ^ 1] = Place::Lives(line ^ 1);
                    break;
                }
                _ => {}
            }
        }
        places
    }

    /// Puts `line` into the index, in the place of one that has its key if that is dead, was ended, or
    /// gives way to a new conversation. At a port without interface it gives way to every
    /// other flow, for only the newest way back is true. Without `twin`, the key of the other line,
    /// it takes the place whatever is there.
    pub(crate) fn place(
        &mut self,
        line: u32,
        Keyed { key, hash }: &Keyed<F>,
        twin: Option<&F::Key>,
        has_half: bool,
        first: &Transport,
    ) -> Place {
        let hash = *hash;
        loop {
            let is_same = |other| self.table.is_key(other, key);
            let hash_of = |other| self.table.hash(&self.table.key(other));
            let put = self.table.index.insert(hash, line, is_same, hash_of);
            let old = match put {
                Put::Done => return Place::Done,
                Put::Full => {
                    self.flows.note_full();
                    return Place::Full;
                }
                Put::Exists(old) => old,
            };
            let stands = twin.is_some_and(|twin| match has_half {
                true => self.is_standing(old, first),
                false => self.table.is_key(old ^ 1, twin) && self.is_standing(old ^ 1, first),
            });
            if stands {
                return Place::Lives(old);
            }
            let superseded = self.table.index.supersede(hash, old, line);
            if has_half {
                self.end(old / 2, way::half(old));
            }
            if superseded {
                return Place::Done;
            }
        }
    }

    /// Whether the half at `line` lives, and the packet would belong to it: "a SYN on a closing
    /// session is a new flow".
    fn is_standing(&self, line: u32, packet: &Transport) -> bool {
        let control = self.table.control(line / 2).load(Acquire);
        control & way::half(line) != 0
            && !self.table.is_dead(line, &self.flows.kept, self.now_ms)
            && !(way::phase(control) == Phase::Closing && is_opening_syn(packet))
    }
}
