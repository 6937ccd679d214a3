"""What is noted of a clip once it was read: what was done with it, and what was not looked at."""

from __future__ import annotations

from crosswire.media.clips.frames import SeenFrames
from crosswire.media.clips.orientation import UPRIGHT, Orientation
from crosswire.media.clips.shape import ClipShape
from crosswire.media.clips.waveform import NOTED, HeardSound
from crosswire.serving.steps.media.clip_header import Facts

_CLOCKS = {
    "decoded": "times_decoded: the times of the pictures are missing or fall; those of their decoding were taken",
    "counted": "times_counted: the pictures have no times that rise; they were taken as they come, at the clip's rate",
}


def note_frames(facts: Facts, seen: SeenFrames, shape: ClipShape) -> None:
    """Note which frames were taken, how they were turned and timed, and what of them is missing or was left."""
    assert facts.pictures is not None
    facts.pictures["at"] = [round(time, 3) for time in seen.at]
    _note_orientation(facts, seen.orientation)
    if seen.clock in _CLOCKS:
        facts.warnings.append(_CLOCKS[seen.clock])
    if seen.lacking:
        facts.warnings.append(f"clip_shorter: the last picture stands for {seen.lacking} that are not there")
    else:
        _note_length(facts, seen.at[-1] if shape.rate is None else shape.frames / shape.rate)


def note_sound(facts: Facts, heard: HeardSound, shape: ClipShape, seen: SeenFrames | None) -> None:
    """Note when sound begins and ends, and what of it is missing or was left."""
    said = facts.warnings
    if heard.apart:
        said.append(
            f"sound_apart: sound begins {abs(heard.apart):.0f} s from the pictures by its times, which were not "
            "believed; both were taken from their beginnings"
        )
    if heard.delay > NOTED:
        said.append(f"sound_later: sound begins {heard.delay:.1f} s after the first picture; it is silent before")
    if heard.delay < -NOTED:
        said.append(f"sound_earlier: {-heard.delay:.1f} s of sound before the first picture were not used")
    if heard.gaps:
        said.append(f"sound_gaps: {heard.gaps:.1f} s are missing within the sound; it is silent there")
    if heard.lacking > NOTED:
        said.append(f"sound_shorter: {heard.lacking:.1f} s of silence follow the sound")
    if seen is None:
        _note_length(facts, shape.samples / shape.sample_rate)


def _note_length(facts: Facts, seconds: float) -> None:
    """Note that only the beginning was looked at."""
    if facts.seconds and facts.seconds > seconds + 1:
        facts.warnings.append(f"clip_longer: the first {seconds:g} s of {facts.seconds:.1f} s were looked at")


def _note_orientation(facts: Facts, orientation: Orientation) -> None:
    """Note how frames were turned, and their size as they are shown."""
    if orientation == UPRIGHT:
        return
    assert facts.pictures is not None
    if orientation.swaps_sides:
        facts.pictures |= {"width": facts.pictures["height"], "height": facts.pictures["width"]}
    facts.pictures |= {"rotated": orientation.degrees, "mirrored": orientation.mirrored}
    if orientation.left_out:
        facts.warnings.append(
            f"rotation_rounded: the clip says a turn that is {orientation.left_out:+g} degrees more than a quarter "
            f"turn; the frames were turned by {orientation.degrees} degrees"
        )
