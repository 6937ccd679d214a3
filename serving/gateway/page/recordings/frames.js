// The frames of a recording with what the server says of them: one request at a time and the newest wish, the latest kept.

import { post } from "../api.js";
import { partnerOf } from "./pairing.js";
import { depthFile } from "./pictures.js";

export const LONGEST_GAP_MS = 20;
const KEPT_ANSWERS = 32, SEARCHED = 100;

/** Answers of a pipeline to the frames of a recording. */
export class Frames {
  #answers = new Map();
  #wanted = null;
  #asking = null;
  #closed = false;

  /** `show` is called with every answer in turn, `fail` with an error and the frame's place. */
  constructor(recording, pipeline, show, fail) {
    Object.assign(this, { recording, pipeline, show, fail, longestGap: LONGEST_GAP_MS });
  }

  get count() {
    return this.recording.colour.length;
  }

  /** Wish for a frame. What waited is forgotten; what is being asked goes on, unless it is `urgent`. */
  want(place, urgent = false) {
    if (this.#closed) return;
    this.#wanted = place;
    if (urgent && this.#asking?.place !== place) this.#asking?.abort.abort();
    if (!this.#asking) this.#serve();
  }

  /** Pair anew what lies no farther apart than some milliseconds. */
  pairWithin(longestGap) {
    this.longestGap = longestGap;
    this.#answers.clear();
  }

  close() {
    this.#closed = true;
    this.#wanted = null;
    this.#asking?.abort.abort();
  }

  /** The first place from one on, in a direction, that has both colour and depth; or null. */
  async paired(place, step) {
    for (let tried = 0; tried < SEARCHED && place >= 0 && place < this.count; tried++, place += step) {
      if ((await partnerOf(this.recording, place, this.longestGap)).entry) return place;
    }
    return null;
  }

  async #serve() {
    while (this.#wanted !== null) {
      const place = this.#wanted, gap = this.longestGap, abort = new AbortController();
      this.#wanted = null;
      this.#asking = { place, abort };
      try {
        const answer = this.#answers.get(place) ?? await this.#ask(place, abort.signal);
        const settled = answer.said || !this.recording.growing;  // depth may still be found
        if (settled && gap === this.longestGap && !abort.signal.aborted) this.#keep(place, answer);
        if (!this.#closed && !abort.signal.aborted) await this.show(answer);
      } catch (error) {
        if (!this.#closed && !abort.signal.aborted) this.fail(error, place);
      }
    }
    this.#asking = null;
  }

  #keep(place, answer) {
    this.#answers.delete(place);
    this.#answers.set(place, answer);
    if (this.#answers.size > KEPT_ANSWERS) this.#answers.delete(this.#answers.keys().next().value);
  }

  /** Read a frame and ask the server about it: {place, stamp, gap, said, sent}, without the last two where it has no depth. */
  async #ask(place, signal) {
    const { recording, pipeline } = this, { stamp, gap, entry } = await partnerOf(recording, place, this.longestGap);
    if (!entry) return { place, stamp, gap };
    const [rgb, depth] = [await recording.colourFile(recording.colour[place]), await recording.depthMap(entry)];
    const files = new Map([["rgb", rgb], ["depth", await depthFile(depth)]]), form = new FormData();
    for (const [name, file] of files) form.append(name, file, file.name);
    if (recording.perUnit !== null) form.append("depth_units_per_metre", recording.perUnit);
    if (recording.registered === false) form.append("camera", JSON.stringify(recording.camera));
    const began = performance.now(), said = await post(pipeline, form, signal);
    const sent = { form, files, depth, perUnit: recording.perUnit ?? 1, apart: recording.registered === false };
    return { place, stamp, gap, said, sent, took: performance.now() - began };
  }
}
