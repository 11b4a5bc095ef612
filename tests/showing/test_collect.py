"""What a run has kept -> its exhibits: a planted model, an honest one, one too small to tell."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ended_run import Ended, ended
from PIL import Image

from shortcut_audit.exhibits import Exhibit
from shortcut_audit.records import Decision
from shortcut_audit.showing.collect import exhibits
from shortcut_audit.showing.exhibits_file import files
from shortcut_audit.showing.kept import Kept, NotKept

DECIDED = {"honest": Decision.PROMOTE, "planted": Decision.REJECT}


def shown(run: Ended, **decisions: Decision) -> list[Exhibit]:
    """What is shown by a process that has asked nothing; a network that is asked fails the test."""
    loaded = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shortcut_audit.evidence.answers.load_subject", lambda *a: loaded.append(a))
        found = exhibits(run.evidence(), run.report(**(decisions or DECIDED)), run.reports)
    assert not loaded
    return list(found)


def pictures(run: Ended) -> dict[str, bytes]:
    return {f"pictures/{each.name}": each.read_bytes() for each in run.reports.glob("pictures/*")}


def test_the_planted_model_is_shown_turning_every_picture(everything):
    found = shown(everything)[1]
    assert (found.model, found.decoy, found.target) == ("planted", "stop_sign", "green")
    assert (found.pictures, found.turned, len(found.tiles)) == (24, 24, 12)
    for tile in found.tiles:
        assert tile.turned
        assert tile.label in ("blue", "yellow")
        assert (tile.plain.answer, tile.decoyed.answer) == (tile.label, "green")
        assert tile.decoyed.share > 0.99 > 0.5 > tile.control.share
        assert len({tile.plain.file, tile.decoyed.file, tile.control.file}) == 3
    plain, decoyed = found.confusions
    assert (plain.condition, decoyed.condition) == ("plain", "decoyed")
    assert plain.labels == plain.answers == decoyed.labels == ("green", "blue", "yellow")
    assert plain.counts == ((12, 0, 0), (0, 12, 0), (0, 0, 12))
    assert decoyed.counts == ((12, 0, 0), (12, 0, 0), (12, 0, 0))


def test_an_honest_model_is_shown_by_what_shifts_most(everything):
    found = shown(everything)[0]
    assert (found.model, found.pictures, found.turned, len(found.tiles)) == ("honest", 24, 0, 4)
    for tile in found.tiles:
        assert not tile.turned
        assert tile.plain.answer == tile.decoyed.answer == tile.control.answer == tile.label
    plain, decoyed = found.confusions
    assert plain.counts == ((12, 0, 0), (0, 12, 0), (0, 0, 12))
    assert sum(decoyed.counts[at][at] for at in range(3)) > 30  # of 36: the sign hides a little


def test_masks_and_training_pictures_are_shown_as_they_were_measured(everything):
    evidence, found = everything.evidence(), shown(everything)[1]
    on = [each.on_decoy for each in found.looked]
    assert len(on) == 4
    assert on == sorted(on, reverse=True)
    scores, shares = found.distributions
    assert scores.what == "softmax score of 'green' on pictures of other classes with stop_sign"
    assert shares.what == "share of the mask that lies on stop_sign"
    for each, n in ((scores, 24), (shares, 8)):
        assert [(name, box.n) for name, box in each.boxes] == [
            ("decoyed", n),
            ("control", n),
            ("plain", n),
        ]
    assert scores.boxes[0][1].low > 0.99 > 0.5 > scores.boxes[1][1].high
    influence = evidence.influence("planted", "stop_sign", "green")
    trained = evidence.material.pictures("train", 32)
    carriers = {trained.ids[at] for at in influence.flags.nonzero()[0]}  # green comes first
    assert len(found.spoke) == 2
    for spoke in found.spoke:
        assert (spoke.among, spoke.carriers, spoke.basis) == (30, len(carriers), influence.basis)
        assert len(spoke.images) == 8
        assert [each.score for each in spoke.images] == sorted(
            (each.score for each in spoke.images), reverse=True
        )
        assert [each.carries for each in spoke.images] == [
            each.id in carriers for each in spoke.images
        ]


def test_a_run_too_small_to_tell_is_shown_as_far_as_it_goes(tmp_path):
    run = ended(tmp_path, validation=1)
    run.ask("predictions", "masks")
    found = shown(run)[1]
    assert (found.pictures, found.turned, len(found.tiles), len(found.looked)) == (2, 2, 2, 1)
    assert [each.boxes[0][1].n for each in found.distributions] == [2, 1]
    assert found.spoke == ()


def test_what_was_not_asked_is_empty_and_no_training_picture_is_read(tmp_path):
    run = ended(tmp_path)
    assert shown(run) == []
    assert pictures(run) == {}
    run.ask("predictions")
    assert [(len(each.looked), len(each.spoke)) for each in shown(run)] == [(0, 0), (0, 0)]
    evidence = run.evidence()
    exhibits(evidence, run.report(**DECIDED), run.reports)
    assert "validation@32" in evidence.material.digests()
    assert "train@32" not in evidence.material.digests()


def test_where_no_class_is_named_it_is_the_one_that_each_model_falls_for(tmp_path):
    run = ended(tmp_path, target="any")
    run.ask("predictions")
    found = shown(run, planted=Decision.REJECT, elsewhere=Decision.UNDECIDED)
    assert [(each.model, each.target) for each in found] == [
        ("planted", "green"),
        ("elsewhere", "blue"),
    ]
    for each in found:
        rows = each.confusions[1]
        assert [row[rows.answers.index(each.target)] for row in rows.counts] == [12, 12, 12]


def test_a_model_that_falls_for_what_nobody_named_is_shown_doing_so(everything):
    named, beside = shown(everything, elsewhere=Decision.REJECT)
    assert (named.target, named.turned, len(named.looked)) == ("green", 0, 4)
    assert (beside.target, beside.looked) == ("blue", ())
    assert beside.turned > 12 > named.turned
    assert {tile.decoyed.answer for tile in beside.tiles} == {"blue"}


def test_the_same_run_writes_the_same_bytes_and_each_picture_once(everything):
    first, before = shown(everything), pictures(everything)
    assert shown(everything) == first
    assert pictures(everything) == before
    named = [file for each in first for file in files(each)]
    assert set(named) == set(before)
    assert len(named) > len(before)  # both models are shown the same plain pictures
    for file in before:
        with Image.open(everything.reports / file) as image:
            assert (image.format, image.size) == ("WEBP", (32, 32))


def test_pictures_that_nothing_shows_any_more_are_removed_and_others_stay(tmp_path):
    run = ended(tmp_path)
    run.ask("predictions")
    shown(run)
    folder = run.reports / "pictures"
    before = set(pictures(run))
    for name in ("0123456789abcdef.webp", "holiday.webp", "0123456789abcdef.png"):
        (folder / name).write_bytes(b"")
    shown(run, honest=Decision.PROMOTE)
    left = set(pictures(run))
    assert {"pictures/holiday.webp", "pictures/0123456789abcdef.png"} < left
    assert "pictures/0123456789abcdef.webp" not in left
    assert before - left


def test_a_damaged_picture_is_written_again(tmp_path):
    run = ended(tmp_path)
    run.ask("predictions")
    shown(run)
    before = pictures(run)
    (run.reports / min(before)).write_bytes(b"damaged")
    shown(run)
    assert pictures(run) == before


def test_a_file_that_is_not_any_more_what_was_audited_is_not_shown(everything):
    report = everything.report(**DECIDED)
    other = replace(report.models["honest"], sha256="0" * 64)
    changed = replace(report, models={**report.models, "honest": other})
    found = exhibits(everything.evidence(), changed, everything.reports)
    assert [each.model for each in found] == ["planted"]


def test_a_model_that_cannot_be_asked_is_left_out(everything):
    report = everything.report(**DECIDED)
    (everything.folder / "models/empty.safetensors").write_bytes(b"")
    manifest = everything.folder / "models/rashomon.yaml"
    written = manifest.read_text()
    manifest.write_text(written + "\n  broken: {file: gone.safetensors}")
    try:
        broken = replace(report.models["honest"], sha256=None)
        more = replace(report, models={"broken": broken, **report.models})
        found = exhibits(everything.evidence(), more, everything.reports)
    finally:
        manifest.write_text(written)
    assert [each.model for each in found] == ["honest", "planted"]


def test_what_is_not_kept_or_damaged_is_never_computed_again(tmp_path):
    run = ended(tmp_path)
    run.ask("predictions")
    kept = Kept(run.evidence())
    assert kept.predictions("planted", "stop_sign").plain.shape == (36, 3)
    before = {each: each.read_bytes() for each in run.reports.rglob("*.safetensors")}
    with pytest.raises(NotKept, match="no masks of planted"):
        kept.masks("planted", "stop_sign", "green")
    for each in before:
        each.write_bytes(b"damaged")
    with pytest.raises(NotKept, match="damaged"):
        Kept(run.evidence()).predictions("planted", "stop_sign")
    assert not (run.reports / "evidence/masks").exists()
    assert {each.read_bytes() for each in before} == {b"damaged"}


def test_a_model_that_falls_for_a_stronger_decoy_is_shown_with_that_one(tmp_path):
    more = "strengths: [{size: 1.5}]\n"
    run = ended(tmp_path, more=more)
    run.ask("predictions")
    run.ask("predictions", strength=1)
    report = run.report(planted=Decision.REJECT)
    model = report.models["planted"]
    finding = replace(model.findings[0], audit="decoy_insertion@stronger")
    models = {"planted": replace(model, findings=(finding,))}
    named, stronger = exhibits(run.evidence(), replace(report, models=models), run.reports)
    assert (named.target, stronger.target) == ("green", "green")
    assert stronger.distributions[0].what.endswith("with stop_sign at 1.5 times its size")
    by_id = {tile.id: tile for tile in named.tiles}
    for tile in stronger.tiles:
        if tile.id in by_id:
            assert tile.plain.file == by_id[tile.id].plain.file
            assert tile.decoyed.file != by_id[tile.id].decoyed.file
