// Keeps an open page true: one EventSource while the tab is visible, figures patched in place, fragments by htmx.
// All words come from the page (#texts); all addresses from data attributes of <body>.

const page = document.body.dataset;
const texts = JSON.parse(document.getElementById("texts").textContent);
const language = document.documentElement.lang;
const skew = Date.now() / 1000 - Number(page.now); // our clock minus the server's
const INTERVAL_LEAST = 90; // seconds without news before the page calls itself stale
const RETRY = 3000;
const ANNOUNCE_EVERY = 5000;

// ---- words and numbers ----------------------------------------------------------------------------------------
const formats = [0, 1, 2].map((digits) => new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }));
const number = (value, digits = 0) => formats[digits].format(value);
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_all, name) => values[name]);
const known = (value) => value !== null && value !== undefined;
const percent = (value, digits = 1) => (known(value) ? fill(texts.percent, { n: number(value, digits) }) : texts.unknown);

function size(bytes) {
  if (!known(bytes)) return texts.unknown;
  let amount = bytes, unit = 0;
  while (amount >= 1024 && unit < texts.units.length - 1) { amount /= 1024; unit += 1; }
  return `${number(amount, unit === 0 || amount >= 100 ? 0 : 1)}\u00a0${texts.units[unit]}`;
}

function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [length, text] = texts.ages.find(([unit]) => whole >= unit) ?? texts.ages.at(-1);
  return fill(text, { n: number(Math.floor(whole / length)) });
}

// ---- the instances on the page --------------------------------------------------------------------------------
let shown = new Map(); // instance id -> its elements
const levels = { cpu: page.cpuLevels.split(" ").map(Number), memory: page.memoryLevels.split(" ").map(Number) };

function look() {
  shown = new Map();
  for (const element of document.querySelectorAll("[data-instance]")) {
    const id = Number(element.dataset.instance);
    shown.set(id, [...(shown.get(id) ?? []), element]);
  }
}

function level(kind, value) {
  const [warn, critical] = levels[kind];
  return !known(value) || value < warn ? "l-ok" : value >= critical ? "l-crit" : "l-warn";
}

function grade(element, kind, value) {
  element.classList.remove("l-ok", "l-warn", "l-crit");
  element.classList.add(level(kind, value));
}

function meter(element, kind, value, words) {
  element.setAttribute("aria-valuenow", known(value) ? value : 0);
  element.setAttribute("aria-valuetext", words);
  grade(element, kind, value);
}

function showFigures(element, figures) {
  const { cpu_percent, cpu_share_percent: share, memory_used_bytes: memory, memory_percent } = figures;
  element.dataset.cpu = cpu_percent ?? "";
  element.dataset.memory = memory ?? "";
  if (element.matches(".tile-s")) return showTile(element, share, memory);
  const stats = element.querySelector("[data-stats]");
  if (!stats) return;
  const limit = element.dataset.limit ? Number(element.dataset.limit) : null;
  const bar = stats.querySelector(".bar"), badge = stats.querySelector(".memory");
  const used = limit ? fill(texts.of, { used: size(memory), limit: size(limit) }) : size(memory);
  meter(bar, "cpu", share, percent(share));
  meter(badge, "memory", memory_percent, used);
  bar.querySelector("rect").setAttribute("width", `${share ?? 0}%`);
  badge.querySelector("rect").setAttribute("width", `${limit ? memory_percent ?? 0 : 0}%`);
  badge.lastElementChild.textContent = used;
  stats.querySelector(".figure").textContent = percent(share);
  stats.querySelector(".docker span").textContent = percent(cpu_percent, 2);
}

function showTile(tile, share, memory) {
  grade(tile, "cpu", share);
  tile.querySelector("rect").setAttribute("height", `${share ?? 0}%`);
  const state = texts.states[tile.dataset.state]?.[1] ?? "";
  tile.querySelector(".tip").textContent = [tile.dataset.name, state, `CPU ${percent(share)}`, size(memory)].join(" · ");
}

function sumGroups() {
  for (const group of document.querySelectorAll("[data-group]")) {
    let cores = 0, memory = 0;
    for (const { dataset } of group.querySelectorAll("[data-instance]")) {
      cores += Number(dataset.cpu) / 100;
      memory += Number(dataset.memory);
    }
    group.querySelector("[data-cores]").textContent = number(cores, 1);
    group.querySelector("[data-sum]").textContent = size(memory);
  }
}

function showState(element, state) {
  const [glyph, word, tone] = texts.states[state] ?? texts.states.unknown;
  element.dataset.state = state;
  element.classList.remove("s-ok", "s-warn", "s-crit", "s-idle");
  element.classList.add(`s-${tone}`);
  const badge = element.querySelector("[data-badge]");
  if (badge) {
    badge.className = `badge b-${tone}`;
    badge.firstElementChild.textContent = glyph;
    badge.lastElementChild.textContent = word;
  }
  const mark = element.matches(".tile-s") && element.querySelector(".glyph");
  if (mark) mark.textContent = tone === "ok" ? "" : glyph;
}

