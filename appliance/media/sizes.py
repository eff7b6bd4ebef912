"""How large a file-set becomes on its medium: exact arithmetic, before a byte is written.

For ISO 9660 (ECMA-119) with a Joliet or UDF 1.02 view beside it as pycdlib lays them out; tests hold it to the
image's size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from .file_id import FILES_PER_FOLDER, level_1_names

SECTOR = 2048
MAXIMUM_FILE = 0xFFFFFFFF  # one extent of ISO 9660, and FAT32
MAXIMUM_INSTANCES = FILES_PER_FOLDER**2  # on one volume: two folder levels
_CLUSTER = 32768  # of FAT32 on media up to 32 GB and more
_PATH_TABLE = 4096
_NAMES_OF_DICOM_FILES = 8


def sectors(size: int) -> int:
    """Whole sectors for `size` bytes."""
    return -(-size // SECTOR)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What decides the overhead of an image besides its instances."""

    form: str  # "iso", "folder" or "zip"
    joliet: bool = False
    udf: bool = False
    files: tuple[tuple[str, int], ...] = ()  # other files: path with "/" between components, size in bytes

    def size(self, count: int, instance_space: int, dicomdir_size: int) -> int:
        """Bytes of a volume with `count` instances that take `instance_space` (the sum of :meth:`space`)."""
        others = (*self.files, ("DICOMDIR", dicomdir_size))
        space = instance_space + sum(self.space(size) for _, size in others)
        if self.form == "iso":
            return space + SECTOR * (_fixed_sectors(self) + _tree_sectors(self, count))
        if self.form == "zip":
            names = sum(len(path.encode()) for path, _ in others) + count * len("DICOM/D0000000/I0000000")
            return space + 2 * names + 22 + (0 if len(others) + count < 0xFFFF else 76)
        return space

    def space(self, size: int) -> int:
        """Bytes one file takes, its own overhead with it."""
        if self.form == "iso":
            return SECTOR * sectors(size)
        if self.form == "zip":
            return size + 30 + 46
        return _CLUSTER * -(-size // _CLUSTER)


def _fixed_sectors(shape: Shape) -> int:
    """System area, descriptors, anchors: all but path tables, folders and files."""
    if shape.udf:
        return 257 + 2 + 1  # anchor in 256, file set descriptor and terminator, anchor in the last sector
    return 16 + 1 + 1 + 1 + (1 if shape.joliet else 0)  # system area, descriptor, terminator, version block


@lru_cache(maxsize=65536)
def _tree_sectors(shape: Shape, count: int) -> int:
    paths = [path for path, _ in shape.files]
    names = level_1_names(paths)
    full, rest = divmod(count, FILES_PER_FOLDER)
    total = full * _uniform(shape, FILES_PER_FOLDER) + (_uniform(shape, rest) if rest else 0)
    iso, long = _folders([names[path] for path in paths], count), _folders(paths, count)
    total += _view(iso, _iso_record) + _path_tables(iso, 1)
    if shape.joliet:
        total += _view(long, _joliet_record) + _path_tables(long, 2)
    if shape.udf:  # one sector for the entry of each file
        total += _udf_view(long) + count + len(paths) + 1
    return total


def _folders(paths: Iterable[str], count: int) -> dict[str, list[str]]:
    """Names in each folder, except the instances in theirs, which are left empty."""
    found: dict[str, list[str]] = {"": ["DICOMDIR"]}
    numbers = range(-(-count // FILES_PER_FOLDER))
    for path in (*paths, *(f"DICOM/D{number:07d}/" for number in numbers)):
        parent = ""
        *above, name = path.split("/")
        for part in above:
            inner = f"{parent}/{part}"
            if inner not in found:
                found[inner] = []
                found[parent].append(part + "/")
            parent = inner
        if name:
            found[parent].append(name)
    return {folder: sorted(names) for folder, names in found.items()}


def _view(folders: dict[str, list[str]], record: Callable[[str], int]) -> int:
    """Sectors of the folders given; those of instances count in :func:`_uniform`."""
    own = (names for path, names in folders.items() if not path.startswith("/DICOM/D"))
    return sum(_packed([record(name) for name in names]) for names in own)


def _udf_view(folders: dict[str, list[str]]) -> int:
    own = (names for path, names in folders.items() if not path.startswith("/DICOM/D"))
    return sum(1 + sectors(40 + sum(_udf_record(name) for name in names)) for names in own)


def _uniform(shape: Shape, count: int) -> int:
    """Sectors of one folder of `count` instances."""
    name = "I" * _NAMES_OF_DICOM_FILES
    total = _packed_alike(_iso_record(name), count)
    if shape.joliet:
        total += _packed_alike(_joliet_record(name), count)
    if shape.udf:
        total += 1 + sectors(40 + count * _udf_record(name))
    return total


def _iso_record(name: str) -> int:
    length = len(name) - 1 if name.endswith("/") else len(name) + (2 if "." in name else 3)  # "." and ";1"
    return 33 + length + (length + 1) % 2


def _joliet_record(name: str) -> int:
    length = 2 * len(name.rstrip("/"))
    return 33 + length + 1


def _udf_record(name: str) -> int:
    """A file identifier descriptor (ECMA-167 4/14.4): one byte a character, after one for their size."""
    return -(-(38 + 1 + len(name.rstrip("/"))) // 4) * 4


def _packed(lengths: list[int]) -> int:
    """Sectors of a folder: records never cross a sector."""
    used, count = 68, 1  # "." and ".."
    for length in lengths:
        if used + length > SECTOR:
            used, count = 0, count + 1
        used += length
    return count


def _packed_alike(length: int, count: int) -> int:
    first = (SECTOR - 68) // length
    return 1 if count <= first else 1 + -(-(count - first) // (SECTOR // length))


def _path_tables(folders: dict[str, list[str]], width: int) -> int:
    """Sectors of the two path tables of a view whose characters take `width` bytes."""
    names = [path.rsplit("/", 1)[1] for path in folders if path]
    size = 10 + sum(8 + (length := len(name) * width) + length % 2 for name in names)
    return 4 * max(1, -(-size // _PATH_TABLE))
