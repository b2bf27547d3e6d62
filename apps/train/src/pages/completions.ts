import type { LoggedPrompt } from "../run/events.ts";
import { html, page, trusted } from "./html.ts";

/** Text that one page holds, in characters: browsers search more than this slowly. */
const mostText = 40_000_000;

/**
 * Every logged completion of a run as one page that can be searched and filtered. Its pictures are files beside it; it asks for nothing
 * else. The newest steps come first; what does not fit is in completions.jsonl.
 */
export function completionsPage(title: string, prompts: readonly LoggedPrompt[]): string {
  const lines: string[] = [];
  let size = 0;
  for (const prompt of prompts.toReversed()) {
    const line = JSON.stringify(prompt).replaceAll("<", "\\u003c"); // nothing that a model wrote ends the script element
    size += line.length;
    if (size > mostText) break;
    lines.push(line);
  }
  const left = prompts.length - lines.length;
  const rules = [
    ...new Set(prompts.flatMap(({ completions }) => Object.keys(completions[0]?.rewards ?? {}))),
  ];
  return page(
    `Completions: ${title}`,
    html`<form class="filters" id="filters">
        <label>Search <input name="text" type="search" placeholder="prompt or completion" /></label>
        <label>Steps <input name="from" type="number" min="1" placeholder="first" /></label>
        <label>to <input name="to" type="number" min="1" placeholder="last" /></label>
        <label
          >Reward
          <select name="rule">
            <option value="">total</option>
            ${rules.map((rule) => html`<option>${rule}</option>`)}
          </select></label
        >
        <label>from <input name="low" type="number" step="any" /></label>
        <label>to <input name="high" type="number" step="any" /></label>
        <label
          >Sort
          <select name="order">
            <option value="">newest first</option>
            <option value="high">highest reward</option>
            <option value="low">lowest reward</option>
            <option value="advantage">largest advantage</option>
            <option value="long">longest</option>
          </select></label
        >
      </form>
      <p class="soft small" id="count"></p>
      ${left > 0 && html`<p class="soft small">The first ${left} prompts of the run are in completions.jsonl only.</p>`}
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th>step</th>
              <th>picture</th>
              <th>prompt</th>
              <th>completion</th>
              <th class="number">reward</th>
              <th class="number">advantage</th>
            </tr>
          </thead>
          <tbody id="rows"></tbody>
        </table>
      </div>
      <p><button id="more" type="button">Show more</button></p>
      <script type="application/json" id="log">
        ${trusted(`[${lines.join(",")}]`)}
      </script>`,
    script,
  );
}

/** Filters and draws rows. Everything that a model or a dataset wrote becomes text or an attribute, never HTML. */
const script = `
const prompts = JSON.parse(document.getElementById("log").textContent);
const all = prompts.flatMap((prompt) => prompt.completions.map((completion) => ({ prompt, completion })));
const form = document.getElementById("filters");
const body = document.getElementById("rows");
const more = document.getElementById("more");
const pageSize = 50;
let found = [];
let drawn = 0;
const rewardOf = ({ completion }, rule) => (rule ? completion.rewards[rule] ?? 0 : completion.total);
const orders = {
  high: (rule) => (a, b) => rewardOf(b, rule) - rewardOf(a, rule),
  low: (rule) => (a, b) => rewardOf(a, rule) - rewardOf(b, rule),
  advantage: () => (a, b) => (b.completion.advantage ?? 0) - (a.completion.advantage ?? 0),
  long: () => (a, b) => b.completion.text.length - a.completion.text.length,
};
function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}
function drawing({ prompt, completion }) {
  const cell = element("td");
  const picture = prompt.picture;
  if (!picture) return cell;
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 " + picture.width + " " + picture.height);
  svg.setAttribute("class", "thumbnail");
  const image = document.createElementNS(space, "image");
  for (const [name, value] of [["href", picture.url], ["width", picture.width], ["height", picture.height]]) image.setAttribute(name, value);
  svg.append(image);
  const box = ([x1, y1, x2, y2], color, dashed) => {
    for (const halo of [true, false]) {
      const rect = document.createElementNS(space, "rect");
      const values = { x: x1, y: y1, width: Math.max(0, x2 - x1), height: Math.max(0, y2 - y1), class: halo ? "box-halo" : "box" };
      for (const [name, value] of Object.entries(values)) rect.setAttribute(name, value);
      if (!halo) rect.style.stroke = color;
      if (!halo && dashed) rect.setAttribute("stroke-dasharray", "5 4");
      svg.append(rect);
    }
  };
  for (const written of completion.boxes) box(written, "var(--one)", false);
  for (const truth of prompt.truth) box(truth, "var(--truth)", true);
  cell.append(svg);
  return cell;
}
function row(entry) {
  const { prompt, completion } = entry;
  const line = element("tr");
  const reward = element("td", completion.total.toFixed(3), "number");
  const parts = Object.entries(completion.rewards).map(([name, value]) => name + " " + value.toFixed(2));
  reward.append(element("div", parts.join(", "), "soft small"));
  const text = element("td", undefined, "text");
  text.append(element("code", completion.text));
  const about = [completion.tokens === undefined ? "" : completion.tokens + " tokens", completion.truncated ? "cut off" : ""];
  text.append(element("div", about.filter(Boolean).join(", "), "soft small"));
  const advantage = completion.advantage === undefined ? "" : completion.advantage.toFixed(2);
  line.append(element("td", prompt.step, "number"), drawing(entry), element("td", prompt.prompt), text, reward, element("td", advantage, "number"));
  return line;
}
function showMore() {
  body.append(...found.slice(drawn, drawn + pageSize).map(row));
  drawn = Math.min(found.length, drawn + pageSize);
  more.hidden = drawn >= found.length;
  const mean = found.reduce((sum, { completion }) => sum + completion.total, 0) / Math.max(1, found.length);
  document.getElementById("count").textContent =
    found.length + " of " + all.length + " completions, mean reward " + mean.toFixed(3) + "; " + drawn + " shown";
}
function apply() {
  const given = Object.fromEntries(new FormData(form));
  const number = (text, otherwise) => (text === "" ? otherwise : Number(text));
  const text = given.text.toLowerCase();
  const [from, to] = [number(given.from, -Infinity), number(given.to, Infinity)];
  const [low, high] = [number(given.low, -Infinity), number(given.high, Infinity)];
  found = all.filter((entry) => {
    const { prompt, completion } = entry;
    const reward = rewardOf(entry, given.rule);
    return prompt.step >= from && prompt.step <= to && reward >= low && reward <= high
      && (text === "" || prompt.prompt.toLowerCase().includes(text) || completion.text.toLowerCase().includes(text));
  });
  const order = orders[given.order];
  if (order) found.sort(order(given.rule));
  body.replaceChildren();
  drawn = 0;
  showMore();
}
form.addEventListener("input", apply);
form.addEventListener("submit", (event) => event.preventDefault());
more.addEventListener("click", showMore);
apply();
`;
