//! The Internet: two resolvers and some web servers, as small as they can be. They answer one phone for half a
//! minute, so there is a thread for each connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::thread;

use anyhow::Context;
use wire::dns::{self, Message, Rcode, Type};

use super::network::{APPLE, GOOGLE, Network, OTHER_RESOLVER, RESOLVER, WEB};

/// What the other resolver says, whatever it is asked: so that one sees who has answered.
pub(super) const OTHER_ANSWER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);
/// What Apple's server says to a phone that is online.
pub(super) const APPLE_SUCCESS: &str = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>";
/// The path from which data comes without end, and the one that takes it.
pub(super) const DOWNLOAD: &str = "/endless";
pub(super) const UPLOAD: &str = "/upload";

const TTL_SECS: u32 = 60;
const CHUNK: usize = 256 * 1024;
const MAX_LINE: u64 = 8192;
const MAX_FIELDS: usize = 64;

/// Opens all servers; they run until the process ends.
pub(super) fn start(network: &Network) -> anyhow::Result<()> {
    let resolver = |address| {
        network.internet.run(move || UdpSocket::bind((address, 53)))?.with_context(|| format!("open DNS on {address}"))
    };
    let listener = |port| {
        let any = Ipv4Addr::UNSPECIFIED;
        network.internet.run(move || TcpListener::bind((any, port)))?.with_context(|| format!("open port {port}"))
    };
    let (ours, other) = (resolver(RESOLVER)?, resolver(OTHER_RESOLVER)?);
    let (http, https) = (listener(80)?, listener(443)?);
    thread::spawn(move || resolve(&ours, known));
    thread::spawn(move || resolve(&other, |_| Some(OTHER_ANSWER)));
    thread::spawn(move || accept(&http, |stream| drop(answer(stream))));
    // Nobody speaks TLS here; that a connection comes about is all that is looked at.
    thread::spawn(move || accept(&https, drop));
    Ok(())
}

fn known(name: &str) -> Option<Ipv4Addr> {
    [APPLE, GOOGLE, WEB].into_iter().find(|(known, _)| *known == name).map(|(_, address)| address)
}

fn resolve(socket: &UdpSocket, address_of: impl Fn(&str) -> Option<Ipv4Addr>) {
    let mut buffer = [0; 1500];
    loop {
        let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
        let Ok(question) = Message::parse(&buffer[..len]) else { continue };
        let name = question.qname().to_string().to_ascii_lowercase();
        let answer = match address_of(name.trim_end_matches('.')) {
            Some(address) if question.qtype() == Type::A => dns::answer_a(&question, address, TTL_SECS),
            Some(_) => dns::no_data(&question),
            None => dns::failure(&question, Rcode::NX_DOMAIN),
        };
        let _ = socket.send_to(&answer, from); // who gets no answer asks again
    }
}

fn accept(listener: &TcpListener, serve: impl Fn(TcpStream) + Copy + Send + 'static) {
    while let Ok((stream, _)) = listener.accept() {
        thread::spawn(move || serve(stream));
    }
}

/// Answers one request and closes.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.by_ref().take(MAX_LINE).read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut host = String::new();
    for _ in 0..MAX_FIELDS {
        line.clear();
        reader.by_ref().take(MAX_LINE).read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("host") => host = value.to_owned(),
            Some(_) => {}
            None => break,
        }
    }
    let reply = |status: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let reply = match (host.as_str(), path.as_str()) {
        ("captive.apple.com", _) => reply("200 OK", APPLE_SUCCESS),
        ("connectivitycheck.gstatic.com", "/generate_204") => reply("204 No Content", ""),
        (_, DOWNLOAD) => return send_endlessly(&mut stream),
        (_, UPLOAD) => reply("200 OK", &take_everything(&mut reader)?.to_string()),
        _ => reply("404 Not Found", "There is nothing here.\n"),
    };
    stream.write_all(reply.as_bytes())
}

fn send_endlessly(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
    let chunk = vec![0; CHUNK];
    loop {
        stream.write_all(&chunk)?; // ends when the phone has had enough
    }
}

/// Counts octets until the phone has sent its last.
fn take_everything(reader: &mut impl Read) -> std::io::Result<u64> {
    let mut chunk = vec![0; CHUNK];
    let mut taken = 0;
    loop {
        match reader.read(&mut chunk)? {
            0 => return Ok(taken),
            octets => taken += octets as u64,
        }
    }
}
