// A recording on the page: played at its own pace as far as the server keeps up, stepped through, or searched with the slider.

import { make } from "./dom.js";
import { Frames } from "./recordings/frames.js";
import { openRecording } from "./recordings/open.js";
import { partnerOf } from "./recordings/pairing.js";
import { UnreadableError } from "./recordings/slices.js";
import { quote } from "./snippets.js";

export { isRecording } from "./recordings/open.js";

/** Whether a pipeline answers frames of colour and depth. */
export const playsOn = pipeline => ["rgb", "depth"].every(name => pipeline.inputs.some(one => one.field === name));

/** Shows a recording in a place of the page; `show` draws an answer of the server, `complain` says what went wrong. */
export class Player {
  #frames = null;
  #closed = false;
  #playing = null;

  constructor(place, { file, pipeline, show, complain, ready, closed }) {
    Object.assign(this, { place, file, pipeline, show, complain, ready, closed });
    this.words = make("span", { className: "soft" });
    this.cut = make("p", { className: "warnings", id: "cut", hidden: true });
    place.onkeydown = event => this.#key(event);
  }

  /** Read the index and show the first frame; says in words what cannot be played, and what plays it. */
  async open() {
    const progress = make("p", { className: "soft", role: "status" }, `Reading the index of ${this.file.name}`);
    this.#draw(progress);
    let recording;
    try {
      const told = share => { progress.textContent = `Reading the index of ${this.file.name}: ${Math.round(100 * share)} %`; };
      recording = await openRecording(this.file, told);
      if (this.#closed) return recording.stop?.();
      if (!playsOn(this.pipeline)) throw new UnreadableError(`The pipeline ${this.pipeline.name} does not take colour with depth. Choose another.`);
      if (recording.registered === false) this.#expectCamera(recording);
      this.recording = recording;
      this.#frames = new Frames(recording, this.pipeline, answer => this.#shown(answer), error => this.#failed(error));
      await this.#begin();
    } catch (error) {
      recording?.stop?.();
      if (!this.#closed) this.#refuse(error);
    }
  }

  /** The command that plays the same on the command line. */
  get command() {
    const gap = this.gap ? ` --longest-gap ${this.gap}` : "";
    return `crosswire stream ${quote(this.file.name)} --url ${location.origin} --pipeline ${this.pipeline.name}${gap}`;
  }

  close() {
    this.#closed = true;
    this.pause();
    this.#frames?.close();
    this.recording?.stop?.();
    this.place.replaceChildren();
    this.place.hidden = true;
  }

  /** Go to a frame. */
  seek(place, urgent = true) {
    this.wanted = Math.min(Math.max(place, 0), this.#frames.count - 1);
    this.#label(this.wanted);
    this.#frames.want(this.wanted, urgent);
  }

  async step(direction) {
    this.pause();
    const next = await this.#frames.paired(this.wanted + direction, direction);
    if (next !== null && !this.#closed) this.seek(next);
  }

  get playing() {
    return this.#playing !== null;
  }

  /** Play on from the frame that is shown, from the beginning if it is the last. */
  play() {
    const { recording } = this, { colour } = recording;
    if (this.wanted >= colour.length - 1) this.wanted = this.first;
    const began = performance.now(), start = colour[this.wanted].time;
    let place = this.wanted;
    const tick = () => {
      const now = start + performance.now() - began, last = colour.length - 1;
      while (place < last && colour[place + 1].time <= now) place++;
      if (place !== this.wanted) this.seek(place, false);
      if (place >= last && !recording.growing) return this.pause();
      this.#playing = requestAnimationFrame(tick);
    };
    this.#playing = requestAnimationFrame(tick);
    this.#labelPlay();
  }

  pause() {
    cancelAnimationFrame(this.#playing);
    this.#playing = null;
    this.#labelPlay();
  }

  #toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  /** More of the recording is known. */
  #grow() {
    if (this.#closed) return;
    this.slider.max = this.#frames.count - 1;
    this.#tellCount();
    this.#label(this.wanted);
  }

  #tellCount() {
    const { recording } = this, { count } = this.#frames, unit = recording.facts.find(one => one.what === "depth unit");
    const frames = `${count}${recording.growing ? " and more" : ""} ${count === 1 ? "frame" : "frames"}`;
    this.words.textContent = `${recording.format} · ${frames} · depth unit ${unit.value}${unit.guessed ? ", a guess" : ""}`;
    this.cut.textContent = recording.cut;
    this.cut.hidden = !recording.cut;
  }

  /** Depth of its own camera needs the calibration, and a pipeline that takes one. */
  #expectCamera({ camera }) {
    if (!camera) throw new UnreadableError("Its depth lies in its own camera, and nothing in it says how the two cameras stand. The command takes --camera FILE, too.");
    if (!this.pipeline.inputs.some(one => one.field === "camera")) {
      throw new UnreadableError("Its depth lies in its own camera, and this pipeline takes no camera's calibration.");
    }
  }

  /** Find the first pair, draw the controls, ask for it. */
  async #begin() {
    const { recording } = this;
    this.first = await this.#frames.paired(0, 1);
    if (this.first === null) {
      const why = new UnreadableError(await this.#unpaired());
      return this.#closed || this.#refuse(why, this.#gapInput());
    }
    this.start = await recording.stampOf(recording.colour[this.first]);
    if (this.#closed) return;
    this.#draw(this.#controls(), ...this.#facts());
    recording.onGrowth = () => this.#grow();
    this.seek(this.first);
    this.ready();
  }

  async #unpaired() {
    const { recording } = this, { gap } = await partnerOf(recording, 0, Infinity);
    this.gap = Math.ceil(gap);
    return `No depth was taken within ${this.#frames.longestGap} ms of colour: that of the first frame is ${gap.toFixed(1)} ms away.`;
  }

  /** A field for how far colour and depth may lie apart. */
  #gapInput() {
    const input = make("input", { type: "number", id: "gap", min: 0, step: "any", value: this.#frames.longestGap });
    input.addEventListener("change", () => {
      this.pause();
      this.gap = Number(input.value);
      this.#frames.pairWithin(this.gap);
      this.#begin().catch(error => this.#closed || this.#refuse(error));
    });
    return make("label", { className: "number", htmlFor: "gap" }, "Longest time between colour and depth, milliseconds", input);
  }

  #controls() {
    const button = (id, name, text, act) => {
      const made = make("button", { type: "button", id, title: name }, text);
      made.ariaLabel = name;
      made.addEventListener("click", act);
      return made;
    };
    this.toggle = button("play", "Play", "▶", () => this.#toggle());
    this.slider = make("input", { type: "range", id: "frame", min: this.first, max: this.#frames.count - 1, step: 1, value: this.first });
    this.slider.ariaLabel = "Frame";
    this.slider.addEventListener("input", () => { this.pause(); this.seek(Number(this.slider.value), false); });
    this.slider.addEventListener("change", () => this.seek(Number(this.slider.value)));
    this.time = make("output", { htmlFor: "frame", id: "time" });
    this.note = make("p", { className: "key", id: "note" });
    return make("div", {}, make("div", { className: "transport" },
      button("back", "One frame back", "◀◀", () => this.step(-1)), this.toggle, button("on", "One frame on", "▶▶", () => this.step(1)),
      this.slider, this.time), this.note);
  }

  #facts() {
    const { recording } = this;
    const rows = recording.facts.map(one => make("li", {}, make("b", {}, `${one.what}: `), one.value,
      make("span", { className: "soft" }, one.guessed ? `, a guess: ${one.origin}` : `, as ${one.origin}`)));
    const guesses = recording.facts.filter(one => one.guessed).map(one => one.what);
    const title = `What is known of it${guesses.length ? ` (guessed: ${guesses.join(", ")})` : ""}`;
    return [this.cut, make("details", {}, make("summary", {}, title), make("ul", { id: "facts" }, ...rows), this.#gapInput())];
  }

  #draw(...parts) {
    const close = make("button", { type: "button", className: "clear", title: "Close the recording" }, "×");
    close.ariaLabel = "Close the recording";
    close.addEventListener("click", () => { this.close(); this.closed(); });
    this.place.replaceChildren(make("h2", {}, "Recording"), close,
      make("p", { className: "name" }, make("b", {}, this.file.name), this.words), ...parts);
    if (this.recording) this.#tellCount();
    this.place.hidden = false;
  }

  /** Say why a recording is not played here, and the command that plays it. */
  #refuse(error, ...more) {
    if (!(error instanceof UnreadableError)) console.info(error);
    this.#draw(make("p", { className: "warnings", id: "refused", role: "alert" }, error.message), ...more,
      make("p", { className: "key" }, "The command line says more of it, and may read it:"), make("pre", { id: "command", tabIndex: 0 }, this.command));
  }

  async #shown(answer) {
    const { place, stamp, gap } = answer;
    if (!answer.said) {
      this.note.textContent = `Frame ${place + 1} has no depth within ${this.#frames.longestGap} ms: the closest is ${gap.toFixed(1)} ms away.`;
      return;
    }
    await this.show({ pipeline: this.pipeline, ...answer });
    const apart = gap >= 0.05 ? ` Its depth is ${gap.toFixed(1)} ms away.` : "";
    const moved = this.recording.registered === false ? " The server moved its depth into the colour camera." : "";
    this.note.textContent = `Shown: ${seconds(stamp - this.start)}, frame ${place + 1}, answered in ${Math.round(answer.took)} ms.${apart}${moved}`;
    this.place.dataset.shown = place;
  }

  #failed(error) {
    this.pause();
    this.complain(error.message);
  }

  #label(place) {
    const { colour } = this.recording, written = colour[this.first].time;
    const [at, end] = [colour[place], colour.at(-1)].map(one => one.stamp === undefined ? one.time - written : one.stamp - this.start);
    this.slider.value = place;
    this.slider.setAttribute("aria-valuetext", `${seconds(at)}, frame ${place + 1} of ${this.#frames.count}`);
    this.time.textContent = `${seconds(at)} / ${seconds(end)}`;
  }

  #labelPlay() {
    if (!this.toggle) return;
    this.toggle.textContent = this.playing ? "❚❚" : "▶";
    this.toggle.title = this.toggle.ariaLabel = this.playing ? "Pause" : "Play";
  }

  #key(event) {
    if (event.key !== " " || !this.slider?.isConnected || event.target.closest("button, summary, input[type=number]")) return;
    event.preventDefault();
    this.#toggle();
  }
}

const seconds = ms => `${(ms / 1e3).toFixed(2)} s`;
