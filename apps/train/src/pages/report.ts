import { eventsOf, type Estimate, type EventOf, type RecordedPrompt, type RunEvent } from "../run/events.ts";
import { duration } from "../terminal.ts";
import { picture } from "./figures.ts";
import { html, page, type Html } from "./html.ts";
import { completionRow, curves, estimateText, promptFigure, rewardLegend, trueBoxes } from "./sections.ts";

type EvaluationEvent = EventOf<"evaluation">;

/**
 * The whole report of a run as one self-contained HTML file: no script, no request, nothing but this text.
 *
 * @param hasLog whether completions.html lies beside it, to be named in the report.
 */
export function reportPage(
  events: readonly RunEvent[],
  { hasLog = false }: { readonly hasLog?: boolean } = {},
): string {
  const start = eventsOf(events, "start")[0];
  const evaluations = eventsOf(events, "evaluation");
  const [before, after] = [evaluations[0], evaluations.length > 1 ? evaluations.at(-1) : undefined];
  const title = start?.title ?? "Training run";
  return page(
    title,
    html`${outcome(events)} ${headline(before, after)} ${start && facts(start.facts)}
      ${before && after && beforeAndAfter(before, after)}
      <h2>Curves</h2>
      ${curves(events)} ${before && groupTable(before, after)} ${latestRollout(events, hasLog)}
      ${after && bestAndWorst(after)} ${auditTable(events)} ${notices(events)}
      ${start && reproduce(start.command, start.config)}`,
  );
}

function outcome(events: readonly RunEvent[]): Html {
  const end = eventsOf(events, "end").at(-1);
  const steps = eventsOf(events, "step").length;
  if (!end) return html`<p class="soft">Still running, or stopped without a word: ${steps} steps so far.</p>`;
  const how = {
    done: "finished",
    interrupted: "interrupted, and can be resumed",
    failed: "stopped by an error",
  }[end.outcome];
  return html`<p class="soft">The run ${how} after ${steps} steps and ${duration(end.seconds)}.</p>`;
}

function headline(before: EvaluationEvent | undefined, after: EvaluationEvent | undefined): Html {
  if (!before) return html``;
  const latest = after ?? before;
  const cards = Object.entries(latest.metrics).map(([name, estimate]) => {
    const start = after ? before.metrics[name] : undefined;
    return html`<div class="figure">
      <span class="soft small">${name}</span
      ><b>${estimateText(estimate)}</b
      >${start && html`<span class="small">before ${estimateText(start)} ${gain(start, estimate)}</span>`}
    </div>`;
  });
  return html`<div class="headline">${cards}</div>
    <p class="soft small">
      Averages over ${Object.values(latest.metrics)[0]?.count ?? 0} held-out samples; ± is half of the 95 %
      bootstrap interval.
    </p>`;
}

function gain(before: Estimate, after: Estimate): Html {
  const difference = after.value - before.value;
  const points = Math.abs(before.value) <= 1 && Math.abs(after.value) <= 1;
  const text = `${difference >= 0 ? "+" : "−"}${Math.abs(points ? difference * 100 : difference).toFixed(points ? 1 : 2)}`;
  return html`<strong class="${difference >= 0 ? "good" : "bad"}">${text}</strong>`;
}

function facts(entries: Readonly<Record<string, string>>): Html {
  return html`<h2>What was asked</h2>
    <div class="scroll">
      <table>
        ${Object.entries(entries).map(
          ([name, value]) =>
            html`<tr>
              <th scope="row">${name}</th>
              <td>${value}</td>
            </tr>`,
        )}
      </table>
    </div>`;
}

/** Pictures in the comparison. */
const comparedPictures = 12;

interface Compared {
  readonly early: RecordedPrompt;
  readonly late: RecordedPrompt;
  readonly change: number;
}

/** The same held-out pictures before and after, chosen so that gains and losses are as frequent among them as among all. */
function beforeAndAfter(before: EvaluationEvent, after: EvaluationEvent): Html {
  const earlier = new Map(before.examples.map((example) => [example.id, example]));
  const value = ({ completions }: RecordedPrompt): number => completions[0]?.total ?? 0;
  const pairs = after.examples
    .flatMap((late): Compared[] => {
      const early = earlier.get(late.id);
      return early && late.picture ? [{ early, late, change: value(late) - value(early) }] : [];
    })
    .toSorted((a, b) => b.change - a.change);
  if (pairs.length === 0) return html``;
  const count = Math.min(comparedPictures, pairs.length);
  const stride = count > 1 ? (pairs.length - 1) / (count - 1) : 0;
  const shown = Array.from({ length: count }, (_, i) => pairs[Math.round(i * stride)] as Compared);
  return html`<h2>Before and after</h2>
    <p class="soft small">
      ${count} of ${pairs.length} held-out pictures, from the largest gain to the largest loss at equal distances: as many got better or worse
      here as among all.
    </p>
    <div class="legend">
      <span><i style="border-color:var(--truth);border-style:dashed"></i>true box</span
      ><span><i style="border-color:${beforeColor}"></i>before</span
      ><span><i style="border-color:${afterColor}"></i>after</span>
    </div>
    <div class="pictures wide">${shown.map(comparison)}</div>`;
}

