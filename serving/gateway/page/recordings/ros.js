// A recording of ROS topics, in a bag or an MCAP file: which topics are colour and depth, what is known of the cameras.

import { lensOf, poseOf, relativePose, walkTransforms } from "./cameras.js";
import { compressedDepth, isColour, isDepth, rawColour, rawDepth, storedColour, storedDepth } from "./pictures.js";
import {
  plainType, readCameraInfo, readCompressed, readFloat, readImage, readStamp, readTransform, readTransforms,
} from "./ros_messages.js";
import { UnreadableError } from "./slices.js";

const IMAGE = "sensor_msgs/Image", COMPRESSED = "sensor_msgs/CompressedImage", INFO = "sensor_msgs/CameraInfo";
const PROBED_BYTES = 1024, STAMP_BYTES = 32;
const INFRARED = /infra|(^|[/_])ir(\d|[/_]|$)|fisheye|confidence/i;
const ALIGNED = /aligned|registered/i;

/** Colour and depth of ROS topics; see `open.js` for what every recording offers. */
export class RosRecording {
  constructor(container) {
    this.container = container;
    this.format = container.format;
    this.facts = [];
    this.camera = null;
    this.registered = null;
  }

  get cut() {
    return this.container.cut;
  }

  async index(progress) {
    await this.container.index(progress);
    this.topics = merged(this.container.topics);
    const images = [];
    for (const topic of this.topics) if ([IMAGE, COMPRESSED].includes(topic.type)) images.push(await this.#probe(topic));
    const depth = best(images.filter(one => one.kind === "depth"), depthRank);
    const colour = best(images.filter(one => one.kind === "colour"), colourRank);
    if (!depth || !colour) throw new UnreadableError(this.#lacking(colour, depth));
    this.colourTopic = colour;
    this.depthTopic = depth;
    this.colour = colour.entries;
    this.depth = depth.entries;
    this.#factOf("colour", colour, images);
    this.#factOf("depth", depth, images);
    await this.#findUnit();
    await this.#findCamera();
  }

  /** When an image was taken, milliseconds: the stamp of its header, or where that is empty, when it was recorded. */
  async stampOf(entry) {
    entry.stamp ??= readStamp(await this.container.message(entry, STAMP_BYTES), entry.dialect) || entry.time;
    return entry.stamp;
  }

  /** Colour as a file. */
  async colourFile(entry) {
    const bytes = await this.container.message(entry), { type, dialect } = this.colourTopic;
    return type === IMAGE ? rawColour(readImage(bytes, dialect)) : storedColour(readCompressed(bytes, dialect).data);
  }

  /** Depth as numbers, with its file where it is stored as one. */
  async depthMap(entry) {
    const bytes = await this.container.message(entry), { type, dialect, packed } = this.depthTopic;
    if (type === IMAGE) return rawDepth(readImage(bytes, dialect));
    const image = readCompressed(bytes, dialect);
    const map = packed ? await compressedDepth(image) : await storedDepth(image.data);
    if (!map) throw new Error(`The depth image of this frame is "${image.format}", expected a grey PNG of 16 bits.`);
    return map;
  }

  /** What a topic's first image says of it. */
  async #probe(topic) {
    if (!topic.entries.length) return { ...topic, kind: "" };
    const bytes = await this.container.message(topic.entries[0], PROBED_BYTES), infrared = INFRARED.test(topic.name);
    if (topic.type === IMAGE) {
      const { encoding, frame, width, height } = readImage(bytes, topic.dialect);
      const deep = isDepth(encoding) && (encoding !== "mono16" || /depth/i.test(topic.name));
      return { ...topic, encoding, frame, width, height, kind: infrared ? "" : deep ? "depth" : isColour(encoding) ? "colour" : "" };
    }
    const { format, frame } = readCompressed(bytes, topic.dialect), packed = /compressedDepth/.test(`${format} ${topic.name}`);
    const deep = packed || /^(16UC1|mono16)/.test(format);
    return { ...topic, encoding: format.split(";")[0], frame, packed, kind: infrared ? "" : deep ? "depth" : "colour" };
  }

  #factOf(what, topic, images) {
    const others = images.filter(one => one.kind === what && one !== topic).length;
    const value = `${topic.name}, ${topic.entries.length} images`;
    const origin = others ? `the likeliest name of ${others + 1}` : `the only topic with ${what}`;
    this.facts.push({ what, value, origin, guessed: others > 0 });
  }

