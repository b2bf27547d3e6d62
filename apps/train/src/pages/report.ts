import type { Estimate, EvaluationExample, RunEvent } from "../run/events.ts";
import { picture } from "./figures.ts";
import { duration } from "../terminal.ts";
import { html, type Html, page } from "./html.ts";
import {
  answerGroup,
  answerLegend,
  answerRow,
  curves,
  estimateText,
  eventsOf,
  type EvaluationEvent,
} from "./sections.ts";

/** The whole report of a run as one self-contained HTML file: no script, no request, nothing but this text. */
export function reportPage(events: readonly RunEvent[]): string {
  const start = eventsOf(events, "start")[0];
  const evaluations = eventsOf(events, "evaluation");
  const [before, after] = [evaluations[0], evaluations.length > 1 ? evaluations.at(-1) : undefined];
  const title = start?.title ?? "Training run";
  return page(
    title,
    html`${outcome(events)} ${headline(before, after)} ${start && facts(start.facts)}
      ${before && after && beforeAndAfter(before, after)}
      <h2>Curves</h2>
      ${curves(events)} ${before && groupTable(before, after)} ${latestAnswers(events)}
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

/** The same held-out pictures before and after: those that changed most first. */
function beforeAndAfter(before: EvaluationEvent, after: EvaluationEvent): Html {
  const earlier = new Map(before.examples.map((example) => [example.id, example]));
  const pairs = after.examples.flatMap((late): { early: EvaluationExample; late: EvaluationExample }[] => {
    const early = earlier.get(late.id);
    return early && late.picture ? [{ early, late }] : [];
  });
  if (pairs.length === 0) return html``;
  const score = (example: EvaluationExample): number => example.answers[0]?.total ?? 0;
  const shown = pairs
    .toSorted((a, b) => Math.abs(score(b.late) - score(b.early)) - Math.abs(score(a.late) - score(a.early)))
    .slice(0, 12);
  const figures = shown.map(({ early, late }) => {
    const boxes = [
      late.truth && { box: late.truth, color: "var(--truth)", dashed: true },
      early.answers[0]?.box && { box: early.answers[0].box, color: "#dc2626" },
      late.answers[0]?.box && { box: late.answers[0].box, color: "#2563eb" },
    ].filter((box) => box !== undefined);
    const change = html`score ${score(early).toFixed(2)} → ${score(late).toFixed(2)}`;
    return picture(
      late.picture,
      boxes,
      html`<strong>${late.prompt}</strong><br /><span class="soft">${change}</span>`,
    );
  });
  return html`<h2>Before and after</h2>
    <p class="soft small">The held-out pictures whose score changed most, in either direction.</p>
    <div class="legend">
      <span><i style="border-color:var(--truth);border-style:dashed"></i>true box</span
      ><span><i style="border-color:#dc2626"></i>before</span
      ><span><i style="border-color:#2563eb"></i>after</span>
    </div>
    <div class="pictures">${figures}</div>`;
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

function latestAnswers(events: readonly RunEvent[]): Html {
  const last = eventsOf(events, "answers").at(-1);
  if (!last) return html``;
  return html`<h2>What the model tried at step ${last.step}</h2>
    ${answerLegend}
    <div class="pictures">${last.groups.slice(0, 8).map(answerGroup)}</div>`;
}

function bestAndWorst(after: EvaluationEvent): Html {
  const answers = after.examples
    .flatMap(({ prompt, answers: all }) => all.slice(0, 1).map((answer) => ({ prompt, answer })))
    .toSorted((a, b) => b.answer.total - a.answer.total);
  if (answers.length === 0) return html``;
  const rows = (list: typeof answers): Html =>
    html`<div class="scroll">
      <table>
        <thead>
          <tr>
            <th>prompt</th>
            <th>answer</th>
            <th class="number">score</th>
            <th>parts</th>
          </tr>
        </thead>
        <tbody>
          ${list.map(({ prompt, answer }) => answerRow(prompt, answer))}
        </tbody>
      </table>
    </div>`;
  return html`<h2>Best and worst answers</h2>
    ${rows(answers.slice(0, 5))}
    <h3 class="small soft">Worst</h3>
    ${rows(answers.slice(-5).toReversed())}`;
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
