// Actions of one delivery, and changes of all that the filters select.

import { ask, failure, filled, filtersOf, itemPath, post } from './api.js';
import { confirm, copy, toast } from './dialogs.js';
import { keep } from './keep.js';
import { badge, name } from './list.js';
import { make, words } from './text.js';
import { time } from './time.js';

const $ = (id) => document.getElementById(id);
const labels = { retry: (of) => `Retry ${of}`, rerun: (of) => `Run ${of} again`, discard: (of) => `Discard ${of}` };
const warnings = {
  retry: 'Their callbacks run soon.',
  rerun: 'Their callbacks run soon, even if the deliveries were already handled. They may then run a second time.',
  discard: 'They will not run again, and their bodies are deleted at once. This cannot be undone.',
};

let acting = false;

/** run requests a change, shows its result, and resolves to whether it succeeded. */
export const run = async (path, form) => {
  if (acting) return false;
  acting = true;
  document.body.classList.add('acting');
  let message;
  try {
    message = await post(path, form);
    toast(message, 'good');
  } catch (error) {
    toast(failure(error), 'bad');
  }
  acting = false;
  document.body.classList.remove('acting');
  return message !== undefined;
};

/** act performs an action of a delivery. If withReason is set, it always asks, and for a reason. */
export const act = async (d, action, withReason) => {
  if (acting) return;
  let reason = '';
  if (action.confirm || withReason) {
    reason = await confirm(action.confirm || `${action.label} this delivery?`, action.label, { dangerous: action.name === 'discard', withReason });
    if (reason === null) return;
  }
  await run(itemPath(d.id, `/actions/${encodeURIComponent(action.name)}`), { reason });
};

/** copyCurl copies a delivery as a curl command. */
export const copyCurl = async (id) => {
  try {
    await copy(await (await ask(itemPath(id, '/curl'))).text(), 'Copied as curl.');
  } catch (error) {
    toast(error.message, 'bad');
  }
};

/** whole returns the whole body of a delivery, or null. */
export const whole = async (id) => {
  try {
    return new Uint8Array(await (await ask(itemPath(id, '/body'))).arrayBuffer());
  } catch (error) {
    toast(error.message, 'bad');
    return null;
  }
};

const amount = (n, state) => {
  const kind = state === 'deferred' ? ['deferred delivery', 'deferred deliveries'] : ['dead letter', 'dead letters'];
  return `${n.toLocaleString()} ${kind[n === 1 ? 0 : 1]}`;
};

let number = 0; // counts previews: responses to older ones are ignored

/** preview fills the dialog for a change of all entries that the filters of a place select. */
export const preview = async (place, changed) => {
  const mine = ++number;
  const filters = filtersOf(place);
  const chosen = Object.entries(filters).filter(([key, value]) => value && key !== 'verdict');
  keep($('all-filters'), chosen.map(([key, value]) => [key, value, () => make('li', '', `${name(key)}: `, words('span', 'mono', value))]));
  $('all-count').textContent = 'Counting …';
  keep($('all-first'), []);
  keep($('all-actions'), []);
  try {
    const result = await (await ask('preview?' + filled(filters))).json();
    if (mine !== number) return;
    const of = amount(result.count, result.state);
    $('all-count').textContent = result.count > result.first.length ? `${of}. The newest are:` : `${of}.`;
    keep($('all-first'), result.first.map((item) => [item.id, item, () => make('li', '', badge(item), ' ',
      words('span', 'mono', `${item.vendor ?? ''}/${item.endpoint ?? ''}`), ' ', words('span', '', item.type || 'no type'), ' ',
      words('span', 'mono', item.delivery ?? ''), ' ', time(item.at, 'short'), ...(item.error ? [words('span', 'why', item.error)] : []))]));
    if (result.count > 0) keep($('all-actions'), result.actions.map((action) => [action, of, () => button(action, of, filters, result, changed)]));
  } catch (error) {
    if (mine === number) $('all-count').textContent = error.message;
  }
};

const button = (action, of, filters, result, changed) => {
  const short = labels[action](result.count.toLocaleString());
  const b = make('button', action === 'discard' ? 'danger' : '', short);
  b.type = 'button';
  b.dataset.all = action;
  b.addEventListener('click', async () => {
    const reason = await confirm(`${labels[action](of)}? ${warnings[action]}`, short, { dangerous: action === 'discard', withReason: true });
    if (reason === null) return;
    if (await run('all/' + action, { ...filters, until: result.until, count: result.count, reason })) $('all').close();
    else preview(filters, changed);
    changed();
  });
  return b;
};
