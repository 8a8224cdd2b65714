"use strict";
// The query: `latency<=10ms rtf<1 streaming=online best quality`.  Conditions (all must hold), words that must occur, one wish.
(() => {
  const NAMES = {
    // what people say -> a column
    quality: "primary",
    metric: "primary",
    compute: "macs",
    mac: "macs",
    params: "parameters",
    parameter: "parameters",
    size: "parameters",
    training: "train",
    data: "share",
    model: "row",
    name: "row",
    network: "row",
    lookahead: "lookahead",
    context: "receptive",
    cpu: "rtf",
    repr: "representation",
    baseline: "delta",
    algorithmic: "latency",
    total: "delay",
    wait: "delay",
  };
  const SENSES = {
    best: 0,
    most: 1,
    highest: 1,
    max: 1,
    maximum: 1,
    least: -1,
    lowest: -1,
    min: -1,
    minimum: -1,
    smallest: -1,
    fastest: -1,
  };
  const UNITS = {
    // unit of the column -> what may be written behind a number, as a factor
    ms: {ms: 1, s: 1000, us: 0.001, µs: 0.001},
    s: {s: 1, ms: 0.001, min: 60, h: 3600},
    B: {B: 1, kB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30},
    count: {k: 1e3, M: 1e6, G: 1e9, T: 1e12},
    dB: {dB: 1},
    "": {"%": 0.01},
  };
  const OPERATORS = {
    "<=": (a, b) => a <= b,
    ">=": (a, b) => a >= b,
    "<": (a, b) => a < b,
    ">": (a, b) => a > b,
    "=": (a, b) => a === b,
    "!=": (a, b) => a !== b,
  };
  const TERM =
    /\s*(?:([\p{L}_][\p{L}\p{N}_/-]*)\s*(<=|>=|!=|==|≤|≥|<|>|=|~)\s*("[^"]*"|[^\s,<>=~≤≥!"][^\s,]*)|"([^"]*)"|([^\s,"]+)|,)/uy;
  const SPARE = new Set(["and", "with", "the", "&", "&&"]);
  const plain = (text) => String(text).toLowerCase();

  // ---- names ----
  const distance = (a, b) => {
    let before = Array.from({length: b.length + 1}, (_, i) => i);
    for (let i = 1; i <= a.length; i += 1) {
      const now = [i];
      for (let j = 1; j <= b.length; j += 1)
        now[j] = Math.min(before[j] + 1, now[j - 1] + 1, before[j - 1] + (a[i - 1] !== b[j - 1]));
      before = now;
    }
    return before[b.length];
  };
  const known = (section) => [...section.columns.map((column) => column.key), ...Object.keys(NAMES), "badge"];
  const find = (section, name) => {
    const word = plain(name);
    if (word === "badge" || word === "badges") return {key: "badge", form: "text", title: "badges"};
    const own = section.primary.split("/").pop().toLowerCase(); // the ranking metric by its own name
    const key = audioml.column(section, word) >= 0 ? word : word === own ? "primary" : (NAMES[word] ?? word);
    const place = audioml.column(section, key);
    if (place >= 0) return section.columns[place];
    if (NAMES[word] || audioml.index.sections.some((other) => audioml.column(other, key) >= 0)) {
      throw new Error(`No run of this table has a value for '${name}'; it has ${section.columns.map((c) => c.key).join(", ")}.`);
    }
    const near = known(section)
      .map((other) => [distance(word, other), other])
      .sort((a, b) => a[0] - b[0])[0];
    const hint = near[0] <= 2 ? `; did you mean ${near[1]}?` : `; there are ${section.columns.map((c) => c.key).join(", ")}.`;
    throw new Error(`There is no column '${name}'${hint}`);
  };

  // ---- numbers with units ----
  const numberOf = (column, text) => {
    const found = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([\p{L}%µ]*)$/iu.exec(text);
    if (!found) return null;
    const [, digits, unit] = found;
    if (!unit) return Number(digits);
    const table = {
      ...UNITS[column.unit || ""],
      ...(["count", "bytes"].includes(column.form) ? {...UNITS.count} : {}),
      ...(column.form === "duration" ? UNITS.s : {}),
      ...(column.key === "macs" ? UNITS.count : {}),
    };
    if (table[unit] === undefined) {
      const may = Object.keys(table).join(", ");
      throw new Error(
        `'${column.key}' cannot be compared with ${text}: ${may ? `after the number it takes ${may}, or nothing` : "it takes a bare number"}.`,
      );
    }
    return Number(digits) * table[unit];
  };
  const isNumeric = (section, column) => section.rows.some((row) => typeof audioml.value(section, row, column.key) === "number");

  const condition = (section, name, sign, raw) => {
    const column = find(section, name);
    const operator = {"≤": "<=", "≥": ">=", "==": "="}[sign] ?? sign;
    const text = raw.replace(/^"|"$/g, "");
    const numeric = column.key !== "badge" && isNumeric(section, column);
    if (numeric && operator !== "~") {
      const wanted = numberOf(column, text);
      if (wanted === null) throw new Error(`'${column.key}' is a number, and '${text}' is none.`);
      const gaps = (row) => typeof audioml.value(section, row, column.key) !== "number";
      return {
        key: column.key,
        gaps,
        test: (row) => !gaps(row) && OPERATORS[operator](audioml.value(section, row, column.key), wanted),
      };
    }
    if (!["=", "!=", "~"].includes(operator)) throw new Error(`'${column.key}' is a text: compare it with =, != or ~ (contains).`);
    const words = (row) =>
      plain(column.key === "badge" ? row.badges.map((b) => b.text).join("|") : (audioml.cell(section, row, column.key)?.[0] ?? ""));
    const wanted = plain(text);
    // streaming=online means the whole word; ~ any part of it
    const tests = {
      "=": (t) => t === wanted || t.split("|").includes(wanted),
      "!=": (t) => t !== wanted,
      "~": (t) => t.includes(wanted),
    };
    return {key: column.key, gaps: () => false, test: (row) => tests[operator](words(row))};
  };
  const wish = (section, word, name) => {
    const column = find(section, name);
    if (column.key === "badge" || !isNumeric(section, column)) throw new Error(`'${name}' is no number, so nothing is best in it.`);
    const better = column.key === "primary" ? section.better : column.better;
    const sense = SENSES[plain(word)] || {high: 1, low: -1}[better];
    if (!sense) throw new Error(`'${name}' has no better side; write most ${name} or least ${name}.`);
    return {column, sense};
  };

  // ---- the whole: {error, test(row), goal: {column, sense} | null, unmeasured(rows)} ----
  audioml.ask = (section, text) => {
    const everything = {error: "", test: () => true, goal: null, conditions: [], empty: !text.trim()};
    try {
      return {...everything, ...parse(section, text)};
    } catch (error) {
      return {...everything, error: error.message};
    }
  };
  function parse(section, text) {
    const conditions = [],
      words = [];
    let goal = null;
    TERM.lastIndex = 0;
    const trimmed = text.trimEnd();
    let sense = "";
    while (TERM.lastIndex < trimmed.length) {
      const at = TERM.lastIndex;
      const found = TERM.exec(trimmed);
      if (!found)
        throw new Error(
          `'${trimmed.slice(at).trim()}' cannot be read; write conditions like latency<=10 and a wish like best quality.`,
        );
      const [, name, sign, value, quoted, word] = found;
      if (sense) {
        if (!word) throw new Error(`After '${sense}' comes the name of a column.`);
        if (goal) throw new Error("One wish at a time: there are two words like 'best'.");
        goal = wish(section, sense, word);
        sense = "";
      } else if (name) conditions.push(condition(section, name, sign, value));
      else if (quoted !== undefined) words.push(plain(quoted));
      else if (word && plain(word) in SENSES) sense = word;
      else if (word && /[<>=≤≥~]/.test(word))
        throw new Error(`'${word}' is half a condition; write NAME, then <=, >=, <, >, =, != or ~, then a value.`);
      else if (word && !SPARE.has(plain(word))) words.push(plain(word));
    }
    if (sense) throw new Error(`After '${sense}' comes the name of a column, such as quality.`);
    const body = (row) =>
      plain([row.name, row.folder, ...row.badges.map((b) => b.text), ...row.cells.map((c) => (c ? c[0] : ""))].join("\n"));
    const test = (row) => conditions.every((c) => c.test(row)) && words.every((word) => body(row).includes(word));
    return {test, goal, conditions};
  }

  // ---- who fulfils the wish, said with care ----
  const few = (names) => (names.length > 6 ? `${names.slice(0, 6).join(", ")} and ${names.length - 6} more` : names.join(", "));
  audioml.answer = (section, asked) => {
    // {text, best: row | null, ties: [row]}
    if (asked.error) return {text: asked.error, best: null, ties: []};
    const fit = section.rows.filter((row) => asked.test(row) && row.done && (asked.empty || !row.role));
    if (asked.empty) return {text: "", best: null, ties: []};
    const size = section.rows.filter((row) => row.done && !row.role).length;
    const gaps = [...new Set(asked.conditions.map((c) => c.key))]
      .map((key) => [key, asked.conditions.filter((c) => c.key === key)])
      .map(([key, own]) => [key, section.rows.filter((row) => row.done && !row.role && own.some((c) => c.gaps(row))).length])
      .filter(([, n]) => n);
    const silent = gaps.length ? ` Not measured, so left out: ${gaps.map(([key, n]) => `${key} of ${n}`).join(", ")}.` : "";
    const count = `${fit.length} of ${size} trained runs fit.${silent}`;
    if (!asked.goal) return {text: count, best: null, ties: []};
    const {column, sense} = asked.goal;
    const ranked = fit
      .filter((row) => typeof audioml.value(section, row, column.key) === "number")
      .sort((a, b) => sense * (audioml.value(section, b, column.key) - audioml.value(section, a, column.key)));
    if (!ranked.length) return {text: `No trained run fits. ${silent}`.trim(), best: null, ties: []};
    return {...named(section, column, ranked), count};
  };
  function named(section, column, every) {
    const several = every.filter((row) => row.runs.length > 1),
      ranked = several.length ? several : every;
    const [best, ...others] = ranked;
    const letters = section.tied[section.rows.indexOf(best)] ?? "";
    const letter = (row) => letters[section.rows.indexOf(row)];
    const judged = column.key === "primary";
    const equal = (row) =>
      judged ? "1t".includes(letter(row)) : audioml.value(section, row, column.key) === audioml.value(section, best, column.key);
    const ties = others.filter(equal),
      untested = judged ? others.filter((row) => letter(row) === "?").length : 0;
    const name = (row) => audioml.label(section, row);
    let text = `${name(best)}: ${column.title} ${audioml.cell(section, best, column.key)[0]}.`;
    const how = several.length ? "paired over seeds and items, after Holm" : "over these test items, pair by pair, uncorrected";
    if (ties.length) text += ` Tie: ${judged ? `not distinguishable from it (${how})` : "the same value"}: ${few(ties.map(name))}.`;
    else if (others.length && judged && !untested) text += ` Ahead of each other run that fits (${how}).`;
    if (untested) text += ` ${untested} could not be tested against it.`;
    if (!judged) text += " Compared by value alone, without a test.";
    if (!several.length) text += " One seed: this is where to look first, not a winner.";
    const lone = every.slice(0, every.indexOf(best));
    if (lone.length) text += ` Ahead by value, but of one seed: ${few(lone.map(name))}.`;
    return {
      text,
      best,
      ties,
      mark: ties.length ? "tie" : several.length && judged && others.length && !untested ? "best" : "leads",
    };
  }
})();
