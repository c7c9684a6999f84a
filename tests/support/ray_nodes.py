"""A local Ray cluster of two nodes, in a process of its own, which kills a node when it is told to.

    python -m support.ray_nodes CPUS RESOURCE

prints {"address": ..., "session": ...}, and reads commands from standard input: `kill` kills the
raylet of the second node, which has the resource; the end of the input ends the cluster.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class RayNodes:
    """The running cluster.

    Attributes:
        address: Its address, for RAY_ADDRESS.
        session: Folder of its logs and of the files that travelled.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        answer = self._answer()
        self.address = str(answer["address"])
        self.session = Path(str(answer["session"]))

    def kill_second_node(self) -> None:
        """Kills the raylet of the second node, without warning."""
        assert self._process.stdin
        self._process.stdin.write("kill\n")
        self._process.stdin.flush()
        assert self._answer() == {"killed": True}

    def _answer(self) -> dict[str, object]:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith("{"):
                answer: dict[str, object] = json.loads(line)
                return answer
        raise RuntimeError("the cluster did not start")


@contextmanager
def ray_nodes(cpus: int, resource: str) -> Iterator[RayNodes]:
    """Runs a cluster of two nodes of this host until the end of the block."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-m", "support.ray_nodes", str(cpus), resource],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    try:
        yield RayNodes(process)
    finally:
        assert process.stdin and process.stdout
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


def _main(cpus: int, resource: str) -> None:
    from paretune.search.clusters.ray_import import import_ray

    import_ray()
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": cpus, "include_dashboard": False}
    )
    second = cluster.add_node(num_cpus=cpus, resources={resource: 1})
    assert cluster.head_node is not None
    session = cluster.head_node.get_session_dir_path()
    print(json.dumps({"address": cluster.address, "session": session}), flush=True)
    for line in sys.stdin:
        if line.strip() == "kill":
            second.kill_raylet()
            print(json.dumps({"killed": True}), flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2])
