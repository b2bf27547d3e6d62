import type { StepReport } from "../src/run/report.ts";

/** Runs a training generator to its end: all reports, and what it returned. */
export async function collect<Target, Summary>(
  run: AsyncGenerator<StepReport<Target>, Summary, void>,
): Promise<{ reports: StepReport<Target>[]; summary: Summary }> {
  const reports: StepReport<Target>[] = [];
  for (;;) {
    const { done, value } = await run.next();
    if (done) return { reports, summary: value };
    reports.push(value);
  }
}

/** What a run must repeat bit for bit: metrics and answers, without the times. */
export function essence(reports: readonly StepReport[]): unknown {
  return reports.map(({ step, metrics, groups }) => ({
    step,
    metrics,
    groups: groups.map(({ index, completions, advantages }) => ({ index, completions, advantages })),
  }));
}
