
"use strict";
// What clients sent is only ever text here: nothing is parsed as HTML.
const byId = (id) => document.getElementById(id);
const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const show = (node, shown) => { if (node.hidden === shown) node.hidden = !shown; };
const as = (node, name, on) => { if (node.classList.contains(name) !== on) node.classList.toggle(name, on); };
function make(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

// Numbers as people read them.
const whole = new Intl.NumberFormat("en");
const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const count = (n) => (n < 1e6 ? whole.format(n) : n < 1e9 ? `${digits.format(n / 1e6)} M` : `${digits.format(n / 1e9)} G`);
function bytes(n) {
  let unit = 0;
  while (n >= 1000 && unit < 5) { n /= 1024; unit += 1; }
  return `${unit && n < 10 ? n.toFixed(1) : Math.round(n)} ${["B", "KiB", "MiB", "GiB", "TiB", "PiB"][unit]}`;
}
const rate = (n) => (n === null ? "–" : n >= 9.95 ? count(Math.round(n)) : n.toFixed(1));
const time = (s) => (s === null ? "–" : s < 9.95e-4 ? `${Math.round(s * 1e6)} µs` : s < .00995 ? `${(s * 1e3).toFixed(1)} ms`
  : s < .9995 ? `${Math.round(s * 1e3)} ms` : s < 9.95 ? `${s.toFixed(1)} s` : `${Math.round(s)} s`);
function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
}
const clock = (date) => date.toISOString().slice(11, 19);
const plural = (n, what) => `${count(n)} ${what}${n === 1 ? "" : "s"}`;

// Counts over the last two minutes: rates are differences of counts.
const SPAN = 120, WINDOW = 5;
class Counts {
  points = [];
  add(at, total) {
    if (this.points.length && total < this.points.at(-1)[1]) this.points = []; // doxy has started anew
    this.points.push([at, total]);
    while (this.points.length > 2 && this.points[1][0] < at - SPAN) this.points.shift();
  }
  at(time) {
    let [after, end] = [0, this.points.length];
    while (after < end) {
      const middle = (after + end) >> 1;
      if (this.points[middle][0] < time) after = middle + 1;
      else end = middle;
    }
    if (after === this.points.length) return this.points.at(-1)[1];
    if (after === 0) return this.points[0][1];
    const [[t0, n0], [t1, n1]] = [this.points[after - 1], this.points[after]];
    return n0 + (n1 - n0) * (time - t0) / (t1 - t0 || 1);
  }
  rate(now, seconds = WINDOW) {
    if (this.points.length < 2) return null;
    const from = Math.max(now - seconds, this.points[0][0]);
    return now - from < .2 ? null : (this.at(now) - this.at(from)) / (now - from);
  }
}
class Curve {
  constructor() {
    const svg = (tag) => document.createElementNS("http://www.w3.org/2000/svg", tag);
    this.node = svg("svg");
    for (const [name, value] of [["viewBox", "0 0 60 20"], ["preserveAspectRatio", "none"], ["aria-hidden", "true"]]) {
      this.node.setAttribute(name, value);
    }
    this.lines = ["area", "curve"].map((name) => {
      const path = svg("path");
      path.setAttribute("class", name);
      this.node.append(path);
      return path;
    });
  }
  draw(counts, now) {
    const step = SPAN / 60, long = Math.min(60, Math.floor((now - counts.points[0][0]) / step));
    const rates = Array.from({ length: long }, (_, i) => {
      const to = now - (long - 1 - i) * step;
      return (counts.at(to) - counts.at(to - step)) / step;
    });
    const most = Math.max(1, ...rates), from = 60 - long;
    const line = rates.map((n, i) => `${i ? "L" : "M"}${((from + i) * 60 / 59).toFixed(2)} ${(19 - 18 * n / most).toFixed(2)}`).join("");
    this.lines[0].setAttribute("d", line && `${line}L60 20L${(from * 60 / 59).toFixed(2)} 20Z`);
    this.lines[1].setAttribute("d", line);
  }
}

