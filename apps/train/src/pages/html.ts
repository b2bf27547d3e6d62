/** Text that is already HTML. Everything else is escaped when it enters a page. */
export interface Html {
  readonly html: string;
}

/** The markup that this program made. A record of a run that merely looks like it, `{"html": "<script>"}`, is not among it. */
const made = new WeakSet<object>();

function markup(text: string): Html {
  const value = { html: text };
  made.add(value);
  return value;
}

type Part = Html | string | number | undefined | false | readonly Part[];

/** Builds HTML from a template; interpolated strings are escaped, nested templates and lists are inserted as they are. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  let text = strings[0] as string;
  parts.forEach((part, index) => (text += render(part) + (strings[index + 1] as string)));
  return markup(text);
}

/** Marks text that this program made as HTML. Never for text of a model, a dataset or a user. */
export function trusted(text: string): Html {
  return markup(text);
}

/** Escapes text for HTML content and quoted attributes. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

function render(part: Part): string {
  if (part === undefined || part === false) return "";
  if (typeof part === "string") return escapeHtml(part);
  if (typeof part === "number") return String(part);
  if (Array.isArray(part)) return part.map(render).join("");
  // Records come from files of strangers: what is no text there is shown, not believed.
  return made.has(part) ? (part as Html).html : escapeHtml(JSON.stringify(part) ?? "");
}

/** A whole page around its content: title, the shared style, nothing that asks the network. `script` is this program's own. */
export function page(title: string, content: Html, script?: string): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <link rel="icon" href="data:," />
        <title>${title}</title>
        <style>
          ${trusted(style)}
        </style>
      </head>
      <body>
        <main>
          <h1>${title}</h1>
          ${content}
        </main>
        ${
          script !== undefined &&
          html`<script>
            ${trusted(script)}
          </script>`
        }
      </body>
    </html>`.html;
}

/** One style sheet for the report and the live page; follows the reader's light or dark preference. */
export const style = `
:root { color-scheme: light dark;
  --paper: #fbfaf8; --card: #ffffff; --ink: #1c1b1a; --soft: #6b6762; --line: #e4e0da;
  --one: #2458d3; --two: #c2410c; --three: #0f766e; --four: #9333ea; --good: #15803d; --bad: #b91c1c; --truth: #111111; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #161514; --card: #1f1e1c; --ink: #edeae6; --soft: #a09a92; --line: #383531;
  --one: #7aa2ff; --two: #ff9d66; --three: #4fd1c5; --four: #c99bff; --good: #4ade80; --bad: #f87171; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 ui-sans-serif, system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1.25rem 5rem; }
h1 { font-size: clamp(1.5rem, 4vw, 2.1rem); line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.015em; }
h2 { font-size: 1.2rem; margin: 2.8rem 0 .7rem; letter-spacing: -.01em; }
p { max-width: 44rem; } .soft { color: var(--soft); } small, .small { font-size: .84rem; }
code, pre { font: .84rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.headline { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.4rem 0; }
.figure { flex: 1 1 11rem; background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1rem; }
.figure b { display: block; font-size: 1.7rem; line-height: 1.25; font-variant-numeric: tabular-nums; letter-spacing: -.02em; }
.good { color: var(--good); } .bad { color: var(--bad); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
figure { margin: 0; } .chart { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .8rem .9rem .5rem; }
.chart svg { display: block; width: 100%; height: auto; overflow: visible; }
.chart figcaption { display: flex; justify-content: space-between; gap: 1rem; font-size: .88rem; }
.chart .grid { stroke: var(--line); stroke-width: 1; } .chart .raw { fill: none; stroke-width: 1; opacity: .28; }
.chart .curve { fill: none; stroke-width: 2; stroke-linejoin: round; } .chart text { fill: var(--soft); font-size: 11px; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 10rem), 1fr)); gap: .8rem; }
.pictures.wide { grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); }
.picture { background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
.picture svg { display: block; width: 100%; height: auto; background: #888; } .picture image { image-rendering: pixelated; }
.picture figcaption { padding: .55rem .7rem .65rem; font-size: .84rem; overflow-wrap: anywhere; }
.box { fill: none; vector-effect: non-scaling-stroke; stroke-width: 2.5; }
.box-halo { fill: none; vector-effect: non-scaling-stroke; stroke: #fff; stroke-opacity: .85; stroke-width: 5; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; font-size: .84rem; color: var(--soft); margin: .3rem 0 .8rem; }
.legend i { display: inline-block; width: .85rem; height: .85rem; margin-right: .35rem; border: 2.5px solid; background: #fff; outline: 1.5px solid #fff; vertical-align: -.1rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .42rem .8rem .42rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--soft); white-space: nowrap; } td.number, th.number { text-align: right; white-space: nowrap; }
a { color: var(--one); } .completion { margin: .45rem 0 0; } .completion code { display: block; white-space: pre-wrap; }
.text { min-width: 15rem; white-space: pre-wrap; overflow-wrap: anywhere; } details > summary { cursor: pointer; color: var(--soft); }
.filters { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: end; font-size: .9rem; } .filters label { color: var(--soft); }
input, select, button { font: inherit; color: var(--ink); background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .25rem .5rem; }
.filters input[type="number"] { width: 6.5rem; } .thumbnail { width: 7rem; display: block; background: #888; border-radius: 6px; } .thumbnail image { image-rendering: pixelated; }
progress { width: 100%; height: .5rem; accent-color: var(--one); }
`;
