"use strict";
// The page's state, its data and the few helpers that every part uses.  Text of runs reaches the page through textContent only.
const audioml = {
  cache: new Map(),
  waiting: new Map(),
  version: "",
  parts: {},
  index: null,
  live: {runs: [], curves: {names: [], runs: {}}},
  votes: [],
  state: {tab: "table", section: "", query: "", chosen: null},
};

// ---- data: scripts that hold JSON, because a page opened from disk may load no other file ----
audioml.put = (name, data) => {
  audioml.cache.set(name, data);
  audioml.waiting.get(name)?.done(data);
  audioml.waiting.delete(name);
};
audioml.load = (name) => {
  if (audioml.cache.has(name)) return Promise.resolve(audioml.cache.get(name));
  if (audioml.waiting.has(name)) return audioml.waiting.get(name).promise;
  const wait = {};
  wait.promise = new Promise((done, fail) => {
    wait.done = done;
    wait.fail = fail;
  });
  audioml.waiting.set(name, wait);
  const script = document.createElement("script");
  script.src = `${name}.js${audioml.version ? `?v=${audioml.version}` : ""}`;
  script.onload = () => {
    // put() has come, or the file held something else
    script.remove();
    if (audioml.waiting.delete(name)) wait.fail(new Error(`${name} holds nothing`));
  };
  script.onerror = () => {
    script.remove();
    audioml.waiting.delete(name);
    wait.fail(new Error(`${name} cannot be loaded`));
  };
  document.head.append(script);
  return wait.promise;
};
audioml.forget = (fits) => {
  for (const name of [...audioml.cache.keys()]) if (name.startsWith("data/") && fits(name)) audioml.cache.delete(name);
};