  #lacking(colour, depth) {
    const held = this.topics.map(one => `${one.name} (${one.type || one.dialect || "of no type"}, ${one.entries.length})`);
    const missing = [!colour && "colour", !depth && "depth"].filter(Boolean).join(" or ");
    return `It has no images of ${missing} that this page knows. It holds: ${held.join(", ") || "no messages"}.`;
  }

  async #findUnit() {
    const { encoding, name } = this.depthTopic, first = this.topics.find(one => one.name === unitTopic(name))?.entries[0];
    const add = (value, origin, guessed = false) => this.facts.push({ what: "depth unit", value, origin, guessed });
    if (encoding.startsWith("32FC1")) {
      this.perUnit = null;
      add("metres", "the encoding 32FC1 says");
    } else if (first) {
      const unit = readFloat(await this.container.message(first), "ros1");
      this.perUnit = Number((1 / unit).toPrecision(6));
      add(`1/${this.perUnit} m`, "the camera's option Depth Units says");
    } else {
      this.perUnit = 1000;
      if (encoding.startsWith("16UC1")) add("millimetres", "the encoding 16UC1 says");
      else add("millimetres", `${encoding} names no unit`, true);
    }
    this.facts.push({ what: "no reading", value: encoding.startsWith("32FC1") ? "NaN, 0 or less" : "0", origin: "the encoding says", guessed: false });
  }

  /** Find out how depth lies to colour: the same frame, or two cameras with a transform between them. */
  async #findCamera() {
    const { colourTopic, depthTopic } = this;
    const infos = [];
    for (const topic of this.topics) {
      if (topic.type === INFO && topic.entries.length) infos.push([topic, readCameraInfo(await this.container.message(topic.entries[0]), topic.dialect)]);
    }
    const infoOf = image => infos.find(([topic]) => sensorOf(topic.name) === sensorOf(image.name))?.[1]
      ?? infos.find(([, info]) => info.frame && info.frame === image.frame)?.[1];
    const known = (registered, value, origin, guessed = false) => {
      this.registered = registered;
      this.facts.push({ what: "registration", value, origin, guessed });
    };
    const realsense = isRealsense(depthTopic.name);
    if (!realsense && depthTopic.frame && depthTopic.frame === colourTopic.frame) {
      return known(true, "depth lies in the colour camera", `both name the frame ${depthTopic.frame}`);
    }
    if (ALIGNED.test(depthTopic.name)) return known(true, "depth lies in the colour camera", "the topic's name says");
    const colour = infoOf(colourTopic), depth = infoOf(depthTopic);
    const pose = await (realsense ? this.#realsensePose() : this.#pose(depthTopic.frame, colourTopic.frame));
    if (colour && depth && pose) {
      this.camera = { colour: lensOf(colour), depth: lensOf(depth), ...pose };
      return known(false, "depth lies in its own camera", realsense ? "the camera's calibration says" : "CameraInfo and tf_static say");
    }
    const missing = [!colour && "CameraInfo of colour", !depth && "CameraInfo of depth", !pose && "a transform between them"];
    known(null, "unknown", `the recording lacks ${missing.filter(Boolean).join(", ")}`, true);
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
      const topic = this.topics.find(one => one.name.startsWith(`${sensorOf(name)}/tf/`));
      if (!topic?.entries.length) return null;
      poses.push(poseOf(readTransform(await this.container.message(topic.entries[0]), topic.dialect)));
    }
    return relativePose(...poses);
  }
}

/** The topics by name: several nodes may have written to one. */
function merged(topics) {
  const byName = new Map();
  for (const topic of topics) {
    const type = plainType(topic.type), entries = topic.entries.map(one => ({ ...one, dialect: topic.dialect }));
    const old = byName.get(topic.name);
    if (old) old.entries = [...old.entries, ...entries].sort((a, b) => a.time - b.time);
    else byName.set(topic.name, { ...topic, type, entries });
  }
  return [...byName.values()];
}

const best = (topics, rank) => topics.toSorted((a, b) => rank(b) - rank(a) || b.entries.length - a.entries.length)[0];
const depthRank = one => 4 * ALIGNED.test(one.name) + 2 * /depth/i.test(one.name) + (one.type === IMAGE);
const colourRank = one => 4 * /colou?r|rgb/i.test(one.name) + 2 * !/^(mono8|8UC1)/.test(one.encoding) + (one.type === IMAGE);

const isRealsense = name => /^\/device_\d+\/sensor_\d+\//.test(name);
const unitTopic = name => /^\/device_\d+\/sensor_\d+/.exec(name)?.[0] + "/option/Depth Units/value";

/** What the topics of one sensor have in common: all up to the image, or up to the sensor's stream in a RealSense bag. */
function sensorOf(name) {
  const stream = /^\/device_\d+\/sensor_\d+\/[^/]+/.exec(name);
  return stream ? stream[0] : name.replace(/\/(compressed|compressedDepth)$/, "").replace(/\/[^/]*$/, "");
}