const traffic = new Map(); // of each socket, and of all under the name ""
const counts = (name, what) => {
  const key = `${what} ${name}`;
  if (!traffic.has(key)) traffic.set(key, new Counts());
  return traffic.get(key);
};
const sum = (sockets, of) => sockets.reduce((all, socket) => all + of(socket), 0);
const asked = ({ requests }) => requests.allowed + requests.denied + requests.would_deny + requests.refused;
const seconds = () => performance.now() / 1000;
const RISKS = {
  "host-root": "root on the host", "exec": "runs commands", "secrets": "reads secrets", "files-out": "takes files out",
  "files-in": "puts files in", "state": "changes state", "egress": "calls other hosts",
  "dos": "slows the engine down", "info": "looks",
};
const REASONS = {
  method: "no rule allows this method", path: "no rule allows this path",
  method_on_path: "no rule allows this method here", deny_rule: "a ! rule denies it", script: "the script denies it",
  script_failed: "the script failed", body_not_allowed: "no policy may allow this body",
};
const reason = (name) => REASONS[name] ?? name.replaceAll("_", " ");
const known = (name) => name in RISKS;
const risk = (name) => make("span", known(name) ? `risk ${name}` : "risk", name);

// The figures of the whole process.
function tile(title, wide) {
  const number = make("span"), unit = make("span", "unit"), more = make("dd", "soft");
  const node = make("div", wide ? "wide" : "", make("dt", "", title), make("dd", "number", number, unit), more);
  byId("tiles").append(node);
  return { node, set(value, measure, text, level = "") {
    put(number, value);
    put(unit, measure);
    put(more, text);
    for (const name of ["bad", "worst"]) as(number.parentNode, name, name === level);
  } };
}
const tiles = {
  requests: tile("Requests", true), denied: tile("Denied"), open: tile("Open now"), latency: tile("First byte, p99"),
  down: tile("To clients"), up: tile("To the engine"), errors: tile("Engine errors"),
};
const curve = new Curve();
tiles.requests.node.append(curve.node);
function overview({ sockets }, now) {
  const all = (of) => sum(sockets, of);
  const requests = counts("", "requests");
  tiles.requests.set(rate(requests.rate(now)), "a second", `${count(all(({ requests }) => requests.allowed))} allowed in all; the curve: two minutes`);
  const [denied, would, refused] = ["denied", "would_deny", "refused"].map((verdict) => all(({ requests }) => requests[verdict]));
  tiles.denied.set(count(denied), "", would ? `${count(would)} more in a dry run` : `${count(refused)} refused`, denied ? "bad" : "");
  const [open, streams, tunnels] = ["connections", "streams", "tunnels"].map((what) => all(({ open }) => open[what]));
  tiles.open.set(count(open), open === 1 ? "connection" : "connections", `${plural(streams, "stream")}, ${plural(tunnels, "tunnel")}`);
  for (const [name, key] of [["down", "to_client"], ["up", "to_engine"]]) {
    const speed = counts("", name).rate(now);
    const [size, unit] = speed === null ? ["–", ""] : bytes(speed).split(" ");
    tiles[name].set(size, unit && `${unit}/s`, `${bytes(all((socket) => socket.bytes[key]))} in all`);
  }
  const slowest = sockets.filter(({ latency }) => latency.p99 !== null).sort((a, b) => b.latency.p99 - a.latency.p99)[0];
  const [late, unit] = time(slowest ? slowest.latency.p99 : null).split(" ");
  tiles.latency.set(late, unit ?? "", slowest ? (sockets.length > 1 ? `on ${slowest.name}, the slowest` : "since the start") : "no request yet");
  const [errors, dialled, reused] = ["errors", "dialled", "reused"].map((what) => all((socket) => socket.engine_connections[what]));
  const share = dialled + reused ? `${Math.floor(100 * reused / (dialled + reused))} % on kept connections` : "no connection yet";
  tiles.errors.set(count(errors), "", share, errors ? "worst" : "");
  curve.draw(requests, now);
}

