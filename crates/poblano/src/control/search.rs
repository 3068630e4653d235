//! Some guests out of many, as an operator looks for them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use engine::gateway::GuestView;
use serde_json::{Value, json};

use super::{GUESTS_AT_ONCE, Zone, guest_json, missing};
use crate::cli;

/// Guests told of if a request does not say, and at most.
const USUAL: usize = 100;
const MOST: usize = 1000;

/// Which guests are wanted first.
#[derive(Clone, Copy)]
enum Order {
    Address,
    Octets,
    Newest,
}

/// The guests that a request describes, up to as many as it wants; `matched` says how many there are.
pub(super) async fn guests(zones: &[&Zone], request: &Value, named: Option<cli::Guest>) -> Value {
    if let Some(name) = request["guest"].as_str() {
        let Some(guest) = named else {
            return missing(format!("{name:?} is no guest's address, MAC address or session"));
        };
        let found: Vec<_> = zones
            .iter()
            .flat_map(|zone| zone.gateway.find(guest).into_iter().map(|view| guest_json(&view, &zone.name)))
            .collect();
        return match found.len() {
            0 => missing(format!("there is no guest {guest}")),
            matched => json!({ "guests": found, "matched": matched }),
        };
    }
    let order = match request["sort"].as_str() {
        None | Some("address") => Order::Address,
        Some("octets") => Order::Octets,
        Some("newest") => Order::Newest,
        Some(other) => return json!({ "error": format!("sort is {other:?}; there are address, octets and newest") }),
    };
    let wants_online = match request["state"].as_str() {
        None => None,
        Some("online") => Some(true),
        Some("offline") => Some(false),
        Some(other) => return json!({ "error": format!("state is {other:?}; there are online and offline") }),
    };
    let search = request["search"].as_str().unwrap_or_default().to_lowercase();
    let most = request["limit"].as_u64().map_or(USUAL, |most| most.min(MOST as u64) as usize);

    // The best so far, the least of them on top.
    let mut best = BinaryHeap::new();
    let mut matched = 0;
    for (at, zone) in zones.iter().enumerate() {
        for addresses in zone.gateway.addresses().await.chunks(GUESTS_AT_ONCE) {
            for view in zone.gateway.guests_at(addresses) {
                if wants_online.is_some_and(|online| online != view.session.is_some()) || !is_found(&view, &search) {
                    continue;
                }
                matched += 1;
                best.push(Reverse((rank(order, &view), Reverse((at, view.address)))));
                if best.len() > most {
                    best.pop();
                }
            }
            tokio::task::yield_now().await;
        }
    }
    let places = best.into_sorted_vec().into_iter().map(|Reverse((_, Reverse(place)))| place);
    let views = places.flat_map(|(at, address)| {
        let found = zones[at].gateway.guests_at(&[address]);
        found.into_iter().map(move |view| guest_json(&view, &zones[at].name))
    });
    json!({ "guests": views.collect::<Vec<_>>(), "matched": matched })
}

fn rank(order: Order, view: &GuestView) -> u64 {
    let of_session = |number: &dyn Fn(&engine::gateway::SessionView) -> u64| view.session.as_ref().map_or(0, number);
    match order {
        Order::Address => 0,
        Order::Octets => of_session(&|session| session.usage.octets_up.saturating_add(session.usage.octets_down)),
        Order::Newest => of_session(&|session| session.began.unix.as_millis() as u64),
    }
}

fn is_found(view: &GuestView, search: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(search);
    search.is_empty()
        || has(&view.address.to_string())
        || has(&view.key.mac.to_string())
        || view.foreign.is_some_and(|address| has(&address.to_string()))
        || view.hostname.as_deref().is_some_and(has)
        || view.session.as_ref().is_some_and(|session| has(&session.user))
}
