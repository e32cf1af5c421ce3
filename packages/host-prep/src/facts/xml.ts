/** An element of a document: as much of XML as nvidia-smi and libvirt print. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** Its own text, trimmed. */
  readonly text: string;
}

interface Open {
  name: string;
  attributes: Record<string, string>;
  children: XmlElement[];
  text: string;
}

const deepest = 100;

/**
 * Reads the elements of a text in one pass. Whatever stands before the first element is skipped (nvidia-smi prints
 * warnings there); a document that is cut off gives what it holds; a stray end tag is ignored.
 */
export function parseXml(text: string): readonly XmlElement[] {
  const root: Open = { name: '', attributes: {}, children: [], text: '' };
  const stack: Open[] = [root];
  let place = 0;
  const top = () => stack.at(-1) ?? root;
  const close = () => {
    const { text: own, ...element } = stack.pop() ?? root;
    top().children.push({ ...element, text: own.trim() });
  };
  while (place < text.length) {
    const start = text.indexOf('<', place);
    if (start < 0) break;
    top().text += decode(text.slice(place, start));
    const special = specials.find(([opening]) => text.startsWith(opening, start));
    const end = text.indexOf(special?.[1] ?? '>', start + 1);
    if (end < 0) break;
    place = end + (special?.[1] ?? '>').length;
    if (special) continue;
    const tag = text.slice(start + 1, end);
    const name = /^\/?([\w:.-]{1,100})/.exec(tag)?.[1];
    if (name === undefined) continue;
    if (tag.startsWith('/')) {
      const open = stack.map((element) => element.name).lastIndexOf(name);
      while (open > 0 && stack.length > open) close();
    } else if (stack.length < deepest) {
      stack.push({ name, attributes: attributesOf(tag), children: [], text: '' });
      if (tag.endsWith('/')) close();
    }
  }
  while (stack.length > 1) close();
  return root.children;
}

/** The element at a path of names below this one; the first where there are several. */
export function xmlAt(element: XmlElement, ...path: readonly string[]): XmlElement | undefined {
  return path.reduce<XmlElement | undefined>(
    (current, name) => current?.children.find((child) => child.name === name),
    element,
  );
}

/** All elements of a name, at any depth, in document order. */
export function xmlAll(elements: readonly XmlElement[], name: string): readonly XmlElement[] {
  return elements.flatMap((element) => (element.name === name ? [element] : xmlAll(element.children, name)));
}

const specials = [
  ['<!--', '-->'],
  ['<?', '?>'],
  ['<!', '>'],
] as const;

function attributesOf(tag: string): Record<string, string> {
  return Object.fromEntries(
    [...tag.slice(0, 4000).matchAll(/\s([\w:.-]{1,60})\s{0,4}=\s{0,4}(?:"([^"]*)"|'([^']*)')/g)].map(
      ([, key = '', double, single]) => [key, decode(double ?? single ?? '')],
    ),
  );
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

function decode(text: string): string {
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => entities[name] ?? '');
}
