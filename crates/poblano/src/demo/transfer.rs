//! Data by the gigabyte, for as long as it takes to see how fast it goes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::http;
use super::internet::{DOWNLOAD, UPLOAD};

/// How long data flows in each direction.
const TIME: Duration = Duration::from_secs(2);
/// Between two looks at the rate.
const LOOK: Duration = Duration::from_millis(100);
const CHUNK: usize = 256 * 1024;

/// What was carried.
pub(super) struct Carried {
    pub(super) octets: u64,
    pub(super) time: Duration,
}

impl Carried {
    pub(super) fn bits_per_second(&self) -> f64 {
        self.octets as f64 * 8.0 / self.time.as_secs_f64()
    }
}

/// Takes data from the server. `look` is told how much of the time is over, and the rate.
pub(super) fn download(server: Ipv4Addr, look: &dyn Fn(f64, f64)) -> anyhow::Result<Carried> {
    let mut stream = http::connect((server, 80).into())?;
    stream.write_all(format!("GET {DOWNLOAD} HTTP/1.1\r\nHost: {server}\r\n\r\n").as_bytes())?;
    let mut chunk = vec![0; CHUNK];
    carry(look, || match stream.read(&mut chunk).context("the download stands still")? {
        0 => bail!("the download ended early"),
        octets => Ok(octets),
    })
}

/// Gives data to the server, which says in the end how much has come.
pub(super) fn upload(server: Ipv4Addr, look: &dyn Fn(f64, f64)) -> anyhow::Result<Carried> {
    let mut stream = http::connect((server, 80).into())?;
    stream.write_all(format!("POST {UPLOAD} HTTP/1.1\r\nHost: {server}\r\n\r\n").as_bytes())?;
    let chunk = vec![0; CHUNK];
    let carried = carry(look, || stream.write(&chunk).context("the upload stands still"))?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("the server does not say what it got")?;
    let arrived = http::parse(&answer).and_then(|answer| answer.body.parse::<u64>().ok());
    if arrived != Some(carried.octets) {
        bail!("{} octets were sent, but the server got {arrived:?}", carried.octets);
    }
    Ok(carried)
}

fn carry(look: &dyn Fn(f64, f64), mut move_some: impl FnMut() -> anyhow::Result<usize>) -> anyhow::Result<Carried> {
    let start = Instant::now();
    let (mut octets, mut looked, mut before) = (0, Duration::ZERO, 0);
    loop {
        octets += move_some()? as u64;
        let time = start.elapsed();
        if time >= TIME {
            return Ok(Carried { octets, time });
        }
        if let Some(since) = time.checked_sub(looked).filter(|since| *since >= LOOK) {
            let rate = (octets - before) as f64 * 8.0 / since.as_secs_f64();
            look(time.as_secs_f64() / TIME.as_secs_f64(), rate);
            (looked, before) = (time, octets);
        }
    }
}
