"use strict";
const $ = (id) => document.getElementById(id);
const make = (tag, text, style) => {
  const one = document.createElement(tag);
  if (text !== undefined) one.textContent = text;
  if (style) one.className = style;
  return one;
};
const POLL = 1000, MOST_ROWS = 300;
let state = null, catalogue = {}, last = null;
const rows = new Map();

async function ask(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.detail || answer.statusText);
  return said;
}

function tell(error) {
  $("trouble").hidden = !error;
  $("trouble").textContent = error ? error.message : "";
}

async function act(step) {
  try {
    const said = await step();
    tell(null);
    await showState();
    return said;
  } catch (error) { tell(error); return null; }
}

const onSubmit = (id, step) => $(id).addEventListener("submit", (event) => {
  event.preventDefault();
  act(() => step(event.target.elements));
});
const onClick = (id, step) => $(id).addEventListener("click", () => act(step));
const number = (field) => field.value === "" ? null : Number(field.value);

function options(select, values) {
  const wanted = JSON.stringify(values);
  if (select.dataset.shown === wanted) return;
  const kept = select.value;
  select.replaceChildren(...values.map(([value, text]) => {
    const one = make("option", text);
    one.value = value;
    return one;
  }));
  select.dataset.shown = wanted;
  if (values.some(([value]) => value === kept)) select.value = kept;
}

/* dispatch */
const form = $("dispatch").elements;
const points = () => state.tenants.flatMap((one) => one.controlPoints.map((point) => ({ ...point, of: one.participantId })));
const kind = () => form.kind.value;

function showUnits() {
  const point = points().find((one) => one.name === form.controlPoint.value);
  const units = point ? point.bmUnits.map((one) => [one, one]) : [];
  options(form.bmUnit, kind() === "EMERGENCY" ? [["", "all of them"], ...units] : units);
}

function showKind() {
  for (const one of $("dispatch").querySelectorAll("[data-kind]")) one.hidden = one.dataset.kind !== kind();
  showUnits();
}

const minute = (ahead) => {
  const at = new Date(Math.ceil(new Date(state.at).getTime() / 60000) * 60000 + ahead * 60000);
  return at.toISOString().slice(0, 16) + ":00Z";
};

function levels() {
  const level = number(form.level), lead = number(form.lead), ramp = number(form.ramp), hold = number(form.hold);
  const corners = [[lead, 0], [lead + ramp, level], [lead + ramp + hold, level], [lead + 2 * ramp + hold, 0]];
  const segments = corners.slice(1).map(([to, high], index) => {
    const [from, low] = corners[index];
    return { timeFrom: minute(from), levelFrom: low, timeTo: minute(to), levelTo: high };
  });
  return segments.filter((one) => one.timeFrom !== one.timeTo);
}

function instruction() {
  const head = { kind: kind(), controlPoint: form.controlPoint.value, bmUnit: form.bmUnit.value || null };
  if (kind() === "BOA") {
    const flags = Object.fromEntries(["emergencyFlag", "soFlag", "storFlag", "rrFlag"].map((name) => [name, form[name].checked]));
    return { ...head, ...flags, levels: levels() };
  }
  if (kind() === "EMERGENCY") return { ...head, text: form.text.value };
  const minutes = number(form.minutes);
  return { ...head, service: form.service.value, action: form.action.value, timeFrom: minute(1),
    timeTo: minutes === null ? null : minute(1 + minutes), targetMw: number(form.target) };
}

const told = (one) => {
  const answer = one.answer || {};
  const verdict = one.response ? `, ${one.response.verdict}` : "";
  return `${one.acceptanceNumber ?? one.instructionNumber}: ${answer.status ?? "no answer"} ${answer.payload?.status ?? answer.detail ?? ""}${verdict}`;
};

