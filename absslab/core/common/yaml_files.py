"""YAML files of plain data; nothing in them is executed."""

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from absslab.core.common.errors import InputError, Reason
from absslab.core.common.files import check_ends


def read_yaml(path: str | Path, expected: str) -> Any:
    """Read names, texts, numbers and lists from a YAML file, without running what it names.

    Args:
        path: the file.
        expected: what it is to hold, for messages.

    Raises:
        InputError: it can't be read, is no YAML of plain data, or has a name twice in one place.
    """
    check_ends(path, expected)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{{path}} can't be read ({{reason}}): expected {expected} in YAML",
            path=path,
            reason=Reason.of(error),
        ) from None
    try:
        return _read_text(text)
    except InputError as error:
        raise error.wrap("{path}: {error}", path=path) from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(
            "{path} is no YAML of plain names, texts, numbers and lists ({reason}): expected "
            f"{expected}",
            path=path,
            reason=_describe_in_one_line(error),
        ) from None


def _read_text(text: str) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _check_names(root)
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _check_names(root: yaml.Node) -> None:
    """Check that no mapping has a name twice: of these, YAML would silently use the last."""
    waiting = [root]
    seen = set()  # an alias is the same node as what it stands for
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            waiting += [value for _, value in node.value]
            names = Counter(
                name.value for name, _ in node.value if isinstance(name, yaml.ScalarNode)
            )
            for name, count in names.items():
                if count > 1 and name != "<<":
                    raise InputError(
                        f"{name} occurs {count} times in what begins in line "
                        f"{node.start_mark.line + 1}: expected once, since only the last would "
                        "count"
                    )


def _describe_in_one_line(error: Exception) -> Reason:
    """Return what YAML says, which takes several lines, in one."""
    reason = Reason.of(error)
    return Reason(" ".join(reason.text.split()), reason.kind)
