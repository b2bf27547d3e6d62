"""Verdicts of Hugging Face's math-verify on pairs of truth and answer, and how many it judges a second."""

import argparse
import json
import time

from math_verify import parse, verify

parser = argparse.ArgumentParser()
parser.add_argument("--pairs", required=True, help="a JSON list of [kind, truth, answer, equal, ...]")
options = parser.parse_args()


def formula(text):
    """math-verify finds LaTeX between dollars; prose and boxes it reads as they are."""
    marked = any(mark in text for mark in ("$", "\\boxed", "\\[", "\\(", " is ", "**"))
    return text if marked else f"${text}$"


with open(options.pairs, encoding="utf-8") as file:
    pairs = json.load(file)

verdicts = []
start = time.process_time()
for _, truth, answer, *_ in pairs:
    try:
        verdicts.append(bool(verify(parse(formula(truth)), parse(formula(answer)))))
    except Exception:  # a crash credits nothing
        verdicts.append(False)
seconds = time.process_time() - start
right = sum(verdict == equal for verdict, (_, _, _, equal, *_) in zip(verdicts, pairs))
print("MEDIAN " + json.dumps({"per_second": len(pairs) / seconds, "right": right}))
