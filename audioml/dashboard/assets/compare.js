"use strict";
// Two runs side by side: what was set differently, what was measured, the same item as pictures, and as sound.
(() => {
  const {el, button} = audioml;
  let pair = [null, null],
    every = false;

  const difference = (a, b) => {
    const [one, other] = [new Map(a), new Map(b)];
    return [...new Set([...one.keys(), ...other.keys()])].map((name) => [name, one.get(name), other.get(name)]);
  };
  const table = (label, names, lines) =>
    el(
      "div",
      {className: "scroll small", role: "region", "aria-label": label, tabIndex: 0},
      audioml.grid(
        ["", ...names].map((name) => el("th", {scope: "col", className: "text"}, el("span", {className: "head"}, name))),
        lines.map(([name, a, b]) =>
          el(
            "tr",
            {className: a === b ? "same" : "differs"},
            el("th", {scope: "row"}, name),
            el("td", {className: "text"}, a ?? "–"),
            el("td", {className: "text"}, b ?? "–"),
          ),
        ),
      ),
    );
  const config = (host, names, one, other) => {
    if (!one.config.length || !other.config.length) {
      host.append(el("p", {className: "quiet"}, "One of the two has no config.yaml here, so there is nothing to compare."));
      return;
    }
    const all = difference(one.config, other.config),
      unlike = all.filter(([, a, b]) => a !== b);
    host.append(
      el(
        "p",
        {},
        unlike.length ? `${unlike.length} of ${all.length} settings differ.` : `All ${all.length} settings are the same.`,
      ),
    );
    if (unlike.length || every) host.append(table("Configuration of the two runs", names, every ? all : unlike));
  };
  const measured = (host, section, names, rows) => {
    const lines = section.columns
      .map((column, place) => [column.title, ...rows.map((row) => (row.cells[place] ? row.cells[place][0] : "–"))])
      .filter(([, a, b]) => a !== "–" || b !== "–");
    const letter = section.tied[section.rows.indexOf(rows[0])]?.[section.rows.indexOf(rows[1])];
    const says =
      {
        1: "Their quality cannot be told apart (paired over seeds and items, after Holm over all pairs of the table).",
        0: "Their quality differs (paired over seeds and items, after Holm over all pairs of the table).",
        t: "Over the test items these two cannot be told apart (the paired 95 % interval holds zero). One seed each.",
        d: "Over the test items these two differ (the paired 95 % interval excludes zero). One seed each: that says nothing of the next seed.",
      }[letter] ?? "Their quality could not be tested item by item.";
    host.append(
      el("p", {}, rows[0] === rows[1] ? "This is one run twice." : says),
      table("What was measured of the two runs", names, lines.slice(1)),
    );
  };
  async function pictures(host, section, names, rows, stale) {
    const runs = rows.map(audioml.runOf),
      data = await audioml.load(`data/clips-${section.key}`);
    if (stale()) return;
    const shared = data.clips.filter((clip) => runs.every((id) => clip.takes.some((take) => take.id === id && take.sounds.length)));
    if (!shared.length) {
      host.append(el("p", {className: "quiet"}, "The two share no clip with sound."));
      return;
    }
    const {clip, stem, fields} = audioml.takes(shared, runs, audioml.show);
    host.append(el("div", {className: "row"}, fields));
    const takes = runs.map((id) => clip.takes.find((take) => take.id === id));
    const sounds = await Promise.all(takes.map((take) => audioml.sound(audioml.pickSound(take, stem).media)));
    if (stale()) return;
    const player = new audioml.Player(() => {
      show();
      audioml.pressed(keys, player);
    });
    const {whole, show} = audioml.transport(player);
    const keys = new Map(
      names.map((name, i) => [String(i), audioml.takeKey(player, String(i), [el("kbd", {}, String(i + 1)), name])]),
    );
    const deck = host.appendChild(
      el(
        "section",
        {className: "deck", "aria-label": "Player of the two runs", tabIndex: 0},
        whole,
        el("div", {className: "row"}, [...keys.values()]),
      ),
    );
    audioml.keys(deck, player, keys);
    audioml.leave = () => player.halt();
    player.set(new Map(sounds.map((sound, i) => [String(i), sound])));
    player.hear("0");
    const found = audioml.difference(...sounds, names);
    host.append(el("p", {}, found.text), el("div", {className: "charts"}, found.pictures));
    player.moved = (at) => found.pictures.forEach((picture) => picture.move(at));
    document.body.dataset.ready = "compare";
  }
  async function draw(host, section, stale) {
    const ids = section.rows.map((row) => row.id),
      chosen = audioml.chosen();
    pair = pair.map((id, i) => (ids.includes(id) ? id : (chosen[i] ?? ids[i] ?? ids[0])));
    const entries = section.rows.map((row) => [row.id, audioml.label(section, row)]);
    const set = (place) => (id) => {
      pair[place] = id;
      audioml.show();
    };
    host.append(
      el(
        "div",
        {className: "row"},
        audioml.choice("First", entries, pair[0], set(0)),
        audioml.choice("Second", entries, pair[1], set(1)),
        audioml.seedField(pair.map((id) => audioml.row(section, id))),
        button("Swap", () => {
          pair.reverse();
          audioml.show();
        }),
      ),
    );
    const rows = pair.map((id) => audioml.row(section, id)),
      names = rows.map((row) => audioml.label(section, row));
    const [one, other] = await Promise.all(rows.map((row) => audioml.load(`data/run-${audioml.runOf(row)}`)));
    if (stale()) return;
    host.append(
      el("h2", {}, "Configuration"),
      audioml.tick("Also what is the same", every, (on) => {
        every = on;
        audioml.show();
      }),
    );
    config(host, names, one, other);
    host.append(el("h2", {}, "Spectrograms and their difference"));
    const middle = host.appendChild(el("div"));
    host.append(el("h2", {}, "Measured"));
    measured(host, section, names, rows);
    await pictures(middle, section, names, rows, stale);
  }
  audioml.parts.compare = {
    title: "Two runs",
    draw,
    busy: () => true,
  };
})();
