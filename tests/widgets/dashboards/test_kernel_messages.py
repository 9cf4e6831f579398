"""Messages of pages are checked before anything parses them."""

import json

import numpy as np
import pytest

from absslab.widgets.dashboards.kernel_messages import (
    MAX_BUFFERS,
    MAX_MESSAGE_SIZE,
    MessageError,
    check_message,
)

HEADER = {"msg_id": "1", "msg_type": "comm_msg", "session": "s", "username": "", "version": "5.3"}


def message(header=HEADER, content=None, buffers=(), channel=b"shell", parts=None):
    """A message of protocol v1."""
    if parts is None:
        documents = (header, {}, {}, {"comm_id": "c", "data": {}} if content is None else content)
        parts = [channel, *(json.dumps(document).encode() for document in documents), *buffers]
    offsets = [8 * (2 + len(parts))]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    numbers = [len(offsets), *offsets]
    return b"".join([*(number.to_bytes(8, "little") for number in numbers), *parts])


@pytest.mark.parametrize(
    "good",
    [
        message(),
        message(channel=b"control"),
        message(buffers=[bytes(1 << 20)]),
        message(buffers=[b""] * MAX_BUFFERS),
        message({"msg_id": "1", "msg_type": "kernel_info_request", "session": "s"}, {}),
    ],
)
def test_messages_of_pages_pass(good):
    check_message(good)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("text", "it is text"),
        (b"", "number of parts"),
        (b"\xff" * 8, "number of parts"),
        ((6).to_bytes(8, "little"), "number of parts"),
        (message(buffers=[b""] * (MAX_BUFFERS + 1)), "number of parts"),
        (message()[:-1], "offsets do not delimit"),
        (message() + b" ", "offsets do not delimit"),
        (bytes(MAX_MESSAGE_SIZE + 1), "bytes: expected at most"),
        (message(channel=b"iopub"), "its channel is unknown"),
        (message(channel=b"\xff"), "its channel is unknown"),
        (message(content={"data": "x" * 300_000}), "its JSON has"),
        (message({"msg_id": "1", "msg_type": "execute_request", "session": "s"}), "its type"),
        (message({"msg_id": "1", "msg_type": ["comm_msg"], "session": "s"}), "its type"),
        (message({"msg_type": "comm_msg", "session": "s"}), "lacks msg_id"),
        (
            message(
                {"msg_id": "1", "msg_type": "comm_open", "session": "s"},
                {"comm_id": "c", "target_name": "jupyter.widget", "data": {}},
            ),
            "opens a channel",
        ),
        (message([]), "its header is not a JSON object"),
        (message(content=[1]), "its content is not a JSON object"),
        (message(parts=[b"shell", b"{", b"{}", b"{}", b"{}"]), "its header is not JSON"),
        (message(parts=[b"shell", b"\xff", b"{}", b"{}", b"{}"]), "its header is not JSON"),
        (
            message(parts=[b"shell", json.dumps(HEADER).encode(), b"{}", b"{}", b"[" * 200_000]),
            "its content is not JSON",
        ),
    ],
)
def test_other_messages_are_refused_with_a_reason(bad, reason):
    with pytest.raises(MessageError, match=reason):
        check_message(bad)


def test_any_change_of_a_message_passes_or_is_refused():
    rng = np.random.default_rng(0)
    original = message(buffers=[b"sound"])
    n_refused = 0
    for _ in range(2000):
        changed = bytearray(original)
        for position in rng.integers(len(changed), size=rng.integers(1, 5)):
            changed[position] = rng.integers(256)
        try:
            check_message(bytes(changed[: rng.integers(len(changed) + 1)]))
        except MessageError:
            n_refused += 1
    assert n_refused > 1500
