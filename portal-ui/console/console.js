// The operator's console. It shows what the API says and asks it for changes; it keeps nothing.
"use strict";

const $ = (selector) => document.querySelector(selector);
const API = "/api/v1";
/** Most lines of activity that are kept on the page: a page that is open for a week must not grow. */
const MOST_EVENTS = 300;
/** Points of a curve, one in two seconds. */
const MOST_POINTS = 120;
/** Vouchers on a sheet; the gateway's number. */
const OF_A_SHEET = 200;
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

const section = () => (Object.hasOwn(SECTIONS, location.hash.slice(1)) ? location.hash.slice(1) : "guests");

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
  SECTIONS[section()]().catch((error) => me && tell($("#trouble"), error.message));
}

/** Does what a button is for, and says what came of it. */
const doing = (work) => () => work().then(refresh, (error) => tell($("#trouble"), error.message));

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
  // All zones leave by the same uplinks.
  $("#health").replaceChildren(...(told.zones || [told]).map((zone, n) => healthOf(n ? { ...zone, uplinks: null } : zone)));
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
  if (zone.uplinks) cards.push(...zone.uplinks.map(uplinkCard));
  if (zone.accounting) {
    cards.push(card("Accounting", pairs([["Records that wait", zone.accounting.records_waiting], ["Oldest", time(zone.accounting.oldest_seconds)], ["Lost", zone.accounting.records_lost]]), zone.accounting.disk_error ? h("p", { class: "message" }, zone.accounting.disk_error) : null));
  }
  const rogues = zone.rogues?.stations || [];
  if (rogues.length) {
    cards.push(card("Rogues", ...rogues.map((rogue) => h("p", { class: "message" }, `${rogue.mac} plays ${rogue.plays.replaceAll("_", " ")} at ${rogue.address}`))));
  }
  if (zone.blocked.length) {
    cards.push(card("Blocked devices", h("ul", { class: "list change" }, ...zone.blocked.map((mac) => h("li", {}, mac, h("button", { onclick: doing(() => ask("DELETE", `/blocked/${encodeURIComponent(mac)}${inZone(zone)}`)) }, "Unblock"))))));
  }
  cards.push(card("Packets from guests", packets(zone.counters.from_guests)), card("Packets to guests", packets(zone.counters.to_guests)));
  return h("div", {}, zone.zone ? h("h2", {}, zone.zone) : null, h("div", { class: "grid" }, ...cards));
}

function uplinkCard(line) {
  const chips = h("span", { class: line.works ? "chip on" : "chip bad" }, line.works ? "works" : line.seen);
  const trip = line.round_trip_us == null ? "–" : `${(line.round_trip_us / 1000).toFixed(1)} ms`;
  const facts = [["Guests", `${line.guests_percent} %`], ["Round trip", trip], ["Lost lately", `${line.lost_percent} %`], [line.works ? "Works for" : "Down for", time(line.seconds)], ["Failures", line.failures], ["Through", [line.interface, line.gateway].filter(Boolean).join(", ")]];
  return card(`Uplink ${line.name}`, chips, h("dl", {}, ...facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))])));
}

// Vouchers.

/** What is open in the dialog: where the next vouchers come from. */
let pile = null;
/** Batches older than the newest ones are asked for. */
let allBatches = false;

function worth(voucher) {
  const words = [
    voucher.seconds && time(voucher.seconds) + (voucher.counts === "online" ? " online" : ""),
    voucher.octets && octets(voucher.octets),
    voucher.up && `${rate(voucher.up)} up`,
    voucher.down && `${rate(voucher.down)} down`,
    voucher.devices && `${voucher.devices} ${voucher.devices === 1 ? "device" : "devices"}`,
    voucher.valid_unix && `until ${new Date(voucher.valid_unix * 1000).toLocaleDateString()}`,
  ].filter(Boolean);
  return words.join(", ") || "no limit";
}

async function batchesOf(zone) {
  let all = [];
  let next = null;
  do {
    const told = await ask("GET", `/batches${next == null ? "?" : `?from=${next}`}${inZone({ zone }, "&")}`);
    all = all.concat(told.batches.map((batch) => ({ ...batch, zone })));
    next = told.next;
  } while (next != null && allBatches);
  return [all, next != null];
}

