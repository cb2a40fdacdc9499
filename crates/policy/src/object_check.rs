//! The addresses of a rule draft: its authorization object, and the five-tuple narrowing of the
//! other side. Owns what the platform refuses about them; group names are `names`'.

use ipnet::{IpNet, Ipv4Net};
use ringfence_cloud::{Network, Origin};
use ringfence_frame::{Direction, Protocol};

use crate::names::by_direction;
use crate::rule_check::{REAL_ID, RuleCheck, is_protocol, missing_object};
use crate::violation::Findings;
use crate::words::{self, Side};
use crate::{Nic, Object, ProtocolMatch, RuleDraft, Text};

/// Both address sides of a rule.
pub(crate) struct Addresses {
    pub(crate) object: Object,
    pub(crate) own_addresses: Vec<IpNet>,
}

/// Reads and checks them. `protocol` and `nic` are `None` if they were refused already.
pub(crate) fn check_addresses(
    check: &RuleCheck<'_>,
    direction: Direction,
    protocol: Option<ProtocolMatch>,
    nic: Option<Nic>,
    draft: &RuleDraft,
    findings: &mut Findings,
) -> Option<Addresses> {
    let sides = AddressSides { check, direction, protocol, nic };
    let (object_text, own_side_text, own_texts, misplaced) = match direction {
        Direction::Inbound => (&draft.source, &draft.destination, &draft.targets, &draft.sources),
        Direction::Outbound => (&draft.destination, &draft.source, &draft.sources, &draft.targets),
    };
    for text in misplaced {
        let (message, help) = match direction {
            Direction::Inbound => (
                "`sources` narrows outbound rules, and this one is inbound",
                "write from where as `source`; `targets` narrows the instance's own addresses",
            ),
            Direction::Outbound => (
                "`targets` narrows inbound rules, and this one is outbound",
                "write where to as `destination`; `sources` narrows the instance's own addresses",
            ),
        };
        findings.error("wrong-side", &text.origin, message, help);
    }
    let object = match object_text {
        Some(text) if !text.value.trim().is_empty() => sides.object(text, findings),
        _ => {
            missing_object(direction, draft, findings);
            None
        }
    };
    let texts: Vec<&Text> = own_side_text.iter().chain(own_texts).collect();
    let own_addresses = sides.own_addresses(object, &texts, findings);
    match misplaced.is_empty() {
        true => Some(Addresses { object: object?, own_addresses: own_addresses? }),
        false => None,
    }
}

struct AddressSides<'a> {
    check: &'a RuleCheck<'a>,
    direction: Direction,
    protocol: Option<ProtocolMatch>,
    nic: Option<Nic>,
}

