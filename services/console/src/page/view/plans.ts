import { type Child, h } from '../dom.ts';
import type { Sections, ShownPlan, ShownRun } from '../state.ts';
import { mark, statusWord, type Tone } from '../tone.ts';
import { counted, durationText, lagText, upperFirst } from '../words.ts';
import { orderButton } from './order-button.ts';
import { card, section } from './section.ts';

/** Recovery plans, their members in both zones, and their latest runs; null where there are none. */
export function plans(state: Sections, now: number): Node | null {
  if (state.plans.length === 0) return null;
  return section(
    'plans',
    'Recovery plans',
    h('div', { class: 'cards wide' }, ...state.plans.map((plan) => planOf(state, plan, now))),
    orderButton(state, 'plan.apply create', '', 'Write another plan …'),
  );
}

function planOf(state: Sections, shown: ShownPlan, now: number): HTMLElement {
  const { plan, zones, version, active, members, otherReason, latest } = shown;
  return card(
    `plan-${plan}`,
    latest?.status === 'failed' ? 'warn' : 'good',
    h('h3', {}, plan, active === undefined ? statusWord('ready', 'good') : statusWord('running', 'busy')),
    h('p', { class: 'quiet' }, `zones ${zones.join(' and ')}, version ${version}`),
    otherReason !== '' && h('p', { class: 'condition warn' }, `${upperFirst(otherReason)}.`),
    members !== null && members.length > 0 && membersOf(members),
    latest !== null && runOf(latest, now),
    active === undefined
      ? h(
          'div',
          { class: 'orders' },
          orderButton(state, 'plan.run planned', plan, 'Move here …'),
          orderButton(state, 'plan.run failover', plan, 'Fail over …'),
          orderButton(state, 'plan.run reprotect', plan, 'Protect again …'),
          orderButton(state, 'plan.run test', plan, 'Test …'),
          orderButton(state, 'plan.run cleanup', plan, 'Remove the test …'),
          orderButton(state, 'plan.delete', plan, 'Delete …'),
        )
      : orderButton(state, 'operation.cancel', active, 'Cancel the run …'),
  );
}

function membersOf(members: NonNullable<ShownPlan['members']>): HTMLElement {
  return h(
    'ul',
    { class: 'facts' },
    ...members.map(({ kind, subject, here, there }) =>
      h(
        'li',
        {},
        h('span', { class: 'quiet' }, `${kind} `),
        h('strong', {}, subject),
        `: here ${here}; there ${there}`,
      ),
    ),
  );
}

const kinds: Readonly<Record<string, string>> = {
  planned: 'Move',
  failover: 'Failover',
  reprotect: 'Protection',
  test: 'Test',
  cleanup: 'Removal of the test',
};

/** A run with what it came to, and its steps: those under way, and all of them for who asks. */
function runOf(run: ShownRun, now: number): Child {
  const { kind, target, status, reason, beganAt, endedAt, steps } = run;
  const when =
    endedAt === null
      ? `for ${durationText(now - beganAt)}`
      : `took ${lagText(endedAt - beganAt)}, ended ${durationText(now - endedAt)} ago`;
  return [
    h(
      'p',
      { class: 'run' },
      `${kinds[kind] ?? kind} to ${target} `,
      statusWord(status, runTones[status] ?? 'busy'),
      h('span', { class: 'quiet' }, ` ${when}`),
    ),
    h('p', {}, `${upperFirst(reason)}.`),
    endedAt !== null && h('p', { class: 'figures' }, cameTo(run)),
    h(
      'details',
      { class: 'steps', 'data-key': `steps-${run.run}`, open: endedAt === null },
      h('summary', {}, counted(steps.length, 'step')),
      h('ol', { class: 'steps' }, ...steps.map((step) => stepOf(step))),
    ),
  ];
}

const runTones: Readonly<Record<string, Tone>> = {
  completed: 'good',
  done: 'good',
  undone: 'warn',
  undoing: 'busy',
  pending: 'idle',
  running: 'busy',
  failed: 'bad',
  cancelled: 'warn',
};

function cameTo({ kind, lostWrites, lostMs, servedAfterMs }: ShownRun): string {
  const moves = kind === 'planned' || kind === 'failover';
  return [
    moves ? `lost writes: ${lostWrites === null ? 'not known yet' : lostWrites.toLocaleString('en')}` : null,
    moves && lostMs !== null && lostWrites !== 0 ? `lost time: at most ${lagText(lostMs)}` : null,
    servedAfterMs === null ? null : `served after ${lagText(servedAfterMs)}`,
  ]
    .filter((part) => part !== null)
    .join(' · ');
}

function stepOf({ act, subject, zone, status, reason }: ShownRun['steps'][number]): HTMLElement {
  const tone = runTones[status] ?? 'busy';
  const what = `${act.replaceAll('-', ' ')}${subject === '' ? '' : ` ${subject}`} in ${zone}`;
  return h(
    'li',
    { class: status === 'pending' ? 'quiet' : null },
    mark(tone),
    h(
      'span',
      {},
      h('span', { class: 'only-heard' }, `${status}: `),
      what,
      reason === '' ? '' : `: ${reason}`,
    ),
  );
}
