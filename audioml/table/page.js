"use strict";
// ---- sorting: a click or Enter on a column's title; what was not measured stays last in both directions ----
const keyOf = (row, index) => row.children[index].dataset.sort;
const compare = (a, b) => {
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, undefined, {numeric: true}) : x - y;
};
for (const table of document.querySelectorAll("table.compare")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, index) => head.querySelector("button").addEventListener("click", () => {
    const now = head.getAttribute("aria-sort");
    const first = head.dataset.better === "high" ? "descending" : "ascending";
    const next = !now ? first : now === "ascending" ? "descending" : "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", next);
    const sign = next === "ascending" ? 1 : -1;
    const rows = [...body.rows].sort((r, s) => {
      const [a, b] = [keyOf(r, index), keyOf(s, index)];
      return a === "" || b === "" ? (a === "") - (b === "") : sign * compare(a, b);
    });
    body.append(...rows);
  }));
}

// ---- players: one sounds at a time, and within a clip the next goes on where the last one was ----
for (const clip of document.querySelectorAll(".clip")) {
  let last = null;
  for (const player of clip.querySelectorAll("audio")) {
    player.addEventListener("play", () => {
      if (last && last !== player && !last.ended && last.currentTime < player.duration) player.currentTime = last.currentTime;
      document.querySelectorAll("audio").forEach((other) => other !== player && other.pause());
      last = player;
    });
  }
}

// ---- on a page with many players each loads when it comes near the view ----
const near = new IntersectionObserver((entries) => entries.forEach((entry) => {
  if (entry.isIntersecting) { entry.target.preload = "metadata"; near.unobserve(entry.target); }
}), {rootMargin: "400px"});
document.querySelectorAll("audio[preload=none]").forEach((player) => near.observe(player));

// ---- curves: a name in the legend picks its lines out ----
for (const legend of document.querySelectorAll(".legend")) {
  const charts = legend.nextElementSibling;
  const buttons = [...legend.querySelectorAll("button")];
  const show = () => {
    const on = new Set(buttons.filter((b) => b.getAttribute("aria-pressed") === "true").map((b) => b.dataset.run));
    charts.classList.toggle("picked", on.size > 0);
    charts.querySelectorAll("polyline").forEach((line) => line.classList.toggle("on", on.has(line.dataset.run)));
  };
  buttons.forEach((button) => button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
    show();
  }));
}