// What somebody should look at.
function heeds({ sockets, reloads, log, now }) {
  const found = [];
  if (reloads.last_error) found.push(["worst", `The last reload failed, the policies before it stay in force: ${reloads.last_error}`]);
  if (log.dropped) found.push(["bad", `${plural(log.dropped, "line")} of the log could not be written.`]);
  for (const { name, dry_run, would, certificate_ends } of sockets) {
    if (dry_run) found.push(["bad", `${name}: a dry run. What the policy denies is only recorded, and forwarded.`]);
    const days = certificate_ends && (Date.parse(certificate_ends) - Date.parse(now)) / 864e5;
    if (certificate_ends && days < 30) {
      found.push([days < 3 ? "worst" : "bad",
        `${name}: the certificate ${days < 0 ? "has ended" : "ends"} ${certificate_ends.slice(0, 10)}.`]);
    }
  }
  const list = byId("heeds");
  found.forEach(([level, text], at) => {
    const item = list.children[at] ?? list.appendChild(make("li"));
    if (item.className !== level) item.className = level;
    put(item, text);
  });
  while (list.children.length > found.length) list.lastChild.remove();
  show(byId("heed"), found.length > 0);
}

// What was denied.
const SHOWN = 100;
const rows = new Map();
let movedAt = 0;
addEventListener("pointermove", () => { movedAt = seconds(); });
const body = byId("denied").tBodies[0];
const keyOf = (socket, it) => JSON.stringify([socket, it.peer, it.method, it.endpoint ?? it.path, it.verdict, it.reason, it.rule]);
async function copy(button, code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch { // plain HTTP from another machine
    getSelection().selectAllChildren(code);
    if (!document.execCommand("copy")) return tell("Select the rule to copy it.");
  }
  button.textContent = "Copied";
  tell("The rule is copied.");
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}
function denial() {
  const it = {
    last: make("time"), times: make("span", "times"), method: make("span", "method"), path: make("code"),
    would: make("span", "badge bad", "would be denied"), words: make("span"), socket: make("td"), peer: make("td"), code: make("code"), none: make("span", "soft", "none"),
    button: make("button", "", "Copy"), risks: make("div", "labels"),
  };
  it.button.type = "button";
  it.button.addEventListener("click", () => copy(it.button, it.code));
  const rule = make("div", "rule", it.none, it.code, it.button);
  it.row = make("tr", "", make("td", "", it.last, " ", it.times), make("th", "", it.method, it.path, make("span", "why soft", it.would, " ", it.words)), it.socket, it.peer,
    make("td", "", rule, it.risks));
  it.row.children[1].scope = "row";
  return it;
}
function denials({ sockets, now }, first) {
  const all = sockets.flatMap(({ name, denials }) => denials.map((it) => ({ ...it, socket: name, key: keyOf(name, it) })));
  all.sort((a, b) => (a.last < b.last ? 1 : a.last > b.last ? -1 : 0));
  const wanted = all.filter((it) => finds(it.socket, it.peer, it.method, it.path, it.suggestion ?? ""));
  const shown = wanted.slice(0, SHOWN);
  const keys = new Set(shown.map((it) => it.key));
  for (const [key, row] of rows) {
    if (!keys.has(key)) { row.row.remove(); rows.delete(key); }
  }
  // A button that somebody is about to press stays where it is, and so does what has the focus.
  const held = body.querySelector("button:hover") && seconds() - movedAt < 2;
  for (const it of shown) {
    let row = rows.get(it.key);
    if (!row) {
      if (held) continue;
      row = denial();
      rows.set(it.key, row);
      if (it.suggestion !== null) row.risks.append(...it.risks.map(risk)); // of its endpoint: they stay
      row.button.setAttribute("aria-label", `Copy the rule for ${it.method} ${it.endpoint ?? it.path}`);
      as(row.row, "new", !first);
    }
    if (row.last.dateTime !== it.last) row.last.dateTime = row.last.title = it.last;
    put(row.times, `×${count(it.count)}`);
    row.times.title = `${plural(it.count, "time")}, the first at ${it.first}`;
    put(row.method, it.method);
    put(row.path, it.path);
    show(row.would, it.verdict === "would_deny");
    put(row.words, reason(it.reason) + (it.rule ? `, ${it.rule}` : ""));
    put(row.socket, it.socket);
    put(row.peer, it.peer);
    put(row.code, it.suggestion ?? "");
    for (const node of [row.code, row.button]) show(node, it.suggestion !== null);
    show(row.none, it.suggestion === null);
  }
  if (!held) order(shown.map((it) => rows.get(it.key).row));
  ages(now);
  show(byId("denied"), shown.length > 0);
  show(byId("denied-none"), shown.length === 0);
  put(byId("denied-none"), all.length ? "Nothing that fits." : "Nothing so far.");
  put(byId("denied-count"), wanted.length > SHOWN ? `the last ${SHOWN} of ${count(wanted.length)} kinds` : "");
}
// Puts rows in this order. The one with the focus is not moved, the others are put around it.
function order(wanted) {
  if (wanted.every((row, at) => body.children[at] === row)) return;
  const fixed = wanted.findIndex((row) => row.contains(document.activeElement));
  wanted.forEach((row, at) => { if (at !== fixed) body.insertBefore(row, at < fixed ? wanted[fixed] : null); });
}
function ages(now) {
  const at = Date.parse(now) + (seconds() - heardAt) * 1000;
  for (const { last } of rows.values()) put(last, `${span((at - Date.parse(last.dateTime)) / 1000)} ago`);
}

