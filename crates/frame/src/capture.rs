//! Captures: pcap (both byte orders, µs and ns) and pcapng read; pcapng with ns time, interface
//! names and comments written.

use std::io::{self, Read, Write};

use crate::{Direction, Instant};

/// One captured frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Nanoseconds since the epoch of the capture (1970 in most).
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
    /// A broken block or record, counted from 1.
    #[error("record {record}: {what}")]
    Broken {
        /// Which record.
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
pub fn read_all(input: impl Read) -> Result<Vec<Record>, CaptureError> {
    let _ = input;
    unimplemented!()
}

/// Writes a pcapng stream with one Ethernet interface.
pub struct Writer<W: Write> {
    output: W,
}

impl<W: Write> Writer<W> {
    /// Starts a stream whose interface is called `interface`.
    ///
    /// # Errors
    /// What the stream says.
    pub fn new(output: W, interface: &str) -> io::Result<Writer<W>> {
        let _ = interface;
        Ok(Writer { output })
    }

    /// Appends a frame. `direction` is seen from the interface's instance; `comment` becomes the
    /// packet's comment (empty: none).
    ///
    /// # Errors
    /// What the stream says.
    pub fn write(
        &mut self,
        at: Instant,
        direction: Direction,
        bytes: &[u8],
        comment: &str,
    ) -> io::Result<()> {
        let _ = (at, direction, bytes, comment);
        unimplemented!()
    }

    /// Flushes and gives the stream back.
    ///
    /// # Errors
    /// What the stream says.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }
}
