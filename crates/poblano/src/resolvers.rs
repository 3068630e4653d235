//! Sockets towards the resolvers. A few for each, so that any number of questions needs no more; each is replaced
//! after some hundred questions, so that its port stays hard to guess (RFC 5452, 9.2).

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use engine::dns::Forward;
use tokio::net::UdpSocket;
use tokio::time::Instant;
use tracing::debug;

use crate::gateway::Gateway;
use crate::udp;

/// Sockets for each resolver.
const SOCKETS: usize = 16;
/// Questions after which a socket is replaced.
const QUESTIONS_PER_SOCKET: u32 = 256;
/// A question is forgotten after this time; the engine has given it up by then.
const PATIENCE: Duration = Duration::from_secs(6);
/// The longest answer.
const MAX_ANSWER: usize = 4096;

/// The sockets and what was asked through them.
#[derive(Default)]
pub(crate) struct Resolvers {
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    sockets: HashMap<SocketAddr, Vec<Slot>>,
    next: usize,
    asked: HashMap<Asked, u32>,
    by_age: VecDeque<(Instant, Asked)>,
}

struct Slot {
    port: u16,
    socket: Rc<UdpSocket>,
    questions: u32,
}

/// What an answer is recognised by before the engine looks at it: resolver, our port, and the message's identifier.
type Asked = (SocketAddr, u16, [u8; 2]);

impl Resolvers {
    /// Sends a question. What cannot be sent is lost, as on any network; the engine asks again.
    pub(crate) fn ask(&self, gateway: &Rc<Gateway>, question: &Forward) {
        let Some(&id) = question.payload.first_chunk::<2>() else { return };
        let mut state = self.state.borrow_mut();
        state.forget();
        match state.socket(gateway, question.resolver) {
            Ok((port, socket)) => {
                let asked = (question.resolver, port, id);
                state.asked.insert(asked, question.token);
                state.by_age.push_back((Instant::now(), asked));
                let _ = udp::send(&socket, &question.payload);
            }
            Err(error) => debug!(resolver = %question.resolver, %error, "a resolver cannot be asked"),
        }
    }

    fn token(&self, asked: &Asked) -> Option<u32> {
        self.state.borrow().asked.get(asked).copied()
    }

    fn answered(&self, asked: &Asked) {
        self.state.borrow_mut().asked.remove(asked);
    }
}

impl State {
    fn forget(&mut self) {
        while let Some((_, asked)) = self.by_age.pop_front_if(|(since, _)| since.elapsed() >= PATIENCE) {
            self.asked.remove(&asked);
        }
    }

    fn socket(&mut self, gateway: &Rc<Gateway>, resolver: SocketAddr) -> std::io::Result<(u16, Rc<UdpSocket>)> {
        self.next = (self.next + 1) % SOCKETS;
        let slots = self.sockets.entry(resolver).or_default();
        if let Some(slot) = slots.get_mut(self.next).filter(|slot| slot.questions < QUESTIONS_PER_SOCKET) {
            slot.questions += 1;
            return Ok((slot.port, Rc::clone(&slot.socket)));
        }
        let socket = udp::open(resolver)?;
        let port = socket.local_addr()?.port();
        let socket = Rc::new(socket);
        crate::log::spawn(listen(Rc::clone(gateway), Rc::clone(&socket), resolver, port));
        let slot = Slot { port, socket: Rc::clone(&socket), questions: 1 };
        match slots.get_mut(self.next) {
            Some(old) => *old = slot,
            None => slots.push(slot),
        }
        Ok((port, socket))
    }
}

/// Takes answers until the socket has been replaced and nothing more can come.
async fn listen(gateway: Rc<Gateway>, socket: Rc<UdpSocket>, resolver: SocketAddr, port: u16) {
    let mut buffer = [0; MAX_ANSWER];
    loop {
        match tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await {
            Ok(Ok(len)) => {
                let Some(&id) = buffer[..len].first_chunk::<2>() else { continue };
                let asked = (resolver, port, id);
                let Some(token) = gateway.resolvers.token(&asked) else { continue };
                if gateway.with(|engine, now| engine.handle_dns_answer(now, token, resolver, &buffer[..len])) {
                    gateway.resolvers.answered(&asked);
                }
            }
            // An ICMP error of an earlier question; the engine asks the next resolver.
            Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(_) if Rc::strong_count(&socket) == 1 => return,
            Err(_) => {}
        }
    }
}
