"""Fixtures of tests that train, export or start a process."""

from __future__ import annotations

from tests.support.fixtures import *  # noqa: F403  (a conftest offers the fixtures that it holds)
