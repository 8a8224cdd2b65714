"use strict";
// Votes: counted into a column of the table, kept by the server or, without one, by the browser.
(() => {
  const {el} = audioml;
  const COLUMN = {
    key: "votes",
    title: "Votes",
    unit: "",
    better: "high",
    form: "number",
    brief: true,
    help: "Share of blind comparisons with other runs of this table that it won (a tie counts half), with its 95 % Wilson interval and the number of votes.",
  };

  // ---- counting ----
  const wilson = (wins, n) => {
    const z = 1.96,
      p = wins / n,
      scale = 1 + (z * z) / n,
      middle = (p + (z * z) / 2 / n) / scale,
      half = (z / scale) * Math.sqrt((p * (1 - p)) / n + (z * z) / 4 / n / n);
    return [Math.max(0, middle - half), Math.min(1, middle + half)];
  };
  audioml.score = (row, votes) => {
    // of all its seeds; two seeds of one row against each other say nothing of the row
    const ids = new Set(row.runs.map((run) => run.id));
    const own = votes.filter((vote) => vote.kind === "prefer" && ids.has(vote.a) !== ids.has(vote.b));
    return {
      n: own.length,
      wins: own.reduce((sum, vote) => sum + (vote.answer === "tie" ? 0.5 : ids.has(vote[vote.answer]) ? 1 : 0), 0),
    };
  };
  audioml.chance = (right, n) => {
    // of as many right answers, or more, by guessing
    let p = 0.5 ** n,
      sum = 0;
    for (let k = 0; k <= n; k += 1) {
      if (k >= right) sum += p;
      p *= (n - k) / (k + 1);
    }
    return Math.min(1, sum);
  };
  const decorate = () => {
    for (const section of audioml.index.sections) {
      const place = audioml.column(section, "votes");
      const scores = section.rows.map((row) => audioml.score(row, audioml.votes));
      if (place < 0 && !scores.some(({n}) => n)) continue;
      if (place < 0) section.columns.push(COLUMN);
      section.rows.forEach((row, i) => {
        const {n, wins} = scores[i],
          [low, high] = n ? wilson(wins, n) : [];
        row.cells[place < 0 ? section.columns.length - 1 : place] = n
          ? [`${(wins / n).toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}] (${n})`, wins / n]
          : [String("–"), null, "nobody has voted on it"];
      });
    }
  };
  const key = (vote) => JSON.stringify(["kind", "a", "b", "clip", "section", "answer", "time"].map((name) => vote[name]));
  audioml.takeVotes = ({votes, problem = ""}) => {
    // those of the file, and, without a server, those kept here
    const own = audioml.version ? [] : audioml.kept("votes", []);
    const seen = new Set(votes.map(key));
    audioml.votes = [...votes, ...own.filter((vote) => !seen.has(key(vote)))];
    audioml.voteProblem = problem;
    decorate();
  };
  audioml.cast = async (vote) => {
    if (audioml.version) {
      const answer = await fetch("api/votes", {
        method: "POST",
        headers: {"Content-Type": "application/json"},
        body: JSON.stringify(vote),
      });
      if (!answer.ok) throw new Error((await answer.text()).trim());
    } else {
      vote.time = new Date().toISOString().slice(0, 19);
      audioml.keep("votes", [...audioml.kept("votes", []), vote]);
    }
    audioml.votes.push(vote);
    decorate();
  };
  audioml.saveVotes = () => {
    const link = el("a", {
      href: URL.createObjectURL(
        new Blob([`${JSON.stringify({schema: 1, votes: audioml.votes}, null, 1)}\n`], {type: "application/json"}),
      ),
      download: "votes.json",
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
})();
