//! Captures: files written out byte by byte, read and written.

use std::io;

use ringfence_frame::capture::{CaptureError, Record, Writer, read_all};
use ringfence_frame::{Direction, Instant};

/// How many different files [`file`] knows.
pub const FILES: usize = 6;

/// A small valid file.
pub fn file(which: usize) -> Vec<u8> {
    match which {
        0 => pcap(false, 0xa1b2_c3d4, 1, &[(7, 8, 60, b"frame"), (9, 0, 3, b"abc")]),
        1 => pcap(true, 0xa1b2_c3d4, 1, &[(7, 8, 5, b"frame")]),
        2 => pcap(false, 0xa1b2_3c4d, 1, &[(7, 8, 5, b"frame")]),
        3 => written(),
        4 => pcapng(false),
        _ => pcapng(true),
    }
}

fn u32_in(big: bool, value: u32) -> [u8; 4] {
    if big { value.to_be_bytes() } else { value.to_le_bytes() }
}

fn u16_in(big: bool, value: u16) -> [u8; 2] {
    if big { value.to_be_bytes() } else { value.to_le_bytes() }
}

/// A pcap file of records (seconds, fraction, original length, bytes).
fn pcap(big: bool, magic: u32, link: u32, records: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let mut file = u32_in(big, magic).to_vec();
    file.extend(u16_in(big, 2));
    file.extend(u16_in(big, 4));
    for word in [0, 0, 0x4_0000, link] {
        file.extend(u32_in(big, word));
    }
    for (seconds, fraction, original, bytes) in records {
        let captured = u32::try_from(bytes.len()).unwrap();
        for word in [*seconds, *fraction, captured, *original] {
            file.extend(u32_in(big, word));
        }
        file.extend_from_slice(bytes);
    }
    file
}

fn block(big: bool, kind: u32, parts: &[&[u8]]) -> Vec<u8> {
    let mut body = parts.concat();
    body.resize(body.len().next_multiple_of(4), 0);
    let len = u32_in(big, u32::try_from(body.len() + 12).unwrap());
    [&u32_in(big, kind)[..], &len, &body, &len].concat()
}

fn section(big: bool) -> Vec<u8> {
    let head = [u16_in(big, 1), u16_in(big, 0)].concat();
    block(big, 0x0a0d_0d0a, &[&u32_in(big, 0x1a2b_3c4d), &head, &[0xff; 8]])
}

fn option(big: bool, code: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len()).unwrap();
    let mut option = [&u16_in(big, code)[..], &u16_in(big, len), value].concat();
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

fn interface(big: bool, link: u16, options: &[u8]) -> Vec<u8> {
    block(big, 1, &[&u16_in(big, link), &[0, 0], &u32_in(big, 0), options])
}

fn packet(
    big: bool,
    interface: u32,
    time: u64,
    original: u32,
    bytes: &[u8],
    options: &[u8],
) -> Vec<u8> {
    let high = u32::try_from(time >> 32).unwrap();
    let low = u32::try_from(time & 0xffff_ffff).unwrap();
    let captured = u32::try_from(bytes.len()).unwrap();
    let head = [interface, high, low, captured, original].map(|word| u32_in(big, word)).concat();
    let mut data = bytes.to_vec();
    data.resize(data.len().next_multiple_of(4), 0);
    block(big, 6, &[&head, &data, options])
}

/// Two sections, three interfaces of different resolutions, and every kind of packet block.
fn pcapng(big: bool) -> Vec<u8> {
    let flags = |flags| option(big, 2, &u32_in(big, flags));
    let mut comment = option(big, 1, b"seen");
    comment.extend(flags(0xffff_fff2));
    comment.extend([0; 4]);
    [
        section(big),
        interface(big, 1, &[]), // µs
        interface(big, 1, &option(big, 9, &[9])),
        interface(big, 1, &option(big, 9, &[0x80 | 10])), // 1/1024 s
        packet(big, 0, 1_500_000_000_000_001, 3, b"abc", &flags(1)),
        block(big, 5, &[&[0xee; 24]]), // statistics that make no sense
        packet(big, 1, 1_500_000_000_000_000_002, 9, b"abcd", &comment),
        block(big, 0x7777_7777, &[b"unknown"]),
        packet(big, 2, 1536, 5, b"abcde", &flags(0)),
        block(big, 3, &[&u32_in(big, 6), b"simple"]),
        section(!big),
        interface(
            !big,
            1,
            &[&option(!big, 9, &[3])[..], &option(!big, 14, &offset(!big))].concat(),
        ),
        packet(!big, 0, 5, 2, b"zz", &option(!big, 2, &u32_in(!big, 3))),
    ]
    .concat()
}

