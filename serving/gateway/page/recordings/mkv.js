// Matroska files of Azure Kinect: a track of JPEG images, a track of depth in 16 bits, the calibration as an attachment.

import { kinectCamera } from "./kinect.js";
import { rawDepth, storedColour } from "./pictures.js";
import { CutError, UnreadableError, textOf } from "./slices.js";

const EBML = 0x1a45dfa3, SEGMENT = 0x18538067, INFO = 0x1549a966, TRACKS = 0x1654ae6b, CLUSTER = 0x1f43b675, TAGS = 0x1254c367;
const ATTACHMENTS = 0x1941a469, CUES = 0x1c53bb6b, SEEK = 0x114d9b74, CHAPTERS = 0x1043a770;
const TOP = [INFO, TRACKS, CLUSTER, TAGS, ATTACHMENTS, CUES, SEEK, CHAPTERS];
const TIME = 0xe7, SIMPLE_BLOCK = 0xa3, GROUP = 0xa0, BLOCK = 0xa1;
const HEAD = 12, BLOCK_HEAD = 12, LARGEST_PART = 64e6, FIRST_FRAMES = 30, GROWTH_MS = 250;
const CUT = "The file ends within a frame: it was cut, or is still being written. What it holds so far is shown.";

export const isMkv = head => head[0] === 0x1a && head[1] === 0x45 && head[2] === 0xdf && head[3] === 0xa3;

/** A number of variable length: [value, bytes]; all ones mean "unknown", Infinity. An id keeps its marker. */
function variable(bytes, at, id = false) {
  const length = Math.clz32(bytes[at]) - 23;
  if (length > 8 || at + length > bytes.length) throw new CutError("an element is cut");
  let value = id ? bytes[at] : bytes[at] & (255 >> length), ones = value === 255 >> length;
  for (let i = 1; i < length; i++) {
    value = value * 256 + bytes[at + i];
    ones &&= bytes[at + i] === 255;
  }
  return [ones && !id ? Infinity : value, length];
}

/** The elements of a part that is in memory: [id, content] each. */
function* elements(bytes) {
  for (let at = 0; at < bytes.length;) {
    const [id, first] = variable(bytes, at, true), [size, second] = variable(bytes, at + first), start = at + first + second;
    yield [id, bytes.subarray(start, Math.min(start + size, bytes.length))];
    at = start + size;
  }
}

const only = (bytes, id) => [...elements(bytes)].filter(one => one[0] === id).map(one => one[1]);
const number = bytes => bytes ? bytes.reduce((value, byte) => value * 256 + byte, 0) : 0;
const text = bytes => bytes ? textOf(bytes).replace(/\0+$/, "") : "";

/** Colour and depth of an Azure Kinect; see `open.js` for what every recording offers. */
export class MkvRecording {
  format = "Matroska";
  cut = "";
  facts = [];
  camera = null;
  registered = null;
  perUnit = 1000;
  growing = true;
  onGrowth = () => {};
  #stopped = false;
  #told = 0;
  #begin;
  #begun = new Promise(begin => { this.#begin = begin; });
  #scale = 1;
  #tracks = new Map();
  #tags = new Map();
  #files = new Map();

  constructor(slices) {
    this.slices = slices;
  }

