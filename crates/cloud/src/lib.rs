//! The world on paper: accounts, VPCs and their vSwitches, the classic network, network
//! interfaces and their addresses, memberships, public addresses, CENs, hosts outside.
//!
//! Owns who has which address, and who can be reached from where ([`World::locate`]). Knows no
//! rule, no session and no frame. Pure data: built once, changed only in its memberships.

mod address;
mod back;
mod check;
mod directory;
mod hops;
mod locate;
mod origin;
mod ranges;
mod world;

pub use check::{Problem, ProblemKind};
pub use hops::{Hop, Hops};
pub use locate::{Path, Route, Unreachable};
pub use origin::Origin;
pub use world::{
    AccountIndex, Cen, CenIndex, Edge, GroupIndex, Instance, InstanceIndex, Interface,
    InterfaceIndex, Network, OnPremises, OnPremisesIndex, OutsideHost, OutsideIndex, Place,
    Platform, Reach, VSwitch, VSwitchIndex, Vpc, VpcIndex, World,
};
