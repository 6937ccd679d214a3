"""Fixtures of tests that look at the page."""

from __future__ import annotations

from tests.support.page.browser import browser as browser
