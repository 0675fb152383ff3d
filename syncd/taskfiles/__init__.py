"""Files of tasks, read as streams: an array, one task a line, or any values one after the other; of gigabytes, too.

`elements` cuts a file into units by a guess that parsing proves; `stream` reads exactly, where nothing can be guessed.
"""
