"""The scaffold of every command line: what becomes one line, and what shows where the bug is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import pytest

from crosswire.clients.errors import CrosswireError as ClientsError
from crosswire.contract import ContractError, CrosswireError
from crosswire.contract.command_line import OneLineParser, run_command
from crosswire.serving.errors import ServingError


def outcome(function: Callable[[argparse.Namespace], Any], also: tuple[type[Exception], ...] = ()) -> int:
    parser = OneLineParser(prog="crosswire")
    parser.set_defaults(function=function)
    return run_command(parser, [], also=also)


def failing(error: BaseException) -> Callable[[argparse.Namespace], None]:
    def fail(_options: argparse.Namespace) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", [CrosswireError, ContractError, ServingError, OSError])
def test_a_mistake_of_the_user_is_one_line(error: type[Exception], capsys: Any) -> None:
    assert outcome(failing(error("got x,\n  expected y"))) == 2
    assert capsys.readouterr().err == "error: got x, expected y\n"


def test_a_bug_shows_its_traceback() -> None:
    with pytest.raises(ValueError, match="negative"):
        outcome(failing(ValueError("negative")))


def test_a_command_may_name_errors_of_its_own(capsys: Any) -> None:
    assert outcome(failing(ValueError("no GPU")), also=(ValueError,)) == 2
    assert capsys.readouterr().err == "error: no GPU\n"


def test_a_stopped_command_says_so(capsys: Any) -> None:
    assert outcome(failing(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_the_exit_code_is_the_command_s() -> None:
    assert (outcome(lambda _: None), outcome(lambda _: 1)) == (0, 1)


def test_there_is_one_root() -> None:
    assert ClientsError is CrosswireError
