"""How the names of clips end, films and sounds alone, whose containers are read."""

from __future__ import annotations

FILM_ENDINGS = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".ts", ".mts", ".m2ts")
SOUND_ENDINGS = (".m4a", ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3")
CLIP_ENDINGS = (*FILM_ENDINGS, *SOUND_ENDINGS)
