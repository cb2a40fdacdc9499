//! A TCP socket with what was received and not yet understood, and what is to be said and not yet
//! accepted by the socket.

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;

use super::stack::Stack;

/// Bytes that may wait to be understood; a side that sends more speaks no protocol of ours.
pub(crate) const INPUT_MAX: usize = 16_384;

/// One end of a TCP connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) handle: SocketHandle,
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(handle: SocketHandle) -> Connection {
        Connection { handle, input: Vec::new(), output: Vec::new() }
    }

    pub(crate) fn state(&self, stack: &mut Stack) -> State {
        stack.tcp(self.handle).state()
    }

    /// Fetches what has come; whether something has.
    pub(crate) fn receive(&mut self, stack: &mut Stack) -> bool {
        let socket = stack.tcp(self.handle);
        let before = self.input.len();
        while socket.can_recv() {
            let received = socket.recv(|bytes| {
                self.input.extend_from_slice(bytes);
                (bytes.len(), bytes.len())
            });
            if !matches!(received, Ok(len) if len > 0) {
                break;
            }
        }
        self.input.len() != before
    }

    /// Hands on what is to be said, as far as the socket takes it; whether it took something.
    pub(crate) fn send(&mut self, stack: &mut Stack) -> bool {
        if self.output.is_empty() {
            return false;
        }
        let sent = stack.tcp(self.handle).send_slice(&self.output).unwrap_or(0);
        self.output.drain(..sent);
        sent > 0
    }

    /// Whether all that was said has been acknowledged.
    pub(crate) fn is_flushed(&self, stack: &mut Stack) -> bool {
        self.output.is_empty() && stack.tcp(self.handle).send_queue() == 0
    }

    /// Whether the other side has said that nothing more will come.
    pub(crate) fn is_ended_by_remote(&self, stack: &mut Stack) -> bool {
        let state = self.state(stack);
        matches!(state, State::CloseWait | State::Closing | State::LastAck | State::TimeWait)
    }
}
