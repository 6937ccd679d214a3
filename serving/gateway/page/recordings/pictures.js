// What a frame holds becomes what is sent: colour as a JPEG or PNG file, depth as a 16-bit PNG or, in metres, as NPY.

import { encodePng, readPng } from "../png.js";
import { Cursor } from "./slices.js";

const LARGEST_IMAGE = 32e6;
const COLOURS = {
  rgb8: [3, 0, 1, 2], bgr8: [3, 2, 1, 0], rgba8: [4, 0, 1, 2], bgra8: [4, 2, 1, 0], "8UC3": [3, 2, 1, 0], "8UC4": [4, 2, 1, 0],
  mono8: [1, 0, 0, 0], "8UC1": [1, 0, 0, 0],
};
// Two pixels in 4 bytes: places of both brightnesses, and of blue and red difference.
const HALVED = { yuv422: [1, 3, 0, 2], uyvy: [1, 3, 0, 2], yuv422_yuy2: [0, 2, 1, 3], yuyv: [0, 2, 1, 3] };
export const isColour = encoding => encoding in COLOURS || encoding in HALVED;
export const isDepth = encoding => ["16UC1", "mono16", "32FC1"].includes(encoding);
const isPng = bytes => bytes[0] === 0x89 && bytes[1] === 0x50;
const isJpeg = bytes => bytes[0] === 0xff && bytes[1] === 0xd8;

/** Colour of raw pixels, whose rows may be padded: a PNG file. */
export async function rawColour(image) {
  const { width, height } = image, pixels = image.encoding in HALVED ? fromHalved(image) : fromWhole(image);
  return new File([await encodePng({ width, height, bits: 8, channels: 3, values: pixels })], "rgb.png", { type: "image/png" });
}

/** RGB of pixels that are stored one by one. */
function fromWhole({ width, height, step, encoding, data }) {
  const [size, red, green, blue] = COLOURS[encoding], pixels = new Uint8Array(width * height * 3);
  const row = step || width * size;
  expectBytes(data, (height - 1) * row + width * size);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0, from = y * row; x < width; x++, from += size) {
      pixels[to++] = data[from + red];
      pixels[to++] = data[from + green];
      pixels[to++] = data[from + blue];
    }
  }
  return pixels;
}

/** RGB of brightness and colour differences of every second column (ITU-R BT.601, 16 to 235). */
function fromHalved({ width, height, step, encoding, data }) {
  const [first, second, blue, red] = HALVED[encoding], pixels = new Uint8ClampedArray(width * height * 3), row = step || 2 * width;
  expectBytes(data, (height - 1) * row + 2 * width);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = y * row + 4 * (x >> 1), bright = 1.164 * (data[from + (x & 1 ? second : first)] - 16);
      const u = data[from + blue] - 128, v = data[from + red] - 128;
      pixels[to++] = bright + 1.596 * v;
      pixels[to++] = bright - 0.392 * u - 0.813 * v;
      pixels[to++] = bright + 2.017 * u;
    }
  }
  return pixels;
}

/** Colour that is a file already: its bytes, as they are stored. */
export function storedColour(data) {
  if (isJpeg(data)) return new File([data], "rgb.jpg", { type: "image/jpeg" });
  if (isPng(data)) return new File([data], "rgb.png", { type: "image/png" });
  throw new Error("The colour image of this frame is neither JPEG nor PNG.");
}

/** Depth of raw numbers, {width, height, bits, channels, values}: 16 bits in the recording's unit, or 32 for metres, 0 for no reading. */
export function rawDepth({ width, height, step, encoding, bigEndian, data }, empty = 0) {
  const float = encoding === "32FC1", size = float ? 4 : 2, row = step || width * size;
  expectBytes(data, (height - 1) * row + width * size);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const values = float ? new Float32Array(width * height) : new Uint16Array(width * height);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0, from = y * row; x < width; x++, from += size) {
      values[to++] = float ? view.getFloat32(from, !bigEndian) : view.getUint16(from, !bigEndian);
    }
  }
  if (float) values.forEach((value, i) => { if (!(value > 0 && value < Infinity)) values[i] = 0; });
  else if (empty) values.forEach((value, i) => { if (value === empty) values[i] = 0; });
  return { width, height, bits: float ? 32 : 16, channels: 1, values };
}

/** Depth of the topic `…/compressedDepth`: 12 bytes of parameters, then PNG or RVL; 32FC1 is stored as 1 / depth in steps. */
export async function compressedDepth(data, encoding) {
  const head = new DataView(data.buffer, data.byteOffset, data.byteLength), stored = data.subarray(12);
  if (data.length < 20) throw new Error("The depth image of this frame is empty.");
  const steps = isPng(stored) ? await readPng(stored) : unpackRvl(stored);
  if (!steps || steps.bits !== 16) throw new Error("The depth image of this frame is neither a PNG of 16 bits nor RVL.");
  if (encoding !== "32FC1") return isPng(stored) ? { ...steps, file: pngFile(stored) } : steps;
  const scale = head.getFloat32(4, true), shift = head.getFloat32(8, true);
  const values = Float32Array.from(steps.values, value => value && value > shift ? scale / (value - shift) : 0);
  return { ...steps, bits: 32, values };
}

/** A 16-bit PNG file as depth, or null for something else. */
export async function storedDepth(data) {
  const map = isPng(data) ? await readPng(data) : null;
  return map?.bits === 16 && map.channels === 1 ? { ...map, file: pngFile(data) } : null;
}

/** The file to send for a map of depth: the stored one, a 16-bit PNG, or NPY for metres, which lose nothing there. */
export async function depthFile(map) {
  if (map.file) return map.file;
  if (map.bits === 16) return pngFile(await encodePng(map));
  const shape = `{'descr': '<f4', 'fortran_order': False, 'shape': (${map.height}, ${map.width}), }`;
  const head = new TextEncoder().encode(`\x93NUMPY\x01\x00\x00\x00${shape}`.padEnd(127) + "\n").subarray(1);
  head[8] = 118;
  return new File([head, map.values], "depth.npy");
}

const pngFile = bytes => new File([bytes], "depth.png", { type: "image/png" });

function expectBytes(data, count) {
  if (data.length < count) throw new Error(`An image has ${data.length} bytes, expected ${count}.`);
}

/** RVL (Wilson 2017): runs of zeros and of differences, in groups of 3 bits, 8 groups in a word, the highest first. */
function unpackRvl(stored) {
  const head = new Cursor(stored), width = head.u32(), height = head.u32();
  if (width * height > LARGEST_IMAGE) throw new Error(`An RVL image of ${width} × ${height} is damaged.`);
  const values = new Uint16Array(width * height);
  let word = 0, left = 0, at = 0, last = 0;
  const number = () => {
    for (let value = 0, shift = 0; ; shift += 3) {
      if (!left) [word, left] = [head.u32(), 8];
      const group = word >>> 28;
      [word, left] = [word << 4, left - 1];
      value |= (group & 7) << shift;
      if (!(group & 8)) return value;
    }
  };
  while (at < values.length) {
    at += number();
    for (let count = number(); count > 0 && at < values.length; count--) {
      const change = number();
      values[at++] = last += (change >> 1) ^ -(change & 1);
    }
  }
  return { width, height, bits: 16, channels: 1, values };
}
