"""Presets: each is a description that is read, and the guide says of each whether it was tried."""

from __future__ import annotations

import re

import pytest

from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.presets import names, preset
from tests.support.paths import ROOT


def test_every_preset_is_a_description_with_a_source() -> None:
    for name in names():
        found = preset(name)
        assert found.inputs and found.outputs, name
        text = (ROOT / f"export/adopt/presets/{name}.toml").read_text(encoding="utf-8")
        assert re.match(r"#(.|\n)*?# Sources?[:,]", text), name


def test_the_guide_names_every_preset_and_no_other() -> None:
    guide = (ROOT / "docs/guides/adopt.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"\nA preset is one word(.*?)\n\n", guide, re.DOTALL)
    assert sorted(re.findall(r"`([a-z0-9-]+)`", told)) == list(names())


def test_a_preset_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(AdoptError, match=r"preset 'esnet' is unknown; known are ast, .*esanet"):
        preset("esnet")
