"""What a disk may hold after the power went, worked out from a record of file operations.

The pessimistic model of fsync(2): a name in a folder (made, moved, removed) is volatile until the folder is synced,
each on its own, and bytes are volatile until the file is synced. A crash may come after any operation; then every
choice of what was kept of the volatile is one legal state.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import PurePosixPath

MOST_CHOICES = 2000
"""States of one moment that are tried; more than these are drawn at random."""


@dataclass(eq=False)
class Node:
    """A file or a folder, whatever its names."""

    is_folder: bool = False
    written: int = 0  # writes made
    synced: int = 0  # writes that survive
    kept: dict[str, Node] = field(default_factory=dict)  # names that survive
    volatile: list[tuple[str, Node | None]] = field(default_factory=list)  # changes since: None takes a name away

    def now(self) -> dict[str, Node]:
        """The names as a running system sees them."""
        return _changed(self.kept, self.volatile)


def _changed(names: dict[str, Node], changes: list[tuple[str, Node | None]]) -> dict[str, Node]:
    found = dict(names)
    for name, node in changes:
        found.pop(name, None)
        if node is not None:
            found[name] = node
    return found


@dataclass(frozen=True)
class Choice:
    """What survived of one node: for a folder which changes (bits), for a file how many writes."""

    node: Node
    survived: int


class Disk:
    """The file system as the operations leave it. A path nobody made is taken as an old folder."""

    def __init__(self) -> None:
        self.root = Node(is_folder=True)
        self.nodes: list[Node] = [self.root]

    def find(self, path: str) -> Node:
        node = self.root
        for name in PurePosixPath(path).parts[1:]:
            if name not in node.now():
                node.kept[name] = self._new(is_folder=True)
            node = node.now()[name]
        return node

    def _new(self, *, is_folder: bool) -> Node:
        node = Node(is_folder=is_folder)
        self.nodes.append(node)
        return node

    def _name(self, path: str, node: Node | None) -> None:
        at = PurePosixPath(path)
        self.find(str(at.parent)).volatile.append((at.name, node))

    def do(self, kind: str, path: str, other: str = "") -> None:
        """Apply one recorded operation."""
        deeds = {
            "mkdir": lambda: self._name(path, self._new(is_folder=True)),
            "create": lambda: self._name(path, self._new(is_folder=False)),
            "write": lambda: self._write(path),
            "write-scratch": lambda: (self._name(path, self._new(is_folder=False)), self._write(path)),
            "sync": lambda: self._sync(self.find(path)),
            "sync-folder": lambda: self._sync(self.find(path)),
            "rename": lambda: self._rename(path, other),
            "link": lambda: self._name(other, self.find(path)),
            "unlink": lambda: self._remove(path),
            "remove-tree": lambda: self._remove(path),
        }
        if kind in deeds:
            deeds[kind]()

    def _write(self, path: str) -> None:
        self.find(path).written += 1

    def _sync(self, node: Node) -> None:
        node.synced = node.written
        node.kept, node.volatile = node.now(), []

    def _rename(self, source: str, target: str) -> None:
        node = self.find(source)
        self._name(source, None)
        self._name(target, node)

    def _remove(self, path: str) -> None:
        at = PurePosixPath(path)
        node = self.find(str(at.parent)).now().get(at.name)
        if node is None:  # moved or removed before
            return
        for name in list(node.now()):
            node.volatile.append((name, None))
        self._name(path, None)

    # --- the power goes ---

    def states(self, chance: random.Random) -> Iterator[dict[Node, int]]:
        """Legal states now: for each volatile node what survived of it; all others are as they are."""
        open_nodes = [node for node in self.nodes if node.volatile or node.written > node.synced]
        ranges = [range(1 << len(n.volatile)) if n.is_folder else range(n.synced, n.written + 1) for n in open_nodes]
        count = 1
        for choices in ranges:
            count *= len(choices)
        if count <= MOST_CHOICES:
            for survived in product(*ranges):
                yield dict(zip(open_nodes, survived, strict=True))
            return
        for _ in range(MOST_CHOICES):
            yield {node: chance.choice(choices) for node, choices in zip(open_nodes, ranges, strict=True)}


def names_after(node: Node, state: dict[Node, int]) -> dict[str, Node]:
    """The names in a folder after the crash."""
    bits = state.get(node, 0)
    return _changed(node.kept, [change for place, change in enumerate(node.volatile) if bits >> place & 1])


def after(disk: Disk, path: str, state: dict[Node, int]) -> Node | None:
    """What a path names after the crash."""
    node: Node | None = disk.root
    for name in PurePosixPath(path).parts[1:]:
        node = names_after(node, state).get(name) if node else None
    return node


def is_whole(node: Node | None, state: dict[Node, int]) -> bool:
    """Whether a file is there with all that was written to it."""
    return node is not None and state.get(node, node.synced) == node.written
