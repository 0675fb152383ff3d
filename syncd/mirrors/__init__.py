"""Keeps one format of one project equal to a rendering from scratch, at the cost of what changed.

    survey ─▶ registries ─▶ render each task (its own files, its fragments) ─▶ publish the shared files

A mirror has a generation: it goes up when all its tasks have to be rendered again (another label configuration, a new column, a
new syncd). Until the last task of a generation is rendered, readers keep the shared files of the one before.
"""
