import { type Child, h } from '../dom.ts';
import type { Sections } from '../state.ts';
import { statusWord, type Tone, toneOf } from '../tone.ts';
import { counted } from '../words.ts';
import { orderButton } from './order-button.ts';
import { section } from './section.ts';

type Cluster = Sections['clusters'][number];
type Engine = Sections['engines'][number];

/** Clusters with their pairs; a slave cluster stands beside its primary one. */
export function map(state: Sections): Node | null {
  const { clusters } = state;
  const alone = clusters.filter(
    ({ role, cluster }) => role === 'primary' || !clusters.some(({ partner }) => partner === cluster),
  );
  return section('map', 'Clusters', ...alone.map((cluster) => clusterOf(state, cluster)));
}

function clusterOf(state: Sections, cluster: Cluster): HTMLElement {
  const partner = state.clusters.find(({ cluster: name }) => name === cluster.partner);
  const both = [cluster, ...(partner === undefined ? [] : [partner])];
  const engines = state.engines.filter((engine) => engine.cluster === cluster.cluster);
  const slaves = state.engines.filter((engine) => engine.cluster === partner?.cluster);
  const online = both.reduce((sum, { enginesOnline }) => sum + enginesOnline, 0);
  const all = both.reduce((sum, { engines: count }) => sum + count, 0);
  const spares = both.reduce((sum, one) => sum + one.spares, 0);
  return h(
    'div',
    { class: 'cluster', 'data-key': cluster.cluster },
    h(
      'h3',
      {},
      both.map(({ cluster: name, status }, index) => [
        index === 0 ? '' : ' and ',
        h('span', { class: 'id' }, name),
        ' ',
        statusWord(status),
      ]),
    ),
    h('p', { class: 'quiet' }, `${online} of ${counted(all, 'engine')} online, ${counted(spares, 'spare')}`),
    h(
      'ol',
      { class: 'pairs' },
      ...engines.map((engine) =>
        pairOf(
          state,
          engine,
          slaves.find(({ shard }) => shard === engine.shard),
        ),
      ),
    ),
  );
}

function pairOf(state: Sections, primary: Engine, slave: Engine | undefined): HTMLElement {
  const members = [primary, ...(slave === undefined ? [] : [slave])];
  return h(
    'li',
    { class: `pair ${worst(members)}`, 'data-key': `${primary.cluster}-${primary.shard}` },
    h('span', { class: 'shard' }, h('span', { class: 'only-heard' }, 'shard '), primary.shard),
    h('div', { class: 'members' }, ...members.map((engine) => memberOf(state, engine))),
  );
}

function memberOf(state: Sections, engine: Engine): HTMLElement {
  const { address, cluster, status, replacement } = engine;
  const actions: Child =
    status === 'online'
      ? orderButton(state, 'engine.take-offline', address, 'Take offline …')
      : status === 'offline' &&
        h(
          'span',
          { class: 'orders' },
          orderButton(state, 'engine.bring-online', address, 'Bring online …'),
          orderButton(state, 'engine.set-verdict permanent', address, 'It is lost …'),
        );
  return h(
    'div',
    { class: 'member', 'data-key': cluster },
    h('span', { class: 'role' }, cluster),
    h('span', { class: 'address' }, address, replacement === undefined ? null : [' → ', replacement.address]),
    statusWord(status),
    actions,
  );
}

/** A pair without any live member is bad, one that lost a member is to be watched. */
function worst(members: readonly Engine[]): Tone {
  const all = members.map(({ status }) => toneOf(status));
  if (all.every((tone) => tone === 'bad')) return 'bad';
  if (all.includes('bad')) return 'warn';
  return all.includes('busy') ? 'busy' : all.every((tone) => tone === 'idle') ? 'idle' : 'good';
}
