"""Referring-expression rewards a second in Python, with the rule that VLM-R1 publishes: a regular expression and an inclusive IoU."""

import argparse
import json
import re
import statistics
import time

ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
BOX = re.compile(r"\[(\d+),\s*(\d+),\s*(\d+),\s*(\d+)]")
FORMAT = re.compile(r"<think>.*?</think>\s*<answer>.*?</answer>", re.DOTALL)


def overlap(a, b):
    x1, y1 = max(a[0], b[0]), max(a[1], b[1])
    x2, y2 = min(a[2] - 1, b[2] - 1), min(a[3] - 1, b[3] - 1)
    common = (x2 - x1 + 1) * (y2 - y1 + 1) if x1 < x2 and y1 < y2 else 0
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def score(completion, truth):
    answer = ANSWER.search(completion)
    box = BOX.search(answer.group(1)) if answer else None
    iou = overlap([int(value) for value in box.groups()], truth) if box else 0.0
    return iou + (0.5 if FORMAT.fullmatch(completion) else 0.0)


parser = argparse.ArgumentParser()
parser.add_argument("--completions", type=int, required=True)
parser.add_argument("--reps", type=int, default=5)
options = parser.parse_args()

cases = []
for i in range(options.completions):
    x, y = i % 300, (i * 7) % 200
    text = f'<think>I compare the objects; number {i} fits the description.</think>\n<answer>{{"bbox_2d": [{x}, {y}, {x + 100}, {y + 80}], "label": "cat"}}</answer>'
    cases.append((text, [x + 5, y + 5, x + 105, y + 85]))

rates = []
for _ in range(options.reps):
    start = time.perf_counter()
    total = sum(score(text, truth) for text, truth in cases)
    rates.append(len(cases) / (time.perf_counter() - start))
print("MEDIAN " + json.dumps({"per_second": statistics.median(rates), "total": total}))