// Sockets.
const cards = new Map();
const FIGURES = [
  ["Allowed", (it) => count(it.requests.allowed)], ["Denied", (it) => count(it.requests.denied), (it) => it.requests.denied && "bad"],
  ["Would deny", (it) => count(it.requests.would_deny)], ["Refused", (it) => count(it.requests.refused)],
  ["Connections", (it) => count(it.open.connections)], ["Streams", (it) => count(it.open.streams)],
  ["Tunnels", (it) => count(it.open.tunnels)],
  ["Engine errors", (it) => count(it.engine_connections.errors), (it) => it.engine_connections.errors && "worst"],
  ["To clients", (it) => bytes(it.bytes.to_client)], ["To the engine", (it) => bytes(it.bytes.to_engine)],
  ["First byte, p50", (it) => time(it.latency.p50)], ["p99", (it) => time(it.latency.p99)],
];
function fold(title) {
  const inside = make("div");
  const node = make("details", "", make("summary", "", title), inside);
  return { node, inside };
}
function card(name) {
  const it = {
    name, rate: make("span"), curve: new Curve(), policy: make("p", "policy"), labels: make("div", "labels"),
    figures: FIGURES.map(([title]) => ({ title: make("dt", "", title), value: make("dd") })),
    opens: fold("What the policy opens"), where: fold("Addresses and engine"),
  };
  it.opens.node.addEventListener("toggle", () => {
    if (it.failed) it.covered = null;
    if (it.opens.node.open) coverage(it);
  });
  const title = make("h3", "", name);
  it.node = make("article", "card",
    make("div", "top", make("div", "", title, it.policy), make("div", "rate", it.curve.node, it.rate)), it.labels,
    make("dl", "figures", ...it.figures.map(({ title, value }) => make("div", "", title, value))), it.opens.node, it.where.node);
  return it;
}
function sockets({ sockets }, now) {
  const names = new Set(sockets.map((it) => it.name));
  for (const [name, it] of cards) {
    if (!names.has(name)) { it.node.remove(); cards.delete(name); }
  }
  let shown = 0;
  sockets.forEach((socket, at) => {
    const it = cards.get(socket.name) ?? card(socket.name);
    cards.set(socket.name, it);
    const place = byId("sockets").children[at] ?? null;
    if (place !== it.node) byId("sockets").insertBefore(it.node, place);
    const { policy } = socket;
    const wanted = finds(socket.name, policy.described, socket.engine, ...socket.addresses.map(({ address }) => address));
    show(it.node, wanted);
    if (!wanted) return;
    shown += 1;
    const requests = counts(socket.name, "requests");
    put(it.rate, `${rate(requests.rate(now))}/s`);
    it.curve.draw(requests, now);
    put(it.policy, policy.described);
    const about = JSON.stringify([policy, socket.dry_run, socket.addresses, socket.engine, socket.certificate_ends]);
    if (it.about !== about) {
      it.about = about;
      it.labels.replaceChildren(
        ...(socket.dry_run ? [make("span", "badge bad", "dry run")] : []), ...(policy.script ? [make("span", "badge", "script")] : []),
        ...(policy.opens.length ? policy.opens.map(risk) : [make("span", "soft", "what is open is harmless")]));
      it.where.inside.replaceChildren(make("ul", "",
        ...socket.addresses.map(({ address, kind, mode }) =>
          make("li", "", make("code", "", address), ` ${kind}${mode ? `, mode ${mode}` : ""}`)),
        make("li", "", "engine: ", make("code", "", socket.engine)),
        make("li", "", "policy hash: ", make("code", "", policy.hash)),
        ...(socket.certificate_ends ? [make("li", "", `certificate until ${socket.certificate_ends.slice(0, 10)}`)] : [])));
    }
    FIGURES.forEach(([, value, level], index) => {
      const cell = it.figures[index];
      put(cell.value, value(socket));
      const bad = level?.(socket) || "";
      if (cell.value.className !== bad) cell.value.className = bad;
    });
    it.hash = policy.hash;
    if (it.opens.node.open && it.covered !== policy.hash) coverage(it);
  });
  put(byId("sockets-count"), shown < sockets.length ? `${shown} of ${sockets.length}` : `${sockets.length}`);
}
// What a policy opens is asked for when somebody looks.
async function coverage(it) {
  if (it.covered === it.hash) return;
  it.covered = it.hash;
  it.failed = false;
  if (!it.opens.inside.children.length) it.opens.inside.append(make("p", "", "…"));
  try {
    const answer = await fetch(`api/coverage/${encodeURIComponent(it.name)}`);
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const open = (await answer.json()).endpoints.filter((row) => row.access !== "denied");
    const part = (name, rows) => {
      const inner = fold("");
      inner.node.firstChild.append(...(name ? [risk(name), ` ${RISKS[name] ?? ""}, by `] : ["harmless, by "]), plural(rows.length, "endpoint"));
      inner.inside.append(make("ul", "", ...rows.map((row) => make("li", "", make("span", "method", row.method), make("code", "", row.endpoint),
        row.access === "partly" ? make("span", "soft", " partly") : ""))));
      return inner.node;
    };
    const harmless = open.filter((row) => row.risks.length === 0);
    const parts = Object.keys(RISKS).map((name) => [name, open.filter((row) => row.risks.includes(name))])
      .filter(([, rows]) => rows.length).map(([name, rows]) => part(name, rows));
    if (harmless.length) parts.push(part("", harmless));
    it.opens.inside.replaceChildren(...(parts.length ? parts : [make("p", "", "Nothing.")]));
  } catch (error) {
    it.failed = true;
    it.opens.inside.replaceChildren(make("p", "worst", `doxy did not say: ${error.message}. Close and open this to ask again.`));
  }
}

