"""Generated Triton repositories: configurations parsed back, both runtimes alike, wrong artefacts refused."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format  # type: ignore[import-untyped]
from tritonclient.grpc.model_config_pb2 import ModelConfig

from crosswire.contract import Contract, Graph, sha256_of
from crosswire.serving.__main__ import main
from crosswire.serving.config.limits import QueueLimits
from crosswire.serving.config.settings import ModelSettings, Settings, choose
from crosswire.serving.errors import ServingError
from crosswire.serving.processes.shm import bytes_needed, check_room
from crosswire.serving.repository.assemble import assemble
from crosswire.serving.repository.gpus import ChosenGpus, Gpu
from crosswire.serving.repository.model_config import Runtime, network_config
from crosswire.serving.repository.networks import find_networks
from crosswire.serving.repository.pipelines import pipeline_of
from crosswire.serving.repository.tuning import Tuning
from crosswire.serving.steps.runtime import network as network_stage
from crosswire.serving.steps.runtime.network import threads_of
from tests.support.servers.real import NETWORK, PIPELINE, REPOSITORY, contract


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source repository with one network that a test may spoil."""
    shutil.copytree(REPOSITORY / NETWORK, tmp_path / "source" / NETWORK)
    return tmp_path / "source"


def tuned(fused: bool) -> Tuning:
    """Return the tuning that runs every step in one process, or in one each."""
    return Tuning(ModelSettings(in_process=fused))


APART = tuned(False)


def write(source: Path, changed: Contract, name: str = NETWORK) -> None:
    (source / name).mkdir(exist_ok=True)
    changed.save(source / name)


@pytest.mark.parametrize("runtime", list(Runtime))
def test_every_written_configuration_parses_back_to_what_was_meant(runtime: Runtime, tmp_path: Path) -> None:
    made = assemble(find_networks(REPOSITORY, [NETWORK]), runtime, tmp_path / "out", copy_graphs=True)
    assert sorted(made.configs) == sorted(path.name for path in (tmp_path / "out").iterdir())
    for name, config in made.configs.items():
        text = (tmp_path / "out" / name / "config.pbtxt").read_text(encoding="utf-8")
        assert text_format.Parse(text, ModelConfig()) == config
        assert (config.name, config.max_batch_size) == (name, contract().max_batch_size)
        assert f"max_batch_size: {contract().max_batch_size}\n" in text
        assert (tmp_path / "out" / name / "1").is_dir()


def wire_of(config: ModelConfig) -> Any:
    inputs = [(one.name, one.data_type, list(one.dims), one.optional) for one in config.input]
    outputs = [(one.name, one.data_type, list(one.dims)) for one in config.output]
    return config.max_batch_size, inputs, outputs, list(config.ensemble_scheduling.step)


def test_both_runtimes_have_the_same_names_and_wires(tmp_path: Path) -> None:
    networks = find_networks(REPOSITORY, [NETWORK])
    embedded, container = (
        assemble(networks, runtime, tmp_path / runtime.value, copy_graphs=True, tuning=APART).configs
        for runtime in Runtime
    )
    assert list(embedded) == list(container)
    for name in embedded:
        assert wire_of(embedded[name]) == wire_of(container[name])
        assert embedded[name].parameters["crosswire"] == container[name].parameters["crosswire"]
    assert (embedded[NETWORK].backend, container[NETWORK].backend) == ("python", "onnxruntime")
    for runtime in Runtime:
        assert sha256_of(tmp_path / runtime.value / NETWORK / "1" / "model.onnx") == contract().graph.sha256


def test_clients_find_the_same_wires_whether_steps_are_fused_or_apart(tmp_path: Path) -> None:
    networks = find_networks(REPOSITORY)
    fused, apart = (
        assemble(networks, Runtime.EMBEDDED, tmp_path / str(fused), copy_graphs=True, tuning=tuned(fused)).configs
        for fused in (True, False)
    )
    for network in networks:
        for name in (network.contract.name, pipeline_of(network.contract).name):
            *wire, (step,) = wire_of(fused[name])
            assert wire == list(wire_of(apart[name])[:-1])
            assert step.model_name == pipeline_of(network.contract).in_process
            assert fused[name].parameters["crosswire"] == apart[name].parameters["crosswire"]
    assert len(fused) == 3 * len(networks)


