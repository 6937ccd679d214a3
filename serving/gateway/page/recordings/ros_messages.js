// Messages of ROS: images, cameras, transforms; as ROS 1 writes them and as CDR, which ROS 2 takes, in either byte order.

import { CutError, textOf } from "./slices.js";

/** Fields of a message one after the other. */
class Fields {
  constructor(bytes, dialect) {
    this.ros1 = dialect === "ros1";
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.start = this.ros1 ? 0 : 4;  // CDR begins with how it is encoded, and aligns from there
    this.little = this.ros1 || (bytes[1] & 1) === 1;
    this.at = this.start;
  }

  u8() { return this.view.getUint8(this.#next(1)); }
  u32() { return this.view.getUint32(this.#next(4), this.little); }
  i32() { return this.view.getInt32(this.#next(4), this.little); }
  f32() { return this.view.getFloat32(this.#next(4), this.little); }
  f64() { return this.view.getFloat64(this.#next(8), this.little); }
  many(count) { return Array.from({ length: count }, () => this.f64()); }

  text() {
    const bytes = this.take(this.u32());
    return textOf(this.ros1 ? bytes : bytes.subarray(0, -1));  // CDR counts the closing 0
  }

  /** Bytes; of a message of which only the beginning was read, what is there. */
  take(length, atMost = false) {
    const there = atMost ? Math.min(length, this.bytes.length - this.at) : length;
    const at = this.#next(there, 1);
    return this.bytes.subarray(at, at + there);
  }

  /** The stamp with which a header begins, in milliseconds. */
  stamp() {
    if (this.ros1) this.u32();
    const seconds = this.ros1 ? this.u32() : this.i32();
    return seconds * 1e3 + this.u32() / 1e6;
  }

  header() { return { stamp: this.stamp(), frame: this.text() }; }

  #next(length, unit = length) {
    const at = this.ros1 ? this.at : this.at + (unit - (this.at - this.start) % unit) % unit;
    if (at + length > this.bytes.length) throw new CutError("a message is shorter than it says");
    this.at = at + length;
    return at;
  }
}

/** The kind of a type, however ROS 1 and ROS 2 spell it: "sensor_msgs/Image". */
export const plainType = type => type.replace("/msg/", "/");

export const readStamp = (bytes, dialect) => new Fields(bytes, dialect).stamp();

/** sensor_msgs/Image: {stamp, frame, width, height, encoding, bigEndian, step, data}. */
export function readImage(bytes, dialect) {
  const fields = new Fields(bytes, dialect), header = fields.header();
  const height = fields.u32(), width = fields.u32(), encoding = fields.text(), bigEndian = fields.u8() !== 0;
  const step = fields.u32();
  return { ...header, width, height, encoding, bigEndian, step, data: fields.take(fields.u32(), true) };
}

/** sensor_msgs/CompressedImage: {stamp, frame, format, data}. */
export function readCompressed(bytes, dialect) {
  const fields = new Fields(bytes, dialect), header = fields.header(), format = fields.text();
  return { ...header, format, data: fields.take(fields.u32(), true) };
}

/** sensor_msgs/CameraInfo: {frame, width, height, model, d, k, p, binning: [x, y], roi: {left, top, width, height}}. */
export function readCameraInfo(bytes, dialect) {
  const fields = new Fields(bytes, dialect), { frame } = fields.header();
  const height = fields.u32(), width = fields.u32(), model = fields.text(), d = fields.many(fields.u32());
  const [k, , p] = [fields.many(9), fields.many(9), fields.many(12)], binning = [fields.u32(), fields.u32()];
  const [left, top, high, wide] = [fields.u32(), fields.u32(), fields.u32(), fields.u32()];
  return { frame, width, height, model, d, k, p, binning, roi: { left, top, width: wide, height: high } };
}

/** tf2_msgs/TFMessage: [{parent, child, translation, quaternion: [x, y, z, w]}]. */
export function readTransforms(bytes, dialect) {
  const fields = new Fields(bytes, dialect);
  return Array.from({ length: fields.u32() }, () => {
    const { frame: parent } = fields.header(), child = fields.text();
    return { parent, child, translation: fields.many(3), quaternion: fields.many(4) };
  });
}

/** geometry_msgs/Transform, diagnostic_msgs/KeyValue and std_msgs/Float32, as the recordings of RealSense cameras hold them. */
export function readTransform(bytes, dialect) {
  const fields = new Fields(bytes, dialect);
  return { translation: fields.many(3), quaternion: fields.many(4) };
}
export const readFloat = (bytes, dialect) => new Fields(bytes, dialect).f32();

export function readKeyValue(bytes, dialect) {
  const fields = new Fields(bytes, dialect);
  return { key: fields.text(), value: fields.text() };
}
