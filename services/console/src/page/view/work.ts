import { type Child, h } from '../dom.ts';
import { plot } from '../plot.ts';
import type { Progress, Sections } from '../state.ts';
import { statusWord } from '../tone.ts';
import { counted, durationText, rateText } from '../words.ts';
import { card, section } from './section.ts';

/** What is under way: repairs, recoveries, operations. */
export function work(state: Sections): Node | null {
  const items = [...repairs(state), ...recoveries(state), ...operations(state)];
  return items.length === 0 ? null : section('work', 'Under way', h('div', { class: 'cards' }, ...items));
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

function recoveries({ recoveries: all }: Sections): HTMLElement[] {
  return all
    .filter(({ status }) => status === 'replaying' || status === 'verifying')
    .map(({ recovery, cluster, status, reason, vdisks }) =>
      card(
        `replay-${recovery}`,
        'busy',
        h('h3', {}, `Recovery of ${cluster} from the log `, statusWord(status)),
        h('p', {}, reason),
        h(
          'ul',
          { class: 'facts' },
          ...vdisks.map(({ vdisk, state, restoredBlocks }) =>
            h(
              'li',
              {},
              h('strong', {}, vdisk),
              ` ${state}${restoredBlocks === undefined ? '' : `, ${counted(restoredBlocks, 'block')}`}`,
            ),
          ),
        ),
      ),
    );
}

function operations({ operations: all }: Sections): HTMLElement[] {
  return all.map(({ operation, kind, subject, message, status, paused, progress }) =>
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
