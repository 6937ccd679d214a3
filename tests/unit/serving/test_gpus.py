"""Which GPUs are chosen, and where every configuration puts the instances of a network."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tritonclient.grpc.model_config_pb2 import ModelInstanceGroup

from crosswire.contract import ENGINE_SUFFIXES, RTX_CUDA
from crosswire.export.tensorrt import builder
from crosswire.serving.config.gpu import GpuSettings
from crosswire.serving.config.settings import ModelSettings, Settings, choose
from crosswire.serving.errors import ServingError
from crosswire.serving.repository.assemble import assemble
from crosswire.serving.repository.gpus import ChosenGpus, Gpu, chosen_gpus, gpus_here
from crosswire.serving.repository.model_config import Runtime
from crosswire.serving.repository.networks import find_networks
from crosswire.serving.repository.tuning import Tuning
from crosswire.serving.steps.runtime.network import device_of
from crosswire.serving.steps.runtime.providers.agreement import agreement, noise
from crosswire.serving.steps.runtime.providers.first_that_runs import Wish, WishedGpu
from crosswire.serving.steps.runtime.providers.graph_run import GraphRun, tell, told, warnings_of
from crosswire.serving.steps.runtime.providers.names import PLUGIN_PACKAGE
from crosswire.serving.steps.runtime.providers.plugin import ProviderError
from crosswire.serving.steps.runtime.providers.sessions import GraphFile, Place, assigned, open_on
from tests.support.paths import ROOT
from tests.support.servers.real import NETWORK, PIPELINE, REPOSITORY, contract
from tests.unit.serving.test_settings import written

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DTYPES = {"UINT8": np.uint8, "FP32": np.float32}
Driver = Callable[[str], None]
TWO = ("0, 8.9, 00000000:01:00.0", "1, 12.0, 00000000:41:00.0")


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    """What makes the driver's own program, which is asked for GPUs, say something."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def says(text: str) -> None:
        program = tmp_path / "bin" / "nvidia-smi"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho '{text}'\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))
        gpus_here.cache_clear()

    yield says
    gpus_here.cache_clear()


def test_auto_takes_every_gpu_that_cuda_may_see_if_a_provider_is_here(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver("\n".join(TWO))
    asked = GpuSettings(providers=("cuda",))
    two = (Gpu(0, "8.9", "0000:01:00.0"), Gpu(1, "12.0", "0000:41:00.0"))
    assert chosen_gpus(GpuSettings()) == ChosenGpus(), "this environment has the ONNX Runtime for processors"
    assert chosen_gpus(asked) == ChosenGpus(two, ("cuda",))
    assert chosen_gpus(replace(asked, devices="none")) == ChosenGpus()
    assert chosen_gpus(replace(asked, devices="1")).gpus == two[1:]
    third = chosen_gpus(replace(asked, devices="1,2"))
    assert third.gpus == (two[1], Gpu(2))
    assert third.warnings == ("gpu.devices names GPU 2; the driver tells of 0, 1",)
    for seen, expected in (("1", (Gpu(0),)), ("", ()), ("-1", ())):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
        assert chosen_gpus(asked).gpus == expected


def test_without_the_drivers_program_a_provider_that_is_here_is_tried_on_the_first_gpu(driver: Driver) -> None:
    driver("No devices were found")
    assert chosen_gpus(GpuSettings(providers=("tensorrt-rtx",))).gpus == (Gpu(0),)
    (warning,) = chosen_gpus(GpuSettings(devices="0")).warnings[1:]
    assert PLUGIN_PACKAGE in warning and "onnxruntime-gpu in the place of onnxruntime" in warning


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('devices = "all"', r"gpu.devices: got 'all', expected auto, none or indices, try '0' or '0,1'"),
        ('devices = "0,0"', "gpu.devices names a GPU twice in '0,0'"),
        ("devices = 0", "gpu.devices is 0; allowed is a text"),
        ("instances = -1", "gpu.instances is -1; allowed is 0 to 256"),
        ('providers = ["rocm"]', r"gpu.providers\[0\] is 'rocm'; allowed are tensorrt-rtx, cuda"),
        ('providers = ["cuda", "cuda"]', "gpu.providers names one twice"),
    ],
)
def test_what_names_no_gpu_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ServingError, match=said):
        choose(written(tmp_path, f"[gpu]\n{text}\n"), {})


def test_every_gpu_of_the_embedded_runtime_has_a_group_that_tells_its_process_which_it_is(tmp_path: Path) -> None:
    gpus = ChosenGpus((Gpu(0, "8.9", "0000:01:00.0"), Gpu(2)), ("tensorrt-rtx", "cuda"))
    for in_process, name in ((False, NETWORK), (True, f"{NETWORK}_fused")):
        tuning = Tuning(ModelSettings(in_process=in_process), gpu=GpuSettings(instances=3), chosen=gpus)
        made = assemble(
            find_networks(REPOSITORY, [NETWORK]), Runtime.EMBEDDED, tmp_path / name, copy_graphs=False, tuning=tuning
        )
        groups = made.configs[name].instance_group
        assert [(one.name, one.count, one.kind) for one in groups] == [
            ("gpu0", 3, ModelInstanceGroup.KIND_CPU),
            ("gpu2", 3, ModelInstanceGroup.KIND_CPU),
        ]
    wish = Wish.from_json(made.configs[name].parameters["providers"].string_value)
    assert wish == Wish(gpus.providers, "", {"0": WishedGpu("0000:01:00.0", "8.9"), "2": WishedGpu()})
    names = ("gpu2_0", "gpu12_1", "gpu0", f"{NETWORK}_0_0", "")
    assert [device_of({"instance_name": one}) for one in names] == [2, 12, 0, None, None]


