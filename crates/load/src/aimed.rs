//! ClassBench-like rules as a security group of a made world may hold them. Drawn as they are, hardly any
//! would concern an address of that world, so that one in four is aimed at its interfaces.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use rand::RngExt;
use rand_pcg::Pcg64;
use ringfence_frame::Protocol;
use ringfence_policy::{Object, ProtocolMatch, Rule};

use crate::rules::{RuleShape, classbench};

/// One of so many rules concerns interfaces of the world; the others are looked through only.
const AIMED_ONE_IN: usize = 4;

/// `count` inbound rules, in the order of their priorities; none for [`RuleShape::Groups`], which is drawn
/// elsewhere. Aimed ones lie at equal distances: their prefixes are as long as they were drawn, but
/// around one of the `senders` and one of the `receivers`, and half of those for TCP are for UDP, of
/// which access lists have little. Source ports are left open: flows count theirs up.
pub(crate) fn rules(
    shape: RuleShape,
    count: usize,
    [senders, receivers]: [&[Ipv4Addr]; 2],
    random: &mut Pcg64,
) -> Vec<Rule> {
    let mut rules = classbench(shape, count, random.random());
    for (place, rule) in rules.iter_mut().enumerate() {
        rule.source_ports.clear();
        if place % AIMED_ONE_IN != 0 || senders.is_empty() || receivers.is_empty() {
            continue;
        }
        let mut around = |addresses: &[Ipv4Addr], range: IpNet| {
            let address = addresses[random.random_range(0..addresses.len())];
            IpNet::V4(Ipv4Net::new_assert(address, range.prefix_len()).trunc())
        };
        if let Object::Cidr(range) = &mut rule.object {
            *range = around(senders, *range);
        }
        for range in &mut rule.own_addresses {
            *range = around(receivers, *range);
        }
        if rule.protocol == ProtocolMatch::Is(Protocol::TCP) && random.random_ratio(1, 2) {
            rule.protocol = ProtocolMatch::Is(Protocol::UDP);
        }
    }
    rules
}
