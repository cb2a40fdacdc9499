//! Captures: pcap (both byte orders, µs and ns) and pcapng read; pcapng with ns time, interface
//! names and comments written.
//!
//! Owns what a capture means to Ringfence; blocks and byte orders are `pcap-file`'s.

use std::borrow::Cow;
use std::error::Error;
use std::io::{self, Read, Write};
use std::time::Duration;

use pcap_file::pcap::{PcapParser, PcapTsResolution, RawPcapPacket};
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::packet::{PacketBlock, PacketOption};
use pcap_file::pcapng::blocks::{
    ENHANCED_PACKET_BLOCK, INTERFACE_DESCRIPTION_BLOCK, PACKET_BLOCK, SIMPLE_PACKET_BLOCK,
};
use pcap_file::pcapng::{Block, PcapNgParser, PcapNgWriteError, PcapNgWriter};
use pcap_file::{DataLink, Endianness};

use crate::{Direction, Instant};

/// One captured frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Nanoseconds since the epoch of the capture (1970 in most). A pcapng simple packet block has
    /// no time: it takes that of the record before it, 0 if there is none.
    pub at_ns: u64,
    /// Which way it went at the captured interface, where the capture says so. Inbound means
    /// received by the host that captured.
    pub direction: Option<Direction>,
    /// The frame.
    pub bytes: Vec<u8>,
    /// Whether the capture holds less than the whole frame.
    pub cut_off: bool,
}

/// Why a capture cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Neither pcap nor pcapng.
    #[error("neither a pcap nor a pcapng file")]
    UnknownFormat,
    /// A link type other than Ethernet.
    #[error("link type {0} is not Ethernet (1)")]
    LinkType(u32),
    /// A broken record, or a broken block before it.
    #[error("record {record}: {what}")]
    Broken {
        /// Which record, counted from 1 (a pcapng block without a frame is none).
        record: u64,
        /// What is wrong.
        what: String,
    },
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads all records of a pcap or pcapng stream, in file order.
///
/// # Errors
/// See [`CaptureError`]; what came before a broken record is lost with it.
pub fn read_all(mut input: impl Read) -> Result<Vec<Record>, CaptureError> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    match bytes.first_chunk::<4>() {
        Some([0x0a, 0x0d, 0x0d, 0x0a]) => read_pcapng(&bytes),
        Some(
            [0xa1, 0xb2, 0xc3, 0xd4]
            | [0xd4, 0xc3, 0xb2, 0xa1]
            | [0xa1, 0xb2, 0x3c, 0x4d]
            | [0x4d, 0x3c, 0xb2, 0xa1],
        ) => read_pcap(&bytes),
        _ => Err(CaptureError::UnknownFormat),
    }
}

fn read_pcap(bytes: &[u8]) -> Result<Vec<Record>, CaptureError> {
    /// The link type in a word whose high bits tell about frame check sequences.
    const LINK_TYPE: u32 = 0x03ff_ffff;
    let mut records = Vec::new();
    let (mut rest, parser) =
        PcapParser::new(bytes).map_err(|error| broken(&records, describe(&error)))?;
    let header = parser.header();
    require_ethernet(u32::from(header.datalink) & LINK_TYPE)?;
    while !rest.is_empty() {
        let (behind, packet) =
            parser.next_raw_packet(rest).map_err(|error| broken(&records, describe(&error)))?;
        let at_ns =
            pcap_time(&packet, header.ts_resolution).map_err(|what| broken(&records, what))?;
        records.push(Record {
            at_ns,
            direction: None,
            cut_off: packet.incl_len < packet.orig_len,
            bytes: packet.data.into_owned(),
        });
        rest = behind;
    }
    Ok(records)
}

fn pcap_time(packet: &RawPcapPacket, resolution: PcapTsResolution) -> Result<u64, String> {
    const NS_PER_SECOND: u64 = 1_000_000_000;
    let unit_ns = match resolution {
        PcapTsResolution::MicroSecond => 1_000,
        PcapTsResolution::NanoSecond => 1,
    };
    let fraction_ns = u64::from(packet.ts_frac) * unit_ns;
    if fraction_ns >= NS_PER_SECOND {
        return Err(format!("time fraction {} is a second or more", packet.ts_frac));
    }
    Ok(u64::from(packet.ts_sec) * NS_PER_SECOND + fraction_ns)
}

fn read_pcapng(bytes: &[u8]) -> Result<Vec<Record>, CaptureError> {
    let mut records = Vec::new();
    let (mut rest, mut parser) =
        PcapNgParser::new(bytes).map_err(|error| broken(&records, describe(&error)))?;
    while !rest.is_empty() {
        let (behind, raw) =
            parser.next_raw_block(rest).map_err(|error| broken(&records, describe(&error)))?;
        rest = behind;
        match raw.type_ {
            INTERFACE_DESCRIPTION_BLOCK => {
                let described = parser.interfaces().last();
                require_ethernet(described.map_or(0, |it| u32::from(it.linktype)))?;
            }
            // other blocks are passed over unread: a capture is not refused for its statistics
            ENHANCED_PACKET_BLOCK | SIMPLE_PACKET_BLOCK | PACKET_BLOCK => {
                let block = raw.try_into_block(parser.state());
                let block = block.map_err(|error| broken(&records, describe(&error)))?;
                let record = record(block, &records);
                records.extend(record.map_err(|what| broken(&records, what))?);
            }
            _ => {}
        }
    }
    Ok(records)
}

