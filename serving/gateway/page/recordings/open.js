// Any recording that this page plays. Every one offers: format, facts, cut, camera, registered, perUnit; index(progress);
// colour and depth, entries in the order of time (more of them come with `onGrowth` while it is `growing`, until `stop`); stampOf(entry), colourFile(entry) and depthMap(entry).

import { Bag, isBag } from "./bag.js";
import { Mcap, isMcap } from "./mcap.js";
import { MkvRecording, isMkv } from "./mkv.js";
import { RosRecording } from "./ros.js";
import { Slices, UnreadableError } from "./slices.js";

/** Files that are recordings by their name; some of them only for the command line. */
export const isRecording = name => /\.(bag|mcap|mkv|db3|r3d|sens)$/i.test(name);

/** Open a recording; `progress` hears which share of its index is read. */
export async function openRecording(file, progress) {
  const slices = new Slices(file), head = await slices.bytes(0, Math.min(64, file.size));
  let recording;
  if (isMcap(head)) recording = new RosRecording(new Mcap(slices));
  else if (isBag(head)) recording = new RosRecording(new Bag(slices));
  else if (isMkv(head)) recording = new MkvRecording(slices);
  else throw new UnreadableError("It is no .bag, .mcap or Azure Kinect .mkv, which are what this page plays.");
  await recording.index(progress);
  return recording;
}
