import { h } from '../dom.ts';
import type { Sections } from '../state.ts';
import { mark, statusWord } from '../tone.ts';
import { counted, durationText, upperFirst } from '../words.ts';
import { orderButton } from './order-button.ts';
import { card, section } from './section.ts';

/** What somebody should look at now: data without a copy, recoveries that wait, alerts. */
export function attention(state: Sections, now: number): Node | null {
  const items = [...darkPairs(state, now), ...recoveries(state, now), ...alerts(state, now)];
  return items.length === 0
    ? null
    : section('attention', 'Needs you', h('div', { class: 'cards' }, ...items));
}

function darkPairs({ clusters }: Sections, now: number): HTMLElement[] {
  const told = new Map(
    clusters
      .flatMap(({ unavailable }) => unavailable)
      .map((shard) => [[shard.cluster, shard.slaveCluster ?? ''].sort().join() + shard.shard, shard]),
  );
  return [...told].map(([key, { cluster, slaveCluster, shard, since, reason, vdisks }]) =>
    card(
      `dark-${key}`,
      'bad',
      h(
        'h3',
        {},
        mark('bad'),
        `No live copy: ${cluster}${slaveCluster === undefined ? '' : ` and ${slaveCluster}`}, shard ${shard}`,
      ),
      h('p', {}, `${upperFirst(reason)}.`),
      h('p', { class: 'quiet' }, `for ${durationText(now - since)}`),
      h(
        'ul',
        { class: 'facts' },
        ...vdisks.map(({ vdisk, blocks, counted: exact, detail }) =>
          h(
            'li',
            {},
            h('strong', {}, vdisk),
            `: ${exact ? '' : 'at most '}${counted(blocks, 'block')} without a copy; ${detail}`,
          ),
        ),
      ),
    ),
  );
}

function recoveries(state: Sections, now: number): HTMLElement[] {
  return state.recoveries
    .filter(({ status }) => status === 'prepared')
    .map((recovery) =>
      card(
        `recovery-${recovery.recovery}`,
        'warn',
        h(
          'h3',
          {},
          mark('warn'),
          `Recovery of ${recovery.cluster} from the log `,
          statusWord('prepared', 'warn'),
        ),
        h('p', {}, `${upperFirst(recovery.reason)}.`),
        h('p', { class: 'quiet' }, `for ${durationText(now - recovery.preparedAt)}`),
        h(
          'ul',
          { class: 'facts' },
          ...recovery.vdisks.map(({ vdisk, recoverable, blocks, why }) =>
            h(
              'li',
              {},
              h('strong', {}, vdisk),
              `: ${recoverable} of ${counted(blocks, 'block')} can be brought back${why === undefined ? '' : `; ${why}`}`,
            ),
          ),
        ),
        recovery.estimateMs !== undefined &&
          h('p', {}, `It takes about ${durationText(recovery.estimateMs)}.`),
        orderButton(state, 'dr.replay', recovery.cluster, 'Recover from the log …'),
      ),
    );
}

function alerts({ alerts: raised }: Sections, now: number): HTMLElement[] {
  return raised.map(({ alert, kind, message, since }) =>
    card(
      `alert-${alert}`,
      'warn',
      h('h3', {}, mark('warn'), upperFirst(kind.replaceAll('-', ' '))),
      h('p', {}, `${upperFirst(message)}.`),
      h('p', { class: 'quiet' }, `for ${durationText(now - since)}`),
    ),
  );
}
