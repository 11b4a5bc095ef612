"""Who does the tasks: one file each. A new one is a file here, or a class under `register`."""
