//! Values keep what they were made of, and refuse what they cannot be.

#![allow(clippy::unwrap_used)]

use std::net::IpAddr;

use ringfence_cloud::{InterfaceIndex, Reach};
use ringfence_frame::build::{self, Envelope};
use ringfence_frame::{Body, Direction, MacAddr, parse};
use ringfence_policy::{PortRange, Priority, Question};

#[test]
fn a_priority_is_1_to_110() {
    assert_eq!(Priority::new(0), None);
    assert_eq!(Priority::new(1).unwrap().get(), 1);
    assert_eq!(Priority::new(110).unwrap().get(), 110);
    assert_eq!(Priority::new(111), None);
}

#[test]
fn a_port_range_keeps_its_ends() {
    let range = PortRange::new(80, 443).unwrap();
    assert_eq!((range.first(), range.last()), (80, 443));
    assert_eq!(PortRange::new(0, 443), None);
    assert_eq!(PortRange::new(443, 80), None);
}

#[test]
fn an_icmp_packet_asks_with_its_type_and_code() {
    let envelope = Envelope {
        source_mac: MacAddr([2, 0, 0, 0, 0, 1]),
        target_mac: MacAddr([2, 0, 0, 0, 0, 2]),
        source: IpAddr::from([10, 0, 0, 1]),
        target: IpAddr::from([10, 0, 0, 2]),
        ttl: 64,
    };
    let asked = |bytes: &[u8]| match parse(bytes).unwrap().body {
        Body::Ip(ip) => {
            Question::of(InterfaceIndex(0), Direction::Inbound, &ip, Reach::Internal).icmp
        }
        body => panic!("{body:?} is no IP packet"),
    };
    assert_eq!(asked(&build::icmp(&envelope, 3, 4, [0; 4], &[0; 28])), Some((3, 4)));
    assert_eq!(asked(&build::udp(&envelope, 1, 2, &[])), None);
}
