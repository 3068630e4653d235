//! Asking whether somebody is there behind an uplink.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket as StdUdpSocket};
use std::sync::Arc;
use std::time::Duration;

use config::{ProbeWay, UplinkProbe};
use platform::{ProbeSocket, Uplinks};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::debug;

const DNS_PORT: u16 = 53;
/// ICMP (RFC 792).
const ECHO: u8 = 8;
const ECHO_REPLY: u8 = 0;
/// The longest answer that is read; more of it says nothing more.
const MAX_ANSWER: usize = 1500;

/// How long the first answer of any of them took; none if nobody answers.
pub(super) async fn any_answers(
    system: Arc<dyn Uplinks>,
    line: usize,
    probes: Vec<UplinkProbe>,
    patience: Duration,
) -> Option<Duration> {
    let begun = Instant::now();
    let mut asked = JoinSet::new();
    for probe in probes {
        let system = Arc::clone(&system);
        asked.spawn_local(async move {
            let answer = tokio::time::timeout(patience, ask(&*system, line, probe)).await;
            if let Ok(Err(error)) = &answer {
                debug!(%probe, %error, "a probe cannot be sent");
            }
            matches!(answer, Ok(Ok(())))
        });
    }
    while let Some(answered) = asked.join_next().await {
        if answered.unwrap_or(false) {
            return Some(begun.elapsed());
        }
    }
    None
}

/// Returns when it answers.
async fn ask(system: &dyn Uplinks, line: usize, probe: UplinkProbe) -> std::io::Result<()> {
    let mut id = [0; 4];
    crate::dice(&mut id);
    match probe.way {
        ProbeWay::Ping => {
            let request = echo_request(id);
            answered(system, line, ProbeSocket::Icmp, (probe.address, 0), &request, |got| is_echo_reply(got, id)).await
        }
        ProbeWay::Dns => {
            // Who serves the root? Recursion desired (RFC 1035, section 4.1).
            let [a, b, ..] = id;
            let question = [a, b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
            let is_answer = |got: &[u8]| got.len() >= 12 && got[..2] == [a, b] && got[2] & 0x80 != 0;
            answered(system, line, ProbeSocket::Udp, (probe.address, DNS_PORT), &question, is_answer).await
        }
        ProbeWay::Tcp(port) => {
            let socket = TcpSocket::from_std_stream(TcpStream::from(system.socket(line, ProbeSocket::Tcp)?));
            match socket.connect(SocketAddr::from((probe.address, port))).await {
                Err(error) if error.kind() != ErrorKind::ConnectionRefused => Err(error),
                _ => Ok(()),
            }
        }
    }
}

async fn answered(
    system: &dyn Uplinks,
    line: usize,
    kind: ProbeSocket,
    to: (Ipv4Addr, u16),
    request: &[u8],
    is_answer: impl Fn(&[u8]) -> bool,
) -> std::io::Result<()> {
    // What is connected, datagrams or not, is sent and received alike.
    let socket = UdpSocket::from_std(StdUdpSocket::from(system.socket(line, kind)?))?;
    socket.connect(SocketAddr::from(to)).await?;
    socket.send(request).await?;
    let mut answer = [0; MAX_ANSWER];
    loop {
        let len = socket.recv(&mut answer).await?;
        if is_answer(answer.get(..len).unwrap_or_default()) {
            return Ok(());
        }
    }
}

fn echo_request(id: [u8; 4]) -> [u8; 8] {
    let [a, b, c, d] = id;
    let sum = wire::checksum::of(&[ECHO, 0, 0, 0, a, b, c, d]).to_be_bytes();
    [ECHO, 0, sum[0], sum[1], a, b, c, d]
}

/// With the IPv4 header before it.
fn is_echo_reply(packet: &[u8], id: [u8; 4]) -> bool {
    let header = usize::from(packet.first().unwrap_or(&0) & 0xf) * 4;
    packet.get(header..).is_some_and(|icmp| icmp.first() == Some(&ECHO_REPLY) && icmp.get(4..8) == Some(&id[..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_that_to_our_own_question() {
        let id = [1, 2, 3, 4];
        let mut reply = vec![0x45; 20];
        reply.extend([ECHO_REPLY, 0, 0, 0, 1, 2, 3, 4]);
        assert!(is_echo_reply(&reply, id));
        assert!(!is_echo_reply(&reply, [1, 2, 3, 5]));
        reply[20] = ECHO;
        assert!(!is_echo_reply(&reply, id), "a request");
        for cut in 0..28 {
            assert!(!is_echo_reply(&reply[..cut], id));
        }
        assert_eq!(echo_request(id), [8, 0, 0xf3, 0xf9, 1, 2, 3, 4]);
    }
}