onSubmit("dispatch", async () => {
  $("dispatched").textContent = "sent, waiting for the host and the verdict …";
  const one = await ask("POST", "/dispatch?wait=5&persist=20", instruction()).finally(() => { $("dispatched").textContent = "\u00a0"; });
  $("dispatched").textContent = told(one);
});
onClick("send-burst", async () => {
  const count = number(form.burst) || 1;
  const sent = await ask("POST", "/burst?persist=20", { wait: 0, instructions: Array.from({ length: count }, instruction) });
  const taken = sent.filter((one) => one.answer?.status === 200).length;
  $("dispatched").textContent = `burst of ${sent.length}: ${taken} taken by the host`;
});
form.controlPoint.addEventListener("change", showUnits);
for (const one of form.kind) one.addEventListener("change", showKind);

/* faults */
const fault = $("fault").elements;

function showFault() {
  const known = catalogue[fault.fault.value];
  $("does").textContent = known.does;
  options(fault.path, [["*", "any"], ...known.paths.map((one) => [one, one])]);
  $("parameters").replaceChildren(...Object.entries(known.parameters).map(([name, one]) => {
    const label = make("label", name), field = document.createElement(one.choices ? "select" : "input");
    field.dataset.name = name;
    if (one.choices) options(field, one.choices.map((value) => [value, value]));
    else if (one.kind === "flag") { field.type = "checkbox"; field.checked = one.default; label.className = "inline"; }
    else if (one.kind === "text") field.value = one.default;
    else Object.assign(field, { type: "number", step: one.kind === "integer" ? "1" : "any", min: one.low, max: one.high, value: one.default });
    label.append(field);
    return label;
  }));
}

onSubmit("fault", () => {
  const item = { fault: fault.fault.value, path: fault.path.value, times: number(fault.times), forSeconds: number(fault.forSeconds) };
  for (const field of $("parameters").querySelectorAll("[data-name]")) {
    const { kind: type } = catalogue[item.fault].parameters[field.dataset.name];
    item[field.dataset.name] = type === "flag" ? field.checked : type === "text" ? field.value : Number(field.value);
  }
  return ask("POST", "/faults/add", { faults: [item] });
});
onClick("clear", () => ask("DELETE", "/faults"));
fault.fault.addEventListener("change", showFault);

function showFaults() {
  const common = new Set(["id", "fault", "path", "participantId", "times", "forSeconds"]);
  $("faults").replaceChildren(...state.faults.map((one) => {
    const item = make("li"), off = make("button", "off");
    const set = Object.entries(one).filter(([name, value]) => !common.has(name) && value !== "").map(([name, value]) => `${name} ${value}`);
    const where = one.path === "*" ? "any path" : one.path;
    const ends = [one.times === null ? null : `${one.times} more`, one.forSeconds === null ? null : `${one.forSeconds.toFixed(0)} s left`];
    const text = make("span", ` ${[where, one.participantId, ...set, ...ends].filter(Boolean).join(", ")}`);
    text.prepend(make("b", one.fault));
    off.addEventListener("click", () => act(() => ask("DELETE", `/faults/${one.id}`)));
    item.append(text, off);
    return item;
  }));
}

/* scenario, outage, clock, certificates, day */
onSubmit("scenario", (elements) => ask("POST", "/scenarios", { name: elements.name.value, speed: number(elements.speed) }));
onClick("stop-scenario", () => ask("DELETE", "/scenarios"));
onSubmit("outage", (elements) => ask("POST", "/outage", { on: true, seconds: (number(elements.hours) || 0) * 3600, speed: number(elements.speed) || 1, announce: number(elements.announce) || 0 }));
onClick("back", () => ask("POST", "/outage", { on: false }));
onSubmit("clock", (elements) => ask("POST", "/clock", { seconds: number(elements.seconds) }));
onSubmit("rotate", (elements) => {
  const what = elements.what.value, after = number(elements.after);
  return ask("POST", "/certificates", after === null ? { do: "rotate", what } : { do: "announce", what, after });
});
onClick("revert", () => ask("DELETE", "/certificates"));
onSubmit("day", (elements) => ask("POST", "/day", { date: elements.date.value || null, speed: number(elements.speed), limit: number(elements.limit) }));
onClick("stop-day", () => ask("DELETE", "/day"));
$("scenario").elements.name.addEventListener("change", showAbout);

