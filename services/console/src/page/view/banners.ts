import { type Child, h } from '../dom.ts';
import type { Live } from '../live-feed.ts';
import { isUnlocked } from '../orders.ts';
import { mark, type Tone } from '../tone.ts';
import { clockText, dateText, durationText } from '../words.ts';

/** What changes the meaning of everything below: old, or held back. */
export function banners({ state, now, silentSince }: Live): Node[] {
  const told: Node[] = [];
  if (silentSince !== null)
    told.push(
      banner('silent', 'warn', `The console has not been heard for ${durationText(now - silentSince)}`, [
        `What you see is from ${clockText(silentSince)} UTC. This page tries again by itself.`,
      ]),
    );
  if (state === null) return told;
  if (silentSince === null && !state.bus.connected)
    told.push(
      banner(
        'bus',
        'warn',
        `The console has no connection to NATS, for ${durationText(now - state.bus.since)}`,
        [
          state.bus.answeredAt === null
            ? 'Nothing is known yet.'
            : `What you see is from ${clockText(state.bus.answeredAt)} UTC. Vdisks are served without NATS; failures are recorded by the NBD servers.`,
        ],
      ),
    );
  else if (state.troubles.length > 0) {
    const [first] = state.troubles;
    const names = state.troubles.map(({ command }) => command).join(', ');
    told.push(
      banner('troubles', 'warn', `Not answered: ${names}`, [
        first === undefined
          ? ''
          : `For ${durationText(now - first.since)}: ${first.message}. What these show is old.`,
      ]),
    );
  }
  return [...told, ...paused(state.healing, state.actions.length > 0 && isUnlocked())];
}

function paused(healing: NonNullable<Live['state']>['healing'], mayAct: boolean): Node[] {
  if (healing === null) return [];
  const pauses = [
    ...(healing.everywhere === undefined ? [] : [{ cluster: '', pause: healing.everywhere }]),
    ...healing.clusters.flatMap(({ cluster, pause }) => (pause === undefined ? [] : [{ cluster, pause }])),
  ];
  return pauses.map(({ cluster, pause }) =>
    banner(`pause-${cluster}`, 'warn', `Healing is paused${cluster === '' ? '' : ` in ${cluster}`}`, [
      `By ${pause.by} since ${dateText(pause.at)} UTC: ${pause.reason}. Nothing is repaired until it goes on; failovers work.`,
      mayAct &&
        h(
          'button',
          { 'data-do': 'healing.resume', 'data-subject': cluster, 'data-key': `resume-${cluster}` },
          'Let it go on …',
        ),
    ]),
  );
}

function banner(key: string, tone: Tone, title: string, children: readonly Child[]): HTMLElement {
  return h(
    'div',
    { class: `banner ${tone}`, 'data-key': key },
    mark(tone),
    h('div', {}, h('strong', {}, title), h('p', {}, ...children)),
  );
}
