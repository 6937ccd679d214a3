"""What a server says about its pipelines; nothing about classes, palettes or tensors is typed by hand here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crosswire.clients.errors import InternalServerError, PipelineNotFoundError

SCHEMA_VERSION = 1
_PARAMETER = "crosswire"


@dataclass(frozen=True)
class Tensor:
    """One tensor of a pipeline.

    Attributes:
        name: name on the wire.
        dtype: Triton's name of the element type: `"BYTES"`, `"FP32"`, ...
        shape: sizes without the batch axis; -1 is any size.
        optional: whether a request may leave it out.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True)
class PipelineDescription:
    """One pipeline, as its server describes it.

    Attributes:
        name: name to ask for.
        network: name of the network inside.
        task: what it does, for example `"segmentation"`.
        inputs: tensors to send.
        outputs: tensors that come back.
        classes: class names; the index is the label.
        palette: one RGB colour per class, 0..255.
        data: the data set that the network was trained on, or an empty text.
        metrics: quality that was measured when the network was exported.
        steps: names of the steps inside, in order.
    """

    name: str
    network: str
    task: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    data: str
    metrics: Mapping[str, float]
    steps: tuple[str, ...] = ()


def is_pipeline(config: Mapping[str, Any]) -> bool:
    """Say whether a Triton configuration is a pipeline: an ensemble that carries the contract of another model."""
    if config.get("platform") != "ensemble" or _PARAMETER not in config.get("parameters", {}):
        return False
    try:
        contract = json.loads(config["parameters"][_PARAMETER]["string_value"])
        return bool(contract.get("network") != config["name"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return True  # a damaged one, which `read_pipeline` refuses in words


def read_pipeline(config: Mapping[str, Any]) -> PipelineDescription:
    """Read a pipeline from its Triton configuration.

    Raises:
        PipelineUnknown: the model is no pipeline.
        ServerFailed: its description is damaged or of another schema version.
    """
    name = config["name"]
    if not is_pipeline(config):
        raise PipelineNotFoundError(f"model {name!r} is no pipeline; list the pipelines with: crosswire list")
    try:
        contract = json.loads(config["parameters"][_PARAMETER]["string_value"])
        if contract["schema_version"] != SCHEMA_VERSION:
            raise InternalServerError(
                f"pipeline {name!r} is described in schema version {contract['schema_version']}; this client reads "
                f"{SCHEMA_VERSION}: use the client of the server's release"
            )
        return PipelineDescription(
            name=name,
            network=contract["network"],
            task=contract["task"],
            inputs=tuple(_tensor(entry) for entry in config["input"]),
            outputs=tuple(_tensor(entry) for entry in config["output"]),
            classes=tuple(contract["classes"]),
            palette=tuple((red, green, blue) for red, green, blue in contract["palette"]),
            data=contract.get("data", ""),
            metrics=contract.get("metrics", {}),
            steps=tuple(contract.get("steps", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InternalServerError(
            f"pipeline {name!r} is described badly ({error!r}); export its network again"
        ) from error


def _tensor(entry: Mapping[str, Any]) -> Tensor:
    dtype = entry["data_type"].removeprefix("TYPE_")
    return Tensor(
        name=entry["name"],
        dtype="BYTES" if dtype == "STRING" else dtype,
        shape=tuple(int(size) for size in entry["dims"]),
        optional=bool(entry.get("optional", False)),
    )
