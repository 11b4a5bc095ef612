"""Outcomes -> a Sample: the effect, its interval and its own test.

outcomes      numbers per image, and how the images hang together
              -> independent     every image tells something new: Rate, Pairs, Measured
              -> unpaired        the control is of other images
              -> clustered       images come in groups: patients, sites, videos
              -> choice          which of these the outcomes are
p_values      the tests on images, or on groups
"""

from shortcut_audit.judging.samples.choice import sample_of
from shortcut_audit.judging.samples.clustered import Clustered
from shortcut_audit.judging.samples.independent import Measured, Pairs, Rate
from shortcut_audit.judging.samples.outcomes import INDEPENDENT, Design, Outcomes, outcomes_of
from shortcut_audit.judging.samples.p_values import mean_above_p, sign_flip_p
from shortcut_audit.judging.samples.sample import Sample
from shortcut_audit.judging.samples.unpaired import Unpaired

__all__ = [
    "INDEPENDENT",
    "Clustered",
    "Design",
    "Measured",
    "Outcomes",
    "Pairs",
    "Rate",
    "Sample",
    "Unpaired",
    "mean_above_p",
    "outcomes_of",
    "sample_of",
    "sign_flip_p",
]
