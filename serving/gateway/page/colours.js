// Colour scales: depth is warm near and cold far, holes are black; confidence runs from violet to yellow.

export const DEPTH = [[255, 244, 214], [253, 190, 92], [232, 103, 72], [160, 52, 112], [82, 38, 130], [32, 34, 92]];
export const CONFIDENCE = [[68, 12, 94], [62, 84, 148], [38, 146, 140], [112, 204, 92], [250, 230, 60]];

/** The colour at a place 0..1 of a scale. */
export function colourAt(scale, place) {
  const at = Math.min(Math.max(place, 0), 1) * (scale.length - 1), low = Math.min(Math.floor(at), scale.length - 2);
  return scale[low].map((value, i) => Math.round(value + (at - low) * (scale[low + 1][i] - value)));
}

export const gradient = scale => `linear-gradient(90deg, ${scale.map(c => `rgb(${c})`).join(", ")})`;

/** Draw a map of numbers; `place` returns 0..1, or null for a hole. */
export function drawMap(canvas, map, scale, place) {
  canvas.width = map.width;
  canvas.height = map.height;
  const context = canvas.getContext("2d"), image = context.createImageData(map.width, map.height);
  const table = Array.from({ length: 256 }, (_, i) => colourAt(scale, i / 255));
  for (let i = 0; i < map.width * map.height; i++) {
    const at = place(map.values[i * (map.channels ?? 1)]);
    const colour = at === null ? [0, 0, 0] : table[Math.round(Math.min(Math.max(at, 0), 1) * 255)];
    image.data.set(colour, 4 * i);
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/** The values below which 1 % and 99 % of the readings (above 0) lie. */
export function span(values) {
  const some = [];
  const step = Math.max(1, Math.floor(values.length / 20000));
  for (let i = 0; i < values.length; i += step) if (values[i] > 0) some.push(values[i]);
  if (!some.length) return [0, 1];
  some.sort((a, b) => a - b);
  return [some[Math.floor(0.01 * (some.length - 1))], some[Math.ceil(0.99 * (some.length - 1))]];
}
