"""A frozen fp16 graph served on CUDA by the embedded Triton against a bare loop in one process: pairs per second.

As `benchmarks.serving`, whose turns these are: the same pair of pictures through the same decoding, session and
rendering, without a server, through Triton alone, and through the gateway; at 1 and at 4 clients.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.frozen import exported, graph_size
from benchmarks.gpu.machine import Machine, ceiling, share
from benchmarks.serving import PAIR, bare_work, compare, like_rooms, opened, pace, served_work, stand_in, triton_url
from crosswire.contract import Contract
from crosswire.export.network_facts import macs
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.steps.runtime.cores import granted_cores
from crosswire.serving.steps.runtime.providers.names import CPU, PROVIDERS

NETWORK = "refinenet101"
_WARM_S, _TURN_S = 8.0, 4.0
_TINY_TURN_S = 0.1


def measure(machine: Machine) -> bool:
    """Measure the pipeline of the paper's network and write the figures."""
    rgb, depth = (path.read_bytes() for path in PAIR)
    with ExitStack() as stack:
        repository = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        contract, work_macs = _written(repository, machine)
        provider = _provider(repository, contract)
        if machine.on_gpu and provider == PROVIDERS[CPU]:
            raise RuntimeError(f"the network's session runs on {provider}; pip install onnxruntime-gpu in place of it")
        server = stack.enter_context(EmbeddedServer(repository, networks=[contract.name]))
        pipeline = f"{contract.name}_image"
        works = {
            "bare": bare_work(repository / contract.name, rgb, depth),
            "direct": served_work(triton_url(server), pipeline, rgb, depth, stack),
            "served": served_work(server.grpc_url, pipeline, rgb, depth, stack),
        }
        for clients in (1, 4):  # each batch size is tuned at its first sight
            for work in works.values():
                pace(work, clients, _TINY_TURN_S if machine.tiny else _WARM_S)
        turn = _TINY_TURN_S if machine.tiny else _TURN_S
        figures: dict[str, Any] = {
            f"clients_{clients}": compare(works, server, clients, machine.rounds, turn) for clients in (1, 4)
        }
    tera = ceiling(machine)
    figures["share_of_ceiling"] = {
        clients: {name: share(work_macs, 1 / compared[name]["per_second"], tera["fp16"]) for name in works}
        for clients, compared in figures.items()
    }
    size = list(contract.inputs[0].shape[:2])
    facts = {"network": contract.name, "size": size, "provider": provider, "cores": granted_cores()}
    machine.keep("served", {**facts, "ceiling_tflops": tera, **figures})
    for name, one in figures.items():
        print(f"  {name:16} {one}", flush=True)
    return True


def _written(repository: Path, machine: Machine) -> tuple[Contract, int]:
    """Write the frozen fp16 graph with the classes of the rooms; return its contract and multiply-accumulates.

    Tiny is the stand-in of `benchmarks.serving`, which takes no time to write; its products are not counted.
    """
    if machine.tiny:
        return Contract.load(repository / stand_in(repository, convolutions=1)), 0
    counted = []

    def write(path: Path, classes: int) -> None:
        work = exported(NETWORK, repository, tiny=False, classes=classes)
        counted.append(macs(work.servable(), work.inputs))
        work.write(path, torch.float16)

    contract = like_rooms(repository, NETWORK, graph_size(tiny=False), write, precision="fp16")
    return contract, counted[0]


def _provider(repository: Path, contract: Contract) -> str:
    """Return what a session of the served network runs on first."""
    return PROVIDERS[opened(repository / contract.name, contract).place.provider]
