"""A Ray cluster of two nodes on this machine, in a process of its own: `python -m tests.support.offline.ray_nodes`.

It prints the cluster's address. A line on its standard input kills the second node; at the end of the input all ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

#: Another address of the loopback than 127.0.0.1, for which Ray puts that of the network when a driver connects.
_LOOPBACK = {"node_ip_address": "127.0.0.2", "num_cpus": 1, "object_store_memory": 200 << 20}


@dataclass(frozen=True)
class Nodes:
    """Two nodes of a core each.

    Attributes:
        address: of the cluster.
        process: what holds them.
    """

    address: str
    process: subprocess.Popen[str]

    def kill_one(self) -> None:
        """Kill the node on which no driver is."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "killed\n"


@contextmanager
def two_nodes() -> Iterator[Nodes]:
    """Run two nodes for as long as a block runs."""
    command = [sys.executable, "-m", "tests.support.offline.ray_nodes"]
    environ = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            address = next((line for line in process.stdout if line.startswith("127.0.0.2:")), "")
            assert address, "no cluster"
            yield Nodes(address.strip(), process)
        finally:
            process.stdin.close()
            process.wait(60)


def main() -> None:
    """Hold the nodes."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**_LOOPBACK, "include_dashboard": False})
    second = cluster.add_node(**_LOOPBACK)
    print(cluster.address, flush=True)
    for _ in sys.stdin:
        cluster.remove_node(second, allow_graceful=False)
        print("killed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
