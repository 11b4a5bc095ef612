"""Audit -> its name in words, and the question that it asks, for whoever does not know it."""

from __future__ import annotations

QUESTIONS = {  # what is not here, such as a user's own audit, is shown by its name alone
    "decoy_insertion": "Do pictures of other classes turn into the decoy's class when the decoy is "
    "put on them?",
    "decoy_insertion@elsewhere": "Does the decoy turn pictures into some class that the scenario "
    "does not name?",
    "decoy_insertion@stronger": "Does the decoy turn pictures when it is larger or more opaque "
    "than the scenario says?",
    "decoy_removal": "Does the model need the decoy to recognise the class?",
    "natural_insertion": "Are other images taken for the class more often where they show it?",
    "natural_need": "Is the class missed more often where it does not show the attribute?",
    "natural_removal": "Is the class missed where the attribute is filled in, and found elsewhere?",
    "worst_group": "Is one class, with or without the attribute, much worse than all images?",
    "decoy_only": "Is the decoy alone, on a picture with none of the classes, taken for the class?",
    "mask_localisation": "Does what the model needs to see lie on the decoy?",
    "explainer_sanity": "Can the masks be believed, that is, do they find the decoy in a copy of "
    "the model that sees nothing else, and not in copies with random weights?",
    "mask_agreement": "Do two models that need to see the same parts of a picture need different "
    "parts when the decoy appears?",
    "mask_transfer": "Is what one model needs to see no longer enough for another one when the "
    "decoy appears?",
    "influence_precision": "Is the answer to a picture with the decoy explained by training "
    "pictures with the decoy?",
    "top_k_intersection": "Do two models that explain a picture by the same training pictures name "
    "others when the decoy appears?",
    "rank_correlation": "Do two models that rank the training pictures alike rank them differently "
    "when the decoy appears?",
    "smallest_decoy": "What is the smallest and faintest form of the decoy that turns pictures of "
    "other classes, and does it turn others than those that it was sought on?",
    "unknown_shortcuts": "Does anything that nobody named turn pictures of other classes into a "
    "class?",
    "rashomon_membership": "Is the model as accurate as the best of the set?",
}
VARIANTS = {"elsewhere": "other classes", "stronger": "stronger decoy"}


def question(audit: str) -> str:
    """What the audit asks; "" where nobody wrote that down.

    `influence_precision@50` asks what `influence_precision` asks.
    """
    return QUESTIONS.get(audit) or QUESTIONS.get(audit.partition("@")[0], "")


def in_words(audit: str) -> str:
    """`influence precision, top 50` for `influence_precision@50`."""
    name, _, variant = audit.partition("@")
    said = VARIANTS.get(variant, f"top {variant}" if variant.isdecimal() else variant)
    return ", ".join(filter(None, [name.replace("_", " "), said.replace("_", " ")]))
