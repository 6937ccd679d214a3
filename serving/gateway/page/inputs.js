// The fields of a pipeline: places to drop files on, and numbers.

import { DEPTH, drawMap, span } from "./colours.js";
import { make } from "./dom.js";
import { readPng } from "./png.js";

const isClip = name => name === "clip";

/** The inputs of one pipeline; `changed` is called when a file came or went. */
export class Inputs {
  constructor(place, pipeline, changed) {
    this.files = new Map();
    this.pipeline = pipeline;
    this.changed = changed;
    this.zones = new Map();
    this.numbers = new Map();
    const shown = pipeline.inputs.filter(field => field.kind !== "text");
    place.replaceChildren(...shown.map(field => field.kind === "file" ? this.#zone(field) : this.#number(field)));
  }

  get complete() {
    const files = this.pipeline.inputs.filter(field => field.kind === "file");
    return files.every(field => field.optional || this.files.has(field.field)) && this.files.size > 0;
  }

  set(name, file) {
    if (file) this.files.set(name, file);
    else this.files.delete(name);
    this.#show(name);
    this.changed();
  }

  setNumbers(values) {
    for (const [name, input] of this.numbers) input.value = values[name] ?? "";
  }

  /** Give dropped files to the fields they are for: by name, else 16-bit images are depth and videos and sound clips. */
  async give(files) {
    const names = this.pipeline.inputs.filter(field => field.kind === "file").map(field => field.field);
    for (const file of files) {
      const lower = file.name.toLowerCase();
      const deep = (await readHeader(file)) === 16;
      const name = names.find(one => isClip(one) && /^(video|audio)\//.test(file.type))
        ?? names.find(one => lower.includes(one)) ?? (deep && names.includes("depth") ? "depth" : undefined)
        ?? names.find(one => one !== "depth" && !this.files.has(one)) ?? names[0];
      this.set(name, file);
    }
  }

  /** What is chosen now, and stays so whatever is chosen later: the form to send, its files, the unit of depth. */
  chosen() {
    const form = new FormData();
    for (const [name, file] of this.files) form.append(name, file, file.name);
    for (const [name, input] of this.numbers) if (input.value !== "") form.append(name, input.value);
    const perUnit = Number(this.numbers.get("depth_units_per_metre")?.value) || this.pipeline.geometry?.scale || 1000;
    return { form, files: new Map(this.files), perUnit };
  }

  #zone(field) {
    const name = field.field;
    const input = make("input", { type: "file", "aria-label": `${name}: ${field.unit}`, id: `file-${name}` });
    if (isClip(name)) input.accept = "video/*,audio/*";
    const clear = make("button", { type: "button", className: "clear", hidden: true, "aria-label": `remove ${name}` }, "×");
    const zone = make("div", { className: "drop" }, make("canvas", { className: "thumb", width: 120, height: 92 }),
      make("b", {}, name), make("small", {}, field.unit), input, clear);
    input.addEventListener("change", () => input.files[0] && this.set(name, input.files[0]));
    clear.addEventListener("click", () => { input.value = ""; this.set(name, null); });
    zone.addEventListener("dragover", event => { event.preventDefault(); zone.classList.add("over"); });
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", event => {
      event.preventDefault();
      event.stopPropagation();
      document.body.classList.remove("dragging");
      zone.classList.remove("over");
      if (event.dataTransfer.files.length === 1) this.set(name, event.dataTransfer.files[0]);
      else this.give(event.dataTransfer.files);
    });
    this.zones.set(name, { zone, field });
    return zone;
  }

  #number(field) {
    const input = make("input", { type: "number", step: "any", min: "0", id: `number-${field.field}` });
    this.numbers.set(field.field, input);
    input.placeholder = /([\d.e+]+) if left out/.exec(field.unit)?.[1] ?? "";
    input.title = field.unit;
    return make("label", { className: "number" }, field.field.replaceAll("_", " "), input);
  }

  async #show(name) {
    const { zone, field } = this.zones.get(name), file = this.files.get(name);
    zone.classList.toggle("full", Boolean(file));
    zone.querySelector("small").textContent = file ? `${file.name}, ${sizeText(file.size)}` : field.unit;
    zone.querySelector(".clear").hidden = !file;
    const canvas = zone.querySelector("canvas"), context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!file) return;
    if (isClip(name)) return drawPlay(context, canvas);
    try {
      const png = name === "depth" ? await readPng(new Uint8Array(await file.arrayBuffer())) : null;
      let image;
      if (png) {
        const [near, far] = span(png.values);
        image = make("canvas");
        drawMap(image, png, DEPTH, value => value ? (value - near) / (far - near || 1) : null);
      } else {
        image = await createImageBitmap(file);
      }
      if (this.files.get(name) === file) context.drawImage(image, 0, 0, canvas.width, canvas.height);
    } catch {
      // no image: the server will say so
    }
  }
}

function drawPlay(context, canvas) {
  const x = canvas.width / 2, y = canvas.height / 2;
  context.fillStyle = "#d9762b";
  context.beginPath();
  context.moveTo(x - 14, y - 20);
  context.lineTo(x + 22, y);
  context.lineTo(x - 14, y + 20);
  context.fill();
}

async function readHeader(file) {
  const head = new Uint8Array(await file.slice(0, 26).arrayBuffer());
  return head[0] === 0x89 && head[1] === 0x50 ? head[24] : 0;
}

const sizeText = size => size < 1e6 ? `${Math.max(1, Math.round(size / 1e3))} kB` : `${(size / 1e6).toFixed(1)} MB`;