/// if_tsoffset: 100 s
fn offset(big: bool) -> [u8; 8] {
    if big { 100_u64.to_be_bytes() } else { 100_u64.to_le_bytes() }
}

fn record(at_ns: u64, direction: Option<Direction>, bytes: &[u8], cut_off: bool) -> Record {
    Record { at_ns, direction, bytes: bytes.to_vec(), cut_off }
}

fn check(name: &str, file: &[u8], expected: &[Record]) {
    assert_eq!(read_all(file).unwrap(), expected, "{name}");
}

#[test]
fn pcap_in_every_byte_order_and_resolution() {
    let records: [(u32, u32, u32, &[u8]); 3] =
        [(7, 999_999, 60, b"frame"), (0, 0, 3, b"abc"), (u32::MAX, 1, 0, b"")];
    for big in [false, true] {
        for (magic, unit_ns) in [(0xa1b2_c3d4, 1_000), (0xa1b2_3c4d, 1)] {
            let expected = [
                record(7_000_000_000 + 999_999 * unit_ns, None, b"frame", true),
                record(0, None, b"abc", false),
                record(u64::from(u32::MAX) * 1_000_000_000 + unit_ns, None, b"", false),
            ];
            check(&format!("{magic:x} {big}"), &pcap(big, magic, 1, &records), &expected);
        }
    }
    check("no record", &pcap(false, 0xa1b2_c3d4, 1, &[]), &[]);
    // bit 26 says that the length of a frame check sequence follows in the high bits
    check("a frame check sequence", &pcap(false, 0xa1b2_c3d4, 0x4400_0001, &[]), &[]);
    let short = pcap(false, 0xa1b2_c3d4, 1, &[(1, 0, 2, b"abc")]);
    check("held more than there was", &short, &[record(1_000_000_000, None, b"abc", false)]);
}

#[test]
fn pcapng_in_both_byte_orders() {
    let (inbound, outbound) = (Some(Direction::Inbound), Some(Direction::Outbound));
    let expected = [
        record(1_500_000_000_000_001_000, inbound, b"abc", false),
        record(1_500_000_000_000_000_002, outbound, b"abcd", true),
        record(1_500_000_000, None, b"abcde", false),
        record(1_500_000_000, None, b"simple", false),
        record(100_005_000_000, None, b"zz", false),
    ];
    for big in [false, true] {
        check(&format!("big-endian {big}"), &pcapng(big), &expected);
    }
    check("a section without interface", &section(false), &[]);
}

fn check_error(name: &str, file: &[u8], expected: &str) {
    let error = read_all(file).expect_err(name);
    assert_eq!(error.to_string(), expected, "{name}");
}

#[test]
fn broken_files_say_where() {
    let neither = "neither a pcap nor a pcapng file";
    check_error("nothing", b"", neither);
    check_error("text", b"GET / HTTP/1.0\r\n", neither);
    check_error("3 bytes", &[0xa1, 0xb2, 0xc3], neither);

    let raw = pcap(false, 0xa1b2_c3d4, 101, &[]);
    check_error("raw IP", &raw, "link type 101 is not Ethernet (1)");
    let raw = [section(true), interface(true, 113, &[])].concat();
    check_error("Linux cooked", &raw, "link type 113 is not Ethernet (1)");

    let whole = pcap(true, 0xa1b2_c3d4, 1, &[(1, 0, 3, b"abc"), (2, 0, 3, b"def")]);
    for (len, record) in [(23, 1), (25, 1), (42, 1), (44, 2), (61, 2)] {
        let error = read_all(&whole[..len]).unwrap_err();
        let CaptureError::Broken { record: found, .. } = error else { panic!("{error}") };
        assert_eq!(found, record, "{len} bytes");
    }
    let late = pcap(false, 0xa1b2_c3d4, 1, &[(1, 0, 1, b"a"), (1, 1_000_000, 1, b"a")]);
    check_error("µs", &late, "record 2: time fraction 1000000 is a second or more");
    let late = pcap(false, 0xa1b2_3c4d, 1, &[(1, u32::MAX, 1, b"a")]);
    check_error("ns", &late, "record 1: time fraction 4294967295 is a second or more");

    let file = |blocks: &[Vec<u8>]| {
        [&section(false)[..], &interface(false, 1, &[]), &blocks.concat()].concat()
    };
    let good = packet(false, 0, 1, 1, b"a", &[]);
    let foreign = packet(false, 1, 1, 1, b"a", &[]);
    check_error(
        "an interface that is not there",
        &file(&[good.clone(), foreign]),
        "record 2: Invalid content for block 'Enhanced Packet Block' (0x6): Invalid interface ID: 1",
    );
    let mut uneven = file(std::slice::from_ref(&good));
    let at = uneven.len() - 4;
    uneven[at] += 4;
    check_error(
        "lengths that differ",
        &uneven,
        "record 1: Invalid raw block format: Block length fields don't match: \
         initial 36B, trailing 40B",
    );
    let endless = file(&[packet(false, 0, u64::MAX, 1, b"a", &[])]);
    check_error(
        "beyond 2554",
        &endless,
        "record 1: time 18446744073709 s after 1970 is beyond 2554",
    );
    let cut_off = &file(&[good.clone(), good])[..100];
    let error = read_all(cut_off).unwrap_err();
    assert!(matches!(error, CaptureError::Broken { record: 2, .. }), "{error}");
}

