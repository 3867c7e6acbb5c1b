"use strict";

// What the page has of calls comes by one stream of events; whatever a call is named is text, never markup.
const HISTORY = 600;
const byId = (id) => document.getElementById(id);
const history = [];
const rows = new Map();
let chosen = null;
let command = null;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function age(seconds) {
  const whole = Math.floor(seconds);
  const two = (number) => String(number).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

function mos(quality) {
  const of = (leg) => (leg.mos === null ? "-" : leg.mos.toFixed(1));
  return `${of(quality.caller)}/${of(quality.callee)}`;
}

function show(now) {
  const { states, health } = now;
  const total = Object.values(states).reduce((sum, count) => sum + count, 0);
  const offloaded = states.offloaded ?? 0;
  byId("connection").textContent = `version ${health.version}, as of ${new Date().toLocaleTimeString()}`;
  byId("held").hidden = !health.blocked;
  byId("drained").hidden = !health.drained;
  byId("held").textContent = health.blocked ? `All media is held in Asterisk, for ${age(health.blocked.age)}, by ${health.blocked.by}.` : "";
  const passed = Object.entries(health.passed_by).filter(([, count]) => count);
  byId("passed").textContent = passed.length ? `passed by, and made by Dial(): ${passed.map(([reason, count]) => `${count} ${reason}`).join(", ")}` : "";
  byId("problems").replaceChildren(...health.problems.map((problem) => element("li", problem)));
  const others = Object.entries(states).filter(([state]) => state !== "offloaded");
  byId("share").textContent = total
    ? `${total === 1 ? "1 call" : `${total} calls`}: ${offloaded} switched${others.map(([state, count]) => `, ${count} ${state}`).join("")}`
    : "no calls";
  byId("cpu").textContent = now.asterisk_cpu === null ? "(not known)" : `${(100 * now.asterisk_cpu).toFixed(0)}% of a core`;
  history.push({ at: Date.now(), offloaded, relayed: total - offloaded, cpu: now.asterisk_cpu });
  if (history.length > HISTORY) history.shift();
  byId("span").textContent = age((Date.now() - history[0].at) / 1000);
  drawChart();
  drawReasons(now.reasons);
  drawCalls(now.calls);
  byId("omitted").hidden = !now.omitted;
  byId("omitted").textContent = `and ${now.omitted} more; stasis-offload calls shows all`;
  if (chosen !== null && byId("details").open) explain(chosen);
}

// Each look is a step as wide as the others; Asterisk's share of a core is drawn against its own largest, of one core at least.
function drawChart() {
  const most = Math.max(1, ...history.map((seen) => seen.offloaded + seen.relayed));
  const mostCpu = Math.max(1, ...history.map((seen) => seen.cpu ?? 0));
  const width = 600 / history.length;
  const steps = (height) => history.flatMap((seen, index) => [`${width * index},${height(seen)}`, `${width * (index + 1)},${height(seen)}`]);
  const y = (calls) => 120 - (115 * calls) / most;
  const area = (below, above, className) =>
    shape("polygon", [...steps((seen) => y(above(seen))), ...steps((seen) => y(below(seen))).reverse()].join(" "), className);
  const known = history.some((seen) => seen.cpu !== null);
  byId("chart").replaceChildren(
    area(() => 0, (seen) => seen.offloaded, "offloaded"),
    area((seen) => seen.offloaded, (seen) => seen.offloaded + seen.relayed, "relayed"),
    shape("polyline", known ? steps((seen) => 120 - (115 * (seen.cpu ?? 0)) / mostCpu).join(" ") : "", "cpu"),
  );
}

function shape(name, points, className) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  made.setAttribute("points", points);
  made.setAttribute("class", className);
  return made;
}

function drawReasons(reasons) {
  const most = Math.max(1, ...reasons.map((each) => each.calls));
  const lines = reasons.flatMap(({ reason, calls, text }) => {
    const name = element("dt", reason);
    name.title = text;
    const bar = element("meter");
    bar.max = most;
    bar.value = calls;
    bar.setAttribute("aria-label", `${reason}: ${calls}`);
    const value = element("dd");
    value.append(bar, ` ${calls}`);
    return [name, value];
  });
  byId("reasons").replaceChildren(...(lines.length ? lines : [element("dt", "none is")]));
}

