import { html, trusted, type Html } from "./html.ts";
import { style } from "./style.ts";

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
