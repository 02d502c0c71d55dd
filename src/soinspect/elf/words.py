"""Tables of integers as arrays: a field of all records is then a slice with a stride, and no loop runs in Python."""

from __future__ import annotations

import sys
from array import array
from typing import Literal


def words(code: Literal["H", "I", "Q"], data: bytes | memoryview, byteorder: Literal["little", "big"]) -> array[int]:
    """``data``, of whole words, as an array of unsigned words of 2, 4 or 8 bytes."""
    column = array(code)
    column.frombytes(data)
    if byteorder != sys.byteorder:
        column.byteswap()
    return column
