"use strict";
// Spectrograms and their difference, from the samples, on a canvas.
(() => {
  const {el} = audioml;
  const WINDOW = 512,
    FLOOR = -80,
    SPAN = 30; // samples, dB below full scale, dB at the ends of a difference
  const MAGMA = [
    "000004",
    "120d31",
    "331068",
    "5a167e",
    "7f2482",
    "a3307e",
    "c83e73",
    "e95562",
    "f97c5d",
    "fea973",
    "fed395",
    "fcfdbf",
  ];
  const DIVERGE = ["1b5fa8", "4f93cc", "9cc5e3", "d9e6ef", "f4f4f4", "f6dcc9", "ee9f74", "d55b3c", "a11d20"];

  const ramp = (anchors) => {
    const points = anchors.map((hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)));
    return Array.from({length: 256}, (_, i) => {
      const at = (i / 255) * (points.length - 1),
        low = Math.min(Math.floor(at), points.length - 2),
        part = at - low;
      return points[low].map((v, c) => Math.round(v + (points[low + 1][c] - v) * part));
    });
  };
  const COLOURS = {level: ramp(MAGMA), difference: ramp(DIVERGE)};

  const fft = (re, im) => {
    // radix 2, in place
    const n = re.length;
    for (let i = 1, j = 0; i < n; i += 1) {
      let bit = n >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) {
        [re[i], re[j]] = [re[j], re[i]];
        [im[i], im[j]] = [im[j], im[i]];
      }
    }
    for (let size = 2; size <= n; size <<= 1) {
      const half = size >> 1,
        step = (-2 * Math.PI) / size;
      for (let k = 0; k < half; k += 1) {
        const c = Math.cos(step * k),
          s = Math.sin(step * k);
        for (let i = k; i < n; i += size) {
          const j = i + half,
            x = re[j] * c - im[j] * s,
            y = re[j] * s + im[j] * c;
          re[j] = re[i] - x;
          im[j] = im[i] - y;
          re[i] += x;
          im[i] += y;
        }
      }
    }
  };
  // spectrogram(samples, frames): levels in dB [frames][WINDOW / 2 + 1]; 0 dB is a sine at full scale
  audioml.spectrogram = (x, hop) => {
    const shape = Float64Array.from({length: WINDOW}, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / WINDOW));
    const count = Math.max(1, Math.ceil((x.length - WINDOW) / hop) + 1),
      bins = WINDOW / 2 + 1;
    const out = new Float32Array(count * bins),
      re = new Float64Array(WINDOW),
      im = new Float64Array(WINDOW);
    for (let f = 0; f < count; f += 1) {
      for (let i = 0; i < WINDOW; i += 1) {
        re[i] = (x[f * hop + i] ?? 0) * shape[i];
        im[i] = 0;
      }
      fft(re, im);
      for (let k = 0; k < bins; k += 1)
        out[f * bins + k] = Math.max(FLOOR, 20 * Math.log10((Math.hypot(re[k], im[k]) * 4) / WINDOW + 1e-9));
    }
    return {data: out, frames: count, bins};
  };
  const paint = (levels, colours, low, high) => {
    const {data, frames, bins} = levels;
    const canvas = el("canvas", {width: frames, height: bins}),
      brush = canvas.getContext("2d"),
      image = brush.createImageData(frames, bins);
    for (let f = 0; f < frames; f += 1) {
      for (let k = 0; k < bins; k += 1) {
        const place = Math.round(Math.min(1, Math.max(0, (data[f * bins + k] - low) / (high - low))) * 255);
        image.data.set([...colours[place], 255], ((bins - 1 - k) * frames + f) * 4);
      }
    }
    brush.putImageData(image, 0, 0);
    return canvas;
  };
  // picture(title, levels, {seconds, rate, difference}): a figure with axes in words, and a line at the position
  audioml.picture = (title, levels, {seconds, rate, difference = false}) => {
    const canvas = difference ? paint(levels, COLOURS.difference, -SPAN, SPAN) : paint(levels, COLOURS.level, FLOOR, 0);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${title}, 0 to ${(rate / 2000).toFixed(1)} kHz over ${seconds.toFixed(1)} s`);
    const line = el("div", {className: "now"}),
      frame = el("div", {className: "spectrum"}, canvas, line);
    const range = difference ? `blue: less, red: more, ±${SPAN} dB` : `${FLOOR} to 0 dB`;
    const figure = el(
      "figure",
      {},
      el("figcaption", {}, title),
      frame,
      el("p", {className: "readout"}, `0 to ${(rate / 2000).toFixed(1)} kHz, ${seconds.toFixed(1)} s, ${range}`),
    );
    figure.move = (at) => {
      line.style.left = `${Math.min(100, (at / seconds) * 100)}%`;
    };
    return figure;
  };
  audioml.hop = (length) => Math.max(WINDOW / 4, Math.ceil(length / 700)); // more columns than pixels only cost time
  audioml.pictureOf = (title, sound) => {
    const x = audioml.samples(sound);
    return audioml.picture(title, audioml.spectrogram(x, audioml.hop(x.length)), {
      seconds: x.length / sound.rate,
      rate: sound.rate,
    });
  };
  // [a, b, b - a] as pictures, and what the difference comes to; null where the two cannot be laid over each other
  audioml.difference = (one, other, names) => {
    const [x, y] = [audioml.samples(one), audioml.samples(other)],
      hop = audioml.hop(Math.max(x.length, y.length));
    const [a, b] = [x, y].map((signal) => audioml.spectrogram(signal, hop));
    const facts = [one, other].map((sound, i) => ({seconds: [x, y][i].length / sound.rate, rate: sound.rate}));
    const pictures = [audioml.picture(names[0], a, facts[0]), audioml.picture(names[1], b, facts[1])];
    if (one.rate !== other.rate) return {pictures, text: "Their rates differ, so there is no difference to show."};
    const frames = Math.min(a.frames, b.frames),
      {bins} = a,
      data = new Float32Array(frames * bins);
    let sum = 0,
      count = 0;
    for (let i = 0; i < data.length; i += 1) {
      data[i] = b.data[i] - a.data[i];
      if (Math.max(a.data[i], b.data[i]) > FLOOR + 10) {
        sum += Math.abs(data[i]);
        count += 1;
      }
    }
    pictures.push(
      audioml.picture(
        `${names[1]} minus ${names[0]}`,
        {data, frames, bins},
        {seconds: Math.min(facts[0].seconds, facts[1].seconds), rate: one.rate, difference: true},
      ),
    );
    return {
      pictures,
      text: count ? `Where either is heard they differ by ${(sum / count).toFixed(1)} dB on average.` : "Both are silent.",
    };
  };
})();
