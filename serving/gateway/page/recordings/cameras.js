// Calibrations as the server takes them: two lenses, and how a point of the depth camera comes into the colour camera.

const MODELS = {
  plumb_bob: ["brown_conrady", 5], rational_polynomial: ["rational", 8], equidistant: ["kannala_brandt", 4], fisheye: ["kannala_brandt", 4],
  // as librealsense names them
  "brown conrady": ["brown_conrady", 5], "inverse brown conrady": ["inverse_brown_conrady", 5], "kannala brandt4": ["kannala_brandt", 4],
};
const MODIFIED = "modified brown conrady";  // shifts what is already bent: the usual one where nothing is shifted

/** The lens of a CameraInfo for images of a size, {width, height}; rectified ones are described by P. Null for one without numbers. */
export function lensOf(info, size, rectified) {
  const { d, k, p, binning, roi } = info, bent = !rectified && d.some(value => value !== 0);
  const [fx, , cx, , fy, cy] = rectified && p.some(Boolean) ? [p[0], 0, p[2], 0, p[5], p[6]] : k;
  const said = info.model.trim().toLowerCase() || "plumb_bob", name = said === MODIFIED && !d[2] && !d[3] ? "brown conrady" : said;
  const [distortion, terms] = bent ? MODELS[name] ?? [] : ["none", 0];
  if (!distortion || !(fx > 0) || !(fy > 0)) return null;
  const [across, down] = binning.map(one => Math.max(one, 1));
  const width = Math.floor((roi.width || info.width) / across), height = Math.floor((roi.height || info.height) / down);
  const seen = { width, height, fx: fx / across, fy: fy / down, cx: (cx - roi.left) / across, cy: (cy - roi.top) / down };
  const lens = scaled(seen, size.width ?? width, size.height ?? height);
  return lens && { ...lens, distortion, coefficients: d.slice(0, terms) };
}

/** The same view at another size, null where it is another view; pixels' edges stay where they are. */
function scaled(lens, width, height) {
  if (width === lens.width && height === lens.height) return lens;
  if (Math.abs(width * lens.height - height * lens.width) > Math.max(width, height)) return null;
  const across = width / lens.width, down = height / lens.height;
  return {
    width, height, fx: lens.fx * across, fy: lens.fy * down, cx: (lens.cx + 0.5) * across - 0.5, cy: (lens.cy + 0.5) * down - 0.5,
  };
}

export const sameLens = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** A rotation matrix, row after row, of a quaternion [x, y, z, w]. */
function matrixOf(quaternion) {
  const length = Math.hypot(...quaternion), [x, y, z, w] = quaternion.map(value => value / length);
  return [
    1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
    2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
    2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
  ];
}

const turn = (r, p) => [0, 3, 6].map(row => r[row] * p[0] + r[row + 1] * p[1] + r[row + 2] * p[2]);
const transposed = r => [r[0], r[3], r[6], r[1], r[4], r[7], r[2], r[5], r[8]];

/** First one pose, then another. */
function after(second, first) {
  const columns = [0, 1, 2].map(i => turn(second.rotation, [first.rotation[i], first.rotation[i + 3], first.rotation[i + 6]]));
  const moved = turn(second.rotation, first.translation);
  return {
    rotation: [0, 1, 2].flatMap(row => columns.map(column => column[row])),
    translation: moved.map((value, i) => value + second.translation[i]),
  };
}

function inverse({ rotation, translation }) {
  const back = transposed(rotation);
  return { rotation: back, translation: turn(back, translation).map(value => -value) };
}

export const poseOf = ({ translation, quaternion }) => ({ rotation: matrixOf(quaternion), translation });

/** From one sensor to another, given how a point of a third one comes into each. */
export const relativePose = (from, to) => after(to, inverse(from));

/** From one frame of a tree of transforms to another, or null where none leads there. */
export function walkTransforms(transforms, from, to) {
  const known = new Map([[from, { rotation: [1, 0, 0, 0, 1, 0, 0, 0, 1], translation: [0, 0, 0] }]]);
  for (let grew = true; grew && !known.has(to);) {
    grew = false;
    for (const one of transforms) {
      const step = poseOf(one);  // brings a point of the child into the parent
      if (known.has(one.child) && !known.has(one.parent)) known.set(one.parent, after(step, known.get(one.child)));
      else if (known.has(one.parent) && !known.has(one.child)) known.set(one.child, after(inverse(step), known.get(one.parent)));
      else continue;
      grew = true;
    }
  }
  return known.get(to) ?? null;
}
