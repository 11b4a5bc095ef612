"""Contract: whoever does the tasks, the store holds what it does when evidence is asked directly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_run import Small, entries, every_task

from shortcut_audit import registry
from shortcut_audit.errors import UsageError
from shortcut_audit.gathering.gather import Gathered, engine_of, gather
from shortcut_audit.gathering.site import Done, Site
from shortcut_audit.gathering.tasks import Task, every_unit, tasks

IN_PROCESSES = [  # they start slowly
    pytest.param(f"{name},workers=2", marks=pytest.mark.slow) for name in registry.names("engine")
]


def silent(_what: str, _done: int, _total: int) -> None:
    pass


def gathered(site: Site, engine: str = "local", check: bool = False) -> Gathered:
    """What comes of every task of a run."""
    return gather(engine_of(engine), every_task(site.evidence(), check), site, silent)


@pytest.mark.parametrize("engine", ["local", *IN_PROCESSES])
def test_an_engine_leaves_what_asking_leaves(
    small: Small, directly: dict[str, dict[str, str]], engine: str
) -> None:
    if engine.startswith("ray"):
        pytest.importorskip("ray")
    site = small.site("gathered")
    found = gathered(site, engine, check=True)
    assert found.whole
    assert not found.refused
    assert entries(small.folder / "gathered") == directly
    assert set(small.asked().values()) == {1}  # nothing was computed twice


def test_a_warm_run_computes_nothing(small: Small) -> None:
    first = gathered(small.site("store"))
    small.asked()
    again = gathered(small.site("store"))  # as another process would
    assert not small.asked()
    assert (again.computed, again.kept) == (0, first.computed + first.kept)
    warm = small.site("store").evidence()
    for model in warm.candidates:
        for decoy in warm.scenario.decoys:
            target = warm.target(decoy, (model,))
            warm.predictions(model, decoy)
            for kind in ("masks", "influence"):
                getattr(warm, kind)(model, decoy, target)
    assert warm.computed == 0


def test_what_happens_is_told_task_by_task(small: Small) -> None:
    heard: list[tuple[str, int, int]] = []
    site = small.site("store")
    asked = every_task(site.evidence())
    gather(engine_of("local"), asked, site, lambda *said: heard.append(said))
    assert [done for _, done, _ in heard] == list(range(len(asked) + 1))
    assert {total for _, _, total in heard} == {len(asked)}
    assert ("masks of F0-s0 with stop_sign") in {what for what, _, _ in heard}


def test_a_broken_model_leaves_the_others_their_evidence(small: Small) -> None:
    whole = gathered(small.site("whole"))
    save_file({"fc.bias": torch.zeros(3)}, small.folder / "models/F100-s0.safetensors")
    found = gathered(small.site("store"))
    assert found.whole  # no machine is at fault
    assert found.refused
    assert all("F100-s0" in said for said in found.refused)
    assert found.computed + found.kept + len(found.refused) == whole.computed + whole.kept


def test_a_model_that_cannot_be_described_has_no_task(small: Small) -> None:
    save_file({}, small.folder / "models/stray.safetensors")  # no entry of the manifest
    site = small.site("store")
    assert [each.name for each in site.candidates if each.problem] == ["stray"]
    assert "stray" not in {task.model for task in every_task(site.evidence())}


def test_without_training_pictures_only_influence_is_missing(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = small.site("store")
    squares = registry.lookup("dataset", "coloured_squares")
    load = squares.load

    def without(self, split: str, size: int):
        if split == "train":
            raise UsageError("there are no training pictures")
        return load(self, split, size)

    monkeypatch.setattr(squares, "load", without)
    found = gathered(site)
    assert set(found.refused) == {"there are no training pictures"}
    assert len(found.refused) == 4  # two models, two decoys
    assert found.whole


def test_without_decoys_the_plain_answers_are_all(small: Small) -> None:
    site = small.site("store")
    scenario = site.scenario.model_copy(update={"decoys": {}})
    asked = tasks(every_unit(site.evidence().material, ()), site.evidence())
    assert asked == []
    bare = Site(scenario, site.candidates, site.store, trust_code=True, conftests=site.conftests)
    assert {(task.kind, task.split) for task in every_task(bare.evidence())} == {
        ("standing", ""),
        ("predictions", "validation"),
    }
    assert gathered(bare).computed


def test_a_machine_that_fails_leaves_the_task_to_whoever_judges(small: Small) -> None:
    found = gathered(small.site("store", "memoryless"))
    assert not found.whole
    assert found.computed  # all that asks no explainer
    assert found.undone[0].startswith(
        "masks of F0-s0 with hue_shift: F0-s0: this machine has too little memory"
    )
    assert f"{len(found.undone)} undone for want of the machine" in found.words()


def test_an_explainer_that_breaks_is_no_machine_that_fails(small: Small) -> None:
    found = gathered(small.site("store", "clumsy"))
    assert found.whole
    assert set(found.refused) == {"ValueError: it was not finished"}


def test_a_store_that_cannot_be_written_is_said(small: Small) -> None:
    (small.folder / "store").write_text("a file, and no folder")
    found = gathered(small.site("store"))
    assert not found.whole
    assert "evidence could not be kept in" in found.problems[0]


def test_the_words_count_every_task() -> None:
    task = Task("masks", "F0", "stop_sign")
    every = [
        Done(task, computed=2),
        Done(task),
        Done(task, trouble="masks of F0: no"),
        Done(task, refused="F0: corrupt"),
    ]

    class Told:
        def run(self, _tasks, _site):
            yield from every

    found = gather(Told(), [task] * 4, None, silent)
    assert found.words() == (
        "evidence: 1 tasks computed, 1 were kept, 1 undone for want of the machine, "
        "1 that models or data do not allow; 0 s"
    )


def test_an_engine_ends_with_whoever_asked_it() -> None:
    ended: list[bool] = []

    class Long:
        def run(self, _tasks, _site):
            try:
                yield Done(Task("masks", "F0"))
                yield Done(Task("masks", "F1"))
            finally:
                ended.append(True)

    def stopped(_what: str, done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gather(Long(), [], None, stopped)
    assert ended == [True]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rays", "no engine called 'rays'; did you mean 'ray'"),
        ("ray,gpu=1", "engine 'ray' has no option 'gpu'; did you mean 'gpus'"),
        ("ray,gpus=-1", "the engine 'ray' cannot have gpus: -1"),
        ("local,workers=0", "0 workers do nothing: ask for 1 or more"),
        ("local,workers=many", "engine 'local': option 'workers' cannot be 'many'"),
    ],
)
def test_an_engine_that_cannot_be_is_one_sentence(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        engine_of(text)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_options_follow_an_engines_name() -> None:
    assert repr(engine_of("ray,gpus=0.25,address=head:6379", 3)) == (
        "Ray(address='head:6379', workers=3, gpus=0.25, memory=0.0)"
    )
    assert repr(engine_of("ray,gpus=1")) == "Ray(address='', workers=0, gpus=1.0, memory=0.0)"


def test_the_extra_is_named_where_it_is_missing(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    site = small.site("store")
    with pytest.raises(UsageError, match=r"pip install 'shortcut-audit\[ray\]'"):
        gathered(site, "ray")
    assert not Path(small.folder / "store").exists()


def test_code_of_the_users_own_has_the_name_that_pytest_gives_it(
    small: Small, tmp_path: Path
) -> None:
    """Or else what a worker keeps would not be what pytest asks for."""
    site = small.site("store")
    site.evidence()
    assert registry.lookup("explainer", "noted").__module__ == "noted"
    package = tmp_path / "outer/inner"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "beside.py").write_text("WORD = 'beside'")
    text = (small.folder / "noted.py").read_text().replace("Noted", "Within")
    (package / "conftest.py").write_text(f"from .beside import WORD\n{text}")
    replace(site, conftests=(package / "conftest.py",)).evidence()
    assert registry.lookup("explainer", "within").__module__ == "outer.inner.conftest"


def test_a_cluster_that_is_not_there_is_one_sentence(small: Small) -> None:
    pytest.importorskip("ray")
    with pytest.raises(UsageError, match=r"no Ray cluster can be joined at '127\.0\.0\.1:1' \("):
        gathered(small.site("store"), "ray,address=127.0.0.1:1")