def test_the_same_networks_become_the_same_files(tmp_path: Path) -> None:
    written = set()
    for index in range(4):  # protobuf orders maps by chance, once per process
        folder = tmp_path / str(index)
        command = [sys.executable, "-m", "crosswire.serving", "assemble", "--repository", str(REPOSITORY)]
        subprocess.run([*command, "--network", NETWORK, "--to", str(folder)], check=True, capture_output=True)
        written.add(tuple(sorted((str(one.relative_to(folder)), sha256_of(one)) for one in folder.rglob("*.*"))))
    assert len(written) == 1


def test_the_wire_is_the_contract_with_a_batch_axis(tmp_path: Path) -> None:
    networks = find_networks(REPOSITORY, [NETWORK])
    configs = assemble(networks, Runtime.EMBEDDED, tmp_path, copy_graphs=False, tuning=APART).configs
    height, width = contract().inputs[1].shape
    _, inputs, outputs, _ = wire_of(configs[NETWORK])
    assert [(name, dims) for name, _, dims, _ in inputs] == [("rgb", [height, width, 3]), ("depth", [height, width])]
    assert [(name, dims) for name, _, dims in outputs] == [("labels", [height, width]), ("confidence", [height, width])]
    _, inputs, outputs, steps = wire_of(configs[PIPELINE])
    assert [(name, optional) for name, _, _, optional in inputs] == [
        ("rgb_image", False), ("depth_image", False), ("depth_units_per_metre", True), ("camera", True),
    ]  # fmt: skip
    assert [name for name, _, _ in outputs] == ["labels_png", "overlay_png", "summary", "confidence_png"]
    assert [step.model_name for step in steps] == [
        f"{NETWORK}_decode", NETWORK, f"{NETWORK}_render",
    ]  # fmt: skip


def test_clients_learn_the_contract_from_the_configuration() -> None:
    (network,) = find_networks(REPOSITORY, [NETWORK])
    said = json.loads(network_config(network, Runtime.EMBEDDED).parameters["crosswire"].string_value)
    meant = contract()
    assert (said["name"], said["network"], said["task"]) == (NETWORK, NETWORK, meant.task)
    assert said["classes"] == list(meant.classes)
    assert said["palette"] == [list(colour) for colour in meant.palette]
    assert [one["unit"] for one in said["inputs"]] == [one.unit for one in meant.inputs]
    assert (said["metrics"], said["data"]) == (meant.metrics, meant.run.data)


def test_a_changed_graph_is_refused_by_name(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (source / NETWORK / "1" / "model.onnx").open("ab") as file:
        file.write(b"x")
    assert main(["up", "--repository", str(source)]) == 2
    said = capsys.readouterr().err
    assert (
        said.startswith(f"error: network '{NETWORK}' is refused")
        and "sha256" in said
        and "export the run again" in said
    )


def test_a_proof_outside_its_tolerance_is_refused(source: Path) -> None:
    meant = contract()
    broken = tuple(replace(one, value=0.5) if one.measure == "agreement" else one for one in meant.parity)
    write(source, replace(meant, parity=broken))
    with pytest.raises(ServingError, match=f"network '{NETWORK}' is refused: .* outside the tolerance"):
        find_networks(source)


def test_a_missing_proof_is_refused(source: Path) -> None:
    write(source, replace(contract(), parity=()))
    with pytest.raises(ServingError, match="no measured parity for labels, confidence"):
        find_networks(source)


def test_a_network_in_a_folder_of_another_name_is_refused(source: Path) -> None:
    (source / NETWORK).rename(source / "other")
    with pytest.raises(ServingError, match=f"network 'other' is refused: its contract names it '{NETWORK}'"):
        find_networks(source)


def test_a_name_that_triton_would_take_for_a_path_is_refused(source: Path) -> None:
    (source / NETWORK).rename(source / "a-b")
    write(source, replace(contract(), name="a-b"), "a-b")
    with pytest.raises(ServingError, match="a name is a letter"):
        find_networks(source)


def test_two_models_of_one_name_are_refused(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source / NETWORK, source / PIPELINE)
    write(source, replace(contract(), name=PIPELINE), PIPELINE)
    with pytest.raises(ServingError, match=f"two models would be named '{PIPELINE}'"):
        assemble(find_networks(source), Runtime.EMBEDDED, tmp_path / "out", copy_graphs=False)


def test_tensors_that_fit_no_pipeline_are_refused() -> None:
    meant = contract()
    with pytest.raises(ServingError, match="a segmentation pipeline needs exactly rgb, depth, labels, confidence"):
        pipeline_of(replace(meant, inputs=(replace(meant.inputs[0], name="infrared"),)))


@pytest.mark.parametrize(("place", "image"), [(0, "rgb_image"), (1, "depth_image")])
def test_a_segmentation_of_one_stream_takes_that_alone(place: int, image: str) -> None:
    meant = contract()
    pipeline = pipeline_of(replace(meant, inputs=meant.inputs[place : place + 1]))
    assert [spec.name for spec in pipeline.inputs if spec.dtype == "BYTES"] == [image]
    assert image in {spec.name for spec in pipeline.after[0].inputs}


def test_a_batch_size_that_would_vanish_from_the_text_is_refused() -> None:
    (network,) = find_networks(REPOSITORY, [NETWORK])
    with pytest.raises(ServingError, match="max_batch_size 0"):
        network_config(replace(network, contract=replace(network.contract, max_batch_size=0)), Runtime.EMBEDDED)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["assemble", "--repository", "missing", "--to", "out"], "is not a folder"),
        (["assemble", "--repository", ".", "--to", "out"], "holds no <network>/contract.json"),
        (["assemble", "--repository", str(REPOSITORY), "--network", "nope", "--to", "out"], "nope; it holds "),
        (["assemble", "--repository", str(REPOSITORY), "--to", "full"], "is not an empty folder"),
        (["up", "--repository", str(REPOSITORY), "--triton", "missing"], "is no file"),
        (["up", "--repository", str(REPOSITORY), "--http-port", "9", "--grpc-port", "9"], "choose two ports"),
    ],
)
def test_mistakes_on_the_command_line_are_one_clear_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_port_that_is_no_port_is_refused_by_the_parser(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["up", "--http-port", "70000"])
    assert left.value.code == 2
    assert "give a number from 0 to 65535" in capsys.readouterr().err