/// The record in a packet block; `None` for a block of another kind.
fn record(block: Block<'_>, before: &[Record]) -> Result<Option<Record>, String> {
    let (time, original_len, flags, data) = match block {
        Block::EnhancedPacket(EnhancedPacketBlock {
            interface_id: _,
            timestamp,
            original_len,
            data,
            options,
        }) => {
            let flags = options.iter().find_map(|option| match option {
                EnhancedPacketOption::Flags(flags) => Some(*flags),
                _ => None,
            });
            (Some(timestamp), original_len, flags, data)
        }
        Block::Packet(PacketBlock {
            interface_id: _,
            drop_count: _,
            timestamp,
            original_len,
            data,
            options,
        }) => {
            let flags = options.iter().find_map(|option| match option {
                PacketOption::Flags(flags) => Some(*flags),
                _ => None,
            });
            (Some(timestamp), original_len, flags, data)
        }
        Block::SimplePacket(packet) => (None, packet.original_len, None, packet.data),
        _ => return Ok(None),
    };
    let at_ns = match time {
        Some(time) => u64::try_from(time.as_nanos())
            .map_err(|_| format!("time {} s after 1970 is beyond 2554", time.as_secs()))?,
        None => before.last().map_or(0, |record| record.at_ns),
    };
    Ok(Some(Record {
        at_ns,
        direction: flags.and_then(direction),
        cut_off: data.len() < original_len as usize,
        bytes: data.into_owned(),
    }))
}

/// The low two bits of `epb_flags`.
const FLAGS_DIRECTION: u32 = 0b11;
const FLAGS_INBOUND: u32 = 0b01;
const FLAGS_OUTBOUND: u32 = 0b10;

fn direction(flags: u32) -> Option<Direction> {
    match flags & FLAGS_DIRECTION {
        FLAGS_INBOUND => Some(Direction::Inbound),
        FLAGS_OUTBOUND => Some(Direction::Outbound),
        _ => None,
    }
}

fn require_ethernet(link_type: u32) -> Result<(), CaptureError> {
    if DataLink::from(link_type) == DataLink::ETHERNET {
        Ok(())
    } else {
        Err(CaptureError::LinkType(link_type))
    }
}

fn broken(before: &[Record], what: String) -> CaptureError {
    CaptureError::Broken { record: before.len() as u64 + 1, what }
}

/// An error with its causes.
fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Writes a pcapng stream with one Ethernet interface: little-endian, so that the bytes are the
/// same on every machine.
pub struct Writer<W: Write> {
    blocks: PcapNgWriter<W>,
}

impl<W: Write> Writer<W> {
    /// Starts a stream whose interface is called `interface`.
    ///
    /// # Errors
    /// What the stream says; invalid input for a name longer than 65,535 bytes.
    pub fn new(output: W, interface: &str) -> io::Result<Writer<W>> {
        let mut blocks =
            PcapNgWriter::with_endianness(output, Endianness::Little).map_err(write_error)?;
        let description = InterfaceDescriptionBlock {
            linktype: DataLink::ETHERNET,
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName(Cow::Borrowed(interface)),
                InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
            ],
        };
        blocks.write_pcapng_block(description).map_err(write_error)?;
        Ok(Writer { blocks })
    }

    /// Appends a frame. `direction` is seen from the interface's instance; `comment` becomes the
    /// packet's comment (empty: none).
    ///
    /// # Errors
    /// What the stream says; invalid input for a comment longer than 65,535 bytes.
    pub fn write(
        &mut self,
        at: Instant,
        direction: Direction,
        bytes: &[u8],
        comment: &str,
    ) -> io::Result<()> {
        let original_len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let flags = match direction {
            Direction::Inbound => FLAGS_INBOUND,
            Direction::Outbound => FLAGS_OUTBOUND,
        };
        let mut options = vec![EnhancedPacketOption::Flags(flags)];
        if !comment.is_empty() {
            let comment = CommonOption::Comment(Cow::Borrowed(comment));
            options.push(EnhancedPacketOption::Common(comment));
        }
        let packet = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(at.as_ns()),
            original_len,
            data: Cow::Borrowed(bytes),
            options,
        };
        self.blocks.write_pcapng_block(packet).map(drop).map_err(write_error)
    }

    /// Flushes and gives the stream back.
    ///
    /// # Errors
    /// What the stream says.
    pub fn finish(self) -> io::Result<W> {
        let mut output = self.blocks.into_inner();
        output.flush()?;
        Ok(output)
    }
}

fn write_error(error: PcapNgWriteError) -> io::Error {
    match error {
        PcapNgWriteError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidInput, describe(&other)),
    }
}