// ---- elements: el("p", {class: "quiet", onclick: f}, "text", child) ----
audioml.el = (tag, facts = {}, ...children) => {
  const svg = audioml.SVG.has(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(facts)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && !svg && !name.includes("-") && name !== "list" && name !== "form") made[name] = value;
    else made.setAttribute(name === "className" ? "class" : name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
};
audioml.SVG = new Set(["svg", "path", "polyline", "circle", "text", "g", "title", "rect", "line"]);
audioml.button = (text, act, facts = {}) => audioml.el("button", {type: "button", onclick: act, ...facts}, text);
audioml.choice = (label, entries, value, act) => {
  // entries: [[value, text]]
  const options = entries.map(([key, text]) => audioml.el("option", {value: key, selected: key === value}, text));
  return audioml.el(
    "label",
    {className: "field"},
    audioml.el("span", {}, label),
    audioml.el("select", {onchange: (event) => act(event.target.value)}, ...options),
  );
};
audioml.tick = (label, on, act, facts = {}) =>
  audioml.el(
    "label",
    {className: "tick"},
    audioml.el("input", {type: "checkbox", checked: on, onchange: (event) => act(event.target.checked), ...facts}),
    label,
  );
audioml.grid = (heads, lines) =>
  audioml.el(
    "table",
    {className: "compare"},
    audioml.el("thead", {}, audioml.el("tr", {}, heads)),
    audioml.el("tbody", {}, lines),
  );

// ---- what the browser keeps: nothing where it may not ----
audioml.keep = (name, value) => {
  try {
    localStorage.setItem(`audioml.${name}`, JSON.stringify(value));
  } catch {
    /* private window */
  }
};
audioml.kept = (name, otherwise) => {
  try {
    return JSON.parse(localStorage.getItem(`audioml.${name}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
};

// ---- sections, rows, cells ----
audioml.section = () => audioml.index.sections.find((s) => s.key === audioml.state.section) ?? audioml.index.sections[0];
audioml.column = (section, key) => section.columns.findIndex((column) => column.key === key);
audioml.cell = (section, row, key) => row.cells[audioml.column(section, key)] || null;
audioml.value = (section, row, key) => audioml.cell(section, row, key)?.[1] ?? null;
audioml.MOST = 12; // runs chosen at once: more lines than this nobody tells apart
audioml.chosen = () => {
  // ids of the section's rows that curves, players and pictures show
  const section = audioml.section();
  const ids = new Set(section.rows.map((row) => row.id));
  const own = (audioml.state.chosen ?? []).filter((id) => ids.has(id));
  if (own.length || audioml.state.chosen?.length === 0) return own;
  return audioml
    .matching(section)
    .filter((row) => row.done && !row.role)
    .slice(0, 6)
    .map((row) => row.id);
};
audioml.choose = (id, on) => {
  const now = audioml.chosen().filter((other) => other !== id);
  audioml.note({chosen: on ? [...now, id].slice(-audioml.MOST) : now});
  (audioml.parts[audioml.state.tab].refresh ?? audioml.show)(); // a view that need not be drawn anew says so
};
audioml.colour = (id) => {
  const place = audioml.chosen().indexOf(id);
  return place < 0 ? "other" : `c${place % 8}${place > 7 ? " dash" : ""}`;
};
audioml.badges = (row, without = "") =>
  row.badges
    .filter((badge) => badge.kind !== without)
    .map((badge) => audioml.el("span", {className: `badge ${badge.kind}`, title: badge.title}, badge.text));
audioml.matching = (section) => {
  // the rows that the query leaves; all of them while it makes no sense
  const asked = audioml.ask(section, audioml.state.query);
  return asked.error ? section.rows : section.rows.filter(asked.test);
};
audioml.label = (section, row) => {
  // several runs of one name are told apart by what sets them apart
  const same = section.rows.filter((other) => other.name === row.name);
  if (same.length < 2) return row.name;
  const parts = ["method", "representation", "preset", "seed", "share", "budget"].filter(
    (key) => new Set(same.map((other) => String(audioml.value(section, other, key) ?? other[key] ?? ""))).size > 1,
  );
  const words = parts.map(
    (key) => `${["seed", "share"].includes(key) ? `${key} ` : ""}${audioml.value(section, row, key) ?? row[key] ?? "–"}`,
  );
  return words.length ? `${row.name} (${words.join(", ")})` : `${row.name} (${row.id.slice(0, 4)})`;
};

audioml.runLabel = (section, row, run) => `${audioml.label(section, row)}${row.runs.length > 1 ? `, seed ${run.seed}` : ""}`;
audioml.row = (section, id) => section.rows.find((row) => row.id === id);

audioml.seed = null; // which of a row's runs is heard and looked at; null: its first
audioml.runOf = (row) => (row.runs.find((run) => run.seed === audioml.seed) ?? row.runs.find((run) => run.has) ?? row.runs[0]).id;
audioml.byRun = (section, id) => section.rows.find((row) => row.runs.some((run) => run.id === id));
audioml.seedField = (rows) => {
  const seeds = [...new Set(rows.filter((row) => row.runs.length > 1).flatMap((row) => row.runs.map((run) => run.seed)))].sort(
    (a, b) => a - b,
  );
  return seeds.length
    ? audioml.choice(
        "Seed",
        [["", "the first"], ...seeds.map((seed) => [String(seed), String(seed)])],
        audioml.seed === null ? "" : String(audioml.seed),
        (text) => {
          audioml.seed = text === "" ? null : Number(text);
          audioml.show();
        },
      )
    : null;
};

// ---- where we are: in the address, so that a view can be sent ----
audioml.note = (change) => {
  Object.assign(audioml.state, change);
  const {tab, section, query, chosen} = audioml.state;
  const facts = new URLSearchParams({t: tab, s: section});
  if (query) facts.set("q", query);
  if (chosen) facts.set("r", chosen.join("."));
  history.replaceState(null, "", `#${facts}`);
};
audioml.go = (change) => {
  audioml.note(change);
  audioml.show();
};
audioml.read = () => {
  const facts = new URLSearchParams(location.hash.slice(1));
  const {state} = audioml;
  state.tab = audioml.parts[facts.get("t")] ? facts.get("t") : "table";
  state.section = facts.get("s") ?? "";
  state.query = facts.get("q") ?? "";
  state.chosen = facts.has("r") ? facts.get("r").split(".").filter(Boolean) : null;
};
