"""Files without a header of their own, known by the packets that follow each other: MP3 and MPEG-TS."""

from __future__ import annotations

_TAG = b"ID3"
_SEARCHED = 4096
#: A packet may have four bytes of time before it, as in the files of camcorders, or sixteen of checks after it.
_PACKETS_TOLD_APART_BY, _LONGEST_PACKET = (188, 192, 204), 204
_PACKETS, _SYNC, _HOLDS_SOMETHING = 4, 0x47, 0x30
_BIT_RATES = {
    1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES = (44100, 48000, 32000)


def tag_end(data: bytes) -> int:
    """Return where the ID3 tag at the beginning of a file says that it ends; 0 where there is none."""
    if data[:3] != _TAG or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if data[5] & 0x10 else 0)


def is_mp3(data: bytes) -> bool:
    """Say whether two frames of MP3 follow each other: at the beginning, or soon after the tag there."""
    start = tag_end(data)
    if start > len(data):  # cut off within its tag, which says so
        return True
    for place in range(start, start + (_SEARCHED if start else 1)):
        length = _mp3_frame(data, place)
        if length and _mp3_frame(data, place + length):
            return True
    return False


def _mp3_frame(data: bytes, place: int) -> int:
    """Return the length of the frame of MP3 at a place, 0 where there is none."""
    head = int.from_bytes(data[place : place + 4], "big") if place + 4 <= len(data) else 0
    version, layer = head >> 19 & 3, head >> 17 & 3  # 3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5; layer 1 is the third
    bit_rate, sample_rate = head >> 12 & 15, head >> 10 & 3
    if head >> 21 != 0x7FF or version == 1 or layer != 1 or bit_rate in (0, 15) or sample_rate == 3:
        return 0
    first = version == 3
    rate = _SAMPLE_RATES[sample_rate] // {3: 1, 2: 2, 0: 4}[version]
    kilobits = _BIT_RATES[1 if first else 2][bit_rate - 1]
    return (144 if first else 72) * kilobits * 1000 // rate + (head >> 9 & 1)


def is_transport_stream(data: bytes) -> bool:
    """Say whether a file begins with packets of an MPEG transport stream, the first of which may be cut."""
    for length in _PACKETS_TOLD_APART_BY:
        for start in range(min(_LONGEST_PACKET, len(data) - _PACKETS * length)):
            heads = [data[place : place + 4] for place in range(start, start + _PACKETS * length, length)]
            if all(head[0] == _SYNC and head[3] & _HOLDS_SOMETHING for head in heads):
                return True
    return False
