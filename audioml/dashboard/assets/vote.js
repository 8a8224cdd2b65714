"use strict";
// Blind listening: which is X (ABX), or which is better (pairs).  Votes become a column of the table.
(() => {
  const {el, button} = audioml;
  let mode = "prefer", pair = ["", ""], trial = null;
  const COLUMN = {key: "votes", title: "Votes", unit: "", better: "high", form: "number", brief: true,
    help: "Share of blind comparisons with other runs of this table that it won (a tie counts half), with its 95 % Wilson interval and the number of votes."};

  // ---- counting ----
  const wilson = (wins, n) => {
    const z = 1.96, p = wins / n, scale = 1 + z * z / n, middle = (p + z * z / 2 / n) / scale, half = z / scale * Math.sqrt(p * (1 - p) / n + z * z / 4 / n / n);
    return [Math.max(0, middle - half), Math.min(1, middle + half)];
  };
  const score = (row, votes) => {  // of all its seeds; two seeds of one row against each other say nothing of the row
    const ids = new Set(row.runs.map((run) => run.id));
    const own = votes.filter((vote) => vote.kind === "prefer" && ids.has(vote.a) !== ids.has(vote.b));
    return {n: own.length, wins: own.reduce((sum, vote) => sum + (vote.answer === "tie" ? 0.5 : ids.has(vote[vote.answer]) ? 1 : 0), 0)};
  };
  const chance = (right, n) => {  // of as many right answers, or more, by guessing
    let p = 0.5 ** n, sum = 0;
    for (let k = 0; k <= n; k += 1) { if (k >= right) sum += p; p *= (n - k) / (k + 1); }
    return Math.min(1, sum);
  };
  const decorate = () => {
    for (const section of audioml.index.sections) {
      const place = audioml.column(section, "votes");
      const scores = section.rows.map((row) => score(row, audioml.votes));
      if (place < 0 && !scores.some(({n}) => n)) continue;
      if (place < 0) section.columns.push(COLUMN);
      section.rows.forEach((row, i) => {
        const {n, wins} = scores[i], [low, high] = n ? wilson(wins, n) : [];
        row.cells[place < 0 ? section.columns.length - 1 : place] = n ? [`${(wins / n).toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}] (${n})`, wins / n] : [String("–"), null, "nobody has voted on it"];
      });
    }
  };
  const key = (vote) => JSON.stringify(["kind", "a", "b", "clip", "section", "answer", "time"].map((name) => vote[name]));
  audioml.takeVotes = ({votes, problem = ""}) => {  // those of the file, and, without a server, those kept here
    const own = audioml.version ? [] : audioml.kept("votes", []);
    const seen = new Set(votes.map(key));
    audioml.votes = [...votes, ...own.filter((vote) => !seen.has(key(vote)))];
    audioml.voteProblem = problem;
    decorate();
  };
  const cast = async (vote) => {
    if (audioml.version) {
      const answer = await fetch("api/votes", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(vote)});
      if (!answer.ok) throw new Error((await answer.text()).trim());
    } else {
      vote.time = new Date().toISOString().slice(0, 19);
      audioml.keep("votes", [...audioml.kept("votes", []), vote]);
    }
    audioml.votes.push(vote);
    decorate();
  };
  const file = () => {
    const link = el("a", {href: URL.createObjectURL(new Blob([`${JSON.stringify({schema: 1, votes: audioml.votes}, null, 1)}\n`], {type: "application/json"})), download: "votes.json"});
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  // ---- a trial ----
  const any = (list) => list[Math.floor(Math.random() * list.length)];
  const able = (clips, ids, stem) => clips.map((clip) => [clip, ids.filter((id) => clip.takes.some((take) => take.id === id && audioml.pickSound(take, stem)))]).filter(([, own]) => own.length > 1);
  const next = (clips, ids) => {
    const found = able(clips, mode === "abx" ? pair : ids, "");
    if (!found.length) return null;
    const [clip, own] = any(found);
    const one = any(own), other = any(own.filter((id) => id !== one));
    const [a, b] = mode === "abx" ? pair : [one, other];
    const stems = [...new Set(clip.takes.find((take) => take.id === a).sounds.map((sound) => sound.stem))];
    return {mode, clip, a, b, x: any([a, b]), stem: any(stems)};
  };
  const entries = () => (mode === "abx" ? [["A", trial.a], ["X", trial.x], ["B", trial.b]] : [["A", trial.a], ["B", trial.b]]);
  const answers = () => (mode === "abx" ? [["X is A", trial.x === trial.a ? "right" : "wrong"], ["X is B", trial.x === trial.b ? "right" : "wrong"]] : [["A is better", "a"], ["No difference", "tie"], ["B is better", "b"]]);

  async function booth(host, section, clips, ids, stale) {
    if (!trial || trial.mode !== mode || trial.section !== section.key || ![trial.a, trial.b].every((id) => (mode === "abx" ? pair : ids).includes(id))) trial = next(clips, ids);
    if (!trial) { host.append(el("p", {className: "quiet"}, "Choose at least two runs that share a clip with sound.")); return; }
    trial.section = section.key;
    const player = new audioml.Player(() => { show(); keys.forEach((button_, name) => button_.setAttribute("aria-pressed", String(player.on === name))); });
    const {whole, show} = audioml.transport(player, true);
    const keys = new Map(entries().map(([name]) => [name, button(name, () => { player.hear(name); player.play(); }, {className: "take big", "aria-pressed": "false"})]));
    const said = el("p", {role: "status"});
    const decide = async (answer) => {
      try {
        await cast({kind: mode, a: trial.a, b: trial.b, clip: trial.clip.name, section: `${section.title}`.slice(0, 120), answer});
        said.textContent = "";
        trial = null;
        audioml.show();
        document.querySelector("#booth")?.focus();
      } catch (error) { said.textContent = `The vote was not kept: ${error.message}`; }
    };
    const deck = host.appendChild(el("section", {id: "booth", className: "deck", "aria-label": "Blind player", tabIndex: 0}, el("p", {className: "quiet"}, `Clip ${trial.clip.name}${trial.stem ? `, ${trial.stem}` : ""}. Which run is which is not shown; the loudness is the same.`), whole,
      el("div", {className: "row"}, [...keys.values()]), el("div", {className: "row answers"}, answers().map(([text, answer]) => button(text, () => decide(answer)))), said));
    audioml.keys(deck, player, () => [...keys.keys()]);
    audioml.leave = () => player.halt();
    const sounds = await Promise.all(entries().map(([, id]) => audioml.sound(audioml.pickSound(trial.clip.takes.find((take) => take.id === id), trial.stem).media)));
    if (stale()) return;
    player.set(new Map([...keys.keys()].map((name, i) => [name, sounds[i]])));
    player.hear("A");
    const short = Math.max(...sounds.map((sound) => sound.short)) - Math.min(...sounds.map((sound) => sound.short));
    if (short > 0.5) said.textContent = `Their loudness differs by ${short.toFixed(1)} dB: peaks leave no room. Do not judge by it.`;
    document.body.dataset.ready = "vote";
  }
  const results = (host, section) => {
    const name = (id) => { const row = audioml.byRun(section, id); return row ? audioml.label(section, row) : ""; };
    const ids = new Set(section.rows.flatMap((row) => row.runs.map((run) => run.id))), own = audioml.votes.filter((vote) => ids.has(vote.a) && ids.has(vote.b));
    const ranked = section.rows.map((row) => [row, score(row, own)]).filter(([, {n}]) => n).sort(([, a], [, b]) => b.wins / b.n - a.wins / a.n);
    if (ranked.length) host.append(el("h2", {}, "Preferred"), el("ol", {}, ranked.map(([row]) => el("li", {}, `${audioml.label(section, row)}: ${audioml.cell(section, row, "votes")[0]}`))));
    const pairs = new Map();
    own.filter((vote) => vote.kind === "abx").forEach((vote) => { const both = [vote.a, vote.b].sort().join(" "); pairs.set(both, [...(pairs.get(both) ?? []), vote.answer]); });
    if (pairs.size) host.append(el("h2", {}, "Told apart"), el("ul", {}, [...pairs].map(([both, all]) => {
      const right = all.filter((answer) => answer === "right").length, p = chance(right, all.length);
      return el("li", {}, `${both.split(" ").map(name).join(" and ")}: ${right} of ${all.length} right; by guessing as often: ${(100 * p).toPrecision(2)} %`);
    })));
    host.append(el("p", {}, button(`Save all ${audioml.votes.length} votes as votes.json`, file)), el("p", {className: "quiet"}, audioml.version ? "Votes are kept in votes.json beside the runs." : "This page was opened from disk: your votes are kept in this browser. Save them, and put the file beside the folder of runs."));
  };
  async function draw(host, section, stale) {
    const data = await audioml.load(`data/clips-${section.key}`);
    if (stale()) return;
    const clips = data.clips.filter((clip) => clip.takes.some((take) => take.sounds.length && take.id !== "input" && take.id !== "target"));
    const ids = audioml.chosen().map((id) => audioml.runOf(section.rows.find((row) => row.id === id)));
    if (audioml.voteProblem) host.append(el("p", {className: "bad"}, audioml.voteProblem));
    host.append(el("div", {className: "row"}, audioml.choice("Ask", [["prefer", "Which is better? (pairs of the chosen runs)"], ["abx", "Which is X? (ABX of two runs)"]], mode, (now) => { mode = now; trial = null; audioml.show(); })));
    if (mode === "abx") {
      pair = pair.map((id, i) => (audioml.byRun(section, id) ? id : ids[i] ?? ""));
      const all = section.rows.flatMap((row) => row.runs.filter((run) => run.has).map((run) => [run.id, `${audioml.label(section, row)}${row.runs.length > 1 ? `, seed ${run.seed}` : ""}`]));
      host.append(el("div", {className: "row"}, [0, 1].map((i) => audioml.choice("AB"[i], all, pair[i], (id) => { pair[i] = id; trial = null; audioml.show(); }))));
    } else audioml.legend(section, host);
    results(host, section);
    const room = el("div");
    host.insertBefore(room, host.querySelector("h2") ?? host.lastElementChild.previousElementSibling);
    await booth(room, section, clips, ids, stale);
  }
  audioml.parts.vote = {title: "Blind test", draw, refresh() { trial = null; audioml.show(); }, busy: () => true};
})();
