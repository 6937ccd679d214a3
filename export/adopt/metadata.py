"""What exporters write beside a graph: metadata inside it, and the configuration files of Hugging Face beside it.

Read are, of metadata inside the file, the keys of Ultralytics (`names`, `imgsz`, `stride`, `task`) and a configuration
in the manner of mmdeploy (`mean`, `std`, `to_rgb`, `classes`, by themselves or inside a JSON text), and beside the file
`preprocessor_config.json` and `config.json` of Hugging Face transformers.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from crosswire.contract.wire_names import FRAMES, RGB, WAVEFORM
from crosswire.export.adopt.description import SPECTROGRAM, Description, description_of
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.source import Source, Wire

PREPROCESSOR, CONFIG = "preprocessor_config.json", "config.json"
#: Where configurations of mmdeploy and of model archives stand among the metadata of a graph.
_NESTED = ("mmdeploy", "pipeline", "preprocess", "img_norm_cfg", "data_preprocessor", "meta", "metainfo")
_TASKS = {"segment": "segmentation", "semseg": "segmentation", "depth": "translation"}
Report = Callable[[str], None]


def metadata_of(source: Source, report: Report) -> Description:
    """Return what metadata say of a graph with one input of colours.

    Args:
        source: the graph.
        report: is told what was read from where.

    Raises:
        AdoptError: a configuration beside the graph is no JSON.
    """
    colour = next((wire for wire in source.inputs if _takes_colour(wire)), None)
    role = FRAMES if colour is not None and colour.shape is not None and len(colour.shape) == 5 else RGB
    inputs: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for where, table in _tables(source):
        said: list[str] = []
        sound = _sound_fields(table)
        if sound and "sound" not in found:
            found["sound"] = sound
            said += [key for key in sound if key != "role"]
        seen = {} if sound else _input_fields(table, colour)
        for part, fields in (("input", seen), ("output", _output_fields(table))):
            into = inputs if part == "input" else outputs
            for key, value in fields.items():
                if key not in into:
                    into[key] = value
                    said.append(key)
        if (task := _TASKS.get(str(table.get("task")))) and "task" not in found:
            found["task"] = task
            said.append("task")
        if said:
            report(f"read from {where}: {', '.join(said)}")
    if inputs and colour is not None:
        found["inputs"] = [{"graph_input": colour.name, "role": role, **inputs}]
    if sound := found.pop("sound", {}):
        found["inputs"] = [*found.get("inputs", ()), sound]
    if outputs:
        found["outputs"] = [outputs]
    return description_of(found, Path())


def _takes_colour(wire: Wire) -> bool:
    """Say whether an input of a graph can be one of colours."""
    return wire.shape is None or (len(wire.shape) in (4, 5) and bool({3, None} & {*wire.shape[1:3], wire.shape[-1]}))


def _tables(source: Source) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield configurations that were found, by where they stand."""
    inner = {key: _parsed(value) for key, value in source.metadata.items()}
    if inner:
        yield "the graph's metadata", inner
    for key, value in inner.items():
        if key in _NESTED:
            for table in _nested(value):
                yield f"the graph's metadata {key!r}", table
    for name in (PREPROCESSOR, CONFIG):
        path = source.path.parent / name
        if path.is_file():
            yield name, _json(path)


def _nested(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield all tables inside a value."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nested(inner)


def _input_fields(table: Mapping[str, Any], wire: Wire | None) -> dict[str, Any]:
    """Return what a table says of an input of colours."""
    found: dict[str, Any] = {}
    if "image_mean" in table or "do_rescale" in table or "image_processor_type" in table:
        scaled = table.get("do_rescale", True)
        found["scale"] = float(table.get("rescale_factor", 1 / 255)) if scaled else 1.0
        if table.get("do_normalize", True) and "image_mean" in table:
            found |= {"mean": _numbers(table["image_mean"]), "std": _numbers(table.get("image_std", [1.0]))}
    elif "mean" in table and "std" in table and (mean := _numbers(table["mean"])) and (std := _numbers(table["std"])):
        found |= {"scale": 1.0, "mean": mean, "std": std}
        turned = table.get("to_rgb", table.get("bgr_to_rgb"))
        if isinstance(turned, bool):
            found["channel_order"] = "RGB" if turned else "BGR"
    elif "imgsz" in table and "stride" in table:  # Ultralytics divides by 255 and does nothing else
        found |= {"scale": 1 / 255, "multiple": int(table["stride"]), "channel_order": "RGB"}
    size = _size(table.get("size") or table.get("crop_size") or table.get("imgsz"))
    if size and wire is not None and (wire.shape is None or None in wire.shape[1:]):
        found["size"] = size
    return {key: value for key, value in found.items() if value not in (None, [])}


def _sound_fields(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a table of Hugging Face says of an input of sound."""
    kind, rate = table.get("feature_extractor_type"), table.get("sampling_rate")
    if type(rate) is not int:
        return {}
    if kind == "Wav2Vec2FeatureExtractor":
        return {"role": WAVEFORM, "rate": float(rate), "standardise": table.get("do_normalize", True) is True}
    if kind == "ASTFeatureExtractor":
        found: dict[str, Any] = {"role": SPECTROGRAM, "rate": float(rate)}
        mean, deviation = _numbers(table.get("mean")), _numbers(table.get("std"))
        if table.get("do_normalize", True) is True and mean and deviation:
            found |= {"mean": mean, "std": [2 * deviation[0]]}
        return found
    return {}


def _output_fields(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a table says of an output."""
    names = table.get("id2label") or table.get("names") or table.get("classes") or table.get("CLASSES")
    found: dict[str, Any] = {}
    if isinstance(names, dict) and names:
        ordered = sorted(names.items(), key=lambda one: int(one[0]))
        if [int(key) for key, _ in ordered] == list(range(len(ordered))):
            names = [value for _, value in ordered]
    if isinstance(names, (list, tuple)) and names and all(isinstance(name, str) for name in names):
        found["classes"] = list(names)
    palette = table.get("palette") or table.get("PALETTE")
    if isinstance(palette, list) and "classes" in found and len(palette) == len(found["classes"]):
        found["palette"] = [list(map(int, colour)) for colour in palette]
    return found


def _size(value: Any) -> list[int] | None:
    """Return height and width of the forms in which configurations have them."""
    if isinstance(value, dict):
        value = [value.get("height"), value.get("width")]
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(type(side) is int and side > 0 for side in value):
        return list(value)
    return None


def _numbers(value: Any) -> list[float]:
    """Return numbers, of one or of several."""
    several = value if isinstance(value, (list, tuple)) else [value]
    return [float(one) for one in several] if all(type(one) in (int, float) for one in several) else []


def _parsed(text: str) -> Any:
    """Return a value that was written as JSON or as Python's literal; else the text."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return text


def _json(path: Path) -> Mapping[str, Any]:
    """Return a configuration beside the graph."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AdoptError(f"{path} beside the graph cannot be read: {error}; mend it, or move the graph away") from error
    return table if isinstance(table, dict) else {}
