// The answer for a clip: probabilities, and what the network saw and heard: frames and a spectrogram.

import { CONFIDENCE, colourAt } from "./colours.js";
import { bars, make, panel, percent } from "./dom.js";

const FRAMES = 8, SHOWN = 10, RATE = 16000, WINDOW = 512, BANDS = 96;

export async function showClip({ pipeline, said, inputs }) {
  const values = flat(said.probabilities);
  const order = [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, SHOWN);
  const rows = order.map(index => ({
    name: pipeline.classes[index] ?? `class ${index}`,
    parts: [{ share: values[index] }],
    text: percent(values[index]),
  }));
  const used = flat(said.modalities).join(" ");
  const top = make("section", { className: "card pad", id: "probabilities" }, make("h2", {}, "Probabilities"), bars(rows),
    make("p", { className: "key" }, used ? `made from: ${used.replaceAll("+", " and ")}` : ""));
  const file = inputs.files.get("clip");
  const seen = await framesOf(file).catch(() => null), heard = await spectrogramOf(file).catch(() => null);
  const panels = [
    seen && panel("Frames", `${seen.seconds.toFixed(1)} s`, seen.element),
    heard ? panel("Spectrogram", "0 to 8 kHz", heard) : null,
  ].filter(Boolean);
  return [top, make("div", { className: "panels" }, ...panels)];
}

const flat = value => (Array.isArray(value) ? value.flat(Infinity) : value === undefined ? [] : [value]);

async function framesOf(file) {
  const video = make("video", { muted: true, preload: "auto", src: URL.createObjectURL(file) });
  try {
    await new Promise((done, failed) => { video.onloadeddata = done; video.onerror = failed; });
    const cells = [];
    for (let i = 0; i < FRAMES; i++) {
      await new Promise(done => { video.onseeked = done; video.currentTime = (i + 0.5) / FRAMES * video.duration; });
      const canvas = make("canvas", { width: 160, height: Math.round(160 * video.videoHeight / video.videoWidth) });
      canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
      cells.push(canvas);
    }
    return { element: make("div", { className: "frames" }, ...cells), seconds: video.duration };
  } finally {
    URL.revokeObjectURL(video.src);
  }
}

async function spectrogramOf(file) {
  const context = new OfflineAudioContext(1, 1, RATE);
  const sound = (await context.decodeAudioData(await file.arrayBuffer())).getChannelData(0);
  const columns = Math.min(600, Math.floor(sound.length / WINDOW * 2) - 1);
  if (columns < 1) return null;
  const canvas = make("canvas", { width: columns, height: BANDS, role: "img" }), image = new ImageData(columns, BANDS);
  for (let x = 0; x < columns; x++) {
    const power = spectrum(sound, Math.floor(x * (sound.length - WINDOW) / columns));
    for (let y = 0; y < BANDS; y++) {
      const place = (10 * Math.log10(power[Math.floor((BANDS - 1 - y) * power.length / BANDS)] + 1e-9) + 60) / 80;
      image.data.set([...colourAt(CONFIDENCE, place), 255], 4 * (y * columns + x));
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** The power at WINDOW / 2 frequencies: a Hann window and a fast Fourier transform. */
function spectrum(sound, start) {
  const real = new Float64Array(WINDOW), imaginary = new Float64Array(WINDOW), bits = Math.log2(WINDOW);
  for (let i = 0; i < WINDOW; i++) {
    let swapped = 0;
    for (let bit = 0; bit < bits; bit++) if (i >> bit & 1) swapped |= 1 << bits - 1 - bit;
    real[swapped] = sound[start + i] * (0.5 - 0.5 * Math.cos(2 * Math.PI * i / WINDOW));
  }
  for (let size = 2; size <= WINDOW; size *= 2) {
    for (let from = 0; from < WINDOW; from += size) {
      for (let i = 0; i < size / 2; i++) {
        const angle = -2 * Math.PI * i / size, a = from + i, b = a + size / 2;
        const re = real[b] * Math.cos(angle) - imaginary[b] * Math.sin(angle);
        const im = real[b] * Math.sin(angle) + imaginary[b] * Math.cos(angle);
        [real[b], imaginary[b], real[a], imaginary[a]] = [real[a] - re, imaginary[a] - im, real[a] + re, imaginary[a] + im];
      }
    }
  }
  return real.slice(0, WINDOW / 2).map((value, i) => value * value + imaginary[i] * imaginary[i]);
}
