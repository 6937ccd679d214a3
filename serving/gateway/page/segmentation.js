// The answer of a segmentation pipeline: colours over the image, a legend, confidence and depth.

import { bytesOf } from "./api.js";
import { CONFIDENCE, DEPTH, drawMap, gradient, span } from "./colours.js";
import { make, panel, percent } from "./dom.js";
import { readPng } from "./png.js";

const OPACITY = 55;

export async function showSegmentation(answer) {
  const view = new Segmentation(answer.pipeline);
  await view.update(answer);
  return view.parts;
}

/** One answer, or those of a recording one after the other: opacity and the chosen class stay. */
export class Segmentation {
  constructor(pipeline) {
    this.view = { pipeline, chosen: null, opacity: OPACITY };
    this.stage = makeStage(this.view);
    this.legend = make("section", { className: "legend card", id: "legend", ariaLabel: "Classes with their share of the area" });
    this.panels = make("div", { className: "panels" });
    this.parts = [make("div", { className: "main" }, this.stage.element, this.legend), this.panels];
  }

  /** Show another answer; `sent` has the depth that was sent as numbers, or as a file to read them from; `apart` where it lies in another camera. */
  async update({ pipeline, said, sent }) {
    const labels = indicesOf(await readPng(bytesOf(said.labels)), pipeline.label_values);
    const confidence = said.confidence ? await readPng(bytesOf(said.confidence)) : null;
    const file = sent.files.get("depth");
    const depth = sent.depth ?? (file ? await readPng(new Uint8Array(await file.arrayBuffer())).catch(() => null) : null);
    const rgb = sent.files.has("rgb") ? await createImageBitmap(sent.files.get("rgb"), { imageOrientation: "none" }) : null;
    this.view.rgb?.close();
    Object.assign(this.view, { labels, confidence, depth, rgb, geometry: geometryOf(pipeline, sent), apart: sent.apart });
    this.stage.draw();
    fillLegend(this.legend, this.view, said.summary, this.stage.draw);
    this.panels.replaceChildren(...confidencePanel(this.view, said.summary), ...depthPanel(this.view));
  }
}

/** A label image in class indices, whatever values its pixels have. */
function indicesOf(labels, values) {
  if (!values?.length) return labels;
  return { ...labels, values: labels.values.map(value => values.indexOf(value)) };
}

function makeStage(view) {
  const canvas = make("canvas", { id: "overlay", role: "img" });
  canvas.setAttribute("aria-label", "The picture with the colours of its classes");
  const tint = make("canvas");
  const output = make("output", { htmlFor: "opacity" });
  const slider = make("input", { type: "range", min: 0, max: 100, value: view.opacity, id: "opacity" });
  const tip = make("span", { className: "tip", hidden: true });

  const draw = () => {
    const { width, height } = view.labels;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    drawTint(tint, view.labels, view.pipeline.palette, view.chosen);
    const context = canvas.getContext("2d");
    context.globalAlpha = 1;
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (view.rgb) context.drawImage(view.rgb, 0, 0, canvas.width, canvas.height);
    context.globalAlpha = view.opacity / 100;
    context.drawImage(tint, 0, 0);
    output.textContent = `${view.opacity} %`;
  };
  slider.addEventListener("input", () => { view.opacity = Number(slider.value); draw(); });
  canvas.addEventListener("pointermove", event => showTip(event, canvas, tip, view));
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  const tools = make("div", { className: "tools" }, make("label", { htmlFor: "opacity" }, "Opacity"), slider, output);
  return { element: make("div", {}, make("div", { className: "stage" }, canvas, tip, tools)), draw };
}

