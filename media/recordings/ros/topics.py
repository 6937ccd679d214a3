"""Which topics are colour and depth: by type, encoding and name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crosswire.media.recordings.recording import RecordingError
from crosswire.media.recordings.ros.files.messages import Topic
from crosswire.media.recordings.ros.images import COLOURS, DEPTHS, GREY, HALVED

#: Words in names of what is no colour or no depth though its encoding is one of theirs.
_OTHERS = re.compile(r"infra\w*|ir|ir\d|confidence|amplitude|mask|labels?|semantic|segmentation|normals?|thermal|debug")
_COLOUR = re.compile(r"colou?r|rgb")
_DEPTH_IN_COLOUR = re.compile(
    r"depth_registered|registered_depth|depth_to_(colou?r|rgb)|depth_aligned_to_(colou?r|rgb)"
)
_COLOUR_IN_DEPTH = re.compile(r"(colou?r|rgb)_to_depth")
_RECTIFIED = re.compile(r"(^|[/_])rect(ified)?($|[/_])")


@dataclass(frozen=True)
class ImageTopic:
    """A topic of images.

    Attributes:
        topic: name, type and count.
        encoding: of its pixels: "16UC1"; empty where a JPEG alone knows.
        transport: how it is compressed, or empty.
        frame: the coordinate frame of its camera.
        size: width and height, or None where unknown.
    """

    topic: Topic
    encoding: str
    transport: str
    frame: str
    size: tuple[int, int] | None

    @property
    def name(self) -> str:
        """The name of the topic."""
        return self.topic.name

    @property
    def words(self) -> frozenset[str]:
        """The words of its name, in lower case."""
        return frozenset(re.split(r"[/_.\-]+", self.name.lower()))

    @property
    def base(self) -> str:
        """Its name without that of a transport: what the camera publishes."""
        return re.sub(r"/(compressed(Depth)?|raw)$", "", self.name)

    @property
    def rectified(self) -> bool:
        """Whether its name says that its images are undistorted."""
        return bool(_RECTIFIED.search(self.base.lower()))

    @property
    def can_be_depth(self) -> bool:
        """Whether its encoding is one of depth, and its name says nothing else."""
        if self.encoding not in DEPTHS or self.transport == "jpeg" or self._other:
            return False
        return self.encoding != "mono16" or "depth" in self.name.lower()

    @property
    def can_be_colour(self) -> bool:
        """Whether its encoding is one of colour, and its name says nothing else."""
        readable = self.encoding in COLOURS or self.encoding in HALVED or (bool(self.transport) and not self.is_16_bit)
        about_depth = "depth" in self.words and not any(_COLOUR.fullmatch(word) for word in self.words)
        return readable and self.transport != "compressedDepth" and not self._other and not about_depth

    @property
    def is_16_bit(self) -> bool:
        """Whether its encoding is one of depth."""
        return self.encoding in DEPTHS

    @property
    def _other(self) -> bool:
        return any(_OTHERS.fullmatch(word) for word in self.words)


def says_registered(colour: ImageTopic, depth: ImageTopic) -> bool:
    """Say whether the names of two topics promise that depth lies in the colour camera."""
    moved_depth = bool(_DEPTH_IN_COLOUR.search(depth.name.lower()))
    moved_colour = bool(_COLOUR_IN_DEPTH.search(colour.name.lower()))
    return moved_depth != moved_colour


def choose(
    images: Sequence[ImageTopic], topics: Sequence[Topic], colour: str | None, depth: str | None
) -> tuple[ImageTopic, ImageTopic]:
    """Return the topics of colour and depth.

    Args:
        images: topics of images.
        topics: all topics, for the message.
        colour: the name that the user gives, or None.
        depth: likewise.

    Raises:
        RecordingError: there is none, or not the one that was asked for.
    """
    held = ", ".join(str(one) for one in topics) or "nothing"
    colours = [_named(images, colour, held)] if colour else [one for one in images if one.can_be_colour]
    depths = [_named(images, depth, held)] if depth else [one for one in images if one.can_be_depth]
    if not depths:
        raise RecordingError(
            f"no topic holds depth, expected images in {', '.join(DEPTHS)}; name one with --depth-topic; topics: {held}"
        )
    if not colours:
        raise RecordingError(f"no topic holds colour; name one with --colour-topic; topics: {held}")
    pairs = [(one, other) for one in colours for other in depths if one is not other]
    if not pairs:
        raise RecordingError(f"got {colour} for both colour and depth, expected two topics; topics: {held}")
    return max(pairs, key=lambda pair: _score(*pair))


def _named(images: Sequence[ImageTopic], name: str, held: str) -> ImageTopic:
    """Return the topic that the user asks for."""
    wanted = name.strip("/")
    exact = [one for one in images if one.name.strip("/") == wanted]
    if found := exact or [one for one in images if one.base.strip("/") == wanted]:
        return found[0]
    raise RecordingError(f"got topic {name}, expected one of images; topics: {held}")


def _score(colour: ImageTopic, depth: ImageTopic) -> tuple[int | str, ...]:
    """Say how well two topics fit: one device, registered, plain names, and nothing lost to compression."""
    ours, theirs = (one.base.strip("/").split("/") for one in (colour, depth))
    shared = 0
    while shared < min(len(ours), len(theirs)) - 1 and ours[shared] == theirs[shared]:
        shared += 1
    rectified = colour.rectified == depth.rectified
    return (
        shared,
        says_registered(colour, depth),
        "depth" in depth.name.lower(),
        bool(_COLOUR.search(colour.name.lower())),
        colour.encoding not in GREY,
        not depth.transport,
        not colour.transport,
        depth.encoding != "32FC1",
        rectified,
        -len(depth.name) - len(colour.name),
        depth.name,
        colour.name,
    )