impl AddressSides<'_> {
    fn object(&self, text: &Text, findings: &mut Findings) -> Option<Object> {
        let origin = &text.origin;
        let side = match self.direction {
            Direction::Inbound => Side::Source,
            Direction::Outbound => Side::Destination,
        };
        let word = strip(side, text, findings)?;
        let names = self.check.names;
        let group = names.group_word(word);
        let is_prefix_list = word.starts_with("pl-") || names.prefix_list(word).is_some();
        if words::is_masked(word) && (group.is_some() || is_prefix_list) {
            findings.error("masked-id", origin, format!("`{word}` is masked"), REAL_ID);
            return None;
        }
        if let Some(group) = group {
            let (own, direction) = (self.check.own, self.direction);
            let group = names.group_object(own, direction, group, origin, findings)?;
            return self.group_is_intranet(origin, findings).then_some(Object::Group(group));
        }
        if is_prefix_list {
            return self.prefix_list(word, origin, findings);
        }
        let malformed = by_direction(
            self.direction,
            "InvalidSourceCidrIp.Malformed",
            "InvalidDestCidrIp.Malformed",
        );
        let range = read_range(word, origin, malformed, self.ipv6_code(side), findings)?;
        let fits = self.fits_network(&range, side, origin, findings)
            && self.fits_protocol(range.addr().is_ipv6(), origin, findings);
        fits.then_some(Object::Cidr(range))
    }

    /// "Group-object rule: intranet only"; a classic rule that does not say is for the Internet.
    fn group_is_intranet(&self, origin: &Origin, findings: &mut Findings) -> bool {
        if self.nic != Some(Nic::Internet) {
            return true;
        }
        let code = by_direction(
            self.direction,
            "InvalidSourceGroupId.Mismatch",
            "InvalidDestGroupId.Mismatch",
        );
        let message = "a group object in a rule of the public NIC: groups count inside only";
        let help = "write `nic: intranet`; a classic rule that does not say is `internet`";
        findings.error(code, origin, message, help);
        false
    }

    fn prefix_list(&self, word: &str, origin: &Origin, findings: &mut Findings) -> Option<Object> {
        if self.check.is_classic() {
            let message = "the classic network has no prefix lists";
            let help = "write one rule for each address range";
            findings.error("NotSupported.ClassicNetworkPrefixList", origin, message, help);
            return None;
        }
        let names = self.check.names;
        let Some(list) = names.prefix_list(word) else {
            let message = format!("there is no prefix list `{word}`");
            let help = names.help_for_prefix_list(word);
            findings.error("InvalidPrefixListId.NotFound", origin, message, help);
            return None;
        };
        let first = names.policies.prefix_list(list).entries.first();
        let is_ipv6 = first.is_some_and(|range| range.addr().is_ipv6());
        if first.is_some() && self.wrong_protocol(is_ipv6).is_some() {
            let message =
                format!("prefix list `{word}` is of the other IP version than the protocol");
            let help = "write `All ICMP (IPv4)` with IPv4 lists, `All ICMP (IPv6)` with IPv6 lists";
            findings.error("InvalidParam.PrefixListAddressFamilyMismatch", origin, message, help);
            return None;
        }
        Some(Object::PrefixList(list))
    }

    fn ipv6_code(&self, side: Side) -> &'static str {
        match side {
            Side::Source => "InvalidParam.Ipv6SourceCidrIp",
            Side::Destination => "InvalidParam.Ipv6DestCidrIp",
        }
    }

    /// Part 5: "No IPv6"; "Internal inbound by address: console accepts a single a.b.c.d/32 only",
    /// which the API does not ask.
    fn fits_network(
        &self,
        range: &IpNet,
        side: Side,
        origin: &Origin,
        findings: &mut Findings,
    ) -> bool {
        if !self.check.is_classic() {
            return true;
        }
        if range.addr().is_ipv6() {
            let message = "the classic network has no IPv6";
            let help = "write an IPv4 range, or leave the rule out";
            findings.error(self.ipv6_code(side), origin, message, help);
            return false;
        }
        if self.direction == Direction::Inbound
            && self.nic == Some(Nic::Intranet)
            && range.prefix_len() < range.max_prefix_len()
        {
            let message = format!("`{range}` inside the classic network holds other tenants too");
            let help = "name a group or single addresses (a.b.c.d/32), as the console asks";
            findings.warning("classic-wide-range", origin, message, help);
        }
        true
    }

    /// The code if the protocol belongs to the other IP version.
    fn wrong_protocol(&self, is_ipv6: bool) -> Option<&'static str> {
        let is = |number| self.protocol.is_some_and(|protocol| is_protocol(protocol, number));
        match is_ipv6 {
            true if is(Protocol::ICMP) => Some("InvalidParam.Ipv4ProtocolConflictWithIpv6Address"),
            false if is(Protocol::ICMPV6) => {
                Some("InvalidParam.Ipv6ProtocolConflictWithIpv4Address")
            }
            _ => None,
        }
    }

    fn fits_protocol(&self, is_ipv6: bool, origin: &Origin, findings: &mut Findings) -> bool {
        let Some(code) = self.wrong_protocol(is_ipv6) else {
            return true;
        };
        let (message, help) = match is_ipv6 {
            true => ("ICMP (IPv4) with an IPv6 address", "write `All ICMP (IPv6)`"),
            false => ("ICMPv6 with an IPv4 address", "write `All ICMP (IPv4)`"),
        };
        findings.error(code, origin, message, help);
        false
    }

    /// "Quintuple narrowing; absent = every IP of the group. Must be the PRIVATE IP, never the
    /// EIP/public IP (SG acts on the ENI, after NAT)."
    fn own_addresses(
        &self,
        object: Option<Object>,
        texts: &[&Text],
        findings: &mut Findings,
    ) -> Option<Vec<IpNet>> {
        let ranges = texts.iter().map(|text| {
            let range = self.own_address(text, findings)?;
            self.fits_object(object, &range, &text.origin, findings).then_some(range)
        });
        let ranges: Vec<Option<IpNet>> = ranges.collect();
        let ranges = ranges.into_iter().collect::<Option<Vec<IpNet>>>()?;
        let mut texts_of_ranges = texts.iter().zip(&ranges);
        let first_is_ipv6 = ranges.first().is_some_and(|range| range.addr().is_ipv6());
        let other = texts_of_ranges.find(|(_, range)| range.addr().is_ipv6() != first_is_ipv6);
        if let Some((text, _)) = other {
            let code = by_direction(self.direction, "InvalidParam.DestIp", "InvalidParam.SourceIp");
            let message = "IPv4 and IPv6 addresses in one rule";
            findings.error(code, &text.origin, message, "write one rule for each IP version");
            return None;
        }
        Some(ranges)
    }

    fn own_address(&self, text: &Text, findings: &mut Findings) -> Option<IpNet> {
        let origin = &text.origin;
        let side = match self.direction {
            Direction::Inbound => Side::Destination,
            Direction::Outbound => Side::Source,
        };
        let word = strip(side, text, findings)?;
        let malformed =
            by_direction(self.direction, "InvalidParam.DestCidrIp", "InvalidParam.SourceCidrIp");
        let range = read_range(word, origin, malformed, self.ipv6_code(side), findings)?;
        if range.addr().is_ipv6() && self.check.is_classic() {
            let message = "the classic network has no IPv6";
            let help = "write an IPv4 range, or leave the rule out";
            findings.error(self.ipv6_code(side), origin, message, help);
            return None;
        }
        if self.nic != Some(Nic::Internet) && !self.may_be_own(&range) {
            let message = format!("`{range}` is public, and groups see private addresses only");
            let help = "write the instance's private address; public ones are mapped to it before \
                        the group sees the packet";
            findings.error("public-own-address", origin, message, help);
            return None;
        }
        Some(range)
    }

    /// Whether an interface of the group's network may have an address in it.
    fn may_be_own(&self, range: &IpNet) -> bool {
        const PRIVATE: [Ipv4Net; 4] = [
            Ipv4Net::new_assert(std::net::Ipv4Addr::new(10, 0, 0, 0), 8),
            Ipv4Net::new_assert(std::net::Ipv4Addr::new(172, 16, 0, 0), 12),
            Ipv4Net::new_assert(std::net::Ipv4Addr::new(192, 168, 0, 0), 16),
            Ipv4Net::new_assert(std::net::Ipv4Addr::new(100, 64, 0, 0), 10),
        ];
        let overlaps = |other: &IpNet| other.contains(range) || range.contains(other);
        let vpc = match self.check.group().network {
            Network::Vpc(vpc) => self.check.names.world.vpcs.get(vpc.as_usize()),
            Network::ClassicInternal | Network::ClassicPublic => None,
        };
        range.addr().is_ipv6()
            || PRIVATE.iter().any(|private| overlaps(&IpNet::V4(*private)))
            || vpc.is_some_and(|vpc| vpc.cidrs.iter().any(overlaps))
    }

    fn fits_object(
        &self,
        object: Option<Object>,
        own: &IpNet,
        origin: &Origin,
        findings: &mut Findings,
    ) -> bool {
        let is_ipv6 = own.addr().is_ipv6();
        if !self.fits_protocol(is_ipv6, origin, findings) {
            return false;
        }
        let lists = &self.check.names.policies.prefix_lists;
        let other = match object {
            Some(Object::Cidr(range)) => Some(range),
            Some(Object::PrefixList(list)) => lists[list.0 as usize].entries.first().copied(),
            Some(Object::Group(_)) | None => None,
        };
        if other.is_some_and(|other| other.addr().is_ipv6() != is_ipv6) {
            let message = "source and destination are of different IP versions";
            let help = "write both as IPv4 or both as IPv6: no packet has one of each";
            findings.error("family-mismatch", origin, message, help);
            return false;
        }
        if object == Some(Object::Cidr(*own)) {
            let message = format!("source and destination are both `{own}`");
            let help = "leave the instance's own side out if any of its addresses is meant";
            findings.error("InvalidParamter.Conflict", origin, message, help);
            return false;
        }
        true
    }
}

fn strip<'t>(side: Side, text: &'t Text, findings: &mut Findings) -> Option<&'t str> {
    side.strip(&text.value)
        .map_err(|wrong| findings.error("wrong-side", &text.origin, wrong.message, wrong.help))
        .ok()
}

/// Reads an address or range; says so if it is masked, malformed, or had host bits.
pub(crate) fn read_range(
    word: &str,
    origin: &Origin,
    malformed: &'static str,
    malformed_ipv6: &'static str,
    findings: &mut Findings,
) -> Option<IpNet> {
    if words::is_masked(word) {
        let wrong = words::masked_address(word);
        findings.error("masked-address", origin, wrong.message, wrong.help);
        return None;
    }
    match words::range(word) {
        Ok(read) => {
            if read.had_host_bits {
                let message = format!("`{word}` has host bits set");
                let help = format!("write `{}`, which is what it means", read.range);
                findings.warning("host-bits", origin, message, help);
            }
            Some(read.range)
        }
        Err(wrong) => {
            let code = if word.contains(':') { malformed_ipv6 } else { malformed };
            findings.error(code, origin, wrong.message, wrong.help);
            None
        }
    }
}
