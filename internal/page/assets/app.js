// The page. The fragment of the URL has the chosen delivery, the filters, the chart and the open dialog, so that a reload and the
// back button keep them.

import { act, copyCurl, preview, whole } from './actions.js';
import { ask, filled, filterNames, filtersOf, itemPath, Refusal } from './api.js';
import { Chart } from './chart.js';
import { Detail } from './detail.js';
import { copy, isOpen, onClose, showDialog, toast } from './dialogs.js';
import { Filters } from './filters.js';
import { keep } from './keep.js';
import { keys } from './keys.js';
import { List } from './list.js';
import { Pauses } from './pauses.js';
import { released } from './press.js';
import { stream } from './stream.js';
import { make, words } from './text.js';

const $ = (id) => document.getElementById(id);
const pageSize = 100;
const mostAtOnce = 500; // the limit of the server
const wide = window.matchMedia('(min-width: 60rem)');

let place = { id: null }; // filters, id, chart and dialog of the fragment, which is not read yet
let operator = null; // what the visitor may do, on the page of an inbox
let items = [];
let next = '';
let shown = ''; // JSON of the item whose detail is shown
let loadedList = false; // whether a list has arrived: items of a later one are new
let searched = ''; // how far back the source has been searched, if the search continues
let missed = false; // whether changes may have been missed: there may be more new items than the server reads at once
let asking = 0; // counts changes of the filters: responses to older requests are ignored

// The fragment of the URL.

const read = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

const go = (change, how) => {
  const dialog = $(place.dialog)?.open ? place.dialog : ''; // the browser reports only later that a dialog was closed
  const to = { ...place, dialog, ...change };
  const hash = '#' + filled(to);
  if (hash === (location.hash || '#')) return;
  history[how === 'push' ? 'pushState' : 'replaceState'](how === 'push' ? { opened: Boolean(change.id) } : history.state, '', hash);
  arrive();
};

const arrive = () => {
  const before = place;
  place = read();
  filters.show(place);
  document.body.classList.toggle('opened', Boolean(place.id));
  list.choose(place.id ?? '');
  showChart();
  if (showDialog(place.dialog)) {
    if (place.dialog === 'all') preview(place, refresh);
    if (place.dialog === 'pauses') pauses.open(place);
  }
  if (filterNames.some((key) => (before[key] ?? '') !== (place[key] ?? ''))) {
    list.clear();
    items = [];
    next = '';
    searched = '';
    loadedList = false;
    asking++;
    refresh();
  }
  if (before.id !== place.id) open();
  if (before.id && !place.id) list.focus(before.id);
};

const open = () => {
  shown = '';
  if (!place.id) {
    detail.empty(items.length ? 'Choose a delivery to see its details.' : '');
    return;
  }
  detail.leave();
  load();
};

const back = () => {
  if (history.state?.opened && !wide.matches) history.back();
  else go({ id: '' }, 'replace');
};

// Requests to the server.

const query = (limit, before) => {
  return 'items?' + filled({ limit, before, ...filtersOf(place) });
};

// Requests for the list run one after the other, because each continues where the last response ended.
let last = Promise.resolve();
const inTurn = (request) => {
  last = last.then(request, request);
  return last;
};

let refreshing = null;
let stale = false;

/** refresh requests the list, and again if it has changed meanwhile. */
const refresh = () => {
  stale = true;
  refreshing ??= (async () => {
    while (stale) {
      stale = false;
      try {
        await inTurn(refreshOnce);
      } catch (error) {
        if (error instanceof Refusal) toast(error.message, 'bad');
      }
    }
    refreshing = null;
    searchOn();
  })();
  return refreshing;
};

const refreshOnce = async () => {
  const number = asking;
  const limit = Math.min(Math.max(items.length, pageSize), mostAtOnce);
  const result = await (await ask(query(limit))).json();
  await released();
  if (number !== asking) return;
  // Rows beyond what the server returns or reads at once stay unchanged, and the search continues where it was.
  const last = result.items.at(-1);
  let rest = items.length > limit && last ? items.slice(items.findIndex((item) => item.id === last.id) + 1 || items.length) : [];
  const until = result.read_until;
  const continues = until && loadedList && !missed;
  if (continues) rest = items.filter((item) => Date.parse(item.at) <= Date.parse(until) && !result.items.some((known) => known.id === item.id));
  else if (until) rest = [];
  if (!rest.length && !continues) {
    next = result.next ?? '';
    searched = until ?? '';
  }
  missed = false;
  take([...result.items, ...rest], result.overview);
  const item = items.find((item) => item.id === place.id);
  if (place.id && (!item || JSON.stringify(item) !== shown)) await load();
};

