"""Brush masks: syncd's BRUSH_TO_PNG beside Label Studio's converter, same images, same run, one process each.

    python benchmarks/masks.py [--images 1000] [--converter-images 100]

Each image is 1024 × 768 with three brush regions of strokes, one label each. The converter gets a part of the images
only (`--converter-images`), because it takes a tenth of a second for each.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from _converter import the_converter

from syncd.formats import Context, find
from syncd.labelstudio.labelconfig import number_classes, parse_label_config, region_classes
from syncd.rle_pack import encode_rle

WIDTH, HEIGHT = 1024, 768
CONFIG = """<View><Image name="image" value="$image"/><BrushLabels name="brush" toName="image">
<Label value="Grass"/><Label value="Dirt"/><Label value="Road"/></BrushLabels></View>"""
LABELS = ("Grass", "Dirt", "Road")

CONVERTER = """
import sys, time, logging
logging.disable(logging.CRITICAL)
from label_studio_sdk.converter import Converter
config, source, target = sys.argv[1:]
converter = Converter(open(config).read(), target)
start = time.perf_counter()
converter.convert(source, target, "BRUSH_TO_PNG", is_dir=False)
print(time.perf_counter() - start)
"""


def strokes(seed: int) -> list[int]:
    """The RLE of one brush region: a dozen round dabs with soft edges along a random walk."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    alpha = np.zeros((HEIGHT, WIDTH), np.float64)
    at = random.uniform([100, 100], [WIDTH - 100, HEIGHT - 100])
    for _ in range(12):
        at = np.clip(at + random.normal(0, 40, 2), 0, [WIDTH, HEIGHT])
        distance = np.hypot(x - at[0], y - at[1])
        alpha = np.maximum(alpha, np.clip(25.5 - distance, 0, 1))
    return encode_rle((alpha * 255).astype(np.uint8))


def tasks(count: int) -> list[dict[str, Any]]:
    painted = [strokes(seed) for seed in range(30)]
    return [
        {
            "id": number,
            "data": {"image": f"s3://bucket/{number}.jpg"},
            "annotations": [
                {
                    "id": number,
                    "completed_by": 1,
                    "was_cancelled": False,
                    "created_at": "2026-01-01T00:00:00Z",
                    "result": [
                        {
                            "id": f"r{place}",
                            "type": "brushlabels",
                            "from_name": "brush",
                            "to_name": "image",
                            "original_width": WIDTH,
                            "original_height": HEIGHT,
                            "value": {
                                "format": "rle",
                                "rle": painted[(number * 7 + place) % len(painted)],
                                "brushlabels": [label],
                            },
                        }
                        for place, label in enumerate(LABELS)
                    ],
                }
            ],
        }
        for number in range(1, count + 1)
    ]


def ours(source: Path, target: Path) -> float:
    """Seconds from the export's bytes to files on disk."""
    kind = find("BRUSH_TO_PNG")
    made = kind(kind.Options())
    start = time.perf_counter()
    schema = parse_label_config(CONFIG)
    context = Context(schema, number_classes(region_classes(schema)))
    for one in orjson.loads(source.read_bytes()):
        for name, body in made.render(one, context).files.items():
            (target / name).write_bytes(body)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--converter-images", type=int, default=100)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "ours").mkdir()
        (place / "all.json").write_bytes(orjson.dumps(tasks(asked.images)))
        mine = asked.images / ours(place / "all.json", place / "ours")
        (place / "theirs").mkdir()
        (place / "part.json").write_bytes(orjson.dumps(tasks(asked.converter_images)))
        (place / "config.xml").write_text(CONFIG)
        paths = [str(place / name) for name in ("config.xml", "part.json", "theirs")]
        done = subprocess.run([the_converter(), "-c", CONVERTER, *paths], check=True, capture_output=True, text=True)
        assert len(list((place / "theirs").iterdir())) == 3 * asked.converter_images
        others = asked.converter_images / float(done.stdout.split()[-1])
    print(f"BRUSH_TO_PNG, {WIDTH} × {HEIGHT}, three regions; images/s")
    print(f"syncd {mine:.0f}, converter {others:.1f}: {mine / others:.1f} ×")


if __name__ == "__main__":
    main()
