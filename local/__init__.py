"""The local AWS: start an emulator, deploy the very same stack onto it, follow a run, stop.

Development only; nothing here ships, and nothing under `lambda/` knows of it.
"""
