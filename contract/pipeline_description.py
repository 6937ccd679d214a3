"""Description of a model that travels in its Triton configuration, under the parameter `crosswire`, as JSON text.

The server writes it; its own steps, its gateway and all clients read it. This is the one place for both.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crosswire.contract.contract import Contract
from crosswire.contract.errors import ContractError
from crosswire.contract.plain import SCHEMA_VERSION, check_schema_version, from_plain
from crosswire.contract.tensors import Geometry, TensorSpec
from crosswire.contract.wire_names import CAMERA

#: Name of the parameter that carries it.
PARAMETER = "crosswire"
_VERSION = "schema_version"


@dataclass(frozen=True)
class PipelineDescription:
    """What a model says about itself: a pipeline, a step of one, or a network.

    The fields stand in the order in which they are written.

    Attributes:
        name: name of the model; another one than the network's for a pipeline or a step.
        network: name of the network inside.
        task: what it does, for example `"segmentation"`.
        classes: class names; the index is the label.
        palette: one RGB colour per class, 0..255; may be empty.
        inputs: tensors to send.
        outputs: tensors that come back.
        metrics: quality that was measured when the network was exported.
        data: the data set that the network was trained on, or an empty text.
        steps: names of the steps inside, in order, by which their times are told.
        limits: what an encoded image may be.
        label_values: value of every class in label images; empty where it is the class's index.
    """

    name: str
    network: str
    task: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    metrics: dict[str, float] = field(default_factory=dict)
    data: str = ""
    steps: tuple[str, ...] = ()
    limits: dict[str, Any] = field(default_factory=dict)
    label_values: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        contract: Contract,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        name: str,
        steps: Sequence[str] = (),
        limits: Mapping[str, Any] | None = None,
    ) -> PipelineDescription:
        """Describe a model by the public part of its network's contract.

        Args:
            contract: the network's contract.
            inputs: the model's own input tensors.
            outputs: the model's own output tensors.
            name: the model's name.
            steps: names of the steps that it is made of.
            limits: what an encoded image may be.
        """
        return cls(
            name=name,
            network=contract.name,
            task=contract.task,
            classes=contract.classes,
            palette=contract.palette,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            metrics=contract.metrics,
            data=contract.run.data,
            steps=tuple(steps),
            limits=dict(limits or {}),
            label_values=contract.label_values,
        )

    @property
    def is_network(self) -> bool:
        """Whether it describes a network's own model rather than a pipeline or a step."""
        return self.name == self.network

    @property
    def files(self) -> tuple[TensorSpec, ...]:
        """The inputs that are pictures or clips: no numbers, and no texts beside them."""
        return tuple(spec for spec in self.inputs if spec.dtype == "BYTES" and spec.name != CAMERA)

    @property
    def geometry(self) -> Geometry | None:
        """How images of depth are read where a request says nothing; None for millimetres, and where it takes none."""
        return next((spec.geometry for spec in self.inputs if spec.geometry is not None), None)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> PipelineDescription:
        """Read it from a Triton model configuration in its JSON form.

        Raises:
            ContractError: there is none, it is damaged, or of another schema version.
        """
        name = str(config.get("name", ""))
        try:
            text = config["parameters"][PARAMETER]["string_value"]
        except (KeyError, TypeError) as error:
            raise ContractError(
                f"model {name!r} carries no parameter {PARAMETER!r}; name a model that a Crosswire server made"
            ) from error
        return cls.from_json(text, name)

    @classmethod
    def from_json(cls, text: str, model: str) -> PipelineDescription:
        """Parse the JSON text that a model carries; the inverse of `to_json`.

        Fields that a later release may have added to this schema version are ignored.

        Args:
            text: the text.
            model: name of the model, for messages.

        Raises:
            ContractError: it is damaged or of another schema version.
        """
        try:
            plain = json.loads(text)
            if not isinstance(plain, dict) or _VERSION not in plain:
                raise ContractError(f"got no JSON object with the field {_VERSION}")
        except (TypeError, ValueError) as error:
            raise _damaged(model, error) from error
        remedy = "use the client of the server's release"
        check_schema_version(plain[_VERSION], f"the description of model {model!r}", remedy)
        known = _known(cls, plain)
        for key in ("inputs", "outputs"):
            if isinstance(known.get(key), list):
                known[key] = [_known_tensor(one) for one in known[key]]
        try:
            return from_plain(cls, known, "description", error=ContractError)
        except ContractError as error:
            raise _damaged(model, error) from error

    def to_json(self) -> str:
        """Return the JSON text that a model carries."""
        return json.dumps({_VERSION: SCHEMA_VERSION, **dataclasses.asdict(self)}, ensure_ascii=False)


def _known(kind: type, plain: Any) -> Any:
    """Return a JSON object without the fields that a dataclass does not have; anything else as it is."""
    if not isinstance(plain, dict):
        return plain
    names = {one.name for one in dataclasses.fields(kind)}
    return {key: value for key, value in plain.items() if key in names}


def _known_tensor(plain: Any) -> Any:
    """Return a tensor's JSON object without the fields that it, and its geometry, do not have."""
    known = _known(TensorSpec, plain)
    if isinstance(known, dict) and "geometry" in known:
        known["geometry"] = _known(Geometry, known["geometry"])
    return known


def _damaged(model: str, error: Exception) -> ContractError:
    """Return the error for a description that cannot be read."""
    return ContractError(f"model {model!r} is described badly ({error}); export its network again")
