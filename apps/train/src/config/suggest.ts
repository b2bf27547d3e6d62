import { levenshteinRatio } from "@vlmr1/rewards";

/** How alike two names must be for one to be a likely misspelling of the other, 0..1. */
const alike = 0.6;

/** ` Did you mean grpo?` for a name that is nearly one of those that exist, else nothing. */
export function didYouMean(name: string, names: readonly string[]): string {
  const wanted = name.toLowerCase();
  const near = names
    .map((known) => ({ known, likeness: likeness(wanted, known.toLowerCase()) }))
    .filter((candidate) => candidate.likeness >= alike)
    .toSorted((a, b) => b.likeness - a.likeness)
    .slice(0, 3)
    .map(({ known }) => known);
  return near.length === 0 ? "" : ` Did you mean ${near.join(" or ")}?`;
}

/** Alike as a whole, or in the last part of a path (`grpo.groupSize`), or the beginning of a longer name. */
function likeness(wanted: string, known: string): number {
  const last = known.split(".").at(-1) as string;
  const contained = wanted.length > 2 && known.includes(wanted) ? alike : 0;
  return Math.max(levenshteinRatio(wanted, known), levenshteinRatio(wanted, last), contained);
}
