//! A TAP device: what a guest with a kernel of its own sends and receives, frame by frame.
//!
//! The device lies in the network namespace of the thread that opens it; whoever reads and writes it
//! here is the other end of its wire. It goes when this is dropped.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use tun_rs::{DeviceBuilder, Layer, SyncDevice};

/// The end of a TAP device where the fabric is.
pub struct Tap {
    device: SyncDevice,
    name: String,
}

/// What became of a frame that was given to a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// The kernel has it.
    Taken,
    /// The device is down, or its guest's queue is full.
    Refused,
    /// There is no such device any more.
    Gone,
}

/// What a device had to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// A frame of so many bytes.
    Frame(usize),
    /// None at this moment.
    Nothing,
    /// There is no such device any more.
    Gone,
}

impl Tap {
    /// Makes a device of that name in the calling thread's network namespace.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn open(name: &str) -> io::Result<Tap> {
        let device = DeviceBuilder::new()
            .name(name)
            .layer(Layer::L2)
            .packet_information(false)
            .offload(false)
            // whoever set its addresses brings it up
            .enable(false)
            .build_sync()?;
        device.set_nonblocking(true)?;
        Ok(Tap { device, name: name.to_owned() })
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads the next frame that the guest sent. One that is longer than `room` is cut by the kernel, so
    /// there is to be room for what the device's MTU lets through.
    pub fn receive(&self, room: &mut [u8]) -> Received {
        loop {
            match self.device.recv(room) {
                Ok(0) => return Received::Nothing,
                Ok(len) => return Received::Frame(len),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return Received::Nothing,
                    // the device is down: it may come up again
                    _ if error.raw_os_error() == Some(EIO) => return Received::Nothing,
                    _ => return Received::Gone,
                },
            }
        }
    }

    /// Gives the guest a frame.
    pub fn send(&self, frame: &[u8]) -> Sent {
        loop {
            match self.device.send(frame) {
                Ok(_) => return Sent::Taken,
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    _ if error.raw_os_error() == Some(EBADFD) => return Sent::Gone,
                    _ => return Sent::Refused,
                },
            }
        }
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

/// The kernel's number for a device that is down.
const EIO: i32 = 5;
/// The kernel's number for a device that is gone from under its descriptor.
const EBADFD: i32 = 77;
