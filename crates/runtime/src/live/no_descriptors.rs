//! Where queues have no descriptors to wait for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::PortQueue;

/// Nobody needs one.
#[derive(Debug)]
pub(crate) enum Bell {}

impl Bell {
    pub(crate) fn ring(&self) {}
}

/// There are none.
#[derive(Debug)]
pub(crate) struct Descriptors {
    bell: Arc<Bell>,
}

impl Descriptors {
    #[expect(clippy::unnecessary_wraps, reason = "where there are some it may fail")]
    pub(crate) fn of<Q: PortQueue>(_: &[Q]) -> io::Result<Option<Descriptors>> {
        Ok(None)
    }

    pub(crate) fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    pub(crate) fn wait<Q: PortQueue>(&self, _: Duration, _: &mut [Q]) -> bool {
        false
    }
}