function showAbout() {
  const chosen = state.scenarios.find((one) => one.name === $("scenario").elements.name.value);
  $("about").textContent = chosen ? chosen.about : "";
  if (chosen) $("scenario").elements.speed.value = chosen.speed;
}

const span = (seconds) => {
  const whole = Math.round(seconds), parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return parts.map((one) => String(one).padStart(2, "0")).join(":");
};
const clock = (stamp) => stamp ? stamp.slice(11, 19) : "";

function showScenario() {
  const one = state.scenario;
  if (!one) return;
  $("scenario-progress").max = one.lasts || 1;
  $("scenario-progress").value = one.elapsed || (one.running ? 0 : 1);
  $("scenario-state").textContent = `${one.name}: ${one.done} of ${one.total} done, ${span(one.elapsed)} of ${span(one.lasts)} at ${one.speed}×${one.running ? "" : ", ended " + clock(one.endedAt)}`;
  $("told").replaceChildren(...one.told.slice().reverse().map((line) => {
    const item = make("li");
    item.append(make("time", clock(line.at), "faint"), make("span", line.text));
    if (line.line) item.append(make("small", `line ${line.line}`, "faint"));
    return item;
  }));
}

function showCertificates() {
  const shown = state.certificates, key = JSON.stringify(shown);
  if ($("certificates").dataset.shown === key) return;
  $("certificates").dataset.shown = key;
  const parts = [...Object.entries(shown.current).map(([part, one]) => [part, "in use", one]), ...Object.entries(shown.next).map(([part, one]) => [part, `announced, used from ${clock(shown.switchesAt) || "the switch"}`, one])];
  $("certificates").replaceChildren(...parts.map(([part, use, one]) => {
    const box = make("details"), rotated = use === "in use" && shown.rotated.includes(part);
    const title = make("summary", `${part}: ${use}${rotated ? ", rotated" : ""} `);
    title.append(make("span", `${one.thumbprint.slice(0, 12)}…`, "faint"));
    box.append(title, make("pre", one.pem));
    return box;
  }));
}

function showDay() {
  const one = state.day, days = Object.entries(one.days);
  options($("day").elements.date, days.map(([day, count]) => [day, `${day} (${count})`]));
  for (const field of $("day").elements) field.disabled = days.length === 0;
  $("day-progress").max = one.total || 1;
  $("day-progress").value = one.sent;
  const answers = Object.entries(one.answers).map(([status, count]) => `${count} answered ${status}`).join(", ");
  if (days.length === 0) $("day-state").textContent = "No day file: start the simulator with --day FOLDER.";
  else if (one.total) $("day-state").textContent = `${one.sent} of ${one.total} sent${answers && ", " + answers}; market time ${(one.marketTime || "").slice(0, 16).replace("T", " ")}${one.running ? "" : ", ended " + clock(one.endedAt)}`;
}

function showCounts() {
  const services = new Map();
  for (const one of state.counts) {
    const row = services.get(one.service) || { in: 0, inBad: 0, out: 0, outBad: 0 };
    const asked = one.role === "request" ? one.direction : one.direction === "in" ? "out" : "in";
    if (one.role === "request") row[asked] += one.count;
    else if (one.result !== "200") row[`${asked}Bad`] += one.count;
    services.set(one.service, row);
  }
  $("counts").tBodies[0].replaceChildren(...[...services].map(([name, row]) => {
    const line = make("tr");
    line.append(make("td", name), make("td", row.in), make("td", row.inBad, row.inBad ? "bad" : ""), make("td", row.out), make("td", row.outBad, row.outBad ? "bad" : ""));
    return line;
  }));
}

function showLamps() {
  const lamps = [state.outage.on ? ["out", "bad"] : state.outage.planned ? ["outage announced", "odd"] : ["in service", "good"]];
  if (state.faults.length) lamps.push([`${state.faults.length} fault${state.faults.length > 1 ? "s" : ""} set`, "odd"]);
  if (state.clockSeconds) lamps.push([`clock ${state.clockSeconds > 0 ? "+" : ""}${state.clockSeconds} s`, "odd"]);
  if (state.certificates.rotated.length) lamps.push(["certificates rotated", "odd"]);
  if (state.scenario?.running) lamps.push(["scenario", "odd"]);
  if (state.day.running) lamps.push(["market day", "odd"]);
  $("lamps").replaceChildren(...lamps.map(([text, style]) => make("li", text, style)));
}

