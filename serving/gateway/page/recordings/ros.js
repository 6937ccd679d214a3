// A recording of ROS topics, in a bag or an MCAP file: colour, depth, and what is known of them.

import { lensOf, poseOf, relativePose, sameLens, walkTransforms } from "./cameras.js";
import { compressedDepth, rawColour, rawDepth, storedColour, storedDepth } from "./pictures.js";
import {
  readCameraInfo, readCompressed, readFloat, readImage, readKeyValue, readStamp, readTransform, readTransforms,
} from "./ros_messages.js";
import { IMAGE, baseOf, chosen, isRectified, merged, probed, saysRegistered } from "./ros_topics.js";
import { UnreadableError } from "./slices.js";

const INFO = "sensor_msgs/CameraInfo", STAMP_BYTES = 32, LOOKED_AT = 60;
const SENSOR = /^\/device_\d+\/sensor_\d+/, STREAM = /^\/device_\d+\/sensor_\d+\/[^/]+/;  // topics of RealSense bags

/** Colour and depth of ROS topics; see `open.js` for what every recording offers. */
export class RosRecording {
  camera = null;
  registered = null;
  facts = [];
  growing = false;
  #byArrival = false;

  constructor(container) {
    this.container = container;
    this.format = container.format;
  }

  get cut() {
    return this.container.cut;
  }

  async index(progress) {
    await this.container.index(progress);
    this.topics = merged(this.container.topics);
    const images = (await Promise.all(this.topics.map(topic => probed(this.container, topic)))).filter(Boolean);
    const found = chosen(images);
    if (!found) throw new UnreadableError(this.#lacking(images));
    Object.assign(this, { colourTopic: found.colour, depthTopic: found.depth, colour: found.colour.entries, depth: found.depth.entries });
    this.realsense = STREAM.test(found.depth.name) && STREAM.test(found.colour.name);
    if (this.realsense) this.format = "RealSense bag";
    for (const what of ["colour", "depth"]) {
      const topic = found[what], others = images.filter(one => one.kind === what && one !== topic).length;
      this.#know(what, `${topic.name}, ${topic.entries.length} images`, others ? "its name and encoding suggest" : "the only one says", others > 0);
    }
    await this.#findUnit();
    if (this.realsense) await this.#findClock();
    await this.#findCamera();
  }

  /** When an image was taken, milliseconds: the stamp of its header, or when it arrived where stamps say nothing. */
  async stampOf(entry) {
    const bytes = async () => readStamp(await this.container.message(entry, STAMP_BYTES), entry.dialect);
    return entry.stamp ??= this.#byArrival ? entry.time : await bytes() || entry.time;
  }

  /** Colour as a file. */
  async colourFile(entry) {
    const bytes = await this.container.message(entry), { type } = this.colourTopic;
    return type === IMAGE ? rawColour(readImage(bytes, entry.dialect)) : storedColour(readCompressed(bytes, entry.dialect).data);
  }

  /** Depth as numbers, with its file where it is stored as one. */
  async depthMap(entry) {
    const bytes = await this.container.message(entry), { type, transport, encoding } = this.depthTopic;
    if (type === IMAGE) return rawDepth(readImage(bytes, entry.dialect), this.realsense ? 65535 : 0);
    const { data } = readCompressed(bytes, entry.dialect);
    const map = transport === "compressedDepth" ? await compressedDepth(data, encoding) : await storedDepth(data);
    if (!map) throw new Error("The depth image of this frame is no grey PNG of 16 bits.");
    return map;
  }

  #know(what, value, origin, guessed = false) {
    this.facts.push({ what, value, origin, guessed });
  }

