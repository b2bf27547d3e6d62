import {
  eventsOf,
  type Estimate,
  type EventOf,
  type RecordedCompletion,
  type RecordedPrompt,
  type RunEvent,
} from "../run/events.ts";
import { lineChart, picture, rewardColor, type DrawnBox, type Series } from "./figures.ts";
import { html, type Html } from "./html.ts";

/** Metrics under `reward/` that are not one rule's mean. */
export const rewardStatistics = ["reward/mean", "reward/deviation", "reward/constant-groups"];

const colors = ["var(--one)", "var(--two)", "var(--three)", "var(--four)"];

/** The curves of a run: reward, each rule, accuracy at evaluations, KL, length, entropy, gradient norm. */
export function curves(events: readonly RunEvent[]): Html {
  const steps = eventsOf(events, "step");
  const metric = (name: string, label: string, color = 0): Series => ({
    name: label,
    color: colors[color % colors.length] as string,
    points: steps.flatMap(({ step, metrics }) =>
      metrics[name] === undefined ? [] : [[step, metrics[name]] as const],
    ),
  });
  const names = new Set(steps.flatMap(({ metrics }) => Object.keys(metrics)));
  const rules = [...names].filter((name) => name.startsWith("reward/") && !rewardStatistics.includes(name));
  const single: readonly (readonly [name: string, title: string])[] = [
    ["reward/mean", "Mean reward"],
    ["policy/kl", "KL to the reference"],
    ["policy/entropy", "Entropy"],
    ["policy/gradient-norm", "Gradient norm"],
    ["policy/clip-fraction", "Clipped tokens"],
    ["reward/constant-groups", "Groups that teach nothing"],
    ["completion/length", "Tokens per completion"],
    ["policy/loss", "Loss"],
  ];
  const charts = [
    evaluationChart(eventsOf(events, "evaluation")),
    ...single
      .filter(([name]) => names.has(name))
      .map(([name, title]) => lineChart(title, [metric(name, title)])),
    rules.length > 1 &&
      lineChart(
        "Reward by rule",
        rules.map((name, i) => metric(name, name.slice("reward/".length), i)),
      ),
  ];
  return html`<div class="charts">${charts}</div>`;
}

function evaluationChart(evaluations: readonly EventOf<"evaluation">[]): Html {
  const names = [...new Set(evaluations.flatMap(({ metrics }) => Object.keys(metrics)))].slice(
    0,
    colors.length,
  );
  if (new Set(evaluations.map(({ step }) => step)).size < 2) return html``;
  const series = names.map((name, i) => ({
    name,
    color: colors[i] as string,
    points: evaluations.flatMap(({ step, metrics }) =>
      metrics[name] ? [[step, metrics[name].value] as const] : [],
    ),
  }));
  return lineChart("Held-out evaluation", series);
}

/** The completions of one prompt: over its picture each box coloured by its reward, below it every text with what the rules gave. */
export function promptFigure({ prompt, picture: image, truth, completions }: RecordedPrompt): Html {
  const totals = completions.map(({ total }) => total);
  const [low, high] = [Math.min(0, ...totals), Math.max(1, ...totals)];
  const written = completions.flatMap(({ boxes, total, text }) =>
    boxes.map((box) => ({
      box,
      color: rewardColor(total, low, high),
      title: `${total.toFixed(2)}  ${text}`,
    })),
  );
  const mean = totals.reduce((a, b) => a + b, 0) / Math.max(1, totals.length);
  return picture(image, {
    title: `${prompt}: ${completions.length} completions, mean reward ${mean.toFixed(2)}`,
    boxes: [...written, ...trueBoxes(truth)],
    caption: html`<strong>${prompt}</strong><br /><span class="soft">mean reward ${mean.toFixed(2)}</span>
      <details>
        <summary>${completions.length} completions</summary>
        ${completions.map(completionText)}
      </details>`,
  });
}

/** True boxes as every picture shows them. */
export function trueBoxes(truth: RecordedPrompt["truth"]): DrawnBox[] {
  return truth.map((box) => ({ box, color: "var(--truth)", dashed: true, title: "true box" }));
}

/** What the colours of {@link promptFigure} mean. */
export const rewardLegend: Html = html`<div class="legend">
  <span><i style="border-color:var(--truth);border-style:dashed"></i>true box</span>
  <span><i style="border-color:${rewardColor(0, 0, 1)}"></i>reward 0</span
  ><span><i style="border-color:${rewardColor(0.5, 0, 1)}"></i>reward ½</span>
  <span><i style="border-color:${rewardColor(1, 0, 1)}"></i>reward 1</span>
</div>`;

function completionText({ text, total, rewards, advantage }: RecordedCompletion): Html {
  const parts = [
    ...Object.entries(rewards).map(([name, value]) => `${name} ${value.toFixed(2)}`),
    ...(advantage === undefined ? [] : [`advantage ${advantage.toFixed(2)}`]),
  ];
  return html`<p class="completion">
    <b>${total.toFixed(2)}</b> <span class="soft">${parts.join(", ")}</span><code>${text}</code>
  </p>`;
}

/** One completion as a row of a table: prompt, text, total and the parts of its reward. */
export function completionRow(prompt: string, { text, total, rewards }: RecordedCompletion): Html {
  const parts = Object.entries(rewards).map(([name, value]) => `${name} ${value.toFixed(2)}`);
  return html`<tr>
    <td>${prompt}</td>
    <td class="text"><code>${text}</code></td>
    <td class="number">${total.toFixed(2)}</td>
    <td class="soft">${parts.join(", ")}</td>
  </tr>`;
}

/** `65.4 %` with its interval as `± 1.9`, for shares; three digits for everything else. */
export function estimateText({ value, low, high }: Estimate): string {
  const share = value >= 0 && value <= 1 && low >= -0.05 && high <= 1.05;
  const scale = share ? 100 : 1;
  const half = ((high - low) / 2) * scale;
  return share
    ? `${(value * scale).toFixed(1)} % ± ${half.toFixed(1)}`
    : `${value.toPrecision(3)} ± ${half.toPrecision(2)}`;
}
