/** What the end of a call of `rbd` means. Pure. */

/** A call as it ended; `timedOut`: it had not ended by its deadline, and goes on by itself. */
export interface RbdCallEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

export type RbdOutcome =
  | 'done'
  /** There is no such image; in a resync expected for a while. */
  | 'not-found'
  | 'not-mirrored'
  /** Of a promote: it is primary. */
  | 'already-primary'
  | 'wrong-role'
  | 'mode-conflict'
  | 'bad-request'
  /** Of a promote: the other side is primary, or its demotion has not arrived. */
  | 'peer-not-demoted'
  /** It had not ended by its deadline, or crashed: whether it did something is not known. */
  | 'unknown'
  /** It did nothing for a reason that is not in the list. */
  | 'failed';

export function rbdOutcome({ exitCode, signal, timedOut, stderr }: RbdCallEnd): RbdOutcome {
  if (timedOut || signal !== null || exitCode === null) return 'unknown';
  if (exitCode === 0) return 'done';
  const known = KNOWN.find(({ exit, text }) => exit === exitCode && text.test(stderr));
  return known?.outcome ?? 'failed';
}

/** By exit code and a part of what it prints; log lines of librbd come before the message. */
const KNOWN: readonly { readonly exit: number; readonly text: RegExp; readonly outcome: RbdOutcome }[] = [
  { exit: 2, text: /error opening image/, outcome: 'not-found' },
  {
    exit: 16,
    text: /primary within a remote cluster or demotion is not propagated yet/,
    outcome: 'peer-not-demoted',
  },
  { exit: 22, text: /mirroring not enabled on the image/, outcome: 'not-mirrored' },
  { exit: 22, text: /image is already primary/, outcome: 'already-primary' },
  {
    exit: 22,
    text: /image is not primary|is primary, cannot resync to itself|previous snapshot is non-primary/,
    outcome: 'wrong-role',
  },
  { exit: 22, text: /invalid current image mirror mode/, outcome: 'mode-conflict' },
  { exit: 22, text: /Invalid interval|does not exist/, outcome: 'bad-request' },
  { exit: 30, text: /Read-only file system/, outcome: 'wrong-role' },
];

/** The message without the log lines before it, for people. */
export function rbdMessage({ stderr, exitCode, signal, timedOut }: RbdCallEnd): string {
  if (timedOut) return 'rbd did not end by its deadline';
  if (signal !== null) return `rbd was ended by ${signal}`;
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return (lines.findLast((line) => line.includes('rbd: ')) ?? lines.at(-1) ?? `exit ${exitCode}`)
    .replace(/^.*?rbd: /, '')
    .slice(0, 300);
}
