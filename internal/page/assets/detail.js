// The pane on the right, with the detail of one delivery.

import { writeJSON } from './json.js';
import { keep } from './keep.js';
import { badge, initial, name } from './list.js';
import { decode, fromBase64, icon, make, size, words, write, writeBytes } from './text.js';
import { time, took } from './time.js';

const icons = { replay: 'again', 'sign-refused': 'again', retry: 'again', rerun: 'run', discard: 'trash' };
const mostMarks = 2000; // marks for bytes that are not text
const plainFrom = 1 << 20; // characters; longer JSON is not indented

const button = (label, iconName, className, key) => {
  const element = make('button', className, icon(iconName), make('span', '', label));
  element.type = 'button';
  if (key) {
    element.append(make('kbd', '', key));
    element.lastChild.setAttribute('aria-hidden', 'true');
    element.setAttribute('aria-keyshortcuts', key);
  }
  return element;
};

const facts = (dl, d) => {
  const parts = [];
  const fact = (label, value, write, key = label) => {
    if (value) parts.push([key, [label, value], () => make('div', '', make('dt', '', label), make('dd', '', write(value)))]);
  };
  const exact = (value) => time(value, 'exact');
  const mono = (value) => words('span', 'mono', value);
  fact('Arrived', d.at, exact);
  fact(d.verdict === 'running' ? 'Lease until' : 'Next attempt', d.due, exact);
  fact(`${name(d.verdict)} since`, d.since, exact);
  fact('Response', d.status && String(d.status), mono);
  fact('Delivery', d.delivery, mono);
  fact('Endpoint', d.endpoint !== 'default' && d.endpoint, (value) => words('span', '', value));
  fact('Request', d.url && `${d.method ?? ''} ${d.url}`.trim(), mono);
  (d.facts ?? []).forEach((f, i) => fact(f.name, f.value, mono, i));
  keep(dl, parts);
};

const verdict = (box, d) => {
  const parts = [];
  if (d.explanation) parts.push(['explanation', d.explanation, () => words('p', 'explanation', d.explanation)]);
  if (d.error) parts.push(['error', d.error, () => words('pre', 'error', d.error)]);
  if (d.reason) parts.push(['reason', d.reason, () => make('p', 'reason', 'Reason: ', words('code', '', d.reason))]);
  keep(box, parts);
  box.dataset.tone = d.tone;
  box.hidden = parts.length === 0;
};

const attempt = (a, i) => {
  const outcome = words('span', 'outcome', name(a.outcome));
  outcome.dataset.good = a.outcome === 'handled' || a.outcome === 'ignored' || a.outcome === 'duplicate';
  const row = make('tr', '', make('td', 'number', String(i + 1)), make('td', 'when', time(a.at, 'exact')), make('td', 'took', took(a.took_ms)), make('td', '', outcome));
  if (!a.counted) row.children[3].append(make('span', 'aside', ' not counted'));
  const what = make('td', 'what');
  if (a.error) what.append(words('span', 'mono', a.error));
  else if (a.reason) what.append(words('span', '', name(a.reason)));
  row.append(what);
  return row;
};

const emptyAttempts = () => {
  const heads = ['No.', 'Began', 'Took', 'Outcome', 'Error'].map((text) => {
    const th = make('th', '', text);
    th.scope = 'col';
    return th;
  });
  const table = make('table', 'attempts', make('thead', '', make('tr', '', ...heads)), make('tbody', ''));
  return make('section', 'block', make('h3', ''), make('div', 'wide', table));
};

const attempts = (section, list) => {
  section.hidden = list.length === 0;
  section.querySelector('h3').textContent = `Attempts (${list.length})`;
  keep(section.querySelector('tbody'), list.map((a, i) => [i, a, () => attempt(a, i)]));
};

const headers = (list) => {
  if (!list.length) return make('p', 'note', 'The headers of this delivery are not stored.');
  const table = make('table', 'headers');
  for (const [key, value] of list) {
    const th = words('th', '', key);
    th.scope = 'row';
    table.append(make('tr', '', th, words('td', '', value)));
  }
  return table;
};

