/** One outage as the demo measured it. Times in milliseconds, counted from the kill. */
export interface OutageFigures {
  killToOfflineMs: number;
  killToFirstAckMs: number;
  killToOnlineMs: number;
  dirtyBlocks: number;
  copiedBlocks: number;
  repairMs: number;
}

export interface DemoSummary {
  ok: boolean;
  clientIoErrors: number;
  blocksCompared: number;
  blocksLost: number;
  fsckClean: boolean;
  filesCompared: number;
  filesDifferent: number;
  writesAcknowledged: number;
  longestWriteMs: number;
  temporary: OutageFigures;
  final: OutageFigures & { rebuiltBlocks: number; spare: string };
  incidents: number;
  transitions: string[];
  seed: number;
  durationMs: number;
}

/** The transitions of a demo that went well, and nothing else. */
export const expectedTransitions: readonly string[] = [
  'p1/1 online -> offline',
  'p1/1 offline -> repair-tmp-outage',
  'p1/1 repair-tmp-outage -> online',
  'p1/2 online -> offline',
  'p1/2 offline -> repair-final-outage',
  'p1/2 repair-final-outage -> online',
];

export function isOk(summary: Omit<DemoSummary, 'ok'>): boolean {
  return (
    summary.clientIoErrors === 0 &&
    summary.blocksLost === 0 &&
    summary.fsckClean &&
    summary.filesDifferent === 0 &&
    summary.incidents === 2 &&
    summary.temporary.copiedBlocks === summary.temporary.dirtyBlocks &&
    summary.final.copiedBlocks === summary.final.dirtyBlocks &&
    summary.transitions.join() === expectedTransitions.join()
  );
}

export function summaryText(summary: DemoSummary): string {
  const { temporary, final } = summary;
  return [
    '',
    `${summary.ok ? 'OK' : 'FAILED'}: ${summary.blocksCompared} blocks compared, ${summary.blocksLost} lost, ${summary.clientIoErrors} I/O errors seen by the client`,
    `  file system      ${summary.fsckClean ? 'clean' : 'NOT CLEAN'}, ${summary.filesCompared} files compared, ${summary.filesDifferent} different`,
    `  write load       ${summary.writesAcknowledged} writes acknowledged, the longest waited ${summary.longestWriteMs.toFixed(0)} ms`,
    `  temporary outage offline after ${temporary.killToOfflineMs.toFixed(1)} ms, first write after ${temporary.killToFirstAckMs.toFixed(1)} ms, ${temporary.copiedBlocks} of ${temporary.dirtyBlocks} dirty blocks copied in ${temporary.repairMs} ms`,
    `  final outage     offline after ${final.killToOfflineMs.toFixed(1)} ms, first write after ${final.killToFirstAckMs.toFixed(1)} ms, ${final.rebuiltBlocks} blocks rebuilt on ${final.spare} in ${final.repairMs} ms`,
    `  incidents        ${summary.incidents}: ${summary.transitions.join(', ')}`,
    '',
  ].join('\n');
}
