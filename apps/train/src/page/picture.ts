import type { Box } from "@vlmr1/core";
import type { RunPicture } from "../run/events.ts";
import { html, type Html } from "./html.ts";

/** A box to draw over a picture, in the picture's pixels. */
export interface DrawnBox {
  readonly box: Box;
  /** A CSS colour. */
  readonly color: string;
  readonly dashed?: boolean;
}

/** A picture with boxes and a caption. A white halo keeps the boxes visible on any ground. */
export function picture(image: RunPicture | undefined, boxes: readonly DrawnBox[], caption: Html): Html {
  return html`<figure class="picture">
    ${image && annotated(image, boxes)}
    <figcaption>${caption}</figcaption>
  </figure>`;
}

function annotated({ url, width, height }: RunPicture, boxes: readonly DrawnBox[]): Html {
  return html`<svg viewBox="0 0 ${width} ${height}" role="img">
    <image href="${url}" width="${width}" height="${height}" />
    ${boxes.map(({ box: [x1, y1, x2, y2], color, dashed }) => {
      const area = html`x="${x1}" y="${y1}" width="${Math.max(0, x2 - x1)}" height="${Math.max(0, y2 - y1)}"`;
      return html`<rect class="box-halo" ${area} /><rect
          class="box"
          ${area}
          stroke="${color}"
          ${dashed && html` stroke-dasharray="5 4"`}
        />`;
    })}
  </svg>`;
}

/** From red over amber to green as a reward goes from `low` to `high`. */
export function rewardColor(reward: number, low: number, high: number): string {
  const share = high > low ? Math.min(1, Math.max(0, (reward - low) / (high - low))) : 1;
  return `hsl(${Math.round(share * 125)} 75% 42%)`;
}
