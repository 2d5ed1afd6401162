// Dialogs and messages.

import { make, words, write } from './text.js';

const $ = (id) => document.getElementById(id);

// raise moves the messages into the open dialog, because a dialog hides and disables everything behind it.
const raise = () => {
  const parent = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body;
  if ($('toasts').parentElement !== parent) parent.append($('toasts'));
};

const closing = (dialog, ...buttons) => {
  for (const b of buttons) b.addEventListener('click', () => dialog.close(b.id));
  let pressed = null; // selecting text may end outside of the dialog
  dialog.addEventListener('pointerdown', (event) => { pressed = event.target; });
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog && pressed === dialog) dialog.close(''); // outside of the dialog
  });
  dialog.addEventListener('close', raise);
};

// The dialogs that the URL of the page can open.
const linked = ['help', 'pauses', 'all'];

closing($('confirm'), $('confirm-yes'), $('confirm-no'));
closing($('copy'), $('copy-close'));
for (const name of linked) closing($(name), $(name + '-close'));

/** showDialog opens the dialog of the URL, closes the others, and returns whether it was closed before. */
export const showDialog = (name) => {
  for (const other of linked) if (other !== name && $(other).open) $(other).close();
  if (!linked.includes(name) || $(name).open) return false;
  $(name).showModal();
  return true;
};

/** onClose calls closed after a dialog of the URL was closed. */
export const onClose = (closed) => {
  for (const name of linked) $(name).addEventListener('close', closed);
};

let answer = () => {};
const settle = () => { if (!$('confirm').open) answer($('confirm').returnValue === 'confirm-yes' ? $('confirm-reason').value.trim() : null); };

// The browser sends this event some time after the dialog was closed. The next question may already be open.
$('confirm').addEventListener('close', settle);

$('confirm-reason').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.isComposing) return;
  event.preventDefault();
  if ($('confirm-yes').className === 'danger') $('confirm-yes').focus(); // a second Enter is needed
  else $('confirm-yes').click();
});

/** confirm asks a question, and resolves to null if the answer was no. Otherwise, it resolves to the reason, which may be empty. */
export const confirm = (question, yes, { dangerous = false, withReason = false } = {}) => new Promise((resolve) => {
  const dialog = $('confirm');
  settle();
  answer = resolve;
  $('confirm-text').replaceChildren();
  write($('confirm-text'), question);
  $('confirm-yes').textContent = yes;
  $('confirm-yes').className = dangerous ? 'danger' : 'first';
  $('confirm-no').textContent = dangerous ? 'Keep it' : 'Not now';
  $('confirm-reason').value = '';
  $('confirm-reason-field').hidden = !withReason;
  dialog.returnValue = '';
  dialog.showModal();
  $(withReason && !dangerous ? 'confirm-reason' : 'confirm-no').focus();
});

/** isOpen reports whether a dialog is open, which then gets all keys. */
export const isOpen = () => document.querySelector('dialog[open]') !== null;

/** toast shows a message for some seconds. An error stays longer. */
export const toast = (text, tone) => {
  const box = make('div', 'toast', words('p', '', text));
  box.dataset.tone = tone;
  box.setAttribute('role', tone === 'bad' ? 'alert' : 'status');
  const close = make('button', 'quiet', '×');
  close.type = 'button';
  close.setAttribute('aria-label', 'Close this message');
  close.addEventListener('click', () => box.remove());
  box.append(close);
  $('toasts').append(box);
  raise();
  while ($('toasts').childElementCount > 3) $('toasts').firstElementChild.remove();
  setTimeout(() => box.remove(), tone === 'bad' ? 15000 : 6000);
};

/** copy copies a text to the clipboard, or shows it so that the visitor can copy it. */
export const copy = async (text, done) => {
  try {
    await navigator.clipboard.writeText(text);
    toast(done, 'good');
  } catch {
    $('copy-text').value = text;
    $('copy').showModal();
    $('copy-text').select();
  }
};
