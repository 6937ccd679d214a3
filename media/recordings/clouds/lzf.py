"""LZF, the compression of PCD's `binary_compressed`: runs of bytes as they are, and copies of what came before."""

from __future__ import annotations


def decompress(data: bytes, size: int) -> bytes:
    """Return what was compressed.

    A first byte below 32 is followed by one byte more than it says. Any other one holds, in its upper three bits, the
    length of a copy less 2, where 7 adds the next byte to it, and in its lower five with the byte after that how far
    back the copy begins, less 1.

    Args:
        data: compressed.
        size: bytes of what comes out.

    Raises:
        ValueError: it is damaged.
    """
    out = bytearray()
    place, end = 0, len(data)
    try:
        while place < end:
            control = data[place]
            place += 1
            if control < 32:
                out += data[place : place + control + 1]
                place += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += data[place]
                place += 1
            back = ((control & 31) << 8) + data[place] + 1
            place += 1
            length += 2
            start = len(out) - back
            if start < 0:
                raise ValueError("its compressed points refer to what is not there")
            if length <= back:
                out += out[start : start + length]
            else:  # a copy that reaches into itself repeats
                out += (bytes(out[start:]) * (length // back + 1))[:length]
            if len(out) > size:
                break
    except IndexError:
        raise ValueError("its compressed points end early") from None
    if len(out) != size or place != end:
        raise ValueError(f"its compressed points make {len(out)} bytes, expected {size}")
    return bytes(out)
