"use strict";
// Blind listening: which is X (ABX), or which is better (pairs).
(() => {
  const {el, button} = audioml;
  let mode = "prefer",
    pair = ["", ""],
    trial = null;

  // ---- a trial ----
  const any = (list) => list[Math.floor(Math.random() * list.length)];
  const able = (clips, ids) =>
    clips
      .map((clip) => [clip, ids.filter((id) => clip.takes.some((take) => take.id === id && take.sounds.length))])
      .filter(([, own]) => own.length > 1);
  const next = (clips, ids) => {
    const found = able(clips, mode === "abx" ? pair : ids);
    if (!found.length) return null;
    const [clip, own] = any(found);
    const one = any(own),
      other = any(own.filter((id) => id !== one));
    const [a, b] = mode === "abx" ? pair : [one, other];
    const stems = [...new Set(clip.takes.find((take) => take.id === a).sounds.map((sound) => sound.stem))];
    return {mode, clip, a, b, x: any([a, b]), stem: any(stems)};
  };
  const entries = () =>
    mode === "abx"
      ? [
          ["A", trial.a],
          ["X", trial.x],
          ["B", trial.b],
        ]
      : [
          ["A", trial.a],
          ["B", trial.b],
        ];
  const answers = () =>
    mode === "abx"
      ? [
          ["X is A", trial.x === trial.a ? "right" : "wrong"],
          ["X is B", trial.x === trial.b ? "right" : "wrong"],
        ]
      : [
          ["A is better", "a"],
          ["No difference", "tie"],
          ["B is better", "b"],
        ];

  async function booth(host, section, clips, ids, stale) {
    if (
      !trial ||
      trial.mode !== mode ||
      trial.section !== section.key ||
      ![trial.a, trial.b].every((id) => (mode === "abx" ? pair : ids).includes(id))
    )
      trial = next(clips, ids);
    if (!trial) {
      host.append(el("p", {className: "quiet"}, "Choose at least two runs that share a clip with sound."));
      return;
    }
    trial.section = section.key;
    const player = new audioml.Player(() => {
      show();
      audioml.pressed(keys, player);
    });
    const {whole, show} = audioml.transport(player, true);
    const keys = new Map(entries().map(([name]) => [name, audioml.takeKey(player, name, name, "take big")]));
    const said = el("p", {role: "status"});
    const decide = async (answer) => {
      try {
        await audioml.cast({
          kind: mode,
          a: trial.a,
          b: trial.b,
          clip: trial.clip.name,
          section: `${section.title}`.slice(0, 120),
          answer,
        });
        said.textContent = "";
        trial = null;
        audioml.show();
        document.querySelector("#booth")?.focus();
      } catch (error) {
        said.textContent = `The vote was not kept: ${error.message}`;
      }
    };
    const deck = host.appendChild(
      el(
        "section",
        {id: "booth", className: "deck", "aria-label": "Blind player", tabIndex: 0},
        el(
          "p",
          {className: "quiet"},
          `Clip ${trial.clip.name}${trial.stem ? `, ${trial.stem}` : ""}. Which run is which is not shown; the loudness is the same.`,
        ),
        whole,
        el("div", {className: "row"}, [...keys.values()]),
        el(
          "div",
          {className: "row answers"},
          answers().map(([text, answer]) => button(text, () => decide(answer))),
        ),
        said,
      ),
    );
    audioml.keys(deck, player, keys);
    audioml.leave = () => player.halt();
    const sounds = await Promise.all(
      entries().map(([, id]) =>
        audioml.sound(
          audioml.pickSound(
            trial.clip.takes.find((take) => take.id === id),
            trial.stem,
          ).media,
        ),
      ),
    );
    if (stale()) return;
    player.set(new Map([...keys.keys()].map((name, i) => [name, sounds[i]])));
    player.hear("A");
    const short = Math.max(...sounds.map((sound) => sound.short)) - Math.min(...sounds.map((sound) => sound.short));
    if (short > 0.5)
      said.textContent = `Their loudness differs by ${short.toFixed(1)} dB: peaks leave no room. Do not judge by it.`;
    document.body.dataset.ready = "vote";
  }
  const results = (host, section) => {
    const name = (id) => {
      const row = audioml.byRun(section, id);
      return row ? audioml.label(section, row) : "";
    };
    const ids = new Set(section.rows.flatMap((row) => row.runs.map((run) => run.id))),
      own = audioml.votes.filter((vote) => ids.has(vote.a) && ids.has(vote.b));
    const ranked = section.rows
      .map((row) => [row, audioml.score(row, own)])
      .filter(([, {n}]) => n)
      .sort(([, a], [, b]) => b.wins / b.n - a.wins / a.n);
    if (ranked.length)
      host.append(
        el("h2", {}, "Preferred"),
        el(
          "ol",
          {},
          ranked.map(([row]) => el("li", {}, `${audioml.label(section, row)}: ${audioml.cell(section, row, "votes")[0]}`)),
        ),
      );
    const pairs = new Map();
    own
      .filter((vote) => vote.kind === "abx")
      .forEach((vote) => {
        const both = [vote.a, vote.b].sort().join(" ");
        pairs.set(both, [...(pairs.get(both) ?? []), vote.answer]);
      });
    if (pairs.size)
      host.append(
        el("h2", {}, "Told apart"),
        el(
          "ul",
          {},
          [...pairs].map(([both, all]) => {
            const right = all.filter((answer) => answer === "right").length,
              p = audioml.chance(right, all.length);
            return el(
              "li",
              {},
              `${both.split(" ").map(name).join(" and ")}: ${right} of ${all.length} right; by guessing as often: ${(100 * p).toPrecision(2)} %`,
            );
          }),
        ),
      );
    host.append(
      el("p", {}, button(`Save all ${audioml.votes.length} votes as votes.json`, audioml.saveVotes)),
      el(
        "p",
        {className: "quiet"},
        audioml.version
          ? "Votes are kept in votes.json beside the runs."
          : "This page was opened from disk: your votes are kept in this browser. Save them, and put the file beside the folder of runs.",
      ),
    );
  };
  async function draw(host, section, stale) {
    const data = await audioml.load(`data/clips-${section.key}`);
    if (stale()) return;
    const clips = data.clips.filter((clip) =>
      clip.takes.some((take) => take.sounds.length && take.id !== "input" && take.id !== "target"),
    );
    const ids = audioml.chosen().map((id) => audioml.runOf(audioml.row(section, id)));
    if (audioml.voteProblem) host.append(el("p", {className: "bad"}, audioml.voteProblem));
    host.append(
      el(
        "div",
        {className: "row"},
        audioml.choice(
          "Ask",
          [
            ["prefer", "Which is better? (pairs of the chosen runs)"],
            ["abx", "Which is X? (ABX of two runs)"],
          ],
          mode,
          (now) => {
            mode = now;
            trial = null;
            audioml.show();
          },
        ),
      ),
    );
    if (mode === "abx") {
      pair = pair.map((id, i) => (audioml.byRun(section, id) ? id : (ids[i] ?? "")));
      const all = section.rows.flatMap((row) =>
        row.runs
          .filter((run) => run.has)
          .map((run) => [run.id, audioml.runLabel(section, row, run)]),
      );
      host.append(
        el(
          "div",
          {className: "row"},
          [0, 1].map((i) =>
            audioml.choice("AB"[i], all, pair[i], (id) => {
              pair[i] = id;
              trial = null;
              audioml.show();
            }),
          ),
        ),
      );
    } else audioml.legend(section, host);
    results(host, section);
    const room = el("div");
    host.insertBefore(room, host.querySelector("h2") ?? host.lastElementChild.previousElementSibling);
    await booth(room, section, clips, ids, stale);
  }
  audioml.parts.vote = {
    title: "Blind test",
    draw,
    refresh() {
      trial = null;
      audioml.show();
    },
    busy: () => true,
  };
})();
