import type { CocoEvaluation } from "./coco.ts";

/** The twelve lines that pycocotools' `summarize()` prints, one per number, digit for digit. */
export function cocoSummaryText({ stats, axes, thresholds }: CocoEvaluation): string {
  const span = `${fixed(thresholds[0] as number)}:${fixed(thresholds.at(-1) as number)}`;
  const [first, second, third] = axes.maxDets as readonly [number, number, number];
  const lines: [iou: string, area: string, maxDets: number][] = [
    [span, "all", 100],
    ["0.50", "all", third],
    ["0.75", "all", third],
    [span, "small", third],
    [span, "medium", third],
    [span, "large", third],
    [span, "all", first],
    [span, "all", second],
    [span, "all", third],
    [span, "small", third],
    [span, "medium", third],
    [span, "large", third],
  ];
  return lines
    .map(([iou, area, maxDets], i) => {
      const title = i < 6 ? "Average Precision  (AP)" : "Average Recall     (AR)";
      const place = `IoU=${iou.padEnd(9)} | area=${area.padStart(6)} | maxDets=${String(maxDets).padStart(3)}`;
      return ` ${title} @[ ${place} ] = ${threeDigits(stats[i] as number)}`;
    })
    .join("\n");
}

/** Python's rounding: halves to even. With three digits only odd sixteenths can be exact halves. */
function threeDigits(value: number): string {
  if (!Number.isInteger(value * 16) || Number.isInteger(value * 8)) return value.toFixed(3);
  const below = Math.floor(value * 1000);
  return ((below % 2 === 0 ? below : below + 1) / 1000).toFixed(3);
}

function fixed(value: number): string {
  return value.toFixed(2);
}
