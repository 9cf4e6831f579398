"""A server on loopback that serves a folder, and stalls, fails or cuts as it is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Faults:
    """What goes wrong: each fault happens once and is then taken from its list.

    Args:
        folder: what is served.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.stalls: list[int] = []  # numbers of bytes after which an answer waits
        self.ends: list[int] = []  # numbers of bytes after which the connection ends
        self.statuses: list[int] = []  # answers instead of a file
        self.has_ranges = True
        self.versions: list[str] = []  # ETags of the answers; the last one stays
        self.shift = 0  # bytes by which parts begin elsewhere than was asked
        self.requests: list[tuple[str, str]] = []  # path and range of each
        self.is_over = threading.Event()


@contextmanager
def serve_folder(folder: Path) -> Iterator[tuple[str, Faults]]:
    """Serve a folder; yield its URL and what goes wrong."""
    faults = Faults(folder)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            asked = self.headers.get("Range", "")
            faults.requests.append((path, asked))
            if faults.statuses:
                self.send_error(faults.statuses.pop(0))
                return
            file = faults.folder / path.strip("/")
            if not file.is_file():
                self.send_error(404)
                return
            content = file.read_bytes()
            start = 0
            version = faults.versions[0] if faults.versions else ""
            if len(faults.versions) > 1:
                faults.versions.pop(0)
            is_same = self.headers.get("If-Range", version) == version
            if asked and faults.has_ranges and is_same:
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                start += faults.shift
                self.send_response(206)
                last = len(content) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
            else:
                self.send_response(200)
            if version:
                self.send_header("ETag", version)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self._send(content[start:])

        def _send(self, content: bytes) -> None:
            is_shard = self.path.partition("?")[0].endswith(".tar")
            for faulty, waits in ((faults.stalls, True), (faults.ends, False)):
                if faulty and is_shard:
                    self.wfile.write(content[: faulty.pop(0)])
                    self.wfile.flush()
                    if waits:
                        faults.is_over.wait(60)
                    self.close_connection = True
                    return
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", faults
    finally:
        faults.is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()
