// Any result that is images and texts: what a translation pipeline gives, and what a later one may.
// Images that were sent stand first.

import { bytesOf } from "./api.js";
import { DEPTH, drawMap, span } from "./colours.js";
import { make, panel } from "./dom.js";
import { readPng } from "./png.js";

export async function showImages({ pipeline, said, sent }) {
  const panels = [];
  for (const [name, file] of sent.files) {
    if (file.type.startsWith("image/")) panels.push(panel(name, "sent", await draw(new Uint8Array(await file.arrayBuffer()))));
  }
  const texts = {};
  for (const { output, tensor } of pipeline.outputs) {
    if (said[output] === undefined) continue;
    if (tensor.endsWith("_png")) panels.push(panel(output, "answered", await draw(bytesOf(said[output]))));
    else texts[output] = said[output];
  }
  const used = texts.summary?.streams ?? [], warnings = texts.summary?.warnings ?? [];
  const words = make("section", { className: "card pad" }, make("h2", {}, "In words"),
    ...(used.length ? [make("p", { className: "key" }, `made from ${used.join(", ")}`)] : []),
    ...warnings.map(text => make("p", { className: "warnings" }, text)),
    make("details", {}, make("summary", {}, "everything"), make("pre", {}, JSON.stringify(texts, null, 1))));
  return [make("div", { className: "panels" }, ...panels), make("div", { className: "panels" }, words)];
}

/** Draw an image; numbers of 16 bits are drawn as depth. */
async function draw(bytes) {
  const png = await readPng(bytes);
  if (png?.bits === 16) {
    const [near, far] = span(png.values), canvas = make("canvas", { role: "img" });
    drawMap(canvas, png, DEPTH, value => value ? (value - near) / (far - near || 1) : null);
    return canvas;
  }
  const bitmap = await createImageBitmap(new Blob([bytes]));
  const canvas = make("canvas", { width: bitmap.width, height: bitmap.height, role: "img" });
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return canvas;
}