const beforeColor = "#dc2626";
const afterColor = "#2563eb";

function comparison({ early, late, change }: Compared): Html {
  const [first, second] = [early.completions[0], late.completions[0]];
  const [from, to] = [first?.total ?? 0, second?.total ?? 0];
  const boxes = [
    ...trueBoxes(late.truth),
    ...(first?.boxes ?? []).map((box) => ({ box, color: beforeColor, title: `before: ${first?.text}` })),
    ...(second?.boxes ?? []).map((box) => ({ box, color: afterColor, title: `after: ${second?.text}` })),
  ];
  const mark = change === 0 ? "soft" : change > 0 ? "good" : "bad";
  return picture(late.picture, {
    title: `${late.prompt}: reward ${from.toFixed(2)} before, ${to.toFixed(2)} after`,
    boxes,
    caption: html`<strong>${late.prompt}</strong><br /><span class="${mark}"
        >${from.toFixed(2)} → ${to.toFixed(2)}</span
      >
      <p class="completion"><span class="soft">before</span><code>${first?.text ?? ""}</code></p>
      <p class="completion"><span class="soft">after</span><code>${second?.text ?? ""}</code></p>`,
  });
}

function groupTable(before: EvaluationEvent, after: EvaluationEvent | undefined): Html {
  const metric = Object.keys(before.metrics)[0];
  const names = Object.keys((after ?? before).groups);
  if (metric === undefined || names.length === 0) return html``;
  const cell = (estimate: Estimate | undefined): Html =>
    html`<td class="number">${estimate ? estimateText(estimate) : "–"}</td>`;
  const rows = names.map((name) => {
    const [early, late] = [before.groups[name]?.[metric], after?.groups[name]?.[metric]];
    return html`<tr>
      <th scope="row">${name}</th>
      <td class="number">${(late ?? early)?.count ?? 0}</td>
      ${cell(early)}${after && cell(late)}${after && html`<td class="number">${early && late && gain(early, late)}</td>`}
    </tr>`;
  });
  return html`<h2>By kind of expression</h2>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>${metric}</th>
            <th class="number">samples</th>
            <th class="number">${after ? "before" : "value"}</th>
            ${
              after &&
              html`<th class="number">after</th>
                <th class="number">change</th>`
            }
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>`;
}

function latestRollout(events: readonly RunEvent[], hasLog: boolean): Html {
  const last = eventsOf(events, "rollout").at(-1);
  if (!last) return html``;
  return html`<h2>What the model tried at step ${last.step}</h2>
    ${rewardLegend}
    <div class="pictures">${last.prompts.slice(0, 8).map(promptFigure)}</div>
    ${
      hasLog &&
      html`<p class="soft small">
        Every completion of the run, to search and filter: <a href="completions.html">completions.html</a>, beside this file.
      </p>`
    }`;
}

function bestAndWorst(after: EvaluationEvent): Html {
  const all = after.examples
    .flatMap(({ prompt, completions }) =>
      completions.slice(0, 1).map((completion) => ({ prompt, completion })),
    )
    .toSorted((a, b) => b.completion.total - a.completion.total);
  if (all.length === 0) return html``;
  const rows = (list: typeof all): Html =>
    html`<div class="scroll">
      <table>
        <thead>
          <tr>
            <th>prompt</th>
            <th>completion</th>
            <th class="number">reward</th>
            <th>metrics</th>
          </tr>
        </thead>
        <tbody>
          ${list.map(({ prompt, completion }) => completionRow(prompt, completion))}
        </tbody>
      </table>
    </div>`;
  return html`<h2>Best and worst completions</h2>
    ${rows(all.slice(0, 5))}
    <h3 class="small soft">Worst</h3>
    ${rows(all.slice(-5).toReversed())}`;
}

function auditTable(events: readonly RunEvent[]): Html {
  const rows = eventsOf(events, "audit").at(-1)?.rows ?? [];
  const columns = Object.keys(rows[0] ?? {});
  if (columns.length === 0) return html``;
  const text = (value: string | number | boolean | undefined): string =>
    typeof value === "number"
      ? value.toFixed(2)
      : typeof value === "boolean"
        ? value
          ? "yes"
          : "no"
        : (value ?? "");
  return html`<h2>Reward audit</h2>
    <p class="soft small">
      What known exploits would earn under these rewards, before training could find them.
    </p>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            ${columns.map((name) => html`<th>${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) =>
              html`<tr>
                ${columns.map((name) => html`<td>${text(row[name])}</td>`)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}

function notices(events: readonly RunEvent[]): Html {
  const warnings = eventsOf(events, "notice").filter(({ level }) => level === "warning");
  if (warnings.length === 0) return html``;
  return html`<h2>Warnings</h2>
    <ul>
      ${warnings.map(({ step, text }) => html`<li>Step ${step}: ${text}</li>`)}
    </ul>`;
}

function reproduce(command: string, config: unknown): Html {
  return html`<h2>How to reproduce</h2>
    <pre>${command}</pre>
    <details>
      <summary>Configuration</summary>
      <pre>${JSON.stringify(config, null, 2)}</pre>
    </details>`;
}
