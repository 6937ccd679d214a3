// A reader and a writer of PNG files that keep their numbers: class indices and millimetres, which a canvas would not.

const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** Read an 8- or 16-bit PNG without interlacing: {width, height, bits, channels, values}, or null for another file. */
export async function readPng(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 33 || view.getUint32(0) !== 0x89504e47) return null;
  const width = view.getUint32(16), height = view.getUint32(20);
  const bits = bytes[24], channels = CHANNELS[bytes[25]], interlaced = bytes[28];
  if (!channels || interlaced || (bits !== 8 && bits !== 16) || width * height > 32e6) return null;
  const packed = [];
  for (let at = 8; at + 8 <= bytes.length;) {
    const length = view.getUint32(at);
    if (view.getUint32(at + 4) === 0x49444154) packed.push(bytes.subarray(at + 8, at + 8 + length));
    at += length + 12;
  }
  const stream = new Blob(packed).stream().pipeThrough(new DecompressionStream("deflate"));
  const rows = new Uint8Array(await new Response(stream).arrayBuffer());
  const step = channels * bits / 8, line = width * step;
  if (rows.length < (line + 1) * height) return null;
  const flat = unfilter(rows, line, height, step);
  if (bits === 8) return { width, height, bits, channels, values: flat };
  const values = new Uint16Array(flat.length / 2);
  for (let i = 0; i < values.length; i++) values[i] = flat[2 * i] << 8 | flat[2 * i + 1];
  return { width, height, bits, channels, values };
}

/** Undo the filters of the rows. */
function unfilter(rows, line, height, step) {
  const flat = new Uint8Array(line * height);
  for (let y = 0; y < height; y++) {
    const kind = rows[y * (line + 1)], source = y * (line + 1) + 1, to = y * line;
    for (let x = 0; x < line; x++) {
      const left = x >= step ? flat[to + x - step] : 0;
      const up = y ? flat[to + x - line] : 0;
      const corner = y && x >= step ? flat[to + x - line - step] : 0;
      const guess = [0, left, up, left + up >> 1, kind === 4 ? paeth(left, up, corner) : 0][kind] ?? 0;
      flat[to + x] = rows[source + x] + guess;
    }
  }
  return flat;
}

function paeth(left, up, corner) {
  const guess = left + up - corner;
  const a = Math.abs(guess - left), b = Math.abs(guess - up), c = Math.abs(guess - corner);
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

const CRCS = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ byte >>> 1 : byte >>> 1;
  return byte;
});

/** Write a grey (1 channel) or RGB (3) image of 8 or 16 bits as a PNG file: its bytes. */
export async function encodePng({ width, height, bits, channels, values }) {
  const line = width * channels * bits / 8, step = channels * bits / 8, rows = new Uint8Array((line + 1) * height);
  for (let y = 0, to = 0, from = 0; y < height; y++) {
    rows[to++] = 1;  // every byte is stored as what it adds to its left neighbour
    const start = to;
    for (let x = 0; x < width * channels; x++) {
      const value = values[from++];
      if (bits === 16) rows[to++] = value >> 8;
      rows[to++] = value;
    }
    for (let i = to - 1; i >= start + step; i--) rows[i] -= rows[i - step];
  }
  const stream = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer()), head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head.set([bits, channels === 3 ? 2 : 0], 8);
  const parts = [chunk("IHDR", head), chunk("IDAT", packed), chunk("IEND", new Uint8Array(0))];
  return new Uint8Array(await new Blob([new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]), ...parts]).arrayBuffer());
}

/** A chunk of a PNG file with its length and its sum. */
function chunk(kind, content) {
  const bytes = new Uint8Array(content.length + 12), view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set([...kind].map(letter => letter.charCodeAt(0)), 4);
  bytes.set(content, 8);
  let sum = 0xffffffff;
  for (let i = 4; i < content.length + 8; i++) sum = CRCS[(sum ^ bytes[i]) & 255] ^ sum >>> 8;
  view.setUint32(content.length + 8, ~sum >>> 0);
  return bytes;
}
