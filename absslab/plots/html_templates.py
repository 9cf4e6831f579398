"""HTML templates: Jinja files in the folder `templates` of a package, which escape all values."""

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def render_template(package: str, name: str, **values: Any) -> str:
    """Render a template as HTML.

    Args:
        package: the package with the file in its folder `templates`.
        name: name of the file.
        values: values of its variables; they are escaped unless the template marks them as HTML.
    """
    return _open_templates(package).get_template(name).render(values)


def render_macro(package: str, name: str, macro: str, *values: Any) -> str:
    """Render a macro of a template as HTML.

    Args:
        package: the package with the file in its folder `templates`.
        name: name of the file.
        macro: its name in the file.
        values: its arguments; they are escaped unless the macro marks them as HTML.
    """
    module: Any = _open_templates(package).get_template(name).module
    return str(getattr(module, macro)(*values))


@functools.cache
def _open_templates(package: str) -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(loader=PackageLoader(package), autoescape=True, undefined=StrictUndefined)
