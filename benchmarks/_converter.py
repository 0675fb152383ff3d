"""Label Studio's converter (label-studio-sdk 2.1.2) in an environment of its own under `.cache/converter`."""

import subprocess
import venv
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache" / "converter"
PYTHON = CACHE / "bin" / "python"


def the_converter() -> Path:
    """A Python that has the converter; the environment is made when it is missing."""
    if not PYTHON.exists():
        venv.create(CACHE, with_pip=True)
        subprocess.run([PYTHON, "-m", "pip", "install", "-q", "label-studio-sdk==2.1.2"], check=True)
    return PYTHON