  /** Find the frames; returns when the first are known, the rest is found while they are looked at. */
  async index(progress) {
    const walked = this.#walk(progress).then(() => "", error => {
      if (!(error instanceof CutError || this.colour)) throw error;
      return error instanceof CutError ? CUT : error.message;
    }).then(cut => {
      Object.assign(this, { cut, growing: false });
      this.onGrowth();
    });
    await Promise.race([walked, this.#begun]);
    const tracks = [...this.#tracks.values()], depth = tracks.find(one => one.kind === "depth"), colour = tracks.find(one => one.kind === "colour");
    if (!depth?.entries.length || !colour?.entries.length) throw new UnreadableError(lacking(tracks, colour, depth));
    Object.assign(this, { colourTrack: colour, depthTrack: depth, colour: colour.entries, depth: depth.entries });
    this.#know();
  }

  /** Leave what is not found yet. */
  stop() {
    this.#stopped = true;
  }

  /** When an image was taken; depth that the device was told to take later belongs to colour that is so much older. */
  async stampOf(entry) {
    return entry.time - (entry.deep ? this.#delay : 0);
  }

  get #delay() {
    return Number(this.#tags.get("K4A_DEPTH_DELAY_NS") ?? 0) / 1e6;
  }

  async colourFile(entry) {
    return storedColour(await this.slices.bytes(entry.at, entry.length));
  }

  async depthMap(entry) {
    const { width, height, bigEndian } = this.depthTrack, data = await this.slices.bytes(entry.at, entry.length);
    return rawDepth({ width, height, step: 2 * width, encoding: "16UC1", bigEndian, data });
  }

  /** Read the head of an element of the file: {id, start, end}. */
  async #element(at) {
    const head = await this.slices.bytes(at, Math.min(HEAD, Math.max(this.slices.size - at, 1)));
    const [id, first] = variable(head, 0, true), [size, second] = variable(head, first);
    return { id, start: at + first + second, end: at + first + second + size };
  }

  async #walk(progress) {
    const { size } = this.slices, first = await this.#element(0), segment = await this.#element(first.end);
    if (first.id !== EBML || segment.id !== SEGMENT) throw new UnreadableError("It is no Matroska file.");
    const end = segment.end === Infinity ? size : segment.end;
    for (let at = segment.start; at < end && !this.#stopped;) {
      const part = await this.#element(at);
      if (part.id === SEEK) await this.#seek(part, segment.start);
      if (part.id === CLUSTER) {
        at = await this.#cluster(part);
        this.#tell();
      } else {
        await this.#part(part);
        at = part.end;
      }
      progress(Math.min(at / size, 1));
    }
  }

  /** Say now and then that more is known. */
  #tell() {
    const videos = [...this.#tracks.values()].filter(one => one.kind);
    if (videos.length > 1 && videos.every(one => one.entries.length >= FIRST_FRAMES)) this.#begin();
    if (performance.now() - this.#told < GROWTH_MS) return;
    this.#told = performance.now();
    this.onGrowth();
  }

  /** Read tags and attachments where the file says that they lie: it may be behind the frames. */
  async #seek({ start, end }, origin) {
    for (const entry of only(await this.slices.bytes(start, end - start), 0x4dbb)) {
      if (![TAGS, ATTACHMENTS].includes(number(only(entry, 0x53ab)[0]))) continue;
      try {
        await this.#part(await this.#element(origin + number(only(entry, 0x53ac)[0])));
      } catch (error) {
        if (!(error instanceof CutError)) throw error;
      }
    }
  }

  /** Note the blocks of a cluster; returns where it ends. */
  async #cluster(part) {
    const { size } = this.slices;
    let at = part.start, time = 0;
    while (at < Math.min(part.end, part.end === Infinity ? size : Infinity)) {
      const one = await this.#element(at);
      if (part.end === Infinity && TOP.includes(one.id)) return at;
      if (one.id === TIME) time = number(await this.slices.bytes(one.start, one.end - one.start));
      if (one.id === SIMPLE_BLOCK || one.id === BLOCK) await this.#block(one, time);
      at = one.id === GROUP ? one.start : one.end;  // a group's elements are walked as the cluster's own
    }
    return at;
  }

  async #block({ start, end }, clusterTime) {
    const head = await this.slices.bytes(start, Math.min(BLOCK_HEAD, end - start)), [number, length] = variable(head, 0);
    const track = this.#tracks.get(number);
    if (end > this.slices.size) throw new CutError("a block is cut");
    if (!track?.kind) return;
    if (head[length + 2] & 6) throw new UnreadableError("Several frames lie in one block (lacing), which this page does not read.");
    const time = clusterTime + (head[length] << 24 >> 16 | head[length + 1]);
    const deep = track.kind === "depth";
    track.entries.push({ time: time * this.#scale, deep, at: start + length + 3, length: end - start - length - 3 });
  }

  async #part({ id, start, end }) {
    if (![INFO, TRACKS, TAGS, ATTACHMENTS].includes(id) || end - start > LARGEST_PART) return;
    const bytes = await this.slices.bytes(start, end - start);
    if (id === INFO) this.#scale = (number(only(bytes, 0x2ad7b1)[0]) || 1e6) / 1e6;  // milliseconds
    if (id === TRACKS) for (const entry of only(bytes, 0xae)) this.#track(entry);
    if (id === TAGS) {
      for (const tag of only(bytes, 0x7373)) {
        for (const simple of only(tag, 0x67c8)) this.#tags.set(text(only(simple, 0x45a3)[0]), text(only(simple, 0x4487)[0]));
      }
    }
    if (id === ATTACHMENTS) {
      for (const file of only(bytes, 0x61a7)) this.#files.set(text(only(file, 0x466e)[0]), only(file, 0x465c)[0]);
    }
  }

  #track(entry) {
    const of = id => only(entry, id)[0], video = of(0xe0) ?? new Uint8Array(0), codec = text(of(0x86)), name = text(of(0x536e));
    const four = codec === "V_MS/VFW/FOURCC" ? text(of(0x63a2)?.subarray(16, 20)) : text(only(video, 0x2eb524)[0]);
    const coded = codec === "V_MJPEG" || four === "MJPG" ? "MJPEG" : four || codec;
    const early = coded === "YUY2" && /^depth$/i.test(name);  // what early devices call 16 bits, the least significant byte first
    const grey = (early || coded === "b16g") && !/(^|_)(ir|infrared)$/i.test(name) && !of(0x6d80);
    const kind = coded === "MJPEG" && !of(0x6d80) ? "colour" : grey ? "depth" : "";
    const width = number(only(video, 0xb0)[0]), height = number(only(video, 0xba)[0]);
    this.#tracks.set(number(of(0xd7)), { name, coded, kind, bigEndian: !early, width, height, entries: [] });
  }

  /** Say what is known; the camera comes from the calibration that the device writes. */
  #know() {
    const { colourTrack, depthTrack } = this, known = (what, value, origin, guessed = false) => this.facts.push({ what, value, origin, guessed });
    for (const [what, track] of [["colour", colourTrack], ["depth", depthTrack]]) {
      known(what, `track ${track.name || "without a name"}, ${track.coded}, ${track.width} × ${track.height}`, "name and codec say");
    }
    const kinect = [...this.#tags.keys()].some(name => name.startsWith("K4A_"));
    if (kinect) this.format = "Azure Kinect MKV";
    known("depth unit", "millimetres", kinect ? "every recording of an Azure Kinect has" : "the file names no unit", !kinect);
    known("no reading", "0", kinect ? "every recording of an Azure Kinect has" : "the file does not say", !kinect);
    const calibration = [...this.#files].find(([name]) => name === (this.#tags.get("K4A_CALIBRATION_FILE") ?? "calibration.json"));
    this.camera = calibration ? kinectCamera(JSON.parse(text(calibration[1])), colourTrack, depthTrack) : null;
    this.registered = this.camera ? false : null;
    if (this.camera) known("registration", "depth lies in its own camera", `${calibration[0]} in the file says`);
    else known("registration", "unknown", "the file has no calibration for images of these sizes", true);
  }
}

function lacking(tracks, colour, depth) {
  const held = tracks.map(one => `${one.name || "a track without a name"} (${one.coded}${one.width ? `, ${one.width} × ${one.height}` : ""})`);
  const missing = [!colour?.entries.length && "colour as JPEG (MJPEG)", !depth?.entries.length && "depth in 16 bits (b16g)"].filter(Boolean).join(" or ");
  return `It has no images of ${missing}. It holds: ${held.join(", ") || "no tracks"}.`;
}