@pytest.mark.parametrize(
    ("gpu", "models", "group"),
    [
        (GpuSettings(), ModelSettings(), None),
        (GpuSettings(instances=2), ModelSettings(), (2, ModelInstanceGroup.KIND_AUTO, [])),
        (GpuSettings(), ModelSettings(instances=2), (2, ModelInstanceGroup.KIND_AUTO, [])),
        (GpuSettings("0,1"), ModelSettings(), (1, ModelInstanceGroup.KIND_GPU, [0, 1])),
        (GpuSettings("1", 4), ModelSettings(), (4, ModelInstanceGroup.KIND_GPU, [1])),
        (GpuSettings("none", 4), ModelSettings(), (1, ModelInstanceGroup.KIND_CPU, [])),
    ],
)
def test_tritons_own_backends_get_their_gpus_from_triton(
    gpu: GpuSettings, models: ModelSettings, group: tuple[int, int, list[int]] | None, tmp_path: Path
) -> None:
    tuning = Tuning.of(Settings(runtime=Runtime.CONTAINER, gpu=gpu, models=models))
    made = assemble(
        find_networks(REPOSITORY, [NETWORK]), Runtime.CONTAINER, tmp_path / "made", copy_graphs=False, tuning=tuning
    )
    groups = [(one.count, one.kind, list(one.gpus)) for one in made.configs[NETWORK].instance_group]
    assert groups == ([group] if group else [])
    assert [one.kind for one in made.configs[f"{NETWORK}_decode"].instance_group] == [ModelInstanceGroup.KIND_CPU]
    assert made.configs[PIPELINE].platform == "ensemble"


def test_the_processor_says_how_much_of_a_graph_it_runs() -> None:
    file = GraphFile(REPOSITORY / NETWORK / contract().graph.file, contract().graph.sha256)
    session = open_on(Place(), file, 1)
    assert session.get_providers() == ["CPUExecutionProvider"]
    with pytest.raises(ProviderError, match="built without it; install onnxruntime-gpu"):
        open_on(Place("cuda", 0), file, 1)
    with pytest.raises(ProviderError, match="cannot open shared object file"):
        open_on(Place("tensorrt-rtx", 0, plugin=Path("/nowhere/plugin.so")), file, 1)
    again = open_on(Place(), file, 2)
    feed = noise({spec.name: np.zeros((1, *spec.shape), DTYPES[spec.dtype]) for spec in contract().inputs})
    assert feed["rgb"].dtype == np.uint8 and feed["rgb"].std() > 50 and 0.4 < feed["depth"].mean() < 0.6
    assert agreement(session, again, feed, ["labels", "confidence"]) == {"labels": 1.0, "confidence": 1.0}
    assert assigned(object(), "CPUExecutionProvider") == (0, 0), "an ONNX Runtime that does not tell"


def test_answers_are_compared_element_by_element_or_by_the_largest_difference() -> None:
    one = SimpleNamespace(run=lambda *_: [np.array([1, 2, 3, 4]), np.array([1.0, -4.0])])
    other = SimpleNamespace(run=lambda *_: [np.array([1, 2, 3, 5]), np.array([1.0, -3.0])])
    assert agreement(one, other, {}, ["labels", "metres"]) == {"labels": 0.75, "metres": 0.66667}


def test_what_processes_tell_of_themselves_is_read_while_they_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSWIRE_GRAPH_RUNS", str(tmp_path))
    agreed = (("labels", 0.998),)
    run = GraphRun(
        "rooms", "rgb+depth", "cuda", 1, "graph", "ab" * 32, ("TensorRT-RTX on GPU 1 does not start: no",), agreed
    )
    tell(run)
    (own,) = tmp_path.glob("*.json")
    (tmp_path / "0.rooms.rgb.json").write_text(own.read_text())
    living = int(own.name.partition(".")[0])
    assert told(tmp_path, [living]) == (run,) and list(tmp_path.glob("*.json")) == [own]
    assert run.text == "rooms (rgb+depth): CUDA on GPU 1, graph abababababab; as the processor: labels 0.998"
    assert warnings_of([run, replace(run, network="other")]) == [
        "rooms, other: TensorRT-RTX on GPU 1 does not start: no; it runs on CUDA"
    ]
    assert told(tmp_path, []) == () and not list(tmp_path.glob("*.json"))


def test_builder_provider_and_extras_are_of_one_cuda() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = [one for extra in ("gpu", "tensorrt-rtx") for one in extras[extra]]
    assert {int(found) for one in named for found in re.findall(r"-cu(\d+)", one)} == {RTX_CUDA}
    assert any(one.startswith(PLUGIN_PACKAGE) for one in extras["gpu"])
    assert builder.CUDA_RELEASE == RTX_CUDA and ENGINE_SUFFIXES == builder.SUFFIXES
    assert importlib.metadata.version(f"tensorrt-rtx-cu{RTX_CUDA}-libs")