/** older requests the items after the list, and moves the focus to the first of them if focus is set. */
const older = async (focus) => {
  const number = asking;
  $('older').disabled = true;
  try {
    const result = await (await ask(query(pageSize, next))).json();
    await released();
    if (number !== asking) return;
    next = result.next ?? '';
    searched = result.read_until ?? '';
    const first = result.items[0]?.id;
    take([...items, ...result.items], lastOverview, true);
    if (first && focus) list.focus(first);
  } catch (error) {
    toast(error.message, 'bad');
  } finally {
    $('older').disabled = false;
  }
};

let searching = false;

/** searchOn continues a search until there is a full page of rows, or no more items. The server reads a part at a time. */
const searchOn = async () => {
  if (searching) return;
  searching = true;
  for (let before = ''; searched && next && next !== before && items.length < pageSize;) {
    before = next;
    await inTurn(() => older(false));
  }
  searching = false;
};

let loaded = Promise.resolve(); // resolves after the last load

const load = () => {
  loaded = loadOnce();
  return loaded;
};

let loading = 0;

const loadOnce = async () => {
  const id = place.id;
  const number = ++loading;
  try {
    const result = await (await ask(itemPath(id))).json();
    await released();
    if (number !== loading || id !== place.id) return;
    const another = detail.id !== id;
    detail.show(result);
    if (another) $('detail').scrollTop = 0;
  } catch (error) {
    if (number !== loading || id !== place.id) return;
    if (error.status === 404) detail.empty(error.message);
    else if (error instanceof Refusal) toast(error.message, 'bad');
  }
  const item = items.find((item) => item.id === id);
  shown = item ? JSON.stringify(item) : '';
};

// Display.

let lastOverview = null;

const take = (list_, overview, isOlder) => {
  lastOverview = overview;
  const loadedBefore = loadedList;
  const hadNone = items.length === 0;
  loadedList = true;
  items = list_;
  const pane = $('list-pane');
  const scrolled = pane.scrollTop > 40;
  const added = list.show(items);
  filters.offer(overview);
  operate(overview.operator ?? null);
  $('title').textContent = overview.title;
  document.title = `${overview.title} · aihooks`;
  $('older').hidden = !next;
  empty(overview);
  if (!place.id && hadNone !== (items.length === 0)) open();
  if (!loadedBefore || isOlder || !added.length) return;
  announce(added);
  if (scrolled) {
    fresh += added.length;
    $('fresh').textContent = `↑ ${fresh} new`;
    $('fresh').hidden = false;
  }
};

const showChart = () => {
  const on = operator !== null && place.chart === 'on';
  chart.show(on);
  $('chart-button').setAttribute('aria-pressed', String(on));
};

// operate shows what only the page of an inbox has.
const operate = (allowed) => {
  operator = allowed;
  document.body.classList.toggle('operator', Boolean(operator));
  $('tools').hidden = !operator;
  showChart();
  if (!operator) return;
  $('all-button').hidden = !['retry', 'rerun', 'discard'].some((action) => operator.may.includes(action));
  $('pauses-count').textContent = operator.paused ? operator.paused.toLocaleString() : '';
  pauses.allow(operator.may);
  pauses.load();
};

let fresh = 0;
const seenAll = () => {
  fresh = 0;
  $('fresh').hidden = true;
};

