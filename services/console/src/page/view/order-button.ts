import { h } from '../dom.ts';
import { commandOf, isUnlocked } from '../orders.ts';
import type { Sections } from '../state.ts';

export interface ButtonOptions {
  /** What the request says beside what it is about. */
  readonly request?: Readonly<Record<string, unknown>>;
  /** What has to be typed; default: what it is about. */
  readonly confirm?: string;
}

/** Null unless this page may do it. */
export function orderButton(
  state: Sections,
  command: string,
  subject: string,
  text: string,
  { request, confirm }: ButtonOptions = {},
): HTMLElement | null {
  if (!state.actions.includes(commandOf(command)) || !isUnlocked()) return null;
  return h(
    'button',
    {
      ...{ 'data-do': command, 'data-subject': subject, 'data-key': `${command} ${subject}` },
      'data-request': request === undefined ? null : JSON.stringify(request),
      'data-confirm': confirm,
    },
    text,
  );
}
