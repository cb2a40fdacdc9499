//! Whether answers come back the way that a packet went.

use std::net::IpAddr;

use crate::{Place, Route, World};

impl World {
    /// The way of the answer to a packet that went from `from` by `route`, if it comes back to
    /// `from` with the addresses that the packet had there. It need not: a sender may use an
    /// address that is another's.
    pub fn is_symmetric(
        &self,
        from: Place,
        source: IpAddr,
        target: IpAddr,
        route: &Route,
    ) -> Option<Route> {
        let answerer = route.target_becomes.unwrap_or(target);
        let asker = route.source_becomes.unwrap_or(source);
        let back = self.locate(route.to, answerer, asker).ok()?;
        let is_mirrored = back.to == from
            && back.source_becomes.unwrap_or(answerer) == target
            && back.target_becomes.unwrap_or(asker) == source;
        is_mirrored.then_some(back)
    }
}
