// A reader of PNG files that keeps their numbers: class indices and millimetres, which a canvas would not.

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
