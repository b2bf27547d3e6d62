"""Peer of images.ts: Pillow resizes the same bytes to the same sizes, and decodes the same file, on one thread.
  python images.py --picture FILE.png [--runs 15]"""
import argparse, json, time
import numpy as np
from PIL import Image

ap = argparse.ArgumentParser()
ap.add_argument("--picture", required=True); ap.add_argument("--runs", type=int, default=15)
a = ap.parse_args()
FILTERS = dict(bicubic=Image.Resampling.BICUBIC, bilinear=Image.Resampling.BILINEAR, lanczos=Image.Resampling.LANCZOS)
CASES = [((1600, 1200), (448, 336), "bicubic"), ((640, 480), (644, 476), "bicubic"), ((64, 64), (224, 224), "bicubic"),
         ((1600, 1200), (448, 336), "bilinear"), ((1600, 1200), (448, 336), "lanczos"), ((4000, 3000), (1036, 784), "bicubic")]


def pattern(w, h):
    i = np.arange(w * h * 3, dtype=np.uint64)
    return ((((i * 2654435761) & 0xFFFFFFFF) >> 13) & 255).astype(np.uint8).reshape(h, w, 3)


def milliseconds(work):
    times = []
    for _ in range(a.runs):
        t = time.perf_counter(); work(); times.append((time.perf_counter() - t) * 1000)
    return sorted(times[3:])[len(times[3:]) // 2]


result = {}
for (w, h), to, name in CASES:
    image = Image.fromarray(pattern(w, h))
    result[f"resize {w}x{h} to {to[0]}x{to[1]}, {name}"] = milliseconds(lambda: image.resize(to, FILTERS[name]))
data = open(a.picture, "rb").read()
import io
result["decode a PNG of 640x480"] = milliseconds(lambda: np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
print(json.dumps(result))
