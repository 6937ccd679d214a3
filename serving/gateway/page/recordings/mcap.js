// MCAP files: the summary at the end says where every message lies; without it the records are walked.
// Layout: the MCAP format specification, version 0.

import { Chunks } from "./chunks.js";
import { CutError, Cursor, inParallel } from "./slices.js";

const MAGIC = [0x89, 0x4d, 0x43, 0x41, 0x50, 0x30, 0x0d, 0x0a];
const OP = { footer: 2, schema: 3, channel: 4, message: 5, chunk: 6, messageIndex: 7, chunkIndex: 8, dataEnd: 15 };
const RECORD = 9, TAIL = RECORD + 20 + MAGIC.length, MESSAGE = 22;

export const isMcap = head => MAGIC.every((byte, i) => head[i] === byte);

/** The messages of an MCAP file. `topics` is [{name, type, dialect, entries}], an entry {time, chunk, at}. */
export class Mcap {
  format = "ROS MCAP";
  cut = "";
  #channels = new Map();
  #schemas = new Map();

  constructor(slices) {
    this.slices = slices;
    this.chunks = new Chunks(slices);
  }

  get topics() {
    return [...this.#channels.values()];
  }

  /** Find all messages; `progress` hears which share of the file is done. */
  async index(progress) {
    const chunks = await this.#summary();
    if (chunks) {
      await inParallel(chunks.entries(), async ([i, chunk]) => {
        if (chunk.indexLength) await this.#indexChunk(chunk);
        progress(i / chunks.length);
      });
    } else {
      await this.#walk(progress);
    }
    for (const topic of this.topics) topic.entries.sort((a, b) => a.time - b.time);
  }

  /** A message's content, or its first bytes only. */
  async message(entry, first = Infinity) {
    if (entry.chunk) {
      const cursor = new Cursor(await this.chunks.content(entry.chunk), entry.at + 1);
      const length = cursor.u64();
      return cursor.take(Math.min(length, MESSAGE + first)).subarray(MESSAGE);
    }
    const length = new Cursor(await this.slices.bytes(entry.at, RECORD), 1).u64();
    return (await this.slices.bytes(entry.at + RECORD, Math.min(length, MESSAGE + first))).subarray(MESSAGE);
  }

  /** Read the summary: the chunks' index, or null where the file has none. */
  async #summary() {
    const { slices } = this;
    if (slices.size < TAIL + MAGIC.length) return null;
    const tail = await slices.bytes(slices.size - TAIL, TAIL);
    if (tail[0] !== OP.footer || !isMcap(tail.subarray(TAIL - MAGIC.length))) return null;
    const start = new Cursor(tail, RECORD).u64();
    if (!start || start >= slices.size - TAIL) return null;
    const chunks = [], cursor = new Cursor(await slices.bytes(start, slices.size - TAIL - start));
    while (cursor.left >= RECORD) {
      const op = cursor.u8(), content = new Cursor(cursor.take(cursor.u64()));
      if (op === OP.chunkIndex) chunks.push(readChunkIndex(content));
      else this.#learn(op, content);
    }
    const found = chunks.length && this.#channels.size && chunks.some(one => one.indexLength);
    if (!found) this.#channels.clear();
    return found ? chunks : null;
  }

  /** Take up what a schema or a channel says. */
  #learn(op, content) {
    if (op === OP.schema) {
      this.#schemas.set(content.u16(), content.text());
    } else if (op === OP.channel) {
      const id = content.u16(), type = this.#schemas.get(content.u16()) ?? "", name = content.text();
      if (!this.#channels.has(id)) this.#channels.set(id, { name, type, dialect: content.text(), entries: [] });
    }
  }

  async #indexChunk(chunk) {
    const cursor = new Cursor(await this.slices.bytes(chunk.indexAt, chunk.indexLength));
    while (cursor.left >= RECORD) {
      const op = cursor.u8(), content = new Cursor(cursor.take(cursor.u64()));
      if (op !== OP.messageIndex) continue;
      const topic = this.#channels.get(content.u16());
      const stop = content.u32() + content.at;
      while (topic && content.at < stop) topic.entries.push(place(chunk, content.u64() / 1e6, content.u64()));
    }
  }

  /** Walk the records of a file without a summary, until its end or its cut. */
  async #walk(progress) {
    const { slices } = this;
    let at = MAGIC.length;
    try {
      for (;;) {
        const head = new Cursor(await slices.bytes(at, RECORD)), op = head.u8(), length = head.u64();
        if (op === OP.dataEnd || op === OP.footer) return;
        if (op !== OP.chunk && at + RECORD + length > slices.size) throw new CutError();
        if (op === OP.schema || op === OP.channel) {
          this.#learn(op, new Cursor(await slices.bytes(at + RECORD, length)));
        } else if (op === OP.message) {
          this.#note(new Cursor(await slices.bytes(at + RECORD, MESSAGE)), null, at);
        } else if (op === OP.chunk) {
          await this.#walkChunk(readChunk(await slices.bytes(at + RECORD, Math.min(length, 64)), at));
        }
        at += RECORD + length;
        progress(at / slices.size);
      }
    } catch (error) {
      if (!(error instanceof CutError)) throw error;
      this.cut = "The file has no end: it was cut, or is still being written. What it holds so far is shown.";
    }
  }

  async #walkChunk(chunk) {
    const packed = chunk.compression !== "", content = packed ? await this.chunks.content(chunk) : null;
    const read = (at, length) => packed ? content.subarray(at, at + length) : this.slices.bytes(chunk.at + at, length);
    for (let at = 0; at + RECORD <= chunk.size;) {
      const head = new Cursor(await read(at, RECORD)), op = head.u8(), length = head.u64();
      if (!packed && chunk.at + at + RECORD + length > this.slices.size) throw new CutError();
      if (op === OP.message) this.#note(new Cursor(await read(at + RECORD, MESSAGE)), packed ? chunk : null, packed ? at : chunk.at + at);
      else this.#learn(op, new Cursor(await read(at + RECORD, length)));
      at += RECORD + length;
    }
  }

  #note(content, chunk, at) {
    const topic = this.#channels.get(content.u16());
    content.u32();
    topic?.entries.push({ time: content.u64() / 1e6, chunk, at });
  }
}

/** Where a message lies: in a packed chunk, or at a place of the file itself. */
function place(chunk, time, offset) {
  return chunk.compression ? { time, chunk, at: offset } : { time, chunk: null, at: chunk.at + offset };
}

/** A chunk as the summary describes it; `at` is where its records begin. */
function readChunkIndex(content) {
  content.take(16);
  const start = content.u64(), length = content.u64();
  content.take(content.u32());
  const indexLength = content.u64(), compression = content.text(), packedSize = content.u64(), size = content.u64();
  const at = start + RECORD + 28 + 4 + compression.length + 8;
  return { at, compression, packedSize, size, indexAt: start + length, indexLength };
}

/** A chunk as its own head describes it. */
function readChunk(head, start) {
  const content = new Cursor(head, 16);
  const size = content.u64();
  content.u32();
  const compression = content.text(), packedSize = content.u64();
  return { at: start + RECORD + content.at, compression, packedSize, size };
}
