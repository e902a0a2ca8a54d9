import { type Child, h } from '../dom.ts';
import { plot } from '../plot.ts';
import type { Progress, Sections } from '../state.ts';
import { statusWord, wordOf } from '../tone.ts';
import { counted, durationText, lagText, rateText, upperFirst } from '../words.ts';
import { orderButton } from './order-button.ts';
import { card, section } from './section.ts';

/** How long it is told that a recovery has ended. */
const SHOWN_FOR_MS = 3_600_000;

/** What is under way: repairs, recoveries, operations. */
export function work(state: Sections): Node | null {
  const items = [...repairs(state), ...recoveries(state), ...operations(state)];
  return items.length === 0 ? null : section('work', 'Under way', h('div', { class: 'cards' }, ...items));
}

/** Recoveries that have ended well, for whoever waited for them; null where there are none. */
export function recovered({ recoveries: all }: Sections, now: number): Node | null {
  const cards = all
    .filter(({ status, endedAt = 0 }) => status === 'done' && now - endedAt < SHOWN_FOR_MS)
    .map(({ recovery, cluster, reason, preparedAt, endedAt = 0, vdisks }) =>
      card(
        `recovered-${recovery}`,
        'good',
        h('h3', {}, `Recovery of ${cluster} from the log `, statusWord('done')),
        h('p', {}, `${upperFirst(reason)}.`),
        h(
          'p',
          { class: 'quiet' },
          `ended ${durationText(now - endedAt)} ago, ${durationText(endedAt - preparedAt)} after it was prepared`,
        ),
        h('ul', { class: 'facts' }, ...vdisks.map((vdisk) => broughtBack(vdisk))),
      ),
    );
  return cards.length === 0
    ? null
    : section('recovered', 'Recovered', h('div', { class: 'cards' }, ...cards));
}

function broughtBack(one: Sections['recoveries'][number]['vdisks'][number]): HTMLElement {
  const { vdisk, state, restoredBlocks, verifiedBlocks, durationMs, lostBlocks } = one;
  const parts = [
    state === 'restored' && restoredBlocks !== undefined
      ? `${counted(restoredBlocks, 'block')} restored${durationMs === undefined ? '' : ` in ${lagText(durationMs)}`}`
      : state === 'lost'
        ? null
        : wordOf(state),
    verifiedBlocks === undefined
      ? null
      : `${verifiedBlocks.toLocaleString('en')} of them read again and right`,
    lostBlocks === undefined || lostBlocks === 0 ? null : `${counted(lostBlocks, 'block')} lost`,
  ].filter((part) => part !== null);
  return h('li', {}, h('strong', {}, vdisk), `: ${parts.join('; ')}`);
}

function repairs({ repairs: all }: Sections): HTMLElement[] {
  return all
    .filter(({ state }) => state !== 'repaired')
    .map(({ incident, vdisk, cluster, shard, address, replacement, kind, state, waitsFor, progress }) =>
      card(
        `repair-${incident}-${vdisk}`,
        'busy',
        h('h3', {}, `Repair of ${vdisk} `, statusWord(state)),
        h(
          'p',
          {},
          kind === 'repair-final-outage'
            ? `Rebuilds the blocks of ${address} (${cluster} shard ${shard})${replacement === undefined ? '' : ` on ${replacement}`}.`
            : `Copies back what ${address} (${cluster} shard ${shard}) missed.`,
        ),
        progress === null
          ? waitsFor !== '' && h('p', { class: 'quiet' }, `${waitsFor}.`)
          : progressOf(progress, 'block', `Repair of ${vdisk}`),
      ),
    );
}

function recoveries(state: Sections): HTMLElement[] {
  return state.recoveries
    .filter(({ status }) => status === 'replaying' || status === 'verifying')
    .map(({ recovery, cluster, status, reason, vdisks }) =>
      card(
        `replay-${recovery}`,
        'busy',
        h('h3', {}, `Recovery of ${cluster} from the log `, statusWord(status)),
        h('p', {}, `${upperFirst(reason)}.`),
        h(
          'ul',
          { class: 'facts' },
          ...vdisks.map(({ vdisk, state: at, restoredBlocks }) =>
            h(
              'li',
              {},
              h('strong', {}, vdisk),
              `: ${wordOf(at)}${restoredBlocks === undefined ? '' : `, ${counted(restoredBlocks, 'block')}`}`,
            ),
          ),
        ),
        orderButton(state, 'dr.cancel', cluster, 'Stop it …'),
      ),
    );
}

function operations(state: Sections): HTMLElement[] {
  return state.operations.map(({ operation, kind, subject, message, status, paused, progress }) =>
    card(
      `operation-${operation}`,
      'busy',
      h(
        'h3',
        {},
        `${kind}${subject === undefined ? '' : ` ${subject}`} `,
        statusWord(paused ? 'paused' : status),
      ),
      h('p', {}, message),
      progress !== null && progressOf(progress, 'step', kind),
      orderButton(state, 'operation.cancel', operation, 'Cancel it …'),
    ),
  );
}

/** A bar, how far, how fast, how long still, and the course so far. */
export function progressOf(progress: Progress, noun: string, label: string): Child {
  const { done, total, perSecond, leftMs, samples } = progress;
  const far =
    total === null ? counted(done, noun) : `${done.toLocaleString('en')} of ${counted(total, noun)}`;
  const rest = [
    far,
    perSecond === null ? null : rateText(perSecond, noun),
    leftMs === null || done === total ? null : `about ${durationText(leftMs)} left`,
  ].filter((part) => part !== null);
  const percent = total === null || total === 0 ? null : Math.floor((100 * done) / total);
  return [
    h(
      'div',
      { class: 'meter' },
      h('progress', { 'aria-label': label, max: total ?? 1, value: total === null ? null : done }),
      percent !== null && h('span', {}, `${percent} %`),
    ),
    h('p', { class: 'figures' }, rest.join(' · ')),
    plot(samples, {
      label: `${noun}s done`,
      text: (value) => value.toLocaleString('en'),
      atLeast: total ?? 1,
    }),
  ];
}
