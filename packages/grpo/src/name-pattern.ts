/**
 * Whether `name` matches `pattern`, in which `*` stands for any characters (dots included) and everything else for itself:
 * `*.bias`, `model.layers.*.mlp.*`. Takes time proportional to the product of the lengths at worst.
 */
export function matchesPattern(name: string, pattern: string): boolean {
  let [n, p] = [0, 0];
  let [starPattern, starName] = [-1, 0];
  while (n < name.length) {
    if (pattern[p] === "*") {
      starPattern = p++;
      starName = n;
    } else if (pattern[p] === name[n]) {
      n++;
      p++;
    } else if (starPattern >= 0) {
      p = starPattern + 1; // let the last star swallow one more character
      n = ++starName;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
