const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * Text for HTML and SVG: markup in a data set is shown, never obeyed; control characters, which XML forbids, are
 * left out.
 */
export function escapeMarkup(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cs}\p{Cn}]/gu, keepSpace)
    .replace(/[&<>"']/g, (character) => entities[character] as string);
}

function keepSpace(character: string): string {
  return character === "\n" || character === "\t" ? character : "";
}

/** An element of SVG: attributes are escaped, numbers rounded to a tenth, the content is markup already. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  content = "",
): string {
  const written = Object.entries(attributes).map(([key, value]) => {
    const text = typeof value === "number" ? String(Math.round(value * 10) / 10) : escapeMarkup(value);
    return ` ${key}="${text}"`;
  });
  return `<${name}${written.join("")}>${content}</${name}>`;
}
