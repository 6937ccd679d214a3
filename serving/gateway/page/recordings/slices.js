// Parts of a file on the user's disk: read when they are needed, never the whole.

const WINDOW = 8192, LEAST = 512, AT_ONCE = 12;

/** The file ends before something that it announces. */
export class CutError extends Error {}

/** A recording that this page cannot show; the command line may. */
export class UnreadableError extends Error {}

/** A file, read in slices. Neighbouring small reads share one. */
export class Slices {
  #window = new Uint8Array(0);
  #start = 0;

  constructor(file) {
    this.file = file;
    this.size = file.size;
    this.name = file.name;
  }

  /** Bytes at a place; throws `CutError` beyond the end. What follows on the last small read is read some way ahead. */
  async bytes(at, length) {
    if (at < 0 || length < 0 || at + length > this.size) throw new CutError(`${this.name} ends at byte ${this.size}`);
    if (length > LEAST) return this.#read(at, length);
    const end = this.#start + this.#window.length;
    if (at < this.#start || at + length > end) {
      const ahead = at >= this.#start && at <= end + LEAST ? WINDOW : LEAST;
      this.#window = await this.#read(at, Math.min(ahead, this.size - at));
      this.#start = at;
    }
    return this.#window.slice(at - this.#start, at - this.#start + length);
  }

  async #read(at, length) {
    try {
      return new Uint8Array(await this.file.slice(at, at + length).arrayBuffer());
    } catch (error) {
      throw new Error(`${this.name} can no longer be read (${error.message}). Choose it again.`);
    }
  }
}

/** Do something with every item, several at a time; where that fails, the rest is left and the error thrown. */
export async function inParallel(items, work) {
  const shared = items[Symbol.asyncIterator]?.() ?? items[Symbol.iterator](), failed = [];
  const worker = async () => {
    try {
      for (let next = await shared.next(); !next.done && !failed.length; next = await shared.next()) await work(next.value);
    } catch (error) {
      failed.push(error);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (failed.length) throw failed.find(error => !(error instanceof CutError)) ?? failed[0];
}

/** Little-endian numbers and texts one after the other. */
export class Cursor {
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  get left() {
    return this.bytes.length - this.at;
  }

  u8() { return this.view.getUint8(this.#step(1)); }
  u16() { return this.view.getUint16(this.#step(2), true); }
  u32() { return this.view.getUint32(this.#step(4), true); }

  /** A count or place of 64 bits; beyond 2^53 no file goes. */
  u64() {
    const at = this.#step(8);
    return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 2 ** 32;
  }

  take(length) {
    const at = this.#step(length);
    return this.bytes.subarray(at, at + length);
  }

  text() { return textOf(this.take(this.u32())); }

  #step(length) {
    if (this.at + length > this.bytes.length) throw new CutError("a record is shorter than it says");
    this.at += length;
    return this.at - length;
  }
}

const decoder = new TextDecoder();
export const textOf = bytes => decoder.decode(bytes);
