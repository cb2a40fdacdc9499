//! SYN floods: a receiver that has as many half-open sessions as it may, and an endless stream of
//! first packets at it. Owns how full the receiver is made, and what becomes of each frame then.

use ringfence_cloud::InterfaceIndex;
use ringfence_endpoints::generator::{Expected, FlowSpec};
use ringfence_frame::batch::PortNumber;
use ringfence_frame::{Family, Protocol};
use ringfence_switch::{Because, Stage};

use crate::{BenchWorld, LaneWish, LoadError, reason};

/// What flood is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FloodWish {
    /// Whose interface is flooded.
    pub to: InterfaceIndex,
    /// IPv4 or IPv6.
    pub family: Family,
    /// Senders and target ports, two at least: half of them fill, half of them flood.
    pub lanes: usize,
    /// Half-open sessions to make first. With those that others make (a flood of the other family)
    /// they are to be as many as the receiver may have, and none is to time out.
    pub half_open: usize,
}

/// See [`BenchWorld::syn_flood`].
#[derive(Clone, Debug)]
pub struct SynFlood {
    /// Flows whose first packets use up the limit. Nobody answers them.
    pub filling: Vec<FlowSpec>,
    /// The flood: TCP, SYN alone, each frame of a source port of its own and never answered. All of
    /// it is dropped at the receiver, whose rules allow it, for the limit.
    pub flooding: Vec<FlowSpec>,
}

impl BenchWorld {
    /// A SYN flood at one interface, from those only of which `accept` takes the port.
    ///
    /// # Errors
    /// If nobody may open TCP connections to it, or only one sender at one port.
    pub fn syn_flood(
        &self,
        wish: &FloodWish,
        seed: u64,
        accept: impl Fn(PortNumber) -> bool,
    ) -> Result<SynFlood, LoadError> {
        let lanes = LaneWish {
            lanes: wish.lanes,
            family: wish.family,
            protocol: Protocol::TCP,
            to: Some(wish.to),
            ..LaneWish::default()
        };
        let mut filling = self.lanes_between(&lanes, seed, |from, _| accept(from))?;
        let flooding = filling.split_off(filling.len() / 2);
        if filling.is_empty() {
            return Err(LoadError::NoLane(lanes.fate, lanes.way, flooding.len()));
        }
        let limited = Expected::Dropped(reason(Stage::Inbound, Because::HalfOpenLimit));
        let flooding = flooding.fresh().map(|flow| FlowSpec { expected: limited, ..flow });
        Ok(SynFlood {
            filling: filling.flows(wish.half_open).collect(),
            flooding: flooding.collect(),
        })
    }
}
