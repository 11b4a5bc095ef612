"""What every pytest run here shares. Decoys, explainers and more of your own can be registered
here: docs/extending.md.
"""

from __future__ import annotations

pytest_plugins = ["pytester"]  # the tests run pytest in folders of their own
