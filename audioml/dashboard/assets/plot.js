"use strict";
// Small plots as SVG: lines and points, linear or logarithmic, readable by keyboard and screen reader.
(() => {
  const {el} = audioml;
  const LEFT = 58,
    RIGHT = 14,
    TOP = 36,
    BOTTOM = 40;
  const STEPS = [1, 2, 2.5, 5, 10];

  audioml.number = (value) => {
    const size = Math.abs(value);
    if (size === 0) return "0";
    if (size >= 1e15 || size < 1e-3) return value.toExponential(1);
    for (const [factor, prefix] of [
      [1e12, "T"],
      [1e9, "G"],
      [1e6, "M"],
      [1e4, "k"],
    ]) {
      if (size >= factor) return `${Number((value / (prefix === "k" ? 1e3 : factor)).toPrecision(3))} ${prefix}`;
    }
    return String(Number(value.toPrecision(3)));
  };
  const linear = (low, high, about) => {
    if (high - low < 1e-12 * Math.max(1, Math.abs(low), Math.abs(high))) {
      const room = Math.max(Math.abs(low) / 10, 0.5);
      [low, high] = [low - room, high + room];
    }
    const rough = (high - low) / about;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = STEPS.map((s) => s * power).find((s) => s >= rough * 0.999);
    const first = Math.floor(low / step + 1e-9),
      last = Math.ceil(high / step - 1e-9);
    const ticks = Array.from({length: last - first + 1}, (_, i) => Number(((first + i) * step).toPrecision(10)));
    return {ticks, ends: [ticks[0], ticks.at(-1)], place: (v) => v};
  };
  const logarithmic = (low, high) => {
    // ends and ticks at 1, 2, 5 of each decade; only the 1 where there are many
    const decades = Array.from(
      {length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 2},
      (_, i) => Math.floor(Math.log10(low)) - 1 + i,
    );
    const all = decades.flatMap((d) => [1, 2, 5].map((f) => Number((f * 10 ** d).toPrecision(3))));
    const first = all.findLastIndex((t) => t <= low * 0.999),
      last = all.findIndex((t) => t >= high * 1.001);
    const inside = all.slice(first, last + 1);
    const round = inside.filter((t) => Number.isInteger(Number(Math.log10(t).toFixed(9))));
    let ticks = round.length > 4 ? round : inside;
    while (ticks.length > 9) ticks = ticks.filter((_, i) => i % 2 === 0);
    return {ticks, ends: [Math.log10(inside[0]), Math.log10(inside.at(-1))], place: Math.log10};
  };
  const scale = (values, from, to, {log = false, about = 5} = {}) => {
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const positive = log && least > 0 && most > 4 * least; // a narrower range has no ticks to speak of
    const made = (positive ? logarithmic : linear)(least, most, about);
    const [low, high] = made.ends;
    return {ticks: made.ticks, of: (v) => from + ((made.place(v) - low) / (high - low)) * (to - from), log: positive};
  };

  // plot({label, x: {values, title, log}, y: {…}, draw(of) -> elements}): an axis frame with what `draw` puts in it
  audioml.plot = ({label, width, height, x, y, draw, role = "img"}) => {
    const across = scale(x.values, LEFT, width - RIGHT, {log: x.log, about: width < 420 ? 4 : 7});
    const up = scale(y.values, height - BOTTOM, TOP, {log: y.log});
    const bottom = height - BOTTOM;
    const grid = up.ticks.flatMap((tick) => [
      el("path", {class: "grid", d: `M${LEFT} ${up.of(tick).toFixed(1)}H${width - RIGHT}`}),
      el("text", {x: LEFT - 7, y: (up.of(tick) + 4).toFixed(1), "text-anchor": "end"}, audioml.number(tick)),
    ]);
    let last = -1e9;
    const feet = across.ticks.flatMap((tick) => {
      const place = across.of(tick);
      if (place - last < 40) return [];
      last = place;
      return [
        el("path", {class: "grid", d: `M${place.toFixed(1)} ${bottom}v4`}),
        el("text", {x: place.toFixed(1), y: bottom + 17, "text-anchor": "middle"}, audioml.number(tick)),
      ];
    });
    const titles = [el("text", {class: "axis", x: (LEFT + width - RIGHT) / 2, y: height - 4, "text-anchor": "middle"}, x.title)];
    if (y.title) titles.push(el("text", {class: "axis", x: 4, y: 13}, y.title));
    const inner = draw({x: across.of, y: up.of, left: LEFT, right: width - RIGHT, top: TOP, bottom});
    return el("svg", {viewBox: `0 0 ${width} ${height}`, role, "aria-label": label, class: "plot"}, grid, feet, titles, inner);
  };
  audioml.polyline = (points) => points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  audioml.width = (host, most) =>
    Math.max(280, Math.min(most, Math.floor((host.clientWidth || document.documentElement.clientWidth) - 26))); // less the figure's padding
})();
