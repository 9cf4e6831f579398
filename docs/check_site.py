"""Check that the built manual loads nothing from other servers, and that its files exist.

python docs/check_site.py site
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADING = {  # tag → attributes whose address the browser fetches by itself
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
NOT_LOADED = {"canonical", "next", "prev", "alternate", "edit", "license"}  # kinds of <link>
STYLE_ADDRESS = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


class Loaded(HTMLParser):
    """Collects the addresses that a page loads, and those of its styles."""

    def __init__(self) -> None:
        """Begin with no address."""
        super().__init__()
        self.addresses: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the addresses of a tag."""
        given = {name: value or "" for name, value in attrs}
        self._in_style = tag == "style"
        if tag == "link" and set(given.get("rel", "").split()) & NOT_LOADED:
            return
        for name in LOADING.get(tag, ()):
            addresses = given.get(name, "").split(",") if name == "srcset" else [given.get(name)]
            self.addresses += [address.split()[0] for address in addresses if address]
        self.addresses += style_addresses(given.get("style", ""))

    def handle_data(self, data: str) -> None:
        """Collect the addresses of a style sheet in the page."""
        if self._in_style:
            self.addresses += style_addresses(data)


def style_addresses(text: str) -> list[str]:
    """List the addresses that a style sheet loads."""
    return [first or second for first, second in STYLE_ADDRESS.findall(text)]


def problems(site: Path) -> Iterator[str]:
    """Yield a line for each address that is on another server or does not exist.

    Args:
        site: the folder that Zensical wrote.
    """
    for path in sorted([*site.rglob("*.html"), *site.rglob("*.css")]):
        text = path.read_text()
        if path.suffix == ".css":
            addresses = style_addresses(text)
        else:
            page = Loaded()
            page.feed(text)
            addresses = page.addresses
        for address in addresses:
            parts = urlsplit(address)
            if parts.scheme == "data" or not (parts.netloc or parts.path):
                continue
            if parts.scheme or parts.netloc:
                yield f"{path.relative_to(site)} loads {address}: expected a file of the manual"
                continue
            top = site if parts.path.startswith("/") else path.parent
            if not (top / unquote(parts.path).lstrip("/")).exists():
                yield f"{path.relative_to(site)} loads {address}, which does not exist"


def main() -> int:
    """Print the problems; the exit status is 1 if there are any."""
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "site")
    if not (site / "index.html").is_file():
        print(f"{site} holds no index.html: build the manual first, with make docs")
        return 1
    found = list(problems(site))
    print("\n".join(found) or f"{site} loads nothing from elsewhere")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
