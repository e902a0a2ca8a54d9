/** Is what Salvor archived whole? Read where it is mounted, without a bus. */
import type { Tier2Finding, VerifiedLog } from '@salvor/tlog';
import type { Call } from '../command.ts';
import { CliError, exitCodes, usageError } from '../failure.ts';
import { archiveVerificationText } from '../rendering/archive-verification-text.ts';
import { BoundedLines } from '../rendering/bounded-lines.ts';

const TELL_INTERVAL_MS = 2_000;

export async function verifyArchived(call: Call, root: string): Promise<void> {
  const { args, terminal, paint, print } = call;
  for (const flag of ['containers', 'tier1'])
    if (flag === 'tier1' ? args.flag(flag) : args.text(flag) !== undefined)
      throw usageError(
        `dr verify: --${flag} is for Pravega directories, and ${root} is what Salvor archived; 'salvor tlog verify' holds its logs against JetStream`,
      );
  const { openDirectoryStore, verifyTier2 } = await import('@salvor/tlog');
  const store = await openDirectoryStore({ root });
  const isJson = args.flag('json');
  const shown = new BoundedLines(terminal.err);
  const logs: VerifiedLog[] = [];
  const findings: Tier2Finding[] = [];
  let told = performance.now();
  try {
    const found = await verifyTier2({
      ...{ root, store },
      onLog: (log) => logs.push(log),
      onFinding(finding) {
        findings.push(finding);
        if (finding.severity === 'damage' && !isJson) shown.tell(lineOf(finding));
      },
      progress(what, done, total) {
        if (performance.now() - told < TELL_INTERVAL_MS || isJson) return;
        told = performance.now();
        terminal.err(`salvor: ${done} of ${total} ${what}\n`);
      },
    });
    shown.end();
    print({ root, layout: 'salvor', ...found, logCount: found.logs, logs, findings }, () =>
      archiveVerificationText(paint, root, found),
    );
    if (found.verdict === 'damaged')
      throw new CliError(exitCodes.failed, 'tree-damaged', `${root} is damaged: see the findings`);
  } finally {
    await store.close();
  }
}

function lineOf({ code, message, container, vdisk, path, from, to }: Tier2Finding): string {
  const place = [
    vdisk === undefined ? undefined : `vdisk ${vdisk} in container ${container}`,
    path,
    from === undefined ? undefined : `segments ${from} to ${to}`,
  ].filter((part) => part !== undefined);
  return `${code}: ${message}${place.length === 0 ? '' : ` (${place.join(', ')})`}`;
}
