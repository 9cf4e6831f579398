"""Names of classes: which names are the same class, and under which names files keep them.

Blanks around a name and its Unicode form do not matter: `normalise` removes both differences. Case
matters, but names that differ by case alone are refused, since many disks can't tell them apart.

Any name can be that of a class, such as AudioSet's `Male speech, man speaking` or `Gush/Hiss`. Its
files are called `file_stem(name)`, where characters that a file name can't have on every system are
written as in web addresses: `Gush%2FHiss.wav`. `class_of_stem` reads this. The background of a
mixture is in the file `background.flac`, and a class of this name in `%62ackground.flac`.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from absslab.core.common.delimited_text import strip_blanks
from absslab.core.common.errors import InputError, escape_braces
from absslab.core.common.tables import is_missing

# Not allowed as class names: folders and tables use these names beside those of classes.
RESERVED = ("mixture", "residual", "remix", "filename")
BACKGROUND_STEM = "background"  # of the file with what belongs to no class
_COLUMNS = ("filename", "split", "origin")  # of tables with a column per class
_N_LISTED = 40  # classes that one line names
_LONGEST = 150  # bytes of a file name without its suffix; systems allow 255 with it
_NOT_IN_FILES = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]|%(?=[0-9A-Fa-f]{2})|^[-. ]|[. ]$')
_ENCODED = re.compile(r"(?:%[0-9A-F]{2})+")
# What people write for a recording without a label, besides what means that a cell is empty.
_NO_LABEL = frozenset(
    {
        "nil",
        "nothing",
        "no label",
        "no labels",
        "no_label",
        "no event",
        "no events",
        "no_event",
        "unlabelled",
        "unlabeled",
    }
)
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # of Windows


def normalise(name: str) -> str:
    """Return a name without blanks around it, in the Unicode form NFC.

    >>> normalise(" cafe\u0301 ") == "caf\u00e9"
    True
    """
    return unicodedata.normalize("NFC", strip_blanks(name))


def means_no_label(name: str) -> bool:
    """Tell whether a name says that there is no label: nothing, a word for it, or marks alone.

    >>> [means_no_label(name) for name in ("", "NaN", "none", "-", "--", "?", "No label", "dog")]
    [True, True, True, True, True, True, True, False]
    """
    if is_missing(name) or name.casefold() in _NO_LABEL:
        return True
    return all(unicodedata.category(character)[0] in "PZ" for character in name)


def list_classes(names: Sequence[str]) -> str:
    """Return a line that counts classes and names them, at most forty.

    >>> list_classes(["bell", "dog"])
    '2 classes: bell, dog'
    """
    more = f" and {len(names) - _N_LISTED} more" if len(names) > _N_LISTED else ""
    classes = "1 class" if len(names) == 1 else f"{len(names)} classes"
    return f"{classes}: {', '.join(names[:_N_LISTED])}{more}"


def file_stem(name: str) -> str:
    """Return the name, without suffix, of the files of a class.

    >>> file_stem("speech"), file_stem("Gush/Hiss"), file_stem("-12 dB"), file_stem("background")
    ('speech', 'Gush%2FHiss', '%2D12 dB', '%62ackground')
    """
    stem = _NOT_IN_FILES.sub(lambda match: _encode(match[0]), name)
    is_taken = stem.casefold() in (*RESERVED, BACKGROUND_STEM) and stem not in RESERVED
    if _DEVICES.match(stem) or is_taken:
        return _encode(stem[0]) + stem[1:]
    return stem


def class_of_stem(stem: str) -> str:
    """Return the class whose files have this name; see `file_stem`.

    >>> class_of_stem("Gush%2FHiss"), class_of_stem("100% wool")
    ('Gush/Hiss', '100% wool')
    """
    return unicodedata.normalize("NFC", _ENCODED.sub(_decode, stem))


def _encode(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _decode(match: re.Match[str]) -> str:
    content = bytes.fromhex(match[0].replace("%", ""))
    return content.decode(errors="replace")


def check_class_name(name: str, place: str | Path) -> None:
    """Check that a name can be that of a class.

    Args:
        name: the name, normalised.
        place: the file that the name comes from.

    Raises:
        InputError: the name can't be used.
    """
    is_plain = name and name == strip_blanks(name) and not name.startswith(".")
    if not is_plain or re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", name):
        raise InputError(
            f"{{place}}: {escape_braces(name)!r} can't be a class: "
            "expected a name in UTF-8 without leading dots, tabs, line breaks and blanks around it",
            place=place,
        )
    if name in RESERVED:
        raise InputError(
            f"{{place}}: a class can't be called {name!r}, which ABSSLab uses itself; rename it",
            place=place,
        )
    n_bytes = len(file_stem(name).encode(errors="surrogateescape"))
    if n_bytes > _LONGEST:
        raise InputError(
            f"{{place}}: the class {escape_braces(name[:40])}… is too long for the name of a file "
            f"({n_bytes} bytes, expected at most {_LONGEST}); rename it",
            place=place,
        )


def check_class_names(names: Iterable[str], place: str | Path) -> None:
    """Check names of classes, each and together.

    Args:
        names: the names, normalised.
        place: the file or folder that they come from.

    Raises:
        InputError: a name can't be used, or two differ by case alone.
    """
    by_folded: dict[str, str] = {}
    for name in names:
        check_class_name(name, place)
        if means_no_label(name):
            raise InputError(
                f"{{place}}: a class can't be called {name!r}, which means that there is no "
                "label; rename it",
                place=place,
            )
        if name.casefold() in _COLUMNS:
            raise InputError(
                f"{{place}}: a class can't be called {name!r}, which is a column of tables of "
                "labels; rename it",
                place=place,
            )
        other = by_folded.setdefault(name.casefold(), name)
        if other != name:
            raise InputError(
                f"{{place}}: the classes {escape_braces(repr(other))} and "
                f"{escape_braces(repr(name))} differ by case alone: expected one spelling; "
                "write both alike, or give one of them another name",
                place=place,
            )