/** bodyPanel shows a body. It indents JSON if pretty is set. */
const bodyPanel = (d, bytes, pretty, whole) => {
  const panel = make('div', '');
  fillBody(panel, d, bytes, pretty, whole);
  return panel;
};

const fillBody = (panel, d, bytes, pretty, whole) => {
  panel.replaceChildren();
  const text = decode(bytes);
  const code = make('pre', 'code');
  code.tabIndex = 0;
  code.setAttribute('aria-label', pretty ? 'Event' : 'Received body');
  if (pretty && !d.json) panel.append(make('p', 'note', 'The body is not JSON. It is shown unchanged.'));
  if (text === null) {
    if (!pretty || !d.json) panel.append(make('p', 'note', 'The body is not UTF-8. Invalid bytes are marked.'));
    writeBytes(code, bytes, mostMarks);
  } else if (pretty && d.json && text.length <= plainFrom) {
    writeJSON(code, text);
  } else {
    write(code, text);
  }
  panel.append(code);
  if (bytes.length < d.size) {
    const more = make('button', 'more', `Show all ${size(d.size)}`);
    more.type = 'button';
    more.addEventListener('click', async () => {
      const all = await whole();
      if (!all || !panel.contains(more)) return; // an earlier click has shown the body
      const focused = document.activeElement === more;
      fillBody(panel, { ...d, size: all.length }, all, pretty, whole);
      if (focused) panel.querySelector('.code').focus({ preventScroll: true });
    });
    panel.append(make('p', 'note cut', `This is the first ${size(bytes.length)}. `, more));
  }
};

const tabs = (chosen, choose, panels) => {
  const bar = make('div', 'tabs');
  bar.setAttribute('role', 'tablist');
  const panel = make('div', 'panel');
  panel.setAttribute('role', 'tabpanel');
  panel.id = 'panel';
  const made = {}; // keeps the state of a panel while another is shown
  const pick = (id, focus) => {
    for (const tab of bar.children) {
      const on = tab.dataset.tab === id;
      tab.setAttribute('aria-selected', String(on));
      tab.tabIndex = on ? 0 : -1;
      if (on && focus) tab.focus();
      if (on) panel.setAttribute('aria-labelledby', tab.id);
    }
    panel.replaceChildren(made[id] ??= panels[id].make());
    choose(id);
  };
  for (const [id, { label }] of Object.entries(panels)) {
    const tab = make('button', '', label);
    tab.type = 'button';
    tab.id = 'tab-' + id;
    tab.dataset.tab = id;
    tab.setAttribute('role', 'tab');
    tab.setAttribute('aria-controls', 'panel');
    tab.addEventListener('click', () => pick(id));
    bar.append(tab);
  }
  bar.addEventListener('keydown', (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const tab = by && (by > 0 ? document.activeElement.nextElementSibling : document.activeElement.previousElementSibling);
    if (tab) pick(tab.dataset.tab, true);
  });
  pick(panels[chosen] ? chosen : Object.keys(panels)[0]);
  return { bar, panel };
};

export class Detail {
  #pane;
  #id = '';
  #tab = 'event';
  #do;

  /** does has the functions of the buttons: act(detail, action), copy(id), back(), whole(id). */
  constructor(pane, does) {
    this.#pane = pane;
    this.#do = does;
  }

  /** id is the id of the shown delivery, or empty. */
  get id() {
    return this.#id;
  }

  /** empty shows a text instead of a delivery. */
  empty(text) {
    this.#id = '';
    this.#pane.replaceChildren(make('div', 'nothing', icon('hook'), make('p', '', text)));
  }

  /** leave disables the shown delivery until show is called, because its buttons would act on the wrong delivery. */
  leave() {
    this.#refocus(() => { for (const part of this.#pane.children) part.inert = true; });
  }

