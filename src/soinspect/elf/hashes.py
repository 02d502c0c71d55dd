"""The number of dynamic symbols, from the hash tables.

DT_SYMTAB has no length of its own. DT_HASH counts its chains (System V gABI, "Hash Table"); DT_GNU_HASH must be
walked to the end of its last chain (format: https://sourceware.org/legacy-ml/binutils/2006-10/msg00377.html).
"""

from __future__ import annotations

from struct import Struct

from soinspect.elf.dynamic import DynamicSection
from soinspect.elf.image import Image
from soinspect.model.constants import DynamicTag, Machine

_CHUNK = 4096


def symbol_count(image: Image, dynamic: DynamicSection) -> int | None:
    """How many dynamic symbols the hash tables prove, the null symbol included; None without a usable table.

    An empty DT_GNU_HASH proves only the null symbol, since undefined symbols are not hashed.
    """
    address = dynamic.get(DynamicTag.HASH)
    if address is not None:
        # The table's words have 32 bits, but for the two machines whose supplement says 64.
        wide = image.header.machine in (Machine.ALPHA, Machine.S390) and image.header.word_size == 8
        word = image.layout.word if wide else image.layout.long
        if image.available(address) >= 2 * word.size:
            (count,) = word.unpack(image.read(address + word.size, word.size))
            return int(count)
    address = dynamic.get(DynamicTag.GNU_HASH)
    if address is not None and image.available(address) >= 16:
        return _walk_gnu_hash(image, address)
    return None


def _walk_gnu_hash(image: Image, address: int) -> int | None:
    long = image.layout.long
    order = "<" if image.header.byteorder == "little" else ">"
    bucket_count, first_hashed, bloom_words, _shift = Struct(order + "4I").unpack(image.read(address, 16))
    buckets_at = address + 16 + bloom_words * image.header.word_size
    chains_at = buckets_at + bucket_count * long.size
    if image.available(buckets_at) < bucket_count * long.size:
        image.remark("DT_GNU_HASH", f"{bucket_count} buckets would end outside of the file's loaded segments")
        return None
    buckets = Struct(f"{order}{bucket_count}I").unpack(image.read(buckets_at, bucket_count * long.size))
    last = max(buckets, default=0)
    if not last or last < first_hashed:  # all buckets are empty
        return int(first_hashed)
    position = chains_at + (last - first_hashed) * long.size
    while True:
        chunk = min(_CHUNK, image.available(position))
        chunk -= chunk % long.size
        if not chunk:
            image.remark("DT_GNU_HASH", "the last chain has no end inside of the file")
            return None
        for (value,) in long.iter_unpack(image.read(position, chunk)):
            last += 1
            if value & 1:  # the end of a chain
                return int(last)
        position += chunk
