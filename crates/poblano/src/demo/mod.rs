//! `poblano demo`: a phone, a gateway and an Internet in network namespaces of their own, and the story of how the
//! phone gets online. The gateway is `poblano run` as it is; nothing of it is acted.
//!
//! The order of the start matters: the door for the browser is opened while this is still the machine's own network,
//! and everything that makes threads comes after becoming root.

mod gateway;
mod guest;
mod http;
mod internet;
mod network;
mod show;
mod stay;
mod story;
mod transfer;

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{anyhow, bail};
use platform::netns;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use self::gateway::{Folder, Gateway};
use self::network::Network;
use self::show::Show;
use self::stay::Door;
use self::story::Story;

/// Tells the story; with `stay`, keeps the scene up for the browser.
pub(crate) fn demo(stay: bool) -> anyhow::Result<()> {
    let door = stay.then(Door::open).transpose()?;
    let network = prepare()?;
    let folder = Folder::make()?;
    // The gateway dies with the thread that starts it: this one, which lives as long as the demonstration.
    network.gateway.enter()?;
    let gateway = Arc::new(Gateway::start(&folder)?);

    let show = Arc::new(Show::detect());
    let staying = Arc::new(AtomicBool::new(false));
    let story =
        Scene { show: Arc::clone(&show), network, gateway: Arc::clone(&gateway), door, staying: Arc::clone(&staying) };
    let ended = until_told_or(story);
    show.hush();
    let log = gateway.end();
    match ended {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => {
            show.aloud();
            show.log(&log);
            Err(error)
        }
        None if staying.load(Ordering::Acquire) => {
            show.aloud();
            show.farewell();
            Ok(())
        }
        None => {
            show.aloud();
            show.passed();
            bail!("the demo was stopped before its end");
        }
    }
}

/// Everything that the thread of the story has.
struct Scene {
    show: Arc<Show>,
    network: Network,
    gateway: Arc<Gateway>,
    door: Option<Door>,
    staying: Arc<AtomicBool>,
}

impl Scene {
    fn play(self) -> anyhow::Result<()> {
        self.network.guest.enter()?;
        let mut story = Story::new(&self.show, &self.network, &self.gateway);
        let portal = story.tell()?;
        let Some(door) = self.door else { return story.end() };
        self.staying.store(true, Ordering::Release);
        door.serve(&self.show, &self.gateway, portal)
    }
}

/// The story's end, or `None` if a signal came first.
fn until_told_or(scene: Scene) -> Option<anyhow::Result<()>> {
    let run = || -> anyhow::Result<Option<anyhow::Result<()>>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            let mut hangup = signal(SignalKind::hangup())?;
            let (tell, told) = oneshot::channel();
            thread::Builder::new().name("story".into()).spawn(move || {
                let _ = tell.send(scene.play()); // nobody waits for it any more when a signal came
            })?;
            Ok(tokio::select! {
                result = told => Some(result.unwrap_or_else(|_| Err(anyhow!("the story broke off")))),
                _ = interrupt.recv() => None,
                _ = terminate.recv() => None,
                _ = hangup.recv() => None,
            })
        })
    };
    run().unwrap_or_else(|error| Some(Err(error)))
}

/// Gets the rights that it takes, and builds the network with them.
fn prepare() -> anyhow::Result<Network> {
    let advised = |error: platform::Error| match error.errno() {
        Some(_) => {
            anyhow!(
                "{error}. The demo needs network namespaces of its own, which root may make: sudo {} demo",
                program()
            )
        }
        None => error.into(), // it is not a matter of rights: this system has none
    };
    netns::become_root().map_err(advised)?;
    // Looked at first, because it is what fails most often, in a container for instance.
    if let Err(error) = OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
        match error.kind() {
            ErrorKind::NotFound => bail!(
                "there is no /dev/net/tun, through which the gateway hands packets to the kernel. Load the driver with: \
                 sudo modprobe tun (or give it to the container: --device /dev/net/tun)"
            ),
            _ => bail!(
                "cannot open /dev/net/tun: {error}. The gateway hands packets to the kernel through it; root may: sudo {} demo",
                program()
            ),
        }
    }
    Network::build().map_err(advised)
}

/// How we were called, for people to repeat it.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "poblano".to_owned())
}
