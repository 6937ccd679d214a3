"""A real server of the small networks, one per task. `conftest.py` offers the fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest

from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.shared import shared
from tests.support.training import small_networks


@pytest.fixture(scope="session")
def small_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one small network per task."""
    folder = tmp_path_factory.mktemp("small")
    for write in (
        small_networks.write_classification, small_networks.write_translation, small_networks.write_segmentation,
    ):  # fmt: skip
        write(folder)
    return folder


@pytest.fixture(scope="module")
def small(small_repository: Path) -> EmbeddedServer:
    """A server of the small networks."""
    return shared("small", lambda: EmbeddedServer(small_repository))
