"""A picture somebody uploaded, taken apart and put together again from the parts a picture needs. Pure.

What it is, its own bytes say, never its name or what the browser said of it. Only PNG, JPEG and WebP are taken, read to the
very end: notes, positions, thumbnails, animations and anything behind the picture are left out, and whatever does not fit
together is refused. SVG is a program, so it is not taken.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from loyalty.common.errors import DomainError

MOST_BYTES = 60 * 1024  # a logo stands on every page
SHORTEST, LONGEST = 16, 1_024  # pixels of a side
PNG = b"\x89PNG\r\n\x1a\n"
PNG_KEPT = (b"IHDR", b"sRGB", b"gAMA", b"PLTE", b"tRNS", b"IDAT", b"IEND")
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a PNG's kinds of colour
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
JPEG_FRAMES = (0xC0, 0xC1, 0xC2)
JPEG_KEPT = (0xDB, 0xC4, 0xDD, 0xEE, *JPEG_FRAMES)  # tables, restarts, how the colours are meant, the frame


class PictureRefused(DomainError):
    """This is no picture that we show."""

    code = "picture_refused"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as we keep it. `kind` is png, jpeg or webp; sides in pixels."""

    kind: str
    width: int
    height: int
    data: bytes


def read(data: bytes) -> Picture:
    """The picture, without what does not belong to it. Raises PictureRefused."""
    if len(data) > MOST_BYTES:
        raise PictureRefused(
            f"The file is larger than {MOST_BYTES // 1024} kB, and a logo is loaded with every page. Save it smaller: 100 "
            "pixels high are plenty."
        )
    try:
        picture = _taken_apart(data)
    except (struct.error, IndexError, zlib.error) as error:
        raise PictureRefused("The file is damaged: it ends in the middle of the picture. Save it anew.") from error
    _require_sides(picture.width, picture.height)
    return picture


def _require_sides(width: int, height: int) -> None:
    if not (SHORTEST <= width <= LONGEST and SHORTEST <= height <= LONGEST):
        raise PictureRefused(f"The picture is {width} by {height} pixels. Each side must have {SHORTEST} to {LONGEST}.")


def _taken_apart(data: bytes) -> Picture:
    if data.startswith(PNG):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    raise PictureRefused("The file is no PNG, JPEG or WebP picture. Other kinds, SVG as well, are not taken.")


def _png(data: bytes) -> Picture:
    kept, pixels, header, last = [PNG], b"", b"", b""
    for name, body in _png_chunks(data):
        header = body if name == b"IHDR" and not last else header
        if name == b"acTL":
            raise PictureRefused("The picture moves. Save it as a still one.")
        if name in PNG_KEPT:
            pixels += body if name == b"IDAT" else b""
            kept.append(struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)))
        last = name
    if not header or last != b"IEND":
        raise PictureRefused("The file is damaged: parts of the PNG picture are missing. Save it anew.")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    _require_sides(width, height)  # before anything so large is unpacked
    if depth not in DEPTHS.get(colour, ()) or interlaced > 1:
        _refuse_damaged()
    most = (width * CHANNELS[colour] * depth // 8 + 2) * height * 2 + 4_096  # interlaced ones have more rows
    unpacked = zlib.decompressobj()
    size = len(unpacked.decompress(pixels, most))
    exact = ((width * CHANNELS[colour] * depth + 7) // 8 + 1) * height
    if not unpacked.eof or unpacked.unused_data or (not interlaced and size != exact):
        _refuse_damaged()
    return Picture("png", width, height, b"".join(kept))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of each; they must fill the file to its end."""
    place = len(PNG)
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        name, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        (check,) = struct.unpack_from(">I", data, place + 8 + length)
        if check != zlib.crc32(name + body):
            _refuse_damaged()
        yield name, body
        place += 12 + length
        if name == b"IEND" and place != len(data):
            raise PictureRefused("Something stands behind the end of the picture. Save it anew with a picture program.")


def _jpeg(data: bytes) -> Picture:
    kept, place, size = [b"\xff\xd8"], 2, (0, 0)
    while data[place] == 0xFF and data[place + 1] not in (0xDA, 0xD9):
        marker = data[place + 1]
        (length,) = struct.unpack_from(">H", data, place + 2)
        segment = data[place : place + 2 + length]
        if length < 2 or len(segment) != 2 + length:
            _refuse_damaged()
        if marker in JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", segment, 5)
            size = (width, height)
        if marker in JPEG_KEPT:
            kept.append(segment)
        place += 2 + length
    if data[place : place + 2] != b"\xff\xda" or size == (0, 0):
        _refuse_damaged()
    end = data.find(b"\xff\xd9", place)
    if end == -1:
        _refuse_damaged()
    if end + 2 != len(data):
        raise PictureRefused("Something stands behind the end of the picture. Save it anew with a picture program.")
    return Picture("jpeg", *size, b"".join([*kept, data[place:]]))


def _webp(data: bytes) -> Picture:
    (length,) = struct.unpack_from("<I", data, 4)
    if length + 8 != len(data):
        raise PictureRefused("The WebP file is longer or shorter than it says. Save it anew.")
    place, chunks = 12, []
    while place < len(data):
        name, (size,) = data[place : place + 4], struct.unpack_from("<I", data, place + 4)
        body = data[place + 8 : place + 8 + size]
        if len(body) != size:
            _refuse_damaged()
        chunks.append((name, body))
        place += 8 + size + size % 2
    found = dict(chunks)
    if b"ANIM" in found or b"ANMF" in found:
        raise PictureRefused("The picture moves. Save it as a still one.")
    if (b"VP8 " in found) == (b"VP8L" in found):
        _refuse_damaged()
    width, height = _webp_size(found)
    kept = [(name, body) for name, body in chunks if name in (b"VP8X", b"ALPH", b"VP8 ", b"VP8L")]
    whole = b"".join(_webp_chunk(name, body) for name, body in kept)
    return Picture("webp", width, height, b"RIFF" + struct.pack("<I", len(whole) + 4) + b"WEBP" + whole)


def _webp_size(found: dict[bytes, bytes]) -> tuple[int, int]:
    if b"VP8 " in found:
        body = found[b"VP8 "]
        if body[3:6] != b"\x9d\x01\x2a":
            _refuse_damaged()
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    body = found[b"VP8L"]
    if body[0] != 0x2F:
        _refuse_damaged()
    (bits,) = struct.unpack_from("<I", body, 1)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _webp_chunk(name: bytes, body: bytes) -> bytes:
    if name == b"VP8X":  # of what it announces only transparency is left
        body = bytes([body[0] & 0x10]) + body[1:]
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _refuse_damaged() -> NoReturn:
    raise PictureRefused("The file is damaged: its parts do not fit together. Save it anew with a picture program.")
