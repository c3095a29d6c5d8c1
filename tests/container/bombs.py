"""Mails and archives that are small, or valid, and more than a filter can bear. Pure: no I/O."""

from __future__ import annotations

import base64
import gzip
import io
import struct
import zipfile
import zlib

_MIB = 1 << 20
_ZEROS = bytes(_MIB)
# PPMd in a 7z that isn't compressed itself: the method's number, and five bytes of properties.
_PPMD = b"\x03\x04\x01\x05"


def flat_zip(mebibytes: int) -> bytes:
    """Return an archive of one file of zeros, a thousandth as large."""
    sink = io.BytesIO()
    with (
        zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("zeros", "w") as file,
    ):
        for _ in range(mebibytes):
            file.write(_ZEROS)
    return sink.getvalue()


def nested_zip(levels: int, copies: int, mebibytes: int) -> bytes:
    """Return archives in archives, `copies` in each, with a flat one at each end."""
    content = flat_zip(mebibytes)
    for _ in range(levels):
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(copies):
                archive.writestr(f"{number}.zip", content)
        content = sink.getvalue()
    return content


def crowded_zip(files: int) -> bytes:
    """Return an archive of so many empty files."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for number in range(files):
            archive.writestr(str(number), b"")
    return sink.getvalue()


def flat_gzip(mebibytes: int) -> bytes:
    """Return zeros as gzip has them."""
    sink = io.BytesIO()
    with gzip.GzipFile(fileobj=sink, mode="wb") as file:
        for _ in range(mebibytes):
            file.write(_ZEROS)
    return sink.getvalue()


def greedy_7z(archive: bytes) -> bytes:
    """Return a 7z by PPMd, with its header in clear, that asks for 3 GiB of memory to be opened.

    The format: DOC/7zFormat.txt of 7-Zip's sources.
    """
    changed = bytearray(archive)
    offset, size = struct.unpack_from("<QQ", changed, 12)
    header = 32 + offset
    memory = changed.index(_PPMD, header) + len(_PPMD) + 1
    struct.pack_into("<I", changed, memory, 3 << 30)
    struct.pack_into("<I", changed, 28, zlib.crc32(changed[header : header + size]))
    struct.pack_into("<I", changed, 8, zlib.crc32(changed[12:32]))
    return bytes(changed)


def attached(name: str, content: bytes) -> bytes:
    """Return the fields and the body of a mail with one file."""
    return b"\r\n".join(
        (
            b"MIME-Version: 1.0",
            b"Content-Type: application/octet-stream",
            b'Content-Disposition: attachment; filename="%s"' % name.encode("ascii"),
            b"Content-Transfer-Encoding: base64",
            b"",
            base64.encodebytes(content).replace(b"\n", b"\r\n"),
        )
    )


def parts(count: int) -> bytes:
    """Return a mail's fields and body with so many small files."""
    head = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    part = (
        b"--b\r\nContent-Type: application/octet-stream\r\n"
        b'Content-Disposition: attachment; filename="%d.bin"\r\n\r\nx\r\n'
    )
    return head + b"".join(part % number for number in range(count)) + b"--b--\r\n"


def multiparts(levels: int) -> bytes:
    """Return a mail's fields and body with parts in parts in …."""
    down = b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (level, level)
        for level in range(levels)
    )
    up = b"".join(b"--%d--\r\n" % level for level in reversed(range(levels)))
    return b"MIME-Version: 1.0\r\n" + down + b"\r\nbottom\r\n" + up


def forwards(levels: int) -> bytes:
    """Return a mail's fields and body with a mail in a mail in …."""
    return (
        b"MIME-Version: 1.0\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * levels + b"\r\nx\r\n"
    )
