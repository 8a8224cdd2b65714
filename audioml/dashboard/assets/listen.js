"use strict";
// Players: one clip through the chosen runs, switched at the same instant, and its picture.
(() => {
  const {el} = audioml;
  let clipName = "",
    stemName = "",
    heard = {}; // what was heard last, by table

  const stems = (takes) => [...new Set(takes.flatMap((take) => take.sounds.map((sound) => sound.stem)))];
  audioml.pickSound = (take, stem) => take.sounds.find((sound) => sound.stem === stem) ?? take.sounds[0];
  // the clip, the takes of the runs `ids` in it (input and target first), and the choices of clip and stem as fields
  audioml.takes = (clips, ids, again) => {
    const clip = clips.find((other) => other.name === clipName) ?? clips[0];
    const takes = [
      ...clip.takes.filter((take) => ["input", "target"].includes(take.id)),
      ...ids.map((id) => clip.takes.find((take) => take.id === id)).filter(Boolean),
    ];
    const names = stems(takes.filter((take) => take.id !== "input"));
    const stem = names.includes(stemName) ? stemName : (names[0] ?? "");
    const fields = [
      audioml.choice(
        "Clip",
        clips.map((other) => [other.name, other.name]),
        clip.name,
        (name) => {
          clipName = name;
          again();
        },
      ),
    ];
    if (names.length > 1)
      fields.push(
        audioml.choice(
          "Source",
          names.map((name) => [name, name || "whole"]),
          stem,
          (name) => {
            stemName = name;
            again();
          },
        ),
      );
    return {clip, takes, stem, fields};
  };
  audioml.words = (take) =>
    take.words
      ? el(
          "p",
          {className: "said"},
          take.words.length
            ? take.words.flatMap(([word, right]) => [right ? el("span", {}, word) : el("mark", {}, word), " "])
            : el("span", {className: "quiet"}, "(nothing)"),
        )
      : null;
  const title = (section, take) => {
    const row = audioml.byRun(section, take.id);
    return row
      ? audioml.runLabel(
          section,
          row,
          row.runs.find((run) => run.id === take.id),
        )
      : take.title;
  };

  async function draw(host, section, stale) {
    const data = await audioml.load(`data/clips-${section.key}`);
    if (stale()) return;
    if (!data.clips.length) {
      host.append(
        el("p", {className: "quiet"}, "There is nothing to hear: these runs have no examples here (published records have none)."),
      );
      return;
    }
    const rows = audioml.chosen().map((id) => audioml.row(section, id));
    const {takes, stem, fields} = audioml.takes(data.clips, rows.map(audioml.runOf), audioml.show);
    audioml.legend(section, host);
    host.append(
      el("div", {className: "row"}, fields, audioml.seedField(rows)),
      data.broken
        ? el("p", {className: "quiet"}, `${data.broken} example file(s) were missing, unreadable or outside their run's folder.`)
        : "",
    );
    const sounding = takes.filter((take) => take.sounds.length);
    const state = el("p", {className: "quiet", role: "status"}, "Loading sounds …");
    const region = host.appendChild(el("section", {className: "deck", "aria-label": "Player", tabIndex: 0}));
    const player = new audioml.Player(() => {
      show();
      marks();
    });
    const {whole, show} = audioml.transport(player);
    const keys = new Map(),
      pictures = el("div", {className: "charts"});
    const marks = () => {
      if (player.on) heard[section.key] = player.on;
      audioml.pressed(keys, player);
    };
    const list = el(
      "ol",
      {className: "takes"},
      takes.map((take) => {
        const row = audioml.byRun(section, take.id),
          own = audioml.pickSound(take, stem);
        const place = sounding.indexOf(take);
        const key = own
          ? audioml.takeKey(player, take.id, [
              place >= 0 && place < 9 ? el("kbd", {}, String(place + 1)) : "",
              title(section, take),
            ])
          : el("strong", {}, title(section, take));
        if (own) keys.set(take.id, key);
        return el(
          "li",
          {},
          key,
          row ? el("span", {className: "quiet"}, audioml.cell(section, row, "primary")?.[0] ?? "–") : null,
          row ? audioml.badges(row) : null,
          own?.note ? el("small", {className: "quiet"}, own.note) : null,
          el("small", {className: "quiet", "data-short": take.id}),
          audioml.words(take),
        );
      }),
    );
    region.append(sounding.length ? whole : "", list, state);
    host.append(el("h2", {}, "Spectrograms"), pictures);
    audioml.keys(region, player, keys);
    audioml.leave = () => player.halt();
    const found = await Promise.all(
      sounding.map((take) =>
        audioml.sound(audioml.pickSound(take, stem).media).then(
          (sound) => [take, sound],
          (error) => [take, error],
        ),
      ),
    );
    if (stale()) return;
    const good = found.filter(([, sound]) => sound.buffer),
      bad = found.filter(([, sound]) => !sound.buffer);
    bad.forEach(([take, error]) => {
      const key = keys.get(take.id);
      key.disabled = true;
      key.title = error.message;
      keys.delete(take.id);
    });
    good.forEach(([take, sound]) => {
      if (sound.short > 0.5)
        region.querySelector(`[data-short="${take.id}"]`).textContent =
          `${sound.short.toFixed(1)} dB quieter than the others: no room for its peaks, or hardly a sound`;
    });
    player.on = keys.has(heard[section.key])
      ? heard[section.key]
      : ([...keys.keys()].find((id) => id !== "input" && id !== "target") ?? [...keys.keys()][0] ?? "");
    player.set(new Map(good.map(([take, sound]) => [take.id, sound])));
    state.textContent = sounding.length
      ? `${good.length} sound${good.length > 1 ? "s" : ""}.${bad.length ? ` ${bad.length} cannot be played.` : ""} Keys 1 to 9 switch, the space bar plays and stops.`
      : "These runs make no sound: read what they wrote.";
    show();
    marks();
    const drawn = [];
    for (const [take, sound] of good) {
      // one by one, so that the page stays alive
      await new Promise((done) => setTimeout(done));
      if (stale()) return;
      drawn.push(pictures.appendChild(audioml.pictureOf(title(section, take), sound)));
    }
    player.moved = (at) => drawn.forEach((picture) => picture.move(at));
    audioml.player = player;
    document.body.dataset.ready = "listen";
  }
  audioml.parts.listen = {
    title: "Listen",
    draw,
    busy: () => true,
  };
})();
