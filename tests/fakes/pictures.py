"""Small pictures, made byte by byte: no library that draws is needed."""

import struct
import zlib

JPEG_HEAD = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int = 40, height: int = 20, *, notes: bytes = b"", rows: int | None = None) -> bytes:
    """A grey rectangle. `notes` stand in a chunk of text; `rows` are fewer or more than it says."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\x80" * width) * (height if rows is None else rows))
    text = png_chunk(b"tEXt", b"Comment\0" + notes) if notes else b""
    return (
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + text + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")
    )


def jpeg(width: int = 40, height: int = 20, *, notes: bytes = b"") -> bytes:
    """The parts of a JPEG; `notes` stand where a camera writes."""
    camera = b"\xff\xe1" + struct.pack(">H", len(notes) + 2) + notes if notes else b""
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + b"\x55" * 20
    return JPEG_HEAD + camera + frame + scan + b"\xff\xd9"


def webp(width: int = 40, height: int = 20, *, notes: bytes = b"") -> bytes:
    """The parts of a WebP without loss."""
    body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + b"\x55" * 11
    chunks = b"VP8L" + struct.pack("<I", len(body)) + body
    if notes:
        chunks += b"EXIF" + struct.pack("<I", len(notes)) + notes + b"\0" * (len(notes) % 2)
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks
