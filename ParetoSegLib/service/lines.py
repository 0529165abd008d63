"""Lines out of a stream of bytes that arrives in any pieces and may be no text at all."""

from __future__ import annotations


class LineCutter:
    """Cuts a stream of bytes into lines without their ends, and never keeps more than a limit.

    A line that is too long is given cut to one byte more than the limit, so that the reader can
    tell; empty lines are left out.

    Args:
        limit: bytes of the longest line.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._begun = bytearray()

    def cut(self, piece: bytes) -> list[bytes]:
        """The lines that end within the next piece."""
        lines = []
        *ended, rest = piece.split(b"\n")
        for part in ended:
            self._add(part)
            line = bytes(self._begun).rstrip(b"\r")
            self._begun.clear()
            if line:
                lines.append(line)
        self._add(rest)
        return lines

    def _add(self, part: bytes) -> None:
        self._begun += part[: self._limit + 1 - len(self._begun)]
