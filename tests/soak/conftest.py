"""Fixtures of tests that try a server, a client or a training for long."""

from __future__ import annotations

from tests.support.fixtures import *  # noqa: F403  (a conftest offers the fixtures that it holds)
