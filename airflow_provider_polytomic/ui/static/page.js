// The page Polytomic: shows what the API server of Airflow knows about the syncs, and asks it again.
// Texts from outside are set as text, never as markup.

const POLL_INTERVAL = 3000;
const LOADING_POLL_INTERVAL = 400;
const DAGS_INTERVAL = 30000;
const BAR_WIDTH = 5, BAR_GAP = 2, BARS = 20, BARS_HEIGHT = 28, MIN_BAR_HEIGHT = 3;
const STATE_ORDER = ["failed", "partial", "running", "canceled", "success", "none"];
const LABELS = ["Sync", "Kind", "State", "Last end", "Duration", "Rows", "Record errors", "Next run", "Executions", "DAGs and tasks"];

const rows = new Map();
const tables = new Map();
const onScreen = new Set();
const body = document.querySelector("#syncs tbody");
const search = document.querySelector("#search");
const observer = new IntersectionObserver(noteOnScreen, { rootMargin: "100px" });
let sorting = { by: null, descending: false };
let connections = [];

// Theme: that of Airflow's UI, which it keeps in the local storage of the browser.

const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");

function applyTheme() {
  const chosen = localStorage.getItem("theme");
  const isDark = chosen === "dark" || (chosen !== "light" && prefersDark.matches);
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
}

// Formats

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.filter((each) => each !== null && each !== undefined));
  return made;
}