def test_too_little_shared_memory_is_refused_with_the_amount_it_takes(tmp_path: Path) -> None:
    configs = assemble(find_networks(REPOSITORY, [NETWORK]), Runtime.EMBEDDED, tmp_path, copy_graphs=False).configs
    height, width = contract().inputs[1].shape
    assert bytes_needed(configs.values()) >= 8 * height * width * contract().max_batch_size
    configs[f"{NETWORK}_fused"].max_batch_size = 1 << 24
    with pytest.raises(ServingError, match="--shm-size"):
        check_room(configs.values())


def test_a_graph_file_may_have_another_name_in_the_source(source: Path, tmp_path: Path) -> None:
    (source / NETWORK / "1" / "model.onnx").rename(source / NETWORK / "net.onnx")
    meant = contract()
    graph = meant.graph
    write(source, replace(meant, graph=Graph("net.onnx", graph.sha256, graph.opset, graph.ir_version)))
    assemble(find_networks(source), Runtime.EMBEDDED, tmp_path / "out", copy_graphs=False)
    placed = tmp_path / "out" / f"{NETWORK}_fused" / "1" / "model.onnx"
    assert placed.resolve() == (source / NETWORK / "net.onnx").resolve()


@pytest.mark.parametrize(
    ("tuning", "runtime", "gpu", "network", "stages"),
    [
        (Tuning(), Runtime.EMBEDDED, False, False, False),
        (Tuning(), Runtime.EMBEDDED, True, True, False),
        (Tuning(), Runtime.CONTAINER, False, True, False),
        (Tuning(ModelSettings(priority_levels=2)), Runtime.EMBEDDED, False, True, True),
        (Tuning(ModelSettings(batch_delay_microseconds=100)), Runtime.EMBEDDED, False, True, False),
        (Tuning(queue=QueueLimits(requests=5)), Runtime.EMBEDDED, False, True, False),
    ],
)
def test_a_batcher_stands_where_batches_pay_or_its_queue_is_asked_for(
    tuning: Tuning,
    runtime: Runtime,
    gpu: bool,
    network: bool,
    stages: bool,
    tmp_path: Path,
) -> None:
    tuning = replace(tuning, chosen=ChosenGpus((Gpu(0),), ("cuda",)) if gpu else ChosenGpus())
    networks = find_networks(REPOSITORY, [NETWORK])
    apart = replace(tuning, models=replace(tuning.models, in_process=False))
    made = assemble(networks, runtime, tmp_path / "apart", copy_graphs=False, tuning=apart).configs
    assert made[NETWORK].HasField("dynamic_batching") == network
    for stage in ("decode", "render"):
        assert made[f"{NETWORK}_{stage}"].HasField("dynamic_batching") == stages
    made = assemble(networks, runtime, tmp_path / "chosen", copy_graphs=False, tuning=tuning).configs
    assert (f"{NETWORK}_fused" in made) == (runtime is Runtime.EMBEDDED and not gpu)
    if f"{NETWORK}_fused" in made:
        assert made[f"{NETWORK}_fused"].HasField("dynamic_batching") == network


