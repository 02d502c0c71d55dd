"""The process that loads foreign code: standard library only, nothing of soinspect outside of this folder.

It is started by path (``python -I -S -E .../worker/__main__.py``), so its modules import each other
relatively and avoid everything that makes Python's start slower: json, typing, dataclasses, enum, re.
"""
