"""What the owner of a model is told, in the folder itself."""

from __future__ import annotations

import json
from collections.abc import Sequence

TEXT = """\
The pictures in this folder are to be answered by a model, all of them, each alone. They are scaled
and cropped already: only normalise them as the model does.
Run these lines in this folder, with your model in place of the function, and send back the file
that they write. Whoever sends it answers for it that these are the model's own answers.

import csv
import numpy as np
from PIL import Image

CLASSES = {classes}  # in the order of your model's outputs


def logits(picture):  # (h, w, 3) uint8, red first -> one number for each class, before any softmax
    raise NotImplementedError("your model")


with open("pictures.csv", newline="", encoding="utf-8") as index:
    files = sorted({{row["file"] for row in csv.DictReader(index)}})
answers = [logits(np.asarray(Image.open(file))) for file in files]
np.savez("my-model.npz", files=files, logits=np.array(answers, np.float32), classes=CLASSES)
"""


def read_me(classes: Sequence[str]) -> str:
    """The text, which ends in lines of Python that answer every picture and write the file."""
    return TEXT.format(classes=json.dumps(list(classes), ensure_ascii=False))