const empty = (overview) => {
  const box = $('empty');
  box.hidden = items.length > 0;
  if (items.length > 0) return;
  if (filterNames.some((key) => place[key])) {
    const text = searched ? `Searching. No match since ${new Date(searched).toLocaleString()}.` : 'No delivery matches.';
    keep(box, [['none', text, () => words('p', '', text)], ['all', '', () => {
      const all = make('button', '', 'Show all');
      all.type = 'button';
      all.addEventListener('click', () => filters.clear());
      return all;
    }]]);
    return;
  }
  const lines = (overview.hint || 'Nothing has arrived yet.').split('\n').filter(Boolean);
  keep(box, lines.map((line, i) => [i, line, () => {
    if (!line.startsWith('$ ')) return words('p', '', line);
    const command = words('code', 'command', line.slice(2));
    const b = make('button', 'command-line', command);
    b.type = 'button';
    b.title = 'Copy this command';
    b.addEventListener('click', () => copy(line.slice(2), 'The command was copied.'));
    return b;
  }]));
};

let unannounced = [];
const announce = (added) => {
  unannounced.push(...added);
  announce.timer ??= setTimeout(() => {
    announce.timer = undefined;
    const item = unannounced[0];
    $('announce').textContent = `${unannounced.length === 1 ? 'New delivery' : `${unannounced.length} new deliveries, the last`}: ${item.vendor ?? ''} ${item.type ?? ''}, ${item.verdict}`;
    unannounced = [];
  }, 1500);
};

// Actions of a delivery.

const does = async (d, action) => {
  await act(d, action, operator !== null);
  refresh();
};

const connection = (state) => {
  missed ||= state !== 'live';
  $('connection').dataset.state = state;
  $('connection-text').textContent = { live: 'Live', lost: 'Connection lost' }[state] ?? 'Connecting';
};

const list = new List($('list'), (id) => {
  go({ id }, wide.matches && place.id ? 'replace' : 'push');
  if (!wide.matches) $('detail').focus();
});
const only = (change) => go({ text: $('text').value.trim(), ...change }, 'push');
const detail = new Detail($('detail'), { act: does, copy: copyCurl, back, whole, only, filters: () => operator !== null });
const filters = new Filters((change, how) => go(change, how));
const chart = new Chart();
const pauses = new Pauses(() => refresh());
const dialog = (name) => {
  go({}, 'replace');
  go({ dialog: name }, 'push');
};
const tool = (id) => () => { if (operator && !$(id).hidden) $(id).click(); };

keys({
  isOpen,
  move: (by) => {
    const id = list.move(by);
    if (id && wide.matches && (place.id || !operator)) go({ id }, 'replace'); // in a table, Enter opens it
  },
  enter: () => {
    const id = list.focused;
    if (!id) return false;
    go({ id }, wide.matches ? 'replace' : 'push');
    $('detail').focus();
    return true;
  },
  escape: () => { if (place.id) back(); },
  press: async (...names) => {
    const id = place.id;
    for (let before; before !== loaded;) await (before = loaded); // the detail may still show the previous delivery
    if (!id || id !== place.id || detail.id !== id || isOpen()) return;
    for (const action of names) {
      const b = $('detail').querySelector(`button[data-action="${action}"]`);
      if (b) {
        b.click();
        return;
      }
    }
  },
  only: (field) => $('detail').querySelector(`button[data-only="${field}"]`)?.click(),
  verdict: (i) => $('verdicts').children[i]?.click(),
  vendor: () => $('vendor').focus(),
  older: () => { if (!$('older').hidden) $('older').click(); },
  newest: () => {
    $('list-pane').scrollTo({ top: 0 });
    list.first();
  },
  all: tool('all-button'),
  pauses: tool('pauses-button'),
  chart: tool('chart-button'),
  search: () => $('text').focus(),
  help: () => dialog('help'),
});

onClose(() => go({}, 'replace'));
$('all-button').addEventListener('click', () => dialog('all'));
$('pauses-button').addEventListener('click', () => dialog('pauses'));
$('chart-button').addEventListener('click', () => go({ chart: place.chart === 'on' ? '' : 'on' }, 'push'));

$('older').addEventListener('click', async () => {
  await inTurn(() => older(true));
  searchOn();
});
$('fresh').addEventListener('click', () => {
  $('list-pane').scrollTo({ top: 0 });
  seenAll();
});
$('list-pane').addEventListener('scroll', () => { if ($('list-pane').scrollTop < 40) seenAll(); }, { passive: true });
$('help-button').addEventListener('click', () => dialog('help'));
window.addEventListener('popstate', arrive);
window.addEventListener('hashchange', arrive);

arrive();
stream(refresh, connection);
