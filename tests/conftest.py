"""What every shelf of tests shares."""

pytest_plugins = ["pytester"]
