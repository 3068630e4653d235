// The operator's console. It shows what the API says and asks it for changes; it keeps nothing.
"use strict";

const $ = (selector) => document.querySelector(selector);
const API = "/api/v1";
/** Most lines of activity that are kept on the page: a page that is open for a week must not grow. */
const MOST_EVENTS = 300;
/** Points of a curve, one in two seconds. */
const MOST_POINTS = 120;
const BAD = /refused|unanswered|too_many|rogue/;

let me = null;
let stream = null;
/** The guest whose dialog is open, and what is known of it. */
let shown = null;

/** An element; words are text and never markup. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

function tell(place, words) {
  place.textContent = words || "";
  place.hidden = !words;
}

/** Asks the API. Throws what it says is wrong. */
async function ask(method, path, body) {
  const options = { method, headers: { Accept: "application/json" } };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const reply = await fetch(API + path, options);
  const told = await reply.json();
  if (reply.status === 401 && path !== "/login") showSignIn();
  if (!reply.ok) throw new Error(told.error || reply.statusText);
  return told;
}

/** Does something again and again while the page is seen; trouble is told once, and gone when it is over. */
function every(seconds, wanted, work) {
  const turn = async () => {
    if (me && !document.hidden && wanted()) {
      try {
        await work();
        tell($("#trouble"), "");
      } catch (error) {
        if (me) tell($("#trouble"), `The gateway does not answer: ${error.message}`);
      }
    }
    setTimeout(turn, seconds * 1000);
  };
  turn();
}

// Amounts.

function octets(count) {
  if (count == null) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) { count /= 1000; unit += 1; }
  return `${unit && count < 100 ? count.toFixed(1) : Math.round(count)} ${units[unit]}`;
}

function rate(bits) {
  if (!bits) return "no limit";
  return bits >= 1e6 ? `${+(bits / 1e6).toFixed(1)} Mbit/s` : `${+(bits / 1e3).toFixed(1)} kbit/s`;
}

function time(seconds) {
  if (seconds == null) return "–";
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min` : `${seconds} s`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

// Sections.

const section = () => (["guests", "activity", "health", "garden"].includes(location.hash.slice(1)) ? location.hash.slice(1) : "guests");

function showSection() {
  for (const link of document.querySelectorAll("nav a")) {
    const name = link.hash.slice(1);
    $(`#${name}`).hidden = name !== section();
    if (name === section()) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (me) refresh();
}

function refresh() {
  const work = { guests: showGuests, activity: async () => {}, health: showHealth, garden: showGarden }[section()];
  work().catch((error) => me && tell($("#trouble"), error.message));
}

// Guests.

const filters = () => new FormData($("#guests form"));
const guestPath = (guest) => `/guests/${encodeURIComponent(guest.session ? guest.session.id : guest.ip)}`;
const inZone = (guest, sign = "?") => (guest.zone ? `${sign}zone=${encodeURIComponent(guest.zone)}` : "");

function chip(state) {
  return h("span", { class: state === "online" ? "chip on" : "chip" }, state);
}

async function showGuests() {
  const query = new URLSearchParams([...filters()].filter(([, value]) => value));
  const told = await ask("GET", `/guests?${query}`);
  const used = (guest) => (guest.session ? guest.session.input_octets + guest.session.output_octets : 0);
  const most = Math.max(1, ...told.guests.map(used));
  const rows = told.guests.map((guest) => {
    const session = guest.session;
    const name = session?.user || guest.hostname || guest.mac;
    const none = session ? {} : { class: "none" };
    return h("tr", {},
      h("td", {},
        h("button", { onclick: () => openGuest(guest) }, name),
        h("small", {}, [guest.zone, guest.hostname, guest.mac].filter((word) => word && word !== name).join(" · "))),
      h("td", {}, guest.foreign_ip || guest.ip),
      h("td", {}, chip(guest.state)),
      h("td", none, session ? time(session.seconds) : "–",
        session?.seconds_left != null ? h("small", {}, `${time(session.seconds_left)} left`) : null),
      h("td", none, session ? octets(used(guest)) : "–",
        session?.octets_left != null ? h("small", {}, `${octets(session.octets_left)} left`) : null),
      h("td", {}, session ? h("progress", { max: most, value: used(guest), "aria-label": `share of ${name}` }) : null));
  });
  $("#guest-list tbody").replaceChildren(...rows);
  const more = told.matched > told.guests.length ? `; ${told.guests.length} are shown` : "";
  $("#matched").textContent = told.matched === 1 ? "1 guest" : `${told.matched} guests${more}`;
}

