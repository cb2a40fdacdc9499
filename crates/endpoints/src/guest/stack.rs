//! smoltcp behind queues, on the run's clock: IP packets in and out, TCP and UDP sockets. Knows no
//! Ethernet (see `wire`) and no application.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use ringfence_frame::Instant;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{tcp, udp};
use smoltcp::wire::{HardwareAddress, IpEndpoint, IpListenEndpoint};

use super::wire::{ETHERNET_LEN, blank_frame, set_ethertype};

/// Bytes that a TCP socket holds in each direction.
const TCP_BUFFER_LEN: usize = 4_096;
/// Bytes and datagrams that a UDP socket holds in each direction.
const UDP_BUFFER_LEN: usize = 16_384;
const UDP_DATAGRAMS_MAX: usize = 64;
/// One tick: what is answered at once carries the acknowledgement, and nothing waits noticeably.
const ACK_DELAY: smoltcp::time::Duration = smoltcp::time::Duration::from_micros(1);
/// The smallest MTU that IPv4 allows; smoltcp computes segment sizes from it.
const MTU_MIN: usize = 68;

/// A TCP/IP stack.
pub(crate) struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
    queues: Queues,
    /// The moment of the last poll.
    now: Instant,
}

/// A datagram with both its ends.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) payload: Vec<u8>,
}

impl Stack {
    /// A stack that takes every packet handed to it as its own; who hands them in looks at the
    /// address, so that smoltcp's compiled-in limit of addresses does not matter.
    pub(crate) fn new(mtu: usize, seed: u64, now: Instant) -> Stack {
        let mtu = mtu.clamp(MTU_MIN, usize::from(u16::MAX));
        let mut queues = Queues { mtu, received: VecDeque::new(), sent: VecDeque::new() };
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut queues, to_smoltcp(now));
        interface.set_any_ip(true);
        Stack { interface, sockets: SocketSet::new(Vec::new()), queues, now }
    }

    /// Takes the IP packet in a frame.
    pub(crate) fn handle_packet(&mut self, packet: &[u8]) {
        self.queues.received.push_back(packet.to_vec());
    }

    /// Works off what was received and what has become due.
    pub(crate) fn poll(&mut self, now: Instant) {
        self.now = now;
        self.interface.poll(to_smoltcp(now), &mut self.queues, &mut self.sockets);
    }

    /// When it has to be polled next, if nothing is received.
    pub(crate) fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        let at = self.interface.poll_at(to_smoltcp(now), &self.sockets)?;
        Some(from_smoltcp(at))
    }

    /// The next frame that it sends; its Ethernet addresses are still to be filled in.
    pub(crate) fn pull(&mut self) -> Option<Vec<u8>> {
        self.queues.sent.pop_front()
    }

    /// A socket that takes a connection to `local`; it stays closed if the port is 0.
    pub(crate) fn tcp_listen(&mut self, local: SocketAddr) -> SocketHandle {
        let mut socket = tcp_socket();
        let _ = socket.listen(IpListenEndpoint::from(local));
        self.sockets.add(socket)
    }

    /// A socket that connects; `None` if a port is 0 or an address unspecified.
    pub(crate) fn tcp_connect(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<SocketHandle> {
        let mut socket = tcp_socket();
        let context = self.interface.context();
        socket.connect(context, IpEndpoint::from(remote), IpListenEndpoint::from(local)).ok()?;
        Some(self.sockets.add(socket))
    }

    pub(crate) fn tcp(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Sends a RST and removes the socket.
    pub(crate) fn tcp_reset(&mut self, handle: SocketHandle) {
        self.tcp(handle).abort();
        self.interface.poll_egress(to_smoltcp(self.now), &mut self.queues, &mut self.sockets);
        self.remove(handle);
    }

    /// A socket for the datagrams to `port`, at whichever address; `None` if the port is 0.
    pub(crate) fn udp_bind(&mut self, port: u16) -> Option<SocketHandle> {
        let buffer = || {
            udp::PacketBuffer::new(
                vec![udp::PacketMetadata::EMPTY; UDP_DATAGRAMS_MAX],
                vec![0; UDP_BUFFER_LEN],
            )
        };
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(port).ok()?;
        Some(self.sockets.add(socket))
    }

    /// The next datagram that came to a socket bound to `port`.
    pub(crate) fn udp_receive(&mut self, handle: SocketHandle, port: u16) -> Option<Datagram> {
        let (payload, metadata) = self.sockets.get_mut::<udp::Socket<'_>>(handle).recv().ok()?;
        let address = metadata.local_address?;
        Some(Datagram {
            local: SocketAddr::new(IpAddr::from(address), port),
            remote: SocketAddr::new(metadata.endpoint.addr.into(), metadata.endpoint.port),
            payload: payload.to_vec(),
        })
    }

    /// Sends a datagram; one that cannot be sent is lost.
    pub(crate) fn udp_send(&mut self, handle: SocketHandle, datagram: &Datagram) {
        let mut metadata = udp::UdpMetadata::from(IpEndpoint::from(datagram.remote));
        metadata.local_address = Some(datagram.local.ip().into());
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(handle);
        // full or unaddressable: lost, as datagrams may be
        let _ = socket.send_slice(&datagram.payload, metadata);
    }

    /// Removes a socket; nothing more is sent for it.
    pub(crate) fn remove(&mut self, handle: SocketHandle) {
        self.sockets.remove(handle);
    }
}

fn tcp_socket() -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; TCP_BUFFER_LEN]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    socket.set_ack_delay(Some(ACK_DELAY));
    socket.set_nagle_enabled(false);
    socket
}

/// Whole microseconds, rounded down.
fn to_smoltcp(now: Instant) -> smoltcp::time::Instant {
    let micros = now.as_ns() / 1_000;
    smoltcp::time::Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// A microsecond's first nanosecond: at that moment [`to_smoltcp`] gives the microsecond back.
fn from_smoltcp(at: smoltcp::time::Instant) -> Instant {
    let micros = u64::try_from(at.total_micros()).unwrap_or(0);
    Instant::from_ns(micros.saturating_mul(1_000))
}

/// What was received and what is to be sent, between smoltcp and the rest of the guest.
struct Queues {
    mtu: usize,
    received: VecDeque<Vec<u8>>,
    sent: VecDeque<Vec<u8>>,
}

impl Device for Queues {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sent<'a>;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Received, Sent<'_>)> {
        let packet = self.received.pop_front()?;
        Some((Received(packet), Sent(&mut self.sent)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Sent<'_>> {
        Some(Sent(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}

struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Sent<'a>(&'a mut VecDeque<Vec<u8>>);

impl TxToken for Sent<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = blank_frame(len);
        let result = f(&mut frame[ETHERNET_LEN..]);
        set_ethertype(&mut frame);
        self.0.push_back(frame);
        result
    }
}
