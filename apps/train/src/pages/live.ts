import { eventsOf, type RunEvent } from "../run/events.ts";
import { html, trusted, page } from "./html.ts";
import { duration } from "../terminal.ts";
import { curves, promptFigure, rewardLegend } from "./sections.ts";

/** The parts of the live page that change, by element id. The server renders them; the page only puts them in place. */
export function liveParts(events: readonly RunEvent[]): Readonly<Record<string, string>> {
  const last = eventsOf(events, "step").at(-1);
  const rollout = eventsOf(events, "rollout").at(-1);
  const end = eventsOf(events, "end").at(-1);
  const progress = last
    ? html`<progress max="${last.steps}" value="${last.step}"></progress>
        <p class="soft">
          Step ${last.step} of ${last.steps},
          ${duration(last.seconds)}${end && html`, <strong>${end.outcome}</strong>`}
        </p>`
    : html`<p class="soft">Waiting for the first step …</p>`;
  return {
    progress: progress.html,
    curves: curves(events).html,
    rollout: rollout
      ? html`<h2>Step ${rollout.step}: the pictures and the completions</h2>
          ${rewardLegend}
          <div class="pictures">${rollout.prompts.slice(0, 8).map(promptFigure)}</div>`.html
      : "",
  };
}

/** The page itself: it listens for server-sent events and reconnects by itself. */
export function livePage(title: string, events: readonly RunEvent[]): string {
  const parts = liveParts(events);
  const sections = Object.entries(parts).map(
    ([id, content]) => html`<section id="${id}">${trusted(content)}</section>`,
  );
  return page(title, html`${sections}<p class="soft small" id="connection"></p>`, follow);
}

/** Puts the parts that the server sends in place, and says when it no longer answers. */
const follow = `
const source = new EventSource("/events");
const connection = document.getElementById("connection");
source.onopen = () => { connection.textContent = ""; };
source.onmessage = ({ data }) => {
  for (const [id, content] of Object.entries(JSON.parse(data))) {
    const section = document.getElementById(id);
    if (section.innerHTML !== content) section.innerHTML = content;
  }
};
source.onerror = () => { connection.textContent = "The run is not answering: it has ended, or this page lost it. The report is in its folder."; };
`;
