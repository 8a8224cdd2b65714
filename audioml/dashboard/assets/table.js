"use strict";
// The table: sortable, filtered by the query, columns as wanted; a name opens all that is known of the run.
(() => {
  const {el, button} = audioml;
  let sort = null; // {key, up}

  const wanted = (section) => {
    const kept = audioml.kept("columns", null);
    const front = (column) => ["row", "primary"].indexOf(column.key) + 1 || 3; // who and how good, also where a screen shows two columns
    return section.columns
      .filter((column) => column.key === "row" || (kept ? kept.includes(column.key) : column.brief))
      .sort((a, b) => front(a) - front(b));
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, {numeric: true});
  const ordered = (section, rows) => {
    if (!sort || audioml.column(section, sort.key) < 0) return rows;
    const sign = sort.up ? 1 : -1;
    const value = (row) => audioml.value(section, row, sort.key);
    return [...rows].sort((r, s) => {
      const [a, b] = [value(r), value(s)];
      return a === null || b === null ? (a === null) - (b === null) : sign * compare(a, b); // not measured: last, both ways
    });
  };
  const startsUp = (section, column) => (column.key === "primary" ? section.better : column.better) !== "high";

  const head = (section, column) => {
    const now = sort
      ? sort.key === column.key && (sort.up ? "ascending" : "descending")
      : column.key === "primary" && (section.better === "low" ? "ascending" : "descending");
    const act = () => {
      sort = sort?.key === column.key ? {key: column.key, up: !sort.up} : {key: column.key, up: startsUp(section, column)};
      body(section);
      document.querySelector(`th[data-key="${column.key}"] button`)?.focus();
    };
    return el(
      "th",
      {scope: "col", className: column.form === "text" ? "text" : "num", "data-key": column.key, "aria-sort": now || null},
      button(column.title, act, {title: column.help}),
    );
  };
  const first = (section, row, answer) => {
    // marks go by the query where it has a wish, else by the table's own standing
    const mark =
      answer.best === row
        ? el("span", {className: "badge lead", title: answer.text}, answer.mark)
        : answer.ties.includes(row)
          ? el("span", {className: "badge lead", title: "Not distinguishable from the first"}, "tie")
          : null;
    const label = audioml.label(section, row);
    return el(
      "th",
      {scope: "row"},
      el(
        "div",
        {className: "who"},
        el("input", {
          type: "checkbox",
          checked: audioml.chosen().includes(row.id),
          "aria-label": `Show ${label} in curves and players`,
          onchange: (event) => audioml.choose(row.id, event.target.checked),
          "data-id": row.id,
        }),
        button(label, () => audioml.details(row), {className: "link", title: row.folder}),
        mark,
      ),
      row.badges.length ? el("div", {className: "badges"}, audioml.badges(row, mark ? "lead" : "")) : null,
    );
  };
  const cell = (row, column, place) => {
    const found = row.cells[place];
    const kind = column.form === "text" ? "text" : "num";
    if (!found) return el("td", {className: `${kind} absent`}, "–");
    const [text, value, reason = "", mark = ""] = found;
    return el("td", {className: `${kind} ${mark}${value === null ? " absent" : ""}`, title: reason || null}, text);
  };
  // who leads the table as it stands: the wish of the query, or quality among all
  audioml.leader = (section) => {
    const asked = audioml.ask(section, audioml.state.query);
    if (asked.error) return {text: asked.error, best: null, ties: []};
    if (asked.goal) return audioml.answer(section, asked);
    const ranked = audioml.ask(section, "best primary");
    if (ranked.error) return {text: audioml.answer(section, asked).text, best: null, ties: []};
    const found = audioml.answer(section, {...ranked, test: asked.test, conditions: asked.conditions});
    return {...found, text: [found.text, asked.empty ? "" : audioml.answer(section, asked).text].filter(Boolean).join(" ")};
  };

  function body(section) {
    const host = document.querySelector("#table");
    if (!host) return;
    const columns = wanted(section),
      places = columns.map((column) => audioml.column(section, column.key));
    const rows = ordered(section, audioml.matching(section));
    const answer = audioml.leader(section);
    const lines = rows.map((row) =>
      el(
        "tr",
        {className: `${row.role}${row.done ? "" : " ended"}`, "data-id": row.id},
        first(section, row, answer),
        columns.slice(1).map((column, i) => cell(row, column, places[i + 1])),
      ),
    );
    const [left, top] = [host.scrollLeft, host.scrollTop];
    const heads = columns.map((column) => head(section, column));
    host.replaceChildren(audioml.grid(heads, lines));
    host.scrollTo(left, top);
    if (!rows.length) host.append(el("p", {className: "quiet pad"}, "No run fits the query."));
  }

  const chooser = (section) => {
    const set = (key, on) => {
      const now = wanted(section)
        .map((column) => column.key)
        .filter((other) => other !== key);
      audioml.keep("columns", on ? [...now, key] : now);
      body(section);
    };
    const shown = new Set(wanted(section).map((column) => column.key));
    const ticks = section.columns
      .filter((column) => column.key !== "row")
      .map((column) => audioml.tick(column.title, shown.has(column.key), (on) => set(column.key, on), {title: column.help}));
    return el(
      "details",
      {className: "fold"},
      el("summary", {}, "Columns"),
      el("div", {className: "ticks"}, ticks),
      button("As it was", () => {
        audioml.keep("columns", null);
        audioml.show();
      }),
    );
  };
  const notes = (section) => {
    const words = [...section.notes];
    if (section.absent.length) words.push(`In no run: ${section.absent.join(", ")}.`);
    return words.length
      ? el(
          "details",
          {className: "fold"},
          el("summary", {}, "What was not measured, and why"),
          el(
            "ul",
            {},
            words.map((word) => el("li", {}, word)),
          ),
        )
      : null;
  };

  audioml.details = (row) => {
    const dialog = document.querySelector("#run");
    const close = button("Close", () => dialog.close(), {className: "close"});
    const body = el("div"),
      pick =
        row.runs.length > 1
          ? audioml.choice(
              "Seed",
              row.runs.map((run) => [run.id, String(run.seed)]),
              audioml.runOf(row),
              (id) => facts(body, id),
            )
          : null;
    dialog.replaceChildren(el("div", {className: "dialog"}, el("h2", {id: "run-title"}, row.name), close, pick, body));
    dialog.showModal();
    return facts(body, audioml.runOf(row));
  };
  async function facts(host, id) {
    const data = await audioml.load(`data/run-${id}`);
    const list = (title, entries) =>
      entries.length
        ? el(
            "section",
            {},
            el("h3", {}, title),
            el(
              "dl",
              {},
              entries.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]),
            ),
          )
        : null;
    host.replaceChildren(
      el("p", {className: "quiet"}, data.folder),
      data.error ? el("p", {className: "bad"}, data.error) : "",
      el(
        "div",
        {className: "facts"},
        [...Object.entries(data.facts).map(([title, entries]) => list(title, entries)), list("Configuration", data.config)].filter(
          Boolean,
        ),
      ),
    );
  }

  audioml.parts.table = {
    title: "Table",
    draw(host, section) {
      host.append(
        el("p", {}, section.summary),
        el("div", {id: "table", className: "scroll", role: "region", "aria-label": `Table: ${section.title}`, tabIndex: 0}),
        el("div", {className: "folds"}, chooser(section), notes(section)),
      );
      body(section);
    },
    refresh() {
      document.querySelectorAll("#table input[data-id]").forEach((box) => {
        box.checked = audioml.chosen().includes(box.dataset.id);
      });
    },
  };
})();
