"""Asking the networks beyond segmentation: a clip, a translation, several tasks at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from crosswire.clients import Classification, Predictor, Translation
from crosswire.clients.display.depth_colours import colour_depth
from demo.panels import Panel
from demo.scenes import HERE, relative

CLIP = HERE / "real" / "stream_of_water.mp4"
ROOM = HERE / "rooms" / "room_6"
_FOREIGN = "real, out of the training domain"

NETWORKS = ("events_gmf", "rooms_translate", "rooms_multitask")
Shown = tuple[Panel, dict[str, Any]]


def ask_others(predictor: Predictor, out: Path) -> list[Shown]:
    """Ask every network that is served and that there is something to show of.

    Args:
        predictor: an open client.
        out: folder for what comes back.

    Returns:
        per network a panel, and its entry in the report.
    """
    offered = {pipeline.name for pipeline in predictor.pipelines()}
    return [ask(predictor, name, out) for name, ask in ASKED.items() if name in offered]


def _clip(predictor: Predictor, pipeline: str, out: Path) -> Shown:
    """A real clip, out of the domain that the network was trained for."""
    found: Classification = predictor.classify(CLIP, pipeline=pipeline)
    files = found.save(out, CLIP.stem)
    name, share = found.top(1)[0]
    used = " and ".join(found.modalities)
    facts = f"{_FOREIGN}; used: {used}; {name} {share:.0%}; {found.timings.request_ms:.0f} ms"
    return Panel(f"{CLIP.name}: {pipeline}", (("", found.strip()),), facts, wide=True), {
        **_entry(pipeline, CLIP, found.timings.request_ms, files),
        "modalities": list(found.modalities),
        "top": name,
    }


def _translated(predictor: Predictor, pipeline: str, out: Path) -> Shown:
    """Texture and shade of a room become its colours."""
    sent = {name: ROOM.with_suffix(f".{name}.png") for name in ("texture", "shade")}
    return _pictures(predictor, pipeline, sent, {"rgb": ROOM.with_suffix(".rgb.jpg")}, out)


def _multitask(predictor: Predictor, pipeline: str, out: Path) -> Shown:
    """The colours of a room become its depth and its normals."""
    sent = {"rgb": ROOM.with_suffix(".rgb.jpg")}
    truth = {"normal": ROOM.with_suffix(".normal.png")}
    return _pictures(predictor, pipeline, sent, truth, out)


def _pictures(predictor: Predictor, pipeline: str, sent: dict[str, Path], truth: dict[str, Path], out: Path) -> Shown:
    """Ask a translation pipeline, and show what was sent, what came back, and what would have been right."""
    found: Translation = predictor.translate(sent, pipeline=pipeline)
    files = found.save(out, f"{ROOM.name}.{pipeline.removesuffix('_image')}")
    cells: list[tuple[str, Image.Image]] = [(f"{name}, sent", Image.open(path)) for name, path in sent.items()]
    cells += [(f"{name}, predicted", _seen(found, name)) for name in found.images]
    cells += [(f"{name}, true", Image.open(path)) for name, path in truth.items() if name in found.images]
    made, from_what = ", ".join(found.images), " and ".join(found.streams)
    facts = f"{made} from {from_what}; {found.timings.request_ms:.0f} ms"
    first = next(iter(sent.values()))
    return Panel(f"room 6: {pipeline}", tuple(cells[:4]), facts), {
        **_entry(pipeline, first, found.timings.request_ms, files),
        "streams": list(found.streams),
    }


def _seen(found: Translation, domain: str) -> Image.Image:
    """Return a predicted picture as people look at it."""
    return colour_depth(found.metres()) if domain == "depth" else found.image(domain)


def _entry(pipeline: str, sent: Path, milliseconds: float, files: dict[str, Path]) -> dict[str, Any]:
    """Return what the report says about one request."""
    named = {name: relative(path) for name, path in files.items()}
    return {"pipeline": pipeline, "input": relative(sent), "ms": round(milliseconds, 2), "files": named}


ASKED: dict[str, Callable[[Predictor, str, Path], Shown]] = {
    "events_gmf_clip": _clip,
    "rooms_translate_image": _translated,
    "rooms_multitask_image": _multitask,
}
