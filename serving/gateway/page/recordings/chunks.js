// The chunks of a .bag or .mcap file, unpacked; the latest ones are kept.

import { unpackLz4 } from "./lz4.js";
import { UnreadableError } from "./slices.js";

const LARGEST_CHUNK = 256e6, KEPT_BYTES = 64e6;

/** Contents of packed chunks, {at, compression, packedSize, size} each. */
export class Chunks {
  #kept = new Map();

  constructor(slices) {
    this.slices = slices;
  }

  /** What a chunk holds. */
  content(chunk) {
    const kept = this.#kept.get(chunk.at)?.content ?? this.#unpack(chunk);
    this.#kept.delete(chunk.at);
    this.#kept.set(chunk.at, { content: kept, size: chunk.size });
    let bytes = 0;
    for (const one of this.#kept.values()) bytes += one.size;
    for (const [at, one] of this.#kept) {
      if (bytes <= KEPT_BYTES || at === chunk.at) break;
      this.#kept.delete(at);
      bytes -= one.size;
    }
    return kept;
  }

  async #unpack({ at, compression, packedSize, size }) {
    if (compression !== "lz4") throw new UnreadableError(`Its chunks are packed with ${compression}, which this page does not read.`);
    if (size > LARGEST_CHUNK) throw new UnreadableError(`One of its chunks has ${size} bytes, too many for a page.`);
    return unpackLz4(await this.slices.bytes(at, packedSize), size);
  }
}
