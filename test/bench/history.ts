import type { HistoryReport } from '../history/run.ts';

/** Options of the command line of its own. */
export const historyOptions = {
  operations: { type: 'string' },
  seed: { type: 'string' },
} as const;

/** Of what a history reports; see docs/correctness.md. */
export function historyTable(report: HistoryReport): string {
  const { violations, ...figures } = report;
  const lines = Object.entries(figures).map(([name, value]) => {
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
    return `${name.padEnd(20)} ${text}`;
  });
  const told = violations.map(
    ({ kind, device, block, reason, promised }) =>
      `${kind} (${promised}): ${device} block ${block}: ${reason}`,
  );
  return `${[...lines, ...told].join('\n')}\n`;
}