async function showState() {
  state = await ask("GET", "/state");
  $("host").textContent = `${state.participantId} → ${state.hostUrl}`;
  options(form.controlPoint, points().map((one) => [one.name, `${one.name} (${one.of})`]));
  showUnits();
  const first = !$("scenario").elements.name.value;
  options($("scenario").elements.name, state.scenarios.map((one) => [one.name, one.title]));
  if (first) showAbout();
  const outage = state.outage;
  $("outage-state").textContent = outage.begins ? `${outage.on ? "Out" : outage.planned ? "Announced" : "Was out"} from ${clock(outage.begins)}${outage.ends ? " to " + clock(outage.ends) : ", until it is switched back"} at ${outage.speed}×.` : "";
  $("notice").hidden = !outage.begins;
  $("clock-state").textContent = `it shows ${state.at.slice(0, 19).replace("T", " ")}`;
  showLamps(); showFaults(); showScenario(); showCertificates(); showDay(); showCounts();
}

/* messages */
const WORDS = ["kind", "bmUnit", "parameter", "acceptanceNumber", "instructionNumber", "sequence", "verdict", "transactionId"];
const summary = (payload) => payload ? [payload.type, ...WORDS.filter((name) => payload[name] !== undefined && payload[name] !== null).map((name) => payload[name])].filter(Boolean).join(" ") : "";

function showMessage(one) {
  if (one.role === "request") {
    const row = make("tr"), what = make("td"), box = make("details"), style = one.verified === false ? "bad" : "";
    const cells = [clock(one.at), one.direction === "in" ? "→ got" : "← sent", one.service, one.participantId || "?"];
    box.append(make("summary", summary(one.payload) || "(no payload)"), make("pre", JSON.stringify(one.payload, null, 2)));
    what.append(box);
    row.append(...cells.map((text) => make("td", text, style)), what, make("td"), make("td", one.fault || "", "odd"));
    row.dataset.health = one.service === "NESO_Health" ? "1" : "";
    row.hidden = row.dataset.health && !$("health").checked;
    rows.set(one.exchange, row);
    $("messages").tBodies[0].prepend(row);
    if (rows.size > MOST_ROWS) { const [oldest] = rows.keys(); rows.get(oldest).remove(); rows.delete(oldest); }
    return;
  }
  const row = rows.get(one.exchange);
  if (!row) return;
  const said = one.payload?.status || one.payload?.type || "";
  row.cells[5].textContent = `${one.status ?? "none"} ${said}`;
  row.cells[5].className = one.status === 200 && one.verified !== false ? "good" : "bad";
  row.cells[6].textContent = [one.fault, one.detail].filter(Boolean).join("; ") || row.cells[6].textContent;
  if (one.payload) row.cells[4].firstChild.append(make("pre", JSON.stringify(one.payload, null, 2)));
}

$("health").addEventListener("change", () => {
  for (const row of rows.values()) row.hidden = row.dataset.health && !$("health").checked;
});

async function showMessages() {
  if ($("pause").checked) return;
  if (last === null || last > state.messages) last = Math.max(0, state.messages - 2 * MOST_ROWS);
  const said = await ask("GET", `/messages?since=${last}`);
  said.messages.forEach(showMessage);
  last = said.last;
  $("total").textContent = `${last} so far, newest first`;
}

async function poll() {
  try {
    await showState();
    await showMessages();
    if ($("trouble").dataset.lost) { tell(null); $("trouble").dataset.lost = ""; }
  } catch (error) {
    tell(new Error(`the simulator does not answer: ${error.message}`));
    $("trouble").dataset.lost = "1";
  }
  setTimeout(poll, POLL);
}

(async () => {
  try {
    catalogue = (await ask("GET", "/faults")).catalogue;
    options(fault.fault, Object.keys(catalogue).map((one) => [one, one]));
    showFault();
    await showState();
    showKind();
  } catch (error) { tell(error); }
  poll();
})();
