//! What goes out.

use ringfence_cloud::Place;

use crate::FrameId;

/// A frame that may go out at a port. Only the journey makes one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    port: Place,
    bytes: Vec<u8>,
    frame: Option<FrameId>,
}

impl Delivery {
    /// Where it goes out.
    pub fn port(&self) -> Place {
        self.port
    }

    /// The frame.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The frame's bytes, taken out.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The frame handed in that this is (or is a fragment of); none for the fabric's own.
    pub fn frame(&self) -> Option<FrameId> {
        self.frame
    }
}
