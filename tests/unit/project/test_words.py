"""The words of names: the field's terms stand in modules, classes, public functions, their arguments and flags.

Not looked at: names on the wire, keys of stored files, names of weights, and arguments of other libraries.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support.paths import ROOT

#: Words that were used once, and what stands for them now.
INSTEAD = {
    "absence": "missing_modality",
    "availability": "missing_modality",
    "bars": "progress",
    "canary": "probe",
    "contender": "baseline",
    "deadline": "timeout",
    "door": "gateway",
    "journal": "access_log, progress_log",
    "killable": "sandbox",
    "lesson": "training_setup",
    "lone": "single_stream",
    "look": "label_spec",
    "meter": "metric",
    "parcel": "shm_message",
    "picture": "image",
    "question": "request",
    "refused": "rejected",
    "talk": "session",
    "trampoline": "exec_child",
    "views": "tta",
}
#: Words that mean something else in other rooms: stages of an encoder, fused features, costs of a loss.
INSTEAD_IN = {
    "clients": {"answer": "result", "fused": "in_process", "stage": "step"},
    "export": {"cost": "macs", "identity": "provenance", "job": "export", "kind": "task", "tail": "argmax_head"},
    "serving": {"fused": "in_process", "stage": "step"},
    "training": {"kind": "task"},
}
ROOMS = ("contract", "media", "training", "export", "serving", "clients", "offline", "research", "crosswire")
#: Names that mean what their words say: file:name.
MEANT = {
    "clients/errors.py:DeadlineExceeded",  # the name of this status in gRPC
    "serving/processes/child.py:deadline",  # a moment, not a length of time
    "training/datasets/taskonomy/check.py:TaskonomyViews",  # views of a building, as that data set has them
    "training/datasets/taskonomy/images.py:views_in",
}


def words(name: str) -> set[str]:
    """Return the words of a name in snake or camel case, and each without its plural's s."""
    found = {one.lower() for one in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}
    return found | {one.removesuffix("s") for one in found}


def names(tree: ast.AST) -> Iterator[str]:
    """Yield what a module defines for others: classes, public functions, their arguments, and flags of commands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield from (node.name, *(one.arg for one in (*node.args.args, *node.args.kwonlyargs)))
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "add_argument":
            yield from (str(one.value) for one in node.args if isinstance(one, ast.Constant))


@pytest.mark.parametrize("room", ROOMS)
def test_names_are_the_terms_of_the_field(room: str) -> None:
    instead = INSTEAD | INSTEAD_IN.get(room, {})
    wrong = {
        f"{path.relative_to(ROOT)}: {name}": instead[word]
        for path in sorted((ROOT / room).rglob("*.py"))
        for name in (path.stem, *names(ast.parse(path.read_text(encoding="utf-8"))))
        for word in words(name) & set(instead)
        if f"{path.relative_to(ROOT)}:{name}" not in MEANT
    }
    assert wrong == {}


def test_words_are_found_in_every_way_to_write_a_name() -> None:
    assert words("FrontDoor") == {"front", "door"}
    assert words("asked_questions") == {"asked", "questions", "question"}
    assert words("--deadline-s") == {"deadline", "s", ""}
    assert words("RPCTimeout") == {"rpc", "timeout"}