  /** show shows a delivery. Elements that have not changed since the last call for the same delivery stay in the page. */
  show(d) {
    this.#refocus(() => {
      if (d.id !== this.#id) this.#pane.replaceChildren();
      this.#id = d.id;
      const [bar, verdictBox, dl, section] = keep(this.#pane, [
        ['bar', '', () => make('header', 'bar')],
        ['verdict', '', () => make('div', 'verdict')],
        ['facts', '', () => make('dl', 'facts')],
        ['attempts', '', emptyAttempts],
        ['body', [d.gone, d.body, d.json, d.size, d.header], () => this.#body(d)],
      ]);
      for (const part of this.#pane.children) part.inert = false;
      this.#bar(bar, d);
      verdict(verdictBox, d);
      facts(dl, d);
      attempts(section, d.attempts ?? []);
    });
  }

  // #refocus moves the focus to the pane if a change removes or disables the focused element.
  #refocus(change) {
    const within = this.#pane.contains(document.activeElement);
    change();
    const element = document.activeElement;
    if (within && (!this.#pane.contains(element) || element.closest('[inert]'))) this.#pane.focus({ preventScroll: true });
  }

  #bar(bar, d) {
    const [, head, buttons] = keep(bar, [
      ['back', '', () => {
        const back = button('Back', 'back', 'quiet back', '');
        back.addEventListener('click', () => this.#do.back());
        return back;
      }],
      ['head', [d.vendor, d.type], () => {
        const title = d.type ? words('h2', '', d.type) : make('h2', 'none', 'no type');
        return make('div', 'head', initial(d.vendor), make('div', 'names', title, make('p', 'from')));
      }],
      ['actions', '', () => make('div', 'actions')],
    ]);
    keep(head.querySelector('.from'), [
      ['vendor', d.vendor, () => words('span', 'vendor', d.vendor || 'unknown sender')],
      ['badge', [d.verdict, d.tone], () => badge(d)],
      ...(this.#do.filters() ? this.#only(d) : []),
    ]);
    const action = (name, label, iconName, className, key, run) => {
      const b = button(label, iconName, className, key);
      b.dataset.action = name;
      b.addEventListener('click', run);
      return b;
    };
    const parts = (d.actions ?? []).map((a, i) => {
      const key = { replay: 'r', retry: 'r', rerun: 'x', discard: 'd' }[a.name];
      const className = ['discard', 'sign-refused'].includes(a.name) ? 'danger' : i === 0 ? 'first' : '';
      return ['action', [a, className], () => action(a.name, a.label, icons[a.name] ?? 'run', className, key, () => this.#do.act(d, a))];
    });
    if (d.curl) parts.push(['copy', '', () => action('copy', 'Copy as curl', 'copy', '', 'c', () => this.#do.copy(d.id))]);
    keep(buttons, parts);
  }

  // #only makes the buttons that filter by the type or the endpoint of a delivery.
  #only(d) {
    const make = (field, filters) => [field, filters, () => {
      const b = button(`Only this ${field}`, 'search', 'quiet only-this', field[0]);
      b.dataset.only = field;
      b.addEventListener('click', () => this.#do.only(filters));
      return b;
    }];
    return [
      ...(d.type ? [make('type', { type: d.type })] : []),
      ...(d.endpoint ? [make('endpoint', { vendor: d.vendor ?? '', endpoint: d.endpoint })] : []),
    ];
  }

  #body(d) {
    if (d.gone) return make('p', 'note', 'The body and the headers of this delivery have been deleted.');
    const bytes = fromBase64(d.body);
    const whole = () => this.#do.whole(d.id);
    const { bar, panel } = tabs(this.#tab, (tab) => { this.#tab = tab; }, {
      event: { label: 'Event', make: () => bodyPanel(d, bytes, true, whole) },
      raw: { label: 'Raw body', make: () => bodyPanel(d, bytes, false, whole) },
      headers: { label: `Headers (${d.header.length})`, make: () => headers(d.header) },
    });
    const save = make('a', 'save', icon('save'), make('span', '', size(d.size)));
    save.href = `api/items/${encodeURIComponent(d.id)}/body`;
    save.download = `delivery-${d.id}.json`.replace(/[^\w.-]/g, '_');
    save.title = `Download the received body, ${size(d.size)}`;
    save.setAttribute('aria-label', save.title);
    return make('section', 'block', make('div', 'tabline', bar, save), panel);
  }
}
