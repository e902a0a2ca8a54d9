import { h } from '../dom.ts';
import type { Sections } from '../state.ts';
import { mark, statusWord } from '../tone.ts';
import { counted, durationText, upperFirst } from '../words.ts';
import { orderButton } from './order-button.ts';
import { card, section } from './section.ts';

type Recovery = Sections['recoveries'][number];

/** What somebody should look at now: data without a copy, recoveries that wait, alerts. */
export function attention(state: Sections, now: number): Node | null {
  const items = [...darkPairs(state, now), ...recoveries(state, now), ...alerts(state, now)];
  return items.length === 0
    ? null
    : section('attention', 'Needs you', h('div', { class: 'cards' }, ...items));
}

function darkPairs(state: Sections, now: number): HTMLElement[] {
  const { clusters } = state;
  const underWay = new Set(
    state.recoveries.filter((recovery) => !isOver(recovery)).map(({ cluster }) => cluster),
  );
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
      underWay.has(cluster)
        ? null
        : orderButton(state, 'dr.plan order', cluster, 'They will not come back …'),
    ),
  );
}

function recoveries(state: Sections, now: number): HTMLElement[] {
  return state.recoveries
    .filter((recovery) => isWaiting(recovery))
    .map((recovery) =>
      card(
        `recovery-${recovery.recovery}`,
        'warn',
        h(
          'h3',
          {},
          mark('warn'),
          `Recovery of ${recovery.cluster} from the log `,
          statusWord(recovery.status, recovery.status === 'failed' ? 'bad' : 'warn'),
        ),
        h('p', {}, `${upperFirst(recovery.reason)}.`),
        h('p', { class: 'quiet' }, `for ${durationText(now - recovery.preparedAt)}`),
        h('ul', { class: 'facts' }, ...recovery.vdisks.map((vdisk) => lostBlocks(state, vdisk))),
        recovery.pairs.map(({ shard, waitsFor }) =>
          waitsFor === undefined ? null : h('p', { class: 'condition warn' }, `Shard ${shard}: ${waitsFor}.`),
        ),
        recovery.status === 'prepared' &&
          recovery.estimateMs !== undefined &&
          h('p', {}, `It takes about ${durationText(recovery.estimateMs)}.`),
        !isOver(recovery) &&
          h(
            'div',
            { class: 'orders' },
            orderButton(state, 'dr.replay', recovery.cluster, 'Recover from the log …'),
            recovery.status === 'prepared' &&
              orderButton(state, 'dr.cancel', recovery.cluster, 'Drop this plan …'),
          ),
      ),
    );
}

/** Somebody has to begin it, begin it again, or give up what no log holds. */
function isWaiting(recovery: Recovery): boolean {
  const { status, vdisks } = recovery;
  if (isOver(recovery)) return vdisks.some(({ state: at }) => at === 'lost');
  return status !== 'replaying' && status !== 'verifying';
}

/** Done, or dropped before anything was changed: another one may be prepared. */
function isOver({ status, afterRevision }: Recovery): boolean {
  return status === 'done' || (status === 'cancelled' && afterRevision === undefined);
}

function lostBlocks(state: Sections, one: Recovery['vdisks'][number]): HTMLElement {
  const { vdisk, recoverable, blocks, why, restoredBlocks, lostBlocks: lost = 0 } = one;
  const because = why === undefined ? '' : `; ${why}`;
  if (one.state === 'lost')
    return h(
      'li',
      {},
      h('strong', {}, vdisk),
      `: ${counted(lost, 'block')} ${lost === 1 ? 'is' : 'are'} lost, and it is locked${because} `,
      orderButton(state, 'dr.accept-loss', vdisk, 'Give them up …', {
        request: { blocks: lost },
        confirm: String(lost),
      }),
    );
  const told =
    one.state === 'restored'
      ? `${counted(restoredBlocks ?? 0, 'block')} restored`
      : `${recoverable} of ${counted(blocks, 'block')} can be brought back${because}`;
  return h('li', {}, h('strong', {}, vdisk), `: ${told}`);
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
