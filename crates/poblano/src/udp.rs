//! UDP sockets: towards one peer each, and one for all.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdUdpSocket};

use tokio::net::UdpSocket;

/// A socket on a source port of the kernel's choice; what others than `peer` send, the kernel drops.
pub(crate) fn open(peer: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = StdUdpSocket::bind(any)?;
    socket.connect(peer)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// Sends at once or not at all. Past tokio, whose `try_send` refuses on a socket that its reactor has not yet seen
/// ready, as a new one is.
pub(crate) fn send(socket: &UdpSocket, datagram: &[u8]) -> io::Result<()> {
    socket2::SockRef::from(socket).send(datagram).map(drop)
}

/// The same on a socket for all.
pub(crate) fn send_to(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
    socket2::SockRef::from(socket).send_to(datagram, &to.into()).map(drop)
}

/// A socket to which everybody can send.
pub(crate) fn listen(at: SocketAddr) -> io::Result<UdpSocket> {
    let socket = StdUdpSocket::bind(at)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}
