//! The small types: addresses, protocols, time, flow keys.

use std::time::Duration;

use ringfence_frame::{Direction, Family, Instant, MacAddr, Protocol, Tuple};

#[test]
fn mac_addresses_as_text() {
    let mac = MacAddr([0x00, 0x16, 0x3e, 0x0a, 0xff, 0x01]);
    assert_eq!(mac.to_string(), "00:16:3e:0a:ff:01");
    assert_eq!("00:16:3E:0a:FF:01".parse(), Ok(mac));
    for text in ["", "00:16:3e:0a:ff", "00:16:3e:0a:ff:1", "00:16:3e:0a:ff:+1", "00-16-3e-0a-ff-01"]
    {
        let expected = format!("`{text}` is not a MAC address such as 00:16:3e:00:00:01");
        assert_eq!(text.parse::<MacAddr>(), Err(expected));
    }
    let long = "00:16:3e:0a:ff:01:02".parse::<MacAddr>();
    assert_eq!(long, Err("`00:16:3e:0a:ff:01:02` has more than six octets".to_owned()));
}

#[test]
fn group_addresses() {
    for (first, expected) in [(0x00, false), (0x01, true), (0x33, true), (0xee, false)] {
        assert_eq!(MacAddr([first, 0, 0, 0, 0, 0]).is_multicast(), expected, "{first:#x}");
    }
    assert!(MacAddr::BROADCAST.is_multicast());
}

#[test]
fn protocols_as_text() {
    let cases = [
        (Protocol::ICMP, "icmp", false),
        (Protocol::TCP, "tcp", true),
        (Protocol::UDP, "udp", true),
        (Protocol::GRE, "gre", false),
        (Protocol::ICMPV6, "icmpv6", false),
        (Protocol(132), "protocol 132", false),
    ];
    for (protocol, text, has_ports) in cases {
        assert_eq!((protocol.to_string().as_str(), protocol.has_ports()), (text, has_ports));
    }
}

#[test]
fn time() {
    let at = Instant::from_ms(1_234);
    assert_eq!((at.as_ns(), at.as_ms()), (1_234_000_000, 1_234));
    assert_eq!(Instant::from_ns(1_999_999).as_ms(), 1, "rounded down");
    assert_eq!(at.to_string(), "1.234000 s");
    assert_eq!(Instant::from_ns(61_000_000_999).to_string(), "61.000000 s");
    assert_eq!((at + Duration::from_nanos(1)).as_ns(), 1_234_000_001);
    assert_eq!(at - Instant::START, Duration::from_millis(1_234));
    assert_eq!(Instant::START - at, Duration::ZERO, "never negative");
    assert_eq!(at + Duration::MAX, Instant::FAR_FUTURE);
    assert_eq!(Instant::from_ms(u64::MAX), Instant::FAR_FUTURE);
    let mut later = at;
    later += Duration::from_millis(1);
    assert_eq!(later.since(at), Duration::from_millis(1));
}

fn tuple(protocol: Protocol) -> Tuple {
    Tuple {
        source: [10, 0, 0, 1].into(),
        target: [10, 0, 0, 2].into(),
        protocol,
        source_port: 40_000,
        target_port: 443,
    }
}

#[test]
fn flow_keys() {
    let there = tuple(Protocol::TCP);
    let back = Tuple {
        source: [10, 0, 0, 2].into(),
        target: [10, 0, 0, 1].into(),
        protocol: Protocol::TCP,
        source_port: 443,
        target_port: 40_000,
    };
    assert_eq!((there.reversed(), back.reversed()), (back, there));
    assert_eq!(there.family(), Family::Ipv4);
    assert_eq!(Family::of("::ffff:10.0.0.1".parse().unwrap()), Family::Ipv6);
    assert_eq!(there.to_string(), "tcp 10.0.0.1:40000 > 10.0.0.2:443");
    let v6 = Tuple { source: "fd00::1".parse().unwrap(), ..there };
    assert_eq!(v6.to_string(), "tcp [fd00::1]:40000 > 10.0.0.2:443");
    assert_eq!(tuple(Protocol::ICMP).to_string(), "icmp 10.0.0.1 > 10.0.0.2");
}

#[test]
fn directions() {
    assert_eq!(Direction::Inbound.opposite(), Direction::Outbound);
    assert_eq!(Direction::Outbound.opposite(), Direction::Inbound);
    assert_eq!(Direction::Inbound.to_string(), "inbound");
    assert_eq!(Direction::Outbound.to_string(), "outbound");
}
