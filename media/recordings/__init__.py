"""Recordings of RGB-D sensors in the formats that people have: `open_recording` reads them all."""

from crosswire.media.recordings.open import open_recording as open_recording
from crosswire.media.recordings.recording import RecordedFrame as RecordedFrame
from crosswire.media.recordings.recording import Recording as Recording
from crosswire.media.recordings.recording import RecordingError as RecordingError