function drawTint(canvas, labels, palette, chosen) {
  Object.assign(canvas, { width: labels.width, height: labels.height });
  const image = new ImageData(labels.width, labels.height), pixels = new DataView(image.data.buffer);
  const word = ([red, green, blue]) => (red << 24 | green << 16 | blue << 8 | 255) >>> 0;
  const colours = Array.from({ length: 256 }, (_, i) => word(chosen === null || chosen === i ? palette[i] ?? [0, 0, 0] : [20, 24, 31]));
  const other = word(chosen === null ? [0, 0, 0] : [20, 24, 31]);
  labels.values.forEach((label, i) => pixels.setUint32(4 * i, colours[label] ?? other));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** The pixel of a map under a place 0..1 of the image. */
function sample(map, x, y) {
  const column = Math.min(Math.floor(x * map.width), map.width - 1), row = Math.min(Math.floor(y * map.height), map.height - 1);
  return map.values[(row * map.width + column) * map.channels];
}

function showTip(event, canvas, tip, view) {
  const box = canvas.getBoundingClientRect();
  const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
  const x = (event.clientX - box.left - (box.width - scale * canvas.width) / 2) / (scale * canvas.width);
  const y = (event.clientY - box.top - (box.height - scale * canvas.height) / 2) / (scale * canvas.height);
  tip.hidden = x < 0 || y < 0 || x >= 1 || y >= 1;
  if (tip.hidden) return;
  const parts = [view.pipeline.classes[sample(view.labels, x, y)]];
  if (view.confidence) parts.push(`certain ${percent(sample(view.confidence, x, y) / 255, 0)}`);
  if (view.depth && !view.apart) {
    const value = sample(view.depth, x, y);
    parts.push(value === view.geometry.missing ? "no reading" : view.geometry.words(value));
  }
  tip.textContent = parts.join(" · ");
  tip.style.left = `${Math.min(Math.max(event.clientX - box.left, 90), box.width - 90)}px`;
  tip.style.top = `${Math.max(event.clientY - box.top, 44)}px`;
}

/** List the classes of an answer; the one that has the focus or is chosen keeps it. */
function fillLegend(legend, view, summary, draw) {
  const focused = legend.contains(document.activeElement) ? document.activeElement.dataset.label : null;
  const gone = view.chosen !== null && !summary.classes.some(one => one.index === view.chosen);
  const kept = gone ? [{ index: view.chosen, name: view.pipeline.classes[view.chosen], share: 0, mean_confidence: 0 }] : [];
  const classes = [...summary.classes, ...kept];
  const most = Math.max(...classes.map(one => one.share));
  const rows = classes.map(one => {
    const colour = `rgb(${view.pipeline.palette[one.index]})`;
    const swatch = make("i"), bar = make("b");
    swatch.style.background = bar.style.background = colour;
    bar.style.width = `${100 * one.share / most}%`;
    const button = make("button", { type: "button", ariaPressed: String(view.chosen === one.index), title: `certain ${percent(one.mean_confidence, 0)}` },
      swatch, make("span", {}, one.name), make("data", { value: one.share }, percent(one.share)),
      make("span", { className: "share" }, bar));
    button.dataset.label = one.index;
    button.addEventListener("click", () => {
      view.chosen = view.chosen === one.index ? null : one.index;
      for (const other of list.querySelectorAll("button")) other.ariaPressed = String(Number(other.dataset.label) === view.chosen);
      draw();
    });
    return make("li", {}, button);
  });
  const list = make("ul", {}, ...rows);
  const used = summary.streams?.length ? [make("p", { className: "key" }, `made from ${summary.streams.join(" and ")}`)] : [];
  const notes = summary.warnings.map(text => make("p", { className: "warnings" }, text));
  legend.replaceChildren(make("h2", {}, "Share of the area"), list, ...used, ...notes);
  if (focused !== null) list.querySelector(`[data-label="${focused}"]`)?.focus();
}

function confidencePanel(view, summary) {
  if (!view.confidence) return [];
  const canvas = make("canvas", { id: "confidence", role: "img" });
  drawMap(canvas, view.confidence, CONFIDENCE, value => value / 255);
  const scale = make("div", { className: "scale" });
  scale.style.background = gradient(CONFIDENCE);
  return [panel("Confidence", `${percent(summary.mean_confidence, 0)} on average`, canvas, scale)];
}

function depthPanel(view) {
  if (!view.depth) return [];
  const { geometry } = view, [low, high] = span(view.depth.values.filter(value => value !== geometry.missing));
  const canvas = make("canvas", { id: "depth", role: "img" });
  const place = value => (geometry.larger_is_nearer ? high - value : value - low) / (high - low || 1);
  drawMap(canvas, view.depth, DEPTH, value => value === geometry.missing ? null : place(value));
  const scale = make("div", { className: "scale" });
  scale.style.background = gradient(DEPTH);
  return [panel(view.apart ? `${geometry.title} as recorded` : geometry.title, `${geometry.words(low)} to ${geometry.words(high)}, holes black`, canvas, scale)];
}

/** What the numbers of the depth image that was sent are, and how a person reads one. */
function geometryOf(pipeline, sent) {
  const { quantity, missing, unit, larger_is_nearer } = pipeline.geometry;
  const short = { metre: " m", "metre of height": " m", "1/metre": "/m" }[unit] ?? "";
  const title = quantity[0].toUpperCase() + quantity.slice(1).replaceAll("-", " ");
  return { title, missing, larger_is_nearer, words: value => `${(value / sent.perUnit).toFixed(2)}${short}` };
}
