import { h } from '../dom.ts';
import type { Sections, ToldIncident } from '../state.ts';
import { mark, statusWord } from '../tone.ts';
import { clockText, dateText, durationText } from '../words.ts';
import { orderButton } from './order-button.ts';
import { section } from './section.ts';

/** Each incident as a timeline in sentences: the open ones first, unfolded. */
export function incidents(state: Sections, now: number): Node {
  const { incidents: all } = state;
  return section(
    'incidents',
    'Incidents',
    all.length === 0
      ? h('p', { class: 'quiet' }, 'None is remembered.')
      : all.map((incident) => incidentOf(state, incident, now)),
  );
}

function incidentOf(state: Sections, incident: ToldIncident, now: number): HTMLElement {
  const {
    incident: id,
    address,
    cluster,
    shard,
    status,
    openedAt,
    closedAt,
    outcome,
    happenings,
    ending,
  } = incident;
  const isOpen = closedAt === null;
  return h(
    'details',
    {
      class: `incident ${isOpen ? 'open' : 'closed'}`,
      'data-key': id,
      open: isOpen || all0(state) === incident,
    },
    h(
      'summary',
      {},
      isOpen ? statusWord(status) : h('span', { class: 'status good' }, mark('good'), outcome ?? 'closed'),
      h('span', { class: 'what' }, `${address}, ${cluster} shard ${shard}`),
      h(
        'span',
        { class: 'quiet' },
        isOpen
          ? `for ${durationText(now - openedAt)}`
          : `${dateText(openedAt)}, took ${durationText(closedAt - openedAt)}`,
      ),
    ),
    h(
      'p',
      { class: 'quiet' },
      id,
      incident.acknowledgedBy === null ? null : `, acknowledged by ${incident.acknowledgedBy}`,
    ),
    h(
      'ol',
      { class: 'timeline' },
      ...happenings.map(({ at, lines: [first = '', ...rest] }) =>
        h(
          'li',
          {},
          h(
            'time',
            { datetime: new Date(at).toISOString(), title: clockText(at) },
            `+${durationText(at - openedAt)}`,
          ),
          h('div', {}, h('p', {}, first), ...rest.map((line) => h('p', { class: 'quiet' }, line))),
        ),
      ),
      h('li', { class: 'ending' }, h('time', {}, isOpen ? 'now' : 'end'), h('div', {}, h('p', {}, ending))),
    ),
    isOpen &&
      incident.acknowledgedBy === null &&
      orderButton(state, 'incident.acknowledge', id, 'Acknowledge …'),
  );
}

/** With nothing open, the latest one tells its story unasked. */
function all0({ incidents: [first] }: Sections): ToldIncident | undefined {
  return first;
}
