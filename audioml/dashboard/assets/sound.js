"use strict";
// One clock for many sounds: all takes of a clip start together and run on; what is heard is a matter of gains.
(() => {
  const FADE = 0.02; // s, the crossfade: short enough to compare, long enough not to click
  let context = null;
  const decoded = new Map(); // media key -> promise of {buffer, samples, rate, gain, short, lowered}

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  audioml.db = (db) => 10 ** (db / 20);
  // a sound at its own rate, so that pictures and differences are of the samples that the run made
  audioml.sound = (key) => {
    if (!decoded.has(key)) {
      decoded.set(
        key,
        audioml.load(`media/${key}`).then(async (data) => {
          if (data.problem) throw new Error(data.problem);
          const buffer = await new OfflineAudioContext(1, 1, data.rate).decodeAudioData(bytes(data.data).buffer);
          audioml.cache.delete(`media/${key}`); // the text is of no more use
          const {gain, short, lowered, lufs, rate} = data;
          return {buffer, gain, short, lowered, lufs, rate};
        }),
      );
      decoded.get(key).catch(() => decoded.delete(key));
      if (decoded.size > 60) decoded.delete(decoded.keys().next().value);
    }
    return decoded.get(key);
  };
  audioml.samples = (sound) => {
    // the mean of the channels, as loud as the run made it
    const {buffer, lowered} = sound;
    const out = new Float32Array(buffer.length),
      factor = audioml.db(-lowered) / buffer.numberOfChannels;
    for (let c = 0; c < buffer.numberOfChannels; c += 1)
      buffer.getChannelData(c).forEach((v, i) => {
        out[i] += v * factor;
      });
    return out;
  };

  audioml.Player = class {
    constructor(changed) {
      Object.assign(this, {
        takes: new Map(),
        on: "",
        playing: false,
        loop: true,
        matched: true,
        offset: 0,
        began: 0,
        nodes: [],
        changed,
      });
    }
    // takes: Map id -> sound.  What was heard goes on where it was.
    set(takes) {
      const at = this.position(),
        was = this.playing;
      this.halt();
      this.takes = takes;
      this.offset = Math.min(at, this.length());
      if (!takes.has(this.on)) this.on = takes.keys().next().value ?? "";
      if (was) this.play();
    }
    length() {
      return Math.max(0, ...[...this.takes.values()].map((sound) => sound.buffer.duration));
    }
    level(id) {
      const sound = this.takes.get(id);
      return audioml.db(this.matched ? sound.gain : -Math.max(sound.lowered, 0));
    }
    position() {
      if (!this.playing) return this.offset;
      const at = this.offset + context.currentTime - this.began;
      const length = this.length();
      return this.loop && length ? ((at % length) + length) % length : Math.min(at, length);
    }
    async play() {
      context ??= new AudioContext({latencyHint: "interactive"});
      if (context.state === "suspended") await context.resume();
      if (this.playing || !this.takes.size) return;
      const length = this.length();
      if (this.offset >= length - 0.01) this.offset = 0;
      const start = context.currentTime + 0.03; // one instant for all
      this.nodes = [...this.takes].map(([id, sound]) => {
        const source = new AudioBufferSourceNode(context, {buffer: this.padded(sound, length), loop: this.loop});
        const gain = new GainNode(context, {gain: id === this.on ? this.level(id) : 0});
        source.connect(gain).connect(context.destination);
        source.start(start, this.offset);
        return {id, source, gain};
      });
      this.nodes[0].source.onended = () => {
        if (this.playing && !this.loop) {
          this.halt();
          this.offset = 0;
          this.changed();
        }
      };
      Object.assign(this, {playing: true, began: start});
      this.changed();
    }
    padded(sound, length) {
      // loops of unlike length would drift apart
      const {buffer} = sound,
        wanted = Math.ceil(length * buffer.sampleRate);
      if (buffer.length >= wanted) return buffer;
      const longer = new AudioBuffer({length: wanted, numberOfChannels: buffer.numberOfChannels, sampleRate: buffer.sampleRate});
      for (let c = 0; c < buffer.numberOfChannels; c += 1) longer.copyToChannel(buffer.getChannelData(c), c);
      return longer;
    }
    halt() {
      this.offset = this.position();
      this.playing = false;
      this.nodes.forEach(({source, gain}) => {
        source.onended = null;
        source.stop();
        source.disconnect();
        gain.disconnect();
      });
      this.nodes = [];
    }
    pause() {
      this.halt();
      this.changed();
    }
    toggle() {
      return this.playing ? this.pause() : this.play();
    }
    seek(to) {
      const was = this.playing;
      this.halt();
      this.offset = Math.min(Math.max(to, 0), this.length());
      if (was) this.play();
      else this.changed();
    }
    hear(id) {
      if (!this.takes.has(id)) return;
      this.on = id;
      this.fade();
      this.changed();
    }
    fade() {
      const now = context?.currentTime;
      for (const {id, gain} of this.nodes) {
        gain.gain.cancelScheduledValues(now);
        gain.gain.setValueAtTime(gain.gain.value, now);
        gain.gain.linearRampToValueAtTime(id === this.on ? this.level(id) : 0, now + FADE);
      }
    }
    option(change) {
      Object.assign(this, change);
      if ("loop" in change && this.playing) {
        this.halt();
        this.play();
      } else this.fade();
      this.changed();
    }
  };

  // transport(player): play, position, loop, loudness; the space bar plays, arrows seek
  audioml.transport = (player, blind = false) => {
    const {el, button} = audioml;
    const play = button("Play", () => player.toggle(), {className: "play", "aria-keyshortcuts": "Space"});
    const time = el("span", {className: "time"}, "0.0 s");
    const slider = el("input", {
      type: "range",
      min: 0,
      max: 1,
      step: 0.01,
      value: 0,
      "aria-label": "Position in seconds",
      oninput: (event) => player.seek(Number(event.target.value)),
    });
    const tick = () => {
      if (!slider.isConnected) return player.halt();
      const at = player.position();
      if (document.activeElement !== slider || player.playing) slider.value = at;
      time.textContent = `${at.toFixed(1)} of ${player.length().toFixed(1)} s`;
      player.moved?.(at);
      return player.playing ? requestAnimationFrame(tick) : undefined;
    };
    const show = () => {
      play.textContent = player.playing ? "Pause" : "Play";
      slider.max = player.length();
      tick();
    };
    const whole = el(
      "div",
      {className: "transport"},
      play,
      slider,
      time,
      audioml.tick("Loop", player.loop, (on) => player.option({loop: on})),
      blind
        ? null
        : audioml.tick("Same loudness", player.matched, (on) => player.option({matched: on}), {
            title: "Each sound at -23 LUFS (BS.1770), as far as its peaks allow",
          }) /* unequal loudness would tell */,
    );
    return {whole, show};
  };
  // the key of a take: it is heard, and plays
  audioml.takeKey = (player, id, contents, className = "take") =>
    audioml.button(
      contents,
      () => {
        player.hear(id);
        player.play();
      },
      {className, "aria-pressed": "false"},
    );
  audioml.pressed = (keys, player) => keys.forEach((key, id) => key.setAttribute("aria-pressed", String(id === player.on)));
  // keys: Map id -> key; 1 to 9 on the keyboard are its first nine
  audioml.keys = (host, player, keys) =>
    host.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || /^(SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
      if (event.key === " " && !/^(INPUT|BUTTON|SUMMARY|A)$/.test(event.target.tagName)) {
        event.preventDefault();
        player.toggle();
      }
      const place = "123456789".indexOf(event.key),
        ids = [...keys.keys()];
      if (event.key.length === 1 && place >= 0 && ids[place]) player.hear(ids[place]);
    });
})();
