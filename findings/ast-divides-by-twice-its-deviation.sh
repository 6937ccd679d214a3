#!/usr/bin/env bash
# The feature extractor of the Audio Spectrogram Transformer divides by twice the deviation that it is given.
#
# Expected: with `mean` and `std` measured on a data set, features of that data set have mean 0 and deviation 1, as with
# every other extractor of transformers that has fields of these names. They have deviation 0.5. Also, a clip that is
# shorter than `max_length` is padded with zeros in the logarithm, before normalisation: rows that are louder than
# silence, whose logarithm is about -16. Who computes the spectrogram elsewhere from `preprocessor_config.json` has to do
# both.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"

python_venv torch==2.13.0 transformers==5.24.0 "numpy<3"
"$python" -W ignore - <<'PYTHON'
import sys

import numpy as np
import transformers
from transformers.models.audio_spectrogram_transformer import ASTFeatureExtractor

RATE, ROWS = 16000, 100
SAMPLES = 400 + (ROWS - 1) * 160  # just as many windows of 25 ms every 10 ms
sound = np.random.default_rng(0).normal(0, 0.1, SAMPLES).astype(np.float32)


def features(waveform, **settings):
    extractor = ASTFeatureExtractor(max_length=ROWS, sampling_rate=RATE, **settings)
    return np.asarray(extractor(waveform, sampling_rate=RATE, return_tensors="np")["input_values"])[0]


raw = features(sound, do_normalize=False)
mean, deviation = float(raw.mean()), float(raw.std())
found = features(sound, mean=mean, std=deviation)
short = features(sound[: SAMPLES // 2], do_normalize=False)
quiet = features(np.zeros(SAMPLES, np.float32), do_normalize=False)
print(f"transformers {transformers.__version__}")
print(f"measured mean {mean:.3f} and deviation {deviation:.3f}; with both given: {found.mean():.3f} and {found.std():.3f}")
print(f"last row of a short clip {short[-1].min():.3f} to {short[-1].max():.3f}, of silence {quiet[-1].mean():.3f}")
if not (abs(found.std() - 0.5) < 1e-3 and (short[-1] == 0).all() and quiet.max() < -15):
    sys.exit("the behaviour has changed")
PYTHON

# Seen:
#   transformers 5.24.0
#   measured mean -0.912 and deviation 3.491; with both given: -0.000 and 0.500
#   last row of a short clip 0.000 to 0.000, of silence -15.942
