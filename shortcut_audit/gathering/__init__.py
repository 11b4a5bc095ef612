"""Evidence ahead of judging: what a run will ask for, as tasks that any process or machine can do.

The flow: units (what is asked) -> tasks -> an engine, whose workers keep what they find in the
store. Whoever judges then reads it there; what a worker could not do is computed where it is asked.
"""