// A call keeps its row, and so the focus that is in it.
function drawCalls(calls) {
  const table = byId("calls");
  const gone = new Set(rows.keys());
  calls.forEach((call, index) => {
    gone.delete(call.call);
    const line = rows.get(call.call) ?? newRow(call.call);
    fill(line, call);
    if (table.rows[index] !== line) table.insertBefore(line, table.rows[index] ?? null);
  });
  for (const call of gone) {
    rows.get(call).remove();
    rows.delete(call);
  }
}

function newRow(call) {
  const line = element("tr");
  const name = element("button", call, "call");
  name.type = "button";
  name.addEventListener("click", () => explain(call));
  const first = element("td");
  first.append(name);
  const names = ["caller", "callee", "state", "reason", "packets", "MOS", "age"];
  line.append(
    first,
    ...names.map((label, index) => {
      const cell = element("td", "", index < 4 ? "" : "number");
      cell.dataset.name = label;
      return cell;
    }),
  );
  rows.set(call, line);
  return line;
}

function fill(line, call) {
  const cells = [
    call.caller,
    call.callee ?? "-",
    call.state,
    call.reason ?? "-",
    `${call.packets.caller}/${call.packets.callee}`,
    mos(call.quality),
    age(call.age) + (call.partial ? "+" : ""),
  ];
  cells.forEach((text, index) => {
    const cell = line.cells[index + 1];
    if (cell.textContent !== text) cell.textContent = text;
  });
  line.cells[3].className = call.state;
}

async function explain(call) {
  const response = await fetch(`/calls/${encodeURIComponent(call)}`);
  const found = await response.json();
  chosen = call;
  byId("details-title").textContent = call;
  byId("details-reason").textContent = response.ok
    ? [found.state, found.reason, found.detail].filter((part) => part !== null).join(": ")
    : found.error;
  const moves = (found.moves ?? []).toReversed();
  byId("moves").replaceChildren(
    ...moves.map((move) => {
      const line = element("tr");
      const why = [move.reason, move.detail].filter((part) => part !== null).join(": ");
      line.append(element("td", age(move.age)), element("td", move.state, move.state), element("td", why || "-"));
      return line;
    }),
  );
  if (!byId("details").open) byId("details").showModal();
}

function ask(path, target, title) {
  command = { path, target };
  byId("confirm-title").textContent = title;
  byId("refused").textContent = "";
  byId("token").value = sessionStorage.getItem("token") ?? "";
  byId("confirm").showModal();
  (byId("token").value ? byId("no") : byId("token")).focus();
}

async function give(event) {
  event.preventDefault();
  const token = byId("token").value;
  const response = await fetch(command.path, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: JSON.stringify(command.target),
  });
  const answer = await response.json();
  if (!response.ok) {
    byId("refused").textContent = answer.error;
    return;
  }
  sessionStorage.setItem("token", token);
  byId("confirm").close();
}

byId("command").addEventListener("submit", give);
byId("no").addEventListener("click", () => byId("confirm").close());
byId("relay").addEventListener("click", () => ask("/relay", { call: chosen }, `Relay the media of ${chosen} by Asterisk?`));
byId("offload").addEventListener("click", () => ask("/offload", { call: chosen }, `Let the switch carry ${chosen} again?`));
byId("relay-all").addEventListener("click", () => ask("/relay", { all: true }, "Relay all media by Asterisk, of calls to come, too?"));
byId("offload-all").addEventListener("click", () => ask("/offload", { all: true }, "Let the switch carry all calls again?"));

const events = new EventSource("/events");
events.addEventListener("message", (event) => show(JSON.parse(event.data)));
events.addEventListener("error", () => { byId("connection").textContent = "the application does not answer; trying again …"; });
