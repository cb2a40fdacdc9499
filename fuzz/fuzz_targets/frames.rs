//! Any bytes at any port of a switch: nothing panics, every frame gets one verdict or is held,
//! and what comes out can be read. The input is a list of frames: a byte that picks the port
//! (and whether source MAC and IPv4 checksum are made right), a byte of milliseconds to wait, two
//! bytes of length, and the frame.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use ringfence_cloud::{InterfaceIndex, OutsideIndex, Place};
use ringfence_frame::{Instant, parse};
use ringfence_switch::{Fabric, Silent, Switch};
use ringfence_tests::frames::mac;
use ringfence_tests::hostile::mend_checksum;
use ringfence_tests::world;

static FABRIC: LazyLock<Fabric> = LazyLock::new(|| {
    let drawn = (0..).find_map(|seed| world::draw(seed).ok());
    drawn.expect("one of so many worlds is valid")
});

fuzz_target!(|bytes: &[u8]| {
    let mut switch = Switch::new(FABRIC.clone());
    let (mut rest, mut now, mut verdicts) = (bytes, Instant::START, Vec::new());
    let mut sent = 0;
    while let [port, wait, high, low, body @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(body.len());
        let (frame, after) = body.split_at(len);
        rest = after;
        let frame = admissible(*port, frame);
        now += Duration::from_millis((*wait).into());
        switch.handle_frame(place(*port), sent, &frame, now, &mut Silent, &mut verdicts);
        sent += 1;
    }
    switch.expire(now + Duration::from_secs(10), &mut Silent, &mut verdicts);
    assert_eq!(verdicts.len() as u64, sent, "every frame has one verdict in the end");
    while let Some(delivery) = switch.pull() {
        assert!(parse(delivery.bytes()).is_ok(), "what comes out can be read");
    }
});

/// Without help no mutation would guess a MAC address.
fn admissible(port: u8, frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if port & 0x80 == 0
        && let Some(source) = frame.get_mut(6..12)
    {
        source.copy_from_slice(&mac(&FABRIC.world, place(port)).0);
    }
    if port & 0x40 == 0 {
        mend_checksum(&mut frame);
    }
    frame
}

fn place(byte: u8) -> Place {
    let world = &FABRIC.world;
    let (interfaces, hosts) = (world.interfaces.len(), world.outside.len());
    let number = usize::from(byte & 0x3f) % (interfaces + hosts);
    match number.checked_sub(interfaces) {
        None => Place::Interface(InterfaceIndex(number as u32)),
        Some(host) => Place::Outside(OutsideIndex(host as u32)),
    }
}
