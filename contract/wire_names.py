"""Names on the wire: tensors of networks and pipelines, the endings they are made with, and the default depth unit.

Clients of any release know these names, so they never change; whoever needs one takes it from here.
"""

from __future__ import annotations

#: Endings: input `<stream>_image` is an encoded image, as pipeline `<network>_image` takes it; output `<what>_png` is a
#: PNG file.
IMAGE_SUFFIX, PNG_SUFFIX = "_image", "_png"
#: Beginning of an output of a translation network: `predicted_<domain>`.
PREDICTED = "predicted_"

#: Streams of colour and depth, and their encoded images.
RGB, DEPTH = "rgb", "depth"
RGB_IMAGE, DEPTH_IMAGE = f"{RGB}{IMAGE_SUFFIX}", f"{DEPTH}{IMAGE_SUFFIX}"
#: Optional input: what one metre counts in a depth image, and the value where it is left out: millimetres.
DEPTH_UNITS = "depth_units_per_metre"
DEFAULT_UNITS_PER_METRE = 1000.0
#: How far the aspect ratios of images of one view may differ, relative, where nobody says more.
ASPECT_TOLERANCE = 0.01
#: Optional input: the lenses of colour and depth, by which depth is registered to colour; JSON text.
CAMERA = "camera"

#: Outputs of a segmentation network, and of its pipeline.
LABELS, CONFIDENCE = "labels", "confidence"
LABELS_PNG, OVERLAY_PNG, CONFIDENCE_PNG = f"{LABELS}{PNG_SUFFIX}", f"overlay{PNG_SUFFIX}", f"{CONFIDENCE}{PNG_SUFFIX}"

#: Input of an audio-video pipeline, and the tensors of its network.
CLIP = "clip"
FRAMES, WAVEFORM, PROBABILITIES = "frames", "waveform", "probabilities"
#: Between the steps of such a pipeline: a JSON text about the clip.
CLIP_FACTS = "clip_facts"
#: Between the steps of a pipeline of images: a JSON text about those that were sent.
IMAGE_FACTS = "image_facts"
#: Further outputs of an audio-video pipeline.
TOP_LABELS, STRIP_PNG = "top_labels", f"strip{PNG_SUFFIX}"

#: What networks take that embed features of videos or of images, and the vector that they answer with.
VIDEO_FEATURES, IMAGE_FEATURES, EMBEDDING = "video_features", "image_features", "embedding"

#: Units of label images: a pixel is the index of a class, or its colour in the network's palette.
CLASS_INDEX, CLASS_COLOUR = "class index", "class colour 0..255"

#: Output of a pipeline: a JSON text about the answer.
SUMMARY = "summary"
#: Output that says per sample which inputs were used.
MODALITIES = "modalities"
