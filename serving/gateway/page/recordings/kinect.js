// The calibration of an Azure Kinect: lenses of whole sensors, which every mode crops and bins in its own way.

import { relativePose } from "./cameras.js";

// What a mode sees by the size of its images: [width, height of the whole sensor at the mode's scale, column and row cut off].
const DEPTH = { "640x576": [1024, 1024, 192, 180], "320x288": [512, 512, 96, 90], "1024x1024": [1024, 1024, 0, 0], "512x512": [512, 512, 0, 0] };
const COLOUR = {
  "1280x720": [1280, 960, 0, 120], "1920x1080": [1920, 1440, 0, 180], "2560x1440": [2560, 1920, 0, 240],
  "3840x2160": [3840, 2880, 0, 360], "2048x1536": [2048, 1536, 0, 0], "4096x3072": [4096, 3072, 0, 0],
};

/** The camera of two images of a device, or null where a size is none of its modes. */
export function kinectCamera(calibration, colour, depth) {
  const cameras = calibration.CalibrationInformation?.Cameras ?? [], at = place => cameras.find(one => one.Location?.endsWith(place));
  const [first, second] = [at("D0"), at("PV0")], size = one => `${one.width}x${one.height}`;
  if (!first || !second || !DEPTH[size(depth)] || !COLOUR[size(colour)]) return null;
  if (![first, second].every(one => known(one.Intrinsics)) || !isWhole(first, 1, 1024) || !isWhole(second, 4 / 3)) return null;
  const pose = ({ Rt }) => ({ rotation: Rt.Rotation, translation: Rt.Translation });
  return { colour: lens(second, colour, COLOUR[size(colour)]), depth: lens(first, depth, DEPTH[size(depth)]), ...relativePose(pose(first), pose(second)) };
}

/** Whether a lens is one that `lens` reads: the early model with a shifted centre or tangential terms is another one. */
function known({ ModelType = "", ModelParameters }) {
  return /BrownConrady$/.test(ModelType) || (/Rational6KT$/.test(ModelType) && !ModelParameters.slice(10).some(Boolean));
}

/** Whether parameters are shares of a sensor of some shape: those of early calibrations are of a part of it. */
function isWhole({ SensorWidth, SensorHeight }, shape, width = SensorWidth) {
  return SensorWidth === width && Math.abs(SensorWidth - shape * SensorHeight) < 1;
}

/** Parameters are shares of the whole sensor, whose first pixel begins at 0: pixels' centres are half a pixel on. */
function lens({ Intrinsics }, { width, height }, [wide, high, left, top]) {
  const [cx, cy, fx, fy, k1, k2, k3, k4, k5, k6, , , p2, p1] = Intrinsics.ModelParameters;
  return {
    width, height, fx: fx * wide, fy: fy * high, cx: cx * wide - left - 0.5, cy: cy * high - top - 0.5,
    distortion: "rational", coefficients: [k1, k2, p1, p2, k3, k4, k5, k6],
  };
}
