"""Fixtures of tests that ask a real server."""

from __future__ import annotations

from tests.support.fixtures import *  # noqa: F403  (a conftest offers the fixtures that it holds)