struct Failing;

impl io::Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("unplugged"))
    }
}

impl io::Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("full"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_failing_stream_says_so() {
    assert_eq!(read_all(Failing).unwrap_err().to_string(), "unplugged");
    let error = Writer::new(Failing, "eth0").err().unwrap();
    assert_eq!(error.to_string(), "full");
}

fn written() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), "web-1").unwrap();
    writer.write(Instant::from_ns(0x1_0000_0002), Direction::Inbound, b"abcde", "").unwrap();
    writer.write(Instant::from_ms(3), Direction::Outbound, b"", "rule 1: é").unwrap();
    writer.finish().unwrap()
}

#[test]
fn written_byte_for_byte() {
    let expected: &[&[u8]] = &[
        // section header, version 1.0, length unknown
        &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0],
        &[0xff; 8],
        &[28, 0, 0, 0],
        // interface: Ethernet, no snap length, if_name, if_tsresol 9, end of options
        &[1, 0, 0, 0, 44, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
        &[2, 0, 5, 0],
        b"web-1\0\0\0",
        &[9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 44, 0, 0, 0],
        // packet: interface 0, time, lengths, data, epb_flags inbound, end of options
        &[6, 0, 0, 0, 52, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0],
        b"abcde\0\0\0",
        &[2, 0, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 52, 0, 0, 0],
        // packet: empty, epb_flags outbound, comment, end of options
        &[6, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0xc6, 0x2d, 0],
        &[0, 0, 0, 0, 0, 0, 0, 0],
        &[2, 0, 4, 0, 2, 0, 0, 0, 1, 0, 10, 0],
        "rule 1: é\0\0".as_bytes(),
        &[0, 0, 0, 0, 60, 0, 0, 0],
    ];
    assert_eq!(written(), expected.concat());
}

#[test]
fn what_was_written_is_read() {
    let expected = [
        record(0x1_0000_0002, Some(Direction::Inbound), b"abcde", false),
        record(3_000_000, Some(Direction::Outbound), b"", false),
    ];
    check("written", &written(), &expected);
    let mut writer = Writer::new(Vec::new(), "").unwrap();
    writer.write(Instant::FAR_FUTURE, Direction::Inbound, &[9; 65_549], "c").unwrap();
    let expected = [record(u64::MAX, Some(Direction::Inbound), &[9; 65_549], false)];
    check("extremes", &writer.finish().unwrap(), &expected);
}

#[test]
fn a_comment_that_does_not_fit_is_refused_and_leaves_no_trace() {
    let mut writer = Writer::new(Vec::new(), "eth0").unwrap();
    let comment = "x".repeat(65_536);
    let error = writer.write(Instant::START, Direction::Inbound, b"a", &comment).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    writer.write(Instant::START, Direction::Inbound, b"b", &comment[1..]).unwrap();
    let expected = [record(0, Some(Direction::Inbound), b"b", false)];
    check("after it", &writer.finish().unwrap(), &expected);
    let error = Writer::new(Vec::new(), &comment).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
