import { h } from '../dom.ts';
import { isGrave } from '../judgement.ts';
import { plot } from '../plot.ts';
import type { Sections, ShownVolume } from '../state.ts';
import { statusWord, type Tone } from '../tone.ts';
import { durationText, lagText } from '../words.ts';
import { orderButton } from './order-button.ts';
import { card, section } from './section.ts';
import { progressOf } from './work.ts';

/** Volumes and how far behind the other zone they are; null where there are none. */
export function replication(state: Sections, now: number): Node | null {
  if (state.volumes.length === 0) return null;
  return section(
    'replication',
    'Replication',
    h('div', { class: 'cards' }, ...state.volumes.map((volume) => volumeOf(state, volume, now))),
  );
}

function volumeOf(state: Sections, volume: ShownVolume, now: number): HTMLElement {
  const {
    volume: id,
    zone,
    role,
    status,
    conditions,
    peer,
    peerSeenAt,
    lag,
    lagMs,
    reason,
    copy,
    vdisk,
    isSplit,
  } = volume;
  const tone: Tone = conditions.some(({ condition }) => isGrave(condition))
    ? 'bad'
    : conditions.length > 0
      ? 'warn'
      : 'good';
  const link = peer === null ? 'in no other zone' : `${role === 'primary' ? 'to' : 'from'} ${peer}`;
  const seen =
    peerSeenAt === null || now - peerSeenAt < 10_000
      ? ''
      : `, which last answered ${durationText(now - peerSeenAt)} ago`;
  return card(
    `volume-${id}`,
    tone,
    h('h3', {}, `${id} `, statusWord(status, tone)),
    h('p', { class: 'quiet' }, `${role} in ${zone}, ${link}${seen}; vdisk ${vdisk}`),
    ...conditions.map(({ condition, reason: why }) =>
      h(
        'p',
        { class: `condition ${isGrave(condition) ? 'bad' : 'warn'}` },
        h('strong', {}, condition.replaceAll('-', ' ')),
        `: ${why}`,
      ),
    ),
    h('p', {}, reason),
    lag !== null &&
      h('p', { class: 'figures' }, lag.level ? 'level with the primary' : `${lagText(lag.ms)} behind`),
    plot(lagMs, { label: 'behind', text: lagText, atLeast: 1_000 }),
    copy !== null && progressOf(copy.progress, 'block', `${copy.way} of ${id}`),
    h(
      'div',
      { class: 'orders' },
      isSplit &&
        orderButton(state, 'volume.resync discard', id, `Give up the writes of ${zone} …`, {
          request: { discard: zone },
        }),
      role === 'primary'
        ? orderButton(state, 'volume.demote', id, 'Make a secondary …')
        : [
            orderButton(state, 'volume.promote', id, 'Make the primary …'),
            !isSplit && orderButton(state, 'volume.resync', id, 'Copy anew …'),
          ],
    ),
  );
}