// One status after another.
let status = null, drawn = false, paused = false, heardAt = 0, connected = false, lostAt = null;
let words = [];
const finds = (...texts) => {
  const text = texts.join("\n").toLowerCase();
  return words.every((word) => text.includes(word));
};
function draw() {
  if (!status) return;
  const now = Math.max(heardAt, seconds() - 1.5);
  const { version, pid, started, user, sandbox, policy_hash, reloads } = status;
  put(byId("version"), `doxy ${version}. `);
  put(byId("about"), [`running for ${span((Date.parse(status.now) - Date.parse(started)) / 1000)}`, `process ${pid} of user ${user.uid}`, `policies ${policy_hash}`,
    ...(reloads.ok ? [`reloaded ${plural(reloads.ok, "time")}`] : []), `sandbox: ${sandbox}`].join(" · "));
  heeds(status);
  overview(status, now);
  denials(status, !drawn);
  sockets(status, now);
  drawn = true;
  show(byId("figures"), true); // before that there is nothing to see, nor ever without this script
}
function receive(next) {
  heardAt = seconds();
  for (const [name, of] of [["requests", asked], ["down", (it) => it.bytes.to_client], ["up", (it) => it.bytes.to_engine]]) {
    counts("", name).add(heardAt, sum(next.sockets, of));
    if (name === "requests") for (const socket of next.sockets) counts(socket.name, name).add(heardAt, of(socket));
  }
  const denied = (it) => (it ? sum(it.sockets, ({ requests }) => requests.denied + requests.would_deny) : 0);
  if (status && denied(next) > denied(status)) news(denied(next) - denied(status));
  status = next;
  if (!paused) draw();
}

