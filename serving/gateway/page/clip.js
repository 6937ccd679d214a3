// The answer for a clip: probabilities, and what the network saw and heard, as the server drew it.

import { bytesOf } from "./api.js";
import { bars, make, panel, percent } from "./dom.js";

const SHOWN = 12;

export async function showClip({ said }) {
  const { classes, modalities, clip, warnings } = said.summary;
  const rows = classes.slice(0, SHOWN).map(one => (
    { name: one.name, parts: [{ share: one.probability }], text: percent(one.probability) }
  ));
  const facts = [`made from ${modalities.join(" and ")}`, clip?.container, clip?.seconds && `${clip.seconds.toFixed(1)} s`];
  const notes = warnings.map(text => make("p", { className: "warnings" }, text));
  const top = make("section", { className: "card pad", id: "probabilities" }, make("h2", {}, "Probabilities"), bars(rows),
    make("p", { className: "key" }, facts.filter(Boolean).join(" · ")), ...notes);
  const parts = [];
  if (said.strip) {
    const bitmap = await createImageBitmap(new Blob([bytesOf(said.strip)]));
    const canvas = make("canvas", { width: bitmap.width, height: bitmap.height, id: "strip", role: "img" });
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    parts.push(panel("What the network saw and heard", "frames, spectrogram, probabilities", canvas));
  }
  return [...parts, make("div", { className: "panels" }, top)];
}