  #lacking(images) {
    const held = this.topics.map(one => `${one.name} (${one.type || one.dialect || "of no type"}, ${one.entries.length})`);
    const missing = ["colour", "depth"].filter(kind => !images.some(one => one.kind === kind)).join(" or ");
    return `It has no images of ${missing} that this page knows. It holds: ${held.join(", ") || "no messages"}.`;
  }

  /** The first message of a topic, read by a function; null where there is none. */
  async #first(topic, read) {
    return topic?.entries.length ? read(await this.container.message(topic.entries[0]), topic.dialect) : null;
  }

  #named(name) {
    return this.topics.find(one => one.name === name);
  }

  async #findUnit() {
    const { encoding, name } = this.depthTopic, float = encoding.startsWith("32FC1");
    const unit = this.realsense ? await this.#first(this.#named(`${SENSOR.exec(name)[0]}/option/Depth Units/value`), readFloat) : null;
    this.perUnit = float ? null : unit ? Number((1 / unit).toPrecision(6)) : 1000;
    if (float) this.#know("depth unit", "metres", "the encoding 32FC1 says");
    else if (unit) this.#know("depth unit", `${Number((1000 * unit).toPrecision(6))} mm`, "the option Depth Units says");
    else if (encoding === "16UC1") this.#know("depth unit", "millimetres", "the encoding 16UC1 says");
    else this.#know("depth unit", "millimetres", `${encoding} names no unit`, true);
    const empty = this.realsense ? ["0 and 65535", "librealsense says of Z16"] : [float ? "NaN, 0 and less" : "0", "ROS says of depth images (REP 118)"];
    this.#know("no reading", ...empty);
  }

  /** Stamps of two clocks are not comparable: then it counts when images arrived. */
  async #findClock() {
    const domains = [];
    for (const { name } of [this.colourTopic, this.depthTopic]) {
      const topic = this.#named(`${STREAM.exec(name)[0]}/image/metadata`);
      for (const entry of topic?.entries.slice(0, LOOKED_AT) ?? []) {
        const { key, value } = readKeyValue(await this.container.message(entry), entry.dialect);
        if (key !== "timestamp_domain") continue;
        domains.push(value);
        break;
      }
    }
    this.#byArrival = domains.length === 2 && domains[0] !== domains[1];
    if (this.#byArrival) this.#know("time", "when images arrived", `the two clocks differ (${domains.join(" and ")}), which says that`);
  }

  /** Find out how depth lies to colour: in the same camera, or in its own with a way between them. */
  async #findCamera() {
    const { colourTopic, depthTopic } = this;
    if (!this.realsense && saysRegistered(colourTopic, depthTopic)) return this.#lies(true, "the topics' names say");
    const colour = await this.#lens(colourTopic), depth = await this.#lens(depthTopic);
    const oneFrame = colourTopic.frame && colourTopic.frame === depthTopic.frame && !this.realsense;
    if (oneFrame && colour && depth && sameLens(colour, depth)) return this.#lies(true, `CameraInfo and the frame ${depthTopic.frame} of both say`);
    if (this.realsense && !(colour && depth)) return this.#lies(false, "librealsense records it");
    if (!colour || !depth) {
      const lacks = [!colour && "colour", !depth && "depth"].filter(Boolean).join(" and ");
      return this.#know("registration", "depth is taken as lying in the colour camera", `no CameraInfo of ${lacks} says otherwise`, true);
    }
    const pose = await (this.realsense ? this.#realsensePose() : this.#pose(depthTopic.frame, colourTopic.frame));
    if (pose) this.camera = { colour, depth, ...pose };
    this.#lies(false, this.realsense ? "lenses and tf of both streams say" : "CameraInfo and the frames of both topics say");
  }

  #lies(registered, origin) {
    this.registered = registered;
    this.#know("registration", registered ? "depth lies in the colour camera" : "depth lies in its own camera", origin);
  }

  /** The lens of a topic's camera, or null. */
  async #lens(image) {
    const stream = this.realsense ? STREAM.exec(image.name)[0] : "", base = baseOf(image.name);
    const names = stream ? [`${stream}/info/camera_info`] : [`${base.replace(/\/[^/]*$/, "")}/camera_info`, `${base}/camera_info`];
    const infos = this.topics.filter(one => one.type === INFO).sort((a, b) => names.includes(b.name) - names.includes(a.name));
    for (const topic of infos) {
      const info = await this.#first(topic, readCameraInfo), near = names.includes(topic.name);
      if (info && (near || (image.frame && info.frame === image.frame && !stream))) return lensOf(info, image, isRectified(image.name));
    }
    return null;
  }

  async #pose(from, to) {
    const all = [];
    for (const topic of this.topics.filter(one => one.type === "tf2_msgs/TFMessage" && /tf_static$/.test(one.name))) {
      for (const entry of topic.entries) all.push(...readTransforms(await this.container.message(entry), topic.dialect));
    }
    return walkTransforms(all, from, to);
  }

  /** From depth to colour in a RealSense bag, whose transforms bring a point of the first sensor into each. */
  async #realsensePose() {
    const poses = [];
    for (const { name } of [this.depthTopic, this.colourTopic]) {
      const found = await this.#first(this.topics.find(one => one.name.startsWith(`${STREAM.exec(name)[0]}/tf/`)), readTransform);
      if (found) poses.push(poseOf(found));
    }
    return poses.length === 2 ? relativePose(...poses) : null;
  }
}
