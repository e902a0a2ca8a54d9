import { h } from '../dom.ts';
import { judge } from '../judgement.ts';
import type { Live } from '../live-feed.ts';
import { isUnlocked } from '../orders.ts';
import { theme } from '../theme.ts';
import { mark } from '../tone.ts';
import { clockText } from '../words.ts';

/** Whose page it is, whether it is live, and what it all comes to. */
export function header({ state, now, silentSince }: Live): Node[] {
  const isOld = silentSince !== null || state?.bus.connected === false;
  const live = isOld
    ? h('span', { class: 'live old' }, mark('warn'), 'not live')
    : h('span', { class: 'live' }, mark('good'), `live, ${clockText(now)} UTC`);
  const mayAct = (state?.actions.length ?? 0) > 0;
  const dark = theme() === 'dark';
  return [
    h(
      'div',
      { class: 'bar' },
      h('span', { class: 'name' }, 'Salvor'),
      live,
      h(
        'div',
        { class: 'tools' },
        mayAct &&
          h(
            'button',
            { 'data-do': isUnlocked() ? 'lock' : 'unlock', 'data-key': 'lock' },
            isUnlocked() ? 'Lock actions' : 'Unlock actions',
          ),
        h('button', { 'data-do': 'theme', 'data-key': 'theme' }, dark ? 'Light' : 'Dark'),
      ),
    ),
    state === null ? null : summary(state, isOld),
  ].filter((node) => node !== null);
}

function summary(state: NonNullable<Live['state']>, isOld: boolean): HTMLElement {
  const { tone, headline, detail } = judge(state);
  return h(
    'div',
    { class: `summary ${isOld ? 'idle' : tone}` },
    mark(isOld ? 'idle' : tone),
    h(
      'div',
      {},
      h(
        'h1',
        {},
        isOld ? `When last heard: ${headline.charAt(0).toLowerCase()}${headline.slice(1)}` : headline,
      ),
      h('p', {}, detail),
    ),
  );
}
