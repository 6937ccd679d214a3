// Calibrations as the server takes them: two lenses, and how a point of the depth camera comes into the colour camera.

const MODELS = {
  plumb_bob: ["brown_conrady", 5], rational_polynomial: ["rational", 8], equidistant: ["kannala_brandt", 4],
  "Brown Conrady": ["brown_conrady", 5], "Inverse Brown Conrady": ["inverse_brown_conrady", 5],
  "Modified Brown Conrady": ["brown_conrady", 5], "Kannala Brandt4": ["kannala_brandt", 4],
};

/** The lens of a CameraInfo. */
export function lensOf({ width, height, model, d, k }) {
  const bent = d.some(value => value !== 0), [distortion, terms] = bent ? MODELS[model] ?? [] : ["none", 0];
  if (!distortion) throw new Error(`The camera's distortion "${model}" is not known.`);
  return { width, height, fx: k[0], fy: k[4], cx: k[2], cy: k[5], distortion, coefficients: d.slice(0, terms) };
}

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
