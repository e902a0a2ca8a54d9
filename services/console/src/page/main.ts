/** The page: hears the feed, draws, and takes clicks. */
import { h, patchChildren } from './dom.ts';
import { judge } from './judgement.ts';
import { LiveFeed } from './live-feed.ts';
import { type Given, isUnlocked, lock, OrderDialog } from './orders.ts';
import { applyTheme, toggleTheme } from './theme.ts';
import { attention } from './view/attention.ts';
import { banners } from './view/banners.ts';
import { givenOrder } from './view/given-order.ts';
import { header } from './view/header.ts';
import { incidents } from './view/incidents.ts';
import { map } from './view/map.ts';
import { news } from './view/news.ts';
import { orderButton } from './view/order-button.ts';
import { plans } from './view/plans.ts';
import { replication } from './view/replication.ts';
import { vdisks } from './view/vdisks.ts';
import { recovered, work } from './view/work.ts';

const TICK_MS = 1_000;

const part = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
};

let filter = '';
let drawing = 0;
/** What was ordered last, until the reader has read it. */
let given: Given | null = null;
const feed = new LiveFeed(() => drawSoon());
const dialog = new OrderDialog(
  part('dialog') as HTMLDialogElement,
  () => drawSoon(),
  (latest) => {
    given = latest;
  },
);

/** Many words in a moment are drawn once. */
function drawSoon(): void {
  if (drawing !== 0) return;
  drawing = setTimeout(() => {
    drawing = 0;
    draw();
  }, 0);
}

function draw(): void {
  const live = feed.live();
  const { state, now } = live;
  patchChildren(part('header'), header(live));
  patchChildren(part('banners'), banners(live));
  patchChildren(part('given'), given === null ? [] : [givenOrder(given)]);
  if (state === null) return;
  document.body.classList.toggle('old', live.silentSince !== null || !state.bus.connected);
  const parts = [
    attention(state, now),
    work(state),
    recovered(state, now),
    map(state),
    replication(state, now),
    plans(state, now),
    incidents(state, now),
    vdisks(state, filter),
    news(state),
    footer(state),
  ];
  patchChildren(
    part('main'),
    parts.filter((node) => node !== null),
  );
  // Changes only when the judgement does: this is read aloud.
  const { headline, detail } = judge(state);
  const heard = live.silentSince === null ? `${headline}. ${detail}` : 'The console is not heard.';
  if (part('announcement').textContent !== heard) part('announcement').textContent = heard;
  document.title = live.silentSince === null ? `${headline} – Salvor` : 'Not live – Salvor';
}

function footer(state: Parameters<typeof orderButton>[0]): Node | null {
  const buttons = [
    state.volumes.length > 0 && state.plans.length === 0
      ? orderButton(state, 'plan.apply create', '', 'Write a recovery plan …')
      : null,
    state.healing?.everywhere === undefined
      ? orderButton(state, 'healing.pause', '', 'Pause all healing …')
      : null,
  ].filter((button) => button !== null);
  return buttons.length === 0 ? null : h('div', { class: 'orders', 'data-key': 'orders' }, ...buttons);
}

document.addEventListener('click', ({ target }) => {
  const button = target instanceof Element ? target.closest<HTMLElement>('[data-do]') : null;
  const order = button?.dataset.do;
  if (order === undefined) return;
  if (order === 'theme') toggleTheme();
  else if (order === 'unlock') dialog.askToken();
  else if (order === 'lock') lock();
  else if (order === 'read') given = null;
  else if (isUnlocked()) {
    const { subject = '', confirm = subject, request = '{}' }: DOMStringMap = button?.dataset ?? {};
    dialog.ask(order, { subject, confirm, request: JSON.parse(request) as Record<string, unknown> });
  }
  draw();
});

document.addEventListener('input', ({ target }) => {
  if (!(target instanceof HTMLInputElement) || target.id !== 'filter') return;
  filter = target.value;
  draw();
});

applyTheme();
feed.start();
setInterval(draw, TICK_MS);
draw();
