"""Messages that a page sends to its kernel: checked before anything else reads them.

Protocol v1 of jupyter_server: n (8 bytes, little-endian), then n offsets of 8 bytes each, then the
parts that these delimit: channel, header, parent header, metadata, content, buffers. The last
offset is the end of the message.
"""

import json
from typing import Any

SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"
MAX_MESSAGE_SIZE = 2 << 20  # bytes; a piece of an upload has 1 MiB
MAX_JSON_SIZE = 1 << 18  # bytes of all parts but the buffers
MAX_BUFFERS = 4
CHANNELS = ("shell", "control")
MESSAGE_TYPES = (
    "comm_open",
    "comm_close",
    "comm_msg",
    "comm_info_request",
    "kernel_info_request",
)
COMM_TARGET = "jupyter.widget.control"  # asks for the widgets; others are made by the kernel alone
_WORD = 8  # bytes of a number
_JSON_PARTS = ("header", "parent_header", "metadata", "content")


class MessageError(ValueError):
    """What is wrong with a message, in words; they repeat nothing that the message holds."""


def check_message(message: str | bytes) -> str:
    """Check a message from a page, and return its id.

    Args:
        message: as it came over the web socket.

    Raises:
        MessageError: it is not a message of protocol v1, is too large, or is of a type or for a
            channel that pages do not use.
    """
    if isinstance(message, str):
        raise MessageError("it is text: expected a binary message of protocol v1")
    parts = _split(message)
    channel = parts[0]
    if channel not in [name.encode() for name in CHANNELS]:
        raise MessageError(f"its channel is unknown: expected {' or '.join(CHANNELS)}")
    json_parts = parts[1 : 1 + len(_JSON_PARTS)]
    size = sum(map(len, json_parts))
    if size > MAX_JSON_SIZE:
        raise MessageError(f"its JSON has {size} bytes: expected at most {MAX_JSON_SIZE}")
    documents = {
        name: _read_json(name, part) for name, part in zip(_JSON_PARTS, json_parts, strict=True)
    }
    header = documents["header"]
    if header.get("msg_type") not in MESSAGE_TYPES:
        raise MessageError("its type is not one that pages send")
    is_opening = header["msg_type"] == "comm_open"
    if is_opening and documents["content"].get("target_name") != COMM_TARGET:
        raise MessageError("it opens a channel that pages do not open")
    if not isinstance(header.get("msg_id"), str) or not isinstance(header.get("session"), str):
        raise MessageError("its header lacks msg_id or session")
    return str(header["msg_id"])


def _split(message: bytes) -> list[bytes]:
    """Return the parts of a message: channel, four of JSON, buffers."""
    if len(message) > MAX_MESSAGE_SIZE:
        raise MessageError(f"it has {len(message)} bytes: expected at most {MAX_MESSAGE_SIZE}")
    n_offsets = int.from_bytes(message[:_WORD], "little")
    n_fewest = 1 + len(_JSON_PARTS) + 1  # the last offset is the end
    start = _WORD * (1 + n_offsets)
    if not n_fewest <= n_offsets <= n_fewest + MAX_BUFFERS or start > len(message):
        raise MessageError("its number of parts is not one of protocol v1")
    offsets = [
        int.from_bytes(message[begin : begin + _WORD], "little")
        for begin in range(_WORD, start, _WORD)
    ]
    if offsets[0] != start or offsets[-1] != len(message) or offsets != sorted(offsets):
        raise MessageError("its offsets do not delimit its parts")
    return [message[begin:end] for begin, end in zip(offsets[:-1], offsets[1:], strict=True)]


def _read_json(name: str, part: bytes) -> dict[str, Any]:
    try:
        document = json.loads(part)
    except (ValueError, RecursionError):
        raise MessageError(f"its {name} is not JSON") from None
    if not isinstance(document, dict):
        raise MessageError(f"its {name} is not a JSON object")
    return document
