// LZ4 frames, as the chunks of .bag and .mcap files are packed (LZ4 frame format 1.6, checksums not compared).

const MAGIC = 0x184d2204;

/** Unpack a frame whose unpacked size is known. */
export function unpackLz4(packed, size) {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength), out = new Uint8Array(size);
  if (packed.length < 7 || view.getUint32(0, true) !== MAGIC) throw new Error("a chunk is no LZ4 frame");
  const flags = packed[4];
  if (flags & 1) throw new Error("a chunk needs an LZ4 dictionary");
  const blockSums = flags & 16 ? 4 : 0;
  let at = 7 + (flags & 8 ? 8 : 0), written = 0;
  for (;;) {
    if (at + 4 > packed.length) throw new Error("an LZ4 frame is cut");
    const word = view.getUint32(at, true), length = word & 0x7fffffff;
    at += 4;
    if (word === 0) break;
    if (at + length > packed.length) throw new Error("an LZ4 frame is cut");
    const block = packed.subarray(at, at + length);
    if (word >>> 31) {
      out.set(block, written);  // stored as it is
      written += length;
    } else {
      written = unpackBlock(block, out, written);
    }
    at += length + blockSums;
  }
  if (written !== size) throw new Error(`a chunk has ${written} bytes, expected ${size}`);
  return out;
}

/** Unpack one block behind what is written already; returns where its end is. */
function unpackBlock(block, out, written) {
  let at = 0;
  const more = start => {
    let length = start, step = 255;
    while (start === 15 && step === 255) length += step = block[at++] ?? 0;
    return length;
  };
  while (at < block.length) {
    const token = block[at++], literals = more(token >> 4);
    if (at + literals > block.length || written + literals > out.length) throw new Error("an LZ4 block is damaged");
    out.set(block.subarray(at, at + literals), written);
    at += literals;
    written += literals;
    if (at >= block.length) break;
    const distance = block[at++] | block[at++] << 8, length = more(token & 15) + 4;
    if (!distance || distance > written || written + length > out.length) throw new Error("an LZ4 block is damaged");
    if (distance >= length) out.copyWithin(written, written - distance, written - distance + length);
    else for (let i = written; i < written + length; i++) out[i] = out[i - distance];
    written += length;
  }
  return written;
}
