// Elements in a line of TypeScript each.

type Child = Node | string | null | undefined | false;
type Handlers = {
  readonly [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void;
};
type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** An HTML element. An attribute that is true is present, one that is false or undefined absent. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  children: readonly Child[] | string = [],
  on: Handlers = {},
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  decorate(element, attributes, typeof children === 'string' ? [children] : children);
  for (const [name, handler] of Object.entries(on)) {
    element.addEventListener(name, handler as EventListener);
  }
  return element;
}

/** An SVG element. */
export function s<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  children: readonly Child[] = [],
): SVGElementTagNameMap[K] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  decorate(element, attributes, children);
  return element;
}

function decorate(element: Element, attributes: Attributes, children: readonly Child[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children) if (child) element.append(child);
}

/** The element with this id, which the page has. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`internal: the page has no #${id}`);
  return element as T;
}

/** Sets a custom property of CSS: the policy of the page allows no style attributes. */
export function withStyle<T extends HTMLElement | SVGElement>(
  element: T,
  properties: Readonly<Record<`--${string}`, string | number>>,
): T {
  for (const [name, value] of Object.entries(properties)) {
    element.style.setProperty(name, String(value));
  }
  return element;
}

/** Sets a text where it differs, so that nothing is drawn anew for nothing. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

let spoken = '';

/** Says something to those who listen rather than look. */
export function announce(text: string): void {
  // The same text twice would not be read twice.
  spoken = text === spoken ? `${text}\u00a0` : text;
  byId('live').textContent = spoken;
}
