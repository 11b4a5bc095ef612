"""Tables as their users have them: the right pictures, classes, groups and attributes, or one
sentence.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_tables import celeba, chexpert, isic, nih, picture, table, waterbirds
from PIL import Image

from shortcut_audit import DataError, Pictures, UsageError, registry
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.scenario import Scenario, load_scenario
from shortcut_audit.subjects.pictures.material import Material

HEAD = ("path", "label", "split", "patient", "token")


def opened(file: Path | None = None, **options: Any) -> Any:
    """The data set, as a scenario builds it."""
    return registry.build("dataset", "table", {"file": str(file), **options} if file else options)


def rows(count: int = 8) -> list[tuple[Any, ...]]:
    """Rows of HEAD: two pictures a patient, cats and dogs, a token on every third."""
    made: list[tuple[Any, ...]] = []
    for i in range(count):
        split = "val" if i // 2 % 2 else "train"
        made.append((f"a/{i}.png", ("cat", "dog")[i % 2], split, f"p{i // 2}", int(i % 3 == 0)))
    return made


def written(root: Path, made: list[tuple[Any, ...]], head: tuple[str, ...] = HEAD) -> Path:
    for row in made:
        if not (root / str(row[0])).exists():
            picture(root / str(row[0]))
    return table(root / "table.csv", [head, *made])


def told(pictures: Pictures, split: str = "validation") -> str:
    """What is said of what is left out, as one text."""
    return "\n".join(pictures.broken)


def test_waterbirds(tmp_path: Path) -> None:
    file = waterbirds(tmp_path)
    birds = opened(
        file, class_names=["landbird", "waterbird"], attributes={"water": {"column": "place", "value": 1}}
    )  # fmt: skip
    found = birds.load("validation", 16)
    assert found.classes == ("landbird", "waterbird")
    numbers = [int(name[-6:-4].strip("_")) for name in found.ids]
    assert [each % 3 for each in numbers] == [1] * 8, "the split that the table calls 1"
    assert found.labels.tolist() == [each % 2 for each in numbers]
    assert found.attributes["water"].tolist() == [each < 8 for each in numbers]
    assert birds.class_counts("validation") == {"landbird": 4, "waterbird": 4}
    assert "8 rows whose 'split' is '2' are used for nothing" in " ".join(found.notes)
    tested = opened(file, splits={"train": 0, "validation": [1, 2]}).load("validation", 16)
    assert len(tested.ids) == 16


def test_celeba(tmp_path: Path) -> None:
    attributes, parts = celeba(tmp_path)
    faces = opened(
        attributes,
        more=str(parts),
        root=str(tmp_path / "img_align_celeba"),
        label="Blond_Hair",
        class_names={-1: "dark", 1: "blond"},
        split="2",
        attributes=["Male"],
    )
    found = faces.load("train", 16)
    assert found.ids == tuple(f"{i:06d}.jpg" for i in (1, 2, 3, 4))
    assert found.classes == ("dark", "blond")
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert found.attributes["Male"].tolist() == [False, True, True, False], "-1 is no"
    assert len(faces.load("validation", 16).ids) == 4


def test_nih(tmp_path: Path) -> None:
    scans = opened(
        nih(tmp_path),
        train=str(tmp_path / "train_val_list.txt"),
        validation=str(tmp_path / "test_list.txt"),
        class_names=["Cardiomegaly", "Effusion"],
    )
    found = scans.load("validation", 16)
    assert found.shown is not None
    assert found.groups is not None
    assert found.labels.tolist() == [-1] * 8
    assert found.shown.tolist() == [[True, False], [False, False], [True, True], [False, False]] * 2
    assert found.groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert found.ids[0] == "00000005_000.png", "found in the folder that holds it"
    assert scans.class_counts("validation") == {"Cardiomegaly": 4, "Effusion": 2}
    every = opened(tmp_path / "Data_Entry_2017.csv", group="").load("validation", 16)
    assert every.classes == ("Cardiomegaly", "Effusion", "Mass"), "No Finding is none of them"


def test_chexpert(tmp_path: Path) -> None:
    home = chexpert(tmp_path)
    asked = {
        "train": str(home / "train.csv"),
        "validation": str(home / "valid.csv"),
        "labels": ["Cardiomegaly", "Edema"],
        "group": {"column": "Path", "pattern": "patient[0-9]+"},
    }
    with pytest.raises(UsageError, match="'Cardiomegaly' has both 0 and -1: say what -1 means"):
        opened(**asked).load("validation", 16)
    dropped = opened(**asked, yes_no={-1: "drop"}).load("validation", 16)
    assert dropped.ids[0] == "CheXpert-v1.0-small/valid/patient64541/study1/view2_frontal.jpg"
    assert len(dropped.ids) == 2
    assert "have nothing in 'Edema'" in told(dropped)
    found = opened(**asked, yes_no={-1: True, "": False}).load("validation", 16)
    assert found.shown is not None
    assert found.shown.tolist() == [[True, False], [False, True], [False, True], [True, False]] * 2
    assert found.groups is not None
    assert found.groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_isic(tmp_path: Path) -> None:
    truth, about = isic(tmp_path)
    asked = {
        "more": str(about),
        "root": str(tmp_path / "ISIC_2019_Training_Input"),
        "group": "lesion_id",
    }
    found = opened(truth, label=["MEL", "NV", "BCC"], **asked).load("validation", 16)
    assert found.shown is None
    assert found.labels.tolist() == [0, 1, 2] * 3
    assert found.groups is not None
    assert found.groups.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    several = opened(truth, labels=["MEL", "NV", "BCC"], **asked).load("validation", 16)
    assert several.shown is not None
    assert several.shown.argmax(1).tolist() == [0, 1, 2] * 3
    truth.write_text(truth.read_text().replace("ISIC_0000004,0.0,1.0,0.0", "ISIC_0000004,1,1,0"))
    fewer = opened(truth, label=["MEL", "NV", "BCC"], **asked).load("validation", 16)
    assert told(fewer).endswith("left out, as they say yes to no class, or to several: row 6")


def test_a_table_of_one_class_a_picture(tmp_path: Path) -> None:
    data = opened(written(tmp_path, rows()), attributes=["token"])
    found = data.load("validation", 16)
    assert found.classes == ("cat", "dog")
    assert found.ids == ("a/2.png", "a/3.png", "a/6.png", "a/7.png")
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert found.groups is not None
    assert found.groups.tolist() == [0, 0, 1, 1]
    assert found.attributes["token"].tolist() == [False, True, True, False]
    assert found.broken == ()
    assert data.class_counts("train") == {"cat": 2, "dog": 2}
    assert len(data.load("background", 16).ids) == 0


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_every_way_to_write_it_is_the_same(tmp_path: Path, delimiter: str, encoding: str) -> None:
    plain = opened(written(tmp_path, rows()), attributes=["token"]).load("validation", 16)
    other = tmp_path / "other.tsv"
    other.write_text(
        (tmp_path / "table.csv").read_text().replace(",", delimiter), encoding=encoding
    )
    assert opened(other, attributes=["token"]).load("validation", 16).digest == plain.digest


def test_parquet_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    made = rows()
    plain = opened(written(tmp_path, made), attributes=["token"]).load("validation", 16)
    columns = [list(column) for column in zip(*made, strict=True)]
    columns[-1] = [float(each) for each in columns[-1]]
    parquet.write_table(
        pyarrow.table(dict(zip(HEAD, columns, strict=True))), tmp_path / "t.parquet"
    )
    found = opened(tmp_path / "t.parquet", attributes=["token"]).load("validation", 16)
    assert found.digest == plain.digest
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(UsageError, match=r"^pyarrow is not installed, and '.*t.parquet' is read with it; run: pip install 'shortcut-audit\[parquet\]'$"):  # fmt: skip
            opened(tmp_path / "t.parquet").load("validation", 16)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DataError, match=r"the table '.*broken.parquet' cannot be read"):
        opened(tmp_path / "broken.parquet").load("validation", 16)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.permutations(range(8)), st.permutations(range(5)))
def test_the_order_of_rows_and_columns_does_not_matter(
    tmp_path: Path, order: list[int], across: list[int]
) -> None:
    made = rows()
    plain = opened(written(tmp_path, made), attributes=["token"]).load("validation", 16)
    mixed = [tuple(made[i][j] for j in across) for i in order]
    other = table(tmp_path / "mixed.csv", [tuple(HEAD[j] for j in across), *mixed])
    assert opened(other, attributes=["token"]).load("validation", 16).digest == plain.digest


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.lists(st.sampled_from(["train", "val", "test"]), min_size=8, max_size=8))
def test_a_group_never_straddles(tmp_path: Path, splits: list[str]) -> None:
    made = [(*row[:2], split, *row[3:]) for row, split in zip(rows(), splits, strict=True)]
    data = opened(written(tmp_path, made))
    used = {"train": "train", "val": "validation"} if "val" in splits else {"train": "train", "test": "validation"}  # fmt: skip
    of: dict[str, set[str]] = {}
    for row in made:
        if row[2] in used:
            of.setdefault(row[3], set()).add(used[row[2]])
    if any(len(each) > 1 for each in of.values()):
        with pytest.raises(DataError, match=r"in two splits by the column 'patient'"):
            data.class_counts("validation")
        return
    labels = {row[1] for row in made if row[2] in used}
    if len(labels) == 2:
        seen = {split: set() for split in ("train", "validation")}
        for entry in data.understood.entries:
            seen[entry.split].add(entry.group)
        assert not seen["train"] & seen["validation"]


def test_a_group_in_two_splits_is_named(tmp_path: Path) -> None:
    made = rows()
    made[1] = (*made[1][:2], "val", *made[1][3:])
    made[6] = (*made[6][:2], "train", *made[6][3:])
    with pytest.raises(DataError) as raised:
        opened(written(tmp_path, made)).load("train", 16)
    assert str(raised.value) == (
        "2 groups are in two splits by the column 'patient': 'p0' (in train and validation), 'p3' "
        "(in train and validation); put all pictures of a group into one split, as a model knows "
        "those that it has seen, or say with 'group' what else the groups are ('group: \"\"' if "
        "there are none)"
    )
    free = opened(tmp_path / "table.csv", group="").load("train", 16)
    assert free.groups is None


@pytest.mark.parametrize(
    ("at", "row", "said"),
    [
        (2, ("a/x.png", "cat", "val", "p9", 0), "table.csv: 1 rows are left out, as they name pictures that are not there: row 4 ('{root}/a/x.png')"),
        (2, ("a/2.png", "", "val", "p1", 0), "table.csv: 1 rows are left out, as they have nothing in 'label': row 4"),
        (2, ("a/2.png", "NaN", "val", "p1", 0), "table.csv: 1 rows are left out, as they have nothing in 'label': row 4"),
        (2, ("a/2.png", "cat", "val", "", 0), "table.csv: 1 rows are left out, as they say nothing of their group: row 4"),
        (2, ("", "cat", "val", "p1", 0), "table.csv: 1 rows are left out, as they name no picture in 'path': row 4"),
        (2, ("a/2.png", "cat", "val", "p1", "maybe"), "table.csv: 1 rows are left out, as they say neither yes nor no in 'token': row 4"),
        (2, ("a/3.png", "dog", "val", "p1", 1), "table.csv: 1 rows are left out, as they name a picture that another row names: row 5 ('a/3.png')"),
        (2, ("./a/3.png", "cat", "val", "p1", 1), "table.csv: 2 rows are left out, as they name a picture that another row names, and say otherwise: row 4 ('a/3.png'), row 5 ('a/3.png')"),
        (2, ("a/0.png", "cat", "val", "p0x", 1), "table.csv: 1 rows are left out, as they name a picture that another row names, and say otherwise: row 4 ('a/0.png')"),
        (2, ("a/2.png", "cat", "val"), "table.csv: 1 rows are left out, as they have not as many cells as its 5 columns: row 4 (3)"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_named(
    tmp_path: Path, at: int, row: tuple[Any, ...], said: str
) -> None:
    made = rows()
    written(tmp_path, made)
    made[at] = row
    table(tmp_path / "table.csv", [HEAD, *made])
    found = opened(tmp_path / "table.csv", attributes=["token"]).load("validation", 16)
    assert told(found) == said.format(root=tmp_path)
    assert "a/2.png" not in found.ids
    assert len(set(found.ids)) == len(found.ids)


def test_a_picture_of_both_splits_is_one_of_train(tmp_path: Path) -> None:
    made = rows()
    made[2] = ("a/0.png", "cat", "val", "p1", 1)
    data = opened(written(tmp_path, made), group="", attributes=["token"])
    assert "a/0.png" in data.load("train", 16).ids
    found = data.load("validation", 16)
    assert "a/0.png" not in found.ids
    assert "name a picture that another row names: row 4 ('a/0.png')" in told(found)


def test_copies_count_once_and_what_was_trained_on_does_not(tmp_path: Path) -> None:
    file = written(tmp_path, rows())
    (tmp_path / "a/3.png").write_bytes((tmp_path / "a/7.png").read_bytes())
    (tmp_path / "a/6.png").write_bytes((tmp_path / "a/0.png").read_bytes())
    found = opened(file, group="").load("validation", 16)
    assert found.ids == ("a/2.png", "a/3.png")
    assert "1 pictures are exact copies of others" in told(found)
    assert "1 pictures are left out because they are in the training set too: 'a/6.png'" in told(
        found
    )


def test_copies_with_other_labels_count_not_at_all(tmp_path: Path) -> None:
    lines = [("path", "x", "y"), ("1.png", 0, 1), ("2.png", 1, 0), ("3.png", 1, 1)]
    for name in ("1.png", "2.png", "3.png"):
        picture(tmp_path / name)
    (tmp_path / "2.png").write_bytes((tmp_path / "1.png").read_bytes())
    found = opened(table(tmp_path / "t.csv", lines), labels=["x", "y"]).load("validation", 16)
    assert found.ids == ("3.png",)
    assert "stands under two classes" in told(found)


def test_pictures_of_one_colour_are_told_of(tmp_path: Path) -> None:
    lines = [("path", "x", "y"), ("1.png", 0, 1), ("2.png", 1, 0)]
    picture(tmp_path / "1.png")
    Image.new("RGB", (20, 20)).save(tmp_path / "2.png")
    found = opened(table(tmp_path / "t.csv", lines), labels=["x", "y"]).load("validation", 16)
    assert "validation: 1 of 2 pictures of any class are one colour" in told(found)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"label": ["token", "patiant"]}, r"^the table 'table.csv' has no column 'patiant', which 'label' names; did you mean 'patient'\?$"),
        ({"label": "lable"}, r"^the table 'table.csv' has no column 'lable', which 'label' names; did you mean 'label'\?$"),
        ({"group": "Patient"}, r"^the table 'table.csv' has no column 'Patient', which 'group' names; did you mean 'patient'\?$"),
        ({"splits": {"validation": "vall"}}, r"^'splits' says that 'vall' is validation, and the column 'split' never says that: it says 'train', 'val'$"),
        ({"splits": {"validaton": "val"}}, r"^'splits' names no split called 'validaton'; did you mean 'validation'\?$"),
        ({"splits": {"train": ["train", "val"], "validation": "val"}}, r"^'splits' says that 'val' is train and validation$"),
        ({"class_names": {"Cat": "c", "Dog": "d"}}, r"^'class_names' fits nothing in the column 'label', which says cat, dog$"),
        ({"label": "split", "splits": {"validation": "val"}}, r"^the column 'split' has 1 class: a data set has two or more; name another column with 'label: COLUMN'$"),
        ({"attributes": {"token": {"colum": "token"}}}, r"^the attribute 'token' has no option 'colum'; did you mean 'column'\?$"),
        ({"attributes": {"token": ["token"]}}, r"^the attribute 'token' cannot be \['token'\]: \['token'\] is a list, and a mapping is wanted$"),
        ({"attributes": {"token": {"column": 2}}}, r"has no column '2', which 'attributes.token' names"),
        ({"attributes": {"token": {"category": "x"}}}, r"needs a 'column' that says which pictures show it, or one of 'mask', 'box' and 'coco' that says where, not \['category'\]$"),
        ({"attributes": {"token": {"column": "token", "value": "7"}}}, r"^the attribute 'token' is where 'token' says '7', and it never says that; there is 0, 1$"),
        ({"label": "label", "labels": ["token"]}, r"^a data set has one class a picture \('label'\) or several \('labels'\), not both$"),
        ({"labels": "label", "class_names": ["cta"]}, r"^the column 'label' never names the class 'cta'; did you mean 'cat'\?$"),
        ({"labels": ["token", "label"], "class_names": ["a"]}, r"^'labels' names 2 columns, and 'class_names' 1 classes$"),
        ({"group": {"column": "path", "pattern": "("}}, r"^'group' has a bad pattern '\(': missing \)"),
        ({"group": {"colum": "path"}}, r"^'group' needs 'column' and 'pattern', or just the name of a column, not \{'colum': 'path'\}$"),
        ({"yes_no": {-1: "perhaps"}}, r"^'yes_no' says that '-1' means 'perhaps': it can mean yes, no or drop$"),
        ({"classes": ["a"]}, r"^dataset 'table' has no option 'classes'; did you mean 'class_names'\?$"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    file = written(tmp_path, rows())
    with pytest.raises(UsageError, match=said):
        opened(file, **options).load("validation", 16)


def test_a_table_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    written(tmp_path, rows())
    with pytest.raises(DataError, match=r"the table '.*/tabel.csv' does not exist; did you mean 'table.csv'\?$"):  # fmt: skip
        opened(tmp_path / "tabel.csv").load("validation", 16)
    with pytest.raises(DataError, match=r"the table '.*' is a folder"):
        opened(tmp_path).load("validation", 16)
    with pytest.raises(UsageError, match=r"^the data set names no table: add 'file: TABLE.csv'$"):
        opened().load("validation", 16)
    (tmp_path / "empty.csv").write_text("\n")
    with pytest.raises(DataError, match=r"the table '.*' is empty$"):
        opened(tmp_path / "empty.csv").load("validation", 16)
    (tmp_path / "quote.csv").write_text('path,label\n"a.png,cat\nb.png,dog\n')
    with pytest.raises(DataError, match=r"the table '.*' cannot be read \(unexpected end of data\): save it as CSV in UTF-8, or as Parquet$"):  # fmt: skip
        opened(tmp_path / "quote.csv").load("validation", 16)
    table(tmp_path / "twice.csv", ["path,label,label", "a.png,cat,dog"])
    with pytest.raises(DataError, match=r"has two columns called 'label': rename one$"):
        opened(tmp_path / "twice.csv").load("validation", 16)
    table(tmp_path / "odd.csv", ["what,where", "a,b"])
    with pytest.raises(UsageError, match=r"^which column of 'odd.csv' is the path\? There is 'what', 'where': say it with 'path: COLUMN'$"):  # fmt: skip
        opened(tmp_path / "odd.csv").load("validation", 16)


def test_a_wrong_root_is_one_sentence(tmp_path: Path) -> None:
    file = written(tmp_path, rows())
    elsewhere = tmp_path / "elsewhere"
    with pytest.raises(DataError) as raised:
        opened(file, root=str(elsewhere)).load("validation", 16)
    assert str(raised.value) == (
        "none of the 4 pictures that 'table.csv' names is there; the first is of row 4 "
        f"('{elsewhere}/a/2.png'): say with 'root' where their paths start"
    )


def test_splits_of_other_words_are_asked_for(tmp_path: Path) -> None:
    made = [(*row[:2], {"train": "A", "val": "B"}[row[2]], *row[3:]) for row in rows()]
    file = written(tmp_path, made)
    with pytest.raises(UsageError, match=r"^the column 'split' of splits says 'A', 'B': say which is which, with 'splits: \{train: \[...\], validation: \[...\]\}'$"):  # fmt: skip
        opened(file).load("validation", 16)
    assert len(opened(file, splits={"train": "A", "validation": ["B"]}).load("train", 16).ids) == 4
    with pytest.raises(DataError, match=r"^the table 'table.csv' has no picture of train"):
        opened(file, splits={"validation": ["B"]}).load("train", 16)


def test_a_background_shows_none_of_the_classes(tmp_path: Path) -> None:
    made = [*rows(), ("a/8.png", "", "background", "p8", 0), ("a/9.png", "cat", "background", "p9", 0)]  # fmt: skip
    found = opened(written(tmp_path, made)).load("background", 16)
    assert found.ids == ("a/8.png",)
    assert found.labels.tolist() == [-1]
    assert "show one of the classes, and are said to be background: row 11" in told(found)


def masks(root: Path) -> list[tuple[Any, ...]]:
    """Rows with a mask, a box and its numbers; the mask of 1 is of another size, 2 has none."""
    lines: list[tuple[Any, ...]] = [("path", "label", "mask", "box", "x", "y", "w", "h")]
    for i in range(6):
        picture(root / f"{i}.png", height=40, width=40)
        mask = np.zeros((40, 40) if i != 1 else (30, 30), np.uint8)
        mask[10:20, 4:12] = 255
        Image.fromarray(mask).save(root / f"mask_{i}.png")
        where = (4, 10, 8, 10) if i != 2 else ("", "", "", "")
        named = f"mask_{i}.png" if i != 2 else ""
        lines.append((f"{i}.png", ("cat", "dog")[i % 2], named, " ".join(map(str, where)), *where))
    return lines


@pytest.mark.parametrize("of", [{"box": "box"}, {"box": ["x", "y", "w", "h"]}, {"mask": "mask"}])
def test_regions_go_through_the_pictures_frame(tmp_path: Path, of: dict[str, Any]) -> None:
    file = table(tmp_path / "t.csv", masks(tmp_path))
    found = opened(file, attributes={"token": of}).load("validation", InputSize(16, 20))
    broken = "mask" in of
    assert found.ids == tuple(f"{i}.png" for i in range(6) if not (broken and i == 1))
    assert ("its mask is 30 x 30 pixels, and it is 40 x 40" in told(found)) is broken
    at = found.ids.index("2.png")
    assert found.attributes["token"].tolist() == [i != at for i in range(len(found.ids))]
    expected = np.zeros((16, 20), bool)
    # at half the scale, less two pixels that are cut off above; it spreads as the picture does
    expected[2:9, 1:7] = True
    region = found.regions["token"].numpy()
    assert (region[0] == expected).all()
    assert not region[at].any()


def test_a_region_that_is_cut_off_is_not_shown(tmp_path: Path) -> None:
    picture(tmp_path / "0.png", height=40, width=80)
    picture(tmp_path / "1.png", height=40, width=80)
    lines = ["path,label,box", "0.png,a,0 0 10 10", "1.png,b,30 0 10 10"]
    found = opened(
        table(tmp_path / "t.csv", lines), attributes={"token": {"box": "box"}}
    ).load("validation", 20)  # fmt: skip
    assert found.attributes["token"].tolist() == [False, True]
    said = "validation: on 1 pictures no model sees 'token', as its mask is empty or cut off"
    assert said in found.notes


def test_boxes_of_a_coco_file(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(4)]
    for name in names:
        picture(tmp_path / name, height=20, width=20)
    images = [{"id": i, "file_name": name} for i, name in enumerate(names[:3])]
    boxes = [
        {"image_id": 1, "category_id": 7, "bbox": [2, 4, 6, 8]},
        {"image_id": 2, "category_id": 8, "bbox": [0, 0, 20, 20]},
    ]
    categories = [{"id": 7, "name": "token"}, {"id": 8, "name": "ruler"}]
    content = {"images": images, "annotations": boxes, "categories": categories}
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    lines = [("path", "label"), *((name, "ab"[i % 2]) for i, name in enumerate(names))]
    file = table(tmp_path / "t.csv", lines)
    found = opened(file, attributes={"token": {"coco": "boxes.json"}}).load("validation", 20)
    assert found.ids == ("0.png", "1.png", "2.png")
    assert (
        told(found) == "t.csv: 1 rows are left out, as they are not listed in 'boxes.json': row 5"
    )
    assert found.attributes["token"].tolist() == [False, True, False]
    assert found.regions["token"].sum((1, 2)).tolist() == [0, 48, 0]
    with pytest.raises(UsageError, match=r"boxes.json' has no category 'tokne'; did you mean 'token'\?$"):  # fmt: skip
        opened(file, attributes={"tokne": {"coco": "boxes.json"}}).load("validation", 20)
    (tmp_path / "boxes.json").write_text("{}")
    with pytest.raises(DataError, match=r"the boxes '.*boxes.json' cannot be read"):
        opened(file, attributes={"token": {"coco": "boxes.json"}}).load("validation", 20)


def test_what_the_table_says_is_part_of_what_was_audited(tmp_path: Path) -> None:
    file = written(tmp_path, rows())
    digests = []
    for options in ({}, {"attributes": ["token"]}, {"group": ""}, {"group": "token"}):
        asked = {"kind": "table", "file": str(file), **options}
        made = Material(Scenario(dataset=asked, decoys={"stop_sign": {"target": "cat"}}))
        if options == {"group": "token"}:
            with pytest.raises(DataError, match="in two splits by the column 'token'"):
                made.pictures("validation", 16)
            continue
        made.pictures("validation", 16)
        digests.append(made.digests()["validation@16"])
    assert len(set(digests)) == 3


def test_a_scenario_locates_the_table(tmp_path: Path) -> None:
    written(tmp_path / "data", rows())
    (tmp_path / "s.yaml").write_text(
        "dataset: {kind: table, file: data/table.csv, attributes: [token]}\n"
        "decoys: {stop_sign: {target: cat}}\n"
    )
    data: Any = load_scenario(tmp_path / "s.yaml").build_dataset()
    assert len(data.load("validation", 16).ids) == 4
