"""Folders for the calibration on photographs: every fifth training picture goes to `fresh`. Usage:
photographs.py DATA OUT.
"""

import os
import sys
from pathlib import Path

EVERY = 5


def main(data: str, out: str) -> int:
    """Links DATA/train/CLASS/* and DATA/val/CLASS/* into OUT/train, OUT/fresh and OUT/val."""
    for split in ("train", "val"):
        for folder in sorted(each for each in (Path(data) / split).iterdir() if each.is_dir()):
            for at, picture in enumerate(sorted(folder.iterdir())):
                kept = "fresh" if split == "train" and at % EVERY == 0 else split
                link = Path(out) / kept / folder.name / picture.name
                link.parent.mkdir(parents=True, exist_ok=True)
                if not link.is_symlink():
                    os.symlink(picture.resolve(), link)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
