"""Settings from a TOML file and the command line: typed, complete, and refused by name."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import pytest

from crosswire.serving.__main__ import _parser, _settings
from crosswire.serving.config.settings import Settings, choose, read
from crosswire.serving.errors import ServingError
from crosswire.serving.repository.model_config import Runtime
from tests.support.paths import ROOT

EXAMPLE = ROOT / "docs" / "serving.toml"


def written(folder: Path, text: str) -> Path:
    """Write a configuration file."""
    path = folder / "serving.toml"
    path.write_text(text)
    return path


def test_every_option_of_up_is_also_a_key() -> None:
    commands = next(one for one in _parser()._actions if isinstance(one, argparse._SubParsersAction))
    options = {one.dest for one in commands.choices["up"]._actions} - {"help", "config"}
    assert options <= {one.name for one in dataclasses.fields(Settings)}


def test_the_example_file_holds_every_key_with_its_default() -> None:
    text = "\n".join(line.removeprefix("# ") for line in EXAMPLE.read_text().splitlines() if not line.startswith("##"))
    for one in dataclasses.fields(Settings):
        assert f"{one.name} = " in text or f"[{one.name}]" in text, one.name
        if dataclasses.is_dataclass(default := getattr(Settings(), one.name)):
            for inner in dataclasses.fields(default):
                assert f"{inner.name} = " in text, inner.name
    assert read(EXAMPLE) == dataclasses.replace(Settings(), repository=EXAMPLE.parent / "../model_repository")


def test_what_a_file_says_takes_the_place_of_the_defaults_and_paths_start_at_its_folder(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        'repository = "here"\nnetwork = ["a", "b"]\nruntime = "container"\nhttp_port = 0\n'
        "[limits]\nconcurrent = 4\ninfer_seconds = 2\n[models]\ninstances = 2\n",
    )
    found = read(path)
    assert (found.repository, found.network, found.runtime) == (tmp_path / "here", ("a", "b"), Runtime.CONTAINER)
    assert (found.limits.concurrent, found.limits.infer_seconds, found.models.instances) == (4, 2.0, 2)
    assert (found.grpc_port, found.limits.tensors) == (Settings().grpc_port, Settings().limits.tensors)


def test_the_command_line_comes_before_the_file_and_the_file_before_the_defaults(tmp_path: Path) -> None:
    path = written(tmp_path, 'http_port = 1234\ngrpc_port = 1235\nhost = "0.0.0.0"\n')
    options = _parser().parse_args(["up", "--config", str(path), "--http-port", "99", "--network", "a"])
    found = _settings(options)
    assert (found.http_port, found.grpc_port, found.host, found.network) == (99, 1235, "0.0.0.0", ("a",))
    assert _settings(_parser().parse_args(["up"])) == Settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port = 1", "unknown key 'port'; known here are repository, network, http_port"),
        ("[limits]\nbody = 1", "unknown key 'limits.body'; known here are body_bytes"),
        ('http_port = "8000"', "http_port is '8000'; allowed is a whole number, 0 to 65535"),
        ("http_port = true", "http_port is True; allowed is a whole number, 0 to 65535"),
        ("http_port = -1", "http_port is -1; allowed is 0 to 65535"),
        ("[limits]\nread_seconds = inf", "limits.read_seconds is inf; allowed is more than 0, at most 86400"),
        ("[limits]\nconcurrent = 0", "limits.concurrent is 0; allowed is 1 or more"),
        ("start_seconds = 0", "start_seconds is 0.0; allowed is more than 0, at most 86400"),
        ("[models]\nwarm_up = [0]", r"models.warm_up\[0\] is 0; allowed is 1 or more"),
        ("[pace]\nshare = 2", "pace.share is 2.0; allowed is more than 0, at most 1"),
        (
            "[pace]\npatience_factor = 1e9",
            "pace.patience_factor is 1000000000.0; allowed is more than 0, at most 86400",
        ),
        ("http_port = 99999", "http_port is 99999; allowed is 0 to 65535"),
        ("[models]\ninstances = 99999999999", "models.instances is 99999999999; allowed is 1 to 256"),
        ("[limits]\nbody_bytes = 2_147_483_648", "limits.body_bytes is 2147483648; allowed is 1 to 2147483647"),
        ("[pace]\nseconds = 1e12", "pace.seconds is 1000000000000.0; allowed is more than 0, at most 86400"),
        ("[pictures]\nside = 10", "pictures is now images"),
        ("[models]\nfused = true", "models.fused is now models.in_process"),
        ("[models]\nstage_instances = 2", "models.stage_instances is now models.step_instances"),
        ("[images]\npixels = 400_000_000", "images.pixels is 400000000; allowed is 1 to 178956970"),
        ("[queue]\nseconds = 1e15", "queue.seconds is 1000000000000000.0; allowed is more than 0, at most 86400"),
        (f"start_seconds = 1{'0' * 400}", "start_seconds is 10+; allowed is a number, more than 0, at most 86400"),
        ('api_keys = "a\\u0000b"', "api_keys is .*; allowed is a path"),
        ('network = ["a", "a"]', "a network is named twice"),
        ("[models]\ninstances = 0", "models.instances is 0; allowed is 1 to 256"),
        ("limits = 3", "limits is 3; allowed is a table with the keys body_bytes, json_bytes"),
        ('network = "a"', "network is 'a'; allowed is a list"),
        ('runtime = "tensorrt"', "runtime is 'tensorrt'; allowed are embedded, container"),
        ("json = 1", "json is 1; allowed is true or false"),
        ("http_port 1", "is no TOML"),
        (f"http_port = 1{'0' * 5000}", "is no TOML|allowed is a whole number"),
        ("http_port = 5\ngrpc_port = 5", "are both 5; choose two ports"),
        ('tls_cert = "a.pem"', "TLS needs both --tls-cert and --tls-key"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ServingError, match=said):
        choose(written(tmp_path, text), {})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match=r"nothing\.toml cannot be read"):
        choose(tmp_path / "nothing.toml", {})


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "86401"])
def test_a_time_that_makes_no_sense_is_refused_wherever_there_is_one(value: str, tmp_path: Path) -> None:
    times = []
    for one in dataclasses.fields(Settings):
        default = getattr(Settings(), one.name)
        parts = dataclasses.fields(default) if dataclasses.is_dataclass(default) else ()
        times += [one.name, *(f"{one.name}.{part.name}" for part in parts)]
    times = [name for name in times if name.endswith("seconds") and not name.endswith("microseconds")]  # 0 is none
    assert {"start_seconds", "limits.infer_seconds", "queue.seconds", "clips.seconds"} <= set(times)
    for name in times:
        with pytest.raises(ServingError, match=f"{name} (is|or)"):
            choose(written(tmp_path, f"{name} = {value}\n"), {})
