/** How deep JSON may be nested. Whoever walks through a value goes down a function call a level. */
export const deepestJson = 512;

/** Whether JSON is nested deeper than that; answers without parsing, for JSON.parse itself runs out of stack. */
export function isNestedTooDeep(text: string): boolean {
  if (text.length < 2 * deepestJson) return false;
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) inString = !inString;
    else if (inString) {
      if (code === 0x5c) i++;
    } else if (code === 0x5b || code === 0x7b) {
      if (++depth > deepestJson) return true;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return false;
}
