// Which topics of ROS are colour and depth, by type, encoding and name; the same choice as `crosswire stream` makes.

import { isColour, isDepth } from "./pictures.js";
import { plainType, readCompressed, readImage } from "./ros_messages.js";

export const IMAGE = "sensor_msgs/Image", COMPRESSED = "sensor_msgs/CompressedImage";
const PROBED_BYTES = 1024;
const OTHERS = /^(infra\w*|ir\d?|confidence|amplitude|mask|labels?|semantic|segmentation|normals?|thermal|debug)$/;
const COLOUR = /colou?r|rgb/, GREY = /^(mono8|8UC1)$/;
const DEPTH_IN_COLOUR = /depth_registered|registered_depth|depth_(aligned_)?to_(colou?r|rgb)/;
const COLOUR_IN_DEPTH = /(colou?r|rgb)_to_depth/;

/** The topics by name: several nodes may have written to one. */
export function merged(topics) {
  const byName = new Map();
  for (const topic of topics) {
    const entries = topic.entries.map(one => ({ ...one, dialect: topic.dialect })), old = byName.get(topic.name);
    if (old) old.entries = [...old.entries, ...entries].sort((a, b) => a.time - b.time);
    else byName.set(topic.name, { ...topic, type: plainType(topic.type), entries });
  }
  return [...byName.values()];
}

/** A topic of images with what its first one says: {encoding, transport, frame, width, height, kind}; else null. */
export async function probed(container, topic) {
  if (![IMAGE, COMPRESSED].includes(topic.type) || !topic.entries.length) return null;
  const bytes = await container.message(topic.entries[0], PROBED_BYTES), raw = topic.type === IMAGE;
  const image = raw ? readImage(bytes, topic.dialect) : readCompressed(bytes, topic.dialect);
  const [encoding, transport] = raw ? [image.encoding, ""] : coding(image.format);
  const { frame, width, height } = image, name = topic.name.toLowerCase(), words = name.split(/[/_.-]+/);
  const other = words.some(word => OTHERS.test(word)), deep = isDepth(encoding);
  const depth = deep && transport !== "jpeg" && (encoding !== "mono16" || name.includes("depth"));
  const aboutDepth = words.includes("depth") && !words.some(word => COLOUR.test(word));
  const colour = (isColour(encoding) || (transport && !deep)) && transport !== "compressedDepth" && !aboutDepth;
  return { ...topic, encoding, transport, frame, width, height, kind: other ? "" : depth ? "depth" : colour ? "colour" : "" };
}

/** Encoding and transport of a compressed image by its format: "16UC1; compressedDepth png", "jpeg". */
function coding(format) {
  const [first, rest = ""] = format.split(";").map(part => part.trim()), words = (rest || first).toLowerCase();
  if (words.includes("compresseddepth")) return [rest ? first : "16UC1", "compressedDepth"];
  if (!rest && isDepth(first)) return [first, "compressedDepth"];
  return [rest ? first : "", words.includes("png") ? "png" : "jpeg"];
}

/** The name of what the camera publishes, without that of a transport. */
export const baseOf = name => name.replace(/\/(compressed(Depth)?|raw)$/, "");
export const isRectified = name => /(^|[/_])rect(ified)?($|[/_])/.test(baseOf(name).toLowerCase());
export const saysRegistered = (colour, depth) => DEPTH_IN_COLOUR.test(depth.name.toLowerCase()) !== COLOUR_IN_DEPTH.test(colour.name.toLowerCase());

/** The pair of topics that fits best: {colour, depth}, null where there is none. */
export function chosen(images) {
  const of = kind => images.filter(one => one.kind === kind);
  const pairs = of("colour").flatMap(colour => of("depth").map(depth => ({ colour, depth, score: score(colour, depth) })));
  return pairs.sort((a, b) => compare(b.score, a.score))[0] ?? null;
}

/** How well two topics fit: one device, registered, plain names, and nothing lost to compression. */
function score(colour, depth) {
  const [ours, theirs] = [colour, depth].map(one => baseOf(one.name).replace(/^\//, "").split("/"));
  let shared = 0;
  while (shared < Math.min(ours.length, theirs.length) - 1 && ours[shared] === theirs[shared]) shared++;
  return [
    shared, saysRegistered(colour, depth), /depth/i.test(depth.name), COLOUR.test(colour.name.toLowerCase()), !GREY.test(colour.encoding),
    !depth.transport, !colour.transport, depth.encoding !== "32FC1", isRectified(colour.name) === isRectified(depth.name),
    -depth.name.length - colour.name.length,
  ].map(Number);
}

function compare(one, other) {
  const place = one.findIndex((value, i) => value !== other[i]);
  return place < 0 ? 0 : one[place] - other[place];
}