// What is read aloud: rarely, and briefly.
let unheard = 0, newsAt = -Infinity;
const tell = (text) => { byId("news").textContent = text; };
function news(more) {
  unheard += more;
  if (seconds() - newsAt < 15) return;
  newsAt = seconds();
  tell(`${plural(unheard, "request")} denied`);
  unheard = 0;
}
function state() {
  const node = byId("state");
  const [name, text] = connected ? (paused ? ["paused", "paused"] : ["live", "live"]) : lostAt ? ["gone", "not connected"] : ["waiting", "connecting"];
  node.className = `link ${name}`;
  put(node, text);
  show(byId("lost"), !connected && lostAt !== null);
  if (lostAt) put(byId("lost"), `Not connected to doxy since ${clock(lostAt)}. ${refused ? "It answers, but sends nothing: too many pages may be open. " : ""}${
    status ? "What you see is from then. " : ""}Trying again…`);
  document.title = connected ? "doxy: live" : "doxy: not connected";
}

// The connection.
let source = null, timer = 0, wait = 1, refused = false;
function connect() {
  clearTimeout(timer);
  source?.close();
  source = new EventSource("api/events");
  source.addEventListener("status", (event) => {
    clearTimeout(timer);
    timer = setTimeout(lost, 15000); // doxy sends at least every five seconds
    const back = !connected && lostAt !== null;
    [connected, lostAt, wait] = [true, null, 1];
    receive(JSON.parse(event.data));
    if (back) tell("Connected again.");
    state();
  });
  source.onerror = lost;
}
function lost() {
  refused = source.readyState === EventSource.CLOSED; // after a network error it would try again itself
  source.close();
  if (lostAt === null) {
    [connected, lostAt] = [false, new Date()];
    tell("Not connected to doxy.");
  }
  state();
  clearTimeout(timer);
  timer = setTimeout(connect, wait * (800 + 400 * Math.random()));
  wait = Math.min(wait * 1.6, 15);
}
// A browser has few connections to one server: a page that nobody sees needs none.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") return connect();
  clearTimeout(timer);
  source?.close();
});
byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  if (!paused) draw();
  state();
});
byId("find").addEventListener("input", () => {
  words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  draw();
});
for (const id of ["state", "tools"]) show(byId(id), true);
setInterval(() => { if (connected && !paused) draw(); }, 1000);
connect();
