import type { Outcome } from '@salvor/contracts';
import type { Paint } from '../rendering/paint.ts';
import { printable } from '../rendering/text.ts';

/** What a change did: its own sentence, and whether it was this call that did it. */
export function outcomeText(
  paint: Paint,
  { outcome, reason, operation }: { outcome: Outcome; reason: string; operation: string },
): string {
  const word = outcome === 'applied' ? paint('green', outcome) : paint('yellow', outcome);
  return `${word}: ${printable(reason)} ${paint('dim', `(operation ${printable(operation)})`)}\n`;
}
