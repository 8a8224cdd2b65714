"use strict";
// Learning curves: the chosen runs in colour, the others grey; runs in progress dashed.
(() => {
  const {el} = audioml;
  let log = false,
    all = true;
  const kept = new Map(); // section -> metrics that are shown

  const inner = (values) => {
    // a first loss of 1e6 must not flatten all that follows: it is drawn at the edge
    const sorted = [...values].sort((a, b) => a - b),
      cut = Math.floor(sorted.length / 50);
    return [sorted[cut], sorted[sorted.length - 1 - cut]];
  };
  const same = (section, run) => run.task === section.task && run.data === section.data;

  function chart(host, section, name, lines) {
    const values = lines.flatMap((line) => line.curve[1]);
    const [low, high] = inner(values);
    const clip = (v) => Math.min(Math.max(v, low), high);
    const figure = host.appendChild(el("figure"));
    const read = el("p", {className: "readout"}, " ");
    const say = (line) => {
      read.textContent = `${line.name}: ${audioml.number(line.curve[1].at(-1))} at step ${audioml.number(line.curve[0].at(-1))}`;
    };
    figure.append(
      audioml.plot({
        label: `${name} over the optimiser steps of ${lines.length} runs`,
        width: audioml.width(figure, 560),
        height: 260,
        x: {values: lines.flatMap((line) => [line.curve[0][0], line.curve[0].at(-1)]), title: "steps"},
        y: {values: [low, high], title: name, log},
        draw: (of) =>
          lines.map((line) =>
            el(
              "polyline",
              {
                class: `line ${line.style}`,
                "data-id": line.id,
                onpointerenter: () => say(line),
                points: audioml.polyline(line.curve[0].map((step, i) => [of.x(step), of.y(clip(line.curve[1][i]))])),
              },
              el("title", {}, line.name),
            ),
          ),
      }),
      read,
    );
  }
  const gather = (section, data, name) => {
    const chosen = new Set(audioml.chosen());
    const rows = section.rows.filter((row) => all || chosen.has(row.id));
    rows.sort((a, b) => chosen.has(a.id) - chosen.has(b.id)); // the chosen ones above the grey
    const lines = rows.flatMap((row) =>
      row.runs
        .filter((run) => data.runs[run.id]?.[name])
        .map((run) => ({
          // a line per seed, in the row's colour
          id: run.id,
          name: audioml.runLabel(section, row, run),
          curve: data.runs[run.id][name],
          style: audioml.colour(row.id),
        })),
    );
    for (const run of audioml.live.runs.filter((other) => same(section, other))) {
      const curve = audioml.live.curves.runs[run.id]?.[name];
      if (curve) lines.push({id: run.id, name: `${run.name}, ${run.state}`, curve, style: "now dash"});
    }
    return lines;
  };
  const legend = (section, host) => {
    const chips = audioml.chosen().map((id) => {
      const row = audioml.row(section, id);
      return el(
        "li",
        {},
        audioml.button(
          [
            el(
              "svg",
              {class: "swatch", viewBox: "0 0 18 8", "aria-hidden": "true"},
              el("path", {class: `line ${audioml.colour(id)}`, d: "M0 4H18"}),
            ),
            audioml.label(section, row),
          ],
          () => {
            audioml.choose(id, false);
          },
          {title: "Take it out"},
        ),
      );
    });
    const rest = section.rows
      .filter((row) => row.has && !audioml.chosen().includes(row.id))
      .map((row) => [row.id, audioml.label(section, row)]);
    const more = el(
      "select",
      {"aria-label": "Add a run", onchange: (event) => event.target.value && audioml.choose(event.target.value, true)},
      [["", "Add a run …"], ...rest].map(([id, text]) => el("option", {value: id}, text)),
    );
    host.append(el("ul", {className: "legend", "aria-label": "Chosen runs"}, chips, rest.length ? el("li", {}, more) : null));
  };
  audioml.legend = legend;

  async function draw(host, section, stale) {
    const data = await audioml.load(`data/curves-${section.key}`);
    if (stale()) return;
    const names = [
      ...new Set([
        ...data.names,
        ...audioml.live.runs
          .filter((run) => same(section, run))
          .flatMap((run) => Object.keys(audioml.live.curves.runs[run.id] ?? {})),
      ]),
    ].filter((name) => !name.endsWith("learning_rate"));
    if (!names.length) {
      host.append(el("p", {className: "quiet"}, "No run of this table has learning curves here (published records have none)."));
      return;
    }
    const shown = kept.get(section.key) ?? names.slice(0, 4);
    legend(section, host);
    host.append(
      el(
        "div",
        {className: "row"},
        audioml.tick("The other runs in grey", all, (on) => {
          all = on;
          audioml.show();
        }),
        audioml.tick("Logarithmic", log, (on) => {
          log = on;
          audioml.show();
        }),
      ),
      el(
        "details",
        {className: "fold"},
        el("summary", {}, "Curves"),
        el(
          "div",
          {className: "ticks"},
          names.map((name) =>
            audioml.tick(name, shown.includes(name), (on) => {
              kept.set(
                section.key,
                names.filter((other) => (other === name ? on : shown.includes(other))),
              );
              audioml.show();
            }),
          ),
        ),
      ),
    );
    const charts = host.appendChild(el("div", {className: "charts"}));
    for (const name of names.filter((other) => shown.includes(other))) {
      const lines = gather(section, data, name);
      if (lines.length) chart(charts, section, name, lines);
    }
    if (audioml.live.runs.some((run) => same(section, run)))
      host.append(
        el(
          "p",
          {className: "quiet"},
          "Dashed: runs without a record yet. Their data's fingerprint is not known, so only their curves are shown, no results.",
        ),
      );
  }
  audioml.parts.curves = {
    title: "Curves",
    draw,
  };
})();
