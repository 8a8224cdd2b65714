"use strict";
// All that needs a script: the choice of colours, which the dashboard keeps too, scores played by a plain synthesiser, and one
// player at a time.
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

  let context = null,
    stop = () => {}; // what ends the score that is playing
  const quiet = (but) => {
    stop();
    for (const player of document.querySelectorAll("audio")) if (player !== but) player.pause();
  };
  document.addEventListener("play", (event) => quiet(event.target), true);

  const sound = (out, [onset, offset, pitch, velocity], start) => {
    const tone = new OscillatorNode(context, {type: "triangle", frequency: 440 * 2 ** ((pitch - 69) / 12)});
    const gain = new GainNode(context, {gain: 0});
    gain.gain.setTargetAtTime(0.2 * velocity, start + onset, 0.008);
    gain.gain.setTargetAtTime(0, start + offset - 0.03, 0.015);
    tone.connect(gain).connect(out);
    tone.start(start + onset);
    tone.stop(start + offset + 0.1);
  };
  const play = (notes, button) => {
    quiet(null);
    context ??= new AudioContext();
    context.resume(); // its clock stands until then
    const out = new GainNode(context, {gain: 1});
    out.connect(new DynamicsCompressorNode(context)).connect(context.destination);
    const start = context.currentTime + 0.05;
    for (const note of notes) sound(out, note, start);
    const over = setTimeout(() => stop(), 1000 * (Math.max(...notes.map((note) => note[1])) + 0.3));
    button.textContent = "Stop";
    stop = () => {
      clearTimeout(over);
      out.disconnect();
      button.textContent = "Play";
      stop = () => {};
    };
  };
  for (const row of document.querySelectorAll(".score")) {
    const notes = [...row.querySelectorAll("[data-note]")].map((bar) => bar.dataset.note.split(" ").map(Number));
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Play";
    button.title = "By a plain synthesiser of the page: the run wrote notes, no sound";
    button.addEventListener("click", () => (button.textContent === "Play" ? play(notes, button) : stop()));
    row.querySelector(".roll").after(button);
  }
})();