async function showVouchers() {
  const zones = await zonesOf();
  const choice = $("#make-vouchers [name=zone]");
  $("#voucher-zone").hidden = zones.length < 2;
  if (choice.options.length !== zones.length) choice.replaceChildren(...zones.map((zone) => h("option", { value: zone || "" }, zone || "")));
  const all = await Promise.all(zones.map(batchesOf));
  $("#more-batches").hidden = !all.some(([, more]) => more);
  const batches = all.flatMap(([some]) => some);
  $("#batch-list").hidden = !batches.length;
  $("#no-batches").hidden = batches.length > 0;
  // What is being read or pressed stays as it is.
  const drawn = JSON.stringify(batches);
  if ($("#batch-list").dataset.drawn === drawn) return;
  $("#batch-list").dataset.drawn = drawn;
  $("#batch-list tbody").replaceChildren(...batches.map(batchRow));
}

function batchRow(batch) {
  const at = `/batches/${batch.batch}`;
  const states = ["new", "in_use", "used_up", "expired", "revoked"].filter((state) => batch[state]);
  const name = `batch ${batch.batch}`;
  const made = new Date(batch.since_unix * 1000).toLocaleDateString();
  const links = [];
  for (let page = 1; batch.new && page <= Math.ceil(batch.made / OF_A_SHEET); page += 1) {
    const words = batch.made > OF_A_SHEET ? `Sheet ${page}` : "Sheet";
    links.push(h("a", { href: `${API}${at}/sheet?page=${page}${inZone(batch, "&")}`, target: "_blank", rel: "noopener", "aria-label": `${words} of ${name}` }, words));
  }
  links.push(h("a", { href: `${API}${at}/csv${inZone(batch)}`, download: `vouchers-${batch.batch}.csv`, "aria-label": `CSV of ${name}` }, "CSV"));
  return h("tr", {},
    h("td", {}, h("button", { class: "change", onclick: () => openBatch(batch) }, String(batch.batch)), h("span", { class: "reading" }, String(batch.batch)), h("small", {}, [batch.zone, made, batch.note].filter(Boolean).join(" · "))),
    h("td", {}, worth(batch), batch.price ? h("small", {}, batch.price) : null),
    h("td", {}, `${batch.sold} of ${batch.made} sold`),
    h("td", {}, states.map((state) => `${batch[state]} ${state.replace("_", " ")}`).join(", ")),
    h("td", { class: "change links" }, ...links,
      batch.revoked < batch.made ? h("button", { onclick: () => confirm(`Revoke all vouchers of ${name}? Who is online by them is logged out.`) && doing(() => ask("DELETE", `${at}${inZone(batch)}`))() }, "Revoke") : null));
}

function openBatch(batch) {
  pile = { zone: batch.zone, path: `/vouchers?batch=${batch.batch}`, from: 0 };
  openPile(`Batch ${batch.batch}: ${worth(batch)}`);
}

function openPile(name) {
  $("#batch-name").textContent = name;
  $("#batch-vouchers").replaceChildren();
  tell($("#batch-trouble"), "");
  $("#batch").showModal();
  return showPile();
}

/** Adds the next vouchers to the dialog. Each look at codes is in the operators' log, so they are not asked for again and again. */
async function showPile() {
  try {
    const told = await ask("GET", `${pile.path}&from=${pile.from}${inZone(pile, "&")}`);
    pile.from = told.next;
    $("#more-vouchers").hidden = told.next == null;
    $("#batch-vouchers").append(...told.vouchers.map((voucher) => voucherItem({ ...voucher, zone: pile.zone })));
  } catch (error) {
    tell($("#batch-trouble"), error.message);
  }
}

function voucherItem(voucher) {
  const left = [
    voucher.until_unix != null && `until ${new Date(voucher.until_unix * 1000).toLocaleString()}`,
    voucher.seconds_left != null && voucher.state !== "new" && `${time(voucher.seconds_left)} left`,
    voucher.octets_left != null && voucher.state !== "new" && `${octets(voucher.octets_left)} left`,
    voucher.devices_online && `${voucher.devices_online} online`,
  ].filter(Boolean).join(", ");
  const item = h("li", {},
    h("span", {}, h("code", {}, voucher.code), " ", h("span", { class: voucher.state === "in use" ? "chip on" : "chip" }, voucher.state), h("small", { class: "soft" }, [`number ${voucher.serial}`, left].filter(Boolean).join(" · "))));
  if (!voucher.revoked) {
    const revoke = h("button", { class: "danger", "aria-label": `Revoke ${voucher.code}` }, "Revoke");
    revoke.addEventListener("click", async () => {
      try {
        await ask("DELETE", `/vouchers/${voucher.serial}${inZone(voucher)}`);
        item.replaceWith(voucherItem({ ...voucher, state: "revoked", revoked: true, devices_online: 0 }));
        refresh();
      } catch (error) {
        tell($("#batch-trouble"), error.message);
      }
    });
    item.append(revoke);
  }
  return item;
}

