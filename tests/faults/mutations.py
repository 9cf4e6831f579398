"""Damage bytes, texts and JSON at random."""

import json
import math
from typing import Any

import numpy as np

ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    "",
    "x",
    "../../x",
    "\u0000",
    "é" * 300,
    [],
    {},
    [[]],
    0,
    -1,
    1,
    2**31 - 1,
    2**63,
    10**400,
    0.5,
    -0.0,
    1e-320,
    1e308,
    math.nan,
    math.inf,
)
_INSERTIONS = (
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b";",
    b",,",
    b"\t",
    b'"',
    b"\r\n",
    b"\n\n",
    b"NaN",
    b"-1",
    b"1e999",
    b"../",
    b"A" * 10_000,
)


_damage = True


def keep_whole() -> None:
    """Let all functions of this module return what they get, to see that inputs are used at all."""
    global _damage
    _damage = False


def is_damaging() -> bool:
    """Whether inputs are damaged."""
    return _damage


def damage_bytes(content: bytes, generator: np.random.Generator) -> bytes:
    """Change, cut, repeat or insert bytes, once to eight times."""
    if not _damage:
        return content
    data = bytearray(content)
    for _ in range(int(generator.integers(1, 9))):
        at = int(generator.integers(0, len(data) + 1))
        length = int(generator.integers(1, 1 + max(1, len(data) // 4)))
        match int(generator.integers(0, 7)):
            case 0:  # other values, most of them in the header
                at = int(at * generator.random() ** 3)
                data[at : at + 4] = generator.bytes(len(data[at : at + 4]))
            case 1:
                data[at : at + 1] = bytes([int(generator.choice([0, 1, 127, 128, 255]))])
            case 2:
                del data[at:]
            case 3:
                del data[at : at + length]
            case 4:
                data[at:at] = data[at : at + length]
            case 5:
                data[at:at] = _INSERTIONS[int(generator.integers(len(_INSERTIONS)))]
            case 6:
                data += generator.bytes(min(length, 100))
    return bytes(data)


def damage_table(content: str, generator: np.random.Generator) -> bytes:
    """Change cells, columns, lines, separators, ends of lines or the encoding of a table."""
    if not _damage:
        return content.encode()
    lines = [line.split("\t" if "\t" in content else ",") for line in content.splitlines()]
    separator = "\t" if "\t" in content else ","
    ending = "\n"
    encoding = "utf-8"
    for _ in range(int(generator.integers(1, 4))):
        row = int(generator.integers(len(lines)))
        column = int(generator.integers(len(lines[row]) or 1))
        match int(generator.integers(0, 12)):
            case 0:
                value = ODD_VALUES[int(generator.integers(len(ODD_VALUES)))]
                lines[row][column : column + 1] = [str(value)]
            case 1:
                lines.insert(row, list(lines[row]))
            case 2 if len(lines) > 1:
                del lines[row]
            case 3:
                for line in lines:
                    del line[column : column + 1]
            case 4:
                for line in lines:
                    line.insert(0, "")
            case 5:
                separator = str(generator.choice([",", ";", "\t", "|", " "]))
            case 6:
                ending = str(generator.choice(["\r\n", "\r", "\n\n", " \n"]))
            case 7:
                encoding = str(generator.choice(["utf-8-sig", "utf-16", "utf-16-le", "utf-32"]))
            case 8:
                lines[row] = [f'"{cell}"' for cell in lines[row]]
            case 9:
                lines[row][column : column + 1] = ['"a, b\n' + "x" * 10_000]
            case 10:
                lines = [[cell.upper() for cell in line] for line in lines]
            case _:
                lines[row] = lines[row] * 2
    text = "".join(separator.join(line) + ending for line in lines)
    data = text.encode(encoding, errors="replace")
    return damage_bytes(data, generator) if generator.random() < 0.3 else data


def damage_tree(value: Any, generator: np.random.Generator, *, odd: Any = ODD_VALUES) -> Any:
    """Return a copy of a JSON tree in which some nodes have odd values, or are missing."""
    if not _damage:
        return value
    if isinstance(value, dict) and value and generator.random() < 0.9:
        copy = dict(value)
        key = list(copy)[int(generator.integers(len(copy)))]
        if generator.random() < 0.15:
            del copy[key]
        else:
            copy[key] = damage_tree(copy[key], generator, odd=odd)
        return copy
    if isinstance(value, list) and value and generator.random() < 0.9:
        items = list(value)
        at = int(generator.integers(len(items)))
        items[at] = damage_tree(items[at], generator, odd=odd)
        return items
    return odd[int(generator.integers(len(odd)))]


def damage_json(content: str, generator: np.random.Generator) -> bytes:
    """Damage a JSON document, or a file with one per line, in its tree or in its bytes."""
    if not _damage:
        return content.encode()
    if generator.random() < 0.25:
        return damage_bytes(content.encode(), generator)
    try:
        documents = [json.loads(content)]
    except json.JSONDecodeError:
        documents = [json.loads(line) for line in content.splitlines()]
    at = int(generator.integers(len(documents)))
    for _ in range(int(generator.integers(1, 4))):
        documents[at] = damage_tree(documents[at], generator)
    # Python writes NaN, Infinity and numbers of any length, as other programs do.
    return "".join(json.dumps(document) + "\n" for document in documents).encode()
