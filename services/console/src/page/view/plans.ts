import { h } from '../dom.ts';
import type { Sections } from '../state.ts';
import { statusWord } from '../tone.ts';
import { orderButton } from './order-button.ts';
import { card, section } from './section.ts';

/** Recovery plans; null where there are none. A run of one is under way above. */
export function plans(state: Sections): Node | null {
  if (state.plans.length === 0) return null;
  const cards = state.plans.map(({ plan, zones, version, active }) =>
    card(
      `plan-${plan}`,
      'good',
      h('h3', {}, plan, active === undefined ? statusWord('ready', 'good') : statusWord('running', 'busy')),
      h('p', { class: 'quiet' }, `zones ${zones.join(' and ')}, version ${version}`),
      active === undefined
        ? [
            orderButton(state, 'plan.run test', plan, 'Test …'),
            orderButton(state, 'plan.run planned', plan, 'Move here …'),
            orderButton(state, 'plan.run failover', plan, 'Fail over …'),
          ]
        : h('p', {}, `Run ${active}.`),
    ),
  );
  return section('plans', 'Recovery plans', h('div', { class: 'cards' }, ...cards));
}