async function findVoucher(text) {
  for (const zone of await zonesOf()) {
    const found = await ask("GET", `/vouchers/${encodeURIComponent(text)}${inZone({ zone })}`).catch((error) => ({ error }));
    if (!found.error) {
      $("#batch-name").textContent = worth(found);
      $("#batch-vouchers").replaceChildren(voucherItem({ ...found, zone }));
      $("#more-vouchers").hidden = true;
      tell($("#batch-trouble"), "");
      $("#batch").showModal();
      return;
    }
    tell($("#trouble"), found.error.message);
  }
}

// Garden.

/** The names of the zones; one that is null where there are none. */
async function zonesOf() {
  const state = await ask("GET", "/state");
  return state.zones ? state.zones.map((zone) => zone.zone) : [null];
}

async function showGarden() {
  const zones = await zonesOf();
  const all = await Promise.all(zones.map(async (zone) => [zone, await ask("GET", `/garden${inZone({ zone })}`)]));
  $("#garden-list").replaceChildren(...all.flatMap(([zone, told]) => told.entries.map((entry) => h("li", {},
    h("span", {}, entry.entry, h("small", { class: "soft" }, ["", zone, entry.from, entry.guest, entry.seconds_left != null && `${time(entry.seconds_left)} left`].filter((word) => word != null && word !== false).join(" · "))),
    h("button", { class: "change", onclick: doing(() => ask("DELETE", `/garden?entry=${encodeURIComponent(entry.entry)}${inZone({ zone }, "&")}`)) }, "Close")))));
  const opened = all.reduce((sum, [, told]) => sum + told.opened_total, 0);
  $("#garden-list").append(h("li", { class: "soft" }, `${opened} addresses opened by DNS`));
}

const SECTIONS = { guests: showGuests, activity: async () => {}, health: showHealth, vouchers: showVouchers, garden: showGarden };

// Signing in and out.

function showSignIn() {
  me = null;
  stream?.close();
  document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
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
$("#find-voucher").addEventListener("submit", (event) => {
  event.preventDefault();
  tell($("#trouble"), "");
  findVoucher(new FormData(event.target).get("voucher").trim()).catch((error) => tell($("#trouble"), error.message));
});
$("#new-vouchers").addEventListener("click", () => { $("#make-vouchers").hidden = !$("#make-vouchers").hidden; });
$("#more-batches").addEventListener("click", () => { allBatches = true; refresh(); });
$("#more-vouchers").addEventListener("click", showPile);
$("#close-batch").addEventListener("click", () => $("#batch").close());
$("#make-vouchers").addEventListener("submit", async (event) => {
  event.preventDefault();
  const given = Object.fromEntries([...new FormData(event.target)].filter(([, value]) => value !== ""));
  const { zone, hours, megabytes, days, ...rest } = given;
  const order = { ...rest, count: Number(rest.count) };
  if (rest.devices) order.devices = Number(rest.devices);
  if (hours) order.seconds = Math.max(1, Math.round(hours * 3600));
  if (megabytes) order.octets = Math.round(megabytes * 1e6);
  for (const way of ["up", "down"]) if (rest[way]) order[way] = Math.round(rest[way] * 1000);
  if (days) order.valid_unix = Math.round(Date.now() / 1000 + days * 86400);
  try {
    await ask("POST", `/vouchers${inZone({ zone })}`, order);
    event.target.hidden = true;
    tell($("#trouble"), "");
  } catch (error) {
    tell($("#trouble"), error.message);
  }
  refresh();
});
$("#close").addEventListener("click", () => $("#guest").close());
$("#guest").addEventListener("close", () => { shown = null; });
window.addEventListener("hashchange", showSection);

every(5, () => section() !== "activity" && !document.querySelector("dialog[open]"), () => SECTIONS[section()]());
every(2, () => shown, lookAtGuest);
ask("GET", "/me").then(showConsole, showSignIn);
