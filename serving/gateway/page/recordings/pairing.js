// Which depth image belongs to a colour image, by the stamps of their headers, looked up around one place of the file.

const ROUNDING_MS = 0.001;  // milliseconds since 1970 in floating point are that exact

/** The place of the entry whose stamp is closest to a time, found from one nearby by going downhill, and how far it is. */
async function closest(recording, entries, start, stamp) {
  const gapOf = async i => Math.abs(await recording.stampOf(entries[i]) - stamp);
  let best = start, gap = await gapOf(start);
  for (const step of [-1, 1]) {
    for (let i = best + step; i >= 0 && i < entries.length; i += step) {
      const next = await gapOf(i);
      if (next >= gap) break;
      [best, gap] = [i, next];
    }
  }
  return [best, gap];
}

/** The first entry that was written at a time or later. */
function writtenAt(entries, time) {
  let low = 0, high = entries.length - 1;
  while (low < high) {
    const middle = low + high >> 1;
    if (entries[middle].time < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The depth of the colour image at a place: {stamp, gap, entry}, times in milliseconds. Each image is in one pair at most,
 * so `entry` is null where the closest depth is farther than `longestGap`, or another colour image is closer to it.
 */
export async function partnerOf(recording, place, longestGap) {
  const { colour, depth } = recording, stamp = await recording.stampOf(colour[place]);
  const [found, gap] = await closest(recording, depth, writtenAt(depth, colour[place].time), stamp);
  const [back] = await closest(recording, colour, place, await recording.stampOf(depth[found]));
  return { stamp, gap, entry: gap <= longestGap + ROUNDING_MS && back === place ? depth[found] : null };
}
