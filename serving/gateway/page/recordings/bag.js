// ROS 1 bags, format 2.0: the records at the end say where the chunks lie, and those behind a chunk where its messages do.

import { Chunks } from "./chunks.js";
import { CutError, Cursor, Slices, inParallel, textOf } from "./slices.js";

const MAGIC = "#ROSBAG V2.0\n";
const OP = { message: 2, bag: 3, index: 4, chunk: 5, chunkInfo: 6, connection: 7 };
const LARGEST_HEAD = 1e6;

export const isBag = head => textOf(head.subarray(0, MAGIC.length)) === MAGIC;

/** The messages of a bag; `topics` and entries as those of `Mcap`. */
export class Bag {
  format = "ROS 1 bag";
  cut = "";
  #connections = new Map();

  constructor(slices) {
    this.slices = slices;
    this.chunks = new Chunks(slices);
  }

  get topics() {
    return [...this.#connections.values()];
  }

  /** Find all messages; `progress` hears which share of the file is done. */
  async index(progress) {
    const first = await this.#record(MAGIC.length);
    const indexAt = first.head.u64("index_pos");
    if (indexAt && indexAt < this.slices.size) await this.#indexed(indexAt, progress);
    else await this.#walk(first.end, progress);
    for (const topic of this.topics) topic.entries.sort((a, b) => a.time - b.time);
  }

  /** A message's content, or its first bytes only. */
  async message(entry, first = Infinity) {
    const read = await this.#reader(entry.chunk), record = await recordAt(read, entry.at);
    return read(record.data, Math.min(record.end - record.data, first));
  }

  /** Read the index at the end, then that of every chunk. */
  async #indexed(at, progress) {
    const content = await this.slices.bytes(at, this.slices.size - at), places = [];
    const read = async (from, length) => new Cursor(content, from).take(length);
    for (let here = 0; here < content.length;) {
      const record = await recordAt(read, here);
      if (record.op === OP.connection) this.#learn(record.head, content.subarray(record.data, record.end));
      else if (record.op === OP.chunkInfo) places.push(record.head.u64("chunk_pos"));
      here = record.end;
    }
    await inParallel(places.entries(), async ([i, place]) => {
      const slices = new Slices(this.slices.file), chunk = this.#chunk(await this.#record(place, slices));
      for (let here = chunk.end; here < at;) {
        const record = await this.#record(here, slices);
        if (record.op !== OP.index) break;
        await this.#indexMessages(chunk, record, slices);
        here = record.end;
      }
      progress(i / places.length);
    });
  }

  async #indexMessages(chunk, record, slices) {
    const topic = this.#connections.get(record.head.u32("conn")), count = record.head.u32("count");
    const cursor = new Cursor(await slices.bytes(record.data, record.end - record.data));
    for (let i = 0; topic && i < count; i++) topic.entries.push({ time: timeOf(cursor.u32(), cursor.u32()), chunk, at: cursor.u32() });
  }

  /** Walk the chunks of a bag without an index, until its end or its cut. */
  async #walk(start, progress) {
    this.cut = "The bag has no index: it was cut, or is still being written. What it holds so far is shown.";
    try {
      for (let at = start; at < this.slices.size;) {
        const record = await this.#record(at);
        if (record.op === OP.chunk) await this.#walkChunk(this.#chunk(record));
        at = record.end;
        progress(at / this.slices.size);
      }
    } catch (error) {
      if (!(error instanceof CutError)) throw error;
    }
  }

  async #walkChunk(chunk) {
    const read = await this.#reader(chunk);
    for (let at = 0; at < chunk.size;) {
      const record = await recordAt(read, at);
      if (record.end > chunk.size) throw new CutError("a chunk is shorter than it says");
      if (record.op === OP.connection) this.#learn(record.head, await read(record.data, record.end - record.data));
      if (record.op === OP.message) {
        const time = record.head.bytes("time"), topic = this.#connections.get(record.head.u32("conn"));
        if (!chunk.compression && chunk.at + record.end > this.slices.size) throw new CutError("the bag is cut");
        topic?.entries.push({ time: timeOf(time.u32(), time.u32()), chunk, at });
      }
      at = record.end;
    }
  }

  /** Take up what a connection says. */
  #learn(head, data) {
    const id = head.u32("conn"), said = new Head(data);
    if (this.#connections.has(id)) return;
    this.#connections.set(id, { name: head.text("topic"), type: said.text("type"), dialect: "ros1", entries: [] });
  }

  /** A chunk as its record describes it; what it holds begins at `at`. */
  #chunk(record) {
    if (record.op !== OP.chunk) throw new Error("The bag's index does not fit its chunks. Repair it with rosbag reindex.");
    const named = record.head.text("compression"), compression = named === "none" ? "" : named;
    return { at: record.data, end: record.end, compression, packedSize: record.end - record.data, size: record.head.u32("size") };
  }

  /** How bytes of a chunk are read: from the file, or from its unpacked content. */
  async #reader(chunk) {
    if (!chunk.compression) return (at, length) => this.slices.bytes(chunk.at + at, length);
    const content = await this.chunks.content(chunk);
    return async (at, length) => new Cursor(content, at).take(length);
  }

  #record(at, slices = this.slices) {
    return recordAt((from, length) => slices.bytes(from, length), at);
  }
}

/** The fields at the beginning of a record. */
class Head {
  #fields = new Map();

  constructor(bytes) {
    for (const cursor = new Cursor(bytes); cursor.left;) {
      const field = cursor.take(cursor.u32()), equals = field.indexOf(61);
      this.#fields.set(textOf(field.subarray(0, equals)), field.subarray(equals + 1));
    }
  }

  bytes(name) {
    const found = this.#fields.get(name);
    if (!found) throw new Error(`A record of the bag has no field ${name}: it is damaged.`);
    return new Cursor(found);
  }

  u32(name) { return this.bytes(name).u32(); }
  u64(name) { return this.bytes(name).u64(); }
  text(name) { return textOf(this.bytes(name).bytes); }
}

/** The record at a place: {op, head, data, end}, its data not read yet. */
async function recordAt(read, at) {
  const length = new Cursor(await read(at, 4)).u32();
  if (length > LARGEST_HEAD) throw new Error("A record of the bag is damaged.");
  const head = new Head(await read(at + 4, length));
  const data = at + 8 + length, size = new Cursor(await read(data - 4, 4)).u32();
  return { op: head.bytes("op").u8(), head, data, end: data + size };
}

const timeOf = (seconds, nanoseconds) => seconds * 1e3 + nanoseconds / 1e6;