function formatDuration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${rest} s` : `${rest} s`;
}

function formatTime(iso) {
  if (!iso) return "";
  const time = new Date(iso);
  const year = time.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return time.toLocaleString(undefined, { year, month: "short", day: "numeric", hour: "numeric", minute: "2-digit", second: "2-digit" });
}

function formatCounts(counts) {
  const named = Object.entries(counts).map(([name, count]) => `${name} ${count.toLocaleString()}`);
  return named.join(", ") || "no records";
}

const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// What a row shows

function summarize(row) {
  const ended = row.executions.filter((each) => each.outcome !== "running").at(-1) ?? null;
  const shown = row.executions.at(-1) ?? null;
  const outcome = row.running ? "running" : (ended?.outcome ?? "none");
  const late = row.late_since ?? row.dags?.late?.since ?? null;
  const uncounted = shown && row.is_read ? 0 : null;
  return {
    name: row.name,
    kind: row.kind,
    outcome,
    late,
    attention: row.failing || late ? 0 : 1,
    state: STATE_ORDER.indexOf(outcome),
    ended: ended?.ended_at ?? "",
    seconds: ended?.seconds ?? null,
    records: shown?.counts.total ?? uncounted,
    errors: shown?.counts.error ?? uncounted,
    next: row.next_at ?? "",
    dags: (row.dags?.tasks ?? []).map((each) => `${each.dag_id} ${each.task_id}`).join(" "),
    shown,
  };
}

function stateText(row, facts) {
  if (row.running) return row.state;
  if (facts.outcome === "none") return row.is_read ? "never run" : "…";
  return { success: "success", failed: "failed", partial: "incomplete", canceled: "canceled" }[facts.outcome];
}

function bars(row) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "bars");
  svg.setAttribute("viewBox", `0 0 ${BARS * (BAR_WIDTH + BAR_GAP)} ${BARS_HEIGHT}`);
  svg.setAttribute("role", "img");
  const tally = {};
  const longest = Math.max(1, ...row.executions.map((each) => each.seconds ?? 0));
  row.executions.forEach((each, index) => {
    tally[each.outcome] = (tally[each.outcome] ?? 0) + 1;
    const running = each.outcome === "running" && each.began_at ? (Date.now() - Date.parse(each.began_at)) / 1000 : 0;
    const share = Math.min(1, (each.seconds ?? running) / longest);
    const height = Math.max(MIN_BAR_HEIGHT, share * BARS_HEIGHT);
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const place = { x: (BARS - row.executions.length + index) * (BAR_WIDTH + BAR_GAP), y: BARS_HEIGHT - height, width: BAR_WIDTH, height, rx: 1 };
    for (const [name, value] of Object.entries(place)) bar.setAttribute(name, value);
    bar.setAttribute("class", each.outcome);
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = `${each.status}, ${formatTime(each.began_at ?? each.ended_at)}, ${formatDuration(each.seconds) || "duration unknown"}: ${formatCounts(each.counts)}`;
    bar.append(title);
    svg.append(bar);
  });
  const named = Object.entries(tally).map(([outcome, count]) => `${count} ${outcome}`);
  svg.setAttribute("aria-label", named.length ? `Latest executions: ${named.join(", ")}` : "No executions");
  return svg;
}

function link(href, text, isAirflow = false) {
  const made = element("a", { href, textContent: text });
  made.dataset.place = isAirflow ? "same" : "new";
  return made;
}

function taskLinks(row) {
  const cell = element("div", { className: "tasks" });
  for (const task of row.dags?.tasks ?? []) {
    const made = link(task.url, task.dag_id, true);
    if (task.task_id) made.append(".", element("wbr"), task.task_id);
    cell.append(made);
  }
  return cell;
}

function render(row) {
  row.dags = tables.get(row.connection).dags?.[row.key];
  const facts = (row.facts = summarize(row));
  const state = element("span", { className: `state ${facts.outcome}`, textContent: stateText(row, facts) });
  const late = facts.late ? element("span", { className: "late", textContent: "late", title: lateText(row, facts) }) : null;
  const contents = [
    nameCell(row),
    row.kind,
    element("div", {}, state, late),
    formatTime(facts.ended),
    formatDuration(facts.seconds),
    facts.records?.toLocaleString() ?? "",
    facts.errors?.toLocaleString() ?? "",
    formatTime(facts.next),
    bars(row),
    taskLinks(row),
  ];
  row.cells.forEach((cell, index) => {
    if (index) cell.replaceChildren(contents[index]);
  });
  row.line.classList.toggle("inactive", !row.active);
}

function lateText(row, facts) {
  const by = row.late_since ? "its schedule in Polytomic" : `DAG ${row.dags.late.dag_id}`;
  return `By ${by} it should have ended by ${formatTime(facts.late)}`;
}

function nameCell(row) {
  row.button.textContent = row.active ? row.name : `${row.name} (inactive)`;
  row.button.setAttribute("aria-label", `Details of ${row.kind} sync ${row.name}`);
  return row.button;
}

function addRow(connection, data) {
  const id = `${connection} ${data.key}`;
  const button = element("button", { type: "button", className: "name" });
  button.setAttribute("aria-expanded", "false");
  const cells = LABELS.map((label) => {
    const cell = element("td");
    cell.dataset.label = label;
    return cell;
  });
  for (const index of [4, 5, 6]) cells[index].className = "number";
  cells[0].append(button);
  if (connections.length > 1) cells[0].append(element("span", { className: "connection", textContent: connection }));
  const line = element("tr", { className: "sync" }, ...cells);
  line.dataset.row = id;
  const row = { id, connection, button, cells, line, details: null };
  button.addEventListener("click", () => toggle(row));
  rows.set(id, row);
  observer.observe(line);
  return row;
}

function removeRow(row) {
  observer.unobserve(row.line);
  row.line.remove();
  row.details?.remove();
  rows.delete(row.id);
  onScreen.delete(row.id);
}

// Order and search

function compare(first, second) {
  const [one, other] = [first.facts, second.facts];
  if (!sorting.by) {
    return one.attention - other.attention || one.state - other.state || other.ended.localeCompare(one.ended) || one.name.localeCompare(other.name);
  }
  const [a, b] = [one[sorting.by], other[sorting.by]];
  const missing = (value) => value === null || value === "";
  if (missing(a) || missing(b)) return missing(a) - missing(b) || one.name.localeCompare(other.name);
  const order = typeof a === "number" ? a - b : a.localeCompare(b);
  return (sorting.descending ? -order : order) || one.name.localeCompare(other.name);
}

function matches(row, words) {
  const text = [row.name, row.sync_id, row.kind, stateText(row, row.facts), row.connection, row.facts.dags, row.facts.late ? "late" : ""].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function arrange() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const focused = document.activeElement;
  const ordered = [...rows.values()].filter((row) => row.facts).sort(compare);
  let previous = null;
  for (const row of ordered) {
    const isShown = matches(row, words);
    row.line.hidden = !isShown;
    if (row.details) row.details.hidden = !isShown;
    for (const each of [row.line, row.details].filter(Boolean)) {
      const place = previous ? previous.nextSibling : body.firstChild;
      if (place !== each) body.insertBefore(each, place);
      previous = each;
    }
  }
  if (focused instanceof HTMLElement && focused !== document.activeElement) focused.focus();
  summarizePage(ordered);
}

function summarizePage(ordered) {
  const shown = ordered.filter((row) => !row.line.hidden);
  const count = (test) => shown.filter(test).length;
  const parts = [plural(shown.length, "sync"), `${count((row) => row.running)} running`, `${count((row) => row.failing)} failing`, `${count((row) => row.facts.late)} late`];
  const isLoading = [...tables.values()].some((each) => each.is_loading);
  setText(document.querySelector("#summary"), parts.join(", ") + (isLoading ? ", more are being listed" : ""));
  const empty = document.querySelector("#empty");
  empty.hidden = shown.length > 0 || (isLoading && !search.value);
  setText(empty, rows.size ? "No sync matches the search." : "Polytomic lists no syncs.");
}

function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function noteOnScreen(entries) {
  for (const entry of entries) {
    if (entry.isIntersecting) onScreen.add(entry.target.dataset.row);
    else onScreen.delete(entry.target.dataset.row);
  }
}

for (const heading of document.querySelectorAll("th[data-sort]")) {
  heading.querySelector("button").addEventListener("click", () => {
    const by = heading.dataset.sort;
    const isNumber = heading.classList.contains("number") || by === "ended";
    const first = sorting.by === by ? !sorting.descending : isNumber;
    sorting = { by, descending: first };
    for (const each of document.querySelectorAll("th[data-sort]")) each.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", first ? "descending" : "ascending");
    arrange();
  });
}

// Details of a sync

async function toggle(row) {
  const isOpen = row.details !== null;
  row.button.setAttribute("aria-expanded", String(!isOpen));
  row.line.classList.toggle("open", !isOpen);
  if (isOpen) {
    row.details.remove();
    row.details = null;
    return;
  }
  const cell = element("td", { colSpan: LABELS.length }, element("p", { textContent: "Loading…" }));
  row.details = element("tr", { className: "details" }, cell);
  row.line.after(row.details);
  await showDetails(row);
}

async function showDetails(row) {
  const at = `connections/${encodeURIComponent(row.connection)}/syncs/${row.kind}/${encodeURIComponent(row.sync_id)}`;
  const answer = await request(at);
  if (!row.details) return;
  const cell = row.details.firstChild;
  if (answer.problem) {
    cell.replaceChildren(problemBox(answer.problem));
    return;
  }
  row.detailed = row.executions.at(-1)?.status;
  const shown = [linksSection(row, answer), executionsSection(answer), schemasSection(answer), consoleSection(answer)];
  cell.replaceChildren(...shown.filter(Boolean));
}

function linksSection(row, answer) {
  const list = element("ul");
  if (answer.url) list.append(element("li", {}, link(answer.url, "Open in Polytomic")));
  for (const task of answer.tasks ?? []) {
    const run = link(task.run_url, task.run_id, true);
    const [what, name] = task.task_id ? [`${task.action} by`, `${task.dag_id}.${task.task_id}`] : [task.action, task.dag_id];
    list.append(element("li", {}, `${what} `, link(task.url, name, true), " in the DAG run ", run));
  }
  if (answer.tasks_problem) list.append(element("li", { textContent: answer.tasks_problem }));
  const id = element("li", { textContent: `${row.kind} sync ${row.sync_id}` });
  list.append(id);
  return element("section", {}, list);
}

function executionsSection(answer) {
  const list = element("ul");
  for (const each of answer.executions) {
    const state = element("span", { className: `state ${each.outcome}`, textContent: each.status });
    const facts = ` ${formatTime(each.began_at ?? each.ended_at)}, ${formatDuration(each.seconds) || "not ended"}: ${formatCounts(each.counts)}`;
    const report = each.report ? element("pre", { textContent: each.report }) : null;
    list.append(element("li", {}, state, facts, report));
  }
  if (!answer.executions.length) list.append(element("li", { textContent: "It has never run." }));
  return element("section", {}, element("h2", { textContent: "Executions" }), list);
}

function schemasSection(answer) {
  if (!answer.schemas.length) return null;
  const headings = ["Schema", "Status", "Rows", "Record errors", "Message"].map((text) => element("th", { scope: "col", textContent: text }));
  const lines = answer.schemas.map((each) => {
    const values = [each.schema, each.status, each.record_count ?? "", each.error_count ?? "", each.status_message ?? ""];
    return element("tr", {}, ...values.map((value) => element("td", { textContent: String(value) })));
  });
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...headings)), element("tbody", {}, ...lines));
  return element("section", {}, element("h2", { textContent: "Schemas of the latest execution" }), table);
}

function consoleSection(answer) {
  if (!answer.console.length) return null;
  const text = element("pre", { textContent: answer.console.join("\n") });
  return element("section", {}, element("h2", { textContent: "End of the console log" }), text);
}

// Airflow shows the page in a frame that may open no window, so the document around it opens the link.

document.addEventListener("click", (event) => {
  const anchor = event.target instanceof Element ? event.target.closest("a[href]") : null;
  if (!anchor || window.parent === window) return;
  event.preventDefault();
  const isNew = anchor.dataset.place === "new" || event.ctrlKey || event.metaKey || event.shiftKey;
  const opener = window.parent.document.createElement("a");
  opener.href = anchor.href;
  if (isNew) Object.assign(opener, { target: "_blank", rel: "noopener noreferrer" });
  opener.click();
});

// Requests

class Refused extends Error {}

async function request(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (response.status === 401) throw new Refused("You are not logged in. Log in to Airflow again and reload the page.");
  if (response.status === 403) throw new Refused("You may not read this Airflow connection. Ask an admin of Airflow for the permission to read connections.");
  if (!response.ok && response.status !== 502) throw new Error(`The API server of Airflow answered ${response.status}.`);
  return response.json();
}

function problemBox(problem) {
  const texts = [problem.reason, problem.advice].filter(Boolean).map((text) => element("p", { textContent: text }));
  return element("div", { className: "problem" }, ...texts);
}

function showProblems() {
  const found = [...tables].filter(([, state]) => state.problem);
  const key = JSON.stringify(found.map(([, state]) => state.problem));
  const place = document.querySelector("#problems");
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  place.replaceChildren(...found.map(([, state]) => problemBox(state.problem)));
}

async function poll(connection) {
  const state = tables.get(connection);
  const viewed = [...onScreen].map((id) => rows.get(id)).filter((row) => row?.connection === connection);
  const query = new URLSearchParams({ table: state.table ?? "", version: state.version ?? 0, viewed: viewed.slice(0, 60).map((row) => row.key).join(",") });
  try {
    const answer = await request(`connections/${encodeURIComponent(connection)}/syncs?${query}`);
    Object.assign(state, { table: answer.table, version: answer.version, is_loading: answer.is_loading, problem: answer.problem });
    take(connection, answer);
  } catch (error) {
    state.problem = { reason: error.message, advice: error instanceof Refused ? "" : "The page tries again every few seconds." };
    state.is_loading = false;
    if (error instanceof Refused) for (const row of [...rows.values()]) if (row.connection === connection) removeRow(row);
  }
  showProblems();
  return state.is_loading;
}

function take(connection, answer) {
  const listed = new Set();
  for (const data of answer.rows) {
    const row = rows.get(`${connection} ${data.key}`) ?? addRow(connection, data);
    Object.assign(row, data);
    listed.add(row.id);
    render(row);
    if (row.details && row.detailed !== row.executions.at(-1)?.status) showDetails(row).catch(() => {});
  }
  if (answer.complete) {
    for (const row of [...rows.values()]) if (row.connection === connection && !listed.has(row.id)) removeRow(row);
  }
  arrange();
}

async function pollDags(connection) {
  try {
    const answer = await request(`connections/${encodeURIComponent(connection)}/dags`);
    tables.get(connection).dags = answer.syncs;
    for (const row of rows.values()) {
      if (row.connection === connection) render(row);
    }
    arrange();
  } catch {
    // The syncs are shown without their DAGs; the poll of the syncs says what is wrong.
  }
}

async function keepUpToDate(connection, task, interval) {
  for (;;) {
    const isLoading = document.hidden ? false : await task(connection);
    await new Promise((resolve) => setTimeout(resolve, isLoading ? LOADING_POLL_INTERVAL : interval));
  }
}

async function begin() {
  applyTheme();
  prefersDark.addEventListener("change", applyTheme);
  window.addEventListener("storage", applyTheme);
  search.addEventListener("input", arrange);
  document.addEventListener("keydown", onKey);
  window.focus();
  try {
    connections = await request("connections");
  } catch (error) {
    document.querySelector("#problems").replaceChildren(problemBox({ reason: error.message }));
    return;
  }
  for (const connection of connections) {
    tables.set(connection, { is_loading: true, problem: null });
    keepUpToDate(connection, poll, POLL_INTERVAL);
    keepUpToDate(connection, pollDags, DAGS_INTERVAL);
  }
}

function onKey(event) {
  if (event.key === "/" && document.activeElement !== search) {
    event.preventDefault();
    search.focus();
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && document.activeElement?.classList.contains("name")) {
    event.preventDefault();
    const shown = [...body.querySelectorAll("tr.sync:not([hidden]) .name")];
    shown[shown.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  }
}

begin();
