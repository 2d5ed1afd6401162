// The list on the left, with a row for each delivery, the newest first. When deliveries arrive, rows stay in the page and keep the
// focus.

import { keep } from './keep.js';
import { make, words } from './text.js';
import { time } from './time.js';

/** name returns the display name of a verdict or a reason. */
export const name = (text) => text.slice(0, 1).toUpperCase() + text.slice(1).replaceAll('_', ' ');

/** badge creates the coloured badge of a verdict. */
export const badge = (item) => {
  const chip = words('span', 'chip', name(item.verdict));
  chip.dataset.tone = item.tone;
  return chip;
};

/** initial creates the icon of a vendor, with its first letter. */
export const initial = (vendor) => {
  const first = vendor ? [...vendor][0].toUpperCase() : '?';
  const square = words('span', 'initial', first);
  square.setAttribute('aria-hidden', 'true');
  let hue = 0;
  for (const c of vendor ?? '') hue = (hue * 31 + c.codePointAt(0)) % 6;
  square.dataset.hue = vendor ? hue : 'none';
  return square;
};

const from = (item) => {
  const element = make('span', 'from-cell', words('span', 'vendor', item.vendor || 'unknown sender'));
  if (item.endpoint && item.endpoint !== 'default') element.append(' / ', words('span', 'endpoint', item.endpoint));
  return element;
};

const fill = (row, item) => {
  const why = item.tone === 'bad' || item.tone === 'warn' ? item.error || name(item.reason ?? '') : '';
  const children = keep(row, [
    ['initial', item.vendor, () => initial(item.vendor)],
    ['type', item.type, () => item.type ? words('span', 'type', item.type) : make('span', 'type none', 'no type')],
    ['time', item.at, () => time(item.at, 'short')],
    ['about', '', () => make('span', 'about')],
    ['badge', [item.verdict, item.tone], () => badge(item)],
    ...(why ? [['why', why, () => words('span', 'why', why)]] : []),
  ]);
  const about = [['from', [item.vendor, item.endpoint], () => from(item)]];
  if (item.tries) about.push(['tries', item.tries, () => make('span', item.tries > 1 ? 'tries' : 'tries once', String(item.tries), make('span', 'unit', ' attempts'))]);
  if (item.delivery) about.push(['id', item.delivery, () => words('span', 'id', item.delivery)]);
  keep(children[3], about);
  row.dataset.tone = item.tone;
};

export class List {
  #ul;
  #rows = new Map(); // by id: the row, and the JSON of the item
  #chosen = '';
  #current = ''; // the row that Tab focuses

  constructor(ul, open) {
    this.#ul = ul;
    ul.addEventListener('click', (event) => {
      const row = event.target.closest('.row');
      if (row) open(row.dataset.id);
    });
    ul.addEventListener('focusin', (event) => {
      const row = event.target.closest('.row');
      if (row) this.#rove(row.dataset.id);
    });
  }

  /** show shows items, and returns the new ones. */
  show(items) {
    const known = this.#rows.size > 0;
    const seen = new Set();
    const added = [];
    let at = this.#ul.firstElementChild;
    for (const item of items) {
      if (seen.has(item.id)) continue;
      seen.add(item.id);
      const text = JSON.stringify(item);
      let entry = this.#rows.get(item.id);
      if (!entry) {
        const row = make('li', 'row');
        row.setAttribute('role', 'option');
        row.setAttribute('aria-selected', 'false');
        row.dataset.id = item.id;
        row.tabIndex = -1;
        entry = { row, text: '' };
        this.#rows.set(item.id, entry);
        added.push(item);
        if (known) row.classList.add('new');
      }
      if (entry.text !== text) {
        fill(entry.row, item);
        entry.text = text;
      }
      if (entry.row === at) at = at.nextElementSibling;
      else this.#ul.insertBefore(entry.row, at);
    }
    for (const [id, entry] of this.#rows) {
      if (seen.has(id)) continue;
      if (entry.row.contains(document.activeElement)) (entry.row.nextElementSibling ?? entry.row.previousElementSibling ?? this.#ul).focus();
      entry.row.remove();
      this.#rows.delete(id);
    }
    this.#rove(this.#rows.has(this.#current) ? this.#current : this.#ul.firstElementChild?.dataset.id ?? '');
    this.choose(this.#chosen);
    return added;
  }

  /** clear removes all rows. The items of the next show are not marked as new. */
  clear() {
    this.#rows.clear();
    this.#ul.replaceChildren();
  }

  /** choose marks the row of the chosen delivery. */
  choose(id) {
    this.#rows.get(this.#chosen)?.row.setAttribute('aria-selected', 'false');
    this.#chosen = id;
    this.#rows.get(id)?.row.setAttribute('aria-selected', 'true');
  }

  /** move focuses the next row (1), the previous row (-1), or the current row (0), and returns its id. */
  move(by) {
    const focused = this.#ul.contains(document.activeElement) ? document.activeElement.closest('.row') : null;
    const from = focused ?? this.#rows.get(this.#chosen)?.row;
    let row = from && by ? (by > 0 ? from.nextElementSibling : from.previousElementSibling) : from ?? this.#ul.firstElementChild;
    row ??= from;
    row?.focus();
    return row?.dataset.id ?? '';
  }

  /** first focuses the newest row. */
  first() {
    this.#ul.firstElementChild?.focus();
  }

  /** focus focuses the row of an id, or else the row that had the focus last. */
  focus(id) {
    (this.#rows.get(id)?.row ?? this.#rows.get(this.#current)?.row ?? this.#ul).focus();
  }

  /** focused is the id of the focused row, or empty. */
  get focused() {
    return this.#ul.contains(document.activeElement) ? document.activeElement.closest('.row')?.dataset.id ?? '' : '';
  }

  #rove(id) {
    const before = this.#rows.get(this.#current)?.row;
    if (before) before.tabIndex = -1;
    this.#current = id;
    const row = this.#rows.get(id)?.row;
    if (row) row.tabIndex = 0;
  }
}
