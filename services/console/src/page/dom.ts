/** Elements from text and other elements: what others wrote is always text, never markup. */
export type Child = Node | string | number | null | false | undefined | readonly Child[];
type Attributes = Readonly<Record<string, string | number | boolean | null | undefined>>;

const SVG = 'http://www.w3.org/2000/svg';

/** `class`, `data-…`, `aria-…` and so on; true stands for an attribute without a value, null and false for none. */
export function h(tag: string, attributes: Attributes = {}, ...children: readonly Child[]): HTMLElement {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag: string, attributes: Attributes = {}, ...children: readonly Child[]): SVGElement {
  return filled(document.createElementNS(SVG, tag) as SVGElement, attributes, children);
}

function filled<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes))
    if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? '' : String(value));
  append(element, children);
  return element;
}

function append(parent: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(parent, child as readonly Child[]);
    else parent.append(typeof child === 'object' ? (child as Node) : String(child));
  }
}

/**
 * Makes the children of `parent` like `wanted`, and touches only what differs: focus, selection and what a reader has
 * opened stay. Elements with the same `data-key` are the same one, wherever they stand.
 */
export function patchChildren(parent: Element, wanted: readonly Node[]): void {
  const keyed = new Map<string, Element>();
  for (const child of parent.children) {
    const key = keyOf(child);
    if (key !== null) keyed.set(key, child);
  }
  let place: ChildNode | null = parent.firstChild;
  for (const next of wanted) {
    const key = keyOf(next);
    const known: ChildNode | null = key === null ? place : (keyed.get(key) ?? null);
    if (known !== null && isAlike(known, next)) {
      if (known === place) place = place.nextSibling;
      else parent.insertBefore(known, place);
      patch(known, next);
    } else parent.insertBefore(next, place);
  }
  while (place !== null) {
    const after: ChildNode | null = place.nextSibling;
    place.remove();
    place = after;
  }
}

function patch(known: Node, next: Node): void {
  if (!(known instanceof Element) || !(next instanceof Element)) {
    if (known.nodeValue !== next.nodeValue) known.nodeValue = next.nodeValue;
    return;
  }
  for (const { name } of [...known.attributes])
    if (!next.hasAttribute(name) && !isOfReader(known, name)) known.removeAttribute(name);
  for (const { name, value } of next.attributes)
    if (known.getAttribute(name) !== value && !isOfReader(known, name)) known.setAttribute(name, value);
  patchChildren(known, [...next.childNodes]);
}

/** What a reader has opened stays open. */
function isOfReader(element: Element, attribute: string): boolean {
  return element.tagName === 'DETAILS' && attribute === 'open';
}

function isAlike(known: Node, next: Node): boolean {
  return known.nodeType === next.nodeType && known.nodeName === next.nodeName && keyOf(known) === keyOf(next);
}

function keyOf(node: Node): string | null {
  return node instanceof Element ? node.getAttribute('data-key') : null;
}
