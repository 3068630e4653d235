//! What the control thread does at the same time, until one thing of it ends.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::bail;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tracing::{Instrument, Span};

use super::{End, Inputs, Zone};
use crate::diary::Pages;
use crate::gateway::{Backend, Gateway};
use crate::https::Https;
use crate::uplinks::Uplinks;
use crate::{aaa, administrative, console, control, https, log, metrics};

/// Sockets on which RADIUS servers ask, each with the gateways that they find there.
pub(super) type ServersSockets = Vec<(UdpSocket, Vec<(Rc<Gateway>, Span)>)>;

pub(super) fn servers_sockets(zones: &[Zone]) -> anyhow::Result<ServersSockets> {
    let mut places: BTreeMap<SocketAddr, Vec<(Rc<Gateway>, Span)>> = BTreeMap::new();
    for zone in zones {
        if let Some(place) = zone.gateway.aaa.dynamic_authorization.listen() {
            places.entry(place).or_default().push((Rc::clone(&zone.gateway), log::zone(&zone.config)));
        }
    }
    places.into_iter().map(|(place, gateways)| Ok((aaa::open_for_servers(place)?, gateways))).collect()
}

/// Where those who run the gateway come in.
pub(super) struct OfOperator {
    pub(super) socket: control::Socket,
    pub(super) metrics: Option<TcpListener>,
    pub(super) console: Option<console::Opened>,
    pub(super) pages: Rc<Pages>,
}

/// All tasks of the control thread, until one of them ends.
pub(super) async fn until_told(
    zones: &[Zone],
    uplinks: Option<Rc<Uplinks>>,
    inputs: Vec<Inputs>,
    servers: ServersSockets,
    of_operator: OfOperator,
    told: impl Future<Output = anyhow::Result<End>>,
) -> anyhow::Result<End> {
    let OfOperator { socket, metrics, console, pages } = of_operator;
    let mut tasks = JoinSet::new();
    for (zone, inputs) in zones.iter().zip(inputs) {
        let tasks_of = tasks_of(Rc::clone(&zone.gateway), zone.https.clone(), inputs);
        tasks.spawn_local(tasks_of.instrument(log::zone(&zone.config)));
    }
    for (socket, gateways) in servers {
        tasks.spawn_local(async move {
            aaa::serve_clients(socket, gateways).await;
            Ok(())
        });
    }
    if let (Some(uplinks), [first, ..]) = (&uplinks, zones) {
        let looked_after = Rc::clone(uplinks).keep(Rc::clone(&first.gateway));
        tasks.spawn_local(async move {
            looked_after.await;
            Ok(())
        });
    }
    let controlled = |zone: &Zone| control::Zone {
        name: zone.config.zone.clone(),
        gateway: Rc::clone(&zone.gateway),
        facts: control::Facts::new(&zone.config, uplinks.clone()),
    };
    let controlled: Rc<[control::Zone]> = zones.iter().map(controlled).collect();
    let ended = tokio::select! {
        end = told => end,
        () = socket.serve(Rc::clone(&controlled)) => Ok(End::Stop),
        () = metrics::serve(metrics, Rc::clone(&controlled)) => Ok(End::Stop),
        () = console::serve(console, controlled, pages) => Ok(End::Stop),
        // A panic ends the process.
        Some(Ok(ended)) = tasks.join_next() => ended.map(|()| End::Stop),
    };
    tasks.shutdown().await;
    ended
}

async fn tell_webhooks(gateway: &Rc<Gateway>) {
    let mut all = JoinSet::new();
    for at in 0..gateway.webhooks.len() {
        let gateway = Rc::clone(gateway);
        all.spawn_local(async move { gateway.webhooks[at].tell(&gateway.diary).await }.in_current_span());
    }
    all.join_all().await;
    std::future::pending().await
}

/// Those of one gateway.
async fn tasks_of(gateway: Rc<Gateway>, https: Option<Rc<Https>>, inputs: Inputs) -> anyhow::Result<()> {
    let Inputs { frames, board, portal, secure, of_access_points } = inputs;
    let secure = secure.zip(https.as_ref().map(|https| Rc::clone(&https.tls)));
    let backend = Rc::new(Backend(Rc::clone(&gateway)));
    tokio::select! {
        () = Rc::clone(&gateway).serve_frames(frames) => bail!("the packet threads are gone"),
        () = Rc::clone(&gateway).keep_time() => {}
        () = Rc::clone(&gateway).keep_offload() => {}
        () = Rc::clone(&gateway).keep_small() => {}
        () = Rc::clone(&gateway).keep_allowances() => {}
        () = gateway.aaa.dynamic_authorization.serve_servers(&gateway) => {}
        () = gateway.aaa.obey_answers(&gateway) => {}
        () = administrative::keep(&gateway) => {}
        () = tell_webhooks(&gateway) => {}
        () = gateway.aaa.access_points.serve(of_access_points, &gateway) => {}
        () = https::keep(https) => {}
        _ = portal::serve(portal, secure, board, Rc::clone(&gateway.desk), backend) => {}
    }
    Ok(())
}
