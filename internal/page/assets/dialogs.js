// Dialogs and messages.

import { make, words } from './text.js';

const $ = (id) => document.getElementById(id);

const closing = (dialog, ...buttons) => {
  for (const b of buttons) b.addEventListener('click', () => dialog.close(b.id));
  let pressed = null; // selecting text may end outside of the dialog
  dialog.addEventListener('pointerdown', (event) => { pressed = event.target; });
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog && pressed === dialog) dialog.close(''); // outside of the dialog
  });
};

closing($('confirm'), $('confirm-yes'), $('confirm-no'));
closing($('help'), $('help-close'));
closing($('copy'), $('copy-close'));

let answer = () => {};
const settle = () => { if (!$('confirm').open) answer($('confirm').returnValue === 'confirm-yes'); };

// The browser sends this event some time after the dialog was closed. The next question may already be open.
$('confirm').addEventListener('close', settle);

/** confirm asks a question, and resolves to whether the answer was yes. */
export const confirm = (question, yes, dangerous) => new Promise((resolve) => {
  const dialog = $('confirm');
  settle();
  answer = resolve;
  $('confirm-text').textContent = question;
  $('confirm-yes').textContent = yes;
  $('confirm-yes').className = dangerous ? 'danger' : 'first';
  $('confirm-no').textContent = dangerous ? 'Keep it' : 'Not now';
  dialog.returnValue = '';
  dialog.showModal();
  $('confirm-no').focus();
});

/** help shows the keys. */
export const help = () => $('help').showModal();

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
