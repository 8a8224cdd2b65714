"use strict";
// All that needs a script: the choice of colours, which the dashboard keeps too, and one player at a time.
(() => {
  const root = document.documentElement;
  const kept = () => {
    try {
      return JSON.parse(localStorage.getItem("audioml.theme")) ?? "";
    } catch {
      return ""; // a private window, or not ours
    }
  };
  const colour = (name) => {
    if (name === "light" || name === "dark") root.dataset.theme = name;
    else delete root.dataset.theme;
  };
  const label = document.createElement("label");
  label.className = "field";
  const word = document.createElement("span");
  word.textContent = "Colours";
  const choice = document.createElement("select");
  choice.setAttribute("aria-label", "Colours");
  for (const name of ["", "light", "dark"]) choice.append(new Option(name || "system", name));
  choice.value = kept();
  choice.addEventListener("change", () => {
    colour(choice.value);
    try {
      localStorage.setItem("audioml.theme", JSON.stringify(choice.value));
    } catch {
      /* a private window */
    }
  });
  colour(choice.value);
  label.append(word, choice);
  document.querySelector("#look").replaceChildren(label);

  document.addEventListener(
    "play",
    (event) => {
      for (const player of document.querySelectorAll("audio")) if (player !== event.target) player.pause();
    },
    true,
  );
})();
