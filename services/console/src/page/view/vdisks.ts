import { h } from '../dom.ts';
import type { Sections } from '../state.ts';
import { statusWord } from '../tone.ts';
import { counted } from '../words.ts';
import { section } from './section.ts';

const ROWS_MAX = 200;

/** Vdisks and who owns them; `filter` is what the reader looks for. */
export function vdisks({ vdisks: { total, shown }, clusters }: Sections, filter: string): Node {
  const dark = new Set(
    clusters.flatMap(({ unavailable }) => unavailable.flatMap((one) => one.vdisks.map(({ vdisk }) => vdisk))),
  );
  const wanted = shown.filter(({ vdisk, owner }) =>
    `${vdisk} ${owner?.server ?? ''}`.toLowerCase().includes(filter.toLowerCase()),
  );
  const sorted = [...wanted].sort((a, b) => Number(dark.has(b.vdisk)) - Number(dark.has(a.vdisk)));
  const rows = sorted
    .slice(0, ROWS_MAX)
    .map(({ vdisk, type, sizeGiB, cluster, slaveCluster, owner, status, operation }) =>
      h(
        'tr',
        { 'data-key': vdisk },
        h('th', { scope: 'row' }, vdisk),
        h(
          'td',
          { 'data-name': 'status' },
          dark.has(vdisk) ? statusWord('partly unavailable', 'bad') : statusWord(status),
          operation === undefined ? null : h('span', { class: 'quiet' }, ` by ${operation}`),
        ),
        h(
          'td',
          { 'data-name': 'owner' },
          owner === undefined
            ? h('span', { class: 'quiet' }, 'nobody')
            : h('span', { title: `epoch ${owner.epoch}` }, owner.server),
        ),
        h('td', { 'data-name': 'size' }, `${sizeGiB} GiB ${type}`),
        h(
          'td',
          { 'data-name': 'on' },
          slaveCluster === undefined ? `${cluster} alone` : `${cluster} and ${slaveCluster}`,
        ),
      ),
    );
  const left = total - rows.length;
  return section(
    'vdisks',
    'Vdisks',
    total > 10 &&
      h(
        'p',
        { class: 'filter' },
        h('label', { for: 'filter' }, 'Find '),
        h('input', {
          id: 'filter',
          type: 'search',
          'data-key': 'filter',
          autocomplete: 'off',
          placeholder: 'vdisk or owner',
        }),
      ),
    rows.length === 0
      ? h('p', { class: 'quiet' }, total === 0 ? 'There is no vdisk yet.' : 'None has this name or owner.')
      : h(
          'table',
          {},
          h(
            'thead',
            {},
            h(
              'tr',
              {},
              ...['vdisk', 'status', 'owner', 'size', 'on'].map((name) => h('th', { scope: 'col' }, name)),
            ),
          ),
          h('tbody', {}, ...rows),
        ),
    filter === '' && left > 0 && h('p', { class: 'quiet' }, `and ${counted(left, 'vdisk')} more`),
  );
}
