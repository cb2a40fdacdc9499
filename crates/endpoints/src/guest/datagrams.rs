//! UDP ports of a guest: one socket for each port in use, shared by whoever sends from it and by
//! the service on it.

use std::collections::BTreeMap;

use smoltcp::iface::SocketHandle;

use super::stack::{Datagram, Stack};

#[derive(Debug)]
struct Port {
    handle: SocketHandle,
    /// Tasks and services that use it; closed when there are none.
    users: usize,
}

/// The UDP ports in use.
#[derive(Debug, Default)]
pub(crate) struct Datagrams {
    ports: BTreeMap<u16, Port>,
}

impl Datagrams {
    /// Takes a share in `port`; whether it could be opened.
    pub(crate) fn open(&mut self, port: u16, stack: &mut Stack) -> bool {
        if let Some(open) = self.ports.get_mut(&port) {
            open.users += 1;
            return true;
        }
        let Some(handle) = stack.udp_bind(port) else {
            return false;
        };
        self.ports.insert(port, Port { handle, users: 1 });
        true
    }

    /// Gives back a share in `port`.
    pub(crate) fn close(&mut self, port: u16, stack: &mut Stack) {
        let Some(open) = self.ports.get_mut(&port) else {
            return;
        };
        open.users -= 1;
        if open.users == 0 {
            stack.remove(open.handle);
            self.ports.remove(&port);
        }
    }

    pub(crate) fn is_open(&self, port: u16) -> bool {
        self.ports.contains_key(&port)
    }

    /// The next datagram that has come, port by port.
    pub(crate) fn receive(&self, stack: &mut Stack) -> Option<Datagram> {
        self.ports.iter().find_map(|(&port, open)| stack.udp_receive(open.handle, port))
    }

    /// Sends from an open port.
    pub(crate) fn send(&self, datagram: &Datagram, stack: &mut Stack) {
        if let Some(open) = self.ports.get(&datagram.local.port()) {
            stack.udp_send(open.handle, datagram);
        }
    }
}
