"""Import the standard library's own pathlib.

Some packages still require the one of Python 2's time. It can't be imported any more, and hides the
standard library's where site-packages come first, as with PYTHONPATH.
"""

import importlib
import sys
import sysconfig

_FOLDER = sysconfig.get_path("stdlib")

if "pathlib" not in sys.modules:
    sys.path.insert(0, _FOLDER)
    try:
        importlib.import_module("pathlib")
    finally:
        sys.path.remove(_FOLDER)
