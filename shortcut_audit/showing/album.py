"""Pictures -> WebP files, each content once, and no more of them than a page can hold."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from shortcut_audit.files.whole import replacing
from shortcut_audit.showing.exhibits_file import OURS, PICTURES, named_by

MOST = 6_200_000  # bytes of WebP; a page carries them as base64, which is a third longer
QUALITY = 82  # of 100: a stop sign of 16 pixels can still be read


class Album:
    """The pictures of a report, in memory until they are written.

    `contents`: file -> bytes. `spent`: bytes over all that were added, each as often as it was: a
    page that carries its pictures carries one that two models share twice.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most, self.spent = most, 0
        self.contents: dict[str, bytes] = {}

    @property
    def full(self) -> bool:
        """Whether there is room for no more."""
        return self.spent >= self.most

    def add(self, image: Image.Image) -> str:
        """Takes a picture and returns its file as a report names it, `pictures/3f2a….webp`.

        Law: the same pixels have the same name and bytes.
        """
        content = encoded(image)
        file = named_by(content)
        self.contents[file] = content
        self.spent += len(content)
        return file

    def write(self, reports: Path) -> None:
        """Writes what is not there yet, and removes pictures of ours that nothing shows any more.

        Raises:
            OSError: a picture cannot be written; none is removed then.
        """
        for file, content in self.contents.items():
            path = reports / file
            if not path.is_file() or path.read_bytes() != content:
                with replacing(path) as unfinished:
                    unfinished.write_bytes(content)
        for path in (reports / PICTURES).glob("*.webp"):
            file = f"{PICTURES}/{path.name}"
            if OURS.fullmatch(file) and file not in self.contents:
                path.unlink(missing_ok=True)


def encoded(image: Image.Image) -> bytes:
    """WebP, the same bytes for the same pixels."""
    content = io.BytesIO()
    image.save(content, "WEBP", quality=QUALITY, method=4)
    return content.getvalue()
