import type { Box } from "@vlmr1/core";
import type { RunPicture } from "../run/events.ts";
import { html, type Html } from "./html.ts";

/** One line of a chart: values by training step. */
export interface Series {
  readonly name: string;
  /** A CSS colour. */
  readonly color: string;
  readonly points: readonly (readonly [step: number, value: number])[];
}

const width = 360;
const height = 170;
const margin = { left: 40, right: 8, top: 8, bottom: 20 };

/**
 * Draws one or more series as an SVG: faint raw points under a smoothed curve (exponential moving average, span of a twentieth of
 * the run), with the last smoothed value in the caption.
 */
export function lineChart(title: string, series: readonly Series[]): Html {
  const drawn = series
    .map((line) => ({ ...line, points: line.points.filter(([, value]) => Number.isFinite(value)) }))
    .filter(({ points }) => points.length > 0);
  if (drawn.length === 0) return html``;
  const steps = drawn.flatMap(({ points }) => points.map(([step]) => step));
  const values = drawn.flatMap(({ points }) => points.map(([, value]) => value));
  const ticks = niceTicks(minimum(values), maximum(values));
  const low = Math.min(minimum(values), ticks[0] as number);
  const high = Math.max(maximum(values), ticks.at(-1) as number);
  const [first, last] = [minimum(steps), maximum(steps)];
  const x = (step: number): number =>
    margin.left + ((step - first) / Math.max(1, last - first)) * (width - margin.left - margin.right);
  const y = (value: number): number =>
    height - margin.bottom - ((value - low) / (high - low)) * (height - margin.top - margin.bottom);
  const path = (points: Series["points"]): string =>
    points
      .map(([step, value], i) => `${i === 0 ? "M" : "L"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`)
      .join("");
  const smoothed = drawn.map((line) => ({ ...line, points: smooth(line.points) }));
  const latest = smoothed.map(
    ({ name, color, points }) =>
      html`<span style="color:${color}"
        >${drawn.length > 1 ? `${name} ` : ""}${label(points.at(-1)?.[1] ?? 0)}</span
      > `,
  );
  return html`<figure class="chart">
    <figcaption><strong>${title}</strong><span>${latest}</span></figcaption>
    <svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title} by training step">
      ${ticks.map((tick) => html`<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${y(tick).toFixed(1)}" y2="${y(tick).toFixed(1)}" /><text x="${margin.left - 6}" y="${(y(tick) + 3.5).toFixed(1)}" text-anchor="end">${label(tick)}</text>`)}
      <text x="${margin.left}" y="${height - 4}">${first}</text>
      <text x="${width - margin.right}" y="${height - 4}" text-anchor="end">step ${last}</text>
      ${drawn.map(({ color, points }) => html`<path class="raw" stroke="${color}" d="${path(thinned(points))}" />`)}
      ${smoothed.map(({ color, points }) => html`<path class="curve" stroke="${color}" d="${path(thinned(points))}" />`)}
    </svg>
  </figure>`;
}

/** Exponential moving average with bias correction, so that the first points are not pulled to zero. */
export function smooth(points: Series["points"]): Series["points"] {
  const span = Math.max(1, points.length / 20);
  const keep = 1 - 1 / span;
  let sum = 0;
  let weight = 0;
  return points.map(([step, value]) => {
    sum = keep * sum + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    return [step, weight > 0 ? sum / weight : value] as const;
  });
}

/** At most 400 points a curve: a page of a long run stays small. */
function thinned(points: Series["points"]): Series["points"] {
  const stride = Math.ceil(points.length / 400);
  return points.filter((_, index) => index % stride === 0 || index === points.length - 1);
}

/** Three to six round numbers around a range. */
export function niceTicks(low: number, high: number): number[] {
  const range = high - low || Math.abs(high) || 1;
  const rough = range / 4;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = magnitude * ([1, 2, 2.5, 5, 10].find((factor) => magnitude * factor >= rough) ?? 10);
  const start = Math.floor(low / step);
  const end = Math.max(start + 1, Math.ceil(high / step));
  return Array.from({ length: end - start + 1 }, (_, i) => Number(((start + i) * step).toPrecision(12)));
}

function label(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 10_000 || size < 0.001) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}

function minimum(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Infinity);
}

function maximum(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), -Infinity);
}

/** A box to draw over a picture, in the picture's pixels. */
export interface DrawnBox {
  readonly box: Box;
  /** A CSS colour. */
  readonly color: string;
  readonly dashed?: boolean;
  /** What is told when a pointer rests on its line. */
  readonly title?: string;
}

/** A picture with boxes and a caption; `title` says in words what it shows. A white halo keeps the boxes visible on any ground. */
export function picture(
  image: RunPicture | undefined,
  {
    title,
    boxes,
    caption,
  }: { readonly title: string; readonly boxes: readonly DrawnBox[]; readonly caption: Html },
): Html {
  return html`<figure class="picture">
    ${image && annotated(image, title, boxes)}
    <figcaption>${caption}</figcaption>
  </figure>`;
}

function annotated({ url, width, height }: RunPicture, title: string, boxes: readonly DrawnBox[]): Html {
  return html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
    <image href="${url}" width="${width}" height="${height}" />
    ${boxes.map(({ box: [x1, y1, x2, y2], color, dashed, title: hint }) => {
      const area = html`x="${x1}" y="${y1}" width="${Math.max(0, x2 - x1)}" height="${Math.max(0, y2 - y1)}"`;
      return html`<rect class="box-halo" ${area} /><rect
          class="box"
          ${area}
          stroke="${color}"
          ${dashed && html` stroke-dasharray="5 4"`}
          >${hint !== undefined && html`<title>${hint}</title>`}</rect
        >`;
    })}
  </svg>`;
}

/** From red over amber to green as a reward goes from `low` to `high`. */
export function rewardColor(reward: number, low: number, high: number): string {
  const share = high > low ? Math.min(1, Math.max(0, (reward - low) / (high - low))) : 1;
  return `hsl(${Math.round(share * 125)} 75% 42%)`;
}