// One guest.

function openGuest(guest) {
  shown = { guest, points: [] };
  $("#limits").hidden = true;
  $("#limits").reset();
  $("#curve").replaceChildren();
  tell($("#guest-trouble"), "");
  drawGuest();
  $("#guest").showModal();
  lookAtGuest().catch((error) => tell($("#guest-trouble"), error.message));
}

function drawGuest() {
  const { guest } = shown;
  const session = guest.session;
  $("#guest-name").textContent = session?.user || guest.hostname || guest.mac;
  const facts = [
    ["State", guest.state],
    ["Zone", guest.zone],
    ["Device", [guest.hostname, guest.behind_router ? `behind the router ${guest.mac}` : guest.mac, guest.vlan && `VLAN ${guest.vlan}`].filter(Boolean).join(", ")],
    ["Address", guest.foreign_ip ? `${guest.foreign_ip} (here ${guest.ip})` : guest.ip],
  ];
  if (session) {
    facts.push(
      ["Online for", time(session.seconds) + (session.seconds_left != null ? `, ${time(session.seconds_left)} left` : "")],
      ["Data", `${octets(session.input_octets)} up, ${octets(session.output_octets)} down` + (session.octets_left != null ? `, ${octets(session.octets_left)} left` : "")],
      ["Rates", `${rate(session.bits_per_second_up)} up, ${rate(session.bits_per_second_down)} down`],
      ["Silent for", time(session.idle_seconds)],
      ["Session", session.id]);
  }
  $("#guest figure").hidden = !session;
  $("#facts").replaceChildren(...facts.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  const act = (words, danger, work) => h("button", {
    class: danger ? "danger" : false,
    onclick: () => actOnGuest(work),
  }, words);
  const mac = encodeURIComponent(guest.mac);
  $("#actions").replaceChildren(...(session
    ? [h("button", { onclick: () => { $("#limits").hidden = !$("#limits").hidden; } }, "Change limits…"),
      act("Log out", true, () => ask("DELETE", `${guestPath(guest)}/session${inZone(guest)}`))]
    : [act("Let in", false, () => ask("POST", `${guestPath(guest)}/session${inZone(guest)}`, { user: me.name }))]),
  act(guest.behind_router ? "Block router and all behind it" : "Block device", true, () => ask("PUT", `/blocked/${mac}${inZone(guest)}`)));
}

async function actOnGuest(work) {
  try {
    tell($("#guest-trouble"), "");
    await work();
    await lookAtGuest();
  } catch (error) {
    tell($("#guest-trouble"), error.message);
  }
  refresh();
}

async function lookAtGuest() {
  const { guest } = shown;
  const [found, events] = await Promise.all([
    ask("GET", `/guests/${encodeURIComponent(guest.ip)}${inZone(guest)}`).catch(() => null),
    ask("GET", `/guests/${encodeURIComponent(guest.ip)}/events${inZone(guest)}`),
  ]);
  if (shown?.guest.ip !== guest.ip) return;
  if (found) {
    shown.guest = found.guests[0];
    drawGuest();
    addPoint(shown.guest.session);
  }
  $("#guest-events").replaceChildren(...events.events.reverse().map((event) => line(event, [])));
}

function addPoint(session) {
  const now = performance.now();
  const { points, last } = shown;
  if (session && last && last.id === session.id && now > last.now) {
    const per = (used, before) => Math.max(0, ((used - before) * 8000) / (now - last.now));
    points.push([per(session.input_octets, last.up), per(session.output_octets, last.down)]);
    points.splice(0, points.length - MOST_POINTS);
  }
  shown.last = session && { id: session.id, now, up: session.input_octets, down: session.output_octets };
  const newest = points.at(-1);
  $("#rate").textContent = newest ? `now ${rate(Math.max(1, newest[0]))} up, ${rate(Math.max(1, newest[1]))} down` : "";
  const most = Math.max(1000, ...points.flat());
  const curve = (which, name) => {
    const at = points.map((point, n) => `${((n * 240) / (MOST_POINTS - 1)).toFixed(1)},${(46 - (point[which] * 44) / most).toFixed(1)}`);
    const drawn = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    drawn.setAttribute("points", at.join(" "));
    drawn.setAttribute("class", name);
    return drawn;
  };
  $("#curve").replaceChildren(curve(0, "up"), curve(1, "down"));
}

// Activity.

function line(event, whom = [event.zone, event.ip, event.mac]) {
  const when = new Date(event.unix_ms);
  return h("li", { class: BAD.test(event.event) ? "bad" : false },
    h("time", { datetime: when.toISOString(), title: when.toLocaleString() }, clock.format(when)),
    h("span", {}, event.text),
    h("small", {}, [event.event.replaceAll("_", " "), ...whom].filter(Boolean).join(" · ")));
}

function listen() {
  stream?.close();
  stream = new EventSource(`${API}/events?limit=100`);
  stream.onopen = () => { $("#stream").textContent = "live"; };
  stream.onerror = () => { $("#stream").textContent = "waiting for the gateway"; };
  stream.onmessage = (message) => {
    const event = JSON.parse(message.data);
    if ($("#pause").checked) return;
    const list = $("#event-list");
    list.prepend(line(event));
    while (list.children.length > MOST_EVENTS) list.lastElementChild.remove();
  };
}

// Health.

async function showHealth() {
  const told = await ask("GET", "/state");
  $("#health").replaceChildren(...(told.zones || [told]).map(healthOf));
}

function card(title, ...children) {
  return h("div", { class: "card" }, h("h2", {}, title), ...children);
}

function healthOf(zone) {
  const up = (is) => h("span", { class: is ? "chip on" : "chip bad" }, is ? "answers" : "silent");
  const pairs = (rows) => h("dl", {}, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  const packets = (counters) => pairs(Object.entries(counters).sort((a, b) => b[1] - a[1]).map(([name, count]) => [name.replaceAll("_", " "), count.toLocaleString()]));
  const cards = [
    card("Guests", h("p", { class: "big" }, String(zone.sessions_count)), h("p", { class: "soft" }, `online, of ${zone.guests_count} with a lease`)),
    card("Gateway", pairs([["Name", zone.gateway.nas_identifier], ["Running for", time(zone.gateway.seconds)], ["Kernel offload", zone.offload], ["Scripts", `${zone.scripts.running.length} run, ${zone.scripts.waiting} wait`]])),
  ];
  if (zone.radius.length) {
    cards.push(card("RADIUS", ...zone.radius.map((server) => h("dl", {}, h("dt", {}, server.server), h("dd", {}, "logins ", up(server.authentication), " accounting ", up(server.accounting))))));
  }
  if (zone.accounting) {
    cards.push(card("Accounting", pairs([["Records that wait", zone.accounting.records_waiting], ["Oldest", time(zone.accounting.oldest_seconds)], ["Lost", zone.accounting.records_lost]]), zone.accounting.disk_error ? h("p", { class: "message" }, zone.accounting.disk_error) : null));
  }
  const rogues = zone.rogues?.stations || [];
  if (rogues.length) {
    cards.push(card("Rogues", ...rogues.map((rogue) => h("p", { class: "message" }, `${rogue.mac} plays ${rogue.plays.replaceAll("_", " ")} at ${rogue.address}`))));
  }
  if (zone.blocked.length) {
    cards.push(card("Blocked devices", h("ul", { class: "list change" }, ...zone.blocked.map((mac) => h("li", {}, mac, h("button", { onclick: () => ask("DELETE", `/blocked/${encodeURIComponent(mac)}${inZone(zone)}`).then(refresh, (error) => tell($("#trouble"), error.message)) }, "Unblock"))))));
  }
  cards.push(card("Packets from guests", packets(zone.counters.from_guests)), card("Packets to guests", packets(zone.counters.to_guests)));
  return h("div", {}, zone.zone ? h("h2", {}, zone.zone) : null, h("div", { class: "grid" }, ...cards));
}

// Garden.

async function showGarden() {
  const state = await ask("GET", "/state");
  const zones = state.zones ? state.zones.map((zone) => zone.zone) : [null];
  const all = await Promise.all(zones.map(async (zone) => [zone, await ask("GET", `/garden${inZone({ zone })}`)]));
  $("#garden-list").replaceChildren(...all.flatMap(([zone, told]) => told.entries.map((entry) => h("li", {},
    h("span", {}, entry.entry, h("small", { class: "soft" }, ["", zone, entry.from, entry.guest, entry.seconds_left != null && `${time(entry.seconds_left)} left`].filter((word) => word != null && word !== false).join(" · "))),
    h("button", { class: "change", onclick: () => ask("DELETE", `/garden?entry=${encodeURIComponent(entry.entry)}${inZone({ zone }, "&")}`).then(refresh, (error) => tell($("#trouble"), error.message)) }, "Close")))));
  const opened = all.reduce((sum, [, told]) => sum + told.opened_total, 0);
  $("#garden-list").append(h("li", { class: "soft" }, `${opened} addresses opened by DNS`));
}

// Signing in and out.

function showSignIn() {
  me = null;
  stream?.close();
  $("#guest").close();
  $("#console").hidden = true;
  $("#sign-in").hidden = false;
  $("#sign-in input").focus();
}

function showConsole(who) {
  me = who;
  $("#sign-in").hidden = true;
  $("#console").hidden = false;
  $(".who").textContent = who.scope === "read" ? `${who.name} (looks on)` : who.name;
  document.body.classList.toggle("reader", who.scope === "read");
  listen();
  showSection();
}

$("#sign-in form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const message = form.querySelector(".message");
  tell(message, "");
  try {
    const who = await ask("POST", "/login", Object.fromEntries(new FormData(form)));
    form.reset();
    showConsole(who);
  } catch (error) {
    tell(message, error.message);
  }
});
$("#sign-out").addEventListener("click", () => ask("POST", "/logout").finally(showSignIn));
$("#guests form").addEventListener("submit", (event) => event.preventDefault());
let typing;
$("#guests form").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(refresh, 200); });
$("#garden form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { entry, minutes } = Object.fromEntries(new FormData(event.target));
  try {
    await ask("POST", "/garden", minutes ? { entry, seconds: minutes * 60 } : { entry });
    event.target.reset();
    tell($("#trouble"), "");
  } catch (error) {
    tell($("#trouble"), error.message);
  }
  refresh();
});
$("#limits").addEventListener("submit", (event) => {
  event.preventDefault();
  const factors = { seconds_max: 60, bits_per_second_up: 1000, bits_per_second_down: 1000, total_octets_max: 1e6 };
  const given = [...new FormData(event.target)].filter(([, value]) => value !== "");
  const changes = Object.fromEntries(given.map(([name, value]) => [name, Math.round(value * factors[name])]));
  const { guest } = shown;
  actOnGuest(() => ask("PATCH", `${guestPath(guest)}/session${inZone(guest)}`, changes));
});
$("#close").addEventListener("click", () => $("#guest").close());
$("#guest").addEventListener("close", () => { shown = null; });
window.addEventListener("hashchange", showSection);

every(5, () => section() !== "activity" && !$("#guest").open, () => ({ guests: showGuests, health: showHealth, garden: showGarden }[section()]()));
every(2, () => shown, lookAtGuest);
ask("GET", "/me").then(showConsole, showSignIn);
