// Keyboard shortcuts. They are disabled in text fields, and together with Ctrl, Alt or Meta.

export const keys = (does) => {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || does.isOpen()) return;
    const typing = event.target.closest('input, textarea, select');
    if (typing) {
      if (event.key === 'Escape') typing.blur();
      if (typing.id === 'text' && (event.key === 'ArrowDown' || event.key === 'Enter')) {
        event.preventDefault();
        does.move(0);
      }
      return;
    }
    const inList = event.target.closest('#list') || event.target === document.body || event.target.id === 'detail';
    const run = {
      j: () => does.move(1),
      k: () => does.move(-1),
      ArrowDown: inList && event.target.id !== 'detail' && (() => does.move(1)),
      ArrowUp: inList && event.target.id !== 'detail' && (() => does.move(-1)),
      Enter: event.target.closest('#list') && does.enter,
      ' ': event.target.closest('#list') && does.enter,
      Escape: does.escape,
      r: () => does.press('replay', 'retry'),
      d: () => does.press('discard'),
      x: () => does.press('rerun'),
      c: () => does.press('copy'),
      t: () => does.only('type'),
      e: () => does.only('endpoint'),
      v: does.vendor,
      o: does.older,
      n: does.newest,
      a: does.all,
      p: does.pauses,
      g: does.chart,
      '/': does.search,
      '?': does.help,
    }[event.key] ?? (/^\d$/.test(event.key) && (() => does.verdict(Number(event.key))));
    if (!run || (event.repeat && !['j', 'k', 'ArrowDown', 'ArrowUp'].includes(event.key))) return;
    event.preventDefault();
    run();
  });
};
