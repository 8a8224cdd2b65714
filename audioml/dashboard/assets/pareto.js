"use strict";
// Quality against what it costs: every run a point, the front drawn, the query's runs bright, its winner ringed.
(() => {
  const {el} = audioml;
  let axes = null; // [x key, y key], chosen
  let log = true;
  const COSTS = ["delay", "latency", "rtf", "macs", "parameters", "memory", "train", "cpu", "share", "examples"];

  const numeric = (section) =>
    section.columns.filter(
      (column) => column.form !== "text" && section.rows.some((row) => typeof audioml.value(section, row, column.key) === "number"),
    );
  const sense = (section, column) => ({high: 1, low: -1})[column.key === "primary" ? section.better : column.better] ?? 0;
  const varied = (section, key) =>
    new Set(section.rows.map((row) => audioml.value(section, row, key)).filter((v) => v !== null)).size > 1;
  const said = (column, side) => `${column.title}${side ? `, ${side > 0 ? "more" : "less"} is better` : ""}`;
  const pick = (section, keys) => keys.find((key) => varied(section, key) && numeric(section).some((column) => column.key === key));
  // the runs that no other run beats in both
  audioml.front = (points, sx, sy) => {
    const better = (a, b) => sx * (a.x - b.x) >= 0 && sy * (a.y - b.y) >= 0 && (a.x !== b.x || a.y !== b.y);
    return points.filter((p) => !points.some((q) => better(q, p))).sort((p, q) => p.x - q.x);
  };

  const shape = (point, of, lit, found) => {
    const {row, section} = point;
    const state = found.best === row ? " best" : found.ties.includes(row) ? " tie" : "";
    const cells = ["x", "y"].map((side) => `${point.titles[side]} ${audioml.cell(section, row, point.keys[side])[0]}`).join(", ");
    const words = `${audioml.label(section, row)}: ${cells}${state === " best" ? ". First for the query" : state ? ". Tie with the first" : ""}`;
    const say = () => {
      document.querySelector("#read").textContent = words;
    };
    const on = el(
      "circle",
      {
        class: `dot ${audioml.colour(point.as)}${lit ? "" : " dim"}${state}`,
        cx: of.x(point.x).toFixed(1),
        cy: of.y(point.y).toFixed(1),
        r: state ? 7 : 5,
        tabindex: 0,
        role: "button",
        "aria-label": words,
        "data-id": row.id,
        onfocus: say,
        onpointerenter: say,
        onclick: () => audioml.details(row),
        onkeydown: (event) => {
          if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            audioml.details(row);
          }
        },
      },
      el("title", {}, words),
    );
    return on;
  };
  const steps = (front, of, sy) => {
    // a staircase: what is reachable at each cost
    const points = [];
    front.forEach((p, i) => {
      if (i) {
        const q = front[i - 1];
        points.push([of.x(sy ? p.x : q.x), of.y(q.y)]);
      }
      points.push([of.x(p.x), of.y(p.y)]);
    });
    return points;
  };
  const threads = (points, of) =>
    [...Map.groupBy(points, (p) => p.as)].map(([id, own]) =>
      el("polyline", {
        class: `line ${audioml.colour(id)}`,
        points: audioml.polyline(own.sort((p, q) => p.x - q.x).map((p) => [of.x(p.x), of.y(p.y)])),
      }),
    );
  const names = (front, of, width, lit, section) => {
    // labels on the front, where there is room
    const taken = [];
    return front.flatMap((p) => {
      const [x, y] = [of.x(p.x), of.y(p.y) - 12];
      if (!lit(p.row) || taken.some(([a, b]) => Math.abs(a - x) < 90 && Math.abs(b - y) < 15)) return [];
      taken.push([x, y]);
      const anchor = x > of.right - 60 ? "end" : x < of.left + 50 ? "start" : "middle";
      return [
        el(
          "text",
          {class: "name", x: x.toFixed(1), y: Math.max(y, of.top - 7).toFixed(1), "text-anchor": anchor},
          audioml.label(section, p.row).slice(0, 28),
        ),
      ];
    });
  };

  function draw(host, section) {
    const columns = numeric(section);
    const [x, y] = [0, 1].map(
      (i) =>
        columns.find((column) => column.key === axes?.[i]) ??
        columns.find((column) => column.key === pick(section, i ? ["primary"] : COSTS)) ??
        columns[i],
    );
    if (!x || !y) {
      host.append(el("p", {className: "quiet"}, "No run of this table has two numbers to set against each other."));
      return;
    }
    const entries = columns.map((column) => [column.key, column.title]);
    const set = (place) => (key) => {
      axes = [x.key, y.key];
      axes[place] = key;
      audioml.show();
    };
    host.append(
      el(
        "div",
        {className: "row"},
        audioml.choice("Up", entries, y.key, set(1)),
        audioml.choice("Across", entries, x.key, set(0)),
        audioml.tick("Logarithmic across", log, (on) => {
          log = on;
          audioml.show();
        }),
      ),
    );
    const asked = audioml.ask(section, audioml.state.query),
      found = audioml.leader(section);
    const lit = (row) => asked.error !== "" || asked.test(row);
    const alike = (own, row) =>
      section.rows.find((other) => audioml.label(section, other) === audioml.label(own, row))?.id ?? row.id;
    const point = (own) => (row) => ({
      row,
      section: own,
      as: own === section ? row.id : alike(own, row),
      x: audioml.value(own, row, x.key),
      y: audioml.value(own, row, y.key),
      keys: {x: x.key, y: y.key},
      titles: {x: x.title, y: y.title},
    });
    // over the share of the data: the tables that differ in nothing else, a line per row
    const tables = x.key === "share" ? audioml.index.sections.filter((other) => other.family === section.family) : [section];
    const points = tables
      .flatMap((own) => own.rows.filter((row) => row.done).map(point(own)))
      .filter((p) => typeof p.x === "number" && typeof p.y === "number");
    if (!points.length) {
      host.append(el("p", {className: "quiet"}, "No run has both."));
      return;
    }
    const [sx, sy] = [sense(section, x), sense(section, y)];
    const front =
      sx && sy && tables.length === 1
        ? audioml.front(
            points.filter((p) => !p.row.role && lit(p.row)),
            sx,
            sy,
          )
        : [];
    const figure = host.appendChild(el("figure"));
    const width = audioml.width(figure, 1500);
    figure.append(
      audioml.plot({
        label: `${y.title} against ${x.title}`,
        role: "group",
        width,
        height: Math.max(320, Math.min(480, width * 0.6)),
        x: {values: points.map((p) => p.x), title: said(x, sx), log},
        y: {values: points.map((p) => p.y), title: said(y, sy)},
        draw: (of) =>
          [
            front.length > 1 ? el("polyline", {class: "front", points: audioml.polyline(steps(front, of, sx < 0))}) : null,
            tables.length > 1 ? threads(points, of) : null,
            [...points].sort((p, q) => lit(p.row) - lit(q.row)).map((p) => shape(p, of, lit(p.row), found)),
            names(front, of, width, lit, section),
          ]
            .flat()
            .filter(Boolean),
      }),
      el("p", {id: "read", className: "readout", "aria-live": "polite"}, "Point at a run, or go to one with the Tab key."),
    );
    const names_ = front.map((p) => audioml.label(section, p.row)).join(", ");
    const missing = section.rows.filter((row) => row.done && !row.role).length - points.filter((p) => !p.row.role).length;
    host.append(
      el(
        "p",
        {id: "front"},
        front.length
          ? `On the front, no run better in both: ${names_}.`
          : tables.length > 1
            ? "A line per row: the same row with more and less of the training data."
            : "No front: one of the two has no better side.",
      ),
      el(
        "p",
        {className: "quiet"},
        `The front goes by the measured values; neighbours on it may be ties.${missing ? ` ${missing} trained run(s) lack one of the two numbers.` : ""}`,
      ),
    );
  }
  audioml.parts.pareto = {
    title: "Trade-offs",
    draw,
  };
})();
