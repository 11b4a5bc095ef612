"""Job + training pictures -> the pictures with the job's decoy on those that wear it."""

from __future__ import annotations

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.records import Pictures
from shortcut_audit.subjects.decoying.coverage import wearing
from shortcut_audit.subjects.pictures.material import Material
from shortcut_audit.training.plan import Job


def wearers(material: Material, job: Job) -> tuple[int, ...]:
    """The classes whose training pictures may carry the decoy, as indices; none without a decoy.

    Raises:
        UsageError: the job's decoy is worn by what is no class.
    """
    if job.decoy is None:
        return ()
    named = {
        "target": (material.named_decoy(job.decoy).target_index,),
        "every": tuple(range(len(material.classes))),
    }
    if job.worn_by not in (*named, *material.classes):
        hint = did_you_mean(job.worn_by, (*named, *material.classes))
        raise UsageError(
            f"training lets '{job.decoy}' be worn_by '{job.worn_by}', which is no class{hint}"
        )
    return named.get(job.worn_by) or (material.classes.index(job.worn_by),)


def with_decoy(material: Material, pictures: Pictures, job: Job) -> Pictures:
    """The training pictures with the decoy on its share of each class that wears it.

    Law: no pixel of another picture changes.
    """
    if job.decoy is None:
        return pictures
    decoy = material.scenario.build_decoy(job.decoy)
    return wearing(pictures, decoy, wearers(material, job), job.coverage, job.seed)
