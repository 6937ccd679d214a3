"""Run in an environment that has rerun-sdk: writes frames, reads them back with Rerun's own reader, compares.

`tests/soak/sensors/outputs.py` makes that environment. Prints one line of JSON: what was compared.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
from rerun.chunk import RrdReader

from crosswire.clients.streaming.outputs.choose import Outputs
from crosswire.clients.streaming.outputs.frame import StreamFacts
from tests.support.outputs.labelled import BEGIN_NS, HEIGHT, LENS, WIDTH, labelled

FRAMES = 12


def rows_of(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every entity, in the order of frames; static ones as they come."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for chunk in RrdReader(path).stream():
        batch = chunk.to_record_batch()
        plain = [  # datetime counts microseconds
            column.cast(pyarrow.int64()) if pyarrow.types.is_temporal(column.type) else column
            for column in batch.columns
        ]
        found[chunk.entity_path] += pyarrow.table(plain, batch.schema.names).to_pylist()
    for rows in found.values():
        rows.sort(key=lambda row: row.get("frame") or 0)
    return found


def compare(path: Path, begin_ns: int) -> int:
    """Compare what is read with what was written; return the number of values that were compared."""
    found, compared = rows_of(path), 0
    for index in range(FRAMES):
        frame = labelled(index, begin_ns + index * 40_000_000)
        result = frame.result
        rows = {name.removeprefix("/world/camera/"): rows[index] for name, rows in found.items() if len(rows) == FRAMES}
        for row in rows.values():
            assert row["frame"] == index
            assert row["stamp"] == frame.stamp_ns
            assert "log_time" not in row
        assert bytes(rows["colour"]["EncodedImage:blob"][0]) == frame.encoded
        assert rows["colour"]["EncodedImage:media_type"] == ["image/jpeg"]
        depth = np.frombuffer(bytes(rows["depth"]["DepthImage:buffer"][0]), np.float32).reshape(HEIGHT, WIDTH)
        assert np.array_equal(depth, frame.readings) and rows["depth"]["DepthImage:meter"] == [1.0]
        labels = np.frombuffer(bytes(rows["labels"]["SegmentationImage:buffer"][0]), np.uint8)
        assert np.array_equal(labels.reshape(HEIGHT, WIDTH), result.labels)
        certain = np.frombuffer(bytes(rows["confidence"]["Image:buffer"][0]), np.uint8)
        assert np.array_equal(certain.reshape(HEIGHT, WIDTH), result.confidence)
        for name, share in result.shares.items():
            assert rows[f"/share/{name}"]["Scalars:scalars"] == [share]
        assert rows["/mean_confidence"]["Scalars:scalars"] == [result.mean_confidence]
        assert rows["/latency_ms"]["Scalars:scalars"] == [frame.latency_ms]
        compared += depth.size + labels.size + certain.size + len(result.shares) + 2
    (pinhole,) = found["/world/camera"]
    matrix = np.array(pinhole["Pinhole:image_from_camera"]).reshape(3, 3).T
    assert np.array_equal(matrix, [[LENS.fx, 0, LENS.cx], [0, LENS.fy, LENS.cy], [0, 0, 1]])
    assert pinhole["Pinhole:resolution"] == [[WIDTH, HEIGHT]]
    (context,) = found["/"]
    classes = [one["class_description"]["info"] for one in context["AnnotationContext:context"][0]]
    names, palette = labelled().result.class_names, labelled().result.palette.tolist()
    assert [(one["id"], one["label"]) for one in classes] == list(enumerate(names))
    assert [list(one["color"].to_bytes(4, "big")[:3]) for one in classes] == palette
    return compared


def main(folder: Path) -> None:
    """Write and compare, with a clock that counts from 1970 and one that counts from a device's start."""
    compared = {}
    for name, begin_ns in (("calendar", BEGIN_NS), ("device", 5_000_000_000)):
        place = folder / name
        outputs = Outputs(rerun=place / "labels.rrd", table=place / "frames.parquet")
        with outputs.open(StreamFacts(LENS, 25.0, "desk.bag")) as writer:
            for index in range(FRAMES):
                writer.add(labelled(index, begin_ns + index * 40_000_000))
        compared[name] = compare(place / "labels.rrd", begin_ns)
        table = pyarrow.parquet.read_table(place / "frames.parquet")
        assert table["stamp_ns"].to_pylist() == [begin_ns + index * 40_000_000 for index in range(FRAMES)]
        assert table["share.floor"].to_pylist() == [labelled(i).result.shares["floor"] for i in range(FRAMES)]
    print(json.dumps({"numpy": np.__version__, "compared": compared}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
