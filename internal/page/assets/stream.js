// The event stream. Each event reports a change, and the page then requests the list. After an error, the browser reconnects. It
// does not notice a dead connection, and it gives up after a response that is not a stream; this file handles both.

const silence = 25000; // ms; the server sends an event every 10 s
const pause = 2000; // ms

/** stream calls changed after every change and every connection, and state with "live" or "lost". */
export const stream = (changed, state) => {
  let version = null;
  let source = null;
  let refused = false;
  let watchdog = 0;

  const connect = () => {
    source = new EventSource('api/events');
    const heard = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(again, silence);
    };
    source.addEventListener('hello', (event) => {
      if (version !== null && version !== event.data) {
        location.reload(); // the server has another version of the page
        return;
      }
      version = event.data;
      refused = false;
      heard();
      state('live');
      changed();
    });
    source.addEventListener('change', () => {
      heard();
      changed();
    });
    source.addEventListener('pulse', heard);
    source.addEventListener('error', () => {
      state('lost');
      if (source.readyState === EventSource.CLOSED) {
        if (!refused) changed(); // the request shows the error, for example that a restarted server has another token
        refused = true;
        clearTimeout(watchdog);
        watchdog = setTimeout(again, pause);
      }
    });
    heard();
  };

  const again = () => {
    state('lost');
    source.close();
    connect();
  };

  connect();
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) again(); // the page comes from the browser's cache, and its stream is closed
  });
};
