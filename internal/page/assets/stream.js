// The event stream. Each event reports a change, and the page then requests the list. After an error, the browser reconnects. It
// does not notice a dead connection, and it gives up after a response that is not a stream; this file handles both.
//
// Browsers open at most six connections to a server, so the visible tabs of a page share one stream: the tab with the lock has it,
// and passes its events on. A hidden tab has no stream, and catches up when it is shown. Without locks, which need https or
// localhost, each visible tab has a stream.

const silence = 25000; // ms; the server sends an event every 10 s
const pause = 2000; // ms
const name = 'aihooks ' + location.pathname; // other pages of this server have other paths

/** stream calls changed after every change and every connection, and state with "live", "lost" or "hidden". */
export const stream = (changed, state) => {
  const channel = new BroadcastChannel(name);
  let version = null;
  let source = null; // null in a tab without the stream
  let live = false;
  let refused = false;
  let watchdog = 0;
  let leave = null; // ends this tab's wait for the lock, or its hold of the lock

  const wait = (ms) => {
    clearTimeout(watchdog);
    watchdog = setTimeout(again, ms);
  };

  const hear = (type, data) => {
    if (type !== 'lost') wait(silence);
    if (type === 'hello') {
      if (version !== null && version !== data) {
        location.reload(); // the server has another version of the page
        return;
      }
      version = data;
      refused = false;
      live = true;
      state('live');
      changed();
    } else if (type === 'change') {
      changed();
    } else if (type === 'lost') {
      live = false;
      state('lost');
    }
  };

  const connect = () => {
    source = new EventSource('api/events');
    const event = (type, data) => {
      channel.postMessage([type, data]);
      hear(type, data);
    };
    for (const type of ['hello', 'change', 'pulse']) source.addEventListener(type, ({ data }) => event(type, data));
    source.addEventListener('error', () => {
      event('lost');
      if (source.readyState !== EventSource.CLOSED) return;
      if (!refused) changed(); // the request shows the error, for example that a restarted server has another token
      refused = true;
      wait(pause);
    });
    wait(silence);
  };

  // again runs after silence. In a tab without the stream, the tab that has it hangs, or has just ended.
  const again = () => {
    hear('lost');
    if (source) {
      source.close();
      connect();
    } else {
      channel.postMessage(['join']);
      wait(silence);
    }
  };

  channel.addEventListener('message', ({ data: [type, data] }) => {
    if (document.hidden) return;
    if (type !== 'join') {
      if (!source && (type !== 'welcome' || !live)) hear(type === 'welcome' ? 'hello' : type, data);
    } else if (source && live) {
      channel.postMessage(['welcome', version]);
    }
  });

  const start = () => {
    if (leave) return;
    const abort = new AbortController();
    leave = () => abort.abort();
    wait(silence);
    if (!navigator.locks) {
      connect();
      return;
    }
    navigator.locks.request(name, { signal: abort.signal }, () => new Promise((resolve) => {
      if (abort.signal.aborted) return resolve();
      abort.signal.addEventListener('abort', resolve);
      connect();
    })).catch(() => {}); // the tab was hidden before it got the lock
    channel.postMessage(['join']);
  };

  const stop = () => {
    leave?.();
    leave = null;
    source?.close();
    source = null;
    live = false;
    clearTimeout(watchdog);
    state('hidden');
  };

  const follow = () => (document.hidden ? stop() : start());
  document.addEventListener('visibilitychange', follow);
  window.addEventListener('pagehide', stop); // the browser may keep the page to show it again, without its stream
  window.addEventListener('pageshow', follow);
  follow();
};
