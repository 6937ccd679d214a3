"""How the frames of a robot stand to each other: chains of `tf` from the depth camera to the colour camera.

A transform gives the pose of its child in its parent: p_parent = R p_child + t (REP 105 and geometry_msgs).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pose:
    """Takes points from one frame to another: p' = R p + t.

    Attributes:
        rotation: R, [3, 3].
        translation: t, [3], metres.
    """

    rotation: Array
    translation: Array

    def after(self, first: Pose) -> Pose:
        """Return what takes points through `first` and then through this."""
        return Pose(self.rotation @ first.rotation, self.rotation @ first.translation + self.translation)

    def inverse(self) -> Pose:
        """Return the way back."""
        return Pose(self.rotation.T, -self.rotation.T @ self.translation)


def pose_of(transform: Any) -> Pose:
    """Return a `geometry_msgs/Transform` as a pose; a quaternion of zeros turns nothing."""
    turn, shift = transform.rotation, transform.translation
    q = np.array((turn.x, turn.y, turn.z, turn.w), np.float64)
    length = float(np.linalg.norm(q))
    x, y, z, w = q / length if length > 0 else (0.0, 0.0, 0.0, 1.0)
    rotation = np.array(
        (
            (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
            (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
            (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
        )
    )
    return Pose(rotation, np.array((shift.x, shift.y, shift.z), np.float64))


class FrameTree:
    """Frames and the poses between them, the newest of each pair."""

    def __init__(self) -> None:
        """Begin without any."""
        self._steps: dict[str, dict[str, Pose]] = {}

    def add(self, transforms: Iterable[Any]) -> None:
        """Add `geometry_msgs/TransformStamped`."""
        for one in transforms:
            parent, child = frame_name(one.header.frame_id), frame_name(one.child_frame_id)
            pose = pose_of(one.transform)
            self._steps.setdefault(child, {})[parent] = pose
            self._steps.setdefault(parent, {})[child] = pose.inverse()

    def between(self, start: str, end: str) -> Pose | None:
        """Return what takes points of one frame into another, or None where no chain connects them."""
        start, end = frame_name(start), frame_name(end)
        found = {start: Pose(np.eye(3), np.zeros(3))}
        waiting = deque([start])
        while waiting and end not in found:
            here = waiting.popleft()
            for there, step in self._steps.get(here, {}).items():
                if there not in found:
                    found[there] = step.after(found[here])
                    waiting.append(there)
        return found.get(end)


def frame_name(frame: str) -> str:
    """Return a frame without the slash that the first versions of tf wrote before it."""
    return frame.lstrip("/")
