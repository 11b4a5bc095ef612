"""Folder -> what lies in it -> the files of a first audit, and a look at the decoys.

found        which folders hold checkpoints, and which pictures
fitting      names and shapes of tensors -> the architectures that have them
guessing     checkpoint -> what is known of it, what is guessed, and from what
trial        a few pictures -> at which input size a model is right
manifest, first_scenario, ci_job   what is known -> the text of a file
files        all of it: writes what is missing and says what comes next
decoy_list, contact_sheet          the decoys in words, and on the user's own pictures
"""
