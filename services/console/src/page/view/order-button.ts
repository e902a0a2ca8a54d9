import { h } from '../dom.ts';
import { commandOf, isUnlocked } from '../orders.ts';
import type { Sections } from '../state.ts';

/** Null unless this page may do it. */
export function orderButton(
  state: Sections,
  command: string,
  subject: string,
  text: string,
): HTMLElement | null {
  if (!state.actions.includes(commandOf(command)) || !isUnlocked()) return null;
  return h(
    'button',
    { 'data-do': command, 'data-subject': subject, 'data-key': `${command} ${subject}` },
    text,
  );
}
