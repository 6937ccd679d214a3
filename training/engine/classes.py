"""Whether a network decides between the classes that its data know."""

from __future__ import annotations

from typing import Any, Protocol

from crosswire.training.config import ConfigError


class Classified(Protocol):
    """Samples with labels."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; the index is the label."""


def check_classes(config: Any, source: Classified) -> None:
    """Refuse data that know more or fewer classes than a network decides between.

    Args:
        config: the whole run, of a task whose `network` has `classes`.
        source: the data that it is trained on or scored with.

    Raises:
        ConfigError: with both numbers.
    """
    if len(source.classes) != config.network.classes:
        raise ConfigError(
            f"network.classes is {config.network.classes}, the data set {config.data.name} has {len(source.classes)}; "
            f"set network.classes={len(source.classes)} to train, or data.name to a data set with as many classes as "
            "the network"
        )
