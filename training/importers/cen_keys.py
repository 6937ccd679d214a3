"""What the official CEN code calls the parameters of a two-stream RefineNet.

The names are those of `semantic_segmentation/` of the repository yikaiw/CEN: a shared layer holds its tensors below
`.module`, a private norm has one copy per stream called `bn_0`, `bn_1`, the decoder counts its levels from the
deepest one, and its residual units and pooling stages from 1.
"""

from __future__ import annotations

import re

_LEVEL = {
    "reduce": "p_ims1d2_outl{level}_dimred.module",
    "fuse": "adapt_stage{level}_b2_joint_varout_dimred.module",
    "hand_on": "mflow_conv_g{level}_b3_joint_varout_dimred.module",
}
_UNITS = {"adapt": "adapt_stage{level}_b.0.", "refine": "mflow_conv_g{level}_b.0."}
_CONVS = {"conv1": "{unit}_conv.module", "conv2": "{unit}_conv_relu_varout_dimred.module"}


def official_key(key: str) -> str:
    """Return the official name of a parameter or buffer of our RefineNet.

    Args:
        key: of the network's state dict, for example `encoder.layer1.0.bn2.norms.1.weight`.

    Returns:
        The name in an official state dict, for example `layer1.0.bn2.bn_1.weight`.

    Raises:
        ValueError: a key that a RefineNet on a ResNet does not have.
    """
    place, _, tensor = key.rpartition(".")
    if key == "ensemble.scores":
        return "alpha"
    if key.startswith("decoder."):
        return f"{_decoder_layer(place.removeprefix('decoder.'))}.{tensor}"
    if not key.startswith("encoder."):
        raise ValueError(f"{key} has no name in the official code")
    layer = place.removeprefix("encoder.")
    norm = re.fullmatch(r"(.*)\.norms\.(\d+)", layer)
    return f"{norm[1]}.bn_{norm[2]}.{tensor}" if norm else f"{layer}.module.{tensor}"


def _decoder_layer(layer: str) -> str:
    """Return the official name of a layer of our decoder, for example `level3.adapt.0.conv1`."""
    if layer == "head":
        return "clf_conv.module"
    if match := re.fullmatch(r"level(\d)\.(reduce|fuse|hand_on)", layer):
        return _LEVEL[match[2]].format(level=5 - int(match[1]))
    if match := re.fullmatch(r"level(\d)\.pool\.convs\.(\d+)", layer):
        return f"mflow_conv_g{5 - int(match[1])}_pool.0.{int(match[2]) + 1}_outvar_dimred.module"
    if match := re.fullmatch(r"level(\d)\.(adapt|refine)\.(\d+)\.(conv[12])", layer):
        return _UNITS[match[2]].format(level=5 - int(match[1])) + _CONVS[match[4]].format(unit=int(match[3]) + 1)
    raise ValueError(f"decoder.{layer} has no name in the official code")