// ---- what is said to screen readers: state changes only, at most one message in five seconds --------------------
const announcer = document.getElementById("announcer");
let unsaid = [], speaking = null;

function announce(words) {
  unsaid.push(words);
  speaking ??= setTimeout(() => {
    announcer.textContent = unsaid.length > 3 ? fill(texts.changes, { n: number(unsaid.length) }) : unsaid.join(". ");
    unsaid = [];
    speaking = null;
  }, announcer.textContent ? ANNOUNCE_EVERY : 200);
}

function toast(words, action) {
  const box = document.createElement("p");
  box.className = "toast";
  box.append(words);
  if (action) {
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = action;
    box.append(link);
  }
  document.getElementById("toasts").replaceChildren(box);
}

// ---- messages of the stream -----------------------------------------------------------------------------------
const refresh = (what) => document.body.dispatchEvent(new CustomEvent(`pierwatch:${what}`));
let sampledAt = page.sampled ? Number(page.sampled) : null, interval = Number(page.interval) || 30, greeted = false;

const receive = {
  hello({ version, interval: seconds }) {
    interval = seconds ?? interval;
    attempts = 0;
    if (version && version !== page.version) toast(texts.new_version, texts.reload);
    if (greeted) ["instances", "health"].forEach(refresh); // what happened while nobody listened
    greeted = true;
  },
  container_stats({ sampled_at, stats }) {
    document.documentElement.classList.add("ticking");
    sampledAt = Math.max(sampledAt ?? 0, Date.parse(sampled_at) / 1000);
    for (const figures of stats) shown.get(figures.instance)?.forEach((element) => showFigures(element, figures));
    sumGroups();
  },
  instance(stats) {
    const elements = shown.get(stats.instance);
    const sick = stats.state === "running" && stats.health === "unhealthy";
    const state = sick ? "unhealthy" : stats.state;
    if (elements && elements[0].dataset.state !== state) {
      elements.forEach((element) => showState(element, state));
      announce(fill(texts.changed, { name: stats.name, state: texts.states[state]?.[1] ?? state }));
    }
    ["instances", "health"].forEach(refresh); // counts, groups, order, new and removed ones
  },
  system_health() { refresh("health"); },
  resync() { ["instances", "health"].forEach(refresh); },
};

// ---- the one connection ---------------------------------------------------------------------------------------
let source = null, attempts = 0, retry = null;

function connect() {
  disconnect();
  source = new EventSource(page.stream);
  for (const [name, act] of Object.entries(receive)) source.addEventListener(name, (event) => act(JSON.parse(event.data)));
  source.onopen = () => { attempts = 0; };
  source.onerror = () => {
    attempts += 1;
    if (source.readyState === EventSource.CLOSED) retry = setTimeout(connect, RETRY);
    tell();
  };
}

function disconnect() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

// ---- the pill, once a second ----------------------------------------------------------------------------------
const pill = document.getElementById("live");

function mood() {
  const age = sampledAt === null ? null : Date.now() / 1000 - skew - sampledAt;
  if (document.hidden) return ["paused", "■", texts.paused];
  if (attempts) return ["lost", "◌", fill(texts.reconnecting, { n: number(attempts) })];
  if (age === null) return ["waiting", "●", texts.waiting];
  if (age > Math.max(3 * interval, INTERVAL_LEAST)) return ["stale", "▲", fill(texts.stale, { age: span(age) })];
  return ["live", "●", fill(texts.live, { age: span(age) })];
}

function tell() {
  const [name, glyph, words] = mood();
  pill.dataset.mood = name;
  pill.querySelector(".glyph").textContent = glyph;
  pill.querySelector(".words").textContent = words;
}

function growOld() {
  if (document.hidden) return;
  tell();
  for (const element of document.querySelectorAll("[data-age]")) {
    if (!element.dataset.age) continue;
    element.dataset.since ??= Date.now() - Number(element.dataset.age) * 1000;
    element.textContent = fill(texts.ago, { age: span((Date.now() - Number(element.dataset.since)) / 1000) });
  }
}

// A hidden tab holds no connection (browsers allow six for a site); its title still counts, once a minute.
async function glance() {
  if (!document.hidden) return;
  const answer = await fetch(page.health, { headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer?.ok) return;
  const health = await answer.json();
  const troubles = health.containers_unhealthy + health.containers_restarting + health.proxies_unhealthy;
  document.title = document.title.replace(/^\(\d+\) /, "").replace(/^/, troubles ? `(${troubles}) ` : "");
}

document.addEventListener("visibilitychange", () => { document.hidden ? disconnect() : connect(); tell(); });
document.body.addEventListener("htmx:afterSettle", () => { look(); });
document.addEventListener("change", (event) => event.target.closest("form[data-auto]")?.requestSubmit());
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.closest("input, select, textarea")) return;
  const search = document.getElementById("search");
  if (search) { event.preventDefault(); search.focus(); }
});
pill.addEventListener("click", () => { connect(); ["instances", "health"].forEach(refresh); });
pill.hidden = false;
document.documentElement.classList.add("scripted");
look();
if (!document.hidden) connect();
setInterval(growOld, 1000);
setInterval(glance, 60000);
growOld();
