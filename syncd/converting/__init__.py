"""Turns many tasks into one format's files: `syncd convert` and `syncd export`, and nothing that a mirror needs.

One line: input (an export, a folder, a source) ──▶ a file of whole tasks in task order ──▶ survey (classes, columns) ──▶
rendering, unit by unit ──▶ sections put together ──▶ swapped in. Memory holds one unit, whatever the number of tasks.
"""
