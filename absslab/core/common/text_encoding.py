"""Read the text of a table in any common encoding, and name files that hold no text."""

from pathlib import Path

from absslab.core.common.errors import InputError, Reason
from absslab.core.common.files import check_ends

_OTHER_FILES = {  # beginnings of files that are no text
    b"PK\x03\x04": "a workbook of Excel or LibreOffice, or a zip file: save it as CSV (UTF-8)",
    b"\xd0\xcf\x11\xe0": "an old workbook of Excel: save it as CSV (UTF-8)",
    b"\x1f\x8b": "a gzip file: unpack it",
    b"PAR1": "a Parquet file: save it as CSV",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself: run git lfs pull",
    b"<!DOCTYPE": "an HTML page: download the file itself",
    b"<html": "an HTML page: download the file itself",
}
_UTF_BY_MARK = {  # byte order marks; those of UTF-32 begin as that of UTF-16 does
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


def read_text(path: str | Path) -> str:
    """Read the text of a table, whatever its encoding; lines end in a line feed.

    Raises:
        InputError: the file is missing, or is no text; the message says what it is instead.
    """
    path = Path(path)
    check_ends(path, "a table")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError("{path} does not exist", path=path) from None
    except OSError as error:
        raise InputError(
            "{path} can't be read as a table ({reason})", path=path, reason=Reason.of(error)
        ) from None
    for beginning, kind in _OTHER_FILES.items():
        if content.lstrip()[:40].lower().startswith(beginning.lower()):
            raise InputError(f"{{path}} can't be read as a table: it is {kind}", path=path)
    encoding = _find_encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(
            f"{{path}} can't be read as a table: line {line} is not {encoding.upper()}; "
            "save it in UTF-8 (in Excel: “CSV UTF-8”)",
            path=path,
        ) from None
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(
            f"{{path}} can't be read as a table: line {line} holds NUL bytes, so the file is "
            "damaged or no text; write it again",
            path=path,
        )
    return text


def _find_encoding(content: bytes) -> str:
    """Find the encoding by the byte order mark, or by where the zeros of UTF-16 are."""
    for mark, encoding in _UTF_BY_MARK.items():
        if content.startswith(mark):
            return encoding
    beginning = content[:2000]
    n_even = beginning[0::2].count(0)
    n_odd = beginning[1::2].count(0)
    # Most characters of a table are Latin: one of their two bytes is 0.
    enough = max(1, len(beginning) // 4)
    if n_odd >= enough and n_even < n_odd / 4:
        return "utf-16-le"
    if n_even >= enough and n_odd < n_even / 4:
        return "utf-16-be"
    return "utf-8"
