const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text for HTML and SVG: markup in a data set is shown, never obeyed; control characters, which XML forbids, are left out. */
export function escapeMarkup(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cs}\p{Cn}]/gu, keepSpace)
    .replace(/[&<>"']/g, (character) => entities[character] as string);
}

function keepSpace(character: string): string {
  return character === "\n" || character === "\t" ? character : "";
}
