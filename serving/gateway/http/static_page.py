"""The page at `/` and the files that it loads, all from the folder `page`: plain modules, nothing from elsewhere."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from crosswire.serving.gateway.errors import WireError

_FOLDER = Path(__file__).resolve().parents[1] / "page"
_INDEX = "index.html"
_TYPES = {".js": "text/javascript", ".svg": "image/svg+xml", ".json": "application/json", ".md": "text/markdown"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob:; media-src blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class StaticPage:
    """Answers from memory: all files are read once, so no request can name another one.

    Attributes:
        files: content by path below the folder.
    """

    def __init__(self, folder: Path = _FOLDER) -> None:
        """Read the files."""
        self.files = {
            path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }
        self._marks = {name: f'"{hashlib.sha256(data).hexdigest()[:16]}"' for name, data in self.files.items()}

    async def index(self, request: Request) -> Response:
        """The page."""
        return self._answer(request, _INDEX)

    async def file(self, request: Request) -> Response:
        """A file of the page."""
        name = request.path_params["name"]
        if name not in self.files:
            raise WireError(404, f"the page has no file {name[:80]!r}; it begins at /")
        return self._answer(request, name)

    def _answer(self, request: Request, name: str) -> Response:
        """Return a file, or only that it did not change."""
        headers = {
            "ETag": self._marks[name],
            "Cache-Control": "no-cache",
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
        }
        if request.headers.get("if-none-match") == self._marks[name]:
            return Response(status_code=304, headers=headers)
        kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(self.files[name], media_type=kind, headers=headers)