def test_whether_there_is_a_gpu_is_asked_without_a_look_at_every_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: pytest.fail("that takes a tenth of a second"))
    tuning = Tuning.of(Settings())
    assemble(find_networks(REPOSITORY), Runtime.EMBEDDED, tmp_path / "made", copy_graphs=False, tuning=tuning)


def test_more_processes_for_the_steps_give_every_step_one_of_its_own() -> None:
    embedded = [Tuning(ModelSettings(step_instances=count)).in_process(Runtime.EMBEDDED) for count in (1, 2)]
    assert embedded == [True, False]
    with pytest.raises(ServingError, match=r"models\.step_instances is 2"):
        choose(None, {"models": ModelSettings(step_instances=2, in_process=True)})


def test_what_is_chosen_for_models_stands_in_their_configurations(tmp_path: Path) -> None:
    models = ModelSettings(
        instances=2, threads=3, step_instances=4, batch_delay_microseconds=500, cache_bytes=1, priority_levels=3
    )
    networks = find_networks(REPOSITORY, [NETWORK])
    made: dict[str, ModelConfig] = {}
    for fused in (True, False):
        tuning = Tuning(replace(models, in_process=fused), QueueLimits(requests=5, seconds=1.5))
        one = assemble(networks, Runtime.EMBEDDED, tmp_path / str(fused), copy_graphs=False, tuning=tuning)
        assert one.configs[PIPELINE].response_cache.enable and not one.configs[NETWORK].response_cache.enable
        made |= one.configs
    network, decode, whole = (made[name] for name in (NETWORK, f"{NETWORK}_decode", f"{NETWORK}_fused"))
    assert [one.instance_group[0].count for one in (network, decode, whole)] == [2, 4, 2]
    assert network.parameters["threads"].string_value == "3" and "threads" not in decode.parameters
    _, inner, _ = json.loads(whole.parameters["steps"].string_value)
    assert inner["config"]["parameters"]["threads"]["string_value"] == "3"
    for config in (network, decode, whole):
        batching = config.dynamic_batching
        assert (batching.max_queue_delay_microseconds, batching.priority_levels) == (500, 3)
        assert batching.default_priority_level == 2
        policy = batching.default_queue_policy
        assert (policy.max_queue_size, policy.default_timeout_microseconds) == (5, 1_500_000)


@pytest.mark.parametrize(("instances", "threads"), ((1, 8), (2, 8), (4, 4), (16, 1), (40, 1)))
def test_sessions_share_twice_the_cores(instances: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_stage, "granted_cores", lambda: 8)
    assert threads_of({"parameters": {}, "instance_group": [{"count": str(instances)}]}) == threads


def test_networks_are_warmed_up_with_the_batches_that_were_chosen(tmp_path: Path) -> None:
    networks, tuning = (
        find_networks(REPOSITORY, [NETWORK]),
        Tuning(ModelSettings(warm_up=(1, 2, 999), in_process=False)),
    )
    inputs = {spec.name: list(spec.shape) for spec in contract().inputs}
    for runtime, sizes in ((Runtime.EMBEDDED, [2]), (Runtime.CONTAINER, [1, 2])):
        made = assemble(networks, runtime, tmp_path / runtime.value, copy_graphs=False, tuning=tuning)
        samples = made.configs[NETWORK].model_warmup
        assert [sample.batch_size for sample in samples] == sizes
        for sample in samples:
            assert {name: list(zeros.dims) for name, zeros in sample.inputs.items()} == inputs
            assert all(zeros.zero_data for zeros in sample.inputs.values())
        assert not made.configs[f"{NETWORK}_decode"].model_warmup
    fused = Tuning(ModelSettings(warm_up=(1, 2, 999), in_process=True))
    made = assemble(networks, Runtime.EMBEDDED, tmp_path / "fused", copy_graphs=False, tuning=fused)
    (sample,) = made.configs[f"{NETWORK}_fused"].model_warmup
    assert sample.batch_size == 2 and {name: list(zeros.dims) for name, zeros in sample.inputs.items()} == inputs


def test_networks_whose_inputs_may_all_be_absent_are_warmed_up_with_all_of_them(tmp_path: Path) -> None:
    tuning = Tuning(ModelSettings(warm_up=(4,), in_process=False))
    network = "rooms_cen_int8"
    made = assemble(
        find_networks(REPOSITORY, [network]), Runtime.EMBEDDED, tmp_path / "out", copy_graphs=False, tuning=tuning
    )
    (sample,) = made.configs[network].model_warmup
    assert set(sample.inputs) == {"rgb", "depth"}
